import { expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { checkIdeaInput, type ProposeTradeIdeaInput } from '../../src/ideas/idea-input.ts'
import { ideaOf } from './idea-fixture.ts'

const SNAPSHOT = '01900000-0000-7000-8000-000000000001'
const check = (terms: Record<string, unknown>) =>
  checkIdeaInput(ideaOf('bot', SNAPSHOT, terms as Partial<ProposeTradeIdeaInput>))

const SHORT = { direction: 'short', stopLoss: '110', targets: ['90'] }
const RANGE = { entryPrice: undefined, entryLow: '95', entryHigh: '105' }

it('reads what makes sense', () => {
  const read = check({ quantity: new Decimal('0.10'), targets: ['101.50', new Decimal(120)], exchange: 'y' })
  expect(read).toMatchObject({
    ...{ quantity: '0.1', entryPrice: '100', entryLow: null, stopLoss: '90', targets: '{101.5,120}' },
    ...{ exchange: 'y', positionSide: 'net', strategyId: null, expiresAt: null },
  })
  expect(check(SHORT)).toMatchObject({ direction: 'short' })
  expect(check({ ...RANGE, targets: ['105.1'], stopLoss: '94.9' })).toMatchObject({ entryHigh: '105' })
  expect(check({ ...RANGE, entryPrice: '95' })).toMatchObject({ entryPrice: '95' })
  expect(check({ orderType: 'market', entryPrice: undefined, targets: ['90.1'] })).toMatchObject({
    entryPrice: null,
  })
  expect(check({ confidence: 0 })).toMatchObject({ confidence: 0 })
  expect(check({ id: undefined }).id).toMatch(/^[\da-f-]{36}$/)
})

it.each([
  ['targets', { targets: [] }],
  ['targets', { targets: '110' }],
  ['targets[1]', { targets: ['110', '1e3'] }],
  ['targets[1]', { targets: ['110', '100'] }],
  ['targets[0]', { ...SHORT, targets: ['100'] }],
  ['targets[0]', { ...RANGE, targets: ['105'] }],
  ['targets[0]', { ...SHORT, ...RANGE, targets: ['95'] }],
  ['stopLoss', { stopLoss: '100' }],
  ['stopLoss', { stopLoss: undefined }],
  ['stopLoss', { ...RANGE, stopLoss: '95' }],
  ['stopLoss', { ...SHORT, stopLoss: '100' }],
  ['stopLoss', { ...SHORT, ...RANGE, stopLoss: '105' }],
  ['stopLoss', { orderType: 'market', entryPrice: undefined, stopLoss: '115', targets: ['120', '110'] }],
  ['entryPrice', { entryPrice: undefined }],
  ['entryPrice', { ...RANGE, entryPrice: '94' }],
  ['entryPrice', { entryPrice: 'NaN' }],
  ['entryLow', { entryHigh: '105' }],
  ['entryHigh', { entryLow: '95' }],
  ['entryLow', { ...RANGE, entryLow: '106' }],
  ['quantity', { quantity: '0' }],
  ['quantity', { quantity: 1 }],
  ['confidence', { confidence: Number.NaN }],
  ['confidence', { confidence: 1.01 }],
  ['confidence', { confidence: '0.5' }],
  ['positionSide', { positionSide: 'short' }],
  ['direction', { direction: 'buy' }],
  ['orderType', { orderType: 'stop_market' }],
  ['rationale', { rationale: ' ' }],
  ['expectedHold', { expectedHold: '' }],
  ['snapshotId', { snapshotId: 'none' }],
  ['strategyId', { strategyId: 'none' }],
  ['decisionId', { decisionId: '' }],
  ['id', { id: '7' }],
  ['symbol', { symbol: '' }],
  ['botId', { botId: '' }],
  ['expiresAt', { expiresAt: new Date(Number.NaN) }],
])('refuses what does not, naming %s: %j', (field, terms) => {
  expect(() => check(terms)).toThrow(expect.objectContaining({ code: 'invalid_input', field }))
})
