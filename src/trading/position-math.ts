import { type Decimal, divide, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type FillPart, removeAverage, removeLots } from './lot-removal.ts'
import type {
  CostBasisMethod,
  Direction,
  FillFact,
  FillOutcome,
  InstrumentTerms,
  Lot,
  LotClosure,
  PositionSide,
  PositionState,
  Side,
} from './position-state.ts'
import {
  calculateFeeValue,
  calculateGross,
  calculateValue,
  checkFill,
  checkInstrument,
  signCashFlow,
  toOwn,
} from './position-values.ts'

export {
  COST_BASIS_METHODS,
  type CostBasisMethod,
  DIRECTIONS,
  type Direction,
  type FillFact,
  type FillOutcome,
  INSTRUMENT_KINDS,
  type InstrumentKind,
  type InstrumentTerms,
  type Lot,
  type LotClosure,
  POSITION_SIDES,
  type PositionSide,
  type PositionState,
  SIDES,
  type Side,
} from './position-state.ts'
export {
  calculateAveragePrice,
  calculateEntryPrice,
  calculateExitPrice,
  calculateNetPnl,
  calculateReturnFraction,
  calculateSignedCost,
  calculateUnrealisedPnl,
} from './position-values.ts'

/** A fee, or a part of one, on its way to the cycle that bears it. */
interface Charge {
  readonly amount: Decimal
  /** The currency of a fee without a known value; `undefined` when `amount` is in settlement currency. */
  readonly unvaluedIn: string | undefined
}

/** By how much a fill changed the quantity held, and which way. */
interface Effect {
  readonly side: Side
  /** Never negative. */
  readonly quantity: Decimal
}

const NOTHING: FillPart = { quantity: ZERO, value: ZERO }
const NO_LOTS: readonly Lot[] = []
const NO_CLOSURES: readonly LotClosure[] = []

/**
 * Returns what one fill makes of a position; `undefined` is no position.
 *
 * Fills of one ledger must come in ledger order. The fee is never part of `realisedGross`; it stays with the cycle, and
 * a fill that closes one cycle and opens the next splits it in proportion to quantity. With nothing open before and
 * after, the fee is known from the outcome alone. On spot, a fee in the base currency changes the quantity held: should
 * it be larger than a buy (a rebate: than a sale), then the fill worked as one of the other side, and when they are
 * equal only the fee remains. Either way `realisedGross` less fees is what happened to the cash.
 *
 * @throws `invalid_input` if price, quantity or contract size is not positive, or an amount not finite; if the position
 * is not of the fill's hedged side, or its lots do not cover what is to be closed (they were kept by another method).
 */
export function applyFill(
  position: PositionState | undefined,
  fill: FillFact,
  instrument: InstrumentTerms,
  method: CostBasisMethod,
): FillOutcome {
  const fact = checkFill(fill)
  const terms = checkInstrument(instrument)
  const feeInSettlement = calculateFeeValue(fact, terms)
  const charge: Charge =
    feeInSettlement === null
      ? { amount: fact.fee, unvaluedIn: fact.feeCurrency }
      : { amount: feeInSettlement, unvaluedIn: undefined }
  const effect = calculateEffect(fact, terms)
  const { side, quantity } = effect
  const direction = openingDirection(position, fact.positionSide, side)
  const unmoved: FillOutcome = {
    position,
    closed: undefined,
    realisedGross: ZERO,
    effectiveQuantity: quantity,
    closedQuantity: ZERO,
    openedQuantity: ZERO,
    excessQuantity: ZERO,
    feeInSettlement,
    cashFlow: ZERO,
    closures: NO_CLOSURES,
  }
  if (quantity.isZero()) {
    if (position === undefined) return unmoved
    return {
      ...unmoved,
      position: { ...position, ...bear(position, charge), fillCount: position.fillCount + 1 },
    }
  }
  if (direction !== undefined) {
    const part = { quantity, value: calculateValue(quantity, fact.price, terms) }
    return {
      ...unmoved,
      position: open(position, direction, part, charge, fact, method),
      openedQuantity: quantity,
      cashFlow: signCashFlow(part.value, side, terms),
    }
  }
  if (position === undefined) return { ...unmoved, excessQuantity: quantity }
  return { ...unmoved, ...close(position, effect, charge, fact, terms, method) }
}

/** Returns what a fill against the direction of the position closes, and what the rest of it opens. */
function close(
  position: PositionState,
  { side, quantity }: Effect,
  charge: Charge,
  fill: FillFact,
  instrument: InstrumentTerms,
  method: CostBasisMethod,
): Omit<FillOutcome, 'effectiveQuantity' | 'feeInSettlement'> {
  const isWhole = quantity.gte(position.quantity)
  const rest = isWhole ? quantity.minus(position.quantity) : ZERO
  const isFlip = fill.positionSide === 'net' && !rest.isZero()
  const closingQuantity = isWhole ? position.quantity : quantity
  const opening = isFlip ? { quantity: rest, value: calculateValue(rest, fill.price, instrument) } : NOTHING
  // Parts are valued so that they add up to the whole, though an inverse value is rounded.
  const matchedValue = calculateValue(isFlip ? quantity : closingQuantity, fill.price, instrument)
  const closing = {
    quantity: closingQuantity,
    value: isFlip ? matchedValue.minus(opening.value) : matchedValue,
  }
  const [closingCharge, openingCharge] = isFlip
    ? splitCharge(charge, closingQuantity, quantity)
    : [charge, charge]

  const removal =
    method === 'average'
      ? removeAverage(position, closing, fill, instrument)
      : removeLots(position, closing, opening, fill, instrument, method)
  const realisedGross = calculateGross(position.direction, removal.cost, closing.value, instrument)
  const reduced: PositionState = {
    ...position,
    ...bear(position, closingCharge),
    quantity: isWhole ? ZERO : position.quantity.minus(closingQuantity),
    cost: position.cost.minus(removal.cost),
    exitQuantity: position.exitQuantity.plus(closingQuantity),
    exitValue: position.exitValue.plus(closing.value),
    realisedGross: position.realisedGross.plus(realisedGross),
    lots: removal.lots,
    fillCount: position.fillCount + 1,
  }
  const next = isFlip
    ? open(undefined, opposite(position.direction), opening, openingCharge, fill, method)
    : undefined
  return {
    position: isWhole ? next : reduced,
    closed: isWhole ? reduced : undefined,
    realisedGross,
    closedQuantity: closingQuantity,
    openedQuantity: opening.quantity,
    excessQuantity: isFlip ? ZERO : rest,
    cashFlow: signCashFlow(matchedValue, side, instrument),
    closures: removal.closures,
  }
}

/** Returns the position with a funding payment added. `amount` is in settlement currency, positive when received. */
export function applyFunding(position: PositionState, amount: Decimal): PositionState {
  return { ...position, funding: position.funding.plus(toOwn(amount, 'amount')) }
}

/** Returns the position with the part added; a new cycle where there was none. */
function open(
  position: PositionState | undefined,
  direction: Direction,
  part: FillPart,
  charge: Charge,
  fill: FillFact,
  method: CostBasisMethod,
): PositionState {
  const before = position ?? emptyPosition(direction, fill.executedAt)
  const quantity = before.quantity.plus(part.quantity)
  const lotCount = method === 'average' ? 0 : before.lotCount + 1
  return {
    ...before,
    ...bear(before, charge),
    quantity,
    cost: before.cost.plus(part.value),
    peakQuantity: quantity.gt(before.peakQuantity) ? quantity : before.peakQuantity,
    entryQuantity: before.entryQuantity.plus(part.quantity),
    entryCost: before.entryCost.plus(part.value),
    lots: method === 'average' ? NO_LOTS : [...before.lots, makeLot(lotCount, part, fill)],
    lotCount,
    fillCount: before.fillCount + 1,
  }
}

function emptyPosition(direction: Direction, openedAt: Date): PositionState {
  return {
    direction,
    quantity: ZERO,
    cost: ZERO,
    peakQuantity: ZERO,
    entryQuantity: ZERO,
    entryCost: ZERO,
    exitQuantity: ZERO,
    exitValue: ZERO,
    realisedGross: ZERO,
    fees: ZERO,
    unvaluedFees: {},
    funding: ZERO,
    lots: NO_LOTS,
    lotCount: 0,
    openedAt,
    fillCount: 0,
  }
}

function makeLot(ordinal: number, part: FillPart, fill: FillFact): Lot {
  return {
    ordinal,
    openedAt: fill.executedAt,
    price: fill.price,
    originalQuantity: part.quantity,
    originalCost: part.value,
    quantity: part.quantity,
    cost: part.value,
  }
}

/** Returns the fees of a cycle with one more; the total per currency stays even at zero, its value being unknown. */
function bear(
  position: PositionState,
  { amount, unvaluedIn }: Charge,
): Pick<PositionState, 'fees' | 'unvaluedFees'> {
  const { fees, unvaluedFees } = position
  if (amount.isZero()) return { fees, unvaluedFees }
  if (unvaluedIn === undefined) return { fees: fees.plus(amount), unvaluedFees }
  // A currency may be named like a property that every object inherits.
  const before = Object.hasOwn(unvaluedFees, unvaluedIn) ? unvaluedFees[unvaluedIn] : undefined
  return { fees, unvaluedFees: { ...unvaluedFees, [unvaluedIn]: before ? before.plus(amount) : amount } }
}

function splitCharge({ amount, unvaluedIn }: Charge, closing: Decimal, whole: Decimal): [Charge, Charge] {
  const closingAmount = amount.isZero() ? ZERO : divide(amount.times(closing), whole)
  return [
    { amount: closingAmount, unvaluedIn },
    { amount: amount.minus(closingAmount), unvaluedIn },
  ]
}

/**
 * Returns the fill's effect on the quantity held: on spot, a fee in base currency leaves what was bought, and what was
 * held besides what was sold.
 */
function calculateEffect(fill: FillFact, instrument: InstrumentTerms): Effect {
  const { side, quantity, fee } = fill
  if (instrument.kind !== 'spot' || fill.feeCurrency !== instrument.baseCurrency || fee.isZero()) {
    return { side, quantity }
  }
  const effect = side === 'buy' ? quantity.minus(fee) : quantity.plus(fee)
  return effect.isNegative()
    ? { side: side === 'buy' ? 'sell' : 'buy', quantity: effect.neg() }
    : { side, quantity: effect }
}

/** Returns the direction that the fill opens or adds to, `undefined` when it closes. */
function openingDirection(
  position: PositionState | undefined,
  positionSide: PositionSide,
  side: Side,
): Direction | undefined {
  const direction = side === 'buy' ? 'long' : 'short'
  if (positionSide === 'net') {
    return position === undefined || position.direction === direction ? direction : undefined
  }
  if (position !== undefined && position.direction !== positionSide) {
    throw new DataError(
      'invalid_input',
      `a fill of the ${positionSide} side cannot meet a ${position.direction} position`,
      {
        field: 'positionSide',
      },
    )
  }
  return direction === positionSide ? direction : undefined
}

function opposite(direction: Direction): Direction {
  return direction === 'long' ? 'short' : 'long'
}
