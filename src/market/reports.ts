import { createHash } from 'node:crypto'
import { type Column, type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { sqlStatement } from '../db/statement.ts'
import { known, ROWS_SENT, toArray, type ValuesRecorded } from './record-values.ts'
import type { calendarEvents, news } from './schema/events.ts'

// Reports are of something that a source tells again and again, and a later one changes what an earlier one of the same key
// said. Those of one call count as if they had come one by one: what became of them adds up to their number.

/** A report as a row of its table: values by the names of the columns, as JSON holds them. Absent where left out. */
export type ReportRow = Readonly<Record<string, unknown>>

/** Reads the choice of a list that may be left out, but not empty: nothing would ever be found. */
export function toChoice(values: readonly string[], field: string): string[] {
  if (toArray(values, field).length > 0) return values.map((value, i) => toName(value, `${field}[${i}]`))
  throw new DataError('invalid_input', `${field} names nothing: give at least one, or leave it out`, {
    field,
  })
}

/** Reads a value that may be left out, which keeps what is stored, or be null, which erases it. */
export function toChange<Given, Read>(
  value: Given | null | undefined,
  field: string,
  read: (value: Given, field: string) => Read,
): Read | null | undefined {
  return value === undefined ? undefined : known(value, field, read)
}

const ID_LENGTH_MAX = 200

/** An id made of content: the content itself, where a key has room for it. */
export function idOf(content: string): string {
  return content.length <= ID_LENGTH_MAX ? content : hashOf(content)
}

/** An id made of content of any length. */
export function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The same object without what is undefined, so that it can be laid over an earlier report. */
export function given(values: ReportRow): ReportRow {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

interface DistinctReports<Row extends ReportRow> {
  /** One of each key, in the order of the keys: writers that go the same way do not wait for each other in a circle. */
  readonly rows: readonly Row[]
  /** What became of reports that others of the same call were laid over. */
  readonly updated: number
  readonly unchanged: number
}

/** Lays reports of one key over each other, as the database would: one statement can write a row but once. */
export function distinctReports<Row extends ReportRow>(
  reports: readonly Row[],
  key: readonly string[],
): DistinctReports<Row> {
  const rows = new Map<string, Row>()
  let updated = 0
  let unchanged = 0
  for (const report of reports) {
    const name = key.map((column) => report[column]).join('\0')
    const earlier = rows.get(name)
    const row = { ...earlier, ...report }
    rows.set(name, row)
    if (earlier === undefined) continue
    if (JSON.stringify(row) === JSON.stringify(earlier)) unchanged += 1
    else updated += 1
  }
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  return { rows: sorted.map(([, row]) => row), updated, unchanged }
}

/** Sends rows part by part and adds up what became of each part. What a part does not count was stored already. */
export async function storeReports<Row extends ReportRow>(
  { rows, updated, unchanged }: DistinctReports<Row>,
  store: (part: readonly Row[]) => Promise<Pick<ValuesRecorded, 'inserted' | 'updated'>>,
): Promise<ValuesRecorded> {
  const counts = { inserted: 0, updated, unchanged: unchanged + rows.length }
  for (let start = 0; start < rows.length; start += ROWS_SENT) {
    const part = await store(rows.slice(start, start + ROWS_SENT))
    counts.inserted += part.inserted
    counts.updated += part.updated
    counts.unchanged -= part.inserted + part.updated
  }
  return counts
}

/** A JSON list as rows `x` with these columns. */
export function recordset(list: SQL, columns: readonly Column[]): SQL {
  const types = columns.map((column) => `"${column.name}" ${column.getSQLType()}`)
  return sql`json_to_recordset(${list}::json) as x(${sql.raw(types.join(', '))})`
}

export function listOf(parts: readonly SQL[]): SQL {
  return sql.join([...parts], sql`, `)
}

const KEY = ['source', 'external_id']

/**
 * Defines how reports known by source and external id are stored. What a report leaves out of `optional` stays as it is, and
 * null erases it.
 */
export function reportStore(
  name: string,
  table: typeof news | typeof calendarEvents,
  required: readonly Column[],
  optional: readonly Column[],
): (db: Database, reports: readonly ReportRow[]) => Promise<ValuesRecorded> {
  const changing = [...required, ...optional]
  const columns = [table.id, table.source, table.externalId, ...changing]
  const list = (alias: string, of: readonly Column[]) =>
    listOf(of.map((column) => sql.raw(`${alias}"${column.name}"`)))
  const statement = sqlStatement<{ id: string }, string>(name, (slot) => {
    // What a report leaves out must be looked up in the row that it meets, which may be newer than this statement's snapshot.
    // Of the report nothing but the values of its row is left there, so it is known by its id, which nobody else has.
    const values = changing.map((column) =>
      optional.includes(column)
        ? sql`case when excluded.id in (select unnest(${slot(leftOut(column))}::uuid[]))
            then ${list('stored.', [column])} else ${list('excluded.', [column])} end`
        : list('excluded.', [column]),
    )
    const inserted = columns.map((column) =>
      column.notNull && column.hasDefault
        ? sql`coalesce(${list('x.', [column])}, ${column.default})`
        : list('x.', [column]),
    )
    return {
      query: sql`
        insert into ${table} as stored (${list('', columns)})
        select ${listOf(inserted)} from ${recordset(slot('rows'), columns)}
        on conflict (${sql.raw(KEY.join(', '))}) do update set (${list('', changing)}) = row(${listOf(values)})
        where (${list('stored.', changing)}) is distinct from (${listOf(values)})
        returning id`,
      fields: { id: table.id },
    }
  })
  return (db, reports) =>
    storeReports(distinctReports(reports, KEY), async (part) => {
      const rows: readonly ReportRow[] = part.map((row) => ({ id: newId(), ...row }))
      const stored = await statement.runWith(db, (slot) => {
        const column = optional.find((one) => leftOut(one) === slot)
        if (column === undefined) return JSON.stringify(rows)
        return rows.filter((row) => row[column.name] === undefined).map((row) => row.id)
      })
      // A row that was there before has kept its own id.
      const fresh = new Set(rows.map((row) => row.id))
      const inserted = stored.filter(({ id }) => fresh.has(id)).length
      return { inserted, updated: stored.length - inserted }
    })
}

function leftOut(column: Column): string {
  return `without_${column.name}`
}
