import { type Decimal, ZERO } from '../db/decimal.ts'
import type {
  Cycle,
  FillResult,
  FundingResult,
  LedgerFill,
  LedgerFold,
  LedgerId,
  LedgerTerms,
} from './ledger.ts'
import { compareLedgerOrder } from './ledger-order.ts'
import type { StoredLedger } from './ledger-read.ts'
import type { CashFlow, Fill } from './ledger-rows.ts'
import type { Lot, Side } from './position-math.ts'
import type { ReplayFill } from './replay-read.ts'

type Row = Readonly<Record<string, unknown>>

/** What a ledger's new facts change in the database: rows by column name, amounts as text. */
export interface LedgerChange {
  readonly id: LedgerId
  readonly isReplay: boolean
  /** The position that was open before. */
  readonly openId: string | null
  readonly head: Row
  readonly positions: readonly Row[]
  readonly lots: readonly Row[]
  readonly usedLots: readonly Row[]
  readonly fills: readonly Row[]
  readonly orders: readonly Row[]
  readonly flows: readonly Row[]
  readonly gonePositions: readonly Row[]
  readonly fillResults: readonly Row[]
  readonly flowResults: readonly Row[]
  /** What was derived from each fill, by its id. */
  readonly results: ReadonlyMap<string, FillResult>
}

/** A fill to be stored, before the database has it. */
export type NewFill = Omit<
  Fill,
  'recordedAt' | 'realisedGross' | 'excessQuantity' | 'positionId' | 'openedPositionId'
> & { readonly exitReason: string | null }

/** A stored fill as the fold takes it. */
export function toLedgerFill(fill: ReplayFill): LedgerFill {
  return { ...fill, exitReason: exitReasonOf(fill.orderPurpose) }
}

/** Only a stop or a target says why a position was left; `exit` says that it was. */
export function exitReasonOf(purpose: string | null): string | null {
  return purpose === 'stop_loss' || purpose === 'take_profit' ? purpose : null
}

export type NewFunding = Omit<CashFlow, 'recordedAt' | 'positionId'>

export const NO_CHANGE = {
  positions: [],
  lots: [],
  usedLots: [],
  fills: [],
  orders: [],
  flows: [],
  gonePositions: [],
  fillResults: [],
  flowResults: [],
} as const

/** The head after these facts: its last fill in ledger order, its last funding, and the next version. */
export function headAfter(
  ledger: StoredLedger,
  newFills: readonly NewFill[],
  newFunding: readonly NewFunding[],
): Row {
  let last: { executedAt: Date; sequence: bigint; exchangeTradeId: string; side: Side } | undefined =
    ledger.lastFill
  for (const fill of newFills) if (!last || compareLedgerOrder(fill, last) > 0) last = fill
  let fundingAt = ledger.lastFundingAt
  for (const { occurredAt } of newFunding) if (!fundingAt || occurredAt > fundingAt) fundingAt = occurredAt
  return {
    version: ledger.version + 1,
    last_executed_at: last?.executedAt ?? null,
    last_sequence: last ? String(last.sequence) : null,
    last_exchange_trade_id: last?.exchangeTradeId ?? null,
    last_side: last?.side ?? null,
    last_funding_at: fundingAt,
  }
}

/** The row of a position, as far as it is derived. */
export function positionRow(id: LedgerId, cycle: Cycle, { instrument }: LedgerTerms): Row {
  const { state } = cycle
  return {
    bot_id: id.botId,
    id: cycle.id,
    exchange: id.exchange,
    symbol: id.symbol,
    position_side: id.positionSide,
    trade_id: cycle.tradeId,
    direction: state.direction,
    status: cycle.status,
    instrument_kind: instrument.kind,
    contract_size: instrument.contractSize.toFixed(),
    settle_currency: instrument.settleCurrency,
    quantity: state.quantity.toFixed(),
    cost: state.cost.toFixed(),
    peak_quantity: state.peakQuantity.toFixed(),
    entry_quantity: state.entryQuantity.toFixed(),
    entry_cost: state.entryCost.toFixed(),
    exit_quantity: state.exitQuantity.toFixed(),
    exit_value: state.exitValue.toFixed(),
    realised_gross: state.realisedGross.toFixed(),
    fees: state.fees.toFixed(),
    unvalued_fees: textByCurrency(state.unvaluedFees),
    funding: state.funding.toFixed(),
    fill_count: state.fillCount,
    lot_count: state.lotCount,
    exit_reason: cycle.exitReason,
    opened_at: state.openedAt,
    closed_at: cycle.closedAt,
    version: 1,
  }
}

export function textByCurrency(fees: Readonly<Record<string, Decimal>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fees).map(([currency, fee]) => [currency, fee.toFixed()]))
}

export function lotRow(botId: string, positionId: string | null, lot: Lot): Row {
  return {
    bot_id: botId,
    position_id: positionId,
    ordinal: lot.ordinal,
    price: lot.price.toFixed(),
    original_quantity: lot.originalQuantity.toFixed(),
    original_cost: lot.originalCost.toFixed(),
    quantity: lot.quantity.toFixed(),
    cost: lot.cost.toFixed(),
    opened_at: lot.openedAt,
  }
}

const NO_LOT_CHANGES: { lots: Row[]; usedLots: Row[] } = { lots: [], usedLots: [] }

/** What of a position's lots differs between before and after. */
export function lotChanges(
  botId: string,
  positionId: string | null,
  before: readonly Lot[],
  after: readonly Lot[],
): { lots: Row[]; usedLots: Row[] } {
  if (before.length + after.length === 0) return NO_LOT_CHANGES
  const left = new Map(after.map((lot) => [lot.ordinal, lot]))
  const known = new Map(before.map((lot) => [lot.ordinal, lot]))
  const lots = after.filter((lot) => {
    const former = known.get(lot.ordinal)
    return former !== lot && !(former && sameLot(former, lot))
  })
  const used = before.filter((lot) => !left.has(lot.ordinal))
  return {
    lots: lots.map((lot) => lotRow(botId, positionId, lot)),
    usedLots: used.map((lot) => ({ bot_id: botId, position_id: positionId, ordinal: lot.ordinal })),
  }
}

function sameLot(a: Lot, b: Lot): boolean {
  return (
    a.quantity.eq(b.quantity) &&
    a.cost.eq(b.cost) &&
    a.price.eq(b.price) &&
    a.originalQuantity.eq(b.originalQuantity) &&
    a.originalCost.eq(b.originalCost) &&
    a.openedAt.getTime() === b.openedAt.getTime()
  )
}

/** The derived figures of a fill. */
export function fillResultRow(botId: string, result: FillResult): Row {
  return {
    bot_id: botId,
    id: result.fill.id,
    realised_gross: result.realisedGross.toFixed(),
    excess_quantity: result.excessQuantity.toFixed(),
    fee_in_settlement: result.feeInSettlement?.toFixed() ?? null,
    position_id: result.cycle?.id ?? null,
    opened_position_id: result.openedCycle?.id ?? null,
  }
}

/** The row of a new fill. Written out, and without what is null, since it is made for every fill of a batch. */
export function fillRow(fill: NewFill, result: FillResult): Row {
  return {
    bot_id: fill.botId,
    id: fill.id,
    order_id: fill.orderId ?? undefined,
    exchange_order_id: fill.exchangeOrderId ?? undefined,
    exchange: fill.exchange,
    symbol: fill.symbol,
    side: fill.side,
    exchange_trade_id: fill.exchangeTradeId,
    position_side: fill.positionSide,
    kind: fill.kind,
    liquidity: fill.liquidity ?? undefined,
    price: fill.price.toFixed(),
    quantity: fill.quantity.toFixed(),
    fee: fill.fee.toFixed(),
    fee_currency: fill.feeCurrency,
    exchange_pnl: textOf(fill.exchangePnl),
    exchange_start_position: textOf(fill.exchangeStartPosition),
    executed_at: fill.executedAt,
    sequence: String(fill.sequence),
    realised_gross: result.realisedGross.toFixed(),
    excess_quantity: result.excessQuantity.toFixed(),
    fee_in_settlement: textOf(result.feeInSettlement),
    position_id: result.cycle?.id ?? undefined,
    opened_position_id: result.openedCycle?.id ?? undefined,
  }
}

function textOf(amount: Decimal | null): string | undefined {
  return amount === null ? undefined : amount.toFixed()
}

export function flowRow(flow: NewFunding, positionId: string | null): Row {
  return {
    bot_id: flow.botId,
    id: flow.id,
    exchange: flow.exchange,
    kind: flow.kind,
    symbol: flow.symbol,
    position_side: flow.positionSide,
    currency: flow.currency,
    exchange_flow_id: flow.exchangeFlowId,
    amount: flow.amount.toFixed(),
    occurred_at: flow.occurredAt,
    position_id: positionId,
    note: flow.note,
  }
}

/** What new fills add to the figures of their orders. */
export function orderRows(newFills: readonly NewFill[], results: readonly FillResult[]): Row[] {
  if (newFills.every((fill) => fill.orderId === null)) return []
  const fees = new Map(results.map((result) => [result.fill.id, result.feeInSettlement]))
  const sums = new Map<string, OrderSum>()
  for (const fill of newFills) {
    if (fill.orderId === null) continue
    const sum = sums.get(fill.orderId) ?? emptySum(fill)
    sum.quantity = sum.quantity.plus(fill.quantity)
    sum.cost = sum.cost.plus(fill.price.times(fill.quantity))
    sum.fee = sum.fee.plus(fees.get(fill.id) ?? ZERO)
    if (fill.executedAt < sum.firstAt) sum.firstAt = fill.executedAt
    if (fill.executedAt > sum.lastAt) sum.lastAt = fill.executedAt
    sums.set(fill.orderId, sum)
  }
  return [...sums].map(([orderId, sum]) => ({
    bot_id: sum.botId,
    order_id: orderId,
    quantity: sum.quantity.toFixed(),
    cost: sum.cost.toFixed(),
    fee: sum.fee.toFixed(),
    first_at: sum.firstAt,
    last_at: sum.lastAt,
  }))
}

interface OrderSum {
  readonly botId: string
  quantity: Decimal
  cost: Decimal
  fee: Decimal
  firstAt: Date
  lastAt: Date
}

function emptySum(fill: NewFill): OrderSum {
  return {
    botId: fill.botId,
    quantity: ZERO,
    cost: ZERO,
    fee: ZERO,
    firstAt: fill.executedAt,
    lastAt: fill.executedAt,
  }
}

/** The change of a ledger to which facts were added that come after all it had. */
export function appendChange(
  ledger: StoredLedger,
  terms: LedgerTerms,
  fold: LedgerFold,
  lotsBefore: readonly Lot[],
  newFills: readonly NewFill[],
  newFunding: readonly NewFunding[],
): LedgerChange {
  const { id } = ledger
  const { botId } = id
  const results = new Map(fold.fillResults.map((result) => [result.fill.id, result]))
  const cycles = [...fold.touched]
  const lots = cycles.map((cycle) =>
    lotChanges(botId, cycle.id, cycle.id === ledger.open?.id ? lotsBefore : [], cycle.state.lots),
  )
  return {
    ...NO_CHANGE,
    id,
    isReplay: false,
    openId: ledger.open?.id ?? null,
    head: headAfter(ledger, newFills, newFunding),
    positions: cycles.map((cycle) => positionRow(id, cycle, terms)),
    lots: lots.flatMap((change) => change.lots),
    usedLots: lots.flatMap((change) => change.usedLots),
    fills: newFills.flatMap((fill) => {
      const result = results.get(fill.id)
      return result ? [fillRow(fill, result)] : []
    }),
    orders: orderRows(newFills, fold.fillResults),
    flows: flowRows(newFunding, fold.fundingResults),
    results,
  }
}

export function flowRows(newFunding: readonly NewFunding[], results: readonly FundingResult[]): Row[] {
  const positionOf = new Map(results.map((result) => [result.funding.id, result.cycle?.id ?? null]))
  return newFunding.map((flow) => flowRow(flow, positionOf.get(flow.id) ?? null))
}
