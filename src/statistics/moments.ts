import { invalid, LEAST_DEVIATION, readNumbers } from './numbers.ts'

/** Returns the arithmetic mean, or null of no values. @throws `invalid_input` naming the place, as `values[3]`. */
export function mean(values: readonly number[]): number | null {
  return meanOf(readNumbers(values, 'values'))
}

/**
 * Returns the standard deviation of a sample (n − 1), or null under two values. Of values that are all the same it is zero to
 * the last digit.
 *
 * @throws `invalid_input` naming the place, as `values[3]`.
 */
export function standardDeviation(values: readonly number[]): number | null {
  return spreadOf(readNumbers(values, 'values')).deviation
}

/** Mean and standard deviation (n − 1) of numbers that were read already. */
export function spreadOf(values: readonly number[]): { mean: number | null; deviation: number | null } {
  const average = meanOf(values)
  if (average === null || values.length < 2) return { mean: average, deviation: null }
  let squares = 0
  for (const value of values) squares += (value - average) ** 2
  return { mean: average, deviation: Math.sqrt(squares / (values.length - 1)) }
}

/**
 * Returns the covariance of a sample (n − 1) of two lists of the same length, or null under two pairs.
 *
 * @throws `invalid_input` naming the place, or `y` if it is longer or shorter than `x`.
 */
export function covariance(x: readonly number[], y: readonly number[]): number | null {
  readPairs(x, y)
  return x.length < 2 ? null : productsAboutMeans(x, y) / (x.length - 1)
}

/**
 * Returns the covariance of each series with each (n − 1): row and column in the order given, the variances on the diagonal.
 * Null under two values per series, and of no series.
 *
 * @throws `invalid_input` naming the place, as `series[1][3]`, or `series[1]` if it is longer or shorter than the first.
 */
export function covarianceMatrix(series: readonly (readonly number[])[]): number[][] | null {
  readSeries(series)
  const count = series[0]?.length ?? 0
  return count < 2 ? null : eachWithEach(series, (x, y) => productsAboutMeans(x, y) / (count - 1))
}

/**
 * Returns Pearson's coefficient, −1 to 1. Null under two pairs, and where one of the lists does not vary: figures that are the
 * same but for the rounding of doubles correlate by chance, so a deviation of up to 1e-12 is none.
 *
 * @throws `invalid_input` naming the place, or `y` if it is longer or shorter than `x`.
 */
export function pearsonCorrelation(x: readonly number[], y: readonly number[]): number | null {
  readPairs(x, y)
  return correlationOf(x, y)
}

/**
 * Returns Pearson's coefficient of each series with each: row and column in the order given. Null where it has none, as of
 * one that does not vary, also with itself.
 *
 * @throws `invalid_input` naming the place, as `series[1][3]`, or `series[1]` if it is longer or shorter than the first.
 */
export function correlationMatrix(series: readonly (readonly number[])[]): (number | null)[][] {
  readSeries(series)
  return eachWithEach(series, correlationOf)
}

function correlationOf(x: readonly number[], y: readonly number[]): number | null {
  if (x.length < 2) return null
  const xx = productsAboutMeans(x, x)
  const yy = productsAboutMeans(y, y)
  if (Math.sqrt(Math.min(xx, yy) / x.length) <= LEAST_DEVIATION) return null
  if (x === y) return 1
  // The product of both sums may be larger than a double can be; their ratio is not.
  const coefficient = productsAboutMeans(x, y) / yy / Math.sqrt(xx / yy)
  return Math.min(1, Math.max(-1, coefficient))
}

/** What `of` says of two series is the same either way round. */
function eachWithEach<Result>(
  series: readonly (readonly number[])[],
  of: (x: readonly number[], y: readonly number[]) => Result,
): Result[][] {
  const upper = series.map((x, row) => series.slice(row).map((y) => of(x, y)))
  return upper.map((own, row) => [
    ...upper.slice(0, row).map((earlier, column) => earlier[row - column] as Result),
    ...own,
  ])
}

function meanOf(values: readonly number[]): number | null {
  const first = values[0]
  if (first === undefined) return null
  // About the first value, equal ones have exactly that as their mean.
  let sum = 0
  for (const value of values) sum += value - first
  return first + sum / values.length
}

/** Σ (x − mean x)(y − mean y). */
function productsAboutMeans(x: readonly number[], y: readonly number[]): number {
  const xMean = meanOf(x) ?? 0
  const yMean = meanOf(y) ?? 0
  let products = 0
  for (let i = 0; i < x.length; i++) products += ((x[i] ?? 0) - xMean) * ((y[i] ?? 0) - yMean)
  return products
}

function readPairs(x: readonly number[], y: readonly number[]): void {
  readNumbers(x, 'x')
  readNumbers(y, 'y')
  if (x.length !== y.length) throw invalid('y', `has ${y.length} values; x has ${x.length}`)
}

function readSeries(series: readonly (readonly number[])[]): void {
  const length = series[0]?.length
  for (const [place, values] of series.entries()) {
    readNumbers(values, `series[${place}]`)
    if (values.length !== length) {
      throw invalid(`series[${place}]`, `has ${values.length} values; series[0] has ${length}`)
    }
  }
}
