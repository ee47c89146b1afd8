import type { Database } from '../db/database.ts'
import { isTransaction, transaction } from '../db/transaction.ts'
import { renderPage } from './tear-sheet/page.ts'
import { readTearSheetData, type TearSheetInput } from './tear-sheet/read-data.ts'

export type RenderTearSheetInput = TearSheetInput

/**
 * Returns the tear sheet of a bot or a fleet: one HTML page with its returns, drawdowns, months, trades and every figure of
 * `getPerformance`, of the days from `from` to `to`, both included; of all there are, unless given.
 *
 * The page needs nothing but itself: no network, no other file. Charts are drawn by the Chart.js in it, and each has its table
 * behind it. Days come from `calculateDailyPnl`, trades from the ledger, all as of one moment. What has no value is said to have
 * none. Of five years it is about 800 KB.
 *
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field, also if `to` is before `from`; `fleet.baseCurrency` where the bots of the mode count in
 * several.
 */
export async function renderTearSheet(db: Database, input: RenderTearSheetInput): Promise<string> {
  const read = (handle: Database) => readTearSheetData(handle, input)
  // Who calls this in a transaction has chosen what it sees.
  const data = isTransaction(db)
    ? await read(db)
    : await transaction(db, read, { isolationLevel: 'repeatable read', accessMode: 'read only' })
  return renderPage(data)
}
