/**
 * What went wrong, as a closed list that a bot can branch on. `docs/errors.md` says where each comes from and what to do.
 */
export const ERROR_CODES = [
  'not_found',
  'conflict',
  'missing_reference',
  'invalid_input',
  'invalid_transition',
  'transient',
  'connection',
  'schema_mismatch',
  'config',
  'unexpected',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

export interface DataErrorDetails {
  /** The driver's error, or whatever was thrown underneath. */
  readonly cause?: unknown
  /** The name of the violated constraint, as in the schema. */
  readonly constraint?: string | undefined
  /** The input field at fault, as the caller spelled it. */
  readonly field?: string | undefined
}

/**
 * The one error of this library. Branch on `code`; the message names the thing and the value, and never holds a secret.
 */
export class DataError extends Error {
  readonly code: ErrorCode
  readonly constraint: string | undefined
  readonly field: string | undefined

  constructor(code: ErrorCode, message: string, details: DataErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.name = 'DataError'
    this.code = code
    this.constraint = details.constraint
    this.field = details.field
  }

  /** True when the statement or transaction was rolled back for certain, so that running it again is safe. */
  get retryable(): boolean {
    return this.code === 'transient'
  }
}

/** True for a `DataError`, also for one from another installed copy of this library. */
export function isDataError(error: unknown): error is DataError {
  return (
    error instanceof Error &&
    error.name === 'DataError' &&
    'code' in error &&
    ERROR_CODES.includes(error.code as ErrorCode)
  )
}
