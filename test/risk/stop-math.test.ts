import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import {
  calculateStop,
  followStop,
  isBetter,
  isReached,
  type StopInput,
  type StopLevels,
  type StopTerms,
} from '../../src/risk/stop-math.ts'

const ENTRY = '100'
const text = (levels: StopLevels) =>
  Object.fromEntries(Object.entries(levels).map(([key, value]) => [key, value?.toFixed() ?? null]))
const levelsOf = (terms: StopTerms, direction: 'long' | 'short', over: Partial<StopInput> = {}) =>
  text(calculateStop({ ...terms, direction, entryPrice: ENTRY, ...over } as StopInput))

describe('the level of a stop', () => {
  it.each<[string, StopTerms, string, string]>([
    ['fixed, a fraction away', { kind: 'fixed', fraction: '0.05' }, '95', '105'],
    [
      'volatility, so many of it away',
      { kind: 'volatility', volatility: '0.02', multiplier: '1.5' },
      '97',
      '103',
    ],
    [
      'volatility, as statistics have it',
      { kind: 'volatility', volatility: 0.1, multiplier: '0.7' },
      '93',
      '107',
    ],
    ['atr, so many of it away', { kind: 'atr', atr: '2.5', multiplier: '2' }, '95', '105'],
    ['atr, as statistics have it', { kind: 'atr', atr: 1e-7, multiplier: '3' }, '99.9999997', '100.0000003'],
    ['trailing, by a distance', { kind: 'trailing', distance: '3.25' }, '96.75', '103.25'],
    ['trailing, by a fraction', { kind: 'trailing', fraction: '0.03' }, '97', '103'],
  ])('%s', (_, terms, long, short) => {
    expect(levelsOf(terms, 'long').stopPrice).toBe(long)
    expect(levelsOf(terms, 'short').stopPrice).toBe(short)
  })

  it('fixed, where it is said', () => {
    expect(levelsOf({ kind: 'fixed', stopPrice: '91.5' }, 'long')).toEqual({
      stopPrice: '91.5',
      bestPrice: '100',
      trailingDistance: null,
      activationPrice: null,
      breakevenPrice: null,
    })
  })

  it('support and resistance, a little beyond it', () => {
    expect(
      levelsOf({ kind: 'support_resistance', level: '90', bufferFraction: '0.01' }, 'long').stopPrice,
    ).toBe('89.1')
    expect(
      levelsOf({ kind: 'support_resistance', level: '110', bufferFraction: '0.01' }, 'short').stopPrice,
    ).toBe('111.1')
    expect(levelsOf({ kind: 'support_resistance', level: '90' }, 'long').stopPrice).toBe('90')
  })

  it('breakeven, with where it moves and when', () => {
    const terms = { kind: 'breakeven', activationFraction: '0.02', offsetFraction: '0.001' } as const
    expect(levelsOf({ ...terms, stopPrice: '95' }, 'long')).toEqual({
      stopPrice: '95',
      bestPrice: '100',
      trailingDistance: null,
      activationPrice: '102',
      breakevenPrice: '100.1',
    })
    expect(levelsOf({ ...terms, stopPrice: '105' }, 'short')).toMatchObject({
      activationPrice: '98',
      breakevenPrice: '99.9',
    })
  })

  it('counts from the market where one is given', () => {
    const trailing = { kind: 'trailing', distance: '5' } as const
    expect(levelsOf(trailing, 'long', { marketPrice: '120' })).toMatchObject({
      stopPrice: '115',
      bestPrice: '120',
    })
    expect(levelsOf(trailing, 'short', { marketPrice: '80' })).toMatchObject({
      stopPrice: '85',
      bestPrice: '80',
    })
    const later = { ...trailing, activationFraction: '0.3' }
    expect(levelsOf(later, 'long', { marketPrice: '120' })).toMatchObject({
      stopPrice: '95',
      activationPrice: '130',
    })
    const breakeven = { kind: 'breakeven', activationFraction: '0.1', stopPrice: '90' } as const
    expect(levelsOf(breakeven, 'long', { marketPrice: '111' }).stopPrice).toBe('100')
    // A level that keeps a gain: behind the market, beyond the entry.
    expect(levelsOf({ kind: 'fixed', stopPrice: '110' }, 'long', { marketPrice: '120' }).stopPrice).toBe(
      '110',
    )
  })

  it('is rounded towards the price where it has too many decimals', () => {
    const entryPrice = `1.${'0'.repeat(29)}1`
    const fraction = `0.${'0'.repeat(29)}5`
    // 1.00…01 · (1 ∓ 5e-30) = 1.00…01 ∓ 5.00…05e-30
    expect(levelsOf({ kind: 'fixed', fraction }, 'long', { entryPrice }).stopPrice).toBe(
      `0.${'9'.repeat(29)}6`,
    )
    expect(levelsOf({ kind: 'fixed', fraction }, 'short', { entryPrice }).stopPrice).toBe(
      `1.${'0'.repeat(29)}6`,
    )
  })

  it.each<[string, 'long' | 'short', Record<string, unknown>]>([
    ['fraction', 'long', { kind: 'fixed', fraction: '1' }],
    ['fraction', 'long', { kind: 'fixed', fraction: '0' }],
    ['fraction', 'long', { kind: 'fixed', fraction: '-0.1' }],
    ['fraction', 'long', { kind: 'fixed' }],
    ['fraction', 'long', { kind: 'fixed', fraction: '0.1', stopPrice: '90' }],
    ['stopPrice', 'long', { kind: 'fixed', stopPrice: '100' }],
    ['stopPrice', 'long', { kind: 'fixed', stopPrice: '101' }],
    ['stopPrice', 'short', { kind: 'fixed', stopPrice: '100' }],
    ['stopPrice', 'short', { kind: 'fixed', stopPrice: '99' }],
    ['stopPrice', 'long', { kind: 'fixed', stopPrice: '90', marketPrice: '89' }],
    ['fraction', 'long', { kind: 'fixed', fraction: '0.05', marketPrice: '95' }],
    ['volatility', 'long', { kind: 'volatility', volatility: Number.NaN, multiplier: '1' }],
    ['volatility', 'long', { kind: 'volatility', volatility: 0, multiplier: '1' }],
    ['multiplier', 'long', { kind: 'volatility', volatility: 0.5, multiplier: '2' }],
    ['multiplier', 'long', { kind: 'atr', atr: '2', multiplier: '-1' }],
    ['level', 'long', { kind: 'support_resistance', level: '102' }],
    ['level', 'short', { kind: 'support_resistance', level: '98' }],
    ['bufferFraction', 'long', { kind: 'support_resistance', level: '90', bufferFraction: '-0.1' }],
    ['fraction', 'long', { kind: 'trailing' }],
    ['fraction', 'long', { kind: 'trailing', distance: '1', fraction: '0.1' }],
    ['distance', 'long', { kind: 'trailing', distance: '100' }],
    ['activationFraction', 'long', { kind: 'trailing', distance: '1', activationFraction: '0' }],
    ['activationFraction', 'short', { kind: 'trailing', distance: '1', activationFraction: '1' }],
    [
      'offsetFraction',
      'long',
      { kind: 'breakeven', stopPrice: '90', activationFraction: '0.1', offsetFraction: '0.1' },
    ],
    ['stopPrice', 'long', { kind: 'breakeven', stopPrice: '100', activationFraction: '0.1' }],
    ['entryPrice', 'long', { kind: 'fixed', fraction: '0.1', entryPrice: '0' }],
    ['marketPrice', 'long', { kind: 'fixed', fraction: '0.1', marketPrice: '-1' }],
    ['kind', 'long', { kind: 'hope' }],
  ])('is refused for its %s (%s, %j)', (field, direction, input) => {
    expect(() => calculateStop({ direction, entryPrice: ENTRY, ...input } as unknown as StopInput)).toThrow(
      expect.objectContaining({ code: 'invalid_input', field }),
    )
  })
})

/** Follows a path and returns what was seen after each price, up to the one that fires. */
function walk(direction: 'long' | 'short', start: StopLevels, prices: readonly Decimal[]) {
  const seen: { stop: Decimal; best: Decimal; fired: boolean }[] = []
  let stop = start
  for (const price of prices) {
    const { stopPrice, bestPrice, isReached: fired } = followStop(direction, stop, price)
    seen.push({ stop: stopPrice, best: bestPrice, fired })
    if (fired) break
    stop = { ...stop, stopPrice, bestPrice }
  }
  return seen
}

const amount = (min: number, max: number, scale: number) =>
  fc.integer({ min, max }).map((n) => new Decimal(n).div(scale).toFixed())
const arbitraryTerms: fc.Arbitrary<StopTerms> = fc.oneof(
  fc.record({ kind: fc.constant('fixed' as const), fraction: amount(1, 999, 1000) }),
  fc.record(
    {
      kind: fc.constant('trailing' as const),
      distance: amount(1, 9_000, 100),
      activationFraction: amount(1, 500, 1000),
    },
    { requiredKeys: ['kind', 'distance'] },
  ),
  fc.record({
    kind: fc.constant('volatility' as const),
    volatility: amount(1, 300, 1000),
    multiplier: amount(1, 30, 10),
  }),
  fc.record({ kind: fc.constant('atr' as const), atr: amount(1, 300, 10), multiplier: amount(1, 30, 10) }),
)
const path = fc.array(amount(1, 1_999, 10), { minLength: 1, maxLength: 60 })
const mirrored = (price: string | Decimal) => new Decimal(2).times(ENTRY).minus(price)

describe('a stop that follows the price', () => {
  it('trails the best price from its activation on', () => {
    const stop = calculateStop({
      kind: 'trailing',
      distance: '5',
      activationFraction: '0.1',
      direction: 'long',
      entryPrice: ENTRY,
    })
    const seen = walk(
      'long',
      stop,
      ['109', '110', '108', '120', '115.01', '115'].map((price) => new Decimal(price)),
    )
    expect(seen.map((one) => [one.stop.toFixed(), one.fired])).toEqual([
      ['95', false],
      ['105', false],
      ['105', false],
      ['115', false],
      ['115', false],
      ['115', true],
    ])
  })

  it('moves to breakeven once, and stays there', () => {
    const stop = calculateStop({
      kind: 'breakeven',
      activationFraction: '0.02',
      stopPrice: '110',
      direction: 'short',
      entryPrice: ENTRY,
    })
    const seen = walk(
      'short',
      stop,
      ['98.01', '98', '99', '50', '100'].map((price) => new Decimal(price)),
    )
    expect(seen.map((one) => [one.stop.toFixed(), one.fired])).toEqual([
      ['110', false],
      ['100', false],
      ['100', false],
      ['100', false],
      ['100', true],
    ])
  })

  it('never loosens, and fires at the first price that is at its level or beyond', () => {
    fc.assert(
      fc.property(
        arbitraryTerms,
        fc.constantFrom('long' as const, 'short' as const),
        path,
        (terms, direction, prices) => {
          const start = makeStop(terms, direction)
          fc.pre(start !== undefined)
          if (!start) return
          let [level, best] = [start.stopPrice, start.bestPrice]
          for (const [i, { stop, best: now, fired }] of walk(
            direction,
            start,
            prices.map((p) => new Decimal(p)),
          ).entries()) {
            const price = new Decimal(prices[i] ?? '')
            expect(fired).toBe(isReached(direction, level, price))
            expect(isBetter(direction, level, stop)).toBe(false)
            expect(isBetter(direction, best, now)).toBe(false)
            // What has moved lies behind the price that moved it.
            if (!stop.eq(level)) expect(isBetter(direction, price, stop)).toBe(true)
            level = stop
            best = now
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('does for a short what it does for a long on the mirrored path', () => {
    fc.assert(
      fc.property(arbitraryTerms, path, (terms, prices) => {
        const [long, short] = [makeStop(terms, 'long'), makeStop(terms, 'short')]
        fc.pre(long !== undefined && short !== undefined)
        if (!long || !short) return
        const up = walk(
          'long',
          long,
          prices.map((price) => new Decimal(price)),
        )
        const down = walk('short', short, prices.map(mirrored))
        expect(
          down.map(({ stop, best, fired }) => [mirrored(stop).toFixed(), mirrored(best).toFixed(), fired]),
        ).toEqual(up.map(({ stop, best, fired }) => [stop.toFixed(), best.toFixed(), fired]))
      }),
      { numRuns: 500 },
    )
  })
})

/** Undefined where the terms put the stop at or below zero. */
function makeStop(terms: StopTerms, direction: 'long' | 'short'): StopLevels | undefined {
  try {
    return calculateStop({ ...terms, direction, entryPrice: ENTRY })
  } catch {
    return undefined
  }
}
