import { isNotNull, type SQLWrapper, sql } from 'drizzle-orm'
import {
  check,
  doublePrecision,
  foreignKey,
  index,
  pgSchema,
  primaryKey,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { users } from '../../access/schema.ts'
import { decisions } from '../../analysis/schema/index.ts'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { bundles } from '../../snapshots/schema/index.ts'
import { strategies } from '../../strategy/schema/index.ts'
import { orderChecksSchema, orders } from '../../trading/schema/orders.ts'
import { DIRECTIONS, POSITION_SIDES } from '../../trading/schema/values.ts'

export const ideas = pgSchema('ideas')

export const IDEA_STATUSES = [
  'waiting',
  'needs_approval',
  'auto_executed',
  'rejected',
  'halted_by_risk',
] as const
export type IdeaStatus = (typeof IDEA_STATUSES)[number]

/** The statuses that an idea does not leave. */
export const FINAL_IDEA_STATUSES = [
  'auto_executed',
  'rejected',
  'halted_by_risk',
] as const satisfies IdeaStatus[]

export const IDEA_ORDER_TYPES = ['market', 'limit'] as const
export type IdeaOrderType = (typeof IDEA_ORDER_TYPES)[number]

/** The rule of a list of prices. NaN is greater than infinity, and null is unknown: neither is let in. */
const arePrices = (column: SQLWrapper) =>
  sql`cardinality(${column}) > 0 and array_position(${column}, null) is null
    and '-Infinity'::numeric < all (${column}) and 'Infinity'::numeric > all (${column})`

/**
 * One trade that was proposed, and what became of it.
 *
 * What is proposed never changes; the status moves only from `waiting` to `needs_approval` and from either to its end, which the
 * database enforces, and each step leaves rows in `audit.decision_history`. An idea that was executed has its order, and no other has one.
 */
export const tradeIdeas = ideas.table(
  'trade_ideas',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** The strategy that it follows. Null for one of no strategy, which a human must approve. */
    strategyId: uuid('strategy_id'),
    /** What was known when it was proposed. */
    snapshotId: uuid('snapshot_id').notNull(),
    /** The decision that led to it, where one was recorded. */
    decisionId: uuid('decision_id'),
    /** The order that it became. */
    orderId: uuid('order_id'),
    /** Who approved or rejected it. Null where the rules did. */
    decidedBy: uuid('decided_by'),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    direction: label('direction', DIRECTIONS).notNull(),
    /** `net`, or the direction where the account is hedged. */
    positionSide: label('position_side', POSITION_SIDES).notNull().default('net'),
    orderType: label('order_type', IDEA_ORDER_TYPES).notNull(),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity').notNull(),
    /** Quote currency per unit, as are all prices here. Null where a range is given, or a market order asks for none. */
    entryPrice: decimal('entry_price'),
    /** The range to enter in: both or neither. A limit order without an entry price takes the end that fills it first. */
    entryLow: decimal('entry_low'),
    entryHigh: decimal('entry_high'),
    /** On the losing side of the entry. */
    stopLoss: decimal('stop_loss').notNull(),
    /** On the winning side of the entry, in the order in which they are taken. */
    targets: decimal('targets').array().notNull(),
    /** How long it is meant to be held, in the words of who proposed it, such as `scalp_30m`. */
    expectedHold: label('expected_hold'),
    rationale: label('rationale').notNull(),
    /** 0 to 1. */
    confidence: doublePrecision('confidence').notNull(),
    status: label('status', IDEA_STATUSES).notNull().default('waiting'),
    /** Why it has this status. Null while nobody looked at it. */
    statusReason: label('status_reason'),
    /** What was asked last before it was let through or not, as of an order: the checks of ideas first. */
    checks: json('checks', orderChecksSchema).notNull().default([]),
    /** The first moment that it is not executed any more. Null: it does not expire. */
    expiresAt: instant('expires_at'),
    /** When it reached a status that it does not leave. */
    decidedAt: instant('decided_at'),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (idea) => [
    primaryKey({ name: 'trade_ideas_pkey', columns: [idea.botId, idea.id] }),
    foreignKey({ name: 'trade_ideas_bot_id_fkey', columns: [idea.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'trade_ideas_strategy_id_fkey',
      columns: [idea.strategyId],
      foreignColumns: [strategies.id],
    }),
    foreignKey({
      name: 'trade_ideas_snapshot_id_fkey',
      columns: [idea.botId, idea.snapshotId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    foreignKey({
      name: 'trade_ideas_decision_id_fkey',
      columns: [idea.botId, idea.decisionId],
      foreignColumns: [decisions.botId, decisions.id],
    }),
    foreignKey({
      name: 'trade_ideas_order_id_fkey',
      columns: [idea.botId, idea.orderId],
      foreignColumns: [orders.botId, orders.id],
    }),
    foreignKey({
      name: 'trade_ideas_decided_by_fkey',
      columns: [idea.decidedBy],
      foreignColumns: [users.id],
    }),
    // Serves proposeTradeIdea and approveTradeIdea, which count what a strategy holds. An order is of one idea.
    uniqueIndex('trade_ideas_order_id_key').on(idea.botId, idea.orderId).where(isNotNull(idea.orderId)),
    // Serves replayDecision.
    index('trade_ideas_decision_id_idx').on(idea.botId, idea.decisionId).where(isNotNull(idea.decisionId)),
    // Serves listTradeIdeas of a status.
    index('trade_ideas_status_idx').on(
      idea.botId,
      idea.status,
      idea.createdAt.desc().nullsFirst(),
      idea.id.desc().nullsFirst(),
    ),
    // Serves listTradeIdeas: newest first for one bot.
    index('trade_ideas_created_at_idx').on(
      idea.botId,
      idea.createdAt.desc().nullsFirst(),
      idea.id.desc().nullsFirst(),
    ),
    check('trade_ideas_exchange_check', isNotBlank(idea.exchange)),
    check('trade_ideas_symbol_check', isNotBlank(idea.symbol)),
    check('trade_ideas_direction_check', isOneOf(idea.direction, DIRECTIONS)),
    check(
      'trade_ideas_position_side_direction_check',
      sql`${idea.positionSide} in ('net', ${idea.direction})`,
    ),
    check('trade_ideas_order_type_check', isOneOf(idea.orderType, IDEA_ORDER_TYPES)),
    check('trade_ideas_quantity_check', isPositive(idea.quantity)),
    check('trade_ideas_entry_price_check', isFiniteAmount(idea.entryPrice)),
    check('trade_ideas_entry_low_check', isFiniteAmount(idea.entryLow)),
    check('trade_ideas_entry_high_check', isFiniteAmount(idea.entryHigh)),
    check('trade_ideas_stop_loss_check', isFiniteAmount(idea.stopLoss)),
    check('trade_ideas_targets_check', arePrices(idea.targets)),
    check(
      'trade_ideas_entry_low_entry_high_check',
      sql`(${idea.entryLow} is null) = (${idea.entryHigh} is null)
        and (${idea.entryLow} is null or ${idea.entryLow} <= ${idea.entryHigh})
        and (${idea.entryLow} is null or ${idea.entryPrice} is null
          or ${idea.entryPrice} between ${idea.entryLow} and ${idea.entryHigh})`,
    ),
    check(
      'trade_ideas_entry_price_order_type_check',
      sql`${idea.orderType} = 'market' or ${idea.entryPrice} is not null or ${idea.entryLow} is not null`,
    ),
    // Where no entry is said, at least the targets lie beyond the stop.
    check(
      'trade_ideas_stop_loss_direction_check',
      sql`case ${idea.direction}
        when 'long' then ${idea.stopLoss} < coalesce(${idea.entryLow}, ${idea.entryPrice}, ${idea.targets}[1])
        else ${idea.stopLoss} > coalesce(${idea.entryHigh}, ${idea.entryPrice}, ${idea.targets}[1]) end`,
    ),
    check(
      'trade_ideas_targets_direction_check',
      sql`case ${idea.direction}
        when 'long' then coalesce(${idea.entryHigh}, ${idea.entryPrice}, ${idea.stopLoss}) < all (${idea.targets})
        else coalesce(${idea.entryLow}, ${idea.entryPrice}, ${idea.stopLoss}) > all (${idea.targets}) end`,
    ),
    check('trade_ideas_expected_hold_check', isNotBlank(idea.expectedHold)),
    check('trade_ideas_rationale_check', isNotBlank(idea.rationale)),
    check('trade_ideas_confidence_check', sql`${idea.confidence} between 0 and 1`),
    check('trade_ideas_status_check', isOneOf(idea.status, IDEA_STATUSES)),
    check('trade_ideas_checks_check', sql`jsonb_typeof(${idea.checks}) = 'array'`),
    check(
      'trade_ideas_order_id_status_check',
      sql`(${idea.orderId} is not null) = (${idea.status} = 'auto_executed')`,
    ),
    check(
      'trade_ideas_decided_at_status_check',
      sql`(${idea.decidedAt} is not null) = (${isOneOf(idea.status, FINAL_IDEA_STATUSES)})`,
    ),
    check(
      'trade_ideas_decided_by_status_check',
      sql`${idea.decidedBy} is null or ${idea.status} in ('auto_executed', 'rejected')`,
    ),
    check(
      'trade_ideas_status_reason_status_check',
      sql`${idea.status} = 'waiting' or (btrim(${idea.statusReason}) <> '') is true`,
    ),
  ],
)
