import { and, eq, or, sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { type CorrelatedSymbol, getMarketCorrelation } from '../../src/market/correlation.ts'
import { fundingRates } from '../../src/market/schema/funding.ts'
import { fearGreed } from '../../src/market/schema/sentiment.ts'
import { marketCorrelation } from '../../src/market/schema/views.ts'
import { DAY_MS } from '../../src/market/timeframes.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, SKIP_REASON } from '../shared-data.ts'
import {
  type CandleRow,
  candle,
  candlesOf,
  logReturns,
  mean,
  pearson,
  readCoinbase,
  scansOf,
  scattered,
  seriesName,
  storeManySeries,
  storeSeries,
} from './candle-series.ts'

const FIRST = '2024-03-01T00:00:00Z'
const day = (n: number, hours = 0) => new Date(Date.parse(FIRST) + n * DAY_MS + hours * 3_600_000)

/** The coefficient over the open times that both have complete, calculated from the rows themselves. */
function expected(
  a: readonly CandleRow[],
  b: readonly CandleRow[],
): { coefficient: number; pairCount: number } {
  const closes = new Map(b.filter((row) => row.complete).map((row) => [row.openTime.getTime(), row.close]))
  const common = a.filter((row) => row.complete && closes.has(row.openTime.getTime()))
  const x = logReturns(common.map((row) => row.close))
  const y = logReturns(common.map((row) => closes.get(row.openTime.getTime()) ?? ''))
  return { coefficient: pearson(x, y), pairCount: x.length }
}

describeEngines('getMarketCorrelation', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  async function storeDaily(closes: readonly string[], first = FIRST): Promise<CorrelatedSymbol> {
    const { exchange, symbol } = await storeSeries(db, seriesName(), candlesOf('1d', first, closes))
    return { exchange, symbol }
  }

  async function correlate(...closes: readonly (readonly string[])[]) {
    const series: CorrelatedSymbol[] = []
    for (const each of closes) series.push(await storeDaily(each))
    return await getMarketCorrelation(db, { series, timeframe: '1d' })
  }

  it('agrees with a calculation by hand', async () => {
    // Returns in units of ln 2: (1, 2, 3) and (1, 3, 2), both of mean 2. Products (−1)(−1) + 0·1 + 1·0 = 1, squares 2 and 2:
    // 1 / √(2·2) = 0.5. The third series is the first upside down.
    const found = await correlate(
      ['1', '2', '8', '64'],
      ['1', '2', '16', '64'],
      ['1', '0.5', '0.125', '0.015625'],
    )
    expect(found.map((one) => one.pairCount)).toEqual([3, 3, 3])
    expect(found[0]?.coefficient).toBeCloseTo(0.5, 14)
    expect(found[1]?.coefficient).toBeCloseTo(-1, 14)
    expect(found[2]?.coefficient).toBeCloseTo(-0.5, 14)
  })

  it('has each pair once, in the order given', async () => {
    const series: CorrelatedSymbol[] = []
    for (let i = 0; i < 4; i++)
      series.push(await storeDaily(scattered(i, 30).map((value) => (1 + value).toFixed(5))))
    const [a, b, c, d] = series
    const given = [d, b, a, c].filter((one) => one !== undefined)
    const found = await getMarketCorrelation(db, { series: given, timeframe: '1d' })
    expect(found.map(({ first, second }) => [first, second])).toEqual([
      [d, b],
      [d, a],
      [d, c],
      [b, a],
      [b, c],
      [a, c],
    ])
    const back = await getMarketCorrelation(db, { series: [...given].reverse(), timeframe: '1d' })
    expect(back[0]?.coefficient).toBeCloseTo(found[5]?.coefficient ?? Number.NaN, 13)
    expect(new Set(found.map((one) => one.coefficient)).size).toBe(6)
  })

  it('takes returns between the open times that both have complete', async () => {
    const [x, y] = [scattered(5, 40), scattered(6, 40)]
    const a = x
      .map((value, n) => candle(day(n), (50 + value).toFixed(4), { complete: n !== 7 }))
      .filter((_, n) => n !== 3 && n !== 20 && n !== 21)
    const b = y
      .map((value, n) => candle(day(n), (9 + value).toFixed(4), { complete: n !== 12 && n !== 39 }))
      .filter((_, n) => n !== 0 && n !== 21 && n !== 30)
    const series = [await storeSeries(db, seriesName(), a), await storeSeries(db, seriesName(), b)]
    const [found] = await getMarketCorrelation(db, { series, timeframe: '1d' })
    const { coefficient, pairCount } = expected(a, b)
    expect(pairCount).toBe(31)
    expect(found?.pairCount).toBe(pairCount)
    expect(found?.coefficient).toBeCloseTo(coefficient, 12)
  })

  it('looks at the 90 days before the later series ended, unless told otherwise', async () => {
    const closes = (seed: number) => scattered(seed, 200).map((value) => (2 + value).toFixed(6))
    const a = candlesOf('1d', FIRST, closes(1))
    const b = candlesOf('1d', FIRST, closes(2).slice(0, 190))
    const series = [await storeSeries(db, seriesName(), a), await storeSeries(db, seriesName(), b)]
    const [whole] = await getMarketCorrelation(db, { series, timeframe: '1d' })
    // The later one ends on day 200; from day 110 on, the other has 80 candles.
    expect(whole?.pairCount).toBe(79)
    expect(whole?.coefficient).toBeCloseTo(expected(a.slice(110), b.slice(110)).coefficient, 12)

    const [part] = await getMarketCorrelation(db, { series, timeframe: '1d', from: day(10), until: day(30) })
    expect(part?.pairCount).toBe(19)
    expect(part?.coefficient).toBeCloseTo(expected(a.slice(10, 30), b).coefficient, 12)

    const [fromOnly] = await getMarketCorrelation(db, { series, timeframe: '1d', from: day(0) })
    expect(fromOnly?.pairCount).toBe(189)
    const [untilOnly] = await getMarketCorrelation(db, { series, timeframe: '1d', until: day(100) })
    expect(untilOnly?.pairCount).toBe(89)
  })

  it('is null under two pairs of returns', async () => {
    expect(await correlate(['1', '2', '3'], ['1', '2'])).toMatchObject([{ coefficient: null, pairCount: 1 }])
    expect(await correlate(['1', '2'], ['1'])).toMatchObject([{ coefficient: null, pairCount: 0 }])
    const series = [
      await storeDaily(['1', '2', '3']),
      await storeDaily(['1', '2', '4'], '2024-03-20T00:00:00Z'),
    ]
    expect(await getMarketCorrelation(db, { series, timeframe: '1d' })).toMatchObject([
      { coefficient: null, pairCount: 0 },
    ])
  })

  it('is null where the returns of one do not vary, also if doubles make them', async () => {
    const moving = scattered(9, 60).map((value) => (1 + value).toFixed(5))
    const resting = Array<string>(60).fill('0.1')
    const doubling = Array.from({ length: 60 }, (_, n) => new Decimal(2).pow(n).toFixed())
    const growing = Array.from({ length: 60 }, (_, n) =>
      new Decimal('1.01').pow(n).toDecimalPlaces(25).toFixed(),
    )
    const found = await correlate(moving, resting, doubling, growing)
    expect(found.map((one) => one.coefficient)).toEqual(Array(6).fill(null))
    expect(found.map((one) => one.pairCount)).toEqual(Array(6).fill(59))
  })

  it('tells returns as small as a hundred-millionth from none', async () => {
    const steps = scattered(4, 60).map((value) => Math.round(value * 9))
    const stable = steps.map((step) => `1.0000000${step}`)
    const twin = steps.map((step) => `0.99999999${step}`)
    const [found] = await correlate(stable, twin)
    expect(found?.coefficient).toBeCloseTo(1, 6)
  })

  it('stays between −1 and 1', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const closes = scattered(seed, 25).map((value) => new Decimal((0.5 + value).toFixed(8)))
      const series = [
        await storeDaily(closes.map((close) => close.toFixed())),
        await storeDaily(closes.map((close) => close.times(`0.00000${seed}7`).toFixed())),
        await storeDaily(closes.map((close) => new Decimal(1).div(close).toDecimalPlaces(28).toFixed())),
      ]
      const found = await getMarketCorrelation(db, { series, timeframe: '1d' })
      for (const [i, sign] of [1, -1, -1].entries()) {
        const coefficient = found[i]?.coefficient ?? Number.NaN
        expect(coefficient).toBeCloseTo(sign, 12)
        expect(Math.abs(coefficient)).toBeLessThanOrEqual(1)
      }
    }
    const rounded = await db.execute(sql`select market.coefficient_of(1.0000000000000002, 1, 1, 9) as above,
      market.coefficient_of(-1.0000000000000002, 1, 1, 9) as below`)
    expect(rounded).toEqual([{ above: 1, below: -1 }])
  })

  it('holds the smallest and the largest prices', async () => {
    const a = ['0.000000000001', '0.000000000004', '0.000000000002', '0.000000000003']
    const b = ['0.000000000000000000000000000001', '999999999999999999999999999999', '5', '0.1']
    const [found] = await correlate(a, b)
    expect(found?.coefficient).toBeCloseTo(pearson(logReturns(a), logReturns(b)), 12)
  })

  it('compares fifty at once', async () => {
    const series: CorrelatedSymbol[] = []
    for (let i = 0; i < 50; i++) series.push(await storeDaily([String(1 + i), '5', String(2 + i), '9']))
    const found = await getMarketCorrelation(db, { series, timeframe: '1d' })
    expect(found).toHaveLength(1225)
    expect(found.every((one) => one.pairCount === 3)).toBe(true)
    await expect(
      getMarketCorrelation(db, {
        series: [...series, { exchange: 'x', symbol: 'y' }],
        timeframe: '1d',
      }),
    ).rejects.toMatchObject({ code: 'invalid_input', field: 'series' })
  })

  it('names the series that has no candle in the timeframe', async () => {
    const known = await storeDaily(['1', '2', '3'])
    const empty = await storeSeries(db, seriesName(), [])
    const unknown = { exchange: 'nowhere', symbol: 'X' }
    for (const missing of [empty, unknown]) {
      const { exchange, symbol } = missing
      for (const series of [
        [known, missing],
        [missing, known],
      ]) {
        await expect(getMarketCorrelation(db, { series, timeframe: '1d' })).rejects.toMatchObject({
          code: 'not_found',
          message: `candle of series '${symbol}' 1d of exchange '${exchange}' not found`,
        })
      }
    }
  })

  it('refuses what makes no sense', async () => {
    const [a, b] = [
      { exchange: 'x', symbol: 'A' },
      { exchange: 'x', symbol: 'B' },
    ]
    const good = { series: [a, b], timeframe: '1d' as const }
    const refused = [
      ['series', { ...good, series: [] }],
      ['series', { ...good, series: [a] }],
      ['series[2]', { ...good, series: [a, b, { ...a }] }],
      ['series[1].exchange', { ...good, series: [a, { exchange: '', symbol: 'B' }] }],
      ['series[0].symbol', { ...good, series: [{ exchange: 'x', symbol: ' ' }, b] }],
      ['timeframe', { ...good, timeframe: '7m' as '1m' }],
      ['from', { ...good, from: day(2), until: day(1) }],
    ] as const
    for (const [field, input] of refused) {
      await expect(getMarketCorrelation(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
  })

  it('reads candles by their primary key alone', async () => {
    const series = (await storeManySeries(db)).slice(2, 5)
    const scans = await scansOf(db, (tx) => getMarketCorrelation(tx, { series, timeframe: '1h' }))
    expect(scans.whole).toBe(0)
    expect(scans.byIndex).toBeGreaterThan(0)
  })

  it.skipIf(!hasSharedData)(`agrees on a real file with gaps (else: ${SKIP_REASON})`, async () => {
    const rows = readCoinbase()
    // The same a day later: yesterday's return against today's.
    const shifted = rows.map((row) => ({ ...row, openTime: new Date(row.openTime.getTime() + DAY_MS) }))
    const series = [await storeSeries(db, seriesName(), rows), await storeSeries(db, seriesName(), shifted)]
    const from = new Date('2014-01-01T00:00:00Z')
    const [found] = await getMarketCorrelation(db, { series, timeframe: '1d', from })
    const { coefficient, pairCount } = expected(rows, shifted)
    expect(found?.pairCount).toBe(pairCount)
    expect(found?.coefficient).toBeCloseTo(coefficient, 10)
  })

  describe('its view', () => {
    const of = (exchange: string) =>
      db
        .select()
        .from(marketCorrelation)
        .where(
          or(eq(marketCorrelation.exchange, exchange), eq(marketCorrelation.counterpartExchange, exchange)),
        )
        .orderBy(
          marketCorrelation.counterpartKind,
          marketCorrelation.symbol,
          marketCorrelation.counterpartSymbol,
        )

    it('has each pair of daily series once, as the verb tells it', async () => {
      const exchange = 'pairs'
      const series = ['a', 'b', 'c'].map((symbol) => ({ exchange, symbol }))
      for (const [i, { symbol }] of series.entries()) {
        const closes = scattered(i + 20, 120).map((value) => (1 + value).toFixed(5))
        await storeSeries(db, { exchange, symbol, timeframe: '1d' }, candlesOf('1d', FIRST, closes))
        await storeSeries(db, { exchange, symbol, timeframe: '1h' }, candlesOf('1h', FIRST, closes))
      }
      const rows = (await of(exchange)).filter(
        (row) => row.exchange === exchange && row.counterpartExchange === exchange,
      )
      const verb = await getMarketCorrelation(db, { series, timeframe: '1d' })
      expect(rows).toEqual(
        verb.map(({ first, second, coefficient, pairCount }) => ({
          ...first,
          counterpartKind: 'candles',
          counterpartExchange: exchange,
          counterpartSymbol: second.symbol,
          counterpartSource: null,
          from: day(30),
          until: day(120),
          coefficient,
          pairCount,
        })),
      )
      expect(rows.map((row) => row.pairCount)).toEqual([89, 89, 89])
      // Filtered to one symbol, it is the same row.
      const [b] = await db
        .select()
        .from(marketCorrelation)
        .where(
          and(
            eq(marketCorrelation.exchange, exchange),
            eq(marketCorrelation.symbol, 'b'),
            eq(marketCorrelation.counterpartExchange, exchange),
          ),
        )
      expect(b).toEqual(rows[2])
    })

    it('compares with the changes of each Fear & Greed index', async () => {
      const closes = scattered(31, 40).map((value) => (1 + value).toFixed(5))
      const name = await storeSeries(db, seriesName(), candlesOf('1d', FIRST, closes))
      const values = scattered(32, 40).map((value) => Math.round(value * 100))
      const kept = values.map((_, n) => n).filter((n) => n !== 8)
      await db.insert(fearGreed).values(
        kept.flatMap((n) => [
          // Of a day, the last reading counts; that of the next midnight is of the next day.
          { source: 'index-a', measuredAt: day(n, 0), value: 1 },
          { source: 'index-a', measuredAt: day(n, 23), value: values[n] ?? 0 },
          { source: 'index-b', measuredAt: day(n), value: 50 },
        ]),
      )
      const found = (await of(name.exchange)).filter((row) => row.counterpartKind === 'fear_greed')
      const changes = kept.slice(1).map((n, i) => (values[n] ?? 0) - (values[kept[i] ?? 0] ?? 0))
      const returns = logReturns(kept.map((n) => closes[n] ?? ''))
      const row = {
        ...{ exchange: name.exchange, symbol: name.symbol, counterpartKind: 'fear_greed' },
        ...{ counterpartExchange: null, counterpartSymbol: null, pairCount: 38 },
        ...{ from: day(-50), until: day(40) },
      }
      expect(
        found.sort((a, b) => String(a.counterpartSource).localeCompare(String(b.counterpartSource))),
      ).toEqual([
        { ...row, counterpartSource: 'index-a', coefficient: expect.closeTo(pearson(returns, changes), 12) },
        { ...row, counterpartSource: 'index-b', coefficient: null },
      ])
      await db.delete(fearGreed)
    })

    it('compares with the funding of each day, per year, of its own exchange and symbol', async () => {
      const closes = scattered(41, 40).map((value) => (1 + value).toFixed(5))
      const name = await storeSeries(db, seriesName(), candlesOf('1d', FIRST, closes))
      const { exchange, symbol } = name
      const rates = scattered(42, 120).map((value) => (value * 0.001 - 0.0003).toFixed(8))
      const rate = (n: number, hours: number, intervalHours: number, text: string) => ({
        ...{ exchange, symbol, intervalHours, rate: new Decimal(text) },
        ...{ fundingTime: day(n, hours), publishedAt: day(n, hours) },
      })
      // Three rates of 8 hours a day, then two of 1 hour; day 5 has none. Estimates and other symbols do not count.
      const ofDay = (n: number) => (n < 20 ? [0, 8, 16] : [0, 23])
      const days = closes.map((_, n) => n).filter((n) => n !== 5)
      const rows = days.flatMap((n) =>
        ofDay(n).map((hour, i) => rate(n, hour, n < 20 ? 8 : 1, rates[n * 3 + i] ?? '')),
      )
      await db
        .insert(fundingRates)
        .values([
          ...rows,
          { ...rate(5, 8, 8, '0.9'), isEstimated: true },
          { ...rate(6, 9, 8, '0.9'), symbol: 'other' },
          { ...rate(6, 9, 8, '0.9'), exchange: 'other' },
        ])
      const found = (await of(exchange)).filter((row) => row.counterpartKind === 'funding_rate')
      const returns = logReturns(closes)
      const paired = days.filter((n) => n > 0)
      const levels = paired.map((n) => {
        const perInterval = mean(ofDay(n).map((_, i) => Number(rates[n * 3 + i])))
        return (perInterval * 8760) / (n < 20 ? 8 : 1)
      })
      const coefficient = pearson(
        paired.map((n) => returns[n - 1] ?? Number.NaN),
        levels,
      )
      expect(found).toEqual([
        {
          ...{ exchange, symbol, counterpartKind: 'funding_rate' },
          ...{ counterpartExchange: exchange, counterpartSymbol: symbol, counterpartSource: null },
          ...{ from: day(-50), until: day(40), pairCount: 38 },
          coefficient: expect.closeTo(coefficient, 12),
        },
      ])
    })
  })
})
