import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'

/** A span of time and a page of what lies in it. */
export interface TimePageInput<Cursor> extends PageInput<Cursor> {
  /** The first moment; open if left out. */
  readonly from?: Date | undefined
  /** The moment after the last; open if left out. */
  readonly until?: Date | undefined
}

/** The reads of a table in which a key names values that follow each other in time. */
export interface ValueReads<Row, Key extends string> {
  /** The newest of a key, if there is any. */
  latest(db: Database, key: Readonly<Record<Key, string>>): Promise<Row | undefined>
  /** Those of a key, newest first; `after` is the time of the last one before. @throws `invalid_input` naming the field. */
  list(
    db: Database,
    key: Readonly<Record<Key, string>>,
    page: TimePageInput<unknown>,
    after: Date | undefined,
  ): Promise<Row[]>
}

/** Prepares the reads of a table under the names of their verbs. */
export function valueReads<Table extends PgTable, Key extends string>(
  table: Table,
  key: Readonly<Record<Key, PgColumn>>,
  time: PgColumn,
  verbs: { readonly latest: string; readonly list: string },
): ValueReads<Table['$inferSelect'], Key> {
  type Slot = Key | 'from' | 'until' | 'limit'
  const fields = getTableColumns(table)
  const columns = sql.join(
    Object.values(fields).map(({ name }) => sql.identifier(name)),
    sql`, `,
  )
  const names = Object.keys(key) as Key[]
  const ofKey = (slot: (value: Key) => SQL) =>
    sql.join(
      names.map((name) => sql`${key[name]} = ${slot(name)}`),
      sql` and `,
    )
  const latest = sqlStatement<Table['$inferSelect'], Key>(verbs.latest, (slot) => ({
    query: sql`select ${columns} from ${table} where ${ofKey(slot)} order by ${time} desc limit 1`,
    fields,
  }))
  const list = sqlStatement<Table['$inferSelect'], Slot>(verbs.list, (slot) => ({
    query: sql`select ${columns} from ${table} where ${ofKey(slot)} and ${time} >= ${slot('from')} and ${time} < ${slot('until')}
      order by ${time} desc limit ${slot('limit')}`,
    fields,
  }))
  return {
    latest: async (db, values) => only(verbs.latest, await latest.run(db, values)),
    list: (db, values, { from, until, limit }, after) => {
      const ends = [until && toInstant(until, 'until'), after].filter((end) => end !== undefined)
      const slots: Record<Slot, unknown> = {
        ...values,
        from: from === undefined ? '-infinity' : toInstant(from, 'from'),
        until: ends.length === 0 ? 'infinity' : new Date(Math.min(...ends.map((end) => end.getTime()))),
        limit: readLimit(limit),
      }
      return list.run(db, slots)
    },
  }
}
