import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { pgSchema } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { isNotBlank } from '../../db/columns.ts'

export const strategy = pgSchema('strategy')

/** From an idea to what trades, and what it ends as. `archived` and `replaced` are final. */
export const STRATEGY_STATUSES = [
  'draft',
  'backtested',
  'paper',
  'active',
  'paused',
  'archived',
  'replaced',
] as const
export type StrategyStatus = (typeof STRATEGY_STATUSES)[number]

/** What a strategy can do: open or close a side, or nothing. */
export const SIGNAL_KINDS = ['long', 'short', 'close_long', 'close_short', 'hold'] as const
export type SignalKind = (typeof SIGNAL_KINDS)[number]

/** What became of a signal. All but `pending` are final. */
export const SIGNAL_OUTCOMES = ['pending', 'winner', 'loser', 'breakeven', 'not_executed'] as const
export type SignalOutcome = (typeof SIGNAL_OUTCOMES)[number]

/** `completed` and `dismissed` are final. */
export const REVIEW_STATUSES = ['requested', 'completed', 'dismissed'] as const
export type ReviewStatus = (typeof REVIEW_STATUSES)[number]

/** From the best to the worst. */
export const GRADES = ['A+', 'A', 'B', 'C', 'D'] as const
export type Grade = (typeof GRADES)[number]

export const REVIEW_DECISIONS = [
  'keep_as_is',
  'optimize_parameters',
  'modify_logic',
  'replace_strategy',
  'pause_strategy',
  'increase_allocation',
  'decrease_allocation',
] as const
export type ReviewDecision = (typeof REVIEW_DECISIONS)[number]

export const BACKTEST_DIRECTIONS = ['long', 'short'] as const
export type BacktestDirection = (typeof BACKTEST_DIRECTIONS)[number]

/** A document in the strategy's own words, with amounts as decimal text. */
export const documentSchema = z.record(z.string(), z.json())
export type StrategyDocument = z.output<typeof documentSchema>

/** The rule of a text in a key: one of more than 2,700 bytes does not fit into an index. */
export function isKey(column: SQLWrapper): SQL {
  return sql`${isNotBlank(column)} and char_length(${column}) <= 200`
}

export function isList(column: SQLWrapper): SQL {
  return sql`jsonb_typeof(${column}) = 'array'`
}
