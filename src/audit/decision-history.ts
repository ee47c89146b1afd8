import { and, desc, eq } from 'drizzle-orm'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne } from '../db/rows.ts'
import { appendOnce, appends } from './append.ts'
import { DECISION_ACTIONS, type DecisionAction, decisionHistory, type EventDetails, FLEET } from './schema.ts'

export type DecisionHistoryEntry = typeof decisionHistory.$inferSelect

export interface RecordDecisionHistoryInput {
  /** Whose; the fleet's if left out. */
  readonly botId?: string | undefined
  /** A UUID of the caller's own, which makes recording the step safe to repeat. */
  readonly eventId?: string | undefined
  readonly action: DecisionAction
  /** Who did it: a person, a program, or the bot. */
  readonly actor: string
  readonly symbol?: string | undefined
  readonly rationale: string
  /** 0 to 1. */
  readonly confidence?: number | undefined
  /** `pass`, or `fail:` and the code of the check that refused. */
  readonly riskCheckResult?: string | undefined
  readonly strategyId?: string | undefined
  readonly tradeIdeaId?: string | undefined
  readonly snapshotId?: string | undefined
  readonly decisionId?: string | undefined
  readonly orderId?: string | undefined
  /** True where a person decided against or beyond what the rules said. */
  readonly humanOverride?: boolean | undefined
  /** Amounts in it as decimal text. */
  readonly details?: EventDetails | undefined
  /** The database's clock if left out. */
  readonly occurredAt?: Date | undefined
}

const append = appends('recordDecisionHistory', decisionHistory)

/**
 * Writes down one step of a decision, and returns it: a note of an operator, or what a program of one's own decided. The workflow of
 * trade ideas writes its steps by itself. A correction is another row.
 *
 * Safe to repeat with the same `eventId`: the stored row comes back. Without one each call writes a row.
 *
 * @throws `conflict` naming the fields if the step of this id was recorded with other content.
 * @throws `invalid_input` naming the field.
 */
export async function recordDecisionHistory(
  db: Database,
  input: RecordDecisionHistoryInput,
): Promise<DecisionHistoryEntry> {
  const botId = input.botId === undefined ? FLEET : toName(input.botId, 'botId')
  const values = {
    botId,
    eventId: input.eventId ?? null,
    action: toOneOf(input.action, DECISION_ACTIONS, 'action'),
    actor: toName(input.actor, 'actor'),
    symbol: input.symbol ?? null,
    rationale: toName(input.rationale, 'rationale'),
    confidence: input.confidence ?? null,
    riskCheckResult:
      input.riskCheckResult === undefined ? null : toName(input.riskCheckResult, 'riskCheckResult'),
    strategyId: input.strategyId ?? null,
    tradeIdeaId: input.tradeIdeaId ?? null,
    snapshotId: input.snapshotId ?? null,
    decisionId: input.decisionId ?? null,
    orderId: input.orderId ?? null,
    humanOverride: input.humanOverride ?? false,
    details: input.details ?? {},
    occurredAt: input.occurredAt && toInstant(input.occurredAt, 'occurredAt'),
  }
  return await appendOnce(
    `step ${input.eventId}`,
    values,
    (eventId) =>
      maybeOne(
        'recordDecisionHistory: stored',
        db
          .select()
          .from(decisionHistory)
          .where(and(eq(decisionHistory.botId, botId), eq(decisionHistory.eventId, eventId))),
      ),
    () => append(db, values),
  )
}

export interface ListDecisionHistoryInput extends PageInput<Pick<DecisionHistoryEntry, 'occurredAt' | 'id'>> {
  /** A bot's own; the fleet's where it is left out. */
  readonly botId?: string | undefined
  /** The steps of one idea alone. */
  readonly tradeIdeaId?: string | undefined
  /** The steps of one decision alone. */
  readonly decisionId?: string | undefined
}

/** Returns what was proposed, approved, refused and halted, by whom and why: newest first. */
export async function listDecisionHistory(
  db: Database,
  input: ListDecisionHistoryInput = {},
): Promise<DecisionHistoryEntry[]> {
  const { botId, tradeIdeaId, decisionId, after } = input
  if (tradeIdeaId !== undefined && decisionId !== undefined) {
    throw new DataError('invalid_input', 'decisionId is given beside tradeIdeaId: ask for one of them', {
      field: 'decisionId',
    })
  }
  return await many(
    'listDecisionHistory',
    db
      .select()
      .from(decisionHistory)
      .where(
        and(
          eq(decisionHistory.botId, botId === undefined ? FLEET : toName(botId, 'botId')),
          tradeIdeaId === undefined ? undefined : eq(decisionHistory.tradeIdeaId, tradeIdeaId),
          decisionId === undefined ? undefined : eq(decisionHistory.decisionId, decisionId),
          comesAfter(
            decisionHistory.occurredAt,
            decisionHistory.id,
            after && { at: after.occurredAt, id: after.id.toString() },
          ),
        ),
      )
      .orderBy(desc(decisionHistory.occurredAt), desc(decisionHistory.id))
      .limit(readLimit(input.limit)),
  )
}
