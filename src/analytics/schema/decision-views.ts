import { boolean, doublePrecision, integer, uuid } from 'drizzle-orm/pg-core'
import {
  analysis,
  DECIDED_ACTIONS,
  INTENDED_ACTIONS,
  LLM_SENTIMENTS,
  OUTLOOKS,
} from '../../analysis/schema/values.ts'
import { counter, decimal, instant, label, quotient } from '../../db/columns.ts'
import { SIGNAL_KINDS, type SignalKind } from '../../strategy/schema/values.ts'
import { POSITION_STATUSES } from '../../trading/schema/positions.ts'
import { DIRECTIONS } from '../../trading/schema/values.ts'

// Their SQL is in the migrations: drizzle-kit compares only what it can parse.

/** A row for each decision, with its first piece of evidence of each source; null where it had none. */
export const decisionAnalysis = analysis
  .view('decision_analysis', {
    botId: label('bot_id').notNull(),
    decisionId: uuid('decision_id').notNull(),
    decidedAt: instant('decided_at').notNull(),
    exchange: label('exchange'),
    symbol: label('symbol').notNull(),
    intendedAction: label('intended_action', INTENDED_ACTIONS).notNull(),
    action: label('action', DECIDED_ACTIONS).notNull(),
    /** 0 to 1, as are all below. */
    confidence: doublePrecision('confidence').notNull(),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity'),
    strategyId: uuid('strategy_id'),
    snapshotId: uuid('snapshot_id'),
    vetoSource: label('veto_source'),
    vetoReason: label('veto_reason'),
    vetoedAt: instant('vetoed_at'),
    technicalSignalId: uuid('technical_signal_id'),
    technicalSignal: label('technical_signal', OUTLOOKS),
    technicalConfidence: doublePrecision('technical_confidence'),
    bullishCount: integer('bullish_count'),
    bearishCount: integer('bearish_count'),
    neutralCount: integer('neutral_count'),
    llmAnalysisId: uuid('llm_analysis_id'),
    llmModel: label('llm_model'),
    llmSentiment: label('llm_sentiment', LLM_SENTIMENTS),
    llmConfidence: doublePrecision('llm_confidence'),
    llmSummary: label('llm_summary'),
    llmCached: boolean('llm_cached'),
    mlPredictionId: uuid('ml_prediction_id'),
    modelVersion: label('model_version'),
    modelAction: label('model_action', INTENDED_ACTIONS),
    modelConfidence: doublePrecision('model_confidence'),
    probLong: doublePrecision('prob_long'),
    probShort: doublePrecision('prob_short'),
    probHold: doublePrecision('prob_hold'),
    signalId: uuid('signal_id'),
    signalKind: label<SignalKind>('signal_kind', SIGNAL_KINDS),
    signalStrength: doublePrecision('signal_strength'),
    signalConfidence: doublePrecision('signal_confidence'),
    passedCount: counter('passed_count').notNull(),
    failedCount: counter('failed_count').notNull(),
  })
  .existing()

/** A row for each position that a decision opened: a fill of one of its orders was the first of the round trip. */
export const decisionPerformance = analysis
  .view('performance', {
    botId: label('bot_id').notNull(),
    decisionId: uuid('decision_id').notNull(),
    decidedAt: instant('decided_at').notNull(),
    symbol: label('symbol').notNull(),
    action: label('action', DECIDED_ACTIONS).notNull(),
    confidence: doublePrecision('confidence').notNull(),
    strategyId: uuid('strategy_id'),
    orderId: uuid('order_id').notNull(),
    positionId: uuid('position_id').notNull(),
    tradeId: label('trade_id').notNull(),
    exchange: label('exchange').notNull(),
    direction: label('direction', DIRECTIONS).notNull(),
    status: label('status', POSITION_STATUSES).notNull(),
    settleCurrency: label('settle_currency').notNull(),
    openedAt: instant('opened_at').notNull(),
    /** Null while it is open, as are all below. */
    closedAt: instant('closed_at'),
    /** In settlement currency, as are all below. A loss is negative. */
    gross: quotient('gross'),
    fees: quotient('fees'),
    funding: quotient('funding'),
    /** Gross − fees + funding. Null also while the value of a fee is unknown. */
    netPnl: quotient('net_pnl'),
    /** Null also of exactly zero. */
    wasProfitable: boolean('was_profitable'),
  })
  .existing()
