import { and, desc, eq } from 'drizzle-orm'
import { isOneOf, toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne } from '../db/rows.ts'
import { appendOnce, appends } from './append.ts'
import { EVENT_SEVERITIES, type EventDetails, type EventSeverity, FLEET, systemEvents } from './schema.ts'

export type SystemEvent = typeof systemEvents.$inferSelect

export interface RecordSystemEventInput {
  /** Whose event; the fleet's if left out. The bot need not be registered: what fails before it is, is an event too. */
  readonly botId?: string | undefined
  /** A UUID of the caller's own, which makes recording the event safe to repeat. */
  readonly eventId?: string | undefined
  /** In the writer's own words: `bot_started`, `sync_completed`, `exchange_error`. */
  readonly kind: string
  readonly severity: EventSeverity
  /** Who did it: a person, a program, or the bot. */
  readonly actor?: string | undefined
  /** Which part of the system says so. */
  readonly component?: string | undefined
  readonly message: string
  /** Amounts in it as decimal text. */
  readonly details?: EventDetails | undefined
  readonly exchange?: string | undefined
  readonly symbol?: string | undefined
  readonly orderId?: string | undefined
  readonly tradeId?: string | undefined
  readonly positionId?: string | undefined
  readonly errorCode?: string | undefined
  readonly stackTrace?: string | undefined
  /** The database's clock if left out. */
  readonly occurredAt?: Date | undefined
}

const append = appends('recordSystemEvent', systemEvents)

/**
 * Writes down what happened to the system, and returns it. The row can never be changed or removed without `verifyAuditTrail` finding it.
 *
 * Safe to repeat with the same `eventId`: the stored row comes back. Without one each call writes a row.
 *
 * @throws `conflict` naming the fields if the event of this id was recorded with other content.
 * @throws `invalid_input` naming the field.
 */
export async function recordSystemEvent(db: Database, input: RecordSystemEventInput): Promise<SystemEvent> {
  const botId = input.botId === undefined ? FLEET : toName(input.botId, 'botId')
  const values = {
    botId,
    eventId: input.eventId ?? null,
    kind: toName(input.kind, 'kind'),
    severity: toOneOf(input.severity, EVENT_SEVERITIES, 'severity'),
    actor: input.actor === undefined ? null : toName(input.actor, 'actor'),
    component: input.component ?? null,
    message: toName(input.message, 'message'),
    details: input.details ?? {},
    exchange: input.exchange ?? null,
    symbol: input.symbol ?? null,
    orderId: input.orderId ?? null,
    tradeId: input.tradeId ?? null,
    positionId: input.positionId ?? null,
    errorCode: input.errorCode ?? null,
    stackTrace: input.stackTrace ?? null,
    occurredAt: input.occurredAt && toInstant(input.occurredAt, 'occurredAt'),
  }
  return await appendOnce(
    `event ${input.eventId}`,
    values,
    (eventId) =>
      maybeOne(
        'recordSystemEvent: stored',
        db
          .select()
          .from(systemEvents)
          .where(and(eq(systemEvents.botId, botId), eq(systemEvents.eventId, eventId))),
      ),
    () => append(db, values),
  )
}

export interface ListSystemEventsInput extends PageInput<Pick<SystemEvent, 'occurredAt' | 'id'>> {
  /** A bot's own; the fleet's where it is left out. */
  readonly botId?: string | undefined
  /** That severe or worse. */
  readonly minimumSeverity?: EventSeverity | undefined
}

/** Returns what happened to a bot, or to the fleet: newest first. */
export async function listSystemEvents(
  db: Database,
  input: ListSystemEventsInput = {},
): Promise<SystemEvent[]> {
  const { botId, minimumSeverity, after } = input
  return await many(
    'listSystemEvents',
    db
      .select()
      .from(systemEvents)
      .where(
        and(
          eq(systemEvents.botId, botId === undefined ? FLEET : toName(botId, 'botId')),
          // As text of the statement, so that the index of the severe ones is seen to fit.
          minimumSeverity === undefined ? undefined : isOneOf(systemEvents.severity, from(minimumSeverity)),
          comesAfter(
            systemEvents.occurredAt,
            systemEvents.id,
            after && { at: after.occurredAt, id: after.id.toString() },
          ),
        ),
      )
      .orderBy(desc(systemEvents.occurredAt), desc(systemEvents.id))
      .limit(readLimit(input.limit)),
  )
}

function from(severity: EventSeverity): EventSeverity[] {
  return EVENT_SEVERITIES.slice(
    EVENT_SEVERITIES.indexOf(toOneOf(severity, EVENT_SEVERITIES, 'minimumSeverity')),
  )
}
