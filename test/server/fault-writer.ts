// A bot that goes on recording whatever happens to its server, and tells what it was told.
import { connect } from '../../src/db/connect.ts'
import { isDataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'
import { recordFill, recordFills } from '../../src/trading/record-fills.ts'
import { type FeedOptions, fillFeed, keyOf } from './ledger-feed.ts'

export interface FaultJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly pooled: boolean
  readonly feed: FeedOptions
  /** Loops of each sort that record at the same time. */
  readonly loops: { readonly singles: number; readonly batches: number; readonly transactions: number }
}

/** Said at once when it happens, so that it is known even if the program dies. */
export interface FaultNews {
  /** Keys of fills that were acknowledged since the news before. */
  readonly acknowledged: readonly string[]
  /** Keys of fills whose call failed, by the code of the error. */
  readonly failed: readonly (readonly [code: string, keys: readonly string[]])[]
  readonly uncaught: readonly string[]
  readonly pool: { readonly open: number; readonly size: number }
  /** True in the answer to `stop`. */
  readonly over: boolean
}

let acknowledged: string[] = []
let failed: [string, string[]][] = []
const uncaught: string[] = []
let stopping = false
process.on('uncaughtException', (error) => uncaught.push(error.stack ?? String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))

process.once('message', (job: FaultJob) => {
  process.on('message', () => {
    stopping = true
  })
  void work(job)
})

async function work(job: FaultJob): Promise<void> {
  const { url, driver, pooled, feed, loops } = job
  const db = await connect({
    url,
    driver,
    pooled,
    poolSize: 6,
    skipSchemaCheck: true,
    applicationName: 'fault-writer',
  })
  const queue = fillFeed(feed)
  const tell = (over: boolean) => {
    const news = {
      acknowledged,
      failed,
      uncaught: [...uncaught],
      pool: { ...db.pool },
      over,
    } satisfies FaultNews
    acknowledged = []
    failed = []
    return new Promise<void>((resolve) => process.send?.(news, () => resolve()))
  }
  const timer = setInterval(() => void tell(false), 20)

  async function loop(size: () => number, record: (part: ReturnType<typeof fillFeed>) => Promise<unknown>) {
    while (!stopping) {
      const part = queue.splice(0, size())
      if (part.length === 0) return
      const keys = part.map(keyOf)
      try {
        await record(part)
        acknowledged.push(...keys)
      } catch (error) {
        const code = isDataError(error) ? error.code : `not a DataError: ${error}`
        failed.push([code === 'connection' || code === 'transient' ? code : `${code}: ${error}`, keys])
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }

  const all: Promise<void>[] = []
  for (let n = 0; n < loops.singles; n++) {
    all.push(
      loop(
        () => 1,
        async ([fill]) => fill && (await recordFill(db, fill)),
      ),
    )
  }
  for (let n = 0; n < loops.batches; n++)
    all.push(
      loop(
        () => 15,
        (part) => recordFills(db, part),
      ),
    )
  for (let n = 0; n < loops.transactions; n++) {
    all.push(
      loop(
        () => 2,
        (part) =>
          transaction(db, async (tx) => {
            for (const fill of part) await recordFill(tx, fill)
          }),
      ),
    )
  }
  await Promise.all(all)
  clearInterval(timer)
  await db.close()
  await tell(true)
  process.exit()
}
