import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { listRiskEvents } from '../../src/audit/index.ts'
import type { Connection } from '../../src/db/database.ts'
import {
  APPROVABLE_CODES,
  getAutoTrading,
  haltAutoTrading,
  LEAST_CONFIDENCE,
  type ProposeTradeIdeaInput,
  proposeTradeIdea,
} from '../../src/ideas/index.ts'
import { recordCalendarEvents } from '../../src/market/index.ts'
import { listOrders, recordOrder } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { NOW, observeEquity, plus } from '../risk/closures.ts'
import { fresh, limit, makeTrader, openMarket, rolledBack, storeLock, trade } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import {
  actionsOf,
  historyOf,
  ideaOf,
  makeDecision,
  makeSnapshot,
  makeStrategy,
  makeSubject,
  reasonsOf,
  type Strategy,
} from './idea-fixture.ts'

type Terms = Partial<ProposeTradeIdeaInput>

describeEngines('the rules of an idea', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'LTC')
  })

  it.each([
    ['the confidence is below what is asked for', ['confidence'], { confidence: 0.5 }, {}],
    ['it follows no strategy', ['strategy'], { strategyId: undefined }, {}],
    ['both', ['confidence', 'strategy'], { confidence: 0, strategyId: undefined }, {}],
  ] as [string, string[], Terms, Strategy][])('asks a human where %s', async (_, failed, terms, strategy) => {
    const { botId, propose } = await makeSubject(db, strategy)
    const outcome = await propose(terms)
    expect(outcome).toMatchObject({
      executed: false,
      idea: { status: 'needs_approval', orderId: null, decidedAt: null },
    })
    expect(reasonsOf(outcome)).toEqual(failed)
    const [, proposed, ...others] = await historyOf(db, botId)
    expect(others).toEqual([])
    expect(proposed).toMatchObject({ action: 'ai_proposed', details: { status: 'needs_approval' } })
    expect(failed.map((code) => `fail:${code}`)).toContain(proposed?.result)
    expect(proposed?.details.reason).toEqual(outcome.idea.statusReason)
    expect([...((proposed?.details.failed ?? []) as string[])].sort()).toEqual(failed)
  })

  it('asks a human where automatic trading is off, or was never switched on', async () => {
    const { botId, propose } = await makeSubject(db)
    await haltAutoTrading(db, { botId, by: 'operator', reason: 'holidays' })
    const halted = await propose()
    expect(halted.idea).toMatchObject({
      status: 'needs_approval',
      statusReason: expect.stringContaining('holidays'),
    })
    const never = await makeTrader(db, { mode: 'backtest' })
    const snapshotId = await makeSnapshot(db, never)
    const strategyId = await makeStrategy(db)
    const outcome = await proposeTradeIdea(db, ideaOf(never, snapshotId, { strategyId, now: NOW }))
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['needs_approval', 'auto_trading'])
  })

  it('asks for the confidence that is set, and for 0.9 where none is', async () => {
    const { botId, propose } = await makeSubject(db)
    const executed = async (confidence: number) => (await propose({ confidence })).executed
    expect([await executed(0.9), await executed(0.8999)]).toEqual([true, false])
    await limit(db, botId, { minConfidence: 0.6 })
    expect([await executed(0.6), await executed(0.59)]).toEqual([true, false])
    await limit(db, botId, { minConfidence: 0.97 })
    expect([await executed(0.97), await executed(0.95)]).toEqual([true, false])
    const [row] = await query(
      db,
      sql`select ideas.approvable_codes()::text as codes, ideas.least_confidence()::text as least`,
    )
    expect(row).toEqual({ codes: `{${APPROVABLE_CODES.join(',')}}`, least: String(LEAST_CONFIDENCE) })
  })

  const NIGHT = { start: '22:00', end: '04:00' }
  it.each([
    ['its strategy is paused', 'strategy_status', {}, { status: 'paused' }],
    ['its strategy is a draft', 'strategy_status', {}, { status: 'draft' }],
    ['its strategy does not trade the symbol', 'strategy_symbol', {}, { allowedSymbols: ['ETH'] }],
    ['its strategy trades at night', 'session', {}, { windows: [NIGHT] }],
    [
      'it is larger than its strategy allows',
      'strategy_quantity',
      { quantity: '1.1' },
      { caps: { maxQuantity: '1' } },
    ],
    ['its strategy may hold nothing', 'strategy_positions', {}, { caps: { maxOpenPositions: 0 } }],
    ['its strategy never trades the symbol', 'embargo', {}, { forbidden: { blockedSymbols: ['BTC'] } }],
    ['it has expired', 'expired', { expiresAt: NOW }, {}],
    ['its symbol is not known', 'instrument', { symbol: 'XRP' }, {}],
  ] as [string, string, Terms, Strategy][])('rejects it where %s', async (_, code, terms, strategy) => {
    const { botId, propose } = await makeSubject(db, strategy)
    const outcome = await propose({ confidence: 0.1, ...terms })
    expect(outcome.idea.status).toBe('rejected')
    expect(reasonsOf(outcome)).toContain(code)
    const [, proposed, rejected, ...others] = await historyOf(db, botId)
    expect(others).toEqual([])
    expect(proposed?.action).toBe('ai_proposed')
    expect(rejected).toMatchObject({ action: 'risk_rejected', actor: botId, details: { status: 'rejected' } })
    expect(rejected?.details.failed).toContain(code)
    expect(await listOrders(db, { botId })).toEqual([])
  })

  it('lets it pass at the very limits', async () => {
    const day = { start: '12:00', end: '12:01', days: ['sunday' as const] }
    const { propose } = await makeSubject(db, {
      ...{ allowedSymbols: ['BTC'], windows: [day], caps: { maxQuantity: '1.0', maxOpenPositions: 1 } },
    })
    expect(await propose({ quantity: '1.000', expiresAt: plus(1) })).toMatchObject({ executed: true })
  })

  it('rejects it for every limit that a placed order is refused for, and writes that down once', async () => {
    const { botId, propose } = await makeSubject(db)
    await limit(db, botId, { maxQuantity: '0.5', maxOrderNotional: '10' })
    const outcome = await propose()
    expect(reasonsOf(outcome)).toEqual(['order_notional', 'quantity'])
    expect(await historyOf(db, botId)).toMatchObject([
      { action: 'ai_resumed' },
      { action: 'ai_proposed', result: 'fail:quantity' },
      { action: 'risk_rejected', result: 'fail:quantity', rationale: outcome.idea.statusReason },
    ])
    expect(await listRiskEvents(db, { botId, kind: 'order_denied' })).toEqual([])
  })

  it('does not take an idea for an exit because it is against what is held', async () => {
    const { botId, propose } = await makeSubject(db)
    await trade(db, botId, 'BTC', 'buy 5 @ 100', plus(-1_000))
    await storeLock(db, { botId, at: NOW, until: null })
    const outcome = await propose({ direction: 'short', stopLoss: '110', targets: ['90'] })
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'lock'])
  })

  it('counts what a strategy holds and has ordered, of its own orders only', async () => {
    const { botId, strategyId, propose } = await makeSubject(db, { caps: { maxOpenPositions: 2 } })
    await trade(db, botId, 'LTC', 'buy 1 @ 100', plus(-1_000))
    const decisionId = await makeDecision(db, botId, strategyId)
    const { id: orderId } = await recordOrder(db, {
      ...{ botId, exchange: 'x', symbol: 'ETH', side: 'buy', type: 'market', quantity: '1', decisionId },
      ...{ clientOrderId: fresh('order'), createdAt: NOW },
    })
    expect(await propose()).toMatchObject({ executed: true })
    // The same symbol again is no other position.
    expect(await propose()).toMatchObject({ executed: true })
    const third = await propose({ symbol: 'LTC' })
    expect(third).toMatchObject({ executed: false, blocks: [{ code: 'strategy_positions' }] })
    // Filled, it is held; closed, it makes room.
    await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(1), { orderId })
    expect(reasonsOf(await propose({ symbol: 'LTC', now: plus(2) }))).toEqual(['strategy_positions'])
    await trade(db, botId, 'ETH', 'sell 1 @ 100', plus(3))
    expect(await propose({ symbol: 'LTC', now: plus(4) })).toMatchObject({ executed: true })
  })

  it('halts on a drawdown: idea, switch, reason and history together', async () => {
    const { botId, propose } = await makeSubject(db)
    await limit(db, botId, { maxDrawdownFraction: '0.2', haltOnDrawdown: true })
    await observeEquity(db, botId, '800', '0.2')
    const outcome = await propose()
    expect(outcome.idea).toMatchObject({ status: 'halted_by_risk', orderId: null, decidedAt: NOW })
    expect(reasonsOf(outcome)).toEqual(['drawdown'])
    expect(await getAutoTrading(db, { botId })).toMatchObject({
      ...{ enabled: false, reason: 'max_drawdown', changedBy: botId, changedAt: NOW, version: 2 },
    })
    const halted = { action: 'ai_halted', symbol: null, ideaId: null, rationale: 'max_drawdown' }
    expect(await historyOf(db, botId)).toMatchObject([
      { action: 'ai_resumed' },
      { action: 'ai_proposed', result: 'fail:max_drawdown' },
      { action: 'risk_rejected', result: 'fail:max_drawdown' },
      { ...halted, result: 'fail:max_drawdown' },
    ])
    // Off already, it is not halted again.
    expect((await propose()).idea.status).toBe('halted_by_risk')
    expect((await actionsOf(db, botId)).filter((action) => action === 'ai_halted')).toHaveLength(1)
  })

  it('does not switch automatic trading off on a drawdown where the settings do not say so', async () => {
    await rolledBack(db, async (tx) => {
      await limit(tx, null, { haltOnDrawdown: false })
      const { botId, propose } = await makeSubject(tx)
      await limit(tx, botId, { maxDrawdownFraction: '0.2', haltOnDrawdown: false })
      await observeEquity(tx, botId, '800', '0.3')
      expect((await propose()).idea.status).toBe('halted_by_risk')
      expect(await getAutoTrading(tx, { botId })).toMatchObject({ enabled: true, version: 1 })
      // The bot's own settings are enough.
      await limit(tx, botId, { haltOnDrawdown: true })
      await propose()
      expect(await getAutoTrading(tx, { botId })).toMatchObject({ enabled: false, version: 2 })
    })
  })

  it('takes a drawdown that nobody knows for no breach, and for no leave either', async () => {
    const { botId, propose } = await makeSubject(db)
    await limit(db, botId, { maxDrawdownFraction: '0.2', haltOnDrawdown: true })
    await observeEquity(db, botId, '800', '0.3', plus(-7_200_000))
    const outcome = await propose()
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'drawdown'])
    expect(await getAutoTrading(db, { botId })).toMatchObject({ enabled: true })
  })

  it('halts once the target of the day is reached', async () => {
    const { botId, propose } = await makeSubject(db)
    await limit(db, botId, { dailyTarget: '50', stopAtDailyTarget: true })
    await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-2_000))
    await trade(db, botId, 'ETH', 'sell 1 @ 150', plus(-1_000))
    const outcome = await propose()
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'daily_target'])
    expect(await getAutoTrading(db, { botId })).toMatchObject({
      enabled: false,
      reason: 'daily_target_reached',
    })
    const steps = await historyOf(db, botId)
    expect(steps.at(-2)).toMatchObject({ action: 'risk_rejected', result: 'fail:daily_target' })
    expect(steps.at(-1)).toMatchObject({
      action: 'ai_halted',
      symbol: null,
      result: 'fail:daily_target_reached',
    })
  })

  it('keeps out of the way of the news, and of what nobody can tell', async () => {
    await recordCalendarEvents(db, {
      events: [
        {
          source: 's',
          externalId: fresh('e'),
          eventTime: plus(600_000),
          currency: 'USD',
          impact: 'high',
          title: 'CPI',
        },
      ],
    })
    const forbidden = { highImpactNewsMinutesBefore: 10, highImpactNewsMinutesAfter: 5 }
    const { propose } = await makeSubject(db, { forbidden })
    const outcome = await propose()
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'embargo'])
    expect(outcome.idea.statusReason).toContain('CPI')
    expect(await propose({ now: plus(-1) })).toMatchObject({ executed: true })
    const unknown = await propose({ symbol: 'XRP' })
    expect(reasonsOf(unknown)).toEqual(['embargo', 'instrument'])
  })

  it('executes nothing where nobody looked at the calendar, or nobody can', async () => {
    const { botId, propose } = await makeSubject(db)
    const { idea } = await propose({ confidence: 0.1 })
    const asked = async (embargo: string | null) => {
      const [row] = await query(
        db,
        sql`select c.passed from ideas.trade_ideas i, unnest(ideas.check_idea(i, ${embargo}::jsonb, now(), true)) c
          where i.bot_id = ${botId} and i.id = ${idea.id}::uuid and c.code = 'embargo'`,
      )
      return row?.passed
    }
    const answers = await Promise.all([null, '{}', '{"passed": false}', '{"passed": true}'].map(asked))
    expect(answers).toEqual([false, false, false, true])

    const broken = await open.fresh()
    await openMarket(broken, 'BTC')
    const forbidden = { highImpactNewsMinutesBefore: 10 }
    const subject = await makeSubject(broken, { forbidden })
    await query(broken, sql`alter table market.calendar_events rename to gone`)
    await expect(subject.propose()).rejects.toMatchObject({ code: 'schema_mismatch' })
    expect(await listOrders(broken, { botId: subject.botId })).toEqual([])
  })

  it('rejects an idea whose decision was vetoed', async () => {
    const { botId, propose } = await makeSubject(db)
    const decisionId = await makeDecision(db, botId)
    expect(await propose({ decisionId })).toMatchObject({ executed: true, order: { decisionId } })
    const vetoed = await makeDecision(db, botId)
    await query(
      db,
      sql`update analysis.decisions set vetoed_at = now(), veto_reason = 'no', veto_source = 'test'
        where bot_id = ${botId} and id = ${vetoed}::uuid`,
    )
    const outcome = await propose({ decisionId: vetoed })
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'decision'])
  })
})
