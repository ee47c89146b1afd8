import { sql } from 'drizzle-orm'
import { boolean, check, doublePrecision, integer, primaryKey, unique, uuid } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  instant,
  isFiniteAmount,
  isNotNegative,
  isOneOf,
  json,
  label,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { BOT_MODES } from '../../fleet/schema.ts'
import { VALUE_AT_RISK_METHODS } from '../../risk/schema/measures.ts'
import { analytics, isFiniteDouble } from './values.ts'

/** What each bot was worth in a snapshot. Amounts are decimal text, in base currency; null where not known. */
export const snapshotBotsSchema = z.array(
  z.object({ botId: z.string(), equity: z.string().nullable(), unrealisedPnl: z.string().nullable() }),
)

/** What was held of each symbol, over all bots. Amounts are decimal text, in base currency. */
export const snapshotSymbolsSchema = z.array(
  z.object({
    exchange: z.string(),
    symbol: z.string(),
    long: z.string(),
    short: z.string(),
    /** False where there were too few candles for the value at risk to count it. */
    isAtRisk: z.boolean(),
  }),
)

/** What was held and could not be valued. */
export const snapshotUnpricedSchema = z.array(z.object({ exchange: z.string(), symbol: z.string() }))

/**
 * The bots of one mode and base currency together, at one moment. Never changes, and there is one of each moment. All money is in
 * the base currency.
 */
export const portfolioSnapshots = analytics.table(
  'portfolio_snapshots',
  {
    id: uuid('id').notNull(),
    takenAt: instant('taken_at').notNull(),
    baseCurrency: label('base_currency').notNull(),
    mode: label('mode', BOT_MODES).notNull(),
    botCount: integer('bot_count').notNull(),
    /** Null while that of one bot is not known. */
    equity: quotient('equity'),
    /** Gross, of all open positions. Null while one has no price. */
    unrealisedPnl: quotient('unrealised_pnl'),
    /** What is held and could be valued. None is negative but net, which is long less short. */
    long: quotient('long').notNull(),
    short: quotient('short').notNull(),
    gross: quotient('gross').notNull(),
    net: quotient('net').notNull(),
    /** Gross / equity. Null while either is not known, and where equity is not greater than zero. */
    leverage: doublePrecision('leverage'),
    /** Sum of the squared shares of gross exposure by symbol: 1 for a single one. Null of nothing, and while something is unpriced. */
    concentration: doublePrecision('concentration'),
    bots: json('bots', snapshotBotsSchema).notNull(),
    symbols: json('symbols', snapshotSymbolsSchema).notNull(),
    unpriced: json('unpriced', snapshotUnpricedSchema).notNull(),
    /** What may be lost, of the positions of all bots together; all null where nothing can be said. */
    valueAtRisk: quotient('value_at_risk'),
    valueAtRiskFraction: doublePrecision('value_at_risk_fraction'),
    valueAtRiskMethod: label('value_at_risk_method', VALUE_AT_RISK_METHODS).notNull(),
    confidence: doublePrecision('confidence').notNull(),
    horizonDays: doublePrecision('horizon_days').notNull(),
    sampleSize: integer('sample_size').notNull(),
    /** True below 30 returns. */
    smallSample: boolean('small_sample').notNull(),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'portfolio_snapshots_pkey', columns: [one.id] }),
    // Serves recordPortfolioSnapshot, and listPortfolioSnapshots from its end.
    unique('portfolio_snapshots_taken_at_key').on(one.mode, one.baseCurrency, one.takenAt),
    check('portfolio_snapshots_mode_check', isOneOf(one.mode, BOT_MODES)),
    check(
      'portfolio_snapshots_value_at_risk_method_check',
      isOneOf(one.valueAtRiskMethod, VALUE_AT_RISK_METHODS),
    ),
    check('portfolio_snapshots_bot_count_check', sql`${one.botCount} >= 0`),
    check('portfolio_snapshots_equity_check', isFiniteAmount(one.equity)),
    check('portfolio_snapshots_long_check', isNotNegative(one.long)),
    check('portfolio_snapshots_short_check', isNotNegative(one.short)),
    check('portfolio_snapshots_leverage_check', isFiniteDouble(one.leverage)),
    check('portfolio_snapshots_bots_check', sql`jsonb_typeof(${one.bots}) = 'array'`),
    check('portfolio_snapshots_symbols_check', sql`jsonb_typeof(${one.symbols}) = 'array'`),
    check('portfolio_snapshots_unpriced_check', sql`jsonb_typeof(${one.unpriced}) = 'array'`),
  ],
)

export const ANALYTICS_VIEWS = ['bot_performance', 'daily_portfolio'] as const
export type AnalyticsView = (typeof ANALYTICS_VIEWS)[number]

/** When a materialised view was refreshed last. No row before the first time. */
export const refreshes = analytics.table(
  'refreshes',
  {
    viewName: label('view_name', ANALYTICS_VIEWS).notNull(),
    /** What the view shows is as of this moment. */
    refreshedAt: instant('refreshed_at').notNull(),
    durationMs: counter('duration_ms').notNull(),
    rowCount: counter('row_count').notNull(),
  },
  (one) => [
    // Serves refreshAnalytics and listRefreshes.
    primaryKey({ name: 'refreshes_pkey', columns: [one.viewName] }),
    check('refreshes_view_name_check', isOneOf(one.viewName, ANALYTICS_VIEWS)),
  ],
)
