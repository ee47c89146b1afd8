import { and, desc, eq, getTableColumns, sql } from 'drizzle-orm'
import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { differing, encode, insertRows, optional, recordsOnce } from './record-once.ts'
import { reviews } from './schema/reviews.ts'
import {
  GRADES,
  type Grade,
  REVIEW_DECISIONS,
  REVIEW_STATUSES,
  type ReviewDecision,
  type ReviewStatus,
  type StrategyDocument,
} from './schema/values.ts'
import { toFraction } from './signals.ts'

export type Review = typeof reviews.$inferSelect

export interface RequestReviewInput {
  /** A UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  readonly strategyId: string
  readonly requestedBy: string
  readonly reason?: string | undefined
  readonly payload?: StrategyDocument | undefined
  /** The database's clock if left out. */
  readonly requestedAt?: Date | undefined
}

const requestOnce = recordsOnce('requestReview', reviews, [reviews.id])

/**
 * Asks for a review of a strategy and returns it. Safe to repeat with an `id`, also when it was completed since.
 *
 * @throws `conflict` naming the fields if the id is taken by another review.
 * @throws `missing_reference` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function requestReview(db: Database, input: RequestReviewInput): Promise<Review> {
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const given = {
    id,
    strategyId: toUuid(input.strategyId, 'strategyId'),
    requestedBy: toName(input.requestedBy, 'requestedBy'),
    requestReason: optional(input.reason, 'reason', toName),
    payload: input.payload,
    requestedAt: optional(input.requestedAt, 'requestedAt', toInstant) ?? undefined,
  }
  return (await requestOnce(db, given, `review '${id}'`)).row
}

export interface RecordReviewInput {
  /** That of the request which it answers, or a UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  readonly strategyId: string
  readonly reviewer: string
  readonly decision: ReviewDecision
  readonly grade?: Grade | null | undefined
  /** 0 to 1. */
  readonly confidence?: number | null | undefined
  readonly scores?: StrategyDocument | undefined
  readonly summary?: string | null | undefined
  readonly recommendations?: string | null | undefined
  /** Left out, that of the request stays. */
  readonly payload?: StrategyDocument | undefined
  /** The database's clock if left out. */
  readonly reviewedAt?: Date | undefined
}

const columns = getTableColumns(reviews)
const listed = (alias: string) =>
  sql.raw(
    Object.values(columns)
      .map(({ name }) => `${alias}."${name}"`)
      .join(', '),
  )

type Answer = Review & { readonly isNew: boolean }

// What is stored meanwhile is met by the insert, and looked at by the second round.
const answerStatement: PreparedStatement<Answer, 'rows' | 'id' | 'hasPayload'> = sqlStatement(
  'recordReview',
  (slot) => ({
    query: sql`
      with added as (
        ${insertRows(reviews, slot('rows'))}
        on conflict (id) do update
        set status = excluded.status, reviewer = excluded.reviewer, grade = excluded.grade, decision = excluded.decision,
          confidence = excluded.confidence, scores = excluded.scores, summary = excluded.summary,
          recommendations = excluded.recommendations, reviewed_at = excluded.reviewed_at,
          payload = case when ${slot('hasPayload')}::boolean then excluded.payload else stored.payload end
        where stored.status = 'requested' and stored.strategy_id = excluded.strategy_id
        returning *)
      select true, ${listed('a')} from added a
      union all
      select false, ${listed('s')} from ${reviews} s where s.id = ${slot('id')}::uuid and not exists (select from added)`,
    fields: { isNew: sql<boolean>`is_new`, ...columns },
  }),
)

/**
 * Records a review of a strategy, completed, and returns it: one that was requested if it has its `id`. Safe to repeat with an `id`.
 *
 * @throws `conflict` naming the fields if the id is taken by a review that says something else, or of another strategy.
 * @throws `invalid_transition` if the request was dismissed.
 * @throws `missing_reference` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function recordReview(db: Database, input: RecordReviewInput): Promise<Review> {
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const given = {
    id,
    strategyId: toUuid(input.strategyId, 'strategyId'),
    reviewer: toName(input.reviewer, 'reviewer'),
    decision: toOneOf(input.decision, REVIEW_DECISIONS, 'decision'),
    grade: optional(input.grade, 'grade', (grade, field) => toOneOf(grade, GRADES, field)),
    confidence: optional(input.confidence, 'confidence', toFraction),
    scores: input.scores,
    summary: optional(input.summary, 'summary', toLabel),
    recommendations: optional(input.recommendations, 'recommendations', toLabel),
    payload: input.payload,
    reviewedAt: optional(input.reviewedAt, 'reviewedAt', toInstant) ?? undefined,
  }
  return answer(db, given, 'completed')
}

export interface DismissReviewInput {
  readonly id: string
  readonly strategyId: string
  readonly reviewer: string
  /** Why there is no need of it. */
  readonly summary?: string | null | undefined
}

/**
 * Dismisses a review that was requested and returns it. Safe to repeat.
 *
 * @throws `invalid_transition` if it was completed.
 * @throws `conflict` if it is of another strategy, or was dismissed with other words.
 * @throws `not_found` if nobody has asked for it.
 */
export async function dismissReview(db: Database, input: DismissReviewInput): Promise<Review> {
  const given = {
    id: toUuid(input.id, 'id'),
    strategyId: toUuid(input.strategyId, 'strategyId'),
    reviewer: toName(input.reviewer, 'reviewer'),
    summary: optional(input.summary, 'summary', toLabel),
  }
  const [former] = await many(
    'dismissReview: stored',
    db.select().from(reviews).where(eq(reviews.id, given.id)),
  )
  found(`review '${given.id}'`, former)
  return answer(db, given, 'dismissed')
}

interface AnswerGiven {
  readonly id: string
  readonly strategyId: string
  readonly payload?: StrategyDocument | undefined
  readonly reviewedAt?: Date | undefined
}

async function answer(db: Database, given: AnswerGiven, status: ReviewStatus): Promise<Review> {
  const { id } = given
  const values = {
    rows: JSON.stringify([encode(reviews, { ...given, status })]),
    id,
    hasPayload: given.payload !== undefined,
  }
  const first = only('recordReview', await answerStatement.run(db, values))
  const { isNew, ...stored } = found(
    `review '${id}'`,
    first ?? only('recordReview', await answerStatement.run(db, values)),
  )
  if (isNew) return stored
  if (stored.status !== status && stored.status !== 'requested') {
    throw new DataError('invalid_transition', `review '${id}' is ${stored.status}, which is final`)
  }
  const fields = differing(reviews, { ...given }, stored)
  if (fields.length === 0) return stored
  throw new DataError('conflict', `review '${id}' is recorded with another ${fields.join(', ')}`, {
    field: fields[0],
  })
}

export interface ListReviewsInput extends PageInput<Pick<Review, 'requestedAt' | 'id'>> {
  /** Those of one strategy. All if left out. */
  readonly strategyId?: string | undefined
  readonly status?: ReviewStatus | undefined
}

/** Returns reviews, last requested first. One that nobody asked for counts from when it was recorded. */
export async function listReviews(db: Database, input: ListReviewsInput = {}): Promise<Review[]> {
  const { strategyId, status, after } = input
  return many(
    'listReviews',
    db
      .select()
      .from(reviews)
      .where(
        and(
          strategyId === undefined ? undefined : eq(reviews.strategyId, toUuid(strategyId, 'strategyId')),
          status && eq(reviews.status, toOneOf(status, REVIEW_STATUSES, 'status')),
          comesAfter(reviews.requestedAt, reviews.id, after && { at: after.requestedAt, id: after.id }),
        ),
      )
      .orderBy(desc(reviews.requestedAt), desc(reviews.id))
      .limit(readLimit(input.limit)),
  )
}
