import type { Decimal } from '../db/decimal.ts'

/** A rule has a name of its own, or is called as its trigger. */
interface NamedRule {
  readonly name?: string | undefined
  readonly trigger: string
}

/** What is set for the fleet or for a bot, and what holds of both. A limit that is null does not limit. */
export interface RiskLimits<Rule extends NamedRule> {
  readonly tradingEnabled: boolean
  /** 0 to 1. */
  readonly minConfidence: number | null
  /** In the bot's base currency. */
  readonly maxOrderNotional: Decimal | null
  /** In base currency of the symbol, or contracts. */
  readonly maxQuantity: Decimal | null
  readonly maxOpenPositions: number | null
  /** In the bot's base currency. */
  readonly maxExposure: Decimal | null
  /** Exposure / equity. */
  readonly maxLeverage: Decimal | null
  /** In the bot's base currency. Positive. */
  readonly maxDailyLoss: Decimal | null
  /** 0.2 is a fifth below the peak. */
  readonly maxDrawdownFraction: Decimal | null
  readonly haltOnDrawdown: boolean
  /** In the bot's base currency. Positive. */
  readonly dailyTarget: Decimal | null
  readonly stopAtDailyTarget: boolean
  /** Null: any symbol. */
  readonly allowedSymbols: readonly string[] | null
  /** True: the list above does not restrict. */
  readonly offWatchlistAllowed: boolean
  readonly maxOrdersPerMinute: number | null
  /** Null: 1 hour. */
  readonly maxPriceAgeMs: number | null
  /** Null: 1 hour. */
  readonly maxEquityAgeMs: number | null
  readonly breakerRules: readonly Rule[]
}

/** How a rule of the fleet is told from a bot's of the same name. */
export const FLEET_RULE_PREFIX = 'fleet:'

/**
 * Returns what holds for a bot: of each limit the stricter of the fleet's and the bot's. A side that sets no limit does not
 * count.
 *
 * Both sides' breaker rules are watched: the fleet's come first, named `fleet:…`. A watchlist beside `offWatchlistAllowed`
 * restricts nothing, so it does not take part where the other side does restrict.
 */
export function mergeRiskLimits<Rule extends NamedRule>(
  fleet: RiskLimits<Rule>,
  bot: RiskLimits<Rule> | null,
): RiskLimits<Rule> {
  const fleetRules = fleet.breakerRules.map((rule) => ({
    ...rule,
    name: `${FLEET_RULE_PREFIX}${rule.name ?? rule.trigger}`,
  }))
  // A copy, field by field: what is given may be a whole row.
  const both = bot ?? { ...fleet, breakerRules: [] }
  return {
    tradingEnabled: fleet.tradingEnabled && both.tradingEnabled,
    minConfidence: ofNumbers(Math.max, fleet.minConfidence, both.minConfidence),
    maxOrderNotional: lower(fleet.maxOrderNotional, both.maxOrderNotional),
    maxQuantity: lower(fleet.maxQuantity, both.maxQuantity),
    maxOpenPositions: ofNumbers(Math.min, fleet.maxOpenPositions, both.maxOpenPositions),
    maxExposure: lower(fleet.maxExposure, both.maxExposure),
    maxLeverage: lower(fleet.maxLeverage, both.maxLeverage),
    maxDailyLoss: lower(fleet.maxDailyLoss, both.maxDailyLoss),
    maxDrawdownFraction: lower(fleet.maxDrawdownFraction, both.maxDrawdownFraction),
    haltOnDrawdown: fleet.haltOnDrawdown || both.haltOnDrawdown,
    dailyTarget: lower(fleet.dailyTarget, both.dailyTarget),
    stopAtDailyTarget: fleet.stopAtDailyTarget || both.stopAtDailyTarget,
    allowedSymbols: commonSymbols(fleet, both),
    offWatchlistAllowed: fleet.offWatchlistAllowed && both.offWatchlistAllowed,
    maxOrdersPerMinute: ofNumbers(Math.min, fleet.maxOrdersPerMinute, both.maxOrdersPerMinute),
    maxPriceAgeMs: ofNumbers(Math.min, fleet.maxPriceAgeMs, both.maxPriceAgeMs),
    maxEquityAgeMs: ofNumbers(Math.min, fleet.maxEquityAgeMs, both.maxEquityAgeMs),
    breakerRules: [...fleetRules, ...both.breakerRules],
  }
}

function lower(a: Decimal | null, b: Decimal | null): Decimal | null {
  if (a === null || b === null) return a ?? b
  return b.lt(a) ? b : a
}

function ofNumbers(choose: (a: number, b: number) => number, a: number | null, b: number | null) {
  return a === null || b === null ? (a ?? b) : choose(a, b)
}

type Watchlist = Pick<RiskLimits<NamedRule>, 'allowedSymbols' | 'offWatchlistAllowed'>

function commonSymbols(fleet: Watchlist, bot: Watchlist): readonly string[] | null {
  const sides = [fleet, bot]
  const restricting = sides.filter((side) => !side.offWatchlistAllowed)
  const [first, ...rest] = (restricting.length > 0 ? restricting : sides).flatMap(({ allowedSymbols }) =>
    allowedSymbols === null ? [] : [allowedSymbols],
  )
  if (first === undefined) return null
  return first.filter((symbol) => rest.every((symbols) => symbols.includes(symbol)))
}

/** True if the watchlist lets a symbol pass. */
export function isOnWatchlist(limits: Watchlist, symbol: string): boolean {
  const { allowedSymbols, offWatchlistAllowed } = limits
  return offWatchlistAllowed || allowedSymbols === null || allowedSymbols.includes(symbol)
}
