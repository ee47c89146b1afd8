import { and, desc, eq, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { getMarketCorrelation } from '../market/correlation.ts'
import { DAY_MS, type Timeframe } from '../market/timeframes.ts'
import { correlationMatrices } from './schema/measures.ts'

/** How symbols of an exchange moved together in a window: an entry per pair, with its number of pairs of returns. */
export type CorrelationMatrix = typeof correlationMatrices.$inferSelect

export interface CalculateCorrelationInput {
  readonly exchange: string
  /** 2 to 50, each once. */
  readonly symbols: readonly string[]
  /** `1d` unless given. */
  readonly timeframe?: Timeframe | undefined
  /** How far back candles count. 90 unless given. */
  readonly windowDays?: number | undefined
  /** Candles that opened before then. Now, unless given. */
  readonly until?: Date | undefined
}

const WINDOW_DAYS = 90
const WINDOW_DAYS_MAX = 36_500

/**
 * Calculates Pearson's coefficient of the log returns of each pair of symbols, stores the matrix and returns it. What one of a
 * pair lacks is left out of both; the coefficient is null where two returns are not there, or do not vary.
 *
 * @throws `not_found` naming the symbol that has no candle in the timeframe.
 * @throws `invalid_input` naming the field, also if a symbol is listed twice.
 */
export async function calculateCorrelation(
  db: Database,
  input: CalculateCorrelationInput,
): Promise<CorrelationMatrix> {
  const exchange = toName(input.exchange, 'exchange')
  const { symbols, timeframe = '1d', windowDays = WINDOW_DAYS } = input
  if (!Number.isInteger(windowDays) || windowDays < 1 || windowDays > WINDOW_DAYS_MAX) {
    throw new DataError(
      'invalid_input',
      `windowDays ${windowDays} is not a whole number from 1 to ${WINDOW_DAYS_MAX}`,
      { field: 'windowDays' },
    )
  }
  const untilTime = toInstant(input.until ?? new Date(), 'until')
  const fromTime = new Date(untilTime.getTime() - windowDays * DAY_MS)
  const pairs = await getMarketCorrelation(db, {
    series: symbols.map((symbol) => ({ exchange, symbol })),
    timeframe,
    from: fromTime,
    until: untilTime,
  })
  const correlations = pairs.map(({ first, second, coefficient, pairCount }) => ({
    a: first.symbol,
    b: second.symbol,
    coefficient,
    pairs: pairCount,
  }))
  return await one(
    'calculateCorrelation',
    'matrix',
    db
      .insert(correlationMatrices)
      .values({ id: newId(), exchange, symbols: [...symbols], timeframe, fromTime, untilTime, correlations })
      .returning(),
  )
}

export interface ListCorrelationsInput extends PageInput<Pick<CorrelationMatrix, 'calculatedAt' | 'id'>> {
  readonly exchange: string
  /** Only matrices that have all of these. */
  readonly symbols?: readonly string[] | undefined
}

/** Returns the matrices that were calculated of an exchange's symbols, newest first. */
export async function listCorrelations(
  db: Database,
  input: ListCorrelationsInput,
): Promise<CorrelationMatrix[]> {
  const { after, symbols } = input
  const { exchange, calculatedAt, id } = correlationMatrices
  const has = symbols?.map((symbol, i) => toName(symbol, `symbols[${i}]`))
  return await many(
    'listCorrelations',
    db
      .select()
      .from(correlationMatrices)
      .where(
        and(
          eq(exchange, toName(input.exchange, 'exchange')),
          has && sql`${correlationMatrices.symbols} @> ${JSON.stringify(has)}::jsonb`,
          comesAfter(calculatedAt, id, after && { at: after.calculatedAt, id: after.id }),
        ),
      )
      .orderBy(desc(calculatedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}
