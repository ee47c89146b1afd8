import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import type { StrategyStatus } from '../../src/strategy/schema/values.ts'
import {
  type CreateStrategyInput,
  createStrategy,
  getStrategy,
  type Strategy,
} from '../../src/strategy/strategies.ts'
import {
  activateStrategy,
  archiveStrategy,
  pauseStrategy,
  replaceStrategy,
  setStrategyStatus,
} from '../../src/strategy/strategy-status.ts'
import { query } from '../trading/ledger-fixture.ts'

export const BY = { changedBy: 'ann' }
export const NOBODY = '01890000-0000-7000-8000-000000000000'

/** A draft of a name that nobody else has. */
export function makeStrategy(db: Database, input: Partial<CreateStrategyInput> = {}): Promise<Strategy> {
  return createStrategy(db, { name: `s-${randomUUID()}`, kind: 'grid', ...BY, ...input })
}

/** A strategy that has come to this status step by step. */
export async function makeStrategyAt(
  db: Database,
  status: StrategyStatus,
  input: Partial<CreateStrategyInput> = {},
): Promise<Strategy> {
  const { id } = await makeStrategy(db, input)
  const key = { id, ...BY }
  if (status === 'draft') return getStrategy(db, { id })
  if (status === 'archived') return archiveStrategy(db, key)
  await setStrategyStatus(db, { ...key, status: 'backtested' })
  if (status === 'backtested') return getStrategy(db, { id })
  await setStrategyStatus(db, { ...key, status: 'paper' })
  if (status === 'paper') return getStrategy(db, { id })
  const active = await activateStrategy(db, key)
  if (status === 'active') return active
  if (status === 'paused') return pauseStrategy(db, key)
  const other = await makeStrategyAt(db, 'paper')
  return (await replaceStrategy(db, { oldId: id, newId: other.id, ...BY })).replaced
}

export interface StrategyEvent {
  readonly actor: string
  readonly message: string
  readonly details: {
    readonly reason: string | null
    readonly before: Record<string, unknown> | null
    readonly after: Record<string, unknown>
  }
}

/** What the audit has of a strategy, in the order in which it happened. */
export async function eventsOf(db: Database, id: string): Promise<StrategyEvent[]> {
  const rows = await query(
    db,
    sql`select actor, message, details::text as details from audit.system_events
      where kind = 'strategy_changed' and details ->> 'strategyId' = ${id} order by id`,
  )
  return rows.map(({ actor, message, details }) => ({
    actor: String(actor),
    message: String(message),
    details: JSON.parse(String(details)),
  }))
}
