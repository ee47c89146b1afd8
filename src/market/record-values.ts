import { type Column, getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'

/** What became of values that were recorded. */
export interface ValuesRecorded {
  /** Values of a key that was not there yet. */
  readonly inserted: number
  /** Values that replaced others of the same key. */
  readonly updated: number
  /** Values that were stored already. */
  readonly unchanged: number
}

/** Rows of one statement: enough to make round trips cheap, few enough to keep memory flat. */
export const ROWS_SENT = 1_000

/** A row as JSON, by the names that its columns have in the database. */
export type EncodedRow = Readonly<Record<string, unknown>>

// The database's own.
const OWN = ['recorded_at', 'updated_at']

function writable(table: PgTable): Column[] {
  return Object.values(getTableColumns(table)).filter(
    (column: Column) => column.generated === undefined && !OWN.includes(column.name),
  )
}

const names = (columns: readonly Column[], alias = '') =>
  sql.raw(columns.map((column) => `${alias}"${column.name}"`).join(', '))

/** Encodes a row for the statements below: amounts and times as text, which loses nothing. */
export function encodeRow<Table extends PgTable>(table: Table, row: Table['$inferInsert']): EncodedRow {
  const values: Readonly<Record<string, unknown>> = row
  const columns = Object.entries(getTableColumns(table)) as [string, PgColumn][]
  return Object.fromEntries(
    columns.flatMap(([key, column]) => {
      const value = values[key]
      return value === undefined
        ? []
        : [[column.name, value === null ? null : column.mapToDriverValue(value)]]
    }),
  )
}

/** A JSON list as rows of a table, under the name `x`, each with its number `n`, where it was given one. */
export function rowsOf(list: SQL, table: PgTable): SQL {
  const types = writable(table).map((column) => `"${column.name}" ${column.getSQLType()}`)
  return sql`json_to_recordset(${list}::json) as ${sql.raw(`x(n integer, ${types.join(', ')})`)}`
}

export interface Upsert {
  readonly table: PgTable
  readonly key: readonly PgColumn[]
  /** What happens to a row, `stored`, when another one, `excluded`, has its key. All is replaced unless said otherwise. */
  readonly set?: SQL
  /** Whether that changes anything. */
  readonly where?: SQL
}

/**
 * Stores the rows of a JSON list and returns one row for each that was new or changed something.
 *
 * They are written in the order of the key, so that two writers of the same keys wait for each other in one direction only.
 * The list may have a key once: a statement does not change its own rows.
 */
export function upsertStatement(
  name: string,
  { table, key, ...change }: Upsert,
): PreparedStatement<{ inserted: boolean }, 'rows'> {
  return sqlStatement(name, (slot) => {
    const columns = writable(table)
    const others = columns.filter((column) => !key.some(({ name }) => name === column.name))
    const {
      set = sql.raw(others.map(({ name }) => `"${name}" = excluded."${name}"`).join(', ')),
      where = sql`(${names(others, 'stored.')}) is distinct from (${names(others, 'excluded.')})`,
    } = change
    return {
      query: sql`
        insert into ${table} as stored (${names(columns)})
        select ${names(columns, 'x.')} from ${rowsOf(slot('rows'), table)} order by ${names(key, 'x.')}
        on conflict (${names(key)}) do update set ${set} where ${where}
        returning stored.xmax = 0 as inserted`,
      fields: { inserted: sql<boolean>`inserted` },
    }
  })
}

/** Splits rows so that no part has a key twice, and of two with the same key the first is in the earlier part. */
export function splitByKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const seen = new Map<string, number>()
  const parts: Row[][] = []
  for (const row of rows) {
    const key = keyOf(row)
    const before = seen.get(key) ?? 0
    seen.set(key, before + 1)
    const part = parts[before]
    if (part) part.push(row)
    else parts.push([row])
  }
  return parts
}

/**
 * Makes the writer of a table in which a later report replaces an earlier one of the same key.
 *
 * It takes rows that were checked, in the order in which they were reported, and writes them part by part.
 */
export function replacingWriter<Table extends PgTable>(
  verb: string,
  table: Table,
  key: readonly PgColumn[],
): (db: Database, rows: readonly Table['$inferInsert'][]) => Promise<ValuesRecorded> {
  const statement = upsertStatement(verb, { table, key })
  const keyOf = (row: EncodedRow) => JSON.stringify(key.map((column) => row[column.name]))
  return async (db, rows) => {
    let inserted = 0
    let written = 0
    for (let start = 0; start < rows.length; start += ROWS_SENT) {
      const encoded = rows.slice(start, start + ROWS_SENT).map((row) => encodeRow(table, row))
      for (const part of splitByKey(withoutRepeats(encoded, keyOf), keyOf)) {
        const changed = await statement.run(db, { rows: JSON.stringify(part) })
        written += changed.length
        inserted += changed.filter((row) => row.inserted).length
      }
    }
    return { inserted, updated: written - inserted, unchanged: rows.length - written }
  }
}

/** Leaves out what says the same as the row of its key before: a log of polls has one value many times. */
function withoutRepeats(rows: readonly EncodedRow[], keyOf: (row: EncodedRow) => string): EncodedRow[] {
  const last = new Map<string, string>()
  return rows.filter((row) => {
    const [key, text] = [keyOf(row), JSON.stringify(row)]
    const isNew = last.get(key) !== text
    last.set(key, text)
    return isNew
  })
}

/** @throws `invalid_input` naming `field` if it is no array. */
export function toArray<Value>(values: readonly Value[], field: string): readonly Value[] {
  if (Array.isArray(values)) return values
  throw new DataError('invalid_input', `${field} is not an array`, { field })
}

const KEY_LENGTH_MAX = 200

/** Reads text of a key. @throws `invalid_input` naming `field` if it is blank, or longer than 200 characters. */
export function toKey(value: string, field: string): string {
  // Postgres counts a character outside the basic plane once, JavaScript twice.
  if ([...toName(value, field)].length <= KEY_LENGTH_MAX) return value
  throw new DataError('invalid_input', `${field} is longer than ${KEY_LENGTH_MAX} characters`, { field })
}

/** Reads a whole number; open above without `to`. @throws `invalid_input` naming `field` and the value. */
export function toWhole(value: number, field: string, from: number, to?: number): number {
  if (Number.isSafeInteger(value) && value >= from && value <= (to ?? value)) return value
  const range = to === undefined ? `of ${from} or more` : `from ${from} to ${to}`
  throw new DataError('invalid_input', `${field} ${value} is not a whole number ${range}`, { field })
}

/** Reads what may be unknown. */
export function known<Given, Read>(
  value: Given | null | undefined,
  field: string,
  read: (value: Given, field: string) => Read,
): Read | null {
  return value === null || value === undefined ? null : read(value, field)
}
