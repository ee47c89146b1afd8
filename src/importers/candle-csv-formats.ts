import type { CandleLayout, FindCandleColumns } from './candle-csv.ts'
import type { Column, CsvTable } from './csv-columns.ts'
import type { CsvRow } from './csv-rows.ts'
import { readTime, type TimeForm } from './csv-times.ts'

/** The columns of a kline, in the order of the file and as newer files' headers write them. */
const BINANCE_COLUMNS = [
  'open_time',
  'open',
  'high',
  'low',
  'close',
  'volume',
  'close_time',
  'quote_volume',
  'count',
  'taker_buy_volume',
  'taker_buy_quote_volume',
  'ignore',
] as const
type BinanceColumn = (typeof BINANCE_COLUMNS)[number]

/**
 * Klines of data.binance.vision: newer files of futures have a header. Times are milliseconds, and microseconds in the files
 * of spot since 2025.
 */
export function findBinance(hasQuoteVolume: boolean): FindCandleColumns {
  return (table, first) => {
    const cells = first.cells.map((cell) => cell.trim())
    const hasHeader = !/^\d+$/.test(cells[0] ?? '')
    const named = BINANCE_COLUMNS.slice(0, 6)
    const isKline =
      cells.length === BINANCE_COLUMNS.length &&
      (!hasHeader || named.every((name, i) => sameName(cells[i], name)))
    if (!isKline) {
      throw table.fault(
        first.line,
        `is no kline of Binance: expected are ${BINANCE_COLUMNS.length} columns, with or without a header: ${BINANCE_COLUMNS.join(', ')}`,
      )
    }
    const at = (name: BinanceColumn): Column => ({ name, index: BINANCE_COLUMNS.indexOf(name) })
    return {
      hasHeader,
      timeForms: ['unix'],
      openTime: at('open_time'),
      open: at('open'),
      high: at('high'),
      low: at('low'),
      close: at('close'),
      volume: at('volume'),
      quoteVolume: hasQuoteVolume ? at('quote_volume') : undefined,
      takerBuyVolume: at('taker_buy_volume'),
      takerBuyQuoteVolume: hasQuoteVolume ? at('taker_buy_quote_volume') : undefined,
      tradeCount: at('count'),
    }
  }
}

/** True for `Open time` and `open_time`. */
function sameName(cell: string | undefined, name: string): boolean {
  return cell?.toLowerCase().replaceAll(' ', '_') === name
}

type PriceNames = Readonly<Record<'open' | 'high' | 'low' | 'close' | 'volume', readonly string[]>>

const PLAIN_NAMES: PriceNames = {
  open: ['open'],
  high: ['high'],
  low: ['low'],
  close: ['close'],
  volume: ['volume'],
}

/** As the fields of the API are called. */
const BYBIT_NAMES: PriceNames = {
  open: ['open', 'openPrice'],
  high: ['high', 'highPrice'],
  low: ['low', 'lowPrice'],
  close: ['close', 'closePrice'],
  volume: ['volume'],
}

const COINBASE_TIMES = ['date', 'time', 'start']
const BYBIT_TIMES = ['timestamp', 'start_at', 'startTime', 'open_time']
const DAY_TIME = 'ms_of_day'

/** A header in any order: the API's own is time, low, high, open, close, volume. Dates are days in UTC. */
export const findCoinbase: FindCandleColumns = (table, first) =>
  byName(table, first, COINBASE_TIMES, PLAIN_NAMES, ['date', 'unix', 'iso'])

/**
 * A header with the open time, or with milliseconds since the midnight of `dayMs`; or, with a header or without, the files for
 * MetaTrader 4. The API's `turnover` is left out: it is in quote currency or in base currency, by the kind of contract.
 */
export function findBybit(dayMs: number | undefined): FindCandleColumns {
  return (table, first) => {
    if (readTime(first.cells[0]?.trim() ?? '', ['mt4']) !== undefined) return bareMt4(table, first)
    const times = [...BYBIT_TIMES, DAY_TIME]
    const layout = byName(table, first, times, BYBIT_NAMES, ['unix', 'iso', 'mt4'])
    if (layout.openTime.name.toLowerCase() !== DAY_TIME) return layout
    if (dayMs === undefined) {
      throw table.wrong(first, layout.openTime, 'needs the option day: the day that the file is of')
    }
    return { ...layout, timeForms: ['ms'], offsetMs: dayMs }
  }
}

const MT4_COLUMNS = ['time', 'open', 'high', 'low', 'close', 'volume'] as const

function bareMt4(table: CsvTable, first: CsvRow): CandleLayout {
  if (first.cells.length !== MT4_COLUMNS.length) {
    throw table.fault(
      first.line,
      `is no candle of Bybit: without a header, expected are ${MT4_COLUMNS.join(', ')}`,
    )
  }
  const at = (name: (typeof MT4_COLUMNS)[number]): Column => ({ name, index: MT4_COLUMNS.indexOf(name) })
  const [open, high, low, close, volume] = [at('open'), at('high'), at('low'), at('close'), at('volume')]
  return { hasHeader: false, timeForms: ['mt4'], openTime: at('time'), open, high, low, close, volume }
}

function byName(
  table: CsvTable,
  header: CsvRow,
  times: readonly string[],
  names: PriceNames,
  timeForms: readonly TimeForm[],
): CandleLayout {
  const [openTime, open, high, low, close, volume] = [
    table.named(header, times),
    table.named(header, names.open),
    table.named(header, names.high),
    table.named(header, names.low),
    table.named(header, names.close),
    table.named(header, names.volume),
  ]
  if (openTime && open && high && low && close && volume) {
    return { hasHeader: true, timeForms, openTime, open, high, low, close, volume }
  }
  const found = header.cells.map((cell) => cell.trim()).join(', ')
  throw table.fault(
    header.line,
    `is no header with ${times.join(' or ')}, and with open, high, low, close and volume; it is: ${found}`,
  )
}
