// One process of the race test: several writers on one bot, each with a handle of its own.
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { recordHeartbeat } from '../../src/fleet/bots.ts'
import { listOpenPositions, markPosition } from '../../src/trading/positions.ts'
import { recordCashFlow, recordCashFlows } from '../../src/trading/record-cash-flows.ts'
import { recordFill, recordFills } from '../../src/trading/record-fills.ts'
import { type FeedOptions, fillFeed, flowFeed, pick, randomFrom, shuffled } from './ledger-feed.ts'

export type WriterRole = 'batches' | 'singles' | 'funding' | 'marks'

export interface RaceJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  /** Where it is left out, the URL says so itself. */
  readonly pooled?: boolean
  readonly feed: FeedOptions
  readonly roles: readonly WriterRole[]
  readonly seed: number
}

export interface RaceReport {
  readonly fillsInserted: number
  readonly flowsInserted: number
  /** Reports of fills that were dealt with. */
  readonly fillReports: number
  /** The row that each single report answered with, by the exchange's id. */
  readonly idsOfSingles: [string, string][]
  readonly errors: string[]
  readonly uncaught: string[]
}

type Tally = { -readonly [Key in keyof RaceReport]: RaceReport[Key] }

/** Every fifth fill is reported one by one, by several writers; the others in batches. */
export const isSingle = (n: number) => n % 5 === 0

const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))

process.once('message', (job: RaceJob) => {
  void race(job).then((report) => process.send?.(report, () => process.exit()))
})

async function race(job: RaceJob): Promise<RaceReport> {
  const tally: Tally = {
    fillsInserted: 0,
    flowsInserted: 0,
    fillReports: 0,
    idsOfSingles: [],
    errors: [],
    uncaught,
  }
  await Promise.all(
    job.roles.map(async (role, place) => {
      const { url, driver } = job
      const said = job.pooled === undefined ? {} : { pooled: job.pooled }
      const db = await connect({
        url,
        driver,
        ...said,
        poolSize: 2,
        poolWaitMs: 30_000,
        skipSchemaCheck: true,
      })
      try {
        await WORK[role](db, job, randomFrom(job.seed * 100 + place), tally)
      } catch (error) {
        tally.errors.push(`${role}: ${error instanceof Error ? `${error.message} ${error.cause}` : error}`)
      } finally {
        await db.close()
      }
    }),
  )
  return tally
}

type Work = (db: Connection, job: RaceJob, random: () => number, tally: Tally) => Promise<void>

const WORK: Record<WriterRole, Work> = {
  async batches(db, { feed }, random, tally) {
    const reports = fillFeed(feed).filter((_, n) => !isSingle(n) && random() < 0.6)
    const queue = shuffled([...reports, ...reports.slice(0, 20)], random)
    while (queue.length > 0) {
      const batch = queue.splice(0, 1 + Math.floor(random() * 60))
      const { inserted, duplicates, conflicts } = await recordFills(db, batch)
      tally.fillsInserted += inserted
      tally.fillReports += inserted + duplicates
      if (inserted + duplicates !== batch.length || conflicts.length > 0) {
        tally.errors.push(`${batch.length} reports gave ${inserted} + ${duplicates} + ${conflicts.length}`)
      }
    }
  },

  async singles(db, { feed }, random, tally) {
    const reports = fillFeed(feed).filter((_, n) => isSingle(n) && random() < 0.7)
    for (const report of shuffled(reports, random)) {
      const fill = await recordFill(db, report)
      tally.fillReports += 1
      tally.idsOfSingles.push([`${fill.symbol} ${fill.exchangeTradeId} ${fill.side}`, fill.id])
    }
  },

  async funding(db, { feed }, random, tally) {
    const queue = shuffled(flowFeed(feed), random)
    while (queue.length > 0) {
      const batch = queue.splice(0, 1 + Math.floor(random() * 12))
      const { inserted } = await recordCashFlows(db, batch)
      tally.flowsInserted += inserted
      const [again] = batch
      if (again) await recordCashFlow(db, again)
    }
  },

  async marks(db, { feed }, random) {
    const { botId } = feed
    for (let round = 0; round < 60; round++) {
      await recordHeartbeat(db, { botId, currentEquity: '1' })
      const open = await listOpenPositions(db, { botId })
      if (open.length === 0) continue
      const { id } = pick(open, random)
      await markPosition(db, { botId, positionId: id, price: '101.5', markedAt: new Date() }).catch(
        (error) => {
          // Somebody has closed it, or a late fill has undone it.
          if (error.code !== 'not_found') throw error
        },
      )
    }
  },
}
