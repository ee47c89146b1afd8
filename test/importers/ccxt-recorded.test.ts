import { describe, expect, test } from 'vitest'
import { cashFlowsFromCcxt, fillsFromCcxt, ordersFromCcxt } from '../../src/importers/index.ts'
import { checkCashFlowInput } from '../../src/trading/cash-flow-input.ts'
import { checkFillInput } from '../../src/trading/fill-input.ts'
import { checkOrderInput } from '../../src/trading/order-input.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'

const owner = { botId: 'recorder', exchange: 'hyperliquid' }

type Unified = Record<
  'fetchMyTrades' | 'fetchOpenOrders' | 'fetchOrders' | 'fetchFundingHistory' | 'fetchLedger',
  object[]
>

interface Recording<Row> {
  readonly response: Row[]
}

interface RawFill {
  readonly px: string
  readonly sz: string
  readonly closedPnl: string
  readonly startPosition: string
  readonly time: number
}

const unified = () => readSharedJson<Unified>('ccxt/hyperliquid.unified.json')

function rawOf<Row>(path: string): Row[] {
  return readSharedJson<Recording<Row>[]>(path).flatMap(({ response }) => response)
}

describe.skipIf(!hasSharedData)(`recorded ccxt objects${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  test('500 trades without ids are 500 fills of different keys', () => {
    const fills = fillsFromCcxt(unified().fetchMyTrades, owner)
    const keys = fills
      .map(checkFillInput)
      .map((fill) => [fill.symbol, fill.exchangeTradeId, fill.side].join())
    expect(fills).toHaveLength(500)
    expect(new Set(keys).size).toBe(500)
  })

  test('every price, quantity, PnL and start position has the text of the recording', () => {
    const fills = fillsFromCcxt(unified().fetchMyTrades, owner)
    const raw = rawOf<RawFill>('hyperliquid/user_fills.json')
    expect(
      fills.map((fill) => ({
        px: fill.price,
        sz: fill.quantity,
        closedPnl: fill.exchangePnl,
        startPosition: fill.exchangeStartPosition,
        time: fill.executedAt.getTime(),
      })),
    ).toEqual(
      raw.map(({ px, sz, closedPnl, startPosition, time }) => ({ px, sz, closedPnl, startPosition, time })),
    )
  })

  test('fills of one symbol and millisecond follow each other as the exchange lists them', () => {
    const trades = unified().fetchMyTrades
    const places = new Map<string, bigint[]>()
    for (const { symbol, executedAt, sequence } of fillsFromCcxt(trades, owner)) {
      const key = `${symbol} ${executedAt.getTime()}`
      places.set(key, [...(places.get(key) ?? []), sequence ?? -1n])
    }
    const shared = [...places.values()].filter(({ length }) => length > 1)
    expect(shared.length).toBeGreaterThan(0)
    for (const group of places.values()) expect(group).toEqual(group.map((_, index) => BigInt(index)))
  })

  test('201 orders are orders, the open ones once it is said that they are', () => {
    const { fetchOpenOrders, fetchOrders } = unified()
    expect(() => ordersFromCcxt(fetchOpenOrders, owner)).toThrow(
      /orders\[0\]\.status: is missing.*and 176 more$/s,
    )
    const open = ordersFromCcxt(fetchOpenOrders, { ...owner, defaultStatus: 'open' })
    const ended = ordersFromCcxt(fetchOrders, owner)
    const ids = [...open, ...ended].map(checkOrderInput).map(({ exchangeOrderId }) => exchangeOrderId)
    expect(new Set(ids).size).toBe(201)
    expect(new Set(open.map(({ status, type }) => `${status} ${type}`))).toEqual(new Set(['submitted limit']))
    expect(open[0]).toMatchObject({ quantity: '208.7', limitPrice: '1.0357' })
    expect(ended.map(({ status, postOnly, timeInForce }) => [status, postOnly, timeInForce])).toEqual([
      ...Array(3).fill(['rejected', false, 'ioc']),
      ...Array(2).fill(['cancelled', true, 'gtc']),
    ])
  })

  test('218 funding payments at 16 instants are 218 cash flows of different keys, with the text of the recording', () => {
    const flows = cashFlowsFromCcxt(unified().fetchFundingHistory, owner)
    const raw = rawOf<{ delta: { usdc: string } }>('hyperliquid/user_funding.json')
    const checked = flows.map(checkCashFlowInput)
    expect(new Set(checked.map((flow) => [flow.kind, flow.symbol, flow.exchangeFlowId].join())).size).toBe(
      218,
    )
    expect(flows.map(({ amount }) => amount)).toEqual(raw.map(({ delta }) => delta.usdc))
    expect(new Set(flows.map(({ kind, currency }) => `${kind} ${currency}`))).toEqual(
      new Set(['funding USDC']),
    )
  })

  test('funding payments without their ids keep different keys', () => {
    const anonymous = unified().fetchFundingHistory.map((payment) => ({ ...payment, id: undefined }))
    const checked = cashFlowsFromCcxt(anonymous, owner).map(checkCashFlowInput)
    expect(new Set(checked.map((flow) => [flow.symbol, flow.exchangeFlowId].join())).size).toBe(218)
  })

  test('of 5 ledger rows, what they leave unsaid is asked for and nothing is guessed', () => {
    const entries = unified().fetchLedger
    expect(() => cashFlowsFromCcxt(entries, { ...owner, currency: 'USDC' })).toThrow(
      [
        'entries[1].direction: is missing; say it with the option directionOf',
        "entries[2].type: is 'spotTransfer'; say with the option kinds what that is, or null to leave it out",
        'entries[2].amount: is missing',
        'entries[3].direction: is missing; say it with the option directionOf',
      ].join('\n'),
    )
    const flows = cashFlowsFromCcxt(entries, {
      ...owner,
      currency: 'USDC',
      kinds: { spotTransfer: null },
      directionOf: ({ info }) => (JSON.stringify(info).includes('"toPerp":true') ? 'in' : 'out'),
    })
    expect(flows.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['deposit', '2703997.4500000002'],
      ['transfer', '-12.0'],
      ['transfer', '-2684105.0099999998'],
      ['deposit', '1099994.98'],
    ])
  })
})
