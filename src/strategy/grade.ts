import { DataError } from '../db/errors.ts'
import type { Grade } from './schema/values.ts'

/** What a strategy has achieved. What is not known is null, and earns no points. */
export interface GradePerformanceInput {
  /** Annualised Sharpe ratio. */
  readonly sharpe: number | null
  /** The deepest fall from a peak, 0 or more: 0.1 is ten per cent. */
  readonly maxDrawdownFraction: number | null
  /** The part of trades that won, 0 to 1. */
  readonly winRate: number | null
  /** How much of what a backtest promised is lost live: 1 − live / backtest. 0.2 is a fifth; negative where live is better. */
  readonly degradationFraction: number | null
  /** Closed trades that this is made of. */
  readonly tradesCount: number
  /** Days since the last trade; null if there was none. */
  readonly idleDays: number | null
  /** How sure the reviewer is of it, 0 to 1. 1 unless said otherwise. */
  readonly confidence?: number | undefined
}

export interface PerformanceGrade {
  readonly grade: Grade
  /** 0 to 100: the sum of the scores. */
  readonly points: number
  /** At most 40, 25, 15 and 20. */
  readonly scores: Readonly<Record<'sharpe' | 'drawdown' | 'winRate' | 'degradation', number>>
  /** 0 to 1, less for few trades and for long silence. */
  readonly confidence: number
}

type Steps = readonly (readonly [bound: number, points: number])[]

/** From this Sharpe ratio on. */
const SHARPE: Steps = [
  [2, 40],
  [1.5, 35],
  [1, 25],
  [0.5, 15],
  [0, 5],
]
/** Up to this drawdown: a twentieth costs nothing, and from three tenths on nothing is left. */
const DRAWDOWN: Steps = [
  [0.05, 25],
  [0.1, 20],
  [0.15, 15],
  [0.2, 10],
  [0.3, 5],
]
/** From this part of winners on. Low, since who wins seldom may win much. */
const WIN_RATE: Steps = [
  [0.6, 15],
  [0.5, 12],
  [0.4, 8],
  [0.3, 4],
]
/** Up to this loss against the backtest: a tenth is within what chance does. */
const DEGRADATION: Steps = [
  [0.1, 20],
  [0.2, 15],
  [0.3, 10],
  [0.5, 5],
]
/** From so many points on. */
const GRADE_FROM: readonly (readonly [number, Grade])[] = [
  [85, 'A+'],
  [70, 'A'],
  [50, 'B'],
  [30, 'C'],
]

const FEW_TRADES = 20
const FEW_TRADES_FACTOR = 0.8
const IDLE_DAYS = 14
const IDLE_FACTOR = 0.7

/**
 * Grades what a strategy has achieved, from A+ to D: points for its Sharpe ratio, drawdown, win rate and how much of its backtest it keeps.
 *
 * Every bound belongs to the better side: a Sharpe ratio of exactly 2 earns 40, a drawdown of exactly 0.05 earns 25, 85 points are an A+. The confidence is
 * multiplied by 0.8 below 20 trades, and by 0.7 after more than 14 days without a trade or without any.
 *
 * @throws `invalid_input` naming the field for what is no number, or outside its range.
 */
export function gradePerformance(input: GradePerformanceInput): PerformanceGrade {
  const {
    sharpe,
    maxDrawdownFraction,
    winRate,
    degradationFraction,
    tradesCount,
    idleDays,
    confidence = 1,
  } = input
  const scores = {
    sharpe: pointsFrom(SHARPE, read(sharpe, 'sharpe')),
    drawdown: pointsUpTo(DRAWDOWN, read(maxDrawdownFraction, 'maxDrawdownFraction', 0)),
    winRate: pointsFrom(WIN_RATE, read(winRate, 'winRate', 0, 1)),
    degradation: pointsUpTo(DEGRADATION, read(degradationFraction, 'degradationFraction')),
  }
  const points = scores.sharpe + scores.drawdown + scores.winRate + scores.degradation
  const few = (read(tradesCount, 'tradesCount', 0) ?? 0) < FEW_TRADES ? FEW_TRADES_FACTOR : 1
  const silentDays = read(idleDays, 'idleDays', 0)
  const silent = silentDays === null || silentDays > IDLE_DAYS ? IDLE_FACTOR : 1
  return {
    grade: GRADE_FROM.find(([bound]) => points >= bound)?.[1] ?? 'D',
    points,
    scores,
    confidence: (read(confidence, 'confidence', 0, 1) ?? 0) * few * silent,
  }
}

function pointsFrom(steps: Steps, value: number | null): number {
  return (value !== null && steps.find(([bound]) => value >= bound)?.[1]) || 0
}

function pointsUpTo(steps: Steps, value: number | null): number {
  return (value !== null && steps.find(([bound]) => value <= bound)?.[1]) || 0
}

function read(value: number | null, field: string, from = -Infinity, to = Infinity): number | null {
  if (value === null || (typeof value === 'number' && value >= from && value <= to)) return value
  throw new DataError('invalid_input', `${field} ${String(value)} is no number from ${from} to ${to}`, {
    field,
  })
}
