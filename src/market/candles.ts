import { sql } from 'drizzle-orm'
import { readInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { readStored } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import { type CandleRange, isThisSeries, readRange, refuseTooMany, selectRange } from './candle-range.ts'
import type { candles } from './schema/index.ts'
import { describeSeries, getCandleSeries, readSeriesName, type SeriesName } from './series.ts'

/** One stored candle. `recordCandles` takes it as it is. */
export type Candle = SeriesName & Omit<typeof candles.$inferSelect, 'seriesId'>

export interface GetCandlesInput extends SeriesName, CandleRange {}

const COLUMNS = sql`open_time, open, high, low, close, volume, complete, revised, quote_volume, taker_buy_volume,
  taker_buy_quote_volume, trade_count, source`

/** What `COLUMNS` hold, as the session returns them. */
type Values = readonly [
  openTime: string,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  complete: boolean,
  revised: boolean,
  quoteVolume: string | null,
  takerBuyVolume: string | null,
  takerBuyQuoteVolume: string | null,
  tradeCount: string | null,
  source: string | null,
]

type ReadValues = (values: readonly unknown[]) => Values

/** Candles are read by the thousand: made at once, they cost less than field by field. */
function toCandle({ exchange, symbol, timeframe }: SeriesName, values: Values): Candle {
  const quoteVolume = values[8]
  const takerBuyVolume = values[9]
  const takerBuyQuoteVolume = values[10]
  const tradeCount = values[11]
  return {
    exchange,
    symbol,
    timeframe,
    openTime: readInstant(values[0]),
    open: readStored(values[1]),
    high: readStored(values[2]),
    low: readStored(values[3]),
    close: readStored(values[4]),
    volume: readStored(values[5]),
    complete: values[6],
    revised: values[7],
    quoteVolume: quoteVolume === null ? null : readStored(quoteVolume),
    takerBuyVolume: takerBuyVolume === null ? null : readStored(takerBuyVolume),
    takerBuyQuoteVolume: takerBuyQuoteVolume === null ? null : readStored(takerBuyQuoteVolume),
    tradeCount: tradeCount === null ? null : Number(tradeCount),
    source: values[12],
  }
}

const asTheyCome = ((values) => values) as ReadValues

const selectCandles = selectRange<Values>('getCandles', COLUMNS, asTheyCome)

/**
 * Returns candles of one series, oldest first: the `last` so many, or those from `from` on; empty if there are none.
 *
 * One that is still forming is among them, last, with `complete` false.
 *
 * @throws `not_found` if nothing of the series was ever recorded.
 * @throws `invalid_input` naming the field; also if there are more than 100,000: read them in parts.
 */
export async function getCandles(db: Database, input: GetCandlesInput): Promise<Candle[]> {
  const name = readSeriesName(input)
  const rows = await selectCandles(db, name, readRange(input))
  if (rows.length === 0) await getCandleSeries(db, name)
  refuseTooMany(rows.length)
  return rows.map((values) => toCandle(name, values))
}

const selectLatest = sqlStatement<Values, keyof SeriesName>('getLatestCandle', (slot) => ({
  query: sql`select ${COLUMNS} from market.candles where (series_id, open_time) =
    (select id, last_open_time from market.series where ${isThisSeries(slot)})`,
  fields: asTheyCome,
}))

/** Returns the candle that opened last, complete or not. @throws `not_found` if the series has none. */
export async function getLatestCandle(db: Database, input: SeriesName): Promise<Candle> {
  const name = readSeriesName(input)
  const values = only('getLatestCandle', await selectLatest.run(db, name))
  if (values === undefined) throw new DataError('not_found', `candle of ${describeSeries(name)} not found`)
  return toCandle(name, values)
}

/** Candles as columns of doubles, all of one length, oldest first. */
export interface InexactCandles {
  /** Unix milliseconds. */
  readonly openTime: Float64Array
  /** In quote currency per unit. */
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  /** In base currency, or contracts. */
  readonly volume: Float64Array
}

const INEXACT = ['open_time', 'open', 'high', 'low', 'close', 'volume'] as const
type Columns = Record<(typeof INEXACT)[number], string | null>

const selectColumns = selectRange<Columns>(
  'getInexactCandles',
  sql`extract(epoch from open_time) * 1000 as open_time, open, high, low, close, volume`,
  Object.fromEntries(INEXACT.map((column) => [column, sql<string | null>`${sql.identifier(column)}`])),
  (rows) =>
    sql`select ${sql.raw(INEXACT.map((column) => `array_agg(${column})::text`).join(', '))} from ${rows}`,
)

/**
 * Returns candles as columns of doubles, for libraries of indicators: the double nearest to each amount, of which at most 17
 * digits are left. For amounts that are money use `getCandles`.
 *
 * @throws as `getCandles` does.
 */
export async function getInexactCandles(db: Database, input: GetCandlesInput): Promise<InexactCandles> {
  const name = readSeriesName(input)
  const columns = only('getInexactCandles', await selectColumns(db, name, readRange(input)))
  if (!columns?.open_time) await getCandleSeries(db, name)
  const openTime = toDoubles(columns?.open_time)
  refuseTooMany(openTime.length)
  return {
    openTime,
    open: toDoubles(columns?.open),
    high: toDoubles(columns?.high),
    low: toDoubles(columns?.low),
    close: toDoubles(columns?.close),
    volume: toDoubles(columns?.volume),
  }
}

/** Reads an array as Postgres writes it. */
function toDoubles(text: string | null | undefined): Float64Array {
  return text ? Float64Array.from(text.slice(1, -1).split(','), Number) : new Float64Array()
}
