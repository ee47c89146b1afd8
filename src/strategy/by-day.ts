import { desc, eq, getTableColumns, lte, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { toDay, toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { found, maybeOne, one, only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import { toArray, toWhole } from '../market/record-values.ts'
import { encode, insertRows, optional } from './record-once.ts'
import { type Distribution, reviewSummaries } from './schema/reviews.ts'
import { type SelectedSymbols, selections } from './schema/runs.ts'
import type { StrategyDocument } from './schema/values.ts'
import { toFraction } from './signals.ts'

/** Defines how the one row of a day is stored: what it says replaces what was there, under the id that was there. */
function replacesByDay<Table extends PgTable>(
  verb: string,
  table: Table,
  day: string,
  own: readonly string[],
) {
  const all = Object.values(getTableColumns(table)).map(({ name }) => name)
  const changing = all.filter((name) => name !== 'id' && name !== day && !own.includes(name))
  const list = (alias: string, names: readonly string[]) =>
    sql.raw(names.map((name) => `${alias}"${name}"`).join(', '))
  const statement = sqlStatement<Table['$inferSelect'], 'rows'>(verb, (slot) => ({
    query: sql`
      ${insertRows(table, slot('rows'))}
      on conflict (${sql.raw(day)}) do update set (${list('', changing)}) = row(${list('excluded.', changing)})
      returning ${list('stored.', all)}`,
    fields: getTableColumns(table),
  }))
  return async (db: Database, row: Table['$inferInsert']): Promise<Table['$inferSelect']> => {
    const rows = await statement.run(db, { rows: JSON.stringify([encode(table, row)]) })
    return found(verb, only(verb, rows))
  }
}

/** The symbols that were chosen for one day. */
export type Selection = typeof selections.$inferSelect

export interface RecordSelectionInput {
  /** The day that they are for, as `2024-01-31`. */
  readonly selectedOn: string
  /** In the order of choice, each with whatever speaks for it. */
  readonly symbols: SelectedSymbols
  /** The database's clock if left out. */
  readonly selectedAt?: Date | undefined
}

const replaceSelection = replacesByDay('recordSelection', selections, 'selected_on', [])

/** Records the symbols that are chosen for a day, in place of any that were, and returns them. @throws `invalid_input` naming the field. */
export async function recordSelection(db: Database, input: RecordSelectionInput): Promise<Selection> {
  return replaceSelection(db, {
    id: newId(),
    selectedOn: toDay(input.selectedOn, 'selectedOn'),
    symbols: [...toArray(input.symbols, 'symbols')],
    total: input.symbols.length,
    selectedAt: optional(input.selectedAt, 'selectedAt', toInstant) ?? undefined,
  })
}

export interface GetLatestSelectionInput {
  /** The latest of this day or before, as `2024-01-31`. The latest of all if left out. */
  readonly asOf?: string | undefined
}

/** Returns the latest choice of symbols. @throws `not_found` if there is none. */
export async function getLatestSelection(
  db: Database,
  input: GetLatestSelectionInput = {},
): Promise<Selection> {
  const { asOf } = input
  return one(
    'getLatestSelection',
    asOf === undefined ? 'selection' : `selection of ${asOf} or before`,
    db
      .select()
      .from(selections)
      .where(asOf === undefined ? undefined : lte(selections.selectedOn, toDay(asOf, 'asOf')))
      .orderBy(desc(selections.selectedOn))
      .limit(1),
  )
}

/** What the reviews of one day came to. */
export type ReviewSummary = typeof reviewSummaries.$inferSelect

export interface RecordReviewSummaryInput {
  /** As `2024-01-31`. */
  readonly reviewedOn: string
  readonly totalReviewed: number
  /** How often each grade and each decision was given. */
  readonly gradeDistribution?: Distribution | undefined
  readonly decisionDistribution?: Distribution | undefined
  /** 0 to 1. */
  readonly averageConfidence?: number | null | undefined
  readonly topPerformers?: ReviewSummary['topPerformers'] | undefined
  readonly needingAttention?: ReviewSummary['needingAttention'] | undefined
  readonly marketRegime?: StrategyDocument | undefined
}

const replaceSummary = replacesByDay('recordReviewSummary', reviewSummaries, 'reviewed_on', [
  'created_at',
  'updated_at',
])

/** Records what the reviews of a day came to, in place of any summary of that day, and returns it. @throws `invalid_input` naming the field. */
export async function recordReviewSummary(
  db: Database,
  input: RecordReviewSummaryInput,
): Promise<ReviewSummary> {
  return replaceSummary(db, {
    id: newId(),
    reviewedOn: toDay(input.reviewedOn, 'reviewedOn'),
    totalReviewed: toWhole(input.totalReviewed, 'totalReviewed', 0, 1_000_000_000),
    gradeDistribution: input.gradeDistribution,
    decisionDistribution: input.decisionDistribution,
    averageConfidence: optional(input.averageConfidence, 'averageConfidence', toFraction),
    topPerformers: input.topPerformers,
    needingAttention: input.needingAttention,
    marketRegime: input.marketRegime,
  })
}

/** Returns what the reviews of a day came to. @throws `not_found` if nobody has summed them up. */
export async function getReviewSummary(
  db: Database,
  input: Pick<ReviewSummary, 'reviewedOn'>,
): Promise<ReviewSummary> {
  const reviewedOn = toDay(input.reviewedOn, 'reviewedOn')
  const stored = await maybeOne(
    'getReviewSummary',
    db.select().from(reviewSummaries).where(eq(reviewSummaries.reviewedOn, reviewedOn)),
  )
  return found(`summary of the reviews of ${reviewedOn}`, stored)
}
