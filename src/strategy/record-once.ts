import { type Column, getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'

/** Reads what may be left out: undefined leaves a value to the database, null is a value. */
export function optional<Given, Read>(
  value: Given | null | undefined,
  field: string,
  read: (value: Given, field: string) => Read,
): Read | null | undefined {
  if (value === undefined) return undefined
  return value === null ? null : read(value, field)
}

/** The same row without what is undefined, as optional columns are typed. */
export type Given<Row> = { [Key in keyof Row]?: Row[Key] | undefined }

type Entry = readonly [key: string, column: PgColumn]

function columnsOf(table: PgTable): Entry[] {
  return Object.entries(getTableColumns(table)) as Entry[]
}

/** A row as JSON by the names of its columns, for `json_to_recordset`. What is undefined is left out. */
export function encode(table: PgTable, row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    columnsOf(table).flatMap(([key, column]) => {
      const value = row[key]
      return value === undefined ? [] : [[column.name, value === null ? null : encodeValue(column, value)]]
    }),
  )
}

function encodeValue(column: PgColumn, value: unknown): unknown {
  const written = column.mapToDriverValue(value)
  return column.getSQLType() === 'jsonb' ? JSON.parse(String(written)) : written
}

/** The fields of a given row that say something else than the stored one. Amounts and documents are compared by value. */
export function differing(
  table: PgTable,
  given: Readonly<Record<string, unknown>>,
  stored: Readonly<Record<string, unknown>>,
): string[] {
  const fields = Object.keys(getTableColumns(table)).filter((key) => given[key] !== undefined)
  const textOf = (row: Readonly<Record<string, unknown>>, key: string) =>
    canonical(encode(table, { [key]: row[key] }))
  return fields.filter((key) => textOf(given, key) !== textOf(stored, key))
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
      : part,
  )
}

const names = (columns: readonly Column[], alias = '') =>
  sql.raw(columns.map(({ name }) => `${alias}"${name}"`).join(', '))

/** A JSON list as rows `x` of a table. */
export function rowsOf(list: SQL, table: PgTable): SQL {
  const types = columnsOf(table).map(([, column]) => `"${column.name}" ${column.getSQLType()}`)
  return sql`json_to_recordset(${list}::json) as ${sql.raw(`x(${types.join(', ')})`)}`
}

/** An insert of the rows of a JSON list, with the table's defaults for what they leave out. */
export function insertRows(table: PgTable, list: SQL): SQL {
  const columns = columnsOf(table)
    .map(([, column]) => column)
    .filter(({ generatedIdentity }) => generatedIdentity === undefined)
  const values = columns.map((column) =>
    column.default === undefined
      ? sql.raw(`x."${column.name}"`)
      : sql`coalesce(${sql.raw(`x."${column.name}"`)}, ${defaultOf(column)})`,
  )
  return sql`insert into ${table} as stored (${names(columns)}) select ${sql.join(values, sql`, `)} from ${rowsOf(list, table)}`
}

function defaultOf(column: Column): unknown {
  const value: unknown = column.default
  return typeof value === 'string'
    ? sql.raw(`'${value}'`)
    : typeof value === 'number' || typeof value === 'boolean'
      ? sql.raw(String(value))
      : value
}

export interface Once<Table extends PgTable> {
  readonly row: Table['$inferSelect']
  readonly isNew: boolean
}

/**
 * Defines how a row is recorded once: stored if its key is new, and returned as it is stored if it was recorded before with the same content. One
 * round trip either way.
 */
export function recordsOnce<Table extends PgTable>(
  verb: string,
  table: Table,
  key: readonly PgColumn[],
  /** More to be written together with a new row, `added`; and another key that it may be known by, of the row `x`. */
  {
    parts = [],
    otherKey,
  }: { parts?: readonly ((slot: (name: string) => SQL) => SQL)[]; otherKey?: SQL } = {},
): (
  db: Database,
  given: Given<Table['$inferInsert']>,
  what: string,
  more?: Readonly<Record<string, unknown>>,
  /** Fields that the caller did not give, and that are not compared. */
  made?: readonly string[],
) => Promise<Once<Table>> {
  const statement = sqlStatement<Table['$inferSelect'] & { isNew: boolean }, string>(verb, (slot) => {
    const columns = columnsOf(table).map(([, column]) => column)
    const isIt = sql.join(
      key.map(({ name }) => sql.raw(`s."${name}" = x."${name}"`)),
      sql` and `,
    )
    return {
      query: sql`
        with added as (${insertRows(table, slot('rows'))} on conflict ${otherKey ? sql`` : sql`(${names(key)})`} do nothing returning *)
        ${sql.join(
          parts.map((part) => sql`, ${part(slot)}`),
          sql``,
        )}
        select true as is_new, ${names(columns, 'a.')} from added a
        union all
        select false, ${names(columns, 's.')} from ${rowsOf(slot('rows'), table)} join ${table} s on (${isIt})${otherKey ? sql` or (${otherKey})` : sql``}
        where not exists (select from added)`,
      fields: { isNew: sql<boolean>`is_new`, ...getTableColumns(table) },
    }
  })
  return async (db, given, what, more = {}, made = []) => {
    const values: Readonly<Record<string, unknown>> = given
    const rows = JSON.stringify([encode(table, values)])
    // Of a row that somebody else stores meanwhile, the first look sees nothing; the next one does.
    for (let tries = 0; tries < LOOKS_MAX; tries++) {
      const found = only(verb, await statement.run(db, { ...more, rows }))
      if (found === undefined) continue
      const { isNew, ...row } = found
      if (isNew) return { row: row as Table['$inferSelect'], isNew }
      const fields = differing(table, values, row).filter((field) => !made.includes(field))
      if (fields.length === 0) return { row: row as Table['$inferSelect'], isNew }
      throw new DataError('conflict', `${what} is recorded with another ${fields.join(', ')}`, {
        field: fields[0],
      })
    }
    throw new DataError('unexpected', `${verb}: ${what} is neither new nor stored`)
  }
}

const LOOKS_MAX = 3
