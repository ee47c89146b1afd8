const QUOTIENT_DECIMALS = 40
const DECIMAL_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?$/

/** An exact fraction of two integers, in lowest terms and with a positive denominator. Nothing rounds but `roundTo`. */
export class Rational {
  readonly numerator: bigint
  readonly denominator: bigint

  private constructor(numerator: bigint, denominator: bigint) {
    this.numerator = numerator
    this.denominator = denominator
  }

  /** Returns `numerator / denominator`. @throws RangeError if the denominator is zero. */
  static of(numerator: bigint, denominator = 1n): Rational {
    if (denominator === 0n) throw new RangeError('division by zero')
    const divisor = greatestCommonDivisor(magnitude(numerator), magnitude(denominator))
    const sign = denominator < 0n ? -1n : 1n
    return new Rational((sign * numerator) / divisor, (sign * denominator) / divisor)
  }

  /** Reads plain decimal text such as `-0.05`. @throws RangeError for anything else, an exponent included. */
  static parse(text: string): Rational {
    const [, sign, whole = '', fraction = ''] = DECIMAL_TEXT.exec(text) ?? []
    if (sign === undefined || whole + fraction === '') throw new RangeError(`'${text}' is not decimal text`)
    const units = BigInt(whole + fraction)
    return Rational.of(sign === '-' ? -units : units, 10n ** BigInt(fraction.length))
  }

  /** Returns the sum of all, zero for none. */
  static sum(parts: Iterable<Rational>): Rational {
    let total = ZERO
    for (const part of parts) total = total.add(part)
    return total
  }

  add(other: Rational): Rational {
    return Rational.of(
      this.numerator * other.denominator + other.numerator * this.denominator,
      this.denominator * other.denominator,
    )
  }

  sub(other: Rational): Rational {
    return this.add(other.negate())
  }

  mul(other: Rational): Rational {
    return Rational.of(this.numerator * other.numerator, this.denominator * other.denominator)
  }

  /** Returns the exact quotient. @throws RangeError if `other` is zero. */
  div(other: Rational): Rational {
    return Rational.of(this.numerator * other.denominator, this.denominator * other.numerator)
  }

  negate(): Rational {
    return new Rational(-this.numerator, this.denominator)
  }

  abs(): Rational {
    return new Rational(magnitude(this.numerator), this.denominator)
  }

  /** Returns -1, 0 or 1. */
  sign(): -1 | 0 | 1 {
    return this.numerator < 0n ? -1 : this.numerator > 0n ? 1 : 0
  }

  isZero(): boolean {
    return this.numerator === 0n
  }

  /** Returns -1, 0 or 1, as a sort wants it. */
  compare(other: Rational): -1 | 0 | 1 {
    const left = this.numerator * other.denominator
    const right = other.numerator * this.denominator
    return left < right ? -1 : left > right ? 1 : 0
  }

  equals(other: Rational): boolean {
    return this.numerator === other.numerator && this.denominator === other.denominator
  }

  /** Returns the nearest multiple of `10^-scale`; a tie goes away from zero, as Postgres `round(numeric)` does it. */
  roundTo(scale: number): Rational {
    return Rational.of(this.roundedUnits(scale), 10n ** BigInt(scale))
  }

  /** Returns decimal text with exactly `scale` decimals, rounded as `roundTo` does. Zero has no sign. */
  toFixed(scale: number): string {
    const units = this.roundedUnits(scale)
    const digits = magnitude(units)
      .toString()
      .padStart(scale + 1, '0')
    const point = digits.length - scale
    const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`
    return units < 0n ? `-${text}` : text
  }

  /**
   * Returns the exact decimal text without trailing zeros, `0` for zero.
   *
   * @throws RangeError if no finite number of decimals is exact, as for one third.
   */
  toText(): string {
    const [twos, afterTwos] = countFactor(this.denominator, 2n)
    const [fives, rest] = countFactor(afterTwos, 5n)
    if (rest !== 1n) throw new RangeError(`${this.numerator}/${this.denominator} has no finite decimal text`)
    // In lowest terms this many decimals are needed and no fewer, so that there is no trailing zero to drop.
    return this.toFixed(Math.max(twos, fives))
  }

  private roundedUnits(scale: number): bigint {
    const scaled = magnitude(this.numerator) * 10n ** BigInt(scale)
    const units = (2n * scaled + this.denominator) / (2n * this.denominator)
    return this.numerator < 0n ? -units : units
  }
}

export const ZERO: Rational = Rational.of(0n)

export function smaller(a: Rational, b: Rational): Rational {
  return a.compare(b) <= 0 ? a : b
}

export function larger(a: Rational, b: Rational): Rational {
  return a.compare(b) >= 0 ? a : b
}

/** Returns `a / b` as a ledger stores a quotient: rounded to 40 decimals. */
export function quotient(a: Rational, b: Rational): Rational {
  return a.div(b).roundTo(QUOTIENT_DECIMALS)
}

/** Returns the amount itself, negated when `sign` is negative. */
export function signed(sign: number, amount: Rational): Rational {
  return sign < 0 ? amount.negate() : amount
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [high, low] = [a, b]
  while (low !== 0n) [high, low] = [low, high % low]
  return high
}

function countFactor(value: bigint, factor: bigint): [count: number, rest: bigint] {
  let count = 0
  let rest = value
  while (rest % factor === 0n) {
    rest /= factor
    count += 1
  }
  return [count, rest]
}
