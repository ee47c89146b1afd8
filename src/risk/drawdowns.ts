import { and, desc, eq, getTableColumns, lt, sql } from 'drizzle-orm'
import { toInstant, toLabel } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { getBot, toBotId } from '../fleet/bots.ts'
import { columnNames } from './breaker-write.ts'
import { drawdowns } from './schema/measures.ts'

/** What a bot was worth on a day of UTC, when it was looked at last, and how far below its peak. */
export type Drawdown = typeof drawdowns.$inferSelect

export interface RecordDrawdownInput {
  readonly botId: string
  /**
   * What the bot is worth, open positions included, in its base currency; negative when in debt. By its ledger unless given. Stay with
   * one of the two: what they differ by would count as a gain or a loss.
   */
  readonly equity?: Amount | undefined
  /** When it was seen. The database's clock unless said otherwise. */
  readonly at?: Date | undefined
}

const observation: PreparedStatement<Drawdown, 'botId' | 'equity' | 'at'> = sqlStatement(
  'recordDrawdown',
  (slot) => ({
    query: sql`
      with clock as materialized (select risk.clock(${slot('at')}::timestamptz(3)) as at),
      age as (select coalesce(least(
          (select max_price_age_ms from risk.global_settings order by version desc limit 1),
          (select max_price_age_ms from risk.settings where bot_id = ${slot('botId')} order by version desc limit 1)
        ), 3600000) * interval '1 millisecond' as age)
      select ${columnNames('d', drawdowns)}
      from clock cross join age
      cross join lateral risk.ledger_equity(${slot('botId')}, clock.at, age.age) e
      cross join lateral risk.observe_equity(
        ${slot('botId')}, coalesce(${slot('equity')}::numeric, e.equity), e.flows, clock.at) d`,
    fields: getTableColumns(drawdowns),
  }),
)

/**
 * Notes what a bot is worth and returns its drawdown of today, UTC: one row a day, of the last look at it.
 *
 * By the ledger, equity is what the bot began with, external flows, all that was realised, and what open positions have
 * gained at their marks, or at the newest stored price where a mark is too old. The peak is carried from day to day and over restarts, and
 * begins with the initial equity. Deposits and withdrawals are no gain and no loss, also when they are recorded late. An
 * observation older than the last changes nothing.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` if the equity is not given and a position, fee or flow cannot be valued in base currency.
 */
export async function recordDrawdown(db: Database, input: RecordDrawdownInput): Promise<Drawdown> {
  const noted = await observeEquity(db, input)
  if (noted) return noted
  const { botId, baseCurrency } = await getBot(db, input)
  throw new DataError(
    'invalid_input',
    `what bot '${botId}' is worth is not known: a price, or a rate to ${baseCurrency}, is missing or too old`,
    { field: 'equity' },
  )
}

/** Does what `recordDrawdown` does, and returns undefined where the equity is not known or the bot not registered. */
export async function observeEquity(db: Database, input: RecordDrawdownInput): Promise<Drawdown | undefined> {
  const { equity, at } = input
  const rows = await observation.run(db, {
    botId: toBotId(input.botId),
    equity: equity === undefined ? null : toDecimal(equity, 'equity').toFixed(),
    at: at === undefined ? null : toInstant(at, 'at'),
  })
  return only('recordDrawdown', rows)
}

/** Returns the last drawdown of a bot. @throws `not_found` if its equity was never observed. */
export async function getDrawdown(db: Database, input: { readonly botId: string }): Promise<Drawdown> {
  const botId = toBotId(input.botId)
  return await one(
    'getDrawdown',
    `drawdown of bot '${botId}'`,
    db.select().from(drawdowns).where(eq(drawdowns.botId, botId)).orderBy(desc(drawdowns.day)).limit(1),
  )
}

export interface ListDrawdownsInput extends PageInput<Pick<Drawdown, 'day'>> {
  readonly botId: string
}

/** Returns the drawdowns of a bot, the last day first. */
export async function listDrawdowns(db: Database, input: ListDrawdownsInput): Promise<Drawdown[]> {
  const { after } = input
  return await many(
    'listDrawdowns',
    db
      .select()
      .from(drawdowns)
      .where(
        and(
          eq(drawdowns.botId, toBotId(input.botId)),
          after && lt(drawdowns.day, toLabel(after.day, 'after')),
        ),
      )
      .orderBy(desc(drawdowns.day))
      .limit(readLimit(input.limit)),
  )
}
