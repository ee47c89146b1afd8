import type { DailyPnl } from '../../src/analytics/daily-pnl.ts'
import { calculateDailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Database } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import type { DailyClose, DailyFacts, DailyFlow, DailyLedger } from '../model/daily-model.ts'
import { recordDaily } from '../model/daily-record.ts'
import type { ModelFill, ModelInstrument } from '../model/ledger-model.ts'

export const LINEAR: ModelInstrument = {
  kind: 'linear',
  baseCurrency: 'BTC',
  quoteCurrency: 'USD',
  settleCurrency: 'USD',
  contractSize: '1',
}
export const INVERSE: ModelInstrument = {
  ...LINEAR,
  kind: 'inverse',
  settleCurrency: 'BTC',
  contractSize: '100',
}

/** A moment of March 2024, as `05 10:00`. */
export function at(text: string): number {
  return Date.parse(`2024-03-${text.replace(' ', 'T')}Z`)
}

/** Writes fills as `['05 10:00', 'buy 1 @ 2']`. */
export function ledger(
  orders: readonly (readonly [time: string, order: string, rest?: Partial<ModelFill>])[],
  instrument: ModelInstrument = LINEAR,
): DailyLedger {
  const fills = orders.map(([time, order, rest], i): ModelFill => {
    const [side, quantity = '', , price = ''] = order.split(' ')
    return {
      exchangeTradeId: `${i + 1}`,
      side: side === 'buy' ? 'buy' : 'sell',
      positionSide: 'net',
      price,
      quantity,
      fee: '0',
      feeCurrency: instrument.settleCurrency,
      executedAt: at(time),
      sequence: 0n,
      ...rest,
    }
  })
  return { symbol: 'S', facts: { instrument, method: 'average', fills, funding: [] } }
}

export function flows(
  ...all: readonly (readonly [time: string, amount: string, rest?: Partial<DailyFlow>])[]
): DailyFlow[] {
  return all.map(([time, amount, rest], i) => ({
    id: `${i}`,
    kind: amount.startsWith('-') ? 'withdrawal' : 'deposit',
    currency: 'USD',
    amount,
    at: at(time),
    ...rest,
  }))
}

export function closes(
  symbol: string,
  ...all: readonly (readonly [time: string, close: string])[]
): DailyClose[] {
  return all.map(([time, close]) => ({ symbol, close, closesAt: at(time) }))
}

export const EUR_USD = { symbol: 'EUR/USD', base: 'EUR', quote: 'USD' }

let made = 0

/** Records facts of a bot of 1000 USD in UTC, and returns its id. */
export async function record(db: Database, facts: Partial<DailyFacts>): Promise<string> {
  made += 1
  const botId = `edge-${made}`
  await recordDaily(db, botId, {
    zone: 'UTC',
    method: 'average',
    baseCurrency: 'USD',
    initialEquity: '1000',
    registeredAt: null,
    now: 0,
    ledgers: [],
    flows: [],
    closes: [],
    pairs: [],
    ...facts,
  })
  return botId
}

/** Calculates some days of March 2024. */
export async function calculate(
  db: Database,
  botId: string,
  from: string,
  to: string,
  now: string,
): Promise<DailyPnl[]> {
  return await calculateDailyPnl(db, {
    botId,
    from: `2024-03-${from}`,
    to: `2024-03-${to}`,
    now: new Date(at(now)),
  })
}

/** Of each day what these columns hold: amounts as text. */
export function column(days: readonly DailyPnl[], ...names: readonly (keyof DailyPnl)[]): unknown[][] {
  return days.map((day) =>
    names.map((name) => {
      const value = day[name]
      return Decimal.isDecimal(value) ? value.toFixed() : value
    }),
  )
}

export function withoutTime({ calculatedAt: _, ...row }: DailyPnl) {
  return row
}
