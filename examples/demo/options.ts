import { parseArgs } from 'node:util'
import { COST_BASIS_METHODS, type CostBasisMethod, type SeriesName, TIMEFRAMES } from 'tradeblotter'

export const USAGE = `Usage: npm run demo -- [options]

A moving-average-crossover bot trades past prices on paper, and tradeblotter
keeps its books. Without options it needs nothing: real prices of the S&P 500,
Postgres inside this process, in memory.

  --candles FILE.csv      your own prices. A header and the columns
                          date,open,high,low,close,volume in any order;
                          dates as 2024-03-01, ISO times or epoch milliseconds;
                          prices are taken to be in USD
  --stored SERIES         candles that the database has already, such as
                          coinbase:BTC-USD:1d; examples/load-candles.ts brings
                          them there
  --database-url URL      keep the books on a server: postgres://user@host/name
                          (the tables are made there if they are missing)
  --directory DIR         keep them in a directory, with Postgres in this process
  --method METHOD         cost basis: average (the default), fifo or lifo
  --tear-sheet FILE       where the page with charts and figures is written:
                          demo-tear-sheet.html unless you say so
  --fast N, --slow N      candles in the two averages: 20 and 100
  --help                  print this`

export interface DemoOptions {
  readonly candles: string | undefined
  readonly stored: SeriesName | undefined
  readonly databaseUrl: string | undefined
  readonly directory: string | undefined
  readonly method: CostBasisMethod
  /** The file that the tear sheet is written to. */
  readonly tearSheet: string
  readonly fast: number
  readonly slow: number
}

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Returns the options, or 'help' if that is asked for. @throws UsageError. */
export function readOptions(args: readonly string[]): DemoOptions | 'help' {
  const values = parse(args)
  if (values.help) return 'help'
  const { candles, stored, 'database-url': databaseUrl, directory, 'tear-sheet': tearSheet } = values
  const named = { candles, 'database-url': databaseUrl, directory, 'tear-sheet': tearSheet }
  for (const [option, value] of Object.entries(named)) {
    if (value?.trim() === '') throw new UsageError(`--${option} is empty`)
  }
  if (databaseUrl !== undefined && directory !== undefined) {
    throw new UsageError('--database-url and --directory are two places; give one of them')
  }
  if (databaseUrl !== undefined && !/^postgres(?:ql)?:\/\//.test(databaseUrl)) {
    throw new UsageError('--database-url must begin with postgres://')
  }
  if (stored !== undefined && candles !== undefined) {
    throw new UsageError('--candles and --stored are two sources of prices; give one of them')
  }
  if (stored !== undefined && databaseUrl === undefined && directory === undefined) {
    throw new UsageError('--stored needs the database that has them: give --database-url or --directory')
  }
  const method = COST_BASIS_METHODS.find((known) => known === values.method)
  if (method === undefined) {
    throw new UsageError(`--method '${values.method}' is none of ${COST_BASIS_METHODS.join(', ')}`)
  }
  const fast = readLength('fast', values.fast)
  const slow = readLength('slow', values.slow)
  if (fast >= slow) throw new UsageError(`--fast ${fast} must be smaller than --slow ${slow}`)
  const series = stored === undefined ? undefined : readSeries(stored)
  return { candles, stored: series, databaseUrl, directory, method, tearSheet, fast, slow }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        candles: { type: 'string' },
        stored: { type: 'string' },
        'database-url': { type: 'string' },
        directory: { type: 'string' },
        method: { type: 'string', default: 'average' },
        'tear-sheet': { type: 'string', default: 'demo-tear-sheet.html' },
        fast: { type: 'string', default: '20' },
        slow: { type: 'string', default: '100' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    // Node adds advice on arguments that begin with a dash, which is of no use here.
    const [message] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/)
    throw new UsageError(message)
  }
}

/** A symbol may have colons of its own, as BTC/USDT:USDT has. */
function readSeries(text: string): SeriesName {
  const [, exchange, symbol, length] = /^([^:]+):(.+):([^:]+)$/.exec(text) ?? []
  if (exchange === undefined || symbol === undefined) {
    throw new UsageError(`--stored '${text}' is not EXCHANGE:SYMBOL:TIMEFRAME, such as coinbase:BTC-USD:1d`)
  }
  const timeframe = TIMEFRAMES.find((known) => known === length)
  if (timeframe) return { exchange, symbol, timeframe }
  throw new UsageError(`--stored '${text}': the timeframe '${length}' is none of ${TIMEFRAMES.join(', ')}`)
}

function readLength(option: string, text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new UsageError(`--${option} '${text}' is not a whole number from 1 to 9999`)
}
