import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  foreignKey,
  integer,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import {
  counter,
  decimal,
  instant,
  isNotBlank,
  isObject,
  isOneOf,
  isPositive,
  isShare,
  json,
  label,
  NOTHING,
  NOW,
} from '../../db/columns.ts'
import { forbiddenConditionsSchema, riskCapsSchema, sessionWindowsSchema } from './rules.ts'
import { documentSchema, isKey, isList, STRATEGY_STATUSES, type StrategyStatus, strategy } from './values.ts'

const EMPTY = sql`'{}'::jsonb`

/**
 * One strategy of the fleet: its rules, and whether it trades. It changes until it is archived or replaced; each change moves its version and is
 * written to the audit by the database.
 *
 * `allocation` counts while it is active: those of all active strategies are not more than 1 together.
 */
export const strategies = strategy.table(
  'strategies',
  {
    id: uuid('id').notNull(),
    name: label('name').notNull(),
    /** What sort of strategy it is, in the fleet's own words: `grid`, `momentum`. */
    kind: label('kind').notNull(),
    description: label('description'),
    parameters: json('parameters', documentSchema).notNull().default(EMPTY),
    configuration: json('configuration', documentSchema).notNull().default(EMPTY),
    metadata: json('metadata', documentSchema).notNull().default(EMPTY),
    /** Null for any symbol. An empty list allows none. */
    allowedSymbols: text('allowed_symbols').array(),
    /** Empty is always. */
    sessionWindows: json('session_windows', sessionWindowsSchema).notNull().default(sql`'[]'::jsonb`),
    entryConditions: json('entry_conditions', documentSchema).notNull().default(EMPTY),
    exitRules: json('exit_rules', documentSchema).notNull().default(EMPTY),
    forbiddenConditions: json('forbidden_conditions', forbiddenConditionsSchema).notNull().default(EMPTY),
    riskCaps: json('risk_caps', riskCapsSchema).notNull().default(EMPTY),
    /** What it expects to earn for each unit risked: 2 is two to one. */
    rewardToRisk: decimal('reward_to_risk'),
    /** Of equity, at risk in one position: 0.01 is one per cent. */
    maxRiskFraction: decimal('max_risk_fraction'),
    status: label<StrategyStatus>('status', STRATEGY_STATUSES).notNull().default('draft'),
    /** Its share of the fleet's capital: 0.25 is a quarter. */
    allocation: decimal('allocation').notNull().default(NOTHING),
    /** Counts its changes from 1; moved by the database. */
    version: counter('version').notNull().default(1),
    /** The strategy that it took the place of, and the one that took its own. */
    replacesId: uuid('replaces_id'),
    replacedById: uuid('replaced_by_id'),
    /** Who changed it last: a person or a program. */
    changedBy: label('changed_by').notNull(),
    /** Why; null where nobody said. */
    reason: label('reason'),
    /** When it last became so; null if it never was. */
    activatedAt: instant('activated_at'),
    pausedAt: instant('paused_at'),
    archivedAt: instant('archived_at'),
    replacedAt: instant('replaced_at'),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'strategies_id_pkey', columns: [one.id] }),
    // Serves findStrategy and listStrategies.
    unique('strategies_name_key').on(one.name),
    unique('strategies_replaces_id_key').on(one.replacesId),
    unique('strategies_replaced_by_id_key').on(one.replacedById),
    foreignKey({ name: 'strategies_replaces_id_fkey', columns: [one.replacesId], foreignColumns: [one.id] }),
    foreignKey({
      name: 'strategies_replaced_by_id_fkey',
      columns: [one.replacedById],
      foreignColumns: [one.id],
    }),
    check('strategies_name_check', isKey(one.name)),
    check('strategies_kind_check', isNotBlank(one.kind)),
    check('strategies_parameters_check', isObject(one.parameters)),
    check('strategies_configuration_check', isObject(one.configuration)),
    check('strategies_metadata_check', isObject(one.metadata)),
    check('strategies_session_windows_check', isList(one.sessionWindows)),
    check('strategies_entry_conditions_check', isObject(one.entryConditions)),
    check('strategies_exit_rules_check', isObject(one.exitRules)),
    check('strategies_forbidden_conditions_check', isObject(one.forbiddenConditions)),
    check('strategies_risk_caps_check', isObject(one.riskCaps)),
    check('strategies_reward_to_risk_check', isPositive(one.rewardToRisk)),
    check(
      'strategies_max_risk_fraction_check',
      sql`${one.maxRiskFraction} > 0 and ${one.maxRiskFraction} <= 1`,
    ),
    check('strategies_status_check', isOneOf(one.status, STRATEGY_STATUSES)),
    check('strategies_allocation_check', isShare(one.allocation)),
    check('strategies_version_check', sql`${one.version} > 0`),
    check('strategies_changed_by_check', isNotBlank(one.changedBy)),
    check(
      'strategies_replaced_by_id_check',
      sql`(${one.status} = 'replaced') = (${one.replacedById} is not null)`,
    ),
    check('strategies_replaces_id_check', sql`${one.replacesId} <> ${one.replacedById}`),
  ],
)

/** One symbol that a strategy trades, and how much of it goes there. Replaced as a set by `setStrategySymbols`. */
export const strategySymbols = strategy.table(
  'strategy_symbols',
  {
    strategyId: uuid('strategy_id').notNull(),
    symbol: label('symbol').notNull(),
    /** Its share among the symbols of the strategy, 0 or more: only the proportions count. */
    weight: decimal('weight').notNull().default(sql`1`),
    metadata: json('metadata', documentSchema).notNull().default(EMPTY),
    changedBy: label('changed_by').notNull(),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'strategy_symbols_strategy_id_symbol_pkey', columns: [one.strategyId, one.symbol] }),
    foreignKey({
      name: 'strategy_symbols_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    check('strategy_symbols_symbol_check', isKey(one.symbol)),
    check('strategy_symbols_weight_check', sql`${one.weight} >= 0 and ${one.weight} < 'Infinity'::numeric`),
    check('strategy_symbols_metadata_check', isObject(one.metadata)),
    check('strategy_symbols_changed_by_check', isNotBlank(one.changedBy)),
  ],
)

/**
 * The one row that holds what the active strategies have together. The database moves it with each of their changes, so that its checks hold
 * also where several change at once; by hand only `max_active` is set.
 */
export const allocations = strategy.table(
  'allocations',
  {
    id: boolean('id').notNull().default(true),
    /** The sum of the allocations of active strategies. */
    allocated: decimal('allocated').notNull().default(NOTHING),
    activeCount: integer('active_count').notNull().default(0),
    /** How many may be active at once; null for any number. */
    maxActive: integer('max_active'),
    /** Who set `maxActive` last; null if nobody has. */
    changedBy: label('changed_by'),
    reason: label('reason'),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'allocations_id_pkey', columns: [one.id] }),
    check('allocations_id_check', sql`${one.id}`),
    check('allocations_allocated_check', isShare(one.allocated)),
    check('allocations_active_count_check', sql`${one.activeCount} >= 0`),
    check('allocations_max_active_check', sql`${one.maxActive} >= 0`),
  ],
)

/** One time that strategies began or ceased to be active. Append-only; written by the database. */
export const activations = strategy.table(
  'activations',
  {
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    activated: uuid('activated').array().notNull().default(sql`'{}'::uuid[]`),
    deactivated: uuid('deactivated').array().notNull().default(sql`'{}'::uuid[]`),
    /** How many are active after it, what they have together, and how many may be. */
    activeCount: integer('active_count').notNull(),
    allocated: decimal('allocated').notNull(),
    maxActive: integer('max_active'),
    changedBy: label('changed_by').notNull(),
    reason: label('reason'),
    occurredAt: instant('occurred_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'activations_id_pkey', columns: [one.id] }),
    check('activations_active_count_check', sql`${one.activeCount} >= 0`),
    check('activations_allocated_check', isShare(one.allocated)),
    check('activations_max_active_check', sql`${one.maxActive} >= 0`),
  ],
)
