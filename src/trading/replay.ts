import type { Database } from '../db/database.ts'
import { Decimal } from '../db/decimal.ts'
import {
  type Cycle,
  type FillResult,
  identifyCycles,
  idOf,
  type LedgerFill,
  LedgerFold,
  type LedgerFunding,
  type LedgerTerms,
  sameAmount,
} from './ledger.ts'
import {
  exitReasonOf,
  fillResultRow,
  fillRow,
  flowRow,
  headAfter,
  type LedgerChange,
  lotChanges,
  type NewFill,
  type NewFunding,
  orderRows,
  positionRow,
  textByCurrency,
  toLedgerFill,
} from './ledger-change.ts'
import { compareLedgerOrder } from './ledger-order.ts'
import type { StoredLedger } from './ledger-read.ts'
import type { CashFlow, Position, PositionLot } from './ledger-rows.ts'
import type { Lot } from './position-math.ts'
import {
  type ReplayFill,
  readFillsInOrder,
  readFunding,
  readLotsFrom,
  readPositionsFrom,
  readReplayStart,
} from './replay-read.ts'

/** What is stored of a ledger from some moment on. */
interface Stored {
  readonly positions: readonly Position[]
  readonly lots: ReadonlyMap<string, Lot[]>
  readonly fills: Map<string, ReplayFill>
  readonly funding: readonly CashFlow[]
}

/**
 * The change of a ledger when facts are added that do not come after all it had: everything from the last flat moment
 * before them is derived again, and what comes out otherwise than it is stored is changed.
 *
 * Without new facts the whole ledger is derived again.
 */
export async function replayChange(
  db: Database,
  ledger: StoredLedger,
  terms: LedgerTerms,
  newFills: readonly NewFill[],
  newFunding: readonly NewFunding[],
): Promise<LedgerChange> {
  const { id } = ledger
  const from = await readReplayStart(db, id, earliest(newFills, newFunding))
  const stored: Stored = {
    positions: await readPositionsFrom(db, id, from),
    lots: lotsByPosition(await readLotsFrom(db, id, from)),
    fills: new Map(),
    funding: await readFunding(db, id, from),
  }
  const fold = new LedgerFold(terms, undefined)
  const feed = inOrder(fold, newFills.toSorted(compareLedgerOrder), [...stored.funding, ...newFunding])
  for await (const page of readFillsInOrder(db, id, from)) {
    for (const fill of page) {
      stored.fills.set(fill.id, fill)
      feed.add(toLedgerFill(fill))
    }
  }
  feed.finish()
  const gone = identifyCycles(fold, stored.positions, ({ id: fillId }) => {
    const former = stored.fills.get(fillId)
    return former ? [former.openedPositionId, former.positionId] : []
  })
  return differenceOf({
    ledger,
    terms,
    fold,
    stored,
    gone: gone.map((position) => position.id),
    newFills,
    newFunding,
  })
}

function earliest(fills: readonly NewFill[], funding: readonly NewFunding[]): Date | undefined {
  const times = [...fills.map((fill) => fill.executedAt), ...funding.map((payment) => payment.occurredAt)]
  return times.reduce<Date | undefined>((first, time) => (first && first <= time ? first : time), undefined)
}

/** Feeds a fold with stored fills as they are read, and puts the new fills and the funding in between. */
function inOrder(fold: LedgerFold, newFills: readonly LedgerFill[], funding: readonly LedgerFunding[]) {
  const due = funding.toSorted((a, b) => a.occurredAt.getTime() - b.occurredAt.getTime())
  let nextFill = 0
  let nextFunding = 0
  const addWithFunding = (fill: LedgerFill) => {
    for (
      let payment = due[nextFunding];
      payment && payment.occurredAt <= fill.executedAt;
      payment = due[nextFunding]
    ) {
      fold.addFunding(payment)
      nextFunding += 1
    }
    fold.addFill(fill)
  }
  return {
    add(fill: LedgerFill): void {
      for (
        let fresh = newFills[nextFill];
        fresh && compareLedgerOrder(fresh, fill) < 0;
        fresh = newFills[nextFill]
      ) {
        addWithFunding(fresh)
        nextFill += 1
      }
      addWithFunding(fill)
    },
    finish(): void {
      for (const fresh of newFills.slice(nextFill)) addWithFunding(fresh)
      for (const payment of due.slice(nextFunding)) fold.addFunding(payment)
    },
  }
}

function differenceOf(replay: {
  readonly ledger: StoredLedger
  readonly terms: LedgerTerms
  readonly fold: LedgerFold
  readonly stored: Stored
  readonly gone: readonly string[]
  readonly newFills: readonly NewFill[]
  readonly newFunding: readonly NewFunding[]
}): LedgerChange {
  const { ledger, terms, fold, stored, gone, newFills, newFunding } = replay
  const { id } = ledger
  const { botId } = id
  const known = new Map(stored.positions.map((position) => [position.id, position]))
  const cycles = [...fold.touched]
  const lastFills = new Map([...stored.fills.values()].map((fill) => [fill.positionId, fill]))
  for (const cycle of cycles) {
    const before = known.get(idOf(cycle) ?? '')
    if (before) cycle.exitReason = exitReasonAfter(cycle, before, lastFills.get(before.id))
  }
  const changed = cycles.filter((cycle) => !isStoredAs(cycle, known.get(idOf(cycle) ?? ''), terms))
  const lots = cycles.map((cycle) =>
    lotChanges(botId, cycle.id, stored.lots.get(idOf(cycle) ?? '') ?? [], cycle.state.lots),
  )
  const results = new Map(fold.fillResults.map((result) => [result.fill.id, result]))
  const positionOfFunding = new Map(
    fold.fundingResults.map(({ funding, cycle }) => [funding.id, idOf(cycle)]),
  )
  return {
    id,
    isReplay: true,
    openId: ledger.open?.id ?? null,
    head: headAfter(ledger, newFills, newFunding),
    positions: changed.map((cycle) => positionRow(id, cycle, terms)),
    lots: lots.flatMap((change) => change.lots),
    usedLots: lots.flatMap((change) => change.usedLots),
    fills: newFills.flatMap((fill) => {
      const result = results.get(fill.id)
      return result ? [fillRow(fill, result)] : []
    }),
    orders: orderRows(newFills, fold.fillResults),
    flows: newFunding.map((flow) => flowRow(flow, positionOfFunding.get(flow.id) ?? null)),
    gonePositions: gone.map((position) => ({ bot_id: botId, id: position })),
    fillResults: fold.fillResults
      .filter((result) => isChanged(result, stored.fills.get(result.fill.id)))
      .map((result) => fillResultRow(botId, result)),
    flowResults: stored.funding
      .filter((flow) => flow.positionId !== (positionOfFunding.get(flow.id) ?? null))
      .map((flow) => ({ bot_id: botId, id: flow.id, position_id: positionOfFunding.get(flow.id) ?? null })),
    results,
  }
}

/** Why a position was left: what the ledger said of it before gives way to what it says now, the bot's own words do not. */
function exitReasonAfter(cycle: Cycle, before: Position, lastFill: ReplayFill | undefined): string | null {
  const { exitReason, status } = before
  const purpose = status === 'closed' ? exitReasonOf(lastFill?.orderPurpose ?? null) : null
  const derived = status === 'liquidated' ? 'liquidation' : purpose
  return exitReason === derived ? cycle.exitReason : (exitReason ?? cycle.exitReason)
}

/** True when the database holds of a cycle just what was derived. */
function isStoredAs(cycle: Cycle, position: Position | undefined, { instrument }: LedgerTerms): boolean {
  if (!position) return false
  const { state } = cycle
  return (
    position.tradeId === cycle.tradeId &&
    position.direction === state.direction &&
    position.status === cycle.status &&
    position.instrumentKind === instrument.kind &&
    position.contractSize.eq(instrument.contractSize) &&
    position.settleCurrency === instrument.settleCurrency &&
    position.quantity.eq(state.quantity) &&
    position.cost.eq(state.cost) &&
    position.peakQuantity.eq(state.peakQuantity) &&
    position.entryQuantity.eq(state.entryQuantity) &&
    position.entryCost.eq(state.entryCost) &&
    position.exitQuantity.eq(state.exitQuantity) &&
    position.exitValue.eq(state.exitValue) &&
    position.realisedGross.eq(state.realisedGross) &&
    position.fees.eq(state.fees) &&
    position.funding.eq(state.funding) &&
    position.fillCount === state.fillCount &&
    position.lotCount === state.lotCount &&
    position.openedAt.getTime() === state.openedAt.getTime() &&
    position.closedAt?.getTime() === cycle.closedAt?.getTime() &&
    position.exitReason === cycle.exitReason &&
    sameFees(position.unvaluedFees, textByCurrency(state.unvaluedFees))
  )
}

function sameFees(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const currencies = Object.keys(a)
  return (
    currencies.length === Object.keys(b).length &&
    currencies.every((currency) => {
      const [left, right] = [a[currency], b[currency]]
      return left !== undefined && right !== undefined && new Decimal(left).eq(right)
    })
  )
}

function isChanged(result: FillResult, stored: ReplayFill | undefined): boolean {
  if (!stored) return false
  return !(
    stored.realisedGross.eq(result.realisedGross) &&
    stored.excessQuantity.eq(result.excessQuantity) &&
    sameAmount(stored.feeInSettlement, result.feeInSettlement) &&
    stored.positionId === idOf(result.cycle) &&
    stored.openedPositionId === idOf(result.openedCycle)
  )
}

function lotsByPosition(rows: readonly PositionLot[]): Map<string, Lot[]> {
  const lots = new Map<string, Lot[]>()
  for (const row of rows) {
    const list = lots.get(row.positionId)
    if (list) list.push(row)
    else lots.set(row.positionId, [row])
  }
  return lots
}

/** True when a replay found the stored ledger other than it must be. */
export function isDifferent(change: LedgerChange): boolean {
  const { positions, lots, usedLots, gonePositions, fillResults, flowResults } = change
  return [positions, lots, usedLots, gonePositions, fillResults, flowResults].some((rows) => rows.length > 0)
}
