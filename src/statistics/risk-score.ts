import { readNumber } from './numbers.ts'

/** What a risk score is made of. Null is what is not known. */
export interface RiskScoreInput {
  /** Value at risk of a day as a fraction of the portfolio's own value: 0.05 is five per cent. Below zero counts as none. */
  readonly valueAtRiskFraction: number | null
  /** Gross exposure / equity. Not negative. */
  readonly leverage: number | null
  /** The index of `concentration`, 0 to 1. */
  readonly concentration: number | null
  /** How far equity is below its peak, 0 to 1. */
  readonly drawdownFraction: number | null
  /** How closely the positions move together: the mean size of their correlations, 0 to 1. Of a single position 0. */
  readonly correlation: number | null
  /** How easily they are sold, 0 (not at all) to 1. */
  readonly liquidity: number | null
}

export interface RiskScore {
  /** 0 to 100. Null while anything that it is made of is not known. */
  readonly score: number | null
  readonly level: 'low' | 'medium' | 'high' | 'critical' | null
  /** What each part adds to the score; null where it is not known. */
  readonly parts: Readonly<Record<keyof RiskScoreInput, number | null>>
  /** What is not known. */
  readonly missing: readonly (keyof RiskScoreInput)[]
}

interface Part {
  /** The most that it adds to the score. Together 100. */
  readonly points: number
  readonly most: number
  /** From 0 to 1, where 1 adds all its points. */
  readonly share: (value: number) => number
}

/**
 * The parts and their weights. Each reaches its full points at what is dangerous by itself: a tenth of the portfolio at risk in
 * a day, twice the equity exposed, half of the exposure squared in one place, a fifth below the peak.
 */
const PARTS: Readonly<Record<keyof RiskScoreInput, Part>> = {
  valueAtRiskFraction: { points: 25, most: Infinity, share: (value) => value / 0.1 },
  leverage: { points: 20, most: Infinity, share: (value) => value / 2 },
  concentration: { points: 20, most: 1, share: (value) => value / 0.5 },
  drawdownFraction: { points: 15, most: 1, share: (value) => value / 0.2 },
  correlation: { points: 10, most: 1, share: (value) => value },
  liquidity: { points: 10, most: 1, share: (value) => 1 - value },
}

const LEVELS = [
  { from: 80, level: 'critical' },
  { from: 60, level: 'high' },
  { from: 30, level: 'medium' },
] as const

/**
 * Returns how risky a portfolio is, from 0 to 100: critical from 80, high from 60, medium from 30, else low.
 *
 * Value at risk adds up to 25 points, leverage and concentration 20 each, drawdown 15, correlation and lack of liquidity 10
 * each. What is not known is not guessed: it leaves the score null, and is named.
 *
 * @throws `invalid_input` naming the field.
 */
export function riskScore(input: RiskScoreInput): RiskScore {
  const names = Object.keys(PARTS) as (keyof RiskScoreInput)[]
  const parts = Object.fromEntries(names.map((name) => [name, pointsOf(name, input[name])])) as Record<
    keyof RiskScoreInput,
    number | null
  >
  const missing = names.filter((name) => parts[name] === null)
  const score = missing.length > 0 ? null : names.reduce((sum, name) => sum + (parts[name] ?? 0), 0)
  return { score, level: score === null ? null : riskLevelOf(score), parts, missing }
}

function pointsOf(name: keyof RiskScoreInput, value: number | null): number | null {
  if (value === null) return null
  const { points, most, share } = PARTS[name]
  const bounds = name === 'valueAtRiskFraction' ? {} : { least: 0 }
  readNumber(value, name, most === Infinity ? bounds : { ...bounds, most })
  return points * Math.min(1, Math.max(0, share(value)))
}

/** Returns the level of a score of 0 to 100. @throws `invalid_input` naming `riskScore`. */
export function riskLevelOf(score: number): NonNullable<RiskScore['level']> {
  readNumber(score, 'riskScore', { least: 0, most: 100 })
  return LEVELS.find(({ from }) => score >= from)?.level ?? 'low'
}
