import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { findCandleGaps } from '../../src/market/candle-gaps.ts'
import type { CandleInput } from '../../src/market/candle-input.ts'
import { type ClosedDay, openPartsOf, toGap } from '../../src/market/gap-math.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { listCandleSeries } from '../../src/market/series.ts'
import type { Timeframe } from '../../src/market/timeframes.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, readShared, SKIP_REASON } from '../shared-data.ts'
import { at, newMarket } from './candle-fixture.ts'

const day = (text: string) => new Date(`${text}T00:00:00Z`)

describeEngines('findCandleGaps', (open) => {
  test('finds what is missing between the first and the last candle', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    await recordCandles(db, { candles: [0, 1, 4, 5, 7].map((place) => candleAt(place)) })
    expect(await findCandleGaps(db, BTC)).toEqual([
      { from: at(2), until: at(4), missing: 2 },
      { from: at(6), until: at(7), missing: 1 },
    ])
  })

  test('finds what is missing from and up to given times', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    await recordCandles(db, { candles: [2, 3].map((place) => candleAt(place)) })
    expect(await findCandleGaps(db, { ...BTC, from: at(0), until: at(6) })).toEqual([
      { from: at(0), until: at(2), missing: 2 },
      { from: at(4), until: at(6), missing: 2 },
    ])
    const within = { from: new Date(at(0).getTime() + 1), until: new Date(at(5).getTime() + 1) }
    expect(await findCandleGaps(db, { ...BTC, ...within })).toEqual([
      { from: at(1), until: at(2), missing: 1 },
      { from: at(4), until: at(6), missing: 2 },
    ])
    expect(await findCandleGaps(db, { ...BTC, from: at(2), until: at(4) })).toEqual([])
    expect(await findCandleGaps(db, { ...BTC, from: at(10), until: at(13) })).toEqual([
      { from: at(10), until: at(13), missing: 3 },
    ])
    expect(await findCandleGaps(db, { ...BTC, from: at(10) })).toEqual([])
  })

  test('knows how long months and weeks are', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const candles = (timeframe: Timeframe, days: string[]): CandleInput[] =>
      days.map((text) => candleAt(0, { timeframe, openTime: day(text) }))
    await recordCandles(db, {
      candles: [
        ...candles('1M', [
          '2023-11-01',
          '2023-12-01',
          '2024-01-01',
          '2024-03-01',
          '2024-04-01',
          '2025-04-01',
        ]),
        ...candles('1w', ['2024-01-01', '2024-01-08', '2024-01-22']),
      ],
    })
    expect(await findCandleGaps(db, { ...BTC, timeframe: '1M' })).toEqual([
      { from: day('2024-02-01'), until: day('2024-03-01'), missing: 1 },
      { from: day('2024-05-01'), until: day('2025-04-01'), missing: 11 },
    ])
    expect(await findCandleGaps(db, { ...BTC, timeframe: '1w' })).toEqual([
      { from: day('2024-01-15'), until: day('2024-01-22'), missing: 1 },
    ])
  })

  test('leaves out the days on which the exchange was closed', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    // Monday 1 January is a holiday; the Wednesday after is missing.
    const days = ['2023-12-29', '2024-01-02', '2024-01-04', '2024-01-05', '2024-01-08']
    await recordCandles(db, {
      candles: days.map((text) => candleAt(0, { timeframe: '1d', openTime: day(text) })),
    })
    const daily = { ...BTC, timeframe: '1d' } as const
    const closedOn = ['saturday', 'sunday', '2024-01-01'] as const
    expect(await findCandleGaps(db, { ...daily, closedOn })).toEqual([
      { from: day('2024-01-03'), until: day('2024-01-04'), missing: 1 },
    ])
    expect(await findCandleGaps(db, daily)).toHaveLength(3)
  })

  test('names what is wrong with the question', async () => {
    const db = await open()
    const { BTC } = newMarket()
    await expect(findCandleGaps(db, BTC)).rejects.toMatchObject({ code: 'not_found' })
    for (const closed of ['Sunday', '2024-1-1', '2024-13-01', 'sun']) {
      await expect(findCandleGaps(db, { ...BTC, closedOn: [closed as ClosedDay] })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'closedOn',
        message: expect.stringContaining(
          `closedOn[0] '${closed}' is neither a date as 2018-12-25 nor one of sunday,`,
        ),
      })
    }
    await expect(findCandleGaps(db, { ...BTC, from: at(1), until: at(0) })).rejects.toMatchObject({
      field: 'until',
    })
  })

  test.skipIf(!hasSharedData)(
    `finds the 34 days that a real file misses, and stores it once (${SKIP_REASON} otherwise)`,
    async () => {
      const db = await open()
      const { exchange } = newMarket()
      const rows: Record<string, string>[] = parse(readShared('candles/coinbase-btc-usd-1d.csv'), {
        columns: true,
      })
      const candles = rows.map(({ date = '', open = '', high = '', low = '', close = '', volume = '' }) => ({
        exchange,
        symbol: 'BTC-USD',
        timeframe: '1d' as const,
        openTime: day(date),
        open,
        high,
        low,
        close,
        volume,
      }))
      expect(await recordCandles(db, { candles })).toMatchObject({ inserted: 1_318, refusedCount: 0 })
      expect(await recordCandles(db, { candles })).toMatchObject({ inserted: 0, unchanged: 1_318 })
      expect(await listCandleSeries(db, { exchange })).toMatchObject([
        { firstOpenTime: day('2014-12-01'), lastOpenTime: day('2018-08-13'), candleCount: 1_318 },
      ])

      const known = new Set(rows.map(({ date }) => date))
      const missing: string[] = []
      for (let ms = Date.UTC(2014, 11, 1); ms <= Date.UTC(2018, 7, 13); ms += 86_400_000) {
        const date = new Date(ms).toISOString().slice(0, 10)
        if (!known.has(date)) missing.push(date)
      }
      expect(missing).toHaveLength(34)
      const gaps = await findCandleGaps(db, { exchange, symbol: 'BTC-USD', timeframe: '1d' })
      const found = gaps.flatMap(({ from, missing: count }) =>
        Array.from({ length: count }, (_, i) =>
          new Date(from.getTime() + i * 86_400_000).toISOString().slice(0, 10),
        ),
      )
      expect(found).toEqual(missing)
    },
  )
})

describe('a gap without closed days', () => {
  const parts = (timeframe: Timeframe, from: string, until: string, ...closed: ClosedDay[]) =>
    openPartsOf(toGap(timeframe, Date.parse(from), Date.parse(until)), timeframe, new Set(closed)).map(
      (gap) =>
        `${gap.from.toISOString().slice(0, 16)} ${gap.until.toISOString().slice(0, 16)} ${gap.missing}`,
    )

  test('is cut at the days, to the hour', () => {
    // 2024-01-05 is a Friday.
    expect(parts('1h', '2024-01-05T22:00Z', '2024-01-08T03:00Z', 'saturday', 'sunday')).toEqual([
      '2024-01-05T22:00 2024-01-06T00:00 2',
      '2024-01-08T00:00 2024-01-08T03:00 3',
    ])
    expect(parts('4h', '2024-01-06T04:00Z', '2024-01-07T00:00Z', 'saturday')).toEqual([])
    expect(parts('1m', '2024-01-05T22:00Z', '2024-01-05T22:03Z', '2024-01-04')).toEqual([
      '2024-01-05T22:00 2024-01-05T22:03 3',
    ])
  })

  test('keeps a candle of several days unless all of them were closed', () => {
    const week = ['2024-01-01', '2024-01-02', '2024-01-03', '2024-01-04', '2024-01-05'] as const
    expect(parts('1w', '2024-01-01T00:00Z', '2024-01-15T00:00Z', 'saturday', 'sunday', ...week)).toEqual([
      '2024-01-08T00:00 2024-01-15T00:00 1',
    ])
    expect(parts('1w', '2024-01-01T00:00Z', '2024-01-08T00:00Z', 'saturday', 'sunday')).toHaveLength(1)
  })
})
