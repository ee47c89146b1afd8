import { PgDialect } from 'drizzle-orm/pg-core'
import type { ClientConfig } from 'pg'
import { type ConnectOptions, readSettings, type Settings } from './config.ts'
import type { Connection, Database, Logger } from './database.ts'
import type { EngineKind, Link, ListeningEvents, ListeningLink } from './engine.ts'
import { DataError } from './errors.ts'
import { openPgLink, type StatementNames } from './link-pg.ts'
import { openPostgresLink } from './link-postgres.ts'
import { type Listener, Listening, type ListeningOptions, type Subscription } from './listen.ts'
import { openPgListener } from './listen-pg.ts'
import { openPostgresListener } from './listen-postgres.ts'
import { assertSchemaFits } from './migration-status.ts'
import { Pool } from './pool.ts'
import { BlotterDatabase, BlotterSession } from './session.ts'

const IDLE_MS = 60_000
const LIFETIME_MS = 45 * 60_000
const CLOSE_MS = 5_000
/** How often a connection that listens is asked whether it still lives, and how long its answer is waited for. */
const HEARTBEAT_MS = 15_000
const ANSWER_MS = 5_000

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
  const { logger } = options
  const { openLink, openListener } = await loadDriver(settings, settings, logger)
  const listening = { open: openListener, heartbeatMs: HEARTBEAT_MS, connectMs: settings.connectTimeoutMs }
  const isDirectKnown = !settings.pooled || settings.directUrl !== settings.url
  const db = assembleConnection({
    engine: settings.driver,
    openLink,
    listening: isDirectKnown ? listening : undefined,
    settings,
    logger,
  })
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
  const { logger } = options
  const { openLink, openListener } = await loadDriver(
    settings,
    { url: settings.directUrl, pooled: false },
    logger,
  )
  const listening = { open: openListener, heartbeatMs: HEARTBEAT_MS, connectMs: settings.connectTimeoutMs }
  return assembleConnection({ engine: settings.driver, openLink, listening, settings, logger })
}

export interface ConnectionParts {
  readonly engine: EngineKind
  readonly openLink: () => Link
  /** Absent where a pooler is all that can be reached. */
  readonly listening:
    | (Pick<ListeningOptions, 'heartbeatMs' | 'connectMs'> & {
        readonly open: (events: ListeningEvents, pool: Pool) => ListeningLink
      })
    | undefined
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
  const { engine, openLink, listening: listeningParts, settings, logger } = parts
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
  const listening =
    listeningParts &&
    new Listening({
      ...listeningParts,
      open: (events) => listeningParts.open(events, pool),
      answerMs: ANSWER_MS,
      logger,
    })
  async function listen(channel: string, on: Listener): Promise<Subscription> {
    if (listening) return await listening.subscribe(channel, on)
    throw new DataError(
      'config',
      'listening needs a session of its own, which a pooler does not give: ' +
        'set DATABASE_DIRECT_URL (directUrl) to the server behind it',
    )
  }
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= Promise.all([pool.close(CLOSE_MS), listening?.close()]).then(parts.afterClose)
    return closing
  }
  const db: Database = new BlotterDatabase(dialect, session, undefined)
  return Object.defineProperties(db, {
    engine: { value: engine },
    pool: { get: () => pool.figures },
    listen: { value: listen },
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

/** How the connections of one handle are opened. */
interface Driver {
  openLink(): Link
  openListener(events: ListeningEvents): ListeningLink
}

/** `url` and `pooled` are of the connections in the pool; one that listens goes to the server itself. */
async function loadDriver(
  settings: Settings,
  { url, pooled }: { readonly url: string; readonly pooled: boolean },
  logger: Logger | undefined,
): Promise<Driver> {
  const { connectTimeoutMs, statementTimeoutMs, directUrl } = settings
  const onNotice = (notice: string) => logger?.debug({ notice }, 'notice')
  const session = sessionOf(settings, pooled)
  if (settings.driver === 'postgres') {
    const shared = { connectTimeoutMs, onNotice }
    const direct = { ...shared, url: directUrl, pooled: false, statementTimeoutMs: 0 }
    return {
      openLink: () => openPostgresLink({ ...shared, url, pooled, statementTimeoutMs, session }),
      openListener: (events) =>
        openPostgresListener({ ...direct, session: sessionOf(settings, false) }, events),
    }
  }
  const { Client } = await loadPg()
  const names: StatementNames = new Map()
  const openClient = (config: ClientConfig) => {
    const client = new Client({ ...config, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true })
    client.on('notice', (notice) => onNotice(notice.message ?? ''))
    return client
  }
  const config = clientConfig(url, session, pooled)
  const direct = clientConfig(directUrl, sessionOf(settings, false), false)
  return {
    openLink: () => openPgLink({ client: openClient(config), pooled, names, statementTimeoutMs }),
    openListener: (events) => openPgListener((own) => openClient({ ...direct, ...own }), events),
  }
}

function sessionOf(settings: Settings, pooled: boolean): Record<string, string> {
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
  return session
}

function clientConfig(url: string, session: Readonly<Record<string, string>>, pooled: boolean): ClientConfig {
  const { application_name, ...others } = session
  const startup = Object.entries(others).map(([name, value]) => `-c ${name}=${value}`)
  return {
    connectionString: url,
    application_name,
    // This driver has no other way to send settings, and poolers refuse this one.
    ...(pooled ? {} : { options: startup.join(' ') }),
  }
}

async function loadPg(): Promise<Pick<typeof import('pg'), 'Client'>> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    throw new DataError('config', "driver 'pg' needs the package pg: npm install pg", { cause })
  }
}
