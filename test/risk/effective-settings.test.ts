import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { isOnWatchlist, mergeRiskLimits, type RiskLimits } from '../../src/risk/effective-settings.ts'

type Rule = { readonly name?: string; readonly trigger: string }
type Limits = RiskLimits<Rule>

const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const amount = orNull(fc.integer({ min: 0, max: 20 }).map((n) => new Decimal(n).div(4)))
const count = orNull(fc.integer({ min: 0, max: 9 }))
const SYMBOLS = ['A', 'B', 'C', 'D']
const limits: fc.Arbitrary<Limits> = fc.record({
  tradingEnabled: fc.boolean(),
  minConfidence: orNull(fc.double({ min: 0, max: 1, noNaN: true })),
  maxOrderNotional: amount,
  maxQuantity: amount,
  maxOpenPositions: count,
  maxExposure: amount,
  maxLeverage: amount,
  maxDailyLoss: amount,
  maxDrawdownFraction: amount,
  haltOnDrawdown: fc.boolean(),
  dailyTarget: amount,
  stopAtDailyTarget: fc.boolean(),
  allowedSymbols: orNull(fc.subarray(SYMBOLS)),
  offWatchlistAllowed: fc.boolean(),
  maxOrdersPerMinute: count,
  maxPriceAgeMs: count,
  maxEquityAgeMs: count,
  breakerRules: fc.array(fc.record({ trigger: fc.constantFrom('max_drawdown', 'cooldown') }), {
    maxLength: 2,
  }),
})

const MOST = [
  'maxOrderNotional',
  'maxQuantity',
  'maxOpenPositions',
  'maxExposure',
  'maxLeverage',
  'maxDailyLoss',
  'maxDrawdownFraction',
  'dailyTarget',
  'maxOrdersPerMinute',
  'maxPriceAgeMs',
  'maxEquityAgeMs',
] as const

/** What may pass, asked without the merge: a bound lets through what is not above it. */
function passes(one: Limits, key: (typeof MOST)[number], value: number): boolean {
  const bound = one[key]
  return bound === null || new Decimal(bound).gte(value)
}

describe('the settings that hold for a bot', () => {
  it('let pass exactly what both the fleet and the bot let pass', () => {
    fc.assert(
      fc.property(limits, limits, fc.double({ min: 0, max: 10, noNaN: true }), (fleet, bot, value) => {
        const both = mergeRiskLimits(fleet, bot)
        for (const key of MOST) {
          expect(passes(both, key, value), key).toBe(passes(fleet, key, value) && passes(bot, key, value))
        }
        for (const symbol of SYMBOLS) {
          expect(isOnWatchlist(both, symbol)).toBe(isOnWatchlist(fleet, symbol) && isOnWatchlist(bot, symbol))
        }
        const confident = (one: Limits) => one.minConfidence === null || value / 10 >= one.minConfidence
        expect(confident(both)).toBe(confident(fleet) && confident(bot))
        expect(both.tradingEnabled).toBe(fleet.tradingEnabled && bot.tradingEnabled)
        expect(both.haltOnDrawdown).toBe(fleet.haltOnDrawdown || bot.haltOnDrawdown)
        expect(both.stopAtDailyTarget).toBe(fleet.stopAtDailyTarget || bot.stopAtDailyTarget)
        expect(both.breakerRules).toHaveLength(fleet.breakerRules.length + bot.breakerRules.length)
      }),
      { numRuns: 500 },
    )
  })

  it('are those of the fleet for a bot that has none', () => {
    fc.assert(
      fc.property(limits, (fleet) => {
        const { breakerRules, ...rest } = mergeRiskLimits(fleet, null)
        const { breakerRules: rules, ...own } = fleet
        expect(rest).toEqual(own)
        expect(breakerRules).toEqual(rules.map((rule) => ({ ...rule, name: `fleet:${rule.trigger}` })))
      }),
    )
  })

  it('do not count a watchlist that restricts nothing', () => {
    const [fleet, bot] = fc.sample(limits, { numRuns: 2, seed: 1 }) as [Limits, Limits]
    const merged = (a: Partial<Limits>, b: Partial<Limits>) => {
      const { allowedSymbols, offWatchlistAllowed } = mergeRiskLimits({ ...fleet, ...a }, { ...bot, ...b })
      return [allowedSymbols, offWatchlistAllowed]
    }
    const open = { allowedSymbols: ['A'], offWatchlistAllowed: true }
    expect(merged(open, { allowedSymbols: null, offWatchlistAllowed: false })).toEqual([null, false])
    expect(merged(open, { allowedSymbols: ['B'], offWatchlistAllowed: false })).toEqual([['B'], false])
    expect(merged(open, { allowedSymbols: ['A', 'B'], offWatchlistAllowed: true })).toEqual([['A'], true])
    const shut = { allowedSymbols: ['A'], offWatchlistAllowed: false }
    expect(merged(shut, { allowedSymbols: ['B'], offWatchlistAllowed: false })).toEqual([[], false])
  })
})
