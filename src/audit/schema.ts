import { isNotNull, sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  doublePrecision,
  index,
  pgSchema,
  primaryKey,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isObject,
  isOneOf,
  isShare,
  json,
  label,
  NOW,
  readBytes,
} from '../db/columns.ts'

export const audit = pgSchema('audit')

/** Limits of which a program or a person says that they were reached. The database writes none of these by itself. */
export const RISK_BREACH_KINDS = [
  'daily_loss_limit',
  'weekly_loss_limit',
  'max_drawdown',
  'position_limit',
  'leverage_limit',
  'exposure_limit',
  'concentration_limit',
] as const
export type RiskBreachKind = (typeof RISK_BREACH_KINDS)[number]

export const RISK_EVENT_KINDS = [
  'settings_changed',
  'kill_switch_changed',
  'circuit_breaker_changed',
  'lock_changed',
  'stop_order_changed',
  'alert_changed',
  'bot_status_changed',
  'order_denied',
  ...RISK_BREACH_KINDS,
  'resolved',
] as const
export type RiskEventKind = (typeof RISK_EVENT_KINDS)[number]

export const DECISION_ACTIONS = [
  'ai_proposed',
  'ai_auto_executed',
  'human_approved',
  'human_rejected',
  'risk_rejected',
  'ai_halted',
  'ai_resumed',
  'admin_note',
] as const
export type DecisionAction = (typeof DECISION_ACTIONS)[number]

/** From the least to the most severe. */
export const EVENT_SEVERITIES = ['debug', 'info', 'warning', 'error', 'critical'] as const
export type EventSeverity = (typeof EVENT_SEVERITIES)[number]

/** What is written in place of a bot's id where something concerns the whole fleet. */
export const FLEET = '*'

/** What happened, with amounts as decimal text where this library wrote them. */
export const detailsSchema = z.record(z.string(), z.json())
export type EventDetails = z.output<typeof detailsSchema>

/** A SHA-256, as 64 hexadecimal digits; 32 bytes in the database. */
const digest = (name: string) =>
  customType<{ data: string; driverData: string }>({
    dataType: () => 'bytea',
    toDriver: (hex) => `\\x${hex}`,
    fromDriver: (text) => readBytes(text).toString('hex'),
  })(name)

/**
 * What ties a row to the one before it: its place in its chain, that row's hash, and the hash over both and over every other column.
 * The database fills them in, whatever is given. A chain is a bot's, or the fleet's; of `risk_events` each kind has one.
 */
const linkColumns = () => ({
  /** 1, 2, 3… */
  sequence: counter('sequence').notNull().default(sql`0`),
  previousHash: digest('previous_hash').notNull().default(sql`''::bytea`),
  hash: digest('hash').notNull().default(sql`''::bytea`),
})

/**
 * Where one chain of audit rows ends. Moved on by the database with each row, so that writers of one chain wait for each other
 * and those of others do not, and rows cut off at the end are missed.
 */
export const auditChains = audit.table(
  'chains',
  {
    botId: label('bot_id').notNull(),
    /** The table, and of `risk_events` the kind after a colon. */
    chain: label('chain').notNull(),
    /** Of rows; the sequence of the last one. */
    length: counter('length').notNull(),
    previousHash: digest('previous_hash').notNull(),
    /** Of the last row. */
    hash: digest('hash').notNull(),
  },
  (one) => [
    // Serves verifyAuditTrail and exportAuditAnchor, and every audit row that is written.
    primaryKey({ name: 'chains_pkey', columns: [one.botId, one.chain] }),
  ],
)

/**
 * One change of what bots may do, one order that was refused, or one limit that was reached. Append-only, without references: it
 * outlives its subjects.
 *
 * Changes and refusals are written by the database in their own transaction, whoever makes them.
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
    /** The caller's own key, which makes recording it repeatable. Null for what the database wrote. */
    eventId: uuid('event_id'),
    /** Of a limit: what was found and what is allowed, in the unit of the limit. */
    actual: decimal('actual'),
    threshold: decimal('threshold'),
    /** What was done about it, in the caller's words. */
    actionTaken: label('action_taken'),
    /** Of a resolution: the event that it ends. */
    resolvesId: bigint('resolves_id', { mode: 'bigint' }),
    ...linkColumns(),
  },
  (event) => [
    primaryKey({ name: 'risk_events_pkey', columns: [event.botId, event.id] }),
    // Serves verifyAuditTrail.
    unique('risk_events_sequence_key').on(event.botId, event.kind, event.sequence),
    // Serves recordRiskEvent.
    uniqueIndex('risk_events_event_id_key').on(event.botId, event.eventId).where(isNotNull(event.eventId)),
    // Serves resolveRiskEvent and listUnresolvedRiskEvents: an event ends once.
    uniqueIndex('risk_events_resolves_id_key')
      .on(event.botId, event.resolvesId)
      .where(isNotNull(event.resolvesId)),
    // Serves listRiskEvents: newest first for one bot.
    index('risk_events_occurred_at_idx').on(
      event.botId,
      event.occurredAt.desc().nullsFirst(),
      event.id.desc().nullsFirst(),
    ),
    // Serves listUnresolvedRiskEvents: few rows, beside the many that the database writes.
    index('risk_events_breach_idx')
      .on(event.botId, event.occurredAt.desc().nullsFirst(), event.id.desc().nullsFirst())
      .where(isOneOf(event.kind, RISK_BREACH_KINDS)),
    check('risk_events_bot_id_check', isNotBlank(event.botId)),
    check('risk_events_kind_check', isOneOf(event.kind, RISK_EVENT_KINDS)),
    check('risk_events_actor_check', isNotBlank(event.actor)),
    check('risk_events_details_check', sql`${isObject(event.details)}`),
    check('risk_events_actual_check', isFiniteAmount(event.actual)),
    check('risk_events_threshold_check', isFiniteAmount(event.threshold)),
    check(
      'risk_events_resolves_id_kind_check',
      sql`(${event.kind} = 'resolved') = (${event.resolvesId} is not null)`,
    ),
  ],
)

/**
 * One thing that happened to the system: a start, an error, a change of a user or of a strategy. Append-only, without references.
 */
export const systemEvents = audit.table(
  'system_events',
  {
    /** `*` where it concerns the whole fleet. */
    botId: label('bot_id').notNull(),
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    /** The caller's own key, which makes recording it repeatable. Null where nobody gave one. */
    eventId: uuid('event_id'),
    /** What happened, in the writer's own words: `bot_started`, `sync_completed`, `user_changed`. */
    kind: label('kind').notNull(),
    severity: label('severity', EVENT_SEVERITIES).notNull(),
    /** Who did it: a person, a program, or the bot. Null for what happened by itself. */
    actor: label('actor'),
    /** Which part of the system says so. */
    component: label('component'),
    message: label('message').notNull(),
    details: json('details', detailsSchema).notNull().default({}),
    exchange: label('exchange'),
    symbol: label('symbol'),
    orderId: uuid('order_id'),
    tradeId: label('trade_id'),
    positionId: uuid('position_id'),
    errorCode: label('error_code'),
    stackTrace: label('stack_trace'),
    occurredAt: instant('occurred_at').notNull().default(NOW),
    ...linkColumns(),
  },
  (event) => [
    primaryKey({ name: 'system_events_pkey', columns: [event.botId, event.id] }),
    // Serves verifyAuditTrail.
    unique('system_events_sequence_key').on(event.botId, event.sequence),
    // Serves recordSystemEvent.
    uniqueIndex('system_events_event_id_key').on(event.botId, event.eventId).where(isNotNull(event.eventId)),
    // Serves listSystemEvents: newest first for one bot.
    index('system_events_occurred_at_idx').on(
      event.botId,
      event.occurredAt.desc().nullsFirst(),
      event.id.desc().nullsFirst(),
    ),
    // Serves listSystemEvents of warnings and worse: few, among all that is merely said.
    index('system_events_severe_idx')
      .on(event.botId, event.occurredAt.desc().nullsFirst(), event.id.desc().nullsFirst())
      .where(isOneOf(event.severity, ['warning', 'error', 'critical'])),
    check('system_events_bot_id_check', isNotBlank(event.botId)),
    check('system_events_kind_check', isNotBlank(event.kind)),
    check('system_events_severity_check', isOneOf(event.severity, EVENT_SEVERITIES)),
    check('system_events_actor_check', isNotBlank(event.actor)),
    check('system_events_message_check', isNotBlank(event.message)),
    check('system_events_details_check', sql`${isObject(event.details)}`),
  ],
)

/**
 * One step in the life of a trade idea, or a flip of the switch that lets ideas trade by themselves. Append-only, without
 * references: a correction is another row, of the action `admin_note`.
 */
export const decisionHistory = audit.table(
  'decision_history',
  {
    /** `*` where it concerns the whole fleet. */
    botId: label('bot_id').notNull(),
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    /** The caller's own key, which makes recording it repeatable. Null where nobody gave one. */
    eventId: uuid('event_id'),
    action: label('action', DECISION_ACTIONS).notNull(),
    /** Who did it: a person, a program, or the bot. */
    actor: label('actor').notNull(),
    /** Null where it concerns no symbol, as a halt. */
    symbol: label('symbol'),
    rationale: label('rationale').notNull(),
    /** 0 to 1. Null where nobody judged. */
    confidence: doublePrecision('confidence'),
    /** `pass`, or `fail:` and the code of the check that refused. Null where nothing was checked. */
    riskCheckResult: label('risk_check_result'),
    strategyId: uuid('strategy_id'),
    tradeIdeaId: uuid('trade_idea_id'),
    snapshotId: uuid('snapshot_id'),
    decisionId: uuid('decision_id'),
    orderId: uuid('order_id'),
    /** True where a person decided against or beyond what the rules said. */
    humanOverride: boolean('human_override').notNull().default(false),
    details: json('details', detailsSchema).notNull().default({}),
    occurredAt: instant('occurred_at').notNull().default(NOW),
    ...linkColumns(),
  },
  (one) => [
    primaryKey({ name: 'decision_history_pkey', columns: [one.botId, one.id] }),
    // Serves verifyAuditTrail.
    unique('decision_history_sequence_key').on(one.botId, one.sequence),
    // Serves recordDecisionHistory.
    uniqueIndex('decision_history_event_id_key').on(one.botId, one.eventId).where(isNotNull(one.eventId)),
    // Serves listDecisionHistory: newest first for one bot.
    index('decision_history_occurred_at_idx').on(
      one.botId,
      one.occurredAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listDecisionHistory of one idea.
    index('decision_history_trade_idea_id_idx')
      .on(one.botId, one.tradeIdeaId)
      .where(isNotNull(one.tradeIdeaId)),
    // Serves listDecisionHistory of one decision, and replayDecision.
    index('decision_history_decision_id_idx').on(one.botId, one.decisionId).where(isNotNull(one.decisionId)),
    check('decision_history_bot_id_check', isNotBlank(one.botId)),
    check('decision_history_action_check', isOneOf(one.action, DECISION_ACTIONS)),
    check('decision_history_actor_check', isNotBlank(one.actor)),
    check('decision_history_rationale_check', isNotBlank(one.rationale)),
    check('decision_history_confidence_check', isShare(one.confidence)),
    check('decision_history_risk_check_result_check', sql`${one.riskCheckResult} ~ '^(pass|fail:.+)$'`),
    check('decision_history_details_check', sql`${isObject(one.details)}`),
  ],
)
