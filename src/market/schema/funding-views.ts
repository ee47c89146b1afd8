import { boolean, integer } from 'drizzle-orm/pg-core'
import { counter, decimal, instant, label, quotient } from '../../db/columns.ts'
import { market } from './values.ts'

// Its SQL is in the migrations: drizzle-kit compares only what it can parse.

/**
 * What the funding rates of each symbol were like over the last 24 hours, 7 days and 30 days, as of the transaction's start.
 *
 * A window holds the settled rates whose hour lies in it, the present moment included. A figure of an empty one is null, a
 * count zero. The same for another moment: the SQL function `market.funding_rate_analysis_at`.
 */
export const fundingRateAnalysis = market
  .view('funding_rate_analysis', {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    /** The newest rate, settled or estimated: a fraction per interval. */
    currentRate: decimal('current_rate').notNull(),
    /** A fraction per year of 365 days, not compounded, as are the means below. */
    currentAnnualisedRate: quotient('current_annualised_rate').notNull(),
    currentIsEstimated: boolean('current_is_estimated').notNull(),
    /** Hours that the newest rate is for. */
    intervalHours: integer('interval_hours').notNull(),
    /** The hour of the newest rate. */
    lastFundingTime: instant('last_funding_time').notNull(),
    /** Of the rates as they are, whatever their intervals. */
    meanRate24h: quotient('mean_rate_24h'),
    meanRate7d: quotient('mean_rate_7d'),
    meanRate30d: quotient('mean_rate_30d'),
    /** Each rate counts for its hours: what holding cost a long position, per year. To compare symbols by. */
    meanAnnualisedRate24h: quotient('mean_annualised_rate_24h'),
    meanAnnualisedRate7d: quotient('mean_annualised_rate_7d'),
    meanAnnualisedRate30d: quotient('mean_annualised_rate_30d'),
    highestRate24h: decimal('highest_rate_24h'),
    lowestRate24h: decimal('lowest_rate_24h'),
    highestRate30d: decimal('highest_rate_30d'),
    lowestRate30d: decimal('lowest_rate_30d'),
    /** Rates above 0.0005, and below −0.0005. */
    extremePositiveCount7d: counter('extreme_positive_count_7d').notNull(),
    extremeNegativeCount7d: counter('extreme_negative_count_7d').notNull(),
    rateCount24h: counter('rate_count_24h').notNull(),
    rateCount7d: counter('rate_count_7d').notNull(),
    rateCount30d: counter('rate_count_30d').notNull(),
  })
  .existing()
