import { setImmediate } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { isTransaction } from '../db/transaction.ts'
import { ATTEMPTS, attemptInTurn, letOthersPass, storeUnlessOvertaken } from './contention.ts'
import { type FillConflict, keepFillConflict } from './fill-conflicts.ts'
import { type CheckedFill, checkFillInput, differencesFrom, type RecordFillInput } from './fill-input.ts'
import { type OrderReference, readKnownFills, readNamedOrders } from './fill-reads.ts'
import { type Cycle, LedgerFold, type LedgerId, type LedgerTerms } from './ledger.ts'
import { appendChange, exitReasonOf, type LedgerChange, type NewFill } from './ledger-change.ts'
import { compareLedgerOrder } from './ledger-order.ts'
import { readLedgerForFill, readLedgers, type StoredLedger, termsOf } from './ledger-read.ts'
import type { Fill } from './ledger-rows.ts'
import { replayChange } from './replay.ts'

/**
 * Stores one execution, brings its position, trade and order up to date, and returns it.
 *
 * Safe to repeat: the same fill reported again changes nothing and returns the row already stored. Fills may come late
 * and in any order; positions are always what a replay in the order of execution gives.
 *
 * @throws `conflict` if the stored fill of this key has another price, quantity, time, fee or order. The report is kept, and
 * listed by `listFillConflicts`.
 * @throws `missing_reference` if the bot is not registered, its order unknown, or the instrument not set.
 * @throws `invalid_input` naming the field that cannot be stored.
 */
export async function recordFill(db: Database, input: RecordFillInput): Promise<Fill> {
  const fill = checkFillInput(input)
  const id = ledgerIdOf(fill)
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptInTurn(db, [id], attempt, (db) => tryFill(db, fill, attempt))
    if (outcome === 'known') return await known(db, fill, input)
    if (outcome !== 'lost') return outcome
    if (attempt >= ATTEMPTS) throw contended(id)
    await letOthersPass(attempt)
  }
}

async function tryFill(db: Database, fill: CheckedFill, attempt: number): Promise<Fill | 'known' | 'lost'> {
  // Most fills are new, and then the statement that stores one sees it. A failure inside the caller's transaction would
  // end that, so there it is asked first.
  const isLean = attempt === 1 && !isTransaction(db)
  const read = await readLedgerForFill(db, ledgerIdOf(fill), fill, !isLean)
  const { ledger, fillId, orderId, orderPurpose } = read
  if (fillId !== null) return 'known'
  if (isLean && !comesLast(ledger, fill) && (await readKnownFills(db, [fill])).length > 0) return 'known'
  const terms = termsOf(ledger)
  const order = orderId === null ? undefined : { id: orderId, purpose: orderPurpose }
  const fresh = toNewFill(fill, terms, order)
  const change = await changeOf(db, ledger, terms, [fresh])
  const recordedAt = (await storeUnlessOvertaken(db, [change], attempt)).get(change)
  return recordedAt ? storedFill(fresh, change, recordedAt) : 'lost'
}

async function known(db: Database, fill: CheckedFill, input: RecordFillInput): Promise<Fill> {
  const [stored] = await readKnownFills(db, [fill])
  if (!stored) throw new DataError('unexpected', `fill '${fill.exchangeTradeId}' was there and is gone`)
  const differs = differencesFrom(stored, fill)
  if (differs.length === 0) return stored
  await keepFillConflict(db, stored, differs, input)
  throw new DataError(
    'conflict',
    `fill '${fill.exchangeTradeId}' of ${fill.symbol} was already recorded with other content: ${differs.join(', ')}`,
    { field: differs[0] },
  )
}

export interface RecordFillsResult {
  /** Fills that were new. */
  readonly inserted: number
  /** Reports of fills that were stored already, with the same content. */
  readonly duplicates: number
  /** Reports that contradict a stored fill. All are kept; see `listFillConflicts`. */
  readonly conflicts: FillConflict[]
}

export interface RecordFillsOptions {
  /** Called after each part that was stored, with the number of reports dealt with so far. */
  readonly onProgress?: (done: number) => void
}

/** Reports stored together: enough to make round trips cheap, few enough to keep memory flat. */
const PART = 2_000

/**
 * Stores any number of executions, of one bot or of many, and says what became of them.
 *
 * Reports may come in any order and more than once. They are stored part by part; an error leaves the parts before it
 * stored, and repeating the call is safe. An array is put in order first, which saves replays; a stream is taken as it
 * comes and never held whole.
 *
 * @throws `missing_reference` and `invalid_input` as `recordFill` does; nothing of that part is stored.
 */
export async function recordFills(
  db: Database,
  inputs: Iterable<RecordFillInput> | AsyncIterable<RecordFillInput>,
  options: RecordFillsOptions = {},
): Promise<RecordFillsResult> {
  const result = { inserted: 0, duplicates: 0, conflicts: [] as FillConflict[] }
  let done = 0
  for await (const part of partsOf(inputs)) {
    const outcome = await recordPart(db, part)
    result.inserted += outcome.inserted
    result.duplicates += outcome.duplicates
    result.conflicts.push(...outcome.conflicts)
    done += part.length
    options.onProgress?.(done)
  }
  return result
}

async function* partsOf(
  inputs: Iterable<RecordFillInput> | AsyncIterable<RecordFillInput>,
): AsyncGenerator<RecordFillInput[]> {
  const source = Array.isArray(inputs) ? inputs.toSorted(byTime) : inputs
  let part: RecordFillInput[] = []
  for await (const input of source) {
    part.push(input)
    if (part.length >= PART) {
      yield part
      part = []
    }
  }
  if (part.length > 0) yield part
}

function byTime(a: RecordFillInput, b: RecordFillInput): number {
  return Number(a.executedAt) - Number(b.executedAt)
}

interface Pending {
  readonly fill: CheckedFill
  readonly input: RecordFillInput
}

async function recordPart(db: Database, inputs: readonly RecordFillInput[]): Promise<RecordFillsResult> {
  const result = { inserted: 0, duplicates: 0, conflicts: [] as FillConflict[] }
  let pending: Pending[] = inputs.map((input) => ({ fill: checkFillInput(input), input }))
  for (let attempt = 1; pending.length > 0; attempt++) {
    const ids = distinctLedgers(pending)
    const outcome = await attemptInTurn(db, ids, attempt, (db) => tryPart(db, pending, ids, attempt))
    result.inserted += outcome.inserted
    result.duplicates += outcome.duplicates
    result.conflicts.push(...outcome.conflicts)
    const { lost, twins } = outcome
    if (lost[0] && attempt >= ATTEMPTS) throw contended(ledgerIdOf(lost[0].fill))
    if (lost.length > 0) await letOthersPass(attempt)
    pending = [...lost, ...twins]
  }
  return result
}

interface PartOutcome extends RecordFillsResult {
  /** Reports that another writer was in the way of. */
  readonly lost: readonly Pending[]
  /** Reports of a fill that this part has another report of. */
  readonly twins: readonly Pending[]
}

async function tryPart(
  db: Database,
  pending: readonly Pending[],
  ids: readonly LedgerId[],
  attempt: number,
): Promise<PartOutcome> {
  const result = { inserted: 0, duplicates: 0, conflicts: [] as FillConflict[] }
  // Ledgers first: whatever is read after a head is no older than it, and a newer one fails its version.
  const ledgers = await readLedgers(db, ids)
  const { fresh, twins } = await setKnownAside(db, pending, result)
  const orderOf = await resolveOrders(db, fresh)
  // All are checked before any is stored.
  const groups = [...groupByLedger(fresh, ledgers)].map(([ledger, group]): LedgerGroup => {
    const terms = termsOf(ledger)
    return { ledger, terms, group, newFills: group.map(({ fill }) => toNewFill(fill, terms, orderOf(fill))) }
  })
  const lost = await storeGroups(db, groups, attempt)
  return { ...result, inserted: fresh.length - lost.length, lost, twins }
}

interface LedgerGroup {
  readonly ledger: StoredLedger
  readonly terms: LedgerTerms
  readonly group: readonly Pending[]
  readonly newFills: readonly NewFill[]
}

/** Statements that a part is stored in: while the server works on one, the next is made. */
const SLICES = 4

/** Stores what the groups change, and returns the reports that another writer was in the way of. */
async function storeGroups(
  db: Database,
  groups: readonly LedgerGroup[],
  attempt: number,
): Promise<Pending[]> {
  const size = isTransaction(db) ? groups.length : Math.ceil(groups.length / SLICES)
  const slices: Promise<Pending[]>[] = []
  try {
    for (let from = 0; from < groups.length; from += size) {
      const changes = new Map<LedgerChange, readonly Pending[]>()
      for (const { ledger, terms, group, newFills } of groups.slice(from, from + size)) {
        changes.set(await changeOf(db, ledger, terms, newFills), group)
      }
      const slice = storeSlice(db, changes, attempt)
      // Its failure is thrown below, and is nobody's surprise until then.
      slice.catch(() => undefined)
      slices.push(slice)
      // The statement is on its way only when the event loop comes round.
      await setImmediate()
    }
  } finally {
    // Also when one fails: none is left running when this returns.
    await Promise.allSettled(slices)
  }
  return (await Promise.all(slices)).flat()
}

async function storeSlice(
  db: Database,
  changes: ReadonlyMap<LedgerChange, readonly Pending[]>,
  attempt: number,
): Promise<Pending[]> {
  const stored = await storeUnlessOvertaken(db, [...changes.keys()], attempt)
  return [...changes].flatMap(([change, group]) => (stored.has(change) ? [] : group))
}

/**
 * Counts the reports of known fills, and returns the others: one for each fill, and apart from these their twins, which
 * are known fills as soon as the first is stored.
 */
async function setKnownAside(
  db: Database,
  pending: readonly Pending[],
  result: { duplicates: number; conflicts: FillConflict[] },
): Promise<{ fresh: Pending[]; twins: Pending[] }> {
  const keys = pending.map(({ fill }) => fill)
  const stored = new Map((await readKnownFills(db, keys)).map((fill) => [fillKey(fill), fill]))
  const seen = new Set<string>()
  const fresh: Pending[] = []
  const twins: Pending[] = []
  for (const report of pending) {
    const key = fillKey(report.fill)
    const known = stored.get(key)
    if (known) {
      const differs = differencesFrom(known, report.fill)
      if (differs.length === 0) result.duplicates += 1
      else result.conflicts.push(await keepFillConflict(db, known, differs, report.input))
    } else if (seen.has(key)) twins.push(report)
    else {
      seen.add(key)
      fresh.push(report)
    }
  }
  return { fresh, twins }
}

function fillKey(fill: Pick<Fill, 'botId' | 'exchange' | 'symbol' | 'exchangeTradeId' | 'side'>): string {
  return JSON.stringify([fill.botId, fill.exchange, fill.symbol, fill.exchangeTradeId, fill.side])
}

type OrderOf = (reference: OrderReference) => KnownOrder | undefined

interface KnownOrder {
  readonly id: string
  readonly purpose: string | null
}

async function resolveOrders(db: Database, pending: readonly Pending[]): Promise<OrderOf> {
  const named = pending
    .map(({ fill }) => fill)
    .filter((fill) => fill.orderId !== null || fill.exchangeOrderId !== null)
  if (named.length === 0) return () => undefined
  const orders = new Map<string, KnownOrder>()
  for (const order of await readNamedOrders(db, named)) {
    orders.set(JSON.stringify([order.botId, order.id]), order)
    // Most orders have no id of the exchange yet, and most fills name none: that makes no fill one of theirs.
    if (order.exchangeOrderId === null) continue
    orders.set(JSON.stringify([order.botId, order.exchange, order.symbol, order.exchangeOrderId]), order)
  }
  return ({ botId, exchange, symbol, orderId, exchangeOrderId }) => {
    if (orderId !== null) return orders.get(JSON.stringify([botId, orderId]))
    return exchangeOrderId === null
      ? undefined
      : orders.get(JSON.stringify([botId, exchange, symbol, exchangeOrderId]))
  }
}

function distinctLedgers(pending: readonly Pending[]): LedgerId[] {
  const ids = new Map<string, LedgerId>()
  for (const { fill } of pending) {
    const id = ledgerIdOf(fill)
    const key = ledgerKey(id)
    if (!ids.has(key)) ids.set(key, id)
  }
  return [...ids.values()]
}

function groupByLedger(
  pending: readonly Pending[],
  ledgers: readonly StoredLedger[],
): Map<StoredLedger, Pending[]> {
  const byKey = new Map(ledgers.map((ledger) => [ledgerKey(ledger.id), ledger]))
  const groups = new Map<StoredLedger, Pending[]>()
  for (const report of pending) {
    const ledger = byKey.get(ledgerKey(ledgerIdOf(report.fill)))
    if (!ledger) continue
    const group = groups.get(ledger)
    if (group) group.push(report)
    else groups.set(ledger, [report])
  }
  return groups
}

function ledgerKey(id: LedgerId): string {
  return JSON.stringify([id.botId, id.exchange, id.symbol, id.positionSide])
}

function ledgerIdOf({ botId, exchange, symbol, positionSide }: CheckedFill): LedgerId {
  return { botId, exchange, symbol, positionSide }
}

function toNewFill(fill: CheckedFill, terms: LedgerTerms, order: KnownOrder | undefined): NewFill {
  if (fill.orderId !== null && !order) {
    throw new DataError('missing_reference', `bot '${fill.botId}' has no order '${fill.orderId}'`, {
      field: 'orderId',
    })
  }
  return {
    ...fill,
    orderId: order?.id ?? null,
    exitReason: exitReasonOf(order?.purpose ?? null),
    feeCurrency: fill.feeCurrency ?? terms.instrument.settleCurrency,
  }
}

/** What new fills change: by adding them to the end, or by replaying what they come before. */
async function changeOf(
  db: Database,
  ledger: StoredLedger,
  terms: LedgerTerms,
  newFills: readonly NewFill[],
): Promise<LedgerChange> {
  const inOrder = newFills.toSorted(compareLedgerOrder)
  const [earliest] = inOrder
  if (earliest && isLate(ledger, earliest)) return await replayChange(db, ledger, terms, inOrder, [])
  const open: Cycle | undefined = ledger.open && { ...ledger.open }
  const fold = new LedgerFold(terms, open)
  for (const fill of inOrder) fold.addFill(fill)
  for (const cycle of fold.touched) cycle.id ??= newId()
  return appendChange(ledger, terms, fold, ledger.open?.state.lots ?? [], inOrder, [])
}

function comesLast({ lastFill }: StoredLedger, fill: CheckedFill): boolean {
  return lastFill === undefined || compareLedgerOrder(fill, lastFill) > 0
}

function isLate({ lastFill, lastFundingAt }: StoredLedger, fill: NewFill): boolean {
  const isBeforeFill = lastFill !== undefined && compareLedgerOrder(fill, lastFill) < 0
  return isBeforeFill || (lastFundingAt !== null && fill.executedAt < lastFundingAt)
}

/** The row of a fill as it was stored. */
function storedFill(fill: NewFill, change: LedgerChange, recordedAt: Date): Fill {
  const result = change.results.get(fill.id)
  const { exitReason: _, ...facts } = fill
  return {
    ...facts,
    feeInSettlement: result?.feeInSettlement ?? null,
    realisedGross: result?.realisedGross ?? ZERO,
    excessQuantity: result?.excessQuantity ?? ZERO,
    positionId: result?.cycle?.id ?? null,
    openedPositionId: result?.openedCycle?.id ?? null,
    recordedAt,
  }
}

function contended(id: LedgerId): DataError {
  return new DataError(
    'transient',
    `${id.symbol} of bot '${id.botId}' was changed by others ${ATTEMPTS} times while a fill was recorded`,
  )
}
