import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readFreqtradeFundingJson, readFreqtradeJson } from '../../src/importers/freqtrade-json.ts'
import { all, makeFolder, refusalOfReading } from './reading.ts'
import { refusalOf } from './refusal.ts'

const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1h' } as const
const AT = Date.parse('2024-01-31T08:00:00Z')
const HOUR = 3_600_000

const readCandles = (json: string, options: object = {}) =>
  readFreqtradeJson([json], { ...series, file: 'BTC_USDT-1h.json', ...options })
const readRates = (json: string, options: object = {}) =>
  readFreqtradeFundingJson([json], { ...series, file: 'funding_rate.json', ...options })

describe('readFreqtradeJson', () => {
  test('reads rows of time, prices and volume', async () => {
    const json = `[[${AT},42000.1,42100.0,41900.5,1e-7,0.0],[${AT + HOUR},1,2,1,2,"3.10"]]`
    const [first, second] = await all(readCandles(json, { asOf: new Date(AT + HOUR), source: 'freqtrade' }))
    expect(first).toEqual({
      ...series,
      openTime: new Date(AT),
      open: '42000.1',
      high: '42100',
      low: '41900.5',
      close: '0.0000001',
      volume: '0',
      complete: true,
      source: 'freqtrade',
    })
    expect(second).toMatchObject({ volume: '3.10', complete: false })
  })

  test('reads files, gzipped ones too', async () => {
    using folder = makeFolder()
    const rows = JSON.stringify(Array.from({ length: 20_000 }, (_, n) => [AT + n * HOUR, 1, 2, 1, 2, n]))
    writeFileSync(folder.path('a.json'), `\uFEFF${rows}`)
    writeFileSync(folder.path('a.json.gz'), gzipSync(rows))
    for (const name of ['a.json', 'a.json.gz']) {
      const candles = await all(readFreqtradeJson(folder.path(name), series))
      expect(candles).toHaveLength(20_000)
      expect(candles.at(-1)).toMatchObject({ openTime: new Date(AT + 19_999 * HOUR), volume: '19999' })
    }
    const gone = folder.path('gone.json')
    expect(await refusalOfReading(readFreqtradeJson(gone, series))).toBe(`${gone}: there is no such file`)
  })

  test('has nothing to read in an empty array', async () => {
    expect(await all(readCandles('[]'))).toEqual([])
  })

  test.each([
    ['no JSON', '[[1,', 'BTC_USDT-1h.json: is not JSON'],
    ['no array', '{"data":[]}', 'BTC_USDT-1h.json: is no file of freqtrade: expected is an array of rows'],
    [
      'a row that is none',
      '[[1,1,1,1,1,1],{}]',
      'BTC_USDT-1h.json: row 1: is of type object, not an array of timestamp, open, high, low, close and volume',
    ],
    ['a row that breaks off', '[[1,2,3]]', 'BTC_USDT-1h.json: row 0, position 3 (low): is missing'],
    [
      'no volume',
      '[[1,1,1,1,1,1],[1,1,1,1,1,null]]',
      'BTC_USDT-1h.json: row 1, position 5 (volume): is missing',
    ],
    [
      'a price that is none',
      '[[1,1,"abc",1,1,1]]',
      "BTC_USDT-1h.json: row 0, position 2 (high): is 'abc', not a finite number",
    ],
    [
      'a price too long',
      `[[1,1,1,1,"0.${'1'.repeat(31)}",1]]`,
      `BTC_USDT-1h.json: row 0, position 4 (close): '0.${'1'.repeat(31)}' has more than 30 decimals`,
    ],
    [
      'a time that is none',
      '[["2024-01-31",1,1,1,1,1]]',
      "BTC_USDT-1h.json: row 0, position 0 (timestamp): is '2024-01-31', not a whole number of milliseconds",
    ],
    [
      'a time beyond all',
      '[[9007199254740991,1,1,1,1,1]]',
      'BTC_USDT-1h.json: row 0, position 0 (timestamp): 9007199254740991 is no time in Unix milliseconds',
    ],
  ])('refuses %s', async (_, json, message) => {
    expect(await refusalOfReading(readCandles(json))).toBe(message)
  })

  test('refuses options that do not fit, at once', () => {
    expect(refusalOf(() => readCandles('[]', { timeframe: '7m' })).join()).toMatch(
      /^timeframe '7m' is not one of 1s, /,
    )
    expect(refusalOf(() => readCandles('[]', { symbol: '' }))).toEqual(['symbol is empty'])
    expect(refusalOf(() => readRates('[]', { exchange: '' }))).toEqual(['exchange is empty'])
    expect(refusalOf(() => readRates('[]', { intervalHours: '8h' }))).toEqual([
      'intervalHours 8h is not a whole number of hours from 1 to 168',
    ])
  })
})

describe('readFreqtradeFundingJson', () => {
  const { exchange, symbol } = series

  test('reads rows of six values with the rate where candles have open, and rows of two', async () => {
    const older = `[[${AT},0.0001,0.0,0.0,0.0,0.0],[${AT + 8 * HOUR},-1.5e-5,0.0,0.0,0.0,0.0]]`
    const newer = `[[${AT},0.0001],[${AT + 8 * HOUR},-0.000015]]`
    for (const json of [older, newer]) {
      expect(await all(readRates(json, { source: 'freqtrade' }))).toEqual([
        {
          exchange,
          symbol,
          publishedAt: new Date(AT),
          intervalHours: 8,
          rate: '0.0001',
          isEstimated: false,
          source: 'freqtrade',
        },
        {
          exchange,
          symbol,
          publishedAt: new Date(AT + 8 * HOUR),
          intervalHours: 8,
          rate: '-0.000015',
          isEstimated: false,
          source: 'freqtrade',
        },
      ])
    }
  })

  test('prefers the interval of the option, and needs it for a single rate', async () => {
    expect(await all(readRates(`[[${AT},0.1]]`, { intervalHours: 1 }))).toMatchObject([{ intervalHours: 1 }])
    expect(await refusalOfReading(readRates(`[[${AT},0.1]]`))).toBe(
      'funding_rate.json: row 0: has no rate near it in time, so its interval cannot be told; say it with the option intervalHours',
    )
    expect(await all(readRates('[]'))).toEqual([])
  })

  test.each([
    [
      'another number of values',
      '[[1,0.1],[1,0.1,0]]',
      'funding_rate.json: row 1: has neither 2 nor 6 values',
    ],
    ['no rate', '[[1,null]]', 'funding_rate.json: row 0, position 1 (rate): is missing'],
    [
      'a rate that is none',
      '[[1,"much"]]',
      "funding_rate.json: row 0, position 1 (rate): is 'much', not a finite number",
    ],
    ['no row', '[5]', 'funding_rate.json: row 0: is 5, not an array of timestamp and rate'],
  ])('refuses %s', async (_, json, message) => {
    expect(await refusalOfReading(readRates(json))).toBe(message)
  })
})
