import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { recordOpportunity } from '../../src/arbitrage/opportunities.ts'
import { getArbitrageStatistics } from '../../src/arbitrage/statistics.ts'
import { opportunityOf } from '../arbitrage/arbitrage-fixture.ts'
import { createDatabase } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import type { RaceJob, RaceNews, RaceReport } from './arbitrage-racer.ts'
import { Child } from './children.ts'

/** Rounds; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const PROCESSES = 4
const OPPORTUNITIES = 40
/** Those that several callers try at once in each process; as in the program. */
const CALLERS = 3
const BOT = 'racer'

async function race(racers: readonly Child<RaceJob, RaceNews>[]): Promise<RaceReport[]> {
  for (const racer of racers) expect(await racer.next()).toBe('ready')
  for (const racer of racers) racer.send('begin')
  const reports = await Promise.all(racers.map((racer) => racer.next() as Promise<RaceReport>))
  expect(reports.flatMap(({ errors }) => errors)).toEqual([])
  return reports
}

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'four processes take each opportunity once, or it expires, and end each execution once (round %i)',
  async () => {
    await using shared = await createDatabase({ poolSize: 8 })
    const { db } = shared
    await makeBot(db, BOT)
    const ids = (
      await Promise.all(
        Array.from({ length: OPPORTUNITIES }, () => recordOpportunity(db, opportunityOf(BOT))),
      )
    ).map(({ id }) => id)
    // One process expires some of them meanwhile, the others begin at different places and meet.
    const jobOf = (place: number, over: Partial<RaceJob>): RaceJob => ({
      url: shared.url,
      driver: place % 2 ? 'pg' : 'postgres',
      botId: BOT,
      act: 'start',
      ids: [...ids.slice(place * 4), ...ids.slice(0, place * 4)],
      at: minute(1),
      profit: `${place + 1}`,
      ...over,
    })
    const expires = { act: 'expire', ids: ids.slice(0, 1), at: minute(2) } as const
    const racers = Array.from(
      { length: PROCESSES },
      (_, place) =>
        new Child<RaceJob, RaceNews>(
          'arbitrage-racer.ts',
          jobOf(place, place === PROCESSES - 1 ? expires : {}),
        ),
    )
    const reports = await race(racers)
    const started = reports.slice(0, -1).flatMap(({ done }) => done)
    const expired = reports.at(-1)?.done ?? []
    say(
      `${started.length} of ${ids.length} opportunities started by ${reports.map(({ done }) => done.length).join(' + ')}, ${expired.length} expired`,
    )
    expect([...started, ...expired].sort()).toEqual([...ids].sort())
    expect(started.length).toBeGreaterThan(0)
    expect(expired.length).toBeGreaterThan(0)
    const refused = reports.flatMap((report) => report.refused)
    expect(refused).toHaveLength((PROCESSES - 1) * CALLERS * ids.length - started.length)
    for (const message of refused)
      expect(message).toMatch(/ is executing by execution '[0-9a-f-]{36}'$| expired at /)
    const rows = await query(
      db,
      sql`select o.id, o.status, o.execution_id, count(e.id)::integer as n, min(e.id::text) as own
        from arbitrage.opportunities o left join arbitrage.executions e on e.bot_id = o.bot_id and e.opportunity_id = o.id
        group by o.bot_id, o.id`,
    )
    for (const row of rows) {
      const isStarted = started.includes(String(row.id))
      expect(row).toMatchObject({ status: isStarted ? 'executing' : 'expired', n: isStarted ? 1 : 0 })
      expect(row.execution_id).toBe(row.own)
    }

    const executions = rows.flatMap(({ own }) => (own === null ? [] : [String(own)]))
    for (const [place, racer] of racers.entries())
      racer.send(jobOf(place, { act: 'finish', ids: executions }))
    const ends = await race(racers)
    expect(ends.flatMap(({ done }) => done).sort()).toEqual([...executions].sort())
    const { profits, executed, successes } = await getArbitrageStatistics(db, {
      botId: BOT,
      from: minute(0),
      until: minute(1),
    })
    expect([executed, successes]).toEqual([executions.length, executions.length])
    const earned = ends.reduce((sum, { done }, place) => sum + done.length * (place + 1), 0)
    expect(String(profits[0]?.realised)).toBe(String(earned))
  },
)

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
