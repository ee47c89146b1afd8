import type { CandleInput } from '../../src/market/candle-input.ts'

export const START_MS = Date.UTC(2024, 0, 1)
export const MINUTE_MS = 60_000

/** An open time by its place. */
export function at(place: number): Date {
  return new Date(START_MS + place * MINUTE_MS)
}

let markets = 0

/** A market that no other test writes to. */
export function newMarket() {
  markets += 1
  const BTC = { exchange: `exchange-${markets}`, symbol: 'BTC/USDT', timeframe: '1m' } as const

  /** The candle of one minute; its prices follow from its place. */
  function candleAt(place: number, changes: Partial<CandleInput> = {}): CandleInput {
    const open = 42_000 + (place % 100)
    return {
      ...BTC,
      openTime: at(place),
      open: `${open}.10`,
      high: `${open + 5}.50`,
      low: `${open - 5}.25`,
      close: `${open + 1}.10`,
      volume: '1.5',
      ...changes,
    }
  }

  function minutes(count: number, from = 0): CandleInput[] {
    return Array.from({ length: count }, (_, i) => candleAt(from + i))
  }

  return { BTC, exchange: BTC.exchange, candleAt, minutes }
}
