import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { SIGNAL_OUTCOMES, type SignalOutcome } from '../../src/strategy/schema/values.ts'
import {
  listSignals,
  type RecordSignalInput,
  recordSignal,
  setSignalOutcome,
} from '../../src/strategy/signals.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import { makeStrategy, NOBODY } from './strategy-fixture.ts'

const ENDS = SIGNAL_OUTCOMES.filter((outcome) => outcome !== 'pending')
const PAIRS = SIGNAL_OUTCOMES.flatMap((from) => SIGNAL_OUTCOMES.map((to) => [from, to] as const))

describeEngines('signals', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'pages']) await makeBot(db, botId)
  })

  const record = (input: Partial<RecordSignalInput> = {}) =>
    recordSignal(db, { botId: 'a', exchange: 'x', symbol: 'BTC', kind: 'long', price: '100', ...input })
  const recordAt = async (outcome: SignalOutcome) => {
    const { id } = await record()
    return outcome === 'pending' ? id : (await setSignalOutcome(db, { botId: 'a', id, outcome })).id
  }

  it('are kept with all that was said', async () => {
    const strategyId = (await makeStrategy(db)).id
    const facts = {
      strategyId,
      kind: 'close_short' as const,
      strength: 0.5,
      confidence: 0.75,
      indicators: { rsi: 28.5 },
      marketConditions: { regime: 'bull' },
      metadata: { a: [1] },
      passedFilters: ['volume', 'a,"b"'],
      failedFilters: ['trend'],
      validated: true,
      notes: 'n',
      emittedAt: minute(0),
      validUntil: minute(5),
    }
    const amounts = {
      price: '100.50',
      suggestedStopLoss: '99',
      suggestedTakeProfit: '105',
      suggestedQuantity: '0.000000000000000001',
    }
    const made = await record({ ...facts, ...amounts })
    expect(made).toMatchObject({
      ...facts,
      outcome: 'pending',
      outcomePnl: null,
      outcomeAt: null,
      orderId: null,
    })
    expect(made).toMatchObject(
      Object.fromEntries(Object.entries(amounts).map(([key, text]) => [key, new Decimal(text)])),
    )
    expect(await record()).toMatchObject({
      strength: 1,
      confidence: null,
      strategyId: null,
      validated: false,
      emittedAt: expect.any(Date),
    })
  })

  it('are recorded once for an id', async () => {
    const id = randomUUID()
    const made = await record({ id, indicators: { b: 1, a: { d: 1, c: 2 } }, confidence: 0.1 })
    expect(
      await record({ id, price: '100.00', indicators: { a: { c: 2, d: 1 }, b: 1 }, confidence: 0.1 }),
    ).toEqual(made)
    await expect(record({ id, price: '101', symbol: 'ETH' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'symbol',
      message: expect.stringContaining('symbol, price'),
    })
    const others = await record({ id, botId: 'b', price: '7' })
    expect(others).toMatchObject({ id, botId: 'b' })
  })

  it('refuse what is wrong, naming it', async () => {
    const bad: readonly [string, Partial<RecordSignalInput>][] = [
      ['strength', { strength: 1.1 }],
      ['confidence', { confidence: Number.NaN }],
      ['price', { price: '0' }],
      ['kind', { kind: 'buy' as 'long' }],
      ['suggestedQuantity', { suggestedQuantity: '-1' }],
      ['id', { id: 'x' }],
      ['indicators', { indicators: [] as unknown as Record<string, never> }],
    ]
    for (const [field, part] of bad)
      await expect(record(part), field).rejects.toMatchObject({ code: 'invalid_input', field })
    await expect(record({ botId: 'ghost' })).rejects.toMatchObject({
      code: 'missing_reference',
      constraint: 'signals_bot_id_fkey',
    })
    await expect(record({ strategyId: NOBODY })).rejects.toMatchObject({ code: 'missing_reference' })
    await expect(record({ emittedAt: minute(1), validUntil: minute(1) })).rejects.toMatchObject({
      constraint: 'signals_valid_until_check',
    })
  })

  it('are told once what became of them', async () => {
    const { id } = await record()
    const orderId = randomUUID()
    const told = { botId: 'a', id, outcome: 'winner', outcomePnl: '12.50', orderId } as const
    const won = await setSignalOutcome(db, told)
    expect(won).toMatchObject({
      outcome: 'winner',
      outcomePnl: new Decimal('12.5'),
      orderId,
      outcomeAt: expect.any(Date),
    })
    expect(await setSignalOutcome(db, { ...told, outcomePnl: '12.5' })).toEqual(won)
    await expect(setSignalOutcome(db, { ...told, outcomePnl: '12.6' })).rejects.toMatchObject({
      code: 'invalid_transition',
      field: 'outcomePnl',
    })
    await expect(setSignalOutcome(db, { ...told, id: NOBODY })).rejects.toMatchObject({ code: 'not_found' })
    await expect(setSignalOutcome(db, { ...told, botId: 'b' })).rejects.toMatchObject({ code: 'not_found' })
    const refused = {
      botId: 'a',
      id: (await record()).id,
      outcome: 'not_executed',
      rejectionReason: 'late',
    } as const
    expect(await setSignalOutcome(db, refused)).toMatchObject({ rejectionReason: 'late', outcomePnl: null })
  })

  it.each([
    ['winner', '-1'],
    ['winner', '0'],
    ['loser', '1'],
    ['breakeven', '0.1'],
    ['not_executed', '1'],
  ] as const)('cannot be a %s of %s', async (outcome, outcomePnl) => {
    const { id } = await record()
    await expect(setSignalOutcome(db, { botId: 'a', id, outcome, outcomePnl })).rejects.toMatchObject({
      constraint: 'signals_outcome_pnl_check',
    })
  })

  it.each(PAIRS)('go from %s to %s only if nothing was said before', async (from, to) => {
    const id = await recordAt(from)
    if (to === 'pending') {
      const back = setSignalOutcome(db, { botId: 'a', id, outcome: to as unknown as 'winner' })
      await expect(back).rejects.toMatchObject({ code: 'invalid_input', field: 'outcome' })
    } else {
      const said = setSignalOutcome(db, { botId: 'a', id, outcome: to })
      if (from === 'pending' || from === to) expect(await said).toMatchObject({ outcome: to })
      else await expect(said).rejects.toMatchObject({ code: 'invalid_transition' })
    }
    const other = await recordAt(from)
    const state = await db
      .execute(sql`update strategy.signals set outcome = ${to} where bot_id = 'a' and id = ${other}::uuid`)
      .then(
        () => undefined,
        (error: { cause?: { code?: string } }) => error.cause?.code,
      )
    expect(state).toBe(from === 'pending' || from === to ? undefined : 'TB001')
  })

  it('stay otherwise as they were recorded', async () => {
    const { id } = await record({ orderId: randomUUID() })
    for (const change of [
      sql`price = 5`,
      sql`bot_id = 'b'`,
      sql`emitted_at = now() + interval '1 day'`,
      sql`order_id = null`,
    ]) {
      await expect(
        db.execute(sql`update strategy.signals set ${change} where bot_id = 'a' and id = ${id}::uuid`),
      ).rejects.toThrow()
    }
  })

  it('are listed newest first, by symbol, strategy and outcome', async () => {
    const strategyId = (await makeStrategy(db)).id
    const at = async (n: number, more: Partial<RecordSignalInput> = {}) =>
      (await record({ botId: 'pages', emittedAt: minute(n), ...more })).id
    const ids = [
      await at(1),
      await at(2, { symbol: 'ETH', strategyId }),
      await at(2, { strategyId }),
      await at(3),
    ]
    const outcome = ENDS[0] ?? 'winner'
    await setSignalOutcome(db, { botId: 'pages', id: ids[3] ?? '', outcome })
    const list = async (more: object = {}) =>
      (await listSignals(db, { botId: 'pages', ...more })).map(({ id }) => id)
    expect(await list()).toEqual([ids[3], ids[2], ids[1], ids[0]])
    const [first, second] = await listSignals(db, { botId: 'pages', limit: 2 })
    expect([first?.id, second?.id]).toEqual([ids[3], ids[2]])
    expect(await list({ after: second })).toEqual([ids[1], ids[0]])
    expect(await list({ symbol: 'ETH' })).toEqual([ids[1]])
    expect(await list({ strategyId })).toEqual([ids[2], ids[1]])
    expect(await list({ outcome })).toEqual([ids[3]])
    expect(await list({ outcome: 'pending', symbol: 'BTC' })).toEqual([ids[2], ids[0]])
    expect(
      await query(db, sql`select count(*)::int as count from strategy.signals where bot_id = 'pages'`),
    ).toEqual([{ count: 4 }])
  })
})
