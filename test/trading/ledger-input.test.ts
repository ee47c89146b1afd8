import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getPosition,
  listFillConflicts,
  listFills,
  markPosition,
  type RecordBalanceInput,
  type RecordCashFlowInput,
  type RecordFillInput,
  recordBalance,
  recordCashFlow,
  recordCashFlows,
  recordFill,
  recordFills,
  setPositionStops,
} from '../../src/trading/index.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import {
  countRows,
  EXCHANGE,
  fillOf,
  makeBot,
  makeInstrument,
  minute,
  query,
  text,
} from './ledger-fixture.ts'

const INJECTION = "x'); drop table trading.fills cascade; --"

/** No amounts at all. */
const NOT_AMOUNTS: unknown[] = [
  'NaN',
  'Infinity',
  '-Infinity',
  '1e400',
  '1e2',
  '0x10',
  '',
  ' 1',
  '1 ',
  '1_000',
  '1,5',
  '.',
  `0.${'0'.repeat(39)}1`,
  `1${'0'.repeat(30)}`,
  INJECTION,
  1.5,
  Number.NaN,
  10n,
  null,
  {},
]
/** Amounts, but not greater than zero. */
const NOT_POSITIVE: unknown[] = ['0', '-0', '0.000', '-1', '-0.000000000000000001']
/** No names: a text field that is needed. */
const NOT_NAMES: unknown[] = ['', '  ', 'a\0b', 'a\ud83d', '\ude00', 42, null, {}]
const NOT_MOMENTS: unknown[] = [
  new Date(Number.NaN),
  new Date(Date.UTC(10_000, 0, 1)),
  new Date(-62_200_000_000_000),
  '2024-01-15T12:00:00Z',
  1_705_320_000_000,
  null,
]
const NOT_IDS: unknown[] = ['', '1', 'a\0b', `${uuidv7()}x`, INJECTION, 42]

type Case<Input> = [field: keyof Input & string, value: unknown, code?: string, named?: string]

const each = <Input>(field: keyof Input & string, values: readonly unknown[]): Case<Input>[] =>
  values.map((value) => [field, value])

const badFills: Case<RecordFillInput>[] = [
  ...(['price', 'quantity'] as const).flatMap((field) =>
    each<RecordFillInput>(field, [...NOT_AMOUNTS, ...NOT_POSITIVE, undefined]),
  ),
  ...(['fee', 'feeInSettlement', 'exchangePnl', 'exchangeStartPosition'] as const).flatMap((field) =>
    each<RecordFillInput>(field, NOT_AMOUNTS),
  ),
  ...(['botId', 'exchange', 'symbol', 'exchangeTradeId', 'exchangeOrderId', 'feeCurrency'] as const).flatMap(
    (field) => each<RecordFillInput>(field, NOT_NAMES),
  ),
  ...each<RecordFillInput>('executedAt', [...NOT_MOMENTS, undefined]),
  ...each<RecordFillInput>('orderId', NOT_IDS),
  ...each<RecordFillInput>('sequence', [2n ** 63n, -(2n ** 63n) - 1n, 5, '5']),
  ...each<RecordFillInput>('side', ['hold', 'BUY', '', 1, undefined]),
  ...each<RecordFillInput>('positionSide', ['both', 'toString', 1]),
  ...each<RecordFillInput>('kind', ['gift']),
  ...each<RecordFillInput>('liquidity', ['none']),
  ['feeCurrency', undefined],
  ['botId', 'nobody', 'missing_reference'],
  ['botId', INJECTION, 'missing_reference'],
  ['symbol', 'NONE', 'missing_reference'],
  ['symbol', INJECTION, 'missing_reference'],
  ['exchange', INJECTION, 'missing_reference', 'symbol'],
  ['orderId', uuidv7(), 'missing_reference'],
]

describeEngines('bad input', (open) => {
  let db: Connection
  let positionId: string
  let foreignOrder: string
  beforeAll(async () => {
    db = await open()
    await makeBot(db, 'bot')
    await makeBot(db, 'other')
    await makeInstrument(db, 'S')
    positionId = (await recordFill(db, fillOf('bot', 'S', 'buy 1 @ 10', 1))).positionId ?? ''
    const order = { exchange: EXCHANGE, symbol: 'S', side: 'buy', type: 'market', quantity: '9' } as const
    foreignOrder = (await recordOrder(db, { ...order, botId: 'other', exchangeOrderId: 'theirs' })).id
  })

  /** Fails unless the call is refused so, and leaves every table as it was. */
  async function expectRefused(call: () => Promise<unknown>, code: string, field: string): Promise<void> {
    const before = await countRows(db)
    await expect(call()).rejects.toMatchObject({ name: 'DataError', code, field })
    expect(await countRows(db)).toEqual(before)
  }

  const fillWith = (over: object): RecordFillInput => ({
    ...fillOf('bot', 'S', 'buy 1 @ 10', 2, { fee: '0.1', feeCurrency: 'USD' }),
    ...over,
  })

  describe('of a fill is refused, alone and with all that came along', () => {
    it.each(badFills)('%s (%#)', async (field, value, code = 'invalid_input', named = field) => {
      const bad = fillWith({ [field]: value })
      await expectRefused(() => recordFill(db, bad), code, named)
      await expectRefused(() => recordFills(db, [fillWith({}), bad, fillWith({})]), code, named)
    })

    it("an order of another bot's, whatever else is said of it", async () => {
      for (const over of [{ orderId: foreignOrder }, { orderId: foreignOrder, exchangeOrderId: 'mine' }]) {
        await recordOrder(db, {
          botId: 'bot',
          exchange: EXCHANGE,
          symbol: 'S',
          side: 'buy',
          type: 'market',
          quantity: '9',
          clientOrderId: 'mine',
          exchangeOrderId: 'mine',
        })
        await expectRefused(() => recordFill(db, fillWith(over)), 'missing_reference', 'orderId')
        await expectRefused(
          () => recordFills(db, [fillWith({}), fillWith(over)]),
          'missing_reference',
          'orderId',
        )
      }
      // Named by the exchange's id it is only not known here.
      expect(await recordFill(db, fillWith({ exchangeOrderId: 'theirs' }))).toMatchObject({ orderId: null })
    })
  })

  it('makes no fill of a batch one of an order that it does not name', async () => {
    const order = { botId: 'bot', exchange: EXCHANGE, symbol: 'S', side: 'buy', type: 'market' } as const
    const { id: orderId } = await recordOrder(db, { ...order, quantity: '9' })
    const fills = [fillWith({ orderId }), fillWith({}), fillWith({ exchangeOrderId: 'unheard' })]
    await recordFills(db, fills)
    const stored = await listFills(db, { botId: 'bot' })
    expect(
      fills.map(
        (fill) => stored.find(({ exchangeTradeId }) => exchangeTradeId === fill.exchangeTradeId)?.orderId,
      ),
    ).toEqual([orderId, null, null])
  })

  it('stores SQL as the text that it is, and amounts as they are written', async () => {
    const fill = fillWith({
      exchangeTradeId: INJECTION,
      exchangeOrderId: INJECTION,
      feeCurrency: INJECTION,
      price: `+${'9'.repeat(30)}.${'0'.repeat(29)}1`,
      fee: '-0',
      executedAt: new Date(Date.UTC(9999, 11, 31)),
    })
    const stored = await recordFill(db, fill)
    expect(stored).toMatchObject({
      exchangeTradeId: INJECTION,
      exchangeOrderId: INJECTION,
      feeCurrency: INJECTION,
      executedAt: fill.executedAt,
    })
    expect([stored.price, stored.fee].map(text)).toEqual([`${'9'.repeat(30)}.${'0'.repeat(29)}1`, '0'])
    expect(await listFills(db, { botId: 'bot', limit: 1 })).toEqual([stored])
    expect(await recordFills(db, [fill])).toMatchObject({ duplicates: 1 })
    const early = await recordFill(db, fillWith({ executedAt: new Date('0100-01-01T00:00:00Z') }))
    expect((await listFills(db, { botId: 'bot', limit: 1_000 })).at(-1)).toEqual(early)
    expect(await listFills(db, { botId: INJECTION })).toEqual([])
  })

  it('keeps a report that contradicts a stored fill, and stores the rest of the batch', async () => {
    const fill = fillWith({})
    const stored = await recordFill(db, fill)
    const others = { price: '11', quantity: '2', fee: '0.2', executedAt: minute(3), positionSide: 'long' }
    for (const [field, value] of Object.entries(others)) {
      const report = { ...fill, [field]: value }
      await expect(recordFill(db, report)).rejects.toMatchObject({ code: 'conflict', field })
      const batch = await recordFills(db, [fillWith({}), report, fill])
      expect(batch).toMatchObject({
        inserted: 1,
        duplicates: 1,
        conflicts: [{ fillId: stored.id, differs: field }],
      })
    }
    expect(await recordFill(db, { ...fill, price: '10.000', fee: '0.10' })).toEqual(stored)
    // The same contradiction is kept once.
    const kept = await listFillConflicts(db, { botId: 'bot' })
    expect(kept.map(({ differs }) => differs).sort()).toEqual(Object.keys(others).sort())
    expect(kept.find(({ differs }) => differs === 'price')?.report).toMatchObject({
      price: '11',
      quantity: '1',
    })
  })

  describe('of a cash flow is refused, alone and with all that came along', () => {
    const flowWith = (over: object): RecordCashFlowInput => ({
      botId: 'bot',
      exchange: EXCHANGE,
      kind: 'funding',
      symbol: 'S',
      currency: 'USD',
      amount: '1',
      occurredAt: minute(9),
      exchangeFlowId: uuidv7(),
      ...over,
    })
    const bad: Case<RecordCashFlowInput>[] = [
      ...each<RecordCashFlowInput>('amount', [...NOT_AMOUNTS, undefined]),
      ...(['botId', 'exchange', 'currency', 'exchangeFlowId'] as const).flatMap((field) =>
        each<RecordCashFlowInput>(field, NOT_NAMES),
      ),
      ...each<RecordCashFlowInput>('symbol', ['', undefined, 'a\0b', '\ud83d', 42]),
      ...each<RecordCashFlowInput>('note', ['a\0b', '\ud83d', 42]),
      ...each<RecordCashFlowInput>('occurredAt', [...NOT_MOMENTS, undefined]),
      ...each<RecordCashFlowInput>('kind', ['gift', undefined]),
      ...each<RecordCashFlowInput>('positionSide', ['both']),
      ['currency', INJECTION],
      ['botId', 'nobody', 'missing_reference'],
      ['symbol', 'NONE', 'missing_reference'],
      ['symbol', INJECTION, 'missing_reference'],
    ]
    it.each(bad)('%s (%#)', async (field, value, code = 'invalid_input', named = field) => {
      const flow = flowWith({ [field]: value })
      await expectRefused(() => recordCashFlow(db, flow), code, named)
      const deposit = flowWith({ kind: 'deposit', symbol: undefined })
      await expectRefused(() => recordCashFlows(db, [flowWith({}), deposit, flow]), code, named)
    })

    it('a deposit of a bot that is not registered, and the funding that came with it', async () => {
      const deposit = flowWith({ kind: 'deposit', symbol: undefined, botId: 'nobody' })
      await expectRefused(() => recordCashFlow(db, deposit), 'missing_reference', 'botId')
      await expectRefused(() => recordCashFlows(db, [flowWith({}), deposit]), 'missing_reference', 'botId')
    })

    it('but SQL is a note like another', async () => {
      const note = {
        kind: 'deposit',
        symbol: INJECTION,
        currency: INJECTION,
        exchangeFlowId: INJECTION,
        note: INJECTION,
      }
      expect(await recordCashFlow(db, flowWith(note))).toMatchObject(note)
    })
  })

  describe('of a balance is refused', () => {
    const bad: Case<RecordBalanceInput>[] = [
      ...(['total', 'available', 'marginUsed', 'unrealisedPnl', 'equity', 'marginLevel'] as const).flatMap(
        (field) => each<RecordBalanceInput>(field, NOT_AMOUNTS),
      ),
      ...(['botId', 'exchange', 'currency'] as const).flatMap((field) =>
        each<RecordBalanceInput>(field, NOT_NAMES),
      ),
      ...each<RecordBalanceInput>('takenAt', NOT_MOMENTS),
      ...each<RecordBalanceInput>('kind', ['gift', '', 1]),
      ['total', undefined],
      ['botId', 'nobody', 'missing_reference'],
    ]
    it.each(bad)('%s (%#)', async (field, value, code = 'invalid_input', named = field) => {
      const balance = { botId: 'bot', exchange: EXCHANGE, currency: 'USD', total: '1', takenAt: minute(1) }
      await expectRefused(() => recordBalance(db, { ...balance, [field]: value }), code, named)
    })
  })

  describe('of a mark or a stop is refused, and the position stays as it is', () => {
    const prices = [...NOT_AMOUNTS.filter((value) => value !== null), ...NOT_POSITIVE]
    const bad: [verb: 'mark' | 'stops', field: string, value: unknown, code?: string][] = [
      ...prices.map((value) => ['mark', 'price', value] as ['mark', string, unknown]),
      ...NOT_MOMENTS.filter((value) => value !== null).map(
        (value) => ['mark', 'markedAt', value] as ['mark', string, unknown],
      ),
      ...NOT_IDS.map((value) => ['mark', 'positionId', value] as ['mark', string, unknown]),
      ...(['stopLoss', 'takeProfit', 'trailingDistance'] as const).flatMap((field) =>
        prices.map((value) => ['stops', field, value] as ['stops', string, unknown]),
      ),
      ...NOT_IDS.map((value) => ['stops', 'positionId', value] as ['stops', string, unknown]),
      ['stops', 'expectedVersion', 99, 'conflict'],
      ['stops', 'expectedVersion', Number.NaN],
      ['stops', 'expectedVersion', 1.5],
      ['mark', 'botId', ''],
      ['stops', 'botId', '\ud83d'],
    ]
    it.each(bad)('%s: %s (%#)', async (verb, field, value, code = 'invalid_input') => {
      const key = { botId: 'bot', positionId }
      const before = await getPosition(db, key)
      const call = () =>
        verb === 'mark'
          ? markPosition(db, { ...key, price: '1', [field]: value })
          : setPositionStops(db, { ...key, stopLoss: '1', [field]: value })
      await expectRefused(call, code, field)
      expect(await getPosition(db, key)).toEqual(before)
    })

    it.each(['nobody', 'other', INJECTION])('of a position that bot %s does not have', async (botId) => {
      const key = { botId, positionId }
      await expect(markPosition(db, { ...key, price: '1' })).rejects.toMatchObject({ code: 'not_found' })
      await expect(setPositionStops(db, { ...key, stopLoss: '1' })).rejects.toMatchObject({
        code: 'not_found',
      })
    })
  })

  it('leaves all tables there', async () => {
    const [row] = await query(
      db,
      sql`select count(*)::int as tables from pg_tables where schemaname = 'trading' and tablename in ('fills', 'positions')`,
    )
    expect(row).toEqual({ tables: 2 })
  })
})
