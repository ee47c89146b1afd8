import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { transaction } from '../../src/db/transaction.ts'
import { getAutoTrading, haltAutoTrading, resumeAutoTrading } from '../../src/ideas/index.ts'
import { describeEngines } from '../database.ts'
import { makeTrader } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import { actionsOf, historyOf, makeUser, type Role, refused } from './idea-fixture.ts'

describeEngines('the switch of automatic trading', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const NEVER = { enabled: false, reason: null, changedBy: null, changedAt: null, version: 0 }

  it('is off until a human switches it on', async () => {
    const botId = await makeTrader(db)
    expect(await getAutoTrading(db, { botId })).toEqual({ botId, ...NEVER })
    const userId = await makeUser(db, 'approver')
    const on = await resumeAutoTrading(db, { botId, userId, reason: 'tried on paper' })
    expect(on).toEqual({
      ...{ botId, enabled: true, reason: 'tried on paper', changedBy: userId, version: 1 },
      changedAt: expect.any(Date),
    })
    expect(await getAutoTrading(db, { botId })).toEqual(on)
    const steps = await historyOf(db, botId)
    expect(steps).toMatchObject([
      {
        action: 'ai_resumed',
        actor: userId,
        symbol: null,
        rationale: 'tried on paper',
        result: null,
        ideaId: null,
      },
    ])
  })

  it('is flipped with its reason and its row of history, and not flipped again', async () => {
    const botId = await makeTrader(db)
    const userId = await makeUser(db, 'admin')
    const on = await resumeAutoTrading(db, { botId, userId, reason: 'go' })
    expect(await resumeAutoTrading(db, { botId, userId, reason: 'go again' })).toEqual(on)
    const off = await haltAutoTrading(db, { botId, by: 'watchdog', reason: 'the feed is late' })
    expect(off).toMatchObject({
      enabled: false,
      reason: 'the feed is late',
      changedBy: 'watchdog',
      version: 2,
    })
    expect(await haltAutoTrading(db, { botId, by: 'another', reason: 'later' })).toEqual(off)
    expect(await historyOf(db, botId)).toMatchObject([
      { action: 'ai_resumed' },
      { action: 'ai_halted', actor: 'watchdog', rationale: 'the feed is late', result: null, symbol: null },
    ])
    const back = await resumeAutoTrading(db, { botId, userId, reason: 'mended' })
    expect(back).toMatchObject({ enabled: true, reason: 'mended', version: 3 })
  })

  it('stays as it never was when it is switched off first', async () => {
    const botId = await makeTrader(db)
    expect(await haltAutoTrading(db, { botId, by: 'operator', reason: 'x' })).toEqual({ botId, ...NEVER })
    expect(await actionsOf(db, botId)).toEqual([])
  })

  it.each([
    ['viewer', true],
    ['operator', true],
    ['admin', false],
  ] as [Role, boolean][])('is not switched on by a %s, active %s', async (role, isActive) => {
    const botId = await makeTrader(db)
    const userId = await makeUser(db, role, isActive)
    const refusal = { code: 'invalid_input', field: 'userId' }
    await expect(resumeAutoTrading(db, { botId, userId, reason: 'x' })).rejects.toMatchObject(refusal)
    expect(await getAutoTrading(db, { botId })).toMatchObject(NEVER)
  })

  it('belongs to a bot that is registered, and is flipped by somebody, for a reason', async () => {
    const botId = await makeTrader(db)
    const [userId, nobody] = [await makeUser(db), newId()]
    const at = (code: string, field?: string) =>
      expect.objectContaining({ code, ...(field ? { field } : {}) })
    const halt = { botId, by: 'x', reason: 'x' }
    const resume = { botId, userId, reason: 'x' }
    await expect(haltAutoTrading(db, { ...halt, botId: 'none' })).rejects.toEqual(at('not_found'))
    await expect(resumeAutoTrading(db, { ...resume, botId: 'none' })).rejects.toEqual(at('not_found'))
    await expect(getAutoTrading(db, { botId: 'none' })).rejects.toEqual(at('not_found'))
    await expect(resumeAutoTrading(db, { ...resume, userId: nobody })).rejects.toEqual(at('not_found'))
    await expect(haltAutoTrading(db, { ...halt, by: ' ' })).rejects.toEqual(at('invalid_input', 'by'))
    await expect(haltAutoTrading(db, { ...halt, reason: '' })).rejects.toEqual(at('invalid_input', 'reason'))
    await expect(resumeAutoTrading(db, { ...resume, reason: '' })).rejects.toEqual(
      at('invalid_input', 'reason'),
    )
  })

  it('is written down whoever flips it, in the same transaction', async () => {
    const botId = await makeTrader(db)
    await query(
      db,
      sql`insert into ideas.auto_trading (bot_id, enabled, reason, changed_by) values (${botId}, true, 'by hand', 'ann')`,
    )
    // Who does not say who flips it, and why, is not taken for who flipped it before.
    await query(db, sql`update ideas.auto_trading set enabled = false where bot_id = ${botId}`)
    await query(
      db,
      sql`update ideas.auto_trading set enabled = true, changed_by = 'bob', reason = 'back', changed_at = now() where bot_id = ${botId}`,
    )
    const failure = transaction(db, async (tx) => {
      await haltAutoTrading(tx, { botId, by: 'eve', reason: 'undone' })
      throw new Error('undone')
    })
    await expect(failure).rejects.toThrow('undone')
    const steps = await historyOf(db, botId)
    expect(steps.map(({ action }) => action)).toEqual(['ai_resumed', 'ai_halted', 'ai_resumed'])
    expect(steps[0]).toMatchObject({ actor: 'ann', rationale: 'by hand' })
    expect(steps[1]?.actor).not.toBe('ann')
    expect(steps[1]?.rationale).toBe('no reason was given')
    expect(steps[2]).toMatchObject({ actor: 'bob', rationale: 'back' })
    expect(await getAutoTrading(db, { botId })).toMatchObject({ enabled: true, version: 3 })
  })

  it('is neither deleted nor told another story', async () => {
    const botId = await makeTrader(db)
    const own = sql`bot_id = ${botId}`
    await resumeAutoTrading(db, { botId, userId: await makeUser(db), reason: 'go' })
    await refused(db, sql`delete from ideas.auto_trading where ${own}`, /append-only/, 'invalid_input')
    await refused(db, sql`truncate ideas.auto_trading`, /append-only/)
    for (const set of [`reason = 'better'`, `changed_by = 'me'`, `changed_at = now()`]) {
      await refused(db, sql`update ideas.auto_trading set ${sql.raw(set)} where ${own}`, /nothing changes/)
    }
    await query(db, sql`update ideas.auto_trading set enabled = true, version = 9 where ${own}`)
    expect(await getAutoTrading(db, { botId })).toMatchObject({ reason: 'go', version: 1 })
    expect(await actionsOf(db, botId)).toEqual(['ai_resumed'])
  })
})
