import { beforeAll, describe, expect, it } from 'vitest'
import { listDecisionHistory, recordDecisionHistory } from '../../src/audit/decision-history.ts'
import {
  listRiskEvents,
  listUnresolvedRiskEvents,
  recordRiskEvent,
  resolveRiskEvent,
} from '../../src/audit/risk-events.ts'
import { DECISION_ACTIONS, EVENT_SEVERITIES, FLEET, RISK_BREACH_KINDS } from '../../src/audit/schema.ts'
import { listSystemEvents, recordSystemEvent } from '../../src/audit/system-events.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { describeEngines } from '../database.ts'

const AT = new Date('2026-03-01T12:00:00.123Z')

describeEngines('audit rows', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  describe('recordSystemEvent', () => {
    const full = {
      botId: 'sys',
      kind: 'exchange_error',
      severity: 'error' as const,
      actor: 'ada',
      component: 'gateway',
      message: 'order refused',
      details: { attempts: 3, price: '0.10', nested: { b: 1, a: [null, true] } },
      exchange: 'binance',
      symbol: 'BTC/USDT',
      orderId: newId(),
      tradeId: 't-1',
      positionId: newId(),
      errorCode: '-2010',
      stackTrace: 'at place',
      occurredAt: AT,
    }

    it('returns what it stored, tied into its chain', async () => {
      const first = await recordSystemEvent(db, full)
      expect(first).toMatchObject({ ...full, eventId: null, sequence: 1 })
      expect(first.hash).toMatch(/^[0-9a-f]{64}$/)
      const second = await recordSystemEvent(db, full)
      expect(second).toMatchObject({ sequence: 2, previousHash: first.hash })
      expect(second.id).not.toBe(first.id)
    })

    it('returns the stored row when the event is reported again, and refuses other content by name', async () => {
      const event = { ...full, botId: 'again', eventId: newId() }
      const stored = await recordSystemEvent(db, event)
      expect(await recordSystemEvent(db, event)).toEqual(stored)
      // Another order of keys is the same document; a time left out is not compared.
      const { occurredAt: _, ...rest } = event
      const details = { price: '0.10', nested: { a: [null, true], b: 1 }, attempts: 3 }
      expect(await recordSystemEvent(db, { ...rest, details })).toEqual(stored)
      await expect(recordSystemEvent(db, { ...event, message: 'x', severity: 'info' })).rejects.toMatchObject(
        {
          code: 'conflict',
          field: 'severity',
          message: expect.stringContaining('severity, message'),
        },
      )
      // The same key of another bot is another event.
      expect((await recordSystemEvent(db, { ...event, botId: 'other' })).id).not.toBe(stored.id)
    })

    it('stores one event of many calls at once', async () => {
      const event = { ...full, botId: 'at-once', eventId: newId() }
      const rows = await Promise.all(Array.from({ length: 8 }, () => recordSystemEvent(db, event)))
      expect(new Set(rows.map(({ id }) => id)).size).toBe(1)
      expect(await listSystemEvents(db, { botId: 'at-once' })).toHaveLength(1)
    })

    it('refuses what it cannot store, naming the field', async () => {
      for (const [field, wrong] of [
        ['kind', { kind: ' ' }],
        ['message', { message: '' }],
        ['severity', { severity: 'INFO' }],
        ['botId', { botId: '' }],
        ['occurredAt', { occurredAt: new Date(Number.NaN) }],
        ['details', { details: [1] }],
      ] as const) {
        await expect(recordSystemEvent(db, { ...full, ...wrong } as never)).rejects.toMatchObject({
          code: 'invalid_input',
          field,
        })
      }
    })
  })

  it('lists system events newest first, by severity and by page, of a bot or of the fleet', async () => {
    const botId = 'listed'
    for (const [n, severity] of [...EVENT_SEVERITIES, ...EVENT_SEVERITIES].entries()) {
      const occurredAt = new Date(AT.getTime() + (n % 4) * 1000)
      await recordSystemEvent(db, { botId, kind: 'k', severity, message: String(n), occurredAt })
    }
    await recordSystemEvent(db, { kind: 'fleet', severity: 'critical', message: 'all' })
    const all = await listSystemEvents(db, { botId })
    expect(all.map(({ message }) => message)).toEqual(['7', '3', '6', '2', '9', '5', '1', '8', '4', '0'])
    const severe = await listSystemEvents(db, { botId, minimumSeverity: 'error' })
    expect(severe.map(({ message }) => message)).toEqual(['3', '9', '8', '4'])
    expect(await listSystemEvents(db, { botId, minimumSeverity: 'debug' })).toHaveLength(10)
    const paged = []
    let after: (typeof all)[number] | undefined
    do {
      const page = await listSystemEvents(db, { botId, limit: 3, after })
      paged.push(...page)
      after = page.at(-1)
    } while (after)
    expect(paged).toEqual(all)
    expect((await listSystemEvents(db)).some(({ botId: of, kind }) => of === FLEET && kind === 'fleet')).toBe(
      true,
    )
    await expect(listSystemEvents(db, { minimumSeverity: 'bad' as never })).rejects.toMatchObject({
      field: 'minimumSeverity',
    })
  })

  describe('recordDecisionHistory', () => {
    it('stores every action, and lists by idea and by decision', async () => {
      const botId = 'historian'
      const [tradeIdeaId, decisionId] = [newId(), newId()]
      for (const action of DECISION_ACTIONS) {
        await recordDecisionHistory(db, {
          botId,
          action,
          actor: 'ada',
          rationale: 'because',
          symbol: action === 'ai_halted' ? undefined : 'ETH/USDT',
          confidence: 0.75,
          riskCheckResult: action === 'risk_rejected' ? 'fail:max_drawdown' : 'pass',
          tradeIdeaId: action === 'ai_proposed' ? tradeIdeaId : undefined,
          decisionId: action === 'admin_note' ? decisionId : undefined,
          humanOverride: action === 'human_approved',
        })
      }
      const all = await listDecisionHistory(db, { botId })
      expect(all.map(({ action }) => action).sort()).toEqual([...DECISION_ACTIONS].sort())
      expect(all.filter(({ humanOverride }) => humanOverride)).toMatchObject([{ action: 'human_approved' }])
      expect(await listDecisionHistory(db, { botId, tradeIdeaId })).toMatchObject([{ action: 'ai_proposed' }])
      expect(await listDecisionHistory(db, { botId, decisionId })).toMatchObject([{ action: 'admin_note' }])
      await expect(listDecisionHistory(db, { botId, tradeIdeaId, decisionId })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'decisionId',
      })
    })

    it('is safe to repeat by key, and refuses what it cannot store', async () => {
      const step = {
        botId: 'repeat',
        eventId: newId(),
        action: 'admin_note',
        actor: 'a',
        rationale: 'r',
      } as const
      const stored = await recordDecisionHistory(db, step)
      expect(await recordDecisionHistory(db, step)).toEqual(stored)
      await expect(recordDecisionHistory(db, { ...step, actor: 'b' })).rejects.toMatchObject({
        code: 'conflict',
        field: 'actor',
      })
      for (const [field, wrong] of [
        ['confidence', { confidence: 1.01 }],
        ['confidence', { confidence: Number.NaN }],
        ['riskCheckResult', { riskCheckResult: 'failed' }],
        ['riskCheckResult', { riskCheckResult: 'fail:' }],
        ['action', { action: 'approved' }],
        ['rationale', { rationale: '' }],
      ] as const) {
        const { eventId: _, ...unkeyed } = step
        await expect(recordDecisionHistory(db, { ...unkeyed, ...wrong } as never)).rejects.toMatchObject({
          code: 'invalid_input',
          field,
        })
      }
    })
  })

  describe('recordRiskEvent', () => {
    const breach = {
      botId: 'breacher',
      kind: 'leverage_limit',
      actor: 'guard',
      reason: 'three times the equity',
      actual: '3.10',
      threshold: '3',
      actionTaken: 'leverage_reduced',
      details: { positions: 2 },
    } as const

    it('is open until it is resolved, once, by a row of its own', async () => {
      const event = await recordRiskEvent(db, breach)
      expect(event.actual?.toFixed()).toBe('3.1')
      const later = await recordRiskEvent(db, { ...breach, kind: 'exposure_limit' })
      const open = await listUnresolvedRiskEvents(db, { botId: 'breacher' })
      expect(open.map(({ id }) => id)).toEqual([later.id, event.id])
      const resolve = { botId: 'breacher', eventId: event.id, resolvedBy: 'ada', notes: 'closed one' }
      const end = await resolveRiskEvent(db, resolve)
      expect(end).toMatchObject({
        kind: 'resolved',
        resolvesId: event.id,
        actor: 'ada',
        reason: 'closed one',
      })
      expect(await resolveRiskEvent(db, resolve)).toEqual(end)
      await expect(resolveRiskEvent(db, { ...resolve, resolvedBy: 'bob' })).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining("'ada'"),
      })
      expect((await listUnresolvedRiskEvents(db, { botId: 'breacher' })).map(({ id }) => id)).toEqual([
        later.id,
      ])
      expect(await listRiskEvents(db, { botId: 'breacher', kind: 'resolved' })).toHaveLength(1)
      await expect(resolveRiskEvent(db, { ...resolve, eventId: end.id })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'eventId',
      })
      await expect(resolveRiskEvent(db, { ...resolve, botId: 'other' })).rejects.toMatchObject({
        code: 'not_found',
      })
    })

    it('is resolved once by many at once', async () => {
      const event = await recordRiskEvent(db, { ...breach, botId: 'many' })
      const tries = await Promise.allSettled(
        Array.from({ length: 6 }, (_, n) =>
          resolveRiskEvent(db, { botId: 'many', eventId: event.id, resolvedBy: `p${n}`, notes: 'x' }),
        ),
      )
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const one of tries) {
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'conflict' })
      }
      expect(await listRiskEvents(db, { botId: 'many', kind: 'resolved' })).toHaveLength(1)
    })

    it('takes every kind of limit and none of what the database writes', async () => {
      for (const kind of RISK_BREACH_KINDS) {
        expect(await recordRiskEvent(db, { ...breach, botId: 'kinds', kind })).toMatchObject({ kind })
      }
      for (const kind of ['order_denied', 'resolved', 'nonsense']) {
        await expect(recordRiskEvent(db, { ...breach, kind: kind as never })).rejects.toMatchObject({
          code: 'invalid_input',
          field: 'kind',
        })
      }
      await expect(recordRiskEvent(db, { ...breach, actual: 'NaN' })).rejects.toMatchObject({
        field: 'actual',
      })
    })

    it('compares amounts by value when it is repeated', async () => {
      const keyed = { ...breach, botId: 'value', eventId: newId() }
      const stored = await recordRiskEvent(db, keyed)
      expect(await recordRiskEvent(db, { ...keyed, actual: '3.1' })).toEqual(stored)
      await expect(recordRiskEvent(db, { ...keyed, actual: '3.11' })).rejects.toMatchObject({
        field: 'actual',
      })
    })
  })
})
