import { closeTimeMs, countCandles, DAY_MS, nominalMs, openTimeMs, type Timeframe } from './timeframes.ts'
import { WEEKDAYS, type Weekday } from './weekdays.ts'

/** A day, in UTC, on which nothing is traded: a day of the week, or a date as `2018-12-25`. */
export type ClosedDay = Weekday | `${number}-${number}-${number}`

/** Candles that are missing in a row. */
export interface CandleGap {
  /** The open time of the first that is missing. */
  readonly from: Date
  /** The open time after the last that is missing. */
  readonly until: Date
  readonly missing: number
}

/**
 * Returns what is left of a gap without the days on which the exchange was closed: in one or several parts, or none. A candle
 * of more than a day is left out if all its days were closed.
 */
export function openPartsOf(
  gap: CandleGap,
  timeframe: Timeframe,
  closed: ReadonlySet<ClosedDay>,
): CandleGap[] {
  if (closed.size === 0) return [gap]
  const end = gap.until.getTime()
  const parts: CandleGap[] = []
  let start: number | undefined
  // Days for what is shorter than one, else candle by candle.
  for (let at = gap.from.getTime(); at < end; ) {
    const next = Math.min(end, nominalMs(timeframe) < DAY_MS ? nextDay(at) : closeTimeMs(timeframe, at))
    if (isClosed(at, next, closed)) {
      if (start !== undefined) parts.push(toGap(timeframe, start, at))
      start = undefined
    } else {
      start ??= at
    }
    at = next
  }
  if (start !== undefined) parts.push(toGap(timeframe, start, end))
  return parts
}

export function toGap(timeframe: Timeframe, fromMs: number, untilMs: number): CandleGap {
  return {
    from: new Date(fromMs),
    until: new Date(untilMs),
    missing: countCandles(timeframe, fromMs, untilMs),
  }
}

/** The first open time of the grid that is not before a moment. */
export function nextOpenTimeMs(timeframe: Timeframe, atMs: number): number {
  const before = openTimeMs(timeframe, atMs)
  return before === atMs ? atMs : closeTimeMs(timeframe, before)
}

function nextDay(atMs: number): number {
  return (Math.floor(atMs / DAY_MS) + 1) * DAY_MS
}

function isClosed(fromMs: number, untilMs: number, closed: ReadonlySet<ClosedDay>): boolean {
  for (let at = fromMs; at < untilMs; at = nextDay(at)) {
    const day = new Date(at)
    const weekday = WEEKDAYS[day.getUTCDay()]
    const date = day.toISOString().slice(0, 10) as ClosedDay
    if (!(weekday !== undefined && closed.has(weekday)) && !closed.has(date)) return false
  }
  return true
}
