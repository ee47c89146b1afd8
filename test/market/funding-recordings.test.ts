import { Decimal as DecimalJs } from 'decimal.js'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { type FundingRateInput, nearestHour } from '../../src/market/funding-rate-input.ts'
import { type FundingRate, listFundingRates, recordFundingRates } from '../../src/market/funding-rates.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'

interface RecordedRate {
  readonly symbol: string
  readonly timestamp: number
  readonly info: { readonly fundingRate: string }
}

const HOUR_MS = 3_600_000
const exchange = 'hyperliquid'

/** The recorded rates; each is for the hours since the one before. One hour is missing, on 2 July 2023 at 20:00. */
function readRates(): FundingRateInput[] {
  const recorded = readSharedJson<{ fetchFundingRateHistory: RecordedRate[] }>(
    'ccxt/hyperliquid.unified.json',
  ).fetchFundingRateHistory
  const hours = recorded.map(({ timestamp }) => nearestHour(new Date(timestamp)).getTime() / HOUR_MS)
  const since = hours.map((hour, i) => hour - (hours[i - 1] ?? hour - 8))
  return recorded.map(({ symbol, timestamp, info }, i) => ({
    exchange,
    symbol,
    publishedAt: new Date(timestamp),
    intervalHours: since[i] === 2 ? 1 : (since[i] ?? 0),
    rate: info.fundingRate,
  }))
}

async function readAll(db: Connection, symbol: string): Promise<FundingRate[]> {
  const first = await listFundingRates(db, { exchange, symbol, limit: 1000 })
  const second = await listFundingRates(db, { exchange, symbol, limit: 1000, after: first.at(-1) })
  return [...first, ...second]
}

describeEngines(`the recorded funding rates${hasSharedData ? '' : `: skipped, ${SKIP_REASON}`}`, (open) => {
  let db: Connection
  let rates: FundingRateInput[]
  beforeAll(async () => {
    if (!hasSharedData) return
    db = await open()
    rates = readRates()
    expect(await recordFundingRates(db, { rates })).toEqual({
      inserted: 1038,
      updated: 0,
      unchanged: 0,
      refused: [],
    })
  })

  it.skipIf(!hasSharedData)('change nothing when they come again', async () => {
    const again = { inserted: 0, updated: 0, unchanged: 1038, refused: [] }
    expect(await recordFundingRates(db, { rates })).toEqual(again)
    const before = await readAll(db, 'BTC/USDC:USDC')
    expect(before).toHaveLength(1038)
    for (const shiftMs of [-300_000, -20_000, 7_500, 300_000]) {
      const shifted = rates.map((rate) => ({
        ...rate,
        publishedAt: new Date(rate.publishedAt.getTime() + shiftMs),
      }))
      expect(await recordFundingRates(db, { rates: shifted })).toEqual(again)
    }
    expect(await readAll(db, 'BTC/USDC:USDC')).toEqual(before)
  })

  it.skipIf(!hasSharedData)('have yearly figures by the interval of each', async () => {
    const rows = await readAll(db, 'BTC/USDC:USDC')
    // So that nothing is rounded here either.
    const Exact = DecimalJs.clone({ precision: 100 })
    for (const { rate, intervalHours, annualisedRate, rateBps } of rows) {
      expect([1, 8]).toContain(intervalHours)
      const perYear = (intervalHours === 8 ? 3 : 24) * 365
      expect(annualisedRate.toFixed()).toBe(new Exact(rate.toFixed()).times(perYear).toFixed())
      expect(rateBps.toFixed()).toBe(new Exact(rate.toFixed()).times(10_000).toFixed())
    }
    // Every eight hours until 8 June 2023, 00:00, and every hour since.
    const firstHourly = new Date('2023-06-08T01:00:00Z')
    const [eight, one] = [8, 1].map((hours) => rows.filter((row) => row.intervalHours === hours))
    expect([eight?.length, one?.length]).toEqual([82, 956])
    expect(eight?.every((row) => row.fundingTime < firstHourly)).toBe(true)
    expect(one?.every((row) => row.fundingTime >= firstHourly)).toBe(true)
    // −0.00061334 · 3 · 365
    expect(rows.at(-1)?.annualisedRate.toFixed()).toBe('-0.6716073')
  })
})
