import { describe, expect, test } from 'vitest'
import { type ReadCandleCsvOptions, readCandleCsv } from '../../src/importers/candle-csv.ts'
import { checkCandle } from '../../src/market/candle-check.ts'
import { hasSharedData, readShared, SKIP_REASON } from '../shared-data.ts'
import { all, refusalOfReading } from './reading.ts'
import { refusalOf } from './refusal.ts'

const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', file: 'btc.csv' } as const
const asOf = new Date('2026-01-01T00:00:00Z')

type Format = ReadCandleCsvOptions['format']

const read = (lines: readonly string[], format: Format, options: object = {}) =>
  all(readCandleCsv([lines.join('\n')], { ...series, asOf, format, ...options }))
const refusal = (lines: readonly string[], format: Format, options: object = {}) =>
  refusalOfReading(readCandleCsv([lines.join('\n')], { ...series, asOf, format, ...options }))

const HEADER =
  'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore'
const KLINE =
  '1601510340000,4.15070000,4.15870000,4.15060000,4.15540000,539.23000000,1601510399999,2240.39860900,13,401.82000000,1669.98121300,0'
const KLINE_OF_2025 = KLINE.replace('1601510340000', '1735689600000000')

describe('klines of Binance', () => {
  const candle = {
    exchange: 'binance',
    symbol: 'BTC/USDT',
    timeframe: '1m',
    openTime: new Date('2020-09-30T23:59:00Z'),
    open: '4.15070000',
    high: '4.15870000',
    low: '4.15060000',
    close: '4.15540000',
    volume: '539.23000000',
    quoteVolume: '2240.39860900',
    takerBuyVolume: '401.82000000',
    takerBuyQuoteVolume: '1669.98121300',
    tradeCount: 13,
    complete: true,
  }

  test('are read with a header and without', async () => {
    expect(await read([KLINE], 'binance')).toEqual([candle])
    expect(await read([HEADER, KLINE], 'binance', { source: 'vision' })).toEqual([
      { ...candle, source: 'vision' },
    ])
    expect(await read([HEADER], 'binance')).toEqual([])
  })

  test('have times in milliseconds, and in microseconds since 2025', async () => {
    const [old, recent] = await read([KLINE, KLINE_OF_2025], 'binance')
    expect(old?.openTime.toISOString()).toBe('2020-09-30T23:59:00.000Z')
    expect(recent?.openTime.toISOString()).toBe('2025-01-01T00:00:00.000Z')
  })

  test('are not complete if they close after asOf', async () => {
    const at = Date.parse('2020-09-30T23:59:59.999Z')
    const isComplete = async (ms: number) =>
      (await read([KLINE], 'binance', { asOf: new Date(ms) }))[0]?.complete
    expect(await isComplete(at)).toBe(false)
    expect(await isComplete(at + 1)).toBe(true)
  })

  test('of COIN-M futures keep contracts, and not the volume in base currency', async () => {
    const line = '1591258320000,9640.7,9642.4,9640.6,9642.0,206,1591258379999,2.13660389,48,119,1.23424865,0'
    const [kline] = await read([line], 'binance-coin-m')
    expect(kline).toMatchObject({ volume: '206', takerBuyVolume: '119', tradeCount: 48 })
    expect(kline).not.toHaveProperty('quoteVolume')
    expect(kline).not.toHaveProperty('takerBuyQuoteVolume')
  })

  test.each(['BTCUSD_PERP-1m-2024-01.csv', '/data/BTCUSD_240329-1m-2024-01.csv.gz'])(
    'of COIN-M futures are not read as others: %s',
    (file) => {
      expect(refusalOf(() => readCandleCsv(file, { ...series, file: undefined, format: 'binance' }))).toEqual(
        [
          `format 'binance' is for spot and USD-M futures; ${file} is of COIN-M futures: give format 'binance-coin-m'`,
        ],
      )
      expect(() =>
        readCandleCsv(file, { ...series, file: undefined, format: 'binance-coin-m' }),
      ).not.toThrow()
    },
  )

  test('of USD-M futures are none of COIN-M', () => {
    expect(() =>
      readCandleCsv('BTCUSDT_240329-1m-2024-01.csv', { ...series, format: 'binance' }),
    ).not.toThrow()
  })

  const expected =
    'btc.csv:1: is no kline of Binance: expected are 12 columns, with or without a header: open_time, open, high, low, close, volume, close_time, quote_volume, count, taker_buy_volume, taker_buy_quote_volume, ignore'

  test.each([
    ['other columns', ['date,open,high,low,close,volume', '2014-12-01,300,370,300,370,0.05'], expected],
    ['other columns, as many', [HEADER.replace('high,low', 'low,high'), KLINE], expected],
    ['fewer columns', [KLINE.slice(0, -2)], expected],
    ['a row that breaks off', [KLINE, KLINE.slice(0, 40)], 'btc.csv:2: has 4 columns, and the first row 12'],
    [
      'a price that is none',
      [HEADER, KLINE, KLINE.replace('4.15870000', 'abc')],
      "btc.csv:3: column 'high': 'abc' is not a plain decimal number",
    ],
    ['no price', [KLINE.replace('4.15060000', ' ')], "btc.csv:1: column 'low': is empty"],
    [
      'a time of another unit',
      [KLINE, KLINE.replace('1601510340000', '160151034')],
      "btc.csv:2: column 'open_time': '160151034' is not Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits",
    ],
    [
      'part of a millisecond',
      [KLINE_OF_2025.replace('1735689600000000', '1735689600000001')],
      "btc.csv:1: column 'open_time': '1735689600000001' is not Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits",
    ],
    [
      'half a trade',
      [KLINE.replace(',13,', ',1.5,')],
      "btc.csv:1: column 'count': '1.5' is not a whole number",
    ],
    [
      'a volume that is none',
      [KLINE.replace('2240.39860900', 'NaN')],
      "btc.csv:1: column 'quote_volume': 'NaN' is not a plain decimal number",
    ],
  ])('are refused with %s', async (_, lines, message) => {
    expect(await refusal(lines, 'binance')).toBe(message)
  })

  test('that contradict themselves are left to recordCandles', async () => {
    expect(await read([KLINE.replace('4.15870000', '1')], 'binance')).toMatchObject([{ high: '1' }])
  })
})

describe('candles of Coinbase', () => {
  test.each([
    ['days', 'date,open,high,low,close,volume', '2014-12-01,300,370,290,360,0.05655554'],
    [
      'seconds, in the order of the API',
      'time,low,high,open,close,volume',
      '1417392000,290,370,300,360,0.05655554',
    ],
    ['the newer API', 'start,low,high,open,close,volume', '1417392000,290,370,300,360,0.05655554'],
    [
      'ISO times, and names in capitals',
      'Time,Open,High,Low,Close,Volume',
      '2014-12-01T00:00:00Z,300,370,290,360,0.05655554',
    ],
  ])('are read with %s', async (_, header, line) => {
    expect(await read([header, line], 'coinbase')).toMatchObject([
      {
        openTime: new Date('2014-12-01T00:00:00Z'),
        open: '300',
        high: '370',
        low: '290',
        close: '360',
        volume: '0.05655554',
      },
    ])
  })

  test.each([
    [
      'no header',
      ['2014-12-01,300,370,300,370,0.05'],
      'btc.csv:1: is no header with date or time or start, and with open, high, low, close and volume; it is: 2014-12-01, 300, 370, 300, 370, 0.05',
    ],
    [
      'two columns of time',
      ['date,time,open,high,low,close,volume'],
      'btc.csv:1: has several columns for the same (date, time); say which with a map of columns',
    ],
    [
      'a day that is none',
      ['date,open,high,low,close,volume', '2015-02-29,1,1,1,1,1'],
      "btc.csv:2: column 'date': '2015-02-29' is not a date as 2024-01-31, Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits or an ISO time with its zone",
    ],
    [
      'a time without a zone',
      ['Time,open,high,low,close,volume', '2015-02-28 00:00:00,1,1,1,1,1'],
      "btc.csv:2: column 'Time': '2015-02-28 00:00:00' is not a date as 2024-01-31, Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits or an ISO time with its zone",
    ],
  ])('are refused with %s', async (_, lines, message) => {
    expect(await refusal(lines, 'coinbase')).toBe(message)
  })
})

describe('candles of Bybit', () => {
  const prices = ',17194,17199.5,17193.5,17199,78.677'

  test.each([
    ['timestamp,open,high,low,close,volume', '1670889600'],
    ['start_at,open,high,low,close,volume', '1670889600000'],
    ['startTime,openPrice,highPrice,lowPrice,closePrice,volume', '1670889600000'],
    ['open_time,open,high,low,close,volume', '2022-12-13T00:00:00Z'],
    // The clock of the files for MetaTrader 4 is three hours ahead.
    ['start_at,open,high,low,close,volume', '2022.12.13 03:00'],
  ])('are read with the header %s and the time %s', async (header, time) => {
    expect(await read([header, time + prices], 'bybit')).toMatchObject([
      {
        openTime: new Date('2022-12-13T00:00:00Z'),
        open: '17194',
        high: '17199.5',
        low: '17193.5',
        close: '17199',
      },
    ])
  })

  test('for MetaTrader 4 have no header', async () => {
    const candles = await read([`2022.12.13 00:00${prices}`, `2022.12.13 00:01${prices}`], 'bybit')
    expect(candles.map(({ openTime }) => openTime.toISOString())).toEqual([
      '2022-12-12T21:00:00.000Z',
      '2022-12-12T21:01:00.000Z',
    ])
  })

  test('do not tell a quote volume: turnover is in base currency for inverse contracts', async () => {
    const lines = ['startTime,open,high,low,close,volume,turnover', `1670889600000${prices},1353204.7`]
    expect((await read(lines, 'bybit'))[0]).not.toHaveProperty('quoteVolume')
  })

  test('with the time of day need the day', async () => {
    const lines = ['ms_of_day,open,high,low,close,volume', `60000${prices}`]
    const [candle] = await read(lines, 'bybit', { day: new Date('2022-12-13') })
    expect(candle?.openTime.toISOString()).toBe('2022-12-13T00:01:00.000Z')
    expect(await refusal(lines, 'bybit')).toBe(
      "btc.csv:1: column 'ms_of_day': needs the option day: the day that the file is of",
    )
    const late = new Date('2022-12-13T08:00:00Z')
    expect(refusalOf(() => readCandleCsv([], { ...series, format: 'bybit', day: late }))).toEqual([
      'day 2022-12-13T08:00:00.000Z is not a midnight in UTC',
    ])
  })

  test.each([
    [
      'no header',
      [`1670889600${prices}`],
      'btc.csv:1: is no header with timestamp or start_at or startTime or open_time or ms_of_day, and with open, high, low, close and volume; it is: 1670889600, 17194, 17199.5, 17193.5, 17199, 78.677',
    ],
    [
      'a column too many for MetaTrader 4',
      [`2022.12.13 00:00${prices},1`],
      'btc.csv:1: is no candle of Bybit: without a header, expected are time, open, high, low, close, volume',
    ],
    [
      'another time',
      ['timestamp,open,high,low,close,volume', `13/12/2022${prices}`],
      "btc.csv:2: column 'timestamp': '13/12/2022' is not Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits, an ISO time with its zone or a date and time as 2024.01.31 08:00",
    ],
  ])('are refused with %s', async (_, lines, message) => {
    expect(await refusal(lines, 'bybit')).toBe(message)
  })
})

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

describe.skipIf(!hasSharedData)(`recorded files${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  const recorded = (path: string, options: Omit<ReadCandleCsvOptions, 'symbol'>) =>
    all(readCandleCsv([readShared(path)], { symbol: 'BTC', ...options }))
  const linesOf = (path: string) => readShared(path).toString('utf8').trim().split('\n').slice(1)

  test('1,318 days of Coinbase have the text of the file', async () => {
    const path = 'candles/coinbase-btc-usd-1d.csv'
    const candles = await recorded(path, { exchange: 'coinbase', timeframe: '1d', format: 'coinbase' })
    expect(candles).toHaveLength(1_318)
    expect(candles.map(checkCandle)).toHaveLength(1_318)
    expect(
      candles.map(({ openTime, open, high, low, close, volume }) =>
        [openTime.toISOString().slice(0, 10), open, high, low, close, volume].join(),
      ),
    ).toEqual(linesOf(path))
  })

  test('721 minutes of Bybit have the text of the file, and times of its day', async () => {
    const path = 'candles/bybit-btcusdt-perp-1m-2022-12-13.csv'
    const day = new Date('2022-12-13')
    const candles = await recorded(path, { exchange: 'bybit', timeframe: '1m', format: 'bybit', day })
    expect(candles).toHaveLength(721)
    expect(candles.map(checkCandle)).toHaveLength(721)
    expect(
      candles.map(({ openTime, open, high, low, close, volume }) =>
        [openTime.getTime() - day.getTime(), open, high, low, close, volume].join(),
      ),
    ).toEqual(linesOf(path))
  })
})
