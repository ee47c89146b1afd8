import type { FundingRateInput } from '../../src/market/funding-rate-input.ts'
import type { FundingRate } from '../../src/market/funding-rates.ts'

let symbols = 0
/** A symbol that no other test uses. */
export const newSymbol = () => `S${++symbols}/USDT:USDT`

export const NOON = '2026-03-01T12:00:00.000Z'

export function rateOf(symbol: string, overrides: Partial<FundingRateInput> = {}): FundingRateInput {
  return {
    exchange: 'binance',
    symbol,
    publishedAt: new Date(NOON),
    intervalHours: 8,
    rate: '0.0001',
    ...overrides,
  }
}

const AMOUNTS = ['rate', 'markPrice', 'indexPrice', 'predictedRate'] as const
/** What may change of a row, amounts as text. */
export const contentOf = (row: FundingRate) => ({
  intervalHours: row.intervalHours,
  isEstimated: row.isEstimated,
  ...Object.fromEntries(AMOUNTS.map((field) => [field, row[field]?.toFixed() ?? null])),
})
