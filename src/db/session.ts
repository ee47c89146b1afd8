import { entityKind } from 'drizzle-orm'
import {
  PgDatabase,
  type PgDialect,
  PgPreparedQuery,
  type PgQueryResultHKT,
  PgSession,
  PgTransaction,
  type PgTransactionConfig,
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
} from 'drizzle-orm/pg-core'
import { makePgArray } from 'drizzle-orm/pg-core/utils/array'
import { fillPlaceholders, type Query } from 'drizzle-orm/sql/sql'
import { mapResultRow } from 'drizzle-orm/utils'
import type { Logger, StatementLog } from './database.ts'
import type { Link, RawResult, Statement } from './engine.ts'
import { DataError } from './errors.ts'
import type { Pool } from './pool.ts'
import { translateDriverError } from './sqlstate.ts'

declare module 'drizzle-orm/utils' {
  // Exported, but left out of the published types.
  export function mapResultRow(
    fields: SelectedFieldsOrdered,
    row: readonly unknown[],
    joinsNotNullableMap: Record<string, boolean> | undefined,
  ): unknown
}

/** What all sessions of one connection share. */
export interface SessionContext {
  readonly pool: Pool
  readonly logger: Logger | undefined
  /** Runs first in every transaction: `begin`, and the timeouts where a session cannot carry them. */
  readonly beginScript: string
  /** True if rows can be sent by COPY: the driver knows it, and a deadline ends one that goes wrong. */
  readonly canCopy: boolean
  /** True behind a pooler, which has fewer connections than it lends. */
  readonly pooled: boolean
}

/** Rows on their way into a temporary table, which is dropped at the end of the transaction. */
export interface StagedRows {
  readonly table: string
  /** Its columns with their types, as `a bigint, b numeric`. No constraints: the driver hangs where COPY fails. */
  readonly columns: string
  /** Lines in the text format of COPY. */
  readonly data: readonly Buffer[]
}

/** Runs statements on a borrowed connection, or on the one that a transaction holds. */
type Run = (statement: Statement) => Promise<RawResult>

class BlotterPreparedQuery<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  static override readonly [entityKind] = 'BlotterPreparedQuery'
  readonly #run: Run
  readonly #name: string | undefined
  readonly #fields: SelectedFieldsOrdered | undefined
  readonly #mapResult: ((rows: unknown[][]) => T['execute']) | undefined
  /** Set by Drizzle for queries with joins. */
  declare joinsNotNullableMap: Record<string, boolean> | undefined

  constructor(
    run: Run,
    query: Query,
    name: string | undefined,
    fields: SelectedFieldsOrdered | undefined,
    mapResult: ((rows: unknown[][]) => T['execute']) | undefined,
  ) {
    super(query, undefined, undefined)
    this.#run = run
    this.#name = name
    this.#fields = fields
    this.#mapResult = mapResult
  }

  async execute(placeholderValues?: Record<string, unknown>): Promise<T['execute']> {
    const { params: given } = this.query
    const params = (placeholderValues ? fillPlaceholders(given, placeholderValues) : given).map(toText)
    const result = await this.#run({
      name: this.#name,
      text: this.query.sql,
      params,
      prepare: this.#name !== undefined,
    })
    if (this.#mapResult) return this.#mapResult(result.rows as unknown[][])
    const fields = this.#fields
    if (fields) return result.rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap))
    const columns = result.columns()
    return result.rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])))
  }
}

/**
 * What a transaction or savepoint runs on. A statement that comes when it is over, or while a savepoint inside it is open,
 * would run in somebody else's transaction: a promise that nobody awaited is enough for that. So it is refused.
 */
class Scope {
  readonly #link: Link
  #isOver = false
  #hasInner = false

  constructor(link: Link) {
    this.#link = link
  }

  get link(): Link {
    if (this.#isOver)
      throw misused('a statement came after its transaction had ended: await each before it ends')
    if (this.#hasInner) {
      throw misused('a nested transaction is open: use the handle that its callback receives, and await it')
    }
    return this.#link
  }

  end(): void {
    this.#isOver = true
  }

  /** Opens a savepoint in a scope of its own, which must end before this one is used again. */
  async inner<T>(work: (scope: Scope, link: Link) => Promise<T>): Promise<T> {
    const { link } = this
    const scope = new Scope(link)
    this.#hasInner = true
    try {
      return await work(scope, link)
    } finally {
      this.#hasInner = false
    }
  }
}

function misused(what: string): DataError {
  return new DataError('unexpected', what)
}

/** Drizzle's session over our own connections: the same rows, errors and transactions whatever the driver. */
export class BlotterSession extends PgSession<PgQueryResultHKT> {
  static override readonly [entityKind] = 'BlotterSession'
  readonly #context: SessionContext
  readonly #run: Run
  /** The transaction this session belongs to. */
  readonly #held: Scope | undefined

  constructor(dialect: PgDialect, context: SessionContext, held?: Scope) {
    super(dialect)
    this.#context = context
    this.#held = held
    const run: Run = held
      ? async (statement) => await held.link.run(statement)
      : (statement) => runOnce(context.pool, statement)
    this.#run = (statement) => observed(context.logger, statement.name ?? 'query', () => run(statement))
  }

  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
    name: string | undefined,
    _isResponseInArrayMode: boolean,
    mapResult?: (rows: unknown[][]) => T['execute'],
  ): PgPreparedQuery<T> {
    return new BlotterPreparedQuery(this.#run, query, name, fields, mapResult)
  }

  override async count(query: Parameters<PgSession['count']>[0]): Promise<number> {
    const rows = await this.execute<{ count: string }[]>(query)
    return Number(rows[0]?.count)
  }

  override async transaction<T>(
    work: (tx: PgTransaction<PgQueryResultHKT>) => Promise<T>,
    config: PgTransactionConfig = {},
  ): Promise<T> {
    if (this.#held)
      throw new DataError('unexpected', 'a session inside a transaction was asked to begin another')
    const { pool, logger, beginScript } = this.#context
    const script = beginScript + characteristics(config)
    const link = await pool.acquire()
    const scope = new Scope(link)
    try {
      await observed(logger, 'begin', () => link.runScript(script))
      const session = new BlotterSession(this.dialect, this.#context, scope)
      const result = await work(new BlotterTransaction(this.dialect, session, undefined))
      scope.end()
      await observed(logger, 'commit', () => commit(link))
      return result
    } catch (error) {
      scope.end()
      // A lost connection has rolled back by itself; one that cannot roll back is not used again.
      if (!link.broken) await link.runScript('rollback').catch(() => link.close())
      throw error
    } finally {
      pool.release(link)
    }
  }

  get canCopy(): boolean {
    return this.#context.canCopy
  }

  get hasSpareConnection(): boolean {
    const { idle, open, size, waiting } = this.#context.pool.figures
    return !this.#context.pooled && waiting === 0 && (idle > 0 || open < size)
  }

  /** Makes a temporary table and fills it by COPY, in the transaction that this session belongs to. */
  async copyIn(name: string, { table, columns, data }: StagedRows): Promise<void> {
    const link = this.#held?.link
    const copyIn = link?.copyIn
    if (!link || !copyIn)
      throw new DataError('unexpected', 'COPY needs a transaction and a driver that has it')
    await observed(this.#context.logger, name, async () => {
      await link.runScript(`create temp table ${table} (${columns}) on commit drop`)
      await copyIn(`copy pg_temp.${table} from stdin`, data)
    })
  }

  /** Runs `work` in a savepoint of the transaction that this session belongs to. */
  async savepoint<T>(name: string, work: (session: BlotterSession) => Promise<T>): Promise<T> {
    const { logger } = this.#context
    if (!this.#held) throw new DataError('unexpected', 'a savepoint needs a transaction')
    return await this.#held.inner(async (scope, link) => {
      await observed(logger, 'savepoint', () => link.runScript(`savepoint ${name}`))
      try {
        const result = await work(new BlotterSession(this.dialect, this.#context, scope))
        scope.end()
        await observed(logger, 'release', () => link.runScript(`release savepoint ${name}`))
        return result
      } catch (error) {
        scope.end()
        if (!link.broken) {
          await observed(logger, 'rollback', () =>
            link.runScript(`rollback to savepoint ${name}; release savepoint ${name}`),
          )
        }
        throw error
      }
    })
  }
}

export class BlotterTransaction extends PgTransaction<PgQueryResultHKT> {
  static override readonly [entityKind] = 'BlotterTransaction'
  readonly #session: BlotterSession
  readonly #dialect: PgDialect

  constructor(dialect: PgDialect, session: BlotterSession, schema: undefined, nestedIndex = 0) {
    super(dialect, session, schema, nestedIndex)
    this.#session = session
    this.#dialect = dialect
  }

  override transaction<T>(work: (tx: PgTransaction<PgQueryResultHKT>) => Promise<T>): Promise<T> {
    const level = this.nestedIndex + 1
    return this.#session.savepoint(`level_${level}`, (session) =>
      work(new BlotterTransaction(this.#dialect, session, undefined, level)),
    )
  }
}

export class BlotterDatabase extends PgDatabase<PgQueryResultHKT> {
  static override readonly [entityKind] = 'BlotterDatabase'
}

async function runOnce(pool: Pool, statement: Statement): Promise<RawResult> {
  const link = await pool.acquire()
  try {
    return await link.run(statement)
  } finally {
    pool.release(link)
  }
}

/** Postgres answers the COMMIT of a failed transaction with ROLLBACK, and no error: that is no success. */
async function commit(link: Link): Promise<void> {
  const tag = await link.runScript('commit')
  if (tag !== 'COMMIT') {
    throw new DataError(
      'unexpected',
      `the transaction was rolled back (${tag}): a statement in it had failed and its error was not passed on`,
    )
  }
}

async function observed<T>(
  logger: Logger | undefined,
  statement: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = logger ? performance.now() : 0
  try {
    const result = await work()
    if (logger) report(logger, { statement, durationMs: performance.now() - startedAt, outcome: 'ok' })
    return result
  } catch (thrown) {
    const error = translateDriverError(thrown, statement)
    if (logger) report(logger, { statement, durationMs: performance.now() - startedAt, outcome: error.code })
    throw error
  }
}

function report(logger: Logger, entry: StatementLog): void {
  if (entry.outcome === 'ok') logger.debug(entry, 'statement')
  else logger.warn(entry, 'statement failed')
}

const ISOLATION_LEVELS = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']

function characteristics(config: PgTransactionConfig): string {
  const parts: string[] = []
  if (config.isolationLevel) {
    if (!ISOLATION_LEVELS.includes(config.isolationLevel)) {
      throw new DataError('invalid_input', `isolationLevel '${config.isolationLevel}' does not exist`, {
        field: 'isolationLevel',
      })
    }
    parts.push(`isolation level ${config.isolationLevel}`)
  }
  if (config.accessMode) parts.push(config.accessMode === 'read only' ? 'read only' : 'read write')
  if (config.deferrable !== undefined) parts.push(config.deferrable ? 'deferrable' : 'not deferrable')
  return parts.length > 0 ? `; set transaction ${parts.join(', ')}` : ''
}

/** Every driver gets text, so that no driver's own idea of a type decides what is stored. */
function toText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object':
      if (value === null) return null
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) return makePgArray(value.map((item) => (item === null ? null : toText(item))))
      return JSON.stringify(value)
    default:
      throw new DataError('invalid_input', `a parameter is ${typeof value}; leave the field out or give null`)
  }
}
