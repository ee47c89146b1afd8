import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type Decimal, divide, ZERO } from '../db/decimal.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { getBot, toBotId } from '../fleet/bots.ts'
import type { BotMode } from '../fleet/schema.ts'
import { type Course, follow, startCourse } from '../statistics/drawdown.ts'
import { findFleet } from './portfolio-fleet.ts'
import { dailyPnl } from './schema/daily-pnl.ts'
import type { Scope } from './scope.ts'

/** Who is meant by a scope. */
export interface Members {
  readonly baseCurrency: string
  readonly botIds: readonly string[]
  /** Undefined of a single bot. */
  readonly fleet: { readonly mode: BotMode } | undefined
}

/**
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field.
 */
export async function readMembers(db: Database, scope: Scope): Promise<Members> {
  if (scope.fleet === undefined) {
    const { botId, baseCurrency } = await getBot(db, { botId: toBotId(scope.botId) })
    return { baseCurrency, botIds: [botId], fleet: undefined }
  }
  const { mode, baseCurrency, botIds } = await findFleet(db, scope.fleet)
  return { baseCurrency, botIds, fleet: { mode } }
}

/** A stored day of a bot, or of a fleet. Money is in base currency; null where a part of it is not known. */
export interface StoredDay {
  readonly day: string
  /** Equity at the start. Of a fleet, that of the bots which had begun before; what a bot begins with is a flow. */
  readonly equityStart: Decimal | null
  /** Equity at the end. */
  readonly equity: Decimal | null
  readonly externalFlows: Decimal | null
  /** Of them, what came before any trade. */
  readonly flowsAtStart: Decimal | null
  readonly netPnl: Decimal | null
  readonly totalPnl: Decimal | null
}

/** Days by their dates, both of them included, or by moments between which they must lie. Null: without that bound. */
export interface DayBounds {
  readonly from?: string | null | undefined
  readonly to?: string | null | undefined
  readonly startsAt?: string | null | undefined
  readonly endsAt?: string | null | undefined
}

type DaySlot = 'botId' | 'mode' | 'baseCurrency' | 'from' | 'to' | 'startsAt' | 'endsAt'

function daysStatement(source: (slot: (name: DaySlot) => SQL) => SQL): PreparedStatement<StoredDay, DaySlot> {
  return sqlStatement('readDays', (slot) => ({
    query: sql`
      select d.day, d.equity_start, d.equity, d.external_flows, d.flows_at_start, d.net_pnl, d.total_pnl
      from (${source(slot)}) d
      where (${slot('from')}::date is null or d.day >= ${slot('from')}::date)
        and (${slot('to')}::date is null or d.day <= ${slot('to')}::date)
        and (${slot('startsAt')}::timestamptz is null or d.starts_at >= ${slot('startsAt')}::timestamptz)
        and (${slot('endsAt')}::timestamptz is null or d.ends_at <= ${slot('endsAt')}::timestamptz)
      order by d.day`,
    fields: {
      day: dailyPnl.day,
      equityStart: dailyPnl.equityStart,
      equity: dailyPnl.equityEnd,
      externalFlows: dailyPnl.externalFlows,
      flowsAtStart: dailyPnl.flowsAtStart,
      netPnl: dailyPnl.netPnl,
      totalPnl: dailyPnl.totalPnl,
    },
  }))
}

const daysOfBot = daysStatement(
  (slot) => sql`
    select day, starts_at, ends_at, equity_start, equity_end as equity, external_flows, flows_at_start, net_pnl, total_pnl
    from analytics.daily_pnl where bot_id = ${slot('botId')}`,
)
const daysOfFleet = daysStatement(
  (slot) => sql`
    select * from analytics.portfolio_days where mode = ${slot('mode')} and base_currency = ${slot('baseCurrency')}`,
)

/** Returns the stored days of a bot or a fleet, oldest first. */
export async function readDays(db: Database, members: Members, bounds: DayBounds): Promise<StoredDay[]> {
  const { baseCurrency, botIds, fleet } = members
  const { from = null, to = null, startsAt = null, endsAt = null } = bounds
  const statement = fleet === undefined ? daysOfBot : daysOfFleet
  const scope = { botId: botIds[0] ?? null, mode: fleet?.mode ?? null, baseCurrency }
  return await statement.run(db, { ...scope, from, to, startsAt, endsAt })
}

/** A stored day, and what came of the account since the start of the first one. */
export interface ChainedDay extends StoredDay {
  /** Flow-adjusted: 0.05 is five per cent. After days of unknown equity, that of the whole gap. Null where it is not known. */
  readonly returnFraction: number | null
  /** The product of 1 + return: what one unit of currency became. */
  readonly growth: number
  /** Gained so far, without flows: of the days of which that is known. */
  readonly profit: Decimal
  /** Below the peak of growth. */
  readonly drawdownFraction: number
  /** What was lost since the latest day at the peak, without flows. Carried over days of unknown equity, as the one above is. */
  readonly drawdownAmount: Decimal
}

/** An account as it was last known, and what was paid in and out since. */
interface Known {
  readonly equity: Decimal
  readonly flowsAtStart: Decimal
  readonly flowsAtEnd: Decimal
}

/**
 * Chains days, of which growth is 1 at the start of the first.
 *
 * A day counts from its own equity at the start. Where that is not known, it counts from the last equity that is, if all days and flows
 * between are known. The arithmetic is that of `flowAdjustedReturns`, on exact amounts, as the database has it.
 */
export function chainDays(days: readonly StoredDay[]): ChainedDay[] {
  let known: Known | undefined
  let last: string | undefined
  let growth = 1
  let profit = ZERO
  let course: Course | undefined
  let peakProfit = ZERO
  return days.map((day) => {
    const at = momentOf(day.day)
    course ??= startCourse(momentOf(day.day, -1))
    const before =
      last !== undefined && momentOf(day.day, -1).getTime() === momentOf(last).getTime() ? known : undefined
    last = day.day
    const since = withFlows(day.equityStart === null ? before : knownAs(day.equityStart), day)
    known = day.equity === null ? since : knownAs(day.equity)
    const gain = since && day.equity?.minus(since.equity).minus(since.flowsAtStart).minus(since.flowsAtEnd)
    if (since === undefined || gain === undefined) {
      const drawdownAmount = peakProfit.minus(profit)
      return {
        ...day,
        returnFraction: null,
        growth,
        profit,
        drawdownFraction: course.currentFraction,
        drawdownAmount,
      }
    }
    const capital = since.equity.plus(since.flowsAtStart)
    const returnFraction = capital.gt(0) ? divide(gain, capital).toNumber() : null
    growth = Math.min(Math.max(0, growth * (1 + (returnFraction ?? 0))), Number.MAX_VALUE)
    profit = profit.plus(gain)
    course = follow(course, { at, growth, profit: profit.toNumber() })
    if (course.current === null) peakProfit = profit
    const drawdownAmount = peakProfit.minus(profit)
    return {
      ...day,
      returnFraction,
      growth,
      profit,
      drawdownFraction: course.currentFraction,
      drawdownAmount,
    }
  })
}

function knownAs(equity: Decimal): Known {
  return { equity, flowsAtStart: ZERO, flowsAtEnd: ZERO }
}

/** Undefined where flows are not known: then what was gained is not told apart from what was paid in. */
function withFlows(known: Known | undefined, { externalFlows, flowsAtStart }: StoredDay): Known | undefined {
  if (known === undefined || externalFlows === null || flowsAtStart === null) return undefined
  return {
    equity: known.equity,
    flowsAtStart: known.flowsAtStart.plus(flowsAtStart),
    flowsAtEnd: known.flowsAtEnd.plus(externalFlows).minus(flowsAtStart),
  }
}

const DAY_MS = 86_400_000

/** A day as a point of a calendar without clocks, or one so many days later. */
export function momentOf(day: string, later = 0): Date {
  return new Date(Date.parse(`${day}T00:00:00Z`) + later * DAY_MS)
}

/** From one day to another. */
export function daysBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / DAY_MS)
}

export function dayAt(moment: Date): string {
  return moment.toISOString().slice(0, 10)
}
