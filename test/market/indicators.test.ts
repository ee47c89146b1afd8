import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getLatestIndicators,
  type IndicatorsInput,
  listIndicators,
  recordIndicators,
} from '../../src/market/indicators.ts'
import { indicators, series } from '../../src/market/schema/index.ts'
import { describeEngines } from '../database.ts'
import { planOf } from './plan.ts'

const key = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1h' } as const
const hour = (n: number) => new Date(Date.UTC(2026, 0, 5, n))

function input(overrides: Partial<IndicatorsInput> = {}): IndicatorsInput {
  return { ...key, openTime: hour(0), rsi14: 55.5, ...overrides }
}

const full = input({
  rsi14: 0.1 + 0.2,
  sma50: 42_000.123456789,
  sma200: 1e-300,
  macd: { macd: -1.5, signal: -0.25, histogram: -1.25 },
  atr: 0,
  values: { ema_21: 101.5, 'bollinger %b': -0.1, tiny: 5e-324, huge: Number.MAX_VALUE },
})

describeEngines('indicators', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  // Series are never removed, so each test has an exchange of its own where that matters.
  beforeEach(async () => {
    await db.execute(sql`delete from ${indicators}`)
  })

  const record = (...list: IndicatorsInput[]) => recordIndicators(db, { indicators: list })
  const seriesOf = async (exchange: string) =>
    await db.select().from(series).where(sql`${series.exchange} = ${exchange}`)

  describe('recordIndicators', () => {
    it('stores every value to the last bit', async () => {
      expect(await record(full)).toEqual({ inserted: 1, updated: 0, unchanged: 0 })
      expect(await getLatestIndicators(db, key)).toEqual({
        ...key,
        openTime: hour(0),
        rsi14: 0.1 + 0.2,
        sma50: 42_000.123456789,
        sma200: 1e-300,
        macd: -1.5,
        macdSignal: -0.25,
        macdHistogram: -1.25,
        atr: 0,
        values: full.values,
        recordedAt: expect.any(Date),
        updatedAt: expect.any(Date),
      })
    })

    it('stores null for what is left out or null, and no such further values', async () => {
      const { openTime } = full
      await record({
        ...key,
        openTime,
        rsi14: null,
        macd: { macd: 1 },
        values: { a: null, b: undefined, c: 3 },
      })
      expect(await getLatestIndicators(db, key)).toMatchObject({
        rsi14: null,
        sma50: null,
        sma200: null,
        macd: 1,
        macdSignal: null,
        macdHistogram: null,
        atr: null,
        values: { c: 3 },
      })
      await record({ ...key, openTime, macd: null })
      expect(await getLatestIndicators(db, key)).toMatchObject({ macd: null, values: {} })
    })

    it('changes nothing when the same is reported again', async () => {
      await record(full)
      const before = await getLatestIndicators(db, key)
      expect(await record(full)).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
      expect(await getLatestIndicators(db, key)).toEqual(before)
    })

    it.each<Partial<IndicatorsInput>>([
      { rsi14: 1 },
      { sma50: null },
      { sma200: 2 },
      { macd: { macd: -1.5, signal: -0.25, histogram: 0 } },
      { macd: { macd: -1.5, signal: 0, histogram: -1.25 } },
      { macd: { signal: -0.25, histogram: -1.25 } },
      { atr: undefined },
      { values: { ema_21: 101.5 } },
    ])('replaces the whole earlier report by one with %j', async (change) => {
      await record(full)
      expect(await record({ ...full, ...change })).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      const [fresh] = [await getLatestIndicators(db, key)]
      const other = { ...key, exchange: 'other' }
      await record({ ...full, ...change, ...other })
      const { recordedAt, updatedAt, ...expected } = await getLatestIndicators(db, other)
      expect(fresh).toMatchObject({ ...expected, ...key })
    })

    it('lets the later of two reports of one candle in a call win, and counts both', async () => {
      const counts = await record(input({ rsi14: 1, atr: 1 }), input({ rsi14: 2 }), input({ rsi14: 2 }))
      expect(counts).toEqual({ inserted: 1, updated: 1, unchanged: 1 })
      expect(await listIndicators(db, key)).toMatchObject([{ rsi14: 2, atr: null }])
    })

    it('stores a batch over new and known series and counts new, changed and unchanged', async () => {
      await record(input(), input({ openTime: hour(1) }))
      const counts = await record(
        input(),
        input({ openTime: hour(1), rsi14: 1 }),
        input({ openTime: hour(2) }),
        input({ exchange: `new-${open.engine}` }),
        input({ exchange: `new-${open.engine}`, timeframe: '1M', openTime: new Date('2026-02-01') }),
      )
      expect(counts).toEqual({ inserted: 3, updated: 1, unchanged: 1 })
      expect(await seriesOf(`new-${open.engine}`)).toHaveLength(2)
    })

    it('stores more than one statement takes', async () => {
      const many = Array.from({ length: 2_500 }, (_, n) => input({ openTime: hour(n), rsi14: n % 100 }))
      expect(await record(...many)).toEqual({ inserted: 2_500, updated: 0, unchanged: 0 })
      const changed = many.map((one, n) => (n % 2 === 0 ? one : { ...one, sma50: n }))
      expect(await record(...changed)).toEqual({ inserted: 0, updated: 1_250, unchanged: 1_250 })
    })

    it('makes a missing series once and uses one that is there', async () => {
      const exchange = `made-${open.engine}`
      await record(input({ exchange }))
      await record(input({ exchange, openTime: hour(1) }))
      expect(await seriesOf(exchange)).toMatchObject([
        { symbol: key.symbol, timeframe: '1h', candleCount: 0 },
      ])
    })

    it('makes one series when many writers come at once', async () => {
      const exchange = `race-${open.engine}`
      const counts = await Promise.all(
        Array.from({ length: 8 }, (_, writer) => {
          const list = Array.from({ length: 20 }, (_, n) =>
            input({ exchange, openTime: hour(n), atr: writer }),
          )
          return record(...(writer % 2 === 0 ? list : list.reverse()))
        }),
      )
      expect(counts.reduce((sum, one) => sum + one.inserted, 0)).toBe(20)
      expect(await seriesOf(exchange)).toHaveLength(1)
      const stored = await listIndicators(db, { ...key, exchange })
      expect(stored).toHaveLength(20)
      expect(new Set(stored.map((row) => row.atr)).size).toBe(1)
    })

    it('does nothing with an empty list', async () => {
      expect(await record()).toEqual({ inserted: 0, updated: 0, unchanged: 0 })
    })

    it.each<[string, Partial<IndicatorsInput>, RegExp]>([
      ['exchange', { exchange: ' ' }, /is empty/],
      ['exchange', { exchange: 'x'.repeat(201) }, /longer than 200/],
      ['symbol', { symbol: 'a\0' }, /NUL/],
      ['timeframe', { timeframe: '7m' as '1h' }, /'7m' is not one of/],
      ['openTime', { openTime: new Date('2026-01-05T00:30:00Z') }, /no open time of 1h; .*T00:00:00.000Z/],
      ['openTime', { timeframe: '1w', openTime: new Date('2026-01-06') }, /no open time of 1w; .*2026-01-05/],
      ['openTime', { openTime: new Date(Number.NaN) }, /invalid Date/],
      ['rsi14', { rsi14: Number.NaN }, /rsi14 is NaN: leave it out or give null/],
      ['rsi14', { rsi14: -0.1 }, /-0.1 is below 0/],
      ['rsi14', { rsi14: 100.1 }, /100.1 is above 100/],
      ['rsi14', { rsi14: '55' as unknown as number }, /is string, not a number/],
      ['sma50', { sma50: Number.POSITIVE_INFINITY }, /is Infinity: leave it out/],
      ['sma200', { sma200: Number.NEGATIVE_INFINITY }, /is -Infinity: leave it out/],
      ['macd', { macd: 1.5 as unknown as null }, /is number, not an object/],
      ['macd.macd', { macd: { macd: Number.NaN } }, /is NaN/],
      ['macd.signal', { macd: { signal: Number.NaN } }, /is NaN/],
      ['macd.histogram', { macd: { histogram: Number.NaN } }, /is NaN/],
      ['atr', { atr: -1 }, /-1 is below 0/],
      ['atr', { atr: Number.NaN }, /is NaN/],
      ['values.ema_21', { values: { ema_21: Number.NaN } }, /is NaN/],
      ['values', { values: { '': 1 } }, /is empty/],
      ['values', { values: { 'a\0b': 1 } }, /NUL/],
      ['values', { values: { '\ud800': 1 } }, /surrogate/],
      ['values', { values: { ['x'.repeat(101)]: 1 } }, /more than 100/],
      ['values', { values: [1] as unknown as Record<string, number> }, /is no object/],
    ])('refuses a bad %s, and stores nothing of the call', async (field, bad, message) => {
      const exchange = `refused-${open.engine}`
      const call = record(input({ exchange }), input({ exchange, ...bad }), input({ exchange }))
      await expect(call).rejects.toMatchObject({
        code: 'invalid_input',
        field: `indicators[1].${field}`,
        message: expect.stringMatching(message),
      })
      expect(await listIndicators(db, { ...key, exchange })).toEqual([])
      expect(await seriesOf(exchange)).toEqual([])
    })

    it('takes values at the ends of their ranges', async () => {
      await record(input({ rsi14: 0, atr: 0 }), input({ rsi14: 100, openTime: hour(1) }))
      expect(await listIndicators(db, key)).toMatchObject([{ rsi14: 100 }, { rsi14: 0, atr: 0 }])
    })

    it('refuses what is no list', async () => {
      await expect(recordIndicators(db, { indicators: full as never })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'indicators',
      })
    })
  })

  describe('getLatestIndicators', () => {
    it('returns those of the last candle of the series, whenever they were recorded', async () => {
      await record(input({ openTime: hour(2), rsi14: 2 }))
      await record(input({ openTime: hour(1), rsi14: 1 }))
      await record(input({ openTime: hour(5), symbol: 'ETH/USDT' }))
      await record(input({ openTime: hour(5), timeframe: '5m' }))
      await record(input({ openTime: hour(5), exchange: 'kraken' }))
      expect(await getLatestIndicators(db, key)).toMatchObject({ ...key, openTime: hour(2), rsi14: 2 })
    })

    it('throws not_found for an unknown series, and for one without any', async () => {
      for (const symbol of ['NEVER/SEEN', key.symbol]) {
        await expect(getLatestIndicators(db, { ...key, symbol })).rejects.toMatchObject({
          code: 'not_found',
          message: `indicators of series '${symbol}' 1h of exchange 'binance' not found`,
        })
      }
    })

    it('reads one row of the index, from its end', async () => {
      await record(input(), input({ symbol: 'ETH/USDT' }))
      await db.execute(sql`
        insert into ${indicators} (series_id, open_time, rsi_14)
        select s.id, timestamptz '2026-02-01' + n * interval '1 hour', 50
        from ${series} s, generate_series(1, 3000) n where s.timeframe = '1h' and s.exchange = 'binance'`)
      await db.execute(sql`vacuum analyze ${indicators}`)
      const plan = await planOf(db, (db) => getLatestIndicators(db, key))
      expect(plan).toContain('Index Scan Backward using indicators_series_id_open_time_pkey')
      expect(plan).toContain('InitPlan')
      expect(plan).not.toMatch(/Join|Nested Loop|Sort|Seq Scan on indicators/)
    })

    it.each([
      ['exchange', { exchange: '' }],
      ['symbol', { symbol: '\0' }],
      ['timeframe', { timeframe: '1H' as '1h' }],
    ])('refuses a bad %s, as listIndicators does', async (field, bad) => {
      const refusal = { code: 'invalid_input', field }
      await expect(getLatestIndicators(db, { ...key, ...bad })).rejects.toMatchObject(refusal)
      await expect(listIndicators(db, { ...key, ...bad })).rejects.toMatchObject(refusal)
    })
  })

  describe('listIndicators', () => {
    it('goes back through one series page by page', async () => {
      expect(await listIndicators(db, { ...key, symbol: 'NEVER/SEEN' })).toEqual([])
      await record(...[3, 1, 2, 0].map((n) => input({ openTime: hour(n), rsi14: n })))
      await record(input({ symbol: 'ETH/USDT' }))
      const first = await listIndicators(db, { ...key, limit: 3 })
      const second = await listIndicators(db, { ...key, limit: 3, after: first[2] })
      expect([first, second].map((rows) => rows.map((row) => row.rsi14))).toEqual([[3, 2, 1], [0]])
      expect(second[0]).toEqual({ ...(await listIndicators(db, key))[3], ...key })
    })

    it('refuses a bad limit and cursor', async () => {
      const bad = (field: string) => ({ code: 'invalid_input', field })
      await expect(listIndicators(db, { ...key, limit: 0 })).rejects.toMatchObject(bad('limit'))
      const after = { openTime: new Date(Number.NaN) }
      await expect(listIndicators(db, { ...key, after })).rejects.toMatchObject(bad('after.openTime'))
    })
  })
})
