import { boolean, check, foreignKey, primaryKey } from 'drizzle-orm/pg-core'
import { counter, instant, isNotBlank, label, NOW } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { ideas } from './trade-ideas.ts'

/**
 * Whether ideas of a bot may be executed without a human. A bot without a row has it off.
 *
 * The row changes only when the switch is flipped, and each flip leaves a row in `audit.decision_history`, which the database
 * writes whoever flips it.
 */
export const autoTrading = ideas.table(
  'auto_trading',
  {
    botId: label('bot_id').notNull(),
    enabled: boolean('enabled').notNull(),
    /** Why it was flipped last: `max_drawdown` or `daily_target_reached` where the rules did it. */
    reason: label('reason').notNull(),
    /** Who flipped it: the id of a user, a person or a program, or the bot. */
    changedBy: label('changed_by').notNull(),
    changedAt: instant('changed_at').notNull().default(NOW),
    /** How often it was flipped. */
    version: counter('version').notNull().default(1),
  },
  (one) => [
    // Serves getAutoTrading and proposeTradeIdea.
    primaryKey({ name: 'auto_trading_pkey', columns: [one.botId] }),
    foreignKey({ name: 'auto_trading_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    check('auto_trading_reason_check', isNotBlank(one.reason)),
    check('auto_trading_changed_by_check', isNotBlank(one.changedBy)),
  ],
)
