import { invalid, readNumber } from './numbers.ts'

export interface KellyInput {
  /** The share of bets that win, 0 to 1. */
  readonly winRate: number
  /** What a win brings for each unit that a loss costs: mean win / |mean loss|. Greater than zero. */
  readonly payoff: number
  /** The result is not below this. Not bounded unless given. */
  readonly least?: number | undefined
  /** The result is not above this, as 0.25. Not bounded unless given. */
  readonly most?: number | undefined
}

/**
 * Returns the fraction of the capital that makes it grow fastest in the long run: (p·(b + 1) − 1) / b, within the caller's
 * bounds. Zero or negative where the bets lose: there is nothing to stake then.
 *
 * @throws `invalid_input` naming the field, also if `least` is above `most`.
 */
export function kellyFraction({ winRate, payoff, least, most }: KellyInput): number {
  readNumber(winRate, 'winRate', { least: 0, most: 1 })
  readNumber(payoff, 'payoff', { least: 1e-100, above: 0 })
  if (least !== undefined) readNumber(least, 'least')
  if (most !== undefined) readNumber(most, 'most')
  if (least !== undefined && most !== undefined && least > most) {
    throw invalid('least', `${least} is above most ${most}`)
  }
  // p − (1 − p)/b is the same, and b + 1 loses digits of a small b.
  const fraction = winRate - (1 - winRate) / payoff
  return Math.min(most ?? Infinity, Math.max(least ?? -Infinity, fraction))
}
