import { sql } from 'drizzle-orm'
import { boolean, check, integer, primaryKey } from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotNegative,
  isPositive,
  label,
  NOW,
  quotient,
  quotientOf,
} from '../../db/columns.ts'
import { isKey, market } from './values.ts'

/** What lies beyond is no rate of one interval, but one given in per cent or basis points. */
const RATE_LIMIT = 1
/** A week: no exchange pays more seldom. */
export const FUNDING_INTERVAL_HOURS_MAX = 168

/**
 * What one interval of holding a perpetual contract cost: longs pay shorts if positive.
 *
 * Exchanges publish a rate some seconds or minutes off the hour, and not twice alike, so the key is the nearest full hour. A
 * settled rate is final; it replaces an estimated one. The database derives basis points, yearly rate and premium.
 */
export const fundingRates = market.table(
  'funding_rates',
  {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    /** The full hour that `published_at` is nearest to; half an hour counts as the next. */
    fundingTime: instant('funding_time').notNull(),
    /** The time that the exchange gave. */
    publishedAt: instant('published_at').notNull(),
    /** Hours that the rate is for. 1 to 168. Exchanges change it, also within a series. */
    intervalHours: integer('interval_hours').notNull(),
    /** A fraction per interval: 0.0001 is one basis point. */
    rate: decimal('rate').notNull(),
    rateBps: quotient('rate_bps').notNull().generatedAlwaysAs(sql`rate * 10000`),
    /** A fraction per year of 365 days, by the interval of this row, not compounded. */
    annualisedRate: quotient('annualised_rate')
      .notNull()
      .generatedAlwaysAs(sql.raw(quotientOf('rate * 8760', 'interval_hours'))),
    /** In quote currency. Null where the exchange does not tell, as are the two below. */
    markPrice: decimal('mark_price'),
    indexPrice: decimal('index_price'),
    /** (mark − index) / index: a fraction. */
    premium: quotient('premium').generatedAlwaysAs(
      sql.raw(quotientOf('mark_price - index_price', 'index_price')),
    ),
    /** What the exchange expects of the next interval. */
    predictedRate: decimal('predicted_rate'),
    /** True until the exchange has settled it. */
    isEstimated: boolean('is_estimated').notNull().default(false),
    source: label('source'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordFundingRates, getLatestFundingRate, listFundingRates and getFundingRateAnalysis.
    primaryKey({
      name: 'funding_rates_exchange_symbol_funding_time_pkey',
      columns: [one.exchange, one.symbol, one.fundingTime],
    }),
    check('funding_rates_exchange_check', isKey(one.exchange)),
    check('funding_rates_symbol_check', isKey(one.symbol)),
    check(
      'funding_rates_funding_time_check',
      sql`${one.fundingTime} = date_bin('1 hour', ${one.publishedAt} + interval '30 minutes', timestamptz '2000-01-01 00:00:00+00')`,
    ),
    check(
      'funding_rates_interval_hours_check',
      sql`${one.intervalHours} between 1 and ${sql.raw(String(FUNDING_INTERVAL_HOURS_MAX))}`,
    ),
    check(
      'funding_rates_rate_check',
      sql`${one.rate} > ${sql.raw(`-${RATE_LIMIT}`)} and ${one.rate} < ${sql.raw(String(RATE_LIMIT))}`,
    ),
    check('funding_rates_mark_price_check', isPositive(one.markPrice)),
    check('funding_rates_index_price_check', isPositive(one.indexPrice)),
    check('funding_rates_predicted_rate_check', isFiniteAmount(one.predictedRate)),
  ],
)

/** How many contracts of a symbol were open at a moment. A later report of the same moment replaces it. */
export const openInterest = market.table(
  'open_interest',
  {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    measuredAt: instant('measured_at').notNull(),
    /** In base currency, or contracts where the exchange counts those. */
    quantity: decimal('quantity').notNull(),
    /** In quote currency. Null where the exchange does not tell. */
    notional: decimal('notional'),
    source: label('source'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordOpenInterest, getLatestOpenInterest and listOpenInterest.
    primaryKey({
      name: 'open_interest_exchange_symbol_measured_at_pkey',
      columns: [one.exchange, one.symbol, one.measuredAt],
    }),
    check('open_interest_exchange_check', isKey(one.exchange)),
    check('open_interest_symbol_check', isKey(one.symbol)),
    check('open_interest_quantity_check', isNotNegative(one.quantity)),
    check('open_interest_notional_check', isNotNegative(one.notional)),
  ],
)
