import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  correlationMatrix,
  covariance,
  covarianceMatrix,
  mean,
  pearsonCorrelation,
  standardDeviation,
} from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

// Anscombe's quartet, as published (The American Statistician, 1973): x has mean 9 and variance 11 in all four, y has mean
// 7.50 and variance 4.12, and the correlation is 0.816.
const X = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
const Y1 = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
const Y2 = [9.14, 8.14, 8.74, 8.77, 9.26, 8.1, 6.13, 3.1, 9.13, 7.26, 4.74]
const Y3 = [7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73]

describe('mean', () => {
  it('agrees with a published example', () => {
    expect(mean(X)).toBe(9)
    expect(mean(Y1)).toBeCloseTo(7.5009, 4)
  })

  it('is null of nothing', () => {
    expect(mean([])).toBeNull()
  })

  it('is the value itself where all are the same', () => {
    // 0.1 + 0.1 + 0.1 is more than 0.3, and a third of it more than 0.1.
    expect(mean([0.1, 0.1, 0.1])).toBe(0.1)
  })

  it.each(NOT_NUMBERS)('refuses %s', (bad) => {
    expectRefused(() => mean([1, bad]), 'values[1]')
  })
})

describe('standardDeviation', () => {
  it('divides by one less than there are values', () => {
    // About their mean of 5 the squares are 9, 1, 1, 1, 0, 0, 4, 16: 32 in all.
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBe(Math.sqrt(32 / 7))
    expect(standardDeviation(X)).toBe(Math.sqrt(11))
    expect(standardDeviation(Y1)).toBeCloseTo(2.0316, 4)
  })

  it('is null under two values', () => {
    expect(standardDeviation([])).toBeNull()
    expect(standardDeviation([3])).toBeNull()
  })

  it('is exactly zero where nothing varies', () => {
    expect(standardDeviation([0.1, 0.1, 0.1])).toBe(0)
  })

  it('holds on to the digits of values that are large against their differences', () => {
    // About a mean of 10⁹ + 10 the squares are 36, 9, 9, 36.
    expect(standardDeviation([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])).toBe(Math.sqrt(30))
  })
})

describe('covariance', () => {
  it('agrees with a calculation by hand', () => {
    // About means of 2 and 4: (−1)(−2) + 0·(−1) + 1·3 = 5, over 2.
    expect(covariance([1, 2, 3], [2, 3, 7])).toBe(2.5)
  })

  it('is null under two pairs, and refuses lists of different lengths', () => {
    expect(covariance([1], [1])).toBeNull()
    expectRefused(() => covariance([1, 2], [1]), 'y')
  })

  it('agrees with exact fractions', () => {
    const integer = fc.integer({ min: -1_000_000, max: 1_000_000 })
    const pairs = fc.array(fc.tuple(integer, integer), { minLength: 2, maxLength: 40 })
    fc.assert(
      fc.property(pairs, (rows) => {
        const [x, y] = [rows.map(([one]) => one), rows.map(([, one]) => one)]
        // (n·Σxy − Σx·Σy) / (n·(n − 1)), in whole numbers.
        const n = BigInt(rows.length)
        const sum = (values: readonly bigint[]) => values.reduce((total, one) => total + one, 0n)
        const xy = sum(rows.map(([a, b]) => BigInt(a) * BigInt(b)))
        const numerator = n * xy - sum(x.map(BigInt)) * sum(y.map(BigInt))
        const exact = Number(numerator) / Number(n * (n - 1n))
        const size = Math.max(...x.map(Math.abs), 1) * Math.max(...y.map(Math.abs), 1)
        expect(Math.abs((covariance(x, y) ?? Number.NaN) - exact)).toBeLessThanOrEqual(size * 1e-12)
      }),
    )
  })
})

describe('covarianceMatrix', () => {
  it('has the variances on its diagonal and is the same either way round', () => {
    expect(
      covarianceMatrix([
        [1, 2, 3],
        [2, 3, 7],
        [3, 2, 1],
      ]),
    ).toEqual([
      [1, 2.5, -1],
      [2.5, 7, -2.5],
      [-1, -2.5, 1],
    ])
  })

  it('is null of nothing and under two values', () => {
    expect(covarianceMatrix([])).toBeNull()
    expect(covarianceMatrix([[], []])).toBeNull()
    expect(covarianceMatrix([[1], [2]])).toBeNull()
  })

  it('refuses series of different lengths and what is no number', () => {
    const series = [
      [1, 2],
      [1, 2, 3],
    ]
    expectRefused(() => covarianceMatrix(series), 'series[1]')
    expectRefused(() => covarianceMatrix([[1, Number.NaN]]), 'series[0][1]')
  })
})

describe('pearsonCorrelation', () => {
  it('agrees with published examples', () => {
    expect(pearsonCorrelation(X, Y1)).toBeCloseTo(0.81642, 5)
    expect(pearsonCorrelation(X, Y2)).toBeCloseTo(0.81624, 5)
    expect(pearsonCorrelation(X, Y3)).toBeCloseTo(0.81629, 5)
  })

  it('is null under two pairs and where one does not vary', () => {
    expect(pearsonCorrelation([1], [1])).toBeNull()
    expect(pearsonCorrelation([1, 2, 3], [5, 5, 5])).toBeNull()
    // As far as doubles can tell, both are constant.
    const same = [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]
    expect(pearsonCorrelation(same, [1, 2, 3, 4])).toBeNull()
  })

  it('lies within −1 and 1, and does not mind units', () => {
    const value = fc.integer({ min: -1000, max: 1000 })
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 20 }), (rows) => {
        const [x, y] = [rows.map(([one]) => one), rows.map(([, one]) => one)]
        const found = pearsonCorrelation(x, y)
        const turned = pearsonCorrelation(
          x.map((one) => one * -3 + 7),
          y,
        )
        if (found === null) {
          expect(turned).toBeNull()
          return
        }
        expect(Math.abs(found)).toBeLessThanOrEqual(1)
        expect(turned).toBeCloseTo(-found, 10)
      }),
    )
  })

  it('gives ±1 for a straight line', () => {
    expect(pearsonCorrelation([1, 2, 4], [3, 5, 9])).toBe(1)
    expect(pearsonCorrelation([0.1, 0.2, 0.4], [-0.3, -0.5, -0.9])).toBeCloseTo(-1, 14)
  })
})

describe('correlationMatrix', () => {
  it('has 1 on its diagonal, and null where a series does not vary', () => {
    expect(
      correlationMatrix([
        [1, 2, 3],
        [4, 4, 4],
        [3, 2, 1],
      ]),
    ).toEqual([
      [1, null, -1],
      [null, null, null],
      [-1, null, 1],
    ])
  })
})
