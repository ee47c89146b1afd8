import { type SQL, sql } from 'drizzle-orm'

// How a change and an order never pass each other: whatever changes what one bot may do moves the bot's gate on in the same
// statement, before it writes anything, and an order takes the gate before it looks.

/** The CTE `gate` that moves a bot's gate on: one row with its `bot_id`, or none if the bot is not registered. */
export function movedGate(botId: SQL): SQL {
  return sql`gate as (update risk.gates g set version = g.version + 1 where g.bot_id = ${botId} returning g.bot_id)`
}

/**
 * The CTE `told`, which tells whoever watches of a change, one row for each row of `rows`. It must be counted by the rest of
 * the statement: what nobody reads is not run.
 */
export function told(subject: SQL, rows: SQL): SQL {
  return sql`told as materialized (select risk.notify(${subject}) from ${rows})`
}

/** True once everybody was told. */
export const WAS_TOLD: SQL = sql`(select count(*) from told) > 0`

/** The time given in a slot, or the database's own. */
export function clockOf(now: SQL): SQL {
  return sql`clock as materialized (
    select coalesce(${now}::timestamptz(3), date_trunc('milliseconds', clock_timestamp())) as now)`
}
