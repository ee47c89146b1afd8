import { and, desc, eq, getTableColumns, type SQL, sql } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, type Decimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, selectStatement, sqlStatement } from '../db/statement.ts'
import { columnsOf } from './ledger-read.ts'
import type { Position } from './ledger-rows.ts'
import { calculateUnrealisedPnl, POSITION_SIDES, type PositionSide } from './position-math.ts'
import { positions, type StrategyParameters, unrealisedPnlAt } from './schema/positions.ts'

export interface OpenPositionInput {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide
}

const openPosition: PreparedStatement<Position, 'botId' | 'exchange' | 'symbol' | 'positionSide'> =
  selectStatement('getOpenPosition', (slot) =>
    new QueryBuilder()
      .select()
      .from(positions)
      .where(
        and(
          eq(positions.botId, slot('botId')),
          eq(positions.exchange, slot('exchange')),
          eq(positions.symbol, slot('symbol')),
          eq(positions.positionSide, slot('positionSide')),
          sql`${positions.status} = 'open'`,
        ),
      ),
  )

/** Returns what the bot holds of a symbol now, or undefined when it is flat. */
export async function findOpenPosition(
  db: Database,
  input: OpenPositionInput,
): Promise<Position | undefined> {
  const rows = await openPosition.run(db, {
    botId: toName(input.botId, 'botId'),
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    positionSide: toOneOf(input.positionSide ?? 'net', POSITION_SIDES, 'positionSide'),
  })
  return only('findOpenPosition', rows)
}

/** Returns what the bot holds of a symbol now. @throws `not_found` when it is flat. */
export async function getOpenPosition(db: Database, input: OpenPositionInput): Promise<Position> {
  const position = await findOpenPosition(db, input)
  return found(`open position of bot '${input.botId}' in ${input.symbol}`, position)
}

const openPositions: PreparedStatement<Position, 'botId' | 'limit'> = selectStatement(
  'listOpenPositions',
  (slot) =>
    new QueryBuilder()
      .select()
      .from(positions)
      .where(and(eq(positions.botId, slot('botId')), sql`${positions.status} = 'open'`))
      .orderBy(positions.exchange, positions.symbol, positions.positionSide)
      .limit(sql.placeholder('limit')),
)

/** Reads every open position of a bot, however many. */
export function readOpenPositions(db: Database, botId: string): Promise<Position[]> {
  return openPositions.run(db, { botId: toName(botId, 'botId'), limit: null })
}

/** Returns all that the bot holds now, by exchange and symbol. */
export async function listOpenPositions(
  db: Database,
  input: { readonly botId: string; readonly limit?: number },
): Promise<Position[]> {
  return await openPositions.run(db, {
    botId: toName(input.botId, 'botId'),
    limit: readLimit(input.limit ?? OPEN_LIMIT),
  })
}

/** A bot that holds more at once than a page of any other list is still shown whole. */
const OPEN_LIMIT = 1_000

export interface PositionInput {
  readonly botId: string
  readonly positionId: string
}

/** Returns a position, open or closed. @throws `not_found`. */
export async function getPosition(db: Database, input: PositionInput): Promise<Position> {
  return await one('getPosition', nameOf(input), db.select().from(positions).where(isPosition(input)))
}

export interface ListPositionsInput extends PageInput<Pick<Position, 'openedAt' | 'id'>> {
  readonly botId: string
}

/** Returns the bot's positions, open and closed, last opened first. */
export async function listPositions(db: Database, input: ListPositionsInput): Promise<Position[]> {
  const { after } = input
  return await many(
    'listPositions',
    db
      .select()
      .from(positions)
      .where(
        and(
          eq(positions.botId, toName(input.botId, 'botId')),
          comesAfter(positions.openedAt, positions.id, after && { at: after.openedAt, id: after.id }),
        ),
      )
      .orderBy(desc(positions.openedAt), desc(positions.id))
      .limit(readLimit(input.limit)),
  )
}

export interface MarkPositionInput extends PositionInput {
  /** Quote currency per unit. Positive. */
  readonly price: Amount
  /** When the price was seen. Now, unless given. */
  readonly markedAt?: Date
}

const allColumns = getTableColumns(positions)
const isLong = sql`p.direction = 'long'`

/** The best price seen, and the stop that trails it: the level moves with the position, and never back. */
const bestPrice = (price: SQL) => sql`case when ${isLong}
  then greatest(coalesce(p.trailing_best_price, ${price}), ${price})
  else least(coalesce(p.trailing_best_price, ${price}), ${price}) end`
const trailedStop = (best: SQL, distance: SQL) => sql`case when ${isLong}
  then greatest(coalesce(p.trailing_stop, ${best} - ${distance}), ${best} - ${distance})
  else least(coalesce(p.trailing_stop, ${best} + ${distance}), ${best} + ${distance}) end`

const markStatement: PreparedStatement<Position, 'botId' | 'positionId' | 'price' | 'markedAt'> =
  sqlStatement('markPosition', (slot) => {
    const price = sql`${slot('price')}::numeric`
    // Unqualified in the expression, and of the row as it was: quantity and cost do not change here.
    const pnl = sql.raw(unrealisedPnlAt('x.price'))
    return {
      query: sql`
        update trading.positions p
        set mark_price = x.price, marked_at = x.at,
          max_adverse_excursion = least(p.max_adverse_excursion, ${pnl}),
          max_favourable_excursion = greatest(p.max_favourable_excursion, ${pnl}),
          trailing_best_price = case when p.trailing_distance is null then p.trailing_best_price
            else ${bestPrice(sql`x.price`)} end,
          trailing_stop = case when p.trailing_distance is null then p.trailing_stop
            else ${trailedStop(bestPrice(sql`x.price`), sql`p.trailing_distance`)} end,
          version = p.version + 1
        from (select ${price} as price, ${slot('markedAt')}::timestamptz(3) as at) x
        where p.bot_id = ${slot('botId')} and p.id = ${slot('positionId')}::uuid and p.status = 'open'
          and (p.marked_at is null or p.marked_at <= x.at)
        returning ${sql.join(columnsOf('p', positions, Object.keys(allColumns)).list, sql`, `)}`,
      fields: allColumns,
    }
  })

/**
 * Values an open position at a price and returns it: its unrealised PnL, the worst and best PnL seen, and its trailing stop,
 * which follows the best price and never loosens. A price older than the last one changes nothing.
 *
 * @throws `not_found` if the bot has no such position, or it is closed.
 */
export async function markPosition(db: Database, input: MarkPositionInput): Promise<Position> {
  const rows = await markStatement.run(db, {
    botId: toName(input.botId, 'botId'),
    positionId: toUuid(input.positionId, 'positionId'),
    price: toPositive(input.price, 'price').toFixed(),
    markedAt: toInstant(input.markedAt ?? new Date(), 'markedAt').toISOString(),
  })
  return only('markPosition', rows) ?? (await getOpenById(db, input))
}

async function getOpenById(db: Database, input: PositionInput): Promise<Position> {
  return await one(
    'getOpenPosition',
    `open ${nameOf(input)}`,
    db
      .select()
      .from(positions)
      .where(and(isPosition(input), eq(positions.status, 'open'))),
  )
}

export interface SetPositionStopsInput extends PositionInput {
  /** Quote currency per unit. Positive; null removes it, undefined leaves it. */
  readonly stopLoss?: Amount | null
  readonly takeProfit?: Amount | null
  /** How far the trailing stop follows the best price. Positive; null ends the trailing. */
  readonly trailingDistance?: Amount | null
  /** The version that was read; another one is a `conflict`. */
  readonly expectedVersion?: number
}

/**
 * Sets the stops of an open position and returns it. A trailing stop starts from the last mark, without one from the average
 * price, and a new distance never moves it away from the price.
 *
 * @throws `not_found` if the bot has no such position, or it is closed.
 * @throws `conflict` if the position has another version than expected.
 */
export async function setPositionStops(db: Database, input: SetPositionStopsInput): Promise<Position> {
  const { stopLoss, takeProfit, trailingDistance } = input
  return await updateOpen(db, input, 'setPositionStops', {
    ...(stopLoss === undefined ? {} : { stopLoss: optionalPrice(stopLoss, 'stopLoss') }),
    ...(takeProfit === undefined ? {} : { takeProfit: optionalPrice(takeProfit, 'takeProfit') }),
    ...(trailingDistance === undefined
      ? {}
      : trailingFrom(optionalPrice(trailingDistance, 'trailingDistance'))),
  })
}

function trailingFrom(distance: Decimal | null) {
  if (distance === null) return { trailingDistance: null, trailingBestPrice: null, trailingStop: null }
  const start = sql`coalesce(${positions.trailingBestPrice}, ${positions.markPrice}, round(${positions.averagePrice}, 18))`
  const by = sql`${distance.toFixed()}::numeric`
  return {
    trailingDistance: distance,
    trailingBestPrice: sql`${start}`,
    trailingStop: sql`case when ${positions.direction} = 'long'
      then greatest(${positions.trailingStop}, ${start} - ${by})
      else least(${positions.trailingStop}, ${start} + ${by}) end`,
  }
}

export interface SetPositionDetailsInput extends PositionInput {
  /** What the exchange says; null removes it, undefined leaves it. */
  readonly leverage?: Amount | null
  readonly margin?: Amount | null
  readonly liquidationPrice?: Amount | null
  /** 0 to 1 each, as the bot scored the entry. */
  readonly signalScore?: number | null
  readonly technicalScore?: number | null
  readonly llmScore?: number | null
  readonly modelScore?: number | null
  readonly strategyParameters?: StrategyParameters | null
  /** What the bot calls the reason for which it entered: `breakout`, `dip_buy`. Performance can be asked by it. */
  readonly entryTag?: string | null
  /** Why the bot leaves or left the position. */
  readonly exitReason?: string | null
}

/** Notes what only the bot or the exchange can tell of a position, open or closed, and returns it. @throws `not_found`. */
export async function setPositionDetails(db: Database, input: SetPositionDetailsInput): Promise<Position> {
  const {
    botId: _bot,
    positionId: _position,
    leverage,
    margin,
    liquidationPrice,
    exitReason,
    ...rest
  } = input
  const details = {
    ...rest,
    ...(leverage === undefined ? {} : { leverage: optionalPrice(leverage, 'leverage') }),
    ...(margin === undefined ? {} : { margin: optionalPrice(margin, 'margin') }),
    ...(liquidationPrice === undefined
      ? {}
      : { liquidationPrice: optionalPrice(liquidationPrice, 'liquidationPrice') }),
    ...(exitReason === undefined ? {} : { exitReason }),
  }
  return await one(
    'setPositionDetails',
    nameOf(input),
    db
      .update(positions)
      .set({ ...details, version: sql`${positions.version} + 1` })
      .where(isPosition(input))
      .returning(),
  )
}

async function updateOpen(
  db: Database,
  input: SetPositionStopsInput,
  verb: string,
  values: Record<string, unknown>,
): Promise<Position> {
  const { expectedVersion } = input
  if (expectedVersion !== undefined && !Number.isSafeInteger(expectedVersion)) {
    throw new DataError('invalid_input', `expectedVersion ${expectedVersion} is not a whole number`, {
      field: 'expectedVersion',
    })
  }
  const isExpected = expectedVersion === undefined ? undefined : eq(positions.version, expectedVersion)
  const updated = await maybeOne(
    verb,
    db
      .update(positions)
      .set({ ...values, version: sql`${positions.version} + 1` })
      .where(and(isPosition(input), eq(positions.status, 'open'), isExpected))
      .returning(),
  )
  if (updated) return updated
  const { version } = await getOpenById(db, input)
  throw new DataError('conflict', `${nameOf(input)} has version ${version}, not ${expectedVersion}`, {
    field: 'expectedVersion',
  })
}

function optionalPrice(value: Amount | null, field: string): Decimal | null {
  return value === null ? null : toPositive(value, field)
}

function isPosition(input: PositionInput): SQL | undefined {
  return and(
    eq(positions.botId, toName(input.botId, 'botId')),
    eq(positions.id, toUuid(input.positionId, 'positionId')),
  )
}

function nameOf(input: PositionInput): string {
  return `position '${input.positionId}' of bot '${input.botId}'`
}

/** What a position earned and would earn. All in settlement currency. */
export interface PositionPnl {
  /** Of what is held, at the price asked for; zero when it is closed. */
  readonly unrealisedPnl: Decimal
  readonly realisedGross: Decimal
  readonly fees: Decimal
  readonly funding: Decimal
  /** Unrealised + realised gross − fees + funding. Null while the value of a fee is unknown. */
  readonly totalPnl: Decimal | null
}

/** Returns what a position earned, and would earn at a price. Stores nothing. @throws `not_found`. */
export async function calculatePositionPnl(
  db: Database,
  input: PositionInput & { readonly price: Amount },
): Promise<PositionPnl> {
  const price = toPositive(input.price, 'price')
  const position = await getPosition(db, input)
  const unrealisedPnl = calculateUnrealisedPnl(position, price, {
    kind: position.instrumentKind,
    contractSize: position.contractSize,
  })
  const { realisedGross, fees, funding, netPnl } = position
  return {
    unrealisedPnl,
    realisedGross,
    fees,
    funding,
    totalPnl: netPnl === null ? null : netPnl.plus(unrealisedPnl),
  }
}
