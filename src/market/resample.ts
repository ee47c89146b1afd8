import { type SQL, sql } from 'drizzle-orm'
import { toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { sqlStatement } from '../db/statement.ts'
import { type CandleRange, isInRange, readRange, refuseTooMany } from './candle-range.ts'
import type { Candle } from './candles.ts'
import { candles, series } from './schema/index.ts'
import { getCandleSeries, readSeriesName, type SeriesName } from './series.ts'
import { closeTimeMs, countCandles, isMadeOf, openTimeMs, TIMEFRAMES, type Timeframe } from './timeframes.ts'

export interface ResampleCandlesInput extends SeriesName, Pick<CandleRange, 'from' | 'until'> {
  /** Of the candles to make; each must consist of whole stored ones. */
  readonly into: Timeframe
  /** The first candle made opens then or later. */
  readonly from: Date
}

interface Bucket extends Omit<Candle, keyof SeriesName | 'revised' | 'source'> {
  readonly partCount: number
}

const selectBuckets = sqlStatement<Bucket, keyof SeriesName | 'from' | 'until' | 'into' | 'limit'>(
  'resampleCandles',
  (slot) => ({
    query: sql`select market.open_time_of(${slot('into')}, open_time) as bucket,
        (array_agg(open order by open_time))[1], max(high), min(low), (array_agg(close order by open_time desc))[1], sum(volume),
        ${sumOf('quote_volume')}, ${sumOf('taker_buy_volume')}, ${sumOf('taker_buy_quote_volume')}, ${sumOf('trade_count')}::bigint,
        bool_and(complete), count(*)
      from market.candles where ${isInRange(slot)} group by bucket order by bucket limit ${slot('limit')}`,
    fields: {
      openTime: candles.openTime,
      open: candles.open,
      high: candles.high,
      low: candles.low,
      close: candles.close,
      volume: candles.volume,
      quoteVolume: candles.quoteVolume,
      takerBuyVolume: candles.takerBuyVolume,
      takerBuyQuoteVolume: candles.takerBuyQuoteVolume,
      tradeCount: candles.tradeCount,
      complete: candles.complete,
      partCount: series.candleCount,
    },
  }),
)

/** A sum of which a part is unknown is unknown. */
function sumOf(column: string): SQL {
  return sql.raw(`case when count(${column}) = count(*) then sum(${column}) end`)
}

const BUCKETS_MAX = 100_000

/**
 * Makes longer candles of the stored ones and returns them, oldest first; nothing is stored, and `recordCandles` takes them
 * as they are.
 *
 * First open, highest high, lowest low, last close and the sums of the volumes. A candle is complete only if every part of
 * it is stored and complete; where a part is missing it is made of the others. Spans without any part make none.
 *
 * @throws `invalid_input` if `into` does not consist of whole candles of `timeframe`, or if more than 100,000 are made.
 * @throws `not_found` if nothing of the series was ever recorded.
 */
export async function resampleCandles(db: Database, input: ResampleCandlesInput): Promise<Candle[]> {
  const name = readSeriesName(input)
  const into = toOneOf(input.into, TIMEFRAMES, 'into')
  if (!isMadeOf(into, name.timeframe)) {
    throw new DataError(
      'invalid_input',
      `into ${into} does not consist of whole candles of ${name.timeframe}`,
      {
        field: 'into',
      },
    )
  }
  const { from, until } = wholeCandles(into, input)
  const buckets = await selectBuckets.run(db, {
    ...name,
    into,
    ...readRange({ from, until }),
    limit: BUCKETS_MAX + 1,
  })
  if (buckets.length === 0) await getCandleSeries(db, name)
  refuseTooMany(buckets.length)
  return buckets.map(({ partCount, complete, ...bucket }) => {
    const openMs = bucket.openTime.getTime()
    const expected = countCandles(name.timeframe, openMs, closeTimeMs(into, openMs))
    return {
      ...name,
      timeframe: into,
      ...bucket,
      complete: complete && partCount === expected,
      revised: false,
      source: null,
    }
  })
}

/** The span of all parts of the candles that open in a range. */
function wholeCandles(into: Timeframe, { from, until }: ResampleCandlesInput) {
  readRange({ from, until })
  const firstMs = openTimeMs(into, from.getTime())
  const start = firstMs === from.getTime() ? firstMs : closeTimeMs(into, firstMs)
  const end = until && closeTimeMs(into, openTimeMs(into, until.getTime() - 1))
  return { from: new Date(start), until: end === undefined ? undefined : new Date(Math.max(start, end)) }
}
