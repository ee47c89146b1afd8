import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { transaction } from '../../src/db/transaction.ts'
import {
  getTradeIdea,
  listTradeIdeas,
  type ProposeTradeIdeaInput,
  proposeTradeIdea,
} from '../../src/ideas/index.ts'
import { getOrder, listOrders, recordOrder } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { NOW, plus } from '../risk/closures.ts'
import { endLock, makeTrader, openMarket, storeLock } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import {
  actionsOf,
  historyOf,
  ideaOf,
  makeDecision,
  makeSnapshot,
  makeSubject,
  reasonsOf,
} from './idea-fixture.ts'

type Terms = Partial<ProposeTradeIdeaInput>

describeEngines('proposeTradeIdea', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'LTC')
  })

  it('executes an idea that nothing is against, and writes down that it was proposed and executed', async () => {
    const { botId, snapshotId, strategyId, propose } = await makeSubject(db)
    const outcome = await propose({ quantity: '0.10', expectedHold: 'scalp_30m', expiresAt: plus(1) })
    if (!outcome.executed) throw new Error('it was not executed')
    const { idea, order, isRepeat } = outcome
    expect(isRepeat).toBe(false)
    expect(idea).toMatchObject({
      status: 'auto_executed',
      statusReason: 'every check passed',
      ...{
        exchange: 'x',
        positionSide: 'net',
        orderId: order.id,
        decidedBy: null,
        expectedHold: 'scalp_30m',
      },
      ...{ createdAt: NOW, decidedAt: NOW, expiresAt: plus(1), snapshotId, strategyId },
    })
    expect(idea.targets.map((target) => target.toFixed())).toEqual(['110', '120.5'])
    expect(idea.checks.every(({ passed }) => passed)).toBe(true)
    expect(idea.checks.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['auto_trading', 'strategy', 'session', 'embargo', 'confidence', 'kill_switch']),
    )
    expect(await getTradeIdea(db, { botId, ideaId: idea.id })).toEqual(idea)
    expect(await getOrder(db, { botId, orderId: order.id })).toEqual(order)
    expect(order).toMatchObject({
      clientOrderId: `idea:${idea.id}`,
      side: 'buy',
      status: 'pending',
      purpose: 'entry',
    })
    expect([order.quantity.toFixed(), order.limitPrice?.toFixed()]).toEqual(['0.1', '100'])
    const [, proposed, executed, ...others] = await historyOf(db, botId)
    expect(others).toEqual([])
    const both = { symbol: 'BTC', actor: botId, result: 'pass', ideaId: idea.id, override: false }
    expect(proposed).toMatchObject({ ...both, action: 'ai_proposed', rationale: 'it goes up' })
    expect(executed).toMatchObject({ ...both, action: 'ai_auto_executed', orderId: order.id })
  })

  it('makes an order of the price that the idea says, or of the end of its range that is reached first', async () => {
    const { propose } = await makeSubject(db)
    const range = { entryPrice: undefined, entryLow: '98', entryHigh: '102' }
    const short = { direction: 'short', stopLoss: '110', targets: ['90'] } as const
    const placed = async (terms: Terms) => {
      const outcome = await propose(terms)
      if (!outcome.executed) throw new Error(String(reasonsOf(outcome)))
      const { side, type, limitPrice } = outcome.order
      return [side, type, limitPrice?.toFixed()]
    }
    expect(await placed({})).toEqual(['buy', 'limit', '100'])
    expect(await placed(range)).toEqual(['buy', 'limit', '102'])
    expect(await placed({ ...short, ...range, symbol: 'ETH' })).toEqual(['sell', 'limit', '98'])
    expect(await placed({ ...short, ...range, entryPrice: '99', symbol: 'ETH' })).toEqual([
      'sell',
      'limit',
      '99',
    ])
    expect(await placed({ orderType: 'market', entryPrice: undefined })).toEqual(['buy', 'market', undefined])
    expect(await placed({ positionSide: 'long' })).toEqual(['buy', 'limit', '100'])
  })

  it('returns the stored idea when it is proposed again, and places no second order', async () => {
    const { botId, propose } = await makeSubject(db)
    const id = newId()
    const first = await propose({ id })
    const again = await propose({ id, quantity: '1.000', targets: ['110.0', '120.50'], exchange: 'x' })
    expect(again).toEqual({ ...first, isRepeat: true })
    expect(await listOrders(db, { botId })).toHaveLength(1)
    expect(await actionsOf(db, botId)).toEqual(['ai_resumed', 'ai_proposed', 'ai_auto_executed'])
    for (const [field, terms] of [
      ['quantity', { quantity: '2' }],
      ['targets', { targets: ['110'] }],
      ['direction', { direction: 'short', stopLoss: '101', targets: ['90'] }],
      ['expiresAt', { expiresAt: plus(5) }],
      ['strategyId', { strategyId: undefined }],
      ['rationale', { rationale: 'another' }],
      ['confidence', { confidence: 0.94 }],
    ] as [string, Terms][]) {
      const conflict = { code: 'conflict', message: expect.stringContaining(field) }
      await expect(propose({ id, ...terms })).rejects.toMatchObject(conflict)
    }
    await expect(propose({ id, quantity: '2' })).rejects.toMatchObject({ field: 'quantity' })
  })

  it('does not let a bot that starts again send an order after entries were closed', async () => {
    const { botId, propose } = await makeSubject(db)
    const id = newId()
    await propose({ id })
    const lockId = await storeLock(db, { botId, at: NOW, until: null })
    const again = await propose({ id })
    expect(again).toMatchObject({ executed: false, isRepeat: true, idea: { status: 'auto_executed' } })
    expect(reasonsOf(again)).toEqual(['lock'])
    await endLock(db, botId, lockId)
    expect(await propose({ id })).toMatchObject({ executed: true, isRepeat: true })
  })

  it('is all or nothing', async () => {
    const { botId, snapshotId, strategyId } = await makeSubject(db)
    const idea = ideaOf(botId, snapshotId, { strategyId, now: NOW })
    const failure = transaction(db, async (tx) => {
      await proposeTradeIdea(tx, idea)
      throw new Error('rolled back')
    })
    await expect(failure).rejects.toThrow('rolled back')
    expect([await listTradeIdeas(db, { botId }), await listOrders(db, { botId })]).toEqual([[], []])
    expect(await actionsOf(db, botId)).toEqual(['ai_resumed'])
    expect(await proposeTradeIdea(db, idea)).toMatchObject({ executed: true, isRepeat: false })
  })

  it('decides on an idea that somebody stored and nobody looked at', async () => {
    const { botId, snapshotId, propose } = await makeSubject(db, null)
    const id = newId()
    await query(
      db,
      sql`insert into ideas.trade_ideas (bot_id, id, snapshot_id, exchange, symbol, direction, order_type, quantity, entry_price, stop_loss,
          targets, rationale, confidence, created_at)
        values (${botId}, ${id}::uuid, ${snapshotId}::uuid, 'x', 'BTC', 'long', 'limit', 1, 100, 90, '{110,120.5}', 'it goes up', 0.95,
          ${plus(-5).toISOString()}::timestamptz)`,
    )
    expect((await listTradeIdeas(db, { botId, status: 'waiting' })).map((idea) => idea.id)).toEqual([id])
    expect(await actionsOf(db, botId)).toEqual(['ai_resumed'])
    const outcome = await propose({ id })
    expect(outcome).toMatchObject({
      isRepeat: false,
      idea: { status: 'needs_approval', createdAt: plus(-5) },
    })
    expect(await actionsOf(db, botId)).toEqual(['ai_resumed', 'ai_proposed'])
  })

  it('does not take somebody else’s order for its own', async () => {
    const { botId, propose } = await makeSubject(db)
    const id = newId()
    await recordOrder(db, {
      ...{
        botId,
        exchange: 'x',
        symbol: 'BTC',
        side: 'buy',
        type: 'market',
        quantity: '1',
        clientOrderId: `idea:${id}`,
      },
    })
    await expect(propose({ id })).rejects.toMatchObject({
      code: 'invalid_input',
      message: /is taken by an order/,
    })
    expect(await listTradeIdeas(db, { botId })).toEqual([])
  })

  it('says what is missing, and what it does not believe', async () => {
    const { botId, snapshotId, propose } = await makeSubject(db)
    const other = await makeSubject(db)
    await expect(propose({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(propose({ snapshotId: other.snapshotId })).rejects.toMatchObject({
      code: 'missing_reference',
    })
    await expect(propose({ strategyId: newId() })).rejects.toMatchObject({ code: 'missing_reference' })
    const foreign = await makeDecision(db, other.botId)
    await expect(propose({ decisionId: foreign })).rejects.toMatchObject({ code: 'missing_reference' })
    const live = await makeTrader(db)
    const now = proposeTradeIdea(db, ideaOf(live, await makeSnapshot(db, live), { now: NOW }))
    await expect(now).rejects.toMatchObject({ code: 'invalid_input', message: /now is given/ })
    const isolated = transaction(db, (tx) => proposeTradeIdea(tx, ideaOf(botId, snapshotId, { now: NOW })), {
      isolationLevel: 'repeatable read',
    })
    await expect(isolated).rejects.toMatchObject({ code: 'invalid_input', message: /repeatable read/ })
  })

  it('lists the ideas of one bot, the last first, page by page', async () => {
    const { botId, propose } = await makeSubject(db)
    await makeSubject(db).then((other) => other.propose())
    const ids: string[] = []
    for (const n of [1, 2, 3, 4]) {
      const { idea } = await propose({ now: plus(n), confidence: n % 2 ? 0.95 : 0.1, symbol: 'ETH' })
      ids.unshift(idea.id)
    }
    const all = await listTradeIdeas(db, { botId })
    expect(all.map(({ id }) => id)).toEqual(ids)
    const open = await listTradeIdeas(db, { botId, status: 'needs_approval' })
    expect(open.map(({ id }) => id)).toEqual([ids[0], ids[2]])
    const page = await listTradeIdeas(db, { botId, limit: 2, after: all[0] })
    expect(page.map(({ id }) => id)).toEqual([ids[1], ids[2]])
  })
})
