import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { listRiskEvents } from '../../src/audit/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import {
  type ApproveTradeIdeaInput,
  approveTradeIdea,
  getAutoTrading,
  getTradeIdea,
  type ProposeTradeIdeaInput,
  rejectTradeIdea,
} from '../../src/ideas/index.ts'
import { recordCalendarEvents } from '../../src/market/index.ts'
import { listOrders } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { NOW, observeEquity, plus } from '../risk/closures.ts'
import { endLock, fresh, limit, openMarket, storeLock, trade } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import {
  actionsOf,
  historyOf,
  makeDecision,
  makeSubject,
  makeUser,
  type Role,
  reasonsOf,
  type Strategy,
} from './idea-fixture.ts'

describeEngines('a human who decides on an idea', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH')
  })

  /** An idea of too little confidence, which nothing else is against, and an approver. */
  async function makeOpenIdea(strategy: Strategy | null = {}, terms: Partial<ProposeTradeIdeaInput> = {}) {
    const subject = await makeSubject(db, strategy)
    const { idea } = await subject.propose({ confidence: 0.2, ...terms })
    expect(idea.status).toBe('needs_approval')
    const userId = await makeUser(db)
    const key = { botId: subject.botId, ideaId: idea.id }
    const approve = (over: Partial<ApproveTradeIdeaInput> = {}) =>
      approveTradeIdea(db, { ...key, userId, now: plus(1_000), ...over })
    const reject = (over: Partial<ApproveTradeIdeaInput> = {}) =>
      rejectTradeIdea(db, { ...key, userId, now: plus(1_000), reason: 'too bold', ...over })
    return { ...subject, ...key, idea, userId, approve, reject }
  }

  it('has the order placed by approving it, against what the rules said', async () => {
    const { botId, ideaId, userId, approve } = await makeOpenIdea()
    await limit(db, botId, { minConfidence: 0.95 })
    const outcome = await approve({ note: 'I know better' })
    if (!outcome.executed) throw new Error(String(reasonsOf(outcome)))
    expect(outcome.idea).toMatchObject({
      ...{ status: 'auto_executed', statusReason: 'I know better', decidedBy: userId, confidence: 0.2 },
      ...{ decidedAt: plus(1_000), createdAt: NOW, orderId: outcome.order.id },
    })
    expect(outcome.order).toMatchObject({ clientOrderId: `idea:${ideaId}`, status: 'pending' })
    expect(await getTradeIdea(db, { botId, ideaId })).toEqual(outcome.idea)
    const [, proposed, approved, ...others] = await historyOf(db, botId)
    expect(others).toEqual([])
    expect(proposed).toMatchObject({ action: 'ai_proposed', result: 'fail:confidence', override: false })
    expect(approved).toMatchObject({
      ...{ action: 'human_approved', actor: userId, override: true, result: 'pass', ideaId },
      ...{ rationale: 'I know better', orderId: outcome.order.id },
    })
  })

  it('has an idea of no strategy executed, and one of a bot whose automatic trading is off', async () => {
    const { botId, approve } = await makeOpenIdea(null)
    await query(db, sql`update ideas.auto_trading set enabled = false where bot_id = ${botId}`)
    expect(await approve()).toMatchObject({ executed: true })
  })

  it('gets the same answer by approving it twice, and leaves another approver none', async () => {
    const { botId, userId, approve, reject } = await makeOpenIdea()
    const first = await approve()
    expect(await approve()).toEqual({ ...first, isRepeat: true })
    const other = await makeUser(db)
    const tooLate = {
      code: 'invalid_transition',
      message: expect.stringContaining(`approved by user '${userId}'`),
    }
    await expect(approve({ userId: other })).rejects.toMatchObject(tooLate)
    await expect(reject({ userId: other })).rejects.toMatchObject(tooLate)
    await expect(reject()).rejects.toMatchObject(tooLate)
    expect(await listOrders(db, { botId })).toHaveLength(1)
    // It was not sent yet: after a stop it must not be.
    const lockId = await storeLock(db, { botId, at: NOW, until: null })
    expect(reasonsOf(await approve())).toEqual(['lock'])
    await endLock(db, botId, lockId)
    expect(await approve()).toMatchObject({ executed: true, isRepeat: true })
  })

  it('rejects it, and gets the same answer by rejecting it twice', async () => {
    const { botId, userId, approve, reject } = await makeOpenIdea()
    const rejected = await reject()
    expect(rejected).toMatchObject({
      ...{
        status: 'rejected',
        statusReason: 'too bold',
        decidedBy: userId,
        decidedAt: plus(1_000),
        orderId: null,
      },
    })
    expect(await reject({ now: plus(5_000) })).toEqual(rejected)
    const steps = await historyOf(db, botId)
    expect(steps.map(({ action }) => action)).toEqual(['ai_resumed', 'ai_proposed', 'human_rejected'])
    expect(steps[2]).toMatchObject({ actor: userId, rationale: 'too bold', result: null, override: false })
    const other = await makeUser(db)
    const tooLate = {
      code: 'invalid_transition',
      message: expect.stringContaining(`rejected by user '${userId}'`),
    }
    await expect(approve()).rejects.toMatchObject(tooLate)
    await expect(reject({ userId: other })).rejects.toMatchObject(tooLate)
    expect(await listOrders(db, { botId })).toEqual([])
  })

  it.each([
    ['viewer', true, false],
    ['operator', true, false],
    ['approver', true, true],
    ['admin', true, true],
    ['approver', false, false],
    ['admin', false, false],
  ] as [Role, boolean, boolean][])('may be %s, active %s: %s', async (role, isActive, may) => {
    const { approve, reject, botId, ideaId } = await makeOpenIdea()
    const userId = await makeUser(db, role, isActive)
    if (may) expect(await approve({ userId })).toMatchObject({ executed: true })
    else {
      const refusal = { code: 'invalid_input', field: 'userId', message: expect.stringContaining(userId) }
      await expect(approve({ userId })).rejects.toMatchObject(refusal)
      await expect(reject({ userId })).rejects.toMatchObject(refusal)
      expect(await getTradeIdea(db, { botId, ideaId })).toMatchObject({ status: 'needs_approval' })
      expect(await actionsOf(db, botId)).toEqual(['ai_resumed', 'ai_proposed'])
    }
  })

  it('must be known, and so must the idea', async () => {
    const { approve, reject, userId } = await makeOpenIdea()
    const nobody = newId()
    const unknown = { code: 'not_found', message: expect.stringContaining(nobody) }
    for (const verb of [approve, reject]) {
      await expect(verb({ userId: nobody })).rejects.toMatchObject(unknown)
      await expect(verb({ ideaId: nobody })).rejects.toMatchObject(unknown)
      await expect(verb({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
      await expect(verb({ userId: 'someone' })).rejects.toMatchObject({ field: 'userId' })
    }
    // Of another bot.
    const other = await makeOpenIdea()
    await expect(approve({ botId: other.botId, userId })).rejects.toMatchObject({ code: 'not_found' })
  })

  type Subject = Awaited<ReturnType<typeof makeOpenIdea>>
  const strategyTo = (set: string) => async (s: Subject) =>
    await query(
      db,
      sql`update strategy.strategies set ${sql.raw(set)}, changed_by = 'test' where id = ${s.strategyId}::uuid`,
    )
  const NIGHT = `session_windows = '[{"start": "22:00", "end": "04:00"}]'`

  it.each([
    [
      'open_positions',
      async (s) => {
        await trade(db, s.botId, 'ETH', 'buy 1 @ 100', plus(-1_000))
        await limit(db, s.botId, { maxOpenPositions: 1 })
      },
    ],
    ['quantity', async (s) => await limit(db, s.botId, { maxQuantity: '0.5' })],
    ['lock', async (s) => await storeLock(db, { botId: s.botId, at: NOW, until: null })],
    ['trading_enabled', async (s) => await limit(db, s.botId, { tradingEnabled: false })],
    ['session', strategyTo(NIGHT)],
    ['strategy_status', strategyTo(`status = 'paused'`)],
    ['strategy_symbol', strategyTo(`allowed_symbols = '{ETH}'`)],
    ['strategy_quantity', strategyTo(`risk_caps = '{"maxQuantity": "0.999"}'`)],
    ['strategy_positions', strategyTo(`risk_caps = '{"maxOpenPositions": 0}'`)],
    ['embargo', strategyTo(`forbidden_conditions = '{"blockedSymbols": ["BTC"]}'`)],
    [
      'embargo',
      async (s) => {
        await strategyTo(
          `forbidden_conditions = '{"highImpactNewsMinutesBefore": 2, "currencies": ["XAU"]}'`,
        )(s)
        await recordCalendarEvents(db, {
          events: [
            ...[
              {
                source: 's',
                externalId: fresh('e'),
                eventTime: plus(60_000),
                currency: 'XAU',
                impact: 'high' as const,
                title: 'gold',
              },
            ],
          ],
        })
      },
    ],
  ] as [string, (subject: Subject) => Promise<unknown>][])(
    'has it refused, for good, where %s is against it by then',
    async (code, change) => {
      const subject = await makeOpenIdea()
      const { botId, approve, userId } = subject
      await change(subject)
      const outcome = await approve()
      expect(outcome).toMatchObject({
        ...{ executed: false, isRepeat: false },
        idea: { status: 'rejected', decidedBy: null, orderId: null, decidedAt: plus(1_000) },
      })
      expect(reasonsOf(outcome)).toEqual([code])
      expect(outcome.idea.statusReason).toContain(userId)
      expect(await listOrders(db, { botId })).toEqual([])
      const steps = await historyOf(db, botId)
      expect(steps.map(({ action }) => action)).toEqual(['ai_resumed', 'ai_proposed', 'risk_rejected'])
      expect(steps[2]).toMatchObject({ result: `fail:${code}`, actor: botId, override: false })
      expect(await listRiskEvents(db, { botId, kind: 'order_denied' })).toEqual([])
      const tooLate = { code: 'invalid_transition', message: expect.stringContaining('is rejected since') }
      await expect(approve()).rejects.toMatchObject(tooLate)
    },
  )

  it('has it refused once it has expired, or its decision was vetoed', async () => {
    const expired = await makeOpenIdea({}, { expiresAt: plus(1_000) })
    const late = await expired.approve()
    expect([late.idea.status, ...reasonsOf(late)]).toEqual(['rejected', 'expired'])
    const early = await makeOpenIdea({}, { expiresAt: plus(1_001) })
    expect(await early.approve()).toMatchObject({ executed: true })

    const subject = await makeSubject(db)
    const decisionId = await makeDecision(db, subject.botId)
    const { idea } = await subject.propose({ decisionId, confidence: 0.1 })
    await query(
      db,
      sql`update analysis.decisions set vetoed_at = now(), veto_reason = 'no', veto_source = 'test' where id = ${decisionId}::uuid`,
    )
    const userId = await makeUser(db)
    const outcome = await approveTradeIdea(db, { botId: subject.botId, ideaId: idea.id, userId, now: NOW })
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['rejected', 'decision'])
  })

  it('has everything halted where the drawdown is over its limit by then', async () => {
    const { botId, approve } = await makeOpenIdea()
    await limit(db, botId, { maxDrawdownFraction: '0.2', haltOnDrawdown: true })
    await observeEquity(db, botId, '800', '0.25')
    const outcome = await approve()
    expect([outcome.idea.status, ...reasonsOf(outcome)]).toEqual(['halted_by_risk', 'drawdown'])
    expect(await getAutoTrading(db, { botId })).toMatchObject({ enabled: false, reason: 'max_drawdown' })
    const steps = await historyOf(db, botId)
    expect(steps.map(({ action }) => action)).toEqual([
      ...['ai_resumed', 'ai_proposed', 'risk_rejected', 'ai_halted'],
    ])
    expect(steps.slice(2).map(({ result }) => result)).toEqual(['fail:max_drawdown', 'fail:max_drawdown'])
    await expect(approve()).rejects.toMatchObject({ code: 'invalid_transition' })
  })
})
