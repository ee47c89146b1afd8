import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  DECIDED_ACTIONS,
  getDecision,
  INTENDED_ACTIONS,
  recordDecision,
  recordTechnicalSignal,
  vetoDecision,
} from '../../src/analysis/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type PlaceOrderInput, placeOrder } from '../../src/risk/place-order.ts'
import { listOrders } from '../../src/trading/order-reads.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, makeTrader, openMarket } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import { AT, decisionOf, NOBODY } from './analysis-fixture.ts'

describeEngines('a veto', (open) => {
  let db: Connection
  let botId: string
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC')
    botId = await makeTrader(db)
  })

  const veto = { reason: 'sentiment below -0.5', source: 'sentiment' }
  const decide = async (given: object = {}) => (await recordDecision(db, decisionOf(botId, given))).id
  const orderFor = (decisionId: string, clientOrderId?: string): PlaceOrderInput => ({
    ...{ botId, symbol: 'BTC', side: 'buy', type: 'limit', quantity: '1', limitPrice: '100' },
    decisionId,
    clientOrderId,
  })
  const place = (decisionId: string) => placeOrder(db, orderFor(decisionId))
  const fact = (decisionId: string) => recordOrder(db, { ...orderFor(decisionId), exchange: EXCHANGE })
  const setVeto = (decisionId: string) =>
    db.execute(sql`
      update analysis.decisions set veto_reason = 'r', veto_source = 's', vetoed_at = now()
      where bot_id = ${botId} and id = ${decisionId}::uuid`)
  const actionOf = async (decisionId: string) => (await getDecision(db, { botId, decisionId })).action

  it.each(INTENDED_ACTIONS)('of %s hides what was meant, and keeps it', async (intendedAction) => {
    const decisionId = await decide({ intendedAction })
    const vetoed = await vetoDecision(db, { botId, decisionId, ...veto, now: AT })
    expect(vetoed).toMatchObject({
      action: 'vetoed',
      intendedAction,
      vetoReason: veto.reason,
      vetoSource: veto.source,
      vetoedAt: AT,
    })
    expect(await getDecision(db, { botId, decisionId })).toEqual({ ...vetoed, evidence: [], checks: [] })
  })

  it('is all that is added to a decision later: no evidence and no check is', async () => {
    const decisionId = await decide()
    const late = [
      sql`insert into analysis.decision_checks (bot_id, decision_id, ordinal, code, passed) values (${botId}, ${decisionId}::uuid, 99, 'x', true)`,
      sql`insert into analysis.decision_evidence (bot_id, decision_id, ordinal, source, technical_signal_id, says)
        select bot_id, ${decisionId}::uuid, 99, 'technical', id, 'bullish' from analysis.technical_signals where bot_id = ${botId} limit 1`,
    ]
    await recordTechnicalSignal(db, {
      ...{ botId, symbol: 'BTC', timeframe: '1h', signal: 'bullish', confidence: 1, indicators: {} },
    })
    await new Promise((resolve) => setTimeout(resolve, 2))
    for (const statement of late) {
      await expect(query(db, statement)).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringContaining('was recorded before'),
      })
    }
  })

  it('is refused where there is no such decision, and without a reason', async () => {
    const decisionId = await decide()
    const other = await makeTrader(db)
    const missing = [
      { botId, decisionId: NOBODY },
      { botId: other, decisionId },
    ]
    for (const key of missing) {
      await expect(vetoDecision(db, { ...key, ...veto })).rejects.toMatchObject({ code: 'not_found' })
    }
    for (const field of ['reason', 'source']) {
      const input = { botId, decisionId, ...veto, [field]: ' ' }
      await expect(vetoDecision(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    expect(await actionOf(decisionId)).toBe('long')
  })

  it('refuses that an order of the decision is placed, and lets one be recorded', async () => {
    const decisionId = await decide()
    await vetoDecision(db, { botId, decisionId, ...veto })
    await expect(place(decisionId)).rejects.toMatchObject({
      code: 'invalid_transition',
      message: expect.stringContaining(`decision '${decisionId}' was vetoed by sentiment`),
    })
    expect(await listOrders(db, { botId, limit: 1 })).not.toMatchObject([{ decisionId }])
    expect(await fact(decisionId)).toMatchObject({ decisionId })
  })

  it.each([
    ['placed', (decisionId: string) => place(decisionId)],
    ['recorded', (decisionId: string) => fact(decisionId)],
  ])('comes too late once an order was %s', async (_, make) => {
    const decisionId = await decide()
    await make(decisionId)
    for (const attempt of [
      () => vetoDecision(db, { botId, decisionId, ...veto }),
      () => setVeto(decisionId),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        code: 'invalid_transition',
        message: expect.stringContaining('too late for a veto'),
      })
    }
    expect(await actionOf(decisionId)).toBe('long')
  })

  it('can follow an order that was refused', async () => {
    const decisionId = await decide()
    const denied = await placeOrder(db, { ...orderFor(decisionId), symbol: 'UNKNOWN' }).catch(() => undefined)
    expect(denied?.placed ?? false).toBe(false)
    expect(await vetoDecision(db, { botId, decisionId, ...veto })).toMatchObject({ action: 'vetoed' })
  })

  it('gives back the order that is there when its placing is repeated', async () => {
    const decisionId = await decide()
    const input = orderFor(decisionId, `order of ${decisionId}`)
    await placeOrder(db, input)
    expect(await placeOrder(db, input)).toMatchObject({ placed: true, isRepeat: true })
  })

  // All pairs of what a decision may come to, from each of them.
  describe.each(DECIDED_ACTIONS)('of a decision that has come to %s', (from) => {
    const make = async () => {
      const decisionId = await decide({ intendedAction: from === 'vetoed' ? 'long' : from })
      if (from === 'vetoed') await vetoDecision(db, { botId, decisionId, ...veto })
      return decisionId
    }

    it.each(DECIDED_ACTIONS)('leads by SQL to %s only as a veto does, and once', async (to) => {
      const decisionId = await make()
      const where = sql`where bot_id = ${botId} and id = ${decisionId}::uuid`
      if (to === 'vetoed') {
        const set = setVeto(decisionId)
        if (from === 'vetoed') await expect(set).rejects.toMatchObject({ code: 'invalid_transition' })
        else await set
        expect(await actionOf(decisionId)).toBe('vetoed')
        return
      }
      const lifted = sql`veto_reason = null, veto_source = null, vetoed_at = null`
      const changes = [
        sql`update analysis.decisions set intended_action = ${to}, ${lifted} ${where}`,
        sql`update analysis.decisions set ${lifted} ${where}`,
      ]
      for (const change of changes) {
        const result = await db.execute(change).then(
          () => 'done',
          (error: unknown) => (error as { code: string }).code,
        )
        expect(['invalid_transition', 'invalid_input', 'done']).toContain(result)
        expect(await actionOf(decisionId)).toBe(from)
      }
    })

    it('leads by the verb to vetoed, and once', async () => {
      const decisionId = await make()
      const again = vetoDecision(db, { botId, decisionId, ...veto })
      if (from === 'vetoed') {
        await expect(again).rejects.toMatchObject({
          code: 'invalid_transition',
          message: expect.stringContaining('was vetoed by sentiment'),
        })
      } else expect(await again).toMatchObject({ action: 'vetoed', intendedAction: from })
    })
  })

  it('does not set the action itself', async () => {
    const decisionId = await decide()
    const set = db.execute(
      sql`update analysis.decisions set action = 'vetoed' where id = ${decisionId}::uuid`,
    )
    await expect(set).rejects.toMatchObject({ message: expect.stringContaining('action') })
    expect(await actionOf(decisionId)).toBe('long')
  })

  it.each(['repeatable read', 'serializable'] as const)(
    'is refused in a transaction that is %s',
    async (isolationLevel) => {
      const decisionId = await decide()
      const late = transaction(db, (tx) => vetoDecision(tx, { botId, decisionId, ...veto }), {
        isolationLevel,
      })
      await expect(late).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringContaining(isolationLevel),
      })
      expect(await actionOf(decisionId)).toBe('long')
    },
  )

  it('is undone with the transaction that it was made in', async () => {
    const decisionId = await decide()
    const undone = transaction(db, async (tx) => {
      await vetoDecision(tx, { botId, decisionId, ...veto })
      throw new Error('changed my mind')
    })
    await expect(undone).rejects.toThrow('changed my mind')
    expect(await place(decisionId)).toMatchObject({ placed: true })
  })
})

describeEngines('an order', (open) => {
  it('is of a decision that is there, and of its own bot', async () => {
    const db = await open()
    await openMarket(db, 'BTC')
    const [own, other] = [await makeTrader(db), await makeTrader(db)]
    const { id } = await recordDecision(db, decisionOf(other))
    const order = { symbol: 'BTC', side: 'buy', type: 'limit', quantity: '1', limitPrice: '100' } as const
    for (const decisionId of [NOBODY, id]) {
      const refused = { code: 'missing_reference', constraint: 'orders_decision_id_fkey' }
      await expect(placeOrder(db, { ...order, botId: own, decisionId })).rejects.toMatchObject(refused)
      await expect(
        recordOrder(db, { ...order, botId: own, exchange: EXCHANGE, decisionId }),
      ).rejects.toMatchObject(refused)
    }
  })
})
