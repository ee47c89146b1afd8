import { describe, expect, test } from 'vitest'
import { type ReadCandleCsvOptions, readCandleCsv } from '../../src/importers/candle-csv.ts'
import { all, refusalOfReading } from './reading.ts'
import { refusalOf } from './refusal.ts'

const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', file: 'btc.csv' } as const
const asOf = new Date('2026-01-01T00:00:00Z')

type Format = ReadCandleCsvOptions['format']

const read = (lines: readonly string[], format: Format, options: object = {}) =>
  all(readCandleCsv([lines.join('\n')], { ...series, asOf, format, ...options }))
const refusal = (lines: readonly string[], format: Format, options: object = {}) =>
  refusalOfReading(readCandleCsv([lines.join('\n')], { ...series, asOf, format, ...options }))

describe('candles by a map of columns', () => {
  const byPlace = { openTime: 5, open: 0, high: 1, low: 2, close: 3, volume: 4 }
  const byName = { openTime: 'When', open: 'O', high: 'H', low: 'L', close: 'C', volume: 'V' }
  const HEAD = 'H,L,O,C,V,When,Trades,Taker,Quote,TakerQuote'

  test('are read by names in any order, with what else there is', async () => {
    const all = {
      quoteVolume: 'Quote',
      takerBuyVolume: 'Taker',
      takerBuyQuoteVolume: 'TakerQuote',
      tradeCount: 'Trades',
    }
    const lines = [HEAD, '4,1,2,3,5,1670889600000,7,2.5,8e2,4E-7', '4,1,2,3,5,1670889660000,,,,']
    const [first, second] = await read(lines, { ...byName, ...all })
    expect(first).toMatchObject({
      open: '2',
      high: '4',
      low: '1',
      close: '3',
      volume: '5',
      tradeCount: 7,
      takerBuyVolume: '2.5',
      quoteVolume: '800',
      takerBuyQuoteVolume: '0.0000004',
    })
    for (const key of Object.keys(all)) expect(second).not.toHaveProperty(key)
  })

  test('are read by places, without a header and with one, and with another delimiter', async () => {
    const line = '2;4;1;3;5;1670889600'
    expect(await read([line], { ...byPlace, delimiter: ';' })).toMatchObject([{ open: '2', volume: '5' }])
    expect(await read(['a;b;c;d;e;f', line], { ...byPlace, delimiter: ';', header: true })).toHaveLength(1)
    expect(await read([line.replaceAll(';', '\t')], { ...byPlace, delimiter: '\t' })).toHaveLength(1)
  })

  test.each([
    ['s', '1670889600'],
    ['s', '1670889600.0'],
    ['ms', '1670889600000'],
    ['us', '1670889600000000'],
    ['iso', '2022-12-13T00:00:00Z'],
    ['iso', '2022-12-13 01:30:00+01:30'],
    ['iso', '2022-12-12T19:00-0500'],
    ['iso', '2022-12-13 00:00:00.000 UTC'],
    ['date', '2022-12-13'],
    ['utc', '2022-12-13 00:00:00'],
    ['utc', '20221213 00:00'],
    [undefined, '1670889600'],
    [undefined, '1670889600000.0'],
    [undefined, '2022-12-13'],
    [undefined, '2022-12-13T00:00:00+00:00'],
  ] as const)('have times as %s: %s', async (timeFormat, time) => {
    const [candle] = await read([`2,4,1,3,5,${time}`], { ...byPlace, timeFormat })
    expect(candle?.openTime.toISOString()).toBe('2022-12-13T00:00:00.000Z')
  })

  test.each([
    ['s', 'never', "'never' is not Unix seconds"],
    ['s', '99999999999999', "'99999999999999' is not Unix seconds"],
    ['ms', '2022-12-13', "'2022-12-13' is not Unix milliseconds"],
    ['us', '1670889600000500', "'1670889600000500' is not Unix microseconds of whole milliseconds"],
    ['iso', '2022-12-13 00:00:00', "'2022-12-13 00:00:00' is not an ISO time with its zone"],
    ['iso', '2022-13-13T00:00:00Z', "'2022-13-13T00:00:00Z' is not an ISO time with its zone"],
    ['date', '13.12.2022', "'13.12.2022' is not a date as 2024-01-31"],
    ['utc', '2022-12-13', "'2022-12-13' is not a date and time as 2024-01-31 08:00:00"],
  ] as const)('are refused when the time is not %s: %s', async (timeFormat, time, message) => {
    expect(await refusal([`2,4,1,3,5,${time}`], { ...byPlace, timeFormat })).toBe(
      `btc.csv:1: column 'openTime': ${message}`,
    )
  })

  test.each([
    [
      'an unknown name',
      ['H,L,O,C,V,Date', '4,1,2,3,5,1'],
      byName,
      "btc.csv:1: has no column 'When' (openTime); its columns are H, L, O, C, V, Date",
    ],
    [
      'a name that is there twice',
      ['H,L,O,C,V,When,H'],
      byName,
      "btc.csv:1: has column 'H' twice; give its place from 0 instead",
    ],
    ['a place behind the end', ['1,2,3'], byPlace, 'btc.csv:1: has 3 columns, so none at place 5 (openTime)'],
    [
      'a header where none was said',
      [HEAD],
      { ...byPlace, openTime: 5 },
      "btc.csv:1: column 'openTime': 'When' is not Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits, a date as 2024-01-31 or an ISO time with its zone",
    ],
    [
      'the wrong delimiter',
      ['2;4;1;3;5;1670889600'],
      byPlace,
      'btc.csv:1: has 1 column, so none at place 5 (openTime)',
    ],
  ])('are refused with %s', async (_, lines, format, message) => {
    expect(await refusal(lines, format)).toBe(message)
  })

  test.each([
    ['kraken', ["format: is 'kraken', not binance, binance-coin-m, coinbase, bybit or a map of columns"]],
    [undefined, ['format: is missing']],
    [
      { ...byName, hihg: 'H' },
      [
        'format: has no key hihg; its keys are openTime, open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume, tradeCount, timeFormat, delimiter, header',
      ],
    ],
    [
      { ...byName, high: undefined, low: -1, close: 1.5, volume: '' },
      [
        'format.high: is missing',
        'format.low: is -1, not the name of a column, or its place from 0',
        'format.close: is 1.5, not the name of a column, or its place from 0',
        "format.volume: is '', not the name of a column, or its place from 0",
      ],
    ],
    [
      { ...byName, timeFormat: 'unix' },
      ["format.timeFormat: is 'unix', not one of s, ms, us, iso, date, utc"],
    ],
    [{ ...byName, delimiter: ', ' }, ["format.delimiter: is ', ', not one character"]],
    [
      { ...byName, header: false },
      ["format.header: column 'When' cannot be found by name in a file without a header"],
    ],
  ])('are refused with the format %o', (format, message) => {
    // What a program in JavaScript may pass.
    const wrong = { ...series, format } as unknown as ReadCandleCsvOptions
    expect(refusalOf(() => readCandleCsv(['a'], wrong))).toEqual(message)
  })

  test.each([
    [{ timeframe: '7m' }, /^timeframe '7m' is not one of 1s, 1m, 3m, .*, 1w, 1M$/],
    [{ exchange: 7 }, /^exchange is number, not text$/],
    [{ symbol: ' ' }, /^symbol is empty$/],
    [{ asOf: new Date(Number.NaN) }, /^asOf is an invalid Date$/],
    [{ day: '2022-12-13', format: 'bybit' }, /^day is string, not a Date$/],
  ])('are refused with the options %o', (options, message) => {
    const wrong = { ...series, format: byName, ...options } as unknown as ReadCandleCsvOptions
    expect(refusalOf(() => readCandleCsv(['a'], wrong)).join()).toMatch(message)
  })
})
