import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { sqlStatement } from '../db/statement.ts'
import { isInRange, readRange } from './candle-range.ts'
import { type CandleGap, type ClosedDay, nextOpenTimeMs, openPartsOf, toGap } from './gap-math.ts'
import { candles } from './schema/index.ts'
import { getCandleSeries, readSeriesName, type SeriesName } from './series.ts'
import { WEEKDAYS } from './weekdays.ts'

export interface FindCandleGapsInput extends SeriesName {
  /** What is missing from then on is a gap too. From the first stored candle unless given. */
  readonly from?: Date | undefined
  /** What is missing up to then is a gap too. Up to the last stored candle unless given. */
  readonly until?: Date | undefined
  /** Days on which nothing was traded, and nothing is missing. */
  readonly closedOn?: readonly ClosedDay[] | undefined
}

interface Edge {
  readonly openTime: Date
  /** True of the first candle in the range. */
  readonly isFirst: boolean
  /** The candle after it; null of the last in the range. */
  readonly next: Date | null
}

const selectEdges = sqlStatement<Edge, keyof SeriesName | 'from' | 'until' | 'longest'>(
  'findCandleGaps',
  (slot) => ({
    query: sql`select open_time, is_first, next from (
      select open_time, lag(open_time) over sequence is null as is_first, lead(open_time) over sequence as next
      from market.candles where ${isInRange(slot)} window sequence as (order by open_time)
    ) as stored where is_first or next is null or next - open_time > ${slot('longest')}::interval order by open_time`,
    fields: { openTime: candles.openTime, isFirst: candles.complete, next: candles.openTime },
  }),
)

/**
 * Returns where candles are missing, oldest first: every gap, with the open times that it spans and how many are missing.
 *
 * Days of `closedOn` are no gaps. It reads the index of the span once, so give long series of short candles a span.
 *
 * @throws `not_found` if nothing of the series was ever recorded.
 * @throws `invalid_input` naming the field.
 */
export async function findCandleGaps(db: Database, input: FindCandleGapsInput): Promise<CandleGap[]> {
  const name = readSeriesName(input)
  const { timeframe } = name
  const closed = readClosedDays(input.closedOn ?? [])
  const { from, until } = readRange({ from: input.from ?? FIRST_DAY, until: input.until })
  const edges = await selectEdges.run(db, { ...name, from, until, longest: longestStep(timeframe) })
  if (edges.length === 0) await getCandleSeries(db, name)

  const gaps: CandleGap[] = []
  const add = (fromMs: number, untilMs: number) => {
    if (untilMs > fromMs) gaps.push(...openPartsOf(toGap(timeframe, fromMs, untilMs), timeframe, closed))
  }
  const startMs = input.from && nextOpenTimeMs(timeframe, input.from.getTime())
  const endMs = input.until && nextOpenTimeMs(timeframe, input.until.getTime())
  if (edges.length === 0 && startMs !== undefined && endMs !== undefined) add(startMs, endMs)
  for (const { openTime, isFirst, next } of edges) {
    const openMs = openTime.getTime()
    if (isFirst && startMs !== undefined) add(startMs, openMs)
    const nextMs = next?.getTime() ?? endMs
    if (nextMs !== undefined) add(nextOpenTimeMs(timeframe, openMs + 1), nextMs)
  }
  return gaps
}

const FIRST_DAY = new Date('0001-01-01T00:00:00Z')

/** Between two months there is nothing of more than 31 days and less than 59. */
function longestStep(timeframe: SeriesName['timeframe']): string {
  return timeframe === '1M'
    ? '31 days'
    : `${nextOpenTimeMs(timeframe, 1) - nextOpenTimeMs(timeframe, 0)} milliseconds`
}

const DATE = /^\d{4}-\d\d-\d\d$/

function readClosedDays(days: readonly ClosedDay[]): ReadonlySet<ClosedDay> {
  days.forEach((day, i) => {
    const isDate = DATE.test(day) && !Number.isNaN(Date.parse(day))
    if (isDate || (WEEKDAYS as readonly string[]).includes(day)) return
    throw new DataError(
      'invalid_input',
      `closedOn[${i}] '${day}' is neither a date as 2018-12-25 nor one of ${WEEKDAYS.join(', ')}`,
      { field: 'closedOn' },
    )
  })
  return new Set(days)
}
