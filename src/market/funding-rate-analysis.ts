import { getViewSelectedFields, sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type FundingRateSeries, readSeries, whatOf } from './funding-rates.ts'
import { fundingRateAnalysis } from './schema/funding-views.ts'

export type FundingRateAnalysis = typeof fundingRateAnalysis.$inferSelect

export interface FundingRateAnalysisInput extends FundingRateSeries {
  /** The moment to look back from; what came later does not count. The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

const analysisAt: PreparedStatement<FundingRateAnalysis, 'exchange' | 'symbol' | 'now'> = sqlStatement(
  'getFundingRateAnalysis',
  (slot) => {
    const fields = getViewSelectedFields(fundingRateAnalysis)
    const columns = Object.values(fields).map(({ name }) => sql.identifier(name))
    return {
      query: sql`
        select ${sql.join(columns, sql`, `)}
        from market.funding_rate_analysis_of(${slot('exchange')}, ${slot('symbol')}, coalesce(${slot('now')}::timestamptz, now()))`,
      fields,
    }
  },
)

/**
 * Returns what the funding rates of a symbol were like over the 24 hours, 7 days and 30 days up to `now`: the newest rate,
 * settled or estimated, and the means, extremes and numbers of settled ones.
 *
 * A rate belongs to a window by its `fundingTime`: after the window's start, and up to `now` inclusive. Means and extremes of
 * an empty window are null. Means of rates with different intervals are not comparable; annualised means are, and count each
 * rate for its hours.
 *
 * @throws `not_found` naming exchange and symbol if there was no rate up to `now`.
 */
export async function getFundingRateAnalysis(
  db: Database,
  input: FundingRateAnalysisInput,
): Promise<FundingRateAnalysis> {
  const now = input.now === undefined ? null : toInstant(input.now, 'now')
  const rows = await analysisAt.run(db, { ...readSeries(input), now })
  return found(whatOf(input), only('getFundingRateAnalysis', rows))
}
