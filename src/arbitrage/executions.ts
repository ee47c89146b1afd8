import { and, desc, eq, getTableColumns, gte, lt, sql } from 'drizzle-orm'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, type Decimal, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { optional, toUuid } from '../db/input.ts'
import { comesAfter, readLimit } from '../db/page.ts'
import { many, maybeOne, one, only } from '../db/rows.ts'
import { differences } from '../db/same.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import type { TimePageInput } from '../market/value-reads.ts'
import { getOpportunity, type OpportunityKey, toRowId } from './opportunities.ts'
import { toHashes, toLegs } from './record-once.ts'
import { executions } from './schema/opportunities.ts'
import { type ArbitrageLeg, EXECUTION_STATUSES, type ExecutionStatus } from './schema/values.ts'

export type Execution = typeof executions.$inferSelect

const executionColumns = getTableColumns(executions)
const columnNames = (alias: string) =>
  sql.raw(
    Object.values(executionColumns)
      .map((column) => `${alias}.${column.name}`)
      .join(', '),
  )

export interface StartExecutionInput extends OpportunityKey {
  /** A UUID of the caller's, which makes it safe to repeat. A new one if left out. */
  readonly id?: string | undefined
  /** When it starts: what decides whether the opportunity has expired. The database's clock if left out. */
  readonly startedAt?: Date | undefined
}

type StartSlot = 'botId' | 'id' | 'opportunityId' | 'startedAt'

// The row of the opportunity is locked, so that of many one goes through, and the others, and who expires it, see what it became. The database
// marks the opportunity in the same statement.
const startStatement: PreparedStatement<Execution, StartSlot> = sqlStatement('startExecution', (slot) => ({
  query: sql`
    with at as materialized (
      select coalesce(${slot('startedAt')}::timestamptz(3), clock_timestamp()::timestamptz(3)) as now),
    taken as materialized (
      select o.bot_id, o.id, at.now from arbitrage.opportunities o cross join at
      where o.bot_id = ${slot('botId')} and o.id = ${slot('opportunityId')}::uuid
        and o.status = 'open' and (o.expires_at is null or o.expires_at > at.now)
      for no key update of o)
    insert into arbitrage.executions as e (bot_id, id, opportunity_id, started_at)
    select t.bot_id, ${slot('id')}::uuid, t.id, t.now from taken t
    on conflict do nothing returning ${columnNames('e')}`,
  fields: executionColumns,
}))

/**
 * Starts the execution of an opportunity, marks the opportunity as executing, and returns the execution. Of many callers one gets it: an
 * opportunity is executed once, and not from `expiresAt` on.
 *
 * Safe to repeat with an `id`: the execution that is stored is returned, whatever has become of it.
 *
 * @throws `invalid_transition` if the opportunity has expired, or naming the execution that it has already.
 * @throws `conflict` if the execution of this id is of another opportunity, or started at another time.
 * @throws `not_found` if there is no such opportunity.
 * @throws `invalid_input` naming the field.
 */
export async function startExecution(db: Database, input: StartExecutionInput): Promise<Execution> {
  const botId = toBotId(input.botId)
  const opportunityId = toUuid(input.opportunityId, 'opportunityId')
  const id = toRowId(input.id)
  const startedAt = input.startedAt === undefined ? undefined : toInstant(input.startedAt, 'startedAt')
  const started = await startStatement.run(db, {
    botId,
    id,
    opportunityId,
    startedAt: startedAt?.toISOString() ?? null,
  })
  const execution = only('startExecution', started)
  if (execution) return execution

  const stored = await findExecution(db, botId, id)
  if (stored) {
    const differs = differences({ opportunityId, startedAt }, stored)
    if (differs.length === 0) return stored
    throw new DataError(
      'conflict',
      `execution '${id}' was already started with other content: ${differs.join(', ')}`,
      { field: differs[0] },
    )
  }
  const opportunity = await getOpportunity(db, { botId, opportunityId })
  const { status, executionId, expiresAt } = opportunity
  throw new DataError(
    'invalid_transition',
    executionId === null
      ? `opportunity '${opportunityId}' expired at ${expiresAt?.toISOString()}`
      : `opportunity '${opportunityId}' is ${status} by execution '${executionId}'`,
    { field: 'opportunityId' },
  )
}

async function findExecution(db: Database, botId: string, id: string): Promise<Execution | undefined> {
  return await maybeOne(
    'startExecution: stored',
    db
      .select()
      .from(executions)
      .where(and(eq(executions.botId, botId), eq(executions.id, id))),
  )
}

export interface ExecutionKey {
  readonly botId: string
  readonly executionId: string
}

/** Returns an execution of a bot. @throws `not_found` if there is none of that id. */
export async function getExecution(db: Database, input: ExecutionKey): Promise<Execution> {
  const [botId, id] = [toBotId(input.botId), toUuid(input.executionId, 'executionId')]
  return await one(
    'getExecution',
    `execution '${id}'`,
    db
      .select()
      .from(executions)
      .where(and(eq(executions.botId, botId), eq(executions.id, id))),
  )
}

/** How it ended. What earned or lost something says how much; a failure, if it is known. */
export type ExecutionOutcome =
  | { readonly status: 'success' | 'partial'; readonly profit: Amount }
  | { readonly status: 'failed'; readonly profit?: Amount | undefined }

export type FinishExecutionInput = ExecutionKey &
  ExecutionOutcome & {
    /** What was traded, in its order. */
    readonly legs?: readonly ArbitrageLeg[] | undefined
    readonly transactionHashes?: readonly string[] | undefined
    /** In units of gas. */
    readonly gasUsed?: Amount | undefined
    /** Why it failed, or is partial. */
    readonly error?: string | undefined
    /** The database's clock if left out. */
    readonly finishedAt?: Date | undefined
  }

const FINAL_STATUSES = ['success', 'failed', 'partial'] as const

type FinishSlot = 'botId' | 'id' | (typeof FINISHED)[number] | 'finishedAt'
const FINISHED = ['status', 'legs', 'transactionHashes', 'gasUsed', 'profit', 'error'] as const

const finishStatement: PreparedStatement<Execution, FinishSlot> = sqlStatement('finishExecution', (slot) => ({
  query: sql`
    update arbitrage.executions e set
      ${sql.join(
        FINISHED.map(
          (key) =>
            sql`${sql.identifier(executions[key].name)} = ${slot(key)}::${sql.raw(executions[key].getSQLType())}`,
        ),
        sql`, `,
      )},
      finished_at = coalesce(${slot('finishedAt')}::timestamptz(3), clock_timestamp()::timestamptz(3))
    where bot_id = ${slot('botId')} and id = ${slot('id')}::uuid and status = 'pending'
    returning ${columnNames('e')}`,
  fields: executionColumns,
}))

/**
 * Ends an execution as success, failed or partial, marks its opportunity as executed or failed, and returns the execution.
 *
 * Safe to repeat: the same end reported again returns the row that is stored. Another end is refused.
 *
 * @throws `invalid_transition` if it has ended otherwise.
 * @throws `not_found` if there is no such execution.
 * @throws `invalid_input` naming the field.
 */
export async function finishExecution(db: Database, input: FinishExecutionInput): Promise<Execution> {
  const { botId, executionId } = {
    botId: toBotId(input.botId),
    executionId: toUuid(input.executionId, 'executionId'),
  }
  const content = {
    status: toOneOf(input.status, FINAL_STATUSES, 'status'),
    legs: toLegs(input.legs ?? [], 'legs', executions.legs),
    transactionHashes: toHashes(input.transactionHashes),
    gasUsed: optional(input.gasUsed, 'gasUsed', toDecimal),
    profit: toProfit(input),
    error: optional(input.error, 'error', toName),
  }
  const finishedAt = input.finishedAt === undefined ? undefined : toInstant(input.finishedAt, 'finishedAt')
  const finished = await finishStatement.run(db, {
    botId,
    id: executionId,
    ...content,
    legs: executions.legs.mapToDriverValue(content.legs),
    transactionHashes: executions.transactionHashes.mapToDriverValue(content.transactionHashes),
    gasUsed: content.gasUsed?.toFixed() ?? null,
    profit: content.profit?.toFixed() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  })
  const execution = only('finishExecution', finished)
  if (execution) return execution

  const stored = await getExecution(db, { botId, executionId })
  const differs = differences({ ...content, finishedAt }, stored)
  if (differs.length === 0) return stored
  throw new DataError(
    'invalid_transition',
    `execution '${executionId}' has ended as ${stored.status}, with other content: ${differs.join(', ')}`,
    { field: differs[0] },
  )
}

function toProfit({ status, profit }: ExecutionOutcome): Decimal | null {
  if (profit !== undefined) return toDecimal(profit, 'profit')
  if (status === 'failed') return null
  throw new DataError('invalid_input', `profit is missing: what is ${status} earned or lost something`, {
    field: 'profit',
  })
}

/** A span of `startedAt`. */
export interface ListExecutionsInput extends TimePageInput<Pick<Execution, 'startedAt' | 'id'>> {
  readonly botId: string
  readonly status?: ExecutionStatus | undefined
}

/** Returns the executions of a bot, newest first. @throws `invalid_input` naming the field. */
export async function listExecutions(db: Database, input: ListExecutionsInput): Promise<Execution[]> {
  const { status, from, until, after } = input
  const { startedAt, id } = executions
  return await many(
    'listExecutions',
    db
      .select()
      .from(executions)
      .where(
        and(
          eq(executions.botId, toBotId(input.botId)),
          status && eq(executions.status, toOneOf(status, EXECUTION_STATUSES, 'status')),
          from && gte(startedAt, toInstant(from, 'from')),
          until && lt(startedAt, toInstant(until, 'until')),
          comesAfter(
            startedAt,
            id,
            after && { at: toInstant(after.startedAt, 'after.startedAt'), id: toUuid(after.id, 'after.id') },
          ),
        ),
      )
      .orderBy(desc(startedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}
