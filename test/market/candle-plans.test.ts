import { sql } from 'drizzle-orm'
import { beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { findCandleGaps } from '../../src/market/candle-gaps.ts'
import { getCandles, getInexactCandles, getLatestCandle } from '../../src/market/candles.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { resampleCandles } from '../../src/market/resample.ts'
import { ensureSeries, getLatestPrice, getLatestPrices, listCandleSeries } from '../../src/market/series.ts'
import { describeEngines } from '../database.ts'
import { at, newMarket } from './candle-fixture.ts'
import { scansOf } from './candle-series.ts'
import { planOf } from './plan.ts'

const CANDLES = 'candles_default_pkey'
const SERIES = 'series_exchange_symbol_timeframe_key'

describeEngines('the plan of', (open) => {
  let db: Awaited<ReturnType<typeof open>>
  const { BTC, minutes } = newMarket()

  beforeAll(async () => {
    db = await open()
    const symbols = Array.from({ length: 40 }, (_, i) => `COIN${i}`)
    const candles = symbols.flatMap((symbol) => minutes(200).map((candle) => ({ ...candle, symbol })))
    await recordCandles(db, { candles: [...candles, ...minutes(200)] })
    const others = Array.from({ length: 3_000 }, (_, i) => ({ ...BTC, symbol: `OTHER${i}` }))
    await ensureSeries(db, others)
    await db.execute(sql`analyze market.candles`)
    await db.execute(sql`analyze market.series`)
  }, 60_000)

  const READS: [string, (db: Database) => Promise<unknown>, string[]][] = [
    [
      'getCandles of a span',
      (db) => getCandles(db, { ...BTC, from: at(10), until: at(20) }),
      [CANDLES, SERIES],
    ],
    [
      'getInexactCandles',
      (db) => getInexactCandles(db, { ...BTC, from: at(10), until: at(20) }),
      [CANDLES, SERIES],
    ],
    ['getLatestCandle', (db) => getLatestCandle(db, BTC), [CANDLES, SERIES]],
    ['findCandleGaps', (db) => findCandleGaps(db, BTC), [CANDLES, SERIES]],
    ['resampleCandles', (db) => resampleCandles(db, { ...BTC, into: '5m', from: at(0) }), [CANDLES, SERIES]],
    ['getLatestPrice', (db) => getLatestPrice(db, BTC), [SERIES]],
    ['getLatestPrices', (db) => getLatestPrices(db, { ...BTC, symbols: ['COIN1', 'COIN2'] }), [SERIES]],
    ['listCandleSeries', (db) => listCandleSeries(db, { exchange: BTC.exchange, limit: 5 }), [SERIES]],
  ]

  test.each(READS)('%s goes by its index', async (_, read, indexes) => {
    const plan = await planOf(db, read)
    for (const index of indexes) expect(plan).toContain(index)
    expect(plan).not.toContain('Seq Scan on candles')
  })

  // A plan does not show what a function does.
  test('the last so many candles goes by its index, and reads no further than it must', async () => {
    const scans = await scansOf(db, (tx) => getCandles(tx, { ...BTC, last: 50 }))
    expect(scans).toEqual({ whole: 0, byIndex: 1 })
    const further = await scansOf(db, (tx) => getCandles(tx, { ...BTC, last: 50, until: at(30) }))
    expect(further).toEqual({ whole: 0, byIndex: 1 })
  })
})
