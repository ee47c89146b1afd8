import { invalid, LEAST_DEVIATION, readMoment, readNumber } from './numbers.ts'

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

/** What an account had grown to at a moment. */
export interface GrowthPoint {
  readonly at: Date
  /** What one unit of currency became since the start: 1 there. Zero once all was lost, and from then on. */
  readonly growth: number
  /** Gained since the start, without flows. */
  readonly profit: number
}

/** How far an account is below its peak, and was at its worst. Goes on with `continueDrawdown`. */
export interface Drawdown extends GrowthPoint {
  /** At the last point. */
  readonly equity: number
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
 * deposit is no profit and a withdrawal no loss. A fall of up to 1e-12 of the peak is none: so much is rounding.
 *
 * @throws `invalid_input` naming the place, as `points[3].equity`: for times that do not go forward, a starting capital that is
 * not greater than zero, and a gain that came from nothing.
 */
export function measureDrawdown(points: readonly EquityPoint[]): Drawdown {
  let last: Drawdown | undefined
  for (const drawdown of walkDrawdown(points)) last = drawdown
  if (last === undefined) throw invalid('points', 'has none')
  return last
}

/** Gives the drawdown at each point: what `measureDrawdown` makes of the points up to that one. */
export function* walkDrawdown(points: readonly EquityPoint[]): Generator<Drawdown, void> {
  const [first, ...rest] = points
  if (first === undefined) throw invalid('points', 'has none')
  const { at, equity } = readPoint(first, 'points[0]')
  readNumber(equity, 'points[0].equity', { above: 0, least: 1e-100 })
  if (first.flow !== undefined && first.flow !== 0) {
    throw invalid('points[0].flow', 'is of no time: the first point is the starting capital')
  }
  let drawdown: Drawdown = { ...startCourse(at), equity }
  yield drawdown
  for (const [i, point] of rest.entries()) {
    drawdown = advance(drawdown, point, `points[${i + 1}]`)
    yield drawdown
  }
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
  return { ...follow(before, { at, growth, profit: before.profit + gain }), equity }
}

/** Where growth stands to its peak: a drawdown of which nobody needs to know the equity. */
export type Course = Omit<Drawdown, 'equity'>

export function startCourse(at: Date): Course {
  return {
    at,
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
}

export function follow(before: Course, { at, growth, profit }: GrowthPoint): Course {
  const fraction = 1 - growth / before.peakGrowth
  // Growth is a product. Of an account that is back at its peak to the cent, it is often an ulp below.
  if (fraction <= LEAST_DEVIATION) {
    const recovered = before.current && { ...before.current, recoveredAt: at }
    return {
      at,
      growth,
      profit,
      // Not lowered: many falls too small to count are a fall together.
      peakGrowth: Math.max(growth, before.peakGrowth),
      peakAt: at,
      peakProfit: profit,
      currentFraction: 0,
      currentAmount: 0,
      current: null,
      deepest: isSameFall(before.deepest, recovered) ? recovered : before.deepest,
    }
  }
  const amount = before.peakProfit - profit
  const { peakGrowth, peakAt, peakProfit } = before
  const low = before.current
  const current: Fall =
    low && low.fraction >= fraction
      ? low
      : {
          fraction,
          amount,
          peakAt,
          troughAt: low && !isDeeper(fraction, low) ? low.troughAt : at,
          recoveredAt: null,
        }
  const isFirst = before.deepest === null || isSameFall(before.deepest, low)
  const deepest = isFirst || isDeeper(current.fraction, before.deepest) ? current : before.deepest
  return {
    at,
    growth,
    profit,
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

/** Of an account that is as low as before to the cent, growth is often an ulp lower. */
function isDeeper(fraction: number, than: Fall): boolean {
  return fraction - than.fraction > LEAST_DEVIATION
}

/** A fall is known by its peak. */
function isSameFall(deepest: Fall | null, fall: Fall | null): boolean {
  return deepest !== null && fall !== null && deepest.peakAt.getTime() === fall.peakAt.getTime()
}

interface CheckedPoint extends EquityPoint {
  readonly flow: number
  readonly flowTiming: FlowTiming
}

function readPoint(point: EquityPoint, field: string): CheckedPoint {
  const { at, equity, flow = 0, flowTiming = 'end' } = point
  readMoment(at, `${field}.at`)
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
