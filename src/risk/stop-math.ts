import { AMOUNT_DIGITS, type Amount, Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import type { Direction } from '../trading/position-state.ts'

/** A figure of statistics, which the rest of this library has as doubles: taken as the decimal number that it is printed as. */
export type Statistic = Amount | number

/** What the level of a stop is calculated from. Fractions are of the entry price unless said otherwise. Below is meant for a long; for a short all is mirrored. */
export type StopTerms =
  | { readonly kind: 'fixed'; readonly fraction: Amount; readonly stopPrice?: undefined }
  | { readonly kind: 'fixed'; readonly stopPrice: Amount; readonly fraction?: undefined }
  | TrailingTerms
  | {
      readonly kind: 'volatility'
      /** Of returns, as a fraction: 0.02 is two per cent. Positive. */
      readonly volatility: Statistic
      /** How many of it the stop is away. Positive. */
      readonly multiplier: Amount
    }
  | {
      readonly kind: 'atr'
      /** Average true range, in quote currency. Positive. */
      readonly atr: Statistic
      readonly multiplier: Amount
    }
  | {
      readonly kind: 'support_resistance'
      /** The support below a long, the resistance above a short, in quote currency. */
      readonly level: Amount
      /** How far beyond it the stop lies, of the level. 0 unless given. */
      readonly bufferFraction?: Amount | undefined
    }
  | {
      readonly kind: 'breakeven'
      /** The gain at which the stop moves. Positive. */
      readonly activationFraction: Amount
      /** How far beyond the entry it moves to; less than the activation. 0 unless given. */
      readonly offsetFraction?: Amount | undefined
      /** Where it is before. */
      readonly stopPrice: Amount
    }

/** The distance stays what it was when the stop was made. */
export type TrailingTerms = {
  readonly kind: 'trailing'
  /** The gain from which on the stop follows. At once unless given. */
  readonly activationFraction?: Amount | undefined
} & (
  | { readonly distance: Amount; readonly fraction?: undefined }
  | { readonly fraction: Amount; readonly distance?: undefined }
)

export type StopInput = StopTerms & {
  /** Of the position. */
  readonly direction: Direction
  /** In quote currency per unit, as all prices here. Positive. */
  readonly entryPrice: Amount
  /** What it trades at now, from which on the best price is looked for. The entry price unless given. */
  readonly marketPrice?: Amount | undefined
}

/** Where a stop is, and how it moves. Prices in quote currency. */
export interface StopLevels {
  readonly stopPrice: Decimal
  /** The best price seen: highest for a long, lowest for a short. */
  readonly bestPrice: Decimal
  /** How far the stop follows the best price; null for one that does not. */
  readonly trailingDistance: Decimal | null
  /** The price from which on it trails, or at which it moves to `breakevenPrice`. */
  readonly activationPrice: Decimal | null
  readonly breakevenPrice: Decimal | null
}

/**
 * Returns where a stop begins, on the side of the market where it loses, and how it will move. Levels have at most 30 decimals
 * and are rounded towards the price.
 *
 * @throws `invalid_input` naming the field: what is not positive, a level on the wrong side of the market, or at or below zero.
 */
export function calculateStop(input: StopInput): StopLevels {
  const { direction } = input
  const entry = toPositive(input.entryPrice, 'entryPrice')
  const market = input.marketPrice === undefined ? entry : toPositive(input.marketPrice, 'marketPrice')
  const { field, level, ...moves } = firstLevel(input, entry)
  const stopPrice = roundTowardsPrice(direction, level)
  if (stopPrice.lte(0)) throw refused(field, `puts the stop at ${stopPrice.toFixed()}, which is no price`)
  const start = followStop(direction, { ...moves, stopPrice, bestPrice: market }, market)
  if (isReached(direction, start.stopPrice, market)) {
    throw refused(
      field,
      `puts the stop of a ${direction} at ${start.stopPrice.toFixed()}, on the wrong side of ${market.toFixed()}: it would fire at once`,
    )
  }
  return { ...moves, stopPrice: start.stopPrice, bestPrice: market }
}

interface FirstLevel extends Omit<StopLevels, 'stopPrice' | 'bestPrice'> {
  /** What decides where the level is. */
  readonly field: string
  readonly level: Decimal
}

const FIXED = { trailingDistance: null, activationPrice: null, breakevenPrice: null }

function firstLevel(input: StopInput, entry: Decimal): FirstLevel {
  const { direction } = input
  switch (input.kind) {
    case 'fixed': {
      requireOne(input, 'fraction', 'stopPrice')
      if (input.stopPrice !== undefined) {
        return { ...FIXED, field: 'stopPrice', level: toPositive(input.stopPrice, 'stopPrice') }
      }
      const level = awayFrom(direction, entry, entry.times(toPositive(input.fraction, 'fraction')))
      return { ...FIXED, field: 'fraction', level }
    }
    case 'volatility': {
      const distance = toStatistic(input.volatility, 'volatility')
        .times(toPositive(input.multiplier, 'multiplier'))
        .times(entry)
      return { ...FIXED, field: 'multiplier', level: awayFrom(direction, entry, distance) }
    }
    case 'atr': {
      const distance = toStatistic(input.atr, 'atr').times(toPositive(input.multiplier, 'multiplier'))
      return { ...FIXED, field: 'multiplier', level: awayFrom(direction, entry, distance) }
    }
    case 'support_resistance': {
      const level = toPositive(input.level, 'level')
      const buffer = toNotNegative(input.bufferFraction ?? '0', 'bufferFraction')
      return { ...FIXED, field: 'level', level: awayFrom(direction, level, level.times(buffer)) }
    }
    case 'trailing':
      return trailing(input, direction, entry)
    case 'breakeven': {
      const activation = toPositive(input.activationFraction, 'activationFraction')
      const offset = toNotNegative(input.offsetFraction ?? '0', 'offsetFraction')
      if (offset.gte(activation)) {
        throw refused('offsetFraction', `${offset.toFixed()} is not less than the activation`)
      }
      return {
        field: 'stopPrice',
        level: toPositive(input.stopPrice, 'stopPrice'),
        trailingDistance: null,
        activationPrice: activationOf(direction, entry, activation),
        breakevenPrice: roundTowardsPrice(direction, gainFrom(direction, entry, offset)),
      }
    }
    default:
      throw refused('kind', `'${String((input as { kind: unknown }).kind)}' is no kind of stop`)
  }
}

function trailing(input: TrailingTerms, direction: Direction, entry: Decimal): FirstLevel {
  requireOne(input, 'fraction', 'distance')
  const field = input.distance === undefined ? 'fraction' : 'distance'
  const distance =
    input.distance === undefined
      ? entry.times(toPositive(input.fraction, 'fraction')).toDecimalPlaces(AMOUNT_DIGITS, Decimal.ROUND_DOWN)
      : toPositive(input.distance, 'distance')
  if (distance.isZero()) throw refused(field, 'comes to no distance at all')
  const activation = input.activationFraction
  return {
    field,
    level: awayFrom(direction, entry, distance),
    trailingDistance: distance,
    activationPrice:
      activation === undefined
        ? null
        : activationOf(direction, entry, toPositive(activation, 'activationFraction')),
    breakevenPrice: null,
  }
}

function activationOf(direction: Direction, entry: Decimal, fraction: Decimal): Decimal {
  // Away from the entry, so that it lies beyond the breakeven price however close they are.
  const price = gainFrom(direction, entry, fraction).toDecimalPlaces(
    AMOUNT_DIGITS,
    direction === 'long' ? Decimal.ROUND_UP : Decimal.ROUND_DOWN,
  )
  if (price.gt(0)) return price
  throw refused('activationFraction', `${fraction.toFixed()} lies at ${price.toFixed()}, which is no price`)
}

/** What a stop has become of a price, and whether the price reached it. */
export interface FollowedStop {
  readonly stopPrice: Decimal
  readonly bestPrice: Decimal
  /** True if the price reached the level that was there before it. */
  readonly isReached: boolean
}

/**
 * Shows a stop one more price, as `triggerStopOrders` does, and returns what it has become. It never loosens. A price that
 * reaches the level moves nothing, and one that moves the level does not reach it.
 */
export function followStop(direction: Direction, stop: StopLevels, price: Decimal): FollowedStop {
  const { stopPrice, bestPrice, trailingDistance, activationPrice, breakevenPrice } = stop
  if (isReached(direction, stopPrice, price)) return { stopPrice, bestPrice, isReached: true }
  const best = better(direction, bestPrice, price)
  const isActive = activationPrice === null || !isBetter(direction, activationPrice, best)
  let level = stopPrice
  if (isActive && trailingDistance !== null) {
    level = better(direction, level, awayFrom(direction, best, trailingDistance))
  }
  if (isActive && breakevenPrice !== null) level = better(direction, level, breakevenPrice)
  return { stopPrice: level, bestPrice: best, isReached: false }
}

/** True if a price is at the level of a stop or beyond it. */
export function isReached(direction: Direction, stopPrice: Decimal, price: Decimal): boolean {
  return direction === 'long' ? price.lte(stopPrice) : price.gte(stopPrice)
}

/** True if `price` is better than `other` for who holds the position. */
export function isBetter(direction: Direction, price: Decimal, other: Decimal): boolean {
  return direction === 'long' ? price.gt(other) : price.lt(other)
}

function better(direction: Direction, a: Decimal, b: Decimal): Decimal {
  return isBetter(direction, b, a) ? b : a
}

function awayFrom(direction: Direction, price: Decimal, distance: Decimal): Decimal {
  return direction === 'long' ? price.minus(distance) : price.plus(distance)
}

function gainFrom(direction: Direction, entry: Decimal, fraction: Decimal): Decimal {
  return awayFrom(direction === 'long' ? 'short' : 'long', entry, entry.times(fraction))
}

/** Rounds what has too many decimals to be stored, so that the stop is not looser than was asked for. */
function roundTowardsPrice(direction: Direction, level: Decimal): Decimal {
  return level.toDecimalPlaces(AMOUNT_DIGITS, direction === 'long' ? Decimal.ROUND_CEIL : Decimal.ROUND_FLOOR)
}

function toNotNegative(value: Amount, field: string): Decimal {
  const amount = toDecimal(value, field)
  if (amount.isNegative()) throw refused(field, `${amount.toFixed()} is negative`)
  return amount
}

/** Reads a double as the decimal number that it is printed as. */
function toStatistic(value: Statistic, field: string): Decimal {
  if (typeof value !== 'number') return toPositive(value, field)
  if (Number.isFinite(value)) return toPositive(new Decimal(value).toDecimalPlaces(AMOUNT_DIGITS), field)
  throw refused(field, `${value} is not a finite number`)
}

function requireOne<Key extends string>(input: { readonly [K in Key]?: unknown }, a: Key, b: Key): void {
  if ((input[a] === undefined) !== (input[b] === undefined)) return
  throw refused(a, input[a] === undefined ? `or ${b} must be given` : `is given beside ${b}: give one`)
}

function refused(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}
