import { sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { marketVolatility } from './schema/views.ts'
import { describeSeries, readSeriesName } from './series.ts'
import type { Timeframe } from './timeframes.ts'

/** How much a series moved in a window. */
export type Volatility = Omit<typeof marketVolatility.$inferSelect, 'windowHours'>

export interface GetVolatilityInput {
  readonly exchange: string
  readonly symbol: string
  readonly timeframe: Timeframe
  /** Candles that opened from then on. 30 days (720 hours) before `until` unless given. */
  readonly from?: Date | undefined
  /** Candles that opened before then. When the last candle of the series closes, unless given. */
  readonly until?: Date | undefined
  /**
   * Candles in a year, to annualise by. Greater than zero. Those of the timeframe in 365 days (12 months) unless given: a
   * market that is closed on some days has fewer.
   */
  readonly periodsPerYear?: number | undefined
}

type Slot = 'exchange' | 'symbol' | 'timeframe' | 'from' | 'until' | 'periodsPerYear'

const inWindow: PreparedStatement<Volatility, Slot> = sqlStatement('getVolatility', (slot) => ({
  query: sql`
    select s.exchange, s.symbol, s.timeframe, span.from_time, span.until_time, v.candle_count, v.return_count,
      v.log_return_deviation,
      v.log_return_deviation * sqrt(coalesce(${slot('periodsPerYear')}::float8, market.periods_per_year(s.timeframe))),
      v.mean_range, v.range_deviation, v.mean_volume, v.max_volume
    from market.series s
    cross join lateral (
      select coalesce(${slot('until')}::timestamptz(3), market.close_time_of(s.timeframe, s.last_open_time)) as at
    ) ending
    cross join lateral (
      select coalesce(${slot('from')}::timestamptz(3), ending.at - interval '720 hours') as from_time, ending.at as until_time
    ) span
    cross join lateral market.volatility_of(s.id, span.from_time, span.until_time) v
    where s.exchange = ${slot('exchange')} and s.symbol = ${slot('symbol')} and s.timeframe = ${slot('timeframe')}
      and s.last_open_time is not null`,
  fields: {
    exchange: marketVolatility.exchange,
    symbol: marketVolatility.symbol,
    timeframe: marketVolatility.timeframe,
    from: marketVolatility.from,
    until: marketVolatility.until,
    candleCount: marketVolatility.candleCount,
    returnCount: marketVolatility.returnCount,
    logReturnDeviation: marketVolatility.logReturnDeviation,
    annualisedVolatility: marketVolatility.annualisedVolatility,
    meanRange: marketVolatility.meanRange,
    rangeDeviation: marketVolatility.rangeDeviation,
    meanVolume: marketVolatility.meanVolume,
    maxVolume: marketVolatility.maxVolume,
  },
}))

/**
 * Returns how much a series moved in a window: the deviation of its log returns, per candle and per year, and the mean and
 * deviation of (high − low) / low.
 *
 * Only complete candles count. A return is that from one stored candle to the next, both in the window: over a gap it is one
 * return, however long the gap, so gaps make the deviation larger. Look at `candleCount` and `findCandleGaps`. The
 * statistics are doubles, null where too few candles make them; the volumes are exact.
 *
 * @throws `not_found` if the series has no candle. A window without candles is no error.
 * @throws `invalid_input` naming the field, also if `from` is not before `until`.
 */
export async function getVolatility(db: Database, input: GetVolatilityInput): Promise<Volatility> {
  const series = readSeriesName(input)
  const { periodsPerYear = null } = input
  if (periodsPerYear !== null && !(Number.isFinite(periodsPerYear) && periodsPerYear > 0)) {
    throw new DataError(
      'invalid_input',
      `periodsPerYear ${periodsPerYear} is not a finite number greater than zero`,
      { field: 'periodsPerYear' },
    )
  }
  const rows = await inWindow.run(db, { ...series, ...readWindow(input), periodsPerYear })
  return found(`candle of ${describeSeries(series)}`, only(inWindow.name, rows))
}

/** Reads a window of which either end may be left to the database. @throws `invalid_input` if it does not go forward. */
export function readWindow(input: { readonly from?: Date | undefined; readonly until?: Date | undefined }): {
  from: Date | null
  until: Date | null
} {
  const from = input.from === undefined ? null : toInstant(input.from, 'from')
  const until = input.until === undefined ? null : toInstant(input.until, 'until')
  if (from && until && from >= until) {
    throw new DataError(
      'invalid_input',
      `from '${from.toISOString()}' is not before until '${until.toISOString()}'`,
      { field: 'from' },
    )
  }
  return { from, until }
}
