import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  date,
  doublePrecision,
  foreignKey,
  index,
  integer,
  primaryKey,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { isFiniteDouble, isFraction, risk } from './values.ts'

/**
 * What one bot was worth when it was looked at last on one day of UTC, and how far below its peak. The peak is carried from row to row, across days and
 * restarts.
 *
 * Drawdown is of flow-adjusted equity: `growth` is what one unit of currency became, so that a deposit is no profit and a
 * withdrawal no loss.
 */
export const drawdowns = risk.table(
  'drawdowns',
  {
    botId: label('bot_id').notNull(),
    day: date('day', { mode: 'string' }).notNull(),
    observedAt: instant('observed_at').notNull(),
    /** In the bot's base currency. Negative when in debt. */
    equity: quotient('equity').notNull(),
    /** Deposits less withdrawals that were counted on this day so far, in base currency, whenever they happened. */
    flows: quotient('flows').notNull(),
    growth: quotient('growth').notNull(),
    peakGrowth: quotient('peak_growth').notNull(),
    peakAt: instant('peak_at').notNull(),
    /** 1 − growth / peak growth: 0 at the peak, 0.2 a fifth below it. */
    drawdownFraction: quotient('drawdown_fraction').notNull(),
    /** The deepest of this day, and of all days so far. */
    dayMaxDrawdownFraction: quotient('day_max_drawdown_fraction').notNull(),
    maxDrawdownFraction: quotient('max_drawdown_fraction').notNull(),
    maxDrawdownAt: instant('max_drawdown_at').notNull(),
    /** The peak since a human last resolved or overrode a drawdown breaker: what the breaker and the limit look at. */
    watchedPeakGrowth: quotient('watched_peak_growth').notNull(),
    watchedSince: instant('watched_since').notNull(),
    watchedDrawdownFraction: quotient('watched_drawdown_fraction').notNull(),
  },
  (one) => [
    // Serves getDrawdown, recordDrawdown, isTradingAllowed and placeOrder: the last day of a bot.
    primaryKey({ name: 'drawdowns_pkey', columns: [one.botId, one.day] }),
    foreignKey({ name: 'drawdowns_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    check('drawdowns_equity_check', isFiniteAmount(one.equity)),
    check('drawdowns_flows_check', isFiniteAmount(one.flows)),
    check('drawdowns_growth_check', isFiniteAmount(one.growth)),
    check('drawdowns_peak_growth_check', isPositive(one.peakGrowth)),
    check('drawdowns_drawdown_fraction_check', isNotNegative(one.drawdownFraction)),
    check('drawdowns_watched_drawdown_fraction_check', isNotNegative(one.watchedDrawdownFraction)),
  ],
)

export const LEVELS = ['low', 'medium', 'high', 'critical'] as const
export type RiskLevel = (typeof LEVELS)[number]

/** The risk of one bot on one day, as it was calculated last. Replaced in place. */
export const riskMetrics = risk.table(
  'metrics',
  {
    botId: label('bot_id').notNull(),
    day: date('day', { mode: 'string' }).notNull(),
    winRate: doublePrecision('win_rate'),
    profitFactor: doublePrecision('profit_factor'),
    maxDrawdownFraction: doublePrecision('max_drawdown_fraction'),
    sharpe: doublePrecision('sharpe'),
    sortino: doublePrecision('sortino'),
    /** In base currency. */
    exposure: quotient('exposure'),
    leverage: doublePrecision('leverage'),
    /** Sum of the squared shares of exposure: 1 for a single position. */
    concentration: doublePrecision('concentration'),
    valueAtRiskFraction: doublePrecision('value_at_risk_fraction'),
    /** 0 to 100. */
    riskScore: doublePrecision('risk_score'),
    riskLevel: label('risk_level', LEVELS),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordRiskMetrics and listRiskMetrics.
    primaryKey({ name: 'metrics_pkey', columns: [one.botId, one.day] }),
    foreignKey({ name: 'metrics_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    check('metrics_win_rate_check', isFraction(one.winRate)),
    check('metrics_profit_factor_check', isFiniteDouble(one.profitFactor)),
    check('metrics_max_drawdown_fraction_check', isFraction(one.maxDrawdownFraction)),
    check('metrics_sharpe_check', isFiniteDouble(one.sharpe)),
    check('metrics_sortino_check', isFiniteDouble(one.sortino)),
    check('metrics_exposure_check', isNotNegative(one.exposure)),
    check('metrics_leverage_check', isFiniteDouble(one.leverage)),
    check('metrics_concentration_check', isFraction(one.concentration)),
    check('metrics_value_at_risk_fraction_check', isFiniteDouble(one.valueAtRiskFraction)),
    check('metrics_risk_score_check', sql`${one.riskScore} between 0 and 100`),
    check('metrics_risk_level_check', isOneOf(one.riskLevel, LEVELS)),
  ],
)

export const VALUE_AT_RISK_METHODS = ['historical', 'parametric', 'expected_shortfall'] as const
export type ValueAtRiskMethod = (typeof VALUE_AT_RISK_METHODS)[number]

export const symbolListSchema = z.array(z.string())

/** One calculation of what a bot's positions may lose. Never changes. */
export const varCalculations = risk.table(
  'var_calculations',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    method: label('method', VALUE_AT_RISK_METHODS).notNull(),
    /** 0.95: a loss that 95 of 100 periods stay below. */
    confidence: doublePrecision('confidence').notNull(),
    horizonDays: doublePrecision('horizon_days').notNull(),
    sampleSize: integer('sample_size').notNull(),
    /** True below 30 returns. */
    smallSample: boolean('small_sample').notNull(),
    /** Of the positions it was calculated for, in base currency. */
    portfolioValue: quotient('portfolio_value').notNull(),
    /** The loss, in base currency; negative where the figure is a gain. Null where nothing can be said. */
    value: quotient('value'),
    fraction: doublePrecision('fraction'),
    /** Symbols held that could not be priced or had no returns, and are not in the figure. */
    unpriced: json('unpriced', symbolListSchema).notNull(),
    calculatedAt: instant('calculated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'var_calculations_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'var_calculations_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves listValueAtRisk: newest first for one bot.
    index('var_calculations_calculated_at_idx').on(
      one.botId,
      one.calculatedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('var_calculations_method_check', isOneOf(one.method, VALUE_AT_RISK_METHODS)),
    check('var_calculations_confidence_check', sql`${one.confidence} > 0 and ${one.confidence} < 1`),
    check(
      'var_calculations_horizon_days_check',
      sql`${one.horizonDays} > 0 and ${one.horizonDays} < 'Infinity'::float8`,
    ),
    check('var_calculations_sample_size_check', sql`${one.sampleSize} >= 0`),
    check('var_calculations_portfolio_value_check', isFiniteAmount(one.portfolioValue)),
    check('var_calculations_value_check', isFiniteAmount(one.value)),
    check('var_calculations_fraction_check', isFiniteDouble(one.fraction)),
    check('var_calculations_unpriced_check', sql`jsonb_typeof(${one.unpriced}) = 'array'`),
  ],
)

/** One entry per pair: coefficient from −1 to 1, null where it is undefined, and the number of pairs of returns. */
export const correlationsSchema = z.array(
  z.object({ a: z.string(), b: z.string(), coefficient: z.number().nullable(), pairs: z.int() }),
)
export type Correlations = z.output<typeof correlationsSchema>

/** One calculation of how symbols move together. Of the market, not of a bot. Never changes. */
export const correlationMatrices = risk.table(
  'correlation_matrices',
  {
    id: uuid('id').notNull(),
    exchange: label('exchange').notNull(),
    symbols: json('symbols', symbolListSchema).notNull(),
    timeframe: label('timeframe').notNull(),
    fromTime: instant('from_time').notNull(),
    untilTime: instant('until_time').notNull(),
    correlations: json('correlations', correlationsSchema).notNull(),
    calculatedAt: instant('calculated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'correlation_matrices_pkey', columns: [one.id] }),
    // Serves listCorrelations: newest first for one exchange.
    index('correlation_matrices_calculated_at_idx').on(
      one.exchange,
      one.calculatedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('correlation_matrices_exchange_check', isNotBlank(one.exchange)),
    check('correlation_matrices_symbols_check', sql`jsonb_typeof(${one.symbols}) = 'array'`),
    check('correlation_matrices_correlations_check', sql`jsonb_typeof(${one.correlations}) = 'array'`),
  ],
)

/** The volatility of a symbol as somebody calculated it. Replaced in place; a stale one counts as absent. */
export const symbolVolatility = risk.table(
  'volatility',
  {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    windowDays: integer('window_days').notNull(),
    /** Standard deviation of daily log returns: 0.03 is three per cent a day. */
    volatility: doublePrecision('volatility').notNull(),
    sampleSize: counter('sample_size').notNull(),
    calculatedAt: instant('calculated_at').notNull(),
  },
  (one) => [
    // Serves getSymbolVolatility.
    primaryKey({ name: 'volatility_pkey', columns: [one.exchange, one.symbol, one.windowDays] }),
    check('volatility_exchange_check', isNotBlank(one.exchange)),
    check('volatility_symbol_check', isNotBlank(one.symbol)),
    check('volatility_window_days_check', sql`${one.windowDays} > 0`),
    check(
      'volatility_volatility_check',
      sql`${one.volatility} >= 0 and ${one.volatility} < 'Infinity'::float8`,
    ),
    check('volatility_sample_size_check', sql`${one.sampleSize} > 0`),
  ],
)

/** How much of a symbol can be traded, as somebody measured it. Replaced in place; a stale one counts as absent. */
export const symbolLiquidity = risk.table(
  'liquidity',
  {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    /** Traded in a day, in quote currency. Null where not measured. */
    dailyVolume: quotient('daily_volume'),
    /** (ask − bid) / mid. Null where not measured. */
    spreadFraction: doublePrecision('spread_fraction'),
    /** 0 to 1, in the measurer's own terms. */
    score: doublePrecision('score').notNull(),
    measuredAt: instant('measured_at').notNull(),
  },
  (one) => [
    // Serves getSymbolLiquidity.
    primaryKey({ name: 'liquidity_pkey', columns: [one.exchange, one.symbol] }),
    check('liquidity_exchange_check', isNotBlank(one.exchange)),
    check('liquidity_symbol_check', isNotBlank(one.symbol)),
    check('liquidity_daily_volume_check', isNotNegative(one.dailyVolume)),
    check(
      'liquidity_spread_fraction_check',
      sql`${one.spreadFraction} >= 0 and ${one.spreadFraction} < 'Infinity'::float8`,
    ),
    check('liquidity_score_check', isFraction(one.score)),
  ],
)
