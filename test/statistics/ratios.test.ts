import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  annualisedVolatility,
  cagr,
  calmar,
  returnStatistics,
  rollingSharpe,
  sharpe,
  sortino,
} from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

/**
 * Four days of 1, 3, −1 and 1 per cent. Mean 1; squares about it 0 + 4 + 4 + 0 = 8, so the variance is 8/3 and the ratio of a
 * day √(1 / (8/3)) = √0.375. Below zero there is one square, 1, of four: a downside deviation of √(1/4) = 0.5.
 */
const FOUR_DAYS = [0.01, 0.03, -0.01, 0.01]

const someReturns = fc.array(fc.double({ min: -0.5, max: 0.5, noNaN: true }), { maxLength: 40 })

describe('sharpe', () => {
  it('agrees with four days worked out on paper', () => {
    expect(sharpe(FOUR_DAYS)).toBeCloseTo(Math.sqrt(0.375 * 365), 12)
    // A rate of 73 % a year is 0.2 % a day, and leaves 0.8 of each 1 per cent.
    expect(sharpe(FOUR_DAYS, { riskFreeRate: 0.73 })).toBeCloseTo(0.8 * Math.sqrt(0.375 * 365), 12)
    expect(sharpe(FOUR_DAYS, { periodsPerYear: 1, riskFreeRate: 0.002 })).toBeCloseTo(
      0.8 * Math.sqrt(0.375),
      12,
    )
    expect(sharpe(FOUR_DAYS.map((one) => -one))).toBeCloseTo(-Math.sqrt(0.375 * 365), 12)
  })

  it('agrees with the eight trades of van Tharp, whose mean is 0.36 of their deviation', () => {
    const multiples = [0.86, 4.4, -0.72, 0.44, 1.57, 1.13, -1.7, -0.58]
    expect(sharpe(multiples, { periodsPerYear: 1 })?.toFixed(2)).toBe('0.36')
  })

  it('calls the same days 11.67 and 14.05, as a year has 252 or 365 of them', () => {
    // 179 real trades were given both figures; √(365/252) lies between them, and neither is wrong of its market.
    const perDay = 11.67 / Math.sqrt(252)
    // Two days at mean ± d have a deviation of d·√2.
    const days = [0.01 - 0.01 / perDay / Math.SQRT2, 0.01 + 0.01 / perDay / Math.SQRT2]
    expect(sharpe(days, { periodsPerYear: 252 })).toBeCloseTo(11.67, 10)
    expect(sharpe(days)).toBeCloseTo(14.045, 3)
  })

  it('is null of fewer than two returns, and of returns that do not vary', () => {
    expect(sharpe([])).toBeNull()
    expect(sharpe([0.1])).toBeNull()
    expect(sharpe([0.1, 0.1, 0.1])).toBeNull()
    // The same but for the rounding of doubles.
    expect(sharpe([0.3, 0.1 + 0.2])).toBeNull()
    expect(sharpe([0.1, 0.1 + 1e-11])).not.toBeNull()
  })

  it('refuses what is no return, no rate and no number of periods', () => {
    for (const bad of NOT_NUMBERS) expectRefused(() => sharpe([0.1, bad]), 'returns[1]')
    for (const bad of NOT_NUMBERS.filter((one) => one !== undefined && one !== null)) {
      expectRefused(() => sharpe(FOUR_DAYS, { riskFreeRate: bad }), 'riskFreeRate')
    }
    for (const bad of [0, -1, ...NOT_NUMBERS.filter((one) => one !== undefined)]) {
      expectRefused(() => sharpe(FOUR_DAYS, { periodsPerYear: bad }), 'periodsPerYear')
      expectRefused(() => sortino(FOUR_DAYS, { periodsPerYear: bad }), 'periodsPerYear')
      expectRefused(() => annualisedVolatility(FOUR_DAYS, { periodsPerYear: bad }), 'periodsPerYear')
    }
  })
})

describe('rollingSharpe', () => {
  it('is the ratio of the last returns at each place, and null before there are enough', () => {
    // 1, 3, −1: mean 1, squares 0 + 4 + 4, variance 4, ratio 1/2. 3, −1, 1 are the same in another order.
    const [first, second, third, fourth] = rollingSharpe(FOUR_DAYS, 3, { periodsPerYear: 1 })
    expect([first, second]).toEqual([null, null])
    expect(third).toBeCloseTo(0.5, 12)
    expect(fourth).toBeCloseTo(0.5, 12)
  })

  it('agrees with the ratio of each run by itself', () => {
    fc.assert(
      fc.property(someReturns, fc.integer({ min: 1, max: 12 }), (returns, window) => {
        const options = { periodsPerYear: 252, riskFreeRate: 0.05 }
        const found = rollingSharpe(returns, window, options)
        expect(found).toHaveLength(returns.length)
        for (const [i, one] of found.entries()) {
          const run = returns.slice(Math.max(0, i + 1 - window), i + 1)
          expect(one).toBe(run.length < window ? null : sharpe(run, options))
        }
      }),
    )
  })

  it('is null where a run does not vary, and everywhere if it is never full', () => {
    expect(rollingSharpe([0.1, 0.1, 0.1, 0.2], 2)).toEqual([null, null, null, expect.any(Number)])
    expect(rollingSharpe([0.1, 0.2], 3)).toEqual([null, null])
    expect(rollingSharpe([0.1, 0.2], 1)).toEqual([null, null])
    expect(rollingSharpe([], 3)).toEqual([])
  })

  it('refuses what is no window', () => {
    for (const bad of [0, -1, 1.5, ...NOT_NUMBERS])
      expectRefused(() => rollingSharpe(FOUR_DAYS, bad), 'window')
    expectRefused(() => rollingSharpe([Number.NaN], 5), 'returns[0]')
    expectRefused(() => rollingSharpe([], 5, { periodsPerYear: 0 }), 'periodsPerYear')
  })
})

describe('sortino', () => {
  it('agrees with four days worked out on paper', () => {
    expect(sortino(FOUR_DAYS)).toBeCloseTo(2 * Math.sqrt(365), 12)
    // At least 0.2 % a day: means of 0.8, and 1.2 too little on one of four days, √(1.44/4) = 0.6.
    expect(sortino(FOUR_DAYS, { minimumAcceptableReturn: 0.73 })).toBeCloseTo(
      (0.8 / 0.6) * Math.sqrt(365),
      12,
    )
  })

  it('agrees with a published example of eight years', () => {
    // Mean 10 %, and √((0.05² + 0.04²) / 8) = 2.264 %: 4.417. Of the two bad years alone it would be half of that.
    const years = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04]
    expect(sortino(years, { periodsPerYear: 1 })).toBeCloseTo(4.417, 3)
  })

  it('is null of no returns, and where none was bad', () => {
    expect(sortino([])).toBeNull()
    expect(sortino([0.1, 0, 0.2])).toBeNull()
    expect(sortino([0.1, -1e-13])).toBeNull()
    expect(sortino([0.1, 0.2], { periodsPerYear: 1, minimumAcceptableReturn: 0.15 })).toBeCloseTo(0, 12)
    expect(sortino([-0.5], { periodsPerYear: 1 })).toBe(-1)
  })

  it('refuses what is no return and no rate', () => {
    for (const bad of NOT_NUMBERS) expectRefused(() => sortino([bad]), 'returns[0]')
    expectRefused(
      () => sortino(FOUR_DAYS, { minimumAcceptableReturn: Number.NaN }),
      'minimumAcceptableReturn',
    )
  })
})

describe('annualisedVolatility', () => {
  it('is the deviation of a period times the root of periods', () => {
    // Deviation √(8/3) per cent.
    expect(annualisedVolatility(FOUR_DAYS)).toBeCloseTo(0.01 * Math.sqrt((8 / 3) * 365), 14)
    expect(annualisedVolatility(FOUR_DAYS, { periodsPerYear: 252 })).toBeCloseTo(
      0.01 * Math.sqrt((8 / 3) * 252),
      14,
    )
    expect(annualisedVolatility([0.1, 0.1])).toBe(0)
    expect(annualisedVolatility([0.1])).toBeNull()
    expectRefused(() => annualisedVolatility([Number.NaN]), 'returns[0]')
  })
})

describe('cagr', () => {
  it('is the growth of a year on calendar days', () => {
    expect(cagr({ growth: 1.21, days: 730 })).toBeCloseTo(0.1, 14)
    expect(cagr({ growth: 2, days: 182.5 })).toBe(3)
    expect(cagr({ growth: 0.25, days: 730 })).toBe(-0.5)
    expect(cagr({ growth: 1, days: 10 })).toBe(0)
    expect(cagr({ growth: 0, days: 10 })).toBe(-1)
  })

  it('is null of no time, of debts, and of what no double holds', () => {
    expect(cagr({ growth: 2, days: 0 })).toBeNull()
    expect(cagr({ growth: 0.5, days: 0 })).toBeNull()
    expect(cagr({ growth: 2, days: -1 })).toBeNull()
    expect(cagr({ growth: -0.5, days: 365 })).toBeNull()
    // 2 to the power of 3,650.
    expect(cagr({ growth: 2, days: 0.1 })).toBeNull()
  })

  it('refuses what is no number', () => {
    for (const bad of [Number.NaN, Infinity, null as unknown as number]) {
      expectRefused(() => cagr({ growth: bad, days: 1 }), 'growth')
      expectRefused(() => cagr({ growth: 1, days: bad }), 'days')
    }
  })
})

describe('calmar', () => {
  it('is the growth of a year for each unit of the deepest fall', () => {
    expect(calmar({ growth: 2, days: 182.5, maxDrawdownFraction: 0.25 })).toBe(12)
    expect(calmar({ growth: 0.25, days: 730, maxDrawdownFraction: 0.8 })).toBe(-0.625)
  })

  it('is null without a fall, and without a rate', () => {
    expect(calmar({ growth: 2, days: 365, maxDrawdownFraction: 0 })).toBeNull()
    expect(calmar({ growth: 2, days: 365, maxDrawdownFraction: 1e-13 })).toBeNull()
    expect(calmar({ growth: 2, days: 0, maxDrawdownFraction: 0.5 })).toBeNull()
    expect(calmar({ growth: 1e308, days: 365, maxDrawdownFraction: 1e-11 })).toBeNull()
  })

  it('refuses a fall that is none', () => {
    for (const bad of [-0.1, 1.1, 20, ...NOT_NUMBERS]) {
      expectRefused(() => calmar({ growth: 1, days: 1, maxDrawdownFraction: bad }), 'maxDrawdownFraction')
    }
  })
})

describe('returnStatistics', () => {
  it('says all of it at once', () => {
    const options = { periodsPerYear: 252, riskFreeRate: 0.0252, minimumAcceptableReturn: 0.0504 }
    expect(returnStatistics(FOUR_DAYS, options)).toEqual({
      returnCount: 4,
      smallSample: true,
      // 0.01 % a day without risk, 0.02 % wanted: 0.99 / √(8/3), and 0.98 / √(1.02² / 4).
      sharpe: expect.closeTo(0.99 * Math.sqrt(0.375 * 252), 10),
      sortino: expect.closeTo((0.98 / 0.51) * Math.sqrt(252), 10),
      volatility: expect.closeTo(0.01 * Math.sqrt((8 / 3) * 252), 12),
      mean: expect.closeTo(0.01, 15),
      best: 0.03,
      worst: -0.01,
    })
  })

  it('says of no returns that there are none', () => {
    expect(returnStatistics([])).toEqual({
      returnCount: 0,
      smallSample: true,
      sharpe: null,
      sortino: null,
      volatility: null,
      mean: null,
      best: null,
      worst: null,
    })
  })

  it('warns of fewer than thirty returns', () => {
    const returns = Array.from({ length: 30 }, (_, i) => i / 1000)
    expect(returnStatistics(returns).smallSample).toBe(false)
    expect(returnStatistics(returns.slice(1)).smallSample).toBe(true)
  })

  it('takes in more returns than a call has room for arguments', () => {
    const returns = new Array<number>(300_000).fill(0.01).with(7, 0.5).with(8, -0.5)
    expect(returnStatistics(returns)).toMatchObject({ best: 0.5, worst: -0.5 })
  })

  it('agrees with the textbook on any returns', () => {
    fc.assert(
      fc.property(someReturns, (returns) => {
        const found = returnStatistics(returns)
        const n = returns.length
        const average = returns.reduce((a, b) => a + b, 0) / n
        const deviation = Math.sqrt(returns.reduce((a, b) => a + (b - average) ** 2, 0) / (n - 1))
        const downside = Math.sqrt(returns.reduce((a, b) => a + (b < 0 ? b * b : 0), 0) / n)
        const perYear = average * Math.sqrt(365)
        if (n >= 2 && deviation > 1e-3) expect(found.sharpe).toBeCloseTo(perYear / deviation, 6)
        if (n >= 1 && downside > 1e-3) expect(found.sortino).toBeCloseTo(perYear / downside, 6)
        expect(found.best).toBe(n === 0 ? null : Math.max(...returns))
      }),
    )
  })

  it('refuses what is no return', () => {
    for (const bad of NOT_NUMBERS) expectRefused(() => returnStatistics([0, bad]), 'returns[1]')
    expectRefused(() => returnStatistics([], { riskFreeRate: Number.NaN }), 'riskFreeRate')
  })
})
