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
