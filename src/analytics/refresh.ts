import { asc, getTableColumns, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { many } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { refreshes } from './schema/portfolio.ts'

/** How up to date a materialised view is. */
export type Refresh = typeof refreshes.$inferSelect

const statement: PreparedStatement<Refresh, never> = sqlStatement('refreshAnalytics', () => ({
  query: sql`select view_name, refreshed_at, duration_ms, row_count from analytics.refresh()`,
  fields: getTableColumns(refreshes),
}))

/**
 * Brings `analytics.bot_performance` and `analytics.daily_portfolio` up to date, and returns when each was.
 *
 * What was committed before the call is in them afterwards; their days are those that `calculateDailyPnl` has stored. Readers do
 * not wait, and see a view and its age change together. Of several calls at once, one works and the others wait for it; those it
 * began after need no refresh of their own. In a transaction it shows what that has written, and others wait until it ends, so let it
 * be short. Each view is made anew, then compared: the cost grows with all trades and days. Where it takes longer than the
 * statement timeout, connect with a longer `statementTimeoutMs`.
 *
 * @throws `transient` if another call took longer than `lockTimeoutMs`.
 * @throws `unexpected` for a database role that does not own the views: only a member of the role that migrated may refresh them.
 */
export async function refreshAnalytics(db: Database): Promise<Refresh[]> {
  return await statement.run(db, {})
}

/** Returns when each materialised view was refreshed last, by name. The migration that makes them refreshes them first. */
export async function listRefreshes(db: Database): Promise<Refresh[]> {
  return await many('listRefreshes', db.select().from(refreshes).orderBy(asc(refreshes.viewName)))
}
