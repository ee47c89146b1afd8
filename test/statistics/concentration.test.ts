import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concentration } from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

describe('concentration', () => {
  it('agrees with a calculation by hand', () => {
    // Shares of 0.5, 0.3 and 0.2: 0.25 + 0.09 + 0.04.
    expect(concentration([50, 30, 20])).toBeCloseTo(0.38, 15)
    expect(concentration([7])).toBe(1)
    expect(concentration([5, 5, 5, 5])).toBe(0.25)
  })

  it('counts a short by its size', () => {
    expect(concentration([50, -50])).toBe(0.5)
  })

  it('is null where nothing is exposed', () => {
    expect(concentration([])).toBeNull()
    expect(concentration([0, 0])).toBeNull()
  })

  it('lies between 1/n and 1, and rises when all of one exposure is added to another', () => {
    const size = fc.integer({ min: 1, max: 1_000_000 })
    fc.assert(
      fc.property(fc.array(size, { minLength: 2, maxLength: 40 }), ([first = 1, second = 1, ...rest]) => {
        const found = concentration([first, second, ...rest]) ?? Number.NaN
        expect(found).toBeGreaterThanOrEqual(1 / (rest.length + 2) - 1e-12)
        expect(found).toBeLessThanOrEqual(1)
        expect(concentration([first + second, 0, ...rest])).toBeGreaterThan(found)
      }),
    )
  })

  it.each(NOT_NUMBERS)('refuses %s', (bad) => {
    expectRefused(() => concentration([1, bad]), 'exposures[1]')
  })
})
