import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  acknowledgeAlert,
  listAlerts,
  listOpenAlerts,
  type RecordAlertInput,
  recordAlert,
  resolveAlert,
} from '../../src/risk/alerts.ts'
import { describeDatabases } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'

const NOBODY = '01890000-0000-7000-8000-000000000000'

describeDatabases('alerts', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c', 'd', 'racer']) await makeBot(db, botId)
  })

  const record = (input: Partial<RecordAlertInput>) =>
    recordAlert(db, {
      kind: 'drawdown_warning',
      severity: 'warning',
      title: 'drawdown',
      message: 'a tenth below the peak',
      raisedBy: 'watcher',
      raisedAt: minute(0),
      ...input,
    })
  const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id)

  it('store what was noticed', async () => {
    const alert = await record({
      botId: 'a',
      symbol: 'BTC',
      recommendation: 'reduce',
      threshold: '0.10',
      actual: '0.125',
      context: { equity: '90.5' },
    })
    expect(alert).toMatchObject({
      botId: 'a',
      kind: 'drawdown_warning',
      severity: 'warning',
      status: 'open',
      symbol: 'BTC',
      recommendation: 'reduce',
      context: { equity: '90.5' },
      dedupeKey: null,
      raisedAt: minute(0),
      acknowledgedBy: null,
      resolvedAt: null,
    })
    expect([alert.threshold?.toFixed(), alert.actual?.toFixed()]).toEqual(['0.1', '0.125'])
    const again = await record({ botId: 'a' })
    expect(again).toMatchObject({ symbol: null, threshold: null, context: {} })
    expect(ids(await listOpenAlerts(db, { botId: 'a' }))).toEqual([again.id, alert.id])
    const now = await record({ botId: 'a', raisedAt: undefined })
    expect(Math.abs(now.raisedAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('of one key are one alert until it is resolved', async () => {
    const key = { botId: 'b', dedupeKey: 'drawdown' }
    const first = await record(key)
    expect(await record({ ...key, message: 'still', raisedAt: minute(1) })).toEqual(first)
    expect(await record({ ...key, severity: 'info', message: 'better' })).toEqual(first)
    const other = await record({ botId: 'a', dedupeKey: 'drawdown' })
    expect(other.id).not.toBe(first.id)
    await acknowledgeAlert(db, { ...key, id: first.id, acknowledgedBy: 'ann' })
    expect((await record(key)).id).toBe(first.id)
    await resolveAlert(db, { botId: 'b', id: first.id, resolvedBy: 'ann', reason: 'recovered' })
    const second = await record(key)
    expect(second.id).not.toBe(first.id)
    expect(ids(await listOpenAlerts(db, { botId: 'b' }))).toEqual([second.id])
    expect(ids(await listAlerts(db, { botId: 'b' })).sort()).toEqual([first.id, second.id].sort())
  })

  it('take over what a more severe report of their key says, and never fall back', async () => {
    const key = { botId: 'c', dedupeKey: 'k' }
    const first = await record({ ...key, actual: '0.1' })
    const worse = await record({
      ...key,
      severity: 'emergency',
      title: 'deep drawdown',
      message: 'a half below the peak',
      actual: '0.5',
      raisedBy: 'another',
      raisedAt: minute(9),
    })
    expect(worse).toEqual({
      ...first,
      severity: 'emergency',
      title: 'deep drawdown',
      message: 'a half below the peak',
      actual: worse.actual,
    })
    expect(worse.actual?.toFixed()).toBe('0.5')
    expect(await record({ ...key, severity: 'critical' })).toEqual(worse)
    await expect(
      db.execute(sql`update risk.alerts set severity = 'info' where bot_id = 'c' and id = ${worse.id}`),
    ).rejects.toMatchObject({ code: 'invalid_input', field: 'severity' })
  })

  it('are acknowledged and then resolved, each once and by somebody', async () => {
    const { id } = await record({ botId: 'd' })
    const key = { botId: 'd', id }
    const seen = await acknowledgeAlert(db, { ...key, acknowledgedBy: 'ann', now: minute(1) })
    expect(seen).toMatchObject({ status: 'acknowledged', acknowledgedBy: 'ann', acknowledgedAt: minute(1) })
    expect(ids(await listOpenAlerts(db, { botId: 'd' }))).toEqual([id])
    await expect(acknowledgeAlert(db, { ...key, acknowledgedBy: 'bob' })).rejects.toMatchObject({
      code: 'invalid_transition',
      message: expect.stringContaining('is acknowledged'),
    })
    const ended = await resolveAlert(db, { ...key, resolvedBy: 'bob', reason: 'deposited', now: minute(2) })
    expect(ended).toEqual({
      ...seen,
      status: 'resolved',
      resolvedBy: 'bob',
      resolvedAt: minute(2),
      resolutionReason: 'deposited',
    })
    await expect(resolveAlert(db, { ...key, resolvedBy: 'c', reason: 'x' })).rejects.toMatchObject({
      code: 'invalid_transition',
    })
    await expect(acknowledgeAlert(db, { ...key, acknowledgedBy: 'c' })).rejects.toMatchObject({
      code: 'invalid_transition',
    })
    expect(await listOpenAlerts(db, { botId: 'd' })).toEqual([])
    const events = await query(
      db,
      sql`select actor, reason, details -> 'after' ->> 'status' as status from audit.risk_events
        where subject_id = ${id} order by id`,
    )
    expect(events).toEqual([
      { actor: 'watcher', reason: 'drawdown', status: 'open' },
      { actor: 'ann', reason: 'drawdown', status: 'acknowledged' },
      { actor: 'bob', reason: 'deposited', status: 'resolved' },
    ])
    const direct = await record({ botId: 'd' })
    await resolveAlert(db, { botId: 'd', id: direct.id, resolvedBy: 'bob', reason: 'nothing' })
  })

  it('of the fleet are apart from those of a bot', async () => {
    const alert = await record({ dedupeKey: 'switch', kind: 'kill_switch' })
    expect(alert.botId).toBe('*')
    expect((await record({ dedupeKey: 'switch' })).id).toBe(alert.id)
    expect(ids(await listOpenAlerts(db))).toEqual([alert.id])
    await expect(
      resolveAlert(db, { botId: 'a', id: alert.id, resolvedBy: 'x', reason: 'x' }),
    ).rejects.toMatchObject({ code: 'not_found' })
    await resolveAlert(db, { id: alert.id, resolvedBy: 'x', reason: 'x' })
    expect(await listOpenAlerts(db)).toEqual([])
  })

  it('are listed newest first, page by page', async () => {
    await makeBot(db, 'pages')
    const made = []
    for (const at of [1, 3, 3, 2]) made.push(await record({ botId: 'pages', raisedAt: minute(at) }))
    const all = await listAlerts(db, { botId: 'pages' })
    expect(ids(all)).toEqual([made[2]?.id, made[1]?.id, made[3]?.id, made[0]?.id])
    expect(await listAlerts(db, { botId: 'pages', limit: 2, after: all[0] })).toEqual(all.slice(1, 3))
    expect(await listOpenAlerts(db, { botId: 'pages', limit: 2, after: all[1] })).toEqual(all.slice(2))
  })

  it('of one key that come at the same time are one', async () => {
    const severities = ['info', 'warning', 'critical', 'emergency', 'info', 'warning'] as const
    const made = await Promise.all(
      severities.map((severity) => record({ botId: 'racer', dedupeKey: 'k', severity })),
    )
    expect(new Set(ids(made)).size).toBe(1)
    expect(await listAlerts(db, { botId: 'racer' })).toMatchObject([{ severity: 'emergency' }])
  })

  it('are refused of a bot or an alert that is not there', async () => {
    await expect(record({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(record({ botId: 'nobody', dedupeKey: 'k' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(acknowledgeAlert(db, { botId: 'a', id: NOBODY, acknowledgedBy: 'x' })).rejects.toMatchObject(
      {
        code: 'not_found',
      },
    )
  })

  it('keep who raised them, and do not come back to life, whoever writes', async () => {
    const { id } = await record({ botId: 'd' })
    await resolveAlert(db, { botId: 'd', id, resolvedBy: 'x', reason: 'x' })
    const update = (change: ReturnType<typeof sql>) =>
      db.execute(sql`update risk.alerts set ${change} where bot_id = 'd' and id = ${id}`)
    await expect(update(sql`raised_by = 'me'`)).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(update(sql`status = 'open', resolved_at = null, resolved_by = null`)).rejects.toMatchObject({
      code: 'invalid_transition',
    })
  })

  describe('are refused, naming the field,', () => {
    it.each<[string, Partial<Record<keyof RecordAlertInput, unknown>>]>([
      ['kind', { kind: 'rain' }],
      ['severity', { severity: 'high' }],
      ['title', { title: '' }],
      ['message', { message: ' ' }],
      ['raisedBy', { raisedBy: '' }],
      ['threshold', { threshold: 'NaN' }],
      ['actual', { actual: 0.5 }],
      ['context', { context: ['a'] }],
      ['dedupeKey', { dedupeKey: '' }],
      ['symbol', { symbol: '' }],
      ['botId', { botId: '*' }],
    ])('%s %j', async (field, input) => {
      await expect(record({ botId: 'a', ...input } as Partial<RecordAlertInput>)).rejects.toMatchObject({
        code: 'invalid_input',
        field,
      })
    })
  })
})
