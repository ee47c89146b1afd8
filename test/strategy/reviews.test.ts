import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getLatestSelection,
  getReviewSummary,
  recordReviewSummary,
  recordSelection,
} from '../../src/strategy/by-day.ts'
import { dismissReview, listReviews, recordReview, requestReview } from '../../src/strategy/reviews.ts'
import {
  listInsights,
  listStrategyPerformance,
  recordInsight,
  recordStrategyPerformance,
} from '../../src/strategy/runs.ts'
import { REVIEW_STATUSES, type ReviewStatus } from '../../src/strategy/schema/values.ts'
import { describeEngines } from '../database.ts'
import { minute, query } from '../trading/ledger-fixture.ts'
import { makeStrategy, NOBODY } from './strategy-fixture.ts'

const PAIRS = REVIEW_STATUSES.flatMap((from) => REVIEW_STATUSES.map((to) => [from, to] as const))

describeEngines('reviews', (open) => {
  let db: Connection
  let strategyId: string
  beforeAll(async () => {
    db = await open()
    strategyId = (await makeStrategy(db)).id
  })
  const ask = () => requestReview(db, { strategyId, requestedBy: 'ann' })
  const ANSWER = { reviewer: 'bob', decision: 'increase_allocation', grade: 'A+', confidence: 0.8 } as const
  const reviewAt = async (status: ReviewStatus) => {
    const { id } = await ask()
    if (status === 'completed') await recordReview(db, { id, strategyId, ...ANSWER })
    if (status === 'dismissed') await dismissReview(db, { id, strategyId, reviewer: 'bob' })
    return id
  }

  it('are asked for and completed, and keep what was asked', async () => {
    const id = randomUUID()
    const request = {
      id,
      strategyId,
      requestedBy: 'ann',
      reason: 'losses',
      payload: { days: 30 },
      requestedAt: minute(0),
    }
    const asked = await requestReview(db, request)
    expect(asked).toMatchObject({
      status: 'requested',
      requestReason: 'losses',
      reviewer: null,
      grade: null,
      reviewedAt: null,
    })
    expect(await requestReview(db, request)).toEqual(asked)
    await expect(requestReview(db, { ...request, requestedBy: 'eve' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'requestedBy',
    })
    const review = {
      id,
      strategyId,
      ...ANSWER,
      scores: { sharpe: 40 },
      summary: 'good',
      recommendations: 'more',
    }
    const done = await recordReview(db, review)
    expect(done).toMatchObject({
      ...review,
      status: 'completed',
      payload: { days: 30 },
      requestedAt: minute(0),
      reviewedAt: expect.any(Date),
    })
    expect(await recordReview(db, review)).toEqual(done)
    await expect(recordReview(db, { ...review, grade: 'B' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'grade',
    })
    expect(await requestReview(db, request)).toEqual(done)
  })

  it('are recorded without a request, once for an id', async () => {
    const review = { id: randomUUID(), strategyId, ...ANSWER, payload: { a: 1 }, reviewedAt: minute(3) }
    const done = await recordReview(db, review)
    expect(done).toMatchObject({
      status: 'completed',
      requestedBy: null,
      reviewedAt: minute(3),
      payload: { a: 1 },
    })
    expect(await recordReview(db, review)).toEqual(done)
    const other = (await makeStrategy(db)).id
    await expect(recordReview(db, { ...review, strategyId: other })).rejects.toMatchObject({
      code: 'conflict',
      field: 'strategyId',
    })
    await expect(recordReview(db, { ...ANSWER, strategyId: NOBODY })).rejects.toMatchObject({
      code: 'missing_reference',
    })
    await expect(recordReview(db, { ...ANSWER, strategyId, confidence: 2 })).rejects.toMatchObject({
      field: 'confidence',
    })
    await expect(recordReview(db, { ...ANSWER, strategyId, grade: 'E' as 'D' })).rejects.toMatchObject({
      field: 'grade',
    })
    await expect(dismissReview(db, { id: NOBODY, strategyId, reviewer: 'bob' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it.each(PAIRS)('go from %s to %s only from requested, by verb and by SQL', async (from, to) => {
    const id = await reviewAt(from)
    if (to !== 'requested') {
      const key = { id, strategyId }
      const made =
        to === 'completed'
          ? recordReview(db, { ...key, ...ANSWER })
          : dismissReview(db, { ...key, reviewer: 'bob' })
      if (from === 'requested' || from === to) expect(await made).toMatchObject({ status: to })
      else await expect(made).rejects.toMatchObject({ code: 'invalid_transition' })
    }
    const other = await reviewAt(from)
    const values = {
      requested: sql`status = 'requested', reviewer = null, decision = null, grade = null, reviewed_at = null`,
      completed: sql`status = 'completed', reviewer = 'bob', decision = 'increase_allocation'`,
      dismissed: sql`status = 'dismissed', reviewer = 'bob', decision = null, grade = null`,
    }
    const state = await db
      .execute(sql`update strategy.reviews set ${values[to]} where id = ${other}::uuid`)
      .then(
        () => undefined,
        (error: { cause?: { code?: string } }) => error.cause?.code,
      )
    expect(state).toBe(from === 'requested' || from === to ? undefined : 'TB001')
  })

  it('are listed last requested first, by strategy and status', async () => {
    const own = (await makeStrategy(db)).id
    const made = []
    for (const n of [1, 2, 3])
      made.push(await requestReview(db, { strategyId: own, requestedBy: 'ann', requestedAt: minute(n) }))
    await dismissReview(db, { id: made[1]?.id ?? '', strategyId: own, reviewer: 'bob' })
    const list = async (more: object = {}) =>
      (await listReviews(db, { strategyId: own, ...more })).map(({ id }) => id)
    expect(await list()).toEqual([made[2]?.id, made[1]?.id, made[0]?.id])
    expect(await list({ after: made[2], limit: 1 })).toEqual([made[1]?.id])
    expect(await list({ status: 'requested' })).toEqual([made[2]?.id, made[0]?.id])
  })

  it('are summed up once a day: a later summary replaces the one before', async () => {
    const first = await recordReviewSummary(db, {
      reviewedOn: '2024-01-31',
      totalReviewed: 2,
      gradeDistribution: { 'A+': 2 },
      averageConfidence: 0.5,
      topPerformers: ['a'],
    })
    expect(first).toMatchObject({
      gradeDistribution: { 'A+': 2 },
      decisionDistribution: {},
      needingAttention: [],
      averageConfidence: 0.5,
    })
    const second = await recordReviewSummary(db, {
      reviewedOn: '2024-01-31',
      totalReviewed: 3,
      marketRegime: { name: 'bull_trending' },
    })
    expect(second).toMatchObject({
      id: first.id,
      totalReviewed: 3,
      gradeDistribution: {},
      topPerformers: [],
      averageConfidence: null,
      createdAt: first.createdAt,
    })
    expect(await getReviewSummary(db, { reviewedOn: '2024-01-31' })).toEqual(second)
    await expect(getReviewSummary(db, { reviewedOn: '2024-02-01' })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(
      recordReviewSummary(db, { reviewedOn: '2024-02-30', totalReviewed: 1 }),
    ).rejects.toMatchObject({ field: 'reviewedOn' })
  })

  it('stand beside selections: one a day, the latest of which is found', async () => {
    await expect(getLatestSelection(db)).rejects.toMatchObject({ code: 'not_found' })
    await recordSelection(db, {
      selectedOn: '2024-01-30',
      symbols: [{ symbol: 'ETH' }],
      selectedAt: minute(0),
    })
    const first = await recordSelection(db, {
      selectedOn: '2024-01-31',
      symbols: [{ symbol: 'BTC', score: 0.9 }],
      selectedAt: minute(1),
    })
    const second = await recordSelection(db, {
      selectedOn: '2024-01-31',
      symbols: [{ symbol: 'SOL' }, { symbol: 'BTC' }],
      selectedAt: minute(2),
    })
    expect(second).toMatchObject({
      id: first.id,
      total: 2,
      symbols: [{ symbol: 'SOL' }, { symbol: 'BTC' }],
      selectedAt: minute(2),
    })
    expect(await getLatestSelection(db)).toEqual(second)
    expect(await getLatestSelection(db, { asOf: '2024-01-30' })).toMatchObject({
      symbols: [{ symbol: 'ETH' }],
    })
    await expect(getLatestSelection(db, { asOf: '2024-01-01' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(
      recordSelection(db, { selectedOn: '2024-01-31', symbols: [{ symbol: '' }] }),
    ).rejects.toMatchObject({ field: 'symbols' })
  })

  it('stand beside runs and insights, which are recorded once for an id', async () => {
    const id = randomUUID()
    const run = {
      id,
      strategyId,
      symbol: 'BTC',
      signalsCount: 3,
      executionMs: 12.5,
      summary: { long: 2 },
      runAt: minute(1),
    }
    const made = await recordStrategyPerformance(db, run)
    expect(made).toMatchObject({ ...run, error: null })
    expect(await recordStrategyPerformance(db, run)).toEqual(made)
    await expect(recordStrategyPerformance(db, { ...run, signalsCount: 4 })).rejects.toMatchObject({
      code: 'conflict',
      field: 'signalsCount',
    })
    for (const part of [
      { signalsCount: -1 },
      { executionMs: Number.NaN },
      { executionMs: Number.POSITIVE_INFINITY },
    ]) {
      await expect(recordStrategyPerformance(db, { ...run, ...part })).rejects.toMatchObject({
        code: 'invalid_input',
        field: Object.keys(part)[0],
      })
    }
    const failed = await recordStrategyPerformance(db, {
      strategyId,
      symbol: 'ETH',
      signalsCount: 0,
      executionMs: 1,
      error: 'no data',
      runAt: minute(2),
    })
    expect(await listStrategyPerformance(db, { strategyId })).toEqual([failed, made])
    expect(await listStrategyPerformance(db, { strategyId, after: failed })).toEqual([made])
    expect(await listStrategyPerformance(db, { strategyId, symbol: 'ETH' })).toEqual([failed])
    const insight = { id, kind: 'generation', insights: { best: ['a'] }, learnedAt: minute(1) }
    const learned = await recordInsight(db, insight)
    expect(await recordInsight(db, insight)).toEqual(learned)
    await expect(recordInsight(db, { ...insight, kind: 'x' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'kind',
    })
    const own = await recordInsight(db, { strategyId, kind: 'regime', insights: {}, learnedAt: minute(2) })
    expect(await listInsights(db)).toEqual([own, learned])
    expect(await listInsights(db, { after: own })).toEqual([learned])
    expect(await listInsights(db, { strategyId })).toEqual([own])
    expect(await listInsights(db, { kind: 'generation' })).toEqual([learned])
    for (const table of ['performance', 'insights', 'activations'])
      await expect(
        query(db, sql.raw(`update strategy.${table} set id = id returning id`)).then(
          (rows) => rows.length || Promise.reject(new Error('none')),
        ),
      ).rejects.toThrow()
  })
})
