import { toName } from '../db/columns.ts'
import { toAmountText } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import type { CandleInput } from '../market/candle-input.ts'
import type { FundingRateInput } from '../market/funding-rate-input.ts'
import { plainText } from './ccxt-entry.ts'
import { type CcxtNumber, candleSchema, datedRateSchema } from './ccxt-schema.ts'
import { fundingHour, inferIntervals } from './funding-interval.ts'
import {
  type CandleSeriesOptions,
  readIntervalOption,
  readSeriesOptions,
  readSource,
} from './market-options.ts'
import { type NamedText, openText, type TextSource, unreadable } from './text-source.ts'

export interface ReadFreqtradeJsonOptions extends CandleSeriesOptions {
  /** What errors call the file, if the source is no path. */
  readonly file?: string | undefined
}

export interface ReadFreqtradeFundingJsonOptions {
  /** The exchange's name as the bot uses it everywhere. */
  readonly exchange: string
  readonly symbol: string
  /** Hours that every rate is for. Without it, the distance of the rates in time. */
  readonly intervalHours?: number | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
  /** What errors call the file, if the source is no path. */
  readonly file?: string | undefined
}

/**
 * Reads the candles of a JSON file of freqtrade, as `BTC_USDT-5m.json` or `.json.gz`, to go straight into `recordCandles`. The
 * whole file is held in memory; candles are made of it as they are asked for.
 *
 * Numbers become the shortest decimal text that reads as the same float. A candle is complete if it closed by `asOf`.
 *
 * @throws `invalid_input` for options that do not fit, at once. Reading throws it for a file that cannot be read, and for a
 * value that is not what it should be, as `BTC_USDT-5m.json: row 3, position 2 (high): is missing`, both counted from 0.
 */
export function readFreqtradeJson(
  source: TextSource,
  options: ReadFreqtradeJsonOptions,
): AsyncGenerator<CandleInput> {
  const makeCandle = readSeriesOptions(options)
  return candlesOf(openText(source, options.file), makeCandle)
}

async function* candlesOf(
  text: NamedText,
  makeCandle: ReturnType<typeof readSeriesOptions>,
): AsyncGenerator<CandleInput> {
  const rows = await parseRows(text)
  for (let i = 0; i < rows.length; i++) {
    const read = candleSchema.safeParse(rows[i])
    if (!read.success) throw refusedRow(text, i, read.error.issues[0])
    const { timestamp, ...amounts } = read.data
    const at = (key: keyof typeof amounts) => amountOf(text, i, key, amounts[key])
    const [open, high, low, close, volume] = [at('open'), at('high'), at('low'), at('close'), at('volume')]
    yield makeCandle(timeOf(text, i, timestamp).getTime(), { open, high, low, close, volume })
  }
}

/**
 * Reads the settled rates of a funding file of freqtrade, as `BTC_USDT_USDT-8h-funding_rate.json`, to go straight into
 * `recordFundingRates`: rows of time and rate, or the older ones of six values with the rate where candles have `open`. The
 * whole file is held in memory. Without an interval, it is told from the times, as `inferIntervals` does.
 *
 * @throws `invalid_input` as `readFreqtradeJson` does.
 */
export function readFreqtradeFundingJson(
  source: TextSource,
  options: ReadFreqtradeFundingJsonOptions,
): AsyncGenerator<FundingRateInput> {
  const series = {
    exchange: toName(options.exchange, 'exchange'),
    symbol: toName(options.symbol, 'symbol'),
  }
  const fixed = readIntervalOption(options.intervalHours)
  const origin = readSource(options.source)
  return ratesOf(openText(source, options.file), fixed, ({ publishedAt, rate }, intervalHours) => ({
    ...series,
    publishedAt,
    intervalHours,
    rate,
    isEstimated: false,
    ...origin,
  }))
}

interface DatedRate {
  readonly publishedAt: Date
  readonly rate: string
}

async function* ratesOf(
  text: NamedText,
  fixed: number | undefined,
  make: (rate: DatedRate, intervalHours: number) => FundingRateInput,
): AsyncGenerator<FundingRateInput> {
  const rates = (await parseRows(text)).map((row, i): DatedRate => {
    const read = datedRateSchema.safeParse(row)
    if (!read.success) throw refusedRow(text, i, read.error.issues[0])
    return {
      publishedAt: timeOf(text, i, read.data.timestamp),
      rate: amountOf(text, i, 'rate', read.data.rate),
    }
  })
  const told =
    fixed === undefined ? inferIntervals(rates.map(({ publishedAt }) => fundingHour(publishedAt))) : []
  for (const [i, rate] of rates.entries()) {
    const interval = fixed ?? told[i]
    if (interval === undefined) {
      const why =
        'has no rate near it in time, so its interval cannot be told; say it with the option intervalHours'
      throw refused(text, i, undefined, why)
    }
    yield make(rate, interval)
  }
}

async function parseRows(text: NamedText): Promise<readonly unknown[]> {
  let content = ''
  for await (const chunk of text.chunks) content += chunk
  const rows = parseJson(text.name, content)
  if (Array.isArray(rows)) return rows
  throw unreadable(text.name, 'is no file of freqtrade: expected is an array of rows')
}

function parseJson(name: string, content: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw unreadable(name, 'is not JSON', cause)
  }
}

/** Where each value is in a row. */
const POSITIONS: ReadonlyMap<PropertyKey | undefined, number> = new Map([
  ['timestamp', 0],
  ['open', 1],
  ['rate', 1],
  ['high', 2],
  ['low', 3],
  ['close', 4],
  ['volume', 5],
])

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

function refusedRow(text: NamedText, row: number, issue: Issue | undefined): DataError {
  return refused(text, row, issue?.path[0], issue?.message ?? 'is invalid')
}

function refused({ name }: NamedText, row: number, key: PropertyKey | undefined, why: string): DataError {
  const position = POSITIONS.get(key)
  const where = position === undefined ? '' : `, position ${position} (${String(key)})`
  const field = position === undefined ? 'source' : String(key)
  return new DataError('invalid_input', `${name}: row ${row}${where}: ${why}`, { field })
}

function amountOf(text: NamedText, row: number, key: string, value: CcxtNumber): string {
  try {
    return toAmountText(plainText(String(value)), key)
  } catch (error) {
    if (!isDataError(error)) throw error
    throw refused(text, row, key, error.message.slice(key.length + 1))
  }
}

function timeOf(text: NamedText, row: number, ms: number): Date {
  const at = new Date(ms)
  if (!Number.isNaN(at.getTime())) return at
  throw refused(text, row, 'timestamp', `${ms} is no time in Unix milliseconds`)
}
