import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { DAY_MS } from '../../src/market/timeframes.ts'
import { calculateCorrelation, listCorrelations } from '../../src/risk/correlation.ts'
import { describeDatabases } from '../database.ts'
import { before, makeHolder, NOW, storeCloses } from './holdings.ts'

describeDatabases('calculateCorrelation', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  /** An exchange with A, B and C, of which C never moves. */
  async function makeExchange(): Promise<string> {
    const { exchange } = await makeHolder(db)
    // Log returns in units of ln 2: A has 1, 2, 3 and B has 1, 3, 2, both of mean 2. About it: (−1)(−1) + 0·1 + 1·0 = 1, of 2 and 2.
    await storeCloses(db, exchange, 'A', [1, 2, 8, 64])
    await storeCloses(db, exchange, 'B', [1, 2, 16, 64])
    await storeCloses(db, exchange, 'C', [5, 5, 5, 5])
    return exchange
  }

  it('stores how each pair went together, and of how many pairs of returns', async () => {
    const exchange = await makeExchange()
    const stored = await calculateCorrelation(db, { exchange, symbols: ['A', 'B', 'C'], until: NOW })
    expect(stored).toMatchObject({
      exchange,
      symbols: ['A', 'B', 'C'],
      timeframe: '1d',
      fromTime: before(90 * DAY_MS),
      untilTime: NOW,
      correlations: [
        { a: 'A', b: 'B', pairs: 3 },
        { a: 'A', b: 'C', coefficient: null, pairs: 3 },
        { a: 'B', b: 'C', coefficient: null, pairs: 3 },
      ],
    })
    expect(stored.correlations[0]?.coefficient).toBeCloseTo(0.5, 12)
    expect(await listCorrelations(db, { exchange })).toEqual([stored])
  })

  it('looks no further back than the window', async () => {
    const exchange = await makeExchange()
    const stored = await calculateCorrelation(db, {
      exchange,
      symbols: ['A', 'B'],
      until: NOW,
      windowDays: 3,
    })
    expect(stored.fromTime).toEqual(before(3 * DAY_MS))
    // Two returns are left, which go opposite ways.
    expect(stored.correlations[0]).toMatchObject({ pairs: 2 })
    expect(stored.correlations[0]?.coefficient).toBeCloseTo(-1, 12)
  })

  it('lists newest first in pages, and those that have certain symbols', async () => {
    const exchange = await makeExchange()
    const first = await calculateCorrelation(db, { exchange, symbols: ['A', 'B'], until: NOW })
    const second = await calculateCorrelation(db, { exchange, symbols: ['C', 'B'], until: NOW })
    expect(await listCorrelations(db, { exchange })).toEqual([second, first])
    expect(await listCorrelations(db, { exchange, after: second })).toEqual([first])
    expect(await listCorrelations(db, { exchange, limit: 1 })).toEqual([second])
    expect(await listCorrelations(db, { exchange, symbols: ['B', 'A'] })).toEqual([first])
    expect(await listCorrelations(db, { exchange, symbols: ['B'] })).toEqual([second, first])
    expect(await listCorrelations(db, { exchange: 'elsewhere' })).toEqual([])
  })

  it('refuses a symbol without candles, and what is no question', async () => {
    const exchange = await makeExchange()
    const wrong = (symbols: string[], more = {}) =>
      calculateCorrelation(db, { exchange, symbols, until: NOW, ...more })
    await expect(wrong(['A', 'Z'])).rejects.toMatchObject({ code: 'not_found' })
    await expect(wrong(['A'])).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(wrong(['A', 'A'])).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(wrong(['A', 'B'], { windowDays: 0 })).rejects.toMatchObject({ field: 'windowDays' })
    await expect(wrong(['A', 'B'], { timeframe: '7d' })).rejects.toMatchObject({ field: 'timeframe' })
    expect(await listCorrelations(db, { exchange })).toEqual([])
  })
})
