import type { GrowthPoint } from './drawdown.ts'
import { invalid, readMoment, readNumber } from './numbers.ts'

/** What an account was worth at the end of a period, and what was paid in and out meanwhile. */
export interface PeriodEquity {
  /** The end of the period. */
  readonly at: Date
  /** In one currency throughout. Negative when in debt; null where it is not known. */
  readonly equity: number | null
  /** Deposits less withdrawals that were there for all of the period. None unless given; not of the first point. */
  readonly flowsAtStart?: number | undefined
  /** Deposits less withdrawals that came when the period was over. None unless given; not of the first point. */
  readonly flowsAtEnd?: number | undefined
}

/** What came of an account in a period. Growth and profit are those since the starting capital. */
export interface PeriodReturn extends GrowthPoint {
  /** The end of the period. */
  readonly at: Date
  /** 0.05 is five per cent. Below −1 where debts were left. Null where it is not known, and where there was nothing to gain with. */
  readonly returnFraction: number | null
}

/**
 * Returns what came of an account in each period after the first point, which is the starting capital and whose flows are not
 * looked at: (equity − flows at the end) / (equity before + flows at the start) − 1. A deposit is no profit, and a withdrawal no
 * loss.
 *
 * A period of unknown equity has no return; the next known one spans it, with all flows since. Nor has a period any that began
 * with nothing or less; growth then stays, and the next return starts from the equity that there is. Growth is the product of
 * 1 + return, the time-weighted return with one added; it is never below zero, and stays zero once all was lost.
 *
 * @throws `invalid_input` naming the place, as `points[3].equity`: for times that do not go forward, and for returns too large
 * for a double.
 */
export function flowAdjustedReturns(points: readonly PeriodEquity[]): PeriodReturn[] {
  const [first, ...rest] = points
  if (first === undefined) return []
  let lastAt = readMoment(first.at, 'points[0].at')
  let before = readEquity(first, 'points[0]')
  let start = 0
  let end = 0
  let growth = 1
  let profit = 0
  return rest.map((point, i) => {
    const field = `points[${i + 1}]`
    const at = readMoment(point.at, `${field}.at`)
    if (at <= lastAt) throw invalid(`${field}.at`, 'is not after the point before it')
    lastAt = at
    start += readNumber(point.flowsAtStart ?? 0, `${field}.flowsAtStart`)
    end += readNumber(point.flowsAtEnd ?? 0, `${field}.flowsAtEnd`)
    const equity = readEquity(point, field)
    if (equity === null) return { at, returnFraction: null, growth, profit }
    // What was paid in before any equity is known is in the first one that is.
    const capital = before === null ? null : before + start
    // The quotient less one would lose the digits of a small return.
    const gain = capital === null ? 0 : equity - end - capital
    const returnFraction =
      capital !== null && capital > 0 ? readNumber(gain / capital, `${field}.equity`) : null
    growth = Math.max(0, growth * (1 + (returnFraction ?? 0)))
    if (!Number.isFinite(growth))
      throw invalid(`${field}.equity`, 'makes the growth larger than a double can be')
    profit += gain
    before = equity
    start = 0
    end = 0
    return { at, returnFraction, growth, profit }
  })
}

/**
 * Returns the time-weighted return of all periods together: 0.05 is five per cent, −1 is all. Null where no period has a return.
 *
 * @throws `invalid_input` as `flowAdjustedReturns` does.
 */
export function timeWeightedReturn(points: readonly PeriodEquity[]): number | null {
  const periods = flowAdjustedReturns(points)
  const hasReturn = periods.some(({ returnFraction }) => returnFraction !== null)
  return hasReturn ? (periods.at(-1)?.growth ?? 1) - 1 : null
}

function readEquity({ equity }: PeriodEquity, field: string): number | null {
  return equity === null ? null : readNumber(equity, `${field}.equity`)
}
