import { and, desc, eq, sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { listRiskEvents } from '../../src/audit/risk-events.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { setBotStatus } from '../../src/fleet/bots.ts'
import { tripCircuitBreaker } from '../../src/risk/circuit-breakers.ts'
import { lockSymbol } from '../../src/risk/locks.ts'
import { riskAdminActions, riskSettingChanges } from '../../src/risk/schema/change-views.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { describeDatabases } from '../database.ts'
import { makeBot } from '../trading/ledger-fixture.ts'

const botId = 'audited'
const WHO = { changedBy: 'ada', lockedBy: 'ada', trippedBy: 'ada', reason: 'because' }

describeDatabases('the audit of risk', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, botId)
    await setRiskSettings(db, { ...WHO, tradingEnabled: true })
    await setRiskSettings(db, { ...WHO, botId, maxDailyLoss: '100.10', tradingEnabled: true })
    await lockSymbol(db, { ...WHO, botId, symbol: 'LUNA/USDT', until: null })
    await lockSymbol(db, { ...WHO, symbol: 'LUNA/USDT', until: null })
    await tripCircuitBreaker(db, { ...WHO, botId, trigger: 'manual', cooldownMs: null })
    await tripCircuitBreaker(db, { ...WHO, trigger: 'manual', cooldownMs: 1 })
  })

  const attempt = (text: string) => transaction(db, (tx) => tx.execute(sql.raw(text)))
  const newest = async (handle: Database) => (await listRiskEvents(handle, { botId, limit: 1 }))[0]

  it('has each change with who and why, amounts as text, of the bot or of the fleet', async () => {
    const own = await listRiskEvents(db, { botId })
    expect(own.map(({ kind, actor, reason }) => [kind, actor, reason])).toEqual([
      ['circuit_breaker_changed', 'ada', 'because'],
      ['lock_changed', 'ada', 'because'],
      ['settings_changed', 'ada', 'because'],
    ])
    expect(own[2]?.details).toMatchObject({ after: { max_daily_loss: '100.1', version: '1' } })
    const ofFleet = await listRiskEvents(db)
    expect(ofFleet.slice(0, 3).map(({ kind }) => kind)).toEqual([
      'circuit_breaker_changed',
      'lock_changed',
      'settings_changed',
    ])
  })

  it('tells which setting went from what to what', async () => {
    const words = { ...WHO, changedBy: 'bob', reason: 'calmer' }
    await setRiskSettings(db, { ...words, botId, maxDailyLoss: '50', maxQuantity: '3' })
    const changes = await db
      .select()
      .from(riskSettingChanges)
      .where(and(eq(riskSettingChanges.botId, botId), eq(riskSettingChanges.version, 2)))
      .orderBy(riskSettingChanges.field)
    expect(changes).toMatchObject([
      { field: 'max_daily_loss', before: '100.1', after: '50', changedBy: 'bob', reason: 'calmer' },
      { field: 'max_quantity', before: null, after: '3' },
    ])
    expect(changes).toHaveLength(2)
    const [action] = await db
      .select()
      .from(riskAdminActions)
      .where(eq(riskAdminActions.botId, botId))
      .orderBy(desc(riskAdminActions.occurredAt))
      .limit(1)
    expect(action).toMatchObject({ kind: 'settings_changed', actor: 'bob', reason: 'calmer' })
  })

  it('has a change of the status of a bot, from whoever makes it', async () => {
    await setBotStatus(db, { botId, status: 'paused', reason: 'lunch' })
    expect(await newest(db)).toMatchObject({
      ...{ kind: 'bot_status_changed', reason: 'lunch' },
      details: { before: { status: 'active' }, after: { status: 'paused' } },
    })
    await db.execute(
      sql`update fleet.bots set status = 'active', status_reason = null where bot_id = ${botId}`,
    )
    expect(await newest(db)).toMatchObject({ details: { after: { status: 'active' } } })
    const before = await newest(db)
    await setBotStatus(db, { botId, status: 'active' })
    expect(await newest(db)).toEqual(before)
  })

  it('has a change made by plain SQL, before and after', async () => {
    await db.execute(sql`update risk.circuit_breakers set cooldown_ms = 5000 where bot_id = ${botId}`)
    expect(await newest(db)).toMatchObject({
      kind: 'circuit_breaker_changed',
      details: { before: { cooldown_ms: null }, after: { cooldown_ms: '5000' } },
    })
  })

  it('goes with the transaction of the change', async () => {
    const before = await newest(db)
    const undone = transaction(db, async (tx) => {
      await lockSymbol(tx, { ...WHO, botId, until: null })
      expect(await newest(tx)).toMatchObject({ kind: 'lock_changed' })
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    expect(await newest(db)).toEqual(before)
  })

  it.each([
    "update audit.risk_events set reason = 'other'",
    'delete from audit.risk_events',
    'truncate audit.risk_events',
    "update risk.settings set reason = 'other'",
    'delete from risk.settings',
    'update risk.global_settings set max_exposure = 1',
    'truncate risk.global_settings',
    'delete from risk.kill_switch',
    'delete from risk.locks',
    "update risk.locks set reason = 'other'",
    'update risk.global_locks set locked_at = now()',
    'delete from risk.circuit_breakers',
    'update risk.circuit_breakers set threshold = 5',
    'update risk.global_circuit_breakers set tripped_at = now()',
    'truncate risk.circuit_breakers',
  ])('and what it is about is not rewritten: %s', async (text) => {
    await expect(attempt(text)).rejects.toMatchObject({ code: 'invalid_input' })
  })
})
