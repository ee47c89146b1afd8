import type postgres from 'postgres'
import { type Connection, getPortfolio } from 'tradeblotter'
import { compare, type Measured } from './measure.ts'

const BOTS = 100
const HELD = 5
const PAST = 300
const SYMBOLS = 20
const DAYS = 365
const ROUNDS = { warmUp: 50, rounds: 150 }
/** A fleet of its own: bots that count in a currency that no other has. */
const CURRENCY = 'BUSD'

export interface PortfolioBench {
  readonly db: Connection
  readonly sql: postgres.Sql
}

/** A hundred live bots with five open positions each, and behind them a year of closed ones and of observed equity. */
export async function fillPortfolio({ sql }: PortfolioBench): Promise<void> {
  await sql`
    insert into fleet.bots (bot_id, name, kind, strategy, exchange, mode, base_currency, initial_equity)
    select 'fund-' || n, 'fund-' || n, 'bench', 'none', 'fund', 'live', ${CURRENCY}, 10000 from generate_series(1, ${BOTS}) n`
  // A fifth is quoted in another currency, a quarter settles in what it is on.
  await sql`
    insert into market.instruments (exchange, symbol, kind, base_currency, quote_currency, settle_currency, contract_size, status)
    select 'fund', 'COIN' || n, case when n % 4 = 0 then 'inverse' else 'linear' end, 'COIN' || n, q.currency,
      case when n % 4 = 0 then 'COIN' || n else q.currency end, 1, 'active'
    from generate_series(1, ${SYMBOLS}) n
    cross join lateral (select case when n % 5 = 0 then 'EUR' else ${CURRENCY} end as currency) q
    union all select 'fund', 'EUR/' || ${CURRENCY}, 'spot', 'EUR', ${CURRENCY}, ${CURRENCY}, 1, 'active'`
  await sql`
    insert into market.series (exchange, symbol, timeframe, last_close, last_price_at)
    select i.exchange, i.symbol, t.timeframe, 101.25, now() + interval '1 minute' * t.place / 6
    from market.instruments i
    cross join unnest(array['1m', '5m', '15m', '1h', '4h', '1d']) with ordinality t (timeframe, place)
    where i.exchange = 'fund'`
  await sql`
    insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status, instrument_kind, contract_size,
      settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity, exit_value, realised_gross, fees,
      unvalued_fees, funding, fill_count, lot_count, opened_at, closed_at, version)
    select 'fund-' || b, gen_random_uuid(), i.exchange, i.symbol, 'net', 'trade-' || p, case when p % 3 = 0 then 'short' else 'long' end,
      case when p < ${HELD} then 'open' else 'closed' end, i.kind, 1, i.settle_currency, held.quantity, held.quantity * 95, 2, 2, 190,
      2 - held.quantity, (2 - held.quantity) * 96, 2 - held.quantity, 0.1, '{}', 0, 2, 0, now() - interval '1 day' * (p + 1),
      case when p < ${HELD} then null else now() - interval '1 day' * p end, 1
    from generate_series(1, ${BOTS}) b
    cross join generate_series(0, ${HELD + PAST - 1}) p
    cross join lateral (select case when p < ${HELD} then 2 else 0 end as quantity) held
    join market.instruments i on i.exchange = 'fund' and i.symbol = 'COIN' || ((b + p) % ${SYMBOLS} + 1)`
  await sql`
    insert into risk.settings (bot_id, version, trading_enabled, halt_on_drawdown, stop_at_daily_target, off_watchlist_allowed,
      breaker_rules, changed_by, reason)
    select 'fund-' || b, v, true, false, false, false, '[]', 'bench', 'bench' from generate_series(1, ${BOTS}) b, generate_series(1, 5) v`
  await sql`
    insert into risk.drawdowns (bot_id, day, observed_at, equity, flows, growth, peak_growth, peak_at, drawdown_fraction,
      day_max_drawdown_fraction, max_drawdown_fraction, max_drawdown_at, watched_peak_growth, watched_since, watched_drawdown_fraction)
    select 'fund-' || b, (now() at time zone 'UTC')::date - d, now() - interval '1 day' * d, 10000, 0, 1, 1, now(), 0, 0, 0, now(), 1, now(), 0
    from generate_series(1, ${BOTS}) b, generate_series(0, ${DAYS - 1}) d`
  await sql`analyze`
}

/**
 * The same rows by hand, for this fleet alone: every price and equity is of the last hour, no bot has a say in how old they may be,
 * and a rate is that of one symbol.
 */
function readByHand(sql: postgres.Sql): Promise<unknown> {
  return sql`
    with prices as materialized (
      select distinct on (symbol) symbol, last_close as price from market.series
      where exchange = 'fund' and last_price_at >= now() - interval '1 hour' order by symbol, last_price_at desc),
    rates as materialized (
      select ${CURRENCY} as currency, 1 as rate
      union all select 'EUR', price from prices where symbol = 'EUR/' || ${CURRENCY}
      union all select i.base_currency, p.price * case when i.quote_currency = 'EUR' then null else 1 end
        from market.instruments i join prices p on p.symbol = i.symbol where i.exchange = 'fund' and i.kind = 'inverse'),
    valued as (
      select p.bot_id, p.exchange, p.symbol, p.direction,
        case when p.instrument_kind = 'inverse' then p.quantity * q.rate else m.price * p.quantity * q.rate end as value,
        case p.direction when 'long' then 1 else -1 end * s.rate * case when p.instrument_kind = 'inverse'
          then p.cost - p.quantity / m.price else m.price * p.quantity - p.cost end as pnl
      from trading.positions p
      join fleet.bots b on b.bot_id = p.bot_id and b.base_currency = ${CURRENCY} and b.mode = 'live'
      join market.instruments i on i.exchange = p.exchange and i.symbol = p.symbol
      join prices m on m.symbol = p.symbol
      left join rates q on q.currency = i.quote_currency
      left join rates s on s.currency = p.settle_currency
      where p.status = 'open')
    select b.bot_id, b.name, b.exchange, b.status, d.equity, v.*
    from fleet.bots b
    cross join lateral (select equity from risk.drawdowns d
      where d.bot_id = b.bot_id and d.observed_at >= now() - interval '1 hour' order by d.day desc limit 1) d
    left join (select bot_id, exchange, symbol, count(*), sum(value) filter (where direction = 'long') as long,
        sum(value) filter (where direction = 'short') as short, sum(pnl) as pnl
      from valued group by bot_id, exchange, symbol) v on v.bot_id = b.bot_id
    where b.base_currency = ${CURRENCY} and b.mode = 'live'
    order by b.bot_id, v.exchange, v.symbol`
}

/** The whole fleet in one call, against a statement that a person would write for it. */
export async function benchPortfolio({ db, sql }: PortfolioBench): Promise<Measured> {
  return await compare(`getPortfolio (${BOTS} bots, ${BOTS * HELD} open positions)`, {
    ...ROUNDS,
    floor: () => readByHand(sql),
    ours: () => getPortfolio(db, { fleet: { baseCurrency: CURRENCY } }),
  })
}
