import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { EngineKind } from './engine.ts'
import type { PoolFigures } from './pool.ts'

/**
 * What every verb takes first: a connected database, the embedded engine, or a transaction of either. It is a Drizzle
 * database, so your own queries run on it too.
 */
export type Database = PgDatabase<PgQueryResultHKT>

/** A database handle that owns its connections, as `connect` returns it. */
export type Connection = Database & {
  readonly engine: EngineKind
  /** Connections open, idle, waited for, and how many there may be. */
  readonly pool: PoolFigures
  /** Waits up to five seconds for running statements, then closes every connection. Safe to repeat. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a log line of one statement holds. Parameters and SQL text are never among it. */
export interface StatementLog {
  /** The verb or statement name; `query` for a query of your own. */
  readonly statement: string
  readonly durationMs: number
  /** `ok`, or the code of the error. */
  readonly outcome: string
}

/** The part of a pino logger that is used; pino, winston and console fit. */
export interface Logger {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
}
