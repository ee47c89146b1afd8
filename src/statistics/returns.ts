import { invalid, readCount, readNumber, readNumbers } from './numbers.ts'

/** Below this many returns a statistic says little, and carries `smallSample: true`. */
export const SMALL_SAMPLE_RETURNS = 30

/** True below thirty returns. */
export function isSmallSample(returnCount: number): boolean {
  return returnCount < SMALL_SAMPLE_RETURNS
}

const LEAST_PRICE = 1e-100

/**
 * Returns the natural logarithm of each price over the one before it: one fewer than there are prices, none of one price.
 * Log returns of periods in a row add up to that of the whole.
 *
 * @throws `invalid_input` naming the place, as `prices[3]`, for what is no finite number greater than zero.
 */
export function logReturns(prices: readonly number[]): number[] {
  readNumbers(prices, 'prices', { above: 0, least: LEAST_PRICE })
  return changes(prices, (before, after) => {
    const ratio = after / before
    // The quotient of two prices close to each other loses the digits that make the return; their difference is exact.
    return ratio > 0.5 && ratio < 2 ? Math.log1p((after - before) / before) : Math.log(ratio)
  })
}

/**
 * Returns each value's change as a fraction of the one before it: 0.05 is five per cent. One fewer than there are values.
 *
 * @throws `invalid_input` naming the place, as `values[3]`, for what is negative or no finite number, and for a zero that
 * another value follows: from nothing there is no return.
 */
export function simpleReturns(values: readonly number[]): number[] {
  readNumbers(values, 'values', { least: 0 })
  for (let i = 0; i < values.length - 1; i++) {
    readNumber(values[i] ?? 0, `values[${i}]`, { least: LEAST_PRICE })
  }
  return changes(values, (before, after) => (after - before) / before)
}

function changes(values: readonly number[], change: (before: number, after: number) => number): number[] {
  const found: number[] = []
  let before: number | undefined
  for (const after of values) {
    if (before !== undefined) found.push(change(before, after))
    before = after
  }
  return found
}

/**
 * Returns the log returns over `periods` periods: of every run of that many in a row, so the runs overlap. Fewer than
 * `periods` returns have no run.
 *
 * @throws `invalid_input` naming `returns[i]` or `periods`.
 */
export function compoundLogReturns(returns: readonly number[], periods: number): number[] {
  readNumbers(returns, 'returns')
  readCount(periods, 'periods')
  // Each run is added up by itself: a running sum would carry the rounding of every return that has left it.
  return Array.from({ length: Math.max(0, returns.length - periods + 1) }, (_, start) => {
    let sum = 0
    for (let i = start; i < start + periods; i++) sum += returns[i] ?? 0
    return sum
  })
}

/** A value of a series and when it was. */
export interface TimedValue {
  readonly at: Date
  readonly value: number
}

/**
 * Returns the values of several series at the times that all of them have, oldest first: the first list of values belongs to
 * the first series. What one of them lacks is left out of all, so returns made of the values span the same periods.
 *
 * @throws `invalid_input` naming the place, as `series[1][3].at`, for times that do not go forward.
 */
export function alignSeries(series: readonly (readonly TimedValue[])[]): number[][] {
  const counts = new Map<number, number>()
  for (const [place, points] of series.entries()) {
    let last = -Infinity
    for (const [i, { at, value }] of points.entries()) {
      readNumber(value, `series[${place}][${i}].value`)
      const ms = at.getTime()
      // An invalid Date is not after anything.
      if (!(ms > last)) throw invalid(`series[${place}][${i}].at`, 'is not after the one before it')
      last = ms
      counts.set(ms, (counts.get(ms) ?? 0) + 1)
    }
  }
  return series.map((points) =>
    points.filter(({ at }) => counts.get(at.getTime()) === series.length).map(({ value }) => value),
  )
}
