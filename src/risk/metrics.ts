import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { toDay } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { riskLevelOf } from '../statistics/risk-score.ts'
import { riskMetrics } from './schema/measures.ts'

/** The risk of one bot on one day. */
export type RiskMetrics = typeof riskMetrics.$inferSelect

/** A figure that is left out or null is not known, and is stored as null. */
export interface RecordRiskMetricsInput {
  readonly botId: string
  /** The bot's day, as `2024-01-31`. */
  readonly day: string
  /** 0 to 1. */
  readonly winRate?: number | null | undefined
  readonly profitFactor?: number | null | undefined
  /** 0 to 1. */
  readonly maxDrawdownFraction?: number | null | undefined
  readonly sharpe?: number | null | undefined
  readonly sortino?: number | null | undefined
  /** Long and short together, in base currency. Not negative. */
  readonly exposure?: Amount | null | undefined
  readonly leverage?: number | null | undefined
  /** 0 to 1. */
  readonly concentration?: number | null | undefined
  /** 0.05 is five per cent of the portfolio's value. */
  readonly valueAtRiskFraction?: number | null | undefined
  /** 0 to 100. The level follows from it. */
  readonly riskScore?: number | null | undefined
}

/**
 * Stores the figures of a bot's day, in place of those that were there, and returns them. Safe to repeat. All of them are
 * replaced: they belong together.
 *
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function recordRiskMetrics(db: Database, input: RecordRiskMetricsInput): Promise<RiskMetrics> {
  const { exposure, riskScore: score = null } = input
  const figures = {
    winRate: toFigure(input.winRate, 'winRate'),
    profitFactor: toFigure(input.profitFactor, 'profitFactor'),
    maxDrawdownFraction: toFigure(input.maxDrawdownFraction, 'maxDrawdownFraction'),
    sharpe: toFigure(input.sharpe, 'sharpe'),
    sortino: toFigure(input.sortino, 'sortino'),
    exposure: exposure === null || exposure === undefined ? null : toDecimal(exposure, 'exposure'),
    leverage: toFigure(input.leverage, 'leverage'),
    concentration: toFigure(input.concentration, 'concentration'),
    valueAtRiskFraction: toFigure(input.valueAtRiskFraction, 'valueAtRiskFraction'),
    riskScore: toFigure(score, 'riskScore'),
    riskLevel: score === null ? null : riskLevelOf(score),
  }
  const names = Object.keys(figures) as (keyof typeof figures)[]
  const replaced = Object.fromEntries(
    [...names, 'recordedAt' as const].map((name) => [name, sql.raw(`excluded."${riskMetrics[name].name}"`)]),
  )
  return await one(
    'recordRiskMetrics',
    'metrics',
    db
      .insert(riskMetrics)
      .values({ botId: toBotId(input.botId), day: toDay(input.day, 'day'), ...figures })
      .onConflictDoUpdate({ target: [riskMetrics.botId, riskMetrics.day], set: replaced })
      .returning(),
  )
}

export interface ListRiskMetricsInput extends PageInput<Pick<RiskMetrics, 'day'>> {
  readonly botId: string
}

/** Returns the figures of a bot day by day, newest first. */
export async function listRiskMetrics(db: Database, input: ListRiskMetricsInput): Promise<RiskMetrics[]> {
  const { after } = input
  return await many(
    'listRiskMetrics',
    db
      .select()
      .from(riskMetrics)
      .where(
        and(
          eq(riskMetrics.botId, toBotId(input.botId)),
          after && lt(riskMetrics.day, toDay(after.day, 'after.day')),
        ),
      )
      .orderBy(desc(riskMetrics.day))
      .limit(readLimit(input.limit)),
  )
}

function toFigure(value: number | null | undefined, field: string): number | null {
  if (value === null || value === undefined) return null
  if (Number.isFinite(value)) return value
  throw new DataError('invalid_input', `${field} is ${String(value)}: leave it out where it has no value`, {
    field,
  })
}
