import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type EquityPoint,
  type Fall,
  flowAdjustedReturns,
  listFalls,
  listGrowthFalls,
  measureDrawdown,
} from '../../src/statistics/index.ts'
import { expectRefused } from './refused.ts'

const day = (n: number) => new Date(Date.UTC(2024, 0, 1 + n))

/** Points on days in a row. */
const curve = (...equities: number[]): EquityPoint[] => equities.map((equity, n) => ({ at: day(n), equity }))

/** Every run of equities below the last highest one, in whole numbers. */
function runsBelowPeak(equities: readonly number[]): { peak: number; days: number[] }[] {
  const runs: { peak: number; days: number[] }[] = []
  let peak = 0
  for (const [i, equity] of equities.entries()) {
    if (equity >= (equities[peak] ?? 0)) peak = i
    else if (runs.at(-1)?.peak === peak) runs.at(-1)?.days.push(i)
    else runs.push({ peak, days: [i] })
  }
  return runs
}

/** Few different values, so that an account is often back at its peak to the cent. */
const equities = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 40 })

describe('listFalls', () => {
  it('lists each fall with its depth, peak, trough and recovery, in order of time', () => {
    expect(listFalls(curve(128, 96, 112, 128, 256, 192, 64, 256, 512, 384))).toEqual([
      // The first day lost a quarter of the starting capital.
      { fraction: 0.25, amount: 32, peakAt: day(0), troughAt: day(1), recoveredAt: day(3) },
      { fraction: 0.75, amount: 192, peakAt: day(4), troughAt: day(6), recoveredAt: day(7) },
      { fraction: 0.25, amount: 128, peakAt: day(8), troughAt: day(9), recoveredAt: null },
    ])
  })

  it('lists none of a curve that never falls', () => {
    expect(listFalls(curve(5))).toEqual([])
    expect(listFalls(curve(5, 5, 6, 6, 7))).toEqual([])
  })

  it('sees that an account is back at its peak to the cent', () => {
    // Of doubles, 0.9 · (1 + 10/90) is not always 1.
    for (let top = 2; top < 100; top++) {
      for (let low = 1; low < top; low++) {
        const falls = listFalls(curve(top, low, top))
        expect(falls.map(({ recoveredAt }) => recoveredAt)).toEqual([day(2)])
      }
    }
  })

  it('takes no rounding of flows for a fall', () => {
    // 0.3 − 0.1 − 0.2 is not zero either.
    const points = Array.from({ length: 100 }, (_, n) => ({
      at: day(n),
      equity: 0.1 * (n + 1),
      flow: n > 0 ? 0.1 : 0,
    }))
    expect(listFalls(points)).toEqual([])
    expect(measureDrawdown(points)).toMatchObject({ currentFraction: 0, current: null, deepest: null })
  })

  it('sees a fall of many steps that are each too small to be one', () => {
    const bleeding = Array.from({ length: 200 }, (_, n) => 1 - n * 1e-13)
    const [fall] = listFalls(curve(...bleeding))
    expect(fall?.fraction).toBeCloseTo(199e-13, 15)
  })

  it('agrees with every run below the last highest equity', () => {
    fc.assert(
      fc.property(equities, (values) => {
        const found = listFalls(curve(...values))
        const runs = runsBelowPeak(values)
        expect(found).toHaveLength(runs.length)
        for (const [i, { peak, days }] of runs.entries()) {
          const top = values[peak] ?? 0
          const low = Math.min(...days.map((n) => values[n] ?? 0))
          const back = (days.at(-1) ?? 0) + 1
          expect(found[i]).toEqual({
            fraction: expect.closeTo((top - low) / top, 12),
            amount: top - low,
            peakAt: day(peak),
            troughAt: day(values.indexOf(low, peak)),
            recoveredAt: back < values.length ? day(back) : null,
          })
        }
      }),
    )
  })

  it('has the deepest fall that measureDrawdown gives', () => {
    const step = fc.record({
      equity: fc.integer({ min: 1, max: 50 }),
      flow: fc.integer({ min: 0, max: 20 }),
      flowTiming: fc.constantFrom('start' as const, 'end' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const points = [{ at: day(0), equity: 20 }, ...steps.map((one, n) => ({ at: day(n + 1), ...one }))]
        const deepest = listFalls(points).reduce<Fall | null>(
          (found, fall) => (found && fall.fraction - found.fraction <= 1e-12 ? found : fall),
          null,
        )
        expect(measureDrawdown(points).deepest).toEqual(deepest)
      }),
    )
  })

  it('refuses what is no curve', () => {
    expectRefused(() => listFalls([]), 'points')
    expectRefused(() => listFalls(curve(0, 1)), 'points[0].equity')
    expectRefused(() => listFalls(curve(1, Number.NaN)), 'points[1].equity')
  })
})

describe('listGrowthFalls', () => {
  it('lists the falls of an account with flows at both ends of its days', () => {
    const periods = flowAdjustedReturns([
      { at: day(0), equity: 100 },
      // 100 + 300 → 300, then 100 out: a quarter lost.
      { at: day(1), equity: 200, flowsAtStart: 300, flowsAtEnd: -100 },
      { at: day(2), equity: null },
      // 200 → 400: doubled, half above the start.
      { at: day(3), equity: 400 },
      { at: day(4), equity: 200 },
    ])
    expect(listGrowthFalls(day(0), periods)).toEqual([
      { fraction: 0.25, amount: 100, peakAt: day(0), troughAt: day(1), recoveredAt: day(3) },
      { fraction: 0.5, amount: 200, peakAt: day(3), troughAt: day(4), recoveredAt: null },
    ])
  })

  it('agrees with listFalls on the same account', () => {
    const step = fc.record({
      equity: fc.integer({ min: 1, max: 50 }),
      flow: fc.integer({ min: 0, max: 20 }),
      flowTiming: fc.constantFrom('start' as const, 'end' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const points = [{ at: day(0), equity: 20 }, ...steps.map((one, n) => ({ at: day(n + 1), ...one }))]
        const periods = flowAdjustedReturns([
          { at: day(0), equity: 20 },
          ...steps.map(({ equity, flow, flowTiming }, n) => ({
            at: day(n + 1),
            equity,
            flowsAtStart: flowTiming === 'start' ? flow : 0,
            flowsAtEnd: flowTiming === 'end' ? flow : 0,
          })),
        ])
        const near = listFalls(points).map((fall) => ({
          ...fall,
          fraction: expect.closeTo(fall.fraction, 11),
        }))
        expect(listGrowthFalls(day(0), periods)).toEqual(near)
        expect(periods.at(-1)?.growth ?? 1).toBeCloseTo(measureDrawdown(points).growth, 8)
      }),
    )
  })

  it('follows growth as far as a double goes', () => {
    const far = [1e150, 5e149].map((growth, n) => ({ at: day(n + 1), growth, profit: growth }))
    expect(listGrowthFalls(day(0), far)).toMatchObject([{ fraction: 0.5, peakAt: day(1), recoveredAt: null }])
  })

  it('refuses what is no growth', () => {
    const one = { at: day(1), growth: 1, profit: 0 }
    expect(listGrowthFalls(day(0), [])).toEqual([])
    expectRefused(() => listGrowthFalls(new Date(Number.NaN), [one]), 'startedAt')
    expectRefused(() => listGrowthFalls(day(1), [one]), 'periods[0].at')
    expectRefused(() => listGrowthFalls(day(0), [one, one]), 'periods[1].at')
    expectRefused(() => listGrowthFalls(day(0), [{ ...one, growth: -1 }]), 'periods[0].growth')
    expectRefused(() => listGrowthFalls(day(0), [{ ...one, growth: Number.NaN }]), 'periods[0].growth')
    expectRefused(() => listGrowthFalls(day(0), [{ ...one, profit: Infinity }]), 'periods[0].profit')
  })
})
