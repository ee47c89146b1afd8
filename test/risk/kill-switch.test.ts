import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { listRiskEvents } from '../../src/audit/risk-events.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import {
  activateKillSwitch,
  beginKillSwitchRecovery,
  deactivateKillSwitch,
  findActiveKillSwitch,
  getKillSwitchEvent,
  type KillSwitchActivation,
  listKillSwitchEvents,
  recordKillSwitchAction,
} from '../../src/risk/kill-switch.ts'
import { placeOrder } from '../../src/risk/place-order.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { getTradingStatus, isTradingAllowed } from '../../src/risk/trading-status.ts'
import { describeEngines } from '../database.ts'
import { makeBot } from '../trading/ledger-fixture.ts'

const THROW = { activatedBy: 'ada', reason: 'exchange hacked' }
const END = { deactivatedBy: 'bob', reason: 'false alarm' }

describeEngines('the kill switch', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await setRiskSettings(db, { tradingEnabled: true, changedBy: 'test', reason: 'test' })
    for (const botId of ['k1', 'k2']) await makeBot(db, botId)
  })

  const end = ({ event, confirmationCode }: KillSwitchActivation) =>
    deactivateKillSwitch(db, { ...END, eventId: event.id, confirmationCode: confirmationCode ?? '' })
  const newest = async () => (await listRiskEvents(db, { kind: 'kill_switch_changed', limit: 1 }))[0]

  it('halts every bot, marks every gate, and lets them go on when it is taken back', async () => {
    expect(await findActiveKillSwitch(db)).toBeUndefined()
    const thrown = await activateKillSwitch(db, THROW)
    expect(thrown.isNew).toBe(true)
    expect(thrown.event).toMatchObject({
      ...{ ...THROW, status: 'active', source: 'manual', severity: 'emergency' },
      ...{ openPositionsBefore: 0, openOrdersBefore: 0, positionsClosed: 0, actionLog: [] },
    })
    expect(thrown.confirmationCode).toMatch(/^[2-9A-HJKMNP-Z]{8}$/)
    expect(await findActiveKillSwitch(db)).toEqual(thrown.event)
    for (const botId of ['k1', 'k2']) {
      expect(await isTradingAllowed(db, { botId })).toBe(false)
      expect(await getTradingStatus(db, { botId })).toMatchObject({
        state: 'halted',
        blocks: [
          { code: 'kill_switch', scope: 'global', sourceId: thrown.event.id, reason: 'exchange hacked' },
        ],
      })
    }
    const gates = await db.execute(sql`select distinct kill_switch_event_id as id from risk.gates`)
    expect(gates).toEqual([{ id: thrown.event.id }])

    const ended = await end(thrown)
    expect(ended).toMatchObject({
      status: 'deactivated',
      deactivatedBy: 'bob',
      deactivationReason: 'false alarm',
    })
    expect(ended.deactivatedAt).toBeInstanceOf(Date)
    expect(await isTradingAllowed(db, { botId: 'k1' })).toBe(true)
    expect(await findActiveKillSwitch(db)).toBeUndefined()
    expect((await listKillSwitchEvents(db, { limit: 1 }))[0]).toEqual(ended)
  })

  it('reaches a bot that is registered while it is on', async () => {
    const thrown = await activateKillSwitch(db, THROW)
    await makeBot(db, 'k3')
    expect(await isTradingAllowed(db, { botId: 'k3' })).toBe(false)
    const gate = await db.execute(sql`select kill_switch_event_id as id from risk.gates where bot_id = 'k3'`)
    expect(gate).toEqual([{ id: thrown.event.id }])
    await end(thrown)
    expect(await isTradingAllowed(db, { botId: 'k3' })).toBe(true)
  })

  it('refuses entries before their gate, which whoever stops the fleet waits for', async () => {
    const thrown = await activateKillSwitch(db, THROW)
    const versions = () => db.execute(sql`select version from risk.gates where bot_id = 'k1'`)
    const before = await versions()
    const entry = { botId: 'k1', symbol: 'BTC/USDT', side: 'buy', type: 'market', quantity: '1' } as const
    for (const purpose of [undefined, 'entry', 'scale_in'] as const) {
      const placement = await placeOrder(db, { ...entry, purpose })
      expect(placement.placed).toBe(false)
    }
    expect(await versions()).toEqual(before)
    await end(thrown)
  })

  it('stays on when it is thrown again, keeps its code, and says who threw it again', async () => {
    const first = await activateKillSwitch(db, { ...THROW, confirmationCode: 'open sesame' })
    const second = await activateKillSwitch(db, { activatedBy: 'eve', reason: 'me too' })
    expect(second).toMatchObject({ isNew: false, confirmationCode: null, event: { id: first.event.id } })
    expect(second.event.actionLog).toMatchObject([{ by: 'eve', action: 'activated_again', note: 'me too' }])
    // Who lost the answer asks again with the code that they had chosen.
    const third = await activateKillSwitch(db, { ...THROW, confirmationCode: 'open sesame' })
    expect(third).toMatchObject({ isNew: false, confirmationCode: 'open sesame' })
    await end(third)
  })

  it('keeps entries closed in recovery, and counts what is done meanwhile', async () => {
    const thrown = await activateKillSwitch(db, THROW)
    const eventId = thrown.event.id
    const begun = await beginKillSwitchRecovery(db, { eventId, by: 'bob', notes: 'closing by hand' })
    expect(begun).toMatchObject({ status: 'partial_recovery', recoveryStartedBy: 'bob' })
    expect(await getTradingStatus(db, { botId: 'k1' })).toMatchObject({
      state: 'reducing',
      blocks: [{ code: 'kill_switch', effect: 'reduce', reason: 'in recovery: exchange hacked' }],
    })
    await recordKillSwitchAction(db, { eventId, by: 'bob', action: 'position_closed', botId: 'k1' })
    await recordKillSwitchAction(db, { eventId, by: 'bob', action: 'order_cancelled', note: 'x-17' })
    const noted = await recordKillSwitchAction(db, { eventId, by: 'bob', action: 'note', note: 'all flat' })
    expect(noted).toMatchObject({ positionsClosed: 1, ordersCancelled: 1 })
    expect(noted.actionLog.map(({ action, note }) => [action, note])).toEqual([
      ['position_closed', undefined],
      ['order_cancelled', 'x-17'],
      ['note', 'all flat'],
    ])
    await expect(beginKillSwitchRecovery(db, { eventId, by: 'eve', notes: 'again' })).rejects.toMatchObject({
      code: 'invalid_transition',
    })
    // Thrown again, it is a full stop again.
    expect((await activateKillSwitch(db, THROW)).event.status).toBe('active')
    expect((await getTradingStatus(db, { botId: 'k1' })).state).toBe('halted')
    await end(thrown)
    await expect(end(thrown)).rejects.toMatchObject({ code: 'invalid_transition' })
    await expect(beginKillSwitchRecovery(db, { eventId, by: 'eve', notes: 'late' })).rejects.toMatchObject({
      code: 'invalid_transition',
    })
  })

  it('locks deactivation for fifteen minutes after five wrong codes, also for the right one', async () => {
    const thrown = await activateKillSwitch(db, THROW)
    const eventId = thrown.event.id
    const guess = () => deactivateKillSwitch(db, { ...END, eventId, confirmationCode: 'WRONG-ONE' })
    for (const left of [4, 3, 2, 1]) {
      await expect(guess()).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'confirmationCode',
        message: `confirmationCode is wrong; ${left} more tries before deactivation is locked`,
      })
    }
    const before = Date.now()
    await expect(guess()).rejects.toThrow('is wrong for the fifth time; deactivation is locked until')
    await expect(end(thrown)).rejects.toThrow('is not looked at: deactivation is locked until')
    const { codeLockedUntil } = await getKillSwitchEvent(db, { eventId })
    const lockedMs = (codeLockedUntil?.getTime() ?? 0) - before
    expect(Math.abs(lockedMs - 15 * 60_000)).toBeLessThan(60_000)
    expect(await isTradingAllowed(db, { botId: 'k1' })).toBe(false)
    expect(await newest()).toMatchObject({
      actor: 'bob',
      reason: 'wrong confirmation code',
      subjectId: eventId,
    })
    // Fifteen minutes later.
    await db.execute(sql`update risk.kill_switch_events set code_locked_until = now() where id = ${eventId}`)
    await expect(guess()).rejects.toThrow('is wrong; 4 more tries')
    await end(thrown)
  })

  it('is written down with who and why, and never with its code', async () => {
    const thrown = await activateKillSwitch(db, { ...THROW, confirmationCode: 'open sesame' })
    expect(await newest()).toMatchObject({ botId: '*', actor: 'ada', reason: 'exchange hacked' })
    await end(thrown)
    expect(await newest()).toMatchObject({
      ...{ botId: '*', actor: 'bob', reason: 'false alarm', subjectId: thrown.event.id },
      details: { before: { status: 'active' }, after: { status: 'deactivated' } },
    })
    const text = JSON.stringify(await listRiskEvents(db, { limit: 1_000 }), (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    expect(text).not.toMatch(/sesame|code_hash/)
    expect(thrown.event).not.toHaveProperty('codeHash')
  })

  it('is undone with the transaction that it was thrown in', async () => {
    const undone = transaction(db, async (tx) => {
      await activateKillSwitch(tx, THROW)
      expect(await isTradingAllowed(tx, { botId: 'k1' })).toBe(false)
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    expect(await isTradingAllowed(db, { botId: 'k1' })).toBe(true)
  })

  it('is thrown in no transaction that may not see all bots, and taken back in none', async () => {
    const blind = transaction(db, (tx) => activateKillSwitch(tx, THROW), {
      isolationLevel: 'repeatable read',
    })
    await expect(blind).rejects.toMatchObject({ code: 'invalid_input' })
    const thrown = await activateKillSwitch(db, THROW)
    const inside = transaction(db, (tx) =>
      deactivateKillSwitch(tx, { ...END, eventId: thrown.event.id, confirmationCode: 'WRONG-ONE' }),
    )
    await expect(inside).rejects.toThrow('was called in a transaction: give it the connection')
    await end(thrown)
  })

  describe('refuses', () => {
    it.each([
      ['activatedBy', { activatedBy: ' ' }],
      ['reason', { reason: '' }],
      ['source', { source: 'whim' }],
      ['severity', { severity: 'mild' }],
      ['confirmationCode', { confirmationCode: '12345' }],
    ])('an activation with a bad %s', async (field, bad) => {
      const input = { ...THROW, ...bad } as Parameters<typeof activateKillSwitch>[1]
      await expect(activateKillSwitch(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
      expect(await findActiveKillSwitch(db)).toBeUndefined()
    })

    it('what is about no activation', async () => {
      const eventId = '0190a3b4-0000-7000-8000-000000000000'
      const missing = { code: 'not_found' }
      await expect(getKillSwitchEvent(db, { eventId })).rejects.toMatchObject(missing)
      await expect(beginKillSwitchRecovery(db, { eventId, by: 'a', notes: 'b' })).rejects.toMatchObject(
        missing,
      )
      await expect(recordKillSwitchAction(db, { eventId, by: 'a', action: 'note' })).rejects.toMatchObject(
        missing,
      )
      const guess = deactivateKillSwitch(db, { ...END, eventId, confirmationCode: 'WRONG-ONE' })
      await expect(guess).rejects.toMatchObject(missing)
    })
  })
})
