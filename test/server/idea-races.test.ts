import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { transaction } from '../../src/db/transaction.ts'
import {
  haltAutoTrading,
  listTradeIdeas,
  type ProposeTradeIdeaInput,
  proposeTradeIdea,
  resumeAutoTrading,
} from '../../src/ideas/index.ts'
import { activateKillSwitch, deactivateKillSwitch } from '../../src/risk/kill-switch.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { createDatabase, type ServerDatabase } from '../database.ts'
import { ideaOf, makeSnapshot, makeStrategy, makeUser, type Strategy } from '../ideas/idea-fixture.ts'
import { Child } from './children.ts'
import { count, makeBot, makeSymbols, say } from './gate-crew.ts'
import type { Deed, Report, Result, Task } from './idea-racer.ts'

const PROCESSES = 8
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const SYMBOLS = Array.from({ length: 20 }, (_, n) => `S${String(n).padStart(2, '0')}/USDT`)
const PATIENCE_MS = 60_000 + ROUNDS * 5_000

const children: Child<Task, Report>[] = []
const ends: (() => Promise<void>)[] = []
let shared: ServerDatabase
/** One for each process. */
let users: string[]

beforeAll(async () => {
  shared = await createDatabase({ poolSize: 8 })
  const { db, url } = shared
  await setRiskSettings(db, { tradingEnabled: true, changedBy: 'test', reason: 'test' })
  await makeSymbols(db, SYMBOLS)
  users = []
  for (let place = 0; place < PROCESSES; place++) {
    users.push(await makeUser(db))
    const task: Task = { do: 'connect', url, driver: place % 2 ? 'pg' : 'postgres' }
    children.push(new Child('idea-racer.ts', task, (end) => ends.push(end)))
  }
  for (const child of children) expect((await child.next()).errors).toEqual([])
}, PATIENCE_MS)
afterAll(async () => {
  for (const end of ends) await end()
  await shared.close()
})

const rounds = test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))

async function all(taskOf: (place: number) => Task): Promise<Result[]> {
  for (const [place, child] of children.entries()) child.send(taskOf(place))
  return await answers()
}

async function answers(): Promise<Result[]> {
  const reports = await Promise.all(children.map((child) => child.next()))
  expect(reports.flatMap(({ errors }) => errors)).toEqual([])
  return reports.flatMap(({ results }) => results)
}

async function race(deedsOf: (place: number) => Deed[]): Promise<Result[]> {
  const startAt = Date.now() + 40
  return await all((place) => ({ do: 'race', startAt, deeds: deedsOf(place) }))
}

function tally(results: readonly Result[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

const userOf = (place: number) => users[place] ?? ''
const ordersOf = (botId: string) =>
  count(shared.db, sql`select count(*) from trading.orders where bot_id = ${botId}`)
const statusesOf = (botId: string, status: string) =>
  count(shared.db, sql`select count(*) from ideas.trade_ideas where bot_id = ${botId} and status = ${status}`)
const stepsOf = (botId: string, action: string) =>
  count(
    shared.db,
    sql`select count(*) from audit.decision_history where bot_id = ${botId} and action = ${action}`,
  )

/** A bot whose ideas are executed, and a maker of ideas. */
async function makeProposer(botId: string, strategy: Strategy = {}, confidence = 0.95) {
  const { db } = shared
  await makeBot(db, botId)
  await resumeAutoTrading(db, { botId, userId: userOf(0), reason: 'test' })
  const snapshotId = await makeSnapshot(db, botId)
  const strategyId = await makeStrategy(db, strategy)
  return (terms: Partial<ProposeTradeIdeaInput> = {}) =>
    ideaOf(botId, snapshotId, { strategyId, symbol: 'S00/USDT', confidence, ...terms })
}

/** Ideas that need approval, each of a symbol of its own. */
async function makeOpenIdeas(botId: string, length: number): Promise<string[]> {
  const idea = await makeProposer(botId, {}, 0.1)
  const ids: string[] = []
  for (let n = 0; n < length; n++) {
    const symbol = SYMBOLS[n % SYMBOLS.length] ?? ''
    const outcome = await proposeTradeIdea(shared.db, idea({ symbol }))
    expect(outcome.idea.status).toBe('needs_approval')
    ids.push(outcome.idea.id)
  }
  return ids
}

rounds(
  'of eight approvers of one idea one has the order placed, and the others hear who (round %i)',
  async (round) => {
    const botId = `approvers-${round}`
    const ids = await makeOpenIdeas(botId, 15)
    const results = await race((place) =>
      ids.map((ideaId): Deed => ({ do: 'approve', input: { botId, ideaId, userId: userOf(place) } })),
    )
    expect(tally(results)).toEqual({ executed: 15, invalid_transition: 105 })
    for (const { outcome, why } of results) {
      if (outcome === 'invalid_transition')
        expect(users.some((id) => why.includes(`approved by user '${id}'`))).toBe(true)
    }
    expect([await ordersOf(botId), await stepsOf(botId, 'human_approved')]).toEqual([15, 15])
  },
  PATIENCE_MS,
)

rounds(
  'of twenty approvals for five open positions five are let through, whoever they are (round %i)',
  async (round) => {
    const botId = `positions-${round}`
    const ids = await makeOpenIdeas(botId, 20)
    await setRiskSettings(shared.db, { botId, maxOpenPositions: 5, changedBy: 'test', reason: 'test' })
    const results = await race((place) =>
      ids
        .filter((_, n) => n % PROCESSES === place)
        .map((ideaId): Deed => ({ do: 'approve', input: { botId, ideaId, userId: userOf(place) } })),
    )
    expect(tally(results)).toEqual({ executed: 5, rejected: 15 })
    for (const { outcome, why } of results) if (outcome === 'rejected') expect(why).toBe('open_positions')
    expect([await ordersOf(botId), await stepsOf(botId, 'risk_rejected')]).toEqual([5, 15])
  },
  PATIENCE_MS,
)

rounds(
  'of twenty proposals of a strategy that may hold three, three are executed (round %i)',
  async (round) => {
    const botId = `caps-${round}`
    const idea = await makeProposer(botId, { caps: { maxOpenPositions: 3 } })
    const inputs = SYMBOLS.map((symbol) => idea({ symbol }))
    const results = await race((place) =>
      inputs.filter((_, n) => n % PROCESSES === place).map((input): Deed => ({ do: 'propose', input })),
    )
    expect(tally(results)).toEqual({ executed: 3, rejected: 17 })
    for (const { outcome, why } of results) if (outcome === 'rejected') expect(why).toBe('strategy_positions')
    expect(await ordersOf(botId)).toBe(3)
  },
  PATIENCE_MS,
)

rounds(
  'an idea that eight processes propose at once is stored, executed and written down once (round %i)',
  async (round) => {
    const botId = `same-${round}`
    const idea = await makeProposer(botId)
    const inputs = Array.from({ length: 10 }, () => idea())
    const results = await race(() => inputs.map((input): Deed => ({ do: 'propose', input })))
    expect(tally(results)).toEqual({ executed: 10, repeat: 70 })
    expect([await ordersOf(botId), await stepsOf(botId, 'ai_auto_executed')]).toEqual([10, 10])
  },
  PATIENCE_MS,
)

rounds(
  'an idea is either approved or rejected (round %i)',
  async (round) => {
    const botId = `either-${round}`
    const ids = await makeOpenIdeas(botId, 20)
    // Rejecting takes one round trip and approving more, so few reject, from the other end.
    const results = await race((place) => {
      const isAgainst = place % 4 === 3
      return (isAgainst ? ids.toReversed() : ids).map((ideaId): Deed => {
        const key = { botId, ideaId, userId: userOf(place) }
        return isAgainst ? { do: 'reject', input: { ...key, reason: 'no' } } : { do: 'approve', input: key }
      })
    })
    const { executed = 0, rejected = 0, invalid_transition } = tally(results)
    say(`approved ${executed}, rejected ${rejected} of 20`)
    expect([executed + rejected, invalid_transition]).toEqual([20, 140])
    expect(await ordersOf(botId)).toBe(executed)
    expect(await statusesOf(botId, 'rejected')).toBe(rejected)
  },
  PATIENCE_MS,
)

test.each(['a verb', 'a statement'])(
  'who halts by %s waits for a proposal that has seen that it may',
  async (way) => {
    const { db } = shared
    const botId = `waits-${way.replace(' ', '-')}`
    const idea = await makeProposer(botId)
    let isHalted = false
    let [proposing, halting]: Promise<unknown>[] = []
    await transaction(db, async (tx) => {
      // The proposal stops here, when it has seen that the switch is on and before it has its order.
      await tx.execute(sql`lock table trading.orders in share mode`)
      proposing = proposeTradeIdea(db, idea())
      await sleep(150)
      const halt =
        way === 'a verb'
          ? haltAutoTrading(db, { botId, by: 'test', reason: 'halted' })
          : db.execute(sql`update ideas.auto_trading set enabled = false where bot_id = ${botId}`)
      halting = Promise.resolve(halt).then(() => {
        isHalted = true
      })
      await sleep(150)
      expect(isHalted).toBe(false)
    })
    await halting
    expect(await proposing).toMatchObject({ executed: true })
    expect(await ordersOf(botId)).toBe(1)
    expect((await proposeTradeIdea(db, idea())).idea.status).toBe('needs_approval')
  },
)

rounds(
  'once automatic trading was halted nothing is executed by itself, also what was on its way (round %i)',
  async (round) => {
    const botId = `halt-${round}`
    const idea = await makeProposer(botId)
    for (const child of children) child.send({ do: 'hammer', input: idea() })
    while ((await ordersOf(botId)) < 10) await sleep(5)
    for (let turn = 0; turn < 5; turn++) {
      await haltAutoTrading(shared.db, { botId, by: 'test', reason: 'halted' })
      const then = await ordersOf(botId)
      await sleep(60)
      expect(await ordersOf(botId)).toBe(then)
      await resumeAutoTrading(shared.db, { botId, userId: userOf(0), reason: 'again' })
      while ((await ordersOf(botId)) === then) await sleep(5)
    }
    await haltAutoTrading(shared.db, { botId, by: 'test', reason: 'over' })
    for (const child of children) child.send({ do: 'stop' })
    const results = await answers()
    say(`halted while proposing: ${JSON.stringify(tally(results))}`)
    const { executed = 0, needs_approval: waiting = 0, ...others } = tally(results)
    expect(others).toEqual({})
    expect([await ordersOf(botId), await statusesOf(botId, 'auto_executed')]).toEqual([executed, executed])
    expect(await statusesOf(botId, 'needs_approval')).toBe(waiting)
    expect([await stepsOf(botId, 'ai_halted'), await stepsOf(botId, 'ai_resumed')]).toEqual([6, 6])
  },
  PATIENCE_MS,
)

rounds(
  'once the kill switch was thrown no approval is executed (round %i)',
  async (round) => {
    const botId = `switch-${round}`
    const ids = await makeOpenIdeas(botId, 160)
    const racing = race((place) =>
      ids
        .filter((_, n) => n % PROCESSES === place)
        .map((ideaId): Deed => ({ do: 'approve', input: { botId, ideaId, userId: userOf(place) } })),
    )
    while ((await ordersOf(botId)) < 10) await sleep(1)
    const confirmationCode = 'the-same-code'
    const by = { activatedBy: 'test', reason: 'test', confirmationCode }
    const { event } = await activateKillSwitch(shared.db, by)
    const then = await ordersOf(botId)
    const results = await racing
    expect(await ordersOf(botId)).toBe(then)
    const off = { eventId: event.id, deactivatedBy: 'test', reason: 'test', confirmationCode }
    await deactivateKillSwitch(shared.db, off)
    say(`kill switch beside approvals: ${JSON.stringify(tally(results))}`)
    const { executed = 0, rejected = 0 } = tally(results)
    expect([executed, executed + rejected]).toEqual([then, 160])
    for (const { outcome, why } of results) if (outcome === 'rejected') expect(why).toBe('kill_switch')
    expect(await listTradeIdeas(shared.db, { botId, status: 'needs_approval' })).toEqual([])
  },
  PATIENCE_MS,
)
