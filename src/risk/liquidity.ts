import { and, eq, lte, sql } from 'drizzle-orm'
import { readNow, toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { symbolLiquidity } from './schema/measures.ts'
import { type Aged, readMaxAge } from './volatility.ts'

/** How much of a symbol can be traded, as it was measured last. */
export type SymbolLiquidity = typeof symbolLiquidity.$inferSelect

export interface SetSymbolLiquidityInput {
  readonly exchange: string
  readonly symbol: string
  /** 0 to 1, in the measurer's own terms: 1 is sold at once. */
  readonly score: number
  /** Traded in a day, in quote currency. Not negative; null unless given. */
  readonly dailyVolume?: Amount | null | undefined
  /** (ask − bid) / mid. Not negative; null unless given. */
  readonly spreadFraction?: number | null | undefined
  /** Now, unless given. */
  readonly measuredAt?: Date | undefined
}

/**
 * Keeps the liquidity of a symbol, in place of an older one, and returns what is kept: a figure that was measured before the
 * one that is there changes nothing.
 *
 * @throws `invalid_input` naming the field.
 */
export async function setSymbolLiquidity(
  db: Database,
  input: SetSymbolLiquidityInput,
): Promise<SymbolLiquidity> {
  const { dailyVolume, spreadFraction = null } = input
  const row = {
    ...readKey(input),
    score: toFinite(input.score, 'score'),
    dailyVolume:
      dailyVolume === null || dailyVolume === undefined ? null : toDecimal(dailyVolume, 'dailyVolume'),
    spreadFraction: spreadFraction === null ? null : toFinite(spreadFraction, 'spreadFraction'),
    measuredAt: toInstant(input.measuredAt ?? new Date(), 'measuredAt'),
  }
  const { exchange, symbol, measuredAt } = symbolLiquidity
  const stored = await maybeOne(
    'setSymbolLiquidity',
    db
      .insert(symbolLiquidity)
      .values(row)
      .onConflictDoUpdate({
        target: [exchange, symbol],
        set: {
          dailyVolume: sql`excluded.daily_volume`,
          spreadFraction: sql`excluded.spread_fraction`,
          score: sql`excluded.score`,
          measuredAt: sql`excluded.measured_at`,
        },
        setWhere: lte(measuredAt, sql`excluded.measured_at`),
      })
      .returning(),
  )
  if (stored) return stored
  return await one(
    'setSymbolLiquidity',
    `liquidity of '${row.symbol}' on exchange '${row.exchange}'`,
    db
      .select()
      .from(symbolLiquidity)
      .where(and(eq(exchange, row.exchange), eq(symbol, row.symbol))),
  )
}

export interface GetSymbolLiquidityInput {
  readonly exchange: string
  readonly symbol: string
  /** An older figure counts as absent. */
  readonly maxAgeMs: number
  /** The moment to look from. Now, unless given. */
  readonly now?: Date | undefined
}

type Slot = 'exchange' | 'symbol' | 'maxAgeMs' | 'now'

const fresh: PreparedStatement<Aged<SymbolLiquidity>, Slot> = sqlStatement('getSymbolLiquidity', (slot) => ({
  query: sql`
    select l.exchange, l.symbol, l.daily_volume, l.spread_fraction, l.score, l.measured_at, age.ms::float8
    from risk.liquidity l
    cross join lateral (
      select greatest(extract(epoch from risk.clock(${slot('now')}::timestamptz(3)) - l.measured_at) * 1000, 0) as ms) age
    where l.exchange = ${slot('exchange')} and l.symbol = ${slot('symbol')} and age.ms <= ${slot('maxAgeMs')}::bigint`,
  fields: {
    exchange: symbolLiquidity.exchange,
    symbol: symbolLiquidity.symbol,
    dailyVolume: symbolLiquidity.dailyVolume,
    spreadFraction: symbolLiquidity.spreadFraction,
    score: symbolLiquidity.score,
    measuredAt: symbolLiquidity.measuredAt,
    ageMs: sql`age_ms`,
  },
}))

/**
 * Returns the liquidity that is kept of a symbol, with its age, or undefined if there is none or it is older than `maxAgeMs`.
 * There is no default: a symbol that nobody measured is not liquid.
 *
 * @throws `invalid_input` naming the field.
 */
export async function getSymbolLiquidity(
  db: Database,
  input: GetSymbolLiquidityInput,
): Promise<Aged<SymbolLiquidity> | undefined> {
  const rows = await fresh.run(db, {
    ...readKey(input),
    maxAgeMs: readMaxAge(input.maxAgeMs),
    now: readNow(input.now),
  })
  return only(fresh.name, rows)
}

function readKey(input: { readonly exchange: string; readonly symbol: string }) {
  return { exchange: toName(input.exchange, 'exchange'), symbol: toName(input.symbol, 'symbol') }
}

function toFinite(value: number, field: string): number {
  if (Number.isFinite(value)) return value
  throw new DataError('invalid_input', `${field} is ${String(value)}, not a finite number`, { field })
}
