import { toName } from '../db/columns.ts'
import { Decimal } from '../db/decimal.ts'
import type { PositionSide, Side } from '../trading/position-math.ts'
import type { OrderStatus, OrderType, TimeInForce } from '../trading/schema/orders.ts'
import { convertEntries, type Entry } from './ccxt-entry.ts'
import { defined } from './ccxt-fills.ts'
import { type CcxtOrder, type CcxtOrderStatus, orderSchema } from './ccxt-schema.ts'

export interface OrdersFromCcxtOptions {
  readonly botId: string
  readonly exchange: string
  /** What orders without a status are: `open` for those of an exchange's list of open orders. Refused otherwise. */
  readonly defaultStatus?: CcxtOrderStatus | undefined
  /** The position side of orders that name none. `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
}

/** An order of an exchange, for `recordOrder`. Prices in quote currency per unit. */
export interface ImportedOrder {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly side: Side
  readonly positionSide?: PositionSide
  readonly type: OrderType
  readonly timeInForce?: TimeInForce
  /** In base currency, or in contracts. Positive. */
  readonly quantity: string
  readonly limitPrice?: string
  readonly stopPrice?: string
  readonly reduceOnly?: boolean
  readonly postOnly?: boolean
  readonly clientOrderId: string
  readonly exchangeOrderId?: string
  readonly status: OrderStatus
  readonly createdAt: Date
  readonly submittedAt: Date
  readonly closedAt?: Date
}

/**
 * Converts ccxt's unified orders to what `recordOrder` takes.
 *
 * Amounts are read as `fillsFromCcxt` reads them. An order without a client id gets `exchange:id`, so that importing it
 * again finds it. One without an amount counts what was filled and what remains of it; where only the rest is known, that.
 * `closed` means filled, but an order that was closed with less filled than ordered is `cancelled`. A time in force that has
 * no word here is left out.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `orders[3].status: is missing`.
 */
export function ordersFromCcxt(orders: readonly unknown[], options: OrdersFromCcxtOptions): ImportedOrder[] {
  const owner = { botId: toName(options.botId, 'botId'), exchange: toName(options.exchange, 'exchange') }
  return convertEntries('orders', orders, orderSchema, (order, entry) => {
    const createdAt = entry.moment(order)
    const quantity = readQuantity(order, entry)
    const ids = readIds(order, entry, owner.exchange)
    const status = readStatus(order, entry, quantity, options.defaultStatus)
    const { type, limitPrice, stopPrice } = readTerms(order, entry)
    if (!createdAt || !quantity || !ids || !status) return undefined
    return {
      ...owner,
      symbol: order.symbol,
      side: order.side,
      type,
      quantity,
      status,
      createdAt,
      submittedAt: createdAt,
      ...ids,
      ...defined({
        positionSide: entry.positionSide() ?? options.positionSide,
        timeInForce: TIMES_IN_FORCE[order.timeInForce?.toUpperCase() ?? ''],
        limitPrice,
        stopPrice,
        reduceOnly: order.reduceOnly ?? undefined,
        postOnly: isPostOnly(order) ? true : (order.postOnly ?? undefined),
        closedAt: isOpen(status) ? undefined : readClosedAt(order, entry, status),
      }),
    }
  })
}

function readIds({ id, clientOrderId }: CcxtOrder, entry: Entry, exchange: string) {
  if (id) return { clientOrderId: clientOrderId || `${exchange}:${id}`, exchangeOrderId: id }
  return clientOrderId ? { clientOrderId } : entry.refuse('id', 'is missing, and so is clientOrderId')
}

function readQuantity(order: CcxtOrder, entry: Entry): string | undefined {
  const amount = entry.amount('amount', order.amount)
  if (amount !== undefined && !new Decimal(amount).isZero()) return entry.positive('amount', order.amount)
  const filled = entry.amount('filled', order.filled)
  const remaining = entry.amount('remaining', order.remaining)
  if (filled === undefined && remaining === undefined) return entry.positive('amount', order.amount)
  const sum = new Decimal(filled ?? '0').plus(remaining ?? '0')
  if (sum.lte(0)) return entry.refuse('amount', `is missing, and filled and remaining are ${sum.toFixed()}`)
  return remaining !== undefined && new Decimal(filled ?? '0').isZero() ? remaining : sum.toFixed()
}

function readStatus(
  order: CcxtOrder,
  entry: Entry,
  quantity: string | undefined,
  fallback: CcxtOrderStatus | undefined,
): OrderStatus | undefined {
  const status = order.status ?? fallback
  const filled = entry.amount('filled', order.filled)
  switch (status) {
    case 'open':
    case 'canceling':
      return filled !== undefined && new Decimal(filled).gt(0) ? 'partially_filled' : 'submitted'
    case 'closed':
      return filled !== undefined && quantity !== undefined && new Decimal(filled).lt(quantity)
        ? 'cancelled'
        : 'filled'
    case 'canceled':
      return 'cancelled'
    case 'expired':
    case 'rejected':
      return status
    default:
      return entry.refuse('status', 'is missing; say with the option defaultStatus what such orders are')
  }
}

function isOpen(status: OrderStatus): boolean {
  return status === 'submitted' || status === 'partially_filled'
}

function readClosedAt(order: CcxtOrder, entry: Entry, status: OrderStatus): Date | undefined {
  const traded = entry.instant('lastTradeTimestamp', order.lastTradeTimestamp)
  const updated = entry.instant('lastUpdateTimestamp', order.lastUpdateTimestamp)
  return status === 'filled' ? (traded ?? updated) : (updated ?? traded)
}

interface OrderTerms {
  readonly type: OrderType
  readonly limitPrice: string | undefined
  readonly stopPrice: string | undefined
}

// Exchanges write the type in many ways; ccxt passes on what it does not know. The words in it, and the prices, tell.
function readTerms(order: CcxtOrder, entry: Entry): OrderTerms {
  const words = (order.type ?? '').toLowerCase()
  const price = nonZero(entry.amount('price', order.price))
  const takesProfit = /take.?profit/.test(words)
  const stops = /stop|trigger|conditional/.test(words)
  const stopPrice = nonZero(
    entry.amount('triggerPrice', order.triggerPrice) ??
      entry.amount('stopPrice', order.stopPrice) ??
      // Otherwise these are prices of orders to come, attached to a plain one.
      (takesProfit ? entry.amount('takeProfitPrice', order.takeProfitPrice) : undefined) ??
      (stops ? entry.amount('stopLossPrice', order.stopLossPrice) : undefined),
  )
  // The price of a market order is what it was filled at.
  const isLimit = /limit/.test(words) || (!/market/.test(words) && price !== undefined)
  const limitPrice = isLimit ? price : undefined
  const execution = isLimit ? 'limit' : 'market'
  if (/trail/.test(words)) return { type: 'trailing_stop', limitPrice, stopPrice }
  if (takesProfit || isTakeProfitAt(order, stopPrice)) {
    return { type: `take_profit_${execution}`, limitPrice, stopPrice }
  }
  if (stops || stopPrice !== undefined) return { type: `stop_${execution}`, limitPrice, stopPrice }
  return { type: execution, limitPrice, stopPrice }
}

function isTakeProfitAt({ takeProfitPrice }: CcxtOrder, stopPrice: string | undefined): boolean {
  if (stopPrice === undefined || takeProfitPrice === undefined || takeProfitPrice === null) return false
  return new Decimal(String(takeProfitPrice)).eq(stopPrice)
}

function nonZero(amount: string | undefined): string | undefined {
  return amount === undefined || new Decimal(amount).isZero() ? undefined : amount
}

const TIMES_IN_FORCE: Readonly<Record<string, TimeInForce>> = {
  GTC: 'gtc',
  IOC: 'ioc',
  FOK: 'fok',
  GTD: 'gtd',
  GTT: 'gtd',
  DAY: 'day',
  PO: 'gtc',
  ALO: 'gtc',
  GTX: 'gtc',
}

/** Names of good-till-cancelled orders that may only add to the book, and a type that says the same. */
function isPostOnly({ timeInForce, type }: CcxtOrder): boolean {
  return /^(?:PO|ALO|GTX)$/i.test(timeInForce ?? '') || /limit.?maker|post.?only/i.test(type ?? '')
}
