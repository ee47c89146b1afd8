import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { EngineKind } from './engine.ts'
import type { Listener, Subscription } from './listen.ts'
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
  /**
   * Tells `on` of each notification that is sent on a channel from now on, also after the connection was lost and made anew.
   *
   * All subscriptions of a handle share one connection of their own, past any pooler. What is sent while it is down is not
   * told: read anew whenever `ready` is called. Returns once the first attempt is over: `ready` was called if it succeeded;
   * otherwise attempts go on, at most five seconds apart, until the subscription or the handle is closed. Until then it
   * keeps the process alive, save on the embedded engine. `on` must not throw: that ends the process, as in any handler.
   *
   * @throws `invalid_input` if the channel is not lower-case letters, digits and underscores, at most 63 of them.
   * @throws `config` if there is only a pooled URL.
   * @throws `connection` if the handle is closed.
   */
  listen(channel: string, on: Listener): Promise<Subscription>
  /** Waits up to five seconds for running statements, then closes every connection and subscription. Safe to repeat. */
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
