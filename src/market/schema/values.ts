import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { pgSchema } from 'drizzle-orm/pg-core'
import { isNotBlank } from '../../db/columns.ts'

export const market = pgSchema('market')

/** The rule of a text in a key: one of more than 2,700 bytes does not fit into an index. */
export function isKey(column: SQLWrapper): SQL {
  return sql`${isNotBlank(column)} and char_length(${column}) <= 200`
}

/** The rule of a double that is a number: neither NaN nor an infinity. */
export function isFiniteDouble(column: SQLWrapper): SQL {
  return sql`${column} > '-Infinity'::float8 and ${column} < 'Infinity'::float8`
}
