import type postgres from 'postgres'
import { type Connection, getPerformance } from 'tradeblotter'
import { EXCHANGE, prepareBot } from './fixture.ts'
import { compare, type Measured } from './measure.ts'

const TRADES = 100_000
const ROUNDS = { warmUp: 3, rounds: 15 }

export interface PerformanceBench {
  readonly db: Connection
  readonly sql: postgres.Sql
  readonly run: string
}

/** A bot that has closed a hundred thousand trades of twenty symbols in a year, and its stored days. */
export async function fillPerformance({ db, sql, run }: PerformanceBench): Promise<string> {
  const botId = await prepareBot(db, `performer-${run}`)
  await sql`
    insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status, instrument_kind, contract_size,
      settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity, exit_value, realised_gross, fees,
      unvalued_fees, funding, fill_count, lot_count, entry_tag, exit_reason, opened_at, closed_at, version)
    select ${botId}, gen_random_uuid(), ${EXCHANGE}, 'COIN' || n % 20 || '/USD:USD', 'net', 'trade-' || n,
      case when n % 3 = 0 then 'short' else 'long' end, case when n % 500 = 0 then 'liquidated' else 'closed' end, 'linear', 1,
      'USD', 0, 0, 0.0125, 0.0125, 500 + n % 97, 0.0125, 500 + n % 97 + gross.amount, gross.amount, 0.1051 + n % 13 * 0.0001,
      '{}', (n % 7 - 3) * 0.001, 2, 0, case n % 4 when 0 then null when 1 then 'breakout' else 'dip' end,
      case n % 3 when 0 then null when 1 then 'stop' else 'target' end,
      opened.at, opened.at + (n * 31 % 240 + 1) * interval '1 minute' + n % 1000 * interval '1 millisecond', 1
    from generate_series(1, ${TRADES}::integer) n
    cross join lateral (select n::bigint * 7919 % 2001 * 0.0123 - 12.3 as amount) gross
    cross join lateral (select timestamptz '2024-01-01' + n * interval '5 minutes' as at) opened`
  await sql`
    insert into analytics.daily_pnl (bot_id, day, starts_at, ends_at, is_complete, base_currency, external_flows, flows_at_start, equity_start,
      equity_end, unvalued, fill_count, trade_count, win_count, loss_count, draw_count, unvalued_trade_count, long_count, short_count,
      liquidation_count, gross_profit, gross_loss, current_streak, longest_win_streak, longest_loss_streak, breaker_count, kill_switch_count,
      growth, drawdown_fraction, max_drawdown_fraction, drawdown_amount, return_count, calculated_at)
    select ${botId}, date '2024-01-01' + n, timestamptz '2024-01-01Z' + n * interval '1 day', timestamptz '2024-01-02Z' + n * interval '1 day',
      true, 'USD', 0, 0, 100000 + n * 37 % 1009, 100000 + (n + 1) * 37 % 1009, '[]', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, now()
    from generate_series(0, 365) n`
  await sql`vacuum analyze trading.positions`
  await sql`analyze analytics.daily_pnl`
  return botId
}

/**
 * The figures of the trades as a person would ask for them, knowing that all is settled in one currency; and the days, of which nothing
 * is worked out.
 */
async function readByHand(sql: postgres.Sql, botId: string): Promise<unknown> {
  const [figures] = await sql`
    select count(*), count(net_pnl), count(*) filter (where net_pnl > 0) as wins, count(*) filter (where net_pnl < 0) as losses,
      count(*) filter (where direction = 'long') as longs, count(*) filter (where status = 'liquidated') as liquidations,
      sum(net_pnl) filter (where net_pnl > 0) as profit, sum(net_pnl) filter (where net_pnl < 0) as loss, avg(net_pnl), stddev_samp(net_pnl),
      sum(realised_gross) as gross, sum(fees) as fees, sum(funding) as funding, max(net_pnl), min(net_pnl), max(win_run), max(loss_run),
      max(place) filter (where win_run = 0) as last_no_win, max(place) filter (where loss_run = 0) as last_no_loss,
      avg(held), percentile_cont(0.5) within group (order by held) as median, min(held) as shortest, max(held) as longest
    from (
      select *, place - coalesce(max(place) filter (where net_pnl is null or net_pnl <= 0) over closing, 0) as win_run,
        place - coalesce(max(place) filter (where net_pnl is null or net_pnl >= 0) over closing, 0) as loss_run
      from (
        select closed_at, id, direction, status, net_pnl, realised_gross, fees, funding, extract(epoch from closed_at - opened_at)::float8 as held,
          row_number() over (order by closed_at, id) as place
        from trading.positions where bot_id = ${botId} and closed_at is not null) placed
      window closing as (order by closed_at, id rows unbounded preceding)) run`
  const days = await sql`
    select day, equity_start, equity_end, external_flows, flows_at_start from analytics.daily_pnl where bot_id = ${botId} order by day`
  return { figures, days }
}

/** All that a bot ever traded, and its returns. */
export async function benchPerformance(bench: PerformanceBench): Promise<Measured> {
  const botId = await fillPerformance(bench)
  const { db, sql } = bench
  return await compare(`getPerformance (${TRADES.toLocaleString('en')} trades)`, {
    ...ROUNDS,
    floor: () => readByHand(sql, botId),
    ours: () => getPerformance(db, { botId }),
  })
}
