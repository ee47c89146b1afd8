import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterEach, beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { getTradingStatus, isTradingAllowed } from '../../src/risk/trading-status.ts'
import { describeEngines } from '../database.ts'
import { inOrder, type ModelFleet, type ModelQuestion, statusOf } from '../model/status-model.ts'
import { query } from '../trading/ledger-fixture.ts'
import { changes, or, sides, which } from './status-changes.ts'
import { listSymbols, World } from './status-world.ts'

const RUNS = 40
// Also for making a failure small, which is most of the time when there is one.
const LIMIT_MS = 30_000

const questions = fc.array(
  fc.record({
    which,
    symbol: or(fc.constantFrom('BTC', 'ETH', 'OLD', 'NONE'), 4),
    side: or(sides, 1),
    exchange: or(fc.constant('y'), 1),
  }),
  { minLength: 1, maxLength: 3 },
)
const steps = fc.array(
  fc.record({
    op: changes,
    questions,
    later: fc.constantFrom(0, 1, 998, 30_000, 60_000, 3_600_000, 30_000_000),
  }),
  { minLength: 4, maxLength: 10 },
)

// On whatever engine: with few sequences, one of them may lack what is rare.
const seen = new Map<string, number>()

describeEngines(
  'the status of a bot',
  (open) => {
    let db: Connection
    let cleanUp: (() => Promise<void>) | undefined
    beforeAll(async () => {
      db = await open()
      await listSymbols(db)
    })
    afterEach(async () => await cleanUp?.())

    it('is what the model makes of every sequence of changes, at every step, to the millisecond', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (sequence) => {
          // What an earlier sequence closed for the whole fleet, also one that failed, is opened again first.
          await cleanUp?.()
          const world = await World.begin(db)
          cleanUp = () => world.end()
          for (const { op, questions, later } of sequence) {
            await world.apply(op)
            world.now += later
            const asked = questions.map(({ which, ...rest }) => ({
              ...rest,
              botId: world.bot(which).botId,
              now: world.now,
            }))
            await expectModel(
              db,
              world.fleet,
              [...asked, ...asked.flatMap((one) => boundsOf(world.fleet, one))],
              seen,
            )
          }
        }),
        { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS, markInterruptAsFailure: false },
      )
      // Sequences that never get anywhere would pass too. This is the last engine.
      if (open.engine !== 'pglite') return
      const often = [
        'active',
        'reducing',
        'halted',
        'kill_switch',
        'circuit_breaker',
        'lock',
        'exposure',
        'heartbeat',
      ]
      expect(often.filter((name) => !seen.has(name))).toEqual([])
    })
  },
  ['postgres', 'pglite'],
)

/** The moments just before something ends, and when it has ended. */
function boundsOf(fleet: ModelFleet, question: ModelQuestion): ModelQuestion[] {
  const ends = statusOf(fleet, question).blocks.flatMap(({ until }) => (until === null ? [] : [until]))
  return [...new Set(ends)].slice(0, 2).flatMap((until) => [
    { ...question, now: until - 1 },
    { ...question, now: until },
  ])
}

async function expectModel(
  db: Connection,
  fleet: ModelFleet,
  asked: readonly ModelQuestion[],
  seen: Map<string, number>,
): Promise<void> {
  const expected = asked.map((question) => statusOf(fleet, question))
  const values = asked.map(
    ({ botId, symbol, side, exchange, now }, n) =>
      sql`(${n}::integer, ${botId}::text, ${symbol}::text, ${side}::text, ${exchange}::text, ${new Date(now).toISOString()}::timestamptz)`,
  )
  const rows = await query(
    db,
    sql`select s.state, s.blocks::text as blocks, risk.is_trading_allowed(q.bot, q.symbol, q.side, q.exchange, null, q.at) as allowed
      from (values ${sql.join(values, sql`, `)}) as q(n, bot, symbol, side, exchange, at)
      cross join lateral risk.trading_status(q.bot, q.symbol, q.side, q.exchange, null, q.at) s order by q.n`,
  )
  const answers = rows.map(({ state, blocks, allowed }) => ({
    state,
    allowed,
    blocks: inOrder((JSON.parse(String(blocks)) as Answer[]).map(toModelBlock)),
  }))
  expect(answers).toEqual(
    expected.map(({ state, blocks }) => ({
      state,
      allowed: state === 'active',

      blocks,
    })),
  )
  for (const { state, blocks } of expected) {
    for (const name of [state, ...blocks.map(({ code }) => code)]) seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  // In TypeScript the first, and the last, which is a bound if there is any.
  for (const question of new Set([asked[0], asked.at(-1)])) {
    if (!question) continue
    const { botId, symbol, side, exchange, now } = question
    const input = {
      botId,
      now: new Date(now),
      symbol: symbol ?? undefined,
      side: side ?? undefined,
      exchange: exchange ?? undefined,
    }
    const { state, blocks } = await getTradingStatus(db, input)
    const told = blocks.map(({ code, effect, scope, sourceId, until }) => ({
      code,
      effect,
      scope,
      sourceId,
      until: until?.getTime() ?? null,
    }))
    expect({ state, blocks: inOrder(told) }).toEqual(statusOf(fleet, question))
    expect(await isTradingAllowed(db, input)).toBe(state === 'active')
  }
}

interface Answer {
  readonly code: string
  readonly effect: 'reduce' | 'halt'
  readonly scope: string
  readonly sourceId?: string
  readonly until?: string
}

function toModelBlock({ code, effect, scope, sourceId = undefined, until }: Answer) {
  return {
    code,
    effect,
    scope,
    sourceId: sourceId ?? null,
    until: until === undefined ? null : Date.parse(until),
  }
}
