import { type SQL, sql } from 'drizzle-orm'
import { canStage, hasSpareConnection, withStagedRows } from '../db/copy.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import type { CandleChunk } from './candle-chunk.ts'
import { series } from './schema/index.ts'
import { ensureSeries, type SeriesName, toSeriesColumns } from './series.ts'

export interface CandlesWritten {
  readonly inserted: number
  readonly updated: number
}

interface Outcome extends CandlesWritten {
  /** How many of the series exist; nothing is written unless all do. */
  readonly found: number
}

/** What of a candle is sent, in the order of `CandleValues`. */
const COLUMNS = [
  ['open_time', 'timestamptz'],
  ['complete', 'boolean'],
  ['open', 'numeric'],
  ['high', 'numeric'],
  ['low', 'numeric'],
  ['close', 'numeric'],
  ['volume', 'numeric'],
  ['quote_volume', 'numeric'],
  ['taker_buy_volume', 'numeric'],
  ['taker_buy_quote_volume', 'numeric'],
  ['trade_count', 'bigint'],
  ['source', 'text'],
] as const

const NAMES = COLUMNS.map(([name]) => name).join(', ')
const STAGED_TABLE = 'staged_candles'
const STAGED_COLUMNS = ['place integer', ...COLUMNS.map(([name, type]) => `${name} ${type}`)].join(', ')
const SERIES_SLOTS = ['exchanges', 'symbols', 'timeframes'] as const

/** What a report may leave out: then it is kept from an earlier report of the same volume. */
const OPTIONAL = ['quote_volume', 'taker_buy_volume', 'taker_buy_quote_volume', 'trade_count']

function replacement(column: string): string {
  if (!OPTIONAL.includes(column)) return `excluded.${column}`
  return `case when excluded.volume = stored.volume then coalesce(excluded.${column}, stored.${column}) else excluded.${column} end`
}

const REPLACED = COLUMNS.map(([name]) => name).filter((name) => name !== 'open_time' && name !== 'source')
const ASSIGNMENTS = REPLACED.map((column) => `${column} = ${replacement(column)}`).join(', ')
/** True if the assignments would change anything. */
const DIFFERENCE = REPLACED.map((column) =>
  OPTIONAL.includes(column)
    ? `(excluded.${column} is not null and excluded.${column} is distinct from stored.${column})`
    : `excluded.${column} <> stored.${column}`,
).join(' or ')

/**
 * One statement that writes a part: it locks the series in the order of their ids, so that candles of a series have one writer
 * at a time and no two writers wait for each other, and keeps the series rows true.
 */
function writing(given: SQL, slot: (name: (typeof SERIES_SLOTS)[number]) => SQL) {
  const outcome = {
    found: series.candleCount,
    inserted: series.candleCount,
    updated: series.candleCount,
  }
  const query = sql`
    with named as materialized (
      select * from unnest(${slot('exchanges')}::text[], ${slot('symbols')}::text[], ${slot('timeframes')}::text[])
        with ordinality as named (exchange, symbol, timeframe, place)
    ), locked as materialized (
      select one.id, named.place::integer as place from market.series one join named using (exchange, symbol, timeframe)
      order by one.id for no key update of one
    ), written as (
      insert into market.candles as stored (series_id, ${sql.raw(NAMES)}, revised)
      select locked.id, ${sql.raw(COLUMNS.map(([name]) => `given.${name}`).join(', '))}, false
      from ${given} join locked on locked.place = given.place
      where (select count(*) from locked) = (select count(*) from named)
      on conflict (series_id, open_time) do update
      set ${sql.raw(ASSIGNMENTS)}, source = excluded.source, revised = true
      where (excluded.complete or not stored.complete) and (${sql.raw(DIFFERENCE)})
      returning series_id, open_time, close, complete, revised
    ), changes as (
      select series_id, min(open_time) as first, max(open_time) as last,
        count(*) filter (where not revised) as inserted, count(*) filter (where revised) as updated
      from written group by series_id
    ), latest as (
      select changes.*, written.close, written.complete
      from changes join written on written.series_id = changes.series_id and written.open_time = changes.last
    ), kept as (
      update market.series set
        first_open_time = least(series.first_open_time, latest.first),
        last_open_time = greatest(series.last_open_time, latest.last),
        last_close = case when latest.last < series.last_open_time then series.last_close else latest.close end,
        last_is_complete = case when latest.last < series.last_open_time then series.last_is_complete else latest.complete end,
        candle_count = series.candle_count + latest.inserted
      from latest where series.id = latest.series_id returning series.id
    )
    select (select count(*) from locked), coalesce(sum(inserted), 0)::bigint, coalesce(sum(updated), 0)::bigint from changes`
  return { query, fields: outcome }
}

const writeStaged = sqlStatement<Outcome, (typeof SERIES_SLOTS)[number]>('recordCandles', (slot) =>
  writing(sql`${sql.raw(`pg_temp.${STAGED_TABLE}`)} as given`, slot),
)

const GIVEN_SLOTS = ['place', ...COLUMNS.map(([name]) => name)] as const

const writeGiven = sqlStatement<Outcome, (typeof SERIES_SLOTS)[number] | (typeof GIVEN_SLOTS)[number]>(
  'recordCandles',
  (slot) => {
    const arrays = [sql`${slot('place')}::integer[]`]
    for (const [name, type] of COLUMNS) arrays.push(sql`${slot(name)}::${sql.raw(type)}[]`)
    return writing(sql`unnest(${sql.join(arrays, sql`, `)}) as given (place, ${sql.raw(NAMES)})`, slot)
  },
)

/** A part made ready: writes itself once `before` is done. */
export type CandlePart = (db: Database, before: Promise<unknown>) => Promise<CandlesWritten>

/** Fewer rows are faster in one statement than in a transaction. */
const ROWS_WORTH_COPYING = 2_000

/**
 * Makes a part ready to be sent: by COPY if the handle can and there is enough of it, else as one statement. While the part
 * before it is being written, its rows travel already, if there is a connection to spare.
 */
export function preparePart(db: Database, chunk: CandleChunk): CandlePart {
  const names = chunk.series
  const columns = toSeriesColumns(names)
  if (canStage(db) && chunk.size >= ROWS_WORTH_COPYING) {
    const rows = { table: STAGED_TABLE, columns: STAGED_COLUMNS, data: chunk.toCopy() }
    return async (db, before) => {
      // First, since a part that fails for a missing series would travel twice.
      await ensureSeries(db, names)
      if (!hasSpareConnection(db)) await before
      const outcomes = await withStagedRows(db, 'recordCandles', rows, async (tx) => {
        await before
        return writeStaged.run(tx, columns)
      })
      return complete(outcomes, names)
    }
  }
  const given = Object.fromEntries(chunk.toColumns().map((values, i) => [GIVEN_SLOTS[i], values]))
  const slots = { ...columns, ...given } as Parameters<typeof writeGiven.run>[1]
  return async (db, before) => {
    await before
    const [first] = await writeGiven.run(db, slots)
    // Most often all series exist, and asking first would be another round trip.
    if (first?.found === names.length) return first
    await ensureSeries(db, names)
    return complete(await writeGiven.run(db, slots), names)
  }
}

function complete(outcomes: readonly Outcome[], names: readonly SeriesName[]): CandlesWritten {
  const outcome = only('recordCandles', outcomes)
  if (outcome?.found === names.length) return outcome
  throw new DataError('unexpected', 'recordCandles: a series was made and cannot be found')
}
