import { and, desc, eq } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { recentTrades, trades } from './schema/views.ts'

/** A closed round trip. */
export type Trade = typeof trades.$inferSelect

export interface ListTradesInput extends PageInput<Pick<Trade, 'closedAt' | 'positionId'>> {
  readonly botId: string
}

/** Returns the bot's closed round trips, last closed first. */
export async function listTrades(db: Database, input: ListTradesInput): Promise<Trade[]> {
  const { after } = input
  return await many(
    'listTrades',
    db
      .select()
      .from(trades)
      .where(
        and(
          eq(trades.botId, toName(input.botId, 'botId')),
          comesAfter(
            trades.closedAt,
            trades.positionId,
            after && { at: after.closedAt, id: after.positionId },
          ),
        ),
      )
      .orderBy(desc(trades.closedAt), desc(trades.positionId))
      .limit(readLimit(input.limit)),
  )
}

/** Returns the closed round trip of this name. @throws `not_found`. */
export async function getTrade(
  db: Database,
  input: { readonly botId: string; readonly tradeId: string },
): Promise<Trade> {
  return await one(
    'getTrade',
    `trade '${input.tradeId}' of bot '${input.botId}'`,
    db
      .select()
      .from(trades)
      .where(
        and(
          eq(trades.botId, toName(input.botId, 'botId')),
          eq(trades.tradeId, toName(input.tradeId, 'tradeId')),
        ),
      ),
  )
}

/** Returns the last closed round trips of the whole fleet, newest first: 100 at most. For an operator's screen. */
export async function listRecentTrades(
  db: Database,
  input: { readonly limit?: number } = {},
): Promise<Trade[]> {
  return await many('listRecentTrades', db.select().from(recentTrades).limit(readLimit(input.limit)))
}
