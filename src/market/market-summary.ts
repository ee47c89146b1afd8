import { and, eq } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, selectStatement } from '../db/statement.ts'
import { marketSummary } from './schema/views.ts'
import { describeSeries, readSeriesName } from './series.ts'
import type { Timeframe } from './timeframes.ts'

/** What is known of a symbol at the moment. */
export type MarketSummary = typeof marketSummary.$inferSelect

export interface GetMarketSummaryInput {
  readonly exchange: string
  readonly symbol: string
  readonly timeframe: Timeframe
}

const bySeries: PreparedStatement<MarketSummary, 'exchange' | 'symbol' | 'timeframe'> = selectStatement(
  'getMarketSummary',
  (slot) =>
    new QueryBuilder()
      .select()
      .from(marketSummary)
      .where(
        and(
          eq(marketSummary.exchange, slot('exchange')),
          eq(marketSummary.symbol, slot('symbol')),
          eq(marketSummary.timeframe, slot('timeframe')),
        ),
      ),
)

/**
 * Returns the last candle of a series, how the 24 hours up to it went, and the newest funding rate and Fear & Greed reading.
 *
 * It reads the candles of those 24 hours: 25 of an hour, 1,441 of a minute, 86,401 of a second. Look at `lastPriceAt` and
 * `comparedOpenTime` before you trade on it: both may be old.
 *
 * @throws `not_found` if the series has no candle.
 * @throws `invalid_input` naming the field.
 */
export async function getMarketSummary(db: Database, input: GetMarketSummaryInput): Promise<MarketSummary> {
  const series = readSeriesName(input)
  const rows = await bySeries.run(db, series)
  return found(`candle of ${describeSeries(series)}`, only(bySeries.name, rows))
}
