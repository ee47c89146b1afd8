import { type SQL, sql } from 'drizzle-orm'
import { isOneOf, toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type Order, statusesBefore } from './order-input.ts'
import { moveLedgers, orderColumns, orderList, withFillsLinked } from './order-links.ts'
import { getOrder, type OrderKey, readOrderKey } from './order-reads.ts'
import { OPEN_ORDER_STATUSES, type OrderStatus } from './schema/orders.ts'

/** What a step may bring with it. */
export interface Step {
  readonly botId: string
  readonly orderId: string
  /** The statuses that the step leaves. In another one, the order keeps its status. */
  readonly from: readonly OrderStatus[]
  readonly to: OrderStatus
  /** The statuses in which the order takes in what else the step brings; `from` unless given. */
  readonly known?: readonly OrderStatus[]
  readonly exchangeOrderId?: string | null
  readonly submittedAt?: Date | null
  readonly closedAt?: Date | null
  readonly reason?: string | null
}

type StepSlot =
  | 'botId'
  | 'orderId'
  | 'from'
  | 'to'
  | 'known'
  | 'exchangeOrderId'
  | 'submittedAt'
  | 'closedAt'
  | 'reason'

const stepStatement: PreparedStatement<Order, StepSlot> = sqlStatement('orders.step', (slot) => {
  const isLeft = sql`o.status = any(${slot('from')}::text[])`
  const exchangeOrderId = sql`${slot('exchangeOrderId')}::text`
  const submittedAt = sql`${slot('submittedAt')}::timestamptz`
  const isOrder = (alias: SQL) =>
    sql`${alias}.bot_id = ${slot('botId')} and ${alias}.id = ${slot('orderId')}::uuid`
  return {
    // The ledgers are locked before the order, as every writer of fills does.
    query: sql`
      with moved as (${moveLedgers(sql`
        select i.bot_id, i.exchange, i.symbol, i.position_side from trading.orders i
        where ${isOrder(sql`i`)} and i.exchange_order_id is null and ${exchangeOrderId} is not null
          and i.status = any(${slot('known')}::text[])`)})
      update trading.orders o
      set status = case when ${isLeft} then ${slot('to')}::text else o.status end,
        exchange_order_id = coalesce(o.exchange_order_id, ${exchangeOrderId}),
        submitted_at = coalesce(o.submitted_at, ${submittedAt},
          case when ${isLeft} and ${slot('to')}::text = 'submitted' then now() end),
        closed_at = case when ${isLeft} and ${slot('to')}::text in ('filled', 'cancelled', 'rejected', 'expired')
          then coalesce(${slot('closedAt')}::timestamptz, now()) else o.closed_at end,
        last_error = case when ${isLeft} then ${slot('reason')}::text else o.last_error end
      where ${isOrder(sql`o`)} and o.status = any(${slot('known')}::text[])
        and (${exchangeOrderId} is null or o.exchange_order_id is null or o.exchange_order_id = ${exchangeOrderId})
        and (${isLeft} or (o.exchange_order_id is null and ${exchangeOrderId} is not null)
          or (o.submitted_at is null and ${submittedAt} is not null))
        and (select count(*) from moved) >= 0
      returning ${orderList}`,
    fields: orderColumns,
  }
})

/** Takes a step in one conditional statement. Returns undefined if there was nothing to change, or no such step. */
export async function takeStep(db: Database, step: Step): Promise<Order | undefined> {
  const rows = await stepStatement.run(db, {
    exchangeOrderId: null,
    submittedAt: null,
    closedAt: null,
    reason: null,
    ...step,
    known: step.known ?? step.from,
  })
  return only('orders.step', rows)
}

export interface MarkOrderSubmittedInput extends OrderKey {
  /** The exchange's id, if it has told it. Fills that came with it before are given to the order. */
  readonly exchangeOrderId?: string | undefined
  /** When the exchange had it. The database's clock unless said otherwise. */
  readonly submittedAt?: Date | undefined
}

export interface MarkOrderRejectedInput extends OrderKey {
  readonly reason: string
}

export interface CancelOrderInput extends OrderKey {
  readonly reason?: string | undefined
}

export interface RecordOrderRetryInput extends OrderKey {
  /** What failed. */
  readonly error: string
}

const SUBMITTABLE: readonly OrderStatus[] = [...OPEN_ORDER_STATUSES, 'filled']

/**
 * Notes that the exchange has the order, and under which id, and returns it.
 *
 * Safe to repeat. An order that was filled faster than the exchange answered keeps its status and takes the id.
 *
 * @throws `invalid_transition` if the order was cancelled, rejected or has expired.
 * @throws `conflict` if the order has another exchange's id, or another order has this one.
 * @throws `not_found` if the bot has no such order.
 */
export async function markOrderSubmitted(db: Database, input: MarkOrderSubmittedInput): Promise<Order> {
  const key = readOrderKey(input)
  const exchangeOrderId =
    input.exchangeOrderId === undefined ? null : toName(input.exchangeOrderId, 'exchangeOrderId')
  const submittedAt = input.submittedAt === undefined ? null : toInstant(input.submittedAt, 'submittedAt')
  const changed = await takeStep(db, {
    ...key,
    from: statusesBefore('submitted'),
    to: 'submitted',
    known: SUBMITTABLE,
    exchangeOrderId,
    submittedAt,
  })
  if (changed) return await withFillsLinked(db, changed)
  const stored = await getOrder(db, key)
  if (!SUBMITTABLE.includes(stored.status)) throw noSuchStep(stored, 'become submitted')
  if (exchangeOrderId !== null && stored.exchangeOrderId !== exchangeOrderId) {
    throw new DataError(
      'conflict',
      `order '${stored.clientOrderId}' is known to ${stored.exchange} as '${stored.exchangeOrderId}', not '${exchangeOrderId}'`,
      { field: 'exchangeOrderId' },
    )
  }
  return await withFillsLinked(db, stored)
}

/**
 * Notes that the exchange refused the order, and why, and returns it. Safe to repeat.
 *
 * @throws `invalid_transition` if the order has ended otherwise.
 * @throws `not_found` if the bot has no such order.
 */
export async function markOrderRejected(db: Database, input: MarkOrderRejectedInput): Promise<Order> {
  return await endOrder(db, input, 'rejected', toName(input.reason, 'reason'))
}

/**
 * Notes that the order was taken back, and returns it. Safe to repeat. Fills of it that come later still count.
 *
 * @throws `invalid_transition` if the order has ended otherwise.
 * @throws `not_found` if the bot has no such order.
 */
export async function cancelOrder(db: Database, input: CancelOrderInput): Promise<Order> {
  const reason = input.reason === undefined ? null : toName(input.reason, 'reason')
  return await endOrder(db, input, 'cancelled', reason)
}

/**
 * Notes that the order's time ran out, and returns it. Safe to repeat. Fills of it that come later still count.
 *
 * @throws `invalid_transition` if the order has ended otherwise.
 * @throws `not_found` if the bot has no such order.
 */
export async function expireOrder(db: Database, input: OrderKey): Promise<Order> {
  return await endOrder(db, input, 'expired', null)
}

async function endOrder(
  db: Database,
  input: OrderKey,
  to: 'cancelled' | 'rejected' | 'expired',
  reason: string | null,
): Promise<Order> {
  const key = readOrderKey(input)
  const changed = await takeStep(db, { ...key, from: statusesBefore(to), to, reason })
  if (changed) return changed
  const stored = await getOrder(db, key)
  if (stored.status !== to) throw noSuchStep(stored, `become ${to}`)
  return stored
}

const retryStatement: PreparedStatement<Order, 'botId' | 'orderId' | 'error'> = sqlStatement(
  'recordOrderRetry',
  (slot) => ({
    query: sql`
      update trading.orders o set retries = o.retries + 1, last_error = ${slot('error')}
      where o.bot_id = ${slot('botId')} and o.id = ${slot('orderId')}::uuid
        and ${isOneOf(sql`o.status`, OPEN_ORDER_STATUSES)}
      returning ${orderList}`,
    fields: orderColumns,
  }),
)

/**
 * Counts one more failed attempt to send the order or learn of it, keeps what failed, and returns the order.
 *
 * Each call counts, so a repeated one counts twice.
 *
 * @throws `invalid_transition` if the order has ended.
 * @throws `not_found` if the bot has no such order.
 */
export async function recordOrderRetry(db: Database, input: RecordOrderRetryInput): Promise<Order> {
  const key = readOrderKey(input)
  const error = toName(input.error, 'error')
  const changed = only('recordOrderRetry', await retryStatement.run(db, { ...key, error }))
  if (changed) return changed
  throw noSuchStep(await getOrder(db, key), 'be retried')
}

function noSuchStep(order: Order, step: string): DataError {
  return new DataError(
    'invalid_transition',
    `order '${order.clientOrderId}' (${order.id}) is ${order.status}, and cannot ${step}`,
    { field: 'status' },
  )
}
