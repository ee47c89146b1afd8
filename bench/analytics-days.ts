import type postgres from 'postgres'
import { type Connection, calculateDailyPnl, calculateFleetDailyPnl } from 'tradeblotter'
import { timed } from './measure.ts'

const BOTS = 100
const DAYS = 365
/** Fills of each bot: a tenth, and all. */
const SIZES = [1_000, 10_000]

export interface DaysBench {
  readonly db: Connection
  readonly sql: postgres.Sql
}

/** How long a year of all bots takes: the first time, again, and by hand. */
export interface MeasuredYear {
  readonly bots: number
  readonly fills: number
  readonly firstMs: number
  /** With nothing changed since. */
  readonly againMs: number
  /** Of one bot. */
  readonly oneBotMs: number
  /** The sums of gross and fees by bot and day alone, stored nowhere. */
  readonly sumsByHandMs: number
}

/** A hundred bots in three time zones that buy and sell five symbols in turn all year. Returns the currency that only they count in. */
async function fillYear({ sql }: DaysBench, fills: number): Promise<string> {
  const currency = `Y${fills}`
  await sql`
    insert into market.instruments (exchange, symbol, kind, base_currency, quote_currency, settle_currency, contract_size, status)
    select ${currency}, 'COIN' || n, 'linear', 'COIN' || n, ${currency}, ${currency}, 1, 'active' from generate_series(0, 4) n`
  await sql`
    insert into fleet.bots (bot_id, name, kind, strategy, exchange, mode, base_currency, initial_equity, created_at, time_zone)
    select ${currency} || '-' || n, 'year', 'bench', 'none', ${currency}, 'live', ${currency}, 100000, timestamptz '2025-01-01Z',
      (array['UTC', 'America/New_York', 'Europe/Berlin'])[n % 3 + 1]
    from generate_series(1, ${BOTS}::integer) n`
  await sql`
    create temporary table rounds as
    select ${currency} || '-' || b as bot_id, n, gen_random_uuid() as position_id, 'COIN' || n % 5 as symbol,
      timestamptz '2025-01-01Z' + n * ${DAYS}::integer * interval '1 day' / (${fills}::integer / 2 + 1) as at,
      100 + n * 7919 % 1000 / 100.0 as bought, 100 + n * 104729 % 1000 / 100.0 as sold
    from generate_series(1, ${BOTS}::integer) b, generate_series(1, ${fills}::integer / 2) n`
  await sql`
    insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status, instrument_kind, contract_size,
      settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity, exit_value, realised_gross, fees,
      unvalued_fees, funding, fill_count, lot_count, opened_at, closed_at, version)
    select bot_id, position_id, ${currency}, symbol, 'net', 't' || n, 'long', 'closed', 'linear', 1, ${currency}, 0, 0, 1.5, 1.5, 1.5 * bought, 1.5,
      1.5 * sold, 1.5 * (sold - bought), 0.15, '{}', 0, 2, 0, at, at + interval '10 minutes', 1
    from rounds`
  await sql`
    insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price, quantity, fee, fee_currency,
      fee_in_settlement, executed_at, sequence, realised_gross, excess_quantity, position_id)
    select bot_id, gen_random_uuid(), ${currency}, symbol, s.side, s.side || n, 'net', 'trade', s.price, 1.5, 0.075, ${currency}, 0.075, s.at, 0,
      s.gross, 0, position_id
    from rounds
    cross join lateral (values ('buy', bought, at, 0), ('sell', sold, at + interval '10 minutes', 1.5 * (sold - bought))) s (side, price, at, gross)
    order by s.at`
  await sql`drop table rounds`
  await sql`vacuum analyze trading.fills`
  await sql`vacuum analyze trading.positions`
  return currency
}

/** A year of daily PnL for a hundred bots, with a tenth of the fills and with all: the cost is to grow with them and no faster. */
export async function benchDays(bench: DaysBench, note: (text: string) => void): Promise<MeasuredYear[]> {
  const { db, sql } = bench
  const measured: MeasuredYear[] = []
  for (const fills of SIZES) {
    note(`storing ${(BOTS * fills).toLocaleString('en')} fills of ${BOTS} bots`)
    const baseCurrency = await fillYear(bench, fills)
    const range = { from: '2025-01-01', to: '2025-12-31' }
    const year = { ...range, fleet: { baseCurrency } }
    const sums = () => sql`
      select f.bot_id, (f.executed_at at time zone b.time_zone)::date, sum(f.realised_gross), sum(f.fee_in_settlement)
      from trading.fills f join fleet.bots b using (bot_id) where b.base_currency = ${baseCurrency} group by 1, 2`
    await sums()
    const inMs = async (work: () => Promise<unknown>) => Math.round((await timed(work)) / 1_000)
    measured.push({
      bots: BOTS,
      fills: BOTS * fills,
      firstMs: await inMs(() => calculateFleetDailyPnl(db, year)),
      againMs: await inMs(() => calculateFleetDailyPnl(db, year)),
      oneBotMs: await inMs(() => calculateDailyPnl(db, { ...range, botId: `${baseCurrency}-7` })),
      sumsByHandMs: await inMs(sums),
    })
  }
  return measured
}
