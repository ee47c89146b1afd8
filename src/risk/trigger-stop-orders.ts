import { type SQL, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toPositive } from '../db/decimal.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { clockOf } from './gate-moves.ts'
import { type StopOrder, stopFields, stopNames } from './stop-order-reads.ts'

export interface TriggerStopOrdersInput {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  /** What it trades at, in quote currency per unit. Positive. */
  readonly price: Amount
  /** When that was, for what is stored and for stops that end. The database's clock if left out. */
  readonly at?: Date | undefined
}

type TriggerSlot = 'botId' | 'exchange' | 'symbol' | 'price' | 'at'

/** What is better for who holds the position: null counts for nothing. */
const better = (...prices: SQL[]): SQL => {
  const list = sql.join(prices, sql`, `)
  return sql`case s.direction when 'long' then greatest(${list}) else least(${list}) end`
}

const triggerStatement: PreparedStatement<StopOrder, TriggerSlot> = sqlStatement(
  'triggerStopOrders',
  (slot) => {
    const price = sql`${slot('price')}::numeric`
    const isOver = sql`coalesce(s.expires_at <= c.now, false)`
    // Of the level that was there before the price: a price does not move a stop and reach it too.
    const isReached = sql`case s.direction when 'long' then ${price} <= s.stop_price else ${price} >= s.stop_price end`
    return {
      // Whoever shows prices to the same stops at the same time locks them in the same order. What another has ended meanwhile
      // is not among them any more; what another has moved is judged as it is now.
      query: sql`
        with ${clockOf(slot('at'))},
        held as materialized (
          select s.*, c.now from risk.stop_orders s cross join clock c
          where s.bot_id = ${slot('botId')} and s.exchange = ${slot('exchange')} and s.symbol = ${slot('symbol')}
            and s.status = 'active'
            and (${isOver} or ${isReached} or ${better(sql`s.best_price`, price)} <> s.best_price)
          order by s.id
          for no key update of s),
        judged as materialized (
          select s.bot_id, s.id, case
              when coalesce(s.expires_at <= s.now, false) then 'expired'
              when not ${isReached} then 'active'
              when exists (
                select from trading.positions p
                where p.bot_id = s.bot_id and p.id = s.position_id and p.status <> 'open') then 'cancelled'
              else 'triggered' end as outcome,
            s.now, ${better(sql`s.best_price`, price)} as best
          from held s),
        moved as materialized (
          select j.*, coalesce(case s.direction when 'long' then j.best >= s.activation_price
            else j.best <= s.activation_price end, true) as follows
          from judged j join held s on s.bot_id = j.bot_id and s.id = j.id),
        changed as (
          update risk.stop_orders s
          set status = m.outcome,
            best_price = case m.outcome when 'active' then m.best else s.best_price end,
            stop_price = case when m.outcome = 'active' and m.follows
              then ${better(
                sql`s.stop_price`,
                sql`m.best - case s.direction when 'long' then s.trailing_distance else -s.trailing_distance end`,
                sql`s.breakeven_price`,
              )}
              else s.stop_price end,
            trigger_price = case m.outcome when 'triggered' then ${price} end,
            triggered_at = case m.outcome when 'triggered' then m.now end,
            changed_by = case m.outcome when 'active' then s.changed_by else s.bot_id end,
            reason = case m.outcome
              when 'triggered' then 'the price reached it'
              when 'cancelled' then 'the price reached it, and its position is closed'
              when 'expired' then 'its time was over'
              else s.reason end,
            version = s.version + case m.outcome when 'active' then 0 else 1 end
          from moved m
          where s.bot_id = m.bot_id and s.id = m.id
          returning s.*)
        select ${stopNames('s')} from changed s where s.status = 'triggered' order by s.id`,
      fields: stopFields,
    }
  },
)

/**
 * Shows a price to the bot's stops of a symbol and returns those that it fired, with all that is needed to close what they
 * protect. Each stop fires once: of callers at the same time, in whatever processes, one gets it.
 *
 * A long is stopped at its level or below, a short at its level or above, the level being the one before this price; what does
 * not fire follows the price and never loosens. A stop whose time is over ends as `expired`, and one whose position is closed
 * already ends as `cancelled` when the price reaches it; neither is returned.
 *
 * Prices count in the order in which they are given, whatever `at` says: a late one may fire a stop that came nearer since,
 * which is better than a wrong clock that keeps a stop from firing. So do not give prices that were overtaken. What is returned
 * is marked as fired, so whoever calls this must act on it; after a lost connection look for it with `listStopOrders`.
 *
 * @throws `invalid_input` naming the field. A bot that is not registered has no stops.
 */
export async function triggerStopOrders(db: Database, input: TriggerStopOrdersInput): Promise<StopOrder[]> {
  return await triggerStatement.run(db, {
    botId: toBotId(input.botId),
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    price: toPositive(input.price, 'price').toFixed(),
    at: input.at === undefined ? null : toInstant(input.at, 'at').toISOString(),
  })
}
