import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import {
  type CheckedOrder,
  checkOrderInput,
  differencesFromOrder,
  type Order,
  type RecordOrderInput,
  statusesBefore,
} from './order-input.ts'
import { moveLedgers, orderColumns, orderList, withFillsLinked } from './order-links.ts'
import { takeStep } from './order-steps.ts'
import { ORDER_STATUSES, orders } from './schema/orders.ts'

/**
 * Stores an order and returns it.
 *
 * Safe to repeat: an order is known by the bot's own key, or by the exchange's id where the bot gave none. The same order
 * reported again returns the row already stored; a later status moves it on, an earlier one changes nothing, and an
 * exchange's id that was not known is taken in. Fills that came before it, with the exchange's id, are then given to it.
 *
 * This writes down an order that exists; it asks nobody whether the order may be placed.
 *
 * @throws `conflict` naming the fields if the stored order of this key has other content, or has ended otherwise.
 * @throws `missing_reference` if the bot is not registered, or the parent or the position is not one of its own.
 * @throws `invalid_input` naming the field that cannot be stored, or that the type of order needs.
 */
export async function recordOrder(db: Database, input: RecordOrderInput): Promise<Order> {
  const order = checkOrderInput(input)
  const stored = (await insertOrder(db, order)) ?? (await takeReport(db, order, input))
  return await withFillsLinked(db, stored)
}

const INSERTED = [
  'botId',
  'exchange',
  'symbol',
  'positionSide',
  'clientOrderId',
  'exchangeOrderId',
  'id',
  'parentId',
  'positionId',
  'decisionId',
  'side',
  'type',
  'timeInForce',
  'quantity',
  'limitPrice',
  'stopPrice',
  'trailingDistance',
  'reduceOnly',
  'postOnly',
  'purpose',
  'status',
  'submittedAt',
  'closedAt',
  'createdAt',
] as const satisfies (keyof CheckedOrder)[]

type InsertSlot = (typeof INSERTED)[number]
type InsertStatement = PreparedStatement<Pick<Order, 'createdAt' | 'updatedAt'>, InsertSlot>

function insertInto(slot: (value: InsertSlot) => SQL): SQL {
  const columns = INSERTED.map((key) => sql.identifier(orders[key].name))
  const values = INSERTED.map((key) => {
    const value = sql`${slot(key)}::${sql.raw(orders[key].getSQLType())}`
    return key === 'createdAt' ? sql`coalesce(${value}, now())` : value
  })
  return sql`insert into trading.orders (${sql.join(columns, sql`, `)}) select ${sql.join(values, sql`, `)}`
}

// All that the database adds to an order is its times; the rest of the row is what was sent.
const insertFields = { createdAt: orders.createdAt, updatedAt: orders.updatedAt }

const insertStatement: InsertStatement = sqlStatement('recordOrder', (slot) => ({
  query: sql`${insertInto(slot)} on conflict do nothing returning created_at, updated_at`,
  fields: insertFields,
}))

/** For an order that the exchange knows: fills may be waiting for it, or be on their way. */
const insertKnownStatement: InsertStatement = sqlStatement('recordOrder.known', (slot) => ({
  query: sql`
    with moved as (${moveLedgers(sql`
      select ${slot('botId')}::text as bot_id, ${slot('exchange')}::text as exchange,
        ${slot('symbol')}::text as symbol, ${slot('positionSide')}::text as position_side
      where not exists (${storedAs(slot)})`)})
    ${insertInto(slot)} where (select count(*) from moved) >= 0
    on conflict do nothing returning created_at, updated_at`,
  fields: insertFields,
}))

type KeySlot = 'botId' | 'clientOrderId' | 'exchange' | 'symbol' | 'exchangeOrderId'

/** The orders that have one of the keys of a report: none or one, or two if it confuses them. */
function storedAs(slot: (value: KeySlot) => SQL): SQL {
  return sql`
    select ${orderList} from trading.orders o
    where o.bot_id = ${slot('botId')} and (o.client_order_id = ${slot('clientOrderId')}
      or (o.exchange = ${slot('exchange')} and o.symbol = ${slot('symbol')} and o.exchange_order_id = ${slot('exchangeOrderId')}))`
}

const readStatement: PreparedStatement<Order, KeySlot> = sqlStatement('recordOrder.read', (slot) => ({
  query: storedAs(slot),
  fields: orderColumns,
}))

/** Returns undefined if an order with one of these keys is there. */
async function insertOrder(db: Database, order: CheckedOrder): Promise<Order | undefined> {
  const statement = order.exchangeOrderId === null ? insertStatement : insertKnownStatement
  const [times] = await statement.run(db, {
    ...order,
    quantity: order.quantity.toFixed(),
    limitPrice: order.limitPrice?.toFixed() ?? null,
    stopPrice: order.stopPrice?.toFixed() ?? null,
    trailingDistance: order.trailingDistance?.toFixed() ?? null,
  })
  if (!times) return undefined
  return {
    ...order,
    checks: null,
    filledQuantity: ZERO,
    filledCost: ZERO,
    fee: ZERO,
    retries: 0,
    lastError: null,
    createdAt: times.createdAt,
    updatedAt: times.updatedAt,
  }
}

/** Compares a report with the order stored under its key, and takes in what is new in it. */
async function takeReport(db: Database, report: CheckedOrder, input: RecordOrderInput): Promise<Order> {
  const { botId, clientOrderId, exchange, symbol, exchangeOrderId } = report
  const rows = await readStatement.run(db, { botId, clientOrderId, exchange, symbol, exchangeOrderId })
  const stored = theOneMeant(rows, report, input)
  const differs = differencesFromOrder(stored, report, input)
  if (differs.length > 0) {
    throw new DataError(
      'conflict',
      `order '${stored.clientOrderId}' was already recorded with other content: ${differs.join(', ')}`,
      { field: differs[0] },
    )
  }
  const from = input.status === undefined ? [] : statusesBefore(report.status)
  const changed = await takeStep(db, {
    botId,
    orderId: stored.id,
    from,
    to: report.status,
    known: ORDER_STATUSES,
    exchangeOrderId,
    submittedAt: report.submittedAt,
    closedAt: report.closedAt,
  })
  if (changed) return changed
  // Somebody else was faster; what they wrote may contradict the report.
  const isBehind = from.includes(stored.status) || (!stored.exchangeOrderId && exchangeOrderId !== null)
  return isBehind ? await takeReport(db, report, input) : stored
}

function theOneMeant(rows: readonly Order[], report: CheckedOrder, input: RecordOrderInput): Order {
  const byClient = rows.find((row) => row.clientOrderId === report.clientOrderId)
  const byExchange = rows.find(
    (row) =>
      row.exchange === report.exchange &&
      row.symbol === report.symbol &&
      row.exchangeOrderId === report.exchangeOrderId,
  )
  const isOther = byExchange && byExchange !== byClient && input.clientOrderId !== undefined
  if (isOther && report.exchangeOrderId !== null) {
    const field = byClient ? 'exchangeOrderId' : 'clientOrderId'
    throw new DataError(
      'conflict',
      `order '${report.exchangeOrderId}' of ${report.exchange} was already recorded as '${byExchange.clientOrderId}', not '${report.clientOrderId}'`,
      { field },
    )
  }
  const stored = byClient ?? byExchange
  if (!stored) throw new DataError('unexpected', `order '${report.clientOrderId}' was there and is gone`)
  return stored
}
