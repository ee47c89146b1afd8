import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import type { FundingRateInput } from '../../src/market/funding-rate-input.ts'
import { getLatestFundingRate, listFundingRates, recordFundingRates } from '../../src/market/funding-rates.ts'
import { fundingRates } from '../../src/market/schema/funding.ts'
import { describeEngines } from '../database.ts'
import { NOON, newSymbol, rateOf } from './funding-fixture.ts'

describeEngines('the input of recordFundingRates', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const record = (...rates: FundingRateInput[]) => recordFundingRates(db, { rates })

  it('rounds half an hour up, and one millisecond less down', async () => {
    const symbol = newSymbol()
    const result = await record(
      rateOf(symbol, { publishedAt: new Date('2026-03-01T12:29:59.999Z') }),
      rateOf(symbol, { publishedAt: new Date('2026-03-01T12:30:00.000Z') }),
    )
    expect(result.inserted).toBe(2)
    const rows = await listFundingRates(db, { exchange: 'binance', symbol })
    expect(rows.map((row) => row.fundingTime.toISOString().slice(11, 16))).toEqual(['13:00', '12:00'])
  })

  it('agrees with the database on the hour of any moment', async () => {
    const symbol = newSymbol()
    const moments = Array.from({ length: 500 }, (_, i) => new Date(Date.UTC(2000, 0, 1) + i * 1_234_567_891))
    expect(await record(...moments.map((publishedAt) => rateOf(symbol, { publishedAt })))).toMatchObject({
      inserted: 500,
      refused: [],
    })
    await expect(
      db.execute(sql`update ${fundingRates} set published_at = published_at + interval '1 hour'
          where symbol = ${symbol}`),
    ).rejects.toMatchObject({ code: 'invalid_input', constraint: 'funding_rates_funding_time_check' })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['exchange', { exchange: ' ' }, 'exchange is empty'],
    ['exchange', { exchange: 'x'.repeat(201) }, 'exchange is longer than 200 characters'],
    ['symbol', { symbol: '' }, 'symbol is empty'],
    ['symbol', { symbol: null }, 'symbol is null, not text'],
    ['symbol', { symbol: 'a\0' }, 'symbol contains a NUL character'],
    ['publishedAt', { publishedAt: new Date(Number.NaN) }, 'publishedAt is an invalid Date'],
    ['publishedAt', { publishedAt: NOON }, 'publishedAt is string, not a Date'],
    [
      'publishedAt',
      { publishedAt: new Date('9999-12-31T23:45:00Z') },
      "publishedAt '+010000-01-01T00:00:00.000Z' is outside the years 1 to 9999",
    ],
    ['intervalHours', { intervalHours: 0 }, 'intervalHours 0 is not a whole number of hours from 1 to 168'],
    [
      'intervalHours',
      { intervalHours: null },
      'intervalHours null is not a whole number of hours from 1 to 168',
    ],
    [
      'intervalHours',
      { intervalHours: 0.5 },
      'intervalHours 0.5 is not a whole number of hours from 1 to 168',
    ],
    [
      'intervalHours',
      { intervalHours: 169 },
      'intervalHours 169 is not a whole number of hours from 1 to 168',
    ],
    ['intervalHours', { intervalHours: '8' }, 'intervalHours 8 is not a whole number of hours from 1 to 168'],
    ['intervalHours', { intervalHours: -8 }, 'intervalHours -8 is not a whole number of hours from 1 to 168'],
    ['rate', { rate: '1e-4' }, "rate '1e-4' is not a plain decimal number"],
    ['rate', { rate: new Decimal('NaN') }, "rate 'NaN' is not a finite number"],
    ['rate', { rate: '1' }, 'rate 1 is not between -1 and 1: given in per cent or basis points?'],
    ['rate', { rate: '-1.5' }, 'rate -1.5 is not between -1 and 1: given in per cent or basis points?'],
    ['markPrice', { markPrice: '0' }, "markPrice '0' must be greater than zero"],
    ['indexPrice', { indexPrice: '-1' }, "indexPrice '-1' must be greater than zero"],
    ['predictedRate', { predictedRate: 'soon' }, "predictedRate 'soon' is not a plain decimal number"],
    ['isEstimated', { isEstimated: 'no' }, 'isEstimated is string, not a boolean'],
    ['source', { source: '\ud800' }, 'source contains half of a surrogate pair'],
  ])('refuses a bad %s, %j, and loses nothing else', async (field, bad, reason) => {
    const symbol = newSymbol()
    const before = rateOf(symbol)
    const rate = { ...rateOf(symbol), ...bad } as FundingRateInput
    const after = rateOf(symbol, { publishedAt: new Date('2026-03-01T20:00:00Z') })
    expect(await record(before, rate, after)).toEqual({
      inserted: 2,
      updated: 0,
      unchanged: 0,
      refused: [{ index: 1, rate, field, reason }],
    })
    expect(await listFundingRates(db, { exchange: 'binance', symbol })).toHaveLength(2)
  })

  it('takes the longest name and the largest rate that there may be', async () => {
    const rate = rateOf('💰'.repeat(200), { rate: `-0.${'9'.repeat(30)}`, intervalHours: 168 })
    expect(await record(rate)).toMatchObject({ inserted: 1, refused: [] })
    expect(
      (await getLatestFundingRate(db, { exchange: 'binance', symbol: rate.symbol })).rate.toFixed(),
    ).toBe(rate.rate)
  })
})
