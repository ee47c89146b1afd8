import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { recordCalendarEvents } from '../../src/market/calendar-events.ts'
import { getStrategySession, isStrategyInSession } from '../../src/strategy/sessions.ts'
import type { CreateStrategyInput } from '../../src/strategy/strategies.ts'
import { describeEngines } from '../database.ts'
import { makeInstrument, query } from '../trading/ledger-fixture.ts'
import { makeStrategyAt, NOBODY } from './strategy-fixture.ts'

describeEngines('the session of a strategy', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'BTC/USDT')
    await recordCalendarEvents(db, {
      events: [
        {
          source: 'cal',
          externalId: '1',
          eventTime: new Date('2024-02-02T13:30:00Z'),
          currency: 'USD',
          impact: 'high',
          title: 'Payrolls',
        },
        {
          source: 'cal',
          externalId: '2',
          eventTime: new Date('2024-02-02T18:00:00Z'),
          currency: 'EUR',
          impact: 'low',
          title: 'Speech',
        },
      ],
    })
  })

  const ask = async (rules: Partial<CreateStrategyInput>, at: string, symbol = 'BTC/USDT') => {
    const { id } = await makeStrategyAt(db, 'active', rules)
    const input = { strategyId: id, exchange: 'x', symbol, now: new Date(at) }
    const session = await getStrategySession(db, input)
    expect(await isStrategyInSession(db, input)).toBe(session.isInSession)
    expect(session.isInSession).toBe(session.reasons.length === 0)
    expect(session.reason).toBe(session.reasons[0] ?? 'in_session')
    expect(session.checkedAt).toEqual(new Date(at))
    return session
  }
  const QUIET = '2024-02-02T09:00:00Z'

  it('is open where nothing speaks against it', async () => {
    expect(await ask({}, QUIET)).toMatchObject({
      reason: 'in_session',
      reasons: [],
      event: null,
      strategy: { status: 'active' },
    })
    const rules = {
      allowedSymbols: ['BTC/USDT'],
      sessionWindows: [{ start: '08:00', end: '10:00' }],
      forbiddenConditions: { highImpactNewsMinutesBefore: 30 },
    }
    expect((await ask(rules, QUIET)).reason).toBe('in_session')
  })

  it('is closed for symbols that are not allowed or blocked, and outside its windows: with every reason', async () => {
    expect((await ask({ allowedSymbols: ['ETH/USDT'] }, QUIET)).reasons).toEqual(['symbol_not_allowed'])
    expect((await ask({ allowedSymbols: [] }, QUIET)).reasons).toEqual(['symbol_not_allowed'])
    expect((await ask({ forbiddenConditions: { blockedSymbols: ['BTC/USDT'] } }, QUIET)).reasons).toEqual([
      'blocked_symbol',
    ])
    const sessionWindows = [{ start: '10:00', end: '11:00' }]
    expect((await ask({ sessionWindows }, QUIET)).reasons).toEqual(['outside_window'])
    const all = {
      allowedSymbols: [],
      sessionWindows,
      forbiddenConditions: { blockedSymbols: ['BTC/USDT'], highImpactNewsMinutesBefore: 600 },
    }
    expect((await ask(all, QUIET)).reasons).toEqual([
      'symbol_not_allowed',
      'blocked_symbol',
      'outside_window',
      'embargo',
    ])
  })

  it('is closed around news of its currencies, from before the event to after it', async () => {
    const rules = { forbiddenConditions: { highImpactNewsMinutesBefore: 30, highImpactNewsMinutesAfter: 15 } }
    expect((await ask(rules, '2024-02-02T12:59:59Z')).reason).toBe('in_session')
    expect(await ask(rules, '2024-02-02T13:00:00Z')).toMatchObject({
      reason: 'embargo',
      event: { title: 'Payrolls' },
    })
    expect((await ask(rules, '2024-02-02T13:45:00Z')).reason).toBe('embargo')
    expect((await ask(rules, '2024-02-02T13:45:01Z')).reason).toBe('in_session')
    const only = { forbiddenConditions: { highImpactNewsMinutesAfter: 15 } }
    expect((await ask(only, '2024-02-02T13:29:59Z')).reason).toBe('in_session')
    expect((await ask(only, '2024-02-02T13:30:00Z')).reason).toBe('embargo')
    const others = {
      forbiddenConditions: { ...rules.forbiddenConditions, blockedSymbolsDuringNews: ['ETH/USDT'] },
    }
    expect((await ask(others, '2024-02-02T13:30:00Z')).reason).toBe('in_session')
    const low = {
      forbiddenConditions: { highImpactNewsMinutesBefore: 5, impact: 'low' as const, currencies: ['EUR'] },
    }
    expect((await ask(low, '2024-02-02T17:58:00Z')).event?.title).toBe('Speech')
  })

  it('is closed for an instrument that nobody knows, where its currencies decide', async () => {
    const rules = { forbiddenConditions: { highImpactNewsMinutesBefore: 30 } }
    expect((await ask(rules, QUIET, 'NEW/USDT')).reasons).toEqual(['unknown_instrument'])
    expect(
      (
        await ask(
          { forbiddenConditions: { ...rules.forbiddenConditions, currencies: ['USD'] } },
          QUIET,
          'NEW/USDT',
        )
      ).reason,
    ).toBe('in_session')
    expect((await ask({}, QUIET, 'NEW/USDT')).reason).toBe('in_session')
  })

  it('is closed unless the strategy is active, and where its rules cannot be read', async () => {
    for (const status of ['draft', 'backtested', 'paper', 'paused', 'archived', 'replaced'] as const) {
      const { id } = await makeStrategyAt(db, status)
      expect(
        (await getStrategySession(db, { strategyId: id, exchange: 'x', symbol: 'BTC/USDT' })).reasons,
      ).toEqual(['not_active'])
    }
    const { id } = await makeStrategyAt(db, 'active')
    await query(
      db,
      sql`update strategy.strategies set forbidden_conditions = '{"newsMinutes": 5}' where id = ${id}::uuid returning id`,
    )
    const input = { strategyId: id, exchange: 'x', symbol: 'BTC/USDT' }
    expect((await getStrategySession(db, input)).reasons).toEqual(['unreadable_rules'])
    await expect(isStrategyInSession(db, { ...input, strategyId: NOBODY })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(isStrategyInSession(db, { ...input, symbol: '' })).rejects.toMatchObject({ field: 'symbol' })
  })

  it('is judged by the clock of the database where no time is given', async () => {
    const { id } = await makeStrategyAt(db, 'active')
    const { checkedAt } = await getStrategySession(db, { strategyId: id, exchange: 'x', symbol: 'BTC/USDT' })
    expect(Math.abs(checkedAt.getTime() - Date.now())).toBeLessThan(60_000)
  })
})
