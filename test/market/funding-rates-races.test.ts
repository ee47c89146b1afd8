import { expect, it } from 'vitest'
import { nearestHour } from '../../src/market/funding-rate-input.ts'
import { listFundingRates, recordFundingRates } from '../../src/market/funding-rates.ts'
import { describeEngines } from '../database.ts'
import { newSymbol, rateOf } from './funding-fixture.ts'

// The embedded engine is one connection, so it shows nothing of races.
describeEngines(
  'races for a funding rate',
  (open) => {
    it('leave each hour with one settled rate, and every other one refused', async () => {
      const db = await open()
      for (let round = 0; round < 10; round++) {
        const symbol = newSymbol()
        // Each writer has a rate of its own for the same 20 hours, in an order of its own.
        const writers = Array.from({ length: 6 }, (_, writer) =>
          Array.from({ length: 20 }, (_, i) => {
            const hour = writer % 2 ? i : 19 - i
            return rateOf(symbol, {
              publishedAt: new Date(Date.UTC(2026, 0, 1, hour)),
              rate: `0.000${writer + 1}`,
            })
          }),
        )
        const estimates = Array.from({ length: 20 }, (_, hour) =>
          rateOf(symbol, {
            publishedAt: new Date(Date.UTC(2026, 0, 1, hour)),
            rate: '0.9',
            isEstimated: true,
          }),
        )
        const results = await Promise.all(
          [...writers, estimates].map((rates) => recordFundingRates(db, { rates })),
        )
        const rows = await listFundingRates(db, { exchange: 'binance', symbol })
        expect(rows).toHaveLength(20)
        expect(rows.filter((row) => row.isEstimated)).toEqual([])
        const sum = (pick: (result: (typeof results)[number]) => number) =>
          results.reduce((total, result) => total + pick(result), 0)
        expect(sum((result) => result.inserted)).toBe(20)
        // One of the six settled rates of each hour stands; it may have replaced the estimate.
        expect(sum((result) => result.refused.length)).toBe(100)
        expect(sum((result) => result.updated + result.unchanged)).toBe(20)
        const byHour = new Map(rows.map((row) => [row.fundingTime.getTime(), row]))
        for (const { rate, reason } of results.flatMap(({ refused }) => refused)) {
          const winner = byHour.get(nearestHour(rate.publishedAt).getTime())
          expect(reason).toContain(`is settled at ${winner?.rate} per 8 h`)
          expect(winner?.rate.toFixed()).not.toBe(rate.rate)
        }
      }
    })
  },
  ['postgres', 'pg'],
)
