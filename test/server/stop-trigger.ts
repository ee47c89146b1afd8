// One process of the races of stops: it shows prices to the stops of a symbol, in one race after the other.
import { connect } from '../../src/db/connect.ts'
import { listActiveStopOrders } from '../../src/risk/stop-order-reads.ts'
import { adjustStopOrder } from '../../src/risk/stop-orders.ts'
import { triggerStopOrders } from '../../src/risk/trigger-stop-orders.ts'

export interface StopJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  /** Shown one after the other, by several callers of the process at once. */
  readonly prices: readonly string[]
  /** Adjusts stops by hand meanwhile. */
  readonly adjusts: boolean
}

/** Said of each job: that it is ready. It begins when it is answered, and says what it did. */
export type StopNews = 'ready' | StopReport

export interface StopReport {
  /** The ids of what was fired, by each call that fired any. */
  readonly fired: readonly (readonly string[])[]
  readonly adjusted: number
  readonly errors: readonly string[]
}

const CALLERS = 2

let begin: () => void = () => undefined

process.on('message', (message: StopJob | 'begin') => {
  if (message === 'begin') begin()
  else void race(message).then((report) => process.send?.(report))
})

async function race(job: StopJob): Promise<StopReport> {
  const { url, driver, botId, exchange, symbol } = job
  await using db = await connect({ url, driver, poolSize: CALLERS + 1, skipSchemaCheck: true })
  const fired: string[][] = []
  const errors: string[] = []
  let adjusted = 0
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  // So that every process has its connections before the race.
  await Promise.all(Array.from({ length: CALLERS + 1 }, () => listActiveStopOrders(db, { botId })))
  process.send?.('ready')
  await begun
  const noted = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      errors.push(error instanceof Error ? `${error.message} ${error.cause}` : String(error))
    }
  }
  const shows = Array.from({ length: CALLERS }, () =>
    noted(async () => {
      for (const price of job.prices) {
        const stops = await triggerStopOrders(db, { botId, exchange, symbol, price })
        if (stops.length > 0) fired.push(stops.map(({ id }) => id))
      }
    }),
  )
  const adjusts = noted(async () => {
    if (!job.adjusts) return
    for (const { id, stopPrice } of await listActiveStopOrders(db, { botId, symbol, limit: 1000 })) {
      try {
        const nearer = stopPrice.plus('0.001')
        await adjustStopOrder(db, {
          botId,
          stopOrderId: id,
          stopPrice: nearer,
          changedBy: 'hand',
          reason: 'race',
        })
        adjusted += 1
      } catch (error) {
        // Fired meanwhile, or moved beyond that by a price.
        const { code } = error as { code?: string }
        if (code !== 'invalid_transition' && code !== 'invalid_input') throw error
      }
    }
  })
  await Promise.all([...shows, adjusts])
  return { fired, adjusted, errors }
}
