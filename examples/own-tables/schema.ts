import { sql } from 'drizzle-orm'
import { check, foreignKey, integer, pgSchema, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { bots } from 'tradeblotter/schema'

// A schema of its own keeps these tables out of tradeblotter's way, and tradeblotter's out of theirs.
export const journal = pgSchema('journal')

/** What a person thought of a trade afterwards. Read beside `trading.trades`, by the trade's name. */
export const remarks = journal.table(
  'remarks',
  {
    botId: text('bot_id').notNull(),
    /** A trade's name outlives a rebuild of the positions. Trades are a view, so no foreign key can point at them. */
    tradeId: text('trade_id').notNull(),
    /** 1 to 5. */
    stars: integer('stars').notNull(),
    remark: text('remark').notNull(),
    writtenAt: timestamp('written_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'remarks_pkey', columns: [table.botId, table.tradeId] }),
    foreignKey({ name: 'remarks_bot_id_fkey', columns: [table.botId], foreignColumns: [bots.botId] }),
    check('remarks_stars_check', sql`${table.stars} between 1 and 5`),
  ],
)
