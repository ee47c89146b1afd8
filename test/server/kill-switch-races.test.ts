import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Database } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'
import { registerBot } from '../../src/fleet/bots.ts'
import {
  activateKillSwitch,
  deactivateKillSwitch,
  findActiveKillSwitch,
  type KillSwitchActivation,
} from '../../src/risk/kill-switch.ts'
import { placeOrder } from '../../src/risk/place-order.ts'
import type { ServerDatabase } from '../database.ts'
import {
  buy,
  Crew,
  count,
  ENTRIES,
  EXITS,
  makeBot,
  makeSymbols,
  say,
  type Total,
  totalOf,
} from './gate-crew.ts'
import type { Lane } from './gate-writer.ts'
import { newBot, randomFrom } from './ledger-feed.ts'

/** Rounds of the race for the switch, and backends killed; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_SWITCH_ROUNDS ?? '50')
const BACKEND_KILLS = Number(process.env.TEST_SWITCH_KILLS ?? '20')
const CROWDED_ROUNDS = 2
const PATIENCE_MS = 60_000 + ROUNDS * 2_000 + BACKEND_KILLS * 500

const SYMBOL = 'BTC/USDT'
const BOTS = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8']
const HOLDER = 'holder'
const LANES: readonly (readonly Lane[])[] = [
  ['alone', 'together'],
  ['alone', 'new'],
  ['alone', 'exits'],
  ['alone'],
  ['alone', 'together'],
  ['alone', 'new'],
  ['alone', 'exits'],
  ['alone'],
]
const WORDS = { activatedBy: 'test', reason: 'stop' }
const CODE = 'twelve-words'

const crew = new Crew()
let shared: ServerDatabase
beforeAll(() => crew.gather().then((made) => made.close()))
afterAll(() => crew.end())
beforeEach(async () => {
  shared = await crew.gather()
  await makeSymbols(shared.db, [SYMBOL])
  for (const botId of [...BOTS, HOLDER]) await makeBot(shared.db, botId)
  await buy(shared.db, HOLDER, SYMBOL, '1000')
})
afterEach(async () => {
  vi.useRealTimers()
  await crew.leave()
  await shared.close()
})

const entry = (db: Database, botId: string) =>
  placeOrder(db, { botId, symbol: SYMBOL, side: 'buy', type: 'limit', quantity: '1', limitPrice: '100' })

async function takeBack({ event }: KillSwitchActivation, db: Database = shared.db): Promise<void> {
  await deactivateKillSwitch(db, {
    ...{ eventId: event.id, deactivatedBy: 'test', reason: 'go on', confirmationCode: CODE },
  })
  // What is pending is looked through for each order: the rounds are to be alike.
  await db.execute(
    sql`update trading.orders set status = 'cancelled', closed_at = now() where status = 'pending'`,
  )
}

const hammer = (
  seed: number,
  lanes: (process: number) => readonly Lane[] = (process) => LANES[process] ?? [],
) =>
  crew.hammer((process) => ({
    lanes: lanes(process),
    bots: BOTS,
    holder: HOLDER,
    symbol: SYMBOL,
    seed: seed * 100 + process,
  }))

test(
  `no entry is there after the return of the switch that was not there at it, in ${ROUNDS} rounds`,
  async () => {
    const random = randomFrom(7)
    const totals: Total[] = []
    const waits: number[] = []
    const late: number[] = []
    let exitsMeanwhile = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const work = hammer(round)
      await sleep(50 + random() * 50)
      const before = await count(shared.db, ENTRIES)
      const startedAt = performance.now()
      const activation = await activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
      waits.push(performance.now() - startedAt)
      const at = await count(shared.db, ENTRIES)
      const exitsAt = await count(shared.db, EXITS)
      expect(activation.isNew).toBe(true)
      await sleep(30)
      const total = await work.stop()
      const after = await count(shared.db, ENTRIES)
      if (ROUNDS <= 5 || round % 10 === 0) {
        say(`round ${round}: ${before} entries before the switch, ${at} at its return, ${after} at the end`)
      }
      if (after !== at) late.push(after - at)
      exitsMeanwhile += (await count(shared.db, EXITS)) - exitsAt
      totals.push(total)
      await takeBack(activation)
    }
    const { placed, exits, registered, denied, failed } = totalOf(totals)
    waits.sort((a, b) => a - b)
    say(
      `${ROUNDS} rounds: ${placed.length} orders placed, ${exits} of them exits, ${exitsMeanwhile} exits while it was on; ` +
        `${registered} bots registered meanwhile; denied ${JSON.stringify(denied)}, undone ${JSON.stringify(failed)}; ` +
        `the switch took ${waits[waits.length >> 1]?.toFixed()} ms, at most ${waits.at(-1)?.toFixed()} ms`,
    )
    expect(late).toEqual([])
    // Every order that a process believes to have placed is there: none was let through and lost.
    expect(await count(shared.db, sql`select count(*) from trading.orders`)).toBe(placed.length)
    expect(Object.keys(denied)).toEqual(['kill_switch'])
    for (const many of [placed.length, denied.kill_switch, registered, exits]) {
      expect(many).toBeGreaterThan(ROUNDS / 2)
    }
    expect(exitsMeanwhile).toBeGreaterThan(ROUNDS / 10)
  },
  PATIENCE_MS,
)

test(
  'the switch returns although every gate is in demand, and bots are registered all the time',
  async () => {
    const waits: number[] = []
    for (let round = 1; round <= CROWDED_ROUNDS; round++) {
      const work = hammer(round, (process) => (process < 6 ? ['crowd', 'crowd'] : ['arrivals', 'arrivals']))
      await sleep(150)
      const startedAt = performance.now()
      const activation = await activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
      waits.push(performance.now() - startedAt)
      const at = await count(shared.db, ENTRIES)
      const { denied } = await work.stop()
      expect(await count(shared.db, ENTRIES)).toBe(at)
      expect(Object.keys(denied)).toEqual(['kill_switch'])
      await takeBack(activation)
    }
    say(`in a crowd the switch took ${waits.map((ms) => ms.toFixed()).join(', ')} ms`)
  },
  PATIENCE_MS,
)

test('a bot registered in a transaction that began before the switch places no entry after it', async () => {
  for (const isolationLevel of ['read committed', 'repeatable read', 'serializable'] as const) {
    let thrown: KillSwitchActivation | undefined
    let atReturn = -1
    const work = async (inside: Database) => {
      await inside.execute(sql`select count(*) from risk.kill_switch`)
      thrown = await activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
      atReturn = await count(shared.db, ENTRIES)
      await registerBot(inside, newBot(`n-${isolationLevel.replace(' ', '-')}`))
      await entry(inside, `n-${isolationLevel.replace(' ', '-')}`)
    }
    await transaction(shared.db, work, { isolationLevel, attempts: 1 }).catch((error: unknown) => {
      if (!isDataError(error) || isolationLevel === 'read committed') throw error
    })
    expect({ isolationLevel, entries: await count(shared.db, ENTRIES) }).toEqual({
      isolationLevel,
      entries: atReturn,
    })
    if (thrown) await takeBack(thrown)
  }
})

/** A transaction that has placed an entry, and stays open until it is told to end. */
async function held(db: Database, botId: string) {
  let release = () => {}
  let isPlaced = () => {}
  const placed = new Promise<void>((resolve) => {
    isPlaced = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const ended = transaction(
    db,
    async (inside) => {
      await entry(inside, botId)
      isPlaced()
      await released
    },
    { attempts: 1 },
  )
  await Promise.race([placed, ended])
  return { ended, release }
}

async function untilOn(): Promise<void> {
  while ((await findActiveKillSwitch(shared.db)) === undefined) await sleep(2)
}

test('an order left open holds up the return of the switch, and no other bot meanwhile', async () => {
  const idle = await held(shared.db, 'b1')
  // It came before the switch, and is checked when it is its turn.
  const waiting = entry(shared.db, 'b1')
  await sleep(100)
  let hasReturned = false
  const activating = activateKillSwitch(shared.db, WORDS).finally(() => {
    hasReturned = true
  })
  await untilOn()
  for (const botId of BOTS.slice(1)) {
    const placement = await entry(shared.db, botId)
    expect(placement).toMatchObject({ placed: false, blocks: [{ code: 'kill_switch' }] })
  }
  await sleep(300)
  expect(hasReturned).toBe(false)
  idle.release()
  await idle.ended
  await activating
  expect(await waiting).toMatchObject({ placed: false, blocks: [{ code: 'kill_switch' }] })
  expect(await count(shared.db, ENTRIES)).toBe(1)
})

test('a switch that gives up names the bots whose orders are in flight, and goes on when called again', async () => {
  const idle = await held(shared.db, 'b3')
  vi.useFakeTimers({ toFake: ['Date'] })
  const giving = activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
  const failure = giving.catch((error: unknown) => error)
  await untilOn()
  vi.setSystemTime(Date.now() + 61_000)
  const error = await failure
  vi.useRealTimers()
  expect(error).toMatchObject({ code: 'transient', message: expect.stringContaining("in flight of 'b3';") })
  expect(await entry(shared.db, 'b4')).toMatchObject({ placed: false })
  idle.release()
  await idle.ended
  const again = await activateKillSwitch(shared.db, WORDS)
  expect(again.isNew).toBe(false)
  expect(
    await count(shared.db, sql`select count(*) from risk.gates where kill_switch_event_id is null`),
  ).toBe(0)
})

test('a transaction that idles too long is ended by the server, and the switch returns', async () => {
  await using sleepy = await connect({ url: shared.url, idleInTransactionTimeoutMs: 500 })
  const idle = await held(sleepy, 'b2')
  idle.ended.catch(() => undefined)
  await activateKillSwitch(shared.db, WORDS)
  expect(await count(shared.db, ENTRIES)).toBe(0)
  idle.release()
  await expect(idle.ended).rejects.toMatchObject({ code: expect.stringMatching(/connection|transient/) })
  expect(await count(shared.db, ENTRIES)).toBe(0)
})

const WAITING = sql`
  select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`

test('transactions that deadlock over two bots do not keep the switch from being thrown', async () => {
  for (let round = 0; round < 2; round++) {
    const gates = [
      ['b1', 'b2'],
      ['b2', 'b1'],
    ] as const
    let holding = 0
    const placing = gates.map(([own, other]) =>
      transaction(
        shared.db,
        async (inside) => {
          await entry(inside, own)
          holding += 1
          while (holding < gates.length) await sleep(1)
          await entry(inside, other)
        },
        { attempts: 1 },
      ),
    )
    const ended = Promise.allSettled(placing)
    // Each holds one gate and waits for the other's.
    while ((await count(shared.db, WAITING)) < 2) await sleep(5)
    const activation = await activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
    const at = await count(shared.db, ENTRIES)
    const codes = (await ended).map((one) => (one.status === 'rejected' ? one.reason.code : 'there'))
    expect(codes).toContain('transient')
    expect(await count(shared.db, ENTRIES)).toBe(at)
    await takeBack(activation)
  }
})

test(
  `nothing is half done where ${BACKEND_KILLS} backends are killed while orders are placed and the switch is thrown`,
  async () => {
    await using killer = await connect({ url: shared.directUrl, applicationName: 'killer' })
    const kill = async () =>
      await count(
        killer,
        sql`
          select count(pg_terminate_backend(pid)) from (
            select pid from pg_stat_activity
            where datname = current_database() and application_name <> 'killer' and backend_type = 'client backend'
            order by random() limit 2) victims`,
      )
    const totals: Total[] = []
    let killed = 0
    let lost = 0
    for (let round = 1; killed < BACKEND_KILLS; round++) {
      const work = hammer(1_000 + round)
      let isOver = false
      const killing = (async () => {
        while (!isOver) {
          await sleep(15)
          killed += await kill()
        }
      })()
      await sleep(80)
      const activation = await insist(async () => {
        return await activateKillSwitch(shared.db, { ...WORDS, confirmationCode: CODE })
      })
      isOver = true
      await killing
      lost += activation.failures
      const at = await count(killer, ENTRIES)
      await sleep(30)
      totals.push(await work.stop())
      expect(await count(killer, ENTRIES)).toBe(at)
      expect(await count(killer, HALF_DONE)).toBe(0)
      await takeBack(activation.result, killer)
      expect(await count(killer, HALF_DONE)).toBe(0)
    }
    const { placed, failed } = totalOf(totals)
    say(
      `${killed} backends killed: ${placed.length} orders placed, ${lost} activations lost, ${JSON.stringify(failed)}`,
    )
    expect(
      Object.keys(failed).filter((code) => !['connection', 'transient', 'refused'].includes(code)),
    ).toEqual([])
    expect(failed.connection).toBeGreaterThan(0)
  },
  PATIENCE_MS,
)

/** Repeats what lost its connection: with the same code, the switch is the same. */
async function insist<T>(work: () => Promise<T>): Promise<{ result: T; failures: number }> {
  for (let failures = 0; ; failures++) {
    try {
      return { result: await work(), failures }
    } catch (error) {
      if (!isDataError(error) || error.code !== 'connection') throw error
    }
  }
}

// A switch that is neither on nor off, an order that nobody checked or whose event is missing, a gate that is held by nobody.
const HALF_DONE = sql`
  select (select count(*) from risk.kill_switch k full join
      (select * from risk.kill_switch_events where status <> 'deactivated') e on e.id = k.event_id
      where (k.event_id is null) <> (e.id is null) or k.id is null)
    + (select count(*) from trading.orders where checks is null or jsonb_array_length(checks) = 0)
    + (select count(*) from trading.orders o where not exists (
        select from trading.order_events e where e.bot_id = o.bot_id and e.order_id = o.id))
    + (select count(*) from fleet.bots b left join risk.gates g on g.bot_id = b.bot_id
        where g.bot_id is null)
    + (select count(*) from risk.gates g, risk.kill_switch k where g.kill_switch_event_id <> k.event_id
        or (k.event_id is null and g.kill_switch_event_id is not null))`
