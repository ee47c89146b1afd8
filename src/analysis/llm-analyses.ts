import { and, desc, eq, getTableColumns, inArray } from 'drizzle-orm'
import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { optional, toCount, toFlag, toNumberFrom, toShare, toUuid } from '../db/input.ts'
import { readLimit } from '../db/page.ts'
import { found, many, one } from '../db/rows.ts'
import { refuseOther } from '../db/same.ts'
import { type CheckedFact, factStore, fieldsThatDiffer, type ListFactsInput, listed } from './facts.ts'
import type { KeyRing } from './key-ring.ts'
import { type LlmContent, openContent, readContent, storedContent } from './llm-content.ts'
import { llmAnalyses } from './schema/analyses.ts'
import {
  type KeyFactors,
  LLM_SENTIMENTS,
  LLM_STATUSES,
  type LlmResponse,
  type LlmSentiment,
  type LlmStatus,
} from './schema/values.ts'

type StoredAnalysis = typeof llmAnalyses.$inferSelect
type ContentColumn = keyof LlmContent | 'promptCiphertext' | 'responseCiphertext' | 'responseJsonCiphertext'

/** One call of a language model, without what it was asked and what it answered. */
export type LlmAnalysis = Omit<StoredAnalysis, ContentColumn>

/** One call of a language model, with what it was asked and what it answered. */
export type LlmAnalysisInFull = LlmAnalysis & LlmContent

export interface RecordLlmAnalysisInput {
  readonly botId: string
  /** Made by the caller, it makes the call safe to repeat. */
  readonly id?: string | undefined
  /** Left out where the model was asked about no one symbol. */
  readonly symbol?: string | undefined
  readonly exchange?: string | undefined
  /** What was asked for, such as `sentiment` or `review`. */
  readonly kind: string
  readonly promptTemplate?: string | undefined
  readonly model: string
  readonly provider?: string | undefined
  /** Left out where there was no answer, or none about a market. */
  readonly sentiment?: LlmSentiment | undefined
  /** 0 to 1. */
  readonly confidence?: number | undefined
  readonly summary?: string | undefined
  readonly keyFactors?: readonly KeyFactors[number][] | undefined
  readonly promptTokens?: number | undefined
  readonly completionTokens?: number | undefined
  /** In `costCurrency`. Leave it out where it is not known; 0 for an answer out of a cache. */
  readonly cost?: Amount | undefined
  /** `USD` unless given. */
  readonly costCurrency?: string | undefined
  readonly latencyMs?: number | undefined
  readonly temperature?: number | undefined
  /** True where an earlier answer was used again; so it is with status `cached`, unless given. */
  readonly cached?: boolean | undefined
  /** `success` unless given. */
  readonly status?: LlmStatus | undefined
  /** What the provider said. It is never encrypted. */
  readonly errorMessage?: string | undefined
  readonly prompt?: string | undefined
  readonly response?: string | undefined
  /** The answer, where the model was asked for JSON. */
  readonly responseJson?: LlmResponse | undefined
  /** Encrypts prompt and response before they leave this process. Without it they are stored as they are. */
  readonly keyRing?: KeyRing | undefined
  /** The database's clock if left out. */
  readonly analysedAt?: Date | undefined
}

const store = factStore('recordLlmAnalysis', llmAnalyses, llmAnalyses.analysedAt)

/**
 * Stores one call of a language model and returns it, without prompt and response. Safe to repeat with the same `id`, also
 * after the key was changed.
 *
 * With a key ring, prompt, response and its JSON are encrypted here, and neither the database nor an error sees them. What
 * a caller draws out of them (`summary`, `keyFactors`, `errorMessage`) stays readable.
 *
 * @throws `conflict` naming the fields if that `id` was recorded with other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `config` naming the key, if that `id` is stored under one that the key ring does not have.
 * @throws `invalid_input` naming the field.
 */
export async function recordLlmAnalysis(db: Database, input: RecordLlmAnalysisInput): Promise<LlmAnalysis> {
  const fact = checked(input)
  const content = readContent(input)
  const added = await store.insert(db, { ...fact, ...storedContent(content, fact, input.keyRing) })
  if (added) return withoutContent(added)
  const stored = await store.read(db, fact)
  if (!stored) throw new DataError('unexpected', `LLM analysis '${fact.id}' was there and is gone`)
  const readable = { ...stored, ...openContent(stored, fact, input.keyRing) }
  refuseOther(`LLM analysis '${fact.id}'`, fieldsThatDiffer(readable, { ...fact, ...content }, input))
  return withoutContent(stored)
}

function checked(input: RecordLlmAnalysisInput): CheckedFact {
  const status = toOneOf(input.status ?? 'success', LLM_STATUSES, 'status')
  return {
    botId: toName(input.botId, 'botId'),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    symbol: optional(input.symbol, 'symbol', toName),
    exchange: optional(input.exchange, 'exchange', toName),
    kind: toName(input.kind, 'kind'),
    promptTemplate: optional(input.promptTemplate, 'promptTemplate', toName),
    model: toName(input.model, 'model'),
    provider: optional(input.provider, 'provider', toName),
    sentiment: optional(input.sentiment, 'sentiment', (value, field) =>
      toOneOf(value, LLM_SENTIMENTS, field),
    ),
    confidence: optional(input.confidence, 'confidence', toShare),
    summary: optional(input.summary, 'summary', toLabel),
    keyFactors: input.keyFactors ?? null,
    promptTokens: optional(input.promptTokens, 'promptTokens', toCount),
    completionTokens: optional(input.completionTokens, 'completionTokens', toCount),
    cost: optional(input.cost, 'cost', toDecimal),
    costCurrency: toName(input.costCurrency ?? 'USD', 'costCurrency'),
    latencyMs: optional(input.latencyMs, 'latencyMs', toCount),
    temperature: optional(input.temperature, 'temperature', (value, field) =>
      toNumberFrom(value, 0, 10, field),
    ),
    cached: toFlag(input.cached ?? status === 'cached', 'cached'),
    status,
    errorMessage: optional(input.errorMessage, 'errorMessage', toLabel),
    analysedAt: optional(input.analysedAt, 'analysedAt', toInstant),
  }
}

function withoutContent<Fields extends Readonly<Record<ContentColumn, unknown>>>(
  fields: Fields,
): Omit<Fields, ContentColumn> {
  const {
    prompt: _prompt,
    response: _response,
    responseJson: _responseJson,
    promptCiphertext: _promptCiphertext,
    responseCiphertext: _responseCiphertext,
    responseJsonCiphertext: _responseJsonCiphertext,
    ...readable
  } = fields
  return readable
}

/** What everybody may read. */
const readableColumns = withoutContent(getTableColumns(llmAnalyses))

export interface GetLlmAnalysisInput {
  readonly botId: string
  readonly llmAnalysisId: string
  /** Needed where prompt and response are encrypted. */
  readonly keyRing?: KeyRing | undefined
}

/**
 * Returns one call of a language model with its prompt and response, decrypted where they are encrypted.
 *
 * @throws `not_found` if the bot has no such analysis.
 * @throws `config` naming the key, if the key ring is missing, does not have it, or holds another key of that name.
 */
export async function getLlmAnalysis(db: Database, input: GetLlmAnalysisInput): Promise<LlmAnalysisInFull> {
  const key = { botId: toName(input.botId, 'botId'), id: toUuid(input.llmAnalysisId, 'llmAnalysisId') }
  const stored = found(`LLM analysis '${key.id}' of bot '${key.botId}'`, await store.read(db, key))
  return { ...withoutContent(stored), ...openContent(stored, key, input.keyRing) }
}

export interface LatestLlmAnalysisInput {
  readonly botId: string
  readonly symbol: string
  /** Any if left out; so too below. */
  readonly kind?: string | undefined
  readonly model?: string | undefined
}

/**
 * Returns the newest answer about a symbol, without prompt and response. Calls that failed are passed over.
 *
 * @throws `not_found` naming the symbol if the bot has none.
 */
export async function getLatestLlmAnalysis(
  db: Database,
  input: LatestLlmAnalysisInput,
): Promise<LlmAnalysis> {
  const { botId, symbol, kind, model } = input
  const which = [kind, model].filter((part) => part !== undefined).map((part) => ` ${part}`)
  return await one(
    'getLatestLlmAnalysis',
    `LLM analysis of '${symbol}'${which.join('')} of bot '${botId}'`,
    db
      .select(readableColumns)
      .from(llmAnalyses)
      .where(
        and(
          eq(llmAnalyses.botId, toName(botId, 'botId')),
          eq(llmAnalyses.symbol, toName(symbol, 'symbol')),
          inArray(llmAnalyses.status, ['success', 'cached']),
          kind === undefined ? undefined : eq(llmAnalyses.kind, toName(kind, 'kind')),
          model === undefined ? undefined : eq(llmAnalyses.model, toName(model, 'model')),
        ),
      )
      .orderBy(desc(llmAnalyses.analysedAt), desc(llmAnalyses.id))
      .limit(1),
  )
}

/** `from` and `until` are of `analysedAt`. */
export type ListLlmAnalysesInput = ListFactsInput<Pick<LlmAnalysis, 'analysedAt' | 'id'>>

/** Returns a bot's calls of language models, newest first, without prompts and responses. @throws `invalid_input` naming the field. */
export async function listLlmAnalyses(db: Database, input: ListLlmAnalysesInput): Promise<LlmAnalysis[]> {
  const { after } = input
  return await many(
    'listLlmAnalyses',
    db
      .select(readableColumns)
      .from(llmAnalyses)
      .where(
        listed(llmAnalyses, llmAnalyses.analysedAt, input, after && { at: after.analysedAt, id: after.id }),
      )
      .orderBy(desc(llmAnalyses.analysedAt), desc(llmAnalyses.id))
      .limit(readLimit(input.limit)),
  )
}
