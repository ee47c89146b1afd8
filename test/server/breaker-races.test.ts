import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { listActiveCircuitBreakers, resolveCircuitBreaker } from '../../src/risk/circuit-breakers.ts'
import { createDatabase } from '../database.ts'
import { makeInstrument, minute, newBot, query, setRules, trade } from '../risk/breaker-fixture.ts'
import type { EvaluatorJob, EvaluatorNews, EvaluatorReport, EvaluatorRound } from './breaker-evaluator.ts'
import { Child } from './children.ts'

const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '20')
const DRIVERS = ['postgres', 'pg', 'postgres', 'pg'] as const
const HOUR_MS = 3_600_000

/** Each trips on every round: the loss is new, and a human has ended what tripped on the last. */
const RULES = [
  { trigger: 'max_daily_loss', limit: '10', cooldownMs: HOUR_MS },
  { trigger: 'max_weekly_loss', limit: '10', cooldownMs: null },
  { trigger: 'rapid_loss', limit: '10', windowMs: HOUR_MS, cooldownMs: HOUR_MS },
  { trigger: 'consecutive_losses', count: 1, cooldownMs: HOUR_MS, scope: 'side' },
  { trigger: 'low_profit', minTrades: 1, windowMs: HOUR_MS, cooldownMs: HOUR_MS },
  { trigger: 'cooldown', cooldownMs: HOUR_MS },
  { trigger: 'max_drawdown', fraction: 0.0001, cooldownMs: HOUR_MS },
] as const

test('eight evaluators in four processes trip each rule exactly once, and none that a human has ended meanwhile', async () => {
  await using own = await createDatabase()
  const { db, url } = own
  await makeInstrument(db, 'S')
  const botId = await newBot(db, { initialEquity: '10000' })
  await setRules(db, botId, { rules: RULES })
  await setRules(db, null, { rules: [{ ...RULES[0], scope: 'global' }] })
  const children = DRIVERS.map(
    (driver) => new Child<EvaluatorJob, EvaluatorNews>('breaker-evaluator.ts', { url, driver, botId }),
  )
  for (const child of children) expect(await child.next()).toBe('ready')
  const all = async (round: EvaluatorRound) => {
    for (const child of children) child.send(round)
    return () => Promise.all(children.map((child) => child.next() as Promise<EvaluatorReport>))
  }
  const once = [
    ...RULES.map(({ trigger }) => {
      const hasSymbol = ['consecutive_losses', 'low_profit', 'cooldown'].includes(trigger)
      return `${trigger} ${hasSymbol ? 'S' : ''}`
    }),
    'fleet:max_daily_loss:USD ',
  ].sort()

  let [evaluations, trips, stale] = [0, 0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    await trade(db, botId, 'S', -10, round * 2)
    const now = minute(round * 2 + 1)
    const reports = await (await all({ now, times: 2 }))()
    for (const report of reports) expect([...report.errors, ...report.uncaught]).toEqual([])
    expect(reports.flatMap((report) => report.tripped).sort(), `round ${round}`).toEqual(once)
    trips += once.length
    evaluations += reports.reduce((sum, report) => sum + report.evaluations, 0)

    // Some of these have read their facts by the time that a human ends what holds.
    const racing = await all({ now: minute(round * 2 + 1.5), times: 1 })
    for (const { id, botId: of } of await listActiveCircuitBreakers(db, { botId, now })) {
      const scope = of === null ? {} : { botId: of }
      await resolveCircuitBreaker(db, { ...scope, id, resolvedBy: 'mia', reason: 'seen', now })
    }
    const after = await racing()
    for (const report of after) expect([...report.errors, ...report.uncaught]).toEqual([])
    expect(
      after.flatMap((report) => report.tripped),
      `round ${round}`,
    ).toEqual([])
    stale += after.reduce((sum, report) => sum + report.evaluations, 0)
  }
  const [stored] = await query(
    db,
    sql`select (select count(*) from risk.circuit_breakers)::integer + (select count(*) from risk.global_circuit_breakers)::integer as n`,
  )
  expect(stored?.n).toBe(trips)
  process.stdout.write(
    `${ROUNDS} rounds, ${once.length} rules, ${evaluations} evaluations: ${trips} trips; ${stale} more while a human ended them: 0 trips\n`,
  )
}, 60_000)
