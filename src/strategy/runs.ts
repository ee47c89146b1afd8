import { and, desc, eq } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { toNumberFrom, toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toWhole } from '../market/record-values.ts'
import { optional, recordsOnce } from './record-once.ts'
import { insights, strategyPerformance } from './schema/runs.ts'
import type { StrategyDocument } from './schema/values.ts'

/** One run of a strategy over a symbol. */
export type StrategyPerformance = typeof strategyPerformance.$inferSelect

export interface RecordStrategyPerformanceInput {
  /** A UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  readonly strategyId: string
  readonly symbol: string
  readonly signalsCount: number
  /** How long the run took, up to a hundred years. */
  readonly executionMs: number
  /** What went wrong; left out for a run that went through. */
  readonly error?: string | null | undefined
  readonly summary?: StrategyDocument | undefined
  /** The database's clock if left out. */
  readonly runAt?: Date | undefined
}

const INTEGER_MAX = 2_147_483_647
/** A hundred years. */
const EXECUTION_MAX_MS = 3_155_760_000_000
const performanceOnce = recordsOnce('recordStrategyPerformance', strategyPerformance, [
  strategyPerformance.id,
])

/**
 * Records one run of a strategy over a symbol and returns it. Safe to repeat with an `id`.
 *
 * @throws `conflict` naming the fields if the id is taken by another run.
 * @throws `missing_reference` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function recordStrategyPerformance(
  db: Database,
  input: RecordStrategyPerformanceInput,
): Promise<StrategyPerformance> {
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const given = {
    id,
    strategyId: toUuid(input.strategyId, 'strategyId'),
    symbol: toName(input.symbol, 'symbol'),
    signalsCount: toWhole(input.signalsCount, 'signalsCount', 0, INTEGER_MAX),
    executionMs: toNumberFrom(input.executionMs, 0, EXECUTION_MAX_MS, 'executionMs'),
    error: optional(input.error, 'error', toName),
    summary: input.summary,
    runAt: optional(input.runAt, 'runAt', toInstant) ?? undefined,
  }
  return (await performanceOnce(db, given, `run '${id}'`)).row
}

export interface ListStrategyPerformanceInput extends PageInput<Pick<StrategyPerformance, 'runAt' | 'id'>> {
  readonly strategyId: string
  readonly symbol?: string | undefined
}

/** Returns the runs of a strategy, newest first. */
export async function listStrategyPerformance(
  db: Database,
  input: ListStrategyPerformanceInput,
): Promise<StrategyPerformance[]> {
  const { symbol, after } = input
  const runs = strategyPerformance
  return many(
    'listStrategyPerformance',
    db
      .select()
      .from(runs)
      .where(
        and(
          eq(runs.strategyId, toUuid(input.strategyId, 'strategyId')),
          symbol === undefined ? undefined : eq(runs.symbol, toName(symbol, 'symbol')),
          comesAfter(runs.runAt, runs.id, after && { at: after.runAt, id: after.id }),
        ),
      )
      .orderBy(desc(runs.runAt), desc(runs.id))
      .limit(readLimit(input.limit)),
  )
}

/** What was learned, of one strategy or of all. */
export type Insight = typeof insights.$inferSelect

export interface RecordInsightInput {
  /** A UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  /** Left out for what is about all of them. */
  readonly strategyId?: string | null | undefined
  /** What sort it is, in the fleet's own words: `generation`, `regime`. */
  readonly kind: string
  readonly insights: StrategyDocument
  /** Of the program that learned it: how much it tried, how long it took. */
  readonly generationStatistics?: StrategyDocument | undefined
  /** The database's clock if left out. */
  readonly learnedAt?: Date | undefined
}

const insightOnce = recordsOnce('recordInsight', insights, [insights.id])

/**
 * Records what was learned and returns it. Safe to repeat with an `id`.
 *
 * @throws `conflict` naming the fields if the id is taken by another one.
 * @throws `missing_reference` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function recordInsight(db: Database, input: RecordInsightInput): Promise<Insight> {
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const given = {
    id,
    strategyId: optional(input.strategyId, 'strategyId', toUuid),
    kind: toName(input.kind, 'kind'),
    insights: input.insights,
    generationStatistics: input.generationStatistics,
    learnedAt: optional(input.learnedAt, 'learnedAt', toInstant) ?? undefined,
  }
  return (await insightOnce(db, given, `insight '${id}'`)).row
}

export interface ListInsightsInput extends PageInput<Pick<Insight, 'learnedAt' | 'id'>> {
  /** Those of one strategy. All if left out. */
  readonly strategyId?: string | undefined
  readonly kind?: string | undefined
}

/** Returns what was learned, newest first. */
export async function listInsights(db: Database, input: ListInsightsInput = {}): Promise<Insight[]> {
  const { strategyId, kind, after } = input
  return many(
    'listInsights',
    db
      .select()
      .from(insights)
      .where(
        and(
          strategyId === undefined ? undefined : eq(insights.strategyId, toUuid(strategyId, 'strategyId')),
          kind === undefined ? undefined : eq(insights.kind, toName(kind, 'kind')),
          comesAfter(insights.learnedAt, insights.id, after && { at: after.learnedAt, id: after.id }),
        ),
      )
      .orderBy(desc(insights.learnedAt), desc(insights.id))
      .limit(readLimit(input.limit)),
  )
}
