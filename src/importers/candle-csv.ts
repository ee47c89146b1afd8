import { toInstant } from '../db/columns.ts'
import { DataError } from '../db/errors.ts'
import type { CandleInput } from '../market/candle-input.ts'
import { DAY_MS } from '../market/timeframes.ts'
import { findBinance, findBybit, findCoinbase } from './candle-csv-formats.ts'
import {
  type Column,
  type ColumnPlace,
  CsvTable,
  columnMap,
  columnPlace,
  needsHeader,
  readColumnMap,
} from './csv-columns.ts'
import { type CsvRow, mapCsvRows } from './csv-rows.ts'
import { PLAIN_FORMS, type TimeForm, type TimeFormat } from './csv-times.ts'
import { type CandleAmounts, type CandleSeriesOptions, readSeriesOptions } from './market-options.ts'
import { openText, type TextSource } from './text-source.ts'

/**
 * `binance`: the klines of data.binance.vision of spot and USD-M futures. `binance-coin-m`: those of COIN-M futures, whose
 * volume is in contracts; what they tell in base currency is left out. `coinbase`: a header with `date`, `time` or `start`,
 * prices and volume. `bybit`: a header with `timestamp`, `start_at`, `startTime` or `open_time`, or with `ms_of_day`; and the
 * files for MetaTrader 4 of public.bybit.com, whose clock is UTC+3.
 */
export const CANDLE_CSV_FORMATS = ['binance', 'binance-coin-m', 'coinbase', 'bybit'] as const
export type CandleCsvFormat = (typeof CANDLE_CSV_FORMATS)[number]

/** Where a table has what a candle needs: the name of a column as the header writes it, or its place from 0. */
export interface CandleColumns {
  readonly openTime: ColumnPlace
  readonly open: ColumnPlace
  readonly high: ColumnPlace
  readonly low: ColumnPlace
  readonly close: ColumnPlace
  readonly volume: ColumnPlace
  /** An empty cell of this and the three below means that it is not known. */
  readonly quoteVolume?: ColumnPlace | undefined
  readonly takerBuyVolume?: ColumnPlace | undefined
  readonly takerBuyQuoteVolume?: ColumnPlace | undefined
  readonly tradeCount?: ColumnPlace | undefined
  /** Without it, what tells itself apart: Unix time of 10, 13 or 16 digits, a date, an ISO time with its zone. */
  readonly timeFormat?: TimeFormat | undefined
  /** A comma unless said otherwise. */
  readonly delimiter?: string | undefined
  /** Whether the first row is a header. True if any column is given by name, else false. */
  readonly header?: boolean | undefined
}

export interface ReadCandleCsvOptions extends CandleSeriesOptions {
  readonly format: CandleCsvFormat | CandleColumns
  /** The day that a file of Bybit with `ms_of_day` is of: its midnight in UTC. */
  readonly day?: Date | undefined
  /** What errors call the file, if the source is no path. */
  readonly file?: string | undefined
}

/**
 * Reads the candles of a CSV file as they are asked for, to go straight into `recordCandles`. The file may have a byte order
 * mark, any line ends, blank lines, and quoted cells; a path ending in `.gz` is unzipped on the way. A piece of 64 KiB is held
 * at a time, and whoever stops reading closes the file.
 *
 * Amounts keep the text of the file. A candle is complete if it closed by `asOf`. Rows that contradict themselves are not
 * refused here, but by `recordCandles`, one by one.
 *
 * @throws `invalid_input` for options that do not fit, at once. Reading throws it for a file that cannot be read or has other
 * columns, and for a cell that is not what it should be, as `btc.csv:17: column 'high': 'abc' is not a plain decimal number`.
 */
export function readCandleCsv(
  source: TextSource,
  options: ReadCandleCsvOptions,
): AsyncGenerator<CandleInput> {
  const makeCandle = readSeriesOptions(options)
  const text = openText(source, options.file)
  const { delimiter, find } = readFormat(options, text.name)
  const table = new CsvTable(text.name)
  let layout: CandleLayout | undefined
  return mapCsvRows(text, delimiter, (row) => {
    if (layout === undefined) {
      table.begin(row)
      layout = find(table, row)
      if (layout.hasHeader) return undefined
    }
    table.checkWidth(row)
    const offsetMs = layout.offsetMs ?? 0
    return makeCandle(
      offsetMs + table.time(row, layout.openTime, layout.timeForms),
      readAmounts(table, row, layout),
    )
  })
}

/** Where the columns of one file are. */
export interface CandleLayout {
  readonly hasHeader: boolean
  readonly timeForms: readonly TimeForm[]
  /** Added to each time. */
  readonly offsetMs?: number | undefined
  readonly openTime: Column
  readonly open: Column
  readonly high: Column
  readonly low: Column
  readonly close: Column
  readonly volume: Column
  readonly quoteVolume?: Column | undefined
  readonly takerBuyVolume?: Column | undefined
  readonly takerBuyQuoteVolume?: Column | undefined
  readonly tradeCount?: Column | undefined
}

/** Finds the columns by the first row. @throws `invalid_input` saying what was expected. */
export type FindCandleColumns = (table: CsvTable, first: CsvRow) => CandleLayout

function readAmounts(table: CsvTable, row: CsvRow, layout: CandleLayout): CandleAmounts {
  const amounts: { -readonly [Key in keyof CandleAmounts]: CandleAmounts[Key] } = {
    open: table.amount(row, layout.open),
    high: table.amount(row, layout.high),
    low: table.amount(row, layout.low),
    close: table.amount(row, layout.close),
    volume: table.amount(row, layout.volume),
  }
  const quoteVolume = table.amountIfAny(row, layout.quoteVolume)
  if (quoteVolume !== undefined) amounts.quoteVolume = quoteVolume
  const takerBuyVolume = table.amountIfAny(row, layout.takerBuyVolume)
  if (takerBuyVolume !== undefined) amounts.takerBuyVolume = takerBuyVolume
  const takerBuyQuoteVolume = table.amountIfAny(row, layout.takerBuyQuoteVolume)
  if (takerBuyQuoteVolume !== undefined) amounts.takerBuyQuoteVolume = takerBuyQuoteVolume
  const tradeCount = table.countIfAny(row, layout.tradeCount)
  if (tradeCount !== undefined) amounts.tradeCount = tradeCount
  return amounts
}

interface Format {
  readonly delimiter: string
  readonly find: FindCandleColumns
}

const COMMA = ','

function readFormat({ format, day }: ReadCandleCsvOptions, file: string): Format {
  switch (format) {
    case 'binance':
      refuseCoinM(file)
      return { delimiter: COMMA, find: findBinance(true) }
    case 'binance-coin-m':
      return { delimiter: COMMA, find: findBinance(false) }
    case 'coinbase':
      return { delimiter: COMMA, find: findCoinbase }
    case 'bybit':
      return { delimiter: COMMA, find: findBybit(readDay(day)) }
    default:
      return readColumns(format)
  }
}

/** What files of COIN-M futures are called: `BTCUSD_PERP-1m-2024-01.csv`, `BTCUSD_240329-1m-2024-01.csv`. */
const COIN_M_FILE = /USD_(?:PERP|\d{6})-/

/** Nothing in such a file tells that its quote volume is in base currency. */
function refuseCoinM(file: string): void {
  if (!COIN_M_FILE.test(file)) return
  throw new DataError(
    'invalid_input',
    `format 'binance' is for spot and USD-M futures; ${file} is of COIN-M futures: give format 'binance-coin-m'`,
    { field: 'format' },
  )
}

function readDay(day: Date | undefined): number | undefined {
  if (day === undefined) return undefined
  const ms = toInstant(day, 'day').getTime()
  if (ms % DAY_MS === 0) return ms
  throw new DataError('invalid_input', `day ${day.toISOString()} is not a midnight in UTC`, { field: 'day' })
}

const columnsSchema = columnMap(
  {
    openTime: columnPlace,
    open: columnPlace,
    high: columnPlace,
    low: columnPlace,
    close: columnPlace,
    volume: columnPlace,
    quoteVolume: columnPlace.optional(),
    takerBuyVolume: columnPlace.optional(),
    takerBuyQuoteVolume: columnPlace.optional(),
    tradeCount: columnPlace.optional(),
  },
  `${CANDLE_CSV_FORMATS.join(', ')} or a map of columns`,
)

function readColumns(format: CandleColumns): Format {
  const { timeFormat, delimiter, header, ...places } = readColumnMap('format', format, columnsSchema)
  const hasHeader = needsHeader('format', Object.values(places), header)
  const timeForms = timeFormat ? [timeFormat] : PLAIN_FORMS
  const find: FindCandleColumns = (table, first) => {
    const at = (field: keyof typeof places & string, place: ColumnPlace) =>
      table.placed(first, hasHeader, place, field)
    const ifAny = (field: keyof typeof places & string) => {
      const place = places[field]
      return place === undefined ? undefined : at(field, place)
    }
    return {
      hasHeader,
      timeForms,
      openTime: at('openTime', places.openTime),
      open: at('open', places.open),
      high: at('high', places.high),
      low: at('low', places.low),
      close: at('close', places.close),
      volume: at('volume', places.volume),
      quoteVolume: ifAny('quoteVolume'),
      takerBuyVolume: ifAny('takerBuyVolume'),
      takerBuyQuoteVolume: ifAny('takerBuyQuoteVolume'),
      tradeCount: ifAny('tradeCount'),
    }
  }
  return { delimiter: delimiter ?? COMMA, find }
}
