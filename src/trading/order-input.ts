import { toInstant, toName, toOneOf } from '../db/columns.ts'
import { type Amount, Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { POSITION_SIDES, type PositionSide, SIDES, type Side } from './position-math.ts'
import {
  OPEN_ORDER_STATUSES,
  ORDER_PURPOSES,
  ORDER_STATUSES,
  ORDER_TYPES,
  type OrderPurpose,
  type OrderStatus,
  type OrderType,
  type orders,
  TIMES_IN_FORCE,
  type TimeInForce,
} from './schema/orders.ts'

export type Order = typeof orders.$inferSelect

/** An order as its bot means it, or as an exchange reports it. What was filled is not among it: fills say that. */
export interface RecordOrderInput {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly side: Side
  readonly type: OrderType
  /** In base currency, or in contracts. Positive. */
  readonly quantity: Amount
  /** Quote currency per unit. Needed by `limit`, `stop_limit` and `take_profit_limit`. */
  readonly limitPrice?: Amount | undefined
  /** Quote currency per unit; the price that triggers. Needed by the stops and the take profits. */
  readonly stopPrice?: Amount | undefined
  /** Quote currency per unit. Positive. A `trailing_stop` needs it, or a `stopPrice`. */
  readonly trailingDistance?: Amount | undefined
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
  readonly timeInForce?: TimeInForce | undefined
  /** False unless said otherwise. */
  readonly reduceOnly?: boolean | undefined
  /** False unless said otherwise. */
  readonly postOnly?: boolean | undefined
  readonly purpose?: OrderPurpose | undefined
  /** The bot's own key. Made of the order's id if it is left out; without it and `exchangeOrderId` no repeat is known as one. */
  readonly clientOrderId?: string | undefined
  readonly exchangeOrderId?: string | undefined
  /** `pending` unless said otherwise; another one for an order that is further already. */
  readonly status?: OrderStatus | undefined
  /** The order that this one belongs to, such as the entry of a stop. */
  readonly parentId?: string | undefined
  readonly positionId?: string | undefined
  readonly decisionId?: string | undefined
  readonly submittedAt?: Date | undefined
  /** Only of an order that has ended. */
  readonly closedAt?: Date | undefined
  /** When the bot or the exchange made it. The database's clock unless said otherwise. */
  readonly createdAt?: Date | undefined
}

type DerivedFields = 'checks' | 'filledQuantity' | 'filledCost' | 'fee' | 'retries' | 'lastError'

/** An order whose input was checked. */
export interface CheckedOrder extends Omit<Order, DerivedFields | 'createdAt' | 'updatedAt'> {
  /** Null for the database's clock. */
  readonly createdAt: Date | null
}

/** @throws `invalid_input` naming the field that cannot be stored, or that the type of order lacks. */
export function checkOrderInput(input: RecordOrderInput): CheckedOrder {
  const id = newId()
  const order: CheckedOrder = {
    botId: toName(input.botId, 'botId'),
    id,
    parentId: optional(input.parentId, 'parentId', toUuid),
    positionId: optional(input.positionId, 'positionId', toUuid),
    decisionId: optional(input.decisionId, 'decisionId', toUuid),
    clientOrderId: optional(input.clientOrderId, 'clientOrderId', toName) ?? id,
    exchange: toName(input.exchange, 'exchange'),
    exchangeOrderId: optional(input.exchangeOrderId, 'exchangeOrderId', toName),
    symbol: toName(input.symbol, 'symbol'),
    side: toOneOf(input.side, SIDES, 'side'),
    positionSide: toOneOf(input.positionSide ?? 'net', POSITION_SIDES, 'positionSide'),
    type: toOneOf(input.type, ORDER_TYPES, 'type'),
    timeInForce: input.timeInForce ? toOneOf(input.timeInForce, TIMES_IN_FORCE, 'timeInForce') : null,
    quantity: toPositive(input.quantity, 'quantity'),
    limitPrice: optional(input.limitPrice, 'limitPrice', toDecimal),
    stopPrice: optional(input.stopPrice, 'stopPrice', toDecimal),
    trailingDistance: optional(input.trailingDistance, 'trailingDistance', toPositive),
    reduceOnly: toFlag(input.reduceOnly ?? false, 'reduceOnly'),
    postOnly: toFlag(input.postOnly ?? false, 'postOnly'),
    purpose: input.purpose ? toOneOf(input.purpose, ORDER_PURPOSES, 'purpose') : null,
    status: toOneOf(input.status ?? 'pending', ORDER_STATUSES, 'status'),
    submittedAt: optional(input.submittedAt, 'submittedAt', toInstant),
    closedAt: optional(input.closedAt, 'closedAt', toInstant),
    createdAt: optional(input.createdAt, 'createdAt', toInstant),
  }
  checkPrices(order)
  if (order.closedAt !== null && !isEnded(order.status)) {
    throw invalid('closedAt', `is given for an order that is ${order.status}`)
  }
  return order
}

const NEEDED: Readonly<Record<OrderType, readonly ('limitPrice' | 'stopPrice')[]>> = {
  market: [],
  limit: ['limitPrice'],
  stop_market: ['stopPrice'],
  stop_limit: ['stopPrice', 'limitPrice'],
  take_profit_market: ['stopPrice'],
  take_profit_limit: ['stopPrice', 'limitPrice'],
  trailing_stop: [],
}

function checkPrices(order: CheckedOrder): void {
  const missing = NEEDED[order.type].find((field) => order[field] === null)
  if (missing) throw invalid(missing, `is missing, which a ${order.type} order needs`)
  if (order.type === 'trailing_stop' && order.trailingDistance === null && order.stopPrice === null) {
    throw invalid('trailingDistance', 'is missing, which a trailing_stop order without a stopPrice needs')
  }
}

function optional<Given, Read>(
  value: Given | undefined,
  field: string,
  read: (value: Given, field: string) => Read,
): Read | null {
  return value === undefined ? null : read(value, field)
}

function toFlag(value: boolean, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(field, `is ${typeof value}, not true or false`)
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

/** What an order is. A report that says otherwise is of another order. */
const CONTENT = [
  'exchange',
  'symbol',
  'side',
  'positionSide',
  'type',
  'quantity',
  'limitPrice',
  'stopPrice',
  'trailingDistance',
  'reduceOnly',
  'postOnly',
] as const satisfies (keyof RecordOrderInput)[]

/** What may become known, or be forgotten, after an order was recorded. */
const CIRCUMSTANCES = [
  'exchangeOrderId',
  'timeInForce',
  'purpose',
  'parentId',
  'positionId',
  'decisionId',
] as const satisfies (keyof RecordOrderInput)[]

/** The fields in which a report contradicts the stored order. What a report leaves out does not contradict. */
export function differencesFromOrder(stored: Order, report: CheckedOrder, input: RecordOrderInput): string[] {
  const differs = [
    ...CONTENT.filter((field) => input[field] !== undefined && !isSame(stored[field], report[field])),
    ...CIRCUMSTANCES.filter(
      (field) =>
        input[field] !== undefined && stored[field] !== null && !isSame(stored[field], report[field]),
    ),
  ]
  const endedOtherwise = isEnded(stored.status) && isEnded(report.status) && stored.status !== report.status
  return endedOtherwise ? [...differs, 'status'] : differs
}

function isSame(a: string | boolean | Decimal | null, b: string | boolean | Decimal | null): boolean {
  return Decimal.isDecimal(a) && Decimal.isDecimal(b) ? a.eq(b) : a === b
}

/** In the order in which an order goes through them. */
const OPEN: readonly OrderStatus[] = OPEN_ORDER_STATUSES

/** True for a status that an order cannot leave. */
export function isEnded(status: OrderStatus): boolean {
  return !OPEN.includes(status)
}

/** The statuses from which an order can become `status`: the open ones before it. */
export function statusesBefore(status: OrderStatus): readonly OrderStatus[] {
  return isEnded(status) ? OPEN : OPEN.slice(0, OPEN.indexOf(status))
}
