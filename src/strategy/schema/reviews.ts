import { sql } from 'drizzle-orm'
import {
  check,
  date,
  doublePrecision,
  foreignKey,
  index,
  integer,
  primaryKey,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { instant, isNotBlank, isObject, isOneOf, isShare, json, label, NOW } from '../../db/columns.ts'
import { strategies } from './strategies.ts'
import {
  documentSchema,
  GRADES,
  type Grade,
  isList,
  REVIEW_DECISIONS,
  REVIEW_STATUSES,
  type ReviewDecision,
  type ReviewStatus,
  strategy,
} from './values.ts'

const EMPTY = sql`'{}'::jsonb`
const NONE = sql`'[]'::jsonb`

/** A review of a strategy: asked for, then completed or dismissed, once. */
export const reviews = strategy.table(
  'reviews',
  {
    id: uuid('id').notNull(),
    strategyId: uuid('strategy_id').notNull(),
    status: label<ReviewStatus>('status', REVIEW_STATUSES).notNull().default('requested'),
    /** Who asked for it, and why. Null for one that nobody asked for. */
    requestedBy: label('requested_by'),
    requestReason: label('request_reason'),
    /** Who completed or dismissed it; null while requested. */
    reviewer: label('reviewer'),
    grade: label<Grade>('grade', GRADES),
    /** What is to be done. Null unless completed. */
    decision: label<ReviewDecision>('decision', REVIEW_DECISIONS),
    /** 0 to 1. */
    confidence: doublePrecision('confidence'),
    scores: json('scores', documentSchema).notNull().default(EMPTY),
    summary: label('summary'),
    recommendations: label('recommendations'),
    payload: json('payload', documentSchema).notNull().default(EMPTY),
    requestedAt: instant('requested_at').notNull().default(NOW),
    /** When it was completed or dismissed. */
    reviewedAt: instant('reviewed_at'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'reviews_id_pkey', columns: [one.id] }),
    foreignKey({
      name: 'reviews_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves listReviews: newest first.
    index('reviews_requested_at_id_idx').on(one.requestedAt.desc().nullsFirst(), one.id.desc().nullsFirst()),
    // Serves listReviews of one strategy.
    index('reviews_strategy_id_requested_at_id_idx').on(
      one.strategyId,
      one.requestedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('reviews_status_check', isOneOf(one.status, REVIEW_STATUSES)),
    check('reviews_requested_by_check', isNotBlank(one.requestedBy)),
    check('reviews_reviewer_check', isNotBlank(one.reviewer)),
    check('reviews_confidence_check', isShare(one.confidence)),
    check('reviews_scores_check', isObject(one.scores)),
    check('reviews_payload_check', isObject(one.payload)),
    check(
      'reviews_decision_check',
      sql`${isOneOf(one.decision, REVIEW_DECISIONS)} and (${one.status} = 'completed') = (${one.decision} is not null)`,
    ),
    check(
      'reviews_grade_check',
      sql`${one.grade} is null or (${isOneOf(one.grade, GRADES)} and ${one.status} = 'completed')`,
    ),
    check(
      'reviews_reviewed_at_check',
      sql`(${one.status} = 'requested') = (${one.reviewedAt} is null) and (${one.status} = 'requested') = (${one.reviewer} is null)`,
    ),
  ],
)

/** How often each value was given. */
export const distributionSchema = z.record(z.string(), z.int().min(0))
export type Distribution = z.output<typeof distributionSchema>

/** Strategies, each with whatever is said of it. */
export const summaryListSchema = z.array(z.json())

/** What the reviews of one day came to. A later summary of the day replaces it. */
export const reviewSummaries = strategy.table(
  'review_summaries',
  {
    id: uuid('id').notNull(),
    reviewedOn: date('reviewed_on', { mode: 'string' }).notNull(),
    gradeDistribution: json('grade_distribution', distributionSchema).notNull().default(EMPTY),
    decisionDistribution: json('decision_distribution', distributionSchema).notNull().default(EMPTY),
    totalReviewed: integer('total_reviewed').notNull(),
    /** 0 to 1; null where nothing was reviewed. */
    averageConfidence: doublePrecision('average_confidence'),
    topPerformers: json('top_performers', summaryListSchema).notNull().default(NONE),
    needingAttention: json('needing_attention', summaryListSchema).notNull().default(NONE),
    marketRegime: json('market_regime', documentSchema).notNull().default(EMPTY),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'review_summaries_id_pkey', columns: [one.id] }),
    // Serves recordReviewSummary and getReviewSummary.
    unique('review_summaries_reviewed_on_key').on(one.reviewedOn),
    check('review_summaries_grade_distribution_check', isObject(one.gradeDistribution)),
    check('review_summaries_decision_distribution_check', isObject(one.decisionDistribution)),
    check('review_summaries_total_reviewed_check', sql`${one.totalReviewed} >= 0`),
    check('review_summaries_average_confidence_check', isShare(one.averageConfidence)),
    check('review_summaries_top_performers_check', isList(one.topPerformers)),
    check('review_summaries_needing_attention_check', isList(one.needingAttention)),
    check('review_summaries_market_regime_check', isObject(one.marketRegime)),
  ],
)
