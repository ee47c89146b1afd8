import { and, desc, eq, notExists, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { isOneOf, toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { appendOnce, appends } from './append.ts'
import {
  type EventDetails,
  FLEET,
  RISK_BREACH_KINDS,
  RISK_EVENT_KINDS,
  type RiskBreachKind,
  type RiskEventKind,
  riskEvents,
} from './schema.ts'

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
          eq(riskEvents.botId, botOf(botId)),
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

export interface RecordRiskEventInput {
  /** Whose limit; the fleet's if left out. */
  readonly botId?: string | undefined
  /** A UUID of the caller's own, which makes recording the event safe to repeat. */
  readonly eventId?: string | undefined
  readonly kind: RiskBreachKind
  /** Who says so: a person or a program. */
  readonly actor: string
  readonly reason?: string | undefined
  /** What was found, in the unit of the limit. */
  readonly actual?: Amount | undefined
  /** What is allowed, in the same unit. */
  readonly threshold?: Amount | undefined
  /** What was done about it, in the caller's words: `position_reduced`, `trading_halted`. */
  readonly actionTaken?: string | undefined
  /** Amounts in it as decimal text. */
  readonly details?: EventDetails | undefined
  /** The database's clock if left out. */
  readonly occurredAt?: Date | undefined
}

const append = appends('recordRiskEvent', riskEvents)

/**
 * Writes down that a limit was reached, and what was done about it, and returns it. It changes nothing else: what must stop a bot is a
 * circuit breaker. `resolveRiskEvent` says that it is over.
 *
 * Safe to repeat with the same `eventId`: the stored row comes back. Without one each call writes a row.
 *
 * @throws `conflict` naming the fields if the event of this id was recorded with other content.
 * @throws `invalid_input` naming the field.
 */
export async function recordRiskEvent(db: Database, input: RecordRiskEventInput): Promise<RiskEvent> {
  const botId = botOf(input.botId)
  const values = {
    botId,
    eventId: input.eventId ?? null,
    kind: toOneOf(input.kind, RISK_BREACH_KINDS, 'kind'),
    actor: toName(input.actor, 'actor'),
    reason: input.reason ?? null,
    actual: input.actual === undefined ? null : toDecimal(input.actual, 'actual'),
    threshold: input.threshold === undefined ? null : toDecimal(input.threshold, 'threshold'),
    actionTaken: input.actionTaken ?? null,
    details: input.details ?? {},
    occurredAt: input.occurredAt && toInstant(input.occurredAt, 'occurredAt'),
  }
  return await appendOnce(
    `risk event ${input.eventId}`,
    values,
    (eventId) => findBy(db, botId, eq(riskEvents.eventId, eventId)),
    () => append(db, values),
  )
}

export interface ResolveRiskEventInput {
  /** The fleet's if left out. */
  readonly botId?: string | undefined
  readonly eventId: bigint
  /** Who says that it is over. */
  readonly resolvedBy: string
  /** How it ended. */
  readonly notes: string
}

/**
 * Writes down that what `recordRiskEvent` reported is over, as a row of its own, and returns that row. An event ends once; a repeat by the
 * same person with the same notes returns the row that did it.
 *
 * @throws `not_found` if the bot has no such event.
 * @throws `conflict` if somebody else has resolved it, or with other notes.
 * @throws `invalid_input` if the event reports no limit: a change or a refusal is nothing that ends.
 */
export async function resolveRiskEvent(db: Database, input: ResolveRiskEventInput): Promise<RiskEvent> {
  const botId = botOf(input.botId)
  const { eventId } = input
  const [actor, reason] = [toName(input.resolvedBy, 'resolvedBy'), toName(input.notes, 'notes')]
  const what = `risk event ${eventId}`
  const stored = await findBy(db, botId, eq(riskEvents.id, eventId))
  if (stored === undefined) throw new DataError('not_found', `${what} of bot '${botId}' not found`)
  if (!(RISK_BREACH_KINDS as readonly string[]).includes(stored.kind)) {
    throw new DataError('invalid_input', `${what} is '${stored.kind}', which nobody resolves`, {
      field: 'eventId',
    })
  }
  const isResolution = eq(riskEvents.resolvesId, eventId)
  const earlier = await findBy(db, botId, isResolution)
  if (earlier) return theSame(earlier)
  const values = { botId, kind: 'resolved', actor, reason, resolvesId: eventId, details: {} } as const
  try {
    return await one('resolveRiskEvent', what, db.insert(riskEvents).values(values).returning())
  } catch (thrown) {
    if (!isDataError(thrown) || thrown.constraint !== 'risk_events_resolves_id_key') throw thrown
    const winner = await findBy(db, botId, isResolution).catch(() => undefined)
    if (winner === undefined) throw thrown
    return theSame(winner)
  }

  function theSame(row: RiskEvent): RiskEvent {
    if (row.actor === actor && row.reason === reason) return row
    throw new DataError(
      'conflict',
      `${what} was resolved by '${row.actor}' at ${row.occurredAt.toISOString()}`,
      {
        field: 'eventId',
      },
    )
  }
}

export interface ListUnresolvedRiskEventsInput extends PageInput<Pick<RiskEvent, 'occurredAt' | 'id'>> {
  /** A bot's own; the fleet's where it is left out. */
  readonly botId?: string | undefined
}

/** Returns the limits that were reached and of which nobody has said that they are over: newest first. */
export async function listUnresolvedRiskEvents(
  db: Database,
  input: ListUnresolvedRiskEventsInput = {},
): Promise<RiskEvent[]> {
  const { botId, after } = input
  const end = alias(riskEvents, 'resolution')
  return await many(
    'listUnresolvedRiskEvents',
    db
      .select()
      .from(riskEvents)
      .where(
        and(
          eq(riskEvents.botId, botOf(botId)),
          isOneOf(riskEvents.kind, RISK_BREACH_KINDS),
          notExists(
            db
              .select({ one: sql`1` })
              .from(end)
              .where(and(eq(end.botId, riskEvents.botId), eq(end.resolvesId, riskEvents.id))),
          ),
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

function botOf(botId: string | undefined): string {
  return botId === undefined ? FLEET : toName(botId, 'botId')
}

async function findBy(db: Database, botId: string, which: SQL): Promise<RiskEvent | undefined> {
  return await maybeOne(
    'recordRiskEvent: stored',
    db
      .select()
      .from(riskEvents)
      .where(and(eq(riskEvents.botId, botId), which)),
  )
}
