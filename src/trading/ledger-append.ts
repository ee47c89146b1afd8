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

// Nothing is sent twice: a fill that is added is the last of its ledger, so most of its key is in the head.
const HEAD_VALUES = ['last_executed_at', 'last_sequence', 'last_exchange_trade_id', 'last_side']
const headValues = writable(ledgerHeads).filter(({ name }) => HEAD_VALUES.includes(name))
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
const fillColumns = writable(fills).filter(({ name }) => name !== 'recorded_at')
/** Where the statement has the value of a fill's column already. */
const HAD: Readonly<Record<string, string>> = {
  bot_id: 'moved.bot_id',
  exchange: 'moved.exchange',
  symbol: 'moved.symbol',
  position_side: 'moved.position_side',
  side: 'moved.last_side',
  exchange_trade_id: 'moved.last_exchange_trade_id',
  executed_at: 'moved.last_executed_at',
  sequence: 'moved.last_sequence',
  position_id: 'put_position.id',
}

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
    const fillValue = (column: (typeof fillColumns)[number]) => {
      if (column.name === 'order_id' && !hasOrder) return sql`null::uuid`
      const had = HAD[column.name]
      return had ? sql.raw(had) : value('f', column)
    }
    return {
      query: sql`
        with moved as (
          update trading.ledger_heads h set ${assign('h', headValues)}, version = h.version + 1
          where h.bot_id = ${slot('h_bot_id')} and h.exchange = ${slot('h_exchange')} and h.symbol = ${slot('h_symbol')}
            and h.position_side = ${slot('h_position_side')} and h.version = ${slot('h_version')}::bigint - 1
            and not exists (
              select from trading.fills f
              where f.bot_id = h.bot_id and f.exchange = h.exchange and f.symbol = h.symbol
                and f.exchange_trade_id = ${slot('f_exchange_trade_id')} and f.side = ${slot('f_side')})
          returning h.*),
        put_position as (
          update trading.positions p
          set ${assign('p', movingColumns)}, version = p.version + 1,
            exit_reason = coalesce(p.exit_reason, ${slot('p_exit_reason')}::text)
          from moved where p.bot_id = moved.bot_id and p.id = ${slot('p_id')}::uuid
          returning p.id)
        ${hasOrder ? order : sql``}
        insert into trading.fills (${insertColumns(fills)})
        select ${list(fillColumns.map(fillValue))} from moved, put_position
        returning recorded_at`,
      fields: { recordedAt: fills.recordedAt },
    }
  })
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

/** Stores such a change; undefined when the ledger was changed since it was read, or has the fill already. */
export async function storeAppend(db: Database, change: LedgerChange): Promise<Date | undefined> {
  const [order] = change.orders
  const rows: Record<string, Values | undefined> = {
    h: { ...keyOf(change.id), ...change.head },
    p: change.positions[0],
    f: change.fills[0],
    o: order,
  }
  const give = (slot: string) => {
    const [row, column] = partsOf(slot)
    return rows[row]?.[column] ?? null
  }
  const [stored] = await (order ? withOrder : withoutOrder).runWith(db, give)
  return stored?.recordedAt
}

const slotParts = new Map<string, readonly [row: string, column: string]>()

/** A slot is named after its row and its column. Taken apart once, for there are some fifty in a statement. */
function partsOf(slot: string): readonly [row: string, column: string] {
  let parts = slotParts.get(slot)
  if (!parts) {
    parts = [slot.charAt(0), slot.slice(2)]
    slotParts.set(slot, parts)
  }
  return parts
}
