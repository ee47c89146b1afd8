import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type Decimal, divide, readStored, ZERO } from '../db/decimal.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type RowDocument, readRow } from '../snapshots/documents.ts'
import { mean } from '../statistics/moments.ts'
import type { ReturnStatisticsOptions } from '../statistics/ratios.ts'
import { type TradeStatistics, tradeStatistics } from '../statistics/trade-statistics.ts'
import { backtests } from '../strategy/schema/index.ts'
import { getPerformance, type ReturnFigures, type TradeFigures } from './performance.ts'
import { chainDays, readDays, readMembers, type StoredDay } from './performance-days.ts'
import { measureReturns } from './performance-returns.ts'
import { readTimeRange, type TimeRange } from './ranges.ts'

/** One measure of both. Null where it is not defined. */
export interface Compared<Value> {
  readonly backtest: Value | null
  readonly live: Value | null
  /** Live less backtest. */
  readonly difference: Value | null
  /**
   * How much of what the backtest promised was lost, as a fraction of the size of that: 0.25 is a quarter worse, −0.1 a tenth better. Of a drawdown, what it is
   * deeper. Null also where the backtest had zero.
   */
  readonly degradation: number | null
}

/** Of figures made of fewer than thirty: they say little. */
export interface SmallSamples {
  readonly backtestTrades: boolean
  readonly liveTrades: boolean
  readonly backtestReturns: boolean
  readonly liveReturns: boolean
}

/** What a strategy did in a backtest against what a bot did with it. */
export interface BacktestComparison {
  readonly backtest: typeof backtests.$inferSelect
  readonly botId: string
  readonly baseCurrency: string
  readonly from: Date | null
  readonly to: Date | null
  /** True where both count in the same currency: else expectancies of money have no difference. */
  readonly isSameCurrency: boolean
  readonly tradeCount: Compared<number>
  readonly winRate: Compared<number>
  readonly profitFactor: Compared<number>
  /** Mean net per trade: of the backtest in its currency, of the bot in base currency. */
  readonly expectancy: Compared<Decimal>
  /** The same over the equity at the start, for accounts of different size. */
  readonly expectancyFraction: Compared<number>
  /** Mean return of a day. */
  readonly meanReturn: Compared<number>
  readonly sharpe: Compared<number>
  readonly maxDrawdownFraction: Compared<number>
  readonly smallSample: SmallSamples
}

export type CompareBacktestInput = ReturnStatisticsOptions &
  /** Of the bot's trades and days. */
  TimeRange & { readonly backtestId: string; readonly botId: string }

interface StoredBacktest {
  readonly backtest: RowDocument
  readonly days: readonly { readonly day: string; readonly equity: string }[]
  readonly nets: readonly string[]
}

const backtestStatement: PreparedStatement<StoredBacktest, 'id'> = sqlStatement(
  'compareBacktestToLive',
  (slot) => ({
    query: sql`
      select risk.numbers_as_text(to_jsonb(b))::text,
        (select coalesce(jsonb_agg(jsonb_build_object('day', d.day::date::text, 'equity', e.equity::text) order by d.day), '[]')::text
          -- A curve stays as it is until its next point, so that it has a day for each of the bot's.
          from (select min(p.at at time zone 'UTC')::date as first_day, max(p.at at time zone 'UTC')::date as last_day
            from strategy.backtest_equity p where p.backtest_id = b.id) span
          cross join lateral generate_series(span.first_day::timestamp, span.last_day::timestamp, interval '1 day') d(day)
          cross join lateral (select p.equity from strategy.backtest_equity p
            where p.backtest_id = b.id and p.at < (d.day + interval '1 day') at time zone 'UTC' order by p.at desc limit 1) e),
        (select coalesce(jsonb_agg(t.net_pnl::text order by t.closed_at, t.ordinal), '[]')::text
          from strategy.backtest_trades t where t.backtest_id = b.id)
      from strategy.backtests b where b.id = ${slot('id')}::uuid`,
    fields: ([backtest, days, nets]): StoredBacktest => ({
      backtest: JSON.parse(backtest as string),
      days: JSON.parse(days as string),
      nets: JSON.parse(nets as string),
    }),
  }),
)

/**
 * Returns how a bot did against a backtest: the trades that it closed from `from` on and before `to`, and its stored days that lie wholly between the two, against all of the backtest.
 *
 * Both go through the same formulas. The curve of the backtest is read at the end of each day in UTC; the bot's days are those of `calculateDailyPnl`.
 *
 * @throws `not_found` if there is no such backtest, or the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function compareBacktestToLive(
  db: Database,
  input: CompareBacktestInput,
): Promise<BacktestComparison> {
  const id = toUuid(input.backtestId, 'backtestId')
  const { from, to } = readTimeRange(input)
  const { riskFreeRate, minimumAcceptableReturn, periodsPerYear } = input
  const options = { riskFreeRate, minimumAcceptableReturn, periodsPerYear }
  const live = await getPerformance(db, { botId: input.botId, from, to, ...options })
  const bounds = { startsAt: from?.toISOString() ?? null, endsAt: to?.toISOString() ?? null }
  const liveDays = await readDays(db, await readMembers(db, { botId: input.botId }), bounds)
  const stored = found(
    `backtest '${id}'`,
    only('compareBacktestToLive', await backtestStatement.run(db, { id })),
  )
  const backtest = readRow(backtests, stored.backtest)
  const days = toDays(stored.days, backtest.initialEquity)
  const past: Side = {
    trades: tradeStatistics(stored.nets.map((net) => ({ netPnl: readStored(net) }))),
    returns: measureReturns(days, options),
    meanReturn: meanReturnOf(days),
    startEquity: backtest.initialEquity,
  }
  const present: Side = {
    trades: live,
    returns: live.returns,
    meanReturn: meanReturnOf(liveDays),
    startEquity: live.returns.startEquity,
  }
  const { baseCurrency } = live
  return {
    ...{ backtest, botId: input.botId, baseCurrency, from: from ?? null, to: to ?? null },
    ...compareSides(past, present, backtest.currency === baseCurrency),
  }
}

interface Side {
  readonly trades: TradeFigures | TradeStatistics
  readonly returns: ReturnFigures
  readonly meanReturn: number | null
  readonly startEquity: Decimal | null
}

function compareSides(past: Side, present: Side, isSameCurrency: boolean) {
  const pair = (read: (side: Side) => number | null, isBetterLow = false) =>
    compare(read(past), read(present), isBetterLow)
  return {
    isSameCurrency,
    // More trades are neither better nor worse.
    tradeCount: { ...pair(({ trades }) => trades.tradeCount), degradation: null },
    winRate: pair(({ trades }) => trades.winRate),
    profitFactor: pair(({ trades }) => trades.profitFactor),
    expectancy: compareAmounts(past.trades.expectancy, present.trades.expectancy, isSameCurrency),
    expectancyFraction: pair(({ trades, startEquity }) => ratio(trades.expectancy, startEquity)),
    meanReturn: pair(({ meanReturn }) => meanReturn),
    sharpe: pair(({ returns }) => returns.sharpe),
    maxDrawdownFraction: pair(({ returns }) => returns.maxDrawdownFraction, true),
    smallSample: {
      backtestTrades: past.trades.smallSample,
      liveTrades: present.trades.smallSample,
      backtestReturns: past.returns.smallSample,
      liveReturns: present.returns.smallSample,
    },
  }
}

function compare(backtest: number | null, live: number | null, isBetterLow: boolean): Compared<number> {
  if (backtest === null || live === null) return { backtest, live, difference: null, degradation: null }
  const difference = live - backtest
  const loss = isBetterLow ? difference : backtest - live
  return { backtest, live, difference, degradation: backtest === 0 ? null : loss / Math.abs(backtest) }
}

function compareAmounts(
  backtest: Decimal | null,
  live: Decimal | null,
  isSameCurrency: boolean,
): Compared<Decimal> {
  if (backtest === null || live === null || !isSameCurrency) {
    return { backtest, live, difference: null, degradation: null }
  }
  const difference = live.minus(backtest)
  return { backtest, live, difference, degradation: ratio(difference.negated(), backtest.abs()) }
}

function ratio(amount: Decimal | null, whole: Decimal | null): number | null {
  return amount === null || whole === null || whole.lte(0) ? null : divide(amount, whole).toNumber()
}

/** Days as the ledger of a bot has them; nothing is paid in or out of a backtest. */
function toDays(points: StoredBacktest['days'], initialEquity: Decimal): StoredDay[] {
  let before = initialEquity
  return points.map(({ day, equity: text }) => {
    const equity = readStored(text)
    const gain = equity.minus(before)
    const flows = { externalFlows: ZERO, flowsAtStart: ZERO }
    const row = { day, equityStart: before, equity, ...flows, netPnl: gain, totalPnl: gain }
    before = equity
    return row
  })
}

function meanReturnOf(days: readonly StoredDay[]): number | null {
  return mean(
    chainDays(days).flatMap(({ returnFraction }) => (returnFraction === null ? [] : [returnFraction])),
  )
}
