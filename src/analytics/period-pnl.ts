import { sql } from 'drizzle-orm'
import { toDay, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal, divide } from '../db/decimal.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import type { DailyPnl } from './daily-pnl.ts'
import { type DayRange, readDayRange } from './ranges.ts'
import { dailyPnl } from './schema/daily-pnl.ts'

export const PERIODS = ['week', 'month'] as const
export type Period = (typeof PERIODS)[number]

const SUMS = [
  'realisedGross',
  'fees',
  'funding',
  'interest',
  'adjustments',
  'netPnl',
  'unrealisedChange',
  'revaluation',
  'totalPnl',
  'externalFlows',
  'volume',
] as const
type Sums = Pick<DailyPnl, (typeof SUMS)[number]>

const COUNTS = [
  'fillCount',
  'tradeCount',
  'winCount',
  'lossCount',
  'drawCount',
  'unvaluedTradeCount',
  'longCount',
  'shortCount',
  'liquidationCount',
  'breakerCount',
  'killSwitchCount',
] as const
type Counts = Pick<DailyPnl, (typeof COUNTS)[number]>

/**
 * What a bot did in a week or a month: its stored days together. Money is in the bot's base currency, each day at the rates of its own end. A
 * sum is null where that of one day is. All that is said of a day is said on `DailyPnl`.
 */
export interface PeriodPnl
  extends Sums,
    Counts,
    Pick<
      DailyPnl,
      'botId' | 'baseCurrency' | 'winRate' | 'grossProfit' | 'grossLoss' | 'averageWin' | 'averageLoss'
    >,
    Pick<DailyPnl, 'profitFactor' | 'bestTrade' | 'worstTrade' | 'averageHoldingMs'>,
    Pick<DailyPnl, 'shortestHoldingMs' | 'longestHoldingMs'> {
  readonly period: Period
  /** The Monday of the week or the first of the month, and the last day of it. */
  readonly startsOn: string
  readonly endsOn: string
  /** Stored days that are in the sums, the first and the last of them, and how many had ended when they were calculated. */
  readonly dayCount: number
  readonly firstDay: string
  readonly lastDay: string
  readonly completeDayCount: number
  /** At the start of the first of the days and at the end of the last one. */
  readonly equityStart: Decimal | null
  readonly equityEnd: Decimal | null
  /** The returns of the days compounded: 0.05 is five per cent. Null where no day has one. */
  readonly returnFraction: number | null
  readonly returnCount: number
  /** The day of the highest and of the lowest total PnL, the first of equal ones; null where no total is known. */
  readonly bestDay: string | null
  readonly bestDayPnl: Decimal | null
  readonly worstDay: string | null
  readonly worstDayPnl: Decimal | null
}

export interface ListPeriodPnlInput extends DayRange, PageInput<Pick<PeriodPnl, 'startsOn'>> {
  readonly botId: string
  readonly period: Period
}

/**
 * Returns what a bot did week by week or month by month, newest first. Weeks begin on Monday. Only stored days of the range are added up:
 * `dayCount` says how many they are, so a period that the range or the bot's first day cuts is known by it. A period without any is left out.
 *
 * @throws `invalid_input` naming the field.
 */
export async function listPeriodPnl(db: Database, input: ListPeriodPnlInput): Promise<PeriodPnl[]> {
  const botId = toBotId(input.botId)
  const period = toOneOf(input.period, PERIODS, 'period')
  const { from = null, to = null } = readDayRange(input)
  const after = input.after === undefined ? null : toDay(input.after.startsOn, 'after.startsOn')
  const rows = await statement.run(db, { botId, period, from, to, after, limit: readLimit(input.limit) })
  return rows.map((row) => ({ ...row, botId, period, ...ratiosOf(row) }))
}

type Ratios = 'winRate' | 'averageWin' | 'averageLoss' | 'profitFactor'
type PeriodRow = Omit<PeriodPnl, 'botId' | 'period' | Ratios>

/** As `tradeStatistics` has them. */
function ratiosOf({
  tradeCount,
  unvaluedTradeCount,
  winCount,
  lossCount,
  grossProfit,
  grossLoss,
}: PeriodRow): Pick<PeriodPnl, Ratios> {
  const known = tradeCount - unvaluedTradeCount
  return {
    winRate: known === 0 ? null : winCount / known,
    averageWin: winCount === 0 ? null : divide(grossProfit, new Decimal(winCount)),
    averageLoss: lossCount === 0 ? null : divide(grossLoss, new Decimal(lossCount)),
    profitFactor: grossLoss.isZero() ? null : divide(grossProfit, grossLoss.negated()).toNumber(),
  }
}

const nameOf = (key: keyof DailyPnl) => sql.raw(dailyPnl[key].name)

/** Columns by their names in the result, each with what it is made of. */
const SELECTED = {
  ...Object.fromEntries(
    SUMS.map((key) => [key, sql`case when count(${nameOf(key)}) = count(*) then sum(${nameOf(key)}) end`]),
  ),
  ...Object.fromEntries(COUNTS.map((key) => [key, sql`sum(${nameOf(key)})::int`])),
  grossProfit: sql`sum(gross_profit)`,
  grossLoss: sql`sum(gross_loss)`,
  bestTrade: sql`max(best_trade)`,
  worstTrade: sql`min(worst_trade)`,
  shortestHoldingMs: sql`min(shortest_holding_ms)`,
  longestHoldingMs: sql`max(longest_holding_ms)`,
  equityStart: sql`(array_agg(equity_start order by day))[1]`,
  equityEnd: sql`(array_agg(equity_end order by day desc))[1]`,
  baseCurrency: sql`max(base_currency)`,
}

const statement: PreparedStatement<PeriodRow, 'botId' | 'period' | 'from' | 'to' | 'after' | 'limit'> =
  sqlStatement('listPeriodPnl', (slot) => {
    const startsOn = sql`date_trunc(${slot('period')}::text, day::timestamp)::date`
    const length = sql`case ${slot('period')}::text when 'week' then interval '1 week' else interval '1 month' end`
    return {
      query: sql`
        select ${sql.join(Object.values(SELECTED), sql`, `)},
          sum(average_holding_ms * trade_count) / nullif(sum(trade_count) filter (where average_holding_ms is not null), 0),
          starts_on, (starts_on + ${length} - interval '1 day')::date, min(day), max(day),
          count(*)::int, (count(*) filter (where is_complete))::int, count(return_fraction)::int,
          case when count(return_fraction) > 0 then
            analytics.product(greatest(0, 1 + return_fraction)) filter (where return_fraction is not null) - 1 end,
          (array_agg(day order by total_pnl desc, day) filter (where total_pnl is not null))[1], max(total_pnl),
          (array_agg(day order by total_pnl, day) filter (where total_pnl is not null))[1], min(total_pnl)
        from (
          select *, ${startsOn} as starts_on from analytics.daily_pnl
          where bot_id = ${slot('botId')} and (${slot('from')}::date is null or day >= ${slot('from')}::date)
            and (${slot('to')}::date is null or day <= ${slot('to')}::date)
            and (${slot('after')}::date is null or day < ${slot('after')}::date)) d
        group by starts_on order by starts_on desc limit ${slot('limit')}`,
      fields: {
        ...Object.fromEntries(Object.keys(SELECTED).map((key) => [key, dailyPnl[key as keyof DailyPnl]])),
        averageHoldingMs: sql`average_holding_ms`,
        startsOn: dailyPnl.day,
        endsOn: dailyPnl.day,
        firstDay: dailyPnl.day,
        lastDay: dailyPnl.day,
        dayCount: sql`day_count`,
        completeDayCount: sql`complete_day_count`,
        returnCount: sql`return_count`,
        returnFraction: sql`return_fraction`,
        bestDay: dailyPnl.day,
        bestDayPnl: dailyPnl.totalPnl,
        worstDay: dailyPnl.day,
        worstDayPnl: dailyPnl.totalPnl,
      },
    }
  })
