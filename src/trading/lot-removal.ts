import { type Decimal, divide, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import type { FillFact, InstrumentTerms, Lot, LotClosure, PositionState } from './position-state.ts'
import { calculateGross, calculateValue } from './position-values.ts'

/** A quantity of the fill being applied, and its value at the fill's price in settlement currency. */
export interface FillPart {
  readonly quantity: Decimal
  readonly value: Decimal
}

/** What closing takes from a position: the cost that leaves, in settlement currency, and the lots that stay. */
export interface Removal {
  readonly cost: Decimal
  readonly lots: readonly Lot[]
  readonly closures: readonly LotClosure[]
}

const NO_LOTS: readonly Lot[] = []

/** Returns what closing part or all of a position removes at average cost. */
export function removeAverage(
  position: PositionState,
  closing: FillPart,
  fill: FillFact,
  instrument: InstrumentTerms,
): Removal {
  const { direction, openedAt } = position
  const cost = calculateRemovedCost(position, closing.quantity)
  const closure: LotClosure = {
    direction,
    quantity: closing.quantity,
    cost,
    proceeds: closing.value,
    gross: calculateGross(direction, cost, closing.value, instrument),
    openedAt,
    closedAt: fill.executedAt,
  }
  return { cost, lots: NO_LOTS, closures: [closure] }
}

/**
 * Returns what closing part or all of a position removes from its lots: `fifo` uses the oldest first, `lifo` the newest.
 *
 * `opening` is the part of the same fill that opens the next cycle.
 *
 * @throws `invalid_input` if the lots do not cover the quantity to be closed.
 */
export function removeLots(
  position: PositionState,
  closing: FillPart,
  opening: FillPart,
  fill: FillFact,
  instrument: InstrumentTerms,
  method: 'fifo' | 'lifo',
): Removal {
  const { direction, lots } = position
  const step = method === 'fifo' ? 1 : -1
  const closures: LotClosure[] = []
  const proceedsOf = apportion(closing, opening, fill.price, instrument)
  let index = method === 'fifo' ? 0 : lots.length - 1
  let left = closing.quantity
  let removed = ZERO
  let remainder: Lot | undefined

  while (!left.isZero()) {
    const lot = lots[index]
    if (lot === undefined) {
      throw new DataError('invalid_input', `the lots of the position lack ${left.toFixed()} to close`, {
        field: 'lots',
      })
    }
    const isPartial = lot.quantity.gt(left)
    const quantity = isPartial ? left : lot.quantity
    const cost = isPartial ? calculateRemovedCost(lot, quantity) : lot.cost
    left = isPartial ? ZERO : left.minus(quantity)
    const proceeds = proceedsOf(quantity, left.isZero())
    closures.push({
      direction,
      quantity,
      entryPrice: lot.price,
      cost,
      proceeds,
      gross: calculateGross(direction, cost, proceeds, instrument),
      openedAt: lot.openedAt,
      closedAt: fill.executedAt,
      lotOrdinal: lot.ordinal,
    })
    removed = removed.plus(cost)
    if (isPartial) remainder = { ...lot, quantity: lot.quantity.minus(quantity), cost: lot.cost.minus(cost) }
    else index += step
  }

  const kept = method === 'fifo' ? lots.slice(index) : lots.slice(0, index + 1)
  if (remainder) kept[method === 'fifo' ? 0 : index] = remainder
  return { cost: removed, lots: kept, closures }
}

/** Returns the cost that leaves with `quantity`; the whole cost with the whole quantity, so that nothing is left behind. */
function calculateRemovedCost(
  held: { readonly quantity: Decimal; readonly cost: Decimal },
  quantity: Decimal,
): Decimal {
  if (quantity.eq(held.quantity)) return held.cost
  const share = divide(held.cost.times(quantity), held.quantity)
  // Rounding up the last decimal can pass a cost that has more decimals than a quotient.
  return share.gt(held.cost) ? held.cost : share
}

/**
 * Returns a function that gives each lot, in the order of use, its part of the closing value.
 *
 * Inverse values are rounded, so each is the step between two running values: the parts then add up to the whole, and
 * none is negative.
 */
function apportion(closing: FillPart, opening: FillPart, price: Decimal, instrument: InstrumentTerms) {
  const whole = opening.value.plus(closing.value)
  let quantity = opening.quantity
  let value = opening.value
  return (part: Decimal, isLast: boolean): Decimal => {
    if (part.eq(closing.quantity)) return closing.value
    if (instrument.kind !== 'inverse') return calculateValue(part, price, instrument)
    const before = value
    quantity = quantity.plus(part)
    value = isLast ? whole : calculateValue(quantity, price, instrument)
    return value.minus(before)
  }
}
