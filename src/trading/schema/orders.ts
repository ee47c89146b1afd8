import { isNotNull, sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  primaryKey,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { decisions } from '../../analysis/schema/index.ts'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isOneOf,
  isPositive,
  json,
  label,
  NOTHING,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { positions } from './positions.ts'
import { POSITION_SIDES, SIDES, trading } from './values.ts'

export const ORDER_TYPES = [
  'market',
  'limit',
  'stop_market',
  'stop_limit',
  'take_profit_market',
  'take_profit_limit',
  'trailing_stop',
] as const
export type OrderType = (typeof ORDER_TYPES)[number]

export const TIMES_IN_FORCE = ['gtc', 'ioc', 'fok', 'gtd', 'day'] as const
export type TimeInForce = (typeof TIMES_IN_FORCE)[number]

export const ORDER_PURPOSES = ['entry', 'exit', 'stop_loss', 'take_profit', 'scale_in', 'scale_out'] as const
export type OrderPurpose = (typeof ORDER_PURPOSES)[number]

export const ORDER_STATUSES = [
  'pending',
  'submitted',
  'partially_filled',
  'filled',
  'cancelled',
  'rejected',
  'expired',
] as const
export type OrderStatus = (typeof ORDER_STATUSES)[number]

/** The statuses of an order that may still be filled. */
export const OPEN_ORDER_STATUSES = [
  'pending',
  'submitted',
  'partially_filled',
] as const satisfies OrderStatus[]

/**
 * One question that was asked before an order was placed, and its answer. Amounts are decimal text, times ISO; what there is
 * not is left out.
 */
export const orderCheckSchema = z.object({
  code: z.string(),
  passed: z.boolean(),
  effect: z.string(),
  scope: z.string(),
  source: z.string(),
  sourceId: z.string().optional(),
  reason: z.string().optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  threshold: z.string().optional(),
  actual: z.string().optional(),
})
export const orderChecksSchema = z.array(orderCheckSchema)
export type OrderChecks = z.output<typeof orderChecksSchema>

/**
 * One order of a bot, from the intent to its end.
 *
 * `(bot_id, client_order_id)` is the bot's own key, chosen before anything is sent; the exchange's id follows. Status
 * moves only forward, which the database enforces, and each step leaves a row in `order_events`. The filled figures are
 * the sums of the fills recorded for the order, never what somebody said they were.
 */
export const orders = trading.table(
  'orders',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** The order that this one belongs to, such as the entry of a stop. */
    parentId: uuid('parent_id'),
    /** The position that the order was made for, where it was made for one. */
    positionId: uuid('position_id'),
    /** The decision that led to the order. */
    decisionId: uuid('decision_id'),
    clientOrderId: label('client_order_id').notNull(),
    exchange: label('exchange').notNull(),
    /** Null until the exchange has answered. */
    exchangeOrderId: label('exchange_order_id'),
    symbol: label('symbol').notNull(),
    side: label('side', SIDES).notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull().default('net'),
    type: label('type', ORDER_TYPES).notNull(),
    timeInForce: label('time_in_force', TIMES_IN_FORCE),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity').notNull(),
    /** Quote currency per unit. */
    limitPrice: decimal('limit_price'),
    /** Quote currency per unit; the price that triggers the order. */
    stopPrice: decimal('stop_price'),
    /** Quote currency per unit; how far a trailing stop follows. */
    trailingDistance: decimal('trailing_distance'),
    reduceOnly: boolean('reduce_only').notNull().default(false),
    postOnly: boolean('post_only').notNull().default(false),
    purpose: label('purpose', ORDER_PURPOSES),
    status: label('status', ORDER_STATUSES).notNull().default('pending'),
    /** Sum of the recorded fills. */
    filledQuantity: decimal('filled_quantity').notNull().default(NOTHING),
    /** Sum of price × quantity of the recorded fills, in quote currency per contract size. */
    filledCost: quotient('filled_cost').notNull().default(NOTHING),
    /** Sum of the valued fees of the recorded fills, in settlement currency; negative for a rebate. */
    fee: quotient('fee').notNull().default(NOTHING),
    retries: integer('retries').notNull().default(0),
    /** Why the exchange refused it, or what failed when it was sent last. */
    lastError: label('last_error'),
    /** What was checked before it was placed, each with its figures. Null for an order that was recorded, not placed. */
    checks: json('checks', orderChecksSchema),
    submittedAt: instant('submitted_at'),
    /** When it reached a status that it cannot leave. */
    closedAt: instant('closed_at'),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (order) => [
    primaryKey({ name: 'orders_pkey', columns: [order.botId, order.id] }),
    foreignKey({ name: 'orders_bot_id_fkey', columns: [order.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'orders_parent_id_fkey',
      columns: [order.botId, order.parentId],
      foreignColumns: [order.botId, order.id],
    }),
    foreignKey({
      name: 'orders_position_id_fkey',
      columns: [order.botId, order.positionId],
      foreignColumns: [positions.botId, positions.id],
    }),
    foreignKey({
      name: 'orders_decision_id_fkey',
      columns: [order.botId, order.decisionId],
      foreignColumns: [decisions.botId, decisions.id],
    }),
    unique('orders_client_order_id_key').on(order.botId, order.clientOrderId),
    // Also serves findOrderByExchangeId and recordFill. With the symbol, since some exchanges number orders per symbol.
    unique('orders_exchange_order_id_key').on(
      order.botId,
      order.exchange,
      order.symbol,
      order.exchangeOrderId,
    ),
    // Serves listOpenOrders: few rows, so that each bot's open orders are found at once.
    index('orders_open_idx')
      .on(order.botId, order.createdAt.desc().nullsFirst(), order.id.desc().nullsFirst())
      .where(isOneOf(order.status, OPEN_ORDER_STATUSES)),
    // Serves listOrders: newest first for one bot.
    index('orders_created_at_idx').on(
      order.botId,
      order.createdAt.desc().nullsFirst(),
      order.id.desc().nullsFirst(),
    ),
    // Serves rebuildPositions, which clears the reference to a position that no longer is.
    index('orders_position_id_idx').on(order.botId, order.positionId).where(isNotNull(order.positionId)),
    // Serves replayDecision, and vetoDecision, which asks whether there is one.
    index('orders_decision_id_idx').on(order.botId, order.decisionId).where(isNotNull(order.decisionId)),
    check('orders_client_order_id_check', isNotBlank(order.clientOrderId)),
    check('orders_exchange_check', isNotBlank(order.exchange)),
    check('orders_symbol_check', isNotBlank(order.symbol)),
    check('orders_side_check', isOneOf(order.side, SIDES)),
    check('orders_position_side_check', isOneOf(order.positionSide, POSITION_SIDES)),
    check('orders_type_check', isOneOf(order.type, ORDER_TYPES)),
    check('orders_time_in_force_check', isOneOf(order.timeInForce, TIMES_IN_FORCE)),
    check('orders_purpose_check', isOneOf(order.purpose, ORDER_PURPOSES)),
    check('orders_status_check', isOneOf(order.status, ORDER_STATUSES)),
    check('orders_quantity_check', isPositive(order.quantity)),
    check('orders_limit_price_check', isFiniteAmount(order.limitPrice)),
    check('orders_stop_price_check', isFiniteAmount(order.stopPrice)),
    check('orders_trailing_distance_check', isPositive(order.trailingDistance)),
    check('orders_filled_quantity_check', isNotNegative(order.filledQuantity)),
    check('orders_filled_cost_check', isFiniteAmount(order.filledCost)),
    check('orders_fee_check', isFiniteAmount(order.fee)),
    check('orders_checks_check', sql`jsonb_typeof(${order.checks}) = 'array'`),
    check('orders_retries_check', sql`${order.retries} >= 0`),
  ],
)

/** One status change of an order. Append-only; written by the database whenever a status changes. */
export const orderEvents = trading.table(
  'order_events',
  {
    botId: label('bot_id').notNull(),
    id: bigint('id', { mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    orderId: uuid('order_id').notNull(),
    /** Null for the event of its creation. */
    fromStatus: label('from_status', ORDER_STATUSES),
    toStatus: label('to_status', ORDER_STATUSES).notNull(),
    reason: label('reason'),
    occurredAt: instant('occurred_at').notNull().default(NOW),
  },
  (event) => [
    primaryKey({ name: 'order_events_pkey', columns: [event.botId, event.id] }),
    foreignKey({
      name: 'order_events_order_id_fkey',
      columns: [event.botId, event.orderId],
      foreignColumns: [orders.botId, orders.id],
    }),
    // Serves listOrderEvents.
    index('order_events_order_id_idx').on(event.botId, event.orderId, event.id),
    check('order_events_to_status_check', isOneOf(event.toStatus, ORDER_STATUSES)),
  ],
)
