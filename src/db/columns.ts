import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { customType } from 'drizzle-orm/pg-core'
import type { ZodType } from 'zod'
import { type Amount, type Decimal, readStored, toDecimal } from './decimal.ts'
import { DataError } from './errors.ts'

/** An exact amount: `numeric` without a declared scale, which would round without a word. */
export const decimal = (name: string) =>
  customType<{ data: Decimal; driverData: string }>({
    dataType: () => 'numeric',
    toDriver: (value) => toDecimal(value as Amount, camelCase(name)).toFixed(),
    fromDriver: readStored,
  })(name)

/**
 * An amount that a division made, of up to 40 decimals and any size: written by this library, never by a caller.
 */
export const quotient = (name: string) =>
  customType<{ data: Decimal; driverData: string }>({
    dataType: () => 'numeric',
    toDriver: (value) => value.toFixed(),
    fromDriver: readStored,
  })(name)

/** A moment, to the millisecond that a JS `Date` has: finer stored times would break equality and paging. */
export const instant = (name: string) =>
  customType<{ data: Date; driverData: string }>({
    dataType: () => 'timestamp (3) with time zone',
    toDriver: (value) => toInstant(value, camelCase(name)).toISOString(),
    fromDriver: readInstant,
  })(name)

const STORED_INSTANT = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(:\d\d)?$/

/**
 * Reads a time as Postgres writes it.
 *
 * A server may be told to write them as `21/11/2026`, which would be read as another day, or not at all. And what is not
 * quite ISO is read by rules of its own: of the year 50 it makes 1950.
 */
export function readInstant(text: string): Date {
  const ms = wholeSecondMs(text)
  if (!Number.isNaN(ms)) return new Date(ms)
  const [, date, time, hours, minutes = ':00'] = STORED_INSTANT.exec(text) ?? []
  if (date !== undefined) return new Date(`${date}T${time}${hours}${minutes}`)
  throw new DataError(
    'config',
    `the server writes times as '${text}'; set its DateStyle to ISO for this database`,
  )
}

/** The Unix time of `2024-01-31 08:00:00+00`, which most times are, or NaN for what is written otherwise. */
function wholeSecondMs(text: string): number {
  const isPlain = text.length === 22 && text[0] !== '0' && text[4] === '-' && text.endsWith('+00')
  if (!isPlain) return Number.NaN
  const year = digitsAt(text, 0) * 100 + digitsAt(text, 2)
  const [month, day] = [digitsAt(text, 5), digitsAt(text, 8)]
  return Date.UTC(year, month - 1, day, digitsAt(text, 11), digitsAt(text, 14), digitsAt(text, 17))
}

/** Two digits as a number, or NaN. */
function digitsAt(text: string, index: number): number {
  const [tens, ones] = [text.charCodeAt(index) - 48, text.charCodeAt(index + 1) - 48]
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Text that Postgres can store: no NUL, no half of a surrogate pair; one of `values`, where they are given. */
export const label = <const Value extends string = string>(name: string, values?: readonly Value[]) =>
  customType<{ data: Value; driverData: string }>({
    dataType: () => 'text',
    toDriver: (value) => (values ? toOneOf(value, values, camelCase(name)) : toLabel(value, camelCase(name))),
  })(name)

/** A jsonb document of a known shape, checked and encoded here and nowhere else. */
export const json = <Value>(name: string, schema: ZodType<Value>) =>
  customType<{ data: Value; driverData: string }>({
    dataType: () => 'jsonb',
    toDriver: (value) => toJsonText(schema, value, camelCase(name)),
    fromDriver: (text) => (typeof text === 'string' ? JSON.parse(text) : text) as Value,
  })(name)

/** Bytes: as hexadecimal digits on the way, since every driver carries text. */
export const bytes = (name: string) =>
  customType<{ data: Buffer; driverData: string }>({
    dataType: () => 'bytea',
    toDriver: (value) => `\\x${value.toString('hex')}`,
    fromDriver: readBytes,
  })(name)

/** Reads bytes as Postgres writes them, unless a server was told to write them in its former way. */
export function readBytes(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  throw new DataError('config', 'the server does not write bytes as hexadecimal; set its bytea_output to hex')
}

/** A 64-bit count that grows past no JS number in practice. */
export const counter = (name: string) =>
  customType<{ data: number; driverData: string }>({
    dataType: () => 'bigint',
    toDriver: String,
    fromDriver: Number,
  })(name)

/** Reads text. @throws `invalid_input` naming `field` if it is not a string, holds a NUL or half a surrogate pair. */
export function toLabel(value: string, field: string): string {
  if (typeof value !== 'string')
    throw invalid(field, `is ${value === null ? 'null' : typeof value}, not text`)
  if (value.includes('\0')) throw invalid(field, 'contains a NUL character')
  if (!value.isWellFormed()) throw invalid(field, 'contains half of a surrogate pair')
  return value
}

/** Reads text that names something. @throws `invalid_input` naming `field`, also if it is empty. */
export function toName(value: string, field: string): string {
  if (toLabel(value, field).trim() === '') throw invalid(field, 'is empty')
  return value
}

/** Reads a moment. @throws `invalid_input` naming `field` if it is no valid Date of the years 1 to 9999. */
export function toInstant(value: Date, field: string): Date {
  if (!(value instanceof Date)) throw invalid(field, `is ${typeof value}, not a Date`)
  const year = value.getUTCFullYear()
  if (Number.isNaN(value.getTime())) throw invalid(field, 'is an invalid Date')
  if (year < 1 || year > 9999) throw invalid(field, `'${value.toISOString()}' is outside the years 1 to 9999`)
  return value
}

const DAY = /^\d{4}-\d\d-\d\d$/

/** Reads a date of the calendar. @throws `invalid_input` naming `field` if it is none, or not written as `2024-01-31`. */
export function toDay(value: string, field: string): string {
  const at = typeof value === 'string' && DAY.test(value) ? new Date(`${value}T00:00:00Z`) : undefined
  // The 30th of February is read as the 1st of March.
  if (at && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(value)) return value
  throw invalid(field, `'${String(value).slice(0, 60)}' is not a date as 2024-01-31`)
}

/** A moment that a caller gives in place of the database's clock, as text; null where the clock is to say. @throws `invalid_input` naming `now`. */
export function readNow(now: Date | undefined): string | null {
  return now === undefined ? null : toInstant(now, 'now').toISOString()
}

/** Reads one value of a closed list. @throws `invalid_input` naming `field` and listing what is allowed. */
export function toOneOf<Value extends string>(value: Value, allowed: readonly Value[], field: string): Value {
  if (allowed.includes(value)) return value
  throw invalid(field, `'${String(value).slice(0, 60)}' is not one of ${allowed.join(', ')}`)
}

function toJsonText<Value>(schema: ZodType<Value>, value: Value, field: string): string {
  const checked = schema.safeParse(value)
  if (!checked.success) {
    const issue = checked.error.issues[0]
    throw invalid(
      field,
      `${issue?.path.length ? `at ${issue.path.join('.')} ` : ''}${issue?.message ?? 'is invalid'}`,
    )
  }
  const text = JSON.stringify(checked.data)
  if (text === undefined) throw invalid(field, 'has no JSON form')
  if (text.includes('\\u0000')) throw invalid(field, 'contains a NUL character')
  return text
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The rule of a column that holds one value of a closed list. */
export function isOneOf(column: SQLWrapper, values: readonly string[]): SQL {
  return sql`${column} in (${sql.raw(values.map((value) => `'${value}'`).join(', '))})`
}

// Postgres holds NaN to be greater than every number, infinity included.

/** The rule of an amount greater than zero. */
export function isPositive(column: SQLWrapper): SQL {
  return sql`${column} > 0 and ${column} < 'Infinity'::numeric`
}

/** The rule of an amount of zero or more. */
export function isNotNegative(column: SQLWrapper): SQL {
  return sql`${column} >= 0 and ${column} < 'Infinity'::numeric`
}

/** The rule of any finite amount. */
export function isFiniteAmount(column: SQLWrapper): SQL {
  return sql`${column} > '-Infinity'::numeric and ${column} < 'Infinity'::numeric`
}

/** The rule of a share, a probability or a confidence: 0 to 1. NaN is greater than every number, so it is refused. */
export function isShare(column: SQLWrapper): SQL {
  return sql`${column} between 0 and 1`
}

export function isObject(column: SQLWrapper): SQL {
  return sql`jsonb_typeof(${column}) = 'object'`
}

export function isNotBlank(column: SQLWrapper): SQL {
  return sql`btrim(${column}) <> ''`
}

/** Defaults that the database fills in. */
export const NOW: SQL<Date> = sql`now()`
export const NOTHING: SQL<Decimal> = sql`0`

/** `numerator / denominator` as the library divides: 40 decimals, rounded half up. */
export function quotientOf(numerator: string, denominator: string): string {
  return `round((${numerator}) * 1.${'0'.repeat(60)} / nullif(${denominator}, 0), 40)`
}
