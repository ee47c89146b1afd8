import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RiskScoreInput, riskScore } from '../../src/statistics/index.ts'
import { expectRefused } from './refused.ts'

const NONE: RiskScoreInput = {
  valueAtRiskFraction: 0,
  leverage: 0,
  concentration: 0,
  drawdownFraction: 0,
  correlation: 0,
  liquidity: 1,
}
const ALL: RiskScoreInput = {
  valueAtRiskFraction: 0.1,
  leverage: 2,
  concentration: 0.5,
  drawdownFraction: 0.2,
  correlation: 1,
  liquidity: 0,
}

describe('riskScore', () => {
  it('goes from 0 to 100', () => {
    expect(riskScore(NONE)).toMatchObject({ score: 0, level: 'low', missing: [] })
    expect(riskScore(ALL)).toMatchObject({ score: 100, level: 'critical', missing: [] })
  })

  it.each([
    ['valueAtRiskFraction', 25, 0.05, 12.5],
    ['leverage', 20, 1, 10],
    ['concentration', 20, 0.25, 10],
    ['drawdownFraction', 15, 0.1, 7.5],
    ['correlation', 10, 0.5, 5],
    ['liquidity', 10, 0.5, 5],
  ] as const)('gives %s alone up to %d points', (name, points, half, halfPoints) => {
    expect(riskScore({ ...NONE, [name]: ALL[name] }).score).toBe(points)
    expect(riskScore({ ...NONE, [name]: half }).score).toBe(halfPoints)
    expect(riskScore({ ...NONE, [name]: half }).parts[name]).toBe(halfPoints)
  })

  it('gives no part more than its points', () => {
    const beyond = { ...ALL, valueAtRiskFraction: 3, leverage: 50, concentration: 1, drawdownFraction: 1 }
    expect(riskScore(beyond).score).toBe(100)
    expect(riskScore({ ...NONE, valueAtRiskFraction: -0.5 }).score).toBe(0)
  })

  it('adds up by hand', () => {
    // 25·0.3 + 20·0.75 + 20·0.5 + 15·0.25 + 10·0.25 + 10·0.25 = 7.5 + 15 + 10 + 3.75 + 2.5 + 2.5.
    const score = riskScore({
      valueAtRiskFraction: 0.03,
      leverage: 1.5,
      concentration: 0.25,
      drawdownFraction: 0.05,
      correlation: 0.25,
      liquidity: 0.75,
    })
    expect(score.score).toBeCloseTo(41.25, 12)
    expect(score.level).toBe('medium')
  })

  it.each([
    [{ leverage: 2, concentration: 0.5, drawdownFraction: 0.2, valueAtRiskFraction: 0.1 }, 80, 'critical'],
    [{ leverage: 2, concentration: 0.5, drawdownFraction: 0.2, correlation: 1, liquidity: 0 }, 75, 'high'],
    [{ leverage: 2, concentration: 0.5, correlation: 1, liquidity: 0 }, 60, 'high'],
    [{ leverage: 2, concentration: 0.5, correlation: 1, liquidity: 0.5 }, 55, 'medium'],
    [{ leverage: 2, correlation: 1 }, 30, 'medium'],
    [{ leverage: 2, correlation: 0.5 }, 25, 'low'],
  ] as const)('of %o is %d, which is %s', (parts, score, level) => {
    expect(riskScore({ ...NONE, ...parts })).toMatchObject({ score, level })
  })

  it('has no score while a part is not known, and names it', () => {
    const found = riskScore({ ...ALL, liquidity: null, correlation: null })
    expect(found).toMatchObject({ score: null, level: null, missing: ['correlation', 'liquidity'] })
    expect(found.parts).toMatchObject({ leverage: 20, liquidity: null })
  })

  it('never falls when a part gets worse', () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true })
    const input = fc.record({
      valueAtRiskFraction: fraction,
      leverage: fc.double({ min: 0, max: 5, noNaN: true }),
      concentration: fraction,
      drawdownFraction: fraction,
      correlation: fraction,
      liquidity: fraction,
    })
    fc.assert(
      fc.property(input, input, (a, b) => {
        const worse = Object.fromEntries(
          Object.entries(a).map(([name, value]) => {
            const other = b[name as keyof typeof b]
            return [name, name === 'liquidity' ? Math.min(value, other) : Math.max(value, other)]
          }),
        ) as typeof a
        expect(riskScore(worse).score).toBeGreaterThanOrEqual(riskScore(a).score ?? Number.NaN)
      }),
    )
  })

  it('refuses per cents where fractions are meant, and what is no number', () => {
    expectRefused(() => riskScore({ ...NONE, drawdownFraction: 20 }), 'drawdownFraction')
    expectRefused(() => riskScore({ ...NONE, concentration: 1.01 }), 'concentration')
    expectRefused(() => riskScore({ ...NONE, liquidity: 10 }), 'liquidity')
    expectRefused(() => riskScore({ ...NONE, correlation: -0.1 }), 'correlation')
    expectRefused(() => riskScore({ ...NONE, leverage: -1 }), 'leverage')
    expectRefused(() => riskScore({ ...NONE, leverage: Infinity }), 'leverage')
    expectRefused(() => riskScore({ ...NONE, valueAtRiskFraction: Number.NaN }), 'valueAtRiskFraction')
  })
})
