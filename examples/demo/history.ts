import {
  type Candle,
  type Database,
  getCandles,
  listCandleSeries,
  type RefusedCandle,
  recordCandles,
  type SeriesName,
  TIMEFRAMES,
  type Timeframe,
} from 'tradeblotter'
import { readAll } from './books.ts'
import { CandleError, type FileCandle } from './candles.ts'
import { DAY_MS } from './terminal.ts'

/** Stored candles of one series, which the bot trades. */
export interface History extends SeriesName {
  readonly firstOpenTime: Date
  readonly lastOpenTime: Date
  /** Without a last one that is still forming. */
  readonly candleCount: number
  /** What the library did not store of a file, and why. */
  readonly refused: readonly RefusedCandle[]
}

/** Stores the candles of a file. @throws CandleError if the series has others too, which would be traded as well. */
export async function storeCandles(
  db: Database,
  market: Pick<SeriesName, 'exchange' | 'symbol'>,
  candles: readonly FileCandle[],
): Promise<History> {
  const series = { ...market, timeframe: timeframeOf(candles) }
  const { refused } = await recordCandles(db, {
    candles: candles.map((candle) => ({ ...series, ...candle })),
  })
  const history = await findHistory(db, series)
  if (history.candleCount === candles.length - refused.length) return { ...history, refused }
  const name = nameOf(series)
  throw new CandleError(
    `the database has other candles of ${name} than the file: give it another name, or trade all with --stored ${name}`,
  )
}

/** @throws CandleError if nothing of the series is stored. */
export async function findHistory(
  db: Database,
  { exchange, symbol, timeframe }: SeriesName,
): Promise<History> {
  const stored = await readAll<Series>((after, limit) => listCandleSeries(db, { after, limit }))
  const found = stored.find(
    (one) => one.exchange === exchange && one.symbol === symbol && one.timeframe === timeframe,
  )
  const name = nameOf({ exchange, symbol, timeframe })
  if (!found?.firstOpenTime || !found.lastOpenTime) {
    const others = stored.slice(0, SHOWN).map(nameOf).join(', ')
    throw new CandleError(`no candles of ${name} are stored; there are ${others || 'none at all'}`)
  }
  const { firstOpenTime, lastOpenTime, lastIsComplete } = found
  const candleCount = found.candleCount - (lastIsComplete ? 0 : 1)
  return { exchange, symbol, timeframe, firstOpenTime, lastOpenTime, candleCount, refused: [] }
}

type Series = Awaited<ReturnType<typeof listCandleSeries>>[number]

/** Series that are named where another was asked for. */
const SHOWN = 5

const PAGE = 1_000

/** Reads the candles from the first to the last, a page at a time. What is still forming is no candle yet. */
export async function* readHistory(db: Database, history: History): AsyncGenerator<Candle> {
  const { exchange, symbol, timeframe, firstOpenTime, lastOpenTime } = history
  const pageMs = PAGE * lengthMs(timeframe)
  for (let ms = firstOpenTime.getTime(); ms <= lastOpenTime.getTime(); ms += pageMs) {
    const page = { from: new Date(ms), until: new Date(ms + pageMs) }
    const candles = await getCandles(db, { exchange, symbol, timeframe, ...page })
    yield* candles.filter(({ complete }) => complete)
  }
}

/** The series as it is given on the command line. */
export function nameOf({ exchange, symbol, timeframe }: SeriesName): string {
  return `${exchange}:${symbol}:${timeframe}`
}

/** A month is as long as the shortest. */
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
  M: 28 * DAY_MS,
}

export function lengthMs(timeframe: Timeframe): number {
  return Number.parseInt(timeframe, 10) * (UNIT_MS[timeframe.slice(-1)] ?? 0)
}

/** The longest timeframe up to a day on whose grid all candles of a file open. */
function timeframeOf(candles: readonly FileCandle[]): Timeframe {
  const fits = (timeframe: Timeframe) =>
    lengthMs(timeframe) <= DAY_MS &&
    candles.every(({ openTime }) => openTime.getTime() % lengthMs(timeframe) === 0)
  const timeframe = TIMEFRAMES.findLast(fits)
  if (timeframe) return timeframe
  throw new CandleError('the candles of the file do not open at whole seconds')
}
