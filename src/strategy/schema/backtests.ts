import { sql } from 'drizzle-orm'
import { check, foreignKey, index, integer, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { strategies } from './strategies.ts'
import { BACKTEST_DIRECTIONS, type BacktestDirection, documentSchema, isKey, strategy } from './values.ts'

const EMPTY = sql`'{}'::jsonb`

/** One run of a strategy over the past. It never changes; its curve and trades are stored with it. */
export const backtests = strategy.table(
  'backtests',
  {
    id: uuid('id').notNull(),
    strategyId: uuid('strategy_id').notNull(),
    /** The id of the program that ran it; unique for the strategy. Null where it gives none. */
    externalId: label('external_id'),
    /** Null where it ran on several, or nobody said. */
    exchange: label('exchange'),
    symbols: text('symbols').array().notNull().default(sql`'{}'::text[]`),
    timeframe: label('timeframe'),
    /** The first moment of the data, and the first after it. */
    periodStartAt: instant('period_start_at').notNull(),
    periodEndAt: instant('period_end_at').notNull(),
    parameters: json('parameters', documentSchema).notNull().default(EMPTY),
    /** Ratios as numbers, amounts as decimal text: `{ sharpe: 1.4, maxDrawdownFraction: 0.12, winRate: 0.5 }`. */
    metrics: json('metrics', documentSchema).notNull().default(EMPTY),
    /** What it began and ended with, in `currency`. */
    initialEquity: decimal('initial_equity').notNull(),
    finalEquity: decimal('final_equity').notNull(),
    currency: label('currency'),
    notes: label('notes'),
    ranAt: instant('ran_at').notNull().default(NOW),
    createdAt: instant('created_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'backtests_id_pkey', columns: [one.id] }),
    foreignKey({
      name: 'backtests_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves recordBacktest.
    uniqueIndex('backtests_strategy_id_external_id_key')
      .on(one.strategyId, one.externalId)
      .where(sql`${one.externalId} is not null`),
    // Serves listBacktests: newest first.
    index('backtests_strategy_id_ran_at_id_idx').on(
      one.strategyId,
      one.ranAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('backtests_external_id_check', isKey(one.externalId)),
    check('backtests_parameters_check', isObject(one.parameters)),
    check('backtests_metrics_check', isObject(one.metrics)),
    check('backtests_initial_equity_check', isPositive(one.initialEquity)),
    check('backtests_final_equity_check', isFiniteAmount(one.finalEquity)),
    check('backtests_period_end_at_check', sql`${one.periodEndAt} > ${one.periodStartAt}`),
  ],
)

/** What a backtest was worth at one moment. It never changes. */
export const backtestEquity = strategy.table(
  'backtest_equity',
  {
    backtestId: uuid('backtest_id').notNull(),
    at: instant('at').notNull(),
    /** In the backtest's currency; negative when in debt. */
    equity: decimal('equity').notNull(),
  },
  (one) => [
    primaryKey({ name: 'backtest_equity_backtest_id_at_pkey', columns: [one.backtestId, one.at] }),
    foreignKey({
      name: 'backtest_equity_backtest_id_fkey',
      columns: [one.backtestId],
      foreignColumns: [backtests.id],
    }),
    check('backtest_equity_equity_check', isFiniteAmount(one.equity)),
  ],
)

/** One round trip of a backtest, in the order of its list. It never changes. */
export const backtestTrades = strategy.table(
  'backtest_trades',
  {
    backtestId: uuid('backtest_id').notNull(),
    /** 1, 2, 3… */
    ordinal: integer('ordinal').notNull(),
    symbol: label('symbol').notNull(),
    direction: label<BacktestDirection>('direction', BACKTEST_DIRECTIONS).notNull(),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity').notNull(),
    /** In quote currency. */
    entryPrice: decimal('entry_price').notNull(),
    exitPrice: decimal('exit_price').notNull(),
    openedAt: instant('opened_at').notNull(),
    closedAt: instant('closed_at').notNull(),
    /** In the backtest's currency; negative for a rebate. */
    fees: decimal('fees').notNull(),
    /** In the backtest's currency, after fees; a loss is negative. */
    netPnl: decimal('net_pnl').notNull(),
  },
  (one) => [
    primaryKey({ name: 'backtest_trades_backtest_id_ordinal_pkey', columns: [one.backtestId, one.ordinal] }),
    foreignKey({
      name: 'backtest_trades_backtest_id_fkey',
      columns: [one.backtestId],
      foreignColumns: [backtests.id],
    }),
    check('backtest_trades_ordinal_check', sql`${one.ordinal} > 0`),
    check('backtest_trades_symbol_check', isKey(one.symbol)),
    check('backtest_trades_direction_check', isOneOf(one.direction, BACKTEST_DIRECTIONS)),
    check('backtest_trades_quantity_check', isPositive(one.quantity)),
    check('backtest_trades_entry_price_check', isNotNegative(one.entryPrice)),
    check('backtest_trades_exit_price_check', isNotNegative(one.exitPrice)),
    check('backtest_trades_fees_check', isFiniteAmount(one.fees)),
    check('backtest_trades_net_pnl_check', isFiniteAmount(one.netPnl)),
    check('backtest_trades_closed_at_check', sql`${one.closedAt} >= ${one.openedAt}`),
  ],
)
