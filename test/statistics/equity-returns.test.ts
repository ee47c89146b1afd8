import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flowAdjustedReturns, type PeriodEquity, timeWeightedReturn } from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

const day = (n: number) => new Date(Date.UTC(2024, 0, 1 + n))

/** Points on days in a row. */
const points = (...given: Omit<PeriodEquity, 'at'>[]): PeriodEquity[] =>
  given.map((point, n) => ({ at: day(n), ...point }))

describe('flowAdjustedReturns', () => {
  it('agrees with an account worked out on paper', () => {
    const found = flowAdjustedReturns(
      points(
        { equity: 1000 },
        { equity: 900 },
        { equity: 1470, flowsAtStart: 500 },
        { equity: null, flowsAtStart: 100 },
        { equity: 1627, flowsAtEnd: -100 },
        { equity: 0, flowsAtEnd: -1627 },
        { equity: 0 },
        { equity: 210, flowsAtStart: 200 },
        { equity: 310, flowsAtEnd: 100 },
        { equity: -31 },
        { equity: 100, flowsAtEnd: 131 },
        { equity: 150 },
      ),
    )
    // Capital, what it became without the flows at the end, return; growth; profit.
    const paper = [
      // 1000 → 900, a tenth lost on the first day.
      { returnFraction: -0.1, growth: 0.9, profit: -100 },
      // 900 + 500 → 1470: 70 / 1400. Growth 0.9 · 1.05.
      { returnFraction: 0.05, growth: 0.945, profit: -30 },
      // Nobody looked.
      { returnFraction: null, growth: 0.945, profit: -30 },
      // Two days: 1470 + 100 → 1627 + 100: 157 / 1570. Growth 0.945 · 1.1.
      { returnFraction: 0.1, growth: 1.0395, profit: 127 },
      // All is taken out: no loss.
      { returnFraction: 0, growth: 1.0395, profit: 127 },
      // Nothing to gain with.
      { returnFraction: null, growth: 1.0395, profit: 127 },
      // 0 + 200 → 210. Growth 1.0395 · 1.05.
      { returnFraction: 0.05, growth: 1.091475, profit: 137 },
      { returnFraction: 0, growth: 1.091475, profit: 137 },
      // 310 → −31: 341 lost of 310, and nothing grows from that.
      { returnFraction: -1.1, growth: 0, profit: -204 },
      { returnFraction: null, growth: 0, profit: -204 },
      { returnFraction: 0.5, growth: 0, profit: -154 },
    ]
    expect(found).toHaveLength(paper.length)
    for (const [i, expected] of paper.entries()) {
      const { at, returnFraction, growth, profit } = found[i] ?? {}
      expect(at).toEqual(day(i + 1))
      if (expected.returnFraction === null) expect(returnFraction, `day ${i + 1}`).toBeNull()
      else expect(returnFraction, `day ${i + 1}`).toBeCloseTo(expected.returnFraction, 14)
      expect(growth, `day ${i + 1}`).toBeCloseTo(expected.growth, 14)
      expect(profit, `day ${i + 1}`).toBe(expected.profit)
    }
  })

  it('agrees with published examples of the time-weighted return', () => {
    // A million grows to 1,162,484, then 100,000 are paid in, and 1,192,328 are left: 16.25 % and −5.56 %, together 9.79 %.
    const fund = flowAdjustedReturns(
      points({ equity: 1_000_000 }, { equity: 1_262_484, flowsAtEnd: 100_000 }, { equity: 1_192_328 }),
    )
    expect(fund.map(({ returnFraction }) => ((returnFraction ?? 0) * 100).toFixed(2))).toEqual([
      '16.25',
      '-5.56',
    ])
    expect(((fund[1]?.growth ?? 0) * 100 - 100).toFixed(2)).toBe('9.79')
    // The same deposit is there from the start of the second period.
    const early = points(
      { equity: 1_000_000 },
      { equity: 1_162_484 },
      { equity: 1_192_328, flowsAtStart: 100_000 },
    )
    expect(timeWeightedReturn(early)).toBeCloseTo(fund[1] ? fund[1].growth - 1 : 0, 14)
    // Four quarters of 2.4/2.2, 2.6/2.8, 3.2/2.4 and 4.1/4.2: 31.85 %.
    const year = points(
      { equity: 2.2 },
      { equity: 2.4 },
      { equity: 2.6, flowsAtStart: 0.4 },
      { equity: 3.2, flowsAtStart: -0.2 },
      { equity: 4.1, flowsAtStart: 1 },
    )
    expect(((timeWeightedReturn(year) ?? 0) * 100).toFixed(2)).toBe('31.85')
  })

  it('agrees with a fund of which every flow buys or sells shares at their price', () => {
    const flow = fc.integer({ min: -30, max: 500 })
    const period = fc.record({
      change: fc.double({ min: -0.5, max: 1, noNaN: true }),
      // The equity at the end of all but the last of these is not known.
      flows: fc.array(fc.record({ atStart: flow, atEnd: flow }), { minLength: 1, maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(period, { maxLength: 20 }), (periods) => {
        const given: Omit<PeriodEquity, 'at'>[] = [{ equity: 100_000 }]
        let price = 1
        let shares = 100_000
        const prices: number[] = []
        for (const { change, flows } of periods) {
          for (const { atStart } of flows) shares += atStart / price
          price *= 1 + change
          for (const { atEnd } of flows) shares += atEnd / price
          for (const [i, { atStart, atEnd }] of flows.entries()) {
            const isLast = i === flows.length - 1
            given.push({ equity: isLast ? shares * price : null, flowsAtStart: atStart, flowsAtEnd: atEnd })
          }
          // A fund that is nearly empty is worth less than its rounding.
          fc.pre(shares * price > 100)
          prices.push(price)
        }
        const found = flowAdjustedReturns(points(...given))
        const known = found.filter(({ returnFraction }) => returnFraction !== null)
        expect(known.map(({ growth }) => growth / (prices[known.length - 1] ?? 1))).toEqual(
          prices.map((one) => expect.closeTo(one / (prices.at(-1) ?? 1), 6)),
        )
        for (const [i, { change }] of periods.entries())
          expect(known[i]?.returnFraction).toBeCloseTo(change, 6)
      }),
    )
  })

  it('keeps the digits of a small return', () => {
    const [period] = flowAdjustedReturns(points({ equity: 2 ** 40 }, { equity: 2 ** 40 + 2 ** -10 }))
    expect(period?.returnFraction).toBe(2 ** -50)
  })

  it('begins with the first equity that is known, and looks at no flow before it', () => {
    const late = points(
      { equity: null, flowsAtStart: 7 },
      { equity: null, flowsAtEnd: 50 },
      { equity: 100, flowsAtStart: 20 },
      { equity: 125 },
    )
    expect(flowAdjustedReturns(late)).toEqual([
      { at: day(1), returnFraction: null, growth: 1, profit: 0 },
      { at: day(2), returnFraction: null, growth: 1, profit: 0 },
      { at: day(3), returnFraction: 0.25, growth: 1.25, profit: 25 },
    ])
    const paidBefore = points({ equity: 100, flowsAtStart: 100, flowsAtEnd: 100 }, { equity: 150 })
    expect(flowAdjustedReturns(paidBefore)[0]).toMatchObject({ returnFraction: 0.5, profit: 50 })
  })

  it('has nothing to say of no point or one', () => {
    expect(flowAdjustedReturns([])).toEqual([])
    expect(flowAdjustedReturns(points({ equity: 1 }))).toEqual([])
  })

  it('refuses what is no curve', () => {
    for (const bad of NOT_NUMBERS.filter((one) => one !== null)) {
      expectRefused(() => flowAdjustedReturns(points({ equity: bad })), 'points[0].equity')
      expectRefused(() => flowAdjustedReturns(points({ equity: 1 }, { equity: bad })), 'points[1].equity')
    }
    for (const bad of [Number.NaN, Infinity, '1' as unknown as number]) {
      expectRefused(
        () => flowAdjustedReturns(points({ equity: 1 }, { equity: 1, flowsAtStart: bad })),
        'points[1].flowsAtStart',
      )
      expectRefused(
        () => flowAdjustedReturns(points({ equity: 1 }, { equity: null, flowsAtEnd: bad })),
        'points[1].flowsAtEnd',
      )
    }
    const twice = [
      { at: day(1), equity: 1 },
      { at: day(1), equity: 1 },
    ]
    expectRefused(() => flowAdjustedReturns(twice), 'points[1].at')
    expectRefused(() => flowAdjustedReturns([{ at: new Date(Number.NaN), equity: 1 }]), 'points[0].at')
    // A return, or the product of returns, that is larger than a double.
    expectRefused(() => flowAdjustedReturns(points({ equity: 1e-90 }, { equity: 1e90 })), 'points[1].equity')
    const leaps = Array.from({ length: 4 }, () => [{ equity: 1e-40 }, { equity: 1e50, flowsAtEnd: 0 }]).flat()
    const again = leaps.map((point, i) => (i > 0 && i % 2 === 0 ? { ...point, flowsAtEnd: -1e50 } : point))
    expectRefused(() => flowAdjustedReturns(points(...again)), 'points[7].equity')
  })
})

describe('timeWeightedReturn', () => {
  it('is what one unit of money gained', () => {
    expect(timeWeightedReturn(points({ equity: 64 }, { equity: 48 }, { equity: 72 }))).toBe(0.125)
    expect(timeWeightedReturn(points({ equity: 64 }, { equity: 0 }))).toBe(-1)
    expect(timeWeightedReturn(points({ equity: 64 }, { equity: 64 }))).toBe(0)
  })

  it('is null where no period has a return', () => {
    expect(timeWeightedReturn([])).toBeNull()
    expect(timeWeightedReturn(points({ equity: 64 }))).toBeNull()
    expect(timeWeightedReturn(points({ equity: 64 }, { equity: null }))).toBeNull()
    expect(timeWeightedReturn(points({ equity: 0 }, { equity: 64, flowsAtEnd: 64 }))).toBeNull()
  })
})
