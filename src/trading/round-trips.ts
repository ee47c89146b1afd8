import { type Decimal, divide, ZERO } from '../db/decimal.ts'
import {
  applyFill,
  type CostBasisMethod,
  calculateEntryPrice,
  calculateExitPrice,
  type Direction,
  type FillFact,
  type FillOutcome,
  type InstrumentTerms,
  type LotClosure,
  type PositionState,
} from './position-math.ts'

/** `flat_to_flat`: one round trip per cycle. `fill_to_fill`: one per lot that a closing fill used. */
export const ROUND_TRIP_GROUPINGS = ['flat_to_flat', 'fill_to_fill'] as const
export type RoundTripGrouping = (typeof ROUND_TRIP_GROUPINGS)[number]

/** A finished entry and exit. Prices are in quote currency, money is in settlement currency. */
export interface RoundTrip {
  readonly direction: Direction
  /** In contracts, for spot in base currency. Positive. */
  readonly quantity: Decimal
  /** `null` only where an inverse value was too small for 40 decimals. */
  readonly entryPrice: Decimal | null
  readonly exitPrice: Decimal | null
  /** What was closed was worth so much when it was opened, and when it was closed. Neither is negative. */
  readonly entryCost: Decimal
  readonly exitValue: Decimal
  /** Before fees: what lies between the two. */
  readonly gross: Decimal
  /** Of entry and exit, a rebate negative; `null` while the value of one is unknown. */
  readonly fees: Decimal | null
  readonly openedAt: Date
  readonly closedAt: Date
}

/** The entry fees of what is open of one lot. */
interface Pool {
  readonly quantity: Decimal
  readonly fees: Decimal | null
}

/**
 * Returns the round trips that the fills of one ledger finished, in the order in which they were closed.
 *
 * The fills must be in ledger order. A fee is shared in proportion to quantity between all that its fill opened and
 * closed, so that the fees of all round trips and of what is still open add up to the fees of the fills. With
 * `fill_to_fill`, `average` gives one round trip per closing fill, entered at the average price; and the fee of a fill
 * that moved no quantity belongs to no lot, and so to no round trip.
 *
 * @throws `invalid_input` as `applyFill` does.
 */
export function listRoundTrips(
  fills: Iterable<FillFact>,
  instrument: InstrumentTerms,
  method: CostBasisMethod,
  grouping: RoundTripGrouping,
): RoundTrip[] {
  const fold = new RoundTripFold(instrument, method, grouping)
  const trips: RoundTrip[] = []
  for (const fill of fills) {
    for (const trip of fold.add(fill)) trips.push(trip)
  }
  return trips
}

/** Finds round trips fill by fill, for histories that are read in parts. `listRoundTrips` says what they are. */
export class RoundTripFold {
  readonly #instrument: InstrumentTerms
  readonly #method: CostBasisMethod
  readonly #grouping: RoundTripGrouping
  readonly #pools = new Map<number, Pool>()
  #position: PositionState | undefined

  constructor(instrument: InstrumentTerms, method: CostBasisMethod, grouping: RoundTripGrouping) {
    this.#instrument = instrument
    this.#method = method
    this.#grouping = grouping
  }

  /** Adds the fill that comes next in ledger order, and returns the round trips that it finished. */
  add(fill: FillFact): RoundTrip[] {
    const outcome = applyFill(this.#position, fill, this.#instrument, this.#method)
    this.#position = outcome.position
    if (this.#grouping === 'fill_to_fill') return matchLots(outcome, fill, this.#instrument, this.#pools)
    return outcome.closed ? [fromCycle(outcome.closed, fill, this.#instrument)] : []
  }
}

function fromCycle(cycle: PositionState, fill: FillFact, instrument: InstrumentTerms): RoundTrip {
  return {
    direction: cycle.direction,
    quantity: cycle.entryQuantity,
    entryPrice: calculateEntryPrice(cycle, instrument),
    exitPrice: calculateExitPrice(cycle, instrument),
    entryCost: cycle.entryCost,
    exitValue: cycle.exitValue,
    gross: cycle.realisedGross,
    fees: Object.keys(cycle.unvaluedFees).length > 0 ? null : cycle.fees,
    openedAt: cycle.openedAt,
    closedAt: fill.executedAt,
  }
}

/** Returns a round trip for each lot used, and keeps the pools of entry fees in step with the lots. */
function matchLots(
  outcome: FillOutcome,
  fill: FillFact,
  instrument: InstrumentTerms,
  pools: Map<number, Pool>,
): RoundTrip[] {
  const { closedQuantity, openedQuantity, position } = outcome
  const matched = { quantity: closedQuantity.plus(openedQuantity), fees: outcome.feeInSettlement }
  let [exit, entry] = split(matched, closedQuantity)
  const trips = outcome.closures.map((closure) => {
    const ordinal = closure.lotOrdinal ?? 0
    const [entryPart, entryRest] = split(
      pools.get(ordinal) ?? { quantity: closure.quantity, fees: ZERO },
      closure.quantity,
    )
    // The next cycle counts its lots from 1 again, so nothing may stay of a lot that is used up.
    if (entryRest.quantity.isZero()) pools.delete(ordinal)
    else pools.set(ordinal, entryRest)
    const [exitPart, exitRest] = split(exit, closure.quantity)
    exit = exitRest
    return fromClosure(closure, fill, instrument, add(entryPart.fees, exitPart.fees))
  })
  if (position && !openedQuantity.isZero()) {
    const pool = pools.get(position.lotCount) ?? { quantity: ZERO, fees: ZERO }
    entry = { quantity: pool.quantity.plus(entry.quantity), fees: add(pool.fees, entry.fees) }
    pools.set(position.lotCount, entry)
  }
  return trips
}

function fromClosure(
  closure: LotClosure,
  fill: FillFact,
  instrument: InstrumentTerms,
  fees: Decimal | null,
): RoundTrip {
  const { direction, quantity, cost, proceeds, gross, openedAt, closedAt } = closure
  const entryPrice =
    closure.entryPrice ??
    calculateEntryPrice({ entryQuantity: quantity, entryCost: closure.cost }, instrument)
  const exitPrice = fill.price
  return {
    direction,
    quantity,
    entryPrice,
    exitPrice,
    entryCost: cost,
    exitValue: proceeds,
    gross,
    fees,
    openedAt,
    closedAt,
  }
}

/** Returns the pool's part for `quantity`, and the rest; the two always add up to the pool. */
function split(pool: Pool, quantity: Decimal): [Pool, Pool] {
  const rest = pool.quantity.minus(quantity)
  if (pool.fees === null)
    return [
      { quantity, fees: null },
      { quantity: rest, fees: null },
    ]
  const fees =
    rest.isZero() || pool.fees.isZero() ? pool.fees : divide(pool.fees.times(quantity), pool.quantity)
  return [
    { quantity, fees },
    { quantity: rest, fees: pool.fees.minus(fees) },
  ]
}

function add(a: Decimal | null, b: Decimal | null): Decimal | null {
  return a === null || b === null ? null : a.plus(b)
}
