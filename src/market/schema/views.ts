import { boolean, doublePrecision, integer } from 'drizzle-orm/pg-core'
import { counter, decimal, instant, label, quotient } from '../../db/columns.ts'
import { TIMEFRAMES } from '../timeframes.ts'
import { FEAR_GREED_CLASSES } from './sentiment.ts'
import { market } from './values.ts'

// Their SQL is in the migrations: drizzle-kit compares only what it can parse.

/**
 * Each series that has a candle, with its last one, the 24 hours up to it, and the funding rate and mood of the moment.
 *
 * Ask for one exchange and symbol: it then reads that series alone. The 24 hours begin after the candle that opened 24 hours
 * before the last one, and include a last candle that is still forming. Where that candle is missing, the change is
 * against the last one stored before it: `comparedOpenTime` tells how old that is. What concerns 24 hours is null for
 * timeframes longer than a day.
 */
export const marketSummary = market
  .view('summary', {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    timeframe: label('timeframe', TIMEFRAMES).notNull(),
    /** The last candle. Prices are in quote currency per unit. */
    openTime: instant('open_time').notNull(),
    open: decimal('open').notNull(),
    high: decimal('high').notNull(),
    low: decimal('low').notNull(),
    close: decimal('close').notNull(),
    /** In base currency, or contracts where the exchange counts those. */
    volume: decimal('volume').notNull(),
    /** False while the candle is still forming. */
    complete: boolean('complete').notNull(),
    /** (close − open) / open of the last candle: 0.05 is five per cent. */
    changeFraction: quotient('change_fraction').notNull(),
    /** Close against the close of 24 hours before, as a fraction of that. Null if no candle is that old. */
    changeFraction24h: quotient('change_fraction_24h'),
    /** When the candle opened that the last one is compared with. */
    comparedOpenTime: instant('compared_open_time'),
    high24h: decimal('high_24h'),
    low24h: decimal('low_24h'),
    volume24h: quotient('volume_24h'),
    /** The newest rate of the symbol, settled or estimated: a fraction per interval. Null if it has none, as for spot. */
    fundingRate: decimal('funding_rate'),
    /** A fraction per year of 365 days, not compounded. */
    fundingAnnualisedRate: quotient('funding_annualised_rate'),
    fundingTime: instant('funding_time'),
    fundingIsEstimated: boolean('funding_is_estimated'),
    /** The reading measured last, of whatever source. All four are null if there is none. */
    fearGreedSource: label('fear_greed_source'),
    /** 0, extreme fear, to 100, extreme greed. */
    fearGreedValue: integer('fear_greed_value'),
    fearGreedClass: label('fear_greed_class', FEAR_GREED_CLASSES),
    fearGreedMeasuredAt: instant('fear_greed_measured_at'),
    /** When the last close was seen: when the candle closed, or, while it is not complete, when it was recorded. */
    lastPriceAt: instant('last_price_at').notNull(),
  })
  .existing()

/**
 * How much each series moved in the 24 hours, 7 days and 30 days before its last candle closed: a row for each.
 *
 * Only complete candles count. A return is that from one stored candle to the next, both in the window: over a gap it is one
 * return, however long the gap, so gaps make the deviation larger. All but the volumes are doubles: statistics, no amounts.
 */
export const marketVolatility = market
  .view('volatility', {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    timeframe: label('timeframe', TIMEFRAMES).notNull(),
    /** 24, 168 or 720. */
    windowHours: integer('window_hours').notNull(),
    /** Candles that opened from then on… */
    from: instant('from_time').notNull(),
    /** …and before then. */
    until: instant('until_time').notNull(),
    candleCount: counter('candle_count').notNull(),
    returnCount: counter('return_count').notNull(),
    /** Sample standard deviation of ln(close / close before), per candle. Null under two returns. */
    logReturnDeviation: doublePrecision('log_return_deviation'),
    /** The same times √(candles of the timeframe in 365 days; 12 months). */
    annualisedVolatility: doublePrecision('annualised_volatility'),
    /** Mean of (high − low) / low: a fraction. Null without a candle. */
    meanRange: doublePrecision('mean_range'),
    /** Sample standard deviation of (high − low) / low. Null under two candles. */
    rangeDeviation: doublePrecision('range_deviation'),
    /** In base currency, or contracts where the exchange counts those. Null without a candle. */
    meanVolume: quotient('mean_volume'),
    maxVolume: decimal('max_volume'),
  })
  .existing()

/** What a series of candles is compared with. */
export const COUNTERPART_KINDS = ['candles', 'fear_greed', 'funding_rate'] as const
export type CounterpartKind = (typeof COUNTERPART_KINDS)[number]

/**
 * How the daily log returns of each symbol went with something else, over the 90 days before the last candle closed.
 *
 * - `candles`: the returns of another daily series, over the days that both have. Each pair is there once, the one whose
 *   exchange and symbol sort first as `exchange` and `symbol`: to see all pairs of a symbol, ask for either side.
 * - `fear_greed`: the changes of an index from day to day, each day with its last reading.
 * - `funding_rate`: the mean funding of each day on the same exchange, per year: the level of it, not its changes. Only
 *   symbols that have funding rates.
 *
 * Only complete candles and settled rates count. Ask for an exchange and symbol: all of them are n²/2 pairs.
 */
export const marketCorrelation = market
  .view('correlation', {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    counterpartKind: label('counterpart_kind', COUNTERPART_KINDS).notNull(),
    /** Null for `fear_greed`, as is its symbol. */
    counterpartExchange: label('counterpart_exchange'),
    counterpartSymbol: label('counterpart_symbol'),
    /** Who publishes the index. Null but for `fear_greed`. */
    counterpartSource: label('counterpart_source'),
    /** Candles that opened from then on… */
    from: instant('from_time').notNull(),
    /** …and before then. Of two series, the later end. */
    until: instant('until_time').notNull(),
    /** Pearson's, −1 to 1. Null under two pairs, and where one side does not vary. */
    coefficient: doublePrecision('coefficient'),
    /** Pairs of returns that it was made of. */
    pairCount: counter('pair_count').notNull(),
  })
  .existing()
