import { type SQLWrapper, sql } from 'drizzle-orm'
import { check, doublePrecision, integer, primaryKey } from 'drizzle-orm/pg-core'
import { counter, decimal, instant, isFiniteAmount, label, NOW } from '../../db/columns.ts'
import { isKey, market } from './values.ts'

export const FEAR_GREED_CLASSES = ['extreme_fear', 'fear', 'neutral', 'greed', 'extreme_greed'] as const
export type FearGreedClass = (typeof FEAR_GREED_CLASSES)[number]

const isScore = (column: SQLWrapper) => sql`${column} between 0 and 100`

/**
 * One reading of a Fear & Greed index. A later report of the same moment replaces it. The database derives the class.
 */
export const fearGreed = market.table(
  'fear_greed',
  {
    /** Who publishes the index: `alternative.me`, say. */
    source: label('source').notNull(),
    measuredAt: instant('measured_at').notNull(),
    /** 0, extreme fear, to 100, extreme greed. */
    value: integer('value').notNull(),
    /** 0–25 extreme_fear, 26–45 fear, 46–55 neutral, 56–75 greed, 76–100 extreme_greed. */
    class: label<FearGreedClass>('class')
      .notNull()
      .generatedAlwaysAs(
        sql`case when value <= 25 then 'extreme_fear' when value <= 45 then 'fear' when value <= 55 then 'neutral' when value <= 75 then 'greed' else 'extreme_greed' end`,
      ),
    /** What the source says the value was. Null where it does not, as are the scores. */
    valueYesterday: integer('value_yesterday'),
    valueLastWeek: integer('value_last_week'),
    valueLastMonth: integer('value_last_month'),
    /** The parts that the value is made of, 0 to 100 each. */
    volatilityScore: integer('volatility_score'),
    momentumScore: integer('momentum_score'),
    socialScore: integer('social_score'),
    surveysScore: integer('surveys_score'),
    dominanceScore: integer('dominance_score'),
    trendsScore: integer('trends_score'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordFearGreed, getLatestFearGreed and listFearGreed.
    primaryKey({ name: 'fear_greed_source_measured_at_pkey', columns: [one.source, one.measuredAt] }),
    check('fear_greed_source_check', isKey(one.source)),
    check('fear_greed_value_check', isScore(one.value)),
    check('fear_greed_value_yesterday_check', isScore(one.valueYesterday)),
    check('fear_greed_value_last_week_check', isScore(one.valueLastWeek)),
    check('fear_greed_value_last_month_check', isScore(one.valueLastMonth)),
    check('fear_greed_volatility_score_check', isScore(one.volatilityScore)),
    check('fear_greed_momentum_score_check', isScore(one.momentumScore)),
    check('fear_greed_social_score_check', isScore(one.socialScore)),
    check('fear_greed_surveys_score_check', isScore(one.surveysScore)),
    check('fear_greed_dominance_score_check', isScore(one.dominanceScore)),
    check('fear_greed_trends_score_check', isScore(one.trendsScore)),
  ],
)

/** How one source saw the mood about one asset at a moment. A later report of the same moment replaces it. */
export const sentiment = market.table(
  'sentiment',
  {
    /** A currency, as BTC. */
    asset: label('asset').notNull(),
    source: label('source').notNull(),
    measuredAt: instant('measured_at').notNull(),
    /** −1, all negative, to 1, all positive. */
    score: doublePrecision('score').notNull(),
    /** How many posts or articles it was made of. Null if not known. */
    mentionCount: counter('mention_count'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordSentiment, getLatestSentiment and listSentiment.
    primaryKey({
      name: 'sentiment_asset_source_measured_at_pkey',
      columns: [one.asset, one.source, one.measuredAt],
    }),
    check('sentiment_asset_check', isKey(one.asset)),
    check('sentiment_source_check', isKey(one.source)),
    check('sentiment_score_check', sql`${one.score} between -1 and 1`),
    check('sentiment_mention_count_check', sql`${one.mentionCount} >= 0`),
  ],
)

/** The value of one on-chain metric at a moment. A later report of the same moment replaces it: sources revise them. */
export const onchainMetrics = market.table(
  'onchain_metrics',
  {
    /** A currency, as BTC. */
    asset: label('asset').notNull(),
    /** What was measured, as the source names it: `active_addresses`, say. */
    metric: label('metric').notNull(),
    source: label('source').notNull(),
    measuredAt: instant('measured_at').notNull(),
    /** In the unit of the metric. */
    value: decimal('value').notNull(),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordOnchainMetrics, getLatestOnchainMetric and listOnchainMetrics.
    primaryKey({
      name: 'onchain_metrics_asset_metric_source_measured_at_pkey',
      columns: [one.asset, one.metric, one.source, one.measuredAt],
    }),
    check('onchain_metrics_asset_check', isKey(one.asset)),
    check('onchain_metrics_metric_check', isKey(one.metric)),
    check('onchain_metrics_source_check', isKey(one.source)),
    check('onchain_metrics_value_check', isFiniteAmount(one.value)),
  ],
)
