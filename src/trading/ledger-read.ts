import { type Column, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { readStored } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { bots } from '../fleet/schema.ts'
import { instruments } from '../market/schema/index.ts'
import type { Cycle, LedgerId, LedgerTerms } from './ledger.ts'
import { keyOf } from './ledger-columns.ts'
import type { Lot, Side } from './position-math.ts'
import { fills } from './schema/fills.ts'
import { ledgerHeads, positions } from './schema/positions.ts'

/** A ledger as it is stored: what a fact needs that comes next in order. */
export interface StoredLedger {
  readonly id: LedgerId
  /** Undefined while the bot is not registered, or the instrument not known. */
  readonly method: LedgerTerms['method'] | null
  readonly instrument: LedgerTerms['instrument'] | null
  /** 0 before the first fact. */
  readonly version: number
  readonly lastFill: { executedAt: Date; sequence: bigint; exchangeTradeId: string; side: Side } | undefined
  readonly lastFundingAt: Date | null
  readonly open: Cycle | undefined
}

type Fields = Record<string, Column | SQL>

/** The columns of a table under an alias: what to select, and how to decode it. */
export function columnsOf(
  alias: string,
  table: PgTable,
  keys: readonly string[],
): { list: SQL[]; fields: Fields } {
  const columns = table as unknown as Record<string, Column>
  const chosen = keys.map((key) => {
    const column = columns[key]
    if (!column) throw new TypeError(`no column ${key}`)
    return [`${alias}_${key}`, column] as const
  })
  return {
    list: chosen.map(([, column]) => sql.raw(`${alias}."${column.name}"`)),
    fields: Object.fromEntries(chosen),
  }
}

const HEAD_KEYS = [
  'version',
  'lastExecutedAt',
  'lastSequence',
  'lastExchangeTradeId',
  'lastSide',
  'lastFundingAt',
] as const
const TERM_KEYS = ['kind', 'baseCurrency', 'quoteCurrency', 'settleCurrency', 'contractSize'] as const
const STATE_KEYS = [
  'id',
  'tradeId',
  'direction',
  'quantity',
  'cost',
  'peakQuantity',
  'entryQuantity',
  'entryCost',
  'exitQuantity',
  'exitValue',
  'realisedGross',
  'fees',
  'unvaluedFees',
  'funding',
  'lotCount',
  'fillCount',
  'openedAt',
] as const

type StoredLot = [number, string, string, string, string, string, string]

/** The lots of the open position, read with it: read after it, they could be those of a later moment. */
const lotsOfPosition = sql`(
  select json_agg(json_build_array(
    l.ordinal, to_char(l.opened_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), l.price::text,
    l.original_quantity::text, l.original_cost::text, l.quantity::text, l.cost::text) order by l.ordinal)
  from trading.position_lots l where l.bot_id = p.bot_id and l.position_id = p.id)`

function decodeLots(text: unknown): Lot[] {
  const lots = (typeof text === 'string' ? JSON.parse(text) : text) as StoredLot[]
  return lots.map(([ordinal, openedAt, price, originalQuantity, originalCost, quantity, cost]) => ({
    ordinal,
    openedAt: new Date(openedAt),
    price: readStored(price),
    originalQuantity: readStored(originalQuantity),
    originalCost: readStored(originalCost),
    quantity: readStored(quantity),
    cost: readStored(cost),
  }))
}

const head = columnsOf('h', ledgerHeads, HEAD_KEYS)
const terms = columnsOf('i', instruments, TERM_KEYS)
const state = columnsOf('p', positions, STATE_KEYS)

/** What is selected of a ledger whose key is in `k`. */
const ledgerList = sql.join([sql`b.cost_basis_method`, ...terms.list, ...head.list, ...state.list], sql`, `)
const ledgerFields: Fields = {
  method: bots.costBasisMethod,
  ...terms.fields,
  ...head.fields,
  ...state.fields,
}
const lotsField = { lots: sql`lots`.mapWith(decodeLots) }
const ledgerJoins = sql`
  left join fleet.bots b on b.bot_id = k.bot_id
  left join market.instruments i on i.exchange = k.exchange and i.symbol = k.symbol
  left join trading.ledger_heads h on h.bot_id = k.bot_id and h.exchange = k.exchange and h.symbol = k.symbol
    and h.position_side = k.position_side
  left join trading.positions p on p.bot_id = k.bot_id and p.exchange = k.exchange and p.symbol = k.symbol
    and p.position_side = k.position_side and p.status = 'open'`

/** @throws `missing_reference` naming the bot or the instrument that is not there. */
export function termsOf({ id, method, instrument }: StoredLedger): LedgerTerms {
  if (method === null) {
    throw new DataError('missing_reference', `bot '${id.botId}' is not registered; call registerBot first`, {
      field: 'botId',
    })
  }
  if (instrument === null) {
    throw new DataError(
      'missing_reference',
      `instrument '${id.symbol}' of exchange '${id.exchange}' is not known; call setInstrument first`,
      { field: 'symbol' },
    )
  }
  return { method, instrument }
}

type LedgerRow = Record<string, unknown>

function toLedger(id: LedgerId, row: LedgerRow): StoredLedger {
  const value = <T>(key: string) => row[key] as T
  const executedAt = value<Date | null>('h_lastExecutedAt')
  return {
    id,
    method: value('method'),
    instrument:
      value('i_kind') === null
        ? null
        : {
            kind: value('i_kind'),
            baseCurrency: value('i_baseCurrency'),
            quoteCurrency: value('i_quoteCurrency'),
            settleCurrency: value('i_settleCurrency'),
            contractSize: value('i_contractSize'),
          },
    version: value<number | null>('h_version') ?? 0,
    lastFill: executedAt
      ? {
          executedAt,
          sequence: value('h_lastSequence'),
          exchangeTradeId: value('h_lastExchangeTradeId'),
          side: value('h_lastSide'),
        }
      : undefined,
    lastFundingAt: value('h_lastFundingAt'),
    open: value('p_id') === null ? undefined : toCycle(row),
  }
}

function toCycle(row: LedgerRow): Cycle {
  const value = <T>(key: string) => row[`p_${key}`] as T
  const unvalued = Object.entries(value<Record<string, string>>('unvaluedFees'))
  return {
    id: value('id'),
    tradeId: value('tradeId'),
    status: 'open',
    closedAt: null,
    exitReason: null,
    state: {
      direction: value('direction'),
      quantity: value('quantity'),
      cost: value('cost'),
      peakQuantity: value('peakQuantity'),
      entryQuantity: value('entryQuantity'),
      entryCost: value('entryCost'),
      exitQuantity: value('exitQuantity'),
      exitValue: value('exitValue'),
      realisedGross: value('realisedGross'),
      fees: value('fees'),
      unvaluedFees: Object.fromEntries(unvalued.map(([currency, fee]) => [currency, readStored(fee)])),
      funding: value('funding'),
      lotCount: value('lotCount'),
      fillCount: value('fillCount'),
      openedAt: value('openedAt'),
      lots: (row.lots as Lot[] | null | undefined) ?? [],
    },
  }
}

type FillRow = LedgerRow & { fillId: string | null; orderId: string | null; orderPurpose: string | null }
type FillSlot =
  | 'botId'
  | 'exchange'
  | 'symbol'
  | 'positionSide'
  | 'side'
  | 'exchangeTradeId'
  | 'orderId'
  | 'exchangeOrderId'

type Condition = (slot: (value: FillSlot) => SQL) => SQL

/** How a fill may name its order. */
const ORDER_CONDITIONS: Readonly<Record<'none' | 'own' | 'exchange', Condition | undefined>> = {
  none: undefined,
  own: (slot) => sql`o.id = ${slot('orderId')}::uuid`,
  exchange: (slot) =>
    sql`o.exchange = k.exchange and o.symbol = k.symbol and o.exchange_order_id = ${slot('exchangeOrderId')}`,
}

interface Question {
  readonly order: keyof typeof ORDER_CONDITIONS
  readonly withKnown: boolean
  readonly withLots: boolean
}

/** A statement for each sort of question: a table that is not asked for costs nothing. */
function readStatement({ order, withKnown, withLots }: Question): PreparedStatement<FillRow, FillSlot> {
  const ofOrder = ORDER_CONDITIONS[order]
  return sqlStatement('recordFill.read', (slot) => ({
    query: sql`
      select ${withKnown ? sql`f.id` : sql`null`}, ${ofOrder ? sql`o.id, o.purpose` : sql`null, null`},
        ${ledgerList} ${withLots ? sql`, ${lotsOfPosition}` : sql``}
      from (select ${slot('botId')}::text as bot_id, ${slot('exchange')}::text as exchange,
        ${slot('symbol')}::text as symbol, ${slot('positionSide')}::text as position_side) k
      ${ledgerJoins}
      ${withKnown ? knownJoin(slot) : sql``}
      ${ofOrder ? sql`left join trading.orders o on o.bot_id = k.bot_id and ${ofOrder(slot)}` : sql``}`,
    fields: {
      fillId: fills.id,
      orderId: fills.orderId,
      orderPurpose: sql`purpose`,
      ...ledgerFields,
      ...(withLots ? lotsField : {}),
    },
  }))
}

const knownJoin: Condition = (slot) => sql`
  left join trading.fills f on f.bot_id = k.bot_id and f.exchange = k.exchange and f.symbol = k.symbol
    and f.exchange_trade_id = ${slot('exchangeTradeId')} and f.side = ${slot('side')}`

const readStatements = new Map<string, PreparedStatement<FillRow, FillSlot>>()

function statementFor(question: Question): PreparedStatement<FillRow, FillSlot> {
  const key = Object.values(question).join()
  const known = readStatements.get(key)
  if (known) return known
  const made = readStatement(question)
  readStatements.set(key, made)
  return made
}

export interface LedgerForFill {
  readonly ledger: StoredLedger
  /** The stored fill with the same key; null too where it was not asked for. */
  readonly fillId: string | null
  /** The order that the fill names by either id, if it is known. */
  readonly orderId: string | null
  readonly orderPurpose: string | null
}

/** Reads, in one round trip, all that one new fill needs. */
export async function readLedgerForFill(
  db: Database,
  id: LedgerId,
  fill: {
    readonly side: Side
    readonly exchangeTradeId: string
    readonly orderId: string | null
    readonly exchangeOrderId: string | null
  },
  withKnown: boolean,
): Promise<LedgerForFill> {
  const { orderId, exchangeOrderId } = fill
  const order = orderId !== null ? 'own' : exchangeOrderId !== null ? 'exchange' : 'none'
  const values = { ...id, ...pick(fill) }
  let [row] = await statementFor({ order, withKnown, withLots: false }).run(db, values)
  // Only fifo and lifo have lots; they ask again, for all at one moment.
  if (row && row.p_lotCount !== null && row.p_lotCount !== 0) {
    ;[row] = await statementFor({ order, withKnown, withLots: true }).run(db, values)
  }
  if (!row) throw new TypeError('the read of a ledger gave no row')
  const ledger = toLedger(id, row)
  return {
    ledger,
    fillId: row.fillId,
    orderId: row.orderId,
    orderPurpose: row.orderPurpose,
  }
}

function pick(fill: Parameters<typeof readLedgerForFill>[2]) {
  const { side, exchangeTradeId, orderId, exchangeOrderId } = fill
  return { side, exchangeTradeId, orderId, exchangeOrderId }
}

const readMany: PreparedStatement<LedgerRow & { place: number }, 'keys'> = sqlStatement(
  'recordFills.read',
  (slot) => ({
    query: sql`
      select k.place, ${ledgerList}, ${lotsOfPosition}
      from json_to_recordset(${slot('keys')}::json)
        as k(place integer, bot_id text, exchange text, symbol text, position_side text)
      ${ledgerJoins}`,
    fields: { place: positions.fillCount, ...ledgerFields, ...lotsField },
  }),
)

/** Reads ledgers; the result is in the order of `ids`. */
export async function readLedgers(db: Database, ids: readonly LedgerId[]): Promise<StoredLedger[]> {
  const keys = ids.map((id, place) => ({ place, ...keyOf(id) }))
  const rows = await readMany.run(db, { keys: JSON.stringify(keys) })
  const result: StoredLedger[] = []
  for (const row of rows) {
    const id = ids[row.place]
    if (id) result[row.place] = toLedger(id, row)
  }
  return result
}
