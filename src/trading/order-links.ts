import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { toUuid } from '../db/input.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { filledOrder } from './ledger-columns.ts'
import { columnsOf } from './ledger-read.ts'
import type { Order } from './order-input.ts'
import { orders } from './schema/orders.ts'

/** Every column of `trading.orders`, under the alias `o`. */
export const orderColumns = getTableColumns(orders)
export const orderList: SQL = sql.join(columnsOf('o', orders, Object.keys(orderColumns)).list, sql`, `)

/**
 * Moves the ledgers on that `source` selects: a fill that is being recorded at this moment, and has not seen what the
 * statement around this makes known, then loses its version and reads again.
 */
export function moveLedgers(source: SQL): SQL {
  return sql`
    insert into trading.ledger_heads as head (bot_id, exchange, symbol, position_side, version)
    select distinct s.bot_id, s.exchange, s.symbol, s.position_side, 1 from (${source}) s
    order by s.bot_id, s.exchange, s.symbol, s.position_side
    on conflict (bot_id, exchange, symbol, position_side) do update set version = head.version + 1
    returning 1`
}

// A fill without an order is waited for by its exchange's id. The ledgers are locked first, as every writer of fills does:
// so a replay and a link never hold what the other wants, and what a replay derived without the order is derived again.
const linkStatement = <Slot extends 'botId' | 'orderId'>(
  name: string,
  ofOrders: (slot: (value: Slot) => SQL) => SQL,
) =>
  sqlStatement<Order, Slot>(name, (slot) => ({
    query: sql`
      with unlinked as materialized (
        select f.bot_id, f.id, f.exchange, f.symbol, f.position_side, o.id as order_id, o.purpose
        from trading.orders o
        join trading.fills f on f.bot_id = o.bot_id and f.exchange = o.exchange and f.symbol = o.symbol
          and f.exchange_order_id = o.exchange_order_id and f.order_id is null
        where ${ofOrders(slot)}),
      moved as (${moveLedgers(sql`select * from unlinked`)}),
      linked as (
        update trading.fills f set order_id = u.order_id
        from unlinked u
        where f.bot_id = u.bot_id and f.id = u.id and f.order_id is null and (select count(*) from moved) >= 0
        returning f.*, u.purpose),
      exits as (
        update trading.positions p set exit_reason = f.purpose, version = p.version + 1
        from linked f
        where p.bot_id = f.bot_id and p.id = f.position_id and p.status = 'closed' and p.exit_reason is null
          and f.purpose in ('stop_loss', 'take_profit') and p.closed_at = f.executed_at
          and not exists (
            select from trading.fills g
            where g.bot_id = f.bot_id and g.exchange = f.exchange and g.symbol = f.symbol
              and g.position_side = f.position_side and g.executed_at = f.executed_at and g.position_id = p.id
              and (g.sequence, octet_length(g.exchange_trade_id), g.exchange_trade_id collate "C", g.side)
                > (f.sequence, octet_length(f.exchange_trade_id), f.exchange_trade_id collate "C", f.side))
        returning 1)
      update trading.orders o
      set ${filledOrder}
      from (
        select bot_id, order_id, sum(quantity) as quantity, sum(price * quantity) as cost,
          sum(coalesce(fee_in_settlement, 0)) as fee, min(executed_at) as first_at, max(executed_at) as last_at
        from linked group by bot_id, order_id) x
      where o.bot_id = x.bot_id and o.id = x.order_id
      returning ${orderList}`,
    fields: orderColumns,
  }))

const linkOne: PreparedStatement<Order, 'botId' | 'orderId'> = linkStatement(
  'linkFills.order',
  (slot) => sql`o.bot_id = ${slot('botId')} and o.id = ${slot('orderId')}::uuid`,
)

const linkAll: PreparedStatement<Order, 'botId'> = linkStatement(
  'linkFills.bot',
  (slot) => sql`o.bot_id = ${slot('botId')}`,
)

export interface LinkFillsInput {
  readonly botId: string
  /** One order; all orders of the bot unless given. */
  readonly orderId?: string | undefined
}

/**
 * Gives the fills that were recorded before their order to it, adds them to its figures, and returns the orders that got
 * any. Safe to repeat: a linked fill stays with its order.
 */
export async function linkFills(db: Database, input: LinkFillsInput): Promise<Order[]> {
  const botId = toName(input.botId, 'botId')
  if (input.orderId === undefined) return await linkAll.run(db, { botId })
  return await linkOne.run(db, { botId, orderId: toUuid(input.orderId, 'orderId') })
}

/** Links the fills of an order whose exchange's id is known; returns the order as it is then. */
export async function withFillsLinked(db: Database, order: Order): Promise<Order> {
  if (order.exchangeOrderId === null) return order
  const [changed] = await linkOne.run(db, { botId: order.botId, orderId: order.id })
  return changed ?? order
}
