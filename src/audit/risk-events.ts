import { and, desc, eq } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { FLEET, RISK_EVENT_KINDS, type RiskEventKind, riskEvents } from './schema.ts'

export type RiskEvent = typeof riskEvents.$inferSelect

export interface ListRiskEventsInput extends PageInput<Pick<RiskEvent, 'occurredAt' | 'id'>> {
  /** A bot's own; the fleet's where it is left out. */
  readonly botId?: string | undefined
  readonly kind?: RiskEventKind | undefined
}

/**
 * Returns what changed in the risk of a bot, or of the whole fleet, and the orders that were refused: newest first. Each row says
 * who did it, why, and what it was before and after.
 */
export async function listRiskEvents(db: Database, input: ListRiskEventsInput = {}): Promise<RiskEvent[]> {
  const { botId, kind, after } = input
  return await many(
    'listRiskEvents',
    db
      .select()
      .from(riskEvents)
      .where(
        and(
          eq(riskEvents.botId, botId === undefined ? FLEET : toName(botId, 'botId')),
          kind && eq(riskEvents.kind, toOneOf(kind, RISK_EVENT_KINDS, 'kind')),
          comesAfter(
            riskEvents.occurredAt,
            riskEvents.id,
            after && { at: after.occurredAt, id: after.id.toString() },
          ),
        ),
      )
      .orderBy(desc(riskEvents.occurredAt), desc(riskEvents.id))
      .limit(readLimit(input.limit)),
  )
}
