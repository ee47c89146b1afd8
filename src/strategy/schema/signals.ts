import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isObject,
  isOneOf,
  isPositive,
  isShare,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { strategies } from './strategies.ts'
import {
  documentSchema,
  isKey,
  SIGNAL_KINDS,
  SIGNAL_OUTCOMES,
  type SignalKind,
  type SignalOutcome,
  strategy,
} from './values.ts'

const EMPTY = sql`'{}'::jsonb`
const NONE = sql`'{}'::text[]`

/**
 * What a bot's strategy said before anything was ordered. Only what became of it changes, once.
 *
 * `order_id` is no reference: a signal may be recorded before its order, and is recorded without the tables of orders.
 */
export const signals = strategy.table(
  'signals',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** Null for a bot whose strategy is not registered. */
    strategyId: uuid('strategy_id'),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    kind: label<SignalKind>('kind', SIGNAL_KINDS).notNull(),
    /** 0 to 1. */
    strength: doublePrecision('strength').notNull().default(1),
    /** 0 to 1; null where it has none. */
    confidence: doublePrecision('confidence'),
    /** In quote currency, when it was emitted. */
    price: decimal('price').notNull(),
    /** In quote currency. */
    suggestedStopLoss: decimal('suggested_stop_loss'),
    suggestedTakeProfit: decimal('suggested_take_profit'),
    /** In base currency, or in contracts. */
    suggestedQuantity: decimal('suggested_quantity'),
    indicators: json('indicators', documentSchema).notNull().default(EMPTY),
    marketConditions: json('market_conditions', documentSchema).notNull().default(EMPTY),
    metadata: json('metadata', documentSchema).notNull().default(EMPTY),
    passedFilters: text('passed_filters').array().notNull().default(NONE),
    failedFilters: text('failed_filters').array().notNull().default(NONE),
    /** Whether its filters let it pass. */
    validated: boolean('validated').notNull().default(false),
    notes: label('notes'),
    emittedAt: instant('emitted_at').notNull().default(NOW),
    /** The first moment that it no longer holds; null if it does not expire. */
    validUntil: instant('valid_until'),
    outcome: label<SignalOutcome>('outcome', SIGNAL_OUTCOMES).notNull().default('pending'),
    /** What it earned, in settlement currency: positive for a winner, negative for a loser. Null where nobody said. */
    outcomePnl: decimal('outcome_pnl'),
    /** Why it was not executed. */
    rejectionReason: label('rejection_reason'),
    /** The order that executed it. */
    orderId: uuid('order_id'),
    /** Null while pending. */
    outcomeAt: instant('outcome_at'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'signals_bot_id_id_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'signals_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'signals_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves listSignals: newest first.
    index('signals_bot_id_emitted_at_id_idx').on(
      one.botId,
      one.emittedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listSignals of one symbol.
    index('signals_bot_id_symbol_emitted_at_id_idx').on(
      one.botId,
      one.symbol,
      one.emittedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listSignals of one strategy.
    index('signals_bot_id_strategy_id_emitted_at_id_idx')
      .on(one.botId, one.strategyId, one.emittedAt.desc().nullsFirst(), one.id.desc().nullsFirst())
      .where(sql`${one.strategyId} is not null`),
    check('signals_exchange_check', isKey(one.exchange)),
    check('signals_symbol_check', isKey(one.symbol)),
    check('signals_kind_check', isOneOf(one.kind, SIGNAL_KINDS)),
    check('signals_strength_check', isShare(one.strength)),
    check('signals_confidence_check', isShare(one.confidence)),
    check('signals_price_check', isPositive(one.price)),
    check('signals_suggested_stop_loss_check', isPositive(one.suggestedStopLoss)),
    check('signals_suggested_take_profit_check', isPositive(one.suggestedTakeProfit)),
    check('signals_suggested_quantity_check', isPositive(one.suggestedQuantity)),
    check('signals_indicators_check', isObject(one.indicators)),
    check('signals_market_conditions_check', isObject(one.marketConditions)),
    check('signals_metadata_check', isObject(one.metadata)),
    check('signals_valid_until_check', sql`${one.validUntil} > ${one.emittedAt}`),
    check('signals_outcome_check', isOneOf(one.outcome, SIGNAL_OUTCOMES)),
    check(
      'signals_outcome_pnl_check',
      sql`${isFiniteAmount(one.outcomePnl)} and (${one.outcomePnl} is null or (${one.outcome} = 'winner' and ${one.outcomePnl} > 0)
        or (${one.outcome} = 'loser' and ${one.outcomePnl} < 0) or (${one.outcome} = 'breakeven' and ${one.outcomePnl} = 0))`,
    ),
    check('signals_outcome_at_check', sql`(${one.outcome} = 'pending') = (${one.outcomeAt} is null)`),
  ],
)
