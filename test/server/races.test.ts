import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { listFillConflicts } from '../../src/trading/fill-conflicts.ts'
import { rebuildPositions } from '../../src/trading/rebuild.ts'
import { recordCashFlows } from '../../src/trading/record-cash-flows.ts'
import { recordFill, recordFills } from '../../src/trading/record-fills.ts'
import { createDatabase } from '../database.ts'
import { Child } from './children.ts'
import {
  type FeedOptions,
  fillAt,
  fillFeed,
  flowFeed,
  ledgerOf,
  prepareBot,
  randomFrom,
} from './ledger-feed.ts'
import type { RaceJob, RaceReport, WriterRole } from './race-writer.ts'

/** Rounds for each driver; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const SYMBOLS = ['BTC-USDT', 'ETH-USDT']

// Sixteen writers in four processes, and beside them what a bot does all the time.
const PROCESSES: readonly (readonly WriterRole[])[] = [
  ['batches', 'batches', 'batches', 'singles', 'funding'],
  ['batches', 'batches', 'singles', 'singles', 'marks'],
  ['batches', 'batches', 'batches', 'singles', 'funding'],
  ['batches', 'batches', 'singles', 'singles', 'marks'],
]

describe.each(['postgres', 'pg'] as const)('sixteen writers on one bot (%s)', (driver) => {
  test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
    'end equal to one writer, none of them fails, and each fill counts once (round %i)',
    async (round) => {
      const feed: FeedOptions = { botId: 'racer', symbols: SYMBOLS, fills: 240, payments: 36, seed: round }
      await using shared = await createDatabase({ driver })
      await prepareBot(shared.db, feed.botId, SYMBOLS)
      const children = PROCESSES.map(
        (roles, place) =>
          new Child<RaceJob, RaceReport>('race-writer.ts', {
            url: shared.url,
            driver,
            feed,
            roles,
            seed: round * 10 + place,
          }),
      )
      const reports = await Promise.all(children.map((child) => child.next()))

      expect(reports.flatMap((report) => report.errors)).toEqual([])
      expect(reports.flatMap((report) => report.uncaught)).toEqual([])

      // What by chance no writer was given comes now, so that all that was stored can be compared.
      const rest = await recordFills(shared.db, fillFeed(feed))
      const inserted = sum(reports.map((report) => report.fillsInserted))
      const [stored] = (await shared.db.execute(
        sql`select count(*)::integer as fills from trading.fills where bot_id = ${feed.botId}`,
      )) as unknown as { fills: number }[]
      expect(stored?.fills).toBe(feed.fills)
      const singles = new Map(reports.flatMap((report) => report.idsOfSingles))
      expect(inserted + singles.size + rest.inserted).toBe(feed.fills)
      // Whoever reported a fill was told of the same row.
      for (const [key, id] of reports.flatMap((report) => report.idsOfSingles))
        expect(id).toBe(singles.get(key))
      expect(sum(reports.map((report) => report.flowsInserted))).toBe(feed.payments)

      expect(await rebuildPositions(shared.db, { botId: feed.botId, dryRun: true })).toEqual({
        ledgers: expect.any(Number),
        differences: [],
      })
      await using alone = await createDatabase({ driver })
      await prepareBot(alone.db, feed.botId, SYMBOLS)
      await recordFills(alone.db, fillFeed(feed))
      await recordCashFlows(alone.db, flowFeed(feed))
      expect(await ledgerOf(shared.db, feed.botId)).toEqual(await ledgerOf(alone.db, feed.botId))
    },
  )
})

describe.each(['postgres', 'pg'] as const)('two writers at the same moment (%s)', (driver) => {
  test('who report one fill with different position sides leave one fill and one conflict', async () => {
    await using own = await createDatabase({ driver, poolSize: 8 })
    await prepareBot(own.db, 'racer', SYMBOLS)
    const random = randomFrom(5)
    const options = { botId: 'racer', symbols: SYMBOLS }
    let conflicts = 0
    for (let n = 0; n < 40; n++) {
      const { positionSide: _, ...fill } = fillAt(options, n, random)
      const outcomes = await Promise.allSettled([
        recordFill(own.db, { ...fill, positionSide: 'long' }),
        recordFill(own.db, { ...fill, positionSide: 'net' }),
        recordFills(own.db, [{ ...fill, positionSide: 'short' }]),
      ])
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') {
          expect(outcome.reason).toMatchObject({ code: 'conflict', field: 'positionSide' })
          conflicts += 1
        } else if ('conflicts' in outcome.value) conflicts += outcome.value.conflicts.length
      }
    }
    expect(conflicts).toBe(80)
    expect(await listFillConflicts(own.db, { botId: 'racer' })).toHaveLength(80)
    const report = await rebuildPositions(own.db, { botId: 'racer', dryRun: true })
    expect(report.differences).toEqual([])
  })

  test('do not starve one who must derive a long history anew', async () => {
    await using own = await createDatabase({ driver, poolSize: 8 })
    await prepareBot(own.db, 'racer', SYMBOLS)
    const options = { botId: 'racer', symbols: ['BTC-USDT'] }
    const random = randomFrom(9)
    // Bought, and never flat again: a late fill changes everything since.
    const history = Array.from({ length: 4_000 }, (_item, n) => {
      const { positionSide: _, ...fill } = fillAt(options, n, random)
      return { ...fill, side: n % 2 ? ('sell' as const) : ('buy' as const), quantity: n % 2 ? '1' : '1.1' }
    })
    const [, late, ...early] = history
    if (!late) throw new Error('the history is empty')
    await recordFills(own.db, early.slice(0, 3_500))
    const fresh = early.slice(3_500)
    let isOver = false
    const appending = [1, 2, 3].map(async () => {
      for (let fill = fresh.shift(); fill && !isOver; fill = fresh.shift()) await recordFill(own.db, fill)
    })
    await recordFill(own.db, late)
    const appended = 500 - fresh.length
    isOver = true
    await Promise.all(appending)
    // It must have been stored among them, not after the last of them.
    expect(appended).toBeLessThan(500)
    const report = await rebuildPositions(own.db, { botId: 'racer', dryRun: true })
    expect(report.differences).toEqual([])
  })

  test('who report plain cash flows in opposite orders do not block each other', async () => {
    await using own = await createDatabase({ driver, poolSize: 8 })
    await prepareBot(own.db, 'racer', SYMBOLS)
    const flows = flowFeed({ botId: 'racer', symbols: SYMBOLS, fills: 900, payments: 900, seed: 3 }).filter(
      (flow) => flow.kind === 'deposit',
    )
    for (let round = 0; round < 4; round++) {
      const fresh = flows.map((flow) => ({ ...flow, exchangeFlowId: `${flow.exchangeFlowId}-${round}` }))
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, n) => recordCashFlows(own.db, n % 2 ? fresh : fresh.toReversed())),
      )
      expect(sum(outcomes.map((outcome) => outcome.inserted))).toBe(fresh.length)
    }
  })
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
