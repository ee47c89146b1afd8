import { type SQL, sql } from 'drizzle-orm'
import { DataError, isDataError } from '../db/errors.ts'
import { type JsonValue, notes } from './schema.ts'

/**
 * The document as a parameter of a statement, checked and encoded as its column does.
 *
 * Given as it is, JSON's own null would be stored as SQL's NULL.
 */
export function toDocument(value: JsonValue): SQL {
  return sql`${toDocumentText(value)}::jsonb`
}

/** The document as text. @throws `invalid_input` naming `value` if it is not JSON that Postgres can hold. */
export function toDocumentText(value: JsonValue): string {
  const text = encode(value)
  if (LONE_SURROGATE.test(text)) throw invalid('contains half of a surrogate pair')
  return text
}

// JSON.stringify escapes halves of pairs and nothing else as \ud…; a backslash before it would be text.
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/

function encode(value: JsonValue): string {
  try {
    return String(notes.value.mapToDriverValue(value))
  } catch (thrown) {
    if (isDataError(thrown)) throw thrown
    throw invalid('is circular or nested too deeply', thrown)
  }
}

function invalid(why: string, cause?: unknown): DataError {
  return new DataError('invalid_input', `value ${why}`, { field: 'value', cause })
}

/** Reads the version that a caller has seen: 0 for none yet. @throws `invalid_input` naming `expectedVersion`. */
export function toExpectedVersion(version: number | undefined): number | null {
  if (version === undefined) return null
  if (Number.isSafeInteger(version) && version >= 0) return version
  throw new DataError('invalid_input', `expectedVersion ${version} is not a whole number of 0 or more`, {
    field: 'expectedVersion',
  })
}
