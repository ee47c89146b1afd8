import { getTableColumns, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { columnsOf } from './ledger-read.ts'
import type { Fill } from './ledger-rows.ts'
import { fills } from './schema/fills.ts'

const fillColumns = getTableColumns(fills)

const readKnown: PreparedStatement<Fill, 'keys'> = sqlStatement('recordFills.known', (slot) => {
  const all = columnsOf('f', fills, Object.keys(fillColumns))
  return {
    query: sql`
      select ${sql.join(all.list, sql`, `)}
      from json_to_recordset(${slot('keys')}::json)
        as k(bot_id text, exchange text, symbol text, exchange_trade_id text, side text)
      join trading.fills f on f.bot_id = k.bot_id and f.exchange = k.exchange and f.symbol = k.symbol
        and f.exchange_trade_id = k.exchange_trade_id and f.side = k.side`,
    fields: fillColumns,
  }
})

/** Reads the stored fills that have one of these keys, whole. */
export function readKnownFills(
  db: Database,
  keys: readonly Pick<Fill, 'botId' | 'exchange' | 'symbol' | 'exchangeTradeId' | 'side'>[],
): Promise<Fill[]> {
  const rows = keys.map((key) => ({
    bot_id: key.botId,
    exchange: key.exchange,
    symbol: key.symbol,
    exchange_trade_id: key.exchangeTradeId,
    side: key.side,
  }))
  return readKnown.run(db, { keys: JSON.stringify(rows) })
}

const readOrders: PreparedStatement<
  OrderReference & { readonly id: string; readonly purpose: string | null },
  'keys'
> = sqlStatement('recordFills.orders', (slot) => ({
  query: sql`
    select o.bot_id, o.id, o.exchange, o.symbol, o.exchange_order_id, o.purpose
    from json_to_recordset(${slot('keys')}::json) as k(bot_id text, id uuid)
    join trading.orders o on o.bot_id = k.bot_id and o.id = k.id
    union
    select o.bot_id, o.id, o.exchange, o.symbol, o.exchange_order_id, o.purpose
    from json_to_recordset(${slot('keys')}::json) as k(bot_id text, exchange text, symbol text, exchange_order_id text)
    join trading.orders o on o.bot_id = k.bot_id and o.exchange = k.exchange and o.symbol = k.symbol
      and o.exchange_order_id = k.exchange_order_id`,
  fields: {
    botId: fills.botId,
    id: fills.id,
    exchange: fills.exchange,
    symbol: fills.symbol,
    exchangeOrderId: fills.exchangeOrderId,
    purpose: sql`purpose`,
  },
}))

export interface OrderReference {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly orderId: string | null
  readonly exchangeOrderId: string | null
}

/** Reads the orders that are named by our id or by the exchange's. */
export function readNamedOrders(db: Database, references: readonly OrderReference[]) {
  const keys = references.map((reference) => ({
    bot_id: reference.botId,
    id: reference.orderId,
    exchange: reference.exchange,
    symbol: reference.symbol,
    exchange_order_id: reference.exchangeOrderId,
  }))
  return readOrders.run(db, { keys: JSON.stringify(keys) })
}
