import { larger, Rational, ZERO } from './rational.ts'

/** What an account was worth at the end of a day. Amounts are null where they are not known. */
export interface ReturnDay {
  /** Of how many days of the calendar it is the last: 1 for the first day. */
  readonly ordinal: number
  readonly equity: Rational | null
  readonly flowsAtStart: Rational | null
  readonly flowsAtEnd: Rational | null
}

export interface DayReturns {
  readonly returnFraction: number | null
  readonly growth: number
  readonly drawdownFraction: number
  readonly maxDrawdownFraction: number
  readonly drawdownAmount: Rational
  readonly returnCount: number
  readonly sharpe: number | null
  readonly sortino: number | null
  readonly calmar: number | null
}

const ONE = Rational.of(1n)
const NO_DEVIATION = 1e-12
/** What would grow by more in a year is not told. */
const MAX_ANNUAL = Math.exp(700)
const NO_FALL = Rational.parse('0.000000000001')

/**
 * Returns the figures of each day from all days before it. Growth is an exact fraction, so that a peak that is regained is
 * regained whatever was in between; only what is told is a double.
 */
export function returnsOf(initialEquity: Rational, days: readonly ReturnDay[]): DayReturns[] {
  return days.map((_, last) => figuresOf(initialEquity, days.slice(0, last + 1)))
}

function figuresOf(initialEquity: Rational, days: readonly ReturnDay[]): DayReturns {
  const returns: number[] = []
  let latest: number | null = null
  let known = initialEquity
  let gap: readonly ReturnDay[] = []
  let [growth, peak, profit, profitAtPeak, deepest] = [ONE, ONE, ZERO, ZERO, ZERO]
  for (const day of days) {
    latest = null
    gap = [...gap, day]
    if (day.equity === null) continue
    const atStart = sumKnown(gap.map(({ flowsAtStart }) => flowsAtStart))
    const atEnd = sumKnown(gap.map(({ flowsAtEnd }) => flowsAtEnd))
    gap = []
    if (atStart !== null && atEnd !== null) {
      const capital = known.add(atStart)
      const gain = day.equity.sub(atEnd).sub(capital)
      profit = profit.add(gain)
      if (capital.sign() > 0) {
        const fraction = gain.div(capital)
        latest = toDouble(fraction)
        returns.push(latest)
        growth = larger(ZERO, growth.mul(ONE.add(fraction)))
      }
    }
    known = day.equity
    peak = larger(peak, growth)
    const fall = fallOf(growth, peak)
    if (fall.isZero()) profitAtPeak = profit
    deepest = larger(deepest, fall)
  }
  const fall = fallOf(growth, peak)
  const maxDrawdownFraction = toDouble(deepest)
  const cagr = toDouble(growth) ** (365 / (days.at(-1)?.ordinal ?? 1)) - 1
  return {
    returnFraction: latest,
    growth: toDouble(growth),
    drawdownFraction: toDouble(fall),
    maxDrawdownFraction,
    drawdownAmount: profitAtPeak.sub(profit),
    returnCount: returns.length,
    sharpe: sharpeOf(returns),
    sortino: sortinoOf(returns),
    calmar: deepest.isZero() || cagr / maxDrawdownFraction > MAX_ANNUAL ? null : cagr / maxDrawdownFraction,
  }
}

/** A fall within the last digits of a double is none. */
function fallOf(growth: Rational, peak: Rational): Rational {
  const fall = ONE.sub(growth.div(peak))
  return fall.compare(NO_FALL) <= 0 ? ZERO : fall
}

function sumKnown(amounts: readonly (Rational | null)[]): Rational | null {
  const known = amounts.filter((amount) => amount !== null)
  return known.length < amounts.length ? null : Rational.sum(known)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function sharpeOf(returns: readonly number[]): number | null {
  if (returns.length < 2) return null
  const mean = meanOf(returns)
  const squares = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = Math.sqrt(squares / (returns.length - 1))
  return deviation <= NO_DEVIATION ? null : (mean / deviation) * Math.sqrt(365)
}

function sortinoOf(returns: readonly number[]): number | null {
  if (!returns.some((value) => value < 0)) return null
  const squares = returns.reduce((sum, value) => sum + Math.min(value, 0) ** 2, 0)
  const deviation = Math.sqrt(squares / returns.length)
  return deviation <= NO_DEVIATION ? null : (meanOf(returns) / deviation) * Math.sqrt(365)
}

const DIGITS = 30

/** Returns the nearest double, or one beside it. */
export function toDouble(value: Rational): number {
  const size = value.abs()
  const places = DIGITS + size.denominator.toString().length - size.numerator.toString().length
  const scaled =
    places >= 0
      ? (size.numerator * 10n ** BigInt(places)) / size.denominator
      : size.numerator / (size.denominator * 10n ** BigInt(-places))
  return value.sign() * Number(`${scaled}e${-places}`)
}
