import { isNotNull, type SQLWrapper, sql } from 'drizzle-orm'
import {
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  primaryKey,
  uuid,
} from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  isShare,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { bundles } from '../../snapshots/schema/index.ts'
import { signals, strategies } from '../../strategy/schema/index.ts'
import { llmAnalyses, mlPredictions, technicalSignals } from './analyses.ts'
import {
  analysis,
  checkDetailsSchema,
  DECIDED_ACTIONS,
  type DecidedAction,
  decisionReasonsSchema,
  EVIDENCE_SOURCES,
  INTENDED_ACTIONS,
  OUTLOOKS,
} from './values.ts'

/**
 * What a bot decided about a symbol at one moment, and why. Only a veto changes it, once, and only while no order was made
 * of it. What came of it is found through its orders.
 */
export const decisions = analysis.table(
  'decisions',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** What was known: the snapshot taken for it. */
    snapshotId: uuid('snapshot_id'),
    strategyId: uuid('strategy_id'),
    /** Null where the decision is for no one exchange. */
    exchange: label('exchange'),
    symbol: label('symbol').notNull(),
    /** What the bot meant, also where it was vetoed. */
    intendedAction: label('intended_action', INTENDED_ACTIONS).notNull(),
    /** What it came to: `vetoed`, or what was meant. */
    action: label('action', DECIDED_ACTIONS)
      .$type<DecidedAction>()
      .notNull()
      .generatedAlwaysAs(sql`case when vetoed_at is not null then 'vetoed' else intended_action end`),
    /** 0 to 1. */
    confidence: doublePrecision('confidence').notNull(),
    /** In base currency, or in contracts. */
    quantity: decimal('quantity'),
    /** Share of the bot's equity: 0.05 is 5 %. Above 1 with leverage. */
    positionFraction: decimal('position_fraction'),
    leverage: decimal('leverage'),
    /** Quote currency per unit, as are the next two. */
    stopLoss: decimal('stop_loss'),
    takeProfit: decimal('take_profit'),
    entryPrice: decimal('entry_price'),
    reasons: json('reasons', decisionReasonsSchema).notNull(),
    /** What the bot took the market for, such as `trending`. */
    marketRegime: label('market_regime'),
    vetoReason: label('veto_reason'),
    /** What or who forbade it. */
    vetoSource: label('veto_source'),
    vetoedAt: instant('vetoed_at'),
    latencyMs: integer('latency_ms'),
    decidedAt: instant('decided_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'decisions_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'decisions_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'decisions_snapshot_id_fkey',
      columns: [one.botId, one.snapshotId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    foreignKey({
      name: 'decisions_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves listDecisions of a symbol.
    index('decisions_symbol_idx').on(
      one.botId,
      one.symbol,
      one.decidedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listDecisions.
    index('decisions_decided_at_idx').on(
      one.botId,
      one.decidedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listDecisionsByReason.
    index('decisions_reasons_idx').using('gin', one.reasons.op('jsonb_path_ops')),
    check('decisions_exchange_check', isNotBlank(one.exchange)),
    check('decisions_symbol_check', isNotBlank(one.symbol)),
    check('decisions_intended_action_check', isOneOf(one.intendedAction, INTENDED_ACTIONS)),
    check('decisions_confidence_check', isShare(one.confidence)),
    check('decisions_quantity_check', isNotNegative(one.quantity)),
    check('decisions_position_fraction_check', isNotNegative(one.positionFraction)),
    check('decisions_leverage_check', isPositive(one.leverage)),
    check('decisions_stop_loss_check', isPositive(one.stopLoss)),
    check('decisions_take_profit_check', isPositive(one.takeProfit)),
    check('decisions_entry_price_check', isPositive(one.entryPrice)),
    check('decisions_reasons_check', sql`jsonb_typeof(${one.reasons}) = 'array'`),
    check('decisions_market_regime_check', isNotBlank(one.marketRegime)),
    check('decisions_veto_reason_check', isNotBlank(one.vetoReason)),
    check('decisions_veto_source_check', isNotBlank(one.vetoSource)),
    check(
      'decisions_vetoed_at_check',
      sql`num_nonnulls(${one.vetoedAt}, ${one.vetoReason}, ${one.vetoSource}) in (0, 3)`,
    ),
    check('decisions_latency_ms_check', sql`${one.latencyMs} >= 0`),
  ],
)

const belongsTo = (source: string, column: SQLWrapper, id: SQLWrapper) =>
  sql`(${column} = ${sql.raw(`'${source}'`)}) = (${id} is not null)`

/** One signal, analysis or prediction that a decision was made on, and what it counted. A part of its decision; append-only. */
export const decisionEvidence = analysis.table(
  'decision_evidence',
  {
    botId: label('bot_id').notNull(),
    decisionId: uuid('decision_id').notNull(),
    /** Its place among the decision's evidence, from 1. */
    ordinal: integer('ordinal').notNull(),
    source: label('source', EVIDENCE_SOURCES).notNull(),
    /** Exactly one of the ids is given: that of the source. */
    technicalSignalId: uuid('technical_signal_id'),
    llmAnalysisId: uuid('llm_analysis_id'),
    mlPredictionId: uuid('ml_prediction_id'),
    signalId: uuid('signal_id'),
    /** How the decision took it. */
    says: label('says', OUTLOOKS).notNull(),
    /** Its share in the decision, 0 to 1. */
    weight: doublePrecision('weight'),
    /** -1, wholly bearish, to 1. */
    score: doublePrecision('score'),
  },
  (one) => [
    primaryKey({ name: 'decision_evidence_pkey', columns: [one.botId, one.decisionId, one.ordinal] }),
    foreignKey({
      name: 'decision_evidence_decision_id_fkey',
      columns: [one.botId, one.decisionId],
      foreignColumns: [decisions.botId, decisions.id],
    }),
    foreignKey({
      name: 'decision_evidence_technical_signal_id_fkey',
      columns: [one.botId, one.technicalSignalId],
      foreignColumns: [technicalSignals.botId, technicalSignals.id],
    }),
    foreignKey({
      name: 'decision_evidence_llm_analysis_id_fkey',
      columns: [one.botId, one.llmAnalysisId],
      foreignColumns: [llmAnalyses.botId, llmAnalyses.id],
    }),
    foreignKey({
      name: 'decision_evidence_ml_prediction_id_fkey',
      columns: [one.botId, one.mlPredictionId],
      foreignColumns: [mlPredictions.botId, mlPredictions.id],
    }),
    foreignKey({
      name: 'decision_evidence_signal_id_fkey',
      columns: [one.botId, one.signalId],
      foreignColumns: [signals.botId, signals.id],
    }),
    // Serves getLlmCosts: the decisions that used a call.
    index('decision_evidence_llm_analysis_id_idx')
      .on(one.botId, one.llmAnalysisId)
      .where(isNotNull(one.llmAnalysisId)),
    check('decision_evidence_ordinal_check', sql`${one.ordinal} > 0`),
    check('decision_evidence_source_check', isOneOf(one.source, EVIDENCE_SOURCES)),
    check(
      'decision_evidence_source_id_check',
      sql`${belongsTo('technical', one.source, one.technicalSignalId)} and ${belongsTo('llm', one.source, one.llmAnalysisId)} and ${belongsTo('model', one.source, one.mlPredictionId)} and ${belongsTo('signal', one.source, one.signalId)}`,
    ),
    check('decision_evidence_says_check', isOneOf(one.says, OUTLOOKS)),
    check('decision_evidence_weight_check', isShare(one.weight)),
    check('decision_evidence_score_check', sql`${one.score} between -1 and 1`),
  ],
)

/** One risk check of a decision, passed or failed, with its figures. A part of its decision; append-only. */
export const decisionChecks = analysis.table(
  'decision_checks',
  {
    botId: label('bot_id').notNull(),
    decisionId: uuid('decision_id').notNull(),
    /** Its place among the decision's checks, from 1. */
    ordinal: integer('ordinal').notNull(),
    /** What was checked, such as `max_daily_loss`. */
    code: label('code').notNull(),
    passed: boolean('passed').notNull(),
    /** What was allowed, and what there was, both in `unit`. */
    threshold: decimal('threshold'),
    actual: decimal('actual'),
    unit: label('unit'),
    message: label('message'),
    details: json('details', checkDetailsSchema).notNull().default(sql`'{}'`),
  },
  (one) => [
    primaryKey({ name: 'decision_checks_pkey', columns: [one.botId, one.decisionId, one.ordinal] }),
    foreignKey({
      name: 'decision_checks_decision_id_fkey',
      columns: [one.botId, one.decisionId],
      foreignColumns: [decisions.botId, decisions.id],
    }),
    check('decision_checks_ordinal_check', sql`${one.ordinal} > 0`),
    check('decision_checks_code_check', isNotBlank(one.code)),
    check('decision_checks_threshold_check', isFiniteAmount(one.threshold)),
    check('decision_checks_actual_check', isFiniteAmount(one.actual)),
    check('decision_checks_unit_check', isNotBlank(one.unit)),
    check('decision_checks_details_check', isObject(one.details)),
  ],
)
