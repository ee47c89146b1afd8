import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal, divide } from '../../src/db/decimal.ts'
import { getMarketSummary } from '../../src/market/market-summary.ts'
import { fundingRates } from '../../src/market/schema/funding.ts'
import { fearGreed } from '../../src/market/schema/sentiment.ts'
import { marketSummary } from '../../src/market/schema/views.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, SKIP_REASON } from '../shared-data.ts'
import {
  candle,
  candlesOf,
  readCoinbase,
  scansOf,
  seriesName,
  storeManySeries,
  storeSeries,
} from './candle-series.ts'

const text = (amount: Decimal | null) => amount?.toFixed() ?? null
const fraction = (from: string, to: string) =>
  divide(new Decimal(to).minus(from), new Decimal(from)).toFixed()

describeEngines('getMarketSummary', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.delete(fearGreed)
  })

  it('returns the last candle and the 24 hours up to it', async () => {
    // 31 hours; the 24 hours are those that opened after 06:00 of the first day.
    const rows = candlesOf(
      '1h',
      '2024-03-01T00:00:00Z',
      Array.from({ length: 31 }, (_, hour) => String(100 + hour)),
    ).map((row, hour) => ({
      ...row,
      open: String(99 + hour),
      low: hour === 6 ? '1' : hour === 7 ? '50' : '90',
      high: hour === 6 ? '999' : hour === 30 ? '777' : '200',
      volume: hour === 6 ? '1000' : '0.1',
    }))
    const name = await storeSeries(db, seriesName('1h'), rows)
    const summary = await getMarketSummary(db, name)
    expect(summary).toMatchObject({
      ...name,
      openTime: new Date('2024-03-02T06:00:00Z'),
      complete: true,
      comparedOpenTime: new Date('2024-03-01T06:00:00Z'),
      lastPriceAt: new Date('2024-03-02T07:00:00Z'),
      fundingRate: null,
      fundingAnnualisedRate: null,
      fundingTime: null,
      fundingIsEstimated: null,
      fearGreedSource: null,
      fearGreedValue: null,
      fearGreedClass: null,
      fearGreedMeasuredAt: null,
    })
    expect([summary.open, summary.high, summary.low, summary.close, summary.volume].map(text)).toEqual([
      '129',
      '777',
      '90',
      '130',
      '0.1',
    ])
    // 130 against 129, and against 106.
    expect(text(summary.changeFraction)).toBe('0.007751937984496124031007751937984496124')
    expect(text(summary.changeFraction24h)).toBe('0.2264150943396226415094339622641509433962')
    expect([summary.high24h, summary.low24h, summary.volume24h].map(text)).toEqual(['777', '50', '2.4'])
  })

  it('compares with the last candle before where the one of 24 hours ago is missing, and tells which', async () => {
    const name = await storeSeries(db, seriesName('1h'), [
      candle('2024-03-01T00:00:00Z', '40'),
      candle('2024-03-01T03:00:00Z', '50'),
      candle('2024-03-02T02:00:00Z', '70'),
      candle('2024-03-02T04:00:00Z', '60'),
    ])
    const summary = await getMarketSummary(db, name)
    expect(text(summary.changeFraction24h)).toBe('0.2')
    expect(summary.comparedOpenTime).toEqual(new Date('2024-03-01T03:00:00Z'))
    expect([summary.high24h, summary.low24h, summary.volume24h].map(text)).toEqual(['70', '60', '2'])
  })

  it('knows no change of a single candle', async () => {
    const name = await storeSeries(db, seriesName('1m'), [candle('2024-03-01T00:00:00Z', '40')])
    const summary = await getMarketSummary(db, name)
    expect(summary).toMatchObject({ changeFraction24h: null, comparedOpenTime: null })
    expect([summary.changeFraction, summary.high24h, summary.low24h, summary.volume24h].map(text)).toEqual([
      '0',
      '40',
      '40',
      '1',
    ])
  })

  it('says nothing of 24 hours where a candle is longer', async () => {
    for (const timeframe of ['3d', '1w', '1M'] as const) {
      const first = { '3d': '2023-12-31', '1w': '2024-01-01', '1M': '2024-01-01' }[timeframe]
      const rows = candlesOf(timeframe, `${first}T00:00:00Z`, ['1', '2', '3'])
      const summary = await getMarketSummary(db, await storeSeries(db, seriesName(timeframe), rows))
      expect(text(summary.close)).toBe('3')
      expect(summary).toMatchObject({
        changeFraction24h: null,
        comparedOpenTime: null,
        high24h: null,
        low24h: null,
        volume24h: null,
      })
    }
  })

  it('takes a day for one candle of a day', async () => {
    const rows = candlesOf('1d', '2024-03-01T00:00:00Z', ['4', '5', '6']).map((row, i) => ({
      ...row,
      volume: String(i),
    }))
    const summary = await getMarketSummary(db, await storeSeries(db, seriesName('1d'), rows))
    expect([summary.changeFraction24h, summary.volume24h, summary.high24h].map(text)).toEqual([
      '0.2',
      '2',
      '6',
    ])
  })

  it('counts a last candle that is still forming, and says so', async () => {
    const name = await storeSeries(db, seriesName('1d'), [
      candle('2024-03-01T00:00:00Z', '8'),
      candle('2024-03-02T00:00:00Z', '9', { open: '8', low: '8', complete: false, volume: '3' }),
    ])
    const summary = await getMarketSummary(db, name)
    expect(summary.complete).toBe(false)
    expect([summary.changeFraction, summary.changeFraction24h, summary.volume24h].map(text)).toEqual([
      '0.125',
      '0.125',
      '3',
    ])
  })

  it('divides the smallest and the largest prices as everywhere', async () => {
    const extremes = [
      ['0.000000000001', '0.000000000003'],
      ['0.000000000000000000000000000003', '0.000000000000000000000000000001'],
      ['3', '999999999999999999999999999999.999999999999999999999999999999'],
      ['999999999999999999999999999999', '0.000000000000000000000000000001'],
    ] as const
    for (const [from, to] of extremes) {
      const [low, high] = new Decimal(from).lt(to) ? [from, to] : [to, from]
      const name = await storeSeries(db, seriesName('1d'), [
        candle('2024-03-01T00:00:00Z', from),
        candle('2024-03-02T00:00:00Z', to, { open: from, high, low }),
      ])
      const summary = await getMarketSummary(db, name)
      expect(text(summary.changeFraction)).toBe(fraction(from, to))
      expect(text(summary.changeFraction24h)).toBe(fraction(from, to))
      expect(text(summary.close)).toBe(to)
    }
  })

  it('goes back 24 hours, whatever the clocks of the session do', async () => {
    // New York lost an hour at 07:00 UTC.
    const rows = candlesOf(
      '1h',
      '2021-03-13T00:00:00Z',
      Array.from({ length: 40 }, (_, hour) => String(100 + hour)),
    )
    const name = await storeSeries(db, seriesName('1h'), rows)
    const summary = await db.transaction(async (tx) => {
      await tx.execute(sql`set local time zone 'America/New_York'`)
      return await getMarketSummary(tx, name)
    })
    expect(summary.openTime).toEqual(new Date('2021-03-14T15:00:00Z'))
    expect(summary.comparedOpenTime).toEqual(new Date('2021-03-13T15:00:00Z'))
    expect(text(summary.volume24h)).toBe('24')
  })

  it('adds the newest funding rate of its own exchange and symbol', async () => {
    const rows = candlesOf('1d', '2024-03-01T00:00:00Z', ['4', '5'])
    const name = await storeSeries(db, seriesName('1d'), rows)
    const rate = (hour: string, value: string, more: { exchange?: string; symbol?: string } = {}) => ({
      exchange: name.exchange,
      symbol: name.symbol,
      fundingTime: new Date(`2024-03-02T${hour}:00:00Z`),
      publishedAt: new Date(`2024-03-02T${hour}:00:00Z`),
      intervalHours: 8,
      rate: new Decimal(value),
      ...more,
    })
    await db
      .insert(fundingRates)
      .values([
        rate('08', '-0.0003'),
        rate('00', '0.5'),
        rate('16', '0.7', { exchange: 'elsewhere' }),
        rate('16', '0.8', { symbol: 'ETH/USDT' }),
      ])
    const summary = await getMarketSummary(db, name)
    expect([summary.fundingRate, summary.fundingAnnualisedRate].map(text)).toEqual(['-0.0003', '-0.3285'])
    expect(summary).toMatchObject({
      fundingTime: new Date('2024-03-02T08:00:00Z'),
      fundingIsEstimated: false,
    })
  })

  it('adds the Fear & Greed reading measured last, whoever measured it', async () => {
    const name = await storeSeries(db, seriesName(), candlesOf('1d', '2024-03-01T00:00:00Z', ['4', '5']))
    await db.insert(fearGreed).values([
      { source: 'alternative.me', measuredAt: new Date('2024-03-02T00:00:00Z'), value: 90 },
      { source: 'b', measuredAt: new Date('2024-03-02T12:00:00Z'), value: 46 },
      { source: 'c', measuredAt: new Date('2024-03-01T00:00:00Z'), value: 1 },
    ])
    expect(await getMarketSummary(db, name)).toMatchObject({
      fearGreedSource: 'b',
      fearGreedValue: 46,
      fearGreedClass: 'neutral',
      fearGreedMeasuredAt: new Date('2024-03-02T12:00:00Z'),
    })
  })

  it('finds no series, none without candles, and none of another timeframe', async () => {
    const empty = await storeSeries(db, seriesName(), [])
    const full = await storeSeries(db, seriesName(), candlesOf('1d', '2024-03-01T00:00:00Z', ['4']))
    for (const name of [seriesName(), empty, { ...full, timeframe: '1h' as const }]) {
      await expect(getMarketSummary(db, name)).rejects.toMatchObject({
        code: 'not_found',
        message: `candle of series 'BTC/USDT' ${name.timeframe} of exchange '${name.exchange}' not found`,
      })
    }
  })

  it('refuses a timeframe that there is not, and an empty name', async () => {
    const name = seriesName()
    const refused = [
      ['timeframe', { ...name, timeframe: '7m' as '1m' }],
      ['exchange', { ...name, exchange: ' ' }],
      ['symbol', { ...name, symbol: '' }],
    ] as const
    for (const [field, input] of refused) {
      await expect(getMarketSummary(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
  })

  describe('among many series', () => {
    it('reads candles by their primary key alone', async () => {
      const names = await storeManySeries(db)
      const name = names[4] ?? seriesName()
      const scans = await scansOf(db, (tx) => getMarketSummary(tx, name))
      expect(scans.whole).toBe(0)
      expect(scans.byIndex).toBeGreaterThan(0)
      // Reading all of them is noticed.
      const all = await scansOf(db, (tx) => tx.execute(sql`select sum(volume) from market.candles`))
      expect(all.whole).toBeGreaterThan(0)
    })

    it('has one row for each that has a candle', async () => {
      const exchange = 'many'
      for (const symbol of ['a', 'b']) {
        const rows = candlesOf('1d', '2024-03-01T00:00:00Z', ['4', '5'])
        await storeSeries(db, { exchange, symbol, timeframe: '1d' }, rows)
        await storeSeries(db, { exchange, symbol, timeframe: '1h' }, [])
      }
      const rows = await db.select().from(marketSummary).where(sql`${marketSummary.exchange} = ${exchange}`)
      expect(rows.map((row) => [row.symbol, row.timeframe]).sort()).toEqual([
        ['a', '1d'],
        ['b', '1d'],
      ])
    })
  })

  it.skipIf(!hasSharedData)(`tells the last day of a real file (else: ${SKIP_REASON})`, async () => {
    const rows = readCoinbase()
    const name = await storeSeries(db, seriesName(), rows)
    const [before, last] = rows.slice(-2)
    const summary = await getMarketSummary(db, name)
    expect(summary.openTime).toEqual(new Date('2018-08-13T00:00:00Z'))
    expect(text(summary.changeFraction)).toBe(fraction(last?.open ?? '', last?.close ?? ''))
    expect(text(summary.changeFraction24h)).toBe(fraction(before?.close ?? '', last?.close ?? ''))
    expect(text(summary.volume24h)).toBe(last?.volume)
  })
})
