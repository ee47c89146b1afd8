import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { type LockSymbolInput, listLocks, lockSymbol, unlockSymbol } from '../../src/risk/locks.ts'
import { describeDatabases } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'

const who = { reason: 'news', lockedBy: 'ann' }
const undo = { reason: 'over', unlockedBy: 'bob' }
const NOBODY = '01890000-0000-7000-8000-000000000000'

describeDatabases('locks', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c', 'd', 'e', 'racer']) await makeBot(db, botId)
  })

  const lock = (input: Partial<LockSymbolInput>) =>
    lockSymbol(db, {
      ...who,
      now: minute(0),
      ...(input.durationMs ? {} : { until: minute(10) }),
      ...input,
    } as LockSymbolInput)
  const held = async (botId: string | undefined, at: number) =>
    (await listLocks(db, { botId, now: minute(at) })).map(({ id }) => id)
  const gateOf = async (botId: string) =>
    Number((await query(db, sql`select version::text from risk.gates where bot_id = ${botId}`))[0]?.version)

  it('store what is closed, until when, by whom and why', async () => {
    const made = await lock({ botId: 'a', exchange: 'x', symbol: 'BTC', side: 'sell' })
    expect(made).toEqual({
      botId: 'a',
      id: expect.any(String),
      exchange: 'x',
      symbol: 'BTC',
      side: 'sell',
      ...who,
      lockedAt: minute(0),
      expiresAt: minute(10),
      unlockedAt: null,
      unlockedBy: null,
      unlockReason: null,
    })
    expect(await listLocks(db, { botId: 'a', now: minute(1) })).toEqual([made])
    const everything = await lock({ botId: 'a', until: null })
    expect(everything).toMatchObject({ exchange: null, symbol: null, side: null, expiresAt: null })
    expect(await held('a', 1_000_000)).toEqual([everything.id])
    expect(await held('b', 1)).toEqual([])
  })

  it('hold up to the millisecond before their end', async () => {
    const { id } = await lock({ botId: 'b', durationMs: 1_500 })
    const at = (ms: number) => listLocks(db, { botId: 'b', now: new Date(minute(0).getTime() + ms) })
    expect((await at(1_499)).map((one) => one.id)).toEqual([id])
    expect(await at(1_500)).toEqual([])
  })

  it('stand beside each other: a shorter one does not end a longer one', async () => {
    const longer = await lock({ botId: 'c', symbol: 'BTC', until: minute(20) })
    const shorter = await lock({ botId: 'c', symbol: 'BTC', until: minute(5), now: minute(1) })
    expect(await held('c', 2)).toEqual([shorter.id, longer.id])
    expect(await held('c', 5)).toEqual([longer.id])
    await unlockSymbol(db, { ...undo, botId: 'c', id: shorter.id, now: minute(3) })
    expect(await held('c', 3)).toEqual([longer.id])
  })

  it('of the fleet hold for every bot, and are ended without one', async () => {
    const own = await lock({ botId: 'd', until: minute(30) })
    const all = await lock({ symbol: 'ETH', until: minute(30), now: minute(1) })
    expect(all).toMatchObject({ botId: null, symbol: 'ETH' })
    expect(await held('d', 2)).toEqual([all.id, own.id])
    expect(await held(undefined, 2)).toEqual([all.id])
    const [first] = await listLocks(db, { botId: 'd', now: minute(2), limit: 1 })
    expect((await listLocks(db, { botId: 'd', now: minute(2), after: first })).map(({ id }) => id)).toEqual([
      own.id,
    ])
    await expect(unlockSymbol(db, { ...undo, botId: 'd', id: all.id })).rejects.toMatchObject({
      code: 'not_found',
    })
    const ended = await unlockSymbol(db, { ...undo, id: all.id, now: minute(4) })
    expect(ended).toEqual({ ...all, unlockedAt: minute(4), unlockedBy: 'bob', unlockReason: 'over' })
    expect(await held(undefined, 4)).toEqual([])
    const events = await query(
      db,
      sql`select bot_id, actor, reason from audit.risk_events where subject_id = ${all.id} order by id`,
    )
    expect(events).toEqual([
      { bot_id: '*', actor: 'ann', reason: 'news' },
      { bot_id: '*', actor: 'bob', reason: 'over' },
    ])
  })

  it('move the gate of their bot on, when they begin and when they are ended', async () => {
    const before = await gateOf('e')
    const { id } = await lock({ botId: 'e' })
    expect(await gateOf('e')).toBe(before + 1)
    await unlockSymbol(db, { ...undo, botId: 'e', id, now: minute(1) })
    expect(await gateOf('e')).toBe(before + 2)
  })

  it('are ended once, and not after their time', async () => {
    const { id } = await lock({ botId: 'e' })
    const key = { ...undo, botId: 'e', id }
    await unlockSymbol(db, { ...key, now: minute(1) })
    await expect(unlockSymbol(db, { ...key, now: minute(1) })).rejects.toMatchObject({
      code: 'invalid_transition',
      message: expect.stringContaining('was unlocked by bob'),
    })
    const other = await lock({ botId: 'e' })
    await expect(unlockSymbol(db, { ...key, id: other.id, now: minute(10) })).rejects.toMatchObject({
      code: 'invalid_transition',
      message: expect.stringContaining('has ended at'),
    })
    await expect(unlockSymbol(db, { ...key, botId: 'a', id: other.id })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(unlockSymbol(db, { ...key, id: NOBODY })).rejects.toMatchObject({ code: 'not_found' })
    await expect(unlockSymbol(db, { ...key, id: 'x' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'id',
    })
  })

  it('are ended by one of several who try at once', async () => {
    const { id } = await lockSymbol(db, { ...who, botId: 'racer', until: null })
    const tries = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((unlockedBy) =>
        unlockSymbol(db, { botId: 'racer', id, unlockedBy, reason: 'x' }),
      ),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const one of tries) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'invalid_transition' })
    }
  })

  it('begin and end by the clock of the database where no time is given', async () => {
    const made = await lockSymbol(db, { ...who, botId: 'racer', durationMs: 3_600_000 })
    expect(Math.abs(made.lockedAt.getTime() - Date.now())).toBeLessThan(60_000)
    expect(made.expiresAt?.getTime()).toBe(made.lockedAt.getTime() + 3_600_000)
    expect(await listLocks(db, { botId: 'racer' })).toEqual([made])
    await expect(
      lockSymbol(db, { ...who, botId: 'racer', until: new Date(Date.now() - 60_000) }),
    ).rejects.toMatchObject({ code: 'invalid_input', field: 'until' })
  })

  it('of a bot that is not registered are refused', async () => {
    await expect(lock({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found', field: 'botId' })
    await expect(lock({ botId: 'nobody', until: minute(-1) })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('keep what they closed, whoever writes', async () => {
    const { id } = await lock({ botId: 'a' })
    await expect(
      db.execute(sql`update risk.locks set symbol = 'X' where bot_id = 'a' and id = ${id}`),
    ).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(
      db.execute(sql`delete from risk.locks where bot_id = 'a' and id = ${id}`),
    ).rejects.toMatchObject({ code: 'invalid_input' })
  })

  describe('are refused, naming the field,', () => {
    it.each<[string, Partial<Record<keyof LockSymbolInput, unknown>>]>([
      ['until', { until: minute(0) }],
      ['until', { until: minute(-5) }],
      ['until', { until: new Date(Number.NaN) }],
      ['until', { until: undefined }],
      ['durationMs', { until: null, durationMs: 5 }],
      ['durationMs', { until: undefined, durationMs: 0 }],
      ['durationMs', { until: undefined, durationMs: 1.5 }],
      ['durationMs', { until: undefined, durationMs: 3_155_760_000_001 }],
      ['side', { side: 'long' }],
      ['symbol', { symbol: ' ' }],
      ['exchange', { exchange: '' }],
      ['reason', { reason: '' }],
      ['lockedBy', { lockedBy: '' }],
    ])('%s %j', async (field, input) => {
      await expect(lock({ botId: 'a', ...input } as Partial<LockSymbolInput>)).rejects.toMatchObject({
        code: 'invalid_input',
        field,
      })
    })
  })
})
