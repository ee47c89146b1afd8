import { and, asc, eq, gt, or, sql } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import type { Decimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import type { CandleInput } from './candle-input.ts'
import { series } from './schema/index.ts'
import { TIMEFRAMES } from './timeframes.ts'

/** What a series is known by. */
export type SeriesName = Pick<CandleInput, 'exchange' | 'symbol' | 'timeframe'>

/** @throws `invalid_input` naming the field. */
export function readSeriesName({ exchange, symbol, timeframe }: SeriesName): SeriesName {
  return {
    exchange: toName(exchange, 'exchange'),
    symbol: toName(symbol, 'symbol'),
    timeframe: toOneOf(timeframe, TIMEFRAMES, 'timeframe'),
  }
}

export function describeSeries({ exchange, symbol, timeframe }: SeriesName): string {
  return `series '${symbol}' ${timeframe} of exchange '${exchange}'`
}

/** One series with what it holds: first and last candle, and how many. */
export type CandleSeries = typeof series.$inferSelect

/** Returns one series. @throws `not_found` naming it, if none of its candles was ever recorded. */
export async function getCandleSeries(db: Database, input: SeriesName): Promise<CandleSeries> {
  const name = readSeriesName(input)
  return one(
    'getCandleSeries',
    describeSeries(name),
    db
      .select()
      .from(series)
      .where(
        and(
          eq(series.exchange, name.exchange),
          eq(series.symbol, name.symbol),
          eq(series.timeframe, name.timeframe),
        ),
      ),
  )
}

export interface ListCandleSeriesInput
  extends PageInput<Pick<CandleSeries, 'exchange' | 'symbol' | 'timeframe'>> {
  /** All exchanges unless given. */
  readonly exchange?: string | undefined
}

/**
 * Returns what is stored: each series with its first and last open time, its last close and the number of its candles, in the
 * order of exchange, symbol and timeframe. It reads a row per series, and no candle.
 */
export async function listCandleSeries(
  db: Database,
  input: ListCandleSeriesInput = {},
): Promise<CandleSeries[]> {
  const { exchange, after } = input
  const rest =
    after &&
    or(
      gt(series.exchange, toName(after.exchange, 'after')),
      and(eq(series.exchange, after.exchange), gt(series.symbol, toName(after.symbol, 'after'))),
      and(
        eq(series.exchange, after.exchange),
        eq(series.symbol, after.symbol),
        gt(series.timeframe, toOneOf(after.timeframe, TIMEFRAMES, 'after')),
      ),
    )
  return many(
    'listCandleSeries',
    db
      .select()
      .from(series)
      .where(
        and(exchange === undefined ? undefined : eq(series.exchange, toName(exchange, 'exchange')), rest),
      )
      .orderBy(asc(series.exchange), asc(series.symbol), asc(series.timeframe))
      .limit(readLimit(input.limit)),
  )
}

/** The last known price of a symbol. */
export interface LatestPrice {
  readonly exchange: string
  readonly symbol: string
  /** The close of the candle, in quote currency per unit. */
  readonly price: Decimal
  /** When that price was seen: when the candle closed, or, while it is not complete, when it was recorded. */
  readonly pricedAt: Date
  readonly timeframe: CandleSeries['timeframe']
  readonly openTime: Date
  /** False while the candle is still forming. */
  readonly complete: boolean
}

export interface GetLatestPriceInput {
  readonly exchange: string
  readonly symbol: string
}

export interface GetLatestPricesInput {
  readonly exchange: string
  readonly symbols: readonly string[]
}

const latestPrice = {
  exchange: series.exchange,
  symbol: series.symbol,
  price: series.lastClose,
  pricedAt: series.lastPriceAt,
  timeframe: series.timeframe,
  openTime: series.lastOpenTime,
  complete: series.lastIsComplete,
}

// Of prices seen at one moment, that of the shortest timeframe: its candle opened last.
const findPrice = sqlStatement<LatestPrice, 'exchange' | 'symbol'>('getLatestPrice', (slot) => ({
  query: sql`select exchange, symbol, last_close, last_price_at, timeframe, last_open_time, last_is_complete
    from ${series} where exchange = ${slot('exchange')} and symbol = ${slot('symbol')} and last_price_at is not null
    order by last_price_at desc, last_open_time desc limit 1`,
  fields: latestPrice,
}))

const findPrices = sqlStatement<LatestPrice, 'exchange' | 'symbols'>('getLatestPrices', (slot) => ({
  query: sql`select distinct on (symbol) exchange, symbol, last_close, last_price_at, timeframe, last_open_time, last_is_complete
    from ${series} where exchange = ${slot('exchange')} and symbol = any(${slot('symbols')}::text[]) and last_price_at is not null
    order by symbol, last_price_at desc, last_open_time desc`,
  fields: latestPrice,
}))

/**
 * Returns the price of a symbol that was seen last, of whatever timeframe: look at `pricedAt` before you trade on it.
 *
 * It reads the rows of the symbol's series and no candle, so its cost does not grow with what is stored.
 *
 * @throws `not_found` if no candle of the symbol is stored.
 */
export async function getLatestPrice(db: Database, input: GetLatestPriceInput): Promise<LatestPrice> {
  const { exchange, symbol } = input
  const [price] = await findPrice.run(db, {
    exchange: toName(exchange, 'exchange'),
    symbol: toName(symbol, 'symbol'),
  })
  if (price === undefined) {
    throw new DataError(
      'not_found',
      `price of '${symbol}' on exchange '${exchange}' not found: no candle of it is stored`,
    )
  }
  return price
}

/** Returns `getLatestPrice` of many symbols in one call, by symbol; those without a candle are not in it. */
export async function getLatestPrices(
  db: Database,
  input: GetLatestPricesInput,
): Promise<Map<string, LatestPrice>> {
  const prices = await findPrices.run(db, {
    exchange: toName(input.exchange, 'exchange'),
    symbols: input.symbols.map((symbol, i) => toName(symbol, `symbols[${i}]`)),
  })
  return new Map(prices.map((price) => [price.symbol, price]))
}

const insertSeries = sqlStatement<{ id: number }, 'exchanges' | 'symbols' | 'timeframes'>(
  'recordCandles',
  (slot) => ({
    query: sql`insert into ${series} (exchange, symbol, timeframe)
      select * from unnest(${slot('exchanges')}::text[], ${slot('symbols')}::text[], ${slot('timeframes')}::text[]) as named (exchange, symbol, timeframe)
      order by 1, 2, 3 on conflict (exchange, symbol, timeframe) do nothing returning id`,
    fields: { id: series.id },
  }),
)

/** Makes the series that do not exist yet. In the order of their names, so that two who do so at once cannot deadlock. */
export async function ensureSeries(db: Database, names: readonly SeriesName[]): Promise<void> {
  await insertSeries.run(db, toSeriesColumns(names))
}

export function toSeriesColumns(names: readonly SeriesName[]) {
  return {
    exchanges: names.map(({ exchange }) => exchange),
    symbols: names.map(({ symbol }) => symbol),
    timeframes: names.map(({ timeframe }) => timeframe),
  }
}
