import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { continueDrawdown, type EquityPoint, measureDrawdown } from '../../src/statistics/index.ts'
import { expectRefused } from './refused.ts'

const day = (n: number) => new Date(Date.UTC(2024, 0, 1 + n))

/** Points on days in a row. */
const curve = (...equities: number[]): EquityPoint[] => equities.map((equity, n) => ({ at: day(n), equity }))

describe('measureDrawdown', () => {
  it('raises the peak, and remembers the deepest fall beyond it', () => {
    const found = measureDrawdown(curve(100, 90, 120, 114))
    expect(found).toMatchObject({ equity: 114, peakAt: day(2), at: day(3), profit: 14 })
    expect(found.growth).toBeCloseTo(1.14, 15)
    expect(found.peakGrowth).toBeCloseTo(1.2, 15)
    expect(found.currentFraction).toBeCloseTo(0.05, 15)
    expect(found.currentAmount).toBe(6)
    expect(found.current).toMatchObject({ peakAt: day(2), troughAt: day(3), recoveredAt: null })
    expect(found.deepest?.fraction).toBeCloseTo(0.1, 15)
    expect(found.deepest).toMatchObject({ amount: 10, peakAt: day(0), troughAt: day(1), recoveredAt: day(2) })
  })

  it('counts from the starting capital', () => {
    expect(measureDrawdown(curve(100, 75)).currentFraction).toBe(0.25)
    expect(measureDrawdown(curve(100))).toMatchObject({ currentFraction: 0, current: null, deepest: null })
  })

  it('tells how deep a fall has been from how deep it is now', () => {
    const found = measureDrawdown(curve(100, 50, 75))
    expect(found.currentFraction).toBe(0.25)
    expect(found.currentAmount).toBe(25)
    expect(found.current).toEqual({
      fraction: 0.5,
      amount: 50,
      peakAt: day(0),
      troughAt: day(1),
      recoveredAt: null,
    })
    expect(found.deepest).toEqual(found.current)
  })

  it('has recovered when growth is back at the peak, not a little before', () => {
    expect(measureDrawdown(curve(128, 64, 127)).deepest?.recoveredAt).toBeNull()
    expect(measureDrawdown(curve(128, 64, 128)).deepest?.recoveredAt).toEqual(day(2))
  })

  it('has its trough at the first of several moments as deep', () => {
    expect(measureDrawdown(curve(128, 64, 96, 64, 64)).current?.troughAt).toEqual(day(1))
    expect(measureDrawdown(curve(128, 64, 128, 64)).deepest?.troughAt).toEqual(day(1))
  })

  it('knows the same peak and the same low again, to the cent', () => {
    for (let top = 2; top < 40; top++) {
      for (let low = 1; low < top; low++) {
        // Doubles of 1 · (1 − 9/11) · (1 + 9/2) are not always 1, nor those of the second fall the same as those of the first.
        const found = measureDrawdown(curve(top, low, top, low, top))
        expect(found.deepest).toMatchObject({ peakAt: day(0), troughAt: day(1), recoveredAt: day(2) })
        expect(found).toMatchObject({ currentFraction: 0, current: null, peakAt: day(4) })
        const stays = measureDrawdown(curve(top, low, (top + low) / 2, low))
        expect(stays.current).toMatchObject({ troughAt: day(1) })
      }
    }
  })

  it('keeps the recovery of the deepest fall when a shallower one follows', () => {
    const found = measureDrawdown(curve(128, 64, 128, 96, 128))
    expect(found.deepest).toMatchObject({ fraction: 0.5, troughAt: day(1), recoveredAt: day(2) })
  })

  it('takes no deposit for a profit and no withdrawal for a loss', () => {
    const flows = [
      { at: day(0), equity: 100 },
      // Fell by a fifth, then 920 were paid in.
      { at: day(1), equity: 1000, flow: 920 },
      // Rose by a tenth, then 600 were taken out.
      { at: day(2), equity: 500, flow: -600 },
    ]
    const found = measureDrawdown(flows)
    expect(found.growth).toBeCloseTo(0.88, 14)
    expect(found.deepest?.fraction).toBeCloseTo(0.2, 14)
    expect(found.currentFraction).toBeCloseTo(0.12, 14)
    expect(found.profit).toBe(80)
  })

  it('lets money that was there from the start of the day work', () => {
    const points = (flowTiming: 'start' | 'end'): EquityPoint[] => [
      { at: day(0), equity: 100 },
      { at: day(1), equity: 150, flow: 100, flowTiming },
    ]
    // 50 lost of 200, or of the 100 that were there before.
    expect(measureDrawdown(points('start')).currentFraction).toBe(0.25)
    expect(measureDrawdown(points('end')).currentFraction).toBe(0.5)
  })

  it('goes on where all was taken out and something was paid in later', () => {
    const found = measureDrawdown([
      { at: day(0), equity: 100 },
      { at: day(1), equity: 0, flow: -100 },
      { at: day(2), equity: 0 },
      { at: day(3), equity: 30, flow: 40 },
    ])
    expect(found.growth).toBe(0.75)
  })

  it('stays at one once all was lost, however much is paid in', () => {
    const lost = measureDrawdown(curve(100, 0))
    expect(lost.currentFraction).toBe(1)
    const later = continueDrawdown(lost, { at: day(5), equity: 500, flow: 400 })
    expect(later).toMatchObject({ growth: 0, currentFraction: 1 })
    expect(measureDrawdown(curve(100, -50))).toMatchObject({
      growth: 0,
      currentFraction: 1,
      currentAmount: 150,
    })
  })

  it('agrees with comparing every point to every one before it', () => {
    const equities = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(equities, (values) => {
        let deepest = 0
        for (const [i, peak] of values.entries()) {
          for (const low of values.slice(i)) deepest = Math.max(deepest, 1 - low / peak)
        }
        const found = measureDrawdown(curve(...values))
        expect(found.deepest?.fraction ?? 0).toBeCloseTo(deepest, 10)
        expect(found.currentFraction).toBeCloseTo(1 - (values.at(-1) ?? 0) / Math.max(...values), 10)
      }),
    )
  })

  it('does not change with what is paid in and out', () => {
    const step = fc.record({
      change: fc.double({ min: -0.5, max: 1, noNaN: true }),
      flow: fc.double({ min: 0, max: 1000, noNaN: true }),
      flowTiming: fc.constantFrom('start' as const, 'end' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let plain = 100
        let paid = 100
        const withFlows: EquityPoint[] = [{ at: day(0), equity: 100 }]
        const without: EquityPoint[] = [{ at: day(0), equity: 100 }]
        for (const [n, { change, flow, flowTiming }] of steps.entries()) {
          plain *= 1 + change
          paid = flowTiming === 'start' ? (paid + flow) * (1 + change) : paid * (1 + change) + flow
          without.push({ at: day(n + 1), equity: plain })
          withFlows.push({ at: day(n + 1), equity: paid, flow, flowTiming })
        }
        const [a, b] = [measureDrawdown(withFlows), measureDrawdown(without)]
        expect(a.currentFraction).toBeCloseTo(b.currentFraction, 9)
        expect(a.deepest?.fraction ?? 0).toBeCloseTo(b.deepest?.fraction ?? 0, 9)
      }),
    )
  })

  it('refuses what is no curve', () => {
    expectRefused(() => measureDrawdown([]), 'points')
    expectRefused(() => measureDrawdown(curve(0, 1)), 'points[0].equity')
    expectRefused(() => measureDrawdown(curve(-1)), 'points[0].equity')
    expectRefused(() => measureDrawdown(curve(1, Number.NaN)), 'points[1].equity')
    expectRefused(() => measureDrawdown([{ at: day(0), equity: 1, flow: 1 }]), 'points[0].flow')
    const [first = { at: day(0), equity: 1 }] = curve(1)
    expectRefused(() => measureDrawdown([first, first]), 'points[1].at')
    expectRefused(() => measureDrawdown([{ at: new Date(Number.NaN), equity: 1 }]), 'points[0].at')
    expectRefused(() => measureDrawdown([first, { at: day(1), equity: 1, flow: Infinity }]), 'points[1].flow')
    const never = 'never' as 'start'
    expectRefused(
      () => measureDrawdown([first, { at: day(1), equity: 1, flowTiming: never }]),
      'points[1].flowTiming',
    )
    // All was taken out, and 10 were gained with nothing.
    const empty = { at: day(1), equity: 0, flow: -1 }
    expectRefused(() => measureDrawdown([first, empty, { at: day(2), equity: 10 }]), 'points[2].equity')
  })
})

describe('continueDrawdown', () => {
  it('gives point by point what the whole curve gives', () => {
    const equities = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 30 })
    fc.assert(
      fc.property(equities, fc.nat(), (values, at) => {
        const points = curve(...values)
        const split = 1 + (at % (points.length - 1))
        const resumed = points.slice(split).reduce(continueDrawdown, measureDrawdown(points.slice(0, split)))
        expect(resumed).toEqual(measureDrawdown(points))
      }),
    )
  })

  it('refuses a point that is not after the last', () => {
    expectRefused(() => continueDrawdown(measureDrawdown(curve(1, 2)), { at: day(1), equity: 1 }), 'point.at')
  })
})
