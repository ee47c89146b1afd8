import type { Database } from '../../src/db/database.ts'
import {
  type CandleInput,
  recordCalendarEvents,
  recordCandles,
  recordFundingRates,
  recordIndicators,
  recordNews,
  setInstrument,
} from '../../src/market/index.ts'
import { recordBalance, recordFill } from '../../src/trading/index.ts'
import { makeHolder } from '../risk/holdings.ts'

/** The moment of these snapshots: what is recorded while a test runs is recorded long after it. */
export const NOW = new Date('2024-03-01T12:30:00Z')

export function later(minutes: number): Date {
  return new Date(NOW.getTime() + minutes * 60_000)
}

/** After all that a test records. */
export const TODAY = new Date('2099-01-01T00:00:00Z')

export interface World {
  readonly botId: string
  readonly exchange: string
}

/** A bot on an exchange of its own that trades BTC and ETH perpetuals against USDT. */
export async function makeWorld(db: Database): Promise<World> {
  const world = await makeHolder(db)
  for (const code of ['BTC', 'ETH']) {
    await setInstrument(db, {
      exchange: world.exchange,
      symbol: code,
      kind: 'linear',
      baseCurrency: code,
      quoteCurrency: 'USDT',
    })
  }
  return world
}

export function candleOf({ exchange }: World, openTime: Date, over: Partial<CandleInput> = {}): CandleInput {
  return {
    ...{ exchange, symbol: 'BTC', timeframe: '1h', openTime, open: '100', high: '110.5', low: '99.25' },
    ...{ close: '105.000000000001', volume: '12.000000000000000001' },
    ...over,
  }
}

/** All that a snapshot of BTC can hold, each a little before now. */
export async function fillWorld(db: Database, world: World): Promise<void> {
  const { botId, exchange } = world
  await recordCandles(db, {
    candles: [candleOf(world, later(-150)), candleOf(world, later(-90), { close: '106.5' })],
  })
  await recordIndicators(db, {
    indicators: [
      {
        ...{
          exchange,
          symbol: 'BTC',
          timeframe: '1h' as const,
          openTime: later(-90),
          rsi14: 61.5,
          sma50: 101.25,
        },
        ...{
          sma200: null,
          macd: { macd: 1.5, signal: 1.25, histogram: 0.25 },
          atr: 3.5,
          values: { ema_21: 102.75 },
        },
      },
    ],
  })
  await recordFundingRates(db, {
    rates: [{ exchange, symbol: 'BTC', publishedAt: later(-270), intervalHours: 8, rate: '0.00012345' }],
  })
  await recordCalendarEvents(db, {
    events: [
      {
        ...{ source: exchange, eventTime: later(60), currency: 'USD', impact: 'high' as const, title: 'CPI' },
        ...{ previous: '3.1%', forecast: '3.2%', actual: '9.9%' },
      },
      {
        source: exchange,
        eventTime: later(-30),
        currency: 'USD',
        impact: 'low',
        title: 'Claims',
        actual: '210K',
      },
      {
        source: exchange,
        eventTime: later(60),
        currency: 'NZD',
        impact: 'high',
        title: 'Rate of another currency',
      },
      { source: exchange, eventTime: later(60 * 30), currency: 'USD', impact: 'high', title: 'Too far off' },
    ],
  })
  await recordNews(db, {
    news: [
      {
        source: exchange,
        headline: 'Coins rise',
        symbols: ['BTC'],
        publishedAt: later(-20),
        sentimentScore: 0.5,
      },
      { source: exchange, headline: 'Coins will fall', symbols: ['BTC'], publishedAt: later(20) },
      { source: exchange, headline: 'Of another coin', symbols: ['DOGE'], publishedAt: later(-20) },
      { source: exchange, headline: 'Of last week', symbols: ['BTC'], publishedAt: later(-60 * 24 * 7) },
    ],
  })
  await recordFill(db, {
    ...{ botId, exchange, symbol: 'BTC', side: 'buy', quantity: '1', price: '100' },
    ...{ executedAt: later(-100), exchangeTradeId: `${exchange}-1` },
  })
  await recordBalance(db, {
    ...{ botId, exchange, currency: 'USDT', total: '1000.123456789012345678', available: '900' },
    ...{ marginUsed: '100.123456789012345678', equity: '1006.5', unrealisedPnl: '6.376543210987654322' },
    takenAt: later(-10),
  })
}
