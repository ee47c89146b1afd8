import { Decimal } from '../db/decimal.ts'
import type { Side } from '../trading/position-state.ts'
import {
  type BreakerFacts,
  type CountFrom,
  closeFindings,
  clusterFindings,
  drawdownFinding,
  EVERYWHERE,
  errorFinding,
  type Finding,
  heartbeatFinding,
  later,
  lossFinding,
  type Place,
  priceFinding,
  profitFindings,
  streakFindings,
} from './breaker-findings.ts'
import type { BreakerRule, BreakerTrigger } from './schema/breaker-rules.ts'
import type { Severity } from './schema/values.ts'

// What trips a circuit breaker: plain arithmetic over facts, without a database, for a backtest as well.

/** A drawdown that stops a bot by its risk settings, and not by a rule of its own. */
export interface DrawdownHalt {
  readonly trigger: 'max_drawdown'
  readonly fraction: Decimal
  readonly cooldownMs: null
  readonly severity: Severity
  readonly escalation?: undefined
}

/** A rule under the name that its trips carry. */
export interface WatchedRule {
  readonly name: string
  readonly rule: BreakerRule | DrawdownHalt
  /** Where the rule is of the whole fleet, the base currency whose bots it is about. */
  readonly currency?: string
}

/** Where a rule stands for one exchange, symbol and side: its trip that nobody ended, and when a human ended one last. */
export interface RuleStanding {
  readonly rule: string
  readonly exchange: string | null
  readonly symbol: string | null
  readonly side: Side | null
  /** The trip that no human ended and no later one replaced; it may be over by time. */
  readonly trip: StandingTrip | null
  /** How many trips a human resolved or overrode, and when the last of them. */
  readonly endedCount: number
  readonly endedAt: Date | null
}

export interface StandingTrip {
  readonly id: string
  readonly trippedAt: Date
  /** Null: until a human ends it. */
  readonly expiresAt: Date | null
  readonly tripsInRow: number
}

/** How far a check or a trip reaches. */
export const BREAKER_SCOPES = ['global', 'bot', 'symbol', 'side'] as const
export type BreakerScope = (typeof BREAKER_SCOPES)[number]

/** What a rule asked, and what it found. */
export interface BreakerCheck {
  readonly rule: string
  readonly trigger: BreakerTrigger
  readonly scope: BreakerScope
  readonly exchange: string | null
  readonly symbol: string | null
  readonly side: Side | null
  /** What is allowed and what is: an amount in base currency, a fraction, a count or milliseconds, as the trigger says. */
  readonly threshold: Decimal
  readonly actual: Decimal | null
  /** True while what the rule is about is so, also when it has tripped already. */
  readonly tripped: boolean
  /** True where the rule cannot say: then it does not trip. */
  readonly unknown: boolean
  readonly reason: string
}

/** A trip that is to be written, and what of its rule had been seen when it was decided. */
export interface BreakerTrip extends Pick<BreakerCheck, 'rule' | 'trigger' | 'exchange' | 'symbol' | 'side'> {
  readonly severity: Severity
  readonly reason: string
  readonly threshold: Decimal
  readonly actual: Decimal | null
  readonly trippedAt: Date
  readonly cooldownMs: number | null
  readonly tripsInRow: number
  readonly context: Readonly<Record<string, string>>
  readonly seenTripId: string | null
  readonly seenEndedCount: number
}

export interface BreakerDecision {
  /** At least one of every rule; of a rule per symbol or side, one of each that has something to count. */
  readonly checks: BreakerCheck[]
  readonly trips: BreakerTrip[]
}

/** The longest that a trip can hold by time: a hundred years. */
export const MAX_COOLDOWN_MS = 3_155_760_000_000

/** Rules about what happened: of it, only what came after their last trip counts. The others are about what is so. */
const EVENT_TRIGGERS: readonly BreakerTrigger[] = [
  'consecutive_losses',
  'stop_loss_cluster',
  'low_profit',
  'cooldown',
  'rapid_loss',
  'order_errors',
]

/**
 * Decides which rules trip, and says of each what it found.
 *
 * A rule trips when what it counts reaches its threshold. It does not while a trip of it holds, nor where a figure is
 * unknown. What happened up to the moment when a human ended a trip of it is not counted again; rules about what
 * happened (losing streaks, stops in a row, low profit, a close, a rapid loss, order errors) do not count what came before
 * a trip that ended by time either.
 */
export function decideBreakers(
  facts: BreakerFacts,
  rules: readonly WatchedRule[],
  standings: readonly RuleStanding[],
): BreakerDecision {
  const standingOf = lookup(standings)
  const checks: BreakerCheck[] = []
  const trips: BreakerTrip[] = []
  for (const watched of rules) {
    for (const finding of findingsOf(facts, watched, standingOf)) {
      checks.push(checkOf(watched, finding))
      if (!finding.tripped) continue
      const trip = tripOf(facts, watched, finding, standingOf(watched.name, finding))
      if (trip) trips.push(trip)
    }
  }
  return { checks, trips }
}

/** The moment after which a rule counts, or null where it looks back as far as its window does. */
export function countsAfter(rule: WatchedRule, standing: RuleStanding | undefined): Date | null {
  if (!standing) return null
  const isEvent = EVENT_TRIGGERS.includes(rule.rule.trigger)
  return later(standing.endedAt, isEvent ? (standing.trip?.trippedAt ?? null) : null)
}

type StandingOf = (rule: string, place: Place) => RuleStanding | undefined

/** Finds where a rule stands. */
export function lookup(standings: readonly RuleStanding[]): StandingOf {
  const key = (rule: string, { exchange, symbol, side }: Place) =>
    JSON.stringify([rule, exchange, symbol, side])
  const byKey = new Map(standings.map((standing) => [key(standing.rule, standing), standing]))
  return (rule, place) => byKey.get(key(rule, place))
}

function findingsOf(facts: BreakerFacts, watched: WatchedRule, standingOf: StandingOf): Finding[] {
  const { name, rule } = watched
  const countFrom: CountFrom = (place) => countsAfter(watched, standingOf(name, place))
  switch (rule.trigger) {
    case 'max_daily_loss':
    case 'max_weekly_loss':
    case 'rapid_loss':
      return [lossFinding(rule, facts.losses.get(name), watched.currency)]
    case 'max_drawdown':
      return [drawdownFinding(new Decimal(rule.fraction), facts.drawdownFraction)]
    case 'consecutive_losses':
      return streakFindings(rule, facts, countFrom)
    case 'stop_loss_cluster':
      return clusterFindings(rule, facts, countFrom)
    case 'low_profit':
      return profitFindings(rule, facts, countFrom)
    case 'cooldown':
      return closeFindings(rule, facts, countFrom, (place, at) =>
        tripLength(rule, standingOf(name, place), at),
      )
    case 'order_errors':
      return [errorFinding(rule, facts.orders.get(name))]
    case 'stale_heartbeat':
      return [heartbeatFinding(rule.maxAgeMs, facts, countFrom(EVERYWHERE))]
    case 'stale_market_data':
      return rule.symbols.map((symbol) => {
        const place = { exchange: facts.exchange, symbol, side: null }
        return priceFinding(rule, facts, place, countFrom(place))
      })
  }
}

function checkOf({ name, rule, currency }: WatchedRule, finding: Finding): BreakerCheck {
  const { exchange, symbol, side, threshold, actual, tripped, unknown = false, reason } = finding
  const bound = currency === undefined ? 'bot' : 'global'
  const scope = side !== null ? 'side' : symbol !== null ? 'symbol' : bound
  const { trigger } = rule
  return { rule: name, trigger, scope, exchange, symbol, side, threshold, actual, tripped, unknown, reason }
}

/** The trip to write, or undefined where one holds already. */
function tripOf(
  { now }: BreakerFacts,
  { name, rule, currency }: WatchedRule,
  finding: Finding,
  standing: RuleStanding | undefined,
): BreakerTrip | undefined {
  if (standing?.trip && holdsAt(standing.trip, now)) return undefined
  const { exchange, symbol, side, threshold, actual, reason, trippedAt = now } = finding
  return {
    rule: name,
    trigger: rule.trigger,
    exchange,
    symbol,
    side,
    severity: rule.severity,
    reason,
    threshold,
    actual,
    trippedAt,
    ...tripLength(rule, standing, trippedAt),
    context: { evaluatedAt: now.toISOString(), ...(currency === undefined ? {} : { currency }) },
    seenTripId: standing?.trip?.id ?? null,
    seenEndedCount: standing?.endedCount ?? 0,
  }
}

function holdsAt({ expiresAt }: StandingTrip, now: Date): boolean {
  return expiresAt === null || expiresAt > now
}

/**
 * How long a trip at this moment holds, and the how manieth in a row it is: each that follows the end of the one before
 * within the rule's window holds longer, and after so many only a human ends it.
 */
export function tripLength(
  rule: WatchedRule['rule'],
  standing: RuleStanding | undefined,
  at: Date,
): { readonly cooldownMs: number | null; readonly tripsInRow: number } {
  const { cooldownMs, escalation } = rule
  if (!escalation) return { cooldownMs, tripsInRow: 1 }
  const last = standing?.trip
  const isInRow = last?.expiresAt && at.getTime() - last.expiresAt.getTime() < escalation.windowMs
  const tripsInRow = isInRow ? last.tripsInRow + 1 : 1
  if (cooldownMs === null || tripsInRow > escalation.humanAfter) return { cooldownMs: null, tripsInRow }
  const longer = Math.round(cooldownMs * escalation.factor ** (tripsInRow - 1))
  return { cooldownMs: Math.min(longer, MAX_COOLDOWN_MS), tripsInRow }
}
