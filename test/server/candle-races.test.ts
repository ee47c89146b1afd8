import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { createDatabase } from '../database.ts'
import { type CandleFeed, isEverComplete } from './candle-feed.ts'
import type { CandleJob, CandleNews, CandleReport } from './candle-writer.ts'
import { Child } from './children.ts'

/** Rounds of each race, and candles of each symbol; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const CANDLES = Number(process.env.TEST_RACE_CANDLES ?? '1500')
const PATIENCE_MS = 60_000 + CANDLES * 20

const DRIVERS = ['postgres', 'pg', 'postgres', 'pg', 'postgres', 'pg', 'postgres', 'pg'] as const
const WRITERS = DRIVERS.map((driver) => ({ driver, role: 'writes' as const }))
const OTHERS = [
  { driver: 'postgres', role: 'makes partitions' },
  { driver: 'pg', role: 'makes partitions' },
  { driver: 'postgres', role: 'reads' },
  { driver: 'pg', role: 'reads' },
] as const

interface Stored {
  readonly symbol: string
  readonly isTrue: boolean
  readonly rows: number
  readonly distinct: number
  readonly revised: number
  readonly wrong: number
}

interface Race {
  readonly reports: readonly CandleReport[]
  readonly stored: readonly Stored[]
  /** Rows in each partition that has any. */
  readonly partitions: readonly { readonly name: string; readonly rows: number }[]
}

async function race(
  url: string,
  db: Awaited<ReturnType<typeof createDatabase>>['db'],
  feed: CandleFeed,
  seed: number,
  actors: readonly Pick<CandleJob, 'driver' | 'role'>[],
): Promise<Race> {
  const children = actors.map(
    (actor, place) =>
      new Child<CandleJob, CandleNews>('candle-writer.ts', { ...actor, url, feed, seed: seed * 100 + place }),
  )
  for (const child of children) expect(await child.next()).toBe('ready')
  for (const child of children) child.send('begin')
  const ended = (role: (role: string) => boolean) =>
    Promise.all(
      children
        .filter((_, place) => role(actors[place]?.role ?? ''))
        .map((child) => child.next() as Promise<CandleReport>),
    )
  const writers = await ended((role) => role === 'writes')
  for (const [place, child] of children.entries()) if (actors[place]?.role !== 'writes') child.send('over')
  const others = await ended((role) => role !== 'writes')
  const stored = (await db.execute(sql`
    select symbol, count(*)::integer as rows, count(distinct open_time)::integer as distinct,
      (count(*) filter (where revised))::integer as revised,
      (count(*) filter (where complete <> (source = 'complete') or complete <> (volume = 7.5)))::integer as wrong,
      (series.candle_count = count(*) and series.first_open_time = min(open_time)
        and series.last_open_time = max(open_time)
        and (series.last_close, series.last_is_complete) =
          (select close, complete from market.candles l where l.series_id = series.id order by open_time desc limit 1)
      ) as "isTrue"
    from market.series join market.candles on candles.series_id = series.id
    where exchange = ${feed.exchange} group by series.id order by symbol`)) as unknown as Stored[]
  const partitions = (await db.execute(sql`
    select relname as name, count(*)::integer as rows from market.candles join pg_class on pg_class.oid = candles.tableoid
    group by 1 order by 1`)) as unknown as Race['partitions']
  return { reports: [...writers, ...others], stored, partitions }
}

const sum = (race: Race, field: 'inserted' | 'updated' | 'unchanged' | 'given' | 'reads') =>
  race.reports.reduce((total, report) => total + report[field], 0)

/** What must hold after any race. */
function check(race: Race, feed: CandleFeed): void {
  expect(race.reports.flatMap((report) => report.errors)).toEqual([])
  expect(race.reports.flatMap((report) => report.uncaught)).toEqual([])
  const { candles, symbols } = feed
  expect(
    race.stored.map(({ symbol, rows, distinct, wrong, isTrue }) => ({
      symbol,
      rows,
      distinct,
      wrong,
      isTrue,
    })),
  ).toEqual(symbols.map((symbol) => ({ symbol, rows: candles, distinct: candles, wrong: 0, isTrue: true })))
  expect(sum(race, 'inserted')).toBe(candles * symbols.length)
  // A candle is replaced at most once: when it was forming, by the complete one.
  expect(sum(race, 'updated')).toBe(race.stored.reduce((total, { revised }) => total + revised, 0))
  expect(sum(race, 'inserted') + sum(race, 'updated') + sum(race, 'unchanged')).toBe(sum(race, 'given'))
}

async function countIncomplete(db: Awaited<ReturnType<typeof createDatabase>>['db']): Promise<number> {
  const rows = (await db.execute(
    sql`select count(*)::integer as n from market.candles where not complete`,
  )) as unknown as { n: number }[]
  return rows[0]?.n ?? -1
}

const neverComplete = (feed: CandleFeed) =>
  feed.symbols.length *
  Array.from({ length: feed.candles }, (_, n) => n).filter((n) => !isEverComplete(n)).length

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'eight writers of the same new series end equal to one, and none of them fails (round %i)',
  async (round) => {
    const feed = { exchange: 'paper', symbols: ['BTC/USDT', 'ETH/USDT', 'SOL/USDT'], candles: CANDLES }
    await using shared = await createDatabase()
    const outcome = await race(shared.url, shared.db, feed, round, WRITERS)
    check(outcome, feed)
    expect(await countIncomplete(shared.db)).toBe(neverComplete(feed))
  },
  PATIENCE_MS,
)

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'partitions made meanwhile, by two at once and beside readers, disturb nobody and lose nothing (round %i)',
  async (round) => {
    const feed = { exchange: 'paper', symbols: ['BTC/USDT', 'ETH/USDT', 'SOL/USDT'], candles: CANDLES }
    await using shared = await createDatabase()
    const outcome = await race(shared.url, shared.db, feed, 1_000 + round, [...WRITERS, ...OTHERS])
    check(outcome, feed)
    expect(await countIncomplete(shared.db)).toBe(neverComplete(feed))
    expect(sum(outcome, 'reads')).toBeGreaterThan(20)
    const made = outcome.reports.flatMap((report) => report.partitions)
    expect(new Set(made).size).toBe(made.length)
    expect(outcome.partitions.reduce((total, { rows }) => total + rows, 0)).toBe(feed.candles * 3)
    expect(outcome.partitions.map(({ name }) => name)).not.toContain('candles_default')
    // Some came before their partition was made, or the race was none.
    expect(outcome.reports.reduce((total, report) => total + report.moved, 0)).toBeGreaterThan(0)
  },
  PATIENCE_MS,
)
