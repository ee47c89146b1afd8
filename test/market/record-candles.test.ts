import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { CandleInput } from '../../src/market/candle-input.ts'
import { getCandles, getLatestCandle } from '../../src/market/candles.ts'
import { type CandlesProgress, recordCandles } from '../../src/market/record-candles.ts'
import { listCandleSeries } from '../../src/market/series.ts'
import { describeEngines } from '../database.ts'
import { at, newMarket, START_MS } from './candle-fixture.ts'

const NONE = { inserted: 0, updated: 0, unchanged: 0, refusedCount: 0, refused: [] }

describeEngines('recordCandles', (open) => {
  /** How many are stored at once. */
  const part = open.engine === 'postgres' ? 50_000 : 5_000

  test('stores candles once', async () => {
    const db = await open()
    const { BTC, minutes } = newMarket()
    expect(await recordCandles(db, { candles: minutes(3) })).toEqual({ ...NONE, inserted: 3 })
    expect(await recordCandles(db, { candles: minutes(5) })).toEqual({ ...NONE, inserted: 2, unchanged: 3 })
    expect(await getCandles(db, { ...BTC, last: 10 })).toHaveLength(5)
  })

  test('keeps every digit', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const exact = candleAt(0, {
      open: '0.000000012345678901',
      high: '123456789012345678.000000000000000001',
      low: new Decimal('0.000000000000000000000000000001'),
      close: '42000',
      volume: '0.10',
      quoteVolume: '0',
      takerBuyVolume: '0.05',
      takerBuyQuoteVolume: '3.3',
      tradeCount: 12,
      source: 'a\tb\\c\nd"{},',
    })
    await recordCandles(db, { candles: [exact] })
    const [stored] = await getCandles(db, { ...BTC, last: 1 })
    expect(stored).toEqual({
      ...BTC,
      openTime: at(0),
      open: new Decimal('0.000000012345678901'),
      high: new Decimal('123456789012345678.000000000000000001'),
      low: new Decimal('1e-30'),
      close: new Decimal(42000),
      volume: new Decimal('0.1'),
      quoteVolume: new Decimal(0),
      takerBuyVolume: new Decimal('0.05'),
      takerBuyQuoteVolume: new Decimal('3.3'),
      tradeCount: 12,
      complete: true,
      revised: false,
      source: 'a\tb\\c\nd"{},',
    })
    expect(await recordCandles(db, { candles: await getCandles(db, { ...BTC, last: 1 }) })).toMatchObject({
      unchanged: 1,
    })
  })

  test('gives thousands the same outcome as one by one, with all their fields', async () => {
    const db = await open()
    const { BTC, minutes } = newMarket()
    const source = 'back\\slash\ttab\nline'
    const many = minutes(6_001).map((candle, i) => ({
      ...candle,
      symbol: ['BTC/USDT', 'ETH/USDT', 'XRP/USDT'][i % 3] ?? '',
      source: i % 7 === 0 ? source : null,
      quoteVolume: i % 2 === 0 ? '3.25' : undefined,
      tradeCount: i,
    }))
    expect(await recordCandles(db, { candles: many })).toEqual({ ...NONE, inserted: 6_001 })
    expect(await recordCandles(db, { candles: many })).toEqual({ ...NONE, unchanged: 6_001 })
    const changed = many.map((candle, i) => (i % 3 === 1 ? { ...candle, close: candle.open } : candle))
    expect(await recordCandles(db, { candles: changed })).toEqual({
      ...NONE,
      updated: 2_000,
      unchanged: 4_001,
    })
    const stored = await getCandles(db, { ...BTC, from: at(0) })
    expect(stored.map(({ openTime }) => openTime)).toEqual(
      many.filter(({ symbol }) => symbol === 'BTC/USDT').map(({ openTime }) => openTime),
    )
    expect(stored[7]).toMatchObject({ source, tradeCount: 21, quoteVolume: null, revised: false })
    expect(stored[6]).toMatchObject({ source: null, quoteVolume: new Decimal('3.25') })
    const [eth] = await getCandles(db, { ...BTC, symbol: 'ETH/USDT', last: 1 })
    expect(eth).toMatchObject({ revised: true, close: eth?.open })
  })

  test('never lets a forming candle replace a complete one', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const forming = candleAt(0, { complete: false, close: '42000.20', volume: '0.5' })
    expect(await recordCandles(db, { candles: [forming] })).toMatchObject({ inserted: 1 })
    const later = { ...forming, volume: '0.7' }
    expect(await recordCandles(db, { candles: [later] })).toMatchObject({ updated: 1 })
    expect(await recordCandles(db, { candles: [candleAt(0)] })).toMatchObject({ updated: 1 })
    expect(await recordCandles(db, { candles: [forming, later] })).toMatchObject({ unchanged: 2 })
    expect(await getLatestCandle(db, BTC)).toMatchObject({ complete: true, volume: new Decimal('1.5') })
  })

  test('lets a complete candle correct a complete one', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    await recordCandles(db, { candles: [candleAt(0)] })
    const corrected = candleAt(0, { volume: '1.6' })
    expect(await recordCandles(db, { candles: [corrected] })).toMatchObject({ updated: 1 })
    expect(await getLatestCandle(db, BTC)).toMatchObject({ volume: new Decimal('1.6'), revised: true })
  })

  test('keeps what a poorer report of the same volume leaves out', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const rich = { quoteVolume: '63000.5', takerBuyVolume: '1', takerBuyQuoteVolume: '42000', tradeCount: 3 }
    const known = {
      quoteVolume: new Decimal('63000.5'),
      takerBuyVolume: new Decimal(1),
      takerBuyQuoteVolume: new Decimal(42000),
      tradeCount: 3,
    }
    await recordCandles(db, { candles: [candleAt(0)] })
    expect(await recordCandles(db, { candles: [candleAt(0, rich)] })).toMatchObject({ updated: 1 })
    expect(await recordCandles(db, { candles: [candleAt(0)] })).toMatchObject({ unchanged: 1 })
    expect(await getLatestCandle(db, BTC)).toMatchObject(known)
    await recordCandles(db, { candles: [candleAt(0, { close: '42002' })] })
    expect(await getLatestCandle(db, BTC)).toMatchObject({ ...known, close: new Decimal(42002) })
    await recordCandles(db, { candles: [candleAt(0, { volume: '2' })] })
    expect(await getLatestCandle(db, BTC)).toMatchObject({ quoteVolume: null, tradeCount: null })
  })

  test('takes several reports of one candle in the order they come', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const reports = [
      candleAt(0, { complete: false }),
      candleAt(1),
      candleAt(0, { complete: false, volume: '9' }),
      candleAt(0, { volume: '10' }),
      candleAt(0, { complete: false, volume: '9.5' }),
      candleAt(0, { volume: '10.0' }),
    ]
    expect(await recordCandles(db, { candles: reports })).toEqual({
      ...NONE,
      inserted: 2,
      updated: 2,
      unchanged: 2,
    })
    const [first] = await getCandles(db, { ...BTC, last: 2 })
    expect(first).toMatchObject({ volume: new Decimal(10), complete: true })
  })

  test('keeps the series row true, whatever the order', async () => {
    const db = await open()
    const { BTC, candleAt, exchange } = newMarket()
    await recordCandles(db, { candles: [candleAt(5), candleAt(3)] })
    await recordCandles(db, { candles: [candleAt(4), candleAt(1), candleAt(5)] })
    const [series] = await listCandleSeries(db, { exchange })
    expect(series).toMatchObject({
      ...BTC,
      firstOpenTime: at(1),
      lastOpenTime: at(5),
      lastClose: new Decimal('42006.1'),
      lastIsComplete: true,
      lastPriceAt: at(6),
      candleCount: 4,
    })
    await recordCandles(db, { candles: [candleAt(5, { close: '42005.5' })] })
    expect((await listCandleSeries(db, { exchange }))[0]).toMatchObject({
      lastClose: new Decimal('42005.5'),
      candleCount: 4,
    })
    await recordCandles(db, { candles: [candleAt(4, { close: '42004.5' })] })
    expect((await listCandleSeries(db, { exchange }))[0]).toMatchObject({
      lastClose: new Decimal('42005.5'),
      candleCount: 4,
    })
  })

  const REFUSED: [string, Partial<Record<keyof CandleInput, unknown>>, string, string][] = [
    ['a high below the open', { high: '42000.05' }, 'high', 'high 42000.05 is below the open 42000.10'],
    ['a high below the close', { close: '42009' }, 'high', 'high 42005.50 is below the close 42009'],
    [
      'a low above the close',
      { low: '42001.11', open: '42002' },
      'low',
      'low 42001.11 is above the close 42001.10',
    ],
    ['a low above the open', { low: '42000.5' }, 'low', 'low 42000.5 is above the open 42000.10'],
    [
      'a difference beyond the digits of a double',
      { open: '1.00000000000000000002', high: '1.00000000000000000001', low: '1', close: '1' },
      'high',
      'high 1.00000000000000000001 is below the open 1.00000000000000000002',
    ],
    ['a negative volume', { volume: '-1' }, 'volume', "volume '-1' must not be negative"],
    [
      'a negative quote volume',
      { quoteVolume: '-0.5' },
      'quoteVolume',
      "quoteVolume '-0.5' must not be negative",
    ],
    ['a price of zero', { low: '0.00' }, 'low', "low '0.00' must be greater than zero"],
    ['a negative price', { low: '-37.63' }, 'low', "low '-37.63' must be greater than zero"],
    ['a JS number', { open: 42000.1 }, 'open', "open 'number 42000.1' is neither decimal text nor a Decimal"],
    ['NaN', { close: 'NaN' }, 'close', "close 'NaN' is not a plain decimal number"],
    ['an exponent', { volume: '1e-7' }, 'volume', "volume '1e-7' is not a plain decimal number"],
    [
      'nothing',
      { close: undefined },
      'close',
      "close 'undefined undefined' is neither decimal text nor a Decimal",
    ],
    [
      'an open time off the grid',
      { openTime: new Date('2024-01-01T00:00:30Z') },
      'openTime',
      'openTime 2024-01-01T00:00:30.000Z is no open time of 1m; the one before it is 2024-01-01T00:00:00.000Z',
    ],
    ['an invalid time', { openTime: new Date('x') }, 'openTime', 'openTime is an invalid Date'],
    ['a time as a number', { openTime: START_MS }, 'openTime', 'openTime is number, not a Date'],
    ['half a trade', { tradeCount: 1.5 }, 'tradeCount', 'tradeCount 1.5 is no whole number of zero or more'],
    [
      'an unknown timeframe',
      { timeframe: '7m' },
      'timeframe',
      "timeframe '7m' is not one of 1s, 1m, 3m, 5m,",
    ],
    ['an empty symbol', { symbol: ' ' }, 'symbol', 'symbol is empty'],
    [
      'a symbol that no index holds',
      { symbol: 'x'.repeat(201) },
      'symbol',
      'symbol is longer than 200 characters',
    ],
    ['a complete of text', { complete: 'yes' }, 'complete', 'complete is string, not a boolean'],
    ['a NUL in the source', { source: 'a\0b' }, 'source', 'source contains a NUL character'],
  ]

  test.each(REFUSED)('refuses %s and loses nothing else', async (_, changes, field, reason) => {
    const db = await open()
    const { candleAt } = newMarket()
    const bad = { ...candleAt(0), openTime: at(1), ...changes } as CandleInput
    const result = await recordCandles(db, { candles: [candleAt(0), bad, candleAt(2)] })
    expect(result).toMatchObject({ inserted: 2, updated: 0, unchanged: 0, refusedCount: 1 })
    expect(result.refused).toEqual([
      { index: 1, candle: bad, field, reason: expect.stringContaining(reason) },
    ])
  })

  test('refuses what is no candle at all', async () => {
    const db = await open()
    const given = [null, 'x', undefined] as unknown as CandleInput[]
    const { refused } = await recordCandles(db, { candles: given })
    expect(refused.map(({ reason }) => reason)).toEqual(Array(3).fill('candle is no object'))
    await expect(recordCandles(db, { candles: 5 as unknown as [] })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'candles',
    })
  })

  test('asks an async iterable for no more than there is room for, and tells how far it is', async () => {
    const db = await open()
    const { minutes } = newMarket()
    const count = part * 2 + 20
    let given = 0
    let stored = 0
    let ahead = 0
    async function* feed() {
      for (const candle of minutes(count)) {
        given += 1
        ahead = Math.max(ahead, given - stored)
        yield candle
      }
    }
    const steps: CandlesProgress[] = []
    const result = await recordCandles(db, {
      candles: feed(),
      onProgress: (progress) => {
        steps.push(progress)
        stored = progress.inserted
      },
    })
    expect(result).toMatchObject({ inserted: count, refusedCount: 0 })
    expect(steps.map(({ inserted }) => inserted)).toEqual([part, 2 * part, count])
    expect(ahead).toBeLessThanOrEqual(3 * part)
  }, 60_000)

  test('passes on the error of its source, and keeps the parts before', async () => {
    const db = await open()
    const { exchange, minutes } = newMarket()
    let ended = false
    async function* feed() {
      try {
        yield* minutes(part + 1_000)
        throw new RangeError('no more')
      } finally {
        ended = true
      }
    }
    await expect(recordCandles(db, { candles: feed() })).rejects.toThrow(new RangeError('no more'))
    expect(ended).toBe(true)
    const [series] = await listCandleSeries(db, { exchange })
    expect(series?.candleCount).toBe(part)
  }, 60_000)

  test('ends its source when the database fails', async () => {
    const db = await open.fresh()
    const { candleAt } = newMarket()
    await db.execute(
      sql`alter table market.candles add constraint candles_close_extra_check check (close <> 42043.1)`,
    )
    let ended = false
    function* feed() {
      try {
        for (let i = 0; ; i++) yield candleAt(i)
      } finally {
        ended = true
      }
    }
    await expect(recordCandles(db, { candles: feed() })).rejects.toMatchObject({ code: 'invalid_input' })
    expect(ended).toBe(true)
  }, 60_000)

  test('joins the transaction of its caller', async () => {
    const db = await open()
    const { BTC, exchange, minutes } = newMarket()
    await expect(
      transaction(db, async (tx) => {
        expect(await recordCandles(tx, { candles: minutes(3_000) })).toMatchObject({ inserted: 3_000 })
        expect(await getCandles(tx, { ...BTC, last: 5_000 })).toHaveLength(3_000)
        throw new RangeError('undo')
      }),
    ).rejects.toThrow(RangeError)
    expect(await listCandleSeries(db, { exchange })).toEqual([])
  })

  test('stores nothing for nothing', async () => {
    const db = await open()
    const { exchange } = newMarket()
    expect(await recordCandles(db, { candles: [] })).toEqual(NONE)
    expect(await listCandleSeries(db, { exchange })).toEqual([])
  })

  test('gives the same candle under other names its own series', async () => {
    const db = await open()
    const { candleAt, exchange } = newMarket()
    const candles = [
      candleAt(0),
      candleAt(0, { exchange: 'kraken' }),
      candleAt(0, { timeframe: '1h' }),
      candleAt(0, { symbol: 'ETH/USDT' }),
    ]
    expect(await recordCandles(db, { candles })).toMatchObject({ inserted: 4 })
    expect(await listCandleSeries(db, { exchange })).toHaveLength(3)
  })
})

describe('a series', () => {
  describeEngines('in SQL', (open) => {
    test('keeps its name and is not removed', async () => {
      const db = await open.fresh()
      const { candleAt } = newMarket()
      await recordCandles(db, { candles: [candleAt(0)] })
      await expect(db.execute(sql`update market.series set symbol = 'x'`)).rejects.toMatchObject({
        code: 'invalid_input',
      })
      await expect(db.execute(sql`delete from market.series`)).rejects.toMatchObject({
        code: 'invalid_input',
      })
      await expect(db.execute(sql`truncate market.series cascade`)).rejects.toMatchObject({
        code: 'invalid_input',
      })
    })
  })
})
