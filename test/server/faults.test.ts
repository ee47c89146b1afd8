import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { rebuildPositions } from '../../src/trading/rebuild.ts'
import { Child } from './children.ts'
import type { FaultJob, FaultNews } from './fault-writer.ts'
import { type FeedOptions, fillFeed, keyOf, prepareBot } from './ledger-feed.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'

/** Backends killed, and servers killed, for each driver; more of them for a soak. */
const BACKEND_KILLS = Number(process.env.TEST_BACKEND_KILLS ?? '100')
const SERVER_KILLS = Number(process.env.TEST_SERVER_KILLS ?? '2')
const PATIENCE_MS = 60_000 + BACKEND_KILLS * 200 + SERVER_KILLS * 10_000
/** How long after a restart the first fill must be acknowledged. */
const BACK_WITHIN_MS = 2_000

const SYMBOLS = ['BTC-USDT', 'ETH-USDT', 'SOL-USDT']
const LOOPS = { singles: 3, batches: 2, transactions: 2 }

let server: OwnServer
beforeAll(async () => {
  server = await startOwnServer()
})
afterAll(() => server.stop())

async function makeDatabase(name: string): Promise<string> {
  await using admin = await connect({ url: server.url, skipSchemaCheck: true })
  await admin.execute(sql`create database ${sql.identifier(name)}`)
  const url = server.url.replace(/postgres$/, name)
  await migrate({ url, directUrl: url })
  return url
}

/** Collects what a writer says. */
class Record {
  readonly acknowledged = new Set<string>()
  readonly failures = new Map<string, number>()
  readonly failed = new Set<string>()
  uncaught: readonly string[] = []
  over = false
  openAtEnd = -1
  readonly #child: Child<FaultJob, FaultNews>

  constructor(job: FaultJob) {
    this.#child = new Child<FaultJob, FaultNews>('fault-writer.ts', job)
    void this.#listen()
  }

  async #listen(): Promise<void> {
    while (!this.over) {
      const news = await this.#child.next().catch(() => undefined)
      if (!news) return
      for (const key of news.acknowledged) this.acknowledged.add(key)
      for (const [code, keys] of news.failed) {
        this.failures.set(code, (this.failures.get(code) ?? 0) + 1)
        for (const key of keys) this.failed.add(key)
      }
      this.uncaught = news.uncaught
      this.over = news.over
      this.openAtEnd = news.pool.open
    }
  }

  /** Waits until so many fills were acknowledged; returns how long that took. */
  async reaches(count: number, withinMs = 20_000): Promise<number> {
    const startedAt = performance.now()
    while (this.acknowledged.size < count) {
      if (this.over) return performance.now() - startedAt
      if (performance.now() - startedAt > withinMs) {
        throw new Error(`${this.acknowledged.size} of ${count} acknowledged after ${withinMs} ms`)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return performance.now() - startedAt
  }

  async finish(): Promise<void> {
    this.#child.send('stop')
    const deadline = performance.now() + 20_000
    while (!this.over) {
      if (performance.now() > deadline) throw new Error('the writer does not end')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

/** What must hold after any fault, whatever the writer was told. */
async function check(db: Connection, record: Record, feed: FeedOptions): Promise<void> {
  expect(record.uncaught).toEqual([])
  expect([...record.failures.keys()].filter((code) => code !== 'connection' && code !== 'transient')).toEqual(
    [],
  )
  const rows = (await db.execute(
    sql`select symbol, exchange_trade_id as "exchangeTradeId", side from trading.fills where bot_id = ${feed.botId}`,
  )) as unknown as { symbol: string; exchangeTradeId: string; side: string }[]
  const stored = new Set(rows.map(keyOf))
  expect(rows).toHaveLength(stored.size)
  expect([...record.acknowledged].filter((key) => !stored.has(key))).toEqual([])
  const reported = new Set(fillFeed(feed).map(keyOf))
  expect([...stored].filter((key) => !reported.has(key))).toEqual([])
  const report = await rebuildPositions(db, { botId: feed.botId, dryRun: true })
  expect(report.differences).toEqual([])
}

describe.each(['postgres', 'pg'] as const)('a bot under load (%s)', (driver) => {
  test(
    `survives ${BACKEND_KILLS} of its backends being killed, and knows what was stored`,
    async () => {
      const feed = { botId: 'victim', symbols: SYMBOLS, fills: 60_000, payments: 0, seed: 1 }
      const url = await makeDatabase(`backends_${driver}`)
      await using db = await connect({ url })
      await prepareBot(db, feed.botId, SYMBOLS)
      const record = new Record({ url, driver, pooled: false, feed, loops: LOOPS })
      await record.reaches(100)
      let killed = 0
      while (killed < BACKEND_KILLS && !record.over) {
        // Those that are at work or inside a transaction, and now and then one that is idle.
        const victims = (await db.execute(sql`
        select pg_terminate_backend(pid) as killed from (
          select pid from pg_stat_activity where application_name = 'fault-writer' and datname = current_database()
            and (state <> 'idle' or random() < 0.1)
          order by random() limit 2) victim`)) as unknown as { killed: boolean }[]
        killed += victims.filter((victim) => victim.killed).length
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const before = record.acknowledged.size
      await record.reaches(before + 50)
      await record.finish()
      expect(killed).toBeGreaterThanOrEqual(BACKEND_KILLS)
      expect(record.failures.get('connection')).toBeGreaterThan(BACKEND_KILLS / 4)
      expect(record.openAtEnd).toBe(0)
      await check(db, record, feed)
    },
    PATIENCE_MS,
  )

  test(
    `loses nothing that was acknowledged when the server is killed ${SERVER_KILLS} times`,
    async () => {
      const feed = { botId: 'victim', symbols: SYMBOLS, fills: 60_000, payments: 0, seed: 2 }
      const url = await makeDatabase(`servers_${driver}`)
      {
        await using db = await connect({ url })
        await prepareBot(db, feed.botId, SYMBOLS)
      }
      const record = new Record({ url, driver, pooled: false, feed, loops: LOOPS })
      for (let kill = 0; kill < SERVER_KILLS; kill++) {
        await record.reaches(record.acknowledged.size + 40)
        await server.kill()
        // The writer tells its news every 20 ms.
        await new Promise((resolve) => setTimeout(resolve, 200))
        const known = record.acknowledged.size
        await server.start()
        expect(await record.reaches(known + 1)).toBeLessThan(BACK_WITHIN_MS)
      }
      await record.finish()
      await using db = await connect({ url })
      await check(db, record, feed)
    },
    PATIENCE_MS,
  )
})
