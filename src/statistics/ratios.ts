import { mean, spreadOf } from './moments.ts'
import { LEAST_DEVIATION, readCount, readNumber, readNumbers } from './numbers.ts'
import { isSmallSample } from './returns.ts'

/** Returns of every calendar day, as markets that never close have them. 252 for equities. */
export const PERIODS_PER_YEAR = 365
const DAYS_PER_YEAR = 365

export interface VolatilityOptions {
  /** How many of the returns make a year: 365 unless given. */
  readonly periodsPerYear?: number | undefined
}

export interface SharpeOptions extends VolatilityOptions {
  /** What money earns without risk, per year: 0.05 is five per cent. Zero unless given. */
  readonly riskFreeRate?: number | undefined
}

export interface SortinoOptions extends VolatilityOptions {
  /** The return below which a period counts as a bad one, per year: 0.05 is five per cent. Zero unless given. */
  readonly minimumAcceptableReturn?: number | undefined
}

/**
 * Returns the Sharpe ratio of a year: mean(r − rf) / std(n − 1) · √periods, by Sharpe (1994). Null under two returns, and where
 * they do not vary: a deviation of up to 1e-12 is none.
 *
 * The rate is divided by the periods of a year, not compounded.
 *
 * @throws `invalid_input` naming the place, as `returns[3]`, or the option.
 */
export function sharpe(returns: readonly number[], options: SharpeOptions = {}): number | null {
  readNumbers(returns, 'returns')
  return sharpeOf(returns, readSharpeOptions(options))
}

/**
 * Returns the Sharpe ratio of each run of `window` returns in a row, at the place of the last of them: as many as there are
 * returns, null until the window is full.
 *
 * @throws `invalid_input` as `sharpe` does, and naming `window`.
 */
export function rollingSharpe(
  returns: readonly number[],
  window: number,
  options: SharpeOptions = {},
): (number | null)[] {
  readNumbers(returns, 'returns')
  readCount(window, 'window')
  const rates = readSharpeOptions(options)
  return returns.map((_, last) =>
    last + 1 < window ? null : sharpeOf(returns.slice(last + 1 - window, last + 1), rates),
  )
}

/**
 * Returns the Sortino ratio of a year: mean(r − mar) / √(Σ min(r − mar, 0)² / n) · √periods, by Sortino and van der Meer (1991).
 * All returns are counted in n, not only the bad ones. Null of none, and where none was bad by more than 1e-12.
 *
 * The minimum is divided by the periods of a year, not compounded.
 *
 * @throws `invalid_input` naming the place, as `returns[3]`, or the option.
 */
export function sortino(returns: readonly number[], options: SortinoOptions = {}): number | null {
  readNumbers(returns, 'returns')
  const periodsPerYear = readPeriods(options)
  const least = readNumber(options.minimumAcceptableReturn ?? 0, 'minimumAcceptableReturn') / periodsPerYear
  let squares = 0
  for (const one of returns) squares += Math.min(one - least, 0) ** 2
  return ratio(mean(returns), least, Math.sqrt(squares / returns.length), periodsPerYear)
}

/**
 * Returns the volatility of a year: std(n − 1) · √periods, as a fraction: 0.5 is fifty per cent. Null under two returns.
 *
 * @throws `invalid_input` naming the place, as `returns[3]`, or the option.
 */
export function annualisedVolatility(
  returns: readonly number[],
  options: VolatilityOptions = {},
): number | null {
  readNumbers(returns, 'returns')
  const periodsPerYear = readPeriods(options)
  const { deviation } = spreadOf(returns)
  return deviation === null ? null : deviation * Math.sqrt(periodsPerYear)
}

export interface CagrInput {
  /** What one unit of currency became, without flows: 1.05 after five per cent. */
  readonly growth: number
  /** Calendar days that it took. */
  readonly days: number
}

/**
 * Returns the compound annual growth rate on calendar days: growth^(365 / days) − 1, as a fraction; −1 where all was lost. Null
 * of no time or less, of negative growth, and where a year of it would be no finite double.
 *
 * @throws `invalid_input` naming the field.
 */
export function cagr({ growth, days }: CagrInput): number | null {
  readNumber(growth, 'growth', { least: -Infinity, most: Infinity })
  readNumber(days, 'days')
  if (days <= 0 || growth < 0) return null
  const rate = growth ** (DAYS_PER_YEAR / days) - 1
  return Number.isFinite(rate) ? rate : null
}

export interface CalmarInput extends CagrInput {
  /** The deepest fall from a peak, 0 to 1. */
  readonly maxDrawdownFraction: number
}

/**
 * Returns the Calmar ratio: the compound annual growth rate / the deepest drawdown. Null where the rate is, and where there was
 * no drawdown of more than 1e-12.
 *
 * @throws `invalid_input` naming the field.
 */
export function calmar({ growth, days, maxDrawdownFraction }: CalmarInput): number | null {
  readNumber(maxDrawdownFraction, 'maxDrawdownFraction', { least: 0, most: 1 })
  const rate = cagr({ growth, days })
  if (rate === null || maxDrawdownFraction <= LEAST_DEVIATION) return null
  const figure = rate / maxDrawdownFraction
  return Number.isFinite(figure) ? figure : null
}

export type ReturnStatisticsOptions = SharpeOptions & SortinoOptions

/** What a list of returns says, each as the function of that name has it. */
export interface ReturnStatistics {
  readonly returnCount: number
  /** True below thirty returns. */
  readonly smallSample: boolean
  readonly sharpe: number | null
  readonly sortino: number | null
  /** Of a year, as a fraction. */
  readonly volatility: number | null
  /** Of one period, as a fraction, as are the next two. Null of no returns. */
  readonly mean: number | null
  readonly best: number | null
  readonly worst: number | null
}

/**
 * Returns what a list of returns says.
 *
 * @throws `invalid_input` naming the place, as `returns[3]`, or the option.
 */
export function returnStatistics(
  returns: readonly number[],
  options: ReturnStatisticsOptions = {},
): ReturnStatistics {
  readNumbers(returns, 'returns')
  const pick = (choose: (a: number, b: number) => number) =>
    returns.length === 0 ? null : returns.reduce((a, b) => choose(a, b))
  return {
    returnCount: returns.length,
    smallSample: isSmallSample(returns.length),
    sharpe: sharpe(returns, options),
    sortino: sortino(returns, options),
    volatility: annualisedVolatility(returns, options),
    mean: mean(returns),
    best: pick(Math.max),
    worst: pick(Math.min),
  }
}

interface Rates {
  readonly periodsPerYear: number
  /** Per period. */
  readonly riskFree: number
}

function readSharpeOptions(options: SharpeOptions): Rates {
  const periodsPerYear = readPeriods(options)
  return { periodsPerYear, riskFree: readNumber(options.riskFreeRate ?? 0, 'riskFreeRate') / periodsPerYear }
}

/** A return of more years than this would make rates per period too large to square. */
const LEAST_PERIODS = 1e-9

function readPeriods({ periodsPerYear = PERIODS_PER_YEAR }: VolatilityOptions): number {
  return readNumber(periodsPerYear, 'periodsPerYear', { least: LEAST_PERIODS })
}

function sharpeOf(returns: readonly number[], { periodsPerYear, riskFree }: Rates): number | null {
  const spread = spreadOf(returns)
  return ratio(spread.mean, riskFree, spread.deviation, periodsPerYear)
}

function ratio(
  meanReturn: number | null,
  least: number,
  deviation: number | null,
  periodsPerYear: number,
): number | null {
  if (meanReturn === null || deviation === null || deviation <= LEAST_DEVIATION) return null
  return ((meanReturn - least) / deviation) * Math.sqrt(periodsPerYear)
}
