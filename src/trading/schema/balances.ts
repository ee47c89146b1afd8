import { check, foreignKey, index, primaryKey, unique, uuid } from 'drizzle-orm/pg-core'
import { decimal, instant, isFiniteAmount, isNotBlank, isOneOf, label, NOW } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { trading } from './values.ts'

export const BALANCE_KINDS = [
  'periodic',
  'trade_open',
  'trade_close',
  'deposit',
  'withdrawal',
  'manual',
  'initial',
] as const
export type BalanceKind = (typeof BALANCE_KINDS)[number]

/**
 * What an account held in one currency at one moment, as the exchange said. Append-only.
 *
 * Amounts are in `currency`. Negative ones are real: free margin and equity can be below zero.
 */
export const balances = trading.table(
  'balances',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    exchange: label('exchange').notNull(),
    currency: label('currency').notNull(),
    /** Why it was taken. */
    kind: label('kind', BALANCE_KINDS).notNull(),
    total: decimal('total').notNull(),
    available: decimal('available'),
    marginUsed: decimal('margin_used'),
    unrealisedPnl: decimal('unrealised_pnl'),
    /** Total and unrealised PnL together, as the exchange counts them. */
    equity: decimal('equity'),
    /** Equity / margin used, as a fraction: 2 is twice the margin. */
    marginLevel: decimal('margin_level'),
    takenAt: instant('taken_at').notNull(),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (balance) => [
    primaryKey({ name: 'balances_pkey', columns: [balance.botId, balance.id] }),
    foreignKey({ name: 'balances_bot_id_fkey', columns: [balance.botId], foreignColumns: [bots.botId] }),
    // Serves recordBalance, and getLatestBalance by its leading columns.
    unique('balances_taken_at_key').on(
      balance.botId,
      balance.exchange,
      balance.currency,
      balance.takenAt,
      balance.kind,
    ),
    // Serves listBalances: newest first for one bot.
    index('balances_taken_at_idx').on(
      balance.botId,
      balance.takenAt.desc().nullsFirst(),
      balance.id.desc().nullsFirst(),
    ),
    check('balances_exchange_check', isNotBlank(balance.exchange)),
    check('balances_currency_check', isNotBlank(balance.currency)),
    check('balances_kind_check', isOneOf(balance.kind, BALANCE_KINDS)),
    check('balances_total_check', isFiniteAmount(balance.total)),
    check('balances_available_check', isFiniteAmount(balance.available)),
    check('balances_margin_used_check', isFiniteAmount(balance.marginUsed)),
    check('balances_unrealised_pnl_check', isFiniteAmount(balance.unrealisedPnl)),
    check('balances_equity_check', isFiniteAmount(balance.equity)),
    check('balances_margin_level_check', isFiniteAmount(balance.marginLevel)),
  ],
)
