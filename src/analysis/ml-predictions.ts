import { and, desc, eq } from 'drizzle-orm'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { optional, toCount, toShare, toUuid } from '../db/input.ts'
import { readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { type CheckedFact, factStore, type ListFactsInput, listed, recordFact } from './facts.ts'
import { mlPredictions } from './schema/analyses.ts'
import { type FeatureImportance, INTENDED_ACTIONS, type IntendedAction } from './schema/values.ts'

export type MlPrediction = typeof mlPredictions.$inferSelect

export interface RecordMlPredictionInput {
  readonly botId: string
  /** Made by the caller, it makes the call safe to repeat. */
  readonly id?: string | undefined
  readonly symbol: string
  readonly action: IntendedAction
  /** 0 to 1. */
  readonly confidence: number
  /** What the model gives each action, 0 to 1. */
  readonly probLong?: number | undefined
  readonly probShort?: number | undefined
  readonly probHold?: number | undefined
  /** How much each feature counted, by its name. */
  readonly featureImportance?: FeatureImportance | undefined
  readonly modelVersion: string
  /** Such as `xgboost`. */
  readonly modelType?: string | undefined
  readonly predictionMs?: number | undefined
  readonly featuresUsed?: number | undefined
  /** Share of earlier predictions that came true, 0 to 1, as the model's author measured it. */
  readonly historicalAccuracy?: number | undefined
  /** The database's clock if left out. */
  readonly predictedAt?: Date | undefined
}

const store = factStore('recordMlPrediction', mlPredictions, mlPredictions.predictedAt)

/**
 * Stores what a model predicted, and returns it. Safe to repeat with the same `id`.
 *
 * @throws `conflict` naming the fields if that `id` was recorded with other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function recordMlPrediction(
  db: Database,
  input: RecordMlPredictionInput,
): Promise<MlPrediction> {
  return await recordFact(db, store, 'model prediction', checked(input), input)
}

function checked(input: RecordMlPredictionInput): CheckedFact {
  return {
    botId: toName(input.botId, 'botId'),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    symbol: toName(input.symbol, 'symbol'),
    action: toOneOf(input.action, INTENDED_ACTIONS, 'action'),
    confidence: toShare(input.confidence, 'confidence'),
    probLong: optional(input.probLong, 'probLong', toShare),
    probShort: optional(input.probShort, 'probShort', toShare),
    probHold: optional(input.probHold, 'probHold', toShare),
    featureImportance: input.featureImportance ?? null,
    modelVersion: toName(input.modelVersion, 'modelVersion'),
    modelType: optional(input.modelType, 'modelType', toName),
    predictionMs: optional(input.predictionMs, 'predictionMs', toCount),
    featuresUsed: optional(input.featuresUsed, 'featuresUsed', toCount),
    historicalAccuracy: optional(input.historicalAccuracy, 'historicalAccuracy', toShare),
    predictedAt: optional(input.predictedAt, 'predictedAt', toInstant),
  }
}

export interface LatestMlPredictionInput {
  readonly botId: string
  readonly symbol: string
  /** Any if left out. */
  readonly modelVersion?: string | undefined
}

/** Returns the newest model prediction for a symbol. @throws `not_found` naming the symbol if the bot has none. */
export async function getLatestMlPrediction(
  db: Database,
  input: LatestMlPredictionInput,
): Promise<MlPrediction> {
  const { botId, symbol, modelVersion } = input
  const ofModel = modelVersion === undefined ? '' : ` by ${modelVersion}`
  return await one(
    'getLatestMlPrediction',
    `model prediction for '${symbol}'${ofModel} of bot '${botId}'`,
    db
      .select()
      .from(mlPredictions)
      .where(
        and(
          eq(mlPredictions.botId, toName(botId, 'botId')),
          eq(mlPredictions.symbol, toName(symbol, 'symbol')),
          modelVersion === undefined
            ? undefined
            : eq(mlPredictions.modelVersion, toName(modelVersion, 'modelVersion')),
        ),
      )
      .orderBy(desc(mlPredictions.predictedAt), desc(mlPredictions.id))
      .limit(1),
  )
}

/** `from` and `until` are of `predictedAt`. */
export type ListMlPredictionsInput = ListFactsInput<Pick<MlPrediction, 'predictedAt' | 'id'>>

/** Returns a bot's model predictions, newest first. @throws `invalid_input` naming the field. */
export async function listMlPredictions(
  db: Database,
  input: ListMlPredictionsInput,
): Promise<MlPrediction[]> {
  const { after } = input
  return await many(
    'listMlPredictions',
    db
      .select()
      .from(mlPredictions)
      .where(
        listed(
          mlPredictions,
          mlPredictions.predictedAt,
          input,
          after && { at: after.predictedAt, id: after.id },
        ),
      )
      .orderBy(desc(mlPredictions.predictedAt), desc(mlPredictions.id))
      .limit(readLimit(input.limit)),
  )
}
