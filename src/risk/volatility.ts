import { and, eq, lte, sql } from 'drizzle-orm'
import { readNow, toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { symbolVolatility } from './schema/measures.ts'

/** The volatility of a symbol as it was calculated last. */
export type SymbolVolatility = typeof symbolVolatility.$inferSelect

export interface SetSymbolVolatilityInput {
  readonly exchange: string
  readonly symbol: string
  readonly windowDays: number
  /** Standard deviation of daily log returns: 0.03 is three per cent a day. Not negative. */
  readonly volatility: number
  /** How many returns it was made of. */
  readonly sampleSize: number
  /** Now, unless given. */
  readonly calculatedAt?: Date | undefined
}

/**
 * Keeps the volatility of a symbol over a window, in place of an older one, and returns what is kept: a figure that was
 * calculated before the one that is there changes nothing.
 *
 * @throws `invalid_input` naming the field.
 */
export async function setSymbolVolatility(
  db: Database,
  input: SetSymbolVolatilityInput,
): Promise<SymbolVolatility> {
  const key = readKey(input)
  const { volatility: value, sampleSize } = input
  if (!Number.isFinite(value)) {
    throw new DataError('invalid_input', `volatility is ${String(value)}, not a finite number`, {
      field: 'volatility',
    })
  }
  const row = {
    ...key,
    volatility: value,
    sampleSize: toCount(sampleSize, 'sampleSize'),
    calculatedAt: toInstant(input.calculatedAt ?? new Date(), 'calculatedAt'),
  }
  const { exchange, symbol, windowDays, calculatedAt } = symbolVolatility
  const stored = await maybeOne(
    'setSymbolVolatility',
    db
      .insert(symbolVolatility)
      .values(row)
      .onConflictDoUpdate({
        target: [exchange, symbol, windowDays],
        set: {
          volatility: sql`excluded.volatility`,
          sampleSize: sql`excluded.sample_size`,
          calculatedAt: sql`excluded.calculated_at`,
        },
        setWhere: lte(calculatedAt, sql`excluded.calculated_at`),
      })
      .returning(),
  )
  if (stored) return stored
  return await one(
    'setSymbolVolatility',
    `volatility of '${key.symbol}' on exchange '${key.exchange}'`,
    db
      .select()
      .from(symbolVolatility)
      .where(and(eq(exchange, key.exchange), eq(symbol, key.symbol), eq(windowDays, key.windowDays))),
  )
}

export interface GetSymbolVolatilityInput {
  readonly exchange: string
  readonly symbol: string
  readonly windowDays: number
  /** An older figure counts as absent. */
  readonly maxAgeMs: number
  /** The moment to look from. Now, unless given. */
  readonly now?: Date | undefined
}

type Slot = 'exchange' | 'symbol' | 'windowDays' | 'maxAgeMs' | 'now'

/** A figure and how old it is. */
export type Aged<Figure> = Figure & { readonly ageMs: number }

const fresh: PreparedStatement<Aged<SymbolVolatility>, Slot> = sqlStatement(
  'getSymbolVolatility',
  (slot) => ({
    query: sql`
    select v.exchange, v.symbol, v.window_days, v.volatility, v.sample_size, v.calculated_at, age.ms::float8
    from risk.volatility v
    cross join lateral (
      select greatest(extract(epoch from risk.clock(${slot('now')}::timestamptz(3)) - v.calculated_at) * 1000, 0) as ms) age
    where v.exchange = ${slot('exchange')} and v.symbol = ${slot('symbol')} and v.window_days = ${slot('windowDays')}
      and age.ms <= ${slot('maxAgeMs')}::bigint`,
    fields: {
      exchange: symbolVolatility.exchange,
      symbol: symbolVolatility.symbol,
      windowDays: symbolVolatility.windowDays,
      volatility: symbolVolatility.volatility,
      sampleSize: symbolVolatility.sampleSize,
      calculatedAt: symbolVolatility.calculatedAt,
      ageMs: sql`age_ms`,
    },
  }),
)

/**
 * Returns the volatility that is kept of a symbol and a window, with its age, or undefined if there is none or it is older than
 * `maxAgeMs`. There is no default: who must know, and does not, does not trade.
 *
 * @throws `invalid_input` naming the field.
 */
export async function getSymbolVolatility(
  db: Database,
  input: GetSymbolVolatilityInput,
): Promise<Aged<SymbolVolatility> | undefined> {
  const rows = await fresh.run(db, {
    ...readKey(input),
    maxAgeMs: readMaxAge(input.maxAgeMs),
    now: readNow(input.now),
  })
  return only(fresh.name, rows)
}

/** Reads how old a figure may be. @throws `invalid_input` naming `maxAgeMs`. */
export function readMaxAge(maxAgeMs: number): number {
  if (Number.isSafeInteger(maxAgeMs) && maxAgeMs >= 0) return maxAgeMs
  throw new DataError('invalid_input', `maxAgeMs ${String(maxAgeMs)} is not a whole number of 0 or more`, {
    field: 'maxAgeMs',
  })
}

function readKey(input: Pick<SetSymbolVolatilityInput, 'exchange' | 'symbol' | 'windowDays'>) {
  return {
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    windowDays: toCount(input.windowDays, 'windowDays'),
  }
}

const COUNT_MAX = 2_147_483_647

function toCount(value: number, field: string): number {
  if (Number.isInteger(value) && value >= 1 && value <= COUNT_MAX) return value
  throw new DataError('invalid_input', `${field} ${String(value)} is not a whole number of 1 or more`, {
    field,
  })
}
