import { sql } from 'drizzle-orm'
import { readInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { Direction, Side } from '../trading/position-state.ts'
import type { ClosedTrade, RuleLoss } from './breaker-findings.ts'
import type { RuleStanding } from './breaker-rules.ts'
import { type BreakerRule, breakerRulesSchema } from './schema/breaker-rules.ts'

// What circuit breakers are decided from, as few statements: what is set, where each rule stands, what was realised, and the rest.

/** What rules are watched, as they are stored: newest versions of the fleet's and the bot's settings. */
export interface WatchedSettings {
  readonly now: Date
  readonly exchange: string
  readonly baseCurrency: string
  /** Null for a bot that is not active. */
  readonly aliveAt: Date | null
  readonly maxPriceAgeMs: number
  /** The stricter of fleet and bot; null where nothing halts on a drawdown. */
  readonly haltFraction: Decimal | null
  readonly fleetRules: readonly BreakerRule[]
  readonly ownRules: readonly BreakerRule[]
}

/** Older prices are no prices, where nobody said how old they may be. */
const PRICE_AGE_MS = 3_600_000

const newestGlobal = sql`left join lateral (select * from risk.global_settings order by version desc limit 1) g on true`
const newestOwn = sql`left join lateral (
  select * from risk.settings newest where newest.bot_id = b.bot_id order by newest.version desc limit 1) s on true`
const inMs = (column: string) => sql.raw(`round(extract(epoch from ${column}) * 1000)::bigint`)

interface SettingsDocument {
  readonly now: number
  readonly exchange: string
  readonly baseCurrency: string
  readonly aliveAt: number | null
  readonly maxPriceAgeMs: number
  readonly haltFraction: string | null
  readonly fleetRules: unknown
  readonly ownRules: unknown
}

const document = <Row>([text]: readonly unknown[]): Row => JSON.parse(text as string)

const botSettings: PreparedStatement<SettingsDocument, 'botId' | 'now'> = sqlStatement(
  'evaluateCircuitBreakers: settings',
  (slot) => ({
    query: sql`
      with clock as materialized (select risk.clock(${slot('now')}::timestamptz(3)) as now)
      select jsonb_build_object(
        'now', ${inMs('clock.now')}, 'exchange', b.exchange, 'baseCurrency', b.base_currency,
        'aliveAt', case when b.status = 'active' then ${inMs('coalesce(b.last_heartbeat_at, b.created_at)')} end,
        'maxPriceAgeMs', coalesce(least(g.max_price_age_ms, s.max_price_age_ms), ${sql.raw(`${PRICE_AGE_MS}`)}),
        'haltFraction', case when g.halt_on_drawdown or s.halt_on_drawdown
          then least(g.max_drawdown_fraction, s.max_drawdown_fraction)::text end,
        'fleetRules', coalesce(g.breaker_rules, '[]'), 'ownRules', coalesce(s.breaker_rules, '[]'))::text
      from fleet.bots b cross join clock ${newestGlobal} ${newestOwn}
      where b.bot_id = ${slot('botId')}`,
    fields: document<SettingsDocument>,
  }),
)

/** Reads what is watched of a bot, or undefined if it is not registered. */
export async function readBotSettings(
  db: Database,
  botId: string,
  now: Date | undefined,
): Promise<WatchedSettings | undefined> {
  const [found] = await botSettings.run(db, { botId, now: now ?? null })
  return found && watchedSettings(found, `of bot '${botId}'`)
}

const globalSettings: PreparedStatement<SettingsDocument, 'now'> = sqlStatement(
  'evaluateCircuitBreakers: global settings',
  (slot) => ({
    query: sql`
      with clock as materialized (select risk.clock(${slot('now')}::timestamptz(3)) as now)
      select jsonb_build_object(
        'now', ${inMs('clock.now')}, 'exchange', '', 'baseCurrency', '', 'aliveAt', null, 'haltFraction', null,
        'maxPriceAgeMs', coalesce(g.max_price_age_ms, ${sql.raw(`${PRICE_AGE_MS}`)}),
        'fleetRules', coalesce(g.breaker_rules, '[]'), 'ownRules', '[]'::jsonb)::text
      from clock ${newestGlobal}`,
    fields: document<SettingsDocument>,
  }),
)

/** Reads what is watched of the fleet as a whole. */
export async function readGlobalSettings(db: Database, now: Date | undefined): Promise<WatchedSettings> {
  const found = only('evaluateCircuitBreakers', await globalSettings.run(db, { now: now ?? null }))
  if (!found) throw new DataError('unexpected', 'the settings of the fleet were not read')
  return watchedSettings(found, 'of the fleet')
}

function watchedSettings(found: SettingsDocument, whose: string): WatchedSettings {
  return {
    ...found,
    now: new Date(found.now),
    aliveAt: found.aliveAt === null ? null : new Date(found.aliveAt),
    haltFraction: found.haltFraction === null ? null : new Decimal(found.haltFraction),
    fleetRules: readRules(found.fleetRules, 'of the fleet'),
    ownRules: readRules(found.ownRules, whose),
  }
}

/** Rules that were written past this library may be none. They are not passed over: then nothing would watch. */
function readRules(stored: unknown, whose: string): readonly BreakerRule[] {
  const rules = breakerRulesSchema.safeParse(stored)
  if (rules.success) return rules.data
  const [issue] = rules.error.issues
  throw new DataError(
    'invalid_input',
    `the stored breaker rules ${whose} are invalid at ${issue?.path.join('.')}: ${issue?.message}`,
    { field: 'breakerRules' },
  )
}

const STANDING = sql.raw(`b.rule, b.exchange, b.symbol, b.side,
  (array_agg(b.id::text) filter (where b.status = 'active'))[1],
  (max(b.tripped_at) filter (where b.status = 'active'))::text,
  (max(b.expires_at) filter (where b.status = 'active'))::text,
  max(b.trips_in_row) filter (where b.status = 'active'),
  (count(*) filter (where b.status <> 'active'))::integer,
  max(b.resolved_at)::text`)

function standingOf(values: readonly unknown[]): RuleStanding {
  const [rule, exchange, symbol, side, id, trippedAt, expiresAt, tripsInRow, endedCount, endedAt] = values
  const time = (text: unknown) => (text === null ? null : readInstant(text as string))
  const tripTime = time(trippedAt)
  return {
    rule: rule as string,
    exchange: exchange as string | null,
    symbol: symbol as string | null,
    side: side as Side | null,
    trip: tripTime && {
      id: id as string,
      trippedAt: tripTime,
      expiresAt: time(expiresAt),
      tripsInRow: tripsInRow as number,
    },
    endedCount: endedCount as number,
    endedAt: time(endedAt),
  }
}

const botStandings: PreparedStatement<RuleStanding, 'botId' | 'rules'> = sqlStatement(
  'evaluateCircuitBreakers: trips',
  (slot) => ({
    query: sql`
      select ${STANDING}
      from unnest(${slot('rules')}::text[]) r (rule)
      join risk.circuit_breakers b on b.bot_id = ${slot('botId')} and b.rule = r.rule
      where b.status <> 'expired'
      group by b.rule, b.exchange, b.symbol, b.side`,
    fields: standingOf,
  }),
)

const globalStandings: PreparedStatement<RuleStanding, 'rules'> = sqlStatement(
  'evaluateCircuitBreakers: global trips',
  (slot) => ({
    query: sql`
      select ${STANDING}
      from risk.global_circuit_breakers b
      where b.status <> 'expired'
        and exists (select from unnest(${slot('rules')}::text[]) r (rule) where starts_with(b.rule, r.rule || ':'))
      group by b.rule, b.exchange, b.symbol, b.side`,
    fields: standingOf,
  }),
)

/** Reads where the rules of a bot stand; without one, those of the fleet, each for every base currency. */
export async function readStandings(
  db: Database,
  botId: string | null,
  rules: readonly string[],
): Promise<RuleStanding[]> {
  return botId === null
    ? await globalStandings.run(db, { rules })
    : await botStandings.run(db, { botId, rules })
}

/** What a rule about losses looks back on. */
export interface LossWindow {
  readonly rule: string
  readonly unit: 'day' | 'week' | 'window'
  readonly windowMs: number | null
  readonly wantsEquity: boolean
  /** Per base currency, the moment after which it counts. */
  readonly countsAfter: Readonly<Record<string, Date>>
}

export interface CurrencyLoss extends RuleLoss {
  readonly rule: string
  readonly currency: string
}

interface Asked {
  readonly now: Date
  readonly maxPriceAgeMs: number
}

type LossSlots = 'botId' | 'now' | 'maxPriceAgeMs' | 'windows'

const lossStatement: PreparedStatement<CurrencyLoss, LossSlots> = sqlStatement(
  'evaluateCircuitBreakers: losses',
  (slot) => ({
    // What is offset by nothing is calculated once, not again wherever it is named.
    query: sql`
      with asked as (select ${slot('now')}::timestamptz as now, ${slot('maxPriceAgeMs')}::bigint * interval '1 millisecond' as age)
      select w.rule, b.base_currency, min(s.start)::text,
        (case when count(*) = count(n.net) then sum(n.net) end)::text,
        (case when count(*) = count(e.before) then sum(e.before) end)::text
      from asked a cross join fleet.bots b
      cross join jsonb_to_recordset(${slot('windows')}::jsonb)
        as w (rule text, unit text, "windowMs" bigint, "wantsEquity" boolean, "countsAfter" jsonb)
      cross join lateral (select greatest(risk.window_start(w.unit, w."windowMs", a.now, b.time_zone),
        (w."countsAfter" ->> b.base_currency)::timestamptz + interval '1 millisecond') as start offset 0) s
      cross join lateral (select risk.net_pnl_between(
        b.bot_id, b.base_currency, s.start, a.now + interval '1 millisecond', a.now, a.age) as net offset 0) n
      cross join lateral (select case when w."wantsEquity" then b.initial_equity - n.net
        + risk.external_flows_before(b.bot_id, b.base_currency, s.start, a.now, a.age)
        + risk.realised_pnl(b.bot_id, b.base_currency, a.now, a.age) end as before offset 0) e
      where b.bot_id = ${slot('botId')} or (${slot('botId')}::text is null and b.mode <> 'backtest')
      group by w.rule, b.base_currency order by w.rule, b.base_currency`,
    fields: ([rule, currency, since, net, before]: readonly unknown[]): CurrencyLoss => ({
      rule: rule as string,
      currency: currency as string,
      since: readInstant(since as string),
      net: net === null ? null : new Decimal(net as string),
      equityBefore: before === null ? null : new Decimal(before as string),
    }),
  }),
)

/** Reads what was realised in each window: of one bot, or summed over the bots of each base currency that are not backtests. */
export async function readLosses(
  db: Database,
  botId: string | null,
  { now, maxPriceAgeMs }: Asked,
  windows: readonly LossWindow[],
): Promise<CurrencyLoss[]> {
  if (windows.length === 0) return []
  return await lossStatement.run(db, { botId, now, maxPriceAgeMs, windows: JSON.stringify(windows) })
}

/** What of a bot the rest of its rules need. */
export interface FactsAsked extends Asked {
  /** Trades closed after it; null for none. */
  readonly tradesAfter: Date | null
  /** So many last trades that are no dust, over all or per symbol and side. */
  readonly streaks: readonly { readonly breadth: string; readonly count: number; readonly dust: string }[]
  readonly orders: readonly { readonly rule: string; readonly after: Date }[]
  readonly symbols: readonly string[]
}

export interface OtherFacts {
  readonly trades: readonly ClosedTrade[]
  readonly orders: ReadonlyMap<string, { readonly total: number; readonly rejected: number }>
  readonly priceSeenAt: ReadonlyMap<string, Date>
}

type TradeValues = [string, string, Direction, number, string | null, string | null, boolean]
type FactsSlots = 'botId' | 'now' | 'maxPriceAgeMs' | 'tradesAfter' | 'streaks' | 'orders' | 'symbols'

const factsStatement: PreparedStatement<OtherFacts, FactsSlots> = sqlStatement(
  'evaluateCircuitBreakers: facts',
  (slot) => {
    const net = sql`p.net_pnl * risk.rate_between(p.exchange, p.settle_currency, b.base_currency, b.now, b.age)`
    const isNoDust = sql`(s.dust = 0 or coalesce(abs(${net}) > s.dust, true))`
    return {
      query: sql`
        with b as materialized (
          select bot_id, exchange, base_currency, ${slot('now')}::timestamptz as now,
            ${slot('maxPriceAgeMs')}::bigint * interval '1 millisecond' as age
          from fleet.bots where bot_id = ${slot('botId')}),
        streaks as (select * from jsonb_to_recordset(${slot('streaks')}::jsonb) as s (breadth text, count integer, dust numeric)),
        chosen as (
          select p.id from b join trading.positions p on p.bot_id = b.bot_id
          where p.closed_at > ${slot('tradesAfter')}::timestamptz and p.closed_at <= b.now
          union
          select p.id from b join streaks s on s.breadth = 'bot'
          cross join lateral (
            select p.id from trading.positions p
            where p.bot_id = b.bot_id and p.closed_at is not null and p.closed_at <= b.now and ${isNoDust}
            order by p.closed_at desc, p.id desc limit s.count) p
          union
          select p.id from b join streaks s on s.breadth <> 'bot'
          join trading.ledger_heads h on h.bot_id = b.bot_id
          cross join (values ('long'), ('short')) d (direction)
          cross join lateral (
            select p.id from trading.positions p
            where p.bot_id = h.bot_id and p.exchange = h.exchange and p.symbol = h.symbol and p.position_side = h.position_side
              and p.direction = d.direction and p.closed_at is not null and p.closed_at <= b.now and ${isNoDust}
            order by p.opened_at desc, p.id desc limit s.count) p)
        select
          (select coalesce(jsonb_agg(jsonb_build_array(p.exchange, p.symbol, p.direction, ${inMs('p.closed_at')}, (${net})::text,
            p.exit_reason, p.status = 'liquidated') order by p.closed_at desc, p.id desc), '[]')
            from b join trading.positions p on p.bot_id = b.bot_id join chosen on chosen.id = p.id)::text,
          (select coalesce(jsonb_agg(jsonb_build_array(w.rule, o.total, o.rejected)), '[]')
            from b cross join jsonb_to_recordset(${slot('orders')}::jsonb) as w (rule text, after timestamptz)
            cross join lateral (
              select count(*) as total, count(*) filter (where o.status = 'rejected') as rejected
              from trading.orders o
              where o.bot_id = b.bot_id and o.created_at > w.after and o.created_at <= b.now) o)::text,
          (select coalesce(jsonb_object_agg(prices.symbol, ${inMs('prices.seen_at')}), '{}')
            from (select m.symbol, max(m.last_price_at) as seen_at
              from b join market.series m on m.exchange = b.exchange and m.symbol = any(${slot('symbols')}::text[])
              group by m.symbol) prices where prices.seen_at is not null)::text`,
      fields: factsOf,
    }
  },
)

function factsOf([trades, orders, prices]: readonly unknown[]): OtherFacts {
  return {
    trades: document<TradeValues[]>([trades]).map((trade) => {
      const [exchange, symbol, direction, closedAt, net, exitReason, isLiquidation] = trade
      return {
        exchange,
        symbol,
        direction,
        closedAt: new Date(closedAt),
        net: net === null ? null : new Decimal(net),
        exitReason,
        isLiquidation,
      }
    }),
    orders: new Map(
      document<[string, number, number][]>([orders]).map(([rule, total, rejected]) => [
        rule,
        { total, rejected },
      ]),
    ),
    priceSeenAt: new Map(
      Object.entries(document<Record<string, number>>([prices])).map(([symbol, ms]) => [
        symbol,
        new Date(ms),
      ]),
    ),
  }
}

/** Reads trades, orders and price times of a bot. */
export async function readFacts(db: Database, botId: string, asked: FactsAsked): Promise<OtherFacts> {
  const { streaks, orders, tradesAfter, symbols } = asked
  if (streaks.length + orders.length + symbols.length === 0 && tradesAfter === null) {
    return { trades: [], orders: new Map(), priceSeenAt: new Map() }
  }
  const rows = await factsStatement.run(db, {
    ...asked,
    botId,
    streaks: JSON.stringify(streaks),
    orders: JSON.stringify(orders),
  })
  const facts = only('evaluateCircuitBreakers', rows)
  if (!facts) throw new DataError('unexpected', 'the facts of circuit breakers were not read')
  return facts
}
