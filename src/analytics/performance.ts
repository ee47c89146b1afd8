import { type SQL, sql } from 'drizzle-orm'
import { readNow, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type ReturnStatisticsOptions, returnStatistics } from '../statistics/ratios.ts'
import { readDays, readMembers } from './performance-days.ts'
import { type FigureValues, figuresOf, type TradeFigures, toFigures } from './performance-figures.ts'
import { measureReturns, type ReturnFigures } from './performance-returns.ts'
import { readTimeRange, type TimeRange } from './ranges.ts'
import type { Scope } from './scope.ts'

export type { ReturnFigures, TradeFigures }

export const PERFORMANCE_GROUPS = [
  'bot',
  'symbol',
  'direction',
  'strategy',
  'exit_reason',
  'entry_tag',
  'weekday',
  'hour',
] as const
export type PerformanceGroup = (typeof PERFORMANCE_GROUPS)[number]

/** What trades of one kind did. */
export interface GroupPerformance extends TradeFigures {
  /**
   * A bot's id, a symbol (of whatever exchange), a strategy and so on; null of the trades of which nobody said. By `weekday` 1 (Monday) to
   * 7 and by `hour` 0 to 23: those of the closing, as clocks show it in the bot's time zone.
   */
  readonly group: string | null
}

/** How bots did. The figures of trades are of those closed in the period, those in `returns` of its days. All money is in `baseCurrency`. */
export interface Performance extends TradeFigures {
  readonly baseCurrency: string
  /** As given. */
  readonly from: Date | null
  readonly to: Date | null
  readonly returns: ReturnFigures
  /** The best net first; weekdays and hours in their order. Empty unless asked for. */
  readonly groups: readonly GroupPerformance[]
}

export type GetPerformanceInput = Scope &
  TimeRange &
  ReturnStatisticsOptions & {
    readonly by?: PerformanceGroup | undefined
    /** Until when the day in progress has lasted: trades of other currencies are converted at the rates of then. Now, unless given. */
    readonly now?: Date | undefined
  }

/**
 * Returns how a bot did, or a fleet: the figures of the trades that were closed from `from` on and before `to`, as a whole and by group, and
 * the returns of the stored days that lie wholly between the two.
 *
 * Trades are read from the ledger, returns from what `calculateDailyPnl` stored. A trade counts with its whole net where it was closed, so the net
 * here differs from that of the days by what was realised in parts. Of a fleet, a day is one for each bot in its own time zone.
 *
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field; `fleet.baseCurrency` where the bots of the mode count in several.
 */
export async function getPerformance(db: Database, input: GetPerformanceInput): Promise<Performance> {
  const { from = null, to = null } = readTimeRange(input)
  const by = input.by === undefined ? undefined : toOneOf(input.by, PERFORMANCE_GROUPS, 'by')
  const now = readNow(input.now)
  const { riskFreeRate, minimumAcceptableReturn, periodsPerYear } = input
  const options = { riskFreeRate, minimumAcceptableReturn, periodsPerYear }
  // Refuses wrong options before anything is read.
  returnStatistics([], options)
  const bounds = { from: from?.toISOString() ?? null, to: to?.toISOString() ?? null }
  const members = await readMembers(db, input)
  const days = await readDays(db, members, { startsAt: bounds.from, endsAt: bounds.to })
  const statement = statementOf(members.fleet === undefined ? 'bot' : 'fleet', by ?? 'none')
  const rows = await statement.run(db, { ...bounds, now, botIds: members.botIds, botId: members.botIds[0] })
  const [whole] = rows.filter(({ isWhole }) => isWhole)
  const groups = rows.filter(({ isWhole }) => !isWhole)
  return {
    ...toFigures(whole?.values as FigureValues),
    baseCurrency: members.baseCurrency,
    from,
    to,
    returns: measureReturns(days, options),
    groups: inOrder(
      groups.map(({ name, values }) => ({ group: name, ...toFigures(values) })),
      by,
    ),
  }
}

interface FigureRow {
  readonly isWhole: boolean
  readonly name: string | null
  readonly values: FigureValues
}

type FigureSlot = 'from' | 'to' | 'now' | 'botIds' | 'botId'

const GROUP_COLUMNS: Readonly<Record<PerformanceGroup, SQL>> = {
  bot: sql`bot_id`,
  symbol: sql`symbol`,
  direction: sql`direction`,
  strategy: sql`strategy`,
  exit_reason: sql`exit_reason`,
  entry_tag: sql`entry_tag`,
  weekday: sql`date_part('isodow', closed_at at time zone time_zone)::text`,
  hour: sql`date_part('hour', closed_at at time zone time_zone)::text`,
}

type ScopeKind = 'bot' | 'fleet'
type Grouping = PerformanceGroup | 'none'

function performanceStatement(kind: ScopeKind, by: Grouping): PreparedStatement<FigureRow, FigureSlot> {
  return sqlStatement('getPerformance', (slot) => {
    // The id by itself, beside the list, lets the index give the trades of one bot in order of closing.
    const isBot = kind === 'bot' ? sql`where bot_id = ${slot('botId')}` : sql``
    // Of those closed in one instant, ids would give the order of arrival.
    const placed = sql`closed_at, opened_at, trade_id collate "C"`
    const order = kind === 'bot' ? placed : sql`${placed}, bot_id`
    const trades = sql`
      analytics.trades_of(${slot('botIds')}::text[], ${slot('from')}::timestamptz, ${slot('to')}::timestamptz,
        coalesce(${slot('now')}::timestamptz, statement_timestamp())) ${isBot}`
    const whole = sql`select true, f.* from (${figuresOf(trades, order, undefined)}) f`
    const grouped =
      by === 'none'
        ? sql``
        : sql` union all select false, f.* from (${figuresOf(trades, order, GROUP_COLUMNS[by])}) f`
    return {
      query: sql`${whole}${grouped}`,
      fields: ([isWhole, name, ...values]): FigureRow => ({
        isWhole: isWhole as boolean,
        name: name as string | null,
        values: values as unknown as FigureValues,
      }),
    }
  })
}

const GROUPINGS: readonly Grouping[] = ['none', ...PERFORMANCE_GROUPS]
const STATEMENTS = new Map(
  GROUPINGS.flatMap((by) =>
    (['bot', 'fleet'] as const).map((kind) => [`${kind} ${by}`, performanceStatement(kind, by)] as const),
  ),
)

function statementOf(kind: ScopeKind, by: Grouping): PreparedStatement<FigureRow, FigureSlot> {
  return STATEMENTS.get(`${kind} ${by}`) ?? performanceStatement(kind, by)
}

function inOrder(groups: GroupPerformance[], by: PerformanceGroup | undefined): GroupPerformance[] {
  if (by === 'weekday' || by === 'hour') {
    // One digit before two, and then as text: the order of small whole numbers.
    return groups.toSorted((a, b) => lengthOf(a) - lengthOf(b) || compareNames(a, b))
  }
  return groups.toSorted((a, b) => b.netPnl.comparedTo(a.netPnl) || compareNames(a, b))
}

function lengthOf({ group }: GroupPerformance): number {
  return group?.length ?? 0
}

/** What nobody said comes last. */
function compareNames({ group: a }: GroupPerformance, { group: b }: GroupPerformance): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  return a < b ? -1 : a > b ? 1 : 0
}
