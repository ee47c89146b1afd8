import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { pgSchema } from 'drizzle-orm/pg-core'
import { z } from 'zod'

export const analysis = pgSchema('analysis')

/** Where a source sees a market go. */
export const OUTLOOKS = ['bullish', 'bearish', 'neutral'] as const
export type Outlook = (typeof OUTLOOKS)[number]

/** What a language model may answer: also that it cannot tell. */
export const LLM_SENTIMENTS = [...OUTLOOKS, 'uncertain'] as const
export type LlmSentiment = (typeof LLM_SENTIMENTS)[number]

/** How a call of a language model ended. `cached`: an earlier answer was used again. */
export const LLM_STATUSES = ['success', 'error', 'timeout', 'cached'] as const
export type LlmStatus = (typeof LLM_STATUSES)[number]

/** What a model or a bot means to do. */
export const INTENDED_ACTIONS = ['long', 'short', 'close', 'hold'] as const
export type IntendedAction = (typeof INTENDED_ACTIONS)[number]

/** What became of what was meant: a veto hides it. */
export const DECIDED_ACTIONS = [...INTENDED_ACTIONS, 'vetoed'] as const
export type DecidedAction = (typeof DECIDED_ACTIONS)[number]

/** Where a piece of evidence comes from: a technical signal, an LLM analysis, a model prediction, or a strategy's signal. */
export const EVIDENCE_SOURCES = ['technical', 'llm', 'model', 'signal'] as const
export type EvidenceSource = (typeof EVIDENCE_SOURCES)[number]

const indicatorReadingSchema = z.object({ signal: z.enum(OUTLOOKS).optional() }).catchall(z.json())

/** What each indicator said, by its name: `{ RSI: { signal: 'bullish', value: 65 } }`. */
export const indicatorReadingsSchema = z.record(z.string(), indicatorReadingSchema)
export type IndicatorReadings = z.output<typeof indicatorReadingsSchema>

/** What moved a language model to its answer: `[{ factor: 'ETF inflows', impact: 'positive', weight: 0.8 }]`. */
export const keyFactorsSchema = z.array(
  z
    .object({ factor: z.string(), impact: z.string().optional(), weight: z.number().optional() })
    .catchall(z.json()),
)
export type KeyFactors = z.output<typeof keyFactorsSchema>

/** A language model's answer, where it was asked for JSON. */
export const llmResponseSchema = z.union([z.record(z.string(), z.json()), z.array(z.json())])
export type LlmResponse = z.output<typeof llmResponseSchema>

/** How much each feature counted in a prediction, by its name: `{ rsi: 0.25 }`. */
export const featureImportanceSchema = z.record(z.string(), z.number())
export type FeatureImportance = z.output<typeof featureImportanceSchema>

/** Why a bot decided as it did: `[{ source: 'technical', signal: 'bullish', weight: 0.4 }]`. */
export const decisionReasonsSchema = z.array(
  z
    .object({ source: z.string(), signal: z.string().optional(), weight: z.number().optional() })
    .catchall(z.json()),
)
export type DecisionReasons = z.output<typeof decisionReasonsSchema>

/** What else belongs to a risk check. Amounts as decimal text. */
export const checkDetailsSchema = z.record(z.string(), z.json())
export type CheckDetails = z.output<typeof checkDetailsSchema>

/** The rule of a count. */
export function isCount(column: SQLWrapper): SQL {
  return sql`${column} between 0 and 1000000000`
}
