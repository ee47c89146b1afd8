// Loads a CSV file of candles, then prints what is stored, what is missing and what it says of the market:
//   npx tsx examples/load-candles.ts btc.csv --exchange coinbase --symbol BTC-USD --timeframe 1d
// Without a file it takes an invented one, with two gaps and a candle that cannot be. Loaded again, it changes nothing.
import { createReadStream, statSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  findCandleGaps,
  getMarketSummary,
  getVolatility,
  listCandleSeries,
  recordCandles,
  resampleCandles,
  TIMEFRAMES,
  type Timeframe,
  WEEKDAYS,
} from 'tradeblotter'
import { CANDLE_CSV_FORMATS, readCandleCsv } from 'tradeblotter/importers'
import { openDatabase } from './open-database.ts'

const SAMPLE = fileURLToPath(new URL('data/acme-usd.csv', import.meta.url))
const COARSER: Partial<Record<Timeframe, Timeframe>> = { '1m': '1h', '5m': '1h', '1h': '1d', '1d': '1w' }
const SHOWN = 5

try {
  await main()
} catch (error) {
  console.error(`load-candles: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { file, series, format, day, closedOn } = readArguments()
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined) throw new Error(`${file} is not there`)
  await using db = await openDatabase()
  const startedMs = performance.now()
  let bytesRead = 0
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const piece of createReadStream(file)) {
      bytesRead += piece.length
      yield piece
    }
  }
  const { inserted, updated, unchanged, refused } = await recordCandles(db, {
    candles: readCandleCsv(pieces(), { ...series, format, day, file }),
    onProgress: (done) => {
      const rows = done.inserted + done.updated + done.unchanged
      showProgress(bytesRead / size, rows, (performance.now() - startedMs) / 1_000)
    },
  }).finally(() => process.stdout.isTTY && console.log())
  console.log(`${inserted} new, ${updated} replaced, ${unchanged} unchanged, ${refused.length} refused`)
  for (const one of refused.slice(0, SHOWN)) console.log(`  ${time(one.candle.openTime)}: ${one.reason}`)

  for (const one of await listCandleSeries(db, { exchange: series.exchange })) {
    const span = `${time(one.firstOpenTime)} to ${time(one.lastOpenTime)}`
    console.log(`stored: ${one.exchange} ${one.symbol} ${one.timeframe}, ${one.candleCount} candles, ${span}`)
  }

  const gaps = await findCandleGaps(db, { ...series, closedOn })
  const missing = gaps.reduce((sum, gap) => sum + gap.missing, 0)
  console.log(`missing: ${missing} candles in ${gaps.length} gaps`)
  for (const gap of gaps.slice(0, SHOWN)) console.log(`  ${gap.missing} from ${time(gap.from)} on`)
  if (gaps.length > SHOWN) console.log(`  and ${gaps.length - SHOWN} more gaps`)

  const market = await getMarketSummary(db, series)
  const change = percent(market.changeFraction24h?.toNumber())
  console.log(`last close: ${market.close} at ${time(market.lastPriceAt)}, ${change} in 24 hours`)
  const { annualisedVolatility, meanRange, from } = await getVolatility(db, series)
  console.log(`30 days: volatility ${percent(annualisedVolatility)} a year, mean range ${percent(meanRange)}`)

  const into = COARSER[series.timeframe]
  if (into === undefined) return
  console.log(`the last made into ${into}: open, high, low, close, volume`)
  for (const candle of (await resampleCandles(db, { ...series, into, from })).slice(-SHOWN)) {
    const { openTime, open, high, low, close, volume, complete } = candle
    console.log(
      `  ${time(openTime)}  ${open} ${high} ${low} ${close} ${volume}${complete ? '' : ' (incomplete)'}`,
    )
  }
}

function readArguments() {
  const text = { type: 'string' } as const
  const options = { exchange: text, symbol: text, timeframe: text, format: text, day: text, closed: text }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [file = SAMPLE, another] = positionals
  if (another !== undefined) throw new Error(`one file at a time: what is ${another}?`)
  const { exchange = 'example', symbol = basename(file, extname(file)).toUpperCase() } = values
  return {
    file,
    series: { exchange, symbol, timeframe: oneOf(TIMEFRAMES, '--timeframe', values.timeframe ?? '1d') },
    format: oneOf(CANDLE_CSV_FORMATS, '--format', values.format ?? 'coinbase'),
    day: values.day === undefined ? undefined : new Date(values.day),
    closedOn: values.closed?.split(',').map((weekday) => oneOf(WEEKDAYS, '--closed', weekday)),
  }
}

function oneOf<Value extends string>(known: readonly Value[], option: string, text: string): Value {
  const value = known.find((one) => one === text)
  if (value === undefined) throw new Error(`${option} ${text} is none of ${known.join(', ')}`)
  return value
}

/** Draws a bar, over and over on a terminal. */
function showProgress(fraction: number, rows: number, seconds: number): void {
  const line = `[${'#'.repeat(fraction * 30).padEnd(30, '-')}] ${rows} rows, ${Math.round(rows / seconds)} a second`
  if (process.stdout.isTTY) process.stdout.write(`\r${line}\u001B[K`)
  else console.log(line)
}

function time(at: Date | null): string {
  return at?.toISOString().slice(0, 16).replace('T', ' ') ?? 'never'
}

function percent(fraction: number | null | undefined): string {
  return typeof fraction === 'number' ? `${(fraction * 100).toFixed(2)} %` : 'unknown'
}
