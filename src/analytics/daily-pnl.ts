import { and, desc, eq, getTableColumns, gte, lt, lte, type SQL, sql } from 'drizzle-orm'
import { readNow, toDay } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { getBot, toBotId } from '../fleet/bots.ts'
import { findFleet } from './portfolio-fleet.ts'
import { type DayRange, readDayRange } from './ranges.ts'
import { dailyPnl } from './schema/daily-pnl.ts'
import type { Fleet } from './scope.ts'

/** What a bot did on one of its days. */
export type DailyPnl = typeof dailyPnl.$inferSelect

/** One day, or a span of days such as `2024-01-31`, both in it: the first and the last day of the bot unless given. */
export type DayOrRange =
  | { readonly day: string; readonly from?: undefined; readonly to?: undefined }
  | (DayRange & { readonly day?: undefined })

export type CalculateDailyPnlInput = DayOrRange & {
  readonly botId: string
  /** The moment to look from: a day that lasts until later is in progress. Now, unless given. */
  readonly now?: Date | undefined
}

const columns = getTableColumns(dailyPnl)
const names = Object.values(columns).map(({ name }) => name)
const listed = (prefix: string, of: readonly string[] = names) =>
  sql.raw(of.map((name) => `${prefix}${name}`).join(', '))
/** All that says what a day was; not when that was calculated. */
const figures = names.filter((name) => name !== 'calculated_at')
const keys = ['bot_id', 'day']
const replaced = sql.raw(
  names
    .filter((name) => !keys.includes(name))
    .map((name) => `${name} = excluded.${name}`)
    .join(', '),
)

type Slot = 'botIds' | 'from' | 'to' | 'now'

const calculated = (slot: (name: Slot) => SQL) => sql`analytics.days_of(${slot('botIds')}::text[],
  ${slot('from')}::date, ${slot('to')}::date, risk.clock(${slot('now')}::timestamptz(3)))`

// A day is written where it is new or differs from what is stored. Of two calculations at once, the one that began later stands: it
// has seen more.
const written = (
  slot: (name: Slot) => SQL,
) => sql`figures as materialized (select * from ${calculated(slot)}),
  written as (
    insert into analytics.daily_pnl as stored (${listed('')})
    select ${listed('')} from figures order by bot_id, day
    on conflict (bot_id, day) do update set ${replaced}
    where stored.calculated_at <= excluded.calculated_at
      and (${listed('stored.', figures)}) is distinct from (${listed('excluded.', figures)})
    returning ${listed('stored.')})`

const calculate: PreparedStatement<DailyPnl, Slot> = sqlStatement('calculateDailyPnl', (slot) => ({
  query: sql`
    with ${written(slot)}
    select ${listed('')} from written
    union all
    select ${listed('f.', figures)}, coalesce(stored.calculated_at, f.calculated_at)
    from figures f left join analytics.daily_pnl stored on stored.bot_id = f.bot_id and stored.day = f.day
    where not exists (select from written w where w.bot_id = f.bot_id and w.day = f.day)
    order by bot_id, day`,
  fields: columns,
}))

/**
 * Calculates the days of a bot from its ledger, stores them and returns them, oldest first: one statement, however many days.
 *
 * Safe to repeat: a day that has not changed is left as it is. A day in progress is calculated up to `now`. Days before the bot's
 * first and after today are none, so the result may be empty. All facts of the bot are read, from its first on: the cost grows with
 * their number, not with that of the days.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function calculateDailyPnl(db: Database, input: CalculateDailyPnlInput): Promise<DailyPnl[]> {
  const botId = toBotId(input.botId)
  const days = await calculate.run(db, { botIds: [botId], ...readDays(input), now: readNow(input.now) })
  if (days.length === 0) await getBot(db, { botId })
  return days
}

export type CalculateFleetDailyPnlInput = DayOrRange & {
  readonly fleet?: Fleet | undefined
  /** As of `calculateDailyPnl`. */
  readonly now?: Date | undefined
}

/** What the calculation of a fleet came to. */
export interface CalculatedDays {
  readonly botCount: number
  /** Days of all bots that were calculated, and how many of them were new or differed from what was stored. */
  readonly dayCount: number
  readonly changedCount: number
}

const calculateAll: PreparedStatement<CalculatedDays, Slot> = sqlStatement(
  'calculateFleetDailyPnl',
  (slot) => ({
    query: sql`
    with ${written(slot)}
    select count(distinct f.bot_id)::integer, count(*)::integer, (select count(*) from written)::integer from figures f`,
    fields: { botCount: sql`bot_count`, dayCount: sql`day_count`, changedCount: sql`changed_count` },
  }),
)

/** Bots of which one statement calculates the days: so neither its time nor its memory grows with the fleet. */
const BOTS_AT_ONCE = 25
/** Statements at a time: a nightly job is not to take the whole server from the bots. */
const STATEMENTS_AT_ONCE = 2

/**
 * Calculates the days of all bots of a fleet and stores them, as `calculateDailyPnl` does those of one: for a nightly job. One statement for
 * 25 bots, two at a time; what was stored before an error stays, and the call can be repeated. After an error
 * no other statement is begun, and none is running when it is thrown.
 *
 * @throws `not_found` if the fleet has no bot.
 * @throws `invalid_input` naming the field, also if the bots count in several currencies and none is given.
 */
export async function calculateFleetDailyPnl(
  db: Database,
  input: CalculateFleetDailyPnlInput = {},
): Promise<CalculatedDays> {
  const days = readDays(input)
  const now = readNow(input.now)
  const { botIds } = await findFleet(db, input.fleet ?? {}, 'calculateFleetDailyPnl')
  const batches = Array.from({ length: Math.ceil(botIds.length / BOTS_AT_ONCE) }, (_, i) =>
    botIds.slice(i * BOTS_AT_ONCE, (i + 1) * BOTS_AT_ONCE),
  )
  const counts: CalculatedDays[] = []
  const errors: unknown[] = []
  async function work(): Promise<void> {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      try {
        counts.push(...(await calculateAll.run(db, { botIds: batch, ...days, now })))
      } catch (error) {
        errors.push(error)
        batches.length = 0
      }
    }
  }
  await Promise.all(Array.from({ length: STATEMENTS_AT_ONCE }, work))
  // Only now: a statement sent after the error would run in the middle of what the caller does next, in its transaction too.
  if (errors.length > 0) throw errors[0]
  const sumOf = (field: keyof CalculatedDays) => counts.reduce((sum, one) => sum + one[field], 0)
  return { botCount: sumOf('botCount'), dayCount: sumOf('dayCount'), changedCount: sumOf('changedCount') }
}

/** A day whose stored figures are not those of the ledger. */
export interface StaleDay {
  readonly botId: string
  readonly day: string
  /** `missing`: never calculated. `changed`: a fact, a price or a rate came later, or the day was still in progress. */
  readonly why: 'missing' | 'changed'
  /** The columns that would change, by their names in the database. */
  readonly fields: readonly string[]
}

export type FindStaleDailyPnlInput = DayRange &
  PageInput<Pick<StaleDay, 'day'>> & {
    readonly botId: string
    readonly now?: Date | undefined
  }

const stale: PreparedStatement<StaleDay, Slot | 'after' | 'limit'> = sqlStatement(
  'findStaleDailyPnl',
  (slot) => ({
    query: sql`
    select f.bot_id, f.day, case when stored.bot_id is null then 'missing' else 'changed' end,
      case when stored.bot_id is null then '[]' else (
        select jsonb_agg(is_now.key order by is_now.key)
        from jsonb_each(to_jsonb(f) - 'calculated_at') is_now
        where is_now.value is distinct from to_jsonb(stored) -> is_now.key) end
    from ${calculated(slot)} f
    left join analytics.daily_pnl stored on stored.bot_id = f.bot_id and stored.day = f.day
    where f.is_complete and f.day > coalesce(${slot('after')}::date, '-infinity')
      and (stored.bot_id is null or (${listed('stored.', figures)}) is distinct from (${listed('f.', figures)}))
    order by f.day
    limit ${slot('limit')}::integer`,
    fields: {
      botId: columns.botId,
      day: columns.day,
      why: sql`why`,
      fields: columns.unvalued,
    },
  }),
)

/**
 * Returns the days of a bot that are over and were not calculated, or would come out otherwise now; oldest first. Calculate from
 * the first of them on. It calculates all of them again to compare, so it takes as long.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function findStaleDailyPnl(db: Database, input: FindStaleDailyPnlInput): Promise<StaleDay[]> {
  const botId = toBotId(input.botId)
  const days = await stale.run(db, {
    botIds: [botId],
    ...readDays(input),
    now: readNow(input.now),
    after: input.after === undefined ? null : toDay(input.after.day, 'after.day'),
    limit: readLimit(input.limit),
  })
  if (days.length === 0) await getBot(db, { botId })
  return days
}

/** Returns a day of a bot as it was calculated last. @throws `not_found` if it was not. */
export async function getDailyPnl(
  db: Database,
  input: { readonly botId: string; readonly day: string },
): Promise<DailyPnl> {
  const botId = toBotId(input.botId)
  const day = toDay(input.day, 'day')
  return await one(
    'getDailyPnl',
    `calculated day ${day} of bot '${botId}'`,
    db
      .select()
      .from(dailyPnl)
      .where(and(eq(dailyPnl.botId, botId), eq(dailyPnl.day, day))),
  )
}

export type ListDailyPnlInput = DayRange & PageInput<Pick<DailyPnl, 'day'>> & { readonly botId: string }

/** Returns the calculated days of a bot, the last one first. */
export async function listDailyPnl(db: Database, input: ListDailyPnlInput): Promise<DailyPnl[]> {
  const { from, to } = readDayRange(input)
  const { after } = input
  return await many(
    'listDailyPnl',
    db
      .select()
      .from(dailyPnl)
      .where(
        and(
          eq(dailyPnl.botId, toBotId(input.botId)),
          from === undefined ? undefined : gte(dailyPnl.day, from),
          to === undefined ? undefined : lte(dailyPnl.day, to),
          after && lt(dailyPnl.day, toDay(after.day, 'after.day')),
        ),
      )
      .orderBy(desc(dailyPnl.day))
      .limit(readLimit(input.limit)),
  )
}

function readDays(input: DayOrRange): { readonly from: string; readonly to: string } {
  const { day, from, to } = input
  if (day === undefined) {
    readDayRange({ from, to })
    return { from: from ?? '-infinity', to: to ?? 'infinity' }
  }
  if (from !== undefined || to !== undefined) {
    throw new DataError('invalid_input', `day ${day} is given with from or to; give one day or a range`, {
      field: 'day',
    })
  }
  return { from: toDay(day, 'day'), to: day }
}
