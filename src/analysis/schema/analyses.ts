import { sql } from 'drizzle-orm'
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
  bytes,
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isObject,
  isOneOf,
  isShare,
  json,
  label,
  NOW,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import {
  analysis,
  featureImportanceSchema,
  INTENDED_ACTIONS,
  indicatorReadingsSchema,
  isCount,
  keyFactorsSchema,
  LLM_SENTIMENTS,
  LLM_STATUSES,
  llmResponseSchema,
  OUTLOOKS,
} from './values.ts'

/** What a bot's indicators said together of a symbol at one moment. Append-only. */
export const technicalSignals = analysis.table(
  'technical_signals',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** Null where the candles of no one exchange were read. */
    exchange: label('exchange'),
    symbol: label('symbol').notNull(),
    /** As candles are named: `1h`. */
    timeframe: label('timeframe').notNull(),
    signal: label('signal', OUTLOOKS).notNull(),
    /** 0 to 1. */
    confidence: doublePrecision('confidence').notNull(),
    /** How many indicators say so. */
    bullishCount: integer('bullish_count').notNull().default(0),
    bearishCount: integer('bearish_count').notNull().default(0),
    neutralCount: integer('neutral_count').notNull().default(0),
    indicators: json('indicators', indicatorReadingsSchema).notNull(),
    /** 0 to 100. */
    rsi: decimal('rsi'),
    rsiSignal: label('rsi_signal', OUTLOOKS),
    /** Quote currency per unit. */
    macdHistogram: decimal('macd_histogram'),
    macdSignal: label('macd_signal', OUTLOOKS),
    /** 0 at the lower band and 1 at the upper; beyond them, less or more. */
    bollingerPosition: decimal('bollinger_position'),
    bollingerSignal: label('bollinger_signal', OUTLOOKS),
    analysedAt: instant('analysed_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'technical_signals_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'technical_signals_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves getLatestTechnicalSignal, and listTechnicalSignals of a symbol.
    index('technical_signals_symbol_idx').on(
      one.botId,
      one.symbol,
      one.analysedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listTechnicalSignals.
    index('technical_signals_analysed_at_idx').on(
      one.botId,
      one.analysedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('technical_signals_exchange_check', isNotBlank(one.exchange)),
    check('technical_signals_symbol_check', isNotBlank(one.symbol)),
    check('technical_signals_timeframe_check', isNotBlank(one.timeframe)),
    check('technical_signals_signal_check', isOneOf(one.signal, OUTLOOKS)),
    check('technical_signals_confidence_check', isShare(one.confidence)),
    check('technical_signals_bullish_count_check', isCount(one.bullishCount)),
    check('technical_signals_bearish_count_check', isCount(one.bearishCount)),
    check('technical_signals_neutral_count_check', isCount(one.neutralCount)),
    check('technical_signals_indicators_check', isObject(one.indicators)),
    check('technical_signals_rsi_check', sql`${one.rsi} between 0 and 100`),
    check('technical_signals_rsi_signal_check', isOneOf(one.rsiSignal, OUTLOOKS)),
    check('technical_signals_macd_histogram_check', isFiniteAmount(one.macdHistogram)),
    check('technical_signals_macd_signal_check', isOneOf(one.macdSignal, OUTLOOKS)),
    check('technical_signals_bollinger_position_check', isFiniteAmount(one.bollingerPosition)),
    check('technical_signals_bollinger_signal_check', isOneOf(one.bollingerSignal, OUTLOOKS)),
  ],
)

/**
 * One call of a language model: what it was asked, what it answered and what that cost. Append-only, but that prompt and
 * response are encrypted anew when the key changes.
 *
 * Prompt and response are readable, or encrypted under a key that the database does not have; never both. What a caller
 * draws out of the answer (`summary`, `key_factors`) stays readable.
 */
export const llmAnalyses = analysis.table(
  'llm_analyses',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** Null where the model was asked about no one symbol. */
    symbol: label('symbol'),
    exchange: label('exchange'),
    /** What was asked for, such as `sentiment` or `review`. */
    kind: label('kind').notNull(),
    promptTemplate: label('prompt_template'),
    model: label('model').notNull(),
    provider: label('provider'),
    /** Null where there was no answer, or none about a market. */
    sentiment: label('sentiment', LLM_SENTIMENTS),
    /** 0 to 1. */
    confidence: doublePrecision('confidence'),
    summary: label('summary'),
    keyFactors: json('key_factors', keyFactorsSchema),
    promptTokens: integer('prompt_tokens'),
    completionTokens: integer('completion_tokens'),
    /** Null where neither count is known. */
    totalTokens: integer('total_tokens').generatedAlwaysAs(
      sql`case when prompt_tokens is null and completion_tokens is null then null else coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) end`,
    ),
    /** In `costCurrency`. Null where it is not known; 0 for an answer out of a cache. */
    cost: decimal('cost'),
    costCurrency: label('cost_currency').notNull().default('USD'),
    latencyMs: integer('latency_ms'),
    temperature: doublePrecision('temperature'),
    /** True where an earlier answer was used again. */
    cached: boolean('cached').notNull().default(false),
    status: label('status', LLM_STATUSES).notNull().default('success'),
    /** What the provider said. It stays readable, so a caller cuts out of it what nobody may read. */
    errorMessage: label('error_message'),
    prompt: label('prompt'),
    response: label('response'),
    responseJson: json('response_json', llmResponseSchema),
    /** AES-256-GCM: a version byte, the nonce, the tag and the encrypted text. */
    promptCiphertext: bytes('prompt_ciphertext'),
    responseCiphertext: bytes('response_ciphertext'),
    responseJsonCiphertext: bytes('response_json_ciphertext'),
    /** Which key of the key ring encrypted them. */
    keyId: label('key_id'),
    analysedAt: instant('analysed_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'llm_analyses_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'llm_analyses_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves getLatestLlmAnalysis, and listLlmAnalyses of a symbol.
    index('llm_analyses_symbol_idx').on(
      one.botId,
      one.symbol,
      one.analysedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listLlmAnalyses, and getLlmCosts of a span of days.
    index('llm_analyses_analysed_at_idx').on(
      one.botId,
      one.analysedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves rotateLlmKeys: what is not encrypted under the current key.
    index('llm_analyses_key_id_idx')
      .on(one.keyId, one.botId, one.id)
      .where(
        sql`num_nonnulls(prompt, response, response_json, prompt_ciphertext, response_ciphertext, response_json_ciphertext) > 0`,
      ),
    check('llm_analyses_symbol_check', isNotBlank(one.symbol)),
    check('llm_analyses_exchange_check', isNotBlank(one.exchange)),
    check('llm_analyses_kind_check', isNotBlank(one.kind)),
    check('llm_analyses_model_check', isNotBlank(one.model)),
    check('llm_analyses_provider_check', isNotBlank(one.provider)),
    check('llm_analyses_sentiment_check', isOneOf(one.sentiment, LLM_SENTIMENTS)),
    check('llm_analyses_confidence_check', isShare(one.confidence)),
    check('llm_analyses_key_factors_check', sql`jsonb_typeof(${one.keyFactors}) = 'array'`),
    check('llm_analyses_prompt_tokens_check', isCount(one.promptTokens)),
    check('llm_analyses_completion_tokens_check', isCount(one.completionTokens)),
    check('llm_analyses_cost_check', isNotNegative(one.cost)),
    check('llm_analyses_cost_currency_check', isNotBlank(one.costCurrency)),
    check('llm_analyses_latency_ms_check', sql`${one.latencyMs} >= 0`),
    check('llm_analyses_temperature_check', sql`${one.temperature} between 0 and 10`),
    check('llm_analyses_status_check', isOneOf(one.status, LLM_STATUSES)),
    check('llm_analyses_response_json_check', sql`jsonb_typeof(${one.responseJson}) in ('object', 'array')`),
    check('llm_analyses_key_id_check', isNotBlank(one.keyId)),
    check(
      'llm_analyses_readable_or_encrypted_check',
      sql`num_nonnulls(${one.promptCiphertext}, ${one.responseCiphertext}, ${one.responseJsonCiphertext}) = 0 or num_nonnulls(${one.prompt}, ${one.response}, ${one.responseJson}) = 0`,
    ),
    check(
      'llm_analyses_encrypted_by_key_check',
      sql`(${one.keyId} is not null) = (num_nonnulls(${one.promptCiphertext}, ${one.responseCiphertext}, ${one.responseJsonCiphertext}) > 0)`,
    ),
  ],
)

/** What a model of a bot predicted for a symbol. Append-only. */
export const mlPredictions = analysis.table(
  'ml_predictions',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    symbol: label('symbol').notNull(),
    action: label('action', INTENDED_ACTIONS).notNull(),
    /** 0 to 1. */
    confidence: doublePrecision('confidence').notNull(),
    /** 0 to 1, as are the next two. */
    probLong: doublePrecision('prob_long'),
    probShort: doublePrecision('prob_short'),
    probHold: doublePrecision('prob_hold'),
    featureImportance: json('feature_importance', featureImportanceSchema),
    modelVersion: label('model_version').notNull(),
    modelType: label('model_type'),
    predictionMs: integer('prediction_ms'),
    featuresUsed: integer('features_used'),
    /** Share of earlier predictions that came true, 0 to 1, as the model's author measured it. */
    historicalAccuracy: doublePrecision('historical_accuracy'),
    predictedAt: instant('predicted_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'ml_predictions_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'ml_predictions_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves getLatestMlPrediction, and listMlPredictions of a symbol.
    index('ml_predictions_symbol_idx').on(
      one.botId,
      one.symbol,
      one.predictedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listMlPredictions.
    index('ml_predictions_predicted_at_idx').on(
      one.botId,
      one.predictedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('ml_predictions_symbol_check', isNotBlank(one.symbol)),
    check('ml_predictions_action_check', isOneOf(one.action, INTENDED_ACTIONS)),
    check('ml_predictions_confidence_check', isShare(one.confidence)),
    check('ml_predictions_prob_long_check', isShare(one.probLong)),
    check('ml_predictions_prob_short_check', isShare(one.probShort)),
    check('ml_predictions_prob_hold_check', isShare(one.probHold)),
    check('ml_predictions_feature_importance_check', isObject(one.featureImportance)),
    check('ml_predictions_model_version_check', isNotBlank(one.modelVersion)),
    check('ml_predictions_model_type_check', isNotBlank(one.modelType)),
    check('ml_predictions_prediction_ms_check', sql`${one.predictionMs} >= 0`),
    check('ml_predictions_features_used_check', isCount(one.featuresUsed)),
    check('ml_predictions_historical_accuracy_check', isShare(one.historicalAccuracy)),
  ],
)
