import { getTableColumns, sql } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { strategies } from './schema/strategies.ts'
import type { StrategyStatus } from './schema/values.ts'
import type { Strategy } from './strategies.ts'

export interface StrategyChange {
  readonly id: string
  /** Who does it: a person or a program. */
  readonly changedBy: string
  readonly reason?: string | undefined
}

const columns = getTableColumns(strategies)
const listed = (alias: string) =>
  sql.raw(
    Object.values(columns)
      .map(({ name }) => `${alias}."${name}"`)
      .join(', '),
  )

type StatusSlot = 'id' | 'status' | 'allocation' | 'changedBy' | 'reason'

// Where it has this status already, the database leaves the row as it is.
const statusStatement: PreparedStatement<Strategy, StatusSlot> = sqlStatement(
  'setStrategyStatus',
  (slot) => ({
    query: sql`
    update ${strategies} s
    set status = ${slot('status')}, allocation = coalesce(${slot('allocation')}::numeric, s.allocation),
      changed_by = ${slot('changedBy')}, reason = ${slot('reason')}
    where s.id = ${slot('id')}::uuid
    returning ${listed('s')}`,
    fields: columns,
  }),
)

async function setStatus(
  db: Database,
  input: StrategyChange,
  status: StrategyStatus,
  allocation?: Amount | undefined,
): Promise<Strategy> {
  const id = toUuid(input.id, 'id')
  const rows = await statusStatement.run(db, {
    id,
    status,
    allocation: allocation === undefined ? null : toDecimal(allocation, 'allocation').toFixed(),
    ...readChange(input),
  })
  return found(`strategy '${id}'`, only('setStrategyStatus', rows))
}

function readChange({ changedBy, reason }: Omit<StrategyChange, 'id'>) {
  return {
    changedBy: toName(changedBy, 'changedBy'),
    reason: reason === undefined ? null : toName(reason, 'reason'),
  }
}

/** The steps before a strategy trades. */
export const PREPARED_STATUSES = ['backtested', 'paper'] as const satisfies readonly StrategyStatus[]
export type PreparedStatus = (typeof PREPARED_STATUSES)[number]

export interface SetStrategyStatusInput extends StrategyChange {
  readonly status: PreparedStatus
}

/**
 * Takes a strategy one step further before it trades, from draft to backtested to paper, and returns it. Safe to repeat.
 *
 * @throws `invalid_transition` from another status.
 * @throws `not_found`.
 */
export async function setStrategyStatus(db: Database, input: SetStrategyStatusInput): Promise<Strategy> {
  return setStatus(db, input, toOneOf(input.status, PREPARED_STATUSES, 'status'))
}

export interface ActivateStrategyInput extends StrategyChange {
  /** Its share of the fleet's capital from now on, 0 to 1. What it has if left out. */
  readonly allocation?: Amount | undefined
}

/**
 * Lets a strategy trade that is on paper or paused, and returns it. Safe to repeat.
 *
 * @throws `invalid_transition` from another status.
 * @throws `invalid_input` naming `allocation` if it does not fit into 1 beside the other active ones, or `maxActive` if no more may be
 * active.
 * @throws `not_found`.
 */
export async function activateStrategy(db: Database, input: ActivateStrategyInput): Promise<Strategy> {
  return setStatus(db, input, 'active', input.allocation)
}

/**
 * Pauses an active strategy and returns it. Its allocation is free for others until it is active again. Safe to repeat.
 *
 * @throws `invalid_transition` from another status.
 * @throws `not_found`.
 */
export async function pauseStrategy(db: Database, input: StrategyChange): Promise<Strategy> {
  return setStatus(db, input, 'paused')
}

/**
 * Archives a strategy for good, whatever it does now, and returns it. Safe to repeat.
 *
 * @throws `invalid_transition` if it was replaced.
 * @throws `not_found`.
 */
export async function archiveStrategy(db: Database, input: StrategyChange): Promise<Strategy> {
  return setStatus(db, input, 'archived')
}

export interface ReplaceStrategyInput extends Omit<StrategyChange, 'id'> {
  /** The one that goes: active or paused. */
  readonly oldId: string
  /** The one that takes its place: on paper or paused. */
  readonly newId: string
  /** Of the new one, 0 to 1. That of the old one if left out. */
  readonly allocation?: Amount | undefined
}

export interface StrategyReplacement {
  readonly replaced: Strategy
  readonly active: Strategy
}

type ReplaceSlot = 'oldId' | 'newId' | 'allocation' | 'changedBy' | 'reason'

const replaceStatement: PreparedStatement<Strategy, ReplaceSlot> = sqlStatement(
  'replaceStrategy',
  (slot) => ({
    query: sql`
    select ${listed('s')} from strategy.replace_strategy(${slot('oldId')}::uuid, ${slot('newId')}::uuid,
      ${slot('allocation')}::numeric, ${slot('changedBy')}, ${slot('reason')}) s`,
    fields: columns,
  }),
)

/**
 * Puts one strategy in the place of another and returns both: the old one is replaced and the new one active, or neither is. Safe to repeat.
 *
 * @throws `invalid_transition` if one of them is in no status for it, or the new one has taken the place of another already.
 * @throws `invalid_input` naming `allocation` if that does not fit, or `newId` if both are the same.
 * @throws `not_found` if one of them is not there.
 */
export async function replaceStrategy(
  db: Database,
  input: ReplaceStrategyInput,
): Promise<StrategyReplacement> {
  const oldId = toUuid(input.oldId, 'oldId')
  const newId = toUuid(input.newId, 'newId')
  if (oldId === newId) {
    throw new DataError('invalid_input', `newId '${newId}' is the strategy to be replaced`, {
      field: 'newId',
    })
  }
  const { allocation } = input
  const rows = await replaceStatement.run(db, {
    oldId,
    newId,
    allocation: allocation === undefined ? null : toDecimal(allocation, 'allocation').toFixed(),
    ...readChange(input),
  })
  const both = `strategies '${oldId}' and '${newId}'`
  return {
    replaced: found(
      both,
      rows.find(({ id }) => id === oldId),
    ),
    active: found(
      both,
      rows.find(({ id }) => id === newId),
    ),
  }
}
