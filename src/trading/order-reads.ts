import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import { isOneOf, toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, selectStatement } from '../db/statement.ts'
import type { Fill } from './ledger-rows.ts'
import type { Order } from './order-input.ts'
import { fills } from './schema/fills.ts'
import { OPEN_ORDER_STATUSES, orderEvents, orders } from './schema/orders.ts'

export type OrderEvent = typeof orderEvents.$inferSelect

/** What names one order of one bot. */
export interface OrderKey {
  readonly botId: string
  readonly orderId: string
}

/** @throws `invalid_input` naming `botId` or `orderId`. */
export function readOrderKey(input: OrderKey): OrderKey {
  return { botId: toName(input.botId, 'botId'), orderId: toUuid(input.orderId, 'orderId') }
}

const byId: PreparedStatement<Order, 'botId' | 'orderId'> = selectStatement('findOrder', (slot) =>
  new QueryBuilder()
    .select()
    .from(orders)
    .where(and(eq(orders.botId, slot('botId')), eq(orders.id, slot('orderId')))),
)

/** Returns the order, or undefined if the bot has no such order. */
export async function findOrder(db: Database, input: OrderKey): Promise<Order | undefined> {
  return only('findOrder', await byId.run(db, { ...readOrderKey(input) }))
}

/** Returns the order. @throws `not_found` if the bot has no such order. */
export async function getOrder(db: Database, input: OrderKey): Promise<Order> {
  return found(`order '${input.orderId}' of bot '${input.botId}'`, await findOrder(db, input))
}

const byClientOrderId: PreparedStatement<Order, 'botId' | 'clientOrderId'> = selectStatement(
  'findOrderByClientId',
  (slot) =>
    new QueryBuilder()
      .select()
      .from(orders)
      .where(and(eq(orders.botId, slot('botId')), eq(orders.clientOrderId, slot('clientOrderId')))),
)

/** Returns the order that has the bot's own key, or undefined. */
export async function findOrderByClientId(
  db: Database,
  input: { readonly botId: string; readonly clientOrderId: string },
): Promise<Order | undefined> {
  const rows = await byClientOrderId.run(db, {
    botId: toName(input.botId, 'botId'),
    clientOrderId: toName(input.clientOrderId, 'clientOrderId'),
  })
  return only('findOrderByClientId', rows)
}

const byExchangeOrderId: PreparedStatement<Order, 'botId' | 'exchange' | 'symbol' | 'exchangeOrderId'> =
  selectStatement('findOrderByExchangeId', (slot) =>
    new QueryBuilder()
      .select()
      .from(orders)
      .where(
        and(
          eq(orders.botId, slot('botId')),
          eq(orders.exchange, slot('exchange')),
          eq(orders.symbol, slot('symbol')),
          eq(orders.exchangeOrderId, slot('exchangeOrderId')),
        ),
      ),
  )

/** Returns the order that the exchange knows by this id, or undefined. Some exchanges number orders per symbol. */
export async function findOrderByExchangeId(
  db: Database,
  input: {
    readonly botId: string
    readonly exchange: string
    readonly symbol: string
    readonly exchangeOrderId: string
  },
): Promise<Order | undefined> {
  const rows = await byExchangeOrderId.run(db, {
    botId: toName(input.botId, 'botId'),
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    exchangeOrderId: toName(input.exchangeOrderId, 'exchangeOrderId'),
  })
  return only('findOrderByExchangeId', rows)
}

export interface ListOrdersInput extends PageInput<Pick<Order, 'createdAt' | 'id'>> {
  readonly botId: string
}

export interface ListOpenOrdersInput extends ListOrdersInput {
  /** Only the orders of this symbol. */
  readonly symbol?: string | undefined
}

type OpenSlot = 'botId' | 'symbol' | 'afterAt' | 'afterId' | 'limit'

// Every part is always there, so that there is one text to prepare; the rows after one are a range of the index.
const openOrders: PreparedStatement<Order, OpenSlot> = selectStatement('listOpenOrders', (slot) =>
  new QueryBuilder()
    .select()
    .from(orders)
    .where(
      and(
        eq(orders.botId, slot('botId')),
        isOneOf(orders.status, OPEN_ORDER_STATUSES),
        sql`(${slot('symbol')}::text is null or ${orders.symbol} = ${slot('symbol')}::text)`,
        sql`(${orders.createdAt}, ${orders.id}) < (${slot('afterAt')}::timestamptz, ${slot('afterId')}::uuid)`,
      ),
    )
    .orderBy(desc(orders.createdAt), desc(orders.id))
    .limit(sql.placeholder('limit')),
)

const BEFORE_ALL = { afterAt: 'infinity', afterId: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }

/** Returns the orders that may still be filled, newest first. */
export async function listOpenOrders(db: Database, input: ListOpenOrdersInput): Promise<Order[]> {
  const cursor = readCursor(input.after?.createdAt, input.after?.id)
  return await openOrders.run(db, {
    botId: toName(input.botId, 'botId'),
    symbol: input.symbol === undefined ? null : toName(input.symbol, 'symbol'),
    ...(cursor ? { afterAt: cursor.at, afterId: cursor.id } : BEFORE_ALL),
    limit: readLimit(input.limit),
  })
}

/** Returns the orders of a bot, whatever became of them, newest first. */
export async function listOrders(db: Database, input: ListOrdersInput): Promise<Order[]> {
  return await many(
    'listOrders',
    db
      .select()
      .from(orders)
      .where(
        and(
          eq(orders.botId, toName(input.botId, 'botId')),
          comesAfter(orders.createdAt, orders.id, readCursor(input.after?.createdAt, input.after?.id)),
        ),
      )
      .orderBy(desc(orders.createdAt), desc(orders.id))
      .limit(readLimit(input.limit)),
  )
}

export interface ListOrderEventsInput extends OrderKey, PageInput<Pick<OrderEvent, 'id'>> {}

/** Returns the status changes of an order, newest first; the last one is its creation. */
export async function listOrderEvents(db: Database, input: ListOrderEventsInput): Promise<OrderEvent[]> {
  const { botId, orderId } = readOrderKey(input)
  return await many(
    'listOrderEvents',
    db
      .select()
      .from(orderEvents)
      .where(
        and(eq(orderEvents.botId, botId), eq(orderEvents.orderId, orderId), comesAfterEvent(input.after?.id)),
      )
      .orderBy(desc(orderEvents.id))
      .limit(readLimit(input.limit)),
  )
}

function comesAfterEvent(id: bigint | undefined): SQL | undefined {
  if (id === undefined) return undefined
  if (typeof id === 'bigint' && id > 0n && id < 2n ** 63n) return lt(orderEvents.id, id)
  throw new DataError('invalid_input', `after ${String(id)} is not the id of an event`, { field: 'after' })
}

export interface ListOrderFillsInput extends OrderKey, PageInput<Pick<Fill, 'executedAt' | 'id'>> {}

/** Returns the executions of an order, newest first. */
export async function listOrderFills(db: Database, input: ListOrderFillsInput): Promise<Fill[]> {
  const { botId, orderId } = readOrderKey(input)
  return await many(
    'listOrderFills',
    db
      .select()
      .from(fills)
      .where(
        and(
          eq(fills.botId, botId),
          eq(fills.orderId, orderId),
          comesAfter(fills.executedAt, fills.id, readCursor(input.after?.executedAt, input.after?.id)),
        ),
      )
      .orderBy(desc(fills.executedAt), desc(fills.id))
      .limit(readLimit(input.limit)),
  )
}

function readCursor(at: Date | undefined, id: string | undefined): { at: Date; id: string } | undefined {
  if (at === undefined || id === undefined) return undefined
  return { at: toInstant(at, 'after'), id: toUuid(id, 'after') }
}
