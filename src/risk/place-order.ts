import { type SQL, sql } from 'drizzle-orm'
import { readInstant, readNow } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toPositive, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toShare } from '../db/input.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import {
  type CheckedOrder,
  checkOrderInput,
  differencesFromOrder,
  type Order,
  type RecordOrderInput,
} from '../trading/order-input.ts'
import { getOrder } from '../trading/order-reads.ts'
import type { OrderChecks } from '../trading/schema/orders.ts'
import { type Block, blocksOf, readChecks } from './checks.ts'

type NotYet = 'exchange' | 'exchangeOrderId' | 'status' | 'submittedAt' | 'closedAt' | 'createdAt'

/** An order that a bot means to send. */
export interface PlaceOrderInput extends Omit<RecordOrderInput, NotYet> {
  /** The bot's own unless given. */
  readonly exchange?: string | undefined
  /**
   * What the bot sees the symbol traded at, in quote currency per unit. Positive. Values an order without a limit price where
   * no recent price is stored; without either, a limit on its notional or exposure refuses it.
   */
  readonly referencePrice?: Amount | undefined
  /** 0 to 1. Needed for an entry where the settings ask for one. */
  readonly confidence?: number | undefined
  /** For a bot in mode `backtest`: the moment that it believes in. The database's clock decides for all others. */
  readonly now?: Date | undefined
}

/** An order that was let through and is stored as `pending`: it may be sent now. */
export interface PlacedOrder {
  readonly placed: true
  /** True if it was stored before: a repeat asks nothing anew. */
  readonly isRepeat: boolean
  /** With what was checked, as `order.checks`. */
  readonly order: Order
}

/** An order that was refused. It is not stored, but that it was refused is. */
export interface DeniedOrder {
  readonly placed: false
  /** Every reason. */
  readonly blocks: readonly Block[]
  /** All that was checked, what passed too. */
  readonly checks: OrderChecks
  readonly deniedAt: Date
}

export type Placement = PlacedOrder | DeniedOrder

const SENT = [
  'botId',
  'id',
  'clientOrderId',
  'exchange',
  'symbol',
  'side',
  'positionSide',
  'type',
  'timeInForce',
  'quantity',
  'limitPrice',
  'stopPrice',
  'trailingDistance',
  'reduceOnly',
  'postOnly',
  'purpose',
  'parentId',
  'positionId',
  'decisionId',
  'referencePrice',
  'confidence',
  'now',
] as const
type Slot = (typeof SENT)[number]

interface Answer {
  readonly outcome: 'placed' | 'denied' | 'repeat' | 'unknown_bot'
  readonly orderId: string
  readonly exchange: string
  readonly at: Date
  readonly checks: OrderChecks
}

const placeStatement: PreparedStatement<Answer, Slot> = sqlStatement('placeOrder', (slot) => ({
  query: sql`select outcome, order_id, order_exchange, placed_at, checks from risk.place_order(${sql.join(
    SENT.map((name): SQL => slot(name)),
    sql`, `,
  )})`,
  fields: ([outcome, orderId, exchange, at, checks]) => ({
    outcome: outcome as Answer['outcome'],
    orderId: orderId as string,
    exchange: exchange as string,
    at: readInstant(at as string),
    checks: checks === null ? [] : readChecks(checks as string),
  }),
}))

/**
 * Asks whether an order may go out and, if so, writes it down as `pending`: one step, which nothing can overtake. Send it to
 * the exchange after that, and tell what came of it with `markOrderSubmitted` or `markOrderRejected`.
 *
 * An order that only reduces what the bot holds passes whatever is closed, as long as it closes no more than is held together with the exits
 * already on their way; exits of one `parentId` that are all `reduceOnly` are alternatives, and the largest counts. An order that says that it is an exit
 * (`reduceOnly`, or its purpose) and would do more is refused even when entries are open. Everything else is an entry.
 *
 * Orders of one bot are let through one by one. Safe to repeat with the same `clientOrderId`: the stored order comes back, whatever its status; an entry that is
 * still `pending` only if nothing but a limit has closed entries meanwhile, so that a bot that starts again after a stop does not send it. Refused then, it stays
 * `pending`: cancel it. An order that was refused before is asked anew. A refusal is a result and no error. It is written down, as `listRiskEvents` shows.
 *
 * @throws `conflict` naming the fields if an order of this `clientOrderId` is stored with other content.
 * @throws `not_found` if the bot is not registered.
 * @throws `missing_reference` if the parent or the position is not one of the bot's own.
 * @throws `invalid_input` naming the field that cannot be stored, or that the type of order needs.
 */
export async function placeOrder(db: Database, input: PlaceOrderInput): Promise<Placement> {
  const { order, terms } = readOrder(input)
  const { referencePrice, confidence, now } = input
  const rows = await placeStatement.run(db, {
    ...order,
    exchange: input.exchange ?? null,
    quantity: order.quantity.toFixed(),
    limitPrice: order.limitPrice?.toFixed() ?? null,
    stopPrice: order.stopPrice?.toFixed() ?? null,
    trailingDistance: order.trailingDistance?.toFixed() ?? null,
    referencePrice:
      referencePrice === undefined ? null : toPositive(referencePrice, 'referencePrice').toFixed(),
    confidence: confidence === undefined ? null : toShare(confidence, 'confidence'),
    now: readNow(now),
  })
  const answer = only('placeOrder', rows)
  switch (answer?.outcome) {
    case 'placed':
      return { placed: true, isRepeat: false, order: asStored(order, answer) }
    case 'denied':
      return { placed: false, blocks: blocksOf(answer.checks), checks: answer.checks, deniedAt: answer.at }
    case 'repeat':
      return { placed: true, isRepeat: true, order: await theSame(db, order, terms, answer) }
    case 'unknown_bot':
      throw new DataError('not_found', `bot '${order.botId}' not found`)
    default:
      throw new DataError('unexpected', 'placeOrder: no answer')
  }
}

/** Field by field, since an object may hold more than its type says: an order is placed as pending, whatever it holds. */
function readOrder(input: PlaceOrderInput): { order: CheckedOrder; terms: RecordOrderInput } {
  const { symbol, side, type, quantity, limitPrice, stopPrice, trailingDistance, positionSide } = input
  const { timeInForce, reduceOnly, postOnly, purpose, clientOrderId, parentId, positionId, decisionId } =
    input
  const terms: RecordOrderInput = {
    botId: toBotId(input.botId),
    // The bot's own is known to the database only, and comes back with the answer.
    exchange: input.exchange ?? UNSAID,
    symbol,
    side,
    type,
    quantity,
    limitPrice,
    stopPrice,
    trailingDistance,
    positionSide,
    timeInForce,
    reduceOnly,
    postOnly,
    purpose,
    clientOrderId,
    parentId,
    positionId,
    decisionId,
  }
  return { order: checkOrderInput(terms), terms }
}

const UNSAID = 'the exchange of the bot'

function asStored(order: CheckedOrder, { exchange, at, checks }: Answer): Order {
  return {
    ...order,
    exchange,
    checks,
    filledQuantity: ZERO,
    filledCost: ZERO,
    fee: ZERO,
    retries: 0,
    lastError: null,
    createdAt: at,
    updatedAt: at,
  }
}

async function theSame(
  db: Database,
  order: CheckedOrder,
  terms: RecordOrderInput,
  { orderId }: Answer,
): Promise<Order> {
  const stored = await getOrder(db, { botId: order.botId, orderId })
  const meant = terms.exchange === UNSAID ? { ...order, exchange: stored.exchange } : order
  const differs = differencesFromOrder(stored, meant, terms)
  if (differs.length === 0) return stored
  throw new DataError(
    'conflict',
    `order '${stored.clientOrderId}' was already placed with other content: ${differs.join(', ')}`,
    { field: differs[0] },
  )
}
