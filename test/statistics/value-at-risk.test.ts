import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  expectedShortfall,
  historicalValueAtRisk,
  momentsOf,
  normalQuantile,
  parametricValueAtRisk,
  portfolioMoments,
  portfolioReturns,
  standardDeviation,
} from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

const shuffled = (values: readonly number[]) =>
  [...values].sort((a, b) => ((a * 7919) % 1) - ((b * 7919) % 1))

/** −0.050, −0.049 … 0.049: a hundred returns, in no order. */
const HUNDRED = shuffled(Array.from({ length: 100 }, (_, i) => (i - 50) / 1000))

const daily = fc.double({ min: -0.9, max: 2, noNaN: true })
const confidence = fc.integer({ min: 50, max: 99 })

describe('historicalValueAtRisk', () => {
  it('is the fifth worst of a hundred at 0.95, and the worst at 0.99', () => {
    const found = historicalValueAtRisk({ returns: HUNDRED, confidence: 0.95 })
    expect(found).toEqual({
      fraction: 0.046,
      confidence: 0.95,
      horizonPeriods: 1,
      sampleSize: 100,
      smallSample: false,
    })
    expect(historicalValueAtRisk({ returns: HUNDRED, confidence: 0.99 }).fraction).toBe(0.05)
    expect(historicalValueAtRisk({ returns: HUNDRED, confidence: 0.955 }).fraction).toBe(0.046)
    expect(historicalValueAtRisk({ returns: HUNDRED, confidence: 0.9401 }).fraction).toBe(0.045)
  })

  it('takes the rank that whole numbers give, where doubles are a little off', () => {
    // (1 − p/100)·n as a fraction of whole numbers, rounded up; the returns are 0, 1, 2… so that each is its own rank.
    for (let n = 1; n <= 250; n++) {
      const returns = Array.from({ length: n }, (_, i) => i)
      for (let percent = 50; percent <= 99; percent++) {
        const rank = Math.floor(((100 - percent) * n + 99) / 100)
        const { fraction } = historicalValueAtRisk({ returns, confidence: percent / 100 })
        if (fraction !== 1 - rank)
          expect({ n, percent, fraction }).toEqual({ n, percent, fraction: 1 - rank })
      }
    }
  })

  it('is a gain, and negative, where even that return was one', () => {
    expect(historicalValueAtRisk({ returns: [0.02, 0.01, 0.03], confidence: 0.95 }).fraction).toBe(-0.01)
  })

  it('is null of no returns, and says when they are few', () => {
    const none = historicalValueAtRisk({ returns: [], confidence: 0.95 })
    expect(none).toMatchObject({ fraction: null, sampleSize: 0, smallSample: true })
    const sizes = [29, 30].map((size) =>
      historicalValueAtRisk({ returns: HUNDRED.slice(0, size), confidence: 0.95 }),
    )
    expect(sizes.map(({ smallSample }) => smallSample)).toEqual([true, false])
  })

  it('counts returns that overlap by those that do not', () => {
    // 59 periods make 50 runs of ten, of which five stand by themselves; 300 make 291, of which thirty do.
    const of = (size: number) =>
      historicalValueAtRisk({
        returns: Array.from({ length: size }, () => 0),
        confidence: 0.95,
        horizonPeriods: 10,
      })
    expect(of(50)).toMatchObject({ sampleSize: 50, horizonPeriods: 10, smallSample: true })
    expect(of(290).smallSample).toBe(true)
    expect(of(291).smallSample).toBe(false)
  })

  it('leaves as many returns below it as the confidence allows, by counting', () => {
    fc.assert(
      fc.property(fc.array(daily, { minLength: 1, maxLength: 120 }), confidence, (returns, percent) => {
        const { fraction } = historicalValueAtRisk({ returns, confidence: percent / 100 })
        const loss = fraction ?? Number.NaN
        const worse = returns.filter((one) => -one > loss).length
        const asBad = returns.filter((one) => -one >= loss).length
        expect(worse * 100).toBeLessThan((100 - percent) * returns.length)
        expect(asBad * 100).toBeGreaterThanOrEqual((100 - percent) * returns.length)
      }),
    )
  })

  it('never falls as confidence rises', () => {
    fc.assert(
      fc.property(
        fc.array(daily, { minLength: 1, maxLength: 60 }),
        confidence,
        confidence,
        (returns, a, b) => {
          const at = (percent: number) =>
            historicalValueAtRisk({ returns, confidence: percent / 100 }).fraction ?? Number.NaN
          expect(at(Math.max(a, b))).toBeGreaterThanOrEqual(at(Math.min(a, b)))
        },
      ),
    )
  })

  it('leaves the returns as they were', () => {
    const returns = [3, 1, 2]
    historicalValueAtRisk({ returns, confidence: 0.9 })
    expect(returns).toEqual([3, 1, 2])
  })

  it('refuses a confidence that is none, and returns that are none', () => {
    for (const bad of [0.05, 0.499, 1, 95, ...NOT_NUMBERS]) {
      expectRefused(() => historicalValueAtRisk({ returns: [0], confidence: bad }), 'confidence')
    }
    for (const bad of NOT_NUMBERS) {
      expectRefused(() => historicalValueAtRisk({ returns: [0, bad], confidence: 0.95 }), 'returns[1]')
    }
    for (const bad of [0, 1.5, -1]) {
      const input = { returns: [0], confidence: 0.95, horizonPeriods: bad }
      expectRefused(() => historicalValueAtRisk(input), 'horizonPeriods')
    }
  })
})

describe('expectedShortfall', () => {
  it('is the mean of the tail', () => {
    // Of 0.050, 0.049, 0.048, 0.047 and 0.046.
    const found = expectedShortfall({ returns: HUNDRED, confidence: 0.95 })
    expect(found.fraction).toBeCloseTo(0.048, 15)
    expect(found).toMatchObject({ confidence: 0.95, sampleSize: 100, smallSample: false })
    expect(expectedShortfall({ returns: HUNDRED, confidence: 0.99 }).fraction).toBe(0.05)
  })

  it('is null of no returns', () => {
    expect(expectedShortfall({ returns: [], confidence: 0.95 }).fraction).toBeNull()
  })

  it('is never less than the value at risk, and never falls as confidence rises', () => {
    fc.assert(
      fc.property(
        fc.array(daily, { minLength: 1, maxLength: 60 }),
        confidence,
        confidence,
        (returns, a, b) => {
          const at = (percent: number) =>
            expectedShortfall({ returns, confidence: percent / 100 }).fraction ?? 0
          const quantile = historicalValueAtRisk({ returns, confidence: a / 100 }).fraction ?? 0
          expect(at(a)).toBeGreaterThanOrEqual(quantile - 1e-15)
          expect(at(Math.max(a, b))).toBeGreaterThanOrEqual(at(Math.min(a, b)) - 1e-12)
        },
      ),
    )
  })
})

describe('parametricValueAtRisk', () => {
  const of = (input: Partial<Parameters<typeof parametricValueAtRisk>[0]>) =>
    parametricValueAtRisk({ mean: 0, deviation: 0.02, sampleSize: 250, confidence: 0.95, ...input })

  it('agrees with the textbook', () => {
    // A daily deviation of 2 %: 1.6449 · 2 % in a day at 95 %, and 2.3263 · 2 % · √10 in ten days at 99 %, which is 14.71 %.
    expect(of({}).fraction).toBeCloseTo(0.032897, 6)
    expect(of({ confidence: 0.99, horizonPeriods: 10 }).fraction).toBeCloseTo(0.14713, 5)
    expect(of({ confidence: 0.5 }).fraction).toBe(0)
  })

  it('takes the drift of the whole horizon off', () => {
    expect(of({ mean: 0.001, horizonPeriods: 4 }).fraction).toBeCloseTo(0.0657941 - 0.004, 7)
  })

  it('is the drift alone where nothing varies, and null where mean or deviation is', () => {
    expect(of({ mean: 0.001, deviation: 0 }).fraction).toBe(-0.001)
    expect(of({ mean: null, sampleSize: 0 })).toMatchObject({ fraction: null, smallSample: true })
    expect(of({ deviation: null, sampleSize: 1 })).toMatchObject({ fraction: null, sampleSize: 1 })
  })

  it('rises with confidence', () => {
    fc.assert(
      fc.property(confidence, confidence, daily, (a, b, drift) => {
        const at = (percent: number) => of({ confidence: percent / 100, mean: drift }).fraction ?? Number.NaN
        expect(at(Math.max(a, b))).toBeGreaterThanOrEqual(at(Math.min(a, b)))
      }),
    )
  })

  it('refuses what it cannot be made of', () => {
    for (const bad of [0.05, 1, 99]) expectRefused(() => of({ confidence: bad }), 'confidence')
    expectRefused(() => of({ deviation: -0.01 }), 'deviation')
    expectRefused(() => of({ deviation: Number.NaN }), 'deviation')
    expectRefused(() => of({ mean: Infinity }), 'mean')
    expectRefused(() => of({ horizonPeriods: 0 }), 'horizonPeriods')
    expectRefused(() => of({ sampleSize: -1 }), 'sampleSize')
  })
})

describe('portfolioMoments', () => {
  // Two series of mean zero that have nothing to do with each other: their variances are 4·10⁻⁴/3 and 16·10⁻⁴/3.
  const A = [0.01, -0.01, 0.01, -0.01]
  const B = [0.02, 0.02, -0.02, -0.02]

  it('adds squares of what is independent', () => {
    // 0.36·4 + 0.16·16 = 4, times 10⁻⁴/3.
    const found = portfolioMoments({ weights: [0.6, 0.4], logReturns: [A, B] })
    expect(found.deviation).toBeCloseTo(Math.sqrt(4e-4 / 3), 15)
    expect(found.mean).toBeCloseTo(0, 15)
    expect(found.sampleSize).toBe(4)
  })

  it('adds up what moves together, and leaves nothing of a hedge', () => {
    const own = standardDeviation(A) ?? Number.NaN
    expect(portfolioMoments({ weights: [0.5, 0.5], logReturns: [A, A] }).deviation).toBeCloseTo(own, 15)
    expect(portfolioMoments({ weights: [0.5, -0.5], logReturns: [A, A] }).deviation).toBe(0)
  })

  it('is null under two returns, and of nothing', () => {
    const nothing = { mean: null, deviation: null }
    expect(portfolioMoments({ weights: [1], logReturns: [[0.1]] })).toEqual({ ...nothing, sampleSize: 1 })
    expect(portfolioMoments({ weights: [], logReturns: [] })).toEqual({ ...nothing, sampleSize: 0 })
  })

  it('is that of the weighted sum of the returns', () => {
    const three = fc.tuple(daily, daily, daily)
    const weights = fc.tuple(daily, daily, daily)
    fc.assert(
      fc.property(fc.array(three, { minLength: 2, maxLength: 40 }), weights, (rows, [u, v, w]) => {
        const logReturns = [0, 1, 2].map((i) => rows.map((row) => row[i] ?? 0))
        const found = portfolioMoments({ weights: [u, v, w], logReturns })
        const summed = momentsOf(rows.map(([a, b, c]) => u * a + v * b + w * c))
        // Squared, for what is left of a hedge is the root of a rounding.
        expect((found.deviation ?? Number.NaN) ** 2).toBeCloseTo((summed.deviation ?? 0) ** 2, 12)
        expect(found.mean).toBeCloseTo(summed.mean ?? Number.NaN, 12)
      }),
    )
  })

  it('refuses weights and returns that do not belong together', () => {
    expectRefused(() => portfolioMoments({ weights: [1], logReturns: [A, B] }), 'logReturns')
    expectRefused(() => portfolioMoments({ weights: [1, 1], logReturns: [A, [0]] }), 'logReturns[1]')
    expectRefused(() => portfolioMoments({ weights: [Number.NaN], logReturns: [A] }), 'weights[0]')
    expectRefused(() => portfolioMoments({ weights: [1], logReturns: [[0, 1e6]] }), 'logReturns[0][1]')
  })
})

describe('portfolioReturns', () => {
  it('loses on a short what the asset gains', () => {
    const found = portfolioReturns({
      weights: [0.5, -0.5],
      logReturns: [
        [Math.LN2, 0],
        [0, Math.LN2],
      ],
    })
    expect(found[0]).toBeCloseTo(0.5, 15)
    expect(found[1]).toBeCloseTo(-0.5, 15)
  })

  it('compounds over the horizon, each run by itself', () => {
    // Doubled twice it is four times as much, and a short has lost three times its value.
    const found = portfolioReturns({
      weights: [-1],
      logReturns: [[Math.LN2, Math.LN2, -Math.LN2]],
      horizonPeriods: 2,
    })
    expect(found).toHaveLength(2)
    expect(found[0]).toBeCloseTo(-3, 14)
    expect(found[1]).toBeCloseTo(0, 14)
  })

  it('has none of nothing, and none of fewer periods than the horizon', () => {
    expect(portfolioReturns({ weights: [], logReturns: [] })).toEqual([])
    expect(portfolioReturns({ weights: [1], logReturns: [[0.1]], horizonPeriods: 2 })).toEqual([])
  })
})

describe('value at risk of normal returns', () => {
  it('is about the same by history and by parameters', () => {
    // A thousand returns at the quantiles of a normal distribution: its own figures, up to the step between two of them.
    const returns = Array.from({ length: 1000 }, (_, i) => 0.001 + 0.02 * normalQuantile((i + 0.5) / 1000))
    const byHistory = historicalValueAtRisk({ returns, confidence: 0.95 }).fraction ?? Number.NaN
    const byParameters = parametricValueAtRisk({ ...momentsOf(returns), confidence: 0.95 }).fraction
    expect(byHistory).toBeCloseTo(1.6449 * 0.02 - 0.001, 3)
    expect(byParameters).toBeCloseTo(1.6449 * 0.02 - 0.001, 3)
    // The tail of a normal distribution beyond z has a mean of density(z) / 0.05: 2.0627 at 0.95.
    expect(expectedShortfall({ returns, confidence: 0.95 }).fraction).toBeCloseTo(2.0627 * 0.02 - 0.001, 3)
  })
})
