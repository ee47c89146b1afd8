import { toLabel } from './columns.ts'
import { DataError } from './errors.ts'

// Readers of what verbs are given, where no column reads it.

/** An error of code `invalid_input` that names `field`. */
export function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

/** Reads what may be left out: null where it is. */
export function optional<Given, Read>(
  value: Given | null | undefined,
  field: string,
  read: (value: Given, field: string) => Read,
): Read | null {
  return value === undefined || value === null ? null : read(value, field)
}

const UUID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Reads the id of a row. @throws `invalid_input` naming `field` if it is not a UUID. */
export function toUuid(value: string, field: string): string {
  if (UUID_PATTERN.test(toLabel(value, field))) return value.toLowerCase()
  throw invalid(field, `'${value.slice(0, 60)}' is not a UUID`)
}

/** Reads a confidence, a probability or another share. @throws `invalid_input` naming `field` if it is not a number from 0 to 1. */
export function toShare(value: number, field: string): number {
  return toNumberFrom(value, 0, 1, field)
}

/** Reads a number. @throws `invalid_input` naming `field` if it is not from `least` to `most`. */
export function toNumberFrom(value: number, least: number, most: number, field: string): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw invalid(field, `${String(value).slice(0, 60)} is not a number from ${least} to ${most}`)
}

const COUNT_MAX = 1_000_000_000

/** Reads a count. @throws `invalid_input` naming `field` if it is not a whole number from 0 to 1,000,000,000. */
export function toCount(value: number, field: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= COUNT_MAX) return value
  throw invalid(field, `${String(value).slice(0, 60)} is not a whole number from 0 to ${COUNT_MAX}`)
}

/** Reads a flag. @throws `invalid_input` naming `field` if it is neither true nor false. */
export function toFlag(value: boolean, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(field, `is ${typeof value}, not true or false`)
}
