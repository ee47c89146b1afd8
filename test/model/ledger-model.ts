import { type Matching, type ModelMethod, match } from './lot-matching.ts'
import { larger, quotient, Rational, signed, smaller, ZERO } from './rational.ts'

export type { ModelMethod } from './lot-matching.ts'

/**
 * What a correct ledger must hold, found another way than the project finds it.
 *
 * There is no state that a fill changes. The signed quantity held is a running sum, the cycles are where that sum leaves
 * and reaches zero, and which lot an exit takes from is an overlap of intervals: of the running totals of entries and
 * exits for fifo, of the levels of the held quantity for lifo. Fractions are exact; only `quotient` rounds.
 */

export type ModelDirection = 'long' | 'short'

export interface ModelFill {
  readonly exchangeTradeId: string
  readonly side: 'buy' | 'sell'
  readonly positionSide: 'net' | 'long' | 'short'
  /** Quote currency per unit of base currency. Positive. */
  readonly price: string
  /** In base currency for spot, in contracts otherwise. Positive. */
  readonly quantity: string
  /** In `feeCurrency`. Negative for a rebate. */
  readonly fee: string
  readonly feeCurrency: string
  /** The fee's value, for a fee in a currency that is none of the instrument's. */
  readonly feeInSettlement?: string | null
  /** Milliseconds since 1970. */
  readonly executedAt: number
  readonly sequence: bigint
  readonly liquidation?: boolean
}

export interface ModelFunding {
  readonly id: string
  /** In settlement currency. Positive when received. */
  readonly amount: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface ModelInstrument {
  readonly kind: 'spot' | 'linear' | 'inverse'
  readonly baseCurrency: string
  readonly quoteCurrency: string
  readonly settleCurrency: string
  readonly contractSize: string
}

/** What is left of one entry, for fifo and lifo. */
export interface ModelLot {
  readonly quantity: string
  readonly cost: string
  readonly originalQuantity: string
  readonly originalCost: string
  readonly openedAt: number
}

/** One position from flat to flat. Amounts are decimal text without trailing zeros. */
export interface ModelCycle {
  readonly direction: ModelDirection
  readonly status: 'open' | 'closed' | 'liquidated'
  readonly quantity: string
  readonly cost: string
  readonly peakQuantity: string
  readonly entryQuantity: string
  readonly entryCost: string
  readonly exitQuantity: string
  readonly exitValue: string
  readonly realisedGross: string
  /** In settlement currency, of all fees whose value is known. Positive when paid. */
  readonly fees: string
  /** Fees of unknown value, by currency. A currency stays listed when its amounts cancel out: their values need not. */
  readonly unvaluedFees: Record<string, string>
  readonly funding: string
  readonly openedAt: number
  readonly closedAt: number | null
  /** In the order of entry; empty for a cycle that is closed and for average cost. */
  readonly lots: readonly ModelLot[]
  /** Fills that opened or closed some of it. A fill that flips counts in both cycles. */
  readonly fillCount: number
}

/** The facts of one ledger: one position side. */
export interface ModelFacts {
  readonly fills: readonly ModelFill[]
  readonly funding: readonly ModelFunding[]
  readonly instrument: ModelInstrument
  readonly method: ModelMethod
}

export interface ModelLedger {
  /** In the order in which they were opened. */
  readonly cycles: readonly ModelCycle[]
  /** By `fillKey`, for every fill: the gross it realised, `0` where it closed nothing. */
  readonly realisedByFill: ReadonlyMap<string, string>
  /** By `fillKey`, for every fill: the quantity that neither opened nor closed anything, `0` mostly. */
  readonly excessByFill: ReadonlyMap<string, string>
  /** Settlement currency that came in (positive) or went out for all that was opened and closed, without fees. */
  readonly netCashFlow: string
  /** Cost of what is open, signed so that `totalGross = netCashFlow + signedOpenCost`. */
  readonly signedOpenCost: string
  readonly totalGross: string
}

const SIDE_ORDER = { buy: 0, sell: 1 } as const

/** A fill of the running sum: the signed quantity held before and after, and the parts that this cuts it into. */
interface Step {
  readonly fill: ModelFill
  readonly before: Rational
  readonly after: Rational
  readonly closing: Part
  readonly opening: Part
  readonly excess: Rational
}

interface Part {
  readonly quantity: Rational
  readonly value: Rational
  /** In settlement currency, or in the fee's own where its value is unknown. */
  readonly fee: Rational
}

interface Leg extends Part {
  readonly kind: 'entry' | 'exit'
  readonly fill: ModelFill
  readonly feeIsValued: boolean
}

/**
 * Returns what the ledger must hold once all these facts are known, in whatever order and however often they are given.
 *
 * @throws Error if two reports of one fact differ, if position sides are mixed, or if a fee leaves no quantity of a fill.
 */
export function replayModel(facts: ModelFacts): ModelLedger {
  const { instrument, method } = facts
  const steps = runningSum(distinctFills(facts.fills), instrument)
  const funding = distinctFunding(facts.funding)
  const spans = cutIntoCycles(steps, instrument)
  const realised = new Map(steps.map((step) => [fillKey(step.fill), ZERO]))
  // An inverse long gains the coins it was opened for less those it is closed for: all flows are the other way round.
  const inverse = instrument.kind === 'inverse' ? -1 : 1

  const cycles = spans.map((span) => {
    const matching = match(span.legs, method)
    const grossSign = span.sign * inverse
    for (const [index, leg] of span.legs.entries()) {
      if (leg.kind !== 'exit') continue
      const gross = signed(grossSign, leg.value.sub(matching.removed[index] ?? ZERO))
      realised.set(fillKey(leg.fill), gross)
    }
    return { ...span, matching, openCost: openCost(span.legs, matching), grossSign }
  })

  const flows = steps.map((step) => {
    const value = step.closing.value.add(step.opening.value)
    return signed(step.fill.side === 'sell' ? inverse : -inverse, value)
  })
  return {
    cycles: cycles.map((cycle) => describe(cycle, realised, funding)),
    realisedByFill: new Map([...realised].map(([key, gross]) => [key, gross.toText()])),
    excessByFill: new Map(steps.map((step) => [fillKey(step.fill), step.excess.toText()])),
    netCashFlow: Rational.sum(flows).toText(),
    signedOpenCost: Rational.sum(cycles.map((cycle) => signed(cycle.grossSign, cycle.openCost))).toText(),
    totalGross: Rational.sum(realised.values()).toText(),
  }
}

/** Returns the key of a fill within its ledger. */
export function fillKey(fill: Pick<ModelFill, 'side' | 'exchangeTradeId'>): string {
  return `${fill.side}|${fill.exchangeTradeId}`
}

/** Sorts fills into the order in which the ledger counts them, whatever order they came in. */
export function compareInLedgerOrder(a: ModelFill, b: ModelFill): number {
  if (a.executedAt !== b.executedAt) return a.executedAt < b.executedAt ? -1 : 1
  if (a.sequence !== b.sequence) return a.sequence < b.sequence ? -1 : 1
  const [left, right] = [Buffer.from(a.exchangeTradeId, 'utf8'), Buffer.from(b.exchangeTradeId, 'utf8')]
  if (left.length !== right.length) return left.length < right.length ? -1 : 1
  return Buffer.compare(left, right) || SIDE_ORDER[a.side] - SIDE_ORDER[b.side]
}

/** Returns the quantity by which a fill changes what is held: a base fee of a spot trade is taken out of the coins. */
export function effectiveQuantity(fill: ModelFill, instrument: ModelInstrument): Rational {
  const quantity = Rational.parse(fill.quantity)
  if (instrument.kind !== 'spot' || fill.feeCurrency !== instrument.baseCurrency) return quantity
  const fee = Rational.parse(fill.fee)
  return fill.side === 'buy' ? quantity.sub(fee) : quantity.add(fee)
}

function distinctFills(fills: readonly ModelFill[]): ModelFill[] {
  const known = new Map<string, ModelFill>()
  for (const fill of fills) {
    const first = known.get(fillKey(fill))
    if (first === undefined) known.set(fillKey(fill), fill)
    else if (!isSameReport(first, fill)) throw new Error(`two reports of fill ${fillKey(fill)} differ`)
  }
  if (new Set(fills.map((fill) => fill.positionSide)).size > 1) throw new Error('position sides are mixed')
  return [...known.values()].sort(compareInLedgerOrder)
}

function isSameReport(a: ModelFill, b: ModelFill): boolean {
  const given = (fill: ModelFill) => fill.feeInSettlement ?? null
  return (
    a.positionSide === b.positionSide &&
    a.executedAt === b.executedAt &&
    a.sequence === b.sequence &&
    a.feeCurrency === b.feeCurrency &&
    (a.liquidation ?? false) === (b.liquidation ?? false) &&
    Rational.parse(a.price).equals(Rational.parse(b.price)) &&
    Rational.parse(a.quantity).equals(Rational.parse(b.quantity)) &&
    Rational.parse(a.fee).equals(Rational.parse(b.fee)) &&
    (given(a) === null) === (given(b) === null) &&
    Rational.parse(given(a) ?? '0').equals(Rational.parse(given(b) ?? '0'))
  )
}

function distinctFunding(funding: readonly ModelFunding[]): ModelFunding[] {
  const known = new Map<string, ModelFunding>()
  for (const payment of funding) {
    const first = known.get(payment.id)
    if (first === undefined) known.set(payment.id, payment)
    else if (
      first.at !== payment.at ||
      !Rational.parse(first.amount).equals(Rational.parse(payment.amount))
    ) {
      throw new Error(`two reports of funding payment ${payment.id} differ`)
    }
  }
  return [...known.values()]
}

/** Returns each fill with the signed quantity held around it. A hedged side never crosses zero. */
function runningSum(fills: readonly ModelFill[], instrument: ModelInstrument): Step[] {
  let before = ZERO
  return fills.map((fill) => {
    const quantity = effectiveQuantity(fill, instrument)
    if (quantity.sign() <= 0) throw new Error(`the fee of fill ${fillKey(fill)} leaves no quantity`)
    const free = before.add(signed(fill.side === 'buy' ? 1 : -1, quantity))
    const after =
      fill.positionSide === 'long'
        ? larger(free, ZERO)
        : fill.positionSide === 'short'
          ? smaller(free, ZERO)
          : free
    const step = {
      fill,
      before,
      after,
      excess: free.sub(after).abs(),
      ...cutFill(fill, instrument, before, after),
    }
    before = after
    return step
  })
}

/** Returns the parts of a fill that closed and opened something. */
function cutFill(fill: ModelFill, instrument: ModelInstrument, before: Rational, after: Rational) {
  const whole = effectiveQuantity(fill, instrument)
  // What was held before and still is; nothing of it when the fill crosses zero.
  const kept = before.sign() === after.sign() ? smaller(before.abs(), after.abs()) : ZERO
  const closed = before.abs().sub(kept)
  const opened = after.abs().sub(kept)

  const openedValue = worth(opened, fill, instrument)
  // With an excess there is no whole to add up to: the excess is worth nothing here.
  const isWhole = closed.add(opened).equals(whole)
  const closedValue =
    isWhole && !closed.isZero()
      ? worth(whole, fill, instrument).sub(openedValue)
      : worth(closed, fill, instrument)

  const fee = feeValue(fill, instrument) ?? Rational.parse(fill.fee)
  // Only a flip shares its fee: an excess bears none, so that what was closed bears it all.
  const closedFee = opened.isZero() ? fee : quotient(fee.mul(closed), whole)
  return {
    closing: { quantity: closed, value: closedValue, fee: closedFee },
    opening: { quantity: opened, value: openedValue, fee: fee.sub(closedFee) },
  }
}

/** Returns the value in settlement currency of some quantity at the price of a fill. */
function worth(quantity: Rational, fill: ModelFill, instrument: ModelInstrument): Rational {
  const price = Rational.parse(fill.price)
  const units = quantity.mul(Rational.parse(instrument.contractSize))
  return instrument.kind === 'inverse' ? quotient(units, price) : units.mul(price)
}

/** Returns a fee in settlement currency, null where its value is unknown. */
function feeValue(fill: ModelFill, instrument: ModelInstrument): Rational | null {
  const fee = Rational.parse(fill.fee)
  const price = Rational.parse(fill.price)
  if (fill.feeCurrency === instrument.settleCurrency) return fee
  if (instrument.kind === 'inverse') {
    if (fill.feeCurrency === instrument.quoteCurrency) return quotient(fee, price)
  } else if (fill.feeCurrency === instrument.baseCurrency) return fee.mul(price)
  return fill.feeInSettlement == null ? null : Rational.parse(fill.feeInSettlement)
}

interface Span {
  readonly sign: number
  readonly legs: Leg[]
}

/** Returns the stretches in which the signed quantity stays on one side of zero. */
function cutIntoCycles(steps: readonly Step[], instrument: ModelInstrument): Span[] {
  const spans: Span[] = []
  for (const { fill, before, after, closing, opening } of steps) {
    const feeIsValued = feeValue(fill, instrument) !== null
    if (!closing.quantity.isZero()) spans.at(-1)?.legs.push({ kind: 'exit', fill, feeIsValued, ...closing })
    if (opening.quantity.isZero()) continue
    if (before.sign() !== after.sign()) spans.push({ sign: after.sign(), legs: [] })
    spans.at(-1)?.legs.push({ kind: 'entry', fill, feeIsValued, ...opening })
  }
  return spans
}

function openCost(legs: readonly Leg[], matching: Matching): Rational {
  const entered = Rational.sum(legs.map((leg) => (leg.kind === 'entry' ? leg.value : ZERO)))
  return entered.sub(Rational.sum(matching.removed))
}

function describe(
  cycle: Span & { readonly matching: Matching; readonly openCost: Rational },
  realised: ReadonlyMap<string, Rational>,
  funding: readonly ModelFunding[],
): ModelCycle {
  const entries = cycle.legs.filter((leg) => leg.kind === 'entry')
  const exits = cycle.legs.filter((leg) => leg.kind === 'exit')
  const entered = Rational.sum(entries.map((leg) => leg.quantity))
  const left = exits.reduce((quantity, leg) => quantity.sub(leg.quantity), entered)
  const last = cycle.legs.at(-1)?.fill
  const openedAt = entries[0]?.fill.executedAt ?? Number.NaN
  const closedAt = left.isZero() ? (last?.executedAt ?? null) : null
  // A payment comes before the fills of its millisecond: one that opens in it is too late, one that closes in it is not.
  const charged = funding.filter(({ at }) => openedAt < at && (closedAt === null || at <= closedAt))
  return {
    direction: cycle.sign > 0 ? 'long' : 'short',
    status: closedAt === null ? 'open' : last?.liquidation ? 'liquidated' : 'closed',
    quantity: left.toText(),
    cost: cycle.openCost.toText(),
    peakQuantity: peakOf(cycle.legs).toText(),
    entryQuantity: entered.toText(),
    entryCost: Rational.sum(entries.map((leg) => leg.value)).toText(),
    exitQuantity: Rational.sum(exits.map((leg) => leg.quantity)).toText(),
    exitValue: Rational.sum(exits.map((leg) => leg.value)).toText(),
    realisedGross: Rational.sum(exits.map((leg) => realised.get(fillKey(leg.fill)) ?? ZERO)).toText(),
    fees: Rational.sum(cycle.legs.map((leg) => (leg.feeIsValued ? leg.fee : ZERO))).toText(),
    unvaluedFees: unvaluedFees(cycle.legs),
    funding: Rational.sum(charged.map(({ amount }) => Rational.parse(amount))).toText(),
    openedAt,
    closedAt,
    lots: cycle.matching.remaining.map(({ entry, quantity, cost }) =>
      describeLot(cycle.legs[entry], quantity, cost),
    ),
    fillCount: cycle.legs.length,
  }
}

function describeLot(entry: Leg | undefined, quantity: Rational, cost: Rational): ModelLot {
  if (entry === undefined) throw new Error('a lot without an entry')
  return {
    quantity: quantity.toText(),
    cost: cost.toText(),
    originalQuantity: entry.quantity.toText(),
    originalCost: entry.value.toText(),
    openedAt: entry.fill.executedAt,
  }
}

function peakOf(legs: readonly Leg[]): Rational {
  let level = ZERO
  return legs.reduce((peak, leg) => {
    level = level.add(signed(leg.kind === 'entry' ? 1 : -1, leg.quantity))
    return larger(peak, level)
  }, ZERO)
}

function unvaluedFees(legs: readonly Leg[]): Record<string, string> {
  const unvalued = new Map<string, Rational>()
  for (const { fill, fee, feeIsValued } of legs) {
    if (feeIsValued || fee.isZero()) continue
    unvalued.set(fill.feeCurrency, fee.add(unvalued.get(fill.feeCurrency) ?? ZERO))
  }
  return Object.fromEntries([...unvalued].map(([currency, fee]) => [currency, fee.toText()]))
}
