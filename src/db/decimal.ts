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
