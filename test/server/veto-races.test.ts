import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { getDecision, recordDecision, vetoDecision } from '../../src/analysis/index.ts'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'
import { placeOrder } from '../../src/risk/place-order.ts'
import { decisionOf } from '../analysis/analysis-fixture.ts'
import { createDatabase, type ServerDatabase } from '../database.ts'
import { makeTrader, openMarket } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'

/** Rounds of the race; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_VETO_ROUNDS ?? '200')
const PATIENCE_MS = 60_000 + ROUNDS * 200

let shared: ServerDatabase
let other: Connection
const bots: string[] = []
beforeAll(async () => {
  shared = await createDatabase({ driver: 'postgres' })
  other = await connect({ url: shared.url, directUrl: shared.directUrl, driver: 'pg' })
  await openMarket(shared.db, 'BTC')
  for (let n = 0; n < 4; n++) bots.push(await makeTrader(shared.db))
})
afterAll(async () => {
  await other.close()
  await shared.close()
})

const decide = async (botId: string) => (await recordDecision(shared.db, decisionOf(botId))).id
const place = (db: Database, botId: string, decisionId: string) =>
  placeOrder(db, {
    ...{ botId, decisionId, symbol: 'BTC', side: 'buy', type: 'limit', quantity: '1', limitPrice: '100' },
  })
const veto = (db: Database, botId: string, decisionId: string) =>
  vetoDecision(db, { botId, decisionId, reason: 'too late?', source: 'race' })

/** What came of it: done, or the code of the error. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (isDataError(error)) return error.code
    throw error
  }
}

async function storedOf(botId: string, decisionId: string) {
  const { action } = await getDecision(shared.db, { botId, decisionId })
  const rows = await query(
    shared.db,
    sql`select count(*)::integer as orders from trading.orders where decision_id = ${decisionId}::uuid`,
  )
  return { action, orders: rows[0]?.orders }
}

it(
  'of a veto and an order at the same time one wins, and the other is told',
  async () => {
    const tally = { placed: 0, vetoed: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const botId = bots[round % bots.length] ?? ''
      const decisionId = await decide(botId)
      const [placer, vetoer] = round % 2 === 0 ? [shared.db, other] : [other, shared.db]
      const late = (ms: number) => sleep(Math.random() * ms)
      // In a transaction, locks are held for longer than a statement takes.
      const placing = late(3).then<unknown>(() =>
        round % 3 === 0
          ? transaction(placer, async (tx) => {
              await place(tx, botId, decisionId)
              await late(3)
            })
          : place(placer, botId, decisionId),
      )
      const vetoing = late(4).then<unknown>(() =>
        round % 5 === 0
          ? transaction(vetoer, async (tx) => {
              await veto(tx, botId, decisionId)
              await late(3)
            })
          : veto(vetoer, botId, decisionId),
      )
      const outcomes = await Promise.all([outcomeOf(placing), outcomeOf(vetoing)])
      const isPlaced = outcomes[0] === 'done'
      expect(outcomes).toEqual(isPlaced ? ['done', 'invalid_transition'] : ['invalid_transition', 'done'])
      expect(await storedOf(botId, decisionId)).toEqual(
        isPlaced ? { action: 'long', orders: 1 } : { action: 'vetoed', orders: 0 },
      )
      tally[isPlaced ? 'placed' : 'vetoed'] += 1
    }
    // Else it was no race.
    expect(tally.placed).toBeGreaterThan(ROUNDS / 20)
    expect(tally.vetoed).toBeGreaterThan(ROUNDS / 20)
  },
  PATIENCE_MS,
)

it('of eight vetoes one wins', async () => {
  const botId = bots[0] ?? ''
  const decisionId = await decide(botId)
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, n) => outcomeOf(veto(n % 2 ? shared.db : other, botId, decisionId))),
  )
  expect(outcomes.toSorted()).toEqual(['done', ...Array.from({ length: 7 }, () => 'invalid_transition')])
})

const first = { place, veto }
const refused = 'invalid_transition'

// Pools of both handles are apart, so one never waits for a connection of the other.
it.each([
  { one: 'place', two: 'veto', ends: 'committed', outcome: refused, stored: { action: 'long', orders: 1 } },
  { one: 'place', two: 'veto', ends: 'undone', outcome: 'done', stored: { action: 'vetoed', orders: 0 } },
  { one: 'veto', two: 'place', ends: 'committed', outcome: refused, stored: { action: 'vetoed', orders: 0 } },
  { one: 'veto', two: 'place', ends: 'undone', outcome: 'done', stored: { action: 'long', orders: 1 } },
] as const)(
  '$two waits for an open $one, and is told how it was $ends',
  async ({ one, two, ends, ...expected }) => {
    const botId = bots[1] ?? ''
    const decisionId = await decide(botId)
    let second: Promise<string> | undefined
    let isOver = false
    const undone = new Error('undone')
    const outer = transaction(shared.db, async (tx) => {
      await first[one](tx, botId, decisionId)
      second = outcomeOf(first[two](other, botId, decisionId)).finally(() => {
        isOver = true
      })
      await sleep(150)
      expect(isOver).toBe(false)
      if (ends === 'undone') throw undone
    })
    if (ends === 'undone') await expect(outer).rejects.toBe(undone)
    else await outer
    expect(await second).toBe(expected.outcome)
    expect(await storedOf(botId, decisionId)).toEqual(expected.stored)
  },
)
