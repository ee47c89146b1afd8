import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { readCandleCsv } from '../../src/importers/candle-csv.ts'
import { candlesFromCcxt } from '../../src/importers/ccxt-candles.ts'
import { fundingRatesFromCcxt } from '../../src/importers/ccxt-funding-rates.ts'
import { readFundingRateCsv } from '../../src/importers/funding-csv.ts'
import { findCandleGaps } from '../../src/market/candle-gaps.ts'
import { getCandles } from '../../src/market/candles.ts'
import {
  type FundingRate,
  getLatestFundingRate,
  listFundingRates,
  recordFundingRates,
} from '../../src/market/funding-rates.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { resampleCandles } from '../../src/market/resample.ts'
import { listCandleSeries } from '../../src/market/series.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'

// From the file, as a user reads it, to the figures: the readers, the verbs and the database together.

const fileOf = (path: string) => fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url))
const onlyHere = test.skipIf(!hasSharedData)

interface Recorded {
  readonly fetchOHLCV: readonly (readonly number[])[]
  readonly fetchFundingRateHistory: readonly {
    readonly timestamp: number
    readonly info: { readonly fundingRate: string }
  }[]
}
interface Snapshot {
  readonly request: { readonly type: string }
  readonly response: readonly Readonly<
    Record<'o' | 'h' | 'l' | 'c' | 'v', string> & { t: number; n: number }
  >[]
}

describeEngines(`recordings (${SKIP_REASON} otherwise)`, (open) => {
  onlyHere('1,318 days of Coinbase are stored once, and 34 are missing', async () => {
    const db = await open()
    const name = { exchange: 'coinbase', symbol: 'BTC-USD', timeframe: '1d' } as const
    const read = () =>
      readCandleCsv(fileOf('candles/coinbase-btc-usd-1d.csv'), { ...name, format: 'coinbase' })
    expect(await recordCandles(db, { candles: read() })).toEqual({
      inserted: 1_318,
      updated: 0,
      unchanged: 0,
      refusedCount: 0,
      refused: [],
    })
    expect(await recordCandles(db, { candles: read() })).toMatchObject({ inserted: 0, unchanged: 1_318 })
    expect(await listCandleSeries(db, { exchange: 'coinbase' })).toMatchObject([
      { ...name, candleCount: 1_318 },
    ])
    const gaps = await findCandleGaps(db, name)
    expect(gaps.reduce((sum, { missing }) => sum + missing, 0)).toBe(34)
    const [first] = await getCandles(db, {
      ...name,
      from: new Date('2014-12-01'),
      until: new Date('2014-12-02'),
    })
    expect(first).toMatchObject({ open: new Decimal(300), volume: new Decimal('0.05655554'), complete: true })
  })

  onlyHere('721 minutes of Bybit make 12 whole hours', async () => {
    const db = await open()
    const name = { exchange: 'bybit', symbol: 'BTCUSDT', timeframe: '1m' } as const
    const day = new Date('2022-12-13')
    const candles = readCandleCsv(fileOf('candles/bybit-btcusdt-perp-1m-2022-12-13.csv'), {
      ...name,
      format: 'bybit',
      day,
    })
    expect(await recordCandles(db, { candles })).toMatchObject({ inserted: 721, refusedCount: 0 })
    expect(await findCandleGaps(db, name)).toEqual([])
    const hours = await resampleCandles(db, { ...name, into: '1h', from: day })
    expect(hours.filter(({ complete }) => complete)).toHaveLength(12)
    expect(hours).toHaveLength(13)
  })

  onlyHere('the 24 candles load, as the exchange and as ccxt give them, to the same amounts', async () => {
    const db = await open()
    const { fetchOHLCV } = readSharedJson<Recorded>('ccxt/hyperliquid.unified.json')
    const name = { exchange: 'hyperliquid', symbol: 'kPEPE/USDC:USDC', timeframe: '1h' } as const
    const unified = candlesFromCcxt(fetchOHLCV, name)
    expect(await recordCandles(db, { candles: unified })).toMatchObject({ inserted: 24, refusedCount: 0 })
    const native = readSharedJson<Snapshot[]>('hyperliquid/candles.json').find(
      ({ request }) => request.type === 'candleSnapshot',
    )
    const own = (native?.response ?? []).map(({ t, o, h, l, c, v, n }) => ({
      ...name,
      openTime: new Date(t),
      open: o,
      high: h,
      low: l,
      close: c,
      volume: v,
      tradeCount: n,
    }))
    expect(own).toHaveLength(24)
    // The exchange's own tell the number of trades too, and differ in nothing else.
    expect(await recordCandles(db, { candles: own })).toMatchObject({ updated: 24 })
    const stored = await getCandles(db, { ...name, last: 24 })
    expect(
      stored.map(({ open, high, low, close, volume }) => [open, high, low, close, volume].map(String)),
    ).toEqual(
      fetchOHLCV.map(([, ...amounts]) => amounts.map((amount) => new Decimal(String(amount)).toFixed())),
    )
  })

  onlyHere(
    '1,038 funding rates are all kept, and what they are a year changes with their interval',
    async () => {
      const db = await open()
      const { fetchFundingRateHistory } = readSharedJson<Recorded>('ccxt/hyperliquid.unified.json')
      const rates = fundingRatesFromCcxt(fetchFundingRateHistory, { exchange: 'hyperliquid' })
      expect(await recordFundingRates(db, { rates })).toEqual({
        inserted: 1_038,
        updated: 0,
        unchanged: 0,
        refused: [],
      })
      // The same, told some seconds later than the first time.
      const jittered = rates.map((rate, i) => ({
        ...rate,
        publishedAt: new Date(rate.publishedAt.getTime() + (i % 90) * 1_000),
      }))
      expect(await recordFundingRates(db, { rates: jittered })).toMatchObject({
        inserted: 0,
        unchanged: 1_038,
      })

      const name = { exchange: 'hyperliquid', symbol: 'BTC/USDC:USDC' }
      const stored = await listAll<FundingRate>((after) =>
        listFundingRates(db, { ...name, limit: 1_000, after }),
      )
      expect(stored).toHaveLength(1_038)
      const ofHours = (hours: number) => stored.filter(({ intervalHours }) => intervalHours === hours).length
      expect([ofHours(1), ofHours(8)]).toEqual([956, 82])
      for (const { rate, annualisedRate, rateBps, intervalHours } of stored) {
        expect(annualisedRate.eq(rate.times(intervalHours === 8 ? 3 * 365 : 24 * 365))).toBe(true)
        expect(rateBps.eq(rate.times(10_000))).toBe(true)
      }
      const texts = new Map(
        fetchFundingRateHistory.map(({ timestamp, info }) => [timestamp, info.fundingRate]),
      )
      for (const { rate, publishedAt } of stored) {
        expect(rate.eq(texts.get(publishedAt.getTime()) ?? 'NaN')).toBe(true)
      }
      // The rate of 8 hours before the change, and that of one hour after it, tell the same cost by other figures.
      const change = stored.findLastIndex(({ intervalHours }) => intervalHours === 1)
      expect(stored[change + 1]).toMatchObject({ intervalHours: 8 })
      expect(await getLatestFundingRate(db, name)).toMatchObject({ intervalHours: 1, isEstimated: false })
    },
  )

  onlyHere('the funding files load', async () => {
    const db = await open()
    const bybit = { exchange: 'bybit', symbol: 'BTCUSDT' }
    const rates = readFundingRateCsv(fileOf('candles/bybit-btcusdt-funding.csv'), bybit)
    expect(await recordFundingRates(db, { rates })).toMatchObject({ inserted: 3, refused: [] })
    expect(await getLatestFundingRate(db, bybit)).toMatchObject({
      fundingTime: new Date('2022-12-13T16:00:00Z'),
      intervalHours: 8,
      rate: new Decimal('-0.00038555'),
      annualisedRate: new Decimal('-0.42217725'),
    })
    const binance = { exchange: 'binance', symbol: 'ADAUSDT' }
    const path = fileOf('candles/binance-adausdt-funding.csv')
    const one = readFundingRateCsv(path, { ...binance, intervalHours: 8 })
    expect(await recordFundingRates(db, { rates: one })).toMatchObject({ inserted: 1 })
  })
})

async function listAll<Row>(page: (after: Row | undefined) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const next = await page(rows.at(-1))
    rows.push(...next)
    if (next.length < 1_000) return rows
  }
}
