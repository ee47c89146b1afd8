import { eq, ne, sql } from 'drizzle-orm'
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  primaryKey,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { counter, instant, isNotBlank, isObject, isOneOf, json, label, NOW } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { risk, SEVERITIES } from './values.ts'

export const KILL_SWITCH_SOURCES = [
  'manual',
  'api',
  'circuit_breaker_cascade',
  'system_health',
  'exchange_emergency',
  'security_alert',
  'critical_error',
] as const
export type KillSwitchSource = (typeof KILL_SWITCH_SOURCES)[number]

export const KILL_SWITCH_STATUSES = ['active', 'partial_recovery', 'deactivated'] as const
export type KillSwitchStatus = (typeof KILL_SWITCH_STATUSES)[number]

/** One thing that was done while the switch was on. */
export const killSwitchActionsSchema = z.array(
  z.object({
    at: z.string(),
    by: z.string(),
    action: z.string(),
    botId: z.string().optional(),
    note: z.string().optional(),
  }),
)
export type KillSwitchAction = z.output<typeof killSwitchActionsSchema>[number]

/** Decimal text per currency. */
export const equityByCurrencySchema = z.record(z.string(), z.string())
export type EquityByCurrency = z.output<typeof equityByCurrencySchema>

/**
 * One activation of the kill switch, from its beginning to its end. At most one is not deactivated.
 *
 * What was closed and cancelled is added as it happens; who began it, when and why stays.
 */
export const killSwitchEvents = risk.table(
  'kill_switch_events',
  {
    id: uuid('id').notNull(),
    status: label('status', KILL_SWITCH_STATUSES).notNull().default('active'),
    source: label('source', KILL_SWITCH_SOURCES).notNull(),
    severity: label('severity', SEVERITIES).notNull(),
    reason: label('reason').notNull(),
    activatedBy: label('activated_by').notNull(),
    activatedAt: instant('activated_at').notNull().default(NOW),
    /** SHA-256 of the id and the confirmation code, in hexadecimal. The code itself is nowhere. */
    codeHash: label('code_hash').notNull(),
    wrongCodes: integer('wrong_codes').notNull().default(0),
    /** Until then no code is looked at; null while there were fewer than five wrong ones in a row. */
    codeLockedUntil: instant('code_locked_until'),
    /** Of the whole fleet when the switch was thrown, and when it was taken back: equity as the bots reported it. */
    openPositionsBefore: integer('open_positions_before').notNull(),
    openOrdersBefore: integer('open_orders_before').notNull(),
    equityBefore: json('equity_before', equityByCurrencySchema).notNull(),
    equityAfter: json('equity_after', equityByCurrencySchema),
    positionsClosed: integer('positions_closed').notNull().default(0),
    ordersCancelled: integer('orders_cancelled').notNull().default(0),
    actionLog: json('action_log', killSwitchActionsSchema).notNull().default(sql`'[]'`),
    recoveryStartedAt: instant('recovery_started_at'),
    recoveryStartedBy: label('recovery_started_by'),
    recoveryNotes: label('recovery_notes'),
    deactivatedAt: instant('deactivated_at'),
    deactivatedBy: label('deactivated_by'),
    deactivationReason: label('deactivation_reason'),
    /** Who changed this row last, and why; null while it is as it was made. */
    changedBy: label('changed_by'),
    changeReason: label('change_reason'),
  },
  (event) => [
    primaryKey({ name: 'kill_switch_events_pkey', columns: [event.id] }),
    // Serves findActiveKillSwitch; a second switch that is on cannot be.
    uniqueIndex('kill_switch_events_on_key').on(sql`(true)`).where(ne(event.status, sql`'deactivated'`)),
    // Serves listKillSwitchEvents: newest first.
    index('kill_switch_events_activated_at_idx').on(
      event.activatedAt.desc().nullsFirst(),
      event.id.desc().nullsFirst(),
    ),
    check('kill_switch_events_status_check', isOneOf(event.status, KILL_SWITCH_STATUSES)),
    check('kill_switch_events_source_check', isOneOf(event.source, KILL_SWITCH_SOURCES)),
    check('kill_switch_events_severity_check', isOneOf(event.severity, SEVERITIES)),
    check('kill_switch_events_reason_check', isNotBlank(event.reason)),
    check('kill_switch_events_activated_by_check', isNotBlank(event.activatedBy)),
    check('kill_switch_events_wrong_codes_check', sql`${event.wrongCodes} >= 0`),
    check('kill_switch_events_equity_before_check', isObject(event.equityBefore)),
    check('kill_switch_events_equity_after_check', isObject(event.equityAfter)),
    check('kill_switch_events_action_log_check', sql`jsonb_typeof(${event.actionLog}) = 'array'`),
    check(
      'kill_switch_events_deactivated_at_check',
      sql`(${event.status} = 'deactivated') = (${event.deactivatedAt} is not null) and (${event.status} = 'deactivated') = (${event.deactivatedBy} is not null)`,
    ),
  ],
)

/**
 * The one row that says whether the kill switch is on. Whoever throws it, takes it back or registers a bot locks this row
 * first, so that no bot comes into being beside it.
 */
export const killSwitch = risk.table(
  'kill_switch',
  {
    id: boolean('id').notNull().default(true),
    /** The event that is not deactivated; null while the switch is off. */
    eventId: uuid('event_id'),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'kill_switch_pkey', columns: [one.id] }),
    foreignKey({
      name: 'kill_switch_event_id_fkey',
      columns: [one.eventId],
      foreignColumns: [killSwitchEvents.id],
    }),
    check('kill_switch_id_check', eq(one.id, sql`true`)),
  ],
)

/**
 * What lets the orders of one bot through one by one. Made with the bot.
 *
 * `placeOrder` moves `version` on before it checks anything, and so does whatever changes what the bot may do: an order and
 * a change never pass each other unseen, whatever the isolation of their transactions.
 */
export const gates = risk.table(
  'gates',
  {
    botId: label('bot_id').notNull(),
    /** The event of the kill switch that holds this bot; null when none does. */
    killSwitchEventId: uuid('kill_switch_event_id'),
    version: counter('version').notNull().default(0),
  },
  (gate) => [
    // Serves placeOrder.
    primaryKey({ name: 'gates_pkey', columns: [gate.botId] }),
    foreignKey({
      name: 'gates_bot_id_fkey',
      columns: [gate.botId],
      foreignColumns: [bots.botId],
    }).onDelete('cascade'),
  ],
)
