import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import { DataError } from '../db/errors.ts'
import type { CandleInput } from '../market/candle-input.ts'
import { FUNDING_INTERVAL_HOURS_MAX } from '../market/schema/funding.ts'
import { closeTimeMs, TIMEFRAMES, type Timeframe } from '../market/timeframes.ts'

/** What candles of a file or an exchange's answer do not say themselves. */
export interface CandleSeriesOptions {
  /** The exchange's name as the bot uses it everywhere. */
  readonly exchange: string
  readonly symbol: string
  readonly timeframe: Timeframe
  /** The moment that the candles were fetched or the file was written at: what closes after it is not complete. Now. */
  readonly asOf?: Date | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
}

/** What turns the amounts of a candle into the candle of a series. */
export type MakeCandle = (openMs: number, amounts: CandleAmounts) => CandleInput

export type CandleAmounts = Omit<
  CandleInput,
  'exchange' | 'symbol' | 'timeframe' | 'openTime' | 'complete' | 'source'
>

/** @throws `invalid_input` naming the option; for a timeframe, with those that there are. */
export function readSeriesOptions(options: CandleSeriesOptions): MakeCandle {
  const exchange = toName(options.exchange, 'exchange')
  const symbol = toName(options.symbol, 'symbol')
  const timeframe = toOneOf(options.timeframe, TIMEFRAMES, 'timeframe')
  const asOfMs = toInstant(options.asOf ?? new Date(), 'asOf').getTime()
  const origin = readSource(options.source)
  return (openMs, amounts) => ({
    exchange,
    symbol,
    timeframe,
    openTime: new Date(openMs),
    ...amounts,
    complete: closeTimeMs(timeframe, openMs) <= asOfMs,
    ...origin,
  })
}

/** Returns the source as a field, if there is one. */
export function readSource(source: string | null | undefined): { source?: string } {
  return source === undefined || source === null ? {} : { source: toLabel(source, 'source') }
}

/** @throws `invalid_input` for hours that no rate is for. */
export function readIntervalOption(hours: number | undefined): number | undefined {
  if (hours === undefined || isInterval(hours)) return hours
  const why = `${String(hours)} is not a whole number of hours from 1 to ${FUNDING_INTERVAL_HOURS_MAX}`
  throw new DataError('invalid_input', `intervalHours ${why}`, { field: 'intervalHours' })
}

/** True for hours that a rate can be for. */
export function isInterval(hours: number): boolean {
  return Number.isInteger(hours) && hours >= 1 && hours <= FUNDING_INTERVAL_HOURS_MAX
}
