import { sql } from 'drizzle-orm'
import { check, index, primaryKey, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import {
  instant,
  isFiniteAmount,
  isNotBlank,
  isObject,
  isOneOf,
  json,
  label,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { contextSchema, risk, SEVERITIES } from './values.ts'

export const ALERT_KINDS = [
  'exposure_limit',
  'correlation_breach',
  'value_at_risk_exceeded',
  'drawdown_warning',
  'concentration_risk',
  'liquidity_risk',
  'volatility_spike',
  'circuit_breaker',
  'kill_switch',
  'stale_data',
  'other',
] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

export const ALERT_STATUSES = ['open', 'acknowledged', 'resolved'] as const
export type AlertStatus = (typeof ALERT_STATUSES)[number]

/** A breach that somebody should know of. It stops nothing. Only its status moves on. */
export const alerts = risk.table(
  'alerts',
  {
    /** `*` where it concerns the whole fleet; then it refers to no bot, and so there is no foreign key. */
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    kind: label('kind', ALERT_KINDS).notNull(),
    severity: label('severity', SEVERITIES).notNull(),
    status: label('status', ALERT_STATUSES).notNull().default('open'),
    symbol: label('symbol'),
    title: label('title').notNull(),
    message: label('message').notNull(),
    recommendation: label('recommendation'),
    /** In the unit of the alert's kind. */
    threshold: quotient('threshold'),
    actual: quotient('actual'),
    context: json('context', contextSchema).notNull().default(sql`'{}'`),
    /** The same key is the same alert while it is not resolved; null for one that is alone. */
    dedupeKey: label('dedupe_key'),
    raisedBy: label('raised_by').notNull(),
    raisedAt: instant('raised_at').notNull().default(NOW),
    acknowledgedBy: label('acknowledged_by'),
    acknowledgedAt: instant('acknowledged_at'),
    resolvedBy: label('resolved_by'),
    resolvedAt: instant('resolved_at'),
    resolutionReason: label('resolution_reason'),
  },
  (alert) => [
    primaryKey({ name: 'alerts_pkey', columns: [alert.botId, alert.id] }),
    // Serves recordAlert.
    uniqueIndex('alerts_dedupe_key_key')
      .on(alert.botId, alert.dedupeKey)
      .where(sql`${alert.status} <> 'resolved' and ${alert.dedupeKey} is not null`),
    // Serves listOpenAlerts: newest first for one bot.
    index('alerts_open_idx')
      .on(alert.botId, alert.raisedAt.desc().nullsFirst(), alert.id.desc().nullsFirst())
      .where(sql`${alert.status} <> 'resolved'`),
    // Serves listAlerts: newest first for one bot.
    index('alerts_raised_at_idx').on(
      alert.botId,
      alert.raisedAt.desc().nullsFirst(),
      alert.id.desc().nullsFirst(),
    ),
    check('alerts_bot_id_check', isNotBlank(alert.botId)),
    check('alerts_kind_check', isOneOf(alert.kind, ALERT_KINDS)),
    check('alerts_severity_check', isOneOf(alert.severity, SEVERITIES)),
    check('alerts_status_check', isOneOf(alert.status, ALERT_STATUSES)),
    check('alerts_title_check', isNotBlank(alert.title)),
    check('alerts_message_check', isNotBlank(alert.message)),
    check('alerts_threshold_check', isFiniteAmount(alert.threshold)),
    check('alerts_actual_check', isFiniteAmount(alert.actual)),
    check('alerts_context_check', isObject(alert.context)),
    check('alerts_raised_by_check', isNotBlank(alert.raisedBy)),
    check(
      'alerts_resolved_at_check',
      sql`(${alert.status} = 'resolved') = (${alert.resolvedAt} is not null and ${alert.resolvedBy} is not null)`,
    ),
  ],
)
