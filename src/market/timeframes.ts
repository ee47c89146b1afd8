/**
 * How long the candles of a series are. Every open time lies on a grid in UTC: multiples of the length since 1970, but weeks
 * begin on Monday and months (`1M`) on their first day.
 */
export const TIMEFRAMES = [
  '1s',
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
  '1M',
] as const
export type Timeframe = (typeof TIMEFRAMES)[number]

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS: number = 24 * HOUR_MS

const LENGTHS_MS: Readonly<Record<Exclude<Timeframe, '1M'>, number>> = {
  '1s': SECOND_MS,
  '1m': MINUTE_MS,
  '3m': 3 * MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '30m': 30 * MINUTE_MS,
  '1h': HOUR_MS,
  '2h': 2 * HOUR_MS,
  '4h': 4 * HOUR_MS,
  '6h': 6 * HOUR_MS,
  '8h': 8 * HOUR_MS,
  '12h': 12 * HOUR_MS,
  '1d': DAY_MS,
  '3d': 3 * DAY_MS,
  '1w': 7 * DAY_MS,
}

/** 1970 began on a Thursday. */
const FIRST_MONDAY_MS = 4 * DAY_MS

/** The open time, in Unix milliseconds, of the candle that `atMs` falls into. */
export function openTimeMs(timeframe: Timeframe, atMs: number): number {
  if (timeframe === '1M') {
    const at = new Date(atMs)
    return startOfMonth(at.getUTCFullYear(), at.getUTCMonth())
  }
  const length = LENGTHS_MS[timeframe]
  const origin = timeframe === '1w' ? FIRST_MONDAY_MS : 0
  return Math.floor((atMs - origin) / length) * length + origin
}

/** When the candle that opened at `atMs` closes, in Unix milliseconds: the open time of the next. */
export function closeTimeMs(timeframe: Timeframe, atMs: number): number {
  if (timeframe !== '1M') return atMs + LENGTHS_MS[timeframe]
  const at = new Date(atMs)
  return startOfMonth(at.getUTCFullYear(), at.getUTCMonth() + 1)
}

/** How many candles open from `fromMs` on and before `untilMs`, both open times of the grid. */
export function countCandles(timeframe: Timeframe, fromMs: number, untilMs: number): number {
  if (timeframe !== '1M') return Math.max(0, Math.round((untilMs - fromMs) / LENGTHS_MS[timeframe]))
  return Math.max(0, monthOf(untilMs) - monthOf(fromMs))
}

/** The length of a candle in milliseconds; of a month, 30 days. */
export function nominalMs(timeframe: Timeframe): number {
  return timeframe === '1M' ? 30 * DAY_MS : LENGTHS_MS[timeframe]
}

/** True if every candle of `coarse` is made of whole candles of `fine`, and of more than one. */
export function isMadeOf(coarse: Timeframe, fine: Timeframe): boolean {
  if (fine === '1M') return false
  const length = LENGTHS_MS[fine]
  if (coarse === '1M') return DAY_MS % length === 0
  if (coarse === '1w') return DAY_MS % length === 0
  return LENGTHS_MS[coarse] > length && LENGTHS_MS[coarse] % length === 0 && fine !== '1w'
}

function startOfMonth(year: number, month: number): number {
  const start = new Date(0)
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  start.setUTCFullYear(year, month, 1)
  return start.getTime()
}

function monthOf(atMs: number): number {
  const at = new Date(atMs)
  return at.getUTCFullYear() * 12 + at.getUTCMonth()
}
