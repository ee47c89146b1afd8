import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { pgSchema } from 'drizzle-orm/pg-core'
import { z } from 'zod'

export const risk = pgSchema('risk')

/** From what is worth a note to what stops everything. */
export const SEVERITIES = ['info', 'warning', 'critical', 'emergency'] as const
export type Severity = (typeof SEVERITIES)[number]

/** What a bot may do: everything, only reduce, or only reduce until somebody ends it. */
export const TRADING_STATES = ['active', 'reducing', 'halted'] as const
export type TradingState = (typeof TRADING_STATES)[number]

/** Any document, with amounts as decimal text. */
export const contextSchema = z.record(z.string(), z.json())
export type Context = z.output<typeof contextSchema>

/** The rule of a double that is a number: neither NaN nor an infinity. */
export function isFiniteDouble(column: SQLWrapper): SQL {
  return sql`${column} > '-Infinity'::float8 and ${column} < 'Infinity'::float8`
}

/** The rule of a fraction from 0 to 1. NaN is greater than 1 in Postgres. */
export function isFraction(column: SQLWrapper): SQL {
  return sql`${column} >= 0 and ${column} <= 1`
}

/** Text of a column, or '' for none, so that none is a value of its own in a key. */
export function orNone(column: SQLWrapper): SQL {
  return sql`coalesce(${column}, '')`
}

/** A time of an end, or infinity for none, so that one comparison asks whether it is still to come. */
export function orNever(column: SQLWrapper): SQL {
  return sql`coalesce(${column}, 'infinity'::timestamp with time zone)`
}
