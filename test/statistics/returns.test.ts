import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  alignSeries,
  compoundLogReturns,
  isSmallSample,
  logReturns,
  simpleReturns,
} from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

const price = fc.double({ min: 1e-6, max: 1e6, noNaN: true })

describe('logReturns', () => {
  it('gives ln 2 for a doubling and −ln 2 for a halving', () => {
    expect(logReturns([1, 2, 1, 4])).toEqual([Math.LN2, -Math.LN2, 2 * Math.LN2])
  })

  it('has nothing to say of no price or one', () => {
    expect(logReturns([])).toEqual([])
    expect(logReturns([5])).toEqual([])
  })

  it('keeps the digits of a return between prices close to each other', () => {
    // ln(1 + x) = x − x²/2 + x³/3 with x = 10⁻⁹.
    expect(logReturns([1_000_000_000, 1_000_000_001])[0]).toBeCloseTo(1e-9 - 5e-19, 24)
  })

  it('adds up to the return of the whole', () => {
    fc.assert(
      fc.property(fc.array(price, { minLength: 2, maxLength: 30 }), (prices) => {
        const sum = logReturns(prices).reduce((total, one) => total + one, 0)
        const whole = Math.log(prices.at(-1) ?? 1) - Math.log(prices[0] ?? 1)
        expect(sum).toBeCloseTo(whole, 9)
      }),
    )
  })

  it.each([0, -1, ...NOT_NUMBERS])('refuses a price of %s', (bad) => {
    expectRefused(() => logReturns([1, bad, 1]), 'prices[1]')
  })
})

describe('simpleReturns', () => {
  it('gives each change as a fraction of the value before', () => {
    expect(simpleReturns([100, 125, 75, 75, 0])).toEqual([0.25, -0.4, 0, -1])
  })

  it('refuses a return from nothing, and values that are none', () => {
    expectRefused(() => simpleReturns([1, 0, 1]), 'values[1]')
    expectRefused(() => simpleReturns([1, -1]), 'values[1]')
    for (const bad of NOT_NUMBERS) expectRefused(() => simpleReturns([bad]), 'values[0]')
  })
})

describe('compoundLogReturns', () => {
  it('adds up every run of so many in a row', () => {
    expect(compoundLogReturns([1, 2, 4, 8], 1)).toEqual([1, 2, 4, 8])
    expect(compoundLogReturns([1, 2, 4, 8], 3)).toEqual([7, 14])
    expect(compoundLogReturns([1, 2, 4, 8], 4)).toEqual([15])
    expect(compoundLogReturns([1, 2, 4, 8], 5)).toEqual([])
  })

  it.each([0, -1, 1.5, Number.NaN])('refuses %s periods', (periods) => {
    expectRefused(() => compoundLogReturns([1], periods), 'periods')
  })
})

describe('isSmallSample', () => {
  it('is true below thirty returns', () => {
    expect([0, 29, 30, 31].map(isSmallSample)).toEqual([true, true, false, false])
  })
})

describe('alignSeries', () => {
  const points = (...pairs: [day: number, value: number][]) =>
    pairs.map(([day, value]) => ({ at: new Date(Date.UTC(2024, 0, day)), value }))

  it('keeps what all of them have, in the order of time', () => {
    const a = points([1, 10], [2, 20], [3, 30], [5, 50])
    const b = points([2, 200], [3, 300], [4, 400], [5, 500])
    const c = points([1, 1], [2, 2], [5, 5])
    expect(alignSeries([a, b, c])).toEqual([
      [20, 50],
      [200, 500],
      [2, 5],
    ])
  })

  it('gives as many lists as there are series, also where nothing is common', () => {
    expect(alignSeries([])).toEqual([])
    expect(alignSeries([points([1, 1]), []])).toEqual([[], []])
  })

  it('refuses times that do not go forward', () => {
    expectRefused(() => alignSeries([points([1, 1]), points([1, 1], [1, 2])]), 'series[1][1].at')
    expectRefused(() => alignSeries([points([2, 1], [1, 2])]), 'series[0][1].at')
    expectRefused(() => alignSeries([[{ at: new Date(Number.NaN), value: 1 }]]), 'series[0][0].at')
    expectRefused(() => alignSeries([points([1, Number.NaN])]), 'series[0][0].value')
  })
})
