// One process of the races of strategies: it does one thing as often as it is told, at the same moment as the others.
import { connect } from '../../src/db/connect.ts'
import type { Database } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { recordSignal, setSignalOutcome } from '../../src/strategy/signals.ts'
import { getStrategy, updateStrategy } from '../../src/strategy/strategies.ts'
import { activateStrategy, pauseStrategy, replaceStrategy } from '../../src/strategy/strategy-status.ts'
import { setStrategySymbols } from '../../src/strategy/strategy-symbols.ts'

export interface StrategyJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  /** Which of the processes it is, from 0. */
  readonly place: number
  readonly rounds: number
  readonly work: 'allocate' | 'replace' | 'symbols' | 'signals'
  /** What it works on: strategies, or for signals the ids that all of them record. */
  readonly ids: readonly string[]
  /** For replacements: who this process would put in the place of the first. */
  readonly heirId?: string
}

/** Said of each job: that it is ready. It begins when it is answered, and says how often it did it, and how often it was refused. */
export type StrategyNews = 'ready' | StrategyReport

export interface StrategyReport {
  readonly done: number
  /** How often, by the code of the refusal. */
  readonly refused: Readonly<Record<string, number>>
  readonly errors: readonly string[]
}

let begin: () => void = () => undefined

process.on('message', (message: StrategyJob | 'begin') => {
  if (message === 'begin') begin()
  else void race(message).then((report) => process.send?.(report))
})

const EXPECTED = ['invalid_input', 'invalid_transition', 'conflict']

async function race(job: StrategyJob): Promise<StrategyReport> {
  await using db = await connect({ url: job.url, driver: job.driver, poolSize: 2, skipSchemaCheck: true })
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const refused: Record<string, number> = {}
  const errors: string[] = []
  let done = 0
  process.send?.('ready')
  await begun
  for (let round = 0; round < job.rounds; round++) {
    try {
      await step(db, job, round)
      done += 1
    } catch (error) {
      if (isDataError(error) && EXPECTED.includes(error.code))
        refused[error.code] = (refused[error.code] ?? 0) + 1
      else errors.push(error instanceof Error ? `${error.message} ${error.cause}` : String(error))
    }
  }
  return { done, refused, errors }
}

async function step(db: Database, job: StrategyJob, round: number): Promise<void> {
  const by = { changedBy: `process-${job.place}`, reason: `round ${round}` }
  const id = job.ids[(job.place * 7 + round) % job.ids.length] ?? ''
  if (job.work === 'allocate') {
    const { version, allocation, status } = await getStrategy(db, { id })
    if (round % 5 === 4) {
      if (status === 'active') await pauseStrategy(db, { id, ...by })
      else await activateStrategy(db, { id, ...by })
    } else {
      const next = allocation.plus(round % 5 === 3 ? '-0.015' : '0.035')
      await updateStrategy(db, { id, expectedVersion: version, allocation: next, ...by })
    }
  } else if (job.work === 'replace') {
    await replaceStrategy(db, { oldId: job.ids[0] ?? '', newId: job.heirId ?? '', ...by })
  } else if (job.work === 'symbols') {
    const symbols = Array.from({ length: 3 + (round % 3) }, (_, n) => ({
      symbol: `S${(job.place + n) % 8}`,
      weight: `${job.place}.${round}`,
    }))
    await setStrategySymbols(db, { strategyId: job.ids[0] ?? '', symbols, ...by })
  } else {
    const key = { botId: 'racer', id: job.ids[round] ?? '' }
    await recordSignal(db, { ...key, exchange: 'x', symbol: 'BTC', kind: 'long', price: '100' })
    await setSignalOutcome(db, { ...key, outcome: 'winner', outcomePnl: `${job.place + 1}` })
  }
}
