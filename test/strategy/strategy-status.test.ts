import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { sqlStateOf } from '../../src/db/sqlstate.ts'
import {
  getStrategyAllocation,
  listStrategyActivations,
  setMaxActiveStrategies,
} from '../../src/strategy/allocations.ts'
import { STRATEGY_STATUSES, type StrategyStatus } from '../../src/strategy/schema/values.ts'
import { getStrategy, updateStrategy } from '../../src/strategy/strategies.ts'
import {
  activateStrategy,
  archiveStrategy,
  pauseStrategy,
  replaceStrategy,
  setStrategyStatus,
} from '../../src/strategy/strategy-status.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { BY, eventsOf, makeStrategy, makeStrategyAt, NOBODY } from './strategy-fixture.ts'

const STEPS: Readonly<Record<StrategyStatus, readonly StrategyStatus[]>> = {
  draft: ['backtested', 'archived'],
  backtested: ['paper', 'archived'],
  paper: ['active', 'archived'],
  active: ['paused', 'archived', 'replaced'],
  paused: ['active', 'archived', 'replaced'],
  archived: [],
  replaced: [],
}
const PAIRS = STRATEGY_STATUSES.flatMap((from) => STRATEGY_STATUSES.map((to) => [from, to] as const))

/** Takes a strategy to a status, through the verb that leads there. */
async function go(db: Database, id: string, to: Exclude<StrategyStatus, 'draft'>) {
  const key = { id, ...BY }
  if (to === 'active') return activateStrategy(db, key)
  if (to === 'paused') return pauseStrategy(db, key)
  if (to === 'archived') return archiveStrategy(db, key)
  if (to !== 'replaced') return setStrategyStatus(db, { ...key, status: to })
  const other = await makeStrategyAt(db, 'paper')
  return (await replaceStrategy(db, { oldId: id, newId: other.id, ...BY })).replaced
}

describeEngines('the status of a strategy', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it.each(PAIRS)('from %s to %s goes through its verb where it is a step', async (from, to) => {
    // Nothing leads back to a draft; the next test tries.
    if (to === 'draft') return
    const { id, version } = await makeStrategyAt(db, from)
    const made = () => go(db, id, to)
    if (STEPS[from].includes(to)) {
      expect(await made()).toMatchObject({ status: to, version: version + 1, [stamp(to)]: expect.anything() })
    } else if (from === to && from !== 'replaced') {
      expect(await made()).toEqual(await getStrategy(db, { id }))
    } else {
      await expect(made()).rejects.toMatchObject({ code: 'invalid_transition' })
      expect((await getStrategy(db, { id })).status).toBe(from)
    }
  })

  it.each(PAIRS)('from %s to %s by SQL too', async (from, to) => {
    const { id } = await makeStrategyAt(db, from)
    const change = () =>
      query(db, sql`update strategy.strategies set status = ${to} where id = ${id}::uuid returning status`)
    if (from === to) expect(await change()).toEqual([{ status: to }])
    else if (STEPS[from].includes(to) && to !== 'replaced') expect(await change()).toEqual([{ status: to }])
    else {
      const state = await change().then(
        () => undefined,
        (error: { cause?: { code?: string } }) => error.cause?.code ?? sqlStateOf(error),
      )
      // Alone, without the one that takes its place, no strategy is replaced.
      expect(state).toBe(STEPS[from].includes(to) ? '23514' : 'TB001')
      expect((await getStrategy(db, { id })).status).toBe(from)
    }
  })

  it('changes nothing where it is so already, whoever says it again', async () => {
    const active = await makeStrategyAt(db, 'active')
    expect(await activateStrategy(db, { id: active.id, changedBy: 'bob', reason: 'again' })).toEqual(active)
    const before = await eventsOf(db, active.id)
    await activateStrategy(db, { id: active.id, changedBy: 'bob' })
    expect(await eventsOf(db, active.id)).toEqual(before)
    await expect(pauseStrategy(db, { id: NOBODY, ...BY })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('is final once archived: the rules stay too', async () => {
    const { id, version } = await makeStrategyAt(db, 'archived')
    const change = { id, expectedVersion: version, kind: 'other', ...BY }
    await expect(updateStrategy(db, change)).rejects.toMatchObject({ code: 'invalid_transition' })
  })
})

const stamp = (to: StrategyStatus) =>
  ({ active: 'activatedAt', paused: 'pausedAt', archived: 'archivedAt', replaced: 'replacedAt' })[
    to as 'active'
  ] ?? 'status'

describeEngines('a replacement', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('changes both at once, the new one with the allocation of the old', async () => {
    const old = await makeStrategyAt(db, 'active', { allocation: '0.6' })
    const heir = await makeStrategyAt(db, 'paper', { allocation: '0.01' })
    const before = (await getStrategyAllocation(db)).allocated
    const input = { oldId: old.id, newId: heir.id, changedBy: 'ann', reason: 'better' }
    const both = await replaceStrategy(db, input)
    expect(both.replaced).toMatchObject({
      id: old.id,
      status: 'replaced',
      replacedById: heir.id,
      replacedAt: expect.any(Date),
    })
    expect(both.active).toMatchObject({ id: heir.id, status: 'active', replacesId: old.id })
    expect(both.active.allocation.toFixed()).toBe('0.6')
    expect((await getStrategyAllocation(db)).allocated).toEqual(before)
    expect(await replaceStrategy(db, input)).toEqual(both)
    expect((await listStrategyActivations(db, { limit: 1 }))[0]).toMatchObject({
      activated: [heir.id],
      deactivated: [old.id],
      changedBy: 'ann',
      reason: 'better',
    })
    expect((await eventsOf(db, old.id)).at(-1)?.message).toContain('from active to replaced')
    await archiveStrategy(db, { id: heir.id, ...BY })
  })

  it.each(STRATEGY_STATUSES)(
    'of one that is %s happens only while it is active or paused',
    async (status) => {
      const old = await makeStrategyAt(db, status)
      const heir = await makeStrategyAt(db, 'paper')
      const made = replaceStrategy(db, { oldId: old.id, newId: heir.id, ...BY })
      if (status === 'active' || status === 'paused') expect((await made).active.id).toBe(heir.id)
      else {
        await expect(made).rejects.toMatchObject({ code: 'invalid_transition' })
        expect(await getStrategy(db, { id: old.id })).toEqual(old)
        expect(await getStrategy(db, { id: heir.id })).toEqual(heir)
      }
    },
  )

  it.each(STRATEGY_STATUSES)(
    'by one that is %s happens only where it is on paper or paused',
    async (status) => {
      const old = await makeStrategyAt(db, 'active')
      const heir = await makeStrategyAt(db, status)
      const made = replaceStrategy(db, { oldId: old.id, newId: heir.id, ...BY })
      if (status === 'paper' || status === 'paused') expect((await made).replaced.id).toBe(old.id)
      else {
        await expect(made).rejects.toMatchObject({ code: 'invalid_transition' })
        expect(await getStrategy(db, { id: old.id })).toEqual(old)
      }
    },
  )

  it('is never half, whoever tries', async () => {
    const old = await makeStrategyAt(db, 'active')
    const heir = await makeStrategyAt(db, 'paper')
    const halves = [
      sql`update strategy.strategies set status = 'replaced', replaced_by_id = ${heir.id}::uuid where id = ${old.id}::uuid`,
      sql`update strategy.strategies set status = 'active', replaces_id = ${old.id}::uuid where id = ${heir.id}::uuid`,
      sql`update strategy.strategies set replaced_by_id = ${heir.id}::uuid where id = ${old.id}::uuid`,
      sql`update strategy.strategies set status = case id when ${old.id}::uuid then 'replaced' else status end,
        replaced_by_id = case id when ${old.id}::uuid then ${heir.id}::uuid end, replaces_id = case id when ${heir.id}::uuid then ${old.id}::uuid end
        where id in (${old.id}::uuid, ${heir.id}::uuid)`,
    ]
    for (const half of halves) await expect(db.execute(half)).rejects.toThrow()
    await expect(replaceStrategy(db, { oldId: old.id, newId: NOBODY, ...BY })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(replaceStrategy(db, { oldId: NOBODY, newId: heir.id, ...BY })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(replaceStrategy(db, { oldId: old.id, newId: old.id, ...BY })).rejects.toMatchObject({
      field: 'newId',
    })
    const tooMuch = replaceStrategy(db, { oldId: old.id, newId: heir.id, allocation: '1.5', ...BY })
    await expect(tooMuch).rejects.toMatchObject({ code: 'invalid_input' })
    expect(await getStrategy(db, { id: old.id })).toEqual(old)
    expect(await getStrategy(db, { id: heir.id })).toEqual(heir)
  })

  it('happens once for each of the two', async () => {
    const [old, heir, third] = [
      await makeStrategyAt(db, 'active'),
      await makeStrategyAt(db, 'paper'),
      await makeStrategyAt(db, 'active'),
    ]
    await replaceStrategy(db, { oldId: old.id, newId: heir.id, ...BY })
    await pauseStrategy(db, { id: heir.id, ...BY })
    await expect(replaceStrategy(db, { oldId: third.id, newId: heir.id, ...BY })).rejects.toMatchObject({
      code: 'invalid_transition',
    })
  })
})

describeEngines('the allocation of active strategies', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const sum = async () => {
    const { allocated, available, activeCount } = await getStrategyAllocation(db)
    return [allocated.toFixed(), available.toFixed(), activeCount]
  }

  describe('of all together', () => {
    it('is not more than 1, however it is raised', async () => {
      const a = await makeStrategyAt(db, 'active', { allocation: '0.7' })
      const b = await makeStrategyAt(db, 'paper', { allocation: '0.4', name: 'b' })
      expect(await sum()).toEqual(['0.7', '0.3', 1])
      await expect(activateStrategy(db, { id: b.id, ...BY })).rejects.toMatchObject({
        code: 'invalid_input',
        constraint: 'strategies_allocation_check',
        message: expect.stringContaining("have 0.7 of 1 allocated, so 0.4 more for 'b' does not fit"),
      })
      await activateStrategy(db, { id: b.id, allocation: '0.3', ...BY })
      expect(await sum()).toEqual(['1', '0', 2])
      const more = sql`update strategy.strategies set allocation = 0.300000000000000001 where id = ${b.id}::uuid`
      await expect(db.execute(more)).rejects.toThrow()
      const raise = { id: a.id, expectedVersion: a.version, allocation: '0.71', ...BY }
      await expect(updateStrategy(db, raise)).rejects.toMatchObject({
        constraint: 'strategies_allocation_check',
      })
      await updateStrategy(db, { ...raise, allocation: '0.1' })
      expect(await sum()).toEqual(['0.4', '0.6', 2])
      await pauseStrategy(db, { id: b.id, ...BY })
      expect(await sum()).toEqual(['0.1', '0.9', 1])
      const both = sql`update strategy.strategies set allocation = 1 - allocation, status = 'active' where id in (${a.id}::uuid, ${b.id}::uuid)`
      await expect(db.execute(both)).rejects.toThrow()
      await archiveStrategy(db, { id: a.id, ...BY })
      await makeStrategy(db, { allocation: '1' })
      expect(await sum()).toEqual(['0', '1', 0])
    })

    it('is limited in number where that is set, and says so in the audit', async () => {
      await makeStrategyAt(db, 'active')
      const c = await makeStrategyAt(db, 'paper', { name: 'c' })
      expect(await setMaxActiveStrategies(db, { maxActive: 1, ...BY, reason: 'calm' })).toMatchObject({
        maxActive: 1,
        activeCount: 1,
      })
      await expect(activateStrategy(db, { id: c.id, ...BY })).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringContaining(
          "1 strategies are active, and no more than 1 may be, so 'c' does not become active",
        ),
      })
      await setMaxActiveStrategies(db, { maxActive: null, ...BY })
      expect(await activateStrategy(db, { id: c.id, ...BY })).toMatchObject({ status: 'active' })
      const [event] = await query(
        db,
        sql`select actor, details ->> 'reason' as reason, details -> 'after' ->> 'max_active' as after
        from audit.system_events where details -> 'after' ? 'max_active' and message like 'the number%' order by id limit 1`,
      )
      expect(event).toEqual({ actor: 'ann', reason: 'calm', after: '1' })
      await expect(setMaxActiveStrategies(db, { maxActive: -1, ...BY })).rejects.toMatchObject({
        field: 'maxActive',
      })
    })

    it('is the sum of those that are active, and each change of them is in the log', async () => {
      const rows = await query(
        db,
        sql`select coalesce(sum(allocation), 0)::text as sum, count(*)::int as count from strategy.strategies where status = 'active'`,
      )
      const { allocated, activeCount } = await getStrategyAllocation(db)
      expect(rows).toEqual([{ sum: allocated.toFixed(), count: activeCount }])
      const log = await listStrategyActivations(db)
      expect(log[0]).toMatchObject({ activeCount, allocated })
      const [first, second] = log
      expect(await listStrategyActivations(db, { limit: 1, after: first })).toEqual([second])
      const up = log.flatMap(({ activated }) => activated).length
      expect(up - log.flatMap(({ deactivated }) => deactivated).length).toBe(activeCount)
    })
  })
})
