import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { getPortfolio } from '../../src/analytics/portfolio.ts'
import { listPortfolioSnapshots, recordPortfolioSnapshot } from '../../src/analytics/portfolio-snapshots.ts'
import type { Connection } from '../../src/db/database.ts'
import type { Decimal } from '../../src/db/decimal.ts'
import { recordHeartbeat } from '../../src/fleet/index.ts'
import { calculateValueAtRisk } from '../../src/risk/value-at-risk.ts'
import { describeDatabases } from '../database.ts'
import { storeCloses } from '../risk/holdings.ts'
import { query } from '../trading/ledger-fixture.ts'
import { fresh, listSymbol, makeMember, NOW, trade } from './portfolio-fixture.ts'

/** Forty-one closes that go up and down without a pattern, and end at 20. */
const A = Array.from({ length: 41 }, (_, i) => (i === 40 ? 20 : 15 + ((i * 7919) % 83) / 10))
/** The same of another one, which ends at 50. */
const B = Array.from({ length: 41 }, (_, i) => (i === 40 ? 50 : 40 + ((i * 104_729) % 97) / 5))

const changes = (prices: readonly number[]) =>
  prices.slice(1).map((price, i) => price / (prices[i] ?? Number.NaN) - 1)

const text = (amount: Decimal | null) => (amount === null ? null : amount.toFixed())

describeDatabases('recordPortfolioSnapshot', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const record = (baseCurrency: string, over: Parameters<typeof recordPortfolioSnapshot>[1] = {}) =>
    recordPortfolioSnapshot(db, { fleet: { baseCurrency }, now: NOW, ...over })

  async function listPriced(currency: string, closes: readonly number[]): Promise<string> {
    const symbol = fresh('S')
    await listSymbol(db, symbol, currency)
    await storeCloses(db, 'x', symbol, closes)
    return symbol
  }

  /** One bot holds 3 of A, worth 60; another is short 0.8 of B, worth 40, and a third holds nothing. */
  async function makeFleet() {
    const currency = fresh('USD')
    const [a, b] = [await listPriced(currency, A), await listPriced(currency, B)]
    const bots = [
      await makeMember(db, currency),
      await makeMember(db, currency),
      await makeMember(db, currency),
    ]
    const [long = '', short = '', idle = ''] = bots
    await trade(db, long, a, 'buy 3 @ 18')
    await trade(db, short, b, 'sell 0.8 @ 50')
    for (const botId of [long, short]) await recordHeartbeat(db, { botId, currentEquity: '200', at: NOW })
    return { currency, a, b, long, short, idle }
  }

  it('stores what the fleet is worth and holds, and what all its positions may lose together', async () => {
    const { currency, a, b, long, short, idle } = await makeFleet()
    const found = await record(currency, { confidence: 0.9 })
    expect(found).toMatchObject({
      takenAt: NOW,
      baseCurrency: currency,
      mode: 'live',
      botCount: 3,
      unpriced: [],
    })
    const amounts = [found.equity, found.unrealisedPnl, found.long, found.short, found.gross, found.net]
    expect(amounts.map(text)).toEqual(['1400', '6', '60', '40', '100', '20'])
    expect(found.leverage).toBe(100 / 1400)
    expect(found.concentration).toBeCloseTo(0.52, 12)
    expect(found.bots).toEqual([
      { botId: long, equity: '200', unrealisedPnl: '6' },
      { botId: short, equity: '200', unrealisedPnl: '0' },
      { botId: idle, equity: '1000', unrealisedPnl: '0' },
    ])
    expect(found.symbols).toEqual([
      { exchange: 'x', symbol: a, long: '60', short: '0', isAtRisk: true },
      { exchange: 'x', symbol: b, long: '0', short: '40', isAtRisk: true },
    ])
    // What 60 of A less 40 of B would have gained on each of forty days; the fourth worst.
    const gains = changes(A).map((change, i) => 60 * change - 40 * (changes(B)[i] ?? Number.NaN))
    const fourth = gains.sort((one, two) => one - two)[3] ?? Number.NaN
    expect(Number(found.valueAtRisk)).toBeCloseTo(-fourth, 10)
    expect(found.valueAtRiskFraction).toBeCloseTo(-fourth / 100, 12)
    const terms = { valueAtRiskMethod: 'historical', confidence: 0.9, horizonDays: 1, sampleSize: 40 }
    expect(found).toMatchObject({ ...terms, smallSample: false })
    expect(await getPortfolio(db, { fleet: { baseCurrency: currency }, now: NOW })).toMatchObject({
      leverage: found.leverage,
    })
  })

  it('is of one bot what its own value at risk is, whatever the method', async () => {
    const currency = fresh('USD')
    const symbols = [await listPriced(currency, A), await listPriced(currency, B)]
    const botId = await makeMember(db, currency)
    for (const symbol of symbols) await trade(db, botId, symbol, 'buy 1 @ 10')
    for (const [i, method] of (['historical', 'parametric', 'expected_shortfall'] as const).entries()) {
      const terms = {
        method,
        confidence: 0.8,
        horizonDays: 2,
        windowDays: 30,
        now: new Date(NOW.getTime() + i),
      }
      const own = await calculateValueAtRisk(db, { botId, ...terms })
      const found = await record(currency, terms)
      expect([text(found.valueAtRisk), found.valueAtRiskFraction]).toEqual([text(own.value), own.fraction])
      expect(found.sampleSize).toBe(own.sampleSize)
      expect(found.valueAtRiskMethod).toBe(method)
    }
  })

  it('sets off what one bot holds against what another is short of', async () => {
    const currency = fresh('USD')
    const symbol = await listPriced(currency, A)
    await trade(db, await makeMember(db, currency), symbol, 'buy 3 @ 10')
    await trade(db, await makeMember(db, currency), symbol, 'sell 3 @ 10')
    const found = await record(currency)
    expect([found.gross, found.net, found.valueAtRisk].map(text)).toEqual(['120', '0', '0'])
  })

  it('says which symbols the value at risk does not count', async () => {
    const currency = fresh('USD')
    const [counted, young] = [await listPriced(currency, A), await listPriced(currency, [7])]
    const priceless = fresh('S')
    await listSymbol(db, priceless, currency)
    const botId = await makeMember(db, currency)
    for (const symbol of [counted, young, priceless]) await trade(db, botId, symbol, 'buy 1 @ 10')
    const found = await record(currency)
    expect(found.symbols.map(({ symbol, isAtRisk }) => [symbol, isAtRisk])).toEqual([
      [counted, true],
      [young, false],
    ])
    expect(found.unpriced).toEqual([{ exchange: 'x', symbol: priceless }])
    expect(found).toMatchObject({ equity: null, leverage: null, concentration: null, unrealisedPnl: null })
    expect(found.valueAtRisk).not.toBeNull()
    // Of nothing that it counts, it says nothing.
    const other = fresh('USD')
    await trade(db, await makeMember(db, other), await listPriced(other, [7]), 'buy 1 @ 10')
    expect(await record(other)).toMatchObject({ valueAtRisk: null, valueAtRiskFraction: null, sampleSize: 0 })
  })

  it('is zero at risk where nothing is held', async () => {
    const currency = fresh('USD')
    await makeMember(db, currency)
    const found = await record(currency)
    expect([found.equity, found.gross, found.valueAtRisk].map(text)).toEqual(['1000', '0', '0'])
    expect(found).toMatchObject({ valueAtRiskFraction: null, symbols: [], smallSample: true })
  })

  it('keeps the first snapshot of a moment, and has one of each fleet', async () => {
    const currency = fresh('USD')
    const botId = await makeMember(db, currency, { initialEquity: '5' })
    await makeMember(db, currency, { mode: 'paper', initialEquity: '6' })
    const first = await record(currency)
    await recordHeartbeat(db, { botId, currentEquity: '7', at: NOW })
    expect(await record(currency)).toEqual(first)
    expect(text((await record(currency, { now: new Date(NOW.getTime() + 1) })).equity)).toBe('7')
    const paper = await record(currency, { fleet: { baseCurrency: currency, mode: 'paper' } })
    expect([paper.takenAt, text(paper.equity)]).toEqual([NOW, '6'])
    const change = query(
      db,
      sql`update analytics.portfolio_snapshots set equity = 'NaN' where base_currency = ${currency}`,
    )
    await expect(change).rejects.toMatchObject({
      code: 'invalid_input',
      constraint: 'portfolio_snapshots_equity_check',
    })
  })

  it('returns one row to all that record the same moment at once', async () => {
    const currency = fresh('USD')
    await makeMember(db, currency)
    const found = await Promise.all(Array.from({ length: 5 }, () => record(currency)))
    expect(new Set(found.map(({ id }) => id)).size).toBe(1)
    const now = await recordPortfolioSnapshot(db, { fleet: { baseCurrency: currency } })
    expect(Math.abs(now.takenAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('refuses what makes no sense before it stores anything', async () => {
    const currency = fresh('USD')
    await makeMember(db, currency)
    const wrong = [
      [{ confidence: 1 }, 'confidence'],
      [{ horizonDays: 0 }, 'horizonDays'],
      [{ timeframe: '1M' as const }, 'timeframe'],
      [{ windowDays: 0.5 }, 'windowDays'],
      [{ method: 'guess' as never }, 'method'],
      [{ now: new Date(Number.NaN) }, 'now'],
      [{ fleet: { baseCurrency: currency, mode: 'real' as never } }, 'fleet.mode'],
    ] as const
    for (const [input, field] of wrong) {
      await expect(record(currency, input), field).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    await expect(record('NONE')).rejects.toMatchObject({ code: 'not_found' })
    expect(await listPortfolioSnapshots(db, { fleet: { baseCurrency: currency } })).toEqual([])
  })
})

describeDatabases('listPortfolioSnapshots', (open) => {
  it('lists those of a fleet, newest first, in pages', async () => {
    const db = await open()
    const currency = fresh('USD')
    const fleet = { baseCurrency: currency }
    await makeMember(db, currency)
    await makeMember(db, currency, { mode: 'paper' })
    const at = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000)
    for (const minutes of [3, 1, 2]) await recordPortfolioSnapshot(db, { fleet, now: at(minutes) })
    await recordPortfolioSnapshot(db, { fleet: { ...fleet, mode: 'paper' }, now: at(9) })
    const page = await listPortfolioSnapshots(db, { fleet, limit: 2 })
    expect(page.map(({ takenAt }) => takenAt)).toEqual([at(3), at(2)])
    const rest = await listPortfolioSnapshots(db, { fleet, after: page.at(-1) })
    expect(rest.map(({ takenAt }) => takenAt)).toEqual([at(1)])
    const wrong = listPortfolioSnapshots(db, { fleet, after: { takenAt: new Date(Number.NaN) } })
    await expect(wrong).rejects.toMatchObject({ field: 'after.takenAt' })
    await expect(listPortfolioSnapshots(db, { fleet, limit: 1_001 })).rejects.toMatchObject({
      field: 'limit',
    })
    await expect(listPortfolioSnapshots(db, { fleet: { baseCurrency: 'NONE' } })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
