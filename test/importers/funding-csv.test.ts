import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type ReadFundingRateCsvOptions, readFundingRateCsv } from '../../src/importers/funding-csv.ts'
import { checkFundingRate } from '../../src/market/funding-rate-input.ts'
import { hasSharedData, readShared, SKIP_REASON } from '../shared-data.ts'
import { all, makeFolder, refusalOfReading } from './reading.ts'
import { refusalOf } from './refusal.ts'

const series = { exchange: 'bybit', symbol: 'BTC/USDT:USDT', file: 'rates.csv' } as const

const read = (lines: readonly string[], options: object = {}) =>
  all(readFundingRateCsv([lines.join('\n')], { ...series, ...options }))
const refusal = (lines: readonly string[], options: object = {}) =>
  refusalOfReading(readFundingRateCsv([lines.join('\n')], { ...series, ...options }))
const hoursOf = async (lines: readonly string[], options: object = {}) =>
  (await read(lines, options)).map(({ intervalHours }) => intervalHours)

const BARE = [
  '20221213 00:00:00,-0.0002016',
  '20221213 08:00:00,-0.00022398',
  '20221213 16:00:00,-0.00038555',
]
const HEADER = 'calc_time,funding_interval_hours,last_funding_rate'

describe('readFundingRateCsv', () => {
  test('reads time and rate without a header, with the distance of the times', async () => {
    const [first, ...others] = await read(BARE, { source: 'file' })
    expect(first).toEqual({
      exchange: 'bybit',
      symbol: 'BTC/USDT:USDT',
      publishedAt: new Date('2022-12-13T00:00:00Z'),
      intervalHours: 8,
      rate: '-0.0002016',
      isEstimated: false,
      source: 'file',
    })
    expect(others.map(({ rate, intervalHours }) => `${rate} ${intervalHours}`)).toEqual([
      '-0.00022398 8',
      '-0.00038555 8',
    ])
  })

  test("reads Binance's public files, with the interval of each row", async () => {
    const lines = [HEADER, '1709251200003,8,0.00010000', '1709280000000,4,0.00012000']
    expect(await read(lines)).toEqual([
      expect.objectContaining({
        publishedAt: new Date(1_709_251_200_003),
        rate: '0.00010000',
        intervalHours: 8,
      }),
      expect.objectContaining({
        publishedAt: new Date(1_709_280_000_000),
        rate: '0.00012000',
        intervalHours: 4,
      }),
    ])
  })

  test('reads any other file by a map of columns', async () => {
    const columns = {
      publishedAt: 'time',
      rate: 'funding',
      markPrice: 'mark',
      indexPrice: 'index',
      intervalHours: 'h',
      delimiter: ';',
    }
    const lines = [
      'h;index;mark;funding;time',
      '1;41990;42000.5;1e-05;2024-01-31T08:00:00Z',
      '1;;;-0.1;2024-01-31T09:00:00Z',
    ]
    const [first, second] = await read(lines, { columns })
    expect(first).toMatchObject({
      intervalHours: 1,
      indexPrice: '41990',
      markPrice: '42000.5',
      rate: '0.00001',
    })
    expect(second).not.toHaveProperty('markPrice')
    expect(second).not.toHaveProperty('indexPrice')
    expect(
      await hoursOf(['0.1,1706688000', '0.1,1706691600'], { columns: { publishedAt: 1, rate: 0 } }),
    ).toEqual([1, 1])
  })

  test('prefers the interval of the option', async () => {
    expect(await hoursOf(BARE, { intervalHours: 4 })).toEqual([4, 4, 4])
    expect(await hoursOf([HEADER, '1709251200003,8,0.0001'], { intervalHours: 4 })).toEqual([4])
    expect(await hoursOf(BARE.slice(0, 1), { intervalHours: 8 })).toEqual([8])
  })

  test('tells a change of interval from a missing rate, oldest or newest first', async () => {
    const at = (hour: number) =>
      `2022121${3 + Math.floor(hour / 24)} ${String(hour % 24).padStart(2, '0')}:00:07,0.0001`
    const lines = [0, 8, 16, 17, 18, 20, 21, 22].map(at)
    expect(await hoursOf(lines)).toEqual([8, 8, 8, 1, 1, 1, 1, 1])
    expect(await hoursOf(lines.reverse())).toEqual([1, 1, 1, 1, 1, 8, 8, 8])
  })

  test.each([
    [
      'a single rate without an interval',
      BARE.slice(0, 1),
      {},
      "rates.csv:1: column 'time': has no rate near it in time, so its interval cannot be told; say it with the option intervalHours",
    ],
    [
      'rates that turn around in time',
      [...BARE, BARE[0] ?? ''],
      {},
      "rates.csv:4: column 'time': is not in the order of time that the rates before it are in, so its interval cannot be told; say it with the option intervalHours",
    ],
    [
      'a rate that is none',
      [BARE[0] ?? '', '20221213 08:00:00,0.01%'],
      {},
      "rates.csv:2: column 'rate': '0.01%' is not a plain decimal number",
    ],
    [
      'a time that is none',
      [BARE[0] ?? '', '20221313 08:00:00,0.01'],
      {},
      "rates.csv:2: column 'time': '20221313 08:00:00' is not a date and time as 2024-01-31 08:00:00",
    ],
    [
      'no interval in one row',
      [HEADER, '1709251200003,8,0.1', '1709280000000,,0.1'],
      {},
      "rates.csv:3: column 'calc_time': has no interval, unlike the first row",
    ],
    [
      'an interval that is none',
      [HEADER, '1709251200003,8h,0.1'],
      {},
      "rates.csv:2: column 'funding_interval_hours': '8h' is not a whole number",
    ],
    [
      'an interval out of range',
      [HEADER, '1709251200003,0,0.1'],
      {},
      "rates.csv:2: column 'funding_interval_hours': '0' is not hours from 1 to 168",
    ],
    [
      'an unknown file',
      ['time,rate', '1,2'],
      {},
      'rates.csv:1: is not known: expected is a header of calc_time, funding_interval_hours, last_funding_rate, or no header and time and rate as 20221213 08:00:00,0.0001; for any other file, say where its columns are with the option columns',
    ],
    [
      'a column that is not there',
      ['time,rate'],
      { columns: { publishedAt: 'when', rate: 'rate' } },
      "rates.csv:1: has no column 'when' (publishedAt); its columns are time, rate",
    ],
    ['nothing', [''], {}, 'rates.csv: is empty'],
  ])('refuses %s', async (_, lines, options, message) => {
    expect(await refusal(lines, options)).toBe(message)
  })

  test.each([
    [{ exchange: '' }, ['exchange is empty']],
    [{ symbol: null }, ['symbol is null, not text']],
    [{ intervalHours: 200 }, ['intervalHours 200 is not a whole number of hours from 1 to 168']],
    [{ columns: 'binance' }, ["columns: is 'binance', not a map of columns"]],
    [{ columns: { publishedAt: 0 } }, ['columns.rate: is missing']],
    [
      { columns: { publishedAt: 0, rate: 1, interval: 2 } },
      [
        'columns: has no key interval; its keys are publishedAt, rate, intervalHours, markPrice, indexPrice, timeFormat, delimiter, header',
      ],
    ],
    [
      { columns: { publishedAt: 0, rate: 'r', header: false } },
      ["columns.header: column 'r' cannot be found by name in a file without a header"],
    ],
  ])('refuses the options %o', (options, message) => {
    // What a program in JavaScript may pass.
    const wrong = { ...series, ...options } as unknown as ReadFundingRateCsvOptions
    expect(refusalOf(() => readFundingRateCsv(['a'], wrong))).toEqual(message)
  })

  test('yields a rate once its interval is known, and closes the source when the reader leaves', async () => {
    const state = { isClosed: false }
    async function* pieces() {
      try {
        for (const line of BARE) yield `${line}\n`
        for (let ms = Date.UTC(2022, 11, 14); ; ms += 8 * 3_600_000) {
          yield `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')},0.1\n`
        }
      } finally {
        state.isClosed = true
      }
    }
    for await (const { rate } of readFundingRateCsv(pieces(), series)) {
      expect(rate).toBe('-0.0002016')
      break
    }
    expect(state.isClosed).toBe(true)
  })

  test('names a missing file, and unzips a gzipped one', async () => {
    using folder = makeFolder()
    const path = folder.path('rates.csv.gz')
    const { exchange, symbol } = series
    expect(await refusalOfReading(readFundingRateCsv(path, { exchange, symbol }))).toBe(
      `${path}: there is no such file`,
    )
    writeFileSync(path, gzipSync(BARE.join('\r\n')))
    expect(await all(readFundingRateCsv(path, { exchange, symbol }))).toHaveLength(3)
  })
})

describe.skipIf(!hasSharedData)(`recorded files${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  test('have rates of 8 hours', async () => {
    const rates = await all(readFundingRateCsv([readShared('candles/bybit-btcusdt-funding.csv')], series))
    expect(
      rates.map(({ publishedAt, rate, intervalHours }) => [publishedAt.toISOString(), rate, intervalHours]),
    ).toEqual([
      ['2022-12-13T00:00:00.000Z', '-0.0002016', 8],
      ['2022-12-13T08:00:00.000Z', '-0.00022398', 8],
      ['2022-12-13T16:00:00.000Z', '-0.00038555', 8],
    ])
    expect(rates.map(checkFundingRate)).toHaveLength(3)
  })

  test('of a single rate need the interval', async () => {
    const file = readShared('candles/binance-adausdt-funding.csv')
    expect(await refusalOfReading(readFundingRateCsv([file], series))).toMatch(
      /^rates\.csv:1: .* say it with the option intervalHours$/,
    )
    expect(await all(readFundingRateCsv([file], { ...series, intervalHours: 8 }))).toMatchObject([
      { publishedAt: new Date('2022-12-13T00:00:00Z'), rate: '0.00010000', intervalHours: 8 },
    ])
  })
})
