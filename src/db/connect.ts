import { PgDialect } from 'drizzle-orm/pg-core'
import { type ConnectOptions, readSettings, type Settings } from './config.ts'
import type { Connection, Database, Logger } from './database.ts'
import type { EngineKind, Link } from './engine.ts'
import { DataError } from './errors.ts'
import { openPgLink, type StatementNames } from './link-pg.ts'
import { openPostgresLink } from './link-postgres.ts'
import { assertSchemaFits } from './migration-status.ts'
import { Pool } from './pool.ts'
import { BlotterDatabase, BlotterSession } from './session.ts'

const IDLE_MS = 60_000
const LIFETIME_MS = 45 * 60_000
const CLOSE_MS = 5_000

/**
 * Connects to a Postgres server whose schema is migrated.
 *
 * There is no database to fall back on: a bot without one must not trade.
 *
 * @throws `config` listing every wrong or missing setting.
 * @throws `schema_mismatch` when migrations are pending, or were made by a newer release.
 * @throws `connection` when the server does not answer.
 */
export async function connect(options: ConnectOptions = {}): Promise<Connection> {
  const settings = readSettings(options)
  const openLink = await linkOpener(settings, settings.url, settings.pooled, options.logger)
  const db = assembleConnection({ engine: settings.driver, openLink, settings, logger: options.logger })
  if (options.skipSchemaCheck) return db
  try {
    await assertSchemaFits(db)
  } catch (error) {
    await db.close()
    throw error
  }
  return db
}

/** Opens one connection past any pooler, for what needs a session of its own. Its pool has one place. */
export async function connectDirect(options: ConnectOptions): Promise<Connection> {
  const settings = {
    ...readSettings(options),
    poolSize: 1,
    pooled: false,
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
  }
  const openLink = await linkOpener(settings, settings.directUrl, false, options.logger)
  return assembleConnection({ engine: settings.driver, openLink, settings, logger: options.logger })
}

export interface ConnectionParts {
  readonly engine: EngineKind
  readonly openLink: () => Link
  readonly settings: Pick<
    Settings,
    | 'poolSize'
    | 'poolWaitMs'
    | 'pooled'
    | 'statementTimeoutMs'
    | 'lockTimeoutMs'
    | 'idleInTransactionTimeoutMs'
  >
  readonly logger: Logger | undefined
  /** Runs after the last connection is closed. */
  readonly afterClose?: () => Promise<void>
}

/** Puts a handle together from a way to open connections. */
export function assembleConnection(parts: ConnectionParts): Connection {
  const { engine, openLink, settings, logger } = parts
  const pool = new Pool({
    size: settings.poolSize,
    waitMs: settings.poolWaitMs,
    idleMs: IDLE_MS,
    lifetimeMs: LIFETIME_MS,
    open: openLink,
  })
  const dialect = new PgDialect()
  const session = new BlotterSession(dialect, {
    pool,
    logger,
    beginScript: beginScriptOf(settings),
    canCopy: engine === 'postgres' && settings.statementTimeoutMs > 0,
    pooled: settings.pooled,
  })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= pool.close(CLOSE_MS).then(parts.afterClose)
    return closing
  }
  const db: Database = new BlotterDatabase(dialect, session, undefined)
  return Object.defineProperties(db, {
    engine: { value: engine },
    pool: { get: () => pool.figures },
    close: { value: close },
    [Symbol.asyncDispose]: { value: close },
  }) as Connection
}

/** Sessions behind a pooler are shared, so that timeouts can be set for a transaction only. */
function beginScriptOf(settings: ConnectionParts['settings']): string {
  if (!settings.pooled) return 'begin'
  return [
    'begin',
    `set local statement_timeout = ${settings.statementTimeoutMs}`,
    `set local lock_timeout = ${settings.lockTimeoutMs}`,
    `set local idle_in_transaction_session_timeout = ${settings.idleInTransactionTimeoutMs}`,
  ].join('; ')
}

async function linkOpener(
  settings: Settings,
  url: string,
  pooled: boolean,
  logger: Logger | undefined,
): Promise<() => Link> {
  const session: Record<string, string> = {
    application_name: settings.applicationName,
    // Times are read as ISO text, whatever the role or the database prefers. Poolers take these two as well.
    DateStyle: 'ISO',
    TimeZone: 'UTC',
  }
  if (!pooled) {
    session.statement_timeout = String(settings.statementTimeoutMs)
    session.lock_timeout = String(settings.lockTimeoutMs)
    session.idle_in_transaction_session_timeout = String(settings.idleInTransactionTimeoutMs)
  }
  const { connectTimeoutMs, statementTimeoutMs } = settings
  const onNotice = (notice: string) => logger?.debug({ notice }, 'notice')
  if (settings.driver === 'postgres') {
    return () => openPostgresLink({ url, pooled, connectTimeoutMs, statementTimeoutMs, session, onNotice })
  }
  const { Client } = await loadPg()
  const names: StatementNames = new Map()
  const { application_name, ...others } = session
  const startup = Object.entries(others).map(([name, value]) => `-c ${name}=${value}`)
  const config = {
    connectionString: url,
    application_name,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // This driver has no other way to send settings, and poolers refuse this one.
    ...(pooled ? {} : { options: startup.join(' ') }),
  }
  return () => {
    const client = new Client(config)
    client.on('notice', (notice) => onNotice(notice.message ?? ''))
    return openPgLink({ client, pooled, names, statementTimeoutMs })
  }
}

async function loadPg(): Promise<Pick<typeof import('pg'), 'Client'>> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    throw new DataError('config', "driver 'pg' needs the package pg: npm install pg", { cause })
  }
}
