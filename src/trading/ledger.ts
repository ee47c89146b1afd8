import type { Decimal } from '../db/decimal.ts'
import { newId } from '../db/id.ts'
import type { LedgerKey } from './ledger-order.ts'
import {
  applyFill,
  applyFunding,
  type CostBasisMethod,
  type FillFact,
  type InstrumentTerms,
  type PositionSide,
  type PositionState,
} from './position-math.ts'
import type { PositionStatus } from './schema/positions.ts'

/** What identifies a ledger. */
export interface LedgerId {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly positionSide: PositionSide
}

/** What turns the facts of a ledger into figures. */
export interface LedgerTerms {
  readonly instrument: InstrumentTerms
  readonly method: CostBasisMethod
}

/** A fill as the ledger sees it. */
export interface LedgerFill extends FillFact, LedgerKey {
  readonly id: string
  readonly exchange: string
  readonly symbol: string
  readonly kind: string
  /** Why the order behind it says the position was left, where it says so. */
  readonly exitReason?: string | null
}

/** A funding payment as the ledger sees it. */
export interface LedgerFunding {
  readonly id: string
  /** In settlement currency; positive when received. */
  readonly amount: Decimal
  readonly occurredAt: Date
}

/** One cycle of the position while it is being derived. */
export interface Cycle {
  /** Null until it is known which stored position this is. */
  id: string | null
  readonly tradeId: string
  state: PositionState
  status: PositionStatus
  closedAt: Date | null
  exitReason: string | null
}

/** What the ledger derived from one fill. */
export interface FillResult {
  readonly fill: LedgerFill
  readonly realisedGross: Decimal
  readonly excessQuantity: Decimal
  readonly feeInSettlement: Decimal | null
  readonly cycle: Cycle | undefined
  readonly openedCycle: Cycle | undefined
}

export interface FundingResult {
  readonly funding: LedgerFunding
  readonly cycle: Cycle | undefined
}

/**
 * Derives positions from facts, which must come in ledger order: by time, funding before the fills of its millisecond.
 *
 * Starts flat, or from a cycle that is open already.
 */
export class LedgerFold {
  readonly #terms: LedgerTerms
  /** The cycle open now. */
  open: Cycle | undefined
  /** Every cycle that a fact has touched, in the order in which they were opened. */
  readonly touched = new Set<Cycle>()
  readonly fillResults: FillResult[] = []
  readonly fundingResults: FundingResult[] = []

  constructor(terms: LedgerTerms, open: Cycle | undefined) {
    this.#terms = terms
    this.open = open
  }

  addFunding(funding: LedgerFunding): void {
    const cycle = this.open
    if (cycle) {
      cycle.state = applyFunding(cycle.state, funding.amount)
      this.touched.add(cycle)
    }
    this.fundingResults.push({ funding, cycle })
  }

  addFill(fill: LedgerFill): void {
    const before = this.open
    const outcome = applyFill(before?.state, fill, this.#terms.instrument, this.#terms.method)
    if (before && outcome.closed) this.#close(before, outcome.closed, fill)
    else if (before && outcome.position) {
      before.state = outcome.position
      this.touched.add(before)
    }
    const isNew = outcome.position !== undefined && (before === undefined || outcome.closed !== undefined)
    const opened = isNew && outcome.position ? this.#openCycle(outcome.position, fill) : undefined
    this.fillResults.push({
      fill,
      realisedGross: outcome.realisedGross,
      excessQuantity: outcome.excessQuantity,
      feeInSettlement: outcome.feeInSettlement,
      cycle: before ?? opened,
      openedCycle: before ? opened : undefined,
    })
  }

  #close(cycle: Cycle, state: PositionState, fill: LedgerFill): void {
    cycle.state = state
    cycle.status = fill.kind === 'liquidation' ? 'liquidated' : 'closed'
    cycle.closedAt = fill.executedAt
    cycle.exitReason = fill.kind === 'liquidation' ? 'liquidation' : (fill.exitReason ?? null)
    this.touched.add(cycle)
    this.open = undefined
  }

  #openCycle(state: PositionState, fill: LedgerFill): Cycle {
    const cycle: Cycle = {
      id: null,
      tradeId: tradeIdOf(fill),
      state,
      status: 'open',
      closedAt: null,
      exitReason: null,
    }
    this.open = cycle
    this.touched.add(cycle)
    return cycle
  }
}

/** The name of the round trip that a fill opens: its own key, so that it is the same whenever it is derived. */
function tradeIdOf(fill: LedgerFill): string {
  return [withoutColon(fill.exchange), withoutColon(fill.symbol), fill.side, fill.exchangeTradeId].join(':')
}

/** Only the last part of a name may have colons, or two fills could have the same. */
function withoutColon(text: string): string {
  return text.replaceAll('%', '%25').replaceAll(':', '%3A')
}

/** A stored position, as far as it must be recognised. */
export interface KnownPosition {
  readonly id: string
  readonly tradeId: string
}

/**
 * Decides which stored position each derived cycle is, so that a position keeps its id when late facts change it.
 *
 * A cycle opened by the same fill is the same position. Of the others, a cycle takes the id that one of its fills
 * belonged to, if no other cycle has it. What is left is new. Returns the stored positions that are no more.
 */
export function identifyCycles(
  fold: LedgerFold,
  known: readonly KnownPosition[],
  formerPositionOf: (fill: LedgerFill) => readonly (string | null)[],
): KnownPosition[] {
  const unclaimed = new Map(known.map((position) => [position.id, position]))
  const byTradeId = new Map(known.map((position) => [position.tradeId, position]))
  for (const cycle of fold.touched) {
    const same = byTradeId.get(cycle.tradeId)
    if (cycle.id === null && same && unclaimed.delete(same.id)) cycle.id = same.id
  }
  for (const { fill, cycle, openedCycle } of fold.fillResults) {
    for (const candidate of [openedCycle, cycle]) {
      if (!candidate || candidate.id !== null) continue
      const former = formerPositionOf(fill).find((id) => id !== null && unclaimed.has(id))
      if (former && unclaimed.delete(former)) candidate.id = former
    }
  }
  for (const cycle of fold.touched) cycle.id ??= newId()
  return [...unclaimed.values()]
}

/** The id of a cycle that `identifyCycles` has gone over. */
export function idOf(cycle: Cycle | undefined): string | null {
  return cycle?.id ?? null
}

export function sameAmount(a: Decimal | null, b: Decimal | null): boolean {
  return a === null || b === null ? a === b : a.eq(b)
}
