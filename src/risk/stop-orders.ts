import { and, eq, sql } from 'drizzle-orm'
import { readNow, toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { AMOUNT_DIGITS, type Amount, type Decimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { found, maybeOne, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { toExpectedVersion } from '../fleet/documents.ts'
import { getPosition } from '../trading/positions.ts'
import { DIRECTIONS, type Direction, POSITION_SIDES, type PositionSide } from '../trading/schema/values.ts'
import { clockOf } from './gate-moves.ts'
import { stopOrders } from './schema/stop-orders.ts'
import type { Context } from './schema/values.ts'
import { calculateStop, isBetter, type StopTerms } from './stop-math.ts'
import {
  getStopOrder,
  isStopOrder,
  type StopOrder,
  type StopOrderKey,
  stopFields,
  stopNames,
} from './stop-order-reads.ts'

/** What a stop protects: a stored position that is open, or what is said of one. */
export type StopSubject =
  | {
      readonly positionId: string
      readonly exchange?: undefined
      readonly symbol?: undefined
      readonly positionSide?: undefined
      readonly direction?: undefined
      readonly entryPrice?: undefined
    }
  | {
      readonly positionId?: undefined
      readonly exchange: string
      readonly symbol: string
      /** `net` unless the account is hedged. */
      readonly positionSide?: PositionSide | undefined
      readonly direction: Direction
      /** Quote currency per unit. Positive. */
      readonly entryPrice: Amount
    }

export type CreateStopOrderInput = StopTerms &
  StopSubject & {
    readonly botId: string
    /** What is to be closed, in base currency or contracts. Positive. All that is held then if left out. */
    readonly quantity?: Amount | undefined
    /** What it trades at now, in quote currency per unit. The entry price if left out. */
    readonly marketPrice?: Amount | undefined
    /** When it ends by itself. Never if left out. */
    readonly expiresAt?: Date | undefined
    /** Who creates it: a person, a program or the bot. */
    readonly createdBy: string
    readonly reason?: string | undefined
    /** The database's clock if left out. */
    readonly now?: Date | undefined
  }

const STORED = [
  'botId',
  'id',
  'positionId',
  'exchange',
  'symbol',
  'positionSide',
  'direction',
  'kind',
  'quantity',
  'entryPrice',
  'initialStopPrice',
  'stopPrice',
  'trailingDistance',
  'activationPrice',
  'breakevenPrice',
  'bestPrice',
  'parameters',
  'expiresAt',
  'changedBy',
  'reason',
] as const
type StoredKey = (typeof STORED)[number]
type StoredStop = { readonly [Key in StoredKey]: StopOrder[Key] }
type CreatedRow = StopOrder & { readonly isAhead: boolean; readonly isOpen: boolean }

const createStatement: PreparedStatement<CreatedRow, StoredKey | 'now'> = sqlStatement(
  'createStopOrder',
  (slot) => ({
    query: sql`
      with ${clockOf(slot('now'))},
      asked as materialized (
        select c.now, coalesce(${slot('expiresAt')}::timestamptz(3) > c.now, true) as is_ahead,
          ${slot('positionId')}::uuid is null or exists (
            select from trading.positions p
            where p.bot_id = ${slot('botId')} and p.id = ${slot('positionId')}::uuid and p.status = 'open') as is_open
        from clock c),
      added as (
        insert into risk.stop_orders (${sql.raw(STORED.map((key) => stopOrders[key].name).join(', '))}, created_at)
        select ${sql.join(
          STORED.map((key) => sql`${slot(key)}::${sql.raw(stopOrders[key].getSQLType())}`),
          sql`, `,
        )}, a.now
        from asked a where a.is_ahead and a.is_open
        returning *)
      select q.is_ahead, q.is_open, ${stopNames('a')} from asked q left join added a on true`,
    fields: { isAhead: sql<boolean>`is_ahead`, isOpen: sql<boolean>`is_open`, ...stopFields },
  }),
)

/**
 * Creates a stop and returns it. Nothing is sent to an exchange: give each price to `triggerStopOrders`, and close what it
 * returns.
 *
 * Each call makes a stop; several of one position stand beside each other. Closing the position does not cancel it.
 *
 * @throws `invalid_input` naming the field, also if the stop would fire at the market or entry price, or has ended already.
 * @throws `not_found` if the bot has no such position, or it is closed.
 * @throws `missing_reference` if the bot is not registered.
 */
export async function createStopOrder(db: Database, input: CreateStopOrderInput): Promise<StopOrder> {
  const botId = toBotId(input.botId)
  const { quantity, expiresAt, reason, now } = input
  const subject = await readSubject(db, botId, input)
  const levels = calculateStop({ ...input, ...subject })
  const stop: StoredStop = {
    botId,
    id: newId(),
    ...subject,
    kind: input.kind,
    quantity: quantity === undefined ? null : toPositive(quantity, 'quantity'),
    initialStopPrice: levels.stopPrice,
    ...levels,
    parameters: parametersOf(input),
    expiresAt: expiresAt === undefined ? null : toInstant(expiresAt, 'expiresAt'),
    changedBy: toName(input.createdBy, 'createdBy'),
    reason: reason === undefined ? null : toName(reason, 'reason'),
  }
  const rows = await createStatement.runWith(db, (key) => {
    if (key === 'now') return readNow(now)
    const value = stop[key]
    return value === null ? null : stopOrders[key].mapToDriverValue(value)
  })
  const { isAhead, isOpen, ...stored } = found('stop order', only('createStopOrder', rows))
  if (!isAhead) {
    throw new DataError('invalid_input', `expiresAt ${expiresAt?.toISOString()} is not to come`, {
      field: 'expiresAt',
    })
  }
  if (!isOpen) throw noOpenPosition(botId, subject.positionId)
  return stored
}

type Subject = Pick<
  StoredStop,
  'positionId' | 'exchange' | 'symbol' | 'positionSide' | 'direction' | 'entryPrice'
>

async function readSubject(db: Database, botId: string, input: StopSubject): Promise<Subject> {
  if (input.positionId === undefined) {
    const positionSide = toOneOf(input.positionSide ?? 'net', POSITION_SIDES, 'positionSide')
    const direction = toOneOf(input.direction, DIRECTIONS, 'direction')
    if (positionSide !== 'net' && positionSide !== direction) {
      throw new DataError('invalid_input', `positionSide '${positionSide}' has no ${direction}`, {
        field: 'positionSide',
      })
    }
    return {
      positionId: null,
      exchange: toName(input.exchange, 'exchange'),
      symbol: toName(input.symbol, 'symbol'),
      positionSide,
      direction,
      entryPrice: toPositive(input.entryPrice, 'entryPrice'),
    }
  }
  const positionId = toUuid(input.positionId, 'positionId')
  const position = await getPosition(db, { botId, positionId })
  if (position.averagePrice === null) throw noOpenPosition(botId, positionId)
  const { exchange, symbol, positionSide, direction, averagePrice } = position
  // A quotient may have more decimals than an amount that is given.
  const entryPrice = averagePrice.toDecimalPlaces(AMOUNT_DIGITS)
  return { positionId, exchange, symbol, positionSide, direction, entryPrice }
}

function noOpenPosition(botId: string, positionId: string | null): DataError {
  return new DataError('not_found', `open position '${positionId}' of bot '${botId}' not found`, {
    field: 'positionId',
  })
}

const TERMS = [
  'fraction',
  'stopPrice',
  'distance',
  'activationFraction',
  'volatility',
  'multiplier',
  'atr',
  'level',
  'bufferFraction',
  'offsetFraction',
  'marketPrice',
] as const

/** What was given, as text. */
function parametersOf(input: { readonly [Key in (typeof TERMS)[number]]?: unknown }): Context {
  return Object.fromEntries(
    TERMS.flatMap((key) => (input[key] === undefined ? [] : [[key, String(input[key])]])),
  )
}

export interface AdjustStopOrderInput extends StopOrderKey {
  /** In quote currency per unit. Higher than before for a long, lower for a short. */
  readonly stopPrice: Amount
  /** What it trades at now, if that is better than the best price that the stop was shown. */
  readonly marketPrice?: Amount | undefined
  readonly changedBy: string
  readonly reason: string
  /** The version that the caller has seen. It counts what was changed by hand, not what followed the price. */
  readonly expectedVersion?: number | undefined
}

/**
 * Moves the level of an active stop towards the price and returns the stop. Safe to repeat: at the same level, nothing
 * changes.
 *
 * @throws `invalid_input` if that would loosen it, or is beyond the best price seen, where it would fire at once.
 * @throws `invalid_transition` if it is not active any more.
 * @throws `conflict` if its version is not the expected one.
 * @throws `not_found` if the bot has no such stop.
 */
export async function adjustStopOrder(db: Database, input: AdjustStopOrderInput): Promise<StopOrder> {
  const stopPrice = toPositive(input.stopPrice, 'stopPrice')
  const market = input.marketPrice === undefined ? null : toPositive(input.marketPrice, 'marketPrice')
  const expected = toExpectedVersion(input.expectedVersion)
  const changedBy = toName(input.changedBy, 'changedBy')
  const reason = toName(input.reason, 'reason')
  const isStop = isStopOrder(input)
  const level = sql`${stopPrice.toFixed()}::numeric`
  const best = (choose: 'greatest' | 'least') =>
    sql`${sql.raw(choose)}(${stopOrders.bestPrice}, ${market === null ? null : market.toFixed()}::numeric)`
  const adjusted = await maybeOne(
    'adjustStopOrder',
    db
      .update(stopOrders)
      .set({ stopPrice: level, changedBy, reason, version: sql`${stopOrders.version} + 1` })
      .where(
        and(
          isStop,
          eq(stopOrders.status, 'active'),
          expected === null ? undefined : eq(stopOrders.version, expected),
          sql`case ${stopOrders.direction}
            when 'long' then ${level} > ${stopOrders.stopPrice} and ${level} < ${best('greatest')}
            else ${level} < ${stopOrders.stopPrice} and ${level} > ${best('least')} end`,
        ),
      )
      .returning(),
  )
  if (adjusted) return adjusted
  const stored = await getStopOrder(db, input)
  if (stored.status !== 'active') throw noSuchStep(stored, 'be adjusted')
  if (stored.stopPrice.eq(stopPrice)) return stored
  if (expected !== null && stored.version !== expected) {
    throw new DataError(
      'conflict',
      `stop order '${stored.id}' has version ${stored.version}, not ${expected}`,
      { field: 'expectedVersion' },
    )
  }
  throw unfit(stored, stopPrice)
}

function unfit(stop: StopOrder, stopPrice: Decimal): DataError {
  const { direction, id } = stop
  const why = isBetter(direction, stopPrice, stop.stopPrice)
    ? `is beyond the best price seen, ${stop.bestPrice.toFixed()}: it would fire at once`
    : `would loosen it: it is at ${stop.stopPrice.toFixed()}, and a stop never loosens`
  return new DataError(
    'invalid_input',
    `stopPrice ${stopPrice.toFixed()} of stop order '${id}' of a ${direction} ${why}`,
    { field: 'stopPrice' },
  )
}

export interface CancelStopOrderInput extends StopOrderKey {
  readonly changedBy: string
  readonly reason: string
}

/**
 * Ends an active stop without firing it and returns it.
 *
 * @throws `invalid_transition` if it is not active any more: it may have fired.
 * @throws `not_found` if the bot has no such stop.
 */
export async function cancelStopOrder(db: Database, input: CancelStopOrderInput): Promise<StopOrder> {
  const changedBy = toName(input.changedBy, 'changedBy')
  const reason = toName(input.reason, 'reason')
  const cancelled = await maybeOne(
    'cancelStopOrder',
    db
      .update(stopOrders)
      .set({ status: 'cancelled', changedBy, reason, version: sql`${stopOrders.version} + 1` })
      .where(and(isStopOrder(input), eq(stopOrders.status, 'active')))
      .returning(),
  )
  if (cancelled) return cancelled
  throw noSuchStep(await getStopOrder(db, input), 'be cancelled')
}

function noSuchStep(stop: StopOrder, step: string): DataError {
  return new DataError(
    'invalid_transition',
    `stop order '${stop.id}' is ${stop.status}, and cannot ${step}`,
    {
      field: 'status',
    },
  )
}
