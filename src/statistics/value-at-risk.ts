import { covarianceMatrix, mean, standardDeviation } from './moments.ts'
import { normalQuantile } from './normal.ts'
import { invalid, readCount, readNumber, readNumbers } from './numbers.ts'
import { compoundLogReturns, isSmallSample } from './returns.ts'

/** What may be lost over a horizon, with what it was made of. */
export interface ValueAtRisk {
  /**
   * The loss as a fraction of the portfolio's value: 0.05 is five per cent. Negative where the figure is a gain. Null where too
   * few returns make it.
   */
  readonly fraction: number | null
  /** 0.95: a loss that 95 of 100 horizons stay below. */
  readonly confidence: number
  readonly horizonPeriods: number
  /** Returns that it was made of. */
  readonly sampleSize: number
  /** True below thirty returns. */
  readonly smallSample: boolean
}

export interface HistoricalInput {
  /** What the portfolio gained over each horizon, as a fraction: 0.05 is five per cent. `portfolioReturns` makes them. */
  readonly returns: readonly number[]
  /** From 0.5, and below 1. */
  readonly confidence: number
  /**
   * How many periods each of the returns spans: 1 unless given. Returns over several overlap, so only every so many stand by
   * themselves, and it is those that `smallSample` counts.
   */
  readonly horizonPeriods?: number | undefined
}

/**
 * Returns the historical value at risk: the loss at the empirical quantile of the returns, by nearest rank. Of 100 returns and
 * a confidence of 0.95 it is the fifth worst. Null of no returns.
 *
 * @throws `invalid_input` naming the field.
 */
export function historicalValueAtRisk(input: HistoricalInput): ValueAtRisk {
  return historical(input, (worst) => worst.at(-1))
}

/**
 * Returns the expected shortfall: the mean loss of the tail from that same quantile on, the quantile's own return included. It
 * is never less than the historical value at risk of the same returns. Null of no returns.
 *
 * @throws `invalid_input` naming the field.
 */
export function expectedShortfall(input: HistoricalInput): ValueAtRisk {
  return historical(input, (worst) => mean(worst))
}

function historical(
  { returns, confidence, horizonPeriods = 1 }: HistoricalInput,
  figureOf: (worst: readonly number[]) => number | null | undefined,
): ValueAtRisk {
  readNumbers(returns, 'returns')
  readConfidence(confidence)
  readCount(horizonPeriods, 'horizonPeriods')
  const count = returns.length
  const sorted = Float64Array.from(returns).sort()
  const figure = figureOf([...sorted.subarray(0, tailSize(confidence, count))])
  // Of n periods come n − horizon + 1 overlapping returns, and n / horizon that share none.
  const separate = count === 0 ? 0 : Math.floor((count + horizonPeriods - 1) / horizonPeriods)
  return {
    fraction: figure === null || figure === undefined ? null : opposite(figure),
    confidence,
    horizonPeriods,
    sampleSize: count,
    smallSample: isSmallSample(separate),
  }
}

/** What is nearer to a whole number than this share of it is meant to be that: (1 − 0.95)·100 is 5.000000000000004. */
const ROUNDING = 1e-12

/** How many of the returns are in the tail: the smallest number that is at least (1 − confidence) of all. */
function tailSize(confidence: number, count: number): number {
  const exact = (1 - confidence) * count
  const whole = Math.round(exact)
  // 1 − confidence is off by up to a ten-quadrillionth of 1, which the number of returns multiplies.
  const isWhole = Math.abs(exact - whole) <= ROUNDING * Math.max(1, count)
  return Math.min(count, Math.max(1, isWhole ? whole : Math.ceil(exact)))
}

export interface ParametricInput {
  /** Of the returns of one period, as fractions. Null where there are too few. */
  readonly mean: number | null
  /** Their standard deviation (n − 1). Not negative; null where there are too few. */
  readonly deviation: number | null
  /** How many returns those two are of. */
  readonly sampleSize: number
  /** From 0.5, and below 1. */
  readonly confidence: number
  /** Periods: 1 unless given. */
  readonly horizonPeriods?: number | undefined
}

/**
 * Returns the parametric value at risk: z(confidence)·σ·√h − μ·h, as if returns were normal and did not depend on each other.
 * Null where mean or deviation is.
 *
 * @throws `invalid_input` naming the field.
 */
export function parametricValueAtRisk(input: ParametricInput): ValueAtRisk {
  const { mean: mu, deviation, sampleSize, confidence, horizonPeriods = 1 } = input
  readConfidence(confidence)
  readCount(horizonPeriods, 'horizonPeriods')
  if (!Number.isSafeInteger(sampleSize) || sampleSize < 0) {
    throw invalid('sampleSize', `${String(sampleSize)} is not a whole number`)
  }
  if (mu !== null) readNumber(mu, 'mean')
  if (deviation !== null) readNumber(deviation, 'deviation', { least: 0 })
  const fraction =
    mu === null || deviation === null
      ? null
      : normalQuantile(confidence) * deviation * Math.sqrt(horizonPeriods) - mu * horizonPeriods
  return { fraction, confidence, horizonPeriods, sampleSize, smallSample: isSmallSample(sampleSize) }
}

export interface PortfolioInput {
  /**
   * The share of each asset in the portfolio's value, as −0.25 for a quarter that is short. They need not add up to 1: against
   * the gross value a hedged portfolio's shares do not.
   */
  readonly weights: readonly number[]
  /** The log returns of each asset, in the order of the weights, over the same periods. */
  readonly logReturns: readonly (readonly number[])[]
}

/** Mean and deviation of a portfolio's returns per period. Null where there are too few. */
export interface PortfolioMoments {
  readonly mean: number | null
  readonly deviation: number | null
  readonly sampleSize: number
}

/**
 * Returns the mean and the deviation of a portfolio's log returns: Σ wᵢ·μᵢ, and √(Σ wᵢ·wⱼ·cov(i, j)) from the covariance of
 * each asset with each. A portfolio of nothing has neither.
 *
 * @throws `invalid_input` naming the place, as `weights[1]` or `logReturns[1][3]`, also where the lengths differ.
 */
export function portfolioMoments({ weights, logReturns }: PortfolioInput): PortfolioMoments {
  readPortfolio(weights, logReturns)
  const matrix = covarianceMatrix(logReturns)
  const sampleSize = logReturns[0]?.length ?? 0
  if (matrix === null) return { mean: null, deviation: null, sampleSize }
  const variance = sumOver(weights, (w, i) => w * sumOver(weights, (v, j) => v * (matrix[i]?.[j] ?? 0)))
  return {
    mean: sumOver(weights, (w, i) => w * (mean(logReturns[i] ?? []) ?? 0)),
    // Of a perfect hedge nothing is left, and rounding may leave less than nothing.
    deviation: Math.sqrt(Math.max(0, variance)),
    sampleSize,
  }
}

/**
 * Returns what a portfolio would have gained over each run of `horizonPeriods` periods in a row, as fractions of its value
 * then: every asset grew from its weight, and none was bought or sold between. Runs overlap.
 *
 * @throws `invalid_input` naming the place, as `weights[1]` or `logReturns[1][3]`, also where the lengths differ.
 */
export function portfolioReturns(
  input: PortfolioInput & { readonly horizonPeriods?: number | undefined },
): number[] {
  const { weights, logReturns, horizonPeriods = 1 } = input
  readPortfolio(weights, logReturns)
  const runs = logReturns.map((returns) => compoundLogReturns(returns, horizonPeriods))
  return (runs[0] ?? []).map((_, at) => sumOver(weights, (w, i) => w * Math.expm1(runs[i]?.[at] ?? 0)))
}

/** Returns mean and deviation of one series of returns, for `parametricValueAtRisk`. */
export function momentsOf(returns: readonly number[]): PortfolioMoments {
  readNumbers(returns, 'returns')
  return { mean: mean(returns), deviation: standardDeviation(returns), sampleSize: returns.length }
}

function sumOver(values: readonly number[], term: (value: number, place: number) => number): number {
  return values.reduce((sum, value, place) => sum + term(value, place), 0)
}

function readConfidence(confidence: number): void {
  // Below a half it is the mistake of giving 0.05 for 0.95, and its result would be a gain.
  readNumber(confidence, 'confidence', { least: 0.5, below: 1 })
}

/** A loss of this in one period has no logarithm that a double's exponential could undo. */
const LOG_RETURN_MAX = 500

function readPortfolio(weights: readonly number[], logReturns: readonly (readonly number[])[]): void {
  readNumbers(weights, 'weights')
  if (logReturns.length !== weights.length) {
    throw invalid('logReturns', `has ${logReturns.length} series; there are ${weights.length} weights`)
  }
  const length = logReturns[0]?.length
  for (const [place, returns] of logReturns.entries()) {
    const field = `logReturns[${place}]`
    readNumbers(returns, field, { least: -LOG_RETURN_MAX, most: LOG_RETURN_MAX })
    if (returns.length !== length) {
      throw invalid(field, `has ${returns.length} returns; logReturns[0] has ${length}`)
    }
  }
}

/** Negative zero would be an odd loss. */
function opposite(figure: number): number {
  return figure === 0 ? 0 : -figure
}
