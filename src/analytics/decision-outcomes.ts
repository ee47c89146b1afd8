import { type SQL, sql } from 'drizzle-orm'

/** The decisions of the bots that were made in the period: `decided (bot_id, id, symbol)`. */
export function decidedIn(slot: (name: 'botIds' | 'from' | 'to') => SQL): SQL {
  return sql`
    decided as materialized (
      select d.bot_id, d.id, d.symbol from analysis.decisions d
      where d.bot_id = any(${slot('botIds')}::text[]) and d.decided_at >= coalesce(${slot('from')}::timestamptz, '-infinity')
        and d.decided_at < coalesce(${slot('to')}::timestamptz, 'infinity'))`
}

/**
 * What came of the `decided`: `outcomes (bot_id, decision_id, net, direction)`, of those whose orders opened a position. `net` is in base currency, and null while one of the
 * positions is open or of unknown net; `direction` is null where they were of both.
 */
export function outcomesOf(slot: (name: 'botIds' | 'now') => SQL): SQL {
  // A trade may be converted at the rates of the day on which it was closed, however long after the decision that was. All at once, as trades_of wants it.
  return sql`
    opened as materialized (
      select distinct d.bot_id, d.id as decision_id, p.id as position_id, p.direction
      from decided d
      join trading.orders o on o.bot_id = d.bot_id and o.decision_id = d.id
      join trading.fills f on f.bot_id = o.bot_id and f.order_id = o.id
      join trading.positions p on p.bot_id = f.bot_id
        and p.trade_id = analysis.trade_id_of(f.exchange, f.symbol, f.side, f.exchange_trade_id)),
    outcomes as materialized (
      select o.bot_id, o.decision_id, case when count(*) = count(t.net) then sum(t.net) end as net,
        case when min(o.direction) = max(o.direction) then min(o.direction) end as direction
      from opened o
      left join analytics.trades_of(${slot('botIds')}::text[], null, null, coalesce(${slot('now')}::timestamptz, statement_timestamp())) t
        on t.bot_id = o.bot_id and t.position_id = o.position_id
      group by o.bot_id, o.decision_id)`
}
