import { DataError } from '../db/errors.ts'

/**
 * Statistics are made of squares and products, and of sums of those: of figures up to this size they are finite doubles,
 * however many there are.
 */
const SIZE_MAX = 1e100

/**
 * Figures that differ by no more than this differ by the rounding of doubles: a deviation, or a fall from a peak, of this size
 * is none. Of fractions; amounts are exact and need no such bound.
 */
export const LEAST_DEVIATION = 1e-12

interface Bounds {
  readonly least?: number
  readonly most?: number
  /** The value itself must be greater than this. */
  readonly above?: number
  /** The value itself must be less than this. */
  readonly below?: number
}

/** Reads a finite number. @throws `invalid_input` naming `field`, for NaN, infinities and what is out of bounds. */
export function readNumber(value: number, field: string, bounds: Bounds = {}): number {
  const { least = -SIZE_MAX, most = SIZE_MAX, above = -Infinity, below = Infinity } = bounds
  if (typeof value !== 'number') {
    throw invalid(field, `is ${value === null ? 'null' : typeof value}, not a number`)
  }
  if (!Number.isFinite(value)) throw invalid(field, `is ${value}, not a finite number`)
  if (value < least) throw invalid(field, `${value} is below ${least}`)
  if (value > most) throw invalid(field, `${value} is above ${most}`)
  if (value <= above) throw invalid(field, `${value} is not above ${above}`)
  if (value >= below) throw invalid(field, `${value} is not below ${below}`)
  return value
}

/** Reads each of a list of numbers. @throws `invalid_input` naming the place, as `returns[3]`. */
export function readNumbers(
  values: readonly number[],
  field: string,
  bounds: Bounds = {},
): readonly number[] {
  if (!Array.isArray(values)) throw invalid(field, 'is no array of numbers')
  // A list may be long, and the name of a place is wanted only of what is wrong.
  for (let i = 0; i < values.length; i++) {
    const value: unknown = values[i]
    const { least = -SIZE_MAX, most = SIZE_MAX, above = -Infinity, below = Infinity } = bounds
    const isRight =
      typeof value === 'number' && value >= least && value <= most && value > above && value < below
    if (!isRight) readNumber(value as number, `${field}[${i}]`, bounds)
  }
  return values
}

/** Reads a whole number of one or more. @throws `invalid_input` naming `field`. */
export function readCount(value: number, field: string): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw invalid(field, `${String(value)} is not a whole number of 1 or more`)
  }
  return value
}

/** Reads a moment. @throws `invalid_input` naming `field`. */
export function readMoment(value: Date, field: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw invalid(field, 'is no valid Date')
  return value
}

export function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}
