import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { recordCandles } from '../../src/market/index.ts'
import { DAY_MS } from '../../src/market/timeframes.ts'
import {
  type CalculateValueAtRiskInput,
  calculateValueAtRisk,
  listValueAtRisk,
} from '../../src/risk/value-at-risk.ts'
import { describeDatabases } from '../database.ts'
import { before, hold, makeHolder, makeSymbol, NOW, storeCloses } from './holdings.ts'

/** Forty-one closes that go up and down without a pattern, and end at 20. */
const A = Array.from({ length: 41 }, (_, i) => (i === 40 ? 20 : 15 + ((i * 7919) % 83) / 10))
/** The same of another one, which ends at 50. */
const B = Array.from({ length: 41 }, (_, i) => (i === 40 ? 50 : 40 + ((i * 104_729) % 97) / 5))

const changes = (prices: readonly number[]) =>
  prices.slice(1).map((price, i) => price / (prices[i] ?? Number.NaN) - 1)
const average = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length

describeDatabases('calculateValueAtRisk', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const calculate = (
    input: Omit<CalculateValueAtRiskInput, 'now' | 'method'> & Partial<CalculateValueAtRiskInput>,
  ) => calculateValueAtRisk(db, { method: 'historical', now: NOW, ...input })

  /** Holds 3 of A, worth 60, and is short 0.8 of B, worth 40. */
  async function makePair(closes = { A, B } as Readonly<Record<string, readonly (number | null)[]>>) {
    const bot = await makeHolder(db)
    for (const [symbol, prices] of Object.entries(closes)) {
      await makeSymbol(db, bot.exchange, symbol)
      await storeCloses(db, bot.exchange, symbol, prices)
    }
    await hold(db, bot, 'buy', '3', 'A')
    await hold(db, bot, 'sell', '0.8', 'B')
    return bot
  }

  /** What the pair would have gained on each day, by hand: 60 of A less 40 of B, from worst to best. */
  const gains = () =>
    changes(A)
      .map((change, i) => 60 * change - 40 * (changes(B)[i] ?? Number.NaN))
      .sort((a, b) => a - b)

  it('is, by history, the loss at the quantile of what the positions would have gained', async () => {
    const { botId } = await makePair()
    const found = await calculate({ botId, confidence: 0.9 })
    // The fourth worst of forty.
    expect(Number(found.value)).toBeCloseTo(-(gains()[3] ?? Number.NaN), 10)
    expect(found.fraction).toBeCloseTo(-(gains()[3] ?? Number.NaN) / 100, 12)
    expect(String(found.portfolioValue)).toBe('100')
    expect(found).toMatchObject({
      botId,
      method: 'historical',
      confidence: 0.9,
      horizonDays: 1,
      sampleSize: 40,
      smallSample: false,
      unpriced: [],
    })
  })

  it('is, as a shortfall, the mean of the tail', async () => {
    const { botId } = await makePair()
    const found = await calculate({ botId, confidence: 0.9, method: 'expected_shortfall' })
    expect(Number(found.value)).toBeCloseTo(-average(gains().slice(0, 4)), 10)
  })

  it('is, by parameters, made of how the symbols moved together', async () => {
    const { botId } = await makePair()
    const found = await calculate({ botId, method: 'parametric', horizonDays: 4 })
    // Mean and deviation of the weighted sum of log returns, which the covariance must come to.
    const logs = (prices: readonly number[]) => changes(prices).map((change) => Math.log(1 + change))
    const sums = logs(A).map((one, i) => 60 * one - 40 * (logs(B)[i] ?? Number.NaN))
    const mu = average(sums)
    const sigma = Math.sqrt(sums.reduce((sum, one) => sum + (one - mu) ** 2, 0) / 39)
    expect(Number(found.value)).toBeCloseTo(1.6448536269514722 * sigma * 2 - mu * 4, 9)
    expect(found).toMatchObject({ confidence: 0.95, horizonDays: 4, sampleSize: 40 })
  })

  it('compounds returns over the horizon', async () => {
    const { botId } = await makePair()
    const found = await calculate({ botId, confidence: 0.9, horizonDays: 5 })
    const over = (prices: readonly number[]) =>
      prices.slice(5).map((price, i) => price / (prices[i] ?? Number.NaN) - 1)
    const worst = over(A)
      .map((change, i) => 60 * change - 40 * (over(B)[i] ?? Number.NaN))
      .sort((a, b) => a - b)
    // 36 runs of five days, of which the fourth worst; eight of them share no day.
    expect(Number(found.value)).toBeCloseTo(-(worst[3] ?? Number.NaN), 10)
    expect(found).toMatchObject({ sampleSize: 36, smallSample: true })
  })

  it('leaves out of all what one of them lacks', async () => {
    const gap = A.map((price, i) => (i === 7 || i === 20 ? null : price))
    const { botId } = await makePair({ A: gap, B })
    const found = await calculate({ botId })
    expect(found.sampleSize).toBe(38)
    const kept = (prices: readonly number[]) => changes(prices.filter((_, i) => gap[i] !== null))
    const worst = kept(A).map((change, i) => 60 * change - 40 * (kept(B)[i] ?? Number.NaN))
    // The second worst of 38 at 0.95.
    expect(Number(found.value)).toBeCloseTo(-(worst.sort((a, b) => a - b)[1] ?? Number.NaN), 10)
  })

  it('names what has no price or no returns, and is of the rest', async () => {
    const bot = await makePair()
    for (const symbol of ['C', 'D', 'E']) await makeSymbol(db, bot.exchange, symbol)
    // C has no price at all, D none of today, E a price and no return.
    await storeCloses(db, bot.exchange, 'D', A, { until: before(DAY_MS) })
    await storeCloses(db, bot.exchange, 'E', [7])
    for (const symbol of ['C', 'D', 'E']) await hold(db, bot, 'buy', '1', symbol)
    const found = await calculate({ botId: bot.botId, confidence: 0.9 })
    expect(found.unpriced).toEqual(['C', 'D', 'E'])
    expect(String(found.portfolioValue)).toBe('100')
    expect(Number(found.value)).toBeCloseTo(-(gains()[3] ?? Number.NaN), 10)
  })

  it('says nothing where nothing can be said', async () => {
    const bot = await makeHolder(db)
    await makeSymbol(db, bot.exchange, 'A')
    await hold(db, bot, 'buy', '1', 'A')
    for (const method of ['historical', 'parametric', 'expected_shortfall'] as const) {
      const found = await calculate({ botId: bot.botId, method })
      expect(found).toMatchObject({ method, value: null, fraction: null, unpriced: ['A'], smallSample: true })
      expect(found.sampleSize).toBe(0)
    }
    await storeCloses(db, bot.exchange, 'A', [10, 11])
    // One return has no deviation, and it is its own quantile.
    expect(await calculate({ botId: bot.botId, method: 'parametric' })).toMatchObject({
      value: null,
      sampleSize: 1,
    })
    const single = await calculate({ botId: bot.botId })
    expect(Number(single.value)).toBeCloseTo(-1.1, 12)
    expect(single).toMatchObject({ sampleSize: 1, smallSample: true, unpriced: [] })
  })

  it('is zero for a bot that holds nothing', async () => {
    const { botId } = await makeHolder(db)
    const found = await calculate({ botId })
    expect([found.value, found.portfolioValue].map(String)).toEqual(['0', '0'])
    expect(found).toMatchObject({ fraction: null, sampleSize: 0, unpriced: [] })
  })

  it('lets a short lose what the price gains, and an inverse contract what one over the price loses', async () => {
    const closes = [10, 12.5, 10, 12.5, 10]
    const short = await makeHolder(db)
    await makeSymbol(db, short.exchange, 'A')
    await storeCloses(db, short.exchange, 'A', closes)
    await hold(db, short, 'sell', '1', 'A')
    // Up by a quarter twice, down by a fifth twice.
    const worst = await calculate({ botId: short.botId, confidence: 0.75 })
    expect(worst.fraction).toBeCloseTo(0.25, 12)
    const inverse = await makeHolder(db, '1', { baseCurrency: 'A' })
    await makeSymbol(db, inverse.exchange, 'A', { kind: 'inverse', contractSize: '1' })
    await storeCloses(db, inverse.exchange, 'A', closes)
    await hold(db, inverse, 'buy', '1', 'A')
    // 1/12.5 became 1/10: from 0.08 to 0.1 of A owed for the same contract, a quarter of its value.
    expect((await calculate({ botId: inverse.botId, confidence: 0.75 })).fraction).toBeCloseTo(0.25, 12)
  })

  it('looks at the candles of the window and the timeframe, closed by then', async () => {
    const { botId, exchange } = await makePair()
    expect(await calculate({ botId, windowDays: 10 })).toMatchObject({ sampleSize: 9, smallSample: true })
    const hourly = { timeframe: '4h' } as const
    for (const symbol of ['A', 'B'])
      await storeCloses(db, exchange, symbol, [20, 21, 20, 22, 20, 19, 21], hourly)
    // A day is six candles of four hours: of six returns there is one run.
    expect(await calculate({ botId, timeframe: '4h' })).toMatchObject({ horizonDays: 1, sampleSize: 1 })
    // A millisecond before midnight the last candle of a day was not closed.
    expect(await calculate({ botId, now: before(1) })).toMatchObject({ sampleSize: 39 })
  })

  it('leaves out a candle that was never completed', async () => {
    const { botId, exchange } = await makePair()
    const prices = { open: '20', high: '20', low: '20', close: '20', volume: '1' }
    const openTime = new Date(NOW)
    const now = new Date(NOW.getTime() + DAY_MS)
    const candle = { exchange, timeframe: '1d', openTime, ...prices, complete: false } as const
    await recordCandles(db, { candles: ['A', 'B'].map((symbol) => ({ ...candle, symbol })) })
    // Recorded just now, which is where the price of either is from.
    expect(await calculate({ botId, now })).toMatchObject({ sampleSize: 40, unpriced: [] })
    const complete = ['A', 'B'].map((symbol) => ({ ...candle, symbol, complete: true }))
    await recordCandles(db, { candles: complete })
    expect(await calculate({ botId, now })).toMatchObject({ sampleSize: 41, unpriced: [] })
  })

  it('is kept, and listed newest first in pages', async () => {
    const { botId } = await makePair()
    const first = await calculate({ botId })
    const second = await calculate({ botId, confidence: 0.99 })
    expect(await listValueAtRisk(db, { botId })).toEqual([second, first])
    const page = await listValueAtRisk(db, { botId, limit: 1 })
    expect(page).toEqual([second])
    expect(await listValueAtRisk(db, { botId, after: page[0] })).toEqual([first])
    expect(await listValueAtRisk(db, { botId: 'another' })).toEqual([])
  })

  it('refuses a bot that is not there and what is no question', async () => {
    await expect(calculate({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    const { botId } = await makePair()
    const wrong: [Partial<CalculateValueAtRiskInput>, string][] = [
      [{ method: 'monte_carlo' as 'historical' }, 'method'],
      [{ confidence: 0.05 }, 'confidence'],
      [{ confidence: 95 }, 'confidence'],
      [{ confidence: Number.NaN }, 'confidence'],
      [{ horizonDays: 0 }, 'horizonDays'],
      [{ horizonDays: 0.5 }, 'horizonDays'],
      [{ horizonDays: 1, timeframe: '1w' }, 'horizonDays'],
      [{ timeframe: '1M', horizonDays: 30 }, 'timeframe'],
      [{ windowDays: 0 }, 'windowDays'],
      [{ windowDays: 365, timeframe: '1m' }, 'windowDays'],
      [{ now: new Date(Number.NaN) }, 'now'],
    ]
    for (const [input, field] of wrong) {
      await expect(calculate({ botId, ...input })).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    expect(await listValueAtRisk(db, { botId })).toEqual([])
  })
})
