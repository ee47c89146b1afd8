import { Decimal } from '../../db/decimal.ts'

// For people of any country: groups of three apart by a narrow space that breaks no line, a point before decimals, a true minus.

const SPACE = '\u202f'
const MINUS = '\u2212'

/** What is shown in place of a figure that has no value. */
export const NO_VALUE = 'n/a'

export interface Shown {
  /** As it is shown: rounded half up. */
  readonly text: string
  /** Every digit of it, where the text has fewer. */
  readonly exact?: string | undefined
}

const NOTHING_TO_SHOW: Shown = { text: NO_VALUE }

export interface FormatOptions {
  /** With a plus before what is above zero. */
  readonly isSigned?: boolean | undefined
  /** Without the sign of per cent. */
  readonly isPlain?: boolean | undefined
}

const DECIMALS_MIN = 2
const DECIMALS_MAX = 8
const DIGITS_OF_LARGEST = 6

/**
 * Returns how many decimals the amounts of a sheet are shown with: two of dollars, more of an account that is worth less than
 * ten units of a dear currency.
 */
export function decimalsFor(amounts: readonly (Decimal | null)[]): number {
  const largest = amounts.reduce<Decimal | null>((most, amount) => {
    if (amount === null || amount.isZero()) return most
    return most === null || amount.abs().gt(most) ? amount.abs() : most
  }, null)
  if (largest === null) return DECIMALS_MIN
  return Math.min(Math.max(DIGITS_OF_LARGEST - 1 - largest.e, DECIMALS_MIN), DECIMALS_MAX)
}

/** Returns an amount with so many decimals; with two digits that are not zero where it is too small for them. */
export function amountOf(amount: Decimal | null, decimals: number, options: FormatOptions = {}): Shown {
  if (amount === null) return NOTHING_TO_SHOW
  const rounded = roundTo(amount, decimals)
  const text = signed(rounded, decimals, options)
  return rounded.eq(amount) ? { text } : { text, exact: amount.toFixed() }
}

const PERCENT_DECIMALS = 2

/** Returns a fraction as per cent: 0.05 is `5.00 %`. */
export function percentOf(fraction: number | null, options: FormatOptions = {}): Shown {
  if (fraction === null) return NOTHING_TO_SHOW
  const percent = new Decimal(fraction).times(100)
  const rounded = roundTo(percent, PERCENT_DECIMALS)
  const text = `${signed(rounded, PERCENT_DECIMALS, options)}${options.isPlain ? '' : `${SPACE}%`}`
  return rounded.eq(percent) ? { text } : { text, exact: String(fraction) }
}

/** Returns a ratio, such as a Sharpe ratio. */
export function ratioOf(ratio: number | null): Shown {
  if (ratio === null) return NOTHING_TO_SHOW
  const value = new Decimal(ratio)
  const rounded = roundTo(value, 2)
  const text = signed(rounded, 2, {})
  return rounded.eq(value) ? { text } : { text, exact: String(ratio) }
}

export function countOf(count: number | null): Shown {
  return count === null ? NOTHING_TO_SHOW : { text: signed(new Decimal(count), 0, {}) }
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** Returns a duration in its two largest units: `3 d 4 h`. What is less is left off. */
export function durationOf(ms: number | null): Shown {
  if (ms === null) return NOTHING_TO_SHOW
  const first = UNITS.findIndex(([, size]) => ms >= size)
  if (first === -1) return { text: `0${SPACE}s`, exact: ms === 0 ? undefined : `${ms} ms` }
  let rest = Math.floor(ms)
  const parts: string[] = []
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${grouped(String(count))}${SPACE}${unit}`)
  }
  return { text: parts.join(' '), exact: rest > 0 || ms % 1 !== 0 ? `${ms} ms` : undefined }
}

/** Returns a moment as `2024-01-31 17:05 UTC`. */
export function momentText(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

export function plural(count: number, one: string, several = `${one}s`): string {
  return `${countOf(count).text} ${count === 1 ? one : several}`
}

/** Above this many digits a figure is written with an exponent: nobody counts groups of zeros. */
const DIGITS_SHOWN = 15

function signed(value: Decimal, decimals: number, { isSigned = false }: FormatOptions): string {
  const size = value.abs()
  const sign = value.isZero() ? '' : value.isNegative() ? MINUS : isSigned ? '+' : ''
  if (size.e >= DIGITS_SHOWN) return `${sign}${size.toExponential(2).replace('e+', `${SPACE}×${SPACE}10^`)}`
  const [whole = '', part] = size.toFixed(Math.max(decimals, size.decimalPlaces())).split('.')
  return `${sign}${grouped(whole)}${part === undefined ? '' : `.${part}`}`
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, SPACE)
}

const SMALLEST_DIGITS = 2

function roundTo(value: Decimal, decimals: number): Decimal {
  const rounded = value.toDecimalPlaces(decimals, Decimal.ROUND_HALF_UP)
  return rounded.isZero() && !value.isZero()
    ? value.toSignificantDigits(SMALLEST_DIGITS, Decimal.ROUND_HALF_UP)
    : rounded
}
