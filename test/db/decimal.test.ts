import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Amount,
  Decimal,
  divide,
  QUOTIENT_SCALE,
  readStored,
  toDecimal,
  toPositive,
} from '../../src/db/decimal.ts'

/** Whole number of 10^-30, which every amount is. */
const UNIT = 10n ** 30n
const QUOTIENT_UNIT = 10n ** BigInt(QUOTIENT_SCALE)

const digits = fc.bigInt({ min: -(10n ** 60n) + 1n, max: 10n ** 60n - 1n })
const places = fc.integer({ min: 0, max: 30 })

/** An amount as text, and as a whole number of 10^-30. */
const amounts = fc.tuple(digits, places).map(([whole, scale]) => {
  const units = whole % 10n ** BigInt(30 + scale)
  const sign = units < 0n ? '-' : ''
  const text = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const point = text.length - scale
  return {
    text: `${sign}${text.slice(0, point)}${scale > 0 ? `.${text.slice(point)}` : ''}`,
    units: units * 10n ** BigInt(30 - scale),
  }
})

function unitsOf(amount: Decimal, unit: bigint): bigint {
  const [whole = '0', fraction = ''] = amount.abs().toFixed().split('.')
  const scale = unit.toString().length - 1
  expect(fraction.length).toBeLessThanOrEqual(scale)
  const units = BigInt(whole + fraction.padEnd(scale, '0'))
  return amount.isNegative() ? -units : units
}

/** a / b in units of 10^-40, rounded half away from zero. */
function quotientOf(a: bigint, b: bigint): bigint {
  const [n, d] = [(a < 0n ? -a : a) * QUOTIENT_UNIT, b < 0n ? -b : b]
  const rounded = (2n * n + d) / (2n * d)
  return a < 0n !== b < 0n ? -rounded : rounded
}

describe('amounts', () => {
  test('are read to the last digit, whatever their size', () => {
    fc.assert(
      fc.property(amounts, ({ text, units }) => {
        const amount = toDecimal(text, 'x')
        expect(unitsOf(amount, UNIT)).toBe(units)
        expect(toDecimal(amount, 'x').eq(amount)).toBe(true)
        expect(toDecimal(amount.toFixed(), 'x').eq(amount)).toBe(true)
        expect(amount.toFixed()).not.toMatch(/e/i)
      }),
    )
  })

  test('are added, subtracted and multiplied without rounding', () => {
    fc.assert(
      fc.property(amounts, amounts, amounts, (a, b, c) => {
        const [x, y, z] = [a, b, c].map(({ text }) => toDecimal(text, 'x'))
        if (!x || !y || !z) return
        expect(unitsOf(x.plus(y).minus(z), UNIT)).toBe(a.units + b.units - c.units)
        expect(unitsOf(x.times(y).times(z), UNIT ** 3n)).toBe(a.units * b.units * c.units)
      }),
    )
  })

  test('are divided to 40 decimals, rounded half up, and every other digit is exact', () => {
    fc.assert(
      fc.property(amounts, amounts, (a, b) => {
        fc.pre(b.units !== 0n)
        const quotient = divide(toDecimal(a.text, 'a'), toDecimal(b.text, 'b'))
        expect(unitsOf(quotient, QUOTIENT_UNIT)).toBe(quotientOf(a.units, b.units))
        expect(Object.is(quotient.toNumber(), -0)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('are divided exactly at the halves, where rounding is decided', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
        fc.constantFrom(0n, 1n, -1n),
        (n, off) => {
          // (2n + 1) / (2 · 10^40) lies half way between two quotients, and one unit of 10^-70 beside it does not.
          const odd = new Decimal((2n * n + 1n).toString()).div(new Decimal(10).pow(30))
          const divisor = new Decimal('2').times(new Decimal(10).pow(10))
          const a = odd.plus(new Decimal(off.toString()).times(new Decimal(10).pow(-30)))
          expect(unitsOf(divide(a, divisor), QUOTIENT_UNIT)).toBe(
            quotientOf(unitsOf(a, 10n ** 60n), unitsOf(divisor, 10n ** 60n)),
          )
        },
      ),
    )
  })

  test('are not divided by zero', () => {
    expect(() => divide(new Decimal(1), new Decimal(0))).toThrow('division by zero')
    expect(divide(new Decimal(0), new Decimal(-3)).toFixed()).toBe('0')
  })

  test.each([
    ...[
      '',
      ' ',
      '1 ',
      ' 1',
      '1e5',
      '1E-5',
      '0x10',
      '0b1',
      '1_000',
      '1,5',
      '1.2.3',
      '.',
      '-',
      '+',
      '--1',
      '+-1',
    ],
    ...['NaN', 'Infinity', '-Infinity', 'one', '１', '1\n', '1\0', '1e400', '0'.repeat(0)],
  ])('are not read from %j', (text) => {
    expect(() => toDecimal(text, 'price')).toThrow(
      expect.objectContaining({ code: 'invalid_input', field: 'price' }),
    )
  })

  test.each(['0', '-0', '+0', '00012', '.5', '5.', '-0.000000000000000000000000000001', '9'.repeat(30)])(
    'are read from %j',
    (text) => {
      const amount = toDecimal(text, 'price')
      expect(amount.eq(text)).toBe(true)
      expect(Object.is(amount.toNumber(), -0)).toBe(false)
    },
  )

  test.each([`0.${'0'.repeat(30)}1`, `1${'0'.repeat(30)}`, '9'.repeat(31)])(
    'are refused past 30 digits: %s',
    (text) => {
      expect(() => toDecimal(text, 'price')).toThrow(
        expect.objectContaining({ code: 'invalid_input', field: 'price' }),
      )
      expect(() => toDecimal(new Decimal(text), 'price')).toThrow('price')
    },
  )

  test.each([
    1.5,
    10n,
    null,
    undefined,
    {},
    [],
    true,
    new Decimal(Number.NaN),
    new Decimal(Number.POSITIVE_INFINITY),
  ])('are not %s', (value) => {
    expect(() => toDecimal(value as Amount, 'price')).toThrow(
      expect.objectContaining({ code: 'invalid_input', field: 'price' }),
    )
  })

  test('of another copy of decimal.js are taken with all their digits, whatever its settings', () => {
    const Other = Decimal.clone({ precision: 5, toExpNeg: -2, toExpPos: 2 })
    const amount = toDecimal(new Other('123456789.000000000123'), 'x')
    expect(amount.toFixed()).toBe('123456789.000000000123')
    expect(amount.times(3).toFixed()).toBe('370370367.000000000369')
  })

  test('that must be positive are', () => {
    expect(toPositive('0.1', 'x').toFixed()).toBe('0.1')
    for (const text of ['0', '-0', '-1']) expect(() => toPositive(text, 'x')).toThrow('greater than zero')
  })
})

describe('a stored amount', () => {
  /** What decimal.js holds: were it any different, arithmetic would go wrong later and elsewhere. */
  const partsOf = ({ s, e, d }: Decimal) => ({ s, e, d })

  test('is read as the constructor of decimal.js reads it', () => {
    fc.assert(
      fc.property(amounts, ({ text }) => {
        expect(partsOf(readStored(text))).toEqual(partsOf(new Decimal(new Decimal(text).toFixed())))
        expect(readStored(text).constructor).toBe(Decimal)
      }),
      { numRuns: 2_000 },
    )
  })

  test.each(
    '0 0.000 1 -1 10 100.10 9999999 10000000 99999999.9999999 100000000000000 0.1 -0.0000001 0.00000001 12345678.12345678 0.000000000000000000000000000001 NaN Infinity -Infinity'.split(
      ' ',
    ),
  )('of %s is read so', (text) => {
    expect(partsOf(readStored(text))).toEqual(partsOf(new Decimal(text)))
    expect(readStored(text).toFixed()).toBe(new Decimal(text).toFixed())
  })

  test('is refused where it is no number', () => {
    for (const text of ['', 'abc', '1x', '1.2.3']) expect(() => readStored(text)).toThrow()
  })
})
