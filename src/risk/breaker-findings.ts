import { Decimal, divide, ZERO } from '../db/decimal.ts'
import type { Direction, Side } from '../trading/position-state.ts'
import type { BreakerRule, BreakerTrigger } from './schema/breaker-rules.ts'

// What each rule of a circuit breaker finds in the facts: plain arithmetic, without a database.

/** What was realised in the time that a rule looks at, in base currency. */
export interface RuleLoss {
  readonly since: Date
  /** A loss is negative. Null where something in it cannot be valued. */
  readonly net: Decimal | null
  /** Initial equity, external flows and all that was realised before `since`. Null where unknown or not asked for. */
  readonly equityBefore: Decimal | null
}

export interface ClosedTrade {
  readonly exchange: string
  readonly symbol: string
  readonly direction: Direction
  readonly closedAt: Date
  /** In base currency. Null where it cannot be valued. */
  readonly net: Decimal | null
  readonly exitReason: string | null
  readonly isLiquidation: boolean
}

/** What the rules are asked of. What no rule needs may be left empty. */
export interface BreakerFacts {
  readonly now: Date
  /** The exchange whose prices are watched for age. */
  readonly exchange: string
  /** Per name of a rule. */
  readonly losses: ReadonlyMap<string, RuleLoss>
  /** In any order. */
  readonly trades: readonly ClosedTrade[]
  /** Below the peak that is watched, as a fraction. Null where equity is unknown. */
  readonly drawdownFraction: Decimal | null
  /** Per name of a rule: orders made in its window, and how many of them were rejected. */
  readonly orders: ReadonlyMap<string, { readonly total: number; readonly rejected: number }>
  /** The last heartbeat, or the registration before the first. Null for a bot that is not expected to be alive. */
  readonly aliveAt: Date | null
  /** Per symbol, when its newest price was seen. */
  readonly priceSeenAt: ReadonlyMap<string, Date>
}

export interface Place {
  readonly exchange: string | null
  readonly symbol: string | null
  readonly side: Side | null
}

export const EVERYWHERE: Place = { exchange: null, symbol: null, side: null }

/** What a rule found in one place. */
export interface Finding extends Place {
  readonly threshold: Decimal
  readonly actual: Decimal | null
  readonly tripped: boolean
  readonly unknown?: boolean
  readonly reason: string
  /** Where the trip begins at another time than now. */
  readonly trippedAt?: Date
}

type RuleOf<Trigger extends BreakerTrigger> = Extract<BreakerRule, { trigger: Trigger }>

export function lossFinding(
  rule: RuleOf<'max_daily_loss' | 'max_weekly_loss' | 'rapid_loss'>,
  loss: RuleLoss | undefined,
  currency = 'base currency',
): Finding {
  const limit = rule.limit === undefined ? undefined : new Decimal(rule.limit)
  const fraction = rule.fraction === undefined ? undefined : new Decimal(rule.fraction)
  const threshold = limit ?? fraction ?? ZERO
  if (!loss || loss.net === null) {
    return unknownFinding(threshold, `what was realised cannot be valued in ${currency}`)
  }
  const lost = loss.net.neg()
  const since = `since ${loss.since.toISOString()}`
  const isLoss = lost.gt(0)
  const text = isLoss ? `${inShort(lost)} was lost ${since}` : `nothing was lost ${since}`
  const byLimit = limit && {
    ...EVERYWHERE,
    threshold: limit,
    actual: lost,
    tripped: isLoss && lost.gte(limit),
    reason: `${text}; ${limit.toFixed()} is the limit`,
  }
  if (byLimit?.tripped || !fraction) return byLimit ?? unknownFinding(threshold, 'the rule has no limit')
  const before = loss.equityBefore
  if (before === null || before.lte(0)) {
    if (!isLoss) return { ...EVERYWHERE, threshold: fraction, actual: ZERO, tripped: false, reason: text }
    const why = before === null ? 'is not known' : 'was not positive'
    return unknownFinding(fraction, `the equity before ${loss.since.toISOString()} ${why}; ${text}`)
  }
  // Compared as a product: a quotient is rounded.
  const tripped = isLoss && lost.gte(before.times(fraction))
  if (!tripped && byLimit) return byLimit
  const reason = `${text}; ${fraction.toFixed()} of ${inShort(before)} is the limit`
  return { ...EVERYWHERE, threshold: fraction, actual: divide(lost, before), tripped, reason }
}

export function drawdownFinding(threshold: Decimal, actual: Decimal | null): Finding {
  if (actual === null) return unknownFinding(threshold, 'the equity is not known')
  const reason = `equity is ${inShort(actual)} below its peak; ${threshold.toFixed()} is the limit`
  return { ...EVERYWHERE, threshold, actual, tripped: actual.gte(threshold), reason }
}

/** The moment after which a rule counts in a place, or null where it looks back as far as its window does. */
export type CountFrom = (place: Place) => Date | null

/** The trades that a rule counts, apart for each place that it looks at, last closed first. */
function countedTrades(
  facts: BreakerFacts,
  breadth: 'bot' | 'symbol' | 'side',
  countFrom: CountFrom,
  windowMs?: number,
): { place: Place; trades: ClosedTrade[] }[] {
  const start = windowMs === undefined ? null : new Date(facts.now.getTime() - windowMs)
  const groups = new Map<string, { place: Place; trades: ClosedTrade[] }>()
  const newestFirst = facts.trades.toSorted((a, b) => b.closedAt.getTime() - a.closedAt.getTime())
  for (const trade of newestFirst) {
    const place = placeOf(trade, breadth)
    const after = later(start, countFrom(place))
    if (trade.closedAt > facts.now || (after && trade.closedAt <= after)) continue
    const key = JSON.stringify(place)
    const group = groups.get(key)
    if (group) group.trades.push(trade)
    else groups.set(key, { place, trades: [trade] })
  }
  // A rule that has nothing to count still says so.
  return groups.size > 0 ? [...groups.values()] : [{ place: EVERYWHERE, trades: [] }]
}

function placeOf({ exchange, symbol, direction }: ClosedTrade, breadth: 'bot' | 'symbol' | 'side'): Place {
  if (breadth === 'bot') return EVERYWHERE
  const side = direction === 'long' ? 'buy' : 'sell'
  return { exchange, symbol, side: breadth === 'side' ? side : null }
}

export function streakFindings(
  rule: RuleOf<'consecutive_losses'>,
  facts: BreakerFacts,
  countFrom: CountFrom,
): Finding[] {
  const threshold = new Decimal(rule.count)
  const dust = new Decimal(rule.dust)
  return countedTrades(facts, rule.scope, countFrom).map(({ place, trades }) => {
    let losses = 0
    let unknown = false
    for (const { net } of trades) {
      if (losses >= rule.count) break
      if (net === null) unknown = true
      if (net === null) break
      if (dust.gt(0) && net.abs().lte(dust)) continue
      if (net.gte(0)) break
      losses += 1
    }
    const tripped = losses >= rule.count
    const text = `${losses} losing trades in a row; ${rule.count} are the limit`
    const reason = unknown ? `${text}; the one before cannot be valued` : text
    return { ...place, threshold, actual: new Decimal(losses), tripped, unknown, reason }
  })
}

export function clusterFindings(
  rule: RuleOf<'stop_loss_cluster'>,
  facts: BreakerFacts,
  countFrom: CountFrom,
): Finding[] {
  const threshold = new Decimal(rule.count)
  return countedTrades(facts, rule.scope, countFrom, rule.windowMs).map(({ place, trades }) => {
    const stopped = trades.filter((trade) => trade.exitReason === 'stop_loss' || trade.isLiquidation)
    const losses = stopped.filter(({ net }) => net?.lt(0)).length
    const unvalued = stopped.filter(({ net }) => net === null).length
    const tripped = losses >= rule.count
    const unknown = !tripped && losses + unvalued >= rule.count
    const text = `${losses} trades were stopped out at a loss within ${rule.windowMs} ms; ${rule.count} are the limit`
    const reason = unknown ? `${text}; ${unvalued} more cannot be valued` : text
    return { ...place, threshold, actual: new Decimal(losses), tripped, unknown, reason }
  })
}

export function profitFindings(
  rule: RuleOf<'low_profit'>,
  facts: BreakerFacts,
  countFrom: CountFrom,
): Finding[] {
  const threshold = new Decimal(rule.requiredProfit)
  return countedTrades(facts, 'symbol', countFrom, rule.windowMs).map(({ place, trades }) => {
    const valued = trades.flatMap(({ net }) => (net === null ? [] : [net]))
    const actual = valued.reduce((sum, net) => sum.plus(net), ZERO)
    const isEnough = trades.length >= rule.minTrades
    const unknown = isEnough && valued.length < trades.length
    const tripped = isEnough && !unknown && actual.lt(threshold)
    const text = `${trades.length} trades within ${rule.windowMs} ms brought ${inShort(actual)}; ${threshold.toFixed()} is required`
    const reason = unknown ? `${text}; ${trades.length - valued.length} cannot be valued` : text
    return { ...place, threshold, actual, tripped, unknown, reason }
  })
}

export function closeFindings(
  rule: RuleOf<'cooldown'>,
  facts: BreakerFacts,
  countFrom: CountFrom,
  lengthOf: (place: Place, at: Date) => { readonly cooldownMs: number | null },
): Finding[] {
  return countedTrades(facts, 'symbol', countFrom).map(({ place, trades }) => {
    const [last] = trades
    if (!last) {
      const threshold = new Decimal(rule.cooldownMs)
      return { ...place, threshold, actual: null, tripped: false, reason: 'nothing was closed' }
    }
    const { cooldownMs } = lengthOf(place, last.closedAt)
    const ageMs = ageOf(facts, last.closedAt)
    return {
      ...place,
      threshold: new Decimal(cooldownMs ?? rule.cooldownMs),
      actual: new Decimal(ageMs),
      tripped: cooldownMs === null || ageMs < cooldownMs,
      reason: `${last.symbol} was closed at ${last.closedAt.toISOString()}`,
      trippedAt: last.closedAt,
    }
  })
}

export function errorFinding(
  rule: RuleOf<'order_errors'>,
  orders: { readonly total: number; readonly rejected: number } | undefined,
): Finding {
  const { total, rejected } = orders ?? { total: 0, rejected: 0 }
  const threshold = new Decimal(rule.fraction)
  const reason = `${rejected} of ${total} orders within ${rule.windowMs} ms were rejected`
  if (total === 0) return { ...EVERYWHERE, threshold, actual: null, tripped: false, reason }
  const tripped = total >= rule.minOrders && threshold.times(total).lte(rejected)
  const actual = divide(new Decimal(rejected), new Decimal(total))
  return { ...EVERYWHERE, threshold, actual, tripped, reason }
}

export function heartbeatFinding(maxAgeMs: number, facts: BreakerFacts, after: Date | null): Finding {
  const threshold = new Decimal(maxAgeMs)
  const { aliveAt } = facts
  if (aliveAt === null) {
    const reason = 'the bot is not active, so it is not expected to be alive'
    return { ...EVERYWHERE, threshold, actual: null, tripped: false, reason }
  }
  const ageMs = ageOf(facts, later(aliveAt, after) ?? aliveAt)
  const reason = `the bot was last alive at ${aliveAt.toISOString()}`
  return { ...EVERYWHERE, threshold, actual: new Decimal(ageMs), tripped: ageMs >= maxAgeMs, reason }
}

export function priceFinding(
  rule: RuleOf<'stale_market_data'>,
  facts: BreakerFacts,
  place: Place & { readonly symbol: string },
  after: Date | null,
): Finding {
  const threshold = new Decimal(rule.maxAgeMs)
  const seenAt = facts.priceSeenAt.get(place.symbol) ?? null
  const reason =
    seenAt === null
      ? `no price of ${place.symbol} was ever recorded`
      : `the newest price of ${place.symbol} is of ${seenAt.toISOString()}`
  const since = later(seenAt, after)
  if (since === null) return { ...place, threshold, actual: null, tripped: true, reason }
  const ageMs = ageOf(facts, since)
  return { ...place, threshold, actual: new Decimal(ageMs), tripped: ageMs >= rule.maxAgeMs, reason }
}

function ageOf({ now }: BreakerFacts, since: Date): number {
  return now.getTime() - since.getTime()
}

function unknownFinding(threshold: Decimal, reason: string): Finding {
  return { ...EVERYWHERE, threshold, actual: null, tripped: false, unknown: true, reason }
}

/** The later of two moments, of which either may be none. */
export function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return b > a ? b : a
}

/** For people: the exact figure is beside it. */
function inShort(amount: Decimal): string {
  return amount.toSignificantDigits(8).toFixed()
}
