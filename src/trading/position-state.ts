import type { Decimal } from '../db/decimal.ts'
import { INSTRUMENT_KINDS, type InstrumentKind } from '../market/instrument-kinds.ts'

export const SIDES = ['buy', 'sell'] as const
export type Side = (typeof SIDES)[number]

export const DIRECTIONS = ['long', 'short'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** `net`: one position whose direction fills may turn. `long`, `short`: hedged, each held apart. */
export const POSITION_SIDES = ['net', 'long', 'short'] as const
export type PositionSide = (typeof POSITION_SIDES)[number]

export { COST_BASIS_METHODS, type CostBasisMethod } from '../fleet/cost-basis.ts'
export { INSTRUMENT_KINDS, type InstrumentKind }

/** What the arithmetic must know of an instrument. */
export interface InstrumentTerms {
  readonly kind: InstrumentKind
  readonly baseCurrency: string
  readonly quoteCurrency: string
  /** The currency of cost and PnL: the quote currency, for `inverse` the base currency. */
  readonly settleCurrency: string
  /** Base currency per contract (`inverse`: quote currency per contract). Positive; 1 for spot. */
  readonly contractSize: Decimal
}

/** One execution, as far as the arithmetic needs it. */
export interface FillFact {
  readonly side: Side
  readonly positionSide: PositionSide
  /** Quote currency per unit of base currency. Positive. */
  readonly price: Decimal
  /** In contracts, for spot in base currency. Positive. */
  readonly quantity: Decimal
  /** In `feeCurrency`. Negative for a rebate. */
  readonly fee: Decimal
  readonly feeCurrency: string
  /** The fee's value in settlement currency; only asked for when it cannot be told from the price. */
  readonly feeInSettlement?: Decimal | null
  readonly executedAt: Date
  /** Changes no figure: a liquidation is a fill like any other. */
  readonly liquidation?: boolean
}

/** What is left of one opening fill, for `fifo` and `lifo`. */
export interface Lot {
  /** 1, 2, 3… within its position. */
  readonly ordinal: number
  readonly openedAt: Date
  /** The opening fill's price. Quote currency per unit of base currency. */
  readonly price: Decimal
  readonly originalQuantity: Decimal
  /** In settlement currency. */
  readonly originalCost: Decimal
  /** Still open. Positive. */
  readonly quantity: Decimal
  /** Of what is still open, in settlement currency. */
  readonly cost: Decimal
}

/** A position between two facts. Never altered: each fact gives a new one. All money is in settlement currency. */
export interface PositionState {
  readonly direction: Direction
  /** Held, in contracts or base currency. Zero only in a closed cycle, never negative. */
  readonly quantity: Decimal
  /** Of what is still open. Never negative, whatever the direction. */
  readonly cost: Decimal
  readonly peakQuantity: Decimal
  /** Totals of the cycle so far: all that was opened, and all that was closed. */
  readonly entryQuantity: Decimal
  readonly entryCost: Decimal
  readonly exitQuantity: Decimal
  readonly exitValue: Decimal
  /** Before fees and funding. */
  readonly realisedGross: Decimal
  /** Those whose value is known. A rebate counts negative. */
  readonly fees: Decimal
  /** The other fees, summed per currency, in that currency. Net PnL is unknown while a key is here. */
  readonly unvaluedFees: Readonly<Record<string, Decimal>>
  /** Positive when received. */
  readonly funding: Decimal
  /** Oldest first. Empty for `average`. */
  readonly lots: readonly Lot[]
  /** The ordinal of the last lot opened; 0 for `average`. */
  readonly lotCount: number
  readonly openedAt: Date
  readonly fillCount: number
}

/** What one fill closed: of one lot, or for `average` of the whole position. Money is in settlement currency. */
export interface LotClosure {
  readonly direction: Direction
  /** Positive. */
  readonly quantity: Decimal
  /** The lot's price; absent for `average`. */
  readonly entryPrice?: Decimal
  /** Removed from the position. */
  readonly cost: Decimal
  /** The value of `quantity` at the closing price. */
  readonly proceeds: Decimal
  /** Before fees. */
  readonly gross: Decimal
  /** When the lot was opened, for `average` the cycle. */
  readonly openedAt: Date
  readonly closedAt: Date
  /** Absent for `average`. */
  readonly lotOrdinal?: number
}

export interface FillOutcome {
  /** The position open after the fill. */
  readonly position: PositionState | undefined
  /** The cycle that the fill brought to zero. */
  readonly closed: PositionState | undefined
  /** In settlement currency, before fees. */
  readonly realisedGross: Decimal
  /** What the fill did to the quantity held, as an absolute amount: `closed + opened + excess`. */
  readonly effectiveQuantity: Decimal
  readonly closedQuantity: Decimal
  readonly openedQuantity: Decimal
  /** What a closing fill of a hedged side had no position for. It opens nothing and has no cash flow. */
  readonly excessQuantity: Decimal
  /** The value of the whole fee, `null` when it is not known. Negative for a rebate. */
  readonly feeInSettlement: Decimal | null
  /**
   * The value of what was closed and opened, before fees: sells positive, buys negative; for `inverse`, where a buy
   * is a sale of the settlement currency, the other way round. After any number of fills the sum of `realisedGross`
   * is exactly the sum of `cashFlow` plus `calculateSignedCost` of what is open.
   */
  readonly cashFlow: Decimal
  /** One per lot used, in the order of use; for `average` one per closing fill. */
  readonly closures: readonly LotClosure[]
}
