import type { EquityCurvePoint } from '../equity-curve.ts'

const DAY_MS = 86_400_000

/** A day of the calendar, and what is stored of it. */
export interface CalendarDay {
  readonly day: string
  /** Undefined where the day was never calculated. */
  readonly point: EquityCurvePoint | undefined
}

/** Returns every day from the first stored one to the last, so that a day that is missing is seen to be. */
export function calendarOf(points: readonly EquityCurvePoint[]): CalendarDay[] {
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last) return []
  const stored = new Map(points.map((point) => [point.day, point]))
  const start = Date.parse(first.day)
  const count = Math.round((Date.parse(last.day) - start) / DAY_MS) + 1
  return Array.from({ length: count }, (_, i) => {
    const day = dayText(start + i * DAY_MS)
    return { day, point: stored.get(day) }
  })
}

function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** How long the window of a rolling Sharpe ratio is, in returns: a quarter of a year … */
const WINDOW = 63
/** … or half of what there is, but never so few that the ratio is chance alone. */
const WINDOW_MIN = 10

/** Returns the window for so many returns, or undefined where they are too few for any. */
export function sharpeWindow(returnCount: number): number | undefined {
  const window = Math.min(WINDOW, Math.floor(returnCount / 2))
  return window < WINDOW_MIN ? undefined : window
}
