import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { FundingRateInput } from '../../src/market/funding-rate-input.ts'
import {
  type FundingRate,
  getLatestFundingRate,
  listFundingRates,
  recordFundingRates,
} from '../../src/market/funding-rates.ts'
import { describeEngines } from '../database.ts'
import { contentOf, NOON, newSymbol, rateOf } from './funding-fixture.ts'

describeEngines('funding rates', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const record = (...rates: FundingRateInput[]) => recordFundingRates(db, { rates })
  const stored = (symbol: string) => getLatestFundingRate(db, { exchange: 'binance', symbol })

  describe('recordFundingRates', () => {
    it('stores what is given, under the full hour', async () => {
      const symbol = newSymbol()
      const publishedAt = new Date('2026-03-01T12:23:53.040Z')
      const details = {
        markPrice: '42000.5',
        indexPrice: '42000',
        predictedRate: '-0.00002',
        source: 'a feed',
      }
      expect(await record(rateOf(symbol, { publishedAt, ...details, isEstimated: true }))).toEqual({
        inserted: 1,
        updated: 0,
        unchanged: 0,
        refused: [],
      })
      const row = await stored(symbol)
      expect(row).toMatchObject({ exchange: 'binance', symbol, publishedAt, source: 'a feed' })
      expect(row.fundingTime.toISOString()).toBe(NOON)
      expect(contentOf(row)).toEqual({
        intervalHours: 8,
        isEstimated: true,
        rate: '0.0001',
        markPrice: '42000.5',
        indexPrice: '42000',
        predictedRate: '-0.00002',
      })
    })

    it('takes what is left out as settled and not known', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol))
      expect(await stored(symbol)).toMatchObject({
        isEstimated: false,
        markPrice: null,
        indexPrice: null,
        premium: null,
        predictedRate: null,
        source: null,
      })
    })

    // 0.0003 each time: 3 bps; a year of 365 days has 8,760 hours.
    it.each([
      [1, '3', '2.628'], // 0.0003 · 24 · 365
      [4, '3', '0.657'], // 0.0003 · 6 · 365
      [8, '3', '0.3285'], // 0.0003 · 3 · 365
      [24, '3', '0.1095'],
    ])('has the figures of a rate for %i hours derived', async (intervalHours, bps, annualised) => {
      const symbol = newSymbol()
      await record(rateOf(symbol, { intervalHours, rate: '0.0003' }))
      const row = await stored(symbol)
      expect([row.rateBps.toFixed(), row.annualisedRate.toFixed()]).toEqual([bps, annualised])
    })

    it('has an endless yearly rate and premium rounded at 40 decimals', async () => {
      const symbol = newSymbol()
      // 0.0001 · 8760 / 7 = 0.876 / 7, and (100 − 99) / 99.
      await record(rateOf(symbol, { intervalHours: 7, markPrice: '100', indexPrice: '99' }))
      const row = await stored(symbol)
      expect(row.annualisedRate.toFixed()).toBe('0.1251428571428571428571428571428571428571')
      expect(row.premium?.toFixed()).toBe(`0.${'01'.repeat(20)}`)
    })

    it('changes nothing when the same comes again, at whatever time of the hour', async () => {
      const symbol = newSymbol()
      const full = rateOf(symbol, { markPrice: '10', indexPrice: '9', predictedRate: '0.1', source: 'a' })
      await record(full)
      const first = await stored(symbol)
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(
        await record(
          { ...full, publishedAt: new Date('2026-03-01T12:04:00Z'), rate: new Decimal('0.000100') },
          { ...full, publishedAt: new Date('2026-03-01T11:30:00Z'), source: 'b' },
          { ...full, markPrice: null, indexPrice: undefined, predictedRate: null, source: null },
        ),
      ).toEqual({ inserted: 0, updated: 0, unchanged: 3, refused: [] })
      expect(await stored(symbol)).toEqual(first)
    })

    it.each([{ markPrice: '11' }, { indexPrice: '11' }, { predictedRate: '0.11' }])(
      'learns of a settled rate what was not known, %j, and keeps it',
      async (news) => {
        const symbol = newSymbol()
        await record(rateOf(symbol, { source: 'a' }))
        const before = await stored(symbol)
        const report = rateOf(symbol, { ...news, source: 'b', publishedAt: new Date('2026-03-01T12:01:00Z') })
        expect(await record(report)).toMatchObject({ updated: 1, unchanged: 0 })
        const after = await stored(symbol)
        expect(contentOf(after)).toEqual({ ...contentOf(before), ...news })
        expect(after).toMatchObject({ source: 'a', publishedAt: before.publishedAt })
        const others = { markPrice: '12', indexPrice: '12', predictedRate: '0.12' }
        const key = Object.keys(news)[0] as keyof typeof others
        expect(await record(rateOf(symbol, { [key]: others[key] }))).toMatchObject({
          unchanged: 1,
          refused: [],
        })
        expect(await stored(symbol)).toEqual(after)
      },
    )

    it('replaces an estimate by a later one and by the settled rate, and forgets nothing known', async () => {
      const symbol = newSymbol()
      const estimate = rateOf(symbol, { isEstimated: true, source: 'a', markPrice: '10', indexPrice: '8' })
      const later = rateOf(symbol, {
        ...estimate,
        rate: '0.0002',
        intervalHours: 4,
        markPrice: '11',
        source: 'b',
        publishedAt: new Date('2026-03-01T12:05:00Z'),
      })
      expect(await record(estimate)).toMatchObject({ inserted: 1 })
      expect(await record(later)).toMatchObject({ inserted: 0, updated: 1 })
      expect(await stored(symbol)).toMatchObject({ source: 'b', publishedAt: later.publishedAt })
      expect(await record({ ...later, publishedAt: estimate.publishedAt, source: 'c' })).toMatchObject({
        unchanged: 1,
      })
      expect(await stored(symbol)).toMatchObject({ source: 'b', publishedAt: later.publishedAt })
      const settled = rateOf(symbol, { rate: '0.0003', predictedRate: '0.0001' })
      expect(await record(settled)).toMatchObject({ updated: 1, refused: [] })
      const row = await stored(symbol)
      expect(contentOf(row)).toEqual({
        intervalHours: 8,
        isEstimated: false,
        rate: '0.0003',
        markPrice: '11',
        indexPrice: '8',
        predictedRate: '0.0001',
      })
      expect(row.premium?.toFixed()).toBe('0.375')
      expect(row.updatedAt.getTime()).toBeGreaterThan(row.recordedAt.getTime())
    })

    it('replaces an estimate that turns out right by the settled rate', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol, { isEstimated: true }))
      expect(await record(rateOf(symbol))).toMatchObject({ updated: 1 })
      expect(await stored(symbol)).toMatchObject({ isEstimated: false })
    })

    it('does not let an estimate touch a settled rate', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol))
      const before = await stored(symbol)
      for (const rate of ['0.0001', '0.0009']) {
        const report = rateOf(symbol, { rate, isEstimated: true, markPrice: '5' })
        expect(await record(report)).toEqual({ inserted: 0, updated: 0, unchanged: 1, refused: [] })
      }
      expect(await stored(symbol)).toEqual(before)
    })

    it('refuses to rewrite a settled rate, and says what it is', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol))
      const before = await stored(symbol)
      const other = rateOf(symbol, { rate: '0.0002', markPrice: '5' })
      const longer = rateOf(symbol, { intervalHours: 4 })
      expect(await record(other, rateOf(symbol), longer)).toEqual({
        inserted: 0,
        updated: 0,
        unchanged: 1,
        refused: [
          {
            index: 0,
            rate: other,
            field: 'rate',
            reason: `the rate of ${NOON} is settled at 0.0001 per 8 h, and is not changed to 0.0002 per 8 h`,
          },
          {
            index: 2,
            rate: longer,
            field: 'intervalHours',
            reason: `the rate of ${NOON} is settled at 0.0001 per 8 h, and is not changed to 0.0001 per 4 h`,
          },
        ],
      })
      expect(await stored(symbol)).toEqual(before)
    })

    it('treats rates of one hour in one batch as if they came one after the other', async () => {
      const symbol = newSymbol()
      const result = await record(
        rateOf(symbol, { isEstimated: true, rate: '0.0005' }),
        rateOf(symbol, { isEstimated: true, rate: '0.0006' }),
        rateOf(symbol, { isEstimated: true, rate: '0.0006' }),
        rateOf(symbol, { rate: '0.0007', publishedAt: new Date('2026-03-01T12:10:00Z') }),
        rateOf(symbol, { rate: '0.0007' }),
        rateOf(symbol, { rate: '0.0008', publishedAt: new Date('2026-03-01T11:50:00Z') }),
        rateOf(symbol, { isEstimated: true, rate: '0.0009' }),
      )
      expect(result).toMatchObject({ inserted: 1, updated: 2, unchanged: 3 })
      expect(result.refused.map(({ index, field }) => [index, field])).toEqual([[5, 'rate']])
      expect((await stored(symbol)).rate.toFixed()).toBe('0.0007')
    })

    it('takes a stream longer than one statement, and names the place of each refused rate', async () => {
      const symbol = newSymbol()
      const start = Date.parse('2020-01-01T00:00:00Z')
      async function* stream() {
        for (let i = 0; i < 2_500; i++) {
          const publishedAt = new Date(start + i * 3_600_000)
          yield rateOf(symbol, { publishedAt, intervalHours: i % 1_100 === 1_099 ? 0 : 1 })
        }
        // Contradicts the first, which is stored by then.
        yield rateOf(symbol, { publishedAt: new Date(start), intervalHours: 1, rate: '0.5' })
      }
      const first = await recordFundingRates(db, { rates: stream() })
      expect(first).toMatchObject({ inserted: 2_498, updated: 0, unchanged: 0 })
      expect(first.refused.map(({ index }) => index)).toEqual([1_099, 2_199, 2_500])
      const again = await recordFundingRates(db, { rates: stream() })
      expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 2_498 })
      expect(again.refused.map(({ index }) => index)).toEqual([1_099, 2_199, 2_500])
    })

    it('does nothing with nothing', async () => {
      expect(await record()).toEqual({ inserted: 0, updated: 0, unchanged: 0, refused: [] })
    })

    it('refuses what is no list, and passes on the error of a stream', async () => {
      await expect(recordFundingRates(db, { rates: 5 as never })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'rates',
      })
      const broken = new Error('the file ends in the middle')
      // biome-ignore lint/correctness/useYield: it fails before it has any.
      async function* stream(): AsyncGenerator<FundingRateInput> {
        throw broken
      }
      await expect(recordFundingRates(db, { rates: stream() })).rejects.toBe(broken)
    })

    it('counts rightly in a transaction of the caller, and is undone with it', async () => {
      const symbol = newSymbol()
      const undone = new Error('undone')
      const work = transaction(db, async (db) => {
        const once = (rate: FundingRateInput) => recordFundingRates(db, { rates: [rate] })
        expect(await once(rateOf(symbol, { isEstimated: true }))).toMatchObject({ inserted: 1 })
        expect(await once(rateOf(symbol))).toMatchObject({ inserted: 0, updated: 1 })
        expect(await once(rateOf(symbol, { rate: '0.2' }))).toMatchObject({ refused: [{ field: 'rate' }] })
        throw undone
      })
      await expect(work).rejects.toBe(undone)
      await expect(stored(symbol)).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  describe('getLatestFundingRate', () => {
    it('returns the newest rate, also one that is only estimated', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol))
      expect(await stored(symbol)).toMatchObject({ isEstimated: false })
      const next = new Date('2026-03-01T20:00:00Z')
      await record(rateOf(symbol, { publishedAt: next, isEstimated: true }))
      expect(await stored(symbol)).toMatchObject({ isEstimated: true, fundingTime: next })
    })

    it('knows nothing of other symbols and exchanges', async () => {
      const symbol = newSymbol()
      await record(rateOf(symbol))
      for (const key of [
        { exchange: 'bybit', symbol },
        { exchange: 'binance', symbol: newSymbol() },
      ]) {
        await expect(getLatestFundingRate(db, key)).rejects.toMatchObject({
          code: 'not_found',
          message: `funding rate of '${key.symbol}' of exchange '${key.exchange}' not found`,
        })
      }
    })

    it('refuses a blank name', async () => {
      const bad = (field: string) => ({ code: 'invalid_input', field })
      await expect(getLatestFundingRate(db, { exchange: '', symbol: 'a' })).rejects.toMatchObject(
        bad('exchange'),
      )
      await expect(getLatestFundingRate(db, { exchange: 'a', symbol: ' ' })).rejects.toMatchObject(
        bad('symbol'),
      )
    })
  })

  describe('listFundingRates', () => {
    it('goes through a span page by page, newest first', async () => {
      const symbol = newSymbol()
      const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour))
      await record(...[3, 1, 5, 2, 4, 0].map((hour) => rateOf(symbol, { publishedAt: at(hour) })))
      await record(rateOf(newSymbol(), { publishedAt: at(2) }))
      const key = { exchange: 'binance', symbol }
      const hours = (rows: readonly FundingRate[]) => rows.map((row) => row.fundingTime.getUTCHours())
      expect(hours(await listFundingRates(db, key))).toEqual([5, 4, 3, 2, 1, 0])
      const span = { ...key, from: at(1), until: at(5), limit: 3 }
      const first = await listFundingRates(db, span)
      expect(hours(first)).toEqual([4, 3, 2])
      expect(hours(await listFundingRates(db, { ...span, after: first[2] }))).toEqual([1])
      expect(await listFundingRates(db, { ...key, exchange: 'bybit' })).toEqual([])
    })

    it.each([
      ['limit', { limit: 0 }],
      ['from', { from: new Date(Number.NaN) }],
      ['until', { until: new Date(Number.NaN) }],
      ['after.fundingTime', { after: { fundingTime: new Date(Number.NaN) } }],
      ['symbol', { symbol: '' }],
    ])('refuses a bad %s', async (field, bad) => {
      const listed = listFundingRates(db, { exchange: 'binance', symbol: 'a', ...bad })
      await expect(listed).rejects.toMatchObject({ code: 'invalid_input', field })
    })
  })
})
