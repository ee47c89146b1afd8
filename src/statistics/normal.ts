import { readNumber } from './numbers.ts'

/**
 * Returns z, the value that a standard normal variable stays under with this probability: 1.645 of 0.95. Off by
 * no more than a few units of the sixteenth digit.
 *
 * @throws `invalid_input` naming `probability`, unless it is between 0 and 1 and neither.
 */
export function normalQuantile(probability: number): number {
  readNumber(probability, 'probability', { above: 0, below: 1 })
  if (probability === 0.5) return 0
  // By symmetry. From a half on, one less a double is exact.
  return probability > 0.5 ? upperQuantile(1 - probability) : -upperQuantile(probability)
}

const STEPS_MAX = 100
/** One unit of the last digit of a double near 1. */
const EPSILON = 2 ** -52

/**
 * Finds z ≥ 0 with this probability above it, by Newton's method on the logarithm of that probability. That is concave, so
 * from zero the first step leads beyond z and all further ones back to it.
 */
function upperQuantile(tail: number): number {
  let z = 0
  for (let step = 0; step < STEPS_MAX; step++) {
    const ratio = millsRatio(z)
    const logTail = Math.log(ratio) + logDensity(z)
    const next = z + ratio * (logTail - Math.log(tail))
    if (Math.abs(next - z) <= 2 * EPSILON * next) return next
    z = next
  }
  return z
}

const LOG_SQRT_TWO_PI = 0.5 * Math.log(2 * Math.PI)

function logDensity(z: number): number {
  return -0.5 * z * z - LOG_SQRT_TWO_PI
}

const FRACTION_FROM = 1
/** What a double's digits need at `FRACTION_FROM`; a larger z needs fewer. */
const FRACTION_LEVELS = 400

/** The probability above z over the density at z. */
function millsRatio(z: number): number {
  if (z >= FRACTION_FROM) {
    // Laplace's continued fraction 1/(z + 1/(z + 2/(z + 3/(z + …)))).
    let below = z
    for (let level = FRACTION_LEVELS; level > 0; level--) below = z + level / below
    return 1 / below
  }
  // A half less what lies between zero and z: the density times z + z³/3 + z⁵/(3·5) + …
  let term = z
  let sum = z
  for (let odd = 3; term > sum * EPSILON; odd += 2) {
    term *= (z * z) / odd
    sum += term
  }
  return 0.5 / Math.exp(logDensity(z)) - sum
}
