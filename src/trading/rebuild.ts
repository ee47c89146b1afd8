import { sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { ATTEMPTS, attemptInTurn, letOthersPass, storeUnlessOvertaken } from './contention.ts'
import type { LedgerId } from './ledger.ts'
import type { LedgerChange } from './ledger-change.ts'
import { readLedgers, type StoredLedger, termsOf } from './ledger-read.ts'
import { linkFills } from './order-links.ts'
import { isDifferent, replayChange } from './replay.ts'
import { orders } from './schema/orders.ts'
import { ledgerHeads } from './schema/positions.ts'

export interface RebuildPositionsInput {
  readonly botId: string
  /** True to find differences and change nothing. */
  readonly dryRun?: boolean
}

/** A ledger whose stored figures were not what its facts give. */
export interface LedgerDifference extends Omit<LedgerId, 'botId'> {
  /** Rows of each kind that were wrong, missing or too many. */
  readonly positions: number
  readonly lots: number
  readonly fills: number
  readonly cashFlows: number
  readonly orders: number
}

export interface RebuildReport {
  /** Ledgers gone over. */
  readonly ledgers: number
  /** Empty when all that is stored is what a replay of the facts gives. */
  readonly differences: LedgerDifference[]
}

/**
 * Derives a bot's positions, lots, realised PnL and order figures from its fills and funding again, and stores what differs.
 *
 * The bot may go on trading meanwhile. Needed after the terms of an instrument or the bot's cost-basis method were changed; at
 * any other time it finds nothing, which is its use as a check.
 *
 * @throws `missing_reference` if an instrument is not set.
 */
export async function rebuildPositions(db: Database, input: RebuildPositionsInput): Promise<RebuildReport> {
  const botId = toName(input.botId, 'botId')
  // Fills whose order became known while a process died in between.
  if (!input.dryRun) await linkFills(db, { botId })
  const ids = await listLedgers(db, botId)
  const differences: LedgerDifference[] = []
  for (const id of ids) {
    const difference = await rebuildLedger(db, id, input.dryRun ?? false)
    if (difference) differences.push(difference)
  }
  return { ledgers: ids.length, differences }
}

const ledgersStatement: PreparedStatement<LedgerId, 'botId'> = sqlStatement(
  'rebuildPositions.ledgers',
  (slot) => ({
    query: sql`
    select h.bot_id, h.exchange, h.symbol, h.position_side from trading.ledger_heads h
    where h.bot_id = ${slot('botId')} and (h.last_executed_at is not null or h.last_funding_at is not null)
    order by h.exchange, h.symbol, h.position_side`,
    fields: {
      botId: ledgerHeads.botId,
      exchange: ledgerHeads.exchange,
      symbol: ledgerHeads.symbol,
      positionSide: ledgerHeads.positionSide,
    },
  }),
)

/** Every ledger that the bot has ever had a fact in. */
export function listLedgers(db: Database, botId: string): Promise<LedgerId[]> {
  return ledgersStatement.run(db, { botId })
}

async function rebuildLedger(
  db: Database,
  id: LedgerId,
  dryRun: boolean,
): Promise<LedgerDifference | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const outcome = await attemptInTurn(db, [id], attempt, (db) => tryLedger(db, id, dryRun, attempt))
    if (outcome !== 'lost') return outcome
    await letOthersPass(attempt)
  }
  throw new DataError(
    'transient',
    `${id.symbol} of bot '${id.botId}' was changed by others ${ATTEMPTS} times`,
  )
}

async function tryLedger(
  db: Database,
  id: LedgerId,
  dryRun: boolean,
  attempt: number,
): Promise<LedgerDifference | undefined | 'lost'> {
  const [ledger] = await readLedgers(db, [id])
  if (!ledger) return undefined
  const change = await replayChange(db, ledger, termsOf(ledger), [], [])
  const wrongOrders = await countWrongOrders(db, id)
  if (!isDifferent(change) && wrongOrders === 0) return undefined
  const isDone = dryRun
    ? await isUnchanged(db, ledger)
    : await repair(db, ledger, change, wrongOrders > 0, attempt)
  return isDone ? differenceOf(id, change, wrongOrders) : 'lost'
}

/** False when a fact came while the ledger was gone over: what looks wrong may only be newer. */
async function isUnchanged(db: Database, { id, version }: StoredLedger): Promise<boolean> {
  const [now] = await readLedgers(db, [id])
  return now?.version === version
}

function differenceOf(id: LedgerId, change: LedgerChange, wrongOrders: number): LedgerDifference {
  const { exchange, symbol, positionSide } = id
  return {
    exchange,
    symbol,
    positionSide,
    positions: change.positions.length + change.gonePositions.length,
    lots: change.lots.length + change.usedLots.length,
    fills: change.fillResults.length,
    cashFlows: change.flowResults.length,
    orders: wrongOrders,
  }
}

/** Stores what differs. False when the ledger was changed since it was read. */
async function repair(
  db: Database,
  ledger: StoredLedger,
  change: LedgerChange,
  withOrders: boolean,
  attempt: number,
): Promise<boolean> {
  const stored = await storeUnlessOvertaken(db, [change], attempt)
  if (!stored.has(change)) return false
  if (!withOrders) return true
  const [moved] = await repairOrders.run(db, { ...keyNames(ledger.id), version: ledger.version + 1 })
  return moved !== undefined
}

type OrderSlot = 'botId' | 'exchange' | 'symbol' | 'positionSide'

function keyNames(id: LedgerId): Record<OrderSlot, string> {
  const { botId, exchange, symbol, positionSide } = id
  return { botId, exchange, symbol, positionSide }
}

const sumsOfLedger = (slot: (value: OrderSlot) => ReturnType<typeof sql>) => sql`
  select o.bot_id, o.id, coalesce(sum(f.quantity), 0) as quantity, coalesce(sum(f.price * f.quantity), 0) as cost,
    coalesce(sum(f.fee_in_settlement), 0) as fee, max(f.executed_at) as last_at
  from trading.orders o
  left join trading.fills f on f.bot_id = o.bot_id and f.order_id = o.id
  where o.bot_id = ${slot('botId')} and o.exchange = ${slot('exchange')} and o.symbol = ${slot('symbol')}
    and o.position_side = ${slot('positionSide')}
  group by o.bot_id, o.id, o.filled_quantity, o.filled_cost, o.fee
  having (o.filled_quantity, o.filled_cost, o.fee)
    is distinct from (coalesce(sum(f.quantity), 0), coalesce(sum(f.price * f.quantity), 0),
      coalesce(sum(f.fee_in_settlement), 0))`

const wrongOrders: PreparedStatement<{ count: number }, OrderSlot> = sqlStatement(
  'rebuildPositions.orders',
  (slot) => ({
    query: sql`select count(*)::integer from (${sumsOfLedger(slot)}) wrong`,
    fields: { count: orders.retries },
  }),
)

async function countWrongOrders(db: Database, id: LedgerId): Promise<number> {
  const [row] = await wrongOrders.run(db, keyNames(id))
  return row?.count ?? 0
}

/** Sums the fills of orders again, if no fact was recorded since the version that was read. */
const repairOrders: PreparedStatement<{ version: number }, OrderSlot | 'version'> = sqlStatement(
  'rebuildPositions.repairOrders',
  (slot) => ({
    query: sql`
      with moved as (
        update trading.ledger_heads h set version = h.version + 1
        where h.bot_id = ${slot('botId')} and h.exchange = ${slot('exchange')} and h.symbol = ${slot('symbol')}
          and h.position_side = ${slot('positionSide')} and h.version = ${slot('version')}::bigint
        returning h.version),
      repaired as (
        update trading.orders o
        set filled_quantity = s.quantity, filled_cost = s.cost, fee = s.fee,
          status = case when o.status not in ('pending', 'submitted', 'partially_filled') or s.quantity = 0
            then o.status when s.quantity >= o.quantity then 'filled' else 'partially_filled' end,
          closed_at = case when o.status in ('pending', 'submitted', 'partially_filled')
            and s.quantity >= o.quantity then s.last_at else o.closed_at end
        from (${sumsOfLedger(slot)}) s
        where o.bot_id = s.bot_id and o.id = s.id and exists (select from moved)
        returning 1)
      select version from moved`,
    fields: { version: ledgerHeads.version },
  }),
)
