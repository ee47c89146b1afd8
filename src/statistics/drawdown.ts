import { invalid, readNumber } from './numbers.ts'

/** What an account was worth at a moment. */
export interface EquityPoint {
  readonly at: Date
  /** In one currency throughout. Negative when in debt. */
  readonly equity: number
  /** Deposits less withdrawals since the point before. None unless given; not of the first point. */
  readonly flow?: number | undefined
  /**
   * Whether the flow was there for all of the time since the point before (`start`), or came when it was over (`end`). `end`
   * unless given; where nothing was left to gain with, a flow counts as there from the start.
   */
  readonly flowTiming?: FlowTiming | undefined
}

export const FLOW_TIMINGS = ['start', 'end'] as const
export type FlowTiming = (typeof FLOW_TIMINGS)[number]

/** A fall from a peak. */
export interface Fall {
  /** 1 − growth / growth at the peak: 0.2 is a fifth below it, 1 is all. */
  readonly fraction: number
  /** What was lost since the peak, without flows. Zero at the peak. */
  readonly amount: number
  readonly peakAt: Date
  /** When it was deepest: the first such moment. */
  readonly troughAt: Date
  /** When growth was back at the peak; null while it is not. */
  readonly recoveredAt: Date | null
}

/** How far an account is below its peak, and was at its worst. Goes on with `continueDrawdown`. */
export interface Drawdown {
  /** The last point. */
  readonly at: Date
  readonly equity: number
  /** What one unit of currency became: 1 at the first point. Zero once all was lost, and from then on. */
  readonly growth: number
  /** Gained since the first point, without flows. */
  readonly profit: number
  readonly peakGrowth: number
  readonly peakAt: Date
  /** Profit at the peak. */
  readonly peakProfit: number
  /** How far the last point is below the peak. */
  readonly currentFraction: number
  readonly currentAmount: number
  /** The fall since the last peak; null at a peak. */
  readonly current: Fall | null
  /** The deepest fall as a fraction, the first of equally deep ones; null while there was none. */
  readonly deepest: Fall | null
}

/**
 * Returns the drawdown of an equity curve, of which the first point is the starting capital. It is of flow-adjusted growth, so a
 * deposit is no profit and a withdrawal no loss.
 *
 * @throws `invalid_input` naming the place, as `points[3].equity`: for times that do not go forward, a starting capital that is
 * not greater than zero, and a gain that came from nothing.
 */
export function measureDrawdown(points: readonly EquityPoint[]): Drawdown {
  const [first, ...rest] = points
  if (first === undefined) throw invalid('points', 'has none')
  const { at, equity } = readPoint(first, 'points[0]')
  readNumber(equity, 'points[0].equity', { above: 0, least: 1e-100 })
  if (first.flow !== undefined && first.flow !== 0) {
    throw invalid('points[0].flow', 'is of no time: the first point is the starting capital')
  }
  const start: Drawdown = {
    at,
    equity,
    growth: 1,
    profit: 0,
    peakGrowth: 1,
    peakAt: at,
    peakProfit: 0,
    currentFraction: 0,
    currentAmount: 0,
    current: null,
    deepest: null,
  }
  return rest.reduce((before, point, i) => advance(before, point, `points[${i + 1}]`), start)
}

/**
 * Returns what one more point makes of a drawdown. Point by point, and after a restart, it gives what `measureDrawdown` gives
 * of the whole curve.
 *
 * @throws `invalid_input` naming the field, as `measureDrawdown` does.
 */
export function continueDrawdown(before: Drawdown, point: EquityPoint): Drawdown {
  return advance(before, point, 'point')
}

function advance(before: Drawdown, given: EquityPoint, field: string): Drawdown {
  const { at, equity, flow, flowTiming } = readPoint(given, field)
  if (at <= before.at) throw invalid(`${field}.at`, 'is not after the point before it')
  const gain = equity - before.equity - flow
  const growth = grow(before, gain, flow, flowTiming, field)
  const profit = before.profit + gain
  const now = { at, equity, growth, profit }
  if (growth >= before.peakGrowth) {
    const recovered = before.current && { ...before.current, recoveredAt: at }
    return {
      ...now,
      peakGrowth: growth,
      peakAt: at,
      peakProfit: profit,
      currentFraction: 0,
      currentAmount: 0,
      current: null,
      deepest: isSameFall(before.deepest, recovered) ? recovered : before.deepest,
    }
  }
  const fraction = 1 - growth / before.peakGrowth
  const amount = before.peakProfit - profit
  const { peakGrowth, peakAt, peakProfit } = before
  const current: Fall =
    before.current && before.current.fraction >= fraction
      ? before.current
      : { fraction, amount, peakAt, troughAt: at, recoveredAt: null }
  const deepest = before.deepest && before.deepest.fraction >= current.fraction ? before.deepest : current
  return {
    ...now,
    peakGrowth,
    peakAt,
    peakProfit,
    currentFraction: fraction,
    currentAmount: amount,
    current,
    deepest,
  }
}

function grow(before: Drawdown, gain: number, flow: number, timing: FlowTiming, field: string): number {
  // Nothing grows from nothing: an account that lost all has no way back, whatever is paid in.
  if (before.growth <= 0) return 0
  const isEmpty = before.equity <= 0
  const capital = timing === 'start' || isEmpty ? before.equity + flow : before.equity
  if (gain === 0) return before.growth
  if (capital <= 0) throw invalid(`${field}.equity`, `has a gain of ${gain} on a capital of ${capital}`)
  return Math.max(0, before.growth * (1 + gain / capital))
}

/** A fall is known by its peak. */
function isSameFall(deepest: Fall | null, recovered: Fall | null): boolean {
  return deepest !== null && recovered !== null && deepest.peakAt.getTime() === recovered.peakAt.getTime()
}

interface CheckedPoint extends EquityPoint {
  readonly flow: number
  readonly flowTiming: FlowTiming
}

function readPoint(point: EquityPoint, field: string): CheckedPoint {
  const { at, equity, flow = 0, flowTiming = 'end' } = point
  if (!(at instanceof Date) || Number.isNaN(at.getTime())) throw invalid(`${field}.at`, 'is no valid Date')
  if (!FLOW_TIMINGS.includes(flowTiming)) {
    throw invalid(`${field}.flowTiming`, `'${String(flowTiming)}' is not one of ${FLOW_TIMINGS.join(', ')}`)
  }
  return {
    at,
    equity: readNumber(equity, `${field}.equity`),
    flow: readNumber(flow, `${field}.flow`),
    flowTiming,
  }
}
