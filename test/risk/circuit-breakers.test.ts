import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import {
  type CircuitBreaker,
  listActiveCircuitBreakers,
  listCircuitBreakers,
  overrideCircuitBreaker,
  resolveCircuitBreaker,
  setCircuitBreakerCooldown,
  tripCircuitBreaker,
} from '../../src/risk/circuit-breakers.ts'
import { describeEngines } from '../database.ts'
import {
  EXCHANGE,
  evaluateAt,
  makeInstrument,
  minute,
  newBot,
  query,
  setRules,
  trade,
  untilSomebodyWaits,
} from './breaker-fixture.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

describeEngines('circuit breakers', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const symbol of ['S', 'T']) await makeInstrument(db, symbol)
  })

  const trip = (over: Partial<Parameters<typeof tripCircuitBreaker>[1]>) =>
    tripCircuitBreaker(db, {
      trigger: 'manual',
      reason: 'looks odd',
      trippedBy: 'mia',
      cooldownMs: HOUR_MS,
      now: minute(0),
      ...over,
    })
  const end = { resolvedBy: 'ben', reason: 'looked into it', now: minute(5) }
  const idsOf = (trips: readonly CircuitBreaker[]) => trips.map(({ id }) => id)

  describe('tripped by hand', () => {
    it('add up, so that a longer halt is never lost in a shorter', async () => {
      const botId = await newBot(db)
      const short = await trip({ botId, cooldownMs: MINUTE_MS, symbol: 'S', side: 'buy', exchange: EXCHANGE })
      const long = await trip({
        botId,
        threshold: '5',
        actual: '7.5',
        context: { why: 'x' },
        severity: 'emergency',
      })
      expect(short).toMatchObject({
        botId,
        rule: `manual:${short.id}`,
        expiresAt: minute(1),
        status: 'active',
      })
      expect(long).toMatchObject({
        context: { why: 'x' },
        severity: 'emergency',
        trippedBy: 'mia',
        tripsInRow: 1,
      })
      expect(long.actual?.toFixed()).toBe('7.5')
      const holding = async (at: Date) =>
        idsOf(await listActiveCircuitBreakers(db, { botId, now: at })).sort()
      expect(await holding(new Date(minute(1).getTime() - 1))).toEqual([short.id, long.id].sort())
      // At its expiry it is gone.
      expect(await holding(minute(1))).toEqual([long.id])
      expect(await holding(new Date(minute(60).getTime() - 1))).toEqual([long.id])
      expect(await holding(minute(60))).toEqual([])
    })

    it('with a rule hold once, and again when the time is over', async () => {
      const botId = await newBot(db)
      const first = await trip({ botId, rule: 'exchange down', cooldownMs: MINUTE_MS })
      expect(await trip({ botId, rule: 'exchange down', now: minute(0.5) })).toEqual(first)
      const elsewhere = await trip({ botId, rule: 'exchange down', symbol: 'S' })
      const second = await trip({ botId, rule: 'exchange down', now: minute(1) })
      expect(new Set(idsOf([first, elsewhere, second])).size).toBe(3)
      const history = await listCircuitBreakers(db, { botId })
      expect(history.map(({ id, status }) => [id, status])).toEqual([
        [second.id, 'active'],
        [elsewhere.id, 'active'],
        [first.id, 'expired'],
      ])
      expect(idsOf(await listCircuitBreakers(db, { botId, limit: 1, after: history[0] }))).toEqual([
        elsewhere.id,
      ])
    })

    it('without a bot stop the fleet, and hold for every bot', async () => {
      const own = await open.fresh()
      const botId = await newBot(own)
      const global = await tripCircuitBreaker(own, {
        trigger: 'network_issue',
        reason: 'no network',
        trippedBy: 'watch',
        cooldownMs: null,
        rule: 'net',
      })
      expect(global).toMatchObject({ botId: null, expiresAt: null })
      expect(await listActiveCircuitBreakers(own, { botId })).toEqual([global])
      expect(await listActiveCircuitBreakers(own)).toEqual([global])
      const again = {
        trigger: 'network_issue',
        reason: 'r',
        trippedBy: 'b',
        cooldownMs: 1,
        rule: 'net',
      } as const
      expect(await tripCircuitBreaker(own, again)).toEqual(global)
      const longer = await setCircuitBreakerCooldown(own, {
        id: global.id,
        cooldownMs: HOUR_MS,
        changedBy: 'mia',
        reason: 'soon',
      })
      expect(longer).toMatchObject({ cooldownMs: HOUR_MS, changedBy: 'mia', changeReason: 'soon' })
      expect(longer.expiresAt?.getTime()).toBe(global.trippedAt.getTime() + HOUR_MS)
      expect(await resolveCircuitBreaker(own, { id: global.id, ...end })).toMatchObject({
        status: 'resolved',
        botId: null,
      })
      expect(await listActiveCircuitBreakers(own, { botId })).toEqual([])
      expect(idsOf(await listCircuitBreakers(own))).toEqual([global.id])
      await expect(overrideCircuitBreaker(own, { id: global.id, ...end })).rejects.toMatchObject({
        code: 'invalid_transition',
      })
    })

    it('move the gate on and tell who did it, and why, in the audit', async () => {
      const botId = await newBot(db)
      const version = async () =>
        (await query(db, sql`select version::integer from risk.gates where bot_id = ${botId}`))[0]
          ?.version as number
      const before = await version()
      const { id } = await trip({ botId })
      expect(await version()).toBe(before + 1)
      await setCircuitBreakerCooldown(db, { botId, id, cooldownMs: null, changedBy: 'eve', reason: 'longer' })
      expect(await version()).toBe(before + 2)
      await overrideCircuitBreaker(db, { botId, id, ...end })
      expect(await version()).toBe(before + 3)
      const events = await query(
        db,
        sql`select actor, reason from audit.risk_events where bot_id = ${botId} and subject_id = ${id}::uuid order by id`,
      )
      expect(events.map(({ actor, reason }) => `${actor}: ${reason}`)).toEqual([
        'mia: looks odd',
        'eve: longer',
        'ben: looked into it',
      ])
    })

    it('end once, and are refused what is not there', async () => {
      const botId = await newBot(db)
      const { id } = await trip({ botId, cooldownMs: null })
      const ended = await resolveCircuitBreaker(db, { botId, id, ...end })
      expect(ended).toMatchObject({
        status: 'resolved',
        resolvedBy: 'ben',
        resolutionReason: end.reason,
        resolvedAt: end.now,
      })
      for (const verb of [resolveCircuitBreaker, overrideCircuitBreaker])
        await expect(verb(db, { botId, id, ...end })).rejects.toMatchObject({ code: 'invalid_transition' })
      const change = { cooldownMs: 5, changedBy: 'eve', reason: 'x' }
      await expect(setCircuitBreakerCooldown(db, { botId, id, ...change })).rejects.toMatchObject({
        code: 'invalid_transition',
      })
      const unknown = '01890000-0000-7000-8000-000000000000'
      for (const who of [{ botId }, {}]) {
        await expect(resolveCircuitBreaker(db, { ...who, id: unknown, ...end })).rejects.toMatchObject({
          code: 'not_found',
        })
        await expect(setCircuitBreakerCooldown(db, { ...who, id: unknown, ...change })).rejects.toMatchObject(
          {
            code: 'not_found',
          },
        )
      }
      // A trip of one bot is none of another's.
      const other = await newBot(db)
      await expect(resolveCircuitBreaker(db, { botId: other, id, ...end })).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(trip({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
      for (const [over, field] of [
        [{ reason: ' ' }, 'reason'],
        [{ trippedBy: '' }, 'trippedBy'],
        [{ cooldownMs: -1 }, 'cooldownMs'],
        [{ cooldownMs: 1.5 }, 'cooldownMs'],
        [{ cooldownMs: Number.NaN }, 'cooldownMs'],
        [{ threshold: 'NaN' }, 'threshold'],
        [{ trigger: 'mood' as 'manual' }, 'trigger'],
        [{ side: 'long' as 'buy' }, 'side'],
        [{ now: new Date(Number.NaN) }, 'now'],
      ] as const)
        await expect(trip({ botId, ...over }), field).rejects.toMatchObject({ code: 'invalid_input', field })
      await expect(resolveCircuitBreaker(db, { botId, id, ...end, reason: '' })).rejects.toMatchObject({
        field: 'reason',
      })
      await expect(resolveCircuitBreaker(db, { botId, id: 'x', ...end })).rejects.toMatchObject({
        field: 'id',
      })
    })
  })

  describe('tripped by a rule', () => {
    it('hold to the millisecond of their expiry, and trip again while a loss of the day stands', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [{ trigger: 'max_daily_loss', limit: '10', cooldownMs: MINUTE_MS }],
      })
      await trade(db, botId, 'S', -10, 1)
      expect((await evaluateAt(db, botId, 2)).tripped).toHaveLength(1)
      const late = new Date(minute(3).getTime() - 1)
      const { tripped, checks } = await evaluateAt(db, botId, late)
      expect(tripped).toEqual([])
      expect(checks).toMatchObject([{ tripped: true }])
      expect((await evaluateAt(db, botId, 3)).tripped).toHaveLength(1)
      const statuses = (await listCircuitBreakers(db, { botId })).map(({ status }) => status)
      expect(statuses).toEqual(['active', 'expired'])
    })

    it('hold longer each time in a row, then until a human, and begin anew after a quiet spell or a human', async () => {
      const botId = await newBot(db)
      const escalation = { factor: 3, humanAfter: 2, windowMs: 10 * MINUTE_MS }
      await setRules(db, botId, {
        rules: [{ trigger: 'max_daily_loss', limit: '10', cooldownMs: MINUTE_MS, escalation }],
      })
      await trade(db, botId, 'S', -10, 0)
      const next = async (at: number | Date) => {
        const { trips } = await evaluateAt(db, botId, at)
        return trips.map(({ cooldownMs, tripsInRow }) => `${tripsInRow}: ${cooldownMs}`)
      }
      expect(await next(1)).toEqual(['1: 60000'])
      // Over at 2; ten minutes later the spell was quiet, a millisecond before it was not.
      expect(await next(12)).toEqual(['1: 60000'])
      expect(await next(new Date(minute(23).getTime() - 1))).toEqual(['2: 180000'])
      expect(await next(27)).toEqual(['3: null'])
      expect(await next(500)).toEqual([])
      const [holding] = await listActiveCircuitBreakers(db, { botId, now: minute(500) })
      await resolveCircuitBreaker(db, { ...end, botId, id: holding?.id ?? '', now: minute(501) })
      expect(await next(502)).toEqual([])
      await trade(db, botId, 'S', -10, 503)
      expect(await next(504)).toEqual(['1: 60000'])
      // Over again, and in a row; of the loss before the human nothing counts.
      expect(await next(506)).toEqual(['2: 180000'])
    })

    it('are not tripped again by what a human has ended, nor by a win after a trip that ran out', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [
          { trigger: 'consecutive_losses', count: 2, cooldownMs: MINUTE_MS },
          { trigger: 'max_daily_loss', limit: '20', cooldownMs: MINUTE_MS },
          { trigger: 'rapid_loss', limit: '20', windowMs: HOUR_MS, cooldownMs: MINUTE_MS },
          {
            trigger: 'low_profit',
            minTrades: 2,
            windowMs: HOUR_MS,
            cooldownMs: MINUTE_MS,
            requiredProfit: '5',
          },
        ],
      })
      await trade(db, botId, 'S', -15, 1)
      await trade(db, botId, 'S', -15, 2)
      const { trips } = await evaluateAt(db, botId, 3)
      expect(trips.map(({ rule }) => rule)).toEqual([
        'consecutive_losses',
        'max_daily_loss',
        'rapid_loss',
        'low_profit',
      ])
      await trade(db, botId, 'S', 5, 3.5)
      // Only the loss of the day still stands.
      expect((await evaluateAt(db, botId, 5)).trips.map(({ rule }) => rule)).toEqual(['max_daily_loss'])
      for (const { id } of await listActiveCircuitBreakers(db, { botId, now: minute(5) }))
        await overrideCircuitBreaker(db, { ...end, botId, id, now: minute(5) })
      expect((await evaluateAt(db, botId, 7)).tripped).toEqual([])
      await trade(db, botId, 'S', -19, 8)
      expect((await evaluateAt(db, botId, 9)).trips.map(({ rule }) => rule)).toEqual(['low_profit'])
      await trade(db, botId, 'T', -1, 9)
      expect((await evaluateAt(db, botId, 9.5)).trips.map(({ rule }) => rule)).toEqual([
        'consecutive_losses',
        'max_daily_loss',
      ])
    })
  })
})

describeEngines(
  'evaluators at the same time',
  (open) => {
    it('that read their facts before a human ended a trip do not trip it again', async () => {
      const db = await open.fresh()
      await makeInstrument(db, 'S')
      const botId = await newBot(db)
      const rule = { trigger: 'max_daily_loss', limit: '10', cooldownMs: MINUTE_MS } as const
      await setRules(db, botId, { rules: [rule] })
      await setRules(db, null, { rules: [{ ...rule, scope: 'global' }] })
      await trade(db, botId, 'S', -10, 1)
      const who = { resolvedBy: 'mia', reason: 'seen' }
      const trip = { trigger: 'manual', trippedBy: 'mia', reason: 'sooner', cooldownMs: null } as const
      const gate = sql`select from risk.gates where bot_id = ${botId} for update`
      const settings = sql`select from risk.global_settings for update`
      for (const [of, name, lock] of [
        [{ botId }, 'max_daily_loss', gate],
        [{}, 'fleet:max_daily_loss:USD', settings],
      ] as const) {
        const stopped = async (work: (tx: Database) => Promise<unknown>, at: number) => {
          const { waiting } = await transaction(db, async (tx) => {
            await query(tx, lock)
            const waiting = evaluateAt(db, 'botId' in of ? of.botId : undefined, at)
            await untilSomebodyWaits(db)
            await work(tx)
            return { waiting }
          })
          return (await waiting).tripped
        }
        const tripAndEnd = async (tx: Database) => {
          const { id } = await tripCircuitBreaker(tx, { ...of, ...trip, rule: name, now: minute(2) })
          await resolveCircuitBreaker(tx, { ...of, ...who, id, now: minute(3) })
        }
        // Nothing had tripped when it looked, and now somebody has ended a trip.
        expect(await stopped(tripAndEnd, 5), name).toEqual([])
        await trade(db, botId, 'S', -10, 6)
        const [first] = (await evaluateAt(db, 'botId' in of ? of.botId : undefined, 7)).trips
        // Over at 8, so there was room for another; meanwhile a human has ended the one that it saw.
        const end = (tx: Database) =>
          resolveCircuitBreaker(tx, { ...of, ...who, id: first?.id ?? '', now: minute(9) })
        expect(await stopped(end, 10), name).toEqual([])
        expect((await evaluateAt(db, 'botId' in of ? of.botId : undefined, 11)).tripped).toEqual([])
        await trade(db, botId, 'S', -10, 12)
        // Another has tripped it meanwhile, and that ran out: what this one had seen is older.
        const tripShortly = (tx: Database) =>
          tripCircuitBreaker(tx, { ...of, ...trip, rule: name, cooldownMs: 1, now: minute(12.5) })
        expect(await stopped(tripShortly, 13), name).toEqual([])
        // Nobody was in the way of this one.
        expect(await stopped(async () => undefined, 14), name).toHaveLength(1)
      }
    })

    it('trip each rule once, and a stale one never trips what a human has ended', async () => {
      const db = await open.fresh({ poolSize: 8 })
      await makeInstrument(db, 'S')
      const botId = await newBot(db)
      const rules = [
        { trigger: 'max_daily_loss', limit: '10', cooldownMs: HOUR_MS },
        { trigger: 'consecutive_losses', count: 1, cooldownMs: HOUR_MS, scope: 'symbol' },
      ] as const
      await setRules(db, botId, { rules })
      await setRules(db, null, { rules: [{ ...rules[0], scope: 'global' }] })
      for (let round = 0; round < 12; round++) {
        const at = round * 10 + 1
        await trade(db, botId, 'S', -10, at)
        const both = await Promise.all([
          ...[1, 2, 3, 4].map(() => evaluateAt(db, botId, at + 1)),
          ...[1, 2].map(() => evaluateAt(db, undefined, at + 1)),
        ])
        expect(both.flatMap(({ tripped }) => tripped).sort()).toEqual([
          'consecutive_losses S 1/1',
          'fleet:max_daily_loss:USD 10/10',
          'max_daily_loss 10/10',
        ])
        // Evaluators that have begun before a human ends what they found, and go on after.
        const racing = [1, 2, 3, 4].flatMap(() => [
          evaluateAt(db, botId, at + 2),
          evaluateAt(db, undefined, at + 2),
        ])
        for (const { id, ...trip } of both.flatMap(({ trips }) => trips)) {
          const scope = trip.botId === null ? {} : { botId }
          await resolveCircuitBreaker(db, {
            ...scope,
            id,
            resolvedBy: 'mia',
            reason: 'seen',
            now: minute(at + 1),
          })
        }
        expect((await Promise.all(racing)).flatMap(({ tripped }) => tripped)).toEqual([])
        expect(await listActiveCircuitBreakers(db, { botId, now: minute(at + 2) })).toEqual([])
      }
    })
  },
  ['postgres', 'pg'],
)
