import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { LedgerChange } from './ledger-change.ts'
import { filledOrder, insertColumns, keyOf, writable } from './ledger-columns.ts'
import { fills } from './schema/fills.ts'
import { ledgerHeads, positions } from './schema/positions.ts'

// By far the most fills meet a position that is open and stays the same one. For these there is a statement with plain
// parameters: taking lists of rows apart costs as much again as storing one.

type Values = Readonly<Record<string, unknown>>

const HEAD_KEY = ['bot_id', 'exchange', 'symbol', 'position_side']
const headValues = writable(ledgerHeads).filter(({ name }) => !HEAD_KEY.includes(name))
const MOVING = [
  'status',
  'quantity',
  'cost',
  'peak_quantity',
  'entry_quantity',
  'entry_cost',
  'exit_quantity',
  'exit_value',
  'realised_gross',
  'fees',
  'unvalued_fees',
  'fill_count',
  'closed_at',
]
const movingColumns = writable(positions).filter(({ name }) => MOVING.includes(name))
const fillColumns = writable(fills)

const ORDER_VALUES = [
  ['quantity', 'numeric'],
  ['cost', 'numeric'],
  ['fee', 'numeric'],
  ['first_at', 'timestamptz'],
  ['last_at', 'timestamptz'],
] as const

function statementOf(name: string, hasOrder: boolean): PreparedStatement<{ recordedAt: Date }, string> {
  return sqlStatement(name, (slot) => {
    const value = (prefix: string, column: { name: string; getSQLType(): string }) =>
      sql`${slot(`${prefix}_${column.name}`)}::${sql.raw(column.getSQLType())}`
    const assign = (prefix: string, columns: readonly { name: string; getSQLType(): string }[]) =>
      list(columns.map((column) => sql`${sql.raw(`"${column.name}"`)} = ${value(prefix, column)}`))
    const order = sql`, put_order as (
      update trading.orders o set ${filledOrder}
      from moved, (select ${list(
        ORDER_VALUES.map(([column, type]) => sql`${slot(`o_${column}`)}::${sql.raw(`${type} as ${column}`)}`),
      )}) x
      where o.bot_id = moved.bot_id and o.id = ${slot('o_order_id')}::uuid returning 1)`
    return {
      query: sql`
        with moved as (
          update trading.ledger_heads h set ${assign('h', headValues)}
          where h.bot_id = ${slot('h_bot_id')} and h.exchange = ${slot('h_exchange')} and h.symbol = ${slot('h_symbol')}
            and h.position_side = ${slot('h_position_side')} and h.version = ${slot('h_version')}::bigint - 1
          returning h.bot_id),
        put_position as (
          update trading.positions p
          set ${assign('p', movingColumns)}, version = p.version + 1,
            exit_reason = coalesce(p.exit_reason, ${slot('p_exit_reason')}::text)
          from moved where p.bot_id = moved.bot_id and p.id = ${slot('p_id')}::uuid
          returning 1)
        ${hasOrder ? order : sql``}
        insert into trading.fills (${insertColumns(fills)})
        select ${list(fillColumns.filter(isInserted).map((column) => value('f', column)))} from moved
        returning recorded_at`,
      fields: { recordedAt: fills.recordedAt },
    }
  })
}

function isInserted({ name }: { name: string }): boolean {
  return name !== 'recorded_at'
}

function list(parts: readonly SQL[]): SQL {
  return sql.join([...parts], sql`, `)
}

const withoutOrder = statementOf('ledger.append', false)
const withOrder = statementOf('ledger.appendToOrder', true)

/** True when a change is one fill of a position that was open before, without lots. */
export function isAppend(change: LedgerChange): boolean {
  return (
    !change.isReplay &&
    change.fills.length === 1 &&
    change.positions.length === 1 &&
    change.positions[0]?.id === change.openId &&
    change.orders.length <= 1 &&
    change.lots.length + change.usedLots.length + change.flows.length === 0
  )
}

/** Stores such a change; undefined when the ledger was changed since it was read. */
export async function storeAppend(db: Database, change: LedgerChange): Promise<Date | undefined> {
  const [order] = change.orders
  const rows: Record<string, Values | undefined> = {
    h: { ...keyOf(change.id), ...change.head },
    p: change.positions[0],
    f: change.fills[0],
    o: order,
  }
  // A slot is named after its row and its column.
  const give = (slot: string) => rows[slot.charAt(0)]?.[slot.slice(2)]
  const [stored] = await (order ? withOrder : withoutOrder).runWith(db, give)
  return stored?.recordedAt
}
