import { describe, expect, test } from 'vitest'
import { fundingRatesFromCcxt } from '../../src/importers/ccxt-funding-rates.ts'
import { checkFundingRate } from '../../src/market/funding-rate-input.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'
import { refusalOf } from './refusal.ts'

const exchange = 'binance'
const HOUR = 3_600_000
const AT = Date.parse('2024-01-31T08:00:00Z')

/** As fetchFundingRateHistory returns them. */
const settled = (hours: number, overrides: object = {}) => ({
  info: { fundingRate: '0.00010000' },
  symbol: 'BTC/USDT:USDT',
  fundingRate: 0.0001,
  timestamp: AT + hours * HOUR + 48,
  datetime: new Date(AT + hours * HOUR + 48).toISOString(),
  ...overrides,
})

/** As fetchFundingRate returns them, one hour before the settlement. */
const present = (overrides: object = {}) => ({
  info: {},
  symbol: 'BTC/USDT:USDT',
  markPrice: 42_000.5,
  indexPrice: 41_990,
  interestRate: 0.0001,
  estimatedSettlePrice: undefined,
  timestamp: AT - HOUR,
  datetime: new Date(AT - HOUR).toISOString(),
  fundingRate: 0.00021,
  fundingTimestamp: AT,
  fundingDatetime: new Date(AT).toISOString(),
  nextFundingRate: undefined,
  nextFundingTimestamp: undefined,
  nextFundingDatetime: undefined,
  previousFundingRate: undefined,
  previousFundingTimestamp: undefined,
  previousFundingDatetime: undefined,
  interval: '8h',
  ...overrides,
})

const refusedRates = (rows: readonly unknown[], options: object = {}) =>
  refusalOf(() => fundingRatesFromCcxt(rows, { exchange, ...options }))

describe('fundingRatesFromCcxt', () => {
  test('converts a rate of the history, settled at its time, with the exact text of info', () => {
    const rates = fundingRatesFromCcxt([settled(0)], { exchange, intervalHours: 8, source: 'rest' })
    expect(rates).toEqual([
      {
        exchange,
        symbol: 'BTC/USDT:USDT',
        publishedAt: new Date(AT + 48),
        intervalHours: 8,
        rate: '0.00010000',
        isEstimated: false,
        source: 'rest',
      },
    ])
  })

  test('converts a present rate, estimated until its own time of settlement', () => {
    const [rate] = fundingRatesFromCcxt([present({ nextFundingRate: 0.0003 })], { exchange })
    expect(rate).toEqual({
      exchange,
      symbol: 'BTC/USDT:USDT',
      publishedAt: new Date(AT),
      intervalHours: 8,
      rate: '0.00021',
      markPrice: '42000.5',
      indexPrice: '41990',
      predictedRate: '0.0003',
      isEstimated: true,
    })
  })

  test('takes a present rate for estimated also when the answer has no time, or a later one', () => {
    const rows = [
      present({ timestamp: undefined, datetime: undefined }),
      present({ timestamp: null, datetime: null, symbol: 'ETH/USDT:USDT' }),
      present({ timestamp: AT + 5 * HOUR, symbol: 'SOL/USDT:USDT' }),
    ]
    expect(fundingRatesFromCcxt(rows, { exchange }).map((rate) => rate.isEstimated)).toEqual([
      true,
      true,
      true,
    ])
  })

  test('takes a rate with a time of settlement for a present one, whatever else is left out', () => {
    const row = settled(-1, { fundingTimestamp: AT, interval: '8h' })
    const [rate] = fundingRatesFromCcxt([row], { exchange })
    expect(rate).toMatchObject({ publishedAt: new Date(AT), isEstimated: true })
  })

  test('takes a rate in the shape of a present one for settled when that was at the time of the row', () => {
    const row = present({ timestamp: AT })
    expect(fundingRatesFromCcxt([row], { exchange })[0]).toMatchObject({ isEstimated: false })
  })

  test('takes the next rate where an exchange tells no other', () => {
    const row = present({
      fundingRate: undefined,
      fundingTimestamp: undefined,
      nextFundingRate: 0.0001,
      nextFundingTimestamp: AT + HOUR,
    })
    const [rate] = fundingRatesFromCcxt([row], { exchange })
    expect(rate).toMatchObject({ rate: '0.0001', publishedAt: new Date(AT + HOUR), isEstimated: true })
    expect(rate).not.toHaveProperty('predictedRate')
  })

  test('refuses a present rate of which nobody says when it is settled', () => {
    const rows = [
      present({ fundingTimestamp: undefined, nextFundingTimestamp: AT }),
      present({ fundingRate: undefined, nextFundingRate: 0.1, fundingTimestamp: undefined }),
      present({ fundingRate: null }),
    ]
    expect(refusedRates(rows)).toEqual([
      'rows[0].fundingTimestamp: is missing: ccxt does not know when this rate is settled; set it to the time that you know',
      'rows[1].nextFundingTimestamp: is missing',
      'rows[2].fundingRate: is missing',
    ])
  })

  test.each([
    ['8h', 8],
    ['1h', 1],
    ['240m', 4],
    ['1d', 24],
  ])('reads the interval %s', (interval, hours) => {
    expect(fundingRatesFromCcxt([present({ interval })], { exchange })[0]?.intervalHours).toBe(hours)
  })

  test.each(['8', '90m', '0h', '169h', '8 hours', '-8h'])('refuses the interval %s', (interval) => {
    expect(refusedRates([present({ interval })])).toEqual([
      `rows[0].interval: is '${interval}', not whole hours such as 8h`,
    ])
  })

  test('prefers the interval of the option, then that of the row, then what the times tell', () => {
    const rows = [settled(0), settled(8, { interval: '4h' }), settled(16), settled(17)]
    const hours = (options: object) =>
      fundingRatesFromCcxt(rows, { exchange, ...options }).map((rate) => rate.intervalHours)
    expect(hours({})).toEqual([8, 4, 8, 1])
    expect(hours({ intervalHours: 2 })).toEqual([2, 2, 2, 2])
  })

  test('tells the interval of each symbol on its own, in whatever order the rows are', () => {
    const rows = [
      settled(8),
      settled(1, { symbol: 'ETH/USDT:USDT' }),
      settled(0),
      settled(2, { symbol: 'ETH/USDT:USDT' }),
    ]
    const rates = fundingRatesFromCcxt(rows, { exchange })
    expect(rates.map(({ symbol, intervalHours }) => [symbol, intervalHours])).toEqual([
      ['BTC/USDT:USDT', 8],
      ['ETH/USDT:USDT', 1],
      ['BTC/USDT:USDT', 8],
      ['ETH/USDT:USDT', 1],
    ])
  })

  test('refuses a rate whose interval nobody tells', () => {
    const rows = [settled(0), settled(0, { symbol: 'ETH/USDT:USDT', interval: '8h' })]
    expect(refusedRates(rows)).toEqual([
      'rows[0].interval: is missing, and no other rate of the symbol tells it; say it with the option intervalHours',
    ])
    expect(fundingRatesFromCcxt([], { exchange })).toEqual([])
  })

  test('gives the symbol of the option to rows that have none', () => {
    const rows = [settled(0, { symbol: undefined }), settled(8, { symbol: null })]
    expect(refusedRates(rows)).toEqual([
      'rows[0].symbol: is missing; say it with the option symbol',
      'rows[1].symbol: is missing; say it with the option symbol',
    ])
    const rates = fundingRatesFromCcxt(rows, { exchange, symbol: 'BTC/USDT:USDT' })
    expect(rates.map(({ symbol, intervalHours }) => `${symbol} ${intervalHours}`)).toEqual(
      Array(2).fill('BTC/USDT:USDT 8'),
    )
  })

  test('names every problem with its row and field', () => {
    const rows = [
      settled(0, { fundingRate: 'much' }),
      settled(8, { timestamp: undefined, datetime: '2024-01-31 08:00:00' }),
      settled(16, { markPrice: true }),
      5,
      settled(24, { fundingRate: null }),
    ]
    expect(refusedRates(rows)).toEqual([
      "rows[0].fundingRate: is 'much', not a finite number",
      "rows[1].datetime: is '2024-01-31 08:00:00', not an ISO time with its zone",
      'rows[2].markPrice: is true, not a finite number',
      'rows[3]: is 5, not an object',
      'rows[4].fundingRate: is missing',
    ])
  })

  test.each([
    [{ exchange: ' ' }, 'exchange is empty'],
    [{ intervalHours: 0 }, 'intervalHours 0 is not a whole number of hours from 1 to 168'],
    [{ intervalHours: 1.5 }, 'intervalHours 1.5 is not a whole number of hours from 1 to 168'],
    [{ intervalHours: null }, 'intervalHours null is not a whole number of hours from 1 to 168'],
  ])('refuses the options %o', (options, message) => {
    expect(refusedRates([], options)).toEqual([message])
  })
})

interface Recorded {
  readonly info: { readonly fundingRate: string; readonly time: number }
}

describe.skipIf(!hasSharedData)(`1,038 recorded rates${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  const recorded = () =>
    readSharedJson<{ fetchFundingRateHistory: Recorded[] }>('ccxt/hyperliquid.unified.json')
      .fetchFundingRateHistory

  test('are rates of 1,038 different hours with the text of the recording', () => {
    const rows = recorded()
    const rates = fundingRatesFromCcxt(rows, { exchange: 'hyperliquid' })
    const hours = new Set(rates.map((rate) => checkFundingRate(rate).fundingTime.getTime()))
    expect(hours.size).toBe(1_038)
    expect(rates.map(({ rate }) => rate)).toEqual(rows.map(({ info }) => info.fundingRate))
    expect(rates.map(({ publishedAt }) => publishedAt.getTime())).toEqual(rows.map(({ info }) => info.time))
  })

  test('are for 8 hours and, from one day on, for 1, over the one hour that is missing', () => {
    const rates = fundingRatesFromCcxt(recorded(), { exchange: 'hyperliquid' })
    const hours = recorded().map(({ info }) => Math.round(info.time / HOUR))
    const gaps = hours.slice(1).map((hour, i) => hour - (hours[i] ?? 0))
    const counts = (gap: number) => gaps.filter((one) => one === gap).length
    expect([counts(8), counts(1), counts(2), gaps.length]).toEqual([81, 955, 1, 1_037])

    // The first rate is like the second, and the one behind the missing hour like those around it.
    const ofInterval = (interval: number) => rates.filter(({ intervalHours }) => intervalHours === interval)
    expect([ofInterval(8).length, ofInterval(1).length]).toEqual([counts(8) + 1, counts(1) + counts(2)])
    expect(rates.findIndex(({ intervalHours }) => intervalHours === 1)).toBe(gaps.indexOf(1) + 1)
    expect(rates.slice(0, 82).every(({ intervalHours }) => intervalHours === 8)).toBe(true)
  })
})
