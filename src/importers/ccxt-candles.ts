import type { CandleInput } from '../market/candle-input.ts'
import { convertEntries, type Entry } from './ccxt-entry.ts'
import { type CcxtCandle, candleSchema } from './ccxt-schema.ts'
import { type CandleSeriesOptions, type MakeCandle, readSeriesOptions } from './market-options.ts'

export type CandlesFromCcxtOptions = CandleSeriesOptions

/**
 * Converts ccxt's candles, as `fetchOHLCV` and `watchOHLCV` return them, to what `recordCandles` takes.
 *
 * A float becomes the shortest decimal text that reads as that float; numbers that ccxt gives as text are taken as they are.
 * The last candle that an exchange returns is still forming: a candle is complete if it closed by `asOf`, so give the time of
 * the answer when converting it later.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `rows[3].volume: is missing`.
 */
export function candlesFromCcxt(rows: readonly unknown[], options: CandlesFromCcxtOptions): CandleInput[] {
  const makeCandle = readSeriesOptions(options)
  return convertEntries('rows', rows, candleSchema, (row, entry) => toCandle(row, entry, makeCandle))
}

function toCandle(row: CcxtCandle, entry: Entry, makeCandle: MakeCandle): CandleInput | undefined {
  const openTime = entry.instant('timestamp', row.timestamp)
  const open = entry.amount('open', row.open)
  const high = entry.amount('high', row.high)
  const low = entry.amount('low', row.low)
  const close = entry.amount('close', row.close)
  const volume = entry.amount('volume', row.volume)
  if (!openTime || !open || !high || !low || !close || !volume) return undefined
  return makeCandle(openTime.getTime(), { open, high, low, close, volume })
}
