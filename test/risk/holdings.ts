import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import {
  recordCandles,
  type SetInstrumentInput,
  setInstrument,
  type Timeframe,
} from '../../src/market/index.ts'
import { DAY_MS, nominalMs } from '../../src/market/timeframes.ts'
import { recordFill } from '../../src/trading/index.ts'

/** When the bots of these tests look; a day of UTC begins then. */
export const NOW = new Date('2024-03-01T00:00:00Z')

export function before(ms: number): Date {
  return new Date(NOW.getTime() - ms)
}

let made = 0

/** A new bot on an exchange of its own. */
export async function makeHolder(
  db: Database,
  initialEquity = '1000',
  over: { readonly baseCurrency?: string; readonly timeZone?: string } = {},
): Promise<{ botId: string; exchange: string }> {
  made += 1
  const botId = `risk-${made}`
  const exchange = `exchange-${made}`
  await registerBot(db, {
    botId,
    kind: 'test',
    strategy: 'none',
    exchange,
    mode: 'paper',
    baseCurrency: 'USD',
    initialEquity,
    ...over,
  })
  return { botId, exchange }
}

/** Sets an instrument: linear, quoted in USD, unless said otherwise. */
export async function makeSymbol(
  db: Database,
  exchange: string,
  symbol: string,
  over: Partial<SetInstrumentInput> = {},
): Promise<void> {
  await setInstrument(db, {
    exchange,
    symbol,
    kind: 'linear',
    baseCurrency: symbol,
    quoteCurrency: 'USD',
    ...over,
  })
}

/** Buys or sells at 10, a month before `NOW`. Returns the position. */
export async function hold(
  db: Database,
  { botId, exchange }: { readonly botId: string; readonly exchange: string },
  side: 'buy' | 'sell',
  quantity: string,
  symbol: string,
): Promise<{ botId: string; positionId: string }> {
  made += 1
  const { positionId } = await recordFill(db, {
    botId,
    exchange,
    symbol,
    side,
    quantity,
    price: '10',
    executedAt: before(30 * DAY_MS),
    exchangeTradeId: `trade-${made}`,
  })
  return { botId, positionId: positionId ?? '' }
}

/** Stores complete candles with these closes, of which the last ends at `until`. A null leaves a candle out. */
export async function storeCloses(
  db: Database,
  exchange: string,
  symbol: string,
  closes: readonly (number | string | null)[],
  { timeframe = '1d', until = NOW }: { readonly timeframe?: Timeframe; readonly until?: Date } = {},
): Promise<void> {
  const first = until.getTime() - closes.length * nominalMs(timeframe)
  await recordCandles(db, {
    candles: closes.flatMap((close, i) => {
      if (close === null) return []
      const price = String(close)
      const openTime = new Date(first + i * nominalMs(timeframe))
      return [
        {
          exchange,
          symbol,
          timeframe,
          openTime,
          open: price,
          high: price,
          low: price,
          close: price,
          volume: '1',
        },
      ]
    }),
  })
}
