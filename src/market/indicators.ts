import { and, desc, eq, getTableColumns, lt, type SQL, sql } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, selectStatement, sqlStatement } from '../db/statement.ts'
import { toArray, toKey, type ValuesRecorded } from './record-values.ts'
import { distinctReports, listOf, type ReportRow, recordset, storeReports } from './reports.ts'
import { indicators, series } from './schema/candles.ts'
import { describeSeries, ensureSeries, readSeriesName, type SeriesName } from './series.ts'
import { openTimeMs, TIMEFRAMES } from './timeframes.ts'

/** Values calculated from a series up to and including one candle. */
export interface Indicators extends Omit<typeof indicators.$inferSelect, 'seriesId'>, SeriesName {}

/** A number, or nothing where there is none yet: libraries need some candles before their first value. */
type Calculated = number | null | undefined

export interface IndicatorsInput extends SeriesName {
  /** The last candle that they are made of: on the timeframe's grid in UTC. */
  readonly openTime: Date
  /** 0 to 100. */
  readonly rsi14?: Calculated
  /** In quote currency, as are the four below. */
  readonly sma50?: Calculated
  readonly sma200?: Calculated
  readonly macd?:
    | { readonly macd?: Calculated; readonly signal?: Calculated; readonly histogram?: Calculated }
    | null
    | undefined
  /** Not negative. */
  readonly atr?: Calculated
  /** Further ones by name, as `{ ema_21: 101.5 }`. Those that are null or undefined are not stored. */
  readonly values?: Readonly<Record<string, Calculated>> | undefined
}

export interface RecordIndicatorsInput {
  readonly indicators: readonly IndicatorsInput[]
}

/**
 * Stores calculated values and says what became of them. Safe to repeat: series and open time are the key.
 *
 * A later report of a candle replaces all values of the earlier: they belong together, and what it leaves out becomes null.
 * A series that has no candles yet is made. More than a thousand are stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the place and the field, as `indicators[3].rsi14`, also for NaN and infinities, and for an
 * open time off the timeframe's grid; nothing is stored then.
 */
export async function recordIndicators(db: Database, input: RecordIndicatorsInput): Promise<ValuesRecorded> {
  const reports = toArray(input.indicators, 'indicators').map((one, i) =>
    readIndicators(one, `indicators[${i}]`),
  )
  return storeReports(distinctReports(reports, KEY), async (part) => {
    const rows = JSON.stringify(part)
    const first = await storePart(db, rows)
    if (first.known === part.length) return first
    await ensureSeries(db, namesOf(part))
    // What the first attempt stored is unchanged for the second.
    const second = await storePart(db, rows)
    return { inserted: first.inserted + second.inserted, updated: first.updated + second.updated }
  })
}

const KEY = ['exchange', 'symbol', 'timeframe', 'open_time']
const NUMBERS = [
  indicators.rsi14,
  indicators.sma50,
  indicators.sma200,
  indicators.macd,
  indicators.macdSignal,
  indicators.macdHistogram,
  indicators.atr,
]

interface IndicatorsRow extends ReportRow, SeriesName {}

function readIndicators(input: IndicatorsInput, at: string): IndicatorsRow {
  const { macd } = input
  if (macd !== null && macd !== undefined && typeof macd !== 'object') {
    throw invalid(`${at}.macd`, `is ${typeof macd}, not an object of macd, signal and histogram`)
  }
  return {
    exchange: toKey(input.exchange, `${at}.exchange`),
    symbol: toKey(input.symbol, `${at}.symbol`),
    timeframe: toOneOf(input.timeframe, TIMEFRAMES, `${at}.timeframe`),
    open_time: readOpenTime(input, `${at}.openTime`),
    rsi_14: toNumber(input.rsi14, `${at}.rsi14`, 0, 100),
    sma_50: toNumber(input.sma50, `${at}.sma50`),
    sma_200: toNumber(input.sma200, `${at}.sma200`),
    macd: toNumber(macd?.macd, `${at}.macd.macd`),
    macd_signal: toNumber(macd?.signal, `${at}.macd.signal`),
    macd_histogram: toNumber(macd?.histogram, `${at}.macd.histogram`),
    atr: toNumber(input.atr, `${at}.atr`, 0),
    values: readValues(input.values ?? {}, `${at}.values`),
  }
}

function readOpenTime({ timeframe, openTime }: IndicatorsInput, field: string): string {
  const at = toInstant(openTime, field)
  const before = new Date(openTimeMs(timeframe, at.getTime()))
  if (before.getTime() === at.getTime()) return at.toISOString()
  throw invalid(
    field,
    `${at.toISOString()} is no open time of ${timeframe}; the one before it is ${before.toISOString()}`,
  )
}

function namesOf(rows: readonly IndicatorsRow[]): SeriesName[] {
  const names = rows.map(({ exchange, symbol, timeframe }) => ({ exchange, symbol, timeframe }))
  return [...new Map(names.map((name) => [Object.values(name).join('\0'), name])).values()]
}

function toNumber(value: Calculated, field: string, least = -Infinity, most = Infinity): number | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'number') throw invalid(field, `is ${typeof value}, not a number`)
  if (!Number.isFinite(value))
    throw invalid(field, `is ${value}: leave it out or give null where it has none`)
  if (value < least) throw invalid(field, `${value} is below ${least}`)
  if (value > most) throw invalid(field, `${value} is above ${most}`)
  return value
}

const NAME_LENGTH_MAX = 100

function readValues(values: Readonly<Record<string, Calculated>>, field: string): Record<string, number> {
  if (typeof values !== 'object' || Array.isArray(values)) throw invalid(field, 'is no object of numbers')
  const known: [string, number][] = []
  for (const [name, value] of Object.entries(values)) {
    if (toName(name, field).length > NAME_LENGTH_MAX) {
      throw invalid(field, `has a name of more than ${NAME_LENGTH_MAX} characters`)
    }
    const number = toNumber(value, `${field}.${name}`)
    if (number !== null) known.push([name, number])
  }
  return Object.fromEntries(known)
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

const seriesColumns = [series.exchange, series.symbol, series.timeframe]

const storeStatement: PreparedStatement<
  { readonly known: number; readonly inserted: number; readonly updated: number },
  'rows'
> = sqlStatement('recordIndicators', (slot) => {
  const values = [...NUMBERS, indicators.values]
  const list = (alias: string) => listOf(values.map(({ name }) => sql.raw(`${alias}"${name}"`)))
  return {
    // A new row has no xmax; one that a conflict led to was locked first, and has.
    query: sql`
      with known as (
        select s.id, x.* from ${recordset(slot('rows'), [...seriesColumns, indicators.openTime, ...values])}
        join market.series s on s.exchange = x.exchange and s.symbol = x.symbol and s.timeframe = x.timeframe),
      stored as (
        insert into market.indicators as old (series_id, open_time, ${list('')})
        select id, open_time, ${list('')} from known order by id, open_time
        on conflict (series_id, open_time) do update set (${list('')}) = row(${list('excluded.')})
        where (${list('old.')}) is distinct from (${list('excluded.')})
        returning xmax = 0 as is_new)
      select (select count(*)::integer from known), count(*) filter (where is_new)::integer,
        count(*) filter (where not is_new)::integer
      from stored`,
    fields: { known: sql`known`, inserted: sql`inserted`, updated: sql`updated` },
  }
})

async function storePart(db: Database, rows: string) {
  return found('count', only('recordIndicators', await storeStatement.run(db, { rows })))
}

const { seriesId: _, ...stored } = getTableColumns(indicators)

/** The planner takes a join for a range of candles, and a scalar subquery for what it is: one series. */
function isOf(exchange: SQL, symbol: SQL, timeframe: SQL): SQL {
  return eq(
    indicators.seriesId,
    sql`(select s.id from market.series s
      where s.exchange = ${exchange} and s.symbol = ${symbol} and s.timeframe = ${timeframe})`,
  )
}

const latest: PreparedStatement<Omit<Indicators, keyof SeriesName>, keyof SeriesName> = selectStatement(
  'getLatestIndicators',
  (slot) =>
    new QueryBuilder()
      .select(stored)
      .from(indicators)
      .where(isOf(slot('exchange'), slot('symbol'), slot('timeframe')))
      .orderBy(desc(indicators.openTime))
      .limit(1),
)

/** Returns the values of the last candle that any were recorded for. @throws `not_found` if there are none. */
export async function getLatestIndicators(db: Database, input: SeriesName): Promise<Indicators> {
  const name = readSeriesName(input)
  const row = only('getLatestIndicators', await latest.run(db, name))
  return { ...name, ...found(`indicators of ${describeSeries(name)}`, row) }
}

export interface ListIndicatorsInput extends SeriesName, PageInput<Pick<Indicators, 'openTime'>> {}

/** Returns the values of a series candle by candle, newest first. Empty if there is no such series. */
export async function listIndicators(db: Database, input: ListIndicatorsInput): Promise<Indicators[]> {
  const name = readSeriesName(input)
  const { after } = input
  const rows = await many(
    'listIndicators',
    db
      .select(stored)
      .from(indicators)
      .where(
        and(
          isOf(sql`${name.exchange}`, sql`${name.symbol}`, sql`${name.timeframe}`),
          after && lt(indicators.openTime, toInstant(after.openTime, 'after.openTime')),
        ),
      )
      .orderBy(desc(indicators.openTime))
      .limit(readLimit(input.limit)),
  )
  return rows.map((row) => ({ ...name, ...row }))
}
