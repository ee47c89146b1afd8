import { describe, expect, test } from 'vitest'
import { ordersFromCcxt } from '../../src/importers/index.ts'
import { checkOrderInput } from '../../src/trading/order-input.ts'
import { refusalOf } from './refusal.ts'

const owner = { botId: 'grid-7', exchange: 'binance' }
const AT = 1_700_000_000_123

function makeOrder(overrides: object = {}) {
  return {
    id: '77',
    clientOrderId: 'mine-1',
    timestamp: AT,
    lastTradeTimestamp: AT + 10,
    lastUpdateTimestamp: AT + 20,
    symbol: 'BTC/USDT',
    type: 'limit',
    timeInForce: 'GTC',
    side: 'sell',
    price: 42_000.1,
    amount: 2,
    filled: 0,
    remaining: 2,
    status: 'open',
    info: {},
    ...overrides,
  }
}

function orderOf(overrides: object = {}, options: object = {}) {
  const [order] = ordersFromCcxt([makeOrder(overrides)], { ...owner, ...options })
  // What it makes must be what recordOrder takes.
  if (order) checkOrderInput(order)
  return order
}

describe('ordersFromCcxt', () => {
  test('converts a unified order', () => {
    expect(orderOf({ reduceOnly: true, postOnly: false })).toEqual({
      botId: 'grid-7',
      exchange: 'binance',
      clientOrderId: 'mine-1',
      exchangeOrderId: '77',
      symbol: 'BTC/USDT',
      side: 'sell',
      type: 'limit',
      timeInForce: 'gtc',
      quantity: '2',
      limitPrice: '42000.1',
      reduceOnly: true,
      postOnly: false,
      status: 'submitted',
      createdAt: new Date(AT),
      submittedAt: new Date(AT),
    })
  })

  test.each([
    [{ status: 'open', filled: 0 }, 'submitted', undefined],
    [{ status: 'open', filled: 0.5 }, 'partially_filled', undefined],
    [{ status: 'canceling', filled: undefined }, 'submitted', undefined],
    [{ status: 'closed', filled: 2 }, 'filled', 10],
    [{ status: 'closed', filled: undefined }, 'filled', 10],
    [{ status: 'closed', filled: 1.5 }, 'cancelled', 20],
    [{ status: 'canceled' }, 'cancelled', 20],
    [{ status: 'expired' }, 'expired', 20],
    [{ status: 'rejected', lastUpdateTimestamp: null }, 'rejected', 10],
  ])('reads the status of %j', (overrides, status, closedAfterMs) => {
    const order = orderOf(overrides)
    expect(order?.status).toBe(status)
    expect(order?.closedAt).toEqual(closedAfterMs === undefined ? undefined : new Date(AT + closedAfterMs))
  })

  test('asks what orders without a status are', () => {
    expect(refusalOf(() => orderOf({ status: undefined }))[0]).toMatch(/^orders\[0\]\.status: is missing/)
    expect(orderOf({ status: undefined }, { defaultStatus: 'open' })?.status).toBe('submitted')
  })

  test.each([
    [{ type: 'market', price: 41_999 }, { type: 'market' }],
    [{ type: undefined }, { type: 'limit', limitPrice: '42000.1' }],
    [{ type: undefined, price: undefined }, { type: 'market' }],
    [
      { type: 'limit', takeProfitPrice: 50_000, stopLossPrice: 1 },
      { type: 'limit', limitPrice: '42000.1' },
    ],
    [
      { type: 'market', triggerPrice: 40_000 },
      { type: 'stop_market', stopPrice: '40000' },
    ],
    [{ triggerPrice: 40_000 }, { type: 'stop_limit', limitPrice: '42000.1', stopPrice: '40000' }],
    [
      { type: 'stop_loss', price: 0, stopPrice: 40_000 },
      { type: 'stop_market', stopPrice: '40000' },
    ],
    [
      { type: 'Stop Market', stopLossPrice: 40_000 },
      { type: 'stop_market', stopPrice: '40000' },
    ],
    [
      { type: 'market', triggerPrice: 5, takeProfitPrice: 5 },
      { type: 'take_profit_market', stopPrice: '5' },
    ],
    [
      { type: 'TAKE_PROFIT_LIMIT', triggerPrice: 5 },
      { type: 'take_profit_limit', limitPrice: '42000.1', stopPrice: '5' },
    ],
    [
      { type: 'trailing_stop_market', triggerPrice: 5 },
      { type: 'trailing_stop', stopPrice: '5' },
    ],
  ])('reads the type and prices of %j', (overrides, expected) => {
    const { type, limitPrice, stopPrice } = orderOf(overrides) ?? {}
    expect({ type, limitPrice, stopPrice }).toEqual(expected)
  })

  test.each([
    [{ timeInForce: 'IOC' }, 'ioc', undefined],
    [{ timeInForce: 'FOK' }, 'fok', undefined],
    [{ timeInForce: 'PO' }, 'gtc', true],
    [{ timeInForce: 'ALO', postOnly: true }, 'gtc', true],
    [{ timeInForce: 'FrontendMarket' }, undefined, undefined],
    [{ timeInForce: undefined, type: 'LIMIT_MAKER' }, undefined, true],
  ])('reads the time in force of %j', (overrides, timeInForce, postOnly) => {
    const order = orderOf(overrides)
    expect([order?.timeInForce, order?.postOnly]).toEqual([timeInForce, postOnly])
  })

  test('adds up an amount that is missing', () => {
    expect(orderOf({ amount: undefined, filled: 0.1, remaining: 0.2 })?.quantity).toBe('0.3')
    expect(orderOf({ amount: undefined, filled: undefined, remaining: 0.2 })?.quantity).toBe('0.2')
    expect(orderOf({ amount: 0, filled: 0.1, remaining: 0, status: 'closed' })?.quantity).toBe('0.1')
  })

  test.each([
    [{ amount: undefined, filled: undefined, remaining: undefined }, 'orders[0].amount: is missing'],
    [
      { amount: 0, filled: 0, remaining: 0 },
      /^orders\[0\]\.amount: is missing, and filled and remaining are 0$/,
    ],
    [{ id: '', clientOrderId: null }, 'orders[0].id: is missing, and so is clientOrderId'],
    [{ status: 'done' }, /^orders\[0\]\.status: is 'done', not one of open, closed/],
    [{ price: undefined }, "orders[0].price: is missing for an order of type 'limit'"],
    [{ type: 'stop' }, "orders[0].triggerPrice: is missing for an order of type 'stop'"],
    [{ reduceOnly: 'yes' }, "orders[0].reduceOnly: is 'yes', not true or false"],
    [{ filled: 1e40 }, /^orders\[0\]\.filled: .* has more than 30 digits/],
  ])('refuses %j', (overrides, expected) => {
    const [line, ...others] = refusalOf(() => orderOf(overrides))
    expect(others).toEqual([])
    if (typeof expected === 'string') expect(line).toBe(expected)
    else expect(line).toMatch(expected)
  })

  test('leaves out ids that are not there', () => {
    expect(orderOf({ clientOrderId: undefined })).not.toHaveProperty('clientOrderId')
    expect(orderOf({ id: undefined })).not.toHaveProperty('exchangeOrderId')
  })
})
