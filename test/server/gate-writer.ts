// One process of the races for the gate: it places, fills and registers as it is told, with a handle of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { newId } from '../../src/db/id.ts'
import { type IsolationLevel, transaction } from '../../src/db/transaction.ts'
import { registerBot } from '../../src/fleet/bots.ts'
import { type PlaceOrderInput, placeOrder } from '../../src/risk/place-order.ts'
import type { Order } from '../../src/trading/order-input.ts'
import { cancelOrder } from '../../src/trading/order-steps.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { EXCHANGE, newBot, pick, randomFrom, shuffled } from './ledger-feed.ts'

export type Driver = 'postgres' | 'pg'

/** Places each order of a list once, several at the same time. */
export interface PlaceTask {
  readonly do: 'place'
  readonly orders: readonly PlaceOrderInput[]
  /** All processes begin at this moment. */
  readonly startAt: number
  /** In how many parts an order is filled as soon as it was placed; 0 leaves it pending. */
  readonly fills: number
  /** The share of the positions that is closed again as soon as it was opened. */
  readonly closes: number
  readonly seed: number
}

/** Does what its lanes do, over and over, until it is told to stop. */
export interface HammerTask {
  readonly do: 'hammer'
  readonly lanes: readonly Lane[]
  readonly bots: readonly string[]
  /** A bot that holds a position larger than all exits at once. */
  readonly holder: string
  readonly symbol: string
  readonly seed: number
}

/**
 * `alone`: entries. `together`: entries of several bots in a transaction. `crowd`: the same without a pause. `new`: entries of bots just
 * registered. `arrivals`: registrations without a pause.
 */
export type Lane = 'alone' | 'together' | 'crowd' | 'new' | 'arrivals' | 'exits'

export interface ConnectTask {
  readonly do: 'connect'
  readonly url: string
  readonly driver: Driver
}

export type Task = PlaceTask | HammerTask | ConnectTask | { readonly do: 'stop' | 'disconnect' }

export interface Tally {
  /** The ids of the orders placed. */
  readonly placed: string[]
  readonly repeats: string[]
  readonly exits: number
  readonly registered: number
  /** How many were refused, by the codes of all reasons. */
  readonly denied: Readonly<Record<string, number>>
  /** What was rolled back or lost, by its code. */
  readonly failed: Readonly<Record<string, number>>
  readonly errors: string[]
}

type Count = { -readonly [Key in keyof Tally]: Tally[Key] } & {
  denied: Record<string, number>
  failed: Record<string, number>
}

const PRICE = '100'
const LEVELS: readonly IsolationLevel[] = ['read committed', 'repeatable read', 'serializable']
/** What a race may do to a statement; anything else is an error of the test. */
const BEARABLE: readonly string[] = ['transient', 'connection']

let db: Connection | undefined
let stopped = false
const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(String(error)))
process.on('unhandledRejection', (error) => uncaught.push(String(error)))
process.on('message', (task: Task) => {
  if (task.do === 'stop') stopped = true
  else void perform(task).then((answer) => process.send?.(answer))
})

async function perform(task: Exclude<Task, { do: 'stop' }>): Promise<Tally> {
  const count: Count = {
    placed: [],
    repeats: [],
    exits: 0,
    registered: 0,
    denied: {},
    failed: {},
    errors: uncaught,
  }
  try {
    if (task.do === 'connect') {
      await db?.close()
      const { url, driver } = task
      db = await connect({ url, driver, poolSize: 4, poolWaitMs: 30_000, skipSchemaCheck: true })
      // Opened now, so that the first race does not wait for it.
      const own = db
      await Promise.all([1, 2, 3, 4].map(() => own.execute(sql`select pg_sleep(0.05)`)))
      return count
    }
    if (db === undefined) throw new Error('not connected')
    if (task.do === 'place') await placeAll(db, task, count)
    else if (task.do === 'hammer') await hammer(db, task, count)
    else {
      await db.close()
      db = undefined
    }
  } catch (error) {
    count.errors.push(describeError(error))
  }
  return count
}

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.message} (${error.cause})\n${error.stack}` : String(error)
}

async function placeAll(own: Connection, task: PlaceTask, count: Count): Promise<void> {
  const random = randomFrom(task.seed)
  const queue = [...task.orders]
  await sleep(Math.max(0, task.startAt - Date.now()))
  const lane = async () => {
    for (let input = queue.shift(); input !== undefined; input = queue.shift()) {
      await tolerantly(count, placeAndFill(own, input, task, random, count))
    }
  }
  await Promise.all([lane(), lane(), lane(), lane()])
}

async function placeAndFill(
  own: Connection,
  input: PlaceOrderInput,
  { fills, closes }: PlaceTask,
  random: () => number,
  count: Count,
): Promise<void> {
  const order = await place(own, input, count)
  if (order === undefined || fills === 0) return
  await fillOrder(own, order, fills)
  if (random() >= closes) return
  const exit = await place(own, { ...exitOf(order), quantity: order.quantity }, count)
  if (exit !== undefined) await fillOrder(own, exit, 1)
}

function exitOf({ botId, exchange, symbol }: Pick<Order, 'botId' | 'exchange' | 'symbol'>) {
  return { botId, exchange, symbol, side: 'sell', type: 'market', reduceOnly: true } as const
}

/** Returns the order if it was let through just now. */
async function place(handle: Database, input: PlaceOrderInput, count: Count): Promise<Order | undefined> {
  const placement = await placeOrder(handle, input)
  if (!placement.placed) {
    const codes = placement.blocks.map((block) => block.code).join()
    count.denied[codes] = (count.denied[codes] ?? 0) + 1
    return undefined
  }
  const ids = placement.isRepeat ? count.repeats : count.placed
  ids.push(placement.order.id)
  return placement.isRepeat ? undefined : placement.order
}

/** What the exchange would report: the whole order, in parts. */
async function fillOrder(own: Connection, order: Order, parts: number): Promise<void> {
  const { botId, exchange, symbol, side, quantity, id } = order
  const part = quantity.div(parts)
  for (let n = 1; n <= parts; n++) {
    await recordFill(own, {
      ...{ botId, exchange, symbol, side, orderId: id },
      price: PRICE,
      quantity: part,
      executedAt: new Date(),
      exchangeTradeId: `${id}-${n}`,
    })
  }
}

async function hammer(own: Connection, task: HammerTask, count: Count): Promise<void> {
  stopped = false
  await Promise.all(
    task.lanes.map(async (lane, place) => {
      const random = randomFrom(task.seed * 10 + place)
      while (!stopped) await tolerantly(count, WORK[lane](own, task, random, count))
    }),
  )
}

/** Goes on after what a race may do. */
async function tolerantly(count: Count, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    const code = isDataError(error) ? error.code : 'unknown'
    count.failed[code] = (count.failed[code] ?? 0) + 1
    if (!BEARABLE.includes(code)) count.errors.push(describeError(error))
  }
}

const entryOf = (botId: string, symbol: string): PlaceOrderInput => ({
  ...{ botId, symbol, side: 'buy', type: 'limit', quantity: '1', limitPrice: PRICE },
})

const WORK: Record<Lane, (...given: [Connection, HammerTask, () => number, Count]) => Promise<void>> = {
  async alone(own, { bots, symbol }, random, count) {
    await place(own, entryOf(pick(bots, random), symbol), count)
  },

  // In any order, so that two of them deadlock now and then, and left open for a while after the last was placed.
  async together(own, { bots, symbol }, random, count) {
    const chosen = shuffled(bots, random).slice(0, 1 + Math.floor(random() * 2))
    const mine: Count = { ...count, placed: [], denied: {}, registered: 0 }
    const work = async (inside: Database) => {
      for (const botId of chosen) await place(inside, entryOf(botId, symbol), mine)
      await sleep(random() * 30)
      if (random() < 0.2) throw ROLLED_BACK
    }
    await committed(own, work, pick(LEVELS, random), count, mine)
    await sleep(random() * 60)
  },

  // In one order, so that they wait for each other and never deadlock.
  async crowd(own, { bots, symbol }, random, count) {
    const chosen = shuffled(bots, random)
      .slice(0, 1 + Math.floor(random() * 3))
      .sort()
    const mine: Count = { ...count, placed: [], denied: {}, registered: 0 }
    const work = async (inside: Database) => {
      for (const botId of chosen) await place(inside, entryOf(botId, symbol), mine)
      await sleep(random() * 30)
    }
    await committed(own, work, 'read committed', count, mine)
  },

  async arrivals(own, _task, random, count) {
    const mine: Count = { ...count, placed: [], denied: {}, registered: 0 }
    const work = async (inside: Database) => {
      await registerBot(inside, newBot(`new-${newId()}`))
      mine.registered += 1
      await sleep(random() * 30)
    }
    await committed(own, work, 'read committed', count, mine)
  },

  // Its snapshot may be older than the switch by the time that the bot is there.
  async new(own, { symbol }, random, count) {
    const botId = `new-${newId()}`
    if (random() < 0.3) {
      await registerBot(own, newBot(botId))
      count.registered += 1
      await place(own, entryOf(botId, symbol), count)
      return
    }
    const mine: Count = { ...count, placed: [], denied: {}, registered: 0 }
    const work = async (inside: Database) => {
      await inside.execute(sql`select count(*) from risk.kill_switch`)
      await sleep(random() * 60)
      await registerBot(inside, newBot(botId))
      mine.registered += 1
      await sleep(random() * 15)
      await place(inside, entryOf(botId, symbol), mine)
      await sleep(random() * 30)
    }
    await committed(own, work, pick(LEVELS, random), count, mine)
    await sleep(random() * 60)
  },

  async exits(own, { holder, symbol }, _random, count) {
    const exit = await place(
      own,
      { ...exitOf({ botId: holder, exchange: EXCHANGE, symbol }), quantity: '1' },
      count,
    )
    if (exit === undefined) return
    count.exits += 1
    await cancelOrder(own, { botId: holder, orderId: exit.id })
  },
}

const ROLLED_BACK = new Error('rolled back on purpose')

/** Counts what a transaction did once it is there. */
async function committed(
  own: Connection,
  work: (inside: Database) => Promise<void>,
  isolationLevel: IsolationLevel,
  count: Count,
  mine: Count,
): Promise<void> {
  try {
    await transaction(own, work, { isolationLevel, attempts: 1 })
  } catch (error) {
    if (error === ROLLED_BACK) return
    // Whoever refuses to place in such a transaction is safe too.
    const isRefused =
      isDataError(error) && error.code === 'invalid_input' && isolationLevel !== 'read committed'
    if (!isRefused) throw error
    count.failed.refused = (count.failed.refused ?? 0) + 1
    return
  }
  count.placed.push(...mine.placed)
  count.registered += mine.registered
  for (const [codes, times] of Object.entries(mine.denied))
    count.denied[codes] = (count.denied[codes] ?? 0) + times
}
