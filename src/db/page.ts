import { type Column, type SQL, sql } from 'drizzle-orm'
import { DataError } from './errors.ts'

/** What every list takes. */
export interface PageInput<Cursor> {
  /** Rows at most: 1 to 1,000, 100 unless said otherwise. */
  readonly limit?: number
  /** The last row of the page before; the list goes on after it. */
  readonly after?: Cursor | undefined
}

const LIMIT = 100
const LIMIT_MAX = 1000

/** @throws `invalid_input` naming `limit` outside 1 to 1,000. */
export function readLimit(limit: number | undefined): number {
  const value = limit ?? LIMIT
  if (!Number.isInteger(value) || value < 1 || value > LIMIT_MAX) {
    throw new DataError('invalid_input', `limit ${value} is not a whole number from 1 to ${LIMIT_MAX}`, {
      field: 'limit',
    })
  }
  return value
}

/** The rows that come after one in a list ordered by `time` and then `id`, both newest first. */
export function comesAfter(
  time: Column,
  id: Column,
  cursor: { at: Date; id: string } | undefined,
): SQL | undefined {
  if (cursor === undefined) return undefined
  // As one comparison, it is where the index is entered; taken apart, the pages before would be read again.
  return sql`(${time}, ${id}) < (${sql.param(cursor.at, time)}, ${sql.param(cursor.id, id)})`
}
