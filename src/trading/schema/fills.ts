import { isNull, sql } from 'drizzle-orm'
import { bigint, check, foreignKey, index, primaryKey, unique, uuid } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { orders } from './orders.ts'
import { positions } from './positions.ts'
import { POSITION_SIDES, SIDES, trading } from './values.ts'

export const LIQUIDITIES = ['maker', 'taker'] as const
export type Liquidity = (typeof LIQUIDITIES)[number]

export const FILL_KINDS = ['trade', 'liquidation', 'adl', 'dust', 'adjustment'] as const
export type FillKind = (typeof FILL_KINDS)[number]

export const CASH_FLOW_KINDS = [
  'funding',
  'interest',
  'deposit',
  'withdrawal',
  'transfer',
  'rebate',
  'fee',
  'adjustment',
] as const
export type CashFlowKind = (typeof CASH_FLOW_KINDS)[number]

/** A report as it came, with amounts and times as text. */
export const reportSchema = z.record(z.string(), z.json())
export type Report = z.output<typeof reportSchema>

/**
 * One execution reported by an exchange. Append-only: only what the ledger derived from it may change.
 *
 * The key makes recording idempotent. Symbol and side are part of it: exchanges reuse a trade id on another symbol, and on
 * both sides of a self-trade.
 */
export const fills = trading.table(
  'fills',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** Null while the order is not known here; linked when it is recorded. */
    orderId: uuid('order_id'),
    /** The exchange's own id of the order, where it was reported. */
    exchangeOrderId: label('exchange_order_id'),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    side: label('side', SIDES).notNull(),
    /** The exchange's id of the execution; made of its content, and beginning with `content:`, where it gave none. */
    exchangeTradeId: label('exchange_trade_id').notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    kind: label('kind', FILL_KINDS).notNull(),
    liquidity: label('liquidity', LIQUIDITIES),
    /** Quote currency per unit of base currency. */
    price: decimal('price').notNull(),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity').notNull(),
    /** In `feeCurrency`; negative for a rebate. */
    fee: decimal('fee').notNull(),
    feeCurrency: label('fee_currency').notNull(),
    /** The fee's value in settlement currency. Null while it is unknown. */
    feeInSettlement: quotient('fee_in_settlement'),
    /** What the exchange said it realised, and the signed position it said it held before; kept beside ours. */
    exchangePnl: decimal('exchange_pnl'),
    exchangeStartPosition: decimal('exchange_start_position'),
    executedAt: instant('executed_at').notNull(),
    /** The place in the exchange's own feed, where it tells one; orders fills of the same millisecond. */
    sequence: bigint('sequence', { mode: 'bigint' }).notNull(),
    /** Derived: what this fill realised, in settlement currency before fees. Zero where it only opened. */
    realisedGross: quotient('realised_gross').notNull(),
    /** Derived: what a hedged position did not hold when this fill closed it. Zero when the history is complete. */
    excessQuantity: quotient('excess_quantity').notNull(),
    /** Derived: the position that this fill closed, reduced or opened. Null if it did none of these. */
    positionId: uuid('position_id'),
    /** Derived: the position that the rest of this fill opened after it closed another. */
    openedPositionId: uuid('opened_position_id'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (fill) => [
    primaryKey({ name: 'fills_pkey', columns: [fill.botId, fill.id] }),
    foreignKey({ name: 'fills_bot_id_fkey', columns: [fill.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'fills_order_id_fkey',
      columns: [fill.botId, fill.orderId],
      foreignColumns: [orders.botId, orders.id],
    }),
    foreignKey({
      name: 'fills_position_id_fkey',
      columns: [fill.botId, fill.positionId],
      foreignColumns: [positions.botId, positions.id],
    }),
    foreignKey({
      name: 'fills_opened_position_id_fkey',
      columns: [fill.botId, fill.openedPositionId],
      foreignColumns: [positions.botId, positions.id],
    }),
    // Serves recordFill.
    unique('fills_exchange_trade_id_key').on(
      fill.botId,
      fill.exchange,
      fill.symbol,
      fill.exchangeTradeId,
      fill.side,
    ),
    // Serves the replay of a late fill, rebuildPositions and listFillGaps: one ledger in order.
    index('fills_ledger_idx').on(fill.botId, fill.exchange, fill.symbol, fill.positionSide, fill.executedAt),
    // Serves listFills: newest first for one bot.
    index('fills_executed_at_idx').on(
      fill.botId,
      fill.executedAt.desc().nullsFirst(),
      fill.id.desc().nullsFirst(),
    ),
    // Serves listOrderFills.
    index('fills_order_id_idx').on(fill.botId, fill.orderId),
    // Serves recordOrder, which links the fills that came before it.
    index('fills_unlinked_idx')
      .on(fill.botId, fill.exchange, fill.exchangeOrderId)
      .where(isNull(fill.orderId)),
    check('fills_exchange_check', isNotBlank(fill.exchange)),
    check('fills_symbol_check', isNotBlank(fill.symbol)),
    check('fills_exchange_trade_id_check', isNotBlank(fill.exchangeTradeId)),
    check('fills_side_check', isOneOf(fill.side, SIDES)),
    check('fills_position_side_check', isOneOf(fill.positionSide, POSITION_SIDES)),
    check('fills_kind_check', isOneOf(fill.kind, FILL_KINDS)),
    check('fills_liquidity_check', isOneOf(fill.liquidity, LIQUIDITIES)),
    check('fills_price_check', isPositive(fill.price)),
    check('fills_quantity_check', isPositive(fill.quantity)),
    check('fills_fee_check', isFiniteAmount(fill.fee)),
    check('fills_fee_in_settlement_check', isFiniteAmount(fill.feeInSettlement)),
    check('fills_realised_gross_check', isFiniteAmount(fill.realisedGross)),
    check('fills_excess_quantity_check', isNotNegative(fill.excessQuantity)),
  ],
)

/** A report of a fill whose key was known and whose content was another. Append-only. */
export const fillConflicts = trading.table(
  'fill_conflicts',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** The fill that stands. */
    fillId: uuid('fill_id').notNull(),
    /** The fields in which the report differs, by comma. */
    differs: label('differs').notNull(),
    /** The report, whole. */
    report: json('report', reportSchema).notNull(),
    /** Of the report's content, so that the same contradiction is kept once. */
    reportHash: label('report_hash').notNull(),
    reportedAt: instant('reported_at').notNull().default(NOW),
  },
  (conflict) => [
    primaryKey({ name: 'fill_conflicts_pkey', columns: [conflict.botId, conflict.id] }),
    foreignKey({
      name: 'fill_conflicts_fill_id_fkey',
      columns: [conflict.botId, conflict.fillId],
      foreignColumns: [fills.botId, fills.id],
    }),
    unique('fill_conflicts_report_hash_key').on(conflict.botId, conflict.fillId, conflict.reportHash),
    // Serves listFillConflicts: newest first for one bot.
    index('fill_conflicts_reported_at_idx').on(
      conflict.botId,
      conflict.reportedAt.desc().nullsFirst(),
      conflict.id.desc().nullsFirst(),
    ),
    check('fill_conflicts_report_check', isObject(conflict.report)),
  ],
)

/**
 * Money that came or went without a fill. Append-only: only the position it was assigned to may change.
 *
 * Several at one instant all stay: kind, symbol, currency and the exchange's id are the key together.
 */
export const cashFlows = trading.table(
  'cash_flows',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    exchange: label('exchange').notNull(),
    kind: label('kind', CASH_FLOW_KINDS).notNull(),
    /** Empty where the flow belongs to no symbol. */
    symbol: label('symbol').notNull().default(''),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    currency: label('currency').notNull(),
    /** The exchange's id; made of time and content, and beginning with `content:`, where it gave none. */
    exchangeFlowId: label('exchange_flow_id').notNull(),
    /** In `currency`: positive when received, negative when paid. */
    amount: decimal('amount').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    /** Derived, for funding: the position held when it was charged. Null when none was. */
    positionId: uuid('position_id'),
    note: label('note'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (flow) => [
    primaryKey({ name: 'cash_flows_pkey', columns: [flow.botId, flow.id] }),
    foreignKey({ name: 'cash_flows_bot_id_fkey', columns: [flow.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'cash_flows_position_id_fkey',
      columns: [flow.botId, flow.positionId],
      foreignColumns: [positions.botId, positions.id],
    }),
    // Serves recordCashFlow.
    unique('cash_flows_exchange_flow_id_key').on(
      flow.botId,
      flow.exchange,
      flow.kind,
      flow.symbol,
      flow.positionSide,
      flow.currency,
      flow.exchangeFlowId,
    ),
    // Serves recordCashFlow and rebuildPositions: the funding of one ledger in order.
    index('cash_flows_funding_idx')
      .on(flow.botId, flow.exchange, flow.symbol, flow.positionSide, flow.occurredAt)
      .where(sql`${flow.kind} = 'funding'`),
    // Serves listCashFlows: newest first for one bot.
    index('cash_flows_occurred_at_idx').on(
      flow.botId,
      flow.occurredAt.desc().nullsFirst(),
      flow.id.desc().nullsFirst(),
    ),
    check('cash_flows_exchange_check', isNotBlank(flow.exchange)),
    check('cash_flows_exchange_flow_id_check', isNotBlank(flow.exchangeFlowId)),
    check('cash_flows_kind_check', isOneOf(flow.kind, CASH_FLOW_KINDS)),
    check('cash_flows_position_side_check', isOneOf(flow.positionSide, POSITION_SIDES)),
    check('cash_flows_currency_check', isNotBlank(flow.currency)),
    check('cash_flows_amount_check', isFiniteAmount(flow.amount)),
    check('cash_flows_symbol_check', sql`${flow.kind} <> 'funding' or ${flow.symbol} <> ''`),
  ],
)

/** A report of a cash flow whose key was known and whose amount or time was another. Append-only. */
export const cashFlowConflicts = trading.table(
  'cash_flow_conflicts',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** The cash flow that stands. */
    cashFlowId: uuid('cash_flow_id').notNull(),
    differs: label('differs').notNull(),
    report: json('report', reportSchema).notNull(),
    reportHash: label('report_hash').notNull(),
    reportedAt: instant('reported_at').notNull().default(NOW),
  },
  (conflict) => [
    primaryKey({ name: 'cash_flow_conflicts_pkey', columns: [conflict.botId, conflict.id] }),
    foreignKey({
      name: 'cash_flow_conflicts_cash_flow_id_fkey',
      columns: [conflict.botId, conflict.cashFlowId],
      foreignColumns: [cashFlows.botId, cashFlows.id],
    }),
    unique('cash_flow_conflicts_report_hash_key').on(
      conflict.botId,
      conflict.cashFlowId,
      conflict.reportHash,
    ),
    // Serves listCashFlowConflicts: newest first for one bot.
    index('cash_flow_conflicts_reported_at_idx').on(
      conflict.botId,
      conflict.reportedAt.desc().nullsFirst(),
      conflict.id.desc().nullsFirst(),
    ),
    check('cash_flow_conflicts_report_check', isObject(conflict.report)),
  ],
)
