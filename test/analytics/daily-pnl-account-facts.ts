import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { recordCandles, setInstrument } from '../../src/market/index.ts'
import { tripCircuitBreaker } from '../../src/risk/index.ts'
import {
  type CashFlowKind,
  getOpenPosition,
  markPosition,
  type RecordFillInput,
  recordCashFlow,
  recordFill,
} from '../../src/trading/index.ts'

export interface Account {
  readonly botId: string
  readonly exchange: string
}

/** A moment of 2024 in UTC. */
export function at(text: string): Date {
  return new Date(`2024-${text.replace(' ', 'T')}Z`)
}

/** Buys and sells one A on the 28th: 3 USD. */
export async function recordLateTrade(db: Database, { botId, exchange }: Account): Promise<void> {
  for (const [side, price, time] of [
    ['buy', '100', '10:00'],
    ['sell', '103', '10:10'],
  ] as const) {
    await recordFill(db, {
      botId,
      exchange,
      symbol: 'A',
      side,
      quantity: '1',
      price,
      executedAt: at(`03-28 ${time}`),
      exchangeTradeId: `late-${side}`,
    })
  }
}

type Fact = (account: Account) => Promise<unknown>

export async function makeAccount(
  db: Database,
  botId: string,
  { isReversed = false }: { readonly isReversed?: boolean } = {},
): Promise<Account> {
  const account = { botId, exchange: `exchange-of-${botId}` }
  await registerBot(db, {
    ...account,
    kind: 'test',
    strategy: 'none',
    mode: 'paper',
    baseCurrency: 'USD',
    initialEquity: '1000',
    timeZone: 'Europe/Berlin',
  })
  for (const [symbol, contractSize] of [
    ['A', '1'],
    ['B', '0.1'],
    ['C', '1'],
  ] as const) {
    await setInstrument(db, {
      exchange: account.exchange,
      symbol,
      kind: 'linear',
      baseCurrency: symbol,
      quoteCurrency: 'USD',
      contractSize,
    })
  }
  const { before, mark, after } = factsOf(db)
  // A mark needs the position to be open.
  const facts = isReversed
    ? [...before.toReversed(), mark, ...after.toReversed()]
    : [...before, mark, ...after]
  for (const record of facts) await record(account)
  return account
}

function factsOf(db: Database): { readonly before: Fact[]; readonly mark: Fact; readonly after: Fact[] } {
  const fill = (time: string, order: string, fee = '0', over: Partial<RecordFillInput> = {}): Fact => {
    const [side, quantity = '', symbol = '', , price = ''] = order.split(' ')
    return (account) =>
      recordFill(db, {
        ...account,
        symbol,
        side: side === 'buy' ? 'buy' : 'sell',
        quantity,
        price,
        fee,
        feeCurrency: 'USD',
        executedAt: at(time),
        exchangeTradeId: time,
        ...over,
      })
  }
  const flow = (time: string, kind: CashFlowKind, amount: string, symbol?: string): Fact => {
    return (account) =>
      recordCashFlow(db, { ...account, kind, amount, currency: 'USD', occurredAt: at(time), symbol })
  }
  const candle = (closes: string, symbol: string, close: string): Fact => {
    const openTime = new Date(at(closes).getTime() - 3_600_000)
    const prices = { open: close, high: close, low: close, close }
    return ({ exchange }) =>
      recordCandles(db, {
        candles: [{ exchange, symbol, timeframe: '1h', openTime, volume: '1', ...prices }],
      })
  }
  const before = [
    flow('03-25 08:00', 'deposit', '200'),
    fill('03-25 10:00', 'buy 2 A @ 100', '0.2'),
    fill('03-25 11:00', 'sell 2 A @ 95', '0.19'),
    fill('03-25 12:00', 'sell 1 C @ 100'),
    fill('03-26 20:00', 'buy 10 B @ 50', '-0.01'),
    flow('03-26 21:00', 'funding', '-0.05', 'B'),
    fill('03-26 22:59:59.999', 'sell 4 B @ 52', '0.02'),
    candle('03-26 21:00', 'B', '49'),
    candle('03-26 23:00', 'B', '51.5'),
    fill('03-26 23:00', 'sell 2 B @ 53', '0.01'),
    flow('03-27 12:00', 'withdrawal', '-100'),
    candle('03-27 20:00', 'B', '54'),
  ]
  const mark: Fact = async ({ botId, exchange }) => {
    const held = await getOpenPosition(db, { botId, exchange, symbol: 'B' })
    await markPosition(db, { botId, positionId: held.id, price: '60', markedAt: at('03-27 20:30') })
  }
  const after: Fact[] = [
    async ({ botId }) => {
      const trip = { trigger: 'manual', reason: 'a test', trippedBy: 'a test', cooldownMs: 60_000 } as const
      await tripCircuitBreaker(db, { ...trip, botId, now: at('03-28 10:00') })
    },
    flow('03-28 12:00', 'deposit', '50'),
    fill('03-29 10:00', 'sell 4 B @ 48', '0.03'),
    fill('03-30 09:30', 'buy 1 C @ 100'),
    flow('03-30 10:00', 'interest', '0.25'),
    flow('03-30 10:30', 'rebate', '0.4'),
    flow('03-30 11:00', 'fee', '-0.15'),
    flow('03-30 11:30', 'adjustment', '-0.1'),
    fill('03-31 21:59:59.999', 'buy 3 A @ 110', '0.33'),
    candle('03-31 22:00', 'A', '108'),
    fill('03-31 22:00', 'buy 1 A @ 106', '0.1'),
    flow('04-01 02:00', 'funding', '0.2', 'A'),
    fill('04-01 03:00', 'sell 4 A @ 80', '1.6', { kind: 'liquidation' }),
    flow('04-01 12:00', 'deposit', '500'),
    async ({ exchange }) => {
      const trip = { trigger: 'manual', reason: 'a test', trippedBy: 'a test', cooldownMs: 60_000 } as const
      await tripCircuitBreaker(db, { ...trip, exchange, now: at('04-02 10:00') })
      await tripCircuitBreaker(db, { ...trip, exchange: `not-${exchange}`, now: at('04-02 10:00') })
    },
    fill('04-03 08:00', 'sell 2 C @ 90', '0.1'),
    fill('04-03 09:00', 'buy 1 C @ 70', '0.05'),
    fill('04-03 10:00', 'buy 1 B @ 50'),
    fill('04-03 10:30', 'sell 1 B @ 58'),
    fill('04-03 11:00', 'buy 1 B @ 50'),
    fill('04-03 11:15', 'sell 1 B @ 55'),
    // After now.
    flow('04-03 15:30', 'deposit', '7'),
    candle('04-03 16:00', 'C', '1'),
  ]
  return { before, mark, after }
}
