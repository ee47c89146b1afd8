import type { CandleInput } from '../../src/market/candle-input.ts'

export interface CandleFeed {
  readonly exchange: string
  readonly symbols: readonly string[]
  /** Of each symbol, one hour after the other. */
  readonly candles: number
}

export const FEED_START = new Date('2023-11-15T00:00:00Z')
const HOUR_MS = 3_600_000

export const openTimeAt = (place: number) => new Date(FEED_START.getTime() + place * HOUR_MS)

/** Every tenth candle is never reported complete. */
export const isEverComplete = (place: number) => place % 10 !== 0

/** A candle of the feed. All forming ones of a place are the same, and all complete ones. */
export function candleOf(
  { exchange }: CandleFeed,
  symbol: string,
  place: number,
  complete: boolean,
): CandleInput {
  const close = `${100 + (place % 50)}.5`
  return {
    exchange,
    symbol,
    timeframe: '1h',
    openTime: openTimeAt(place),
    open: '100',
    high: '200',
    low: '50',
    close: complete ? close : '99',
    volume: complete ? '7.5' : '0.5',
    complete,
    source: complete ? 'complete' : 'forming',
  }
}
