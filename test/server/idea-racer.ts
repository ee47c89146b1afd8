// One process of the races for trade ideas: it proposes, approves and rejects as it is told, with a handle of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { newId } from '../../src/db/id.ts'
import {
  type ApproveTradeIdeaInput,
  approveTradeIdea,
  type IdeaOutcome,
  type ProposeTradeIdeaInput,
  proposeTradeIdea,
  type RejectTradeIdeaInput,
  rejectTradeIdea,
} from '../../src/ideas/index.ts'

/** One thing to do. */
export type Deed =
  | { readonly do: 'propose'; readonly input: ProposeTradeIdeaInput }
  | { readonly do: 'approve'; readonly input: ApproveTradeIdeaInput }
  | { readonly do: 'reject'; readonly input: RejectTradeIdeaInput }

export interface RaceTask {
  readonly do: 'race'
  /** Each is done once, four at the same time. */
  readonly deeds: readonly Deed[]
  /** All processes begin at this moment. */
  readonly startAt: number
}

export type Task =
  | { readonly do: 'connect'; readonly url: string; readonly driver: 'postgres' | 'pg' }
  | RaceTask
  /** Proposes the idea under new ids, over and over, until it is told to stop. */
  | { readonly do: 'hammer'; readonly input: ProposeTradeIdeaInput }
  | { readonly do: 'stop' }

export interface Result {
  readonly ideaId: string
  /** `executed`, `repeat`, the status of the idea, or the code of the error. */
  readonly outcome: string
  /** What stood against it, or what the error said. */
  readonly why: string
}

export interface Report {
  readonly results: Result[]
  readonly errors: string[]
}

let db: Connection | undefined
let stopped = false
const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))
process.on('message', (task: Task) => {
  if (task.do === 'stop') stopped = true
  else void perform(task).then((report) => process.send?.(report))
})

async function perform(task: Exclude<Task, { do: 'stop' }>): Promise<Report> {
  const results: Result[] = []
  try {
    if (task.do === 'connect') {
      const { url, driver } = task
      const own = await connect({ url, driver, poolSize: 4, poolWaitMs: 30_000, skipSchemaCheck: true })
      db = own
      // Opened now, so that the first race does not wait for it.
      await Promise.all([1, 2, 3, 4].map(() => own.execute(sql`select pg_sleep(0.05)`)))
    } else if (db === undefined) throw new Error('not connected')
    else if (task.do === 'race') await race(db, task, results)
    else if (task.do === 'hammer') await hammer(db, task.input, results)
  } catch (error) {
    uncaught.push(String(error))
  }
  return { results, errors: uncaught }
}

async function race(own: Connection, task: RaceTask, results: Result[]): Promise<void> {
  const queue = [...task.deeds]
  await sleep(Math.max(0, task.startAt - Date.now()))
  const lane = async () => {
    for (let deed = queue.shift(); deed !== undefined; deed = queue.shift())
      results.push(await done(own, deed))
  }
  await Promise.all([lane(), lane(), lane(), lane()])
}

async function hammer(own: Connection, input: ProposeTradeIdeaInput, results: Result[]): Promise<void> {
  stopped = false
  const lane = async () => {
    while (!stopped) results.push(await done(own, { do: 'propose', input: { ...input, id: newId() } }))
  }
  await Promise.all([lane(), lane(), lane()])
}

async function done(own: Connection, deed: Deed): Promise<Result> {
  const ideaId = deed.do === 'propose' ? String(deed.input.id) : deed.input.ideaId
  try {
    if (deed.do === 'reject') {
      const { status } = await rejectTradeIdea(own, deed.input)
      return { ideaId, outcome: status, why: '' }
    }
    const outcome: IdeaOutcome =
      deed.do === 'propose'
        ? await proposeTradeIdea(own, deed.input)
        : await approveTradeIdea(own, deed.input)
    if (outcome.executed) return { ideaId, outcome: outcome.isRepeat ? 'repeat' : 'executed', why: '' }
    return { ideaId, outcome: outcome.idea.status, why: outcome.blocks.map(({ code }) => code).join() }
  } catch (error) {
    if (!isDataError(error)) throw error
    return { ideaId, outcome: error.code, why: error.message }
  }
}
