import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import {
  approveTradeIdea,
  getTradeIdea,
  IDEA_STATUSES,
  type IdeaStatus,
  rejectTradeIdea,
} from '../../src/ideas/index.ts'
import { listOrders, recordOrder } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { NOW } from '../risk/closures.ts'
import { fresh, openMarket } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import { actionsOf, makeSubject, makeUser, refused, type Subject } from './idea-fixture.ts'

const STEPS: Readonly<Record<IdeaStatus, readonly IdeaStatus[]>> = {
  waiting: ['needs_approval', 'auto_executed', 'rejected', 'halted_by_risk'],
  needs_approval: ['auto_executed', 'rejected', 'halted_by_risk'],
  auto_executed: [],
  rejected: [],
  halted_by_risk: [],
}
const PAIRS = IDEA_STATUSES.flatMap((from) => IDEA_STATUSES.map((to) => [from, to] as const))

/** Stores an idea as whoever writes to the table does. */
async function storeIdea(db: Database, { botId, snapshotId }: Subject, over: Record<string, string> = {}) {
  const id = newId()
  const values: Record<string, string> = {
    ...{
      exchange: 'x',
      symbol: 'BTC',
      direction: 'long',
      order_type: 'limit',
      quantity: '1',
      entry_price: '100',
    },
    ...{ stop_loss: '90', targets: '{110}', rationale: 'why', confidence: '0.5', status: 'waiting', ...over },
  }
  const names = Object.keys(values)
  await query(
    db,
    sql`insert into ideas.trade_ideas (bot_id, id, snapshot_id, ${sql.raw(names.join(', '))})
      select ${botId}, ${id}::uuid, ${snapshotId}::uuid, ${sql.raw(names.map((name) => `r.${name}`).join(', '))}
      from jsonb_populate_record(null::ideas.trade_ideas, ${JSON.stringify(values)}::jsonb) r`,
  )
  return id
}

async function placed(db: Database, botId: string): Promise<string> {
  const order = { botId, exchange: 'x', symbol: 'BTC', side: 'buy', type: 'market', quantity: '1' } as const
  return (await recordOrder(db, { ...order, clientOrderId: fresh('order') })).id
}

/** Moves an idea on with what its new status needs. */
async function moveTo(db: Database, botId: string, id: string, status: IdeaStatus) {
  const orderId = status === 'auto_executed' ? await placed(db, botId) : null
  const decidedAt = STEPS[status].length === 0 ? NOW.toISOString() : null
  return sql`update ideas.trade_ideas set status = ${status}, status_reason = 'by hand', order_id = ${orderId}::uuid,
    decided_at = ${decidedAt}::timestamptz where bot_id = ${botId} and id = ${id}::uuid returning id`
}

describeEngines('the statuses of an idea', (open) => {
  let db: Connection
  let subject: Subject
  let userId: string
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC')
    subject = await makeSubject(db)
    userId = await makeUser(db)
  })

  async function makeIdea(status: IdeaStatus): Promise<string> {
    const id = await storeIdea(db, subject)
    if (status !== 'waiting') await query(db, await moveTo(db, subject.botId, id, status))
    return id
  }

  it.each(PAIRS)('lead from %s to %s, or do not, whoever writes', async (from, to) => {
    const { botId } = subject
    const id = await makeIdea(from)
    const before = await actionsOf(db, botId)
    const move = await moveTo(db, botId, id, to)
    if (from !== to && STEPS[from].includes(to)) {
      expect(await query(db, move)).toHaveLength(1)
      expect(await getTradeIdea(db, { botId, ideaId: id })).toMatchObject({ status: to })
      expect((await actionsOf(db, botId)).length).toBeGreaterThan(before.length)
    } else {
      const code = from === to ? 'invalid_input' : 'invalid_transition'
      // The same status again with the very same content changes nothing, so it is told another reason.
      const again =
        from === to
          ? sql`update ideas.trade_ideas set status = ${to}, status_reason = 'another'
        where bot_id = ${botId} and id = ${id}::uuid`
          : move
      await refused(db, again, from === to ? /changes only with its status/ : /cannot become/, code)
      expect(await getTradeIdea(db, { botId, ideaId: id })).toMatchObject({ status: from })
      expect(await actionsOf(db, botId)).toEqual(before)
    }
  })

  it.each(IDEA_STATUSES)('let a human approve one that is %s, or do not', async (from) => {
    const key = { botId: subject.botId, ideaId: await makeIdea(from) }
    const approval = approveTradeIdea(db, { ...key, userId, now: NOW })
    if (from === 'needs_approval') expect((await approval).idea.status).toBe('auto_executed')
    else {
      await expect(approval).rejects.toMatchObject({
        code: 'invalid_transition',
        message: expect.stringContaining(from),
      })
      expect((await getTradeIdea(db, key)).status).toBe(from)
    }
  })

  it.each(IDEA_STATUSES)('let a human reject one that is %s, or do not', async (from) => {
    const key = { botId: subject.botId, ideaId: await makeIdea(from) }
    const rejection = rejectTradeIdea(db, { ...key, userId, reason: 'no', now: NOW })
    if (STEPS[from].length > 0)
      expect(await rejection).toMatchObject({ status: 'rejected', decidedBy: userId })
    else await expect(rejection).rejects.toMatchObject({ code: 'invalid_transition' })
  })

  it.each(IDEA_STATUSES)(
    'let one be proposed again that is %s, and decide on it only if nobody did',
    async (from) => {
      const { botId, propose } = await makeSubject(db)
      const snapshot = await propose({
        confidence: 0.5,
        targets: ['110'],
        rationale: 'why',
        strategyId: undefined,
      })
      const id = await storeIdea(db, { ...subject, botId, snapshotId: snapshot.idea.snapshotId })
      if (from !== 'waiting') await query(db, await moveTo(db, botId, id, from))
      const terms = { confidence: 0.5, targets: ['110'], rationale: 'why', strategyId: undefined }
      const orders = (await listOrders(db, { botId })).length
      const again = await propose({ id, ...terms })
      expect(again.isRepeat).toBe(from !== 'waiting')
      expect(again.idea.status).toBe(from === 'waiting' ? 'needs_approval' : from)
      expect(await listOrders(db, { botId })).toHaveLength(orders)
    },
  )

  it.each(IDEA_STATUSES.slice(1))('begin with waiting, not with %s', async (status) => {
    const over = {
      status,
      status_reason: 'x',
      ...(STEPS[status].length === 0 ? { decided_at: NOW.toISOString() } : {}),
    }
    const outcome = storeIdea(db, subject, over)
    await expect(outcome).rejects.toMatchObject({ code: 'invalid_transition' })
  })

  it('keep what was proposed as it was', async () => {
    const { botId } = subject
    const id = await makeIdea('waiting')
    const own = sql`bot_id = ${botId} and id = ${id}::uuid`
    for (const set of [
      `quantity = 2`,
      `targets = '{120}'`,
      `confidence = 1`,
      `rationale = 'x'`,
      `created_at = now()`,
    ]) {
      await refused(
        db,
        sql`update ideas.trade_ideas set ${sql.raw(set)} where ${own}`,
        /only .* may change/,
        'invalid_input',
      )
    }
    await refused(db, sql`delete from ideas.trade_ideas where ${own}`, /append-only/)
    await refused(db, sql`truncate ideas.trade_ideas`, /append-only/)
  })

  it('are what the other columns say', async () => {
    const { botId } = subject
    const set = async (status: string, rest: string) => {
      const id = await makeIdea('waiting')
      return sql`update ideas.trade_ideas set status = ${status}, ${sql.raw(rest)} where bot_id = ${botId} and id = ${id}::uuid`
    }
    await refused(
      db,
      await set('auto_executed', `status_reason = 'x', decided_at = now()`),
      /order_id_status/,
    )
    await refused(db, await set('rejected', `status_reason = 'x'`), /decided_at_status/)
    await refused(
      db,
      await set('needs_approval', `status_reason = 'x', decided_at = now()`),
      /decided_at_status/,
    )
    await refused(db, await set('rejected', `decided_at = now()`), /status_reason_status/)
    const halted = await set(
      'halted_by_risk',
      `status_reason = 'x', decided_at = now(), decided_by = '${userId}'`,
    )
    await refused(db, halted, /decided_by_status/)
  })

  it.each([
    ['quantity', { quantity: '0' }],
    ['quantity', { quantity: 'NaN' }],
    ['targets', { targets: '{}' }],
    ['targets', { targets: '{NaN}' }],
    ['targets', { targets: '{120,NULL}' }],
    ['targets_direction', { targets: '{120,100}' }],
    ['targets_direction', { targets: '{99}' }],
    ['stop_loss_direction', { stop_loss: '100' }],
    ['stop_loss_direction', { stop_loss: '91', entry_low: '91', entry_high: '100' }],
    ['stop_loss_direction', { direction: 'short', targets: '{80}' }],
    ['stop_loss', { stop_loss: 'NaN', direction: 'short', targets: '{80}' }],
    ['targets_direction', { direction: 'short', stop_loss: '110', targets: '{80,100}' }],
    ['entry_low_entry_high', { entry_low: '95' }],
    ['entry_low_entry_high', { entry_low: '105', entry_high: '95' }],
    ['entry_low_entry_high', { entry_low: '95', entry_high: '99' }],
    ['confidence', { confidence: 'NaN' }],
    ['confidence', { confidence: '1.01' }],
    ['position_side_direction', { position_side: 'short' }],
    ['rationale', { rationale: ' ' }],
  ] as [string, Record<string, string>][])('belong to ideas that make sense: %s %j', async (rule, over) => {
    const outcome = storeIdea(db, subject, { position_side: 'net', ...over })
    await expect(outcome).rejects.toMatchObject({
      code: 'invalid_input',
      constraint: `trade_ideas_${rule}_check`,
    })
  })
})
