import { eq, sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { candles, series } from '../../src/market/schema/candles.ts'
import { closeTimeMs, nominalMs, openTimeMs, type Timeframe } from '../../src/market/timeframes.ts'
import { readShared } from '../shared-data.ts'

export interface CandleRow {
  readonly openTime: Date
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
  readonly volume: string
  readonly complete: boolean
}

export interface SeriesName {
  readonly exchange: string
  readonly symbol: string
  readonly timeframe: Timeframe
}

let made = 0

/** The name of a series that no other test has. */
export function seriesName(timeframe: Timeframe = '1d'): SeriesName {
  made += 1
  return { exchange: `exchange-${made}`, symbol: 'BTC/USDT', timeframe }
}

/** One candle; open, high and low are the close unless given. */
export function candle(openTime: string | Date, close: string, more: Partial<CandleRow> = {}): CandleRow {
  const at = new Date(openTime)
  return { openTime: at, open: close, high: close, low: close, close, volume: '1', complete: true, ...more }
}

/** A candle for each close, one after the other. */
export function candlesOf(timeframe: Timeframe, first: string, closes: readonly string[]): CandleRow[] {
  let at = new Date(first).getTime()
  if (openTimeMs(timeframe, at) !== at) throw new Error(`${first} is off the grid`)
  return closes.map((close) => {
    const row = candle(new Date(at), close)
    at = closeTimeMs(timeframe, at)
    return row
  })
}

const CHUNK = 500

/** Stores a series with these candles, which may be none. */
export async function storeSeries(
  db: Database,
  name: SeriesName,
  rows: readonly CandleRow[],
): Promise<SeriesName> {
  const [stored] = await db.insert(series).values(name).returning({ id: series.id })
  if (!stored) throw new Error('no series was stored')
  for (let i = 0; i < rows.length; i += CHUNK) {
    await db.insert(candles).values(
      rows.slice(i, i + CHUNK).map((row) => ({
        ...row,
        seriesId: stored.id,
        open: new Decimal(row.open),
        high: new Decimal(row.high),
        low: new Decimal(row.low),
        close: new Decimal(row.close),
        volume: new Decimal(row.volume),
      })),
    )
  }
  const last = rows.at(-1)
  if (last) {
    await db
      .update(series)
      .set({
        firstOpenTime: rows[0]?.openTime ?? null,
        lastOpenTime: last.openTime,
        lastClose: new Decimal(last.close),
        lastIsComplete: last.complete,
        candleCount: rows.length,
      })
      .where(eq(series.id, stored.id))
  }
  return name
}

/** Daily candles of BTC-USD with 34 days missing, as recorded. */
export function readCoinbase(): CandleRow[] {
  const [, ...lines] = readShared('candles/coinbase-btc-usd-1d.csv').toString('utf8').trim().split(/\r?\n/)
  return lines.map((line) => {
    const [day = '', open = '', high = '', low = '', close = '', volume = ''] = line.split(',')
    return candle(`${day}T00:00:00Z`, close, { open, high, low, volume })
  })
}

interface Scans {
  readonly whole: number
  readonly byIndex: number
}

/** How often candles were read whole and by an index while `work` ran. */
export async function scansOf(db: Database, work: (tx: Database) => Promise<unknown>): Promise<Scans> {
  return await db.transaction(async (tx) => {
    // What the connection did before may not have been handed over yet.
    const before = await readScans(tx)
    await work(tx)
    const after = await readScans(tx)
    return { whole: after.whole - before.whole, byIndex: after.byIndex - before.byIndex }
  })
}

async function readScans(tx: Database): Promise<Scans> {
  const rows = (await tx.execute(sql`
    select coalesce(sum(seq_scan), 0)::integer as whole, coalesce(sum(idx_scan), 0)::integer as "byIndex"
    from pg_stat_xact_user_tables where schemaname = 'market' and relname like 'candles%'`)) as unknown
  const [row] = rows as Scans[]
  if (!row) throw new Error('the server counts no scans')
  return row
}

/**
 * Fifty hourly series of 400 candles, in the default partition and in one of two others: enough in each that the dearer way
 * is to read it whole.
 */
export async function storeManySeries(db: Database): Promise<SeriesName[]> {
  await db.execute(sql`select * from market.make_candle_partition('2031-02-01 00:00+00')`)
  await db.execute(sql`select * from market.make_candle_partition('2031-03-01 00:00+00')`)
  const names: SeriesName[] = []
  for (let i = 0; i < 50; i++) {
    const closes = Array.from({ length: 400 }, (_, n) => String(100 + ((n * 7 + i * 13) % 29)))
    const first = new Date(Date.UTC(2031, 0, 25)).toISOString()
    names.push(await storeSeries(db, seriesName('1h'), candlesOf('1h', first, closes)))
  }
  await db.execute(sql`analyze market.candles`)
  await db.execute(sql`analyze market.series`)
  return names
}

// The same statistics, calculated as the textbook writes them.

export function logReturns(closes: readonly string[]): number[] {
  return closes.slice(1).map((close, i) => Math.log(Number(close)) - Math.log(Number(closes[i])))
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

export function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

export function pearson(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)]
  const products = x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] ?? Number.NaN) - my), 0)
  return products / ((x.length - 1) * deviation(x) * deviation(y))
}

/** Numbers that look random and are the same each time, from 0 to 1. */
export function scattered(seed: number, count: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  })
}

export function hoursBetween(from: Date, until: Date): number {
  return (until.getTime() - from.getTime()) / nominalMs('1h')
}
