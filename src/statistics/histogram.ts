import { invalid, LEAST_DEVIATION, readCount, readNumbers } from './numbers.ts'

/** A part of the range of values, and how many of them are in it. */
export interface HistogramBin {
  /** The least value that belongs to it. */
  readonly from: number
  /** Values less than this belong to it; in the last bin, those that are this much too. */
  readonly to: number
  readonly count: number
}

/** More bins than this show every single value, and no longer how they lie. */
const DEFAULT_BINS_MAX = 50
/** The edges of more bins than this might be the same double. */
const BINS_MAX = 1000

/**
 * Returns how many of the values are in each of `binCount` equally wide parts of their range, in order: the square root of
 * their number unless given, then at most 50, else at most 1,000. Values that are all the same make one bin, no values none.
 *
 * @throws `invalid_input` naming the place, as `values[3]`, or `binCount`.
 */
export function histogram(values: readonly number[], binCount?: number): HistogramBin[] {
  readNumbers(values, 'values')
  if (binCount !== undefined && readCount(binCount, 'binCount') > BINS_MAX) {
    throw invalid('binCount', `${binCount} is above ${BINS_MAX}`)
  }
  if (values.length === 0) return []
  let least = Infinity
  let most = -Infinity
  for (const value of values) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  const range = most - least
  const isOneValue = range <= LEAST_DEVIATION * Math.max(Math.abs(least), Math.abs(most))
  if (isOneValue) return [{ from: least, to: most, count: values.length }]
  const bins = binCount ?? Math.min(DEFAULT_BINS_MAX, Math.ceil(Math.sqrt(values.length)))
  const edges = Array.from({ length: bins + 1 }, (_, i) => (i === bins ? most : least + (range * i) / bins))
  const counts = new Array<number>(bins).fill(0)
  for (const value of values) {
    let bin = Math.min(bins - 1, Math.floor(((value - least) / range) * bins))
    // Rounding may have put what is on an edge on the wrong side of it.
    while (bin > 0 && value < (edges[bin] ?? least)) bin--
    while (bin < bins - 1 && value >= (edges[bin + 1] ?? most)) bin++
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts.map((count, i) => ({ from: edges[i] ?? least, to: edges[i + 1] ?? most, count }))
}
