import { sql } from 'drizzle-orm'
import { readNow } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Decimal, ZERO } from '../db/decimal.ts'
import { found } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type BotMode, type BotStatus, bots } from '../fleet/schema.ts'
import type { HeldSymbol, SymbolExposure } from '../risk/exposure.ts'
import { riskSummary } from '../risk/schema/summary-view.ts'
import { concentration } from '../statistics/concentration.ts'
import { currencyOf, readFleet } from './portfolio-fleet.ts'
import type { Fleet } from './scope.ts'

/** What is held, in base currency. None is negative but `net`. What cannot be valued is in none of it, so it is too small then. */
export interface PortfolioExposure {
  readonly openPositions: number
  readonly long: Decimal
  readonly short: Decimal
  /** Long and short together. */
  readonly gross: Decimal
  /** Long less short. */
  readonly net: Decimal
  /** By exchange and symbol. What one bot holds long and another is short of are both in gross; in net they set each other off. */
  readonly symbols: readonly SymbolExposure[]
  /** Before fees, of what is open. Null while a part of it has no known value. */
  readonly unrealisedPnl: Decimal | null
  /** What is held and cannot be valued, by exchange and symbol. */
  readonly unpriced: readonly HeldSymbol[]
  /** Gross / equity. Null while either is not known, and where equity is not greater than zero. */
  readonly leverage: number | null
  /** Sum of the squared shares of gross exposure by symbol: 1 for a single one. Null of nothing, and while something is unpriced. */
  readonly concentration: number | null
}

/** What one bot of a fleet is worth and holds: the figures of its own `getExposure`, and where that knows no equity, that of the ledger. */
export interface PortfolioBot extends PortfolioExposure {
  readonly botId: string
  readonly botName: string
  readonly exchange: string
  readonly status: BotStatus
  /** Null if not known. */
  readonly equity: Decimal | null
}

/** What the bots of a fleet are worth and hold together. All money is in `baseCurrency`. */
export interface Portfolio extends PortfolioExposure {
  readonly mode: BotMode
  readonly baseCurrency: string
  readonly at: Date
  /** Of all bots. Null while that of one of them is not known: `unknownEquity` says whose. */
  readonly equity: Decimal | null
  readonly unknownEquity: readonly string[]
  /** By id, whatever their status. */
  readonly bots: readonly PortfolioBot[]
}

export interface GetPortfolioInput {
  /** The `live` bots, if they count in one currency, unless given. */
  readonly fleet?: Fleet | undefined
  /** The moment to look from: prices and equity must not be too old then. Now, unless given. */
  readonly now?: Date | undefined
}

/** One bot and symbol, or a bot that holds nothing. */
interface HoldingRow {
  readonly botId: string
  readonly botName: string
  readonly botExchange: string
  readonly status: BotStatus
  readonly baseCurrency: string
  readonly at: Date
  readonly equity: Decimal | null
  readonly equitySize: number | null
  /** Null where nothing is held. */
  readonly exchange: string | null
  readonly symbol: string
  readonly positions: number
  readonly long: Decimal | null
  readonly short: Decimal | null
  readonly unrealisedPnl: Decimal | null
  /** Long and short together, as a double. Null where one of the positions cannot be valued, and then so are the two. */
  readonly size: number | null
}

type Holding = HoldingRow & { readonly exchange: string }

function isHeld(row: HoldingRow): row is Holding {
  return row.exchange !== null
}

type Slot = 'mode' | 'baseCurrency' | 'now'

const statement: PreparedStatement<HoldingRow, Slot> = sqlStatement('getPortfolio', (slot) => ({
  query: sql`
    with chosen as materialized (
      select b.bot_id, b.name, b.exchange, b.status, b.base_currency from fleet.bots b
      where b.mode = ${slot('mode')} and b.base_currency = coalesce(${slot('baseCurrency')}::text, b.base_currency)),
    asked as materialized (
      select risk.clock(${slot('now')}::timestamptz(3)) as at, array(select bot_id from chosen) as bot_ids),
    -- Apart, since a plan that expects a single bot would make them anew for each.
    told as materialized (select found.bot_id, found.equity from asked cross join lateral risk.equities_of(asked.bot_ids, asked.at) found),
    -- Of bots that nobody has heard of lately, what their ledgers come to.
    worth as materialized (
      select told.bot_id, told.equity from told where told.equity is not null
      union all
      select own.bot_id, own.equity
      from asked cross join lateral risk.ledger_equities_of(array(select told.bot_id from told where told.equity is null), asked.at) own
      -- Said apart, or the ledgers of no bots would be looked for in those of all.
      where exists (select from told where told.equity is null)),
    held as materialized (select found.* from asked cross join lateral risk.holdings_of(asked.bot_ids, asked.at) found)
    select b.bot_id, b.name, b.exchange, b.status, b.base_currency, asked.at, w.equity, w.equity::float8,
      h.exchange, h.symbol, h.positions, h.long_value, h.short_value, h.unrealised_pnl, (h.long_value + h.short_value)::float8
    from asked
    cross join chosen b
    left join worth w on w.bot_id = b.bot_id
    left join held h on h.bot_id = b.bot_id
    order by b.bot_id, h.exchange, h.symbol`,
  fields: {
    botId: bots.botId,
    botName: bots.name,
    botExchange: bots.exchange,
    status: bots.status,
    baseCurrency: bots.baseCurrency,
    at: riskSummary.checkedAt,
    equity: riskSummary.equity,
    equitySize: sql`equity_size`,
    exchange: riskSummary.exchange,
    symbol: sql`symbol`,
    positions: riskSummary.openPositions,
    long: riskSummary.exposure,
    short: riskSummary.exposure,
    unrealisedPnl: riskSummary.exposure,
    size: sql`size`,
  },
}))

/**
 * Returns what the bots of a fleet are worth and hold: each, and all together.
 *
 * Equity, prices and what is too old are those of `getExposure`, so the figures of a bot are the same there; only where that knows no equity,
 * because nobody has observed or reported it lately, it is that of the ledger at the prices of now, which takes a read of all that the bot ever
 * traded. Bots of other modes and currencies are no part of it. One statement, whatever the number of bots.
 *
 * @throws `not_found` if the fleet has no bot.
 * @throws `invalid_input` naming the currencies, if no base currency is given and the bots count in several.
 */
export async function getPortfolio(db: Database, input: GetPortfolioInput = {}): Promise<Portfolio> {
  const { fleet = {} } = input
  const { mode, baseCurrency } = readFleet(fleet)
  const rows = await statement.run(db, {
    mode,
    baseCurrency: baseCurrency ?? null,
    now: readNow(input.now),
  })
  const currency = currencyOf(fleet, rows)
  const { at } = found('a bot', rows[0])
  const groups = [...groupBy(rows, ({ botId }) => botId).values()]
  const members = groups.map(botOf)
  const unknownEquity = members.filter(({ equity }) => equity === null).map(({ botId }) => botId)
  const isKnown = unknownEquity.length === 0
  return {
    mode,
    baseCurrency: currency,
    at,
    ...exposureOf(
      rows.filter(isHeld).sort(byName),
      isKnown ? total(groups, ([{ equitySize }]) => equitySize) : null,
    ),
    equity: isKnown ? sum(members, ({ equity }) => equity) : null,
    unknownEquity,
    bots: members,
  }
}

function botOf(rows: readonly [HoldingRow, ...HoldingRow[]]): PortfolioBot {
  const [{ botId, botName, botExchange, status, equity, equitySize }] = rows
  return {
    botId,
    botName,
    exchange: botExchange,
    status,
    equity,
    ...exposureOf(rows.filter(isHeld), equitySize),
  }
}

/** Of holdings in the order in which their symbols are to be listed. */
function exposureOf(held: readonly Holding[], equitySize: number | null): PortfolioExposure {
  const valued = held.filter(({ size }) => size !== null)
  const isWhole = valued.length === held.length
  const sizes = isWhole ? bySymbol(held).map((group) => total(group, ({ size }) => size)) : []
  return {
    openPositions: total(held, ({ positions }) => positions),
    ...sizeOf(valued),
    symbols: bySymbol(valued).map((group) => ({ ...nameOf(group[0]), ...sizeOf(group) })),
    unpriced: bySymbol(held.filter(({ size }) => size === null)).map(([first]) => nameOf(first)),
    unrealisedPnl: held.every(({ unrealisedPnl }) => unrealisedPnl !== null)
      ? sum(held, ({ unrealisedPnl }) => unrealisedPnl)
      : null,
    leverage:
      isWhole && equitySize !== null && equitySize > 0 ? total(sizes, (size) => size) / equitySize : null,
    concentration: concentration(sizes),
  }
}

function sizeOf(held: readonly Holding[]) {
  const long = sum(held, (one) => one.long)
  const short = sum(held, (one) => one.short)
  return { long, short, gross: long.plus(short), net: long.minus(short) }
}

function nameOf({ exchange, symbol }: Holding): HeldSymbol {
  return { exchange, symbol }
}

function bySymbol(held: readonly Holding[]): [Holding, ...Holding[]][] {
  return [...groupBy(held, ({ exchange, symbol }) => JSON.stringify([exchange, symbol])).values()]
}

function byName(a: HeldSymbol, b: HeldSymbol): number {
  return compare(a.exchange, b.exchange) || compare(a.symbol, b.symbol)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sum<Row>(rows: readonly Row[], amountOf: (row: Row) => Decimal | null): Decimal {
  return rows.reduce((all, row) => all.plus(amountOf(row) ?? ZERO), ZERO)
}

function total<Row>(rows: readonly Row[], sizeOf: (row: Row) => number | null): number {
  return rows.reduce((all, row) => all + (sizeOf(row) ?? 0), 0)
}

/** In the order in which the keys come first. */
function groupBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, [Row, ...Row[]]> {
  const groups = new Map<string, [Row, ...Row[]]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group) group.push(row)
    else groups.set(keyOf(row), [row])
  }
  return groups
}
