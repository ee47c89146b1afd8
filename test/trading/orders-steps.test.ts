import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import type { Order } from '../../src/trading/order-input.ts'
import { getOrder, listOrderEvents } from '../../src/trading/order-reads.ts'
import {
  cancelOrder,
  expireOrder,
  markOrderRejected,
  markOrderSubmitted,
  recordOrderRetry,
} from '../../src/trading/order-steps.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { ORDER_STATUSES, type OrderStatus } from '../../src/trading/schema/orders.ts'
import { describeEngines } from '../database.ts'
import { fillOf, orderIn, orderOf, prepare, unique, unknownId } from './orders-fixtures.ts'

// Written out by hand: what each status can become.
const ALLOWED: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  pending: ['submitted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired'],
  submitted: ['partially_filled', 'filled', 'cancelled', 'rejected', 'expired'],
  partially_filled: ['filled', 'cancelled', 'rejected', 'expired'],
  filled: [],
  cancelled: [],
  rejected: [],
  expired: [],
}

const PAIRS = ORDER_STATUSES.flatMap((from) =>
  ORDER_STATUSES.filter((to) => to !== from).map((to) => ({ from, to, allowed: ALLOWED[from].includes(to) })),
)

type StepVerb = (db: Database, order: Order) => Promise<Order>
const VERBS: Readonly<Partial<Record<OrderStatus, StepVerb>>> = {
  submitted: (db, { botId, id }) => markOrderSubmitted(db, { botId, orderId: id }),
  cancelled: (db, { botId, id }) => cancelOrder(db, { botId, orderId: id, reason: 'changed my mind' }),
  rejected: (db, { botId, id }) => markOrderRejected(db, { botId, orderId: id, reason: 'no margin' }),
  expired: (db, { botId, id }) => expireOrder(db, { botId, orderId: id }),
}
const REASONS: Readonly<Partial<Record<OrderStatus, string>>> = {
  cancelled: 'changed my mind',
  rejected: 'no margin',
}

const submitOf = ({ from, to }: { from: OrderStatus; to: OrderStatus }) =>
  to === 'submitted' && (from === 'partially_filled' || from === 'filled')

describeEngines('steps of an order', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await prepare(db, 'a', 'b')
  })

  it.each(PAIRS.filter((pair) => VERBS[pair.to] && pair.allowed))(
    'goes from $from to $to',
    async ({ from, to }) => {
      const before = await orderIn(db, 'a', from)
      const after = await VERBS[to]?.(db, before)
      expect(after).toMatchObject({ id: before.id, status: to, lastError: REASONS[to] ?? null })
      expect(after?.closedAt === null).toBe(to === 'submitted')
      expect(after?.submittedAt === null).toBe(to !== 'submitted')
      expect(await getOrder(db, { botId: 'a', orderId: before.id })).toEqual(after)
      expect(await VERBS[to]?.(db, before)).toEqual(after)
      expect(await listOrderEvents(db, { botId: 'a', orderId: before.id })).toMatchObject([
        { fromStatus: from, toStatus: to, reason: REASONS[to] ?? null },
        { fromStatus: null, toStatus: from },
      ])
    },
  )

  it.each(PAIRS.filter((pair) => VERBS[pair.to] && !pair.allowed && !submitOf(pair)))(
    'does not go from $from to $to',
    async ({ from, to }) => {
      const before = await orderIn(db, 'a', from)
      const step = VERBS[to]?.(db, before)
      await expect(step).rejects.toMatchObject({ code: 'invalid_transition' })
      await expect(step).rejects.toThrow(
        `order '${before.clientOrderId}' (${before.id}) is ${from}, and cannot become ${to}`,
      )
      expect(await getOrder(db, { botId: 'a', orderId: before.id })).toEqual(before)
      expect(await listOrderEvents(db, { botId: 'a', orderId: before.id })).toHaveLength(1)
    },
  )

  it.each(PAIRS)(
    'guards $from to $to against plain SQL (allowed: $allowed)',
    async ({ from, to, allowed }) => {
      const { id } = await orderIn(db, 'a', from)
      const update = db.execute(
        sql`update trading.orders set status = ${to} where bot_id = 'a' and id = ${id}`,
      )
      if (allowed) await update
      else await expect(update).rejects.toMatchObject({ code: 'invalid_transition' })
      expect((await getOrder(db, { botId: 'a', orderId: id })).status).toBe(allowed ? to : from)
      expect(await listOrderEvents(db, { botId: 'a', orderId: id })).toHaveLength(allowed ? 2 : 1)
    },
  )

  it.each(PAIRS)('takes a report of $to for an order that is $from (allowed: $allowed)', async (pair) => {
    const { from, to, allowed } = pair
    const input = orderOf('a', { status: from })
    const before = await recordOrder(db, input)
    const report = recordOrder(db, { ...input, status: to })
    const bothEnded = ALLOWED[from].length === 0 && ALLOWED[to].length === 0
    if (bothEnded) await expect(report).rejects.toMatchObject({ code: 'conflict', field: 'status' })
    else expect((await report).status).toBe(allowed ? to : from)
    if (!allowed) expect(await getOrder(db, { botId: 'a', orderId: before.id })).toEqual(before)
    expect(await listOrderEvents(db, { botId: 'a', orderId: before.id })).toHaveLength(allowed ? 2 : 1)
  })

  it.each(['partially_filled', 'filled'] as const)(
    'gives the exchange id to an order that is %s',
    async (status) => {
      const { id: orderId } = await orderIn(db, 'a', status)
      const input = { botId: 'a', orderId, exchangeOrderId: unique('exchange'), submittedAt: new Date(1_000) }
      const order = await markOrderSubmitted(db, input)
      expect(order).toMatchObject({
        status,
        exchangeOrderId: input.exchangeOrderId,
        submittedAt: new Date(1_000),
      })
      expect(await markOrderSubmitted(db, input)).toEqual(order)
      expect(await listOrderEvents(db, { botId: 'a', orderId })).toHaveLength(1)
    },
  )

  it.each(['cancelled', 'rejected', 'expired'] as const)(
    'takes no exchange id for an order that is %s',
    async (status) => {
      const order = await orderIn(db, 'a', status)
      const input = {
        botId: 'a',
        orderId: order.id,
        exchangeOrderId: unique('exchange'),
        submittedAt: new Date(),
      }
      await expect(markOrderSubmitted(db, input)).rejects.toMatchObject({ code: 'invalid_transition' })
      expect(await getOrder(db, { botId: 'a', orderId: order.id })).toEqual(order)
    },
  )

  it('learns the exchange id after the submission', async () => {
    const { id: orderId } = await orderIn(db, 'a', 'pending')
    const first = await markOrderSubmitted(db, { botId: 'a', orderId, submittedAt: new Date(5_000) })
    const exchangeOrderId = unique('exchange')
    const second = await markOrderSubmitted(db, { botId: 'a', orderId, exchangeOrderId })
    expect(second).toEqual({ ...first, exchangeOrderId, updatedAt: second.updatedAt })
    expect(await markOrderSubmitted(db, { botId: 'a', orderId })).toEqual(second)
  })

  it('refuses another exchange id, and that of another order', async () => {
    const order = await recordOrder(db, orderOf('a', { exchangeOrderId: unique('exchange') }))
    const other = { botId: 'a', orderId: order.id, exchangeOrderId: unique('exchange') }
    await markOrderSubmitted(db, { botId: 'a', orderId: order.id })
    await expect(markOrderSubmitted(db, other)).rejects.toMatchObject({
      code: 'conflict',
      field: 'exchangeOrderId',
    })
    const second = await orderIn(db, 'a', 'pending')
    const taken = { botId: 'a', orderId: second.id, exchangeOrderId: order.exchangeOrderId ?? '' }
    await expect(markOrderSubmitted(db, taken)).rejects.toMatchObject({
      code: 'conflict',
      constraint: 'orders_exchange_order_id_key',
    })
    expect(await getOrder(db, { botId: 'a', orderId: second.id })).toEqual(second)
  })

  it('counts the retries of an order that is open', async () => {
    const { id: orderId } = await orderIn(db, 'a', 'pending')
    await recordOrderRetry(db, { botId: 'a', orderId, error: 'timeout' })
    const order = await recordOrderRetry(db, { botId: 'a', orderId, error: 'no route' })
    expect(order).toMatchObject({ status: 'pending', retries: 2, lastError: 'no route' })
    expect(await markOrderSubmitted(db, { botId: 'a', orderId })).toMatchObject({
      retries: 2,
      lastError: null,
    })
  })

  it.each(['filled', 'cancelled', 'rejected', 'expired'] as const)(
    'does not retry an order that is %s',
    async (status) => {
      const { id: orderId } = await orderIn(db, 'a', status)
      const retry = recordOrderRetry(db, { botId: 'a', orderId, error: 'timeout' })
      await expect(retry).rejects.toMatchObject({ code: 'invalid_transition' })
      await expect(retry).rejects.toThrow(`is ${status}, and cannot be retried`)
    },
  )

  it('gives the error of a retry as the reason of no later event', async () => {
    const order = await orderIn(db, 'a', 'pending')
    const key = { botId: 'a', orderId: order.id }
    await recordOrderRetry(db, { ...key, error: 'timeout' })
    await recordFill(db, fillOf('a', { orderId: order.id }))
    await cancelOrder(db, key)
    expect((await listOrderEvents(db, key)).map((event) => [event.toStatus, event.reason])).toEqual([
      ['cancelled', null],
      ['partially_filled', null],
      ['pending', null],
    ])
  })

  it('keeps the reason of the step when the error before it was the same', async () => {
    const key = { botId: 'a', orderId: (await orderIn(db, 'a', 'pending')).id }
    await recordOrderRetry(db, { ...key, error: 'no margin' })
    await markOrderRejected(db, { ...key, reason: 'no margin' })
    expect(await listOrderEvents(db, key)).toMatchObject([{ reason: 'no margin' }, { reason: null }])
  })

  const everyStep: [string, (db: Database, key: { botId: string; orderId: string }) => Promise<Order>][] = [
    ['markOrderSubmitted', (on, key) => markOrderSubmitted(on, key)],
    ['markOrderRejected', (on, key) => markOrderRejected(on, { ...key, reason: 'no' })],
    ['cancelOrder', (on, key) => cancelOrder(on, key)],
    ['expireOrder', (on, key) => expireOrder(on, key)],
    ['recordOrderRetry', (on, key) => recordOrderRetry(on, { ...key, error: 'no' })],
  ]
  it.each(everyStep)('%s finds no unknown order, and none of another bot', async (_, step) => {
    const order = await orderIn(db, 'b', 'pending')
    for (const key of [
      { botId: 'a', orderId: unknownId() },
      { botId: 'a', orderId: order.id },
      { botId: 'nobody', orderId: order.id },
    ]) {
      await expect(step(db, key)).rejects.toMatchObject({ code: 'not_found' })
    }
    await expect(step(db, { botId: 'b\0', orderId: order.id })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'botId',
    })
    await expect(step(db, { botId: 'b', orderId: 'x' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'orderId',
    })
    expect(await getOrder(db, { botId: 'b', orderId: order.id })).toEqual(order)
  })

  it('refuses texts that cannot be stored', async () => {
    const key = { botId: 'a', orderId: (await orderIn(db, 'a', 'pending')).id }
    const bad = [
      ['exchangeOrderId', markOrderSubmitted(db, { ...key, exchangeOrderId: '\0' })],
      ['submittedAt', markOrderSubmitted(db, { ...key, submittedAt: new Date(Number.NaN) })],
      ['reason', markOrderRejected(db, { ...key, reason: '' })],
      ['reason', cancelOrder(db, { ...key, reason: 'a\0' })],
      ['error', recordOrderRetry(db, { ...key, error: '\ud83d' })],
    ] as const
    for (const [field, call] of bad)
      await expect(call).rejects.toMatchObject({ code: 'invalid_input', field })
  })
})
