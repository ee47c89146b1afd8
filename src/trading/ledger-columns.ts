import { type Column, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { LedgerId } from './ledger.ts'

/** The columns of a table that a caller may write, by their names in the database. */
export function writable(table: PgTable, without: readonly string[] = []): Column[] {
  return (Object.values(table) as unknown[]).filter(
    (column): column is Column =>
      isColumn(column) && column.generated === undefined && !without.includes(column.name),
  )
}

function isColumn(value: unknown): value is Column {
  return typeof value === 'object' && value !== null && 'getSQLType' in value && 'name' in value
}

export const identifier = (name: string) => sql.raw(`"${name}"`)
export const names = (columns: readonly Column[], alias = '') =>
  sql.raw(columns.map((column) => `${alias}"${column.name}"`).join(', '))

/** A JSON list as rows with these columns, each with the number `n` of its ledger. */
export function rowsOf(list: SQL, columns: readonly Column[], alias: string): SQL {
  const types = columns.map((column) => `"${column.name}" ${column.getSQLType()}`)
  return sql`json_to_recordset(${list}::json) as ${sql.raw(`${alias}(n integer, ${types.join(', ')})`)}`
}

// `updated_at` and `recorded_at` are the database's own.
const OWN = ['recorded_at', 'updated_at', 'created_at']

/** The columns of a table that an insert names, for a statement that takes rows as JSON. */
export function insertColumns(table: PgTable, alias = ''): SQL {
  return names(writable(table, OWN), alias)
}

/** A JSON list as rows of a table. */
export function recordset(list: SQL, table: PgTable, alias: string): SQL {
  return rowsOf(list, writable(table, OWN), alias)
}

/** The key of a ledger, as its columns are called. */
export function keyOf(id: LedgerId) {
  return { bot_id: id.botId, exchange: id.exchange, symbol: id.symbol, position_side: id.positionSide }
}

/** What fills add to an order `o`: the sums in `x`, and the status that follows while it can still change. */
export const filledOrder = sql`
  filled_quantity = o.filled_quantity + x.quantity, filled_cost = o.filled_cost + x.cost, fee = o.fee + x.fee,
  status = case when o.status not in ('pending', 'submitted', 'partially_filled') then o.status
    when o.filled_quantity + x.quantity >= o.quantity then 'filled' else 'partially_filled' end,
  submitted_at = coalesce(o.submitted_at, x.first_at),
  closed_at = case when o.status in ('pending', 'submitted', 'partially_filled')
    and o.filled_quantity + x.quantity >= o.quantity then x.last_at else o.closed_at end`
