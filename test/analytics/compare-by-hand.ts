/** The change of each value over the one before it. */
export function returnsOf(equity: readonly number[]): number[] {
  return equity.slice(1).map((value, i) => value / (equity[i] ?? 1) - 1)
}

/** The deepest fall from a peak, as a fraction of it. */
export function maxDrawdownOf(equity: readonly number[]): number {
  return Math.max(...equity.map((value, i) => 1 - value / Math.max(...equity.slice(0, i + 1))))
}
