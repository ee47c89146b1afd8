import { toName } from '../db/columns.ts'
import { Decimal } from '../db/decimal.ts'
import type { RecordOrderInput } from '../trading/order-input.ts'
import type { PositionSide } from '../trading/position-math.ts'
import type { OrderStatus, TimeInForce } from '../trading/schema/orders.ts'
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

/**
 * Converts ccxt's unified orders to what `recordOrder` takes.
 *
 * Amounts are read as `fillsFromCcxt` reads them. An order without an amount counts what was filled and what remains of it;
 * where only the rest is known, that. `closed` means filled, but an order that was closed with less filled than ordered is
 * `cancelled`. A time in force that has no word here is left out. Where ccxt knows no client id, `recordOrder` knows the
 * order by the exchange's.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `orders[3].status: is missing`.
 */
export function ordersFromCcxt(
  orders: readonly unknown[],
  options: OrdersFromCcxtOptions,
): RecordOrderInput[] {
  const owner = { botId: toName(options.botId, 'botId'), exchange: toName(options.exchange, 'exchange') }
  return convertEntries('orders', orders, orderSchema, (order, entry) => {
    const createdAt = entry.moment(order)
    const quantity = readQuantity(order, entry)
    const ids = readIds(order, entry)
    const status = readStatus(order, entry, quantity, options.defaultStatus)
    const terms = readTerms(order, entry)
    if (!createdAt || !quantity || !ids || !status || !terms) return undefined
    return {
      ...owner,
      symbol: order.symbol,
      side: order.side,
      quantity,
      status,
      createdAt,
      submittedAt: createdAt,
      ...ids,
      ...terms,
      ...defined({
        positionSide: entry.positionSide() ?? options.positionSide,
        timeInForce: TIMES_IN_FORCE[order.timeInForce?.toUpperCase() ?? ''],
        reduceOnly: order.reduceOnly ?? undefined,
        postOnly: isPostOnly(order) ? true : (order.postOnly ?? undefined),
        closedAt: isOpen(status) ? undefined : readClosedAt(order, entry, status),
      }),
    }
  })
}

function readIds({ id, clientOrderId }: CcxtOrder, entry: Entry) {
  if (!id && !clientOrderId) return entry.refuse('id', 'is missing, and so is clientOrderId')
  return defined({ clientOrderId: clientOrderId || undefined, exchangeOrderId: id || undefined })
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

type OrderTerms = Pick<RecordOrderInput, 'type' | 'limitPrice' | 'stopPrice'>

// Exchanges write the type in many ways, and ccxt passes on what it does not know. Its words and the prices tell.
function readTerms(order: CcxtOrder, entry: Entry): OrderTerms | undefined {
  const words = (order.type ?? '').toLowerCase()
  const takesProfit = /take.?profit/.test(words)
  const stops = /stop|trigger|conditional/.test(words)
  const trails = /trail/.test(words)
  const stopPrice = nonZero(
    entry.amount('triggerPrice', order.triggerPrice) ??
      entry.amount('stopPrice', order.stopPrice) ??
      // On an order that is neither, these are prices of orders to come.
      (takesProfit ? entry.amount('takeProfitPrice', order.takeProfitPrice) : undefined) ??
      (stops ? entry.amount('stopLossPrice', order.stopLossPrice) : undefined),
  )
  const price = nonZero(entry.amount('price', order.price))
  const isLimit = /limit/.test(words) || (!/market/.test(words) && price !== undefined)
  if (isLimit && price === undefined)
    return entry.refuse('price', `is missing for an order of type '${words}'`)
  if ((stops || takesProfit || trails) && stopPrice === undefined) {
    return entry.refuse('triggerPrice', `is missing for an order of type '${words}'`)
  }
  // The price of a market order is what it was filled at.
  const prices = defined({ limitPrice: isLimit ? price : undefined, stopPrice })
  const execution = isLimit ? 'limit' : 'market'
  if (trails) return { type: 'trailing_stop', ...prices }
  if (takesProfit || isTakeProfitAt(order, stopPrice)) return { type: `take_profit_${execution}`, ...prices }
  return { type: stopPrice === undefined ? execution : `stop_${execution}`, ...prices }
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
