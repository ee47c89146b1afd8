import { type SQLWrapper, sql } from 'drizzle-orm'
import { boolean, check, doublePrecision, foreignKey, integer, primaryKey } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  decimal,
  instant,
  isNotBlank,
  isNotNegative,
  isPositive,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { breakerRulesSchema } from './breaker-rules.ts'
import { isFraction, risk } from './values.ts'

export const symbolsSchema = z.array(z.string().min(1))

/** What is set, the same for the fleet and for one bot. A limit that is null does not limit. */
const settingColumns = {
  /** False: nobody (or not this bot) places an entry. */
  tradingEnabled: boolean('trading_enabled').notNull(),
  /** An entry must come with at least this confidence, 0 to 1. */
  minConfidence: doublePrecision('min_confidence'),
  /** Of one order, in the bot's base currency. */
  maxOrderNotional: decimal('max_order_notional'),
  /** Of one order, in base currency of the symbol or contracts. */
  maxQuantity: decimal('max_quantity'),
  /** Symbols held or about to be held at once, long and short sides of a hedged symbol counted apart. */
  maxOpenPositions: integer('max_open_positions'),
  /** Of all positions and pending entries together, in the bot's base currency. */
  maxExposure: decimal('max_exposure'),
  /** Exposure / equity. */
  maxLeverage: decimal('max_leverage'),
  /** Realised net loss of the bot's day that stops entries, in its base currency. Positive. */
  maxDailyLoss: decimal('max_daily_loss'),
  /** Drawdown of flow-adjusted equity that stops entries: 0.2 is a fifth below the peak. */
  maxDrawdownFraction: decimal('max_drawdown_fraction'),
  /** True: the drawdown trips a circuit breaker as well, which only a human resolves. */
  haltOnDrawdown: boolean('halt_on_drawdown').notNull(),
  /** Realised net profit of the bot's day that is enough, in its base currency. Positive. */
  dailyTarget: decimal('daily_target'),
  /** True: no more entries on a day that reached its target. */
  stopAtDailyTarget: boolean('stop_at_daily_target').notNull(),
  /** The watchlist. Null: any symbol. */
  allowedSymbols: json('allowed_symbols', symbolsSchema),
  /** True: symbols beside the watchlist may be traded too. */
  offWatchlistAllowed: boolean('off_watchlist_allowed').notNull(),
  maxOrdersPerMinute: integer('max_orders_per_minute'),
  /** Older prices are no prices: what must be valued then counts as unknown, and is refused. Null: 1 hour. */
  maxPriceAgeMs: integer('max_price_age_ms'),
  /** Older observations of equity do not count for leverage and drawdown. Null: 1 hour. */
  maxEquityAgeMs: integer('max_equity_age_ms'),
  /** What evaluateCircuitBreakers watches. */
  breakerRules: json('breaker_rules', breakerRulesSchema).notNull(),
  /** Who set this version, and why. */
  changedBy: label('changed_by').notNull(),
  reason: label('reason').notNull(),
  changedAt: instant('changed_at').notNull().default(NOW),
}

const limitChecks = (table: string, one: Record<keyof typeof settingColumns, SQLWrapper>) => [
  check(`${table}_min_confidence_check`, isFraction(one.minConfidence)),
  check(`${table}_max_order_notional_check`, isNotNegative(one.maxOrderNotional)),
  check(`${table}_max_quantity_check`, isNotNegative(one.maxQuantity)),
  check(`${table}_max_open_positions_check`, sql`${one.maxOpenPositions} >= 0`),
  check(`${table}_max_exposure_check`, isNotNegative(one.maxExposure)),
  check(`${table}_max_leverage_check`, isNotNegative(one.maxLeverage)),
  check(`${table}_max_daily_loss_check`, isPositive(one.maxDailyLoss)),
  check(
    `${table}_max_drawdown_fraction_check`,
    sql`${one.maxDrawdownFraction} > 0 and ${one.maxDrawdownFraction} <= 1`,
  ),
  check(`${table}_daily_target_check`, isPositive(one.dailyTarget)),
  check(`${table}_allowed_symbols_check`, sql`jsonb_typeof(${one.allowedSymbols}) = 'array'`),
  check(`${table}_max_orders_per_minute_check`, sql`${one.maxOrdersPerMinute} >= 0`),
  check(`${table}_max_price_age_ms_check`, sql`${one.maxPriceAgeMs} > 0`),
  check(`${table}_max_equity_age_ms_check`, sql`${one.maxEquityAgeMs} > 0`),
  check(`${table}_breaker_rules_check`, sql`jsonb_typeof(${one.breakerRules}) = 'array'`),
  check(`${table}_changed_by_check`, isNotBlank(one.changedBy)),
  check(`${table}_reason_check`, isNotBlank(one.reason)),
]

/**
 * One version of the risk settings of the whole fleet. Never changes; the highest version holds. Without any, nobody trades.
 */
export const globalRiskSettings = risk.table(
  'global_settings',
  { version: counter('version').notNull(), ...settingColumns },
  (one) => [
    // Serves isTradingAllowed and placeOrder: the highest version.
    primaryKey({ name: 'global_settings_pkey', columns: [one.version] }),
    check('global_settings_version_check', sql`${one.version} > 0`),
    ...limitChecks('global_settings', one),
  ],
)

/** One version of the risk settings of one bot. Never changes; the highest holds, and of it and the fleet's the stricter. */
export const riskSettings = risk.table(
  'settings',
  { botId: label('bot_id').notNull(), version: counter('version').notNull(), ...settingColumns },
  (one) => [
    // Serves isTradingAllowed and placeOrder: the highest version.
    primaryKey({ name: 'settings_pkey', columns: [one.botId, one.version] }),
    foreignKey({ name: 'settings_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    check('settings_version_check', sql`${one.version} > 0`),
    ...limitChecks('settings', one),
  ],
)
