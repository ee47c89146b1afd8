import { and, asc, eq, gt } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { DAY_MS } from '../market/timeframes.ts'
import { type RiskScore, type RiskScoreInput, riskScore } from '../statistics/risk-score.ts'
import { riskSummary } from './schema/summary-view.ts'

type SummaryRow = typeof riskSummary.$inferSelect

/** The risk of one bot at a glance, as of now. */
export interface RiskSummary extends SummaryRow {
  /** What the figures come to, and which of them are missing. */
  readonly risk: RiskScore
}

export interface GetRiskSummaryInput extends PageInput<Pick<RiskSummary, 'botId'>> {
  /** Every bot of the fleet unless given. */
  readonly botId?: string | undefined
}

/** A fleet is shown whole, up to the largest page. */
const LIMIT = 1_000

/**
 * Returns the risk of a bot, or of each bot of the fleet, by id: state and what makes it so, what is held and on its way, leverage,
 * drawdown, the day's net PnL, the last halt and the last value at risk. Figures that are not known are null.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function getRiskSummary(db: Database, input: GetRiskSummaryInput = {}): Promise<RiskSummary[]> {
  const botId = input.botId === undefined ? undefined : toBotId(input.botId)
  const rows = await many(
    'getRiskSummary',
    db
      .select()
      .from(riskSummary)
      .where(
        and(
          botId === undefined ? undefined : eq(riskSummary.botId, botId),
          input.after && gt(riskSummary.botId, toBotId(input.after.botId)),
        ),
      )
      .orderBy(asc(riskSummary.botId))
      .limit(readLimit(input.limit ?? LIMIT)),
  )
  if (botId !== undefined && rows.length === 0 && input.after === undefined) {
    throw new DataError('not_found', `bot '${botId}' not found`)
  }
  return rows.map((row) => ({ ...row, risk: riskScore(scoreInput(row)) }))
}

function scoreInput(row: SummaryRow): RiskScoreInput {
  // Of an account in debt it is more than all.
  const drawdownFraction = row.drawdownFraction === null ? null : Math.min(1, row.drawdownFraction)
  const isFlat = row.openPositions === 0
  // Nothing that is held can fall, and there is nothing to sell.
  if (isFlat) {
    return {
      valueAtRiskFraction: 0,
      leverage: 0,
      concentration: 0,
      drawdownFraction,
      correlation: 0,
      liquidity: 1,
    }
  }
  return {
    valueAtRiskFraction: dailyValueAtRisk(row),
    leverage: row.leverage,
    concentration: row.concentration,
    drawdownFraction,
    correlation: row.correlation,
    liquidity: row.liquidity,
  }
}

/** The last value at risk, if it is of one day, of everything held, and not older than a day. */
function dailyValueAtRisk(row: SummaryRow): number | null {
  const { valueAtRiskCalculatedAt: at, valueAtRiskUnpriced: unpriced, checkedAt } = row
  const isOfOneDay = row.valueAtRiskHorizonDays === 1
  const isWhole = unpriced !== null && unpriced.length === 0
  const isFresh = at !== null && checkedAt.getTime() - at.getTime() <= DAY_MS
  return isOfOneDay && isWhole && isFresh ? row.valueAtRiskFraction : null
}
