import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kellyFraction } from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

describe('kellyFraction', () => {
  it('agrees with the textbook', () => {
    // Kelly's own coin, at even money: 2p − 1. And the common example of 60 % at 2 to 1: (0.6·3 − 1)/2.
    expect(kellyFraction({ winRate: 0.75, payoff: 1 })).toBe(0.5)
    expect(kellyFraction({ winRate: 0.6, payoff: 2 })).toBeCloseTo(0.4, 15)
  })

  it('stakes nothing on a fair bet, all on a certain one, and is negative for a losing one', () => {
    expect(kellyFraction({ winRate: 0.5, payoff: 1 })).toBe(0)
    expect(kellyFraction({ winRate: 1, payoff: 3 })).toBe(1)
    expect(kellyFraction({ winRate: 0.25, payoff: 1 })).toBe(-0.5)
  })

  it('stays within the bounds given', () => {
    const losing = { winRate: 0.25, payoff: 1 }
    const winning = { winRate: 0.75, payoff: 1 }
    expect(kellyFraction({ ...losing, least: 0 })).toBe(0)
    expect(kellyFraction({ ...winning, least: 0, most: 0.2 })).toBe(0.2)
    expect(kellyFraction({ ...winning, least: 0, most: 0.9 })).toBe(0.5)
  })

  it('makes expected log growth largest', () => {
    const odds = fc.record({
      winRate: fc.integer({ min: 10, max: 90 }).map((percent) => percent / 100),
      payoff: fc.integer({ min: 5, max: 50 }).map((tenths) => tenths / 10),
    })
    fc.assert(
      fc.property(odds, ({ winRate, payoff }) => {
        const best = kellyFraction({ winRate, payoff, least: 0 })
        const growth = (f: number) => winRate * Math.log(1 + f * payoff) + (1 - winRate) * Math.log(1 - f)
        for (const other of [best - 0.01, best + 0.01]) {
          if (other >= 0 && other < 1) expect(growth(best)).toBeGreaterThan(growth(other))
        }
      }),
    )
  })

  it('refuses what makes no bet', () => {
    for (const bad of [-0.01, 1.01, 55, ...NOT_NUMBERS]) {
      expectRefused(() => kellyFraction({ winRate: bad, payoff: 1 }), 'winRate')
    }
    for (const bad of [0, -1, ...NOT_NUMBERS]) {
      expectRefused(() => kellyFraction({ winRate: 0.5, payoff: bad }), 'payoff')
    }
    expectRefused(() => kellyFraction({ winRate: 0.5, payoff: 1, least: 0.3, most: 0.2 }), 'least')
    expectRefused(() => kellyFraction({ winRate: 0.5, payoff: 1, most: Number.NaN }), 'most')
  })
})
