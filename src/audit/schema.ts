import { sql } from 'drizzle-orm'
import { bigint, check, index, pgSchema, primaryKey, uuid } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { instant, isNotBlank, isObject, isOneOf, json, label, NOW } from '../db/columns.ts'

export const audit = pgSchema('audit')

export const RISK_EVENT_KINDS = [
  'settings_changed',
  'kill_switch_changed',
  'circuit_breaker_changed',
  'lock_changed',
  'stop_order_changed',
  'alert_changed',
  'bot_status_changed',
  'order_denied',
] as const
export type RiskEventKind = (typeof RISK_EVENT_KINDS)[number]

/** What is written in place of a bot's id where something concerns the whole fleet. */
export const FLEET = '*'

/** What happened, with amounts as decimal text where this library wrote them. */
export const detailsSchema = z.record(z.string(), z.json())
export type EventDetails = z.output<typeof detailsSchema>

/**
 * One change of what bots may do, or one order that was refused. Append-only, without references: it outlives its subjects.
 *
 * Written by the database in the transaction of the change, whoever makes it.
 */
export const riskEvents = audit.table(
  'risk_events',
  {
    /** `*` where it concerns the whole fleet. */
    botId: label('bot_id').notNull(),
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    kind: label('kind', RISK_EVENT_KINDS).notNull(),
    /** Who did it: a person, a program, or the bot; the session's role where nobody said. */
    actor: label('actor').notNull(),
    /** Null where nobody said. */
    reason: label('reason'),
    /** The row that changed, or the order that was refused. */
    subjectId: uuid('subject_id'),
    details: json('details', detailsSchema).notNull(),
    occurredAt: instant('occurred_at').notNull().default(NOW),
  },
  (event) => [
    primaryKey({ name: 'risk_events_pkey', columns: [event.botId, event.id] }),
    // Serves listRiskEvents: newest first for one bot.
    index('risk_events_occurred_at_idx').on(
      event.botId,
      event.occurredAt.desc().nullsFirst(),
      event.id.desc().nullsFirst(),
    ),
    check('risk_events_bot_id_check', isNotBlank(event.botId)),
    check('risk_events_kind_check', isOneOf(event.kind, RISK_EVENT_KINDS)),
    check('risk_events_actor_check', isNotBlank(event.actor)),
    check('risk_events_details_check', sql`${isObject(event.details)}`),
  ],
)
