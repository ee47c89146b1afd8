import { isNull, type SQLWrapper, sql } from 'drizzle-orm'
import { check, foreignKey, index, primaryKey, uuid } from 'drizzle-orm/pg-core'
import { instant, isNotBlank, isOneOf, label, NOW } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { SIDES } from '../../trading/schema/values.ts'
import { orNever, orNone, risk } from './values.ts'

const lockColumns = {
  id: uuid('id').notNull(),
  /** What is closed for entries: null for every exchange, every symbol, both sides. */
  exchange: label('exchange'),
  symbol: label('symbol'),
  side: label('side', SIDES),
  reason: label('reason').notNull(),
  lockedBy: label('locked_by').notNull(),
  lockedAt: instant('locked_at').notNull().default(NOW),
  /** The first moment that it no longer holds. Null: until it is unlocked. */
  expiresAt: instant('expires_at'),
  unlockedAt: instant('unlocked_at'),
  unlockedBy: label('unlocked_by'),
  unlockReason: label('unlock_reason'),
}

const lockChecks = (table: string, one: Record<keyof typeof lockColumns, SQLWrapper>) => [
  check(`${table}_exchange_check`, isNotBlank(one.exchange)),
  check(`${table}_symbol_check`, isNotBlank(one.symbol)),
  check(`${table}_side_check`, isOneOf(one.side, SIDES)),
  check(`${table}_reason_check`, isNotBlank(one.reason)),
  check(`${table}_locked_by_check`, isNotBlank(one.lockedBy)),
  check(
    `${table}_unlocked_at_check`,
    sql`(${one.unlockedAt} is null) = (${one.unlockedBy} is null) and (${one.unlockedAt} is null) = (${one.unlockReason} is null)`,
  ),
]

/** A symbol or side closed for entries of the whole fleet. Only its end and its expiry change. */
export const globalLocks = risk.table('global_locks', lockColumns, (one) => [
  primaryKey({ name: 'global_locks_pkey', columns: [one.id] }),
  // Serves isTradingAllowed, placeOrder and listLocks: what holds now.
  index('global_locks_blocking_idx')
    .on(orNone(one.symbol), orNever(one.expiresAt))
    .where(isNull(one.unlockedAt)),
  ...lockChecks('global_locks', one),
])

/** A symbol or side closed for entries of a bot. Only its end and its expiry change. */
export const locks = risk.table('locks', { botId: label('bot_id').notNull(), ...lockColumns }, (one) => [
  primaryKey({ name: 'locks_pkey', columns: [one.botId, one.id] }),
  foreignKey({ name: 'locks_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
  // Serves isTradingAllowed, placeOrder and listLocks: what holds now.
  index('locks_blocking_idx')
    .on(one.botId, orNone(one.symbol), orNever(one.expiresAt))
    .where(isNull(one.unlockedAt)),
  ...lockChecks('locks', one),
])
