import { type SQLWrapper, sql } from 'drizzle-orm'
import {
  boolean,
  check,
  foreignKey,
  integer,
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
  isNotNegative,
  isOneOf,
  json,
  label,
} from '../db/columns.ts'
import { COST_BASIS_METHODS, type CostBasisMethod } from './cost-basis.ts'

export const BOT_MODES = ['live', 'paper', 'backtest'] as const
export type BotMode = (typeof BOT_MODES)[number]

export const BOT_STATUSES = ['active', 'paused', 'stopped', 'error'] as const
export type BotStatus = (typeof BOT_STATUSES)[number]

/**
 * Any JSON document. Its numbers are JS numbers and keep about 16 digits, so an amount belongs in it as decimal text.
 */
export const jsonValue = z.json()
export type JsonValue = z.output<typeof jsonValue>

export const fleet = pgSchema('fleet')

// A text of more than 2,700 bytes does not fit into an index.
const isKey = (column: SQLWrapper) => sql`${isNotBlank(column)} and char_length(${column}) <= 200`

/**
 * One registered bot. What it is registered with stays; its status, equity and heartbeat change.
 *
 * There is no index on the heartbeat: each beat would have to maintain it, and a fleet is small enough to read.
 */
export const bots = fleet.table(
  'bots',
  {
    /** 1 to 63 letters, digits and `_ . : -`. Never changes: every row of the bot carries it. */
    botId: label('bot_id').notNull(),
    name: label('name').notNull(),
    /** What sort of bot it is, in the fleet's own words: `grid`, `momentum`, `market_maker`. */
    kind: label('kind').notNull(),
    strategy: label('strategy').notNull(),
    exchange: label('exchange').notNull(),
    /** The account or sub-account of the exchange that it trades with. */
    account: label('account').notNull().default('main'),
    mode: label<BotMode>('mode').notNull(),
    status: label<BotStatus>('status').notNull().default('active'),
    /** Why it has this status; null where nobody said. */
    statusReason: label('status_reason'),
    /** The currency that its equity and PnL are counted in. */
    baseCurrency: label('base_currency').notNull(),
    /** What it started with, in `baseCurrency`. Not negative. */
    initialEquity: decimal('initial_equity').notNull(),
    /** In `baseCurrency`, as of the last heartbeat that told it; null while unknown. Negative when in debt. */
    currentEquity: decimal('current_equity'),
    costBasisMethod: label<CostBasisMethod>('cost_basis_method').notNull().default('average'),
    /** The IANA zone whose midnight ends the bot's day. */
    timeZone: label('time_zone').notNull().default('UTC'),
    /** How old the last heartbeat may grow before the bot counts as stale. */
    heartbeatToleranceMs: integer('heartbeat_tolerance_ms').notNull().default(60_000),
    /** The database role of the bot, if it has one of its own. */
    databaseRole: label('database_role'),
    /** Null until the first heartbeat. */
    lastHeartbeatAt: instant('last_heartbeat_at'),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (bot) => [
    primaryKey({ name: 'bots_bot_id_pkey', columns: [bot.botId] }),
    check('bots_bot_id_check', sql`${bot.botId} ~ '^[A-Za-z0-9_.:-]{1,63}$'`),
    check('bots_name_check', isNotBlank(bot.name)),
    check('bots_kind_check', isNotBlank(bot.kind)),
    check('bots_strategy_check', isNotBlank(bot.strategy)),
    check('bots_exchange_check', isNotBlank(bot.exchange)),
    check('bots_account_check', isNotBlank(bot.account)),
    check('bots_mode_check', isOneOf(bot.mode, BOT_MODES)),
    check('bots_status_check', isOneOf(bot.status, BOT_STATUSES)),
    check('bots_base_currency_check', isNotBlank(bot.baseCurrency)),
    check('bots_initial_equity_check', isNotNegative(bot.initialEquity)),
    check('bots_current_equity_check', isFiniteAmount(bot.currentEquity)),
    check('bots_cost_basis_method_check', isOneOf(bot.costBasisMethod, COST_BASIS_METHODS)),
    check('bots_time_zone_check', sql`${bot.timeZone} ~ '^[A-Za-z][A-Za-z0-9_+/-]*$'`),
    check('bots_heartbeat_tolerance_ms_check', sql`${bot.heartbeatToleranceMs} > 0`),
    check('bots_database_role_check', isNotBlank(bot.databaseRole)),
  ],
)

/**
 * One version of one setting of a bot. Its value never changes; the next version closes it.
 *
 * Versions of a key count 1, 2, 3…; at most one of them is active, and each takes effect when the one before it ends.
 */
export const botConfigurations = fleet.table(
  'bot_configurations',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    key: label('key').notNull(),
    version: counter('version').notNull(),
    /** Any JSON, with amounts as decimal text. */
    value: json('value', jsonValue).notNull(),
    /** Who set it: a person, a program, or the bot itself. */
    changedBy: label('changed_by').notNull(),
    active: boolean('active').notNull().default(true),
    effectiveFrom: instant('effective_from').notNull().default(sql`now()`),
    /** The first moment that it no longer held; null while active. */
    effectiveTo: instant('effective_to'),
  },
  (configuration) => [
    primaryKey({
      name: 'bot_configurations_bot_id_id_pkey',
      columns: [configuration.botId, configuration.id],
    }),
    foreignKey({
      name: 'bot_configurations_bot_id_fkey',
      columns: [configuration.botId],
      foreignColumns: [bots.botId],
    }),
    // Serves listBotConfigurations of one key and getBotConfiguration at a past instant.
    unique('bot_configurations_bot_id_key_version_key').on(
      configuration.botId,
      configuration.key,
      configuration.version,
    ),
    // Serves getBotConfiguration and listBotConfigurations.
    uniqueIndex('bot_configurations_bot_id_key_active_key')
      .on(configuration.botId, configuration.key)
      .where(sql`${configuration.active}`),
    check('bot_configurations_key_check', isKey(configuration.key)),
    check('bot_configurations_version_check', sql`${configuration.version} > 0`),
    check('bot_configurations_changed_by_check', isNotBlank(configuration.changedBy)),
    check(
      'bot_configurations_active_check',
      sql`${configuration.active} = (${configuration.effectiveTo} is null)`,
    ),
    check(
      'bot_configurations_effective_to_check',
      sql`${configuration.effectiveTo} >= ${configuration.effectiveFrom}`,
    ),
  ],
)

/** One setting of the whole fleet, as it is now; `version` counts its changes from 1. */
export const settings = fleet.table(
  'settings',
  {
    key: label('key').notNull(),
    /** Any JSON, with amounts as decimal text. */
    value: json('value', jsonValue).notNull(),
    version: counter('version').notNull().default(1),
    /** Who set it last: a person or a program. */
    changedBy: label('changed_by').notNull(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (setting) => [
    primaryKey({ name: 'settings_key_pkey', columns: [setting.key] }),
    check('settings_key_check', isKey(setting.key)),
    check('settings_version_check', sql`${setting.version} > 0`),
    check('settings_changed_by_check', isNotBlank(setting.changedBy)),
  ],
)

/** What a bot keeps under a key for itself, across restarts. Replaced in place; without history. */
export const notes = fleet.table(
  'notes',
  {
    botId: label('bot_id').notNull(),
    key: label('key').notNull(),
    /** Any JSON, with amounts as decimal text. */
    value: json('value', jsonValue).notNull(),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (note) => [
    primaryKey({ name: 'notes_bot_id_key_pkey', columns: [note.botId, note.key] }),
    foreignKey({ name: 'notes_bot_id_fkey', columns: [note.botId], foreignColumns: [bots.botId] }),
    check('notes_key_check', isKey(note.key)),
  ],
)
