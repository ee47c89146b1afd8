import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { recordDecision } from '../../src/analysis/index.ts'
import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import type { RecordFillInput } from '../../src/trading/fill-input.ts'
import type { Order, RecordOrderInput } from '../../src/trading/order-input.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import type { OrderStatus } from '../../src/trading/schema/orders.ts'

export const EXCHANGE = 'hyperliquid'
export const SYMBOL = 'BTC'

/** Registers the bots and the instrument that orders and fills are of. */
export async function prepare(db: Database, ...botIds: string[]): Promise<void> {
  for (const botId of botIds) {
    await registerBot(db, {
      botId,
      kind: 'grid',
      strategy: 'grid',
      exchange: EXCHANGE,
      mode: 'paper',
      baseCurrency: 'USDC',
      initialEquity: '1000',
    })
  }
  await setInstrument(db, {
    exchange: EXCHANGE,
    symbol: SYMBOL,
    kind: 'linear',
    baseCurrency: 'BTC',
    quoteCurrency: 'USDC',
  })
}

let serial = 0

/** A key that no other order of the run has. */
export function unique(prefix: string): string {
  serial += 1
  return `${prefix}-${serial}`
}

/** Stores a decision of the bot and returns its id. */
export async function decisionIn(db: Database, botId: string): Promise<string> {
  const decision = { botId, symbol: SYMBOL, intendedAction: 'long', confidence: 0.5, reasons: [] } as const
  return (await recordDecision(db, decision)).id
}

export function orderOf(botId: string, given: Partial<RecordOrderInput> = {}): RecordOrderInput {
  return {
    botId,
    exchange: EXCHANGE,
    symbol: SYMBOL,
    side: 'buy',
    type: 'limit',
    quantity: '2',
    limitPrice: '100.5',
    clientOrderId: unique('client'),
    ...given,
  }
}

export function fillOf(botId: string, given: Partial<RecordFillInput> = {}): RecordFillInput {
  return {
    botId,
    exchange: EXCHANGE,
    symbol: SYMBOL,
    side: 'buy',
    price: '100',
    quantity: '1',
    fee: '0.1',
    feeCurrency: 'USDC',
    executedAt: new Date('2026-03-01T10:00:00.000Z'),
    exchangeTradeId: unique('trade'),
    ...given,
  }
}

/** An order that was recorded in this status. */
export async function orderIn(db: Database, botId: string, status: OrderStatus): Promise<Order> {
  return await recordOrder(db, orderOf(botId, { status }))
}

/** An id that no order has. */
export function unknownId(): string {
  return uuidv7()
}

/** Rows of plain SQL, as text. */
export async function rowsOf(
  db: Database,
  query: ReturnType<typeof sql>,
): Promise<Record<string, unknown>[]> {
  return (await db.execute(query)) as Record<string, unknown>[]
}

/** What the fills of an order add up to, beside what the order says. */
export async function sumsOf(db: Database, order: Order): Promise<Record<string, unknown>[]> {
  return await rowsOf(
    db,
    sql`select o.filled_quantity = coalesce(sum(f.quantity), 0) as quantity_fits,
      o.filled_cost = coalesce(sum(f.price * f.quantity), 0) as cost_fits,
      o.fee = coalesce(sum(f.fee_in_settlement), 0) as fee_fits, count(f.id)::int as fills
    from trading.orders o left join trading.fills f on f.bot_id = o.bot_id and f.order_id = o.id
    where o.bot_id = ${order.botId} and o.id = ${order.id} group by o.bot_id, o.id`,
  )
}
