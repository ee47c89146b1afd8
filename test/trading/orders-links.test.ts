import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { linkFills } from '../../src/trading/order-links.ts'
import { getOrder, listOrderEvents, listOrderFills } from '../../src/trading/order-reads.ts'
import { cancelOrder, expireOrder, markOrderSubmitted } from '../../src/trading/order-steps.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { recordFill, recordFills } from '../../src/trading/record-fills.ts'
import { describeEngines } from '../database.ts'
import { fillOf, orderIn, orderOf, prepare, rowsOf, SYMBOL, sumsOf, unique } from './orders-fixtures.ts'

const FITS = { quantity_fits: true, cost_fits: true, fee_fits: true }
const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 10, minute))

describeEngines('fills and their orders', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await prepare(db, 'a', 'b')
  })

  it('gives the fills that came first to the order that is recorded with their id', async () => {
    const exchangeOrderId = unique('exchange')
    await recordFills(db, [
      fillOf('a', { exchangeOrderId, price: '100.1', quantity: '0.5', executedAt: at(1) }),
      fillOf('a', { exchangeOrderId, price: '100.3', quantity: '0.7', executedAt: at(2), fee: '-0.2' }),
      fillOf('a', { exchangeOrderId: unique('exchange') }),
      fillOf('b', { exchangeOrderId }),
    ])
    const input = orderOf('a', { exchangeOrderId })
    const order = await recordOrder(db, input)
    expect(order).toMatchObject({ status: 'partially_filled', submittedAt: at(1), closedAt: null })
    expect([order.filledQuantity, order.filledCost, order.fee].map((sum) => sum.toFixed())).toEqual([
      '1.2',
      '120.26',
      '-0.1',
    ])
    expect(await getOrder(db, { botId: 'a', orderId: order.id })).toEqual(order)
    expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 2 }])
    const fills = await listOrderFills(db, { botId: 'a', orderId: order.id, limit: 1 })
    expect(fills).toMatchObject([{ orderId: order.id, executedAt: at(2) }])
    const rest = await listOrderFills(db, { botId: 'a', orderId: order.id, after: fills[0] })
    expect(rest).toMatchObject([{ orderId: order.id, executedAt: at(1) }])
    expect(await recordOrder(db, input)).toEqual(order)
    expect(
      (await listOrderEvents(db, { botId: 'a', orderId: order.id })).map((event) => event.toStatus),
    ).toEqual(['partially_filled', 'pending'])
  })

  it('gives them to the order that learns their id when it is submitted, and closes it', async () => {
    const exchangeOrderId = unique('exchange')
    const order = await orderIn(db, 'a', 'pending')
    await recordFill(db, fillOf('a', { exchangeOrderId, quantity: '2', executedAt: at(3) }))
    const filled = await markOrderSubmitted(db, { botId: 'a', orderId: order.id, exchangeOrderId })
    expect(filled).toMatchObject({ status: 'filled', closedAt: at(3), exchangeOrderId })
    expect(await markOrderSubmitted(db, { botId: 'a', orderId: order.id, exchangeOrderId })).toEqual(filled)
    expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 1 }])
  })

  it.each(['recordOrder', 'markOrderSubmitted', 'linkFills'] as const)(
    'gives them to it when %s comes after a process that died in between',
    async (verb) => {
      const exchangeOrderId = unique('exchange')
      const input = orderOf('a')
      const order = await recordOrder(db, input)
      await recordFill(db, fillOf('a', { exchangeOrderId }))
      await db.execute(
        sql`update trading.orders set exchange_order_id = ${exchangeOrderId}, status = 'submitted' where id = ${order.id}`,
      )
      const key = { botId: 'a', orderId: order.id }
      if (verb === 'recordOrder') await recordOrder(db, { ...input, exchangeOrderId })
      else if (verb === 'markOrderSubmitted') await markOrderSubmitted(db, { ...key, exchangeOrderId })
      else expect(await linkFills(db, { botId: 'a' })).toMatchObject([{ id: order.id }])
      expect(await getOrder(db, key)).toMatchObject({ status: 'partially_filled' })
      expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 1 }])
      expect(await linkFills(db, { botId: 'a' })).toEqual([])
      expect(await linkFills(db, key)).toEqual([])
    },
  )

  it('leaves fills of another symbol alone, though an exchange gave them the same order id', async () => {
    const exchangeOrderId = unique('exchange')
    const fill = await recordFill(db, fillOf('a', { exchangeOrderId }))
    await recordOrder(db, orderOf('a', { exchangeOrderId, symbol: `not ${SYMBOL}` }))
    expect(await rowsOf(db, sql`select order_id from trading.fills where id = ${fill.id}`)).toEqual([
      { order_id: null },
    ])
  })

  it.each([
    ['cancelled', cancelOrder],
    ['expired', expireOrder],
  ] as const)('keeps a late fill of an order that is %s, and its status', async (status, end) => {
    const order = await orderIn(db, 'a', 'submitted')
    const key = { botId: 'a', orderId: order.id }
    const ended = await end(db, key)
    await recordFill(db, fillOf('a', { orderId: order.id, quantity: '2' }))
    const after = await getOrder(db, key)
    expect(after).toMatchObject({ status, closedAt: ended.closedAt })
    expect(after.filledQuantity.toFixed()).toBe('2')
    expect(await sumsOf(db, order)).toEqual([{ ...FITS, fills: 1 }])
    expect(await listOrderEvents(db, key)).toHaveLength(2)
  })

  it('keeps fills that were waiting for an order which is recorded as cancelled', async () => {
    const exchangeOrderId = unique('exchange')
    await recordFill(db, fillOf('a', { exchangeOrderId }))
    const order = await recordOrder(
      db,
      orderOf('a', { exchangeOrderId, status: 'cancelled', closedAt: at(9) }),
    )
    expect(order).toMatchObject({ status: 'cancelled', closedAt: at(9) })
    expect(order.filledQuantity.toFixed()).toBe('1')
  })

  it('says why a position was left, also when the stop is recorded after its fill', async () => {
    await prepare(db, 'stopped')
    const exchangeOrderId = unique('exchange')
    await recordFill(db, fillOf('stopped', { executedAt: at(1) }))
    await recordFills(db, [
      fillOf('stopped', { side: 'sell', quantity: '0.4', exchangeOrderId, executedAt: at(2) }),
      fillOf('stopped', { side: 'sell', quantity: '0.6', exchangeOrderId, executedAt: at(2) }),
    ])
    const reasons = sql`select status, exit_reason from trading.positions where bot_id = 'stopped'`
    expect(await rowsOf(db, reasons)).toEqual([{ status: 'closed', exit_reason: null }])
    await recordOrder(
      db,
      orderOf('stopped', {
        side: 'sell',
        type: 'stop_market',
        stopPrice: '99',
        quantity: '1',
        purpose: 'stop_loss',
        exchangeOrderId,
      }),
    )
    expect(await rowsOf(db, reasons)).toEqual([{ status: 'closed', exit_reason: 'stop_loss' }])
  })

  it('does not take a stop that only reduced a position for why it was left', async () => {
    await prepare(db, 'reduced')
    const [stop, exit] = [unique('exchange'), unique('exchange')]
    await recordFill(db, fillOf('reduced', { executedAt: at(1) }))
    await recordFills(db, [
      fillOf('reduced', {
        side: 'sell',
        quantity: '0.4',
        exchangeOrderId: stop,
        executedAt: at(2),
        sequence: 1n,
      }),
      fillOf('reduced', {
        side: 'sell',
        quantity: '0.6',
        exchangeOrderId: exit,
        executedAt: at(2),
        sequence: 2n,
      }),
    ])
    const given = {
      side: 'sell',
      quantity: '1',
      type: 'stop_market',
      stopPrice: '9',
      purpose: 'stop_loss',
    } as const
    await recordOrder(db, orderOf('reduced', { ...given, exchangeOrderId: stop }))
    expect(await rowsOf(db, sql`select exit_reason from trading.positions where bot_id = 'reduced'`)).toEqual(
      [{ exit_reason: null }],
    )
  })
})
