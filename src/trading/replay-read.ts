import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { LedgerId } from './ledger.ts'
import { columnsOf } from './ledger-read.ts'
import type { CashFlow, Fill, Position, PositionLot } from './ledger-rows.ts'
import { cashFlows, fills } from './schema/fills.ts'
import { positionLots, positions } from './schema/positions.ts'

type LedgerSlot = 'botId' | 'exchange' | 'symbol' | 'positionSide'
type Slot<Values> = (value: Values) => SQL

function ofLedger(alias: string, slot: Slot<LedgerSlot>): SQL {
  const row = sql.raw(alias)
  return sql`${row}.bot_id = ${slot('botId')} and ${row}.exchange = ${slot('exchange')}
    and ${row}.symbol = ${slot('symbol')} and ${row}.position_side = ${slot('positionSide')}`
}

const startStatement: PreparedStatement<{ from: Date | null }, LedgerSlot | 'at'> = sqlStatement(
  'replay.start',
  (slot) => ({
    query: sql`
      select max(p.opened_at) from trading.positions p
      where ${ofLedger('p', slot)} and p.opened_at < ${slot('at')}::timestamptz
        and not exists (
          select from trading.positions q
          where ${ofLedger('q', slot)} and q.id <> p.id and q.opened_at <= p.opened_at
            and (q.closed_at is null or q.closed_at >= p.opened_at))`,
    fields: { from: positions.openedAt },
  }),
)

/** The beginning of time, for a replay of everything. */
const BEGINNING = new Date(-62_135_596_800_000)

/**
 * The moment from which a ledger must be replayed to take in a fact of the time `at`: the last time before it that a
 * position was opened out of a flat ledger.
 */
export async function readReplayStart(db: Database, id: LedgerId, at: Date | undefined): Promise<Date> {
  if (at === undefined) return BEGINNING
  const [row] = await startStatement.run(db, { ...id, at: at.toISOString() })
  return row?.from ?? BEGINNING
}

/** A fill with what its order says about it. */
export type ReplayFill = Fill & { readonly orderPurpose: string | null }

const FILLS_PER_PAGE = 5_000

const fillColumns = getTableColumns(fills)

const fillsStatement: PreparedStatement<
  ReplayFill,
  LedgerSlot | 'from' | 'sequence' | 'exchangeTradeId' | 'side' | 'limit'
> = sqlStatement('replay.fills', (slot) => ({
  query: sql`
    select ${sql.join(columnsOf('f', fills, Object.keys(fillColumns)).list, sql`, `)}, o.purpose
    from trading.fills f left join trading.orders o on o.bot_id = f.bot_id and o.id = f.order_id
    where ${ofLedger('f', slot)} and f.executed_at >= ${slot('from')}::timestamptz
      and (f.executed_at, f.sequence, octet_length(f.exchange_trade_id), f.exchange_trade_id collate "C", f.side)
        > (${slot('from')}::timestamptz, ${slot('sequence')}::bigint, octet_length(${slot('exchangeTradeId')}::text),
          ${slot('exchangeTradeId')}::text collate "C", ${slot('side')}::text)
    order by f.executed_at, f.sequence, octet_length(f.exchange_trade_id), f.exchange_trade_id collate "C", f.side
    limit ${slot('limit')}::integer`,
  fields: { ...fillColumns, orderPurpose: sql`purpose` },
}))

const SEQUENCE_MIN = -9_223_372_036_854_775_808n

/** Yields the fills of a ledger from a moment on, in ledger order, page by page. */
export async function* readFillsInOrder(
  db: Database,
  id: LedgerId,
  from: Date,
): AsyncGenerator<ReplayFill[]> {
  let after = { from: from.toISOString(), sequence: SEQUENCE_MIN, exchangeTradeId: '', side: '' }
  for (;;) {
    const page = await fillsStatement.run(db, { ...id, ...after, limit: FILLS_PER_PAGE })
    if (page.length > 0) yield page
    const last = page.at(-1)
    if (!last || page.length < FILLS_PER_PAGE) return
    after = {
      from: last.executedAt.toISOString(),
      sequence: last.sequence,
      exchangeTradeId: last.exchangeTradeId,
      side: last.side,
    }
  }
}

const fundingStatement: PreparedStatement<CashFlow, LedgerSlot | 'from'> = sqlStatement(
  'replay.funding',
  (slot) => {
    const columns = getTableColumns(cashFlows)
    return {
      query: sql`
        select ${sql.join(columnsOf('c', cashFlows, Object.keys(columns)).list, sql`, `)}
        from trading.cash_flows c
        where ${ofLedger('c', slot)} and c.kind = 'funding' and c.occurred_at >= ${slot('from')}::timestamptz
        order by c.occurred_at, c.id`,
      fields: columns,
    }
  },
)

/** Reads the funding payments of a ledger from a moment on, by time. */
export function readFunding(db: Database, id: LedgerId, from: Date): Promise<CashFlow[]> {
  return fundingStatement.run(db, { ...id, from: from.toISOString() })
}

const positionsStatement: PreparedStatement<Position, LedgerSlot | 'from'> = sqlStatement(
  'replay.positions',
  (slot) => {
    const columns = getTableColumns(positions)
    return {
      query: sql`
        select ${sql.join(columnsOf('p', positions, Object.keys(columns)).list, sql`, `)}
        from trading.positions p where ${ofLedger('p', slot)} and p.opened_at >= ${slot('from')}::timestamptz
        order by p.opened_at, p.id`,
      fields: columns,
    }
  },
)

/** Reads the positions of a ledger that were opened from a moment on. */
export function readPositionsFrom(db: Database, id: LedgerId, from: Date): Promise<Position[]> {
  return positionsStatement.run(db, { ...id, from: from.toISOString() })
}

const lotsStatement: PreparedStatement<PositionLot, LedgerSlot | 'from'> = sqlStatement(
  'replay.lots',
  (slot) => {
    const columns = getTableColumns(positionLots)
    return {
      query: sql`
      select ${sql.join(columnsOf('l', positionLots, Object.keys(columns)).list, sql`, `)}
      from trading.positions p join trading.position_lots l on l.bot_id = p.bot_id and l.position_id = p.id
      where ${ofLedger('p', slot)} and p.opened_at >= ${slot('from')}::timestamptz
      order by l.position_id, l.ordinal`,
      fields: columns,
    }
  },
)

/** Reads the open lots of the positions of a ledger that were opened from a moment on. */
export function readLotsFrom(db: Database, id: LedgerId, from: Date): Promise<PositionLot[]> {
  return lotsStatement.run(db, { ...id, from: from.toISOString() })
}
