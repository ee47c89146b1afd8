import { z } from 'zod'
import { assembleConnection } from '../db/connect.ts'
import type { Connection, Logger } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { assertSchemaFits, migrateConnection } from '../db/migrate.ts'
import { explainingFileErrors, prepareDirectory } from './directory.ts'
import { type DirectoryLock, lockDirectory } from './directory-lock.ts'
import { openPgliteListener } from './listen-pglite.ts'
import { type EmbeddedEngine, startEngine } from './pglite-engine.ts'

export interface ConnectEmbeddedOptions {
  /** Where the database lives; made if missing, with its parents. Without it, in memory, and gone on close. */
  readonly directory?: string
  /** Bring the database to the schema of this release first. False unless said otherwise. */
  readonly migrate?: boolean
  /** How long to wait for the one connection. 5,000 ms. */
  readonly poolWaitMs?: number
  /** Receives a line for each statement: its name, duration and outcome, never its parameters. */
  readonly logger?: Logger
  /** Connect even when migrations are pending or newer than this release. For operators only. */
  readonly skipSchemaCheck?: boolean
}

const POOL_WAIT_MS = 5_000

const optionsSchema = z.object({
  directory: z
    .string()
    .refine((text) => text.trim() !== '' && !text.includes('\0'), 'names no directory')
    .optional(),
  migrate: z.boolean().default(false),
  poolWaitMs: z.number().int().min(1).max(86_400_000).default(POOL_WAIT_MS),
  skipSchemaCheck: z.boolean().default(false),
})

/**
 * Starts Postgres inside this process and connects to it: for one bot on one machine, without a server.
 *
 * A directory serves one process at a time. What was acknowledged survives the end of the process, however it comes, but
 * not that of the machine: the engine does not wait for the disk. It has one connection and no statement timeout. Close
 * the handle when done.
 *
 * @throws `config` if another process has the directory, it cannot be used, or `@electric-sql/pglite` is not installed.
 * @throws `schema_mismatch` if migrations are pending without `migrate`, or were made by a newer release, or if another
 * major version of Postgres made the directory.
 */
export async function connectEmbedded(options: ConnectEmbeddedOptions = {}): Promise<Connection> {
  const { directory: given, migrate, poolWaitMs, skipSchemaCheck } = readOptions(options)
  const { logger } = options
  const onNotice = (notice: string) => logger?.debug({ notice }, 'notice')
  const { engine, lock } = await open(given, onNotice)
  const db = connectToEngine(engine, { poolWaitMs, logger, afterClose: () => lock?.release() })
  try {
    if (migrate) await migrateConnection(db)
    else if (!skipSchemaCheck) await assertSchemaFits(db)
    return db
  } catch (error) {
    await db.close()
    throw error
  }
}

export interface EngineHandleOptions {
  readonly poolWaitMs?: number | undefined
  readonly logger?: Logger | undefined
  readonly afterClose?: () => Promise<void> | undefined
}

/** Returns a handle on a running engine. Closing it closes the engine. */
export function connectToEngine(engine: EmbeddedEngine, options: EngineHandleOptions = {}): Connection {
  const { poolWaitMs = POOL_WAIT_MS, logger, afterClose } = options
  return assembleConnection({
    engine: 'pglite',
    openLink: engine.openLink,
    listening: {
      open: (events, pool) => openPgliteListener(engine.onNotification, pool, events),
      heartbeatMs: 0,
      connectMs: poolWaitMs,
    },
    settings: {
      poolSize: 1,
      poolWaitMs,
      pooled: false,
      statementTimeoutMs: 0,
      lockTimeoutMs: 0,
      idleInTransactionTimeoutMs: 0,
    },
    logger,
    async afterClose() {
      try {
        await engine.close()
      } finally {
        await afterClose?.()
      }
    },
  })
}

async function open(
  given: string | undefined,
  onNotice: (message: string) => void,
): Promise<{ engine: EmbeddedEngine; lock?: DirectoryLock }> {
  if (given === undefined) return { engine: await startEngine({ onNotice }) }
  const directory = await prepareDirectory(given)
  const lock = await explainingFileErrors(directory, () => lockDirectory(directory))
  try {
    return { engine: await startEngine({ directory, onNotice }), lock }
  } catch (error) {
    await lock.release()
    throw error
  }
}

function readOptions(options: ConnectEmbeddedOptions): z.output<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(options)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `- ${issue.path.join('.')}: ${issue.message}`)
  throw new DataError('config', `cannot connect with these settings:\n${problems.join('\n')}`)
}
