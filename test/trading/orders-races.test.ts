import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { getOrder, listOrderEvents } from '../../src/trading/order-reads.ts'
import {
  cancelOrder,
  expireOrder,
  markOrderRejected,
  markOrderSubmitted,
} from '../../src/trading/order-steps.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { recordFill, recordFills } from '../../src/trading/record-fills.ts'
import { describeEngines } from '../database.ts'
import { fillOf, orderIn, orderOf, prepare, rowsOf, sumsOf, unique } from './orders-fixtures.ts'

const FITS = { quantity_fits: true, cost_fits: true, fee_fits: true }
const ROUNDS = 60

// The embedded engine is one connection, so it shows nothing of races.
describeEngines(
  'races for an order',
  (open) => {
    let db: Connection
    beforeAll(async () => {
      db = await open()
      await prepare(db, 'a')
    })

    it('is taken one step by one of many, and leaves one event', async () => {
      for (let round = 0; round < 10; round++) {
        const order = await orderIn(db, 'a', 'submitted')
        const key = { botId: 'a', orderId: order.id }
        const rows = await Promise.all(Array.from({ length: 8 }, () => cancelOrder(db, key)))
        for (const row of rows) expect(row).toEqual(rows[0])
        expect(await listOrderEvents(db, key)).toHaveLength(2)
      }
    })

    it('ends in one way when it is ended in several at once', async () => {
      for (let round = 0; round < 10; round++) {
        const key = { botId: 'a', orderId: (await orderIn(db, 'a', 'submitted')).id }
        const outcomes = await Promise.allSettled([
          cancelOrder(db, key),
          expireOrder(db, key),
          markOrderRejected(db, { ...key, reason: 'no' }),
          cancelOrder(db, key),
        ])
        const { status } = await getOrder(db, key)
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') expect(outcome.value.status).toBe(status)
          else expect(outcome.reason).toMatchObject({ code: 'invalid_transition' })
        }
        expect(await listOrderEvents(db, key)).toHaveLength(2)
      }
    })

    it('is stored once when many record it at once', async () => {
      for (let round = 0; round < 10; round++) {
        const input = orderOf('a', round % 2 ? { exchangeOrderId: unique('exchange') } : {})
        const rows = await Promise.all(Array.from({ length: 8 }, () => recordOrder(db, input)))
        for (const row of rows) expect(row).toEqual(rows[0])
        expect(await listOrderEvents(db, { botId: 'a', orderId: rows[0]?.id ?? '' })).toHaveLength(1)
      }
    })

    it('takes one of two exchange ids that are given to it at once', async () => {
      for (let round = 0; round < 10; round++) {
        const key = { botId: 'a', orderId: (await orderIn(db, 'a', 'pending')).id }
        const ids = [unique('exchange'), unique('exchange')]
        const outcomes = await Promise.allSettled(
          ids.map((exchangeOrderId) => markOrderSubmitted(db, { ...key, exchangeOrderId })),
        )
        expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
        const lost = outcomes.find((outcome) => outcome.status === 'rejected')
        expect(lost?.reason).toMatchObject({ code: 'conflict', field: 'exchangeOrderId' })
      }
    })

    it.each(['recordOrder', 'markOrderSubmitted'] as const)(
      'gets every fill that is recorded at the moment when %s makes its id known',
      async (verb) => {
        const botId = `racing-${verb}`
        await prepare(db, botId)
        const input = orderOf(botId, { quantity: '1000' })
        await recordOrder(db, { ...input, clientOrderId: 'first' })
        for (let round = 0; round < ROUNDS; round++) {
          const exchangeOrderId = unique('exchange')
          const fresh = { ...input, clientOrderId: unique('client') }
          const made = verb === 'markOrderSubmitted' ? await recordOrder(db, fresh) : undefined
          const makeKnown = made
            ? () => markOrderSubmitted(db, { botId, orderId: made.id, exchangeOrderId })
            : () => recordOrder(db, { ...fresh, exchangeOrderId })
          // Some fills come after what is stored and some before it, which is another statement.
          const fills = [1, 2, 3].map((n) =>
            fillOf(botId, {
              exchangeOrderId,
              side: n === 2 ? 'sell' : 'buy',
              quantity: String(n),
              executedAt: new Date(Date.UTC(2026, 0, 1) + (n === 3 ? -round : round) * 1_000),
            }),
          )
          const [single, ...batch] = fills
          if (!single) throw new TypeError('no fill')
          const [order] = await Promise.all([
            makeKnown(),
            recordFill(db, single),
            recordFills(db, batch),
            // Whatever the race does to one statement, a repeat of it is not harmed.
            ...(round % 3 === 0 ? [makeKnown()] : []),
          ])
          expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 3 }])
          expect((await getOrder(db, { botId, orderId: order.id })).filledQuantity.toFixed()).toBe('6')
        }
        expect(
          await rowsOf(
            db,
            sql`select count(*)::int as unlinked from trading.fills where bot_id = ${botId} and order_id is null`,
          ),
        ).toEqual([{ unlinked: 0 }])
      },
    )

    it('keeps every fill that comes while it is cancelled', async () => {
      for (let round = 0; round < 20; round++) {
        const order = await orderIn(db, 'a', 'submitted')
        const key = { botId: 'a', orderId: order.id }
        const [cancel] = await Promise.allSettled([
          cancelOrder(db, key),
          recordFill(db, fillOf('a', { orderId: order.id })),
          recordFill(db, fillOf('a', { orderId: order.id })),
        ])
        if (cancel.status === 'rejected')
          expect(isDataError(cancel.reason) && cancel.reason.code).toBe('invalid_transition')
        const { status } = await getOrder(db, key)
        expect(status).toBe(cancel.status === 'fulfilled' ? 'cancelled' : 'filled')
        expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 2 }])
      }
    })
  },
  ['postgres', 'pg'],
)
