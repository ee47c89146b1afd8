import { eq, sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal, divide } from '../../src/db/decimal.ts'
import { marketVolatility } from '../../src/market/schema/views.ts'
import { TIMEFRAMES } from '../../src/market/timeframes.ts'
import { getVolatility } from '../../src/market/volatility.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, SKIP_REASON } from '../shared-data.ts'
import {
  candle,
  candlesOf,
  deviation,
  hoursBetween,
  logReturns,
  mean,
  readCoinbase,
  scansOf,
  scattered,
  seriesName,
  storeManySeries,
  storeSeries,
} from './candle-series.ts'

/** Statistics agree to twelve digits: the sums are made in another order. */
function expectClose(actual: number | null, expected: number): void {
  expect(actual).not.toBeNull()
  expect(Math.abs((actual ?? 0) - expected)).toBeLessThanOrEqual(Math.abs(expected) * 1e-12)
}

const NOTHING = {
  returnCount: 0,
  logReturnDeviation: null,
  annualisedVolatility: null,
  rangeDeviation: null,
}

describeEngines('getVolatility', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('agrees with a calculation by hand', async () => {
    // Returns a = ln 1.1, b = ln 0.9, a: mean (2a + b)/3, squares about it (a − b)²·(1 + 4 + 1)/9, and over n − 1 = 2 that is
    // (a − b)²/3. So the deviation is ln(11/9)/√3.
    // Ranges 10, 10.1, 10.2, 10.3: mean 10.15, squares about it 0.05, deviation √(0.05/3).
    const highs = ['110', '111', '112', '113']
    const volumes = ['1', '2', '2', '5.5']
    const rows = candlesOf('1d', '2024-03-01T00:00:00Z', ['100', '110', '99', '108.9']).map((row, i) => ({
      ...row,
      low: '10',
      high: highs[i] ?? '',
      volume: volumes[i] ?? '',
    }))
    const name = await storeSeries(db, seriesName('1d'), rows)
    const found = await getVolatility(db, name)
    expect(found).toMatchObject({
      ...name,
      candleCount: 4,
      returnCount: 3,
      until: new Date('2024-03-05T00:00:00Z'),
      from: new Date('2024-02-04T00:00:00Z'),
    })
    expectClose(found.logReturnDeviation, Math.log(11 / 9) / Math.sqrt(3))
    expectClose(found.annualisedVolatility, (Math.log(11 / 9) / Math.sqrt(3)) * Math.sqrt(365))
    expectClose(found.meanRange, 10.15)
    expectClose(found.rangeDeviation, Math.sqrt(0.05 / 3))
    expect([found.meanVolume?.toFixed(), found.maxVolume?.toFixed()]).toEqual(['2.625', '5.5'])
  })

  it('takes the 30 days before the last candle closed, unless told otherwise', async () => {
    const closes = scattered(7, 1000).map((value) => (100 + value).toFixed(6))
    const name = await storeSeries(db, seriesName('1h'), candlesOf('1h', '2024-02-15T00:00:00Z', closes))
    const whole = await getVolatility(db, name)
    expect(whole.until).toEqual(new Date('2024-03-27T16:00:00Z'))
    expect(hoursBetween(whole.from, whole.until)).toBe(720)
    expect(whole).toMatchObject({ candleCount: 720, returnCount: 719 })
    expectClose(whole.logReturnDeviation, deviation(logReturns(closes.slice(-720))))
    expectClose(whole.annualisedVolatility, deviation(logReturns(closes.slice(-720))) * Math.sqrt(8760))

    const from = new Date('2024-02-15T10:00:00Z')
    const until = new Date('2024-02-15T20:00:00Z')
    const part = await getVolatility(db, { ...name, from, until })
    expect(part).toMatchObject({ from, until, candleCount: 10, returnCount: 9 })
    expectClose(part.logReturnDeviation, deviation(logReturns(closes.slice(10, 20))))

    expect(await getVolatility(db, { ...name, from })).toMatchObject({ candleCount: 990, until: whole.until })
    expect(await getVolatility(db, { ...name, until })).toMatchObject({
      candleCount: 20,
      from: new Date('2024-01-16T20:00:00Z'),
    })
  })

  it('takes 720 hours, whatever the clocks of the session do', async () => {
    const rows = candlesOf('1h', '2021-03-01T00:00:00Z', ['1', '2', '3'])
    const name = await storeSeries(db, seriesName('1h'), rows)
    const until = new Date('2021-03-20T00:00:00Z')
    const found = await db.transaction(async (tx) => {
      await tx.execute(sql`set local time zone 'America/New_York'`)
      return await getVolatility(tx, { ...name, until })
    })
    expect(hoursBetween(found.from, found.until)).toBe(720)
  })

  it('annualises by the length of a candle, or as told', async () => {
    const inYear = { '1m': 525_600, '1h': 8760, '4h': 2190, '1d': 365, '1w': 365 / 7, '1M': 12 } as const
    for (const timeframe of TIMEFRAMES) {
      if (!(timeframe in inYear)) continue
      const rows = candlesOf(timeframe, '2024-01-01T00:00:00Z', ['1', '2', '1'])
      const name = await storeSeries(db, seriesName(timeframe), rows)
      const found = await getVolatility(db, { ...name, from: new Date('2023-01-01T00:00:00Z') })
      const deviationOf = Math.SQRT2 * Math.LN2
      expectClose(found.logReturnDeviation, deviationOf)
      const periods = inYear[timeframe as keyof typeof inYear]
      expectClose(found.annualisedVolatility, deviationOf * Math.sqrt(periods))
      const equities = await getVolatility(db, {
        ...name,
        from: new Date('2023-01-01T00:00:00Z'),
        periodsPerYear: 252.5,
      })
      expectClose(equities.annualisedVolatility, deviationOf * Math.sqrt(252.5))
    }
  })

  it('leaves out candles that are still forming, and goes over gaps as one return', async () => {
    const name = await storeSeries(db, seriesName('1d'), [
      candle('2024-03-01T00:00:00Z', '100'),
      candle('2024-03-02T00:00:00Z', '5000', { complete: false, volume: '900' }),
      candle('2024-03-03T00:00:00Z', '120'),
      candle('2024-03-09T00:00:00Z', '90'),
      candle('2024-03-10T00:00:00Z', '1', { complete: false }),
    ])
    const found = await getVolatility(db, name)
    expect(found).toMatchObject({
      candleCount: 3,
      returnCount: 2,
      until: new Date('2024-03-11T00:00:00Z'),
      meanRange: 0,
      rangeDeviation: 0,
    })
    expectClose(found.logReturnDeviation, deviation(logReturns(['100', '120', '90'])))
    expect(found.maxVolume?.toFixed()).toBe('1')
  })

  it('tells nothing from too few candles', async () => {
    const one = await storeSeries(db, seriesName(), [
      candle('2024-03-01T00:00:00Z', '100', { low: '80', volume: '7' }),
    ])
    const found = await getVolatility(db, one)
    expect(found).toMatchObject({ ...NOTHING, candleCount: 1, meanRange: 0.25 })
    expect([found.meanVolume?.toFixed(), found.maxVolume?.toFixed()]).toEqual(['7', '7'])

    const two = await storeSeries(db, seriesName(), candlesOf('1d', '2024-03-01T00:00:00Z', ['1', '2']))
    expect(await getVolatility(db, two)).toMatchObject({
      ...NOTHING,
      candleCount: 2,
      returnCount: 1,
      rangeDeviation: 0,
    })

    const forming = await storeSeries(db, seriesName(), [
      candle('2024-03-01T00:00:00Z', '100', { complete: false }),
    ])
    const none = { ...NOTHING, candleCount: 0, meanRange: null, meanVolume: null, maxVolume: null }
    expect(await getVolatility(db, forming)).toMatchObject(none)
    expect(await getVolatility(db, { ...two, until: new Date('2020-01-01T00:00:00Z') })).toMatchObject(none)
    expect(await getVolatility(db, { ...two, from: new Date('2030-01-01T00:00:00Z') })).toMatchObject(none)
  })

  it('is zero where the price does not move', async () => {
    const rows = candlesOf('1h', '2024-03-01T00:00:00Z', Array(50).fill('0.1'))
    const found = await getVolatility(db, await storeSeries(db, seriesName('1h'), rows))
    expect(found).toMatchObject({
      returnCount: 49,
      logReturnDeviation: 0,
      annualisedVolatility: 0,
      meanRange: 0,
      rangeDeviation: 0,
    })
  })

  it('holds the smallest and the largest prices', async () => {
    const closes = [
      '0.000000000001',
      '0.000000000002',
      '0.000000000000000000000000000001',
      '999999999999999999999999999999',
      '0.000000000003',
    ]
    const rows = candlesOf('1d', '2024-03-01T00:00:00Z', closes).map((row) => ({
      ...row,
      low: '0.000000000000000000000000000001',
      volume: '999999999999999999999999999999.999999999999999999999999999999',
    }))
    const found = await getVolatility(db, await storeSeries(db, seriesName(), rows))
    expectClose(found.logReturnDeviation, deviation(logReturns(closes)))
    expectClose(found.meanRange, mean(closes.map((close) => Number(close) / 1e-30 - 1)))
    const [volume] = rows.map((row) => row.volume)
    expect([found.meanVolume?.toFixed(), found.maxVolume?.toFixed()]).toEqual([volume, volume])
  })

  it('divides the volume as everywhere', async () => {
    const rows = candlesOf('1d', '2024-03-01T00:00:00Z', ['1', '1', '1']).map((row, i) => ({
      ...row,
      volume: ['1', '0.5', '0.5'][i] ?? '',
    }))
    const found = await getVolatility(db, await storeSeries(db, seriesName(), rows))
    expect(found.meanVolume?.toFixed()).toBe(divide(new Decimal(2), new Decimal(3)).toFixed())
  })

  it('finds no series, and none without candles', async () => {
    const empty = await storeSeries(db, seriesName(), [])
    const until = new Date('2024-03-01T00:00:00Z')
    for (const input of [seriesName(), empty, { ...empty, until }]) {
      await expect(getVolatility(db, input)).rejects.toMatchObject({ code: 'not_found' })
    }
  })

  it('refuses what makes no sense', async () => {
    const name = seriesName()
    const at = new Date('2024-03-01T00:00:00Z')
    const refused = [
      ['timeframe', { ...name, timeframe: '7m' as '1m' }],
      ['exchange', { ...name, exchange: '' }],
      ['symbol', { ...name, symbol: '' }],
      ['from', { ...name, from: at, until: at }],
      ['from', { ...name, from: new Date(Number.NaN) }],
      ['until', { ...name, until: new Date(Number.NaN) }],
      ['periodsPerYear', { ...name, periodsPerYear: 0 }],
      ['periodsPerYear', { ...name, periodsPerYear: -365 }],
      ['periodsPerYear', { ...name, periodsPerYear: Number.NaN }],
      ['periodsPerYear', { ...name, periodsPerYear: Number.POSITIVE_INFINITY }],
    ] as const
    for (const [field, input] of refused) {
      await expect(getVolatility(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
  })

  it('reads candles by their primary key alone', async () => {
    const name = (await storeManySeries(db))[6] ?? seriesName()
    const scans = await scansOf(db, (tx) => getVolatility(tx, name))
    expect(scans.whole).toBe(0)
    expect(scans.byIndex).toBeGreaterThan(0)
  })

  it.skipIf(!hasSharedData)(`agrees on a real file with gaps (else: ${SKIP_REASON})`, async () => {
    const rows = readCoinbase()
    const name = await storeSeries(db, seriesName(), rows)
    const closes = rows.map((row) => row.close)
    const all = await getVolatility(db, { ...name, from: new Date('2014-01-01T00:00:00Z') })
    expect(all).toMatchObject({ candleCount: 1318, returnCount: 1317 })
    expect(Math.abs((all.logReturnDeviation ?? 0) / deviation(logReturns(closes)) - 1)).toBeLessThan(1e-11)
    const ranges = rows.map((row) => Number(row.high) / Number(row.low) - 1)
    expect(Math.abs((all.meanRange ?? 0) / mean(ranges) - 1)).toBeLessThan(1e-11)
    expect(Math.abs((all.rangeDeviation ?? 0) / deviation(ranges) - 1)).toBeLessThan(1e-11)
    const sum = rows.reduce((total, row) => total.plus(row.volume), new Decimal(0))
    expect(all.meanVolume?.toFixed()).toBe(divide(sum, new Decimal(1318)).toFixed())

    const month = await getVolatility(db, name)
    expect(month).toMatchObject({ candleCount: 30, returnCount: 29 })
    expectClose(month.logReturnDeviation, deviation(logReturns(closes.slice(-30))))
  })

  describe('its view', () => {
    it('has a day, a week and a month of each series, as the verb tells them', async () => {
      const closes = scattered(3, 800).map((value) => (1 + value).toFixed(8))
      const name = await storeSeries(db, seriesName('1h'), candlesOf('1h', '2024-02-15T00:00:00Z', closes))
      await storeSeries(db, { ...name, timeframe: '1d' }, [])
      const rows = await db
        .select()
        .from(marketVolatility)
        .where(eq(marketVolatility.exchange, name.exchange))
        .orderBy(marketVolatility.windowHours)
      expect(rows.map((row) => [row.timeframe, row.windowHours, row.candleCount])).toEqual([
        ['1h', 24, 24],
        ['1h', 168, 168],
        ['1h', 720, 720],
      ])
      for (const { windowHours, ...row } of rows) {
        const until = new Date('2024-03-19T08:00:00Z')
        const from = new Date(until.getTime() - windowHours * 3_600_000)
        expect(row).toEqual(await getVolatility(db, { ...name, from, until }))
        expectClose(row.logReturnDeviation, deviation(logReturns(closes.slice(-windowHours))))
      }
    })
  })
})
