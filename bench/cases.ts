import type postgres from 'postgres'
import {
  type Connection,
  getOpenPosition,
  listOpenPositions,
  type RecordFillInput,
  recordFill,
  recordFills,
  recordOrder,
} from 'tradeblotter'
import { v7 as uuidv7 } from 'uuid'
import { EXCHANGE, fillOf, prepareBot, prepareInstruments, SYMBOL } from './fixture.ts'
import { copyFills, recordFillByHand } from './floor.ts'
import { compare, type Measured, summarise, timed, watchMemory } from './measure.ts'

export interface Bench {
  readonly db: Connection
  /** The same driver, by hand. */
  readonly sql: postgres.Sql
  /** Makes names unique, so that a database can be used again. */
  readonly run: string
}

// Node compiles what runs often only after some thousand rounds, and a bot runs for days.
const ROUNDS = { warmUp: 8_000, rounds: 8_000 }
const HELD = 20

export async function benchRecordFill({ db, sql, run }: Bench, name = 'recordFill'): Promise<Measured> {
  await prepareInstruments(db, [SYMBOL])
  const floorBot = await prepareBot(db, `floor-${run}`)
  const ourBot = await prepareBot(db, `ours-${run}`)
  for (const bot of [floorBot, ourBot]) await recordFill(db, fillOf(bot, 0))
  return await compare(name, {
    ...ROUNDS,
    floor: (round) => recordFillByHand(sql, fillOf(floorBot, round + 1)),
    ours: (round) => recordFill(db, fillOf(ourBot, round + 1)),
  })
}

export async function benchPositions({ db, sql, run }: Bench): Promise<Measured[]> {
  const symbols = Array.from({ length: HELD }, (_, n) => `COIN${n}/USD:USD`)
  await prepareInstruments(db, symbols)
  const botId = await prepareBot(db, `holder-${run}`)
  for (const symbol of symbols) await recordFill(db, fillOf(botId, 0, symbol))
  const symbol = symbols[7] ?? SYMBOL
  const one = await compare('getOpenPosition', {
    ...ROUNDS,
    floor: () => sql`
      select * from trading.positions where bot_id = ${botId} and exchange = ${EXCHANGE} and symbol = ${symbol}
        and position_side = 'net' and status = 'open'`,
    ours: () => getOpenPosition(db, { botId, exchange: EXCHANGE, symbol }),
  })
  const all = await compare(`listOpenPositions (${HELD})`, {
    ...ROUNDS,
    floor: () => sql`
      select * from trading.positions where bot_id = ${botId} and status = 'open'
      order by exchange, symbol, position_side limit 1000`,
    ours: () => listOpenPositions(db, { botId }),
  })
  return [one, all]
}

export async function benchRecordOrder({ db, sql, run }: Bench): Promise<Measured> {
  await prepareInstruments(db, [SYMBOL])
  const botId = await prepareBot(db, `orders-${run}`)
  return await compare('recordOrder', {
    ...ROUNDS,
    floor: (round) => sql`
      insert into trading.orders (bot_id, id, client_order_id, exchange, symbol, side, type, quantity, limit_price,
        time_in_force, purpose)
      values (${botId}, ${uuidv7()}, ${`floor-${round}`}, ${EXCHANGE}, ${SYMBOL}, 'buy', 'limit', ${'0.0125'},
        ${'42000.10'}, 'gtc', 'entry')
      on conflict (bot_id, client_order_id) do nothing returning *`,
    ours: (round) =>
      recordOrder(db, {
        botId,
        clientOrderId: `ours-${round}`,
        exchange: EXCHANGE,
        symbol: SYMBOL,
        side: 'buy',
        type: 'limit',
        quantity: '0.0125',
        limitPrice: '42000.10',
        timeInForce: 'gtc',
        purpose: 'entry',
      }),
  })
}

const BOTS = 100
const FILLS_PER_BOT = 1_000
const BATCHES = 3

export interface MeasuredBatch extends Measured {
  /** Resident memory at its highest, above what it was before, in MiB. */
  readonly growthMiB: number
}

/** 100,000 fills of 100 bots, several times; a time is that of one fill. */
export async function benchRecordFills({ db, sql, run }: Bench): Promise<MeasuredBatch> {
  await prepareInstruments(db, [SYMBOL])
  const total = BOTS * FILLS_PER_BOT
  const floorUs: number[] = []
  const oursUs: number[] = []
  let growth = 0
  for (let batch = 0; batch < BATCHES; batch++) {
    for (const name of ['copy', 'ours']) {
      for (let bot = 0; bot < BOTS; bot++) await prepareBot(db, `${name}-${batch}-${bot}-${run}`)
    }
    const fills: RecordFillInput[] = []
    for (let n = 0; n < FILLS_PER_BOT; n++) {
      for (let bot = 0; bot < BOTS; bot++) fills.push(fillOf(`copy-${batch}-${bot}-${run}`, n))
    }
    floorUs.push((await timed(() => copyFills(sql, fills))) / total)
    fills.length = 0
    const memory = watchMemory()
    oursUs.push((await timed(() => recordFills(db, streamOf(batch, run)))) / total)
    growth = Math.max(growth, memory.stop())
  }
  return { ...summarise('recordFills, each of 100,000', floorUs, oursUs), growthMiB: growth }
}

function* streamOf(batch: number, run: string): Generator<RecordFillInput> {
  for (let n = 0; n < FILLS_PER_BOT; n++) {
    for (let bot = 0; bot < BOTS; bot++) yield fillOf(`ours-${batch}-${bot}-${run}`, n)
  }
}

/** Fills the tables with fills of other bots, until there are so many. */
export async function fillUp(
  { db, sql, run }: Bench,
  wanted: number,
  note: (text: string) => void,
): Promise<void> {
  await prepareInstruments(db, [SYMBOL])
  const [row] = await sql`select count(*)::integer as stored from trading.fills`
  let missing = wanted - (row?.stored ?? 0)
  for (let part = 0; missing > 0; part++) {
    const rows = Math.min(missing, 100_000)
    const botId = await prepareBot(db, `filler-${wanted}-${part}-${run}`)
    await sql`
      insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price,
        quantity, fee, fee_currency, fee_in_settlement, executed_at, sequence, realised_gross, excess_quantity)
      select ${botId}, gen_random_uuid(), ${EXCHANGE}, ${SYMBOL}, 'buy', n::text, 'net', 'trade', 42000.1, 0.0125, 0.1,
        'USD', 0.1, timestamptz '2025-01-01' + n * interval '1 second', 0, 0, 0
      from generate_series(1, ${rows}::integer) n`
    missing -= rows
    note(`${wanted - missing} fills stored`)
  }
  await sql`vacuum analyze trading.fills`
}
