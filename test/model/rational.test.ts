import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quotient, Rational } from './rational.ts'

const parse = (text: string) => Rational.parse(text)

describe('text', () => {
  test('decimal text is read exactly and written without trailing zeros', () => {
    const cases = {
      '1.50': '1.5',
      '-0.05': '-0.05',
      '+7': '7',
      '.5': '0.5',
      '5.': '5',
      '-0.0': '0',
      '1200': '1200',
      '0.125': '0.125',
    }
    for (const [text, written] of Object.entries(cases)) expect(parse(text).toText()).toBe(written)
  })

  test('what is no decimal text is refused', () => {
    for (const text of ['', '.', '-', '1e3', '0x10', ' 1', '1 ', 'NaN', '1,5', '1.2.3'])
      expect(() => parse(text)).toThrow(RangeError)
  })

  test('a fraction without finite decimals has no exact text', () => {
    expect(() => parse('1').div(parse('3')).toText()).toThrow('1/3 has no finite decimal text')
  })
})

describe('rounding', () => {
  test('a tie goes away from zero on both sides', () => {
    const cases = [
      ['0.5', 0, '1'],
      ['-0.5', 0, '-1'],
      ['2.5', 0, '3'],
      ['1.005', 2, '1.01'],
      ['-1.005', 2, '-1.01'],
      ['1.00499', 2, '1.00'],
      ['-0.004', 2, '0.00'],
      ['9.995', 2, '10.00'],
      ['3', 3, '3.000'],
      ['0.05', 1, '0.1'],
    ] as const
    for (const [text, scale, rounded] of cases) {
      expect(parse(text).toFixed(scale), text).toBe(rounded)
      expect(parse(text).roundTo(scale).equals(parse(rounded)), text).toBe(true)
    }
  })

  test('a quotient has 40 decimals', () => {
    expect(quotient(parse('2'), parse('3')).toText()).toBe(`0.${'6'.repeat(39)}7`)
    expect(quotient(parse('-1'), parse('3')).toText()).toBe(`-0.${'3'.repeat(40)}`)
  })
})

describe('arithmetic', () => {
  const fraction = fc
    .tuple(fc.bigInt({ min: -1000n, max: 1000n }), fc.bigInt({ min: 1n, max: 60n }))
    .map(([n, d]) => Rational.of(n, d))

  test('what is subtracted, added, multiplied and divided comes back', () => {
    fc.assert(
      fc.property(fraction, fraction, (a, b) => {
        expect(a.sub(b).add(b)).toEqual(a)
        expect(b.isZero() || a.mul(b).div(b).equals(a)).toBe(true)
        expect(a.compare(b)).toBe(a.sub(b).sign())
        expect(a.negate().abs()).toEqual(a.abs())
        expect(Rational.sum([a, b, a.negate()])).toEqual(b)
      }),
    )
  })

  test('whole cases', () => {
    expect(parse('0.1').add(parse('0.2')).toText()).toBe('0.3')
    expect(parse('1').div(parse('-8')).toText()).toBe('-0.125')
    expect(parse('-3').compare(parse('-2.5'))).toBe(-1)
    expect(Rational.of(6n, -4n)).toEqual(parse('-1.5'))
    expect(() => parse('1').div(parse('0'))).toThrow('division by zero')
  })
})
