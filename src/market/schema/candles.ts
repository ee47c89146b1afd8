import { sql } from 'drizzle-orm'
import { bigint, boolean, check, doublePrecision, foreignKey, primaryKey, unique } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  decimal,
  instant,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { TIMEFRAMES } from '../timeframes.ts'
import { isFiniteDouble, isKey, market } from './values.ts'

const seriesId = (name: string) => bigint(name, { mode: 'number' })

/**
 * The candles of one symbol in one timeframe. Made with the first of them; its name never changes, and it is not removed.
 *
 * It keeps what is asked of the series as a whole, so that nobody has to read candles for that. `recordCandles` keeps it
 * true, and locks it: candles of one series have one writer at a time.
 */
export const series = market.table(
  'series',
  {
    id: seriesId('id').notNull().generatedAlwaysAsIdentity(),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    timeframe: label('timeframe', TIMEFRAMES).notNull(),
    /** Null while there is no candle, as are the others. */
    firstOpenTime: instant('first_open_time'),
    lastOpenTime: instant('last_open_time'),
    /** The close of the last candle, in quote currency. */
    lastClose: decimal('last_close'),
    lastIsComplete: boolean('last_is_complete'),
    /** When that price was seen: when the last candle closed, or, while it is not complete, when it was recorded. */
    lastPriceAt: instant('last_price_at'),
    candleCount: counter('candle_count').notNull().default(sql`0`),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'series_id_pkey', columns: [one.id] }),
    // Serves getCandles, getLatestCandle, getLatestPrice, listCandleSeries and recordCandles.
    unique('series_exchange_symbol_timeframe_key').on(one.exchange, one.symbol, one.timeframe),
    check('series_exchange_check', isKey(one.exchange)),
    check('series_symbol_check', isKey(one.symbol)),
    check('series_timeframe_check', isOneOf(one.timeframe, TIMEFRAMES)),
    check('series_candle_count_check', sql`${one.candleCount} >= 0`),
    check('series_last_close_check', isPositive(one.lastClose)),
  ],
)

/**
 * What was traded from `open_time` until the next candle of its series opens. Partitioned by `open_time`.
 *
 * A complete candle is final: one that is still forming does not replace it, another complete one does. Nothing refers to
 * candles, and they refer to their series by its id alone: checking a reference took longer than writing the row.
 */
export const candles = market.table(
  'candles',
  {
    seriesId: seriesId('series_id').notNull(),
    openTime: instant('open_time').notNull(),
    /** False while the candle is still forming. */
    complete: boolean('complete').notNull(),
    /** True once a later report replaced the first. */
    revised: boolean('revised').notNull().default(false),
    /** Prices are in quote currency per unit. Positive. */
    open: decimal('open').notNull(),
    high: decimal('high').notNull(),
    low: decimal('low').notNull(),
    close: decimal('close').notNull(),
    /** In base currency, or contracts where the exchange counts those. */
    volume: decimal('volume').notNull(),
    /** In quote currency. Null where the exchange does not tell, as are the three below. */
    quoteVolume: decimal('quote_volume'),
    /** The part of `volume` that takers bought. */
    takerBuyVolume: decimal('taker_buy_volume'),
    takerBuyQuoteVolume: decimal('taker_buy_quote_volume'),
    tradeCount: counter('trade_count'),
    /** Where the report came from, if that was said. */
    source: label('source'),
  },
  (candle) => [
    // Serves getCandles, getLatestCandle, getInexactCandles, resampleCandles, findCandleGaps, recordCandles,
    // getMarketSummary, getVolatility and getMarketCorrelation.
    primaryKey({ name: 'candles_series_id_open_time_pkey', columns: [candle.seriesId, candle.openTime] }),
    check('candles_open_check', isPositive(candle.open)),
    check(
      'candles_high_check',
      sql`${candle.high} >= greatest(${candle.open}, ${candle.close}) and ${candle.high} < 'Infinity'::numeric`,
    ),
    check(
      'candles_low_check',
      sql`${candle.low} <= least(${candle.open}, ${candle.close}) and ${candle.low} > 0`,
    ),
    check('candles_close_check', isPositive(candle.close)),
    check('candles_volume_check', isNotNegative(candle.volume)),
    check('candles_quote_volume_check', isNotNegative(candle.quoteVolume)),
    check('candles_taker_buy_volume_check', isNotNegative(candle.takerBuyVolume)),
    check('candles_taker_buy_quote_volume_check', isNotNegative(candle.takerBuyQuoteVolume)),
    check('candles_trade_count_check', sql`${candle.tradeCount} >= 0`),
  ],
)

/** Further indicators by name, as `{ "ema_21": 101.5 }`. */
export const indicatorValuesSchema: z.ZodType<Record<string, number>> = z.record(
  z.string().min(1).max(100),
  z.number(),
)

/**
 * Values calculated from a series up to and including the candle at `open_time`. A later report of the same candle replaces
 * it. They are doubles: statistics, not amounts.
 */
export const indicators = market.table(
  'indicators',
  {
    seriesId: seriesId('series_id').notNull(),
    openTime: instant('open_time').notNull(),
    /** 0 to 100. Each is null if it was not calculated. */
    rsi14: doublePrecision('rsi_14'),
    /** In quote currency, as are the five below. */
    sma50: doublePrecision('sma_50'),
    sma200: doublePrecision('sma_200'),
    macd: doublePrecision('macd'),
    macdSignal: doublePrecision('macd_signal'),
    macdHistogram: doublePrecision('macd_histogram'),
    atr: doublePrecision('atr'),
    values: json('values', indicatorValuesSchema).notNull().default(sql`'{}'::jsonb`),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves getLatestIndicators, listIndicators and recordIndicators.
    primaryKey({ name: 'indicators_series_id_open_time_pkey', columns: [one.seriesId, one.openTime] }),
    foreignKey({ name: 'indicators_series_id_fkey', columns: [one.seriesId], foreignColumns: [series.id] }),
    check('indicators_rsi_14_check', sql`${one.rsi14} >= 0 and ${one.rsi14} <= 100`),
    check('indicators_sma_50_check', isFiniteDouble(one.sma50)),
    check('indicators_sma_200_check', isFiniteDouble(one.sma200)),
    check('indicators_macd_check', isFiniteDouble(one.macd)),
    check('indicators_macd_signal_check', isFiniteDouble(one.macdSignal)),
    check('indicators_macd_histogram_check', isFiniteDouble(one.macdHistogram)),
    check('indicators_atr_check', sql`${one.atr} >= 0 and ${isFiniteDouble(one.atr)}`),
    check('indicators_values_check', isObject(one.values)),
  ],
)
