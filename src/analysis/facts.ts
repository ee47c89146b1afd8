import { and, eq, getTableColumns, gte, lt, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { invalid, toUuid } from '../db/input.ts'
import { comesAfter } from '../db/page.ts'
import { only } from '../db/rows.ts'
import { isSame, refuseOther } from '../db/same.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { TimePageInput } from '../market/value-reads.ts'

/** A table of facts of bots, each with an id that its caller may give. */
type FactTable = PgTable & {
  readonly botId: PgColumn
  readonly id: PgColumn
  readonly symbol: PgColumn
}

/** A row as it was checked, by the names of its columns; undefined where the input left a field out. */
export type CheckedFact = Readonly<Record<string, unknown>> & { readonly botId: string; readonly id: string }

export interface FactStore<Row> {
  /** Stores a row and returns it; undefined where its id is there already. */
  insert(db: Database, fact: CheckedFact): Promise<Row | undefined>
  read(db: Database, key: { readonly botId: string; readonly id: string }): Promise<Row | undefined>
}

/** The columns of a table, by the names that they have in TypeScript. */
export function columnsOf(table: PgTable): Record<string, PgColumn> {
  return getTableColumns(table) as Record<string, PgColumn>
}

/** A value as its column is sent; null where there is none. @throws `invalid_input` naming the field. */
export function encodeValue(column: PgColumn, value: unknown, field: string): unknown {
  if (value === undefined || value === null) return null
  try {
    return column.mapToDriverValue(value)
  } catch (thrown) {
    // A document that goes round in a circle, or is nested too deeply, has no JSON.
    if (thrown instanceof TypeError || thrown instanceof RangeError) throw invalid(field, 'has no JSON form')
    if (!isDataError(thrown) || thrown.field === field) throw thrown
    // The column names itself, and knows nothing of the list that it is in.
    throw invalid(field, thrown.message.slice(thrown.message.indexOf(' ') + 1))
  }
}

export const nameList = (columns: readonly PgColumn[]): SQL =>
  sql.join(
    columns.map(({ name }) => sql.identifier(name)),
    sql`, `,
  )

/** Prepares writing and reading one table. `time` is the database's clock where it is left out. */
export function factStore<Table extends FactTable>(
  verb: string,
  table: Table,
  time: PgColumn,
): FactStore<Table['$inferSelect']> {
  type Row = Table['$inferSelect']
  const fields = columnsOf(table)
  const sent = Object.entries(fields).filter(
    ([key, column]) => column.generated === undefined && key !== 'recordedAt',
  )
  const insert: PreparedStatement<Row, string> = sqlStatement(verb, (slot) => {
    const values = sent.map(([key, column]) => {
      const value = sql`${slot(key)}::${sql.raw(column.getSQLType())}`
      return column === time ? sql`coalesce(${value}, now())` : value
    })
    return {
      query: sql`
        insert into ${table} (${nameList(sent.map(([, column]) => column))}) select ${sql.join(values, sql`, `)}
        on conflict do nothing returning ${nameList(Object.values(fields))}`,
      fields,
    }
  })
  const read: PreparedStatement<Row, 'botId' | 'id'> = sqlStatement(`${verb}.read`, (slot) => ({
    query: sql`
      select ${nameList(Object.values(fields))} from ${table}
      where ${table.botId} = ${slot('botId')} and ${table.id} = ${slot('id')}::uuid`,
    fields,
  }))
  return {
    async insert(db, fact) {
      const values = sent.map(([key, column]) => [key, encodeValue(column, fact[key], key)])
      return only(verb, await insert.run(db, Object.fromEntries(values)))
    },
    read: async (db, key) => only(verb, await read.run(db, key)),
  }
}

/** Stores a fact, or returns the stored one of its id. @throws `conflict` naming the fields in which that differs. */
export async function recordFact<Row extends object>(
  db: Database,
  store: FactStore<Row>,
  what: string,
  fact: CheckedFact,
  given: object,
): Promise<Row> {
  const added = await store.insert(db, fact)
  if (added) return added
  const stored = await store.read(db, fact)
  if (!stored) throw new DataError('unexpected', `${what} '${fact.id}' was there and is gone`)
  refuseOther(`${what} '${fact.id}'`, fieldsThatDiffer(stored, fact, given))
  return stored
}

/** The fields in which a report contradicts what is stored. What the input leaves out contradicts nothing. */
export function fieldsThatDiffer(stored: object, fact: object, given: object): string[] {
  const was: Readonly<Record<string, unknown>> = { ...stored }
  const is: Readonly<Record<string, unknown>> = { ...fact }
  const said: Readonly<Record<string, unknown>> = { ...given }
  return Object.keys(is).filter(
    (field) => field in was && said[field] !== undefined && !isSame(was[field], is[field]),
  )
}

export interface ListFactsInput<Cursor> extends TimePageInput<Cursor> {
  readonly botId: string
  /** Every symbol if left out. */
  readonly symbol?: string | undefined
}

interface Cursor {
  readonly at: Date
  readonly id: string
}

/** Which rows of a bot a list asks for. @throws `invalid_input` naming the field. */
export function listed(
  table: FactTable,
  time: PgColumn,
  input: ListFactsInput<unknown>,
  after: Cursor | undefined,
): SQL | undefined {
  const { symbol, from, until } = input
  const cursor = after && { at: toInstant(after.at, `after`), id: toUuid(after.id, 'after.id') }
  return and(
    eq(table.botId, toName(input.botId, 'botId')),
    symbol === undefined ? undefined : eq(table.symbol, toName(symbol, 'symbol')),
    from && gte(time, toInstant(from, 'from')),
    until && lt(time, toInstant(until, 'until')),
    comesAfter(time, table.id, cursor),
  )
}
