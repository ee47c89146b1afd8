import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histogram } from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

describe('histogram', () => {
  it('counts the values in equal parts of their range, the largest in the last', () => {
    expect(histogram([-4, -3, -1, 0, 0, 1, 3.5, 4], 4)).toEqual([
      { from: -4, to: -2, count: 2 },
      { from: -2, to: 0, count: 1 },
      { from: 0, to: 2, count: 3 },
      { from: 2, to: 4, count: 2 },
    ])
  })

  it('makes as many parts as the root of the number of values, and at most fifty', () => {
    const values = (count: number) => Array.from({ length: count }, (_, i) => i)
    expect(histogram(values(9))).toHaveLength(3)
    expect(histogram(values(10))).toHaveLength(4)
    expect(histogram(values(10_000))).toHaveLength(50)
  })

  it('has one part of values that are all the same, and none of no values', () => {
    expect(histogram([5, 5, 5], 10)).toEqual([{ from: 5, to: 5, count: 3 }])
    expect(histogram([0])).toEqual([{ from: 0, to: 0, count: 1 }])
    // The same but for the rounding of doubles.
    expect(histogram([0.3, 0.1 + 0.2])).toHaveLength(1)
    expect(histogram([])).toEqual([])
  })

  it('has every value in the part that it is in', () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(0.1, 1, 1 / 3),
        (whole, bins, unit) => {
          const scaled = whole.map((one) => one * unit)
          const found = histogram(scaled, bins)
          expect(found[0]?.from).toBe(Math.min(...scaled))
          expect(found.at(-1)?.to).toBe(Math.max(...scaled))
          for (const [i, { from, to, count }] of found.entries()) {
            const isLast = i === found.length - 1
            expect(count).toBe(scaled.filter((one) => one >= from && (isLast ? one <= to : one < to)).length)
            if (!isLast) expect(found[i + 1]?.from).toBe(to)
          }
        },
      ),
    )
  })

  it('refuses what is no value and no number of parts', () => {
    for (const bad of NOT_NUMBERS) expectRefused(() => histogram([1, bad]), 'values[1]')
    for (const bad of [0, -1, 2.5, 1001, Number.NaN]) expectRefused(() => histogram([1], bad), 'binCount')
  })
})
