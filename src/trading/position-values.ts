import { Decimal, divide, toDecimal, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import type { Direction, FillFact, InstrumentTerms, PositionState, Side } from './position-state.ts'

/** What turns a price into a value. */
export type PricedTerms = Pick<InstrumentTerms, 'kind' | 'contractSize'>

/** Returns what `quantity` is worth at `price`, in settlement currency. Rounded for `inverse` only. */
export function calculateValue(quantity: Decimal, price: Decimal, instrument: PricedTerms): Decimal {
  const size = quantity.times(instrument.contractSize)
  return instrument.kind === 'inverse' ? divide(size, price) : size.times(price)
}

/** Returns the profit of giving up `cost` for `value`; of a short, and of an inverse long, it is `cost` less `value`. */
export function calculateGross(
  direction: Direction,
  cost: Decimal,
  value: Decimal,
  instrument: Pick<InstrumentTerms, 'kind'>,
): Decimal {
  return (direction === 'long') === (instrument.kind !== 'inverse') ? value.minus(cost) : cost.minus(value)
}

/** Returns `value` as money received (positive) or spent by the side that traded it. */
export function signCashFlow(value: Decimal, side: Side, instrument: Pick<InstrumentTerms, 'kind'>): Decimal {
  return (side === 'sell') === (instrument.kind !== 'inverse') ? value : value.neg()
}

/**
 * Returns what the fill's fee is worth in settlement currency, `null` when that is not known.
 *
 * A fee in settlement, base or (`inverse`) quote currency is worth what the fill's own price says, and a value given
 * with it is not asked: on spot that is the one value with which gross less fees is the cash.
 */
export function calculateFeeValue(fill: FillFact, instrument: InstrumentTerms): Decimal | null {
  const { fee, feeCurrency } = fill
  if (fee.isZero()) return ZERO
  if (feeCurrency === instrument.settleCurrency) return fee
  if (instrument.kind === 'inverse') {
    if (feeCurrency === instrument.quoteCurrency) return divide(fee, fill.price)
  } else if (feeCurrency === instrument.baseCurrency) {
    return fee.times(fill.price)
  }
  return fill.feeInSettlement ?? null
}

/** Returns the profit that closing the whole position at `markPrice` would realise, before fees, in settlement currency. */
export function calculateUnrealisedPnl(
  position: Pick<PositionState, 'direction' | 'quantity' | 'cost'>,
  markPrice: Decimal,
  instrument: PricedTerms,
): Decimal {
  const terms = checkInstrument(instrument)
  const value = calculateValue(position.quantity, toOwn(markPrice, 'markPrice'), terms)
  return calculateGross(position.direction, position.cost, value, terms)
}

/**
 * Returns the cost still open with the sign that the ledger's identity needs, in settlement currency: positive for a
 * long, negative for a short; for `inverse` the other way round.
 */
export function calculateSignedCost(
  position: Pick<PositionState, 'direction' | 'cost'> | undefined,
  instrument: Pick<InstrumentTerms, 'kind'>,
): Decimal {
  if (position === undefined) return ZERO
  return calculateGross(position.direction, ZERO, position.cost, instrument)
}

/** Returns gross less fees plus funding in settlement currency, `null` while the value of a fee is unknown. */
export function calculateNetPnl(
  position: Pick<PositionState, 'realisedGross' | 'fees' | 'unvaluedFees' | 'funding'>,
): Decimal | null {
  if (Object.keys(position.unvaluedFees).length > 0) return null
  return position.realisedGross.minus(position.fees).plus(position.funding)
}

/** Returns the average price of all that the cycle opened, `null` when it opened nothing. In quote currency. */
export function calculateEntryPrice(
  position: Pick<PositionState, 'entryQuantity' | 'entryCost'>,
  instrument: Pick<InstrumentTerms, 'kind' | 'contractSize'>,
): Decimal | null {
  return calculatePrice(position.entryQuantity, position.entryCost, instrument)
}

/** Returns the average price of all that the cycle closed, `null` when it closed nothing. In quote currency. */
export function calculateExitPrice(
  position: Pick<PositionState, 'exitQuantity' | 'exitValue'>,
  instrument: Pick<InstrumentTerms, 'kind' | 'contractSize'>,
): Decimal | null {
  return calculatePrice(position.exitQuantity, position.exitValue, instrument)
}

/** Returns the average price of what is still open, `null` when nothing is. In quote currency. */
export function calculateAveragePrice(
  position: Pick<PositionState, 'quantity' | 'cost'>,
  instrument: Pick<InstrumentTerms, 'kind' | 'contractSize'>,
): Decimal | null {
  return calculatePrice(position.quantity, position.cost, instrument)
}

/** Returns net PnL as a fraction of the opening cost: 0.05 is five per cent. `null` when either is unknown or nothing. */
export function calculateReturnFraction(net: Decimal | null, entryCost: Decimal): Decimal | null {
  return net === null || entryCost.isZero() ? null : divide(net, entryCost)
}

function calculatePrice(
  quantity: Decimal,
  value: Decimal,
  instrument: Pick<InstrumentTerms, 'kind' | 'contractSize'>,
): Decimal | null {
  const size = quantity.times(instrument.contractSize)
  const [dividend, divisor] = instrument.kind === 'inverse' ? [size, value] : [value, size]
  return divisor.isZero() ? null : divide(dividend, divisor)
}

/** Returns the fill, its amounts checked and of this library's `Decimal`. */
export function checkFill(fill: FillFact): FillFact {
  const price = toOwnPositive(fill.price, 'price')
  const quantity = toOwnPositive(fill.quantity, 'quantity')
  const fee = toOwn(fill.fee, 'fee')
  const feeInSettlement = fill.feeInSettlement ? toOwn(fill.feeInSettlement, 'feeInSettlement') : null
  const isSame =
    price === fill.price &&
    quantity === fill.quantity &&
    fee === fill.fee &&
    feeInSettlement === (fill.feeInSettlement ?? null)
  return isSame ? fill : { ...fill, price, quantity, fee, feeInSettlement }
}

/** Returns the instrument, its contract size checked and of this library's `Decimal`. */
export function checkInstrument<Terms extends PricedTerms>(instrument: Terms): Terms {
  const contractSize = toOwnPositive(instrument.contractSize, 'contractSize')
  return contractSize === instrument.contractSize ? instrument : { ...instrument, contractSize }
}

function toOwnPositive(amount: Decimal, field: string): Decimal {
  const own = toOwn(amount, field)
  if (own.isZero() || own.isNegative()) {
    throw new DataError('invalid_input', `${field} '${own.toFixed()}' must be greater than zero`, { field })
  }
  return own
}

/**
 * Returns the amount as this library's `Decimal`.
 *
 * Another copy of decimal.js has a precision of its own, 20 digits unless told, and would round products silently.
 */
export function toOwn(amount: Decimal, field: string): Decimal {
  return amount.constructor === Decimal && amount.isFinite() ? amount : toDecimal(amount, field)
}
