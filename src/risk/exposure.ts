import { sql } from 'drizzle-orm'
import { readNow } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Decimal, ZERO } from '../db/decimal.ts'
import { found } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { concentration } from '../statistics/concentration.ts'
import { riskSummary } from './schema/summary-view.ts'

/** A symbol of an exchange that a bot holds. */
export interface HeldSymbol {
  readonly exchange: string
  readonly symbol: string
}

/** What a bot holds of one symbol, in its base currency. None is negative but `net`. */
export interface SymbolExposure extends HeldSymbol {
  readonly long: Decimal
  readonly short: Decimal
  /** Long and short together. */
  readonly gross: Decimal
  /** Long less short. */
  readonly net: Decimal
}

/** What a bot holds, in its base currency. */
export interface Exposure extends Omit<SymbolExposure, keyof HeldSymbol> {
  readonly botId: string
  readonly baseCurrency: string
  readonly at: Date
  /** By exchange and symbol. */
  readonly symbols: readonly SymbolExposure[]
  /** What is held and cannot be valued. It is in none of the amounts, so they are too small then. */
  readonly unpriced: readonly HeldSymbol[]
  /** Null if not known, or seen too long ago. */
  readonly equity: Decimal | null
  /** Gross / equity. Null while either is not known, and where equity is not greater than zero. */
  readonly leverage: number | null
  /** Sum of the squared shares of gross exposure: 1 for a single symbol. Null of nothing, and while something is unpriced. */
  readonly concentration: number | null
}

export interface GetExposureInput {
  readonly botId: string
  /** The moment to look from: prices and equity must not be too old then. Now, unless given. */
  readonly now?: Date | undefined
}

interface ExposureRow {
  readonly baseCurrency: string
  readonly at: Date
  readonly equity: Decimal | null
  /** Null in the one row of a bot that holds nothing. */
  readonly exchange: string | null
  readonly symbol: string
  readonly long: Decimal | null
  readonly short: Decimal | null
  /** Equity, and long and short together, as doubles. */
  readonly equitySize: number | null
  readonly size: number
}

const statement: PreparedStatement<ExposureRow, 'botId' | 'now'> = sqlStatement('getExposure', (slot) => ({
  query: sql`
    select b.base_currency, moment.at, equity.value, x.exchange, x.symbol, x.long_value, x.short_value,
      equity.value::float8, (x.long_value + x.short_value)::float8
    from fleet.bots b
    cross join (select risk.clock(${slot('now')}::timestamptz(3)) as at) moment
    cross join lateral (select risk.equity_of(b.bot_id, moment.at) as value) equity
    left join lateral risk.exposures_of(b.bot_id, moment.at) x on true
    where b.bot_id = ${slot('botId')}
    order by x.exchange, x.symbol`,
  fields: {
    baseCurrency: riskSummary.baseCurrency,
    at: riskSummary.checkedAt,
    equity: riskSummary.equity,
    exchange: riskSummary.exchange,
    symbol: sql`symbol`,
    long: riskSummary.exposure,
    short: riskSummary.exposure,
    equitySize: sql`equity_size`,
    size: sql`size`,
  },
}))

/**
 * Returns what a bot holds: gross, net, long and short, by symbol, and against its equity.
 *
 * A position is valued at its mark, else at the newest stored price; neither may be older than the risk settings allow (an hour,
 * unless set). What cannot be valued is listed in `unpriced`, and leverage and concentration are null then.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function getExposure(db: Database, input: GetExposureInput): Promise<Exposure> {
  const botId = toBotId(input.botId)
  const rows = await statement.run(db, { botId, now: readNow(input.now) })
  const { baseCurrency, at, equity, equitySize } = found(`bot '${botId}'`, rows[0])
  const symbols: SymbolExposure[] = []
  const unpriced: HeldSymbol[] = []
  for (const { exchange, symbol, long, short } of rows) {
    if (exchange === null) continue
    if (long === null || short === null) unpriced.push({ exchange, symbol })
    else symbols.push({ exchange, symbol, long, short, gross: long.plus(short), net: long.minus(short) })
  }
  const long = symbols.reduce((sum, one) => sum.plus(one.long), ZERO)
  const short = symbols.reduce((sum, one) => sum.plus(one.short), ZERO)
  const gross = long.plus(short)
  const isWhole = unpriced.length === 0
  const sizes = symbols.length > 0 && isWhole ? rows.map(({ size }) => size) : []
  return {
    botId,
    baseCurrency,
    at,
    long,
    short,
    gross,
    net: long.minus(short),
    symbols,
    unpriced,
    equity,
    leverage: isWhole && equitySize !== null && equitySize > 0 ? sumOf(sizes) / equitySize : null,
    concentration: concentration(sizes),
  }
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0)
}
