import { and, eq, getTableColumns, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { many, one } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { isTransaction } from '../db/transaction.ts'
import {
  type CheckedFlow,
  checkCashFlowInput,
  flowDifferences,
  type RecordCashFlowInput,
} from './cash-flow-input.ts'
import { ATTEMPTS, attemptInTurn, letOthersPass, storeUnlessOvertaken, wasOvertaken } from './contention.ts'
import { hashOf, reportOf } from './fill-input.ts'
import { LedgerFold, type LedgerId } from './ledger.ts'
import { appendChange, flowRow, type LedgerChange } from './ledger-change.ts'
import { insertColumns, recordset } from './ledger-columns.ts'
import { columnsOf, readLedgers, type StoredLedger, termsOf } from './ledger-read.ts'
import type { CashFlow } from './ledger-rows.ts'
import { replayChange } from './replay.ts'
import { cashFlowConflicts, cashFlows } from './schema/fills.ts'

const PART = 2_000

export type CashFlowConflict = typeof cashFlowConflicts.$inferSelect

export interface RecordCashFlowsResult {
  readonly inserted: number
  readonly duplicates: number
  /** Reports that contradict a stored flow. All are kept; see `listCashFlowConflicts`. */
  readonly conflicts: CashFlowConflict[]
}

/**
 * Stores one cash flow and returns it. Funding is added to the position that was held when it was charged.
 *
 * Safe to repeat: the same flow reported again returns the row already stored.
 *
 * @throws `conflict` if the stored flow of this key has another amount or time. The report is kept.
 * @throws `missing_reference` if the bot is not registered, or the instrument of a funding payment not set.
 * @throws `invalid_input` naming the field that cannot be stored.
 */
export async function recordCashFlow(db: Database, input: RecordCashFlowInput): Promise<CashFlow> {
  const { conflicts } = await recordCashFlows(db, [input])
  const flow = checkCashFlowInput(input)
  const [conflict] = conflicts
  if (conflict) {
    throw new DataError(
      'conflict',
      `${flow.kind} '${flow.exchangeFlowId}' was already recorded with other content: ${conflict.differs}`,
      { field: conflict.differs.split(', ')[0] },
    )
  }
  const [stored] = await readKnown(db, [flow])
  if (!stored)
    throw new DataError('unexpected', `${flow.kind} '${flow.exchangeFlowId}' was stored and is gone`)
  return stored
}

/**
 * Stores any number of cash flows, of one bot or of many, and says what became of them. Safe to repeat.
 *
 * They are stored part by part; an error leaves the parts before it stored.
 *
 * @throws `missing_reference` and `invalid_input` as `recordCashFlow` does; nothing of that part is stored.
 */
export async function recordCashFlows(
  db: Database,
  inputs: Iterable<RecordCashFlowInput> | AsyncIterable<RecordCashFlowInput>,
): Promise<RecordCashFlowsResult> {
  const result = { inserted: 0, duplicates: 0, conflicts: [] as CashFlowConflict[] }
  let part: RecordCashFlowInput[] = []
  for await (const input of inputs) {
    part.push(input)
    if (part.length < PART) continue
    await recordPart(db, part, result)
    part = []
  }
  if (part.length > 0) await recordPart(db, part, result)
  return result
}

interface Tally {
  inserted: number
  duplicates: number
  readonly conflicts: CashFlowConflict[]
}

interface Report {
  readonly flow: CheckedFlow
  readonly input: RecordCashFlowInput
}

async function recordPart(db: Database, inputs: readonly RecordCashFlowInput[], tally: Tally): Promise<void> {
  let pending: Report[] = inputs.map((input) => ({ flow: checkCashFlowInput(input), input }))
  for (let attempt = 1; pending.length > 0; attempt++) {
    if (attempt > ATTEMPTS) {
      throw new DataError(
        'transient',
        `the ledgers of these cash flows were changed by others ${ATTEMPTS} times`,
      )
    }
    if (attempt > 2) await letOthersPass(attempt - 2)
    const ids = distinctLedgers(pending)
    const outcome = await attemptInTurn(db, ids, attempt, (db) => tryPart(db, pending, ids, attempt))
    tally.inserted += outcome.tally.inserted
    tally.duplicates += outcome.tally.duplicates
    tally.conflicts.push(...outcome.tally.conflicts)
    pending = outcome.rest
  }
}

async function tryPart(
  db: Database,
  pending: readonly Report[],
  ids: readonly LedgerId[],
  attempt: number,
): Promise<{ readonly tally: Tally; readonly rest: Report[] }> {
  const tally: Tally = { inserted: 0, duplicates: 0, conflicts: [] }
  const ledgers = await readLedgers(db, ids)
  const { fresh, twins } = await setKnownAside(db, pending, tally)
  const changes: LedgerChange[] = []
  for (const ledger of ledgers) changes.push(await changeOf(db, ledger, fundingOf(ledger, fresh)))
  const wanted = changes.filter((change) => change.flows.length > 0)
  const plain = fresh.filter(({ flow }) => flow.kind !== 'funding')
  // First, since only here may the database still refuse a bot: then nothing else of the part is stored.
  const inserted = await insertPlain(db, plain)
  tally.inserted += inserted.size
  const stored = await storeUnlessOvertaken(db, wanted, attempt)
  for (const change of stored.keys()) tally.inserted += change.flows.length
  const isDone = (report: Report) => inserted.has(report.flow.id) || isStored(stored, report.flow)
  return { tally, rest: [...fresh.filter((report) => !isDone(report)), ...twins] }
}

function isStored(stored: ReadonlyMap<LedgerChange, Date>, flow: CheckedFlow): boolean {
  return [...stored.keys()].some((change) => isOfLedger(flow, change.id)) && flow.kind === 'funding'
}

function isOfLedger(flow: CheckedFlow, id: LedgerId): boolean {
  return (
    flow.botId === id.botId &&
    flow.exchange === id.exchange &&
    flow.symbol === id.symbol &&
    flow.positionSide === id.positionSide
  )
}

function fundingOf(ledger: StoredLedger, fresh: readonly Report[]): CheckedFlow[] {
  return fresh
    .map(({ flow }) => flow)
    .filter((flow) => flow.kind === 'funding' && isOfLedger(flow, ledger.id))
}

function distinctLedgers(pending: readonly Report[]): LedgerId[] {
  const ids = new Map<string, LedgerId>()
  for (const { flow } of pending) {
    const { botId, exchange, symbol, positionSide, kind } = flow
    if (kind === 'funding') {
      ids.set(JSON.stringify([botId, exchange, symbol, positionSide]), {
        botId,
        exchange,
        symbol,
        positionSide,
      })
    }
  }
  return [...ids.values()]
}

/** What new funding changes: of the position open now, or of one that was open before. */
async function changeOf(
  db: Database,
  ledger: StoredLedger,
  funding: readonly CheckedFlow[],
): Promise<LedgerChange> {
  const terms = termsOf(ledger)
  for (const { currency } of funding) {
    if (currency !== terms.instrument.settleCurrency) {
      throw new DataError(
        'invalid_input',
        `currency '${currency}' is not that of ${ledger.id.symbol}, whose funding is paid in ${terms.instrument.settleCurrency}`,
        { field: 'currency' },
      )
    }
  }
  const isLate = funding.some((flow) => ledger.lastFill && flow.occurredAt <= ledger.lastFill.executedAt)
  if (isLate) return await replayChange(db, ledger, terms, [], funding)
  const fold = new LedgerFold(terms, ledger.open && { ...ledger.open })
  for (const flow of funding) fold.addFunding(flow)
  return appendChange(ledger, terms, fold, ledger.open?.state.lots ?? [], [], funding)
}

const flowColumns = getTableColumns(cashFlows)

// In the order of the key, so that two writers with the same flows wait for each other in one direction only.
const insertStatement: PreparedStatement<{ id: string }, 'flows'> = sqlStatement(
  'recordCashFlows',
  (slot) => ({
    query: sql`
    insert into trading.cash_flows (${insertColumns(cashFlows)})
    select ${insertColumns(cashFlows, 'x.')} from ${recordset(slot('flows'), cashFlows, 'x')}
    order by x.bot_id, x.exchange, x.kind, x.symbol, x.position_side, x.currency, x.exchange_flow_id
    on conflict (bot_id, exchange, kind, symbol, position_side, currency, exchange_flow_id) do nothing
    returning id`,
    fields: { id: cashFlows.id },
  }),
)

/** Stores flows that belong to no position; returns the ids of those that were new. */
async function insertPlain(db: Database, reports: readonly Report[]): Promise<Set<string>> {
  if (reports.length === 0) return new Set()
  const rows = reports.map(({ flow }) => ({ n: 0, ...flowRow(flow, null) }))
  try {
    const inserted = await insertStatement.run(db, { flows: JSON.stringify(rows) })
    return new Set(inserted.map(({ id }) => id))
  } catch (error) {
    if (wasOvertaken(error) && !isTransaction(db)) return new Set()
    throw error
  }
}

const knownStatement: PreparedStatement<CashFlow, 'keys'> = sqlStatement('recordCashFlows.known', (slot) => ({
  query: sql`
    select ${sql.join(columnsOf('c', cashFlows, Object.keys(flowColumns)).list, sql`, `)}
    from ${recordset(slot('keys'), cashFlows, 'k')}
    join trading.cash_flows c on c.bot_id = k.bot_id and c.exchange = k.exchange and c.kind = k.kind
      and c.symbol = k.symbol and c.position_side = k.position_side and c.currency = k.currency
      and c.exchange_flow_id = k.exchange_flow_id`,
  fields: flowColumns,
}))

function readKnown(db: Database, flows: readonly CheckedFlow[]): Promise<CashFlow[]> {
  return knownStatement.run(db, {
    keys: JSON.stringify(flows.map((flow) => ({ n: 0, ...flowRow(flow, null) }))),
  })
}

function keyOf(flow: CheckedFlow): string {
  const { botId, exchange, kind, symbol, positionSide, currency, exchangeFlowId } = flow
  return JSON.stringify([botId, exchange, kind, symbol, positionSide, currency, exchangeFlowId])
}

/** Counts the reports of known flows, and returns the others: one of each flow, and apart from these their twins. */
async function setKnownAside(
  db: Database,
  pending: readonly Report[],
  tally: Tally,
): Promise<{ fresh: Report[]; twins: Report[] }> {
  const flows = pending.map(({ flow }) => flow)
  const stored = new Map((await readKnown(db, flows)).map((flow) => [keyOf(flow), flow]))
  const seen = new Set<string>()
  const fresh: Report[] = []
  const twins: Report[] = []
  for (const report of pending) {
    const key = keyOf(report.flow)
    const known = stored.get(key)
    if (known) {
      const differs = flowDifferences(known, report.flow)
      if (differs.length === 0) tally.duplicates += 1
      else tally.conflicts.push(await keepConflict(db, known, differs, report.input))
    } else if (seen.has(key)) twins.push(report)
    else {
      seen.add(key)
      fresh.push(report)
    }
  }
  return { fresh, twins }
}

/** Keeps a report that contradicts a stored flow. The same report is kept once. */
async function keepConflict(
  db: Database,
  stored: CashFlow,
  differs: readonly string[],
  input: RecordCashFlowInput,
): Promise<CashFlowConflict> {
  const report = reportOf(input)
  const reportHash = hashOf(Object.entries(report).sort().map(String))
  const { botId, cashFlowId } = { botId: stored.botId, cashFlowId: stored.id }
  const row = { botId, id: newId(), cashFlowId, differs: differs.join(', '), report, reportHash }
  await many(
    'keepCashFlowConflict',
    db.insert(cashFlowConflicts).values(row).onConflictDoNothing().returning(),
  )
  return await one(
    'keepCashFlowConflict',
    'the conflict',
    db
      .select()
      .from(cashFlowConflicts)
      .where(
        and(
          eq(cashFlowConflicts.botId, botId),
          eq(cashFlowConflicts.cashFlowId, cashFlowId),
          eq(cashFlowConflicts.reportHash, reportHash),
        ),
      ),
  )
}
