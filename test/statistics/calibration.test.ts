import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bandOf, calibrate, type Forecast, tallyForecasts } from '../../src/statistics/index.ts'

const forecast = (confidence: number, isRight: boolean): Forecast => ({ confidence, isRight })

describe('bandOf', () => {
  it('counts bands from 0, each from its first confidence on, and puts 1 into the last', () => {
    expect([0, 0.0999, 0.1, 0.55, 0.9, 1].map((one) => bandOf(one))).toEqual([0, 0, 1, 5, 9, 9])
    expect([0.24, 0.25, 1].map((one) => bandOf(one, 4))).toEqual([0, 1, 3])
  })

  it('refuses what is no confidence', () => {
    for (const wrong of [-0.1, 1.1, Number.NaN]) {
      expect(() => bandOf(wrong)).toThrow(
        expect.objectContaining({ code: 'invalid_input', field: 'confidence' }),
      )
    }
    expect(() => bandOf(0.5, 0)).toThrow(/bandCount/)
  })
})

describe('calibrate', () => {
  it('compares how sure somebody was with how often that was right, by hand', () => {
    const { brierScore, calibrationError, overconfidence, bands, count } = calibrate(
      tallyForecasts([forecast(0.9, true), forecast(0.9, false), forecast(0.2, false), forecast(0.6, true)]),
    )
    expect(count).toBe(4)
    // (0.01 + 0.81 + 0.04 + 0.16) / 4
    expect(brierScore).toBeCloseTo(0.255, 12)
    // (1 · |0.2 − 0| + 1 · |0.6 − 1| + 2 · |0.9 − 0.5|) / 4
    expect(calibrationError).toBeCloseTo(0.35, 12)
    // (2.6 − 2) / 4
    expect(overconfidence).toBeCloseTo(0.15, 12)
    expect(bands).toEqual([
      { from: 0.2, to: 0.3, count: 1, rightCount: 0, meanConfidence: 0.2, rightShare: 0 },
      { from: 0.6, to: 0.7, count: 1, rightCount: 1, meanConfidence: 0.6, rightShare: 1 },
      { from: 0.9, to: 1, count: 2, rightCount: 1, meanConfidence: 0.9, rightShare: 0.5 },
    ])
  })

  it('says nothing of no forecast', () => {
    expect(calibrate(tallyForecasts([]))).toEqual({
      ...{ count: 0, brierScore: null, calibrationError: null, overconfidence: null, bands: [] },
    })
  })

  it('gives 0 to who is always sure and right, 1 to who is always sure and wrong, 0.25 to who is never sure', () => {
    const score = (confidence: number, isRight: boolean) =>
      calibrate(tallyForecasts([forecast(confidence, isRight), forecast(confidence, isRight)])).brierScore
    expect(score(1, true)).toBe(0)
    expect(score(1, false)).toBe(1)
    expect(score(0.5, true)).toBe(0.25)
  })

  it('is the mean square of the errors, however the forecasts fall into bands and in whatever order they come', () => {
    const any = fc.record({ confidence: fc.double({ min: 0, max: 1, noNaN: true }), isRight: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(any, { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (forecasts, bandCount) => {
          const result = calibrate(tallyForecasts(forecasts, bandCount), bandCount)
          const squares = forecasts.map(({ confidence, isRight }) => (confidence - (isRight ? 1 : 0)) ** 2)
          const mean = squares.reduce((a, b) => a + b) / squares.length
          expect(result.brierScore).toBeCloseTo(mean, 10)
          expect(result.bands.reduce((total, { count }) => total + count, 0)).toBe(forecasts.length)
          expect(result.calibrationError).toBeLessThanOrEqual(1)
          const reversed = calibrate(tallyForecasts(forecasts.toReversed(), bandCount), bandCount)
          expect(reversed.calibrationError).toBeCloseTo(result.calibrationError ?? -1, 10)
          for (const { from, to, meanConfidence } of result.bands) {
            expect(meanConfidence).toBeGreaterThanOrEqual(from - 1e-12)
            expect(meanConfidence).toBeLessThanOrEqual(to + 1e-12)
          }
        },
      ),
    )
  })

  it('refuses what is no tally, and says which', () => {
    const tally = { band: 0, count: 1, rightCount: 0, confidenceSum: 0.05, squaredErrorSum: 0.0025 }
    const field = (over: Partial<typeof tally>) => {
      try {
        return calibrate([tally, { ...tally, band: 1, ...over }])
      } catch (error) {
        return (error as { field?: string }).field
      }
    }
    expect(field({ band: 10 })).toBe('tallies[1].band')
    expect(field({ count: 0 })).toBe('tallies[1].count')
    expect(field({ rightCount: 2 })).toBe('tallies[1].rightCount')
    expect(field({ confidenceSum: 2 })).toBe('tallies[1].confidenceSum')
    expect(() => tallyForecasts([forecast(0.5, true), forecast(2, true)])).toThrow(/forecasts\[1\]/)
  })
})
