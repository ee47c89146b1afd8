import { sql } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { marketCorrelation } from './schema/views.ts'
import { describeSeries } from './series.ts'
import { TIMEFRAMES, type Timeframe } from './timeframes.ts'
import { readWindow } from './volatility.ts'

/** A symbol of an exchange. */
export interface CorrelatedSymbol {
  readonly exchange: string
  readonly symbol: string
}

export interface GetMarketCorrelationInput {
  /** 2 to 50, each once. */
  readonly series: readonly CorrelatedSymbol[]
  readonly timeframe: Timeframe
  /** Candles that opened from then on. 90 days (2,160 hours) before `until` unless given. */
  readonly from?: Date | undefined
  /** Candles that opened before then. When the last candle of all the series closes, unless given. */
  readonly until?: Date | undefined
}

/** How the returns of two symbols went together. */
export interface MarketCorrelation {
  readonly first: CorrelatedSymbol
  readonly second: CorrelatedSymbol
  /** Pearson's, −1 to 1. Null under two pairs of returns, and where the returns of one do not vary. */
  readonly coefficient: number | null
  /** Pairs of returns that it was made of. Of two pairs it is always −1 or 1: ask for more of them. */
  readonly pairCount: number
}

const SERIES_MAX = 50

type Slot = 'series' | 'timeframe' | 'from' | 'until'

interface PairRow extends Pick<MarketCorrelation, 'coefficient' | 'pairCount'> {
  readonly firstPlace: number
  readonly secondPlace: number
  /** The place of a series that has no candle. */
  readonly unknownPlace: number | null
}

const pairs: PreparedStatement<PairRow, Slot> = sqlStatement('getMarketCorrelation', (slot) => ({
  query: sql`
    with wanted as (
      select named.place, s.id, market.close_time_of(s.timeframe, s.last_open_time) as close_time
      from json_to_recordset(${slot('series')}::json) as named(place integer, exchange text, symbol text)
      left join market.series s on s.exchange = named.exchange and s.symbol = named.symbol
        and s.timeframe = ${slot('timeframe')} and s.last_open_time is not null
    ), ending as (
      select coalesce(${slot('until')}::timestamptz(3), max(close_time)) as at from wanted
    )
    select a.place, b.place, case when a.id is null then a.place when b.id is null then b.place end,
      found.coefficient, found.pair_count
    from wanted a
    join wanted b on a.place < b.place
    cross join ending
    cross join lateral market.correlation_of(
      a.id, b.id, coalesce(${slot('from')}::timestamptz(3), ending.at - interval '2160 hours'), ending.at) found
    order by a.place, b.place`,
  fields: {
    firstPlace: sql`a.place`,
    secondPlace: sql`b.place`,
    unknownPlace: sql`a.place`,
    coefficient: marketCorrelation.coefficient,
    pairCount: marketCorrelation.pairCount,
  },
}))

/**
 * Returns for each pair of the symbols how their log returns went together, in the order in which they were given.
 *
 * A return is that from one open time at which both have a complete candle to the next such time, so what one of them lacks
 * is left out of both. Every pair is looked at in the same window. The cost grows with the pairs: 50 symbols are 1,225.
 *
 * @throws `not_found` naming the symbol that has no candle in the timeframe.
 * @throws `invalid_input` naming the field, also if a symbol is listed twice or `from` is not before `until`.
 */
export async function getMarketCorrelation(
  db: Database,
  input: GetMarketCorrelationInput,
): Promise<MarketCorrelation[]> {
  const series = readSeries(input.series)
  const timeframe = toOneOf(input.timeframe, TIMEFRAMES, 'timeframe')
  const rows = await pairs.run(db, {
    series: JSON.stringify(series.map((one, place) => ({ place, ...one }))),
    timeframe,
    ...readWindow(input),
  })
  const at = (place: number): CorrelatedSymbol => {
    const symbol = series[place]
    if (symbol) return symbol
    throw new DataError('unexpected', `getMarketCorrelation: no series was asked for at place ${place}`)
  }
  return rows.map(({ firstPlace, secondPlace, unknownPlace, coefficient, pairCount }) => {
    if (unknownPlace !== null) {
      const name = describeSeries({ ...at(unknownPlace), timeframe })
      throw new DataError('not_found', `candle of ${name} not found`)
    }
    return { first: at(firstPlace), second: at(secondPlace), coefficient, pairCount }
  })
}

function readSeries(given: readonly CorrelatedSymbol[]): CorrelatedSymbol[] {
  if (given.length < 2 || given.length > SERIES_MAX) {
    throw new DataError(
      'invalid_input',
      `series has ${given.length} entries; 2 to ${SERIES_MAX} can be compared`,
      { field: 'series' },
    )
  }
  const seen = new Set<string>()
  return given.map((one, i) => {
    const exchange = toName(one.exchange, `series[${i}].exchange`)
    const symbol = toName(one.symbol, `series[${i}].symbol`)
    const key = JSON.stringify([exchange, symbol])
    if (seen.has(key)) {
      throw new DataError('invalid_input', `series[${i}] '${symbol}' of '${exchange}' is listed twice`, {
        field: `series[${i}]`,
      })
    }
    seen.add(key)
    return { exchange, symbol }
  })
}
