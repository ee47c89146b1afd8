import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { isAppend, storeAppend } from './ledger-append.ts'
import type { LedgerChange } from './ledger-change.ts'
import { filledOrder, identifier, keyOf, names, rowsOf, writable } from './ledger-columns.ts'
import { cashFlows, fills } from './schema/fills.ts'
import { ledgerHeads, positionLots, positions } from './schema/positions.ts'

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

// A replay takes back what the ledger said of an end that was none; the bot's own words stay, also those it says meanwhile.
const EXIT_REASON = sql`case
  when p.status <> 'open' and p.exit_reason in ('liquidation', 'stop_loss', 'take_profit') then excluded.exit_reason
  else coalesce(p.exit_reason, excluded.exit_reason) end`

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
    )}, exit_reason = ${EXIT_REASON}, version = p.version + 1
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

// A row can be changed once in a statement: an order that gets a fill leaves its position here.
const LEAVE_GONE = sql`, position_id = case
  when exists (select from gone where gone.bot_id = o.bot_id and gone.id = o.position_id) then null
  else o.position_id end`

const orderPart = (slot: (part: Part) => SQL, isReplay: boolean) => sql`
  put_orders as (
    update trading.orders o
    set ${filledOrder}${isReplay ? LEAVE_GONE : sql``}
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
    where o.bot_id = gone.bot_id and o.position_id = gone.id and not exists (
      select from json_to_recordset(${slot('orders')}::json) as x(n integer, bot_id text, order_id uuid)
      where x.n in (${WON}) and x.bot_id = o.bot_id and x.order_id = o.id)
    returning 1),
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

type Slot = (part: Part) => SQL
type Section = 'replay' | 'positions' | 'lots' | 'fills' | 'orders' | 'flows'

/** The statement's sections, in the order that they must have. */
const SECTIONS: readonly (readonly [Section, (slot: Slot, isReplay: boolean) => SQL])[] = [
  ['replay', replayPart],
  ['positions', (slot, isReplay) => positionPart(slot, isReplay ? AFTER_GONE : sql``)],
  ['lots', lotPart],
  ['fills', fillPart],
  ['orders', orderPart],
  ['flows', flowPart],
]

const AFTER_GONE = sql`and (select count(*) from gone_positions) >= 0`

function statementOf(sections: ReadonlySet<Section>): PreparedStatement<StoredRow, Part> {
  const chosen = SECTIONS.filter(([section]) => sections.has(section))
  return sqlStatement(`ledger.store(${chosen.map(([section]) => section).join(', ')})`, (slot) => ({
    query: sql`with ${sql.join(
      [headPart(slot), ...chosen.map(([, part]) => part(slot, sections.has('replay')))],
      sql`, `,
    )} select n, now()::timestamptz(3) from won`,
    fields: { place: positions.fillCount, recordedAt: fills.recordedAt },
  }))
}

/** The statements by the sections they have: most facts touch a position and a fill and nothing else. */
const statements = new Map<string, PreparedStatement<StoredRow, Part>>()

function statementFor(changes: readonly LedgerChange[]): PreparedStatement<StoredRow, Part> {
  const has = (rows: (change: LedgerChange) => readonly unknown[]) =>
    changes.some((change) => rows(change).length > 0)
  const sections = new Set<Section>()
  if (changes.some((change) => change.isReplay)) sections.add('replay')
  if (has((change) => change.positions)) sections.add('positions')
  if (has((change) => change.lots) || has((change) => change.usedLots)) sections.add('lots')
  if (has((change) => change.fills)) sections.add('fills')
  if (has((change) => change.orders)) sections.add('orders')
  if (has((change) => change.flows)) sections.add('flows')
  const key = [...sections].join()
  const known = statements.get(key)
  if (known) return known
  const made = statementOf(sections)
  statements.set(key, made)
  return made
}

const PARTS = [
  'positions',
  'fills',
  'lots',
  'usedLots',
  'orders',
  'flows',
  'gonePositions',
  'fillResults',
  'flowResults',
] as const satisfies Part[]

/** The rows of all changes as one JSON list, each with the place of its change. */
function listOf(
  changes: readonly LedgerChange[],
  rowsOf: (change: LedgerChange) => readonly Readonly<Record<string, unknown>>[],
): string {
  const texts: string[] = []
  for (const [n, change] of changes.entries()) {
    for (const row of rowsOf(change)) texts.push(`{"n":${n},${JSON.stringify(row).slice(1)}`)
  }
  return `[${texts.join(',')}]`
}

/**
 * Stores changes of any number of ledgers in one statement. A ledger that somebody else has changed since it was read is
 * left out; returns, per stored change, when it was recorded.
 */
export async function storeChanges(
  db: Database,
  changes: readonly LedgerChange[],
): Promise<Map<LedgerChange, Date>> {
  const [only] = changes
  if (changes.length === 1 && only && isAppend(only)) {
    const recordedAt = await storeAppend(db, only)
    return new Map(recordedAt ? [[only, recordedAt]] : [])
  }
  const values: Record<string, string> = {
    heads: listOf(changes, (change) => [{ ...keyOf(change.id), ...change.head }]),
  }
  for (const part of PARTS) values[part] = listOf(changes, (change) => change[part])
  const rows = await statementFor(changes).run(db, values as Record<Part, string>)
  const stored = new Map<LedgerChange, Date>()
  for (const { place, recordedAt } of rows) {
    const change = changes[place]
    if (change) stored.set(change, recordedAt)
  }
  return stored
}
