// One process of the race of circuit breakers: two evaluators, each with a handle of its own, that evaluate when they are told.
import { connect } from '../../src/db/connect.ts'
import { evaluateCircuitBreakers } from '../../src/risk/evaluate-circuit-breakers.ts'

export interface EvaluatorJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly botId: string
}

/** Sent to it: a moment to evaluate at, how often, and whether of the fleet as well. */
export interface EvaluatorRound {
  readonly now: Date
  readonly times: number
}

/** Said first: that it is ready. Then, of each round, what tripped. */
export type EvaluatorNews = 'ready' | EvaluatorReport

export interface EvaluatorReport {
  /** The names of the rules that its evaluations tripped. */
  readonly tripped: readonly string[]
  readonly evaluations: number
  readonly errors: readonly string[]
  readonly uncaught: readonly string[]
}

const EVALUATORS = 2
const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))

process.once('message', (job: EvaluatorJob) => {
  void begin(job)
})

async function begin({ url, driver, botId }: EvaluatorJob): Promise<void> {
  const handles = await Promise.all(
    Array.from({ length: EVALUATORS }, () => connect({ url, driver, poolSize: 2, skipSchemaCheck: true })),
  )
  for (const db of handles) await db.execute('select 1')
  process.on('message', ({ now, times }: EvaluatorRound) => {
    const errors: string[] = []
    const tripped: string[] = []
    let evaluations = 0
    const all = handles.map(async (db) => {
      for (let time = 0; time < times; time++) {
        const found = await Promise.all([
          evaluateCircuitBreakers(db, { botId, now }),
          evaluateCircuitBreakers(db, { now }),
        ])
        evaluations += found.length
        tripped.push(
          ...found.flatMap((one) => one.tripped.map(({ rule, symbol }) => `${rule} ${symbol ?? ''}`)),
        )
      }
    })
    void Promise.all(all)
      .catch((error) =>
        errors.push(error instanceof Error ? `${error.message} ${error.cause}` : String(error)),
      )
      .then(() => process.send?.({ tripped, evaluations, errors, uncaught }))
  })
  process.send?.('ready')
}
