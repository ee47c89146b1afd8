import { and, asc, eq, getTableColumns, gte, lte, or, sql } from 'drizzle-orm'
import type { Decision } from '../analysis/decision-input.ts'
import { decisions } from '../analysis/schema/index.ts'
import type { Database } from '../db/database.ts'
import { toUuid } from '../db/input.ts'
import { readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { fills } from '../trading/schema/fills.ts'
import { orders } from '../trading/schema/orders.ts'
import { positions } from '../trading/schema/positions.ts'

export interface ListTradeDecisionsInput {
  readonly botId: string
  /** Of a trade, or of a position that is open still. */
  readonly positionId: string
  readonly limit?: number | undefined
}

/**
 * Returns the decisions that a trade was made of, in the order in which their orders were first filled: the first one opened it, where it
 * was opened by a decision. Empty if its orders name none. `replayDecision` tells the story of each.
 *
 * @throws `invalid_input` naming the field.
 */
export async function listTradeDecisions(db: Database, input: ListTradeDecisionsInput): Promise<Decision[]> {
  const botId = toBotId(input.botId)
  const positionId = toUuid(input.positionId, 'positionId')
  return await many(
    'listTradeDecisions',
    db
      .select(getTableColumns(decisions))
      .from(positions)
      .innerJoin(
        fills,
        and(
          eq(fills.botId, positions.botId),
          eq(fills.exchange, positions.exchange),
          eq(fills.symbol, positions.symbol),
          eq(fills.positionSide, positions.positionSide),
          gte(fills.executedAt, positions.openedAt),
          lte(fills.executedAt, sql`coalesce(${positions.closedAt}, 'infinity')`),
          or(eq(fills.positionId, positions.id), eq(fills.openedPositionId, positions.id)),
        ),
      )
      .innerJoin(orders, and(eq(orders.botId, fills.botId), eq(orders.id, fills.orderId)))
      .innerJoin(decisions, and(eq(decisions.botId, orders.botId), eq(decisions.id, orders.decisionId)))
      .where(and(eq(positions.botId, botId), eq(positions.id, positionId)))
      .groupBy(decisions.botId, decisions.id)
      .orderBy(asc(sql`min(${fills.executedAt})`), asc(sql`min(${fills.sequence})`), asc(decisions.id))
      .limit(readLimit(input.limit)),
  )
}
