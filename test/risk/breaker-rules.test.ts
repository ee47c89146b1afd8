import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import type { BreakerFacts, ClosedTrade, RuleLoss } from '../../src/risk/breaker-findings.ts'
import {
  type BreakerDecision,
  decideBreakers,
  MAX_COOLDOWN_MS,
  type RuleStanding,
  tripLength,
  type WatchedRule,
} from '../../src/risk/breaker-rules.ts'
import { type BreakerRuleInput, breakerRulesSchema, nameOfRule } from '../../src/risk/schema/breaker-rules.ts'

const at = (minute: number) => new Date(Date.UTC(2024, 0, 15, 12) + minute * 60_000)

const EMPTY: BreakerFacts = {
  now: at(60),
  exchange: 'x',
  losses: new Map(),
  trades: [],
  drawdownFraction: null,
  orders: new Map(),
  aliveAt: null,
  priceSeenAt: new Map(),
}

function watch(rule: BreakerRuleInput): WatchedRule {
  const [read] = breakerRulesSchema.parse([rule])
  if (!read) throw new Error('no rule')
  return { name: nameOfRule(read), rule: read }
}

function decide(
  rule: BreakerRuleInput,
  facts: Partial<BreakerFacts>,
  standings: readonly RuleStanding[] = [],
): BreakerDecision {
  return decideBreakers({ ...EMPTY, ...facts }, [watch(rule)], standings)
}

const closed = (minute: number, net: string | null, over: Partial<ClosedTrade> = {}): ClosedTrade => ({
  exchange: 'x',
  symbol: 'S',
  direction: 'long',
  closedAt: at(minute),
  net: net === null ? null : new Decimal(net),
  exitReason: null,
  isLiquidation: false,
  ...over,
})

const lossOf = (net: string | null, equityBefore: string | null = null): Map<string, RuleLoss> => {
  const before = equityBefore === null ? null : new Decimal(equityBefore)
  return new Map([
    ['max_daily_loss', { since: at(0), net: net === null ? null : new Decimal(net), equityBefore: before }],
  ])
}

const standing = (over: Partial<RuleStanding>): RuleStanding => ({
  rule: 'max_daily_loss',
  exchange: null,
  symbol: null,
  side: null,
  trip: null,
  endedCount: 0,
  endedAt: null,
  ...over,
})

describe('decideBreakers', () => {
  const daily = { trigger: 'max_daily_loss', cooldownMs: 1000 } as const

  it('needs no database to decide, and says what it saw', () => {
    const { checks, trips } = decide({ ...daily, limit: '100' }, { losses: lossOf('-100.5') })
    expect(checks).toMatchObject([{ rule: 'max_daily_loss', scope: 'bot', tripped: true, unknown: false }])
    expect(checks[0]?.reason).toBe('100.5 was lost since 2024-01-15T12:00:00.000Z; 100 is the limit')
    expect(trips).toMatchObject([
      { trippedAt: at(60), cooldownMs: 1000, tripsInRow: 1, seenTripId: null, seenEndedCount: 0 },
    ])
  })

  it('never takes a profit, nothing, or what it cannot know for a loss', () => {
    for (const net of ['0', '5', null]) {
      const { checks, trips } = decide({ ...daily, limit: '0' }, { losses: lossOf(net) })
      expect(trips).toEqual([])
      expect(checks).toMatchObject([{ unknown: net === null, tripped: false }])
    }
    // Without its facts a rule is unknown, not passed over.
    expect(decide({ ...daily, limit: '0' }, {}).checks).toMatchObject([{ unknown: true }])
    expect(decide({ trigger: 'max_drawdown', fraction: 0.1, cooldownMs: 1 }, {}).checks).toMatchObject([
      { unknown: true, tripped: false },
    ])
  })

  it('compares a fraction exactly, and is unknown where nothing was there to lose', () => {
    const third = { ...daily, fraction: 0.1 }
    expect(decide(third, { losses: lossOf('-33.333', '333.33') }).trips).toHaveLength(1)
    expect(decide(third, { losses: lossOf('-33.3329999999999999999999', '333.33') }).trips).toEqual([])
    for (const before of [null, '0', '-5'])
      expect(decide(third, { losses: lossOf('-1', before) }).checks).toMatchObject([{ unknown: true }])
    expect(decide(third, { losses: lossOf('0', null) }).checks).toMatchObject([{ unknown: false }])
    // Either of two thresholds is enough.
    const both = { ...third, limit: '50' }
    expect(decide(both, { losses: lossOf('-40', '400') }).trips[0]?.threshold.toFixed()).toBe('0.1')
    expect(decide(both, { losses: lossOf('-50', '5000') }).trips[0]?.threshold.toFixed()).toBe('50')
    expect(decide(both, { losses: lossOf('-49', '5000') }).trips).toEqual([])
  })

  it('does not trip while a trip holds, which it does up to and not at its expiry', () => {
    const holding = (expiresAt: Date | null) =>
      decide({ ...daily, limit: '1' }, { losses: lossOf('-5') }, [
        standing({ trip: { id: 'one', trippedAt: at(1), expiresAt, tripsInRow: 1 }, endedCount: 2 }),
      ]).trips
    expect(holding(null)).toEqual([])
    expect(holding(new Date(at(60).getTime() + 1))).toEqual([])
    expect(holding(at(60))).toMatchObject([{ seenTripId: 'one', seenEndedCount: 2 }])
  })

  it('takes a draw for the end of a streak, unless it is dust', () => {
    const trades = [closed(1, '-5'), closed(2, '0'), closed(3, '-5')]
    const rule = { trigger: 'consecutive_losses', count: 2, cooldownMs: 1 } as const
    expect(decide(rule, { trades }).trips).toEqual([])
    expect(decide({ ...rule, dust: '0.1' }, { trades }).trips).toHaveLength(1)
    expect(decide({ ...rule, dust: '5' }, { trades }).trips).toEqual([])
  })

  it('stops at a trade of unknown result only where it matters', () => {
    const rule = { trigger: 'consecutive_losses', count: 2, cooldownMs: 1 } as const
    const outcome = (...nets: (string | null)[]) => {
      const trades = nets.map((net, place) => closed(place, net))
      const [check] = decide(rule, { trades }).checks
      return `${check?.tripped} ${check?.unknown}`
    }
    expect(outcome('-1', null, '-1')).toBe('false true')
    expect(outcome(null, '-1', '-1')).toBe('true false')
    expect(outcome(null, '1', '-1')).toBe('false false')
  })

  it('counts stops only that lost, within the window, and from the last trip on', () => {
    const rule = { trigger: 'stop_loss_cluster', count: 2, windowMs: 600_000, cooldownMs: 1 } as const
    const stop = { exitReason: 'stop_loss' }
    const trades = [
      closed(50, '-1', stop),
      closed(51, '-1', stop),
      closed(52, '1', stop),
      closed(53, '-1'),
      closed(54, '-1', { isLiquidation: true }),
    ]
    expect(decide(rule, { trades }).trips[0]?.actual?.toFixed()).toBe('2')
    expect(decide(rule, { trades: trades.slice(0, 4) }).trips).toEqual([])
    const trip = { id: 'one', trippedAt: at(51), expiresAt: at(52), tripsInRow: 1 }
    const after = [standing({ rule: 'stop_loss_cluster', trip })]
    expect(decide(rule, { trades }, after).checks[0]?.actual?.toFixed()).toBe('1')
    expect(decide(rule, { trades: [...trades.slice(0, 1), closed(55, null, stop)] }).checks).toMatchObject([
      { unknown: false },
    ])
    expect(decide(rule, { trades: [...trades.slice(1, 2), closed(55, null, stop)] }).checks).toMatchObject([
      { unknown: true },
    ])
  })

  it('counts from the moment a human ended a trip, also after a later one ran out', () => {
    const rule = {
      trigger: 'order_errors',
      fraction: 1,
      minOrders: 1,
      windowMs: 1000,
      cooldownMs: 1,
    } as const
    const heartbeat = { trigger: 'stale_heartbeat', maxAgeMs: 600_000, cooldownMs: 1 } as const
    expect(
      decide(rule, { orders: new Map([['order_errors', { total: 3, rejected: 3 }]]) }).trips,
    ).toHaveLength(1)
    const ended = [standing({ rule: 'stale_heartbeat', endedCount: 1, endedAt: at(51) })]
    expect(decide(heartbeat, { aliveAt: at(40) }).trips).toHaveLength(1)
    expect(decide(heartbeat, { aliveAt: at(40) }, ended).trips).toEqual([])
    expect(decide(heartbeat, { aliveAt: at(40), now: at(61) }, ended).trips).toHaveLength(1)
    // A trip that only ran out changes nothing of what is so.
    const over = { trip: { id: 'x', trippedAt: at(55), expiresAt: at(56), tripsInRow: 1 } }
    expect(
      decide(heartbeat, { aliveAt: at(40) }, [standing({ rule: 'stale_heartbeat', ...over })]).trips,
    ).toHaveLength(1)
  })
})

describe('tripLength', () => {
  const escalation = { factor: 2, humanAfter: 3, windowMs: 1000 }
  const { rule } = watch({ trigger: 'max_daily_loss', limit: '1', cooldownMs: 100, escalation })
  const nextTo = (tripsInRow: number, quietMs: number) => {
    const trip = { id: 'x', trippedAt: at(0), expiresAt: new Date(at(60).getTime() - quietMs), tripsInRow }
    return tripLength(rule, standing({ trip }), at(60))
  }

  it('grows by its factor, ends with a human, and begins anew after quiet', () => {
    expect(tripLength(rule, undefined, at(60))).toEqual({ cooldownMs: 100, tripsInRow: 1 })
    expect([1, 2, 3, 9].map((trips) => nextTo(trips, 999).cooldownMs)).toEqual([200, 400, null, null])
    expect(nextTo(3, 999).tripsInRow).toBe(4)
    expect(nextTo(3, 1000)).toEqual({ cooldownMs: 100, tripsInRow: 1 })
  })

  it('never exceeds what can be stored', () => {
    const far = watch({
      trigger: 'max_daily_loss',
      limit: '1',
      cooldownMs: 1000,
      escalation: { factor: 100, humanAfter: 9_999, windowMs: 1000 },
    })
    const trip = { id: 'x', trippedAt: at(0), expiresAt: at(60), tripsInRow: 5_000 }
    expect(tripLength(far.rule, standing({ trip }), at(60)).cooldownMs).toBe(MAX_COOLDOWN_MS)
  })
})

describe('a losing streak', () => {
  const step = fc.record({
    cents: fc.integer({ min: -3, max: 2 }),
    symbol: fc.constantFrom('S', 'T'),
    direction: fc.constantFrom('long' as const, 'short' as const),
  })

  it('is what a walk through the trades in order finds, evaluated after each of them', () => {
    const scopes = fc.constantFrom('bot' as const, 'symbol' as const, 'side' as const)
    const walk = fc.array(step, { maxLength: 40 })
    fc.assert(
      fc.property(
        walk,
        scopes,
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (steps, scope, count, dusty) => {
          const rule = {
            trigger: 'consecutive_losses',
            count,
            scope,
            cooldownMs: 1,
            dust: dusty ? '1' : '0',
          } as const
          const standings = new Map<string, RuleStanding>()
          const streaks = new Map<string, number>()
          const trades: ClosedTrade[] = []
          const place = (trade: ClosedTrade) =>
            ({ bot: '', symbol: trade.symbol, side: `${trade.symbol} ${trade.direction}` })[scope]
          steps.forEach(({ cents, symbol, direction }, n) => {
            const trade = closed(n, String(cents), { symbol, direction })
            trades.unshift(trade)
            const key = place(trade)
            const before = streaks.get(key) ?? 0
            const isDust = dusty && Math.abs(cents) <= 1
            const streak = isDust ? before : cents < 0 ? before + 1 : 0
            const { trips } = decideBreakers(
              { ...EMPTY, now: at(n), trades },
              [watch(rule)],
              [...standings.values()],
            )
            const expected = streak >= count ? [key] : []
            const found = trips.map((trip) =>
              [trip.symbol, trip.side && (trip.side === 'buy' ? 'long' : 'short')]
                .filter((part) => part !== null)
                .join(' '),
            )
            if (found.join() !== expected.join()) throw new Error(`after ${n}: ${found} and not ${expected}`)
            // A trip ends at once and the streak begins anew.
            for (const trip of trips) {
              standings.set(key, {
                ...trip,
                trip: { id: `${n}`, trippedAt: trip.trippedAt, expiresAt: trip.trippedAt, tripsInRow: 1 },
                endedCount: 0,
                endedAt: null,
              })
            }
            streaks.set(key, trips.length > 0 ? 0 : streak)
          })
        },
      ),
      { numRuns: 300 },
    )
  })
})
