import { describe, expect, test } from 'vitest'
import { cashFlowsFromCcxt } from '../../src/importers/index.ts'
import { checkCashFlowInput } from '../../src/trading/cash-flow-input.ts'
import { refusalOf } from './refusal.ts'

const owner = { botId: 'grid-7', exchange: 'binance' }
const AT = 1_700_000_000_123

function flowsOf(entry: object, options: object = {}) {
  const flows = cashFlowsFromCcxt([{ id: 'f1', timestamp: AT, ...entry }], { ...owner, ...options })
  flows.forEach(checkCashFlowInput)
  return flows
}

describe('cashFlowsFromCcxt', () => {
  const funding = { symbol: 'BTC/USDT:USDT', code: 'USDT', amount: -0.0123 }
  const base = { ...owner, exchangeFlowId: 'f1', occurredAt: new Date(AT) }

  test('converts a funding payment with its sign', () => {
    const info = { income: '-0.01230000', positionSide: 'SHORT' }
    expect(flowsOf({ ...funding, info })).toEqual([
      {
        ...base,
        kind: 'funding',
        symbol: 'BTC/USDT:USDT',
        positionSide: 'short',
        currency: 'USDT',
        amount: '-0.01230000',
      },
    ])
  })

  test.each([
    [{ type: 'deposit', amount: 5 }, 'deposit', '5'],
    [{ type: 'withdrawal', amount: 5 }, 'withdrawal', '-5'],
    [{ type: 'withdrawal', amount: -5 }, 'withdrawal', '-5'],
    [{ type: 'transaction', direction: 'in', amount: 5 }, 'deposit', '5'],
    [{ type: 'transaction', direction: 'out', amount: 5 }, 'withdrawal', '-5'],
    [{ type: 'transfer', direction: 'out', amount: 5 }, 'transfer', '-5'],
    [{ type: 'rebate', amount: 5 }, 'rebate', '5'],
    [{ type: 'interest', direction: 'out', amount: 5 }, 'interest', '-5'],
  ])('converts %j', (entry, kind, amount) => {
    expect(flowsOf({ ...entry, currency: 'USDT' })).toEqual([{ ...base, kind, amount, currency: 'USDT' }])
  })

  test('asks for the direction of a transfer', () => {
    const transfer = { fromAccount: 'spot', toAccount: 'swap', currency: 'USDT', amount: 5 }
    expect(refusalOf(() => flowsOf(transfer))).toEqual([
      'entries[0].direction: is missing; say it with the option directionOf',
    ])
    const directionOf = (entry: { toAccount?: unknown }) => (entry.toAccount === 'swap' ? 'in' : 'out')
    expect(flowsOf(transfer, { directionOf })).toMatchObject([{ kind: 'transfer', amount: '5' }])
    const transaction = { type: 'transaction', currency: 'USDT', amount: 5 }
    expect(refusalOf(() => flowsOf(transaction))[0]).toMatch(/^entries\[0\]\.direction: is missing/)
  })

  test('makes the fee of an entry a cash flow beside it', () => {
    const fee = { cost: 0.5, currency: 'USDT' }
    expect(flowsOf({ type: 'withdrawal', currency: 'USDT', amount: 5, fee })).toEqual([
      { ...base, kind: 'withdrawal', amount: '-5', currency: 'USDT' },
      { ...base, kind: 'fee', amount: '-0.5', currency: 'USDT' },
    ])
  })

  test('leaves out trades and what has not happened', () => {
    expect(flowsOf({ type: 'trade', currency: 'USDT', amount: 5 })).toEqual([])
    expect(flowsOf({ type: 'deposit', currency: 'USDT', amount: 5, status: 'pending' })).toEqual([])
    expect(flowsOf({ type: 'deposit', currency: 'USDT', amount: 5, status: 'ok' })).toHaveLength(1)
  })

  test('asks what a type is that has no one meaning', () => {
    const entry = { type: 'fee', currency: 'USDT', amount: 5, direction: 'out' }
    expect(refusalOf(() => flowsOf(entry))[0]).toMatch(
      /^entries\[0\]\.type: is 'fee'; say with the option kinds/,
    )
    expect(flowsOf(entry, { kinds: { fee: 'fee' } })).toMatchObject([{ kind: 'fee', amount: '-5' }])
    expect(flowsOf(entry, { kinds: { fee: null } })).toEqual([])
  })

  test.each([
    [{ ...funding, code: undefined }, 'entries[0].currency: is missing; say it with the option currency'],
    [
      { ...funding, symbol: undefined, type: 'funding' },
      'entries[0].symbol: is missing for a funding payment',
    ],
    [{ ...funding, amount: undefined }, 'entries[0].amount: is missing'],
    [{ code: 'USDT', amount: 1 }, 'entries[0].type: is missing'],
    [{ ...funding, amount: NaN }, 'entries[0].amount: is NaN, not a finite number'],
    [
      { type: 'withdrawal', currency: 'BTC', amount: 1, fee: { cost: 0.1 } },
      'entries[0].fee.currency: is missing for a fee of 0.1',
    ],
  ])('refuses %j', (entry, expected) => {
    expect(refusalOf(() => flowsOf(entry))).toEqual([expected])
  })
})
