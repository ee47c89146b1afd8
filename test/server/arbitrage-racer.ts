// One process of the races of arbitrage: it starts, expires or finishes what others start, expire or finish too.
import { finishExecution, startExecution } from '../../src/arbitrage/executions.ts'
import { expireOpportunities, listOpportunities } from '../../src/arbitrage/opportunities.ts'
import { connect } from '../../src/db/connect.ts'
import { isDataError } from '../../src/db/errors.ts'

export interface RaceJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly botId: string
  readonly act: 'start' | 'expire' | 'finish'
  /** Opportunities to start, or executions to finish, in this order. */
  readonly ids: readonly string[]
  /** When it starts, or what has expired by then. */
  readonly at: Date
  /** What each execution is said to have earned. */
  readonly profit: string
}

/** Said first: that it is ready. It begins when it is answered, and says what it did. */
export type RaceNews = 'ready' | RaceReport

export interface RaceReport {
  /** What it started, expired or finished itself. */
  readonly done: readonly string[]
  /** The messages of what was refused. */
  readonly refused: readonly string[]
  readonly errors: readonly string[]
}

let begin: () => void = () => undefined

process.on('message', (message: RaceJob | 'begin') => {
  if (message === 'begin') begin()
  else void race(message).then((report) => process.send?.(report))
})

/** Who try the same at once, in each process. */
const CALLERS = 3

async function race({ url, driver, botId, act, ids, at, profit }: RaceJob): Promise<RaceReport> {
  await using db = await connect({ url, driver, poolSize: CALLERS, skipSchemaCheck: true })
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  // So that every process has its connections before the race.
  await Promise.all(Array.from({ length: CALLERS }, () => listOpportunities(db, { botId, limit: 1 })))
  process.send?.('ready')
  await begun
  const [done, refused, errors]: string[][] = [[], [], []]
  let told = 0
  const acts = {
    start: async (id: string) => {
      await startExecution(db, { botId, opportunityId: id, startedAt: at })
      done?.push(id)
    },
    expire: async () => {
      done?.push(...(await expireOpportunities(db, { botId, now: at, limit: 5 })).map(({ id }) => id))
    },
    finish: async (id: string) => {
      // Each caller says something else, so that none is told that it was there already.
      told += 1
      const outcome = { status: 'success', profit, error: `told ${told}` } as const
      await finishExecution(db, { botId, executionId: id, ...outcome })
      done?.push(id)
    },
  }
  for (const id of ids) {
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        try {
          await acts[act](id)
        } catch (error) {
          if (isDataError(error) && error.code === 'invalid_transition') refused?.push(error.message)
          else errors?.push(String(error))
        }
      }),
    )
  }
  return { done: done ?? [], refused: refused ?? [], errors: errors ?? [] }
}
