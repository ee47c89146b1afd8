import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import {
  approveTradeIdea,
  getAutoTrading,
  type IdeaOutcome,
  proposeTradeIdea,
} from '../../src/ideas/index.ts'
import { listOrders } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { actionsOf, makeUser } from '../ideas/idea-fixture.ts'
import { NOW } from '../risk/closures.ts'
import { openMarket, rolledBack } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import { decideApproval, decideProposal, type Outcome, type Situation } from './idea-model.ts'
import { arrange, situations } from './idea-situation.ts'

/** Situations of each kind; more of them for a soak. */
const RUNS = Number(process.env.TEST_MODEL_RUNS ?? '80')

describeDatabases('ideas and the model of their rules', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'O1', 'O2', 'S1', 'S2')
  })

  /** Compares what becomes of an idea, in each of many situations, with what the model says. */
  async function compare(
    decide: (s: Situation) => Outcome,
    act: (tx: Database, idea: Awaited<ReturnType<typeof arrange>>) => Promise<IdeaOutcome>,
    stepsBefore: number,
  ) {
    const seen = new Map<string, number>()
    const property = fc.asyncProperty(situations, async (s) => {
      await rolledBack(db, async (tx) => {
        const idea = await arrange(tx, s)
        const { botId } = idea
        const before = (await listOrders(tx, { botId })).length
        const outcome = await act(tx, idea)
        const after = await getAutoTrading(tx, { botId })
        const placed = (await listOrders(tx, { botId })).length - before
        const steps = (await actionsOf(tx, botId)).slice(stepsBefore + (s.isAutoTradingOn ? 1 : 0))
        const wanted = decide(s)
        expect({
          status: outcome.idea.status,
          history: steps,
          switchedOff: s.isAutoTradingOn && !after.enabled ? after.reason : null,
        }).toEqual(wanted)
        expect(placed).toBe(wanted.status === 'auto_executed' ? 1 : 0)
        expect(outcome.executed).toBe(placed === 1)
        const what = wanted.switchedOff ?? wanted.status
        seen.set(what, (seen.get(what) ?? 0) + 1)
      })
    })
    await fc.assert(property, { numRuns: RUNS })
    return seen
  }

  it('agree on what becomes of a proposal', async () => {
    const seen = await compare(decideProposal, (tx, idea) => proposeTradeIdea(tx, idea), 0)
    for (const status of ['auto_executed', 'needs_approval', 'rejected'])
      expect([...seen.keys()]).toContain(status)
  }, 120_000)

  it('agree on what becomes of an approval', async () => {
    const seen = await compare(
      decideApproval,
      async (tx, idea) => {
        await store(tx, idea)
        const userId = await makeUser(tx)
        return await approveTradeIdea(tx, { botId: idea.botId, ideaId: idea.id, userId, now: NOW })
      },
      1,
    )
    for (const status of ['auto_executed', 'rejected']) expect([...seen.keys()]).toContain(status)
  }, 120_000)
})

/** An idea that needs approval, whatever is against it. */
async function store(db: Database, idea: Awaited<ReturnType<typeof arrange>>): Promise<void> {
  const {
    botId,
    id,
    snapshotId,
    strategyId = null,
    decisionId = null,
    confidence,
    quantity,
    expiresAt,
  } = idea
  await query(
    db,
    sql`insert into ideas.trade_ideas (bot_id, id, snapshot_id, strategy_id, decision_id, exchange, symbol, direction, order_type, quantity,
        entry_price, stop_loss, targets, rationale, confidence, expires_at)
      values (${botId}, ${id}::uuid, ${snapshotId}::uuid, ${strategyId}::uuid, ${decisionId}::uuid, 'x', 'BTC', 'long', 'limit',
        ${String(quantity)}::numeric, 100, 90, '{110}', 'why', ${confidence}::float8, ${expiresAt?.toISOString()}::timestamptz)`,
  )
  await query(
    db,
    sql`update ideas.trade_ideas set status = 'needs_approval', status_reason = 'test' where bot_id = ${botId} and id = ${id}::uuid`,
  )
}
