import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { getStrategyAllocation } from '../../src/strategy/allocations.ts'
import { getStrategy } from '../../src/strategy/strategies.ts'
import { createDatabase } from '../database.ts'
import { makeStrategyAt } from '../strategy/strategy-fixture.ts'
import { makeBot, query } from '../trading/ledger-fixture.ts'
import { Child } from './children.ts'
import type { StrategyJob, StrategyNews, StrategyReport } from './strategy-racer.ts'

const PROCESSES = 8

/** Lets eight processes do the same at the same moment, and returns what each of them did. */
async function race(
  job: Omit<StrategyJob, 'driver' | 'place'>,
  heirs: readonly string[] = [],
): Promise<StrategyReport[]> {
  const racers = Array.from({ length: PROCESSES }, (_, place) => {
    const heirId = heirs[place]
    return new Child<StrategyJob, StrategyNews>('strategy-racer.ts', {
      ...job,
      place,
      driver: place % 2 ? 'pg' : 'postgres',
      ...(heirId === undefined ? {} : { heirId }),
    })
  })
  for (const racer of racers) expect(await racer.next()).toBe('ready')
  for (const racer of racers) racer.send('begin')
  const reports = await Promise.all(racers.map((racer) => racer.next() as Promise<StrategyReport>))
  expect(reports.flatMap(({ errors }) => errors)).toEqual([])
  return reports
}

const total = (numbers: readonly (number | undefined)[]) =>
  numbers.reduce<number>((sum, one) => sum + (one ?? 0), 0)

test('eight processes that raise allocations at once never come above 1, and the sum is that of the strategies', async () => {
  await using shared = await createDatabase({ poolSize: 4 })
  const { db, url } = shared
  const ids: string[] = []
  for (let n = 0; n < 12; n++) ids.push((await makeStrategyAt(db, 'active')).id)
  let over = false
  let looks = 0
  const sums = sql`select trim_scale(coalesce(sum(allocation), 0))::text as sum, count(*)::int as count, coalesce(sum(allocation), 0) <= 1 as fits
    from strategy.strategies where status = 'active'`
  const watch = (async () => {
    while (!over) {
      expect((await query(db, sums))[0]).toMatchObject({ fits: true })
      looks += 1
    }
  })()
  const reports = await race({ url, rounds: 60, work: 'allocate', ids })
  over = true
  await watch
  const { allocated, activeCount } = await getStrategyAllocation(db)
  expect((await query(db, sums))[0]).toMatchObject({ sum: allocated.toFixed(), count: activeCount })
  expect(looks).toBeGreaterThan(5)
  // There was more wanted than there is, and all but a last piece of it was given.
  expect(total(reports.map(({ refused }) => refused.invalid_input))).toBeGreaterThan(20)
  expect(total(reports.map(({ done }) => done))).toBeGreaterThan(50)
  const changes = sql`select count(*)::int as count from audit.system_events where actor like 'process-%'`
  const versions = sql`select sum(version - 4)::int as count from strategy.strategies`
  expect(await query(db, changes)).toEqual(await query(db, versions))
})

test('of eight processes that replace one strategy, one does, and nothing is half', async () => {
  await using shared = await createDatabase({ poolSize: 4 })
  const { db, url } = shared
  const old = await makeStrategyAt(db, 'active', { allocation: '0.9' })
  const heirs: string[] = []
  for (let n = 0; n < PROCESSES; n++) heirs.push((await makeStrategyAt(db, 'paper')).id)
  const reports = await race({ url, rounds: 5, work: 'replace', ids: [old.id] }, heirs)
  // The one that did is told so again each time.
  expect(reports.map(({ done }) => done).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 5])
  expect(total(reports.map(({ refused }) => refused.invalid_transition))).toBe(35)
  const { replacedById } = await getStrategy(db, { id: old.id })
  expect(await getStrategy(db, { id: replacedById ?? '' })).toMatchObject({
    status: 'active',
    replacesId: old.id,
  })
  const rows = await query(
    db,
    sql`select status, count(*)::int as count from strategy.strategies group by 1 order by 1`,
  )
  expect(rows).toEqual([
    { status: 'active', count: 1 },
    { status: 'paper', count: 7 },
    { status: 'replaced', count: 1 },
  ])
  expect((await getStrategyAllocation(db)).allocated.toFixed()).toBe('0.9')
})

test('of eight processes that set the symbols of one strategy, the set is always that of one of them', async () => {
  await using shared = await createDatabase({ poolSize: 4 })
  const { db, url } = shared
  const { id } = await makeStrategyAt(db, 'draft')
  let over = false
  const mixed = sql`select 1 as mixed from strategy.strategy_symbols having count(distinct weight) > 1 or count(distinct changed_by) > 1 or count(*) not between 3 and 5 and count(*) > 0`
  const watch = (async () => {
    while (!over) expect(await query(db, mixed)).toEqual([])
  })()
  const reports = await race({ url, rounds: 30, work: 'symbols', ids: [id] })
  over = true
  await watch
  expect(total(reports.map(({ done }) => done))).toBe(PROCESSES * 30)
  expect((await getStrategy(db, { id })).version).toBe(1 + PROCESSES * 30)
})

test('of eight processes that record a signal and what became of it, one is stored, and one is believed', async () => {
  await using shared = await createDatabase({ poolSize: 4 })
  const { db, url } = shared
  await makeBot(db, 'racer')
  const ids = Array.from({ length: 40 }, () => randomUUID())
  const reports = await race({ url, rounds: ids.length, work: 'signals', ids })
  expect(total(reports.map(({ done }) => done))).toBe(ids.length)
  expect(total(reports.map(({ refused }) => refused.invalid_transition))).toBe(ids.length * (PROCESSES - 1))
  const rows = await query(
    db,
    sql`select count(*)::int as count from strategy.signals where outcome = 'winner'`,
  )
  expect(rows).toEqual([{ count: ids.length }])
})
