import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import {
  type Connection,
  connect,
  isTradingAllowed,
  migrate,
  placeOrder,
  setRiskSettings,
} from 'tradeblotter'
import { v7 as uuidv7 } from 'uuid'
import { EXCHANGE, prepareInstruments, SYMBOL } from './fixture.ts'
import { compare, type Measured, timed } from './measure.ts'

const BOTS = 1_000
const PAST_TRIPS = 1_000_000
const LOCKS = 10_000
const ROUNDS = { warmUp: 3_000, rounds: 5_000 }

/** A database of its own for the gate: a thousand bots with every limit set. */
export interface GateBench {
  readonly url: string
  readonly db: Connection
  readonly sql: postgres.Sql
}

export async function prepareGate(serverUrl: string, name: string): Promise<GateBench> {
  const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined })
  await admin.unsafe(`create database ${name}`)
  await admin.end()
  const at = new URL(serverUrl)
  at.pathname = `/${name}`
  const url = at.href
  await migrate({ url })
  const db = await connect({ url })
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  await prepareInstruments(db, [SYMBOL])
  await sql`
    insert into fleet.bots (bot_id, name, kind, strategy, exchange, mode, base_currency, initial_equity)
    select 'bot-' || n, 'bot-' || n, 'bench', 'none', ${EXCHANGE}, 'paper', 'USD', 1000000 from generate_series(0, ${BOTS - 1}) n`
  await setRiskSettings(db, {
    tradingEnabled: true,
    maxOrderNotional: '100000',
    maxQuantity: '100',
    maxOpenPositions: 20,
    maxExposure: '100000000',
    maxLeverage: '1000',
    maxDailyLoss: '5000',
    maxDrawdownFraction: '0.5',
    dailyTarget: '10000',
    maxOrdersPerMinute: 100_000,
    changedBy: 'bench',
    reason: 'every limit',
  })
  return { url, db, sql }
}

/** What a fleet leaves behind: trips that are over, and locks that hold other symbols or are over too. */
export async function fillGate({ sql }: GateBench): Promise<void> {
  await sql`
    insert into risk.circuit_breakers (bot_id, id, rule, trigger, severity, reason, tripped_by, tripped_at, cooldown_ms, status,
      resolved_at, resolved_by, resolution_reason)
    select 'bot-' || n % ${BOTS}, gen_random_uuid(), case when n % 10 = 0 then 'manual:' || n else 'consecutive_losses' end, 'consecutive_losses',
      'warning', 'bench', 'bench', now() - (n || ' seconds')::interval - interval '2 days', 3600000,
      case when n % 10 = 0 then 'active' when n % 3 = 0 then 'resolved' else 'expired' end,
      case when n % 10 <> 0 and n % 3 = 0 then now() end, case when n % 10 <> 0 and n % 3 = 0 then 'bench' end,
      case when n % 10 <> 0 and n % 3 = 0 then 'bench' end
    from generate_series(1, ${PAST_TRIPS}) n`
  await sql`
    insert into risk.locks (bot_id, id, symbol, reason, locked_by, locked_at, expires_at)
    select 'bot-' || n % ${BOTS}, gen_random_uuid(), 'COIN' || n || '/USD', 'bench', 'bench', now() - interval '1 day',
      case n % 3 when 0 then null when 1 then now() + interval '1 day' else now() - interval '1 hour' end
    from generate_series(1, ${LOCKS}) n`
  await sql`vacuum analyze`
}

const botOf = (round: number) => `bot-${round % BOTS}`
const DRIFT = 42_000

function orderOf(round: number, owner: string) {
  return {
    botId: botOf(round),
    clientOrderId: `${owner}-${round}`,
    symbol: SYMBOL,
    side: 'buy',
    type: 'limit',
    quantity: '0.0125',
    limitPrice: `${DRIFT + (round % 977)}.10`,
    purpose: 'entry',
  } as const
}

async function placeByHand(sql: postgres.Sql, round: number, owner: string): Promise<unknown> {
  const { botId, clientOrderId, symbol, side, type, quantity, limitPrice, purpose } = orderOf(round, owner)
  return await sql`
    select outcome, order_id, order_exchange, placed_at, checks from risk.place_order(${botId}, ${uuidv7()}, ${clientOrderId}, null, ${symbol},
      ${side}, 'net', ${type}, null, ${quantity}, ${limitPrice}, null, null, false, false, ${purpose}, null, null, null, null, null, null)`
}

/** Orders rest until somebody ends them; a bot has some at a time, not all that it ever placed. */
async function endOrders({ sql }: Pick<GateBench, 'sql'>): Promise<void> {
  await sql`update trading.orders set status = 'cancelled', closed_at = now() where status = 'pending'`
  await sql`vacuum analyze trading.orders`
}

/** Our verbs against a call of the same function of the database on the bare driver. */
export async function benchGate({ db, sql }: GateBench, stored: string): Promise<Measured[]> {
  const asked = await compare(`isTradingAllowed, ${stored}`, {
    ...ROUNDS,
    floor: (round) => sql`select risk.is_trading_allowed(${botOf(round)}, ${SYMBOL}, 'buy')`,
    ours: (round) => isTradingAllowed(db, { botId: botOf(round), symbol: SYMBOL, side: 'buy' }),
  })
  const placed = await compare(`placeOrder, ${stored}`, {
    ...ROUNDS,
    floor: (round) => placeByHand(sql, round, 'floor'),
    ours: (round) => placeOrder(db, orderOf(round, 'ours')),
  })
  await endOrders({ sql })
  return [asked, placed]
}

/** The same calls on a full database, against an empty one. */
export async function benchGrowth(empty: GateBench, full: GateBench): Promise<Measured[]> {
  const asked = await compare('isTradingAllowed, full against empty', {
    ...ROUNDS,
    floor: (round) => isTradingAllowed(empty.db, { botId: botOf(round), symbol: SYMBOL, side: 'buy' }),
    ours: (round) => isTradingAllowed(full.db, { botId: botOf(round), symbol: SYMBOL, side: 'buy' }),
  })
  const placed = await compare('placeOrder, full against empty', {
    ...ROUNDS,
    floor: (round) => placeOrder(empty.db, orderOf(round, 'growth')),
    ours: (round) => placeOrder(full.db, orderOf(round, 'growth')),
  })
  return [asked, placed]
}

const CLIENTS = 8
const SECONDS = 8
const TURNS = 3

export interface Throughput {
  /** Orders per second: ours, and pgbench's with the same function. */
  readonly ours: number
  readonly pgbench: number
  readonly ratio: number
}

/** Eight connections that place as fast as they can, ours and pgbench by turns. */
export async function benchThroughput(
  { url, sql }: GateBench,
  pgbench: string,
  run: string,
): Promise<Throughput | undefined> {
  if (!existsSync(pgbench)) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'tradeblotter-bench-'))
  await using db = await connect({ url, poolSize: CLIENTS })
  const rates = { ours: [] as number[], pgbench: [] as number[] }
  try {
    const script = join(folder, 'place.sql')
    await writeFile(
      script,
      // A colon would begin the name of a variable.
      `\\set bot random(0, ${BOTS - 1})
select outcome, order_id, order_exchange, placed_at, checks from risk.place_order('bot-' || :bot, gen_random_uuid(), gen_random_uuid()::text,
  null, '${SYMBOL.replaceAll(':', "' || chr(58) || '")}', 'buy', 'net', 'limit', null, 0.0125, ${DRIFT}.10, null, null, false, false, 'entry', null, null, null, null, null, null);\n`,
    )
    for (let turn = 0; turn < TURNS; turn++) {
      rates.ours.push(await placeAsFastAsPossible(db, `${run}-${turn}`))
      await endOrders({ sql })
      const { stdout } = await promisify(execFile)(pgbench, [
        ...[
          '-n',
          '-M',
          'prepared',
          '-c',
          String(CLIENTS),
          '-j',
          '2',
          '-T',
          String(SECONDS),
          '-f',
          script,
          url,
        ],
      ])
      rates.pgbench.push(Number(/tps = ([\d.]+)/.exec(stdout)?.[1]))
      await endOrders({ sql })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const [ours, theirs] = [median(rates.ours), median(rates.pgbench)]
  return {
    ours: Math.round(ours),
    pgbench: Math.round(theirs),
    ratio: Math.round((ours / theirs) * 100) / 100,
  }
}

async function placeAsFastAsPossible(db: Connection, run: string): Promise<number> {
  let round = 0
  let isOver = false
  const place = async () => {
    while (!isOver) {
      const placement = await placeOrder(db, {
        ...orderOf(round++, run),
        botId: botOf(Math.floor(Math.random() * BOTS)),
      })
      if (!placement.placed)
        throw new Error(`refused: ${placement.blocks.map(({ code }) => code).join(', ')}`)
    }
  }
  const timer = setTimeout(() => {
    isOver = true
  }, SECONDS * 1_000)
  const tookUs = await timed(() => Promise.all(Array.from({ length: CLIENTS }, place)))
  clearTimeout(timer)
  return round / (tookUs / 1_000_000)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
