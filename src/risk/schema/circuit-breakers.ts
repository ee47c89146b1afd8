import { eq, type SQLWrapper, sql } from 'drizzle-orm'
import { check, foreignKey, index, integer, primaryKey, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import {
  counter,
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
import { bots } from '../../fleet/schema.ts'
import { SIDES } from '../../trading/schema/values.ts'
import { BREAKER_TRIGGERS } from './breaker-rules.ts'
import { contextSchema, orNever, orNone, risk, SEVERITIES } from './values.ts'

export const BREAKER_STATUSES = ['active', 'resolved', 'overridden', 'expired'] as const
export type BreakerStatus = (typeof BREAKER_STATUSES)[number]

const breakerColumns = {
  id: uuid('id').notNull(),
  /** The name of the rule that tripped. A rule has one active trip per exchange, symbol and side; a manual trip has a name of its own. */
  rule: label('rule').notNull(),
  trigger: label('trigger', BREAKER_TRIGGERS).notNull(),
  /** What is closed for entries: null for every exchange, every symbol, both sides. */
  exchange: label('exchange'),
  symbol: label('symbol'),
  side: label('side', SIDES),
  severity: label('severity', SEVERITIES).notNull(),
  reason: label('reason').notNull(),
  /** What was allowed and what was found: an amount in base currency, a fraction, a count or milliseconds, as the trigger says. Null for a manual trip. */
  threshold: quotient('threshold'),
  actual: quotient('actual'),
  trippedBy: label('tripped_by').notNull(),
  trippedAt: instant('tripped_at').notNull().default(NOW),
  /** How long it holds. Null: until somebody resolves it. */
  cooldownMs: counter('cooldown_ms'),
  /** The first moment that it no longer holds: always `trippedAt` + `cooldownMs`. */
  expiresAt: instant('expires_at').generatedAlwaysAs(
    sql.raw(`((tripped_at at time zone 'UTC') + cooldown_ms * interval '1 millisecond') at time zone 'UTC'`),
  ),
  /** As stored: a trip whose time is over stays `active` until its rule trips again. Ask isTradingAllowed what holds. */
  status: label('status', BREAKER_STATUSES).notNull().default('active'),
  /** How many times in a row this rule has tripped without a human or a quiet spell between, this one included. */
  tripsInRow: integer('trips_in_row').notNull().default(1),
  /** The figures behind the trip. */
  context: json('context', contextSchema).notNull().default(sql`'{}'`),
  /** Who gave it another cooldown last, and why. */
  changedBy: label('changed_by'),
  changeReason: label('change_reason'),
  resolvedAt: instant('resolved_at'),
  resolvedBy: label('resolved_by'),
  resolutionReason: label('resolution_reason'),
}

const breakerChecks = (table: string, one: Record<keyof typeof breakerColumns, SQLWrapper>) => [
  check(`${table}_rule_check`, isNotBlank(one.rule)),
  check(`${table}_trigger_check`, isOneOf(one.trigger, BREAKER_TRIGGERS)),
  check(`${table}_exchange_check`, isNotBlank(one.exchange)),
  check(`${table}_symbol_check`, isNotBlank(one.symbol)),
  check(`${table}_side_check`, isOneOf(one.side, SIDES)),
  check(`${table}_severity_check`, isOneOf(one.severity, SEVERITIES)),
  check(`${table}_reason_check`, isNotBlank(one.reason)),
  check(`${table}_threshold_check`, isFiniteAmount(one.threshold)),
  check(`${table}_actual_check`, isFiniteAmount(one.actual)),
  check(`${table}_tripped_by_check`, isNotBlank(one.trippedBy)),
  check(`${table}_cooldown_ms_check`, sql`${one.cooldownMs} between 0 and 3155760000000`),
  check(`${table}_status_check`, isOneOf(one.status, BREAKER_STATUSES)),
  check(`${table}_trips_in_row_check`, sql`${one.tripsInRow} > 0`),
  check(`${table}_context_check`, isObject(one.context)),
  // Whoever ends a trip says who, when and why.
  check(
    `${table}_resolved_at_check`,
    sql`(${one.status} in ('resolved', 'overridden')) = (${one.resolvedAt} is not null and ${one.resolvedBy} is not null and ${one.resolutionReason} is not null)`,
  ),
]

const active = (status: SQLWrapper) => eq(status as never, sql`'active'`)

/** One trip that closes entries for the whole fleet. Only its end and its cooldown change. */
export const globalCircuitBreakers = risk.table('global_circuit_breakers', breakerColumns, (one) => [
  primaryKey({ name: 'global_circuit_breakers_pkey', columns: [one.id] }),
  // Serves evaluateCircuitBreakers and tripCircuitBreaker: a rule trips once, however many find it.
  uniqueIndex('global_circuit_breakers_active_key')
    .on(one.rule, orNone(one.exchange), orNone(one.symbol), orNone(one.side))
    .where(active(one.status)),
  // Serves isTradingAllowed and placeOrder: what is active and not over.
  index('global_circuit_breakers_blocking_idx')
    .on(orNone(one.symbol), orNever(one.expiresAt))
    .where(active(one.status)),
  // Serves evaluateCircuitBreakers, which asks for the last trips of a rule.
  index('global_circuit_breakers_rule_idx').on(one.rule, one.trippedAt.desc().nullsFirst()),
  ...breakerChecks('global_circuit_breakers', one),
])

/** One trip that closes entries of a bot, or some of its symbols or sides. Only its end and its cooldown change. */
export const circuitBreakers = risk.table(
  'circuit_breakers',
  { botId: label('bot_id').notNull(), ...breakerColumns },
  (one) => [
    primaryKey({ name: 'circuit_breakers_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'circuit_breakers_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves evaluateCircuitBreakers and tripCircuitBreaker: a rule trips once, however many find it.
    uniqueIndex('circuit_breakers_active_key')
      .on(one.botId, one.rule, orNone(one.exchange), orNone(one.symbol), orNone(one.side))
      .where(active(one.status)),
    // Serves isTradingAllowed and placeOrder: what is active and not over.
    index('circuit_breakers_blocking_idx')
      .on(one.botId, orNone(one.symbol), orNever(one.expiresAt))
      .where(active(one.status)),
    // Serves evaluateCircuitBreakers, which asks for the last trips of a rule.
    index('circuit_breakers_rule_idx').on(one.botId, one.rule, one.trippedAt.desc().nullsFirst()),
    // Serves getRiskSummary: the last trip of a bot.
    index('circuit_breakers_tripped_at_idx').on(
      one.botId,
      one.trippedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    ...breakerChecks('circuit_breakers', one),
  ],
)
