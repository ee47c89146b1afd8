import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import { type Amount, Decimal, toAmountText } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import type { CandleInput } from './candle-input.ts'
import { openTimeMs, TIMEFRAMES } from './timeframes.ts'

/** A candle that was not stored, and why. */
export interface RefusedCandle {
  /** Its place among those given, from 0. */
  readonly index: number
  readonly candle: CandleInput
  readonly field: string
  readonly reason: string
}

/** What is stored of a candle, each value as the text that Postgres reads; in the order of `CANDLE_COLUMNS`. */
export type CandleValues = readonly [
  openTime: string,
  complete: string,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  quoteVolume: string | null,
  takerBuyVolume: string | null,
  takerBuyQuoteVolume: string | null,
  tradeCount: string | null,
  source: string | null,
]

/** Reads the series of a candle. @throws `invalid_input` naming the field. */
export function checkSeries(candle: Pick<CandleInput, 'exchange' | 'symbol' | 'timeframe'>): void {
  for (const field of ['exchange', 'symbol'] as const) {
    if (toName(candle[field], field).length > NAME_LENGTH_MAX) {
      throw refusal(field, `${field} is longer than ${NAME_LENGTH_MAX} characters`)
    }
  }
  toOneOf(candle.timeframe, TIMEFRAMES, 'timeframe')
}

const NAME_LENGTH_MAX = 200

/**
 * Reads one candle of a series that is known to be right.
 *
 * @throws `invalid_input` naming the field, if the candle contradicts itself or is off the timeframe's grid.
 */
export function checkCandle(candle: CandleInput): CandleValues {
  const openTime = toInstant(candle.openTime, 'openTime')
  const ms = openTime.getTime()
  if (openTimeMs(candle.timeframe, ms) !== ms) {
    const before = new Date(openTimeMs(candle.timeframe, ms)).toISOString()
    throw refusal(
      'openTime',
      `openTime ${openTime.toISOString()} is no open time of ${candle.timeframe}; the one before it is ${before}`,
    )
  }
  const open = toAmountText(candle.open, 'open')
  const high = toAmountText(candle.high, 'high')
  const low = toAmountText(candle.low, 'low')
  const close = toAmountText(candle.close, 'close')
  if (!isPlainlyConsistent(Number(open), Number(high), Number(low), Number(close))) {
    refuseInconsistent({ open, high, low, close })
  }
  const { complete = true, source } = candle
  if (typeof complete !== 'boolean')
    throw refusal('complete', `complete is ${typeof complete}, not a boolean`)
  return [
    openTime.toISOString(),
    complete ? 't' : 'f',
    open,
    high,
    low,
    close,
    toVolumeText(candle.volume, 'volume'),
    known(candle.quoteVolume, 'quoteVolume'),
    known(candle.takerBuyVolume, 'takerBuyVolume'),
    known(candle.takerBuyQuoteVolume, 'takerBuyQuoteVolume'),
    toCountText(candle.tradeCount),
    source === null || source === undefined ? null : toLabel(source, 'source'),
  ]
}

/** Says why a candle is refused. Anything but `invalid_input` is no fault of the candle, and is thrown. */
export function toRefusal(thrown: unknown, index: number, candle: CandleInput): RefusedCandle {
  if (!isDataError(thrown) || thrown.code !== 'invalid_input' || thrown.field === undefined) throw thrown
  return { index, candle, field: thrown.field, reason: thrown.message }
}

/**
 * True if the prices are right beyond doubt. Rounding to doubles never turns two amounts around, so those that differ as
 * doubles differ so; where it is not true, amounts that are alike as doubles may still be right.
 */
function isPlainlyConsistent(open: number, high: number, low: number, close: number): boolean {
  return low > 0 && low < open && low < close && high > open && high > close
}

interface PriceTexts {
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
}

function refuseInconsistent(texts: PriceTexts): void {
  for (const field of ['open', 'high', 'low', 'close'] as const) {
    if (!(Number(texts[field]) > 0))
      throw refusal(field, `${field} '${texts[field]}' must be greater than zero`)
  }
  const { high, low } = texts
  for (const other of ['open', 'close'] as const) {
    const price = texts[other]
    if (isLess(high, price)) throw refusal('high', `high ${high} is below the ${other} ${price}`)
    if (isLess(price, low)) throw refusal('low', `low ${low} is above the ${other} ${price}`)
  }
}

function isLess(a: string, b: string): boolean {
  if (a === b) return false
  const [x, y] = [Number(a), Number(b)]
  return x === y ? new Decimal(a).lt(b) : x < y
}

function toVolumeText(value: Amount, field: string): string {
  const text = toAmountText(value, field)
  if (text.startsWith('-')) throw refusal(field, `${field} '${text}' must not be negative`)
  return text
}

function known(value: Amount | null | undefined, field: string): string | null {
  return value === null || value === undefined ? null : toVolumeText(value, field)
}

function toCountText(value: number | null | undefined): string | null {
  if (value === null || value === undefined) return null
  if (Number.isSafeInteger(value) && value >= 0) return String(value)
  throw refusal('tradeCount', `tradeCount ${value} is no whole number of zero or more`)
}

function refusal(field: string, why: string): DataError {
  return new DataError('invalid_input', why, { field })
}
