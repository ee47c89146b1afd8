// One process of the races of audit rows: it writes rows into chains, in transactions that commit and some that do not.
import { recordDecisionHistory } from '../../src/audit/decision-history.ts'
import { recordRiskEvent } from '../../src/audit/risk-events.ts'
import { recordSystemEvent } from '../../src/audit/system-events.ts'
import { connect } from '../../src/db/connect.ts'
import { isDataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'

export interface AuditJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  /** Rows to be written, in turns to each of these bots. */
  readonly rows: number
  readonly botIds: readonly string[]
  /** Into all three tables in turns, or into `system_events` alone. */
  readonly isMixed: boolean
  /** The keys of events that other processes record too. */
  readonly shared: readonly string[]
}

export type AuditNews = 'ready' | AuditReport

export interface AuditReport {
  readonly written: number
  /** Transactions that were taken back on purpose. */
  readonly takenBack: number
  /** Events under shared keys: what `recordSystemEvent` returned for each. */
  readonly sharedIds: readonly string[]
  readonly errors: readonly string[]
}

const CALLERS = 3

let begin: () => void = () => undefined

process.on('message', (message: AuditJob | 'begin') => {
  if (message === 'begin') begin()
  else void race(message).then((report) => process.send?.(report))
})

async function race(job: AuditJob): Promise<AuditReport> {
  const { url, driver, rows, botIds, isMixed, shared } = job
  await using db = await connect({ url, driver, poolSize: CALLERS, skipSchemaCheck: true })
  const errors: string[] = []
  let written = 0
  let takenBack = 0
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  process.send?.('ready')
  await begun
  async function write(n: number): Promise<void> {
    const botId = botIds[n % botIds.length] ?? 'nobody'
    if (n % 10 === 9) {
      await transaction(db, async (tx) => {
        await recordSystemEvent(tx, { botId, kind: 'lost', severity: 'info', message: `${process.pid} ${n}` })
        throw new Error('taken back')
      }).catch((thrown: Error) => {
        if (thrown.message !== 'taken back') throw thrown
      })
      takenBack += 1
    } else if (isMixed && n % 3 === 0) {
      await recordRiskEvent(db, {
        botId,
        kind: 'exposure_limit',
        actor: String(process.pid),
        actual: `${n}.5`,
      })
      written += 1
    } else if (isMixed && n % 3 === 1) {
      const rationale = `${process.pid} ${n}`
      await recordDecisionHistory(db, { botId, action: 'admin_note', actor: 'crew', rationale })
      written += 1
    } else {
      await recordSystemEvent(db, {
        botId,
        kind: 'kept',
        severity: 'warning',
        message: `${process.pid} ${n}`,
      })
      written += 1
    }
  }
  let next = 0
  const sharedIds: string[] = []
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      try {
        while (next < rows) await write(next++)
      } catch (error) {
        errors.push(isDataError(error) ? `${error.code} ${error.message}` : String(error))
      }
    }),
  )
  for (const eventId of shared) {
    try {
      const event = { botId: botIds[0], eventId, kind: 'shared', severity: 'info', message: eventId } as const
      sharedIds.push(String((await recordSystemEvent(db, event)).id))
    } catch (error) {
      errors.push(isDataError(error) ? `${error.code} ${error.message}` : String(error))
    }
  }
  return { written, takenBack, sharedIds, errors }
}
