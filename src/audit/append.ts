import { getTableColumns, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { isDataError } from '../db/errors.ts'
import { found, only } from '../db/rows.ts'
import { differences, refuseOther } from '../db/same.ts'
import { sqlStatement } from '../db/statement.ts'

type Row = Readonly<Record<string, unknown>>

/** What the database fills in. */
const FILLED_IN = ['id', 'sequence', 'previousHash', 'hash']

/** Defines how a row is appended to a chained table. Its time is the database's clock where it is left out. */
export function appends<Table extends PgTable>(
  verb: string,
  table: Table,
): (db: Database, values: Row) => Promise<Table['$inferSelect']> {
  const fields = Object.entries(getTableColumns(table)) as [string, PgColumn][]
  const sent = fields.filter(([key]) => !FILLED_IN.includes(key))
  const namesOf = (columns: typeof fields) =>
    sql.join(
      columns.map(([, { name }]) => sql.identifier(name)),
      sql`, `,
    )
  const statement = sqlStatement<Table['$inferSelect'], string>(verb, (slot) => {
    const values = sent.map(([key, column]) => {
      const value = sql`${slot(key)}::${sql.raw(column.getSQLType())}`
      return key === 'occurredAt' ? sql`coalesce(${value}, now())` : value
    })
    return {
      query: sql`
        insert into ${table} (${namesOf(sent)}) values (${sql.join(values, sql`, `)}) returning ${namesOf(fields)}`,
      fields: Object.fromEntries(fields),
    }
  })
  const columns = new Map(sent)
  return async (db, values) => {
    const encode = (key: string) => {
      const value = values[key]
      return value === undefined || value === null ? null : columns.get(key)?.mapToDriverValue(value)
    }
    return found(verb, only(verb, await statement.runWith(db, encode)))
  }
}

/**
 * Appends one row, or returns the one that is stored under the key that the caller gave.
 *
 * @throws `conflict` naming what differs from the stored row.
 */
export async function appendOnce<Stored extends Row, Meant extends Row & { readonly eventId: string | null }>(
  what: string,
  meant: Meant,
  find: (eventId: string) => Promise<Stored | undefined>,
  append: () => Promise<Stored>,
): Promise<Stored> {
  const { eventId } = meant
  if (eventId === null) return await append()
  const stored = await find(eventId)
  if (stored) return theSame(what, stored, meant)
  try {
    return await append()
  } catch (thrown) {
    if (!isDataError(thrown) || thrown.code !== 'conflict') throw thrown
    // Another caller was faster. Inside a transaction the error has ended it, and nothing can be read any more.
    const winner = await find(eventId).catch(() => undefined)
    if (winner === undefined) throw thrown
    return theSame(what, winner, meant)
  }
}

/** What was not given, as a time that the database filled in, is not compared. */
function theSame<Stored extends Row>(what: string, stored: Stored, meant: Row): Stored {
  refuseOther(what, differences(meant, stored))
  return stored
}
