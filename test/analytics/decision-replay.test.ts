import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import {
  getLlmAnalysis,
  recordLlmAnalysis,
  recordMlPrediction,
  recordTechnicalSignal,
} from '../../src/analysis/index.ts'
import { type DecisionReplay, replayDecision } from '../../src/analytics/index.ts'
import { recordDecisionHistory } from '../../src/audit/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { captureSnapshot, getSnapshot } from '../../src/snapshots/index.ts'
import { recordSignal } from '../../src/strategy/signals.ts'
import {
  getOrder,
  listFills,
  listPositions,
  markPosition,
  recordFill,
  recordOrder,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { decide, evidence, trade } from './decision-fixture.ts'
import { asText, makeTrader, type Trader } from './performance-fixture.ts'

const AT = new Date('2024-05-01T10:00:00Z')
const later = (minutes: number) => new Date(AT.getTime() + minutes * 60_000)
const NOBODY = '01890000-0000-7000-8000-000000000000'
/** Looks like a hash of a password. */
const HASH = `$argon2id$v=19$m=65536,t=3,p=4$${'a'.repeat(22)}$${'b'.repeat(43)}`
const SECRET = 'the prompt that nobody should see here'

describeEngines('replayDecision', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const replay = ({ botId }: Trader, decisionId: string): Promise<DecisionReplay> =>
    replayDecision(db, { botId, decisionId })

  /** An idea of a decision, and the user who approved it, as the tables have them. */
  async function approve(
    { botId, exchange }: Trader,
    decisionId: string,
    snapshotId: string,
    orderId: string,
  ) {
    const [ideaId, userId] = [crypto.randomUUID(), crypto.randomUUID()]
    const email = `${userId}@example.com`
    await query(
      db,
      sql`insert into access.users (id, email, role, changed_by, password_hash) values (${userId}, ${email}, 'approver', 'test', ${HASH})`,
    )
    await query(
      db,
      sql`insert into ideas.trade_ideas (bot_id, id, exchange, symbol, direction, order_type, quantity, entry_price, stop_loss, targets, rationale,
          confidence, snapshot_id, decision_id)
        values (${botId}, ${ideaId}, ${exchange}, 'COIN', 'long', 'limit', '10', '10', '9', '{11.123456789012345678,12}', 'looks good', 0.7,
          ${snapshotId}, ${decisionId})`,
    )
    await query(
      db,
      sql`update ideas.trade_ideas set status = 'auto_executed', status_reason = 'approved', decided_at = now(), decided_by = ${userId},
          order_id = ${orderId} where bot_id = ${botId} and id = ${ideaId}`,
    )
    return { ideaId, userId, email }
  }

  it('returns all that led to a decision and came of it', async () => {
    const trader = await makeTrader(db)
    const { botId, exchange } = trader
    const snapshot = await captureSnapshot(db, {
      botId,
      symbols: ['COIN'],
      timeframes: ['1h'],
      reason: 'decision',
      now: AT,
    })
    const technical = await recordTechnicalSignal(db, {
      ...{ botId, symbol: 'COIN', timeframe: '1h', signal: 'bullish', confidence: 0.75, rsi: '61.5' },
      indicators: { RSI: { signal: 'bullish', value: 61.5 } },
    })
    const llm = await recordLlmAnalysis(db, {
      ...{ botId, symbol: 'COIN', kind: 'sentiment', model: 'm-1', sentiment: 'bullish', confidence: 0.6 },
      ...{ cost: '0.000123456789012345', prompt: SECRET, response: SECRET },
    })
    const model = await recordMlPrediction(db, {
      botId,
      symbol: 'COIN',
      action: 'long',
      confidence: 0.9,
      modelVersion: 'v7',
    })
    const signal = await recordSignal(db, {
      botId,
      exchange,
      symbol: 'COIN',
      kind: 'long',
      price: '10',
      emittedAt: AT,
    })
    const made = await decide(db, trader, {
      ...{ snapshotId: snapshot.bundle.id, decidedAt: later(1), quantity: '10.000000000000000001' },
      evidence: [
        { ...evidence('technical', technical.id, 'bullish'), weight: 0.4, score: 0.5 },
        evidence('llm', llm.id, 'bullish'),
        evidence('model', model.id, 'neutral'),
        evidence('signal', signal.id, 'bullish'),
      ],
      checks: [
        {
          code: 'max_exposure',
          passed: true,
          threshold: '1000',
          actual: '100.000000000000000001',
          unit: 'USD',
        },
        { code: 'max_drawdown', passed: false, message: 'too deep' },
      ],
    })
    await recordDecisionHistory(db, {
      ...{
        botId,
        action: 'ai_proposed',
        actor: botId,
        rationale: 'it rose',
        decisionId: made.id,
        occurredAt: later(2),
      },
    })

    const order = await trade(db, trader, { decisionId: made.id, exit: '12.5', openedAt: later(5) })
    const { ideaId, userId, email } = await approve(trader, made.id, snapshot.bundle.id, order.id)
    const { isNew: _, ...bundle } = snapshot

    const told = await replay(trader, made.id)
    const { evidence: __, checks: ___, ...decision } = made
    expect(asText(told.decision)).toEqual(asText(decision))
    expect(asText(told.evidence)).toEqual(
      asText([
        {
          ordinal: 1,
          source: 'technical',
          says: 'bullish',
          weight: 0.4,
          score: 0.5,
          technicalSignal: technical,
        },
        { ordinal: 2, source: 'llm', says: 'bullish', weight: null, score: null, llmAnalysis: llm },
        { ordinal: 3, source: 'model', says: 'neutral', weight: null, score: null, mlPrediction: model },
        { ordinal: 4, source: 'signal', says: 'bullish', weight: null, score: null, signal },
      ]),
    )
    expect(asText(told.checks)).toMatchObject([
      {
        code: 'max_exposure',
        passed: true,
        threshold: '1000',
        actual: '100.000000000000000001',
        unit: 'USD',
      },
      { code: 'max_drawdown', passed: false, threshold: null, actual: null, message: 'too deep' },
    ])
    expect(asText(told.snapshot)).toEqual(asText(bundle))
    expect(told.snapshot).toEqual(await getSnapshot(db, { botId, id: bundle.bundle.id }))
    expect(asText(told.ideas)).toMatchObject([
      {
        id: ideaId,
        decidedBy: userId,
        targets: ['11.123456789012345678', '12'],
        confidence: 0.7,
        quantity: '10',
      },
    ])
    // What the database itself writes of an idea is there too.
    expect(told.history.map(({ action, tradeIdeaId }) => [action, tradeIdeaId])).toEqual([
      ['ai_proposed', null],
      ['ai_proposed', ideaId],
      ['human_approved', ideaId],
    ])
    expect(told.history[0]).toMatchObject({ rationale: 'it rose', occurredAt: later(2), actor: botId })
    const approved = { actor: expect.any(String), approvedAt: expect.any(Date) }
    expect(told.approvals).toEqual([{ ...approved, userId, email, tradeIdeaId: ideaId }])
    expect(told.orders).toHaveLength(1)
    expect(asText(told.orders[0]?.order)).toEqual(asText(await getOrder(db, { botId, orderId: order.id })))
    expect(told.orders[0]?.events.map(({ toStatus }) => toStatus)).toEqual([
      'submitted',
      'partially_filled',
      'filled',
    ])
    const fills = (await listFills(db, { botId })).filter(({ orderId }) => orderId === order.id).toReversed()
    expect(asText(told.orders[0]?.fills)).toEqual(asText(fills))
    expect(asText(told.positions)).toMatchObject([
      {
        parts: ['opened', 'added'],
        netPnl: '25',
        unrealisedPnl: null,
        position: { closedAt: later(6), direction: 'long' },
      },
    ])
    expect(asText(told.positions[0]?.position)).toEqual(asText((await listPositions(db, { botId }))[0]))
  })

  it('leaves out what a language model was told and answered', async () => {
    const trader = await makeTrader(db)
    const { botId } = trader
    const llm = await recordLlmAnalysis(db, {
      ...{
        botId,
        kind: 'sentiment',
        model: 'm-1',
        prompt: SECRET,
        response: SECRET,
        responseJson: { secret: SECRET },
      },
    })
    const { id } = await decide(db, trader, { evidence: [evidence('llm', llm.id, 'bullish')] })
    const told = JSON.stringify(await replay(trader, id), (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    )
    expect(told).toContain(llm.id)
    expect(told).not.toContain(SECRET)
    expect((await getLlmAnalysis(db, { botId, llmAnalysisId: llm.id })).prompt).toBe(SECRET)
  })

  it('tells what is open by its mark, and what is flat by its net', async () => {
    const trader = await makeTrader(db)
    const { botId } = trader
    const { id } = await decide(db, trader)
    await trade(db, trader, { decisionId: id, openedAt: later(0) })
    const [held] = (await replay(trader, id)).positions
    expect(held).toMatchObject({ netPnl: null, unrealisedPnl: null })
    await markPosition(db, { botId, positionId: held?.position.id ?? '', price: '11', markedAt: later(1) })
    expect(asText((await replay(trader, id)).positions)).toMatchObject([
      { netPnl: null, unrealisedPnl: '10' },
    ])
  })

  it('tells which orders opened, added to, reduced and closed a position, and follows a flip', async () => {
    const trader = await makeTrader(db)
    const { botId, exchange } = trader
    const first = await decide(db, trader)
    await trade(db, trader, { decisionId: first.id, openedAt: later(0) })
    const sell = async (quantity: string, minutes: number) => {
      const { id } = await decide(db, trader, { intendedAction: 'close' })
      const order = await recordOrder(db, {
        ...{
          botId,
          exchange,
          symbol: 'COIN',
          side: 'sell',
          type: 'market',
          quantity,
          decisionId: id,
          status: 'submitted',
        },
      })
      await recordFill(db, {
        ...{ botId, exchange, symbol: 'COIN', side: 'sell', quantity, price: '11', orderId: order.id },
        ...{ executedAt: later(minutes), exchangeTradeId: `s-${minutes}` },
      })
      return (await replay(trader, id)).positions.map(({ parts, position }) => [position.direction, parts])
    }
    expect(await sell('4', 1)).toEqual([['long', ['reduced']]])
    expect(await sell('8', 2)).toEqual([
      ['long', ['closed']],
      ['short', ['opened']],
    ])
    expect((await replay(trader, first.id)).positions.map(({ parts }) => parts)).toEqual([
      ['opened', 'added'],
    ])
  })

  it('tells little of a decision that nothing came of', async () => {
    const trader = await makeTrader(db)
    const { id } = await decide(db, trader, {
      intendedAction: 'hold',
      veto: { reason: 'no', source: 'risk' },
    })
    expect(await replay(trader, id)).toMatchObject({
      decision: { action: 'vetoed', vetoSource: 'risk' },
      ...{
        evidence: [],
        checks: [],
        snapshot: null,
        ideas: [],
        history: [],
        approvals: [],
        orders: [],
        positions: [],
      },
    })
  })

  it('knows nothing of the decisions of others', async () => {
    const [mine, other] = [await makeTrader(db), await makeTrader(db)]
    const { id } = await decide(db, mine)
    await expect(replay(other, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(replay(mine, NOBODY)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(NOBODY),
    })
    await expect(replay(mine, 'x')).rejects.toMatchObject({ code: 'invalid_input', field: 'decisionId' })
  })
})
