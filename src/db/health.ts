import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Connection } from './database.ts'
import type { EngineKind } from './engine.ts'
import { DataError, type ErrorCode, isDataError } from './errors.ts'
import { compareMigrations, editedError, type MigrationComparison, pendingError } from './migration-status.ts'
import { readMigrations } from './migrations.ts'
import type { PoolFigures } from './pool.ts'
import { sqlStatement } from './statement.ts'

/** What `checkHealth` found. What a database that does not answer cannot tell is null. */
export interface Health {
  /**
   * True when the database answers and has every migration of this release. Migrations of a newer release do not make
   * it false, since each leaves the release before it working. Whether writes are possible: `isInRecovery`.
   */
  readonly ok: boolean
  /** One round trip on an open connection, in milliseconds. */
  readonly latencyMs: number | null
  readonly engine: EngineKind
  /** As in '15.18'. */
  readonly serverVersion: string | null
  /** As in 15. */
  readonly serverMajor: number | null
  /** The name of the newest migration of this release that is applied; null also if none is. */
  readonly schemaVersion: string | null
  /** How many migrations of this release the database lacks. */
  readonly pendingMigrations: number | null
  /** True for a standby, which can be read only. */
  readonly isInRecovery: boolean | null
  readonly pool: PoolFigures
  readonly checkedAt: Date
  /** Why `ok` is false. Holds no secret. */
  readonly error?: { readonly code: ErrorCode; readonly message: string }
}

export interface CheckHealthOptions {
  /** How long the whole check may take. 5,000 ms. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5_000

interface Server {
  readonly version: string
  readonly major: number
  readonly isInRecovery: boolean
}

const readServer = sqlStatement<Server, never>('checkHealth', () => ({
  query: sql`select split_part(current_setting('server_version'), ' ', 1),
    current_setting('server_version_num')::integer / 10000, pg_is_in_recovery()`,
  fields: {
    version: sql<string>`version`,
    major: sql<number>`major`,
    isInRecovery: sql<boolean>`is_in_recovery`,
  },
}))

const ping = sqlStatement<{ one: number }, never>('checkHealth', () => ({
  query: sql`select 1`,
  fields: { one: sql<number>`one` },
}))

/**
 * Asks the database how it is, and always answers: a broken one gives `ok: false` and the reason.
 *
 * @throws nothing, so that a health endpoint can return the result as it stands.
 */
export async function checkHealth(
  db: Connection,
  options: CheckHealthOptions = {},
  folder?: string,
): Promise<Health> {
  const { timeoutMs = TIMEOUT_MS } = options
  const findings: Findings = {}
  const done = new AbortController()
  let error: unknown
  try {
    await Promise.race([examine(db, findings, folder), expire(timeoutMs, done.signal)])
    if (findings.schema) error = editedError(findings.schema) ?? pendingError(findings.schema)
  } catch (thrown) {
    error = thrown
  } finally {
    done.abort()
  }
  const { server, latencyMs, schema } = findings
  return {
    ok: error === undefined,
    latencyMs: latencyMs ?? null,
    engine: db.engine,
    serverVersion: server?.version ?? null,
    serverMajor: server?.major ?? null,
    schemaVersion: schema?.applied.at(-1)?.name ?? null,
    pendingMigrations: schema?.pending.length ?? null,
    isInRecovery: server?.isInRecovery ?? null,
    pool: db.pool,
    checkedAt: new Date(),
    ...(error === undefined ? {} : { error: describe(error) }),
  }
}

/** Filled step by step, so that what was learned before a failure is reported with it. */
interface Findings {
  server?: Server
  latencyMs?: number
  schema?: MigrationComparison
}

async function examine(db: Connection, findings: Findings, folder: string | undefined): Promise<void> {
  const [server] = await readServer.run(db, {})
  if (server) findings.server = server
  // On the connection that the statement before has opened, so that only the round trip is measured.
  const startedAt = performance.now()
  await ping.run(db, {})
  findings.latencyMs = performance.now() - startedAt
  findings.schema = await compareMigrations(db, await readMigrations(folder))
}

async function expire(timeoutMs: number, signal: AbortSignal): Promise<void> {
  // Ends early when the check is done, which is no failure.
  const expired = await sleep(timeoutMs, true, { signal }).catch(() => false)
  if (expired) throw new DataError('connection', `the database did not answer within ${timeoutMs} ms`)
}

/** The message of an error that is not ours could hold anything, a connection string among it. */
function describe(error: unknown): { code: ErrorCode; message: string } {
  if (isDataError(error)) return { code: error.code, message: error.message }
  return { code: 'unexpected', message: error instanceof Error ? error.name : 'unknown error' }
}
