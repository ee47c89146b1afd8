import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arbitraryArrival, arbitraryLedger } from './arbitrary-ledger.ts'
import { fillKey, replayModel } from './ledger-model.ts'
import { Rational } from './rational.ts'

const anyFacts = arbitraryLedger()

describe('any ledger', () => {
  test('gross is net cash flow plus the signed cost of what is open, to the last digit', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const { totalGross, netCashFlow, signedOpenCost, realisedByFill, cycles } = replayModel(facts)
        expect(totalGross).toBe(sum([netCashFlow, signedOpenCost]))
        expect(totalGross).toBe(sum(realisedByFill.values()))
        expect(totalGross).toBe(sum(cycles.map(({ realisedGross }) => realisedGross)))
      }),
    )
  })

  test('arrival order and repetition change nothing', () => {
    const arrivals = anyFacts.chain((facts) =>
      fc.tuple(fc.constant(facts), arbitraryArrival(facts.fills), arbitraryArrival(facts.funding)),
    )
    fc.assert(
      fc.property(arrivals, ([facts, fills, funding]) => {
        expect(replayModel({ ...facts, fills, funding })).toEqual(replayModel(facts))
      }),
    )
  })

  test('all methods agree on closed cycles and on quantities, and lots add up to the position', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const [average, ...byLots] = (['average', 'fifo', 'lifo'] as const).map(
          (method) => replayModel({ ...facts, method }).cycles,
        )
        for (const cycles of byLots) {
          expect(cycles.map((cycle) => (cycle.status === 'open' ? cycle.quantity : cycle))).toEqual(
            average?.map((cycle) => (cycle.status === 'open' ? cycle.quantity : cycle)),
          )
          for (const { lots, quantity, cost } of cycles) {
            expect(sum(lots.map((lot) => lot.quantity))).toBe(quantity)
            expect(sum(lots.map((lot) => lot.cost))).toBe(cost)
          }
        }
      }),
    )
  })

  test('valid ledgers are generated, and among them what is rare otherwise', () => {
    const seen = {
      closed: 0,
      flips: 0,
      excess: 0,
      liquidated: 0,
      funded: 0,
      unvalued: 0,
      rebates: 0,
      selfTrades: 0,
      sharedMs: 0,
    }
    for (const facts of fc.sample(anyFacts, { numRuns: 200, seed: 7 })) {
      const { cycles, excessByFill } = replayModel(facts)
      const ids = facts.fills.map(({ exchangeTradeId }) => exchangeTradeId)
      expect(new Set(facts.fills.map(fillKey)).size).toBe(ids.length)
      seen.closed += cycles.filter(({ status }) => status === 'closed').length
      seen.liquidated += cycles.filter(({ status }) => status === 'liquidated').length
      seen.funded += cycles.filter(({ funding }) => funding !== '0').length
      seen.unvalued += cycles.filter(({ unvaluedFees }) => Object.keys(unvaluedFees).length > 0).length
      seen.excess += [...excessByFill.values()].filter((excess) => excess !== '0').length
      seen.flips += Math.max(0, sumOf(cycles.map(({ fillCount }) => fillCount)) - facts.fills.length)
      seen.rebates += facts.fills.filter(({ fee }) => fee.startsWith('-')).length
      seen.selfTrades += ids.length - new Set(ids).size
      seen.sharedMs += ids.length - new Set(facts.fills.map(({ executedAt }) => executedAt)).size
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(20)
  })
})

function sumOf(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function sum(amounts: Iterable<string>): string {
  return Rational.sum([...amounts].map((amount) => Rational.parse(amount))).toText()
}
