import { sql } from 'drizzle-orm'
import { boolean, check, doublePrecision, foreignKey, integer, primaryKey, uuid } from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isNotBlank,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
} from '../../db/columns.ts'
import { indicatorValuesSchema } from '../../market/schema/candles.ts'
import { TIMEFRAMES } from '../../market/timeframes.ts'
import { bundles, snapshots } from './bundles.ts'

const keyColumns = () => ({
  botId: label('bot_id').notNull(),
  bundleId: uuid('bundle_id').notNull(),
  exchange: label('exchange').notNull(),
  symbol: label('symbol').notNull(),
  timeframe: label('timeframe', TIMEFRAMES).notNull(),
  /** Of the candle. */
  openTime: instant('open_time').notNull(),
})

/**
 * The last candle of a series as it was known when a snapshot was taken, with the last price and the funding rate of its symbol. Append-only.
 */
export const snapshotMarket = snapshots.table(
  'market',
  {
    ...keyColumns(),
    /** Prices are in quote currency per unit. */
    open: decimal('open').notNull(),
    high: decimal('high').notNull(),
    low: decimal('low').notNull(),
    close: decimal('close').notNull(),
    /** In base currency, or contracts where the exchange counts those. */
    volume: decimal('volume').notNull(),
    /** False while the candle was still forming. */
    complete: boolean('complete').notNull(),
    /** The close seen last, of whatever timeframe, and when it was seen. */
    lastPrice: decimal('last_price').notNull(),
    lastPriceAt: instant('last_price_at').notNull(),
    /** A fraction per interval. Null for what pays no funding, and where it was missing; so are the three below. */
    fundingRate: decimal('funding_rate'),
    fundingTime: instant('funding_time'),
    fundingIntervalHours: integer('funding_interval_hours'),
    fundingIsEstimated: boolean('funding_is_estimated'),
  },
  (one) => [
    primaryKey({
      name: 'market_pkey',
      columns: [one.botId, one.bundleId, one.exchange, one.symbol, one.timeframe],
    }),
    foreignKey({
      name: 'market_bundle_id_fkey',
      columns: [one.botId, one.bundleId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    check('market_exchange_check', isNotBlank(one.exchange)),
    check('market_symbol_check', isNotBlank(one.symbol)),
    check('market_timeframe_check', isOneOf(one.timeframe, TIMEFRAMES)),
    check('market_open_check', isPositive(one.open)),
    check('market_high_check', isPositive(one.high)),
    check('market_low_check', isPositive(one.low)),
    check('market_close_check', isPositive(one.close)),
    check('market_volume_check', isNotNegative(one.volume)),
    check('market_last_price_check', isPositive(one.lastPrice)),
    check('market_funding_rate_check', sql`${one.fundingRate} > -1 and ${one.fundingRate} < 1`),
    check('market_funding_interval_hours_check', sql`${one.fundingIntervalHours} > 0`),
  ],
)

/** The indicators of a series as they were known when a snapshot was taken. Append-only. They are doubles: statistics, not amounts. */
export const snapshotIndicators = snapshots.table(
  'indicators',
  {
    ...keyColumns(),
    /** 0 to 100. Each is null if it was not calculated. */
    rsi14: doublePrecision('rsi_14'),
    /** In quote currency, as are the five below. */
    sma50: doublePrecision('sma_50'),
    sma200: doublePrecision('sma_200'),
    macd: doublePrecision('macd'),
    macdSignal: doublePrecision('macd_signal'),
    macdHistogram: doublePrecision('macd_histogram'),
    atr: doublePrecision('atr'),
    /** Further ones by name. */
    values: json('values', indicatorValuesSchema).notNull(),
    /** When they were recorded as they are here. */
    recordedAt: instant('recorded_at').notNull(),
  },
  (one) => [
    primaryKey({
      name: 'indicators_pkey',
      columns: [one.botId, one.bundleId, one.exchange, one.symbol, one.timeframe],
    }),
    foreignKey({
      name: 'indicators_bundle_id_fkey',
      columns: [one.botId, one.bundleId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    check('indicators_exchange_check', isNotBlank(one.exchange)),
    check('indicators_symbol_check', isNotBlank(one.symbol)),
    check('indicators_timeframe_check', isOneOf(one.timeframe, TIMEFRAMES)),
    check('indicators_rsi_14_check', sql`${one.rsi14} between 0 and 100`),
    check('indicators_values_check', isObject(one.values)),
  ],
)
