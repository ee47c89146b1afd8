import { type Column, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { LedgerChange } from './ledger-change.ts'
import { keyOf } from './ledger-read.ts'
import { cashFlows, fills } from './schema/fills.ts'
import { ledgerHeads, positionLots, positions } from './schema/positions.ts'

/** The columns of a table that a caller may write, by their names in the database. */
function writable(table: PgTable, without: readonly string[] = []): Column[] {
  return (Object.values(table) as unknown[]).filter(
    (column): column is Column =>
      isColumn(column) && column.generated === undefined && !without.includes(column.name),
  )
}

function isColumn(value: unknown): value is Column {
  return typeof value === 'object' && value !== null && 'getSQLType' in value && 'name' in value
}

const identifier = (name: string) => sql.raw(`"${name}"`)
const names = (columns: readonly Column[], alias = '') =>
  sql.raw(columns.map((column) => `${alias}"${column.name}"`).join(', '))

/** A JSON list as rows with these columns, each with the number `n` of its ledger. */
function rowsOf(list: SQL, columns: readonly Column[], alias: string): SQL {
  const types = columns.map((column) => `"${column.name}" ${column.getSQLType()}`)
  return sql`json_to_recordset(${list}::json) as ${sql.raw(`${alias}(n integer, ${types.join(', ')})`)}`
}

// `updated_at` and `recorded_at` are the database's own.
const OWN = ['recorded_at', 'updated_at', 'created_at']

/** The columns of a table that an insert names, for a statement that takes rows as JSON. */
export function insertColumns(table: PgTable, alias = ''): SQL {
  return names(writable(table, OWN), alias)
}

/** A JSON list as rows of a table. */
export function recordset(list: SQL, table: PgTable, alias: string): SQL {
  return rowsOf(list, writable(table, OWN), alias)
}

const headColumns = writable(ledgerHeads)
const fillColumns = writable(fills, ['recorded_at'])
const flowColumns = writable(cashFlows, ['recorded_at'])
const lotColumns = writable(positionLots)
const DERIVED_POSITION = [
  'trade_id',
  'direction',
  'status',
  'instrument_kind',
  'contract_size',
  'settle_currency',
  'quantity',
  'cost',
  'peak_quantity',
  'entry_quantity',
  'entry_cost',
  'exit_quantity',
  'exit_value',
  'realised_gross',
  'fees',
  'unvalued_fees',
  'funding',
  'fill_count',
  'lot_count',
  'opened_at',
  'closed_at',
]
const POSITION_KEY = ['bot_id', 'id', 'exchange', 'symbol', 'position_side']
const positionColumns = writable(positions).filter((column) =>
  [...POSITION_KEY, ...DERIVED_POSITION, 'exit_reason', 'version'].includes(column.name),
)
const DERIVED_FILL = [
  'realised_gross',
  'excess_quantity',
  'fee_in_settlement',
  'position_id',
  'opened_position_id',
]
const fillResultColumns = writable(fills).filter((column) =>
  ['bot_id', 'id', ...DERIVED_FILL].includes(column.name),
)
const flowResultColumns = writable(cashFlows).filter((column) =>
  ['bot_id', 'id', 'position_id'].includes(column.name),
)

/** The statement's parts, each one JSON list. */
type Part =
  | 'heads'
  | 'positions'
  | 'fills'
  | 'lots'
  | 'usedLots'
  | 'orders'
  | 'flows'
  | 'gonePositions'
  | 'fillResults'
  | 'flowResults'

const WON = sql`select n from won`

// Each part applies to the ledgers whose head could be moved on, and to no others; so facts, positions and orders of a
// ledger change together or not at all. A part that must come before another is counted there.

const headPart = (slot: (part: Part) => SQL) => sql`
  heads as (select * from ${rowsOf(slot('heads'), headColumns, 'h')}),
  moved as (
    insert into trading.ledger_heads as head (${names(headColumns)})
    select ${names(headColumns)} from heads order by bot_id, exchange, symbol, position_side
    on conflict (bot_id, exchange, symbol, position_side) do update
    set version = excluded.version, last_executed_at = excluded.last_executed_at,
      last_sequence = excluded.last_sequence, last_exchange_trade_id = excluded.last_exchange_trade_id,
      last_side = excluded.last_side, last_funding_at = excluded.last_funding_at
    where head.version = excluded.version - 1
    returning head.bot_id, head.exchange, head.symbol, head.position_side),
  won as (select n from heads join moved using (bot_id, exchange, symbol, position_side))`

const positionPart = (slot: (part: Part) => SQL, after: SQL) => sql`
  put_positions as (
    insert into trading.positions as p (${names(positionColumns)})
    select ${names(positionColumns, 'x.')}
    from ${rowsOf(slot('positions'), positionColumns, 'x')} where x.n in (${WON}) ${after}
    order by x.n, x.opened_at, x.closed_at nulls last
    on conflict (bot_id, id) do update
    set ${sql.join(
      DERIVED_POSITION.map((name) => sql`${identifier(name)} = excluded.${identifier(name)}`),
      sql`, `,
    )}, exit_reason = coalesce(p.exit_reason, excluded.exit_reason), version = p.version + 1
    returning 1)`

const lotPart = (slot: (part: Part) => SQL) => sql`
  used_lots as (
    delete from trading.position_lots l
    using json_to_recordset(${slot('usedLots')}::json) as x(n integer, bot_id text, position_id uuid, ordinal integer)
    where x.n in (${WON}) and l.bot_id = x.bot_id and l.position_id = x.position_id and l.ordinal = x.ordinal
    returning 1),
  put_lots as (
    insert into trading.position_lots (${names(lotColumns)})
    select ${names(lotColumns, 'x.')} from ${rowsOf(slot('lots'), lotColumns, 'x')} where x.n in (${WON})
    on conflict (bot_id, position_id, ordinal) do update
    set price = excluded.price, original_quantity = excluded.original_quantity,
      original_cost = excluded.original_cost, quantity = excluded.quantity, cost = excluded.cost,
      opened_at = excluded.opened_at
    returning 1)`

const fillPart = (slot: (part: Part) => SQL) => sql`
  put_fills as (
    insert into trading.fills (${names(fillColumns)})
    select ${names(fillColumns, 'x.')} from ${rowsOf(slot('fills'), fillColumns, 'x')} where x.n in (${WON})
    returning 1)`

const orderPart = (slot: (part: Part) => SQL) => sql`
  put_orders as (
    update trading.orders o
    set filled_quantity = o.filled_quantity + x.quantity, filled_cost = o.filled_cost + x.cost, fee = o.fee + x.fee,
      status = case when o.status not in ('pending', 'submitted', 'partially_filled') then o.status
        when o.filled_quantity + x.quantity >= o.quantity then 'filled' else 'partially_filled' end,
      submitted_at = coalesce(o.submitted_at, x.first_at),
      closed_at = case when o.status in ('pending', 'submitted', 'partially_filled')
        and o.filled_quantity + x.quantity >= o.quantity then x.last_at else o.closed_at end
    from json_to_recordset(${slot('orders')}::json) as x(n integer, bot_id text, order_id uuid, quantity numeric,
      cost numeric, fee numeric, first_at timestamptz, last_at timestamptz)
    where x.n in (${WON}) and o.bot_id = x.bot_id and o.id = x.order_id
    returning 1)`

const replayPart = (slot: (part: Part) => SQL) => sql`
  gone as (
    select x.bot_id, x.id
    from json_to_recordset(${slot('gonePositions')}::json) as x(n integer, bot_id text, id uuid)
    where x.n in (${WON})),
  left_orders as (
    update trading.orders o set position_id = null from gone
    where o.bot_id = gone.bot_id and o.position_id = gone.id returning 1),
  gone_positions as (
    delete from trading.positions p using gone where p.bot_id = gone.bot_id and p.id = gone.id returning 1),
  fill_results as (
    update trading.fills f
    set ${sql.join(
      DERIVED_FILL.map((name) => sql`${identifier(name)} = x.${identifier(name)}`),
      sql`, `,
    )}
    from ${rowsOf(slot('fillResults'), fillResultColumns, 'x')}
    where x.n in (${WON}) and f.bot_id = x.bot_id and f.id = x.id
    returning 1),
  flow_results as (
    update trading.cash_flows c set position_id = x.position_id
    from ${rowsOf(slot('flowResults'), flowResultColumns, 'x')}
    where x.n in (${WON}) and c.bot_id = x.bot_id and c.id = x.id
    returning 1)`

const flowPart = (slot: (part: Part) => SQL) => sql`
  put_flows as (
    insert into trading.cash_flows (${names(flowColumns)})
    select ${names(flowColumns, 'x.')} from ${rowsOf(slot('flows'), flowColumns, 'x')} where x.n in (${WON})
    returning 1)`

interface StoredRow {
  readonly place: number
  readonly recordedAt: Date
}

const fields = { place: positions.fillCount, recordedAt: fills.recordedAt }
const answer = sql`select n, now() from won`

/** Facts that come next in order. */
const appendStatement: PreparedStatement<StoredRow, Part> = sqlStatement('ledger.append', (slot) => ({
  query: sql`with ${sql.join(
    [
      headPart(slot),
      positionPart(slot, sql``),
      lotPart(slot),
      fillPart(slot),
      orderPart(slot),
      flowPart(slot),
    ],
    sql`, `,
  )} ${answer}`,
  fields,
}))

/** Facts that change what was derived before. */
const replayStatement: PreparedStatement<StoredRow, Part> = sqlStatement('ledger.replay', (slot) => ({
  query: sql`with ${sql.join(
    [
      headPart(slot),
      replayPart(slot),
      positionPart(slot, sql`and (select count(*) from gone_positions) >= 0`),
      lotPart(slot),
      fillPart(slot),
      orderPart(slot),
      flowPart(slot),
    ],
    sql`, `,
  )} ${answer}`,
  fields,
}))

/**
 * Stores changes of any number of ledgers in one statement. A ledger that somebody else has changed since it was read is
 * left out; returns, per stored change, when it was recorded.
 */
export async function storeChanges(
  db: Database,
  changes: readonly LedgerChange[],
): Promise<Map<LedgerChange, Date>> {
  const list = <T>(rowsOfChange: (change: LedgerChange) => readonly T[]) =>
    JSON.stringify(changes.flatMap((change, n) => rowsOfChange(change).map((row) => ({ n, ...row }))))
  const values: Record<Part, string> = {
    heads: list((change) => [{ ...keyOf(change.id), ...change.head }]),
    positions: list((change) => change.positions),
    fills: list((change) => change.fills),
    lots: list((change) => change.lots),
    usedLots: list((change) => change.usedLots),
    orders: list((change) => change.orders),
    flows: list((change) => change.flows),
    gonePositions: list((change) => change.gonePositions),
    fillResults: list((change) => change.fillResults),
    flowResults: list((change) => change.flowResults),
  }
  const isReplay = changes.some((change) => change.isReplay)
  const rows = await (isReplay ? replayStatement : appendStatement).run(db, values)
  const stored = new Map<LedgerChange, Date>()
  for (const { place, recordedAt } of rows) {
    const change = changes[place]
    if (change) stored.set(change, recordedAt)
  }
  return stored
}
