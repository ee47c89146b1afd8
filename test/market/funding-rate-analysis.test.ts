import { and, eq, sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal, divide } from '../../src/db/decimal.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type FundingRateAnalysis, getFundingRateAnalysis } from '../../src/market/funding-rate-analysis.ts'
import type { FundingRateInput } from '../../src/market/funding-rate-input.ts'
import { getLatestFundingRate, recordFundingRates } from '../../src/market/funding-rates.ts'
import { fundingRateAnalysis } from '../../src/market/schema/funding-views.ts'
import { describeEngines } from '../database.ts'

const exchange = 'okx'
let symbols = 0
const newSymbol = () => `A${++symbols}`
const HOUR_MS = 3_600_000

/** Amounts as text, for comparison. */
const told = (analysis: FundingRateAnalysis) =>
  Object.fromEntries(
    Object.entries(analysis).map(([key, value]) => [key, Decimal.isDecimal(value) ? value.toFixed() : value]),
  )

describeEngines('getFundingRateAnalysis', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  async function record(
    symbol: string,
    rates: readonly (readonly [string | Date, number, string, boolean?])[],
  ) {
    const inputs = rates.map(([at, intervalHours, rate, isEstimated]): FundingRateInput => {
      const publishedAt = typeof at === 'string' ? new Date(`2026-${at}:00Z`) : at
      return { exchange, symbol, publishedAt, intervalHours, rate, isEstimated }
    })
    expect(await recordFundingRates(db, { rates: inputs })).toMatchObject({ inserted: rates.length })
  }

  const now = new Date('2026-03-31T12:00:00Z')
  // The windows begin after 30 March, 24 March and 1 March, 12:00 each.
  const RATES = [
    ['03-01T12:00', 8, '0.9'],
    ['03-01T20:00', 8, '-0.001'],
    ['03-24T12:00', 8, '0.0011'],
    ['03-24T20:00', 8, '-0.0006'],
    ['03-28T04:00', 8, '0.0005'],
    ['03-30T12:00', 8, '0.0006'],
    ['03-30T20:00', 8, '0.0002'],
    ['03-31T04:00', 4, '0.0004'],
    ['03-31T08:00', 4, '0.5', true],
    ['03-31T12:00', 1, '-0.0005'],
    ['03-31T13:00', 1, '0.8'],
  ] as const

  it('returns what was calculated by hand', async () => {
    const symbol = newSymbol()
    await record(symbol, RATES)
    expect(told(await getFundingRateAnalysis(db, { exchange, symbol, now }))).toEqual({
      exchange,
      symbol,
      // −0.0005 · 24 · 365
      currentRate: '-0.0005',
      currentAnnualisedRate: '-4.38',
      currentIsEstimated: false,
      intervalHours: 1,
      lastFundingTime: now,
      // (0.0002 + 0.0004 − 0.0005) / 3 = 0.0001 / 3
      meanRate24h: `0.0000${'3'.repeat(36)}`,
      // (0.0001 + 0.0006 + 0.0005 − 0.0006) / 6
      meanRate7d: '0.0001',
      // (0.0006 + 0.0011 − 0.001) / 8
      meanRate30d: '0.0000875',
      // 0.0001 in 8 + 4 + 1 hours: 0.876 / 13 = 0.067384615384615…
      meanAnnualisedRate24h: `0.067${'384615'.repeat(6)}4`,
      // 0.0006 in 13 + 24 hours: 5.256 / 37 = 0.142054054…
      meanAnnualisedRate7d: `0.142${'054'.repeat(12)}1`,
      // 0.0007 in 37 + 16 hours: 6.132 / 53
      meanAnnualisedRate30d: divide(new Decimal('6.132'), new Decimal(53)).toFixed(),
      highestRate24h: '0.0004',
      lowestRate24h: '-0.0005',
      highestRate30d: '0.0011',
      lowestRate30d: '-0.001',
      // 0.0006 and −0.0006; 0.0005 is not beyond 0.0005, nor is −0.0005.
      extremePositiveCount7d: 1,
      extremeNegativeCount7d: 1,
      rateCount24h: 3,
      rateCount7d: 6,
      rateCount30d: 8,
    })
  })

  it('shows an estimate as the current rate, and counts it nowhere', async () => {
    const symbol = newSymbol()
    await record(symbol, RATES)
    const earlier = new Date('2026-03-31T08:00:00Z')
    expect(told(await getFundingRateAnalysis(db, { exchange, symbol, now: earlier }))).toMatchObject({
      currentRate: '0.5',
      // 0.5 · 6 · 365
      currentAnnualisedRate: '1095',
      currentIsEstimated: true,
      intervalHours: 4,
      lastFundingTime: earlier,
      // 0.0006, 0.0002 and 0.0004
      meanRate24h: '0.0004',
      highestRate24h: '0.0006',
      rateCount24h: 3,
      // 0.0011 and 0.0006
      extremePositiveCount7d: 2,
    })
  })

  it('has nulls and zeros for windows without a rate', async () => {
    const symbol = newSymbol()
    await record(symbol, [['01-01T00:00', 8, '0.0001']])
    const analysis = told(await getFundingRateAnalysis(db, { exchange, symbol, now }))
    expect(analysis).toMatchObject({
      currentRate: '0.0001',
      lastFundingTime: new Date('2026-01-01T00:00:00Z'),
    })
    for (const [key, value] of Object.entries(analysis)) {
      if (/^(?:mean|highest|lowest)/.test(key)) expect(value, key).toBeNull()
      if (/Count\d/.test(key)) expect(value, key).toBe(0)
    }
  })

  it('finds nothing of another symbol, another exchange, or a time before the first rate', async () => {
    const symbol = newSymbol()
    await record(symbol, RATES)
    const before = new Date('2026-03-01T11:59:59.999Z')
    for (const input of [
      { exchange, symbol: newSymbol(), now },
      { exchange: 'kraken', symbol, now },
      { exchange, symbol, now: before },
    ]) {
      await expect(getFundingRateAnalysis(db, input)).rejects.toMatchObject({
        code: 'not_found',
        message: `funding rate of '${input.symbol}' of exchange '${input.exchange}' not found`,
      })
    }
  })

  it('refuses an invalid moment and a blank name', async () => {
    const bad = (field: string) => ({ code: 'invalid_input', field })
    const input = { exchange, symbol: 'a', now }
    await expect(getFundingRateAnalysis(db, { ...input, now: new Date(Number.NaN) })).rejects.toMatchObject(
      bad('now'),
    )
    await expect(getFundingRateAnalysis(db, { ...input, symbol: '' })).rejects.toMatchObject(bad('symbol'))
  })

  it('has days of 24 hours, whatever clocks do in the time zone of the session', async () => {
    const symbol = newSymbol()
    const change = Date.UTC(2026, 2, 29, 12)
    const hours = Array.from(
      { length: 1_000 },
      (_, i) => [new Date(change - i * HOUR_MS), 1, '0.0001'] as const,
    )
    await record(symbol, hours)
    const input = { exchange, symbol, now: new Date(change) }
    const seen = await transaction(db, async (db) => {
      await db.execute(sql`set local time zone 'Europe/Berlin'`)
      return await getFundingRateAnalysis(db, input)
    })
    expect(seen).toMatchObject({
      rateCount24h: 24,
      rateCount7d: 168,
      rateCount30d: 720,
      lastFundingTime: input.now,
    })
    expect(told(seen)).toMatchObject({ meanRate30d: '0.0001', meanAnnualisedRate30d: '0.876' })
  })

  it('looks back from the clock of the database, as the view does', async () => {
    const symbol = newSymbol()
    const past = (hours: number) => new Date(Date.now() - hours * HOUR_MS)
    await record(symbol, [
      [past(1), 1, '0.0007'],
      [past(20), 8, '0.0001'],
      [past(100), 8, '-0.0009'],
      [past(-2), 8, '0.0003', true],
    ])
    const analysis = await getFundingRateAnalysis(db, { exchange, symbol })
    expect(told(analysis)).toMatchObject({
      currentRate: '0.0007',
      rateCount24h: 2,
      rateCount7d: 3,
      meanRate24h: '0.0004',
    })
    const isIt = and(eq(fundingRateAnalysis.exchange, exchange), eq(fundingRateAnalysis.symbol, symbol))
    expect(await db.select().from(fundingRateAnalysis).where(isIt)).toEqual([analysis])
    expect((await getLatestFundingRate(db, { exchange, symbol })).rate.toFixed()).toBe('0.0003')
  })

  it('is shown by the view once for each symbol of each exchange', async () => {
    const rates = ['b', 'a', 'c'].flatMap((symbol) =>
      ['x1', 'x0', 'x2'].flatMap((exchange) =>
        [5, 13, 21].map((hours) => {
          const publishedAt = new Date(Date.now() - hours * HOUR_MS)
          return { exchange, symbol: `${symbol}${exchange}`, publishedAt, intervalHours: 8, rate: '0.0001' }
        }),
      ),
    )
    await recordFundingRates(db, { rates })
    const rows = await db
      .select({ exchange: fundingRateAnalysis.exchange, symbol: fundingRateAnalysis.symbol })
      .from(fundingRateAnalysis)
    const names = rows.map((row) => `${row.exchange} ${row.symbol}`)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining(rates.map((rate) => `${rate.exchange} ${rate.symbol}`)))
  })

  it('reads one symbol by the primary key, in the verb and in the view', async () => {
    await db.execute(sql`
      insert into market.funding_rates (exchange, symbol, funding_time, published_at, interval_hours, rate)
      select 'many', 's' || s, t, t, 1, 0.0001 from generate_series(1, 20) s,
        generate_series(timestamptz '2025-01-01 00:00Z', timestamptz '2025-03-01 00:00Z', '1 hour') t`)
    await db.execute(sql`analyze market.funding_rates`)
    for (const from of [
      sql`market.funding_rate_analysis_of('many', 's7', '2025-02-15 00:00Z')`,
      sql`market.funding_rate_analysis_at('2025-02-15 00:00Z') where exchange = 'many' and symbol = 's7'`,
    ]) {
      const rows = await db.execute(sql`explain select * from ${from}`)
      const plan = JSON.stringify(rows)
      expect(plan).toContain('funding_rates_exchange_symbol_funding_time_pkey')
      expect(plan).not.toContain('Seq Scan')
      // Taken apart by the planner, not called.
      expect(plan).not.toContain('Function Scan')
    }
  })
})
