import { readNumbers } from './numbers.ts'

/**
 * Returns the Herfindahl-Hirschman index of exposures: the sum of the squares of their shares. One exposure makes 1, n equal
 * ones 1/n. Null of no exposure.
 *
 * Long and short count by their size: they are not set off against each other.
 *
 * @throws `invalid_input` naming the place, as `exposures[3]`.
 */
export function concentration(exposures: readonly number[]): number | null {
  const sizes = readNumbers(exposures, 'exposures').map(Math.abs)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  return total === 0 ? null : sizes.reduce((sum, size) => sum + (size / total) ** 2, 0)
}
