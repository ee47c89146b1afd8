import { describe, expect, test } from 'vitest'
import { candlesFromCcxt } from '../../src/importers/ccxt-candles.ts'
import { checkCandle } from '../../src/market/candle-check.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'
import { refusalOf } from './refusal.ts'

const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1h' } as const
const AT = Date.parse('2024-01-31T08:00:00Z')
const HOUR = 3_600_000
const asOf = new Date('2024-02-01T00:00:00Z')

const row = (...values: unknown[]) =>
  [AT, 42_000.1, 42_100, 41_900.5, 42_050, 12.5].with(0, AT).map((value, i) => values[i] ?? value)

describe('candlesFromCcxt', () => {
  test('converts an array of time, prices and volume', () => {
    expect(candlesFromCcxt([row()], { ...series, asOf, source: 'rest' })).toEqual([
      {
        ...series,
        openTime: new Date(AT),
        open: '42000.1',
        high: '42100',
        low: '41900.5',
        close: '42050',
        volume: '12.5',
        complete: true,
        source: 'rest',
      },
    ])
  })

  test('writes a float as the shortest decimal text of it, and takes text as it is', () => {
    const [candle] = candlesFromCcxt([[AT, 1e-7, 0.1 + 0.2, '0.00000009', '1.10', 0]], series)
    expect(candle).toMatchObject({
      open: '0.0000001',
      high: '0.30000000000000004',
      low: '0.00000009',
      close: '1.10',
      volume: '0',
    })
  })

  test('takes the candle that closes after asOf for one that is still forming', () => {
    const rows = [row(AT - HOUR), row(AT), row(AT + HOUR)]
    const complete = (at: Date) =>
      candlesFromCcxt(rows, { ...series, asOf: at }).map((candle) => candle.complete)
    expect(complete(new Date(AT + HOUR))).toEqual([true, true, false])
    expect(complete(new Date(AT + HOUR - 1))).toEqual([true, false, false])
  })

  test('takes now for asOf, and knows how long months are', () => {
    const thisMonth = new Date()
    thisMonth.setUTCDate(1)
    thisMonth.setUTCHours(0, 0, 0, 0)
    const lastMonth = new Date(thisMonth)
    lastMonth.setUTCMonth(thisMonth.getUTCMonth() - 1)
    const rows = [row(lastMonth.getTime()), row(thisMonth.getTime())]
    const candles = candlesFromCcxt(rows, { ...series, timeframe: '1M' })
    expect(candles.map(({ complete }) => complete)).toEqual([true, false])
  })

  test('leaves what contradicts itself to recordCandles, and values behind the volume alone', () => {
    expect(candlesFromCcxt([[AT + 1, 2, 1, 3, 2, 5, 99]], series)).toMatchObject([{ high: '1', low: '3' }])
  })

  test('names every problem with its row and field', () => {
    const rows = [
      [AT, 1, 2, 1, 2],
      { open: 1 },
      [AT, 'abc', Number.NaN, 1, null, 1],
      ['2024-01-31', 1, 1, 1, 1, 1],
    ]
    expect(refusalOf(() => candlesFromCcxt(rows, series))).toEqual([
      'rows[0].volume: is missing',
      'rows[1]: is of type object, not an array of timestamp, open, high, low, close and volume',
      "rows[2].open: is 'abc', not a finite number",
      'rows[2].high: is NaN, not a finite number',
      'rows[2].close: is missing',
      "rows[3].timestamp: is '2024-01-31', not a whole number of milliseconds",
    ])
  })

  test.each([
    [{ timeframe: '7m' }, /^timeframe '7m' is not one of 1s, 1m, 3m, 5m, .*, 1w, 1M$/],
    [{ exchange: '' }, /^exchange is empty$/],
    [{ symbol: undefined }, /^symbol is undefined, not text$/],
    [{ asOf: 'now' }, /^asOf is string, not a Date$/],
    [{ source: 5 }, /^source is number, not text$/],
  ])('refuses the options %o', (options, message) => {
    // What a program in JavaScript may pass.
    const wrong = { ...series, ...options } as unknown as typeof series
    expect(refusalOf(() => candlesFromCcxt([], wrong)).join()).toMatch(message)
  })

  test.skipIf(!hasSharedData)(
    `24 recorded candles are candles${hasSharedData ? '' : ` (${SKIP_REASON})`}`,
    () => {
      const { fetchOHLCV } = readSharedJson<{ fetchOHLCV: number[][] }>('ccxt/hyperliquid.unified.json')
      const candles = candlesFromCcxt(fetchOHLCV, { ...series, symbol: 'kPEPE/USDC:USDC' })
      expect(candles).toHaveLength(24)
      expect(candles.map(checkCandle)).toHaveLength(24)
      expect(candles.map((one) => [one.open, one.high, one.low, one.close, one.volume].map(Number))).toEqual(
        fetchOHLCV.map((values) => values.slice(1)),
      )
    },
  )
})
