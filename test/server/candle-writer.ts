// One process of the candle races: it writes the candles of a feed in an order of its own, reads them, or makes partitions.
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { ensurePartitions } from '../../src/maintenance/partitions.ts'
import type { CandleInput } from '../../src/market/candle-input.ts'
import { getCandles, getLatestCandle } from '../../src/market/candles.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { listCandleSeries } from '../../src/market/series.ts'
import { type CandleFeed, candleOf, FEED_START, isEverComplete, openTimeAt } from './candle-feed.ts'
import { randomFrom, shuffled } from './ledger-feed.ts'

export interface CandleJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly feed: CandleFeed
  readonly role: 'writes' | 'makes partitions' | 'reads'
  readonly seed: number
}

/** Said first: that it is ready. It begins when it is answered. */
export type CandleNews = 'ready' | CandleReport

export interface CandleReport {
  readonly inserted: number
  readonly updated: number
  readonly unchanged: number
  /** Candles that were given. */
  readonly given: number
  /** Candles that were moved into partitions. */
  readonly moved: number
  readonly partitions: readonly string[]
  readonly reads: number
  readonly errors: readonly string[]
  readonly uncaught: readonly string[]
}

type Tally = { -readonly [Key in keyof CandleReport]: CandleReport[Key] }

const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(error.stack ?? String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))

process.once('message', (job: CandleJob) => {
  void race(job).then((report) => process.send?.(report, () => process.exit()))
})

async function race(job: CandleJob): Promise<CandleReport> {
  const tally: Tally = {
    inserted: 0,
    updated: 0,
    unchanged: 0,
    given: 0,
    moved: 0,
    partitions: [],
    reads: 0,
    errors: [],
    uncaught,
  }
  const { url, driver, seed } = job
  const db = await connect({ url, driver, poolSize: 3, skipSchemaCheck: true })
  await db.execute('select 1')
  const begun = new Promise<void>((resolve) => process.once('message', () => resolve()))
  const over = begun.then(() => new Promise<void>((resolve) => process.once('message', () => resolve())))
  process.send?.('ready')
  await begun
  try {
    await WORK[job.role](db, job, randomFrom(seed), tally, over)
  } catch (error) {
    tally.errors = [
      `${job.role} ${driver}: ${error instanceof Error ? `${error.stack} ${error.cause}` : error}`,
    ]
  }
  await db.close()
  return tally
}

type Work = (
  db: Connection,
  job: CandleJob,
  random: () => number,
  tally: Tally,
  over: Promise<void>,
) => Promise<void>

const WORK: Record<CandleJob['role'], Work> = {
  async writes(db, { feed }, random, tally) {
    // In runs that overlap, so that some are sent by COPY; each run forming first or complete first.
    const runs: CandleInput[][] = []
    for (const symbol of feed.symbols) {
      for (let start = 0; start < feed.candles; ) {
        const length = random() < 0.4 ? 1_500 : 1 + Math.floor(random() * 80)
        const places = Array.from({ length: Math.min(length, feed.candles - start) }, (_, i) => start + i)
        const forming = places.filter(() => random() < 0.5).map((n) => candleOf(feed, symbol, n, false))
        const last = places.filter((n) => !isEverComplete(n)).map((n) => candleOf(feed, symbol, n, false))
        const complete = places.filter(isEverComplete).map((n) => candleOf(feed, symbol, n, true))
        runs.push(shuffled(forming, random), shuffled([...complete, ...last], random))
        start += Math.max(1, Math.floor(length * 0.9))
      }
    }
    const queue = shuffled(runs, random)
    // Two calls at once, each of several runs: of several series and of any order.
    const loop = async () => {
      while (queue.length > 0) {
        const candles = shuffled(queue.splice(0, 1 + Math.floor(random() * 4)).flat(), random)
        const { inserted, updated, unchanged, refusedCount } = await recordCandles(db, { candles })
        tally.inserted += inserted
        tally.updated += updated
        tally.unchanged += unchanged
        tally.given += candles.length
        if (refusedCount > 0) tally.errors = [...tally.errors, `${refusedCount} were refused`]
      }
    }
    await Promise.all([loop(), loop()])
  },

  async 'makes partitions'(db, { feed }, random, tally, over) {
    let isOver = false
    void over.then(() => {
      isOver = true
    })
    const months = shuffled(
      Array.from({ length: 3 + Math.ceil(feed.candles / 672) }, (_, i) => new Date(Date.UTC(2023, 10 + i))),
      random,
    )
    while (!isOver) {
      const month = months.shift()
      // One month after the other, and all again and again.
      const span = month
        ? { from: month, until: month }
        : { from: FEED_START, until: openTimeAt(feed.candles) }
      for (const { name, movedCount } of await ensurePartitions(db, span)) {
        tally.partitions = [...tally.partitions, name]
        tally.moved += movedCount
      }
      await new Promise((resolve) => setTimeout(resolve, month ? 300 : 20))
    }
    // The writers may be faster than the months, and leave some of them.
    for (const { name, movedCount } of await ensurePartitions(db, {
      from: FEED_START,
      until: openTimeAt(feed.candles),
    })) {
      tally.partitions = [...tally.partitions, name]
      tally.moved += movedCount
    }
  },

  async reads(db, { feed }, random, tally, over) {
    let isOver = false
    void over.then(() => {
      isOver = true
    })
    const known = new Map<string, number>()
    while (!isOver) {
      const series = await listCandleSeries(db, { exchange: feed.exchange })
      tally.reads += 1
      for (const { symbol, candleCount, lastOpenTime } of series) {
        // A count never goes down.
        if (candleCount < (known.get(symbol) ?? 0)) {
          tally.errors = [
            ...tally.errors,
            `${symbol} went from ${known.get(symbol)} to ${candleCount} candles`,
          ]
        }
        known.set(symbol, candleCount)
        if (candleCount === 0 || lastOpenTime === null) continue
        const name = { exchange: feed.exchange, symbol, timeframe: '1h' } as const
        const latest = await getLatestCandle(db, name)
        if (latest.openTime < lastOpenTime) tally.errors = [...tally.errors, 'the latest candle went back']
        const from = openTimeAt(Math.floor(random() * feed.candles))
        const read = await getCandles(db, { ...name, from, until: openTimeAt(feed.candles) })
        const all = await getCandles(db, { ...name, last: 100_000 })
        if (all.length < candleCount || read.length > all.length) {
          tally.errors = [...tally.errors, `${symbol}: ${all.length} candles were read of ${candleCount}`]
        }
        for (const { complete, source, volume } of all) {
          if (complete !== (source === 'complete') || volume.eq('7.5') !== complete) {
            tally.errors = [...tally.errors, `${symbol}: a candle is half forming and half complete`]
          }
        }
        tally.reads += 3
      }
    }
  },
}
