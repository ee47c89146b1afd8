import { expect, test } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { isDataError } from '../../src/db/errors.ts'
import { getCandles, getInexactCandles, getLatestCandle } from '../../src/market/candles.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import {
  getCandleSeries,
  getLatestPrice,
  getLatestPrices,
  listCandleSeries,
  type SeriesName,
} from '../../src/market/series.ts'
import { describeEngines } from '../database.ts'
import { at, MINUTE_MS, newMarket, START_MS } from './candle-fixture.ts'

describeEngines('reading candles', (open) => {
  async function filled() {
    const db = await open()
    const market = newMarket()
    await recordCandles(db, { candles: [...market.minutes(10), market.candleAt(10, { complete: false })] })
    return { db, ...market }
  }
  const places = (candles: readonly { openTime: Date }[]) =>
    candles.map(({ openTime }) => (openTime.getTime() - START_MS) / MINUTE_MS)

  test('returns the last so many or a span, oldest first', async () => {
    const { db, BTC } = await filled()
    expect(places(await getCandles(db, { ...BTC, last: 3 }))).toEqual([8, 9, 10])
    expect(places(await getCandles(db, { ...BTC, last: 3, until: at(5) }))).toEqual([2, 3, 4])
    expect(places(await getCandles(db, { ...BTC, from: at(8) }))).toEqual([8, 9, 10])
    expect(places(await getCandles(db, { ...BTC, from: at(2), until: at(4) }))).toEqual([2, 3])
    expect(places(await getCandles(db, { ...BTC, from: at(3), last: 2 }))).toEqual([9, 10])
    expect(await getCandles(db, { ...BTC, from: at(20) })).toEqual([])
  })

  test('goes as far back as it must for so many', async () => {
    const db = await open()
    const { BTC, candleAt, minutes } = newMarket()
    await recordCandles(db, { candles: [...minutes(5), candleAt(900), ...minutes(5, 1_000)] })
    const last = async (count: number, range: { from?: Date; until?: Date } = {}) =>
      places(await getCandles(db, { ...BTC, last: count, ...range }))
    expect(await last(3)).toEqual([1_002, 1_003, 1_004])
    expect(await last(8)).toEqual([3, 4, 900, 1_000, 1_001, 1_002, 1_003, 1_004])
    expect(await last(50)).toEqual([0, 1, 2, 3, 4, 900, 1_000, 1_001, 1_002, 1_003, 1_004])
    expect(await last(3, { until: at(950) })).toEqual([3, 4, 900])
    expect(await last(8, { from: at(4) })).toEqual([4, 900, 1_000, 1_001, 1_002, 1_003, 1_004])
    expect(await last(8, { from: at(4), until: at(1_001) })).toEqual([4, 900, 1_000])
    expect(await last(2, { until: at(0) })).toEqual([])
    expect(await last(100_000)).toHaveLength(11)
    const month = { timeframe: '1M', openTime: new Date('2024-01-01') } as const
    await recordCandles(db, { candles: [candleAt(0, month)] })
    expect(await getCandles(db, { ...BTC, timeframe: '1M', last: 100_000 })).toHaveLength(1)
  })

  test('names what is wrong with the question', async () => {
    const { db, BTC } = await filled()
    const ask = (input: object) => getCandles(db, { ...BTC, ...input }).catch((error: unknown) => error)
    const messages = await Promise.all(
      [
        {},
        { last: 0 },
        { last: 100_001 },
        { from: new Date('x') },
        { from: at(1), until: at(0) },
        { last: 1, symbol: 'BTC-USDT' },
        { last: 1, timeframe: '1M' },
        { last: 1, timeframe: '1H' },
      ].map(ask),
    )
    expect(messages.map((error) => isDataError(error) && `${error.code}: ${error.message}`)).toEqual([
      'invalid_input: from is missing: give it, or last for the last so many candles',
      'invalid_input: last 0 is not a whole number from 1 to 100000',
      'invalid_input: last 100001 is not a whole number from 1 to 100000',
      'invalid_input: from is an invalid Date',
      'invalid_input: until 2024-01-01T00:00:00.000Z is before from 2024-01-01T00:01:00.000Z',
      `not_found: series 'BTC-USDT' 1m of exchange '${BTC.exchange}' not found`,
      `not_found: series 'BTC/USDT' 1M of exchange '${BTC.exchange}' not found`,
      expect.stringContaining("invalid_input: timeframe '1H' is not one of"),
    ])
  })

  test('returns doubles in columns', async () => {
    const { db, BTC } = await filled()
    const columns = await getInexactCandles(db, { ...BTC, last: 2 })
    expect(columns).toEqual({
      openTime: Float64Array.of(at(9).getTime(), at(10).getTime()),
      open: Float64Array.of(42009.1, 42010.1),
      high: Float64Array.of(42014.5, 42015.5),
      low: Float64Array.of(42004.25, 42005.25),
      close: Float64Array.of(42010.1, 42011.1),
      volume: Float64Array.of(1.5, 1.5),
    })
    expect((await getInexactCandles(db, { ...BTC, from: at(20) })).close).toHaveLength(0)
    await expect(getInexactCandles(db, { ...BTC, symbol: 'x', last: 1 })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('returns the latest candle', async () => {
    const { db, BTC } = await filled()
    expect(await getLatestCandle(db, BTC)).toMatchObject({ ...BTC, openTime: at(10), complete: false })
    await expect(getLatestCandle(db, { ...BTC, exchange: 'x' })).rejects.toMatchObject({
      code: 'not_found',
      message: "candle of series 'BTC/USDT' 1m of exchange 'x' not found",
    })
  })

  test('returns the price that was seen last, of whatever timeframe', async () => {
    const { db, BTC, candleAt } = await filled()
    const price = await getLatestPrice(db, BTC)
    expect(price).toEqual({
      exchange: BTC.exchange,
      symbol: 'BTC/USDT',
      price: new Decimal('42011.1'),
      pricedAt: at(11),
      timeframe: '1m',
      openTime: at(10),
      complete: false,
    })
    const day = { timeframe: '1d', openTime: at(0), high: '50000', low: '40000', close: '45000' } as const
    await recordCandles(db, { candles: [candleAt(0, day)] })
    expect(await getLatestPrice(db, BTC)).toMatchObject({ price: new Decimal(45000), pricedAt: at(1440) })
    await expect(getLatestPrice(db, { ...BTC, symbol: 'DOGE' })).rejects.toMatchObject({
      code: 'not_found',
      message: `price of 'DOGE' on exchange '${BTC.exchange}' not found: no candle of it is stored`,
    })
  })

  test('does not take a forming candle for a price of its close time', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const now = Date.now()
    const hour = new Date(Math.floor(now / 3_600_000) * 3_600_000)
    await recordCandles(db, { candles: [candleAt(0, { timeframe: '1h', openTime: hour, complete: false })] })
    const { pricedAt } = await getLatestPrice(db, BTC)
    expect(Math.abs(pricedAt.getTime() - now)).toBeLessThan(60_000)
  })

  test('returns many prices in one call', async () => {
    const { db, BTC, candleAt } = await filled()
    await recordCandles(db, { candles: [candleAt(1, { symbol: 'ETH/USDT' })] })
    const prices = await getLatestPrices(db, {
      exchange: BTC.exchange,
      symbols: ['ETH/USDT', 'BTC/USDT', 'X'],
    })
    expect([...prices.keys()].sort()).toEqual(['BTC/USDT', 'ETH/USDT'])
    expect(prices.get('BTC/USDT')).toEqual(await getLatestPrice(db, BTC))
    expect(await getLatestPrices(db, { exchange: BTC.exchange, symbols: [] })).toEqual(new Map())
  })

  test('returns one series', async () => {
    const { db, BTC } = await filled()
    expect(await getCandleSeries(db, BTC)).toMatchObject({ ...BTC, candleCount: 11, lastIsComplete: false })
    await expect(getCandleSeries(db, { ...BTC, timeframe: '1h' })).rejects.toMatchObject({
      code: 'not_found',
      message: `series 'BTC/USDT' 1h of exchange '${BTC.exchange}' not found`,
    })
  })

  test('lists series page by page', async () => {
    const db = await open.fresh()
    const { candleAt } = newMarket()
    const names = ['A', 'B'].flatMap((exchange) =>
      ['X', 'Y'].flatMap((symbol) =>
        (['1d', '1h'] as const).map((timeframe) => ({ exchange, symbol, timeframe })),
      ),
    )
    await recordCandles(db, { candles: names.map((name) => candleAt(0, name)).reverse() })
    const listed = []
    for (let after: SeriesName | undefined; ; ) {
      const page = await listCandleSeries(db, { limit: 3, after })
      if (page.length === 0) break
      listed.push(...page)
      after = page.at(-1)
    }
    expect(listed).toMatchObject(names)
    expect(await listCandleSeries(db, { exchange: 'B' })).toMatchObject(names.slice(4))
  })
})
