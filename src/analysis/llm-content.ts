import { toLabel } from '../db/columns.ts'
import { DataError } from '../db/errors.ts'
import { optional } from '../db/input.ts'
import { encodeValue } from './facts.ts'
import type { KeyRing, SealedPlace } from './key-ring.ts'
import { llmAnalyses } from './schema/analyses.ts'
import type { LlmResponse } from './schema/values.ts'

/** What a model was asked and what it answered, as it may be read. */
export interface LlmContent {
  readonly prompt: string | null
  readonly response: string | null
  readonly responseJson: LlmResponse | null
}

/** The same, as it is stored: readable, or encrypted under the key that is named. */
export type StoredLlmContent = Pick<typeof llmAnalyses.$inferSelect, ContentColumn>

type ContentColumn =
  | keyof LlmContent
  | 'promptCiphertext'
  | 'responseCiphertext'
  | 'responseJsonCiphertext'
  | 'keyId'

type Place = Pick<SealedPlace, 'botId' | 'id'>

export interface LlmContentInput {
  readonly prompt?: string | undefined
  readonly response?: string | undefined
  readonly responseJson?: LlmResponse | undefined
}

/** @throws `invalid_input` naming the field, and nothing of what it holds. */
export function readContent(input: LlmContentInput): LlmContent {
  // What is encrypted is not looked at by its column any more.
  const json = encodeValue(llmAnalyses.responseJson, input.responseJson, 'responseJson')
  return {
    prompt: optional(input.prompt, 'prompt', toLabel),
    response: optional(input.response, 'response', toLabel),
    responseJson: json === null ? null : (JSON.parse(String(json)) as LlmResponse),
  }
}

/** The content as it is to be stored: encrypted where there is a key ring. */
export function storedContent(
  content: LlmContent,
  place: Place,
  keyRing: KeyRing | undefined,
): StoredLlmContent {
  const none = { promptCiphertext: null, responseCiphertext: null, responseJsonCiphertext: null, keyId: null }
  if (!keyRing) return { ...content, ...none }
  const seal = (text: string | null, field: string) =>
    text === null ? null : keyRing.seal(text, { ...place, field })
  const { prompt, response, responseJson } = content
  const isEmpty = prompt === null && response === null && responseJson === null
  return {
    prompt: null,
    response: null,
    responseJson: null,
    promptCiphertext: seal(prompt, 'prompt'),
    responseCiphertext: seal(response, 'response'),
    responseJsonCiphertext: seal(responseJson === null ? null : JSON.stringify(responseJson), 'responseJson'),
    keyId: isEmpty ? null : keyRing.currentKeyId,
  }
}

/** @throws `config` naming the key, if it is not there or does not open what is stored. */
export function openContent(
  stored: StoredLlmContent,
  place: Place,
  keyRing: KeyRing | undefined,
): LlmContent {
  const { keyId, promptCiphertext, responseCiphertext, responseJsonCiphertext } = stored
  if (keyId === null) {
    const { prompt, response, responseJson } = stored
    return { prompt, response, responseJson }
  }
  if (!keyRing) {
    throw new DataError(
      'config',
      `LLM analysis '${place.id}' of bot '${place.botId}' is encrypted under key '${keyId}'; give its keyRing`,
    )
  }
  const open = (sealed: Buffer | null, field: string) =>
    sealed === null ? null : keyRing.open(sealed, keyId, { ...place, field })
  const json = open(responseJsonCiphertext, 'responseJson')
  return {
    prompt: open(promptCiphertext, 'prompt'),
    response: open(responseCiphertext, 'response'),
    responseJson: json === null ? null : (JSON.parse(json) as LlmResponse),
  }
}
