import { and, asc, desc, eq, getTableColumns, gt, type SQL, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toWhole } from '../market/record-values.ts'
import { type RecordBacktestInput, readBacktest, readCurve, readTrades } from './backtest-input.ts'
import { recordsOnce, rowsOf } from './record-once.ts'
import { backtestEquity, backtests, backtestTrades } from './schema/backtests.ts'

/** One run of a strategy over the past. */
export type Backtest = typeof backtests.$inferSelect
export type BacktestEquity = typeof backtestEquity.$inferSelect
export type BacktestTrade = typeof backtestTrades.$inferSelect

const namesOf = (table: typeof backtestEquity | typeof backtestTrades) =>
  Object.values(getTableColumns(table))
    .map(({ name }) => name)
    .filter((name) => name !== 'backtest_id')

/** The columns of a part, as one written list. */
const listed = (table: typeof backtestEquity | typeof backtestTrades, alias: string) =>
  sql.raw(
    namesOf(table)
      .map((name) => `${alias}"${name}"`)
      .join(', '),
  )

const written = (name: string, table: typeof backtestEquity | typeof backtestTrades, list: SQL) => sql`
  ${sql.raw(name)} as (
    insert into ${table} (backtest_id, ${listed(table, '')})
    select a.id, ${listed(table, 'x.')} from added a cross join ${rowsOf(list, table)})`

const recordOnce = recordsOnce('recordBacktest', backtests, [backtests.id], {
  parts: [
    (slot) => written('curve', backtestEquity, slot('curve')),
    (slot) => written('trips', backtestTrades, slot('trades')),
  ],
  otherKey: sql`s.strategy_id = x.strategy_id and s.external_id = x.external_id`,
})

const differs = (table: typeof backtestEquity | typeof backtestTrades, list: SQL, id: SQL) => {
  const stored = sql`select ${listed(table, 'p.')} from ${table} p where p.backtest_id = ${id}::uuid`
  const given = sql`select ${listed(table, 'x.')} from ${rowsOf(list, table)}`
  return sql`exists ((${stored} except ${given}) union all (${given} except ${stored}))`
}

type PartsDiffer = { readonly equity: boolean; readonly trades: boolean }

const compareStatement: PreparedStatement<PartsDiffer, 'id' | 'curve' | 'trades'> = sqlStatement(
  'recordBacktest: compare',
  (slot) => ({
    query: sql`select ${differs(backtestEquity, slot('curve'), slot('id'))}, ${differs(backtestTrades, slot('trades'), slot('id'))}`,
    fields: { equity: sql<boolean>`equity`, trades: sql<boolean>`trades` },
  }),
)

/**
 * Records a backtest with its curve and its trades, all of it or nothing, and returns it. Safe to repeat with an `id` or an `externalId`: the same again changes
 * nothing.
 *
 * @throws `conflict` naming the fields if one of the two is taken by a backtest that says something else; `equity` and `trades` count as fields.
 * @throws `missing_reference` if there is no such strategy.
 * @throws `invalid_input` naming the field, as `equity[3].at` or `trades[2].quantity`.
 */
export async function recordBacktest(db: Database, input: RecordBacktestInput): Promise<Backtest> {
  const { id, ...facts } = readBacktest(input)
  const lists = {
    curve: JSON.stringify(readCurve(input.equity ?? [])),
    trades: JSON.stringify(readTrades(input.trades ?? [])),
  }
  const what = `backtest '${facts.externalId ?? id}'`
  // Known by the other key, it keeps the id that it has.
  const given = { id, ...facts }
  const { row, isNew } = await recordOnce(db, given, what, lists, input.id === undefined ? ['id'] : [])
  if (isNew) return row
  const differing = only('recordBacktest', await compareStatement.run(db, { id: row.id, ...lists }))
  const fields = (['equity', 'trades'] as const).filter((part) => differing?.[part])
  if (fields.length === 0) return row
  throw new DataError('conflict', `${what} is recorded with another ${fields.join(', ')}`, {
    field: fields[0],
  })
}

/** Returns the backtest. @throws `not_found` if there is none of this id. */
export async function getBacktest(db: Database, input: Pick<Backtest, 'id'>): Promise<Backtest> {
  const id = toUuid(input.id, 'id')
  return one('getBacktest', `backtest '${id}'`, db.select().from(backtests).where(eq(backtests.id, id)))
}

export interface ListBacktestsInput extends PageInput<Pick<Backtest, 'ranAt' | 'id'>> {
  readonly strategyId: string
  readonly timeframe?: string | undefined
}

/** Returns the backtests of a strategy, last run first. */
export async function listBacktests(db: Database, input: ListBacktestsInput): Promise<Backtest[]> {
  const { timeframe, after } = input
  return many(
    'listBacktests',
    db
      .select()
      .from(backtests)
      .where(
        and(
          eq(backtests.strategyId, toUuid(input.strategyId, 'strategyId')),
          timeframe === undefined ? undefined : eq(backtests.timeframe, toName(timeframe, 'timeframe')),
          comesAfter(backtests.ranAt, backtests.id, after && { at: after.ranAt, id: after.id }),
        ),
      )
      .orderBy(desc(backtests.ranAt), desc(backtests.id))
      .limit(readLimit(input.limit)),
  )
}

export interface ListBacktestEquityInput extends PageInput<Pick<BacktestEquity, 'at'>> {
  readonly backtestId: string
}

/** Returns what a backtest was worth, in the order of time. Empty also for one that is not there. */
export async function listBacktestEquity(
  db: Database,
  input: ListBacktestEquityInput,
): Promise<BacktestEquity[]> {
  const { after } = input
  return many(
    'listBacktestEquity',
    db
      .select()
      .from(backtestEquity)
      .where(
        and(
          eq(backtestEquity.backtestId, toUuid(input.backtestId, 'backtestId')),
          after && gt(backtestEquity.at, toInstant(after.at, 'after.at')),
        ),
      )
      .orderBy(asc(backtestEquity.at))
      .limit(readLimit(input.limit)),
  )
}

export interface ListBacktestTradesInput extends PageInput<Pick<BacktestTrade, 'ordinal'>> {
  readonly backtestId: string
}

/** Returns the round trips of a backtest, in the order of its list. Empty also for one that is not there. */
export async function listBacktestTrades(
  db: Database,
  input: ListBacktestTradesInput,
): Promise<BacktestTrade[]> {
  const { after } = input
  return many(
    'listBacktestTrades',
    db
      .select()
      .from(backtestTrades)
      .where(
        and(
          eq(backtestTrades.backtestId, toUuid(input.backtestId, 'backtestId')),
          after && gt(backtestTrades.ordinal, toWhole(after.ordinal, 'after.ordinal', 0, 2_147_483_647)),
        ),
      )
      .orderBy(asc(backtestTrades.ordinal))
      .limit(readLimit(input.limit)),
  )
}
