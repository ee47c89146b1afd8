import { Decimal as DecimalJs } from 'decimal.js'
import { DataError } from './errors.ts'

/**
 * Exact decimal numbers: a private clone of decimal.js, so that no other user of that library can change its settings.
 *
 * A sum, difference or product keeps every digit: amounts have at most 30 digits on either side of the point, a stored
 * quotient has 40 decimals, and 1,000 significant digits hold any product and any sum of them. Only `divide` rounds.
 */
export const Decimal = DecimalJs.clone({
  defaults: true,
  precision: 1000,
  rounding: DecimalJs.ROUND_HALF_UP,
  toExpNeg: -9e15,
  toExpPos: 9e15,
})
export type Decimal = DecimalJs

/** An amount as a caller gives it: decimal text or a `Decimal`. A JS number is refused by the compiler. */
export type Amount = Decimal | string

export const ZERO: Decimal = new Decimal(0)

/** Digits accepted on either side of the decimal point. */
export const AMOUNT_DIGITS = 30
/** Decimals of every quotient. */
export const QUOTIENT_SCALE = 40

const AMOUNT_PATTERN = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/

// Dividing to 1,000 digits is slow. Rounding half up at 40 decimals needs the 41st digit and no more, so a quotient is
// cut off a little beyond it.
const Quotient = Decimal.clone({ rounding: DecimalJs.ROUND_DOWN })
const GUARD_DIGITS = 3

/**
 * Returns `a / b`, rounded half up to 40 decimals. The only operation on amounts that rounds.
 *
 * @throws `invalid_input` if `b` is zero.
 */
export function divide(a: Decimal, b: Decimal): Decimal {
  if (b.isZero()) throw new DataError('invalid_input', 'division by zero')
  if (a.isZero()) return ZERO
  Quotient.set({ precision: Math.max(a.e - b.e + 1 + QUOTIENT_SCALE + GUARD_DIGITS, 1) })
  const quotient = new Decimal(new Quotient(a).div(b).toDecimalPlaces(QUOTIENT_SCALE, Decimal.ROUND_HALF_UP))
  // What is too small for 40 decimals is zero, and has no sign.
  return quotient.isZero() ? ZERO : quotient
}

/**
 * Reads an amount exactly.
 *
 * Text must be a plain decimal number such as `-0.05`: no exponent, no hexadecimal, no separators, no spaces.
 *
 * @throws `invalid_input` naming `field`, for anything else, and for more than 30 digits before or after the point.
 */
export function toDecimal(value: Amount, field: string): Decimal {
  if (typeof value === 'string') {
    if (!AMOUNT_PATTERN.test(value)) throw refused(field, value, 'is not a plain decimal number')
    return bounded(new Decimal(value), field, value)
  }
  if (!DecimalJs.isDecimal(value)) throw refused(field, value, 'is neither decimal text nor a Decimal')
  if (!value.isFinite()) throw refused(field, value.toString(), 'is not a finite number')
  return bounded(value.constructor === Decimal ? value : new Decimal(value.toFixed()), field, value)
}

function bounded(amount: Decimal, field: string, value: Amount): Decimal {
  if (amount.decimalPlaces() > AMOUNT_DIGITS) {
    throw refused(field, value.toString(), `has more than ${AMOUNT_DIGITS} decimals`)
  }
  if (amount.e >= AMOUNT_DIGITS) {
    throw refused(field, value.toString(), `has more than ${AMOUNT_DIGITS} digits before the decimal point`)
  }
  return amount.isZero() ? ZERO : amount
}

const PLAIN_TEXT = /^(?:0|[1-9]\d{0,29})(?:\.\d{1,30})?$/

/**
 * The exact text of an amount, for bulk writes. Most text is what it should be already, and making a `Decimal` of it only to
 * write it out again would take longer than storing it.
 *
 * @throws `invalid_input` as `toDecimal` does.
 */
export function toAmountText(value: Amount, field: string): string {
  return typeof value === 'string' && PLAIN_TEXT.test(value) ? value : toDecimal(value, field).toFixed()
}

/** Decimal digits in one word of a Decimal: decimal.js counts in base 10,000,000. */
const WORD_DIGITS = 7
const ZERO_CODE = 48
const MINUS_CODE = 45

/** What decimal.js copies when it is given a Decimal of another clone: sign, exponent of the first digit, words. */
class DecimalParts {
  readonly toStringTag = '[object Decimal]'
  readonly s: number
  readonly e: number
  readonly d: readonly number[]

  constructor(s: number, e: number, d: readonly number[]) {
    this.s = s
    this.e = e
    this.d = d
  }
}

/**
 * Reads a number as Postgres writes it, faster than the constructor of decimal.js reads text, where wide reads spent much of
 * their time. What is not plain digits and a point is left to that constructor.
 */
export function readStored(text: string): Decimal {
  const sign = text.charCodeAt(0) === MINUS_CODE ? -1 : 1
  const start = sign === 1 ? 0 : 1
  const end = text.length
  const found = text.indexOf('.')
  const point = found === -1 ? end : found
  const words: number[] = []
  let exponent = 0
  let word = 0
  // Words are counted from the point to either side, so the first may be short.
  let missing = (point - start) % WORD_DIGITS || WORD_DIGITS
  for (let i = start; i < end; i++) {
    if (i === point) {
      missing = WORD_DIGITS
      continue
    }
    const digit = text.charCodeAt(i) - ZERO_CODE
    if (!(digit >= 0 && digit <= 9)) return new Decimal(text)
    if (digit !== 0 && word === 0 && words.length === 0) exponent = i < point ? point - i - 1 : point - i
    word = word * 10 + digit
    missing -= 1
    if (missing === 0) {
      if (word !== 0 || words.length > 0) words.push(word)
      word = 0
      missing = WORD_DIGITS
    }
  }
  if (missing < WORD_DIGITS) {
    for (; missing > 0; missing--) word *= 10
    words.push(word)
  }
  let count = words.length
  while (count > 0 && words[count - 1] === 0) count--
  if (count === 0) return end > 0 ? ZERO : new Decimal(text)
  words.length = count
  return new Decimal(new DecimalParts(sign, exponent, words) as unknown as Decimal)
}

/** Reads an amount greater than zero. @throws `invalid_input` naming `field`. */
export function toPositive(value: Amount, field: string): Decimal {
  const amount = toDecimal(value, field)
  if (amount.lte(0)) throw refused(field, value.toString(), 'must be greater than zero')
  return amount
}

const SHOWN_CHARACTERS = 60

function refused(field: string, value: unknown, why: string): DataError {
  const text = typeof value === 'string' ? value : `${typeof value} ${String(value)}`
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
  return new DataError('invalid_input', `${field} '${shown}' ${why}`, { field })
}
