import type { DrawdownPeriod, EquityCurvePoint } from '../../src/analytics/equity-curve.ts'
import type { GroupPerformance, Performance, ReturnFigures } from '../../src/analytics/performance.ts'
import type { TearSheetData } from '../../src/analytics/tear-sheet/data.ts'
import { Decimal, ZERO } from '../../src/db/decimal.ts'
import { tradeStatistics } from '../../src/statistics/trade-statistics.ts'

// What a sheet shows, made without a database.

export const DAY_MS = 86_400_000

export interface DayInput {
  readonly day: string
  /** Null: the equity of the day is unknown. */
  readonly returnFraction: number | null
  /** At the end of the day. */
  readonly flow?: number
}

/** Days in a row from `first`, with these returns. */
export function daysFrom(first: string, returns: readonly (number | null)[]): DayInput[] {
  const start = Date.parse(first)
  return returns.map((returnFraction, i) => ({
    day: new Date(start + i * DAY_MS).toISOString().slice(0, 10),
    returnFraction,
  }))
}

/** The curve of an account that began with `capital`. Growth and drawdown are followed in the plainest way. */
export function curveOf(days: readonly DayInput[], capital = 10_000): EquityCurvePoint[] {
  let equity = capital
  let growth = 1
  let peak = 1
  let profit = 0
  let peakProfit = 0
  return days.map(({ day, returnFraction, flow = 0 }) => {
    const gain = equity * (returnFraction ?? 0)
    equity += gain + flow
    profit += gain
    growth *= 1 + (returnFraction ?? 0)
    if (growth >= peak) [peak, peakProfit] = [growth, profit]
    const isKnown = returnFraction !== null
    return {
      day,
      equity: isKnown ? amount(equity) : null,
      externalFlows: amount(flow),
      flowsAtStart: ZERO,
      netPnl: amount(gain),
      totalPnl: isKnown ? amount(gain) : null,
      returnFraction,
      growth,
      drawdownFraction: 1 - growth / peak,
      drawdownAmount: amount(peakProfit - profit),
    }
  })
}

export function amount(value: number): Decimal {
  return new Decimal(value.toFixed(6))
}

export function figuresOf(nets: readonly (string | null)[]) {
  const { ...statistics } = tradeStatistics(
    nets.map((netPnl, i) => ({ netPnl, direction: i % 3 ? 'long' : 'short', holdingMs: 60_000 * (i + 1) })),
  )
  return {
    ...statistics,
    liquidationCount: 0,
    gross: statistics.netPnl,
    fees: new Decimal('12.5'),
    funding: ZERO,
    medianHoldingMs: statistics.averageHoldingMs,
  }
}

const NO_RETURNS: ReturnFigures = {
  returnCount: 0,
  smallSample: true,
  firstDay: null,
  lastDay: null,
  totalReturn: null,
  cagr: null,
  volatility: null,
  sharpe: null,
  sortino: null,
  calmar: null,
  maxDrawdownFraction: null,
  maxDrawdownAmount: null,
  unknownDays: 0,
  startEquity: null,
  endEquity: null,
  externalFlows: null,
}

export interface SheetInput extends Partial<Omit<TearSheetData, 'performance'>> {
  readonly days?: readonly DayInput[]
  readonly trades?: readonly (string | null)[]
  readonly symbols?: Readonly<Record<string, readonly string[]>>
  readonly returns?: Partial<ReturnFigures>
}

export function sheetOf({
  days = [],
  trades = [],
  symbols = {},
  returns,
  ...over
}: SheetInput): TearSheetData {
  const points = curveOf(days)
  const last = points.at(-1)
  const known = points.filter(({ returnFraction }) => returnFraction !== null)
  const groups: GroupPerformance[] = Object.entries(symbols).map(([group, nets]) => ({
    group,
    ...figuresOf(nets),
  }))
  const performance: Performance = {
    baseCurrency: 'USD',
    from: null,
    to: null,
    ...figuresOf(trades),
    groups,
    returns: {
      ...NO_RETURNS,
      ...(last && {
        returnCount: known.length,
        smallSample: known.length < 30,
        firstDay: points[0]?.day ?? null,
        lastDay: last.day,
        totalReturn: last.growth - 1,
        maxDrawdownFraction: Math.max(...points.map((point) => point.drawdownFraction)),
        maxDrawdownAmount: ZERO,
        startEquity: new Decimal(10_000),
        endEquity: last.equity,
        externalFlows: ZERO,
      }),
      ...returns,
    },
  }
  return {
    title: 'Grid on BTC',
    facts: [
      { name: 'Exchange', value: 'hyperliquid' },
      { name: 'Mode', value: 'live' },
    ],
    baseCurrency: 'USD',
    from: null,
    to: null,
    performance,
    points,
    drawdowns: [],
    nets: trades.flatMap((net) => (net === null ? [] : [Number(net)])),
    decimals: 2,
    madeAt: new Date('2024-07-01T09:30:00Z'),
    ...over,
  }
}

/** Numbers from 0 to 1 that look like chance and are the same in each run. */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}

/** About normal, with the mean 0 and the deviation 1. */
export function noise(next: () => number): number {
  return [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].reduce((sum) => sum + next(), -6)
}

export type { DrawdownPeriod }
