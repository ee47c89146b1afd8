import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { type PlaceOrderInput, placeOrder } from '../../src/risk/place-order.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import type { ServerDatabase } from '../database.ts'
import { buy, Crew, count, makeBot, makeSymbols, say } from './gate-crew.ts'
import { EXCHANGE } from './ledger-feed.ts'

/** Rounds of each race; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const PATIENCE_MS = 60_000 + ROUNDS * 5_000
const PROCESSES = 8
const SYMBOLS = Array.from({ length: 60 }, (_, n) => `S${String(n).padStart(2, '0')}/USDT`)

const crew = new Crew()
let shared: ServerDatabase
beforeAll(async () => {
  shared = await crew.gather()
  await makeSymbols(shared.db, SYMBOLS)
})
afterAll(async () => {
  await crew.end()
  await shared.close()
})

const rounds = test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))

/** Sixty entries on as many symbols, dealt to the processes. */
function dealt(botId: string, quantityOf: (n: number) => string = () => '1') {
  const orders = SYMBOLS.map(
    (symbol, n): PlaceOrderInput => ({
      ...{ botId, symbol, side: 'buy', type: 'limit', quantity: quantityOf(n), limitPrice: '100' },
    }),
  )
  return (process: number) => orders.filter((_, n) => n % PROCESSES === process)
}

const openOf = (botId: string) => sql`
  select count(*) from (
    select symbol from trading.positions where bot_id = ${botId} and status = 'open'
    union select symbol from trading.orders
    where bot_id = ${botId} and status in ('pending', 'submitted', 'partially_filled') and not reduce_only) o`

rounds(
  'of 60 racers for 10 open positions 10 are let through, whoever they are (round %i)',
  async (round) => {
    const botId = `cap-${round}`
    await makeBot(shared.db, botId, { maxOpenPositions: 10 })
    const total = await crew.place(dealt(botId))
    say(`cap 10: ${total.placed.length} placed, denied ${JSON.stringify(total.denied)}`)
    expect(total).toMatchObject({ denied: { open_positions: 50 }, failed: {}, repeats: [] })
    expect(total.placed).toHaveLength(10)
    expect(await count(shared.db, openOf(botId))).toBe(10)
  },
)

rounds(
  'never are more than 10 symbols held or about to be while orders are filled and positions closed (round %i)',
  async (round) => {
    const botId = `turn-${round}`
    await makeBot(shared.db, botId, { maxOpenPositions: 10 })
    const seen: number[] = []
    let isOver = false
    const watching = (async () => {
      while (!isOver) {
        seen.push(await count(shared.db, openOf(botId)))
        await sleep(1)
      }
    })()
    const total = await crew.place(dealt(botId), { fills: 2, closes: 0.8, seed: round })
    isOver = true
    await watching
    const most = Math.max(...seen)
    say(`cap 10 with fills: ${total.placed.length} placed, seen ${seen.length} times, at most ${most}`)
    expect(total.failed).toEqual({})
    expect(Object.keys(total.denied)).toEqual(['open_positions'])
    expect(most).toBe(10)
    // Some were closed and made room, or this was the race above.
    expect(total.placed.length).toBeGreaterThan(10)
    expect(await flippedOf(shared.db, botId)).toBe(0)
  },
)

rounds('what is held and ordered adds up to the exposure allowed and no more (round %i)', async (round) => {
  const botId = `exposure-${round}`
  // 100 to 700 each, and 5,000 in all.
  await makeBot(shared.db, botId, { maxExposure: '5000' })
  const total = await crew.place(
    dealt(botId, (n) => String(1 + (n % 7))),
    { fills: 2, seed: round },
  )
  const exposure = await count(
    shared.db,
    sql`select coalesce(sum(quantity * 100), 0) from trading.positions where bot_id = ${botId} and status = 'open'`,
  )
  say(
    `exposure 5,000: ${total.placed.length} placed, worth ${exposure}, denied ${JSON.stringify(total.denied)}`,
  )
  expect(total.failed).toEqual({})
  expect(Object.keys(total.denied)).toEqual(['exposure'])
  // So many small ones were refused last that nothing is left.
  expect(exposure).toBe(5_000)
})

rounds('as many orders a minute are let through as allowed (round %i)', async (round) => {
  const botId = `rate-${round}`
  await makeBot(shared.db, botId, { maxOrdersPerMinute: 25 })
  const total = await crew.place(dealt(botId))
  expect(total).toMatchObject({ denied: { order_rate: 35 }, failed: {} })
  expect(total.placed).toHaveLength(25)
})

rounds(
  'of eight processes with the same client order ids one places each order (round %i)',
  async (round) => {
    const botId = `repeat-${round}`
    await makeBot(shared.db, botId)
    const orders = Array.from(
      { length: 25 },
      (_, n): PlaceOrderInput => ({
        ...{ botId, symbol: 'S00/USDT', side: 'buy', type: 'limit', quantity: '1', limitPrice: '100' },
        clientOrderId: `${n}`,
      }),
    )
    const total = await crew.place(() => orders)
    expect(total).toMatchObject({ denied: {}, failed: {} })
    expect(total.placed).toHaveLength(25)
    expect(total.repeats).toHaveLength(25 * 7)
    expect(new Set([...total.placed, ...total.repeats]).size).toBe(25)
    expect(await count(shared.db, sql`select count(*) from trading.orders where bot_id = ${botId}`)).toBe(25)
  },
)

/** Positions that are short, which nobody here means to be. */
async function flippedOf(db: Database, botId: string): Promise<number> {
  return await count(
    db,
    sql`select count(*) from trading.positions where bot_id = ${botId} and direction <> 'long'`,
  )
}

const exitOf = (botId: string, symbol: string, quantity: string): PlaceOrderInput => ({
  ...{ botId, exchange: EXCHANGE, symbol, side: 'sell', type: 'market', quantity, purpose: 'exit' },
})

const HELD = SYMBOLS.slice(0, 12)

test.each([
  ['said to reduce only', { reduceOnly: true }],
  ['said to be exits', {}],
  ['that say nothing', { purpose: undefined }],
] as const)(
  'of two and of eight exits for one position one passes: %s',
  async (name, words) => {
    for (let round = 1; round <= ROUNDS; round++) {
      const botId = `exit-${name.replaceAll(' ', '-')}-${round}`
      // The last are refused as entries.
      await makeBot(shared.db, botId, { maxQuantity: '0' })
      for (const symbol of HELD) await buy(shared.db, botId, symbol, '10')
      for (const symbol of HELD.slice(0, 6)) {
        const two = await crew.place((process) =>
          process < 2 ? [{ ...exitOf(botId, symbol, '10'), ...words }] : [],
        )
        expect(two.placed).toHaveLength(1)
      }
      const eight = await crew.place(() =>
        HELD.slice(6).map((symbol) => ({ ...exitOf(botId, symbol, '10'), ...words })),
      )
      expect(eight.placed).toHaveLength(6)
      expect(eight.failed).toEqual({})
      expect(Object.values(eight.denied)).toEqual([42])
    }
  },
  PATIENCE_MS,
)

rounds(
  'a position is never flipped by exits that race with the fills of others (round %i)',
  async (round) => {
    const botId = `flip-${round}`
    await makeBot(shared.db, botId)
    for (const symbol of HELD) await buy(shared.db, botId, symbol, '12')
    const sizes = ['12', '6', '4', '3', '2', '1']
    const total = await crew.place(
      (process) =>
        sizes.flatMap((_, turn) =>
          HELD.map((symbol, n) => ({
            ...exitOf(botId, symbol, sizes[(n + turn + process) % sizes.length] ?? '1'),
            reduceOnly: (n + process) % 2 === 0,
          })),
        ),
      { fills: 2, seed: round },
    )
    const sold = await count(
      shared.db,
      sql`select coalesce(sum(quantity), 0) from trading.fills where bot_id = ${botId} and side = 'sell'`,
    )
    say(`exits beside fills: ${total.placed.length} placed, sold ${sold} of ${HELD.length * 12}`)
    expect(total.failed).toEqual({})
    expect(Object.keys(total.denied)).toEqual(['reduces'])
    expect(await flippedOf(shared.db, botId)).toBe(0)
    expect(sold).toBeLessThanOrEqual(HELD.length * 12)
    expect(sold).toBeGreaterThan(HELD.length * 6)
  },
)

rounds(
  'a fill takes from what is held and from the exits on their way at one moment (round %i)',
  async (round) => {
    const botId = `moment-${round}`
    const symbol = 'S00/USDT'
    await makeBot(shared.db, botId)
    await buy(shared.db, botId, symbol, '150')
    const exits: string[] = []
    for (let n = 0; n < 150; n++) {
      const exit = await placeOrder(shared.db, exitOf(botId, symbol, '1'))
      if (exit.placed) exits.push(exit.order.id)
    }
    // Whatever is held, exits for all of it are on their way: there is never room for another.
    const racing = crew.place(() => Array.from({ length: 60 }, () => exitOf(botId, symbol, '1')))
    for (const orderId of exits.slice(1)) {
      await recordFill(shared.db, {
        ...{ botId, exchange: EXCHANGE, symbol, side: 'sell', price: '100', quantity: '1', orderId },
        executedAt: new Date(),
        exchangeTradeId: orderId,
      })
    }
    expect(await racing).toMatchObject({ placed: [], denied: { reduces: 480 }, failed: {} })
  },
)

rounds(
  'the two orders of a bracket pass together or not at all beside another exit (round %i)',
  async (round) => {
    const botId = `bracket-${round}`
    await makeBot(shared.db, botId)
    let brackets = 0
    for (const symbol of HELD) {
      const entry = await placeOrder(shared.db, {
        ...{ botId, symbol, side: 'buy', type: 'limit', quantity: '10', limitPrice: '100' },
      })
      if (!entry.placed) throw new Error('the entry was refused')
      await buy(shared.db, botId, symbol, '10')
      const leg = { ...exitOf(botId, symbol, '10'), reduceOnly: true, parentId: entry.order.id }
      const total = await crew.place((process) => {
        if (process === 0) return [{ ...leg, type: 'stop_market', stopPrice: '90', purpose: 'stop_loss' }]
        if (process === 1) return [{ ...leg, type: 'limit', limitPrice: '110', purpose: 'take_profit' }]
        return process === 2 ? [{ ...exitOf(botId, symbol, '10'), reduceOnly: true }] : []
      })
      const orders = (await shared.db.execute(sql`
      select parent_id is not null as "isLeg" from trading.orders
      where bot_id = ${botId} and symbol = ${symbol} and side = 'sell'`)) as unknown as { isLeg: boolean }[]
      expect(total.placed).toHaveLength(orders.length)
      expect([[false], [true, true]]).toContainEqual(orders.map((order) => order.isLeg))
      brackets += orders.length - 1
    }
    say(`brackets beside another exit: ${brackets} of ${HELD.length} came first`)
  },
)
