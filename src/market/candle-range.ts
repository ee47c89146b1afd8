import { type SQL, sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type ReadRow, type ResultFields, sqlStatement } from '../db/statement.ts'
import type { SeriesName } from './series.ts'

/** Which candles of a series: the last so many, or those of a span of time. */
export interface CandleRange {
  /** The last so many that open before `until`: 1 to 100,000. Without it, `from` is needed. */
  readonly last?: number | undefined
  /** Those that open then or later. */
  readonly from?: Date | undefined
  /** Those that open before it; up to the last one unless given. */
  readonly until?: Date | undefined
}

/** A range, read. */
export interface ReadRange {
  readonly last: number | undefined
  /** Both as Postgres reads them. */
  readonly from: string
  readonly until: string
}

/** More candles than this are read in parts. */
const CANDLES_MAX = 100_000

/** @throws `invalid_input` naming the field, if the range says neither how many nor from when. */
export function readRange({ last, from, until }: CandleRange): ReadRange {
  if (last === undefined && from === undefined) {
    throw invalid('from', 'from is missing: give it, or last for the last so many candles')
  }
  if (last !== undefined && (!Number.isInteger(last) || last < 1 || last > CANDLES_MAX)) {
    throw invalid('last', `last ${last} is not a whole number from 1 to ${CANDLES_MAX}`)
  }
  if (from !== undefined && until !== undefined && toInstant(until, 'until') < toInstant(from, 'from')) {
    throw invalid('until', `until ${until.toISOString()} is before from ${from.toISOString()}`)
  }
  return {
    last,
    from: from === undefined ? '-infinity' : toInstant(from, 'from').toISOString(),
    until: until === undefined ? 'infinity' : toInstant(until, 'until').toISOString(),
  }
}

type Slot = keyof SeriesName | 'from' | 'until' | 'limit'

/** True for the row of the series. */
export function isThisSeries(slot: (name: keyof SeriesName) => SQL): SQL {
  return sql`exchange = ${slot('exchange')} and symbol = ${slot('symbol')} and timeframe = ${slot('timeframe')}`
}

/** The candles of a span. The id is looked up apart: joined, the planner reads every candle of the series. */
export function isInRange(slot: (name: Exclude<Slot, 'limit'>) => SQL): SQL {
  return sql`series_id = (select id from market.series where ${isThisSeries(slot)})
    and open_time >= ${slot('from')} and open_time < ${slot('until')}`
}

/**
 * Prepares a read of candles, oldest first. `gather` may make something else of the ordered rows than rows.
 */
export function selectRange<Row>(
  verb: string,
  columns: SQL,
  fields: ResultFields | ReadRow<Row>,
  gather: (rows: SQL) => SQL = (rows) => sql`select * from ${rows}`,
): (db: Database, name: SeriesName, range: ReadRange) => Promise<Row[]> {
  const first = sqlStatement<Row, Slot>(verb, (slot) => ({
    query: gather(
      sql`(select ${columns} from market.candles where ${isInRange(slot)} order by market.candles.open_time limit ${slot('limit')}) as oldest_first`,
    ),
    fields,
  }))
  const last = sqlStatement<Row, Slot>(verb, (slot) => ({
    query: gather(
      sql`(select ${columns} from market.last_candles(${slot('exchange')}, ${slot('symbol')}, ${slot('timeframe')},
        ${slot('from')}, ${slot('until')}, ${slot('limit')}) as candle order by candle.open_time) as oldest_first`,
    ),
    fields,
  }))
  return async (db, name, { last: count, from, until }) => {
    if (count !== undefined) return last.run(db, { ...name, from, until, limit: count })
    return first.run(db, { ...name, from, until, limit: CANDLES_MAX + 1 })
  }
}

/** A part of what was asked for would be taken for all of it. @throws `invalid_input` above 100,000. */
export function refuseTooMany(count: number): void {
  if (count <= CANDLES_MAX) return
  throw invalid(
    'from',
    `there are more than ${CANDLES_MAX} candles from then on: read them in parts, by until`,
  )
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', why, { field })
}
