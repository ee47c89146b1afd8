import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { readNow, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type Block, type BlockCode, blocksOf } from '../risk/checks.ts'
import type { Order } from '../trading/order-input.ts'
import { getOrder } from '../trading/order-reads.ts'
import type { OrderChecks } from '../trading/schema/orders.ts'
import { readEmbargo } from './embargo.ts'
import { checkIdeaInput, type ProposeTradeIdeaInput } from './idea-input.ts'
import { notOpen, refusedUser, type UserProblem } from './refusals.ts'
import { tradeIdeas } from './schema/trade-ideas.ts'
import { getTradeIdea, readIdeaKey, type TradeIdea, type TradeIdeaKey } from './trade-ideas.ts'

/** What is asked of an idea beside what is asked of every entry. */
export const IDEA_CHECK_CODES = [
  'expired',
  'decision',
  'auto_trading',
  'strategy',
  'strategy_status',
  'strategy_symbol',
  'session',
  'embargo',
  'strategy_quantity',
  'strategy_positions',
] as const
export type IdeaCheckCode = (typeof IDEA_CHECK_CODES)[number]

/** What a human may overrule by approving an idea. An idea against which anything else stands is refused. */
export const APPROVABLE_CODES = ['auto_trading', 'confidence', 'strategy'] as const satisfies readonly (
  | IdeaCheckCode
  | BlockCode
)[]

/** The confidence asked of an idea where the settings ask for none. */
export const LEAST_CONFIDENCE = 0.9

/** One reason why an idea was not executed. */
export interface IdeaBlock extends Omit<Block, 'code'> {
  readonly code: IdeaCheckCode | BlockCode
}

/** An idea whose order is stored as `pending`: it may be sent now. */
export interface ExecutedIdea {
  readonly executed: true
  /** True if it was executed before. */
  readonly isRepeat: boolean
  readonly idea: TradeIdea
  readonly order: Order
}

/** An idea that has no order that may be sent: its status says whether it needs approval or is over. */
export interface UnexecutedIdea {
  readonly executed: false
  /** True if it was decided before. */
  readonly isRepeat: boolean
  readonly idea: TradeIdea
  /** Every reason. Of an idea executed before, what closed entries before its order was sent. */
  readonly blocks: readonly IdeaBlock[]
}

export type IdeaOutcome = ExecutedIdea | UnexecutedIdea

interface Answer extends Omit<TradeIdea, 'id'> {
  readonly outcome:
    | 'proposed'
    | 'decided'
    | 'repeat'
    | 'conflict'
    | 'not_open'
    | 'unknown_bot'
    | 'unknown_idea'
    | UserProblem
    | null
  readonly differs: string | null
  readonly blocks: OrderChecks | null
  /** Null where there is none. */
  readonly id: string | null
}

const columns = getTableColumns(tradeIdeas)
const ideaOf = sql.raw(
  Object.values(columns)
    .map(({ name }) => `(a.idea).${name}`)
    .join(', '),
)

function deciding<Slot extends string>(
  verb: string,
  call: (slot: (name: Slot) => SQL) => SQL,
): PreparedStatement<Answer, Slot> {
  return sqlStatement(verb, (slot) => ({
    query: sql`select a.outcome, a.differs, a.blocks, ${ideaOf} from ${call(slot)} a`,
    fields: {
      outcome: sql<Answer['outcome']>`outcome`,
      differs: sql<string | null>`differs`,
      blocks: tradeIdeas.checks,
      ...columns,
    },
  }))
}

const SENT = [
  'botId',
  'id',
  'strategyId',
  'snapshotId',
  'decisionId',
  'exchange',
  'symbol',
  'direction',
  'positionSide',
  'orderType',
  'quantity',
  'entryPrice',
  'entryLow',
  'entryHigh',
  'stopLoss',
  'targets',
  'expectedHold',
  'rationale',
  'confidence',
  'expiresAt',
  'embargo',
  'orderId',
  'now',
] as const

const proposeStatement = deciding<(typeof SENT)[number]>(
  'proposeTradeIdea',
  (slot) =>
    sql`ideas.propose(${sql.join(
      SENT.map((name) => slot(name)),
      sql`, `,
    )})`,
)

/**
 * Stores an idea and decides on it in the same transaction: it is executed, waits for approval, or is refused. An executed idea has an
 * order, `pending`, of the client order id `idea:<id>`: send it.
 *
 * It is executed only if everything passes: automatic trading is on; the confidence is what the settings ask for, or 0.9 where they ask for none; the
 * strategy is given, active, in its session, without an embargo, allows the symbol and has room; the decision was not vetoed; and all that `placeOrder`
 * asks. If only `APPROVABLE_CODES` fail, it needs approval. A drawdown over its limit makes it `halted_by_risk` and, where the settings
 * halt on drawdown, switches automatic trading off; a reached daily target rejects it and switches it off too. Anything else rejects it.
 *
 * Safe to repeat with the same `id`: the stored idea comes back. One that is stored as `waiting` is decided on now. An order that is still
 * `pending` when entries are closed is not to be sent: then `executed` is false, with the reasons.
 *
 * @throws `conflict` naming the fields if an idea of this id is stored with other content.
 * @throws `not_found` if the bot is not registered.
 * @throws `missing_reference` if the snapshot or the decision is not one of the bot's own, or there is no such strategy.
 * @throws `invalid_input` naming the field, also if stop or targets are on the wrong side of the entry.
 */
export async function proposeTradeIdea(db: Database, input: ProposeTradeIdeaInput): Promise<IdeaOutcome> {
  const idea = checkIdeaInput(input)
  const now = readNow(input.now)
  const embargo = await readEmbargo(db, { ...idea, now: input.now })
  const rows = await proposeStatement.run(db, { ...idea, embargo, orderId: newId(), now })
  const answer = only('proposeTradeIdea', rows)
  return await outcomeOf(db, { botId: idea.botId, ideaId: idea.id }, answer)
}

export interface ApproveTradeIdeaInput extends TradeIdeaKey {
  /** An active user who is approver or admin. */
  readonly userId: string
  /** What the user has to say about it. */
  readonly note?: string | undefined
  /** For a bot in mode `backtest`: the moment that it believes in. The database's clock decides for all others. */
  readonly now?: Date | undefined
}

const approveStatement = deciding<'botId' | 'ideaId' | 'userId' | 'note' | 'embargo' | 'orderId' | 'now'>(
  'approveTradeIdea',
  (
    slot,
  ) => sql`ideas.approve(${slot('botId')}, ${slot('ideaId')}::uuid, ${slot('userId')}::uuid, ${slot('note')},
    ${slot('embargo')}::jsonb, ${slot('orderId')}::uuid, ${slot('now')}::timestamptz)`,
)

/**
 * Lets a human execute an idea that needs approval. Every limit, the session, the embargo and the status of the strategy are asked anew, and the order is
 * placed in the same transaction. What stands against it refuses the idea, for good: that is a result and no error.
 *
 * Of several who approve at once, one makes the order. The same user again gets what came of it.
 *
 * @throws `invalid_transition` saying who decided, if it does not need approval any more.
 * @throws `not_found` if the bot has no such idea, or there is no such user.
 * @throws `invalid_input` naming `userId` if the user is not active, or neither approver nor admin.
 */
export async function approveTradeIdea(db: Database, input: ApproveTradeIdeaInput): Promise<IdeaOutcome> {
  const key = readIdeaKey(input)
  const userId = toUuid(input.userId, 'userId')
  const note = input.note === undefined ? null : toName(input.note, 'note')
  const now = readNow(input.now)
  const stored = await getTradeIdea(db, key)
  const isOpen = stored.status === 'needs_approval'
  const embargo = isOpen ? await readEmbargo(db, { ...stored, now: input.now }) : null
  const rows = await approveStatement.run(db, { ...key, userId, note, embargo, orderId: newId(), now })
  return await outcomeOf(db, key, only('approveTradeIdea', rows), userId)
}

export interface RejectTradeIdeaInput extends TradeIdeaKey {
  /** An active user who is approver or admin. */
  readonly userId: string
  readonly reason: string
  /** For a bot in mode `backtest`: the moment that it believes in. The database's clock decides for all others. */
  readonly now?: Date | undefined
}

const rejectStatement = deciding<'botId' | 'ideaId' | 'userId' | 'reason' | 'now'>(
  'rejectTradeIdea',
  (
    slot,
  ) => sql`ideas.reject(${slot('botId')}, ${slot('ideaId')}::uuid, ${slot('userId')}::uuid, ${slot('reason')},
    ${slot('now')}::timestamptz)`,
)

/**
 * Lets a human reject an idea that needs approval, or that nobody looked at, and returns it. The same user again changes nothing.
 *
 * @throws `invalid_transition` saying who decided, if it was decided already.
 * @throws `not_found` if the bot has no such idea, or there is no such user.
 * @throws `invalid_input` naming `userId` if the user is not active, or neither approver nor admin.
 */
export async function rejectTradeIdea(db: Database, input: RejectTradeIdeaInput): Promise<TradeIdea> {
  const key = readIdeaKey(input)
  const userId = toUuid(input.userId, 'userId')
  const rows = await rejectStatement.run(db, {
    ...key,
    userId,
    reason: toName(input.reason, 'reason'),
    now: readNow(input.now),
  })
  return readAnswer(key, only('rejectTradeIdea', rows), userId).idea
}

async function outcomeOf(
  db: Database,
  key: TradeIdeaKey,
  row: Answer | undefined,
  userId?: string,
): Promise<IdeaOutcome> {
  const { idea, blocks, isRepeat } = readAnswer(key, row, userId)
  if (idea.orderId !== null && blocks === null) {
    const order = await getOrder(db, { botId: idea.botId, orderId: idea.orderId })
    return { executed: true, isRepeat, idea, order }
  }
  return { executed: false, isRepeat, idea, blocks: blocksOf(blocks ?? idea.checks) }
}

function readAnswer(key: TradeIdeaKey, row: Answer | undefined, userId = '') {
  const { outcome = null, differs = null, blocks = null, ...rest } = row ?? { id: null }
  const idea = rest.id === null ? undefined : (rest as TradeIdea)
  switch (outcome) {
    case 'unknown_bot':
      throw new DataError('not_found', `bot '${key.botId}' not found`)
    case 'unknown_idea':
      throw new DataError('not_found', `trade idea '${key.ideaId}' of bot '${key.botId}' not found`)
    case 'unknown_user':
    case 'not_allowed':
      throw refusedUser(outcome, userId)
    case 'conflict':
      throw new DataError(
        'conflict',
        `trade idea '${key.ideaId}' was already proposed with other content: ${differs}`,
        { field: differs?.split(', ')[0] },
      )
  }
  if (idea === undefined || outcome === null) throw new DataError('unexpected', 'a trade idea: no answer')
  if (outcome === 'not_open') throw notOpen(idea)
  return { idea, blocks, isRepeat: outcome === 'repeat' }
}
