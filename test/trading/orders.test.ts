import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import type { RecordOrderInput } from '../../src/trading/order-input.ts'
import { findOrderByClientId, getOrder, listOrderEvents } from '../../src/trading/order-reads.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import { decisionIn, orderOf, prepare, unique, unknownId } from './orders-fixtures.ts'

describeEngines('recordOrder', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await prepare(db, 'a', 'b')
  })

  it('returns the row as it is stored', async () => {
    const parent = await recordOrder(db, orderOf('a'))
    const order = await recordOrder(
      db,
      orderOf('a', {
        type: 'stop_limit',
        side: 'sell',
        quantity: '0.000000000000000001',
        limitPrice: '12345678901234567890.10',
        stopPrice: '-0.5',
        positionSide: 'long',
        timeInForce: 'gtc',
        reduceOnly: true,
        postOnly: true,
        purpose: 'stop_loss',
        exchangeOrderId: unique('exchange'),
        parentId: parent.id,
        decisionId: await decisionIn(db, 'a'),
        status: 'submitted',
        submittedAt: new Date('2026-01-02T03:04:05.678Z'),
        createdAt: new Date('2026-01-02T03:04:05.600Z'),
      }),
    )
    expect(await getOrder(db, { botId: 'a', orderId: order.id })).toEqual(order)
    expect(order.limitPrice?.toFixed()).toBe('12345678901234567890.1')
    expect(order).toMatchObject({ status: 'submitted', reduceOnly: true, parentId: parent.id, retries: 0 })

    const plain = await recordOrder(db, orderOf('a'))
    expect(await getOrder(db, { botId: 'a', orderId: plain.id })).toEqual(plain)
    expect(plain).toMatchObject({ status: 'pending', positionSide: 'net', submittedAt: null, closedAt: null })
    expect(await listOrderEvents(db, { botId: 'a', orderId: plain.id })).toMatchObject([
      { fromStatus: null, toStatus: 'pending', reason: null },
    ])
  })

  it('makes the client id of the id when there is none', async () => {
    const order = await recordOrder(db, orderOf('a', { clientOrderId: undefined }))
    expect(order.clientOrderId).toBe(order.id)
  })

  it('returns the stored row when the order is recorded again', async () => {
    const input = orderOf('a', { quantity: '1.50', purpose: 'entry' })
    const order = await recordOrder(db, input)
    expect(await recordOrder(db, { ...input, quantity: '1.5' })).toEqual(order)
    expect(await recordOrder(db, { ...input, purpose: undefined, timeInForce: 'gtc' })).toEqual(order)
    expect(await listOrderEvents(db, { botId: 'a', orderId: order.id })).toHaveLength(1)
  })

  it('knows an order without a client id by the id of the exchange', async () => {
    const input = orderOf('a', { clientOrderId: undefined, exchangeOrderId: unique('exchange') })
    const order = await recordOrder(db, input)
    expect(await recordOrder(db, input)).toEqual(order)
    const other = await recordOrder(db, { ...input, exchange: 'binance' })
    expect(other.id).not.toBe(order.id)
    await expect(recordOrder(db, { ...input, quantity: '3' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(recordOrder(db, { ...input, clientOrderId: 'late' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'clientOrderId',
    })
  })

  it('keeps the same client id of two bots apart', async () => {
    const input = orderOf('a')
    const order = await recordOrder(db, input)
    expect((await recordOrder(db, { ...input, botId: 'b', quantity: '9' })).id).not.toBe(order.id)
  })

  it.each<[string, Partial<RecordOrderInput>]>([
    ['exchange', { exchange: 'binance' }],
    ['symbol', { symbol: 'ETH' }],
    ['side', { side: 'sell' }],
    ['positionSide', { positionSide: 'short' }],
    ['type', { type: 'market' }],
    ['quantity', { quantity: '2.000000000000000000000000000001' }],
    ['limitPrice', { limitPrice: '100.4' }],
    ['stopPrice', { stopPrice: '99' }],
    ['trailingDistance', { trailingDistance: '1' }],
    ['reduceOnly', { reduceOnly: true }],
    ['postOnly', { postOnly: true }],
    ['timeInForce', { timeInForce: 'fok' }],
    ['purpose', { purpose: 'exit' }],
    ['decisionId', { decisionId: unknownId() }],
    ['exchangeOrderId', { exchangeOrderId: 'another' }],
  ])('refuses the same client id with another %s', async (field, other) => {
    const input = orderOf('a', {
      timeInForce: 'gtc',
      purpose: 'entry',
      decisionId: await decisionIn(db, 'a'),
      exchangeOrderId: unique('exchange'),
    })
    const order = await recordOrder(db, input)
    await expect(recordOrder(db, { ...input, ...other })).rejects.toMatchObject({
      code: 'conflict',
      field,
      message: expect.stringContaining(field),
    })
    expect(await getOrder(db, { botId: 'a', orderId: order.id })).toEqual(order)
  })

  it('names every field that differs', async () => {
    const input = orderOf('a')
    await recordOrder(db, input)
    await expect(recordOrder(db, { ...input, side: 'sell', limitPrice: '7' })).rejects.toThrow(
      'side, limitPrice',
    )
  })

  it('refuses the exchange id of another order', async () => {
    const [one, two] = [orderOf('a', { exchangeOrderId: unique('exchange') }), orderOf('a')]
    await recordOrder(db, one)
    const second = await recordOrder(db, two)
    const confused = { ...two, exchangeOrderId: one.exchangeOrderId }
    await expect(recordOrder(db, confused)).rejects.toMatchObject({
      code: 'conflict',
      field: 'exchangeOrderId',
    })
    expect(await getOrder(db, { botId: 'a', orderId: second.id })).toEqual(second)
  })

  it('moves a stored order on, and never back', async () => {
    const input = orderOf('a')
    const { id } = await recordOrder(db, input)
    const at = new Date('2026-05-01T00:00:00.000Z')
    const exchangeOrderId = unique('exchange')
    const submitted = await recordOrder(db, {
      ...input,
      status: 'submitted',
      exchangeOrderId,
      submittedAt: at,
    })
    expect(submitted).toMatchObject({
      id,
      status: 'submitted',
      exchangeOrderId,
      submittedAt: at,
      closedAt: null,
    })
    expect(await recordOrder(db, { ...input, status: 'pending' })).toEqual(submitted)
    const filled = await recordOrder(db, { ...input, status: 'filled', closedAt: at })
    expect(filled).toMatchObject({ id, status: 'filled', closedAt: at, exchangeOrderId })
    expect(filled.filledQuantity.toFixed()).toBe('0')
    expect(await recordOrder(db, { ...input, status: 'submitted' })).toEqual(filled)
    expect(await recordOrder(db, input)).toEqual(filled)
    await expect(recordOrder(db, { ...input, status: 'cancelled' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'status',
    })
    const events = await listOrderEvents(db, { botId: 'a', orderId: id })
    expect(events.map((event) => event.toStatus)).toEqual(['filled', 'submitted', 'pending'])
  })

  it('closes an order that a report says has ended at the time of the database, unless told', async () => {
    const input = orderOf('a')
    await recordOrder(db, input)
    const { closedAt } = await recordOrder(db, { ...input, status: 'expired' })
    expect(Math.abs(Number(closedAt) - Date.now())).toBeLessThan(60_000)
  })

  it.each<[string, Partial<RecordOrderInput>]>([
    ['limitPrice', { type: 'limit', limitPrice: undefined }],
    ['stopPrice', { type: 'stop_market' }],
    ['stopPrice', { type: 'stop_limit' }],
    ['limitPrice', { type: 'stop_limit', stopPrice: '1', limitPrice: undefined }],
    ['stopPrice', { type: 'take_profit_market' }],
    ['limitPrice', { type: 'take_profit_limit', stopPrice: '1', limitPrice: undefined }],
    ['trailingDistance', { type: 'trailing_stop' }],
    ['trailingDistance', { type: 'trailing_stop', trailingDistance: '0' }],
    ['type', { type: 'iceberg' as 'limit' }],
    ['side', { side: 'BUY' as 'buy' }],
    ['positionSide', { positionSide: 'both' as 'net' }],
    ['timeInForce', { timeInForce: 'forever' as 'gtc' }],
    ['purpose', { purpose: 'fun' as 'entry' }],
    ['status', { status: 'open' as 'pending' }],
    ['reduceOnly', { reduceOnly: 'yes' as unknown as boolean }],
    ['quantity', { quantity: 'NaN' }],
    ['quantity', { quantity: '-1' }],
    ['quantity', { quantity: '0' }],
    ['quantity', { quantity: '1e400' }],
    ['limitPrice', { limitPrice: 'Infinity' }],
    ['limitPrice', { limitPrice: '0x10' }],
    ['limitPrice', { limitPrice: '' }],
    ['stopPrice', { stopPrice: `0.${'1'.repeat(40)}` }],
    ['botId', { botId: 'a\0' }],
    ['exchange', { exchange: 'x\0' }],
    ['symbol', { symbol: ' ' }],
    ['clientOrderId', { clientOrderId: '\ud83d' }],
    ['exchangeOrderId', { exchangeOrderId: '' }],
    ['parentId', { parentId: '1' }],
    ['positionId', { positionId: "'; drop table trading.orders" }],
    ['decisionId', { decisionId: '' }],
    ['submittedAt', { submittedAt: new Date(Number.NaN) }],
    ['closedAt', { status: 'submitted', closedAt: new Date() }],
    ['createdAt', { createdAt: '2026-01-01' as unknown as Date }],
  ])('refuses a bad %s (%#)', async (field, bad) => {
    const input = orderOf('a', { clientOrderId: 'never', ...bad })
    await expect(recordOrder(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await findOrderByClientId(db, { botId: 'a', clientOrderId: 'never' })).toBeUndefined()
  })

  it('accepts a trailing stop that has a distance, or a trigger', async () => {
    const trailing = { type: 'trailing_stop', limitPrice: undefined } as const
    await recordOrder(db, orderOf('a', { ...trailing, trailingDistance: '5' }))
    await recordOrder(db, orderOf('a', { ...trailing, stopPrice: '5' }))
    await recordOrder(db, orderOf('a', { type: 'market', limitPrice: undefined }))
  })

  it('needs its bot, and a parent and a position of the same bot', async () => {
    const strange = await recordOrder(db, orderOf('b'))
    for (const bad of [
      orderOf('nobody'),
      orderOf('nobody', { exchangeOrderId: 'x' }),
      orderOf('a', { parentId: strange.id }),
      orderOf('a', { positionId: unknownId() }),
    ]) {
      await expect(recordOrder(db, bad)).rejects.toMatchObject({ code: 'missing_reference' })
    }
  })

  it('stores SQL in a text as text', async () => {
    const clientOrderId = "x'); drop table trading.orders; --"
    const order = await recordOrder(db, orderOf('a', { clientOrderId, symbol: clientOrderId }))
    expect(await findOrderByClientId(db, { botId: 'a', clientOrderId })).toEqual(order)
  })
})
