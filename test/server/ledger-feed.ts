import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/bots.ts'
import { setInstrument } from '../../src/market/instruments.ts'
import type { RecordCashFlowInput } from '../../src/trading/cash-flow-input.ts'
import type { RecordFillInput } from '../../src/trading/fill-input.ts'

export const EXCHANGE = 'paper'

/** Random numbers that are the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [result[i], result[j]]
    if (a !== undefined && b !== undefined) [result[i], result[j]] = [b, a]
  }
  return result
}

/** An element of a list that is not empty. */
export function pick<T>(items: readonly T[], random: () => number): T {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

export interface FeedOptions {
  readonly botId: string
  readonly symbols: readonly string[]
  readonly fills: number
  readonly payments: number
  readonly seed: number
}

const START = Date.UTC(2026, 0, 1)

/** The n-th execution of a feed: the same whoever makes it. */
export function fillAt(options: Pick<FeedOptions, 'botId' | 'symbols'>, n: number, random: () => number) {
  const fill: RecordFillInput = {
    botId: options.botId,
    exchange: EXCHANGE,
    symbol: pick(options.symbols, random),
    side: random() < 0.5 ? 'buy' : 'sell',
    price: (100 + Math.floor(random() * 2_000) / 100).toFixed(2),
    quantity: `${1 + Math.floor(random() * 9)}.${Math.floor(random() * 1000)}1`,
    fee: `0.0${1 + Math.floor(random() * 9)}`,
    feeCurrency: 'USDT',
    // Several of the same millisecond, and not in the order of their ids.
    executedAt: new Date(START + Math.floor(n / 3) * 1_000),
    exchangeTradeId: `t${(n * 7919) % 100_003}`,
    ...(random() < 0.3 ? { positionSide: random() < 0.5 ? ('long' as const) : ('short' as const) } : {}),
  }
  return fill
}

/** Executions of one bot in few symbols. */
export function fillFeed(options: FeedOptions): RecordFillInput[] {
  const random = randomFrom(options.seed)
  return Array.from({ length: options.fills }, (_, n) => fillAt(options, n, random))
}

/** Funding payments among the fills, and flows that belong to no position. */
export function flowFeed(options: FeedOptions): RecordCashFlowInput[] {
  const random = randomFrom(options.seed + 1)
  const lengthMs = (options.fills / 3) * 1_000
  return Array.from({ length: options.payments }, (_, n) => ({
    botId: options.botId,
    exchange: EXCHANGE,
    kind: n % 3 === 0 ? ('deposit' as const) : ('funding' as const),
    amount: `${n % 2 === 0 ? '' : '-'}0.${1 + Math.floor(random() * 90)}`,
    currency: 'USDT',
    symbol: pick(options.symbols, random),
    exchangeFlowId: `f${n}`,
    occurredAt: new Date(START + Math.floor(random() * lengthMs)),
  }))
}

export async function prepareBot(db: Database, botId: string, symbols: readonly string[]): Promise<void> {
  await registerBot(db, {
    botId,
    kind: 'test',
    strategy: 'random',
    exchange: EXCHANGE,
    mode: 'paper',
    baseCurrency: 'USDT',
    initialEquity: '10000',
    costBasisMethod: 'fifo',
  })
  for (const symbol of symbols) {
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency: symbol.split('-')[0] ?? symbol,
      quoteCurrency: 'USDT',
    })
  }
}

/** All that a ledger holds, without what differs from one run to the next: ids, versions, times of recording. */
export async function ledgerOf(db: Database, botId: string): Promise<Record<string, unknown[]>> {
  const read = async (query: ReturnType<typeof sql>) => (await db.execute(query)) as unknown as unknown[]
  return {
    positions: await read(sql`
      select exchange, symbol, position_side, trade_id, direction, status, quantity, cost, peak_quantity,
        entry_quantity, entry_cost, exit_quantity, exit_value, realised_gross, fees, unvalued_fees::text as unvalued,
        funding, fill_count, lot_count, opened_at, closed_at
      from trading.positions where bot_id = ${botId} order by symbol, position_side, opened_at, trade_id`),
    lots: await read(sql`
      select p.trade_id, l.ordinal, l.price, l.original_quantity, l.original_cost, l.quantity, l.cost, l.opened_at
      from trading.position_lots l join trading.positions p on p.bot_id = l.bot_id and p.id = l.position_id
      where l.bot_id = ${botId} order by p.trade_id, l.ordinal`),
    fills: await read(sql`
      select f.symbol, f.exchange_trade_id, f.side, f.position_side, f.price, f.quantity, f.fee, f.fee_in_settlement,
        f.realised_gross, f.excess_quantity, f.executed_at, p.trade_id, o.trade_id as opened_trade_id
      from trading.fills f
      left join trading.positions p on p.bot_id = f.bot_id and p.id = f.position_id
      left join trading.positions o on o.bot_id = f.bot_id and o.id = f.opened_position_id
      where f.bot_id = ${botId} order by f.symbol, f.exchange_trade_id, f.side`),
    flows: await read(sql`
      select c.kind, c.symbol, c.exchange_flow_id, c.amount, c.occurred_at, p.trade_id
      from trading.cash_flows c left join trading.positions p on p.bot_id = c.bot_id and p.id = c.position_id
      where c.bot_id = ${botId} order by c.exchange_flow_id, c.kind`),
  }
}

/** Tells a fill of a feed from all others. */
export const keyOf = (fill: { symbol: string; exchangeTradeId?: string | undefined; side: string }) =>
  `${fill.symbol} ${fill.exchangeTradeId} ${fill.side}`

export function newBot(botId: string) {
  return {
    botId,
    kind: 'test',
    strategy: 'races',
    exchange: EXCHANGE,
    mode: 'paper',
    baseCurrency: 'USDT',
    initialEquity: '10000',
  } as const
}
