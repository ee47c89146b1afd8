import { eq, sql } from 'drizzle-orm'
import { check, foreignKey, index, primaryKey, uuid } from 'drizzle-orm/pg-core'
import {
  counter,
  decimal,
  instant,
  isNotBlank,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { positions } from '../../trading/schema/positions.ts'
import { DIRECTIONS, POSITION_SIDES } from '../../trading/schema/values.ts'
import { contextSchema, risk } from './values.ts'

export const STOP_ORDER_KINDS = [
  'fixed',
  'trailing',
  'volatility',
  'atr',
  'support_resistance',
  'breakeven',
] as const
export type StopOrderKind = (typeof STOP_ORDER_KINDS)[number]

export const STOP_ORDER_STATUSES = ['active', 'triggered', 'cancelled', 'expired'] as const
export type StopOrderStatus = (typeof STOP_ORDER_STATUSES)[number]

/**
 * A stop that the bot watches itself. It triggers once; its level moves towards the price only, which the database enforces.
 */
export const stopOrders = risk.table(
  'stop_orders',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** The position it protects; null where it was made for no stored position. */
    positionId: uuid('position_id'),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    /** Of the position: a long is stopped below, a short above. */
    direction: label('direction', DIRECTIONS).notNull(),
    kind: label('kind', STOP_ORDER_KINDS).notNull(),
    status: label('status', STOP_ORDER_STATUSES).notNull().default('active'),
    /** What is to be closed, in base currency or contracts. Null: all that is held then. */
    quantity: decimal('quantity'),
    /** Quote currency per unit, all of them. */
    entryPrice: decimal('entry_price').notNull(),
    initialStopPrice: decimal('initial_stop_price').notNull(),
    stopPrice: decimal('stop_price').notNull(),
    /** How far the stop follows the best price; null for one that does not follow. */
    trailingDistance: decimal('trailing_distance'),
    /** A breakeven stop moves to `breakevenPrice` once the price has reached this. */
    activationPrice: decimal('activation_price'),
    breakevenPrice: decimal('breakeven_price'),
    /** The best price seen: highest for a long, lowest for a short. */
    bestPrice: decimal('best_price').notNull(),
    /** What the level was calculated from. */
    parameters: json('parameters', contextSchema).notNull(),
    expiresAt: instant('expires_at'),
    /** The price that triggered it, and when that was seen. */
    triggerPrice: decimal('trigger_price'),
    triggeredAt: instant('triggered_at'),
    /** Who created, adjusted or cancelled it last, and why. */
    changedBy: label('changed_by').notNull(),
    reason: label('reason'),
    version: counter('version').notNull().default(1),
    createdAt: instant('created_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (stop) => [
    primaryKey({ name: 'stop_orders_pkey', columns: [stop.botId, stop.id] }),
    foreignKey({ name: 'stop_orders_bot_id_fkey', columns: [stop.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'stop_orders_position_id_fkey',
      columns: [stop.botId, stop.positionId],
      foreignColumns: [positions.botId, positions.id],
    }),
    // Serves triggerStopOrders and listActiveStopOrders.
    index('stop_orders_active_idx')
      .on(stop.botId, stop.exchange, stop.symbol)
      .where(eq(stop.status, sql`'active'`)),
    // Serves listStopOrders: newest first for one bot.
    index('stop_orders_created_at_idx').on(
      stop.botId,
      stop.createdAt.desc().nullsFirst(),
      stop.id.desc().nullsFirst(),
    ),
    check('stop_orders_exchange_check', isNotBlank(stop.exchange)),
    check('stop_orders_symbol_check', isNotBlank(stop.symbol)),
    check('stop_orders_position_side_check', isOneOf(stop.positionSide, POSITION_SIDES)),
    check('stop_orders_direction_check', isOneOf(stop.direction, DIRECTIONS)),
    check('stop_orders_kind_check', isOneOf(stop.kind, STOP_ORDER_KINDS)),
    check('stop_orders_status_check', isOneOf(stop.status, STOP_ORDER_STATUSES)),
    check('stop_orders_quantity_check', isPositive(stop.quantity)),
    check('stop_orders_entry_price_check', isPositive(stop.entryPrice)),
    check('stop_orders_initial_stop_price_check', isPositive(stop.initialStopPrice)),
    check('stop_orders_stop_price_check', isPositive(stop.stopPrice)),
    check('stop_orders_trailing_distance_check', isPositive(stop.trailingDistance)),
    check('stop_orders_activation_price_check', isPositive(stop.activationPrice)),
    check('stop_orders_breakeven_price_check', isPositive(stop.breakevenPrice)),
    check('stop_orders_best_price_check', isPositive(stop.bestPrice)),
    check('stop_orders_parameters_check', isObject(stop.parameters)),
    check('stop_orders_changed_by_check', isNotBlank(stop.changedBy)),
    check(
      'stop_orders_triggered_at_check',
      sql`(${stop.status} = 'triggered') = (${stop.triggeredAt} is not null and ${stop.triggerPrice} is not null)`,
    ),
  ],
)
