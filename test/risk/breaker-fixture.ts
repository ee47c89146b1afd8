import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/bots.ts'
import {
  type EvaluateCircuitBreakersInput,
  evaluateCircuitBreakers,
} from '../../src/risk/evaluate-circuit-breakers.ts'
import { type BreakerRuleInput, breakerRulesSchema } from '../../src/risk/schema/breaker-rules.ts'
import { recordFills } from '../../src/trading/record-fills.ts'
import { EXCHANGE, fillOf, minute, query } from '../trading/ledger-fixture.ts'

export { EXCHANGE, fillOf, makeInstrument, minute, query } from '../trading/ledger-fixture.ts'

let bots = 0

/** Registers a bot of its own with 1,000 USD. */
export async function newBot(
  db: Database,
  over: Partial<Parameters<typeof registerBot>[1]> = {},
): Promise<string> {
  bots += 1
  const { botId } = await registerBot(db, {
    botId: `watched-${bots}`,
    kind: 'test',
    strategy: 'none',
    exchange: EXCHANGE,
    mode: 'paper',
    baseCurrency: 'USD',
    initialEquity: '1000',
    ...over,
  })
  return botId
}

interface Settings {
  readonly rules?: readonly BreakerRuleInput[]
  readonly maxDrawdownFraction?: string
  readonly haltOnDrawdown?: boolean
  readonly maxPriceAgeMs?: number
}

/** Writes a version of the settings of a bot, or without one of the fleet. */
export async function setRules(
  db: Database,
  botId: string | null,
  { rules = [], maxDrawdownFraction, haltOnDrawdown = false, maxPriceAgeMs }: Settings,
): Promise<void> {
  const document = JSON.stringify(breakerRulesSchema.parse(rules))
  const values = sql`true, ${maxDrawdownFraction ?? null}::numeric, ${haltOnDrawdown}, true, false, ${maxPriceAgeMs ?? null}::integer,
    ${document}::jsonb, 'tester', 'for a test'`
  const columns = sql`trading_enabled, max_drawdown_fraction, halt_on_drawdown, stop_at_daily_target, off_watchlist_allowed,
    max_price_age_ms, breaker_rules, changed_by, reason`
  await db.execute(
    botId === null
      ? sql`insert into risk.global_settings (version, ${columns})
          select coalesce(max(version), 0) + 1, ${values} from risk.global_settings`
      : sql`insert into risk.settings (bot_id, version, ${columns})
          select ${botId}, coalesce(max(version), 0) + 1, ${values} from risk.settings where bot_id = ${botId}`,
  )
}

/** Buys one at 100 and sells it so that `pnl` is realised, at minute `at`; the round trip takes no time. */
export async function trade(
  db: Database,
  botId: string,
  symbol: string,
  pnl: number,
  at: number,
  over: Parameters<typeof fillOf>[4] = {},
): Promise<void> {
  await recordFills(db, [
    fillOf(botId, symbol, 'buy 1 @ 1000', at, { ...over, sequence: 1n }),
    fillOf(botId, symbol, `sell 1 @ ${1000 + pnl}`, at, { ...over, sequence: 2n }),
  ])
}

/** As `trade`, of a short. */
export async function tradeShort(
  db: Database,
  botId: string,
  symbol: string,
  pnl: number,
  at: number,
): Promise<void> {
  await recordFills(db, [
    fillOf(botId, symbol, 'sell 1 @ 1000', at, { sequence: 1n }),
    fillOf(botId, symbol, `buy 1 @ ${1000 - pnl}`, at, { sequence: 2n }),
  ])
}

/** Says what a price of a symbol is, and when it was seen: a series of its own each, since one that changes keeps its own time. */
export async function setPrice(
  db: Database,
  symbol: string,
  price: string,
  at: Date,
  timeframe: '1m' | '5m' = '1m',
): Promise<void> {
  await db.execute(sql`
    insert into market.series (exchange, symbol, timeframe, last_close, last_price_at)
    values (${EXCHANGE}, ${symbol}, ${timeframe}, ${price}::numeric, ${at.toISOString()}::timestamptz)`)
}

/** Writes an order that was made at a minute. */
export async function makeOrder(db: Database, botId: string, status: string, at: number): Promise<void> {
  await db.execute(sql`
    insert into trading.orders (bot_id, id, client_order_id, exchange, symbol, side, type, quantity, status, created_at)
    values (${botId}, gen_random_uuid(), gen_random_uuid()::text, ${EXCHANGE}, 'S', 'buy', 'market', 1, ${status},
      ${minute(at).toISOString()}::timestamptz)`)
}

export interface Evaluated {
  /** `rule place reason-free figures` of each new trip. */
  readonly tripped: string[]
  readonly checks: Awaited<ReturnType<typeof evaluateCircuitBreakers>>['checks']
  readonly trips: Awaited<ReturnType<typeof evaluateCircuitBreakers>>['tripped']
}

/** Evaluates at a minute, or at a moment. */
export async function evaluateAt(
  db: Database,
  botId: string | undefined,
  at: number | Date,
  over: Omit<EvaluateCircuitBreakersInput, 'botId' | 'now'> = {},
): Promise<Evaluated> {
  const now = typeof at === 'number' ? minute(at) : at
  const { tripped, checks } = await evaluateCircuitBreakers(db, { botId, now, ...over })
  return {
    tripped: tripped.map(({ rule, symbol, side, actual, threshold }) =>
      [rule, symbol, side, `${actual?.toFixed() ?? 'none'}/${threshold?.toFixed()}`]
        .filter((part) => part !== null)
        .join(' '),
    ),
    checks,
    trips: tripped,
  }
}

/** Returns once a statement in this database waits for a lock. */
export async function untilSomebodyWaits(db: Database): Promise<void> {
  for (let time = 0; time < 500; time++) {
    const [row] = await query(
      db,
      sql`select count(*)::integer as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if (row?.n !== 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('nobody waits')
}
