import { describe, expect, it } from 'vitest'
import { normalQuantile } from '../../src/statistics/index.ts'
import { expectRefused, NOT_NUMBERS } from './refused.ts'

/** Quantiles of the standard normal distribution, from published tables. */
const PUBLISHED: [probability: number, z: number][] = [
  [0.55, 0.12566134685507402],
  [0.75, 0.6744897501960817],
  [0.9, 1.2815515655446004],
  [0.95, 1.6448536269514722],
  [0.975, 1.959963984540054],
  [0.99, 2.3263478740408408],
  [0.995, 2.5758293035489004],
  [0.999, 3.090232306167813],
  [0.9999, 3.719016485455709],
]

/** The probability under z, by adding up the density: Simpson's rule from −12, below which there is nothing to speak of. */
function probabilityUnder(z: number): number {
  const steps = 20_000
  const width = (z + 12) / steps
  const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
  let sum = density(-12) + density(z)
  for (let i = 1; i < steps; i++) sum += density(-12 + i * width) * (i % 2 === 0 ? 2 : 4)
  return (sum * width) / 3
}

describe('normalQuantile', () => {
  it.each(PUBLISHED)('of %s agrees with published tables', (probability, z) => {
    expect(Math.abs(normalQuantile(probability) - z)).toBeLessThan(2e-15)
  })

  it('is zero of a half, and symmetric about it', () => {
    expect(normalQuantile(0.5)).toBe(0)
    // Fractions that are exact doubles, so that one less them is too.
    for (const probability of [1 / 1024, 1 / 8, 0.25, 0.4375]) {
      expect(normalQuantile(probability)).toBe(-normalQuantile(1 - probability))
    }
  })

  it('undoes the area under the bell curve, all along', () => {
    for (let z = -6; z <= 3; z += 0.125) {
      const probability = probabilityUnder(z)
      // A probability near 1 has few digits left for what is above it.
      expect(Math.abs(normalQuantile(probability) - z)).toBeLessThan(1e-11)
    }
  })

  it('grows with the probability into the far tails', () => {
    const tails = [1e-300, 1e-100, 1e-20, 1e-10, 1e-5, 0.01, 0.3]
    const found = tails.map(normalQuantile)
    expect(found).toEqual([...found].sort((a, b) => a - b))
    // From tables of the far tail: 10⁻¹⁰ is at 6.361340902404056, 10⁻²⁰ at 9.2623400897985.
    expect(normalQuantile(1e-10)).toBeCloseTo(-6.361340902404056, 13)
    expect(normalQuantile(1e-20)).toBeCloseTo(-9.2623400897985, 11)
  })

  it.each([0, 1, -0.1, 95, ...NOT_NUMBERS])('refuses %s', (bad) => {
    expectRefused(() => normalQuantile(bad), 'probability')
  })
})
