import { and, desc, eq, sql } from 'drizzle-orm'
import { readNow, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, one } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { DAY_MS, nominalMs, TIMEFRAMES, type Timeframe } from '../market/timeframes.ts'
import { alignSeries, logReturns } from '../statistics/returns.ts'
import {
  expectedShortfall,
  historicalValueAtRisk,
  type PortfolioInput,
  parametricValueAtRisk,
  portfolioMoments,
  portfolioReturns,
  type ValueAtRisk,
} from '../statistics/value-at-risk.ts'
import type { HeldSymbol } from './exposure.ts'
import { VALUE_AT_RISK_METHODS, type ValueAtRiskMethod, varCalculations } from './schema/measures.ts'
import { riskSummary } from './schema/summary-view.ts'

/** One calculation of what a bot's positions may lose. */
export type ValueAtRiskCalculation = typeof varCalculations.$inferSelect

/** How a value at risk is made. */
export interface ValueAtRiskOptions {
  /** From 0.5, and below 1. 0.95 unless given. */
  readonly confidence?: number | undefined
  /** A whole number of candles. 1 unless given. */
  readonly horizonDays?: number | undefined
  /** The candles that returns are made of; no `1M`, whose months differ. `1d` unless given. */
  readonly timeframe?: Timeframe | undefined
  /** How far back candles count. 365 unless given. */
  readonly windowDays?: number | undefined
  /** The moment to look from: candles that closed later do not count. Now, unless given. */
  readonly now?: Date | undefined
}

export interface CalculateValueAtRiskInput extends ValueAtRiskOptions {
  readonly botId: string
  readonly method: ValueAtRiskMethod
}

/** Options that were read, with what follows from them. */
export interface ValueAtRiskTerms {
  readonly method: ValueAtRiskMethod
  readonly confidence: number
  readonly horizonDays: number
  readonly horizonPeriods: number
  readonly timeframe: Timeframe
  readonly lengthMs: number
  readonly windowDays: number
}

/** What the open positions of bots may lose together. */
export interface ValueAtRiskEstimate {
  /** Long and short together, of what is in the figure, in base currency. */
  readonly portfolioValue: Decimal
  /** Of that value. Null where nothing can be said, and zero where nothing is held. */
  readonly value: Decimal | null
  readonly fraction: number | null
  readonly sampleSize: number
  readonly smallSample: boolean
  /** What is held and is not in the figure: it cannot be valued, or has no two candles. */
  readonly missing: readonly HeldSymbol[]
}

interface HeldRow {
  /** Both null in the one row of bots that hold nothing. */
  readonly exchange: string | null
  readonly symbol: string
  readonly gross: Decimal | null
  /** The same as doubles; long less short. */
  readonly grossSize: number | null
  readonly netSize: number | null
  readonly isInverse: boolean
  /** Open time in Unix milliseconds and close, of complete candles, oldest first. */
  readonly closes: readonly (readonly [number, number])[] | null
}

type Slot = 'botIds' | 'now' | 'timeframe' | 'lengthMs' | 'windowDays'

const heldStatement: PreparedStatement<HeldRow, Slot> = sqlStatement('calculateValueAtRisk', (slot) => ({
  query: sql`
    select x.exchange, x.symbol, x.gross, x.gross::float8, x.net::float8, x.is_inverse, past.closes
    from (select risk.clock(${slot('now')}::timestamptz(3)) as at
      where exists (select from fleet.bots b where b.bot_id = any(${slot('botIds')}::text[]))) moment
    left join lateral (
      select h.exchange, h.symbol, bool_or(h.is_inverse) as is_inverse,
        case when count(*) = count(h.long_value) then sum(h.long_value + h.short_value) end as gross,
        case when count(*) = count(h.long_value) then sum(h.long_value - h.short_value) end as net
      from risk.holdings_of(${slot('botIds')}::text[], moment.at) h
      group by h.exchange, h.symbol
    ) x on true
    left join lateral (
      select json_agg(json_build_array((extract(epoch from c.open_time) * 1000)::bigint, c.close::float8) order by c.open_time) as closes
      from market.candles c
      where c.series_id = (select s.id from market.series s
          where s.exchange = x.exchange and s.symbol = x.symbol and s.timeframe = ${slot('timeframe')})
        and c.complete and c.open_time >= moment.at - ${slot('windowDays')}::integer * interval '24 hours'
        and c.open_time <= moment.at - ${slot('lengthMs')}::bigint * interval '1 millisecond'
    ) past on true
    order by x.exchange, x.symbol`,
  fields: {
    exchange: riskSummary.exchange,
    symbol: riskSummary.botId,
    gross: varCalculations.portfolioValue,
    grossSize: sql`gross`,
    netSize: sql`net`,
    isInverse: sql`is_inverse`,
    closes: sql`closes`.mapWith((found) => (typeof found === 'string' ? JSON.parse(found) : found)),
  },
}))

/**
 * Calculates what the open positions of a bot may lose, stores it and returns it.
 *
 * Positions are valued as by `getExposure`. Returns are those of the stored candles that all symbols held have in common: by
 * history as if the positions had been held all along, by parameters from the covariance of each symbol with each. A symbol that
 * cannot be valued or has no two candles is named in `unpriced` and is not in the figure. The value is null where nothing can be
 * said, and zero for a bot that holds nothing. What the base currency does against the currencies of the symbols is not in it.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field, also if the horizon is no whole number of candles.
 */
export async function calculateValueAtRisk(
  db: Database,
  input: CalculateValueAtRiskInput,
): Promise<ValueAtRiskCalculation> {
  const botId = toBotId(input.botId)
  const terms = readValueAtRisk(input.method, input)
  const { missing, ...figures } = found(
    `bot '${botId}'`,
    await estimateValueAtRisk(db, { botIds: [botId], terms, now: input.now }),
  )
  const { method, confidence, horizonDays } = terms
  return await one(
    'calculateValueAtRisk',
    'calculation',
    db
      .insert(varCalculations)
      .values({
        botId,
        id: newId(),
        method,
        confidence,
        horizonDays,
        ...figures,
        unpriced: [...new Set(missing.map(({ symbol }) => symbol))],
      })
      .returning(),
  )
}

/** Reads how a value at risk is to be made. @throws `invalid_input` naming the field. */
export function readValueAtRisk(method: ValueAtRiskMethod, options: ValueAtRiskOptions): ValueAtRiskTerms {
  const { confidence = 0.95, horizonDays = 1 } = options
  const window = readWindow(options)
  const terms = {
    method: toOneOf(method, VALUE_AT_RISK_METHODS, 'method'),
    confidence,
    horizonDays,
    horizonPeriods: readHorizon(horizonDays, window.timeframe, window.lengthMs),
    ...window,
  }
  // Refuses what it cannot work with, before anything is read.
  figureOf(terms, { weights: [], logReturns: [] })
  return terms
}

/**
 * Returns what the open positions of bots that count in one currency may lose together, or undefined if none of the bots is
 * registered. What one holds long sets off what another is short of.
 */
export async function estimateValueAtRisk(
  db: Database,
  input: {
    readonly botIds: readonly string[]
    readonly terms: ValueAtRiskTerms
    readonly now?: Date | undefined
  },
): Promise<ValueAtRiskEstimate | undefined> {
  const { botIds, terms } = input
  const { timeframe, lengthMs, windowDays } = terms
  const now = readNow(input.now)
  const rows = await heldStatement.run(db, { botIds, now, timeframe, lengthMs, windowDays })
  if (rows.length === 0) return undefined
  const covered: HeldRow[] = []
  const missing: HeldSymbol[] = []
  for (const row of rows) {
    const { exchange, symbol, gross, closes } = row
    if (exchange === null) continue
    if (gross !== null && (closes?.length ?? 0) >= 2) covered.push(row)
    else missing.push({ exchange, symbol })
  }
  const { fraction, sampleSize, smallSample } = figureOf(terms, portfolioOf(covered))
  const portfolioValue = covered.reduce((sum, { gross }) => sum.plus(gross ?? ZERO), ZERO)
  const isFlat = covered.length === 0 && missing.length === 0
  const value = fraction === null ? null : portfolioValue.times(new Decimal(fraction))
  return { portfolioValue, value: isFlat ? ZERO : value, fraction, sampleSize, smallSample, missing }
}

export interface ListValueAtRiskInput extends PageInput<Pick<ValueAtRiskCalculation, 'calculatedAt' | 'id'>> {
  readonly botId: string
}

/** Returns the calculations of a bot, newest first. */
export async function listValueAtRisk(
  db: Database,
  input: ListValueAtRiskInput,
): Promise<ValueAtRiskCalculation[]> {
  const { after } = input
  const { calculatedAt, id } = varCalculations
  return await many(
    'listValueAtRisk',
    db
      .select()
      .from(varCalculations)
      .where(
        and(
          eq(varCalculations.botId, toName(input.botId, 'botId')),
          comesAfter(calculatedAt, id, after && { at: after.calculatedAt, id: after.id }),
        ),
      )
      .orderBy(desc(calculatedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}

function figureOf(terms: ValueAtRiskTerms, portfolio: PortfolioInput): ValueAtRisk {
  const { method, confidence, horizonPeriods } = terms
  if (method === 'parametric') {
    return parametricValueAtRisk({ ...portfolioMoments(portfolio), confidence, horizonPeriods })
  }
  const returns = portfolioReturns({ ...portfolio, horizonPeriods })
  const calculate = method === 'historical' ? historicalValueAtRisk : expectedShortfall
  return calculate({ returns, confidence, horizonPeriods })
}

/** Shares of the gross value, so that what is hedged in part counts in full against what it is measured by. */
function portfolioOf(covered: readonly HeldRow[]): PortfolioInput {
  const total = covered.reduce((sum, { grossSize }) => sum + (grossSize ?? 0), 0)
  const series = covered.map(({ closes }) =>
    (closes ?? []).map(([ms, value]) => ({ at: new Date(ms), value })),
  )
  const returns = alignSeries(series).map(logReturns)
  // A contract settled in what it is on is worth 1/price of it: it gains what one over the price loses.
  return {
    weights: covered.map(({ netSize, isInverse }) => ((isInverse ? -1 : 1) * (netSize ?? 0)) / total),
    logReturns: covered.map(({ isInverse }, i) => (returns[i] ?? []).map((one) => (isInverse ? -one : one))),
  }
}

/** A year of hours, twice over: beyond it the candles of many symbols would be more than one answer should hold. */
const CANDLES_MAX = 20_000
const WINDOW_DAYS = 365

function readWindow(input: ValueAtRiskOptions) {
  const { timeframe: given = '1d', windowDays = WINDOW_DAYS } = input
  const timeframe = toOneOf(given, TIMEFRAMES, 'timeframe')
  if (timeframe === '1M') {
    throw new DataError('invalid_input', 'timeframe 1M is of months that differ in length', {
      field: 'timeframe',
    })
  }
  const lengthMs = nominalMs(timeframe)
  const most = Math.floor((CANDLES_MAX * lengthMs) / DAY_MS)
  if (!Number.isInteger(windowDays) || windowDays < 1 || windowDays > most) {
    throw new DataError(
      'invalid_input',
      `windowDays ${windowDays} is not a whole number from 1 to ${most}, which are ${CANDLES_MAX} candles of ${timeframe}`,
      { field: 'windowDays' },
    )
  }
  return { timeframe, lengthMs, windowDays }
}

function readHorizon(horizonDays: number, timeframe: Timeframe, lengthMs: number): number {
  const periods = (horizonDays * DAY_MS) / lengthMs
  if (Number.isSafeInteger(periods) && periods >= 1) return periods
  throw new DataError(
    'invalid_input',
    `horizonDays ${horizonDays} is not a whole number of candles of ${timeframe}`,
    { field: 'horizonDays' },
  )
}
