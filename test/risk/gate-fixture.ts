import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { type RegisterBotInput, registerBot } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import type { Block } from '../../src/risk/checks.ts'
import { type SetRiskSettingsInput, setRiskSettings } from '../../src/risk/settings.ts'
import { getTradingStatus, isTradingAllowed, type TradingStatusInput } from '../../src/risk/trading-status.ts'
import { type RecordFillInput, recordFill } from '../../src/trading/index.ts'
import { query } from '../trading/ledger-fixture.ts'

export const EXCHANGE = 'x'

let serial = 0

/** A name that nothing else of the run has. */
export function fresh(prefix: string): string {
  serial += 1
  return `${prefix}-${serial}`
}

/** Registers a bot that counts in USD and returns its id. */
export async function makeTrader(db: Database, over: Partial<RegisterBotInput> = {}): Promise<string> {
  const { botId } = await registerBot(db, {
    botId: fresh('trader'),
    kind: 'test',
    strategy: 'none',
    exchange: EXCHANGE,
    mode: 'paper',
    baseCurrency: 'USD',
    initialEquity: '10000',
    ...over,
  })
  return botId
}

/** Lets the fleet trade, and lists symbols that are quoted in USD. */
export async function openMarket(db: Database, ...symbols: string[]): Promise<void> {
  await setRiskSettings(db, { tradingEnabled: true, ...BY })
  for (const symbol of symbols) {
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency: symbol,
      quoteCurrency: 'USD',
    })
  }
}

const BY = { changedBy: 'operator', reason: 'test' }

/** Sets limits of a bot, or of the fleet where `botId` is null. */
export async function limit(
  db: Database,
  botId: string | null,
  limits: Omit<SetRiskSettingsInput, 'botId' | 'changedBy' | 'reason'>,
): Promise<void> {
  await setRiskSettings(db, { ...(botId === null ? {} : { botId }), ...limits, ...BY })
}

export interface Closure {
  /** Null for the fleet. */
  readonly botId: string | null
  readonly exchange?: string | null
  readonly symbol?: string | null
  readonly side?: 'buy' | 'sell' | null
  readonly at: Date
}

/** Stores a trip as whoever writes to the table does, and returns its id. */
export async function storeTrip(
  db: Database,
  trip: Closure & { readonly cooldownMs: number | null; readonly severity?: string },
): Promise<string> {
  const id = uuidv7()
  const { botId, exchange = null, symbol = null, side = null, severity = 'critical' } = trip
  const values = sql`${id}::uuid, ${`manual:${id}`}, 'manual', ${exchange}, ${symbol}, ${side}, ${severity},
    'tripped by hand', 'operator', ${trip.at.toISOString()}::timestamptz, ${trip.cooldownMs}::bigint`
  const names = sql.raw(
    'id, rule, trigger, exchange, symbol, side, severity, reason, tripped_by, tripped_at, cooldown_ms',
  )
  await query(
    db,
    botId === null
      ? sql`insert into risk.global_circuit_breakers (${names}) values (${values})`
      : sql`insert into risk.circuit_breakers (bot_id, ${names}) values (${botId}, ${values})`,
  )
  return id
}

/** Ends a trip, or gives it another cooldown. */
export async function changeTrip(
  db: Database,
  botId: string | null,
  id: string,
  change: { readonly status: 'resolved' | 'overridden' | 'expired' } | { readonly cooldownMs: number | null },
): Promise<void> {
  const table = sql.raw(botId === null ? 'risk.global_circuit_breakers' : 'risk.circuit_breakers')
  const isByHand = 'status' in change && change.status !== 'expired'
  const set =
    'cooldownMs' in change
      ? sql`cooldown_ms = ${change.cooldownMs}::bigint, changed_by = 'operator', change_reason = 'test'`
      : isByHand
        ? sql`status = ${change.status}, resolved_at = now(), resolved_by = 'operator', resolution_reason = 'test'`
        : sql`status = 'expired'`
  const changed = await query(db, sql`update ${table} set ${set} where id = ${id}::uuid returning id`)
  expect(changed).toHaveLength(1)
}

export async function storeLock(db: Database, lock: Closure & { readonly until: Date | null }) {
  const id = uuidv7()
  const { botId, exchange = null, symbol = null, side = null } = lock
  const values = sql`${id}::uuid, ${exchange}, ${symbol}, ${side}, 'locked by hand', 'operator',
    ${lock.at.toISOString()}::timestamptz, ${lock.until?.toISOString() ?? null}::timestamptz`
  const names = sql.raw('id, exchange, symbol, side, reason, locked_by, locked_at, expires_at')
  await query(
    db,
    botId === null
      ? sql`insert into risk.global_locks (${names}) values (${values})`
      : sql`insert into risk.locks (bot_id, ${names}) values (${botId}, ${values})`,
  )
  return id
}

export async function endLock(db: Database, botId: string | null, id: string): Promise<void> {
  const table = sql.raw(botId === null ? 'risk.global_locks' : 'risk.locks')
  const ended = await query(
    db,
    sql`update ${table} set unlocked_at = now(), unlocked_by = 'operator', unlock_reason = 'test'
      where id = ${id}::uuid returning id`,
  )
  expect(ended).toHaveLength(1)
}

/** Records a fill written as `buy 1 @ 2`, without a fee. */
export async function trade(
  db: Database,
  botId: string,
  symbol: string,
  order: string,
  at: Date,
  over: Partial<RecordFillInput> = {},
) {
  const [side, quantity = '', , price = ''] = order.split(' ')
  return await recordFill(db, {
    botId,
    exchange: EXCHANGE,
    symbol,
    side: side === 'buy' ? 'buy' : 'sell',
    quantity,
    price,
    fee: '0',
    feeCurrency: 'USD',
    executedAt: at,
    exchangeTradeId: fresh('trade'),
    ...over,
  })
}

/** What the functions of the database answer to whoever asks them in SQL. */
export async function askInSql(db: Database, input: TradingStatusInput) {
  const { botId, symbol = null, side = null, exchange = null, positionSide = null, now } = input
  const question = sql`${botId}::text, ${symbol}::text, ${side}::text, ${exchange}::text, ${positionSide}::text,
    ${now?.toISOString() ?? null}::timestamptz`
  const [row] = await query(
    db,
    sql`select risk.is_trading_allowed(${question}) as allowed, s.state, s.blocks::text as blocks
      from risk.trading_status(${question}) s`,
  )
  const checks = JSON.parse(String(row?.blocks)) as { code: string; passed: boolean; until?: string }[]
  return { allowed: row?.allowed === true, state: row?.state, blocks: checks.filter(({ passed }) => !passed) }
}

/** Asks in every way there is, which must agree, and returns the answer. */
export async function ask(db: Database, input: TradingStatusInput) {
  const status = await getTradingStatus(db, input)
  const allowed = await isTradingAllowed(db, input)
  const inSql = await askInSql(db, input)
  expect(allowed).toBe(status.state === 'active')
  expect(inSql.allowed).toBe(allowed)
  expect(inSql.state).toBe(status.state)
  expect(inSql.blocks.map(({ code, until }) => [code, until && new Date(until).getTime()])).toEqual(
    status.blocks.map(({ code, until }) => [code, until?.getTime()]),
  )
  if (input.now) expect(status.checkedAt).toEqual(input.now)
  return { ...status, allowed }
}

export function codesOf({ blocks }: { readonly blocks: readonly Block[] }): string[] {
  return blocks.map(({ code }) => code).sort()
}

/** Runs what nobody else shall see. */
export async function rolledBack(db: Database, work: (db: Database) => Promise<void>): Promise<void> {
  const done = new Error('done')
  const outcome = transaction(db, async (tx) => {
    await work(tx)
    throw done
  })
  await outcome.catch((error: unknown) => {
    if (error !== done) throw error
  })
}

/** What a symbol was traded at, as a candle leaves it. */
export async function storePrice(db: Database, symbol: string, price: string, at: Date): Promise<void> {
  await query(
    db,
    sql`insert into market.series (exchange, symbol, timeframe, last_close, last_price_at)
      values (${EXCHANGE}, ${symbol}, '1m', ${price}::numeric, ${at.toISOString()}::timestamptz)
      on conflict (exchange, symbol, timeframe) do update
      set last_close = excluded.last_close, last_price_at = excluded.last_price_at`,
  )
}
