import { type Decimal, ZERO } from '../db/decimal.ts'
import type { Fall } from '../statistics/drawdown.ts'
import { listGrowthFalls } from '../statistics/falls.ts'
import { cagr, calmar, type ReturnStatisticsOptions, returnStatistics } from '../statistics/ratios.ts'
import {
  type ChainedDay,
  chainDays,
  dayAt,
  daysBetween,
  momentOf,
  type StoredDay,
} from './performance-days.ts'

/** What the stored days of a period say. Days in progress are among them. Null where not defined, as all is without a stored day. */
export interface ReturnFigures {
  readonly returnCount: number
  /** True below thirty returns. */
  readonly smallSample: boolean
  readonly firstDay: string | null
  readonly lastDay: string | null
  /** Flow-adjusted and compounded: 0.05 is five per cent. Null without any return. */
  readonly totalReturn: number | null
  /** Of a year, on the calendar days from the first to the last. */
  readonly cagr: number | null
  /** Of a year, as are the ratios. */
  readonly volatility: number | null
  readonly sharpe: number | null
  readonly sortino: number | null
  readonly calmar: number | null
  /** Of the deepest fall from a peak: 0.2 is a fifth below it. Zero where there was none; null without any return. */
  readonly maxDrawdownFraction: number | null
  /** What was lost in it, without flows. */
  readonly maxDrawdownAmount: Decimal | null
  /** Days from the first to the last whose equity at the end is not known, also those that are not stored. */
  readonly unknownDays: number
  /** At the start of the first day. Of a fleet without what its bots began with on that day, which is in `externalFlows`. */
  readonly startEquity: Decimal | null
  /** At the end of the last day. */
  readonly endEquity: Decimal | null
  /** Deposits and transfers less withdrawals. Null where one of them is not known. */
  readonly externalFlows: Decimal | null
}

/**
 * Returns what stored days say, oldest first. The first one's equity at its start is the starting capital: whatever was before, growth is 1 there.
 *
 * @throws `invalid_input` naming the option.
 */
export function measureReturns(
  stored: readonly StoredDay[],
  options: ReturnStatisticsOptions,
): ReturnFigures {
  const days = chainDays(stored)
  const returns = days.flatMap(({ returnFraction }) => (returnFraction === null ? [] : [returnFraction]))
  const { returnCount, smallSample, sharpe, sortino, volatility } = returnStatistics(returns, options)
  const [first, last] = [days[0], days.at(-1)]
  const ratios = { returnCount, smallSample, sharpe, sortino, volatility }
  if (first === undefined || last === undefined) {
    const none = {
      firstDay: null,
      lastDay: null,
      startEquity: null,
      endEquity: null,
      externalFlows: null,
      unknownDays: 0,
    }
    return { ...ratios, ...none, ...NO_GROWTH }
  }
  const length = daysBetween(momentOf(first.day), momentOf(last.day)) + 1
  const span = {
    firstDay: first.day,
    lastDay: last.day,
    startEquity: first.equityStart,
    endEquity: last.equity,
    externalFlows: sumOf(days.map(({ externalFlows }) => externalFlows)),
    unknownDays: length - days.filter(({ equity }) => equity !== null).length,
  }
  if (returnCount === 0) return { ...ratios, ...span, ...NO_GROWTH }
  const [deepest] = fallsOf(days)
  const growth = { growth: last.growth, days: length }
  const maxDrawdownFraction = deepest?.fraction ?? 0
  return {
    ...ratios,
    ...span,
    totalReturn: last.growth - 1,
    cagr: cagr(growth),
    calmar: calmar({ ...growth, maxDrawdownFraction }),
    maxDrawdownFraction,
    maxDrawdownAmount: deepest?.amount ?? ZERO,
  }
}

const NO_GROWTH = {
  totalReturn: null,
  cagr: null,
  calmar: null,
  maxDrawdownFraction: null,
  maxDrawdownAmount: null,
} as const

function sumOf(amounts: readonly (Decimal | null)[]): Decimal | null {
  let sum = ZERO
  for (const amount of amounts) {
    if (amount === null) return null
    sum = sum.plus(amount)
  }
  return sum
}

/** A fall from a peak, by days at whose ends the account was there. */
export interface DayFall extends Omit<Fall, 'amount' | 'peakAt' | 'troughAt' | 'recoveredAt'> {
  /** The day before the first where the start is the peak. */
  readonly peakOn: string
  readonly troughOn: string
  readonly recoveredOn: string | null
  readonly amount: Decimal
}

/** Returns every fall from a peak, deepest first, and of equally deep ones the first. */
export function fallsOf(days: readonly ChainedDay[]): DayFall[] {
  const [first] = days
  if (first === undefined) return []
  const profits = new Map(days.map(({ day, profit }) => [day, profit]))
  const periods = days
    .filter(({ equity }) => equity !== null)
    .map(({ day, growth, profit }) => ({ at: momentOf(day), growth, profit: profit.toNumber() }))
  return listGrowthFalls(momentOf(first.day, -1), periods)
    .map(({ fraction, peakAt, troughAt, recoveredAt }) => {
      const [peakOn, troughOn] = [dayAt(peakAt), dayAt(troughAt)]
      const amount = (profits.get(peakOn) ?? ZERO).minus(profits.get(troughOn) ?? ZERO)
      return { fraction, amount, peakOn, troughOn, recoveredOn: recoveredAt && dayAt(recoveredAt) }
    })
    .toSorted((a, b) => b.fraction - a.fraction)
}
