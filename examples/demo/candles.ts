import { readFileSync } from 'node:fs'
import { CsvError, parse } from 'csv-parse/sync'
import { type Candle, Decimal } from 'tradeblotter'

/** A line of the file: a candle that does not say yet of which series it is. */
export type FileCandle = Readonly<Pick<Candle, 'openTime' | 'open' | 'high' | 'low' | 'close' | 'volume'>>

/** Candles that cannot be traded; for those of a file, the message names the file, the line and the column. */
export class CandleError extends Error {
  override readonly name = 'CandleError'
}

const COLUMNS = ['date', 'open', 'high', 'low', 'close', 'volume'] as const
type Column = (typeof COLUMNS)[number]

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

/**
 * Returns the candles of a CSV file with the columns date, open, high, low, close and volume, in any order, among others.
 *
 * A date is an ISO date or time (UTC where it names no zone) or epoch milliseconds, and later than that of the line before.
 *
 * @throws CandleError for the first thing wrong.
 */
export function readCandles(file: string): FileCandle[] {
  const [header, ...rows] = readRows(file)
  if (!header) throw new CandleError(`${file} is empty; its first line must be ${COLUMNS.join(',')}`)
  const places = readHeader(file, header)
  if (rows.length === 0) throw new CandleError(`${file} has a header and no candles below it`)
  const candles: FileCandle[] = []
  for (const row of rows) {
    const cell = (column: Column) => row.cells[places[column]]?.trim() ?? ''
    const refuse = (column: Column, why: string) =>
      new CandleError(`${file}, line ${row.line}, column ${column}: ${why}`)
    const price = (column: Column) => readPrice(cell(column), (why) => refuse(column, why))
    const candle = {
      openTime: readDate(cell('date'), (why) => refuse('date', why)),
      open: price('open'),
      high: price('high'),
      low: price('low'),
      close: price('close'),
      volume: readNumber(cell('volume'), (why) => refuse('volume', why)),
    }
    if (candle.high.lt(candle.low)) {
      throw refuse('high', `'${cell('high')}' is lower than the low of the same line, '${cell('low')}'`)
    }
    const before = candles.at(-1)
    if (before && candle.openTime <= before.openTime) {
      const isSame = candle.openTime.getTime() === before.openTime.getTime()
      throw refuse(
        'date',
        `'${cell('date')}' ${isSame ? 'is there twice' : 'is earlier than the line before'}`,
      )
    }
    candles.push(candle)
  }
  return candles
}

function readRows(file: string): Row[] {
  try {
    const rows: Row[] = []
    parse(readFileSync(file), {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record(cells: string[], { lines }) {
        if (cells.some((cell) => cell.trim() !== '')) rows.push({ line: lines, cells })
        return null
      },
    })
    return rows
  } catch (error) {
    if (error instanceof CsvError) throw new CandleError(`${file} is not CSV: ${error.message}`)
    throw new CandleError(`${file} ${FILE_PROBLEMS[codeOf(error)] ?? `cannot be read: ${error}`}`)
  }
}

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function readHeader(file: string, header: Row): Record<Column, number> {
  const names = header.cells.map((cell) => cell.trim().toLowerCase())
  const place = (column: Column) => {
    const index = names.indexOf(column)
    if (index < 0) {
      throw new CandleError(
        `${file}, line ${header.line}: there is no column ${column}; the header is ${header.cells.join(',').slice(0, 80)}`,
      )
    }
    if (names.lastIndexOf(column) !== index) {
      throw new CandleError(`${file}, line ${header.line}: column ${column} is there twice`)
    }
    return index
  }
  const [date, open, high, low, close, volume] = COLUMNS.map(place) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return { date, open, high, low, close, volume }
}

type Refuse = (why: string) => CandleError

const NUMBER_PATTERN = /^\d+(?:\.\d*)?$|^\.\d+$/
const DIGITS = 30

function readNumber(text: string, refuse: Refuse): Decimal {
  if (text === '') throw refuse('is empty')
  if (!NUMBER_PATTERN.test(text)) throw refuse(`'${text}' is not a plain number such as 1455.22`)
  const number = new Decimal(text)
  if (number.e >= DIGITS || number.decimalPlaces() > DIGITS) {
    throw refuse(`'${text}' has more than ${DIGITS} digits on one side of the point`)
  }
  return number
}

function readPrice(text: string, refuse: Refuse): Decimal {
  const price = readNumber(text, refuse)
  if (price.isZero()) throw refuse(`'${text}' must be greater than zero`)
  return price
}

const ISO_PATTERN = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/
const EPOCH_PATTERN = /^\d{12,13}$/

function readDate(text: string, refuse: Refuse): Date {
  if (text === '') throw refuse('is empty')
  if (EPOCH_PATTERN.test(text)) return new Date(Number(text))
  const [, day, time = '00:00', zone = 'Z'] = ISO_PATTERN.exec(text) ?? []
  if (day === undefined) {
    throw refuse(`'${text}' is neither an ISO date such as 2024-03-01 nor epoch milliseconds`)
  }
  const date = new Date(`${day}T${time}${zone}`)
  // JavaScript takes 30 February for 1 March.
  const isDay = new Date(`${day}T00:00Z`).toJSON()?.startsWith(day)
  if (!isDay || Number.isNaN(date.getTime())) throw refuse(`'${text}' is no day or time of the calendar`)
  return date
}
