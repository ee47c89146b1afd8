import fc from 'fast-check'
import type { ModelLimits } from '../model/status-model.ts'
import { EXCHANGE } from './gate-fixture.ts'

export const or = <Value>(arbitrary: fc.Arbitrary<Value>, freq = 2) =>
  fc.option(arbitrary, { freq, nil: null })
const whose = or(fc.nat(1), 2)
export const which = fc.nat(1)
const pick = fc.nat(99)
const symbols = fc.constantFrom('BTC', 'ETH')
export const sides = fc.constantFrom('buy' as const, 'sell' as const)
const closed = {
  whose,
  exchange: or(fc.constantFrom(EXCHANGE, 'y'), 1),
  symbol: or(symbols),
  side: or(sides, 1),
}
const cooldown = or(fc.constantFrom(0, 1, 999, 60_000, 9_000_000, 3_155_760_000_000), 4)
const amount = fc.integer({ min: 1, max: 400 }).map((cents) => `${cents / 4}`)

const limits: fc.Arbitrary<Partial<ModelLimits>> = fc.record(
  {
    tradingEnabled: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
    maxOpenPositions: or(fc.integer({ min: 0, max: 3 })),
    maxExposure: or(fc.constantFrom('0', '50', '100', '100.000000000000000001', '5000')),
    maxOrdersPerMinute: or(fc.integer({ min: 0, max: 3 })),
    maxDailyLoss: or(fc.constantFrom('10', '10.000000000000000001', '200')),
    dailyTarget: or(fc.constantFrom('10', '10.000000000000000001', '200')),
    stopAtDailyTarget: fc.boolean(),
    allowedSymbols: or(fc.subarray(['BTC', 'ETH', 'OLD'])),
    offWatchlistAllowed: fc.boolean(),
  },
  { requiredKeys: [] },
)

/** Something that happens. */
export const changes = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('trip' as const),
      ...closed,
      cooldown,
      isEmergency: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('endTrip' as const),
      pick,
      status: fc.constantFrom('resolved' as const, 'overridden' as const, 'expired' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('editCooldown' as const), pick, cooldown }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('lock' as const), ...closed, cooldown }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('unlock' as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('on' as const, 'recovery' as const, 'off' as const, 'off' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('limits' as const), whose, limits }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('status' as const),
      which,
      status: fc.constantFrom(
        'active' as const,
        'active' as const,
        'paused' as const,
        'stopped' as const,
        'error' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('beat' as const),
      which,
      ago: fc.constantFrom(0, 30_000, 30_001),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('order' as const),
      which,
      symbol: symbols,
      price: amount,
      isEntry: fc.boolean(),
      ago: fc.constantFrom(0, 1, 59_999, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('cancel' as const), which, pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('hold' as const),
      which,
      symbol: symbols,
      price: amount,
      mark: or(amount),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('earn' as const),
      which,
      by: fc.constantFrom('-10', '10', '-0.000000000000000001', '3', '-199'),
    }),
  },
)
export type Change = typeof changes extends fc.Arbitrary<infer Value> ? Value : never
