import {
  type Candle,
  type Database,
  Decimal,
  type Fill,
  findOpenPosition,
  markOrderSubmitted,
  markPosition,
  type OrderPurpose,
  type Position,
  placeOrder,
  recordBalance,
  recordFill,
  recordHeartbeat,
  type Side,
  setPositionDetails,
  setPositionStops,
} from 'tradeblotter'
import { Analyst } from './analyst.ts'
import { MovingAverages } from './averages.ts'
import { lengthMs } from './history.ts'
import { Supervisor } from './risk.ts'

/** What the bot trades, and by which rules. Amounts are in quote currency. */
export interface Market {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly currency: string
  /** Quantities are multiples of it. */
  readonly lotSize: Decimal
  readonly initialEquity: Decimal
  /** Candles in the fast and in the slow average. */
  readonly fast: number
  readonly slow: number
}

/** Part of the equity that a new position costs. */
export const INVESTED_FRACTION = new Decimal('0.95')
export const FEE_FRACTION = new Decimal('0.0005')
/** How far from the entry price a position is given up, as a fraction of it. */
export const STOP_FRACTION = new Decimal('0.05')
/** Half of the position is sold when it has earned this fraction of its cost. */
export const TARGET_FRACTION = new Decimal('0.05')
/** A larger order is filled in two parts, the second at a worse price by this fraction. */
const FIRST_PART = new Decimal('0.6')
const SLIPPAGE_FRACTION = new Decimal('0.0001')

const FEE_DECIMALS = 8
const BALANCE_DECIMALS = 8
const HEARTBEAT_EVERY = 5
const BALANCE_EVERY = 20

/** What an order says beside what and how much. */
interface OrderDetails {
  /** Why it is sent; of a stop, which the exchange holds, nothing new was decided. */
  readonly decisionId?: string
  readonly stopPrice?: Decimal
}

/** What the bot wants done at the next candle's open. */
interface Intent {
  readonly orderId: string
  readonly side: Side
  readonly quantity: Decimal
  readonly purpose: OrderPurpose
  /** Why a position ends with it. */
  readonly reason: string
}

export interface Progress {
  /** Candles dealt with. */
  readonly done: number
  readonly at: Date
  readonly equity: Decimal
}

/** How often the bot used the library. */
export interface Activity {
  readonly orders: number
  readonly fills: number
  readonly marks: number
  /** When the last candle closed. */
  readonly endedAt: Date
}

/**
 * Follows the crossing of two moving averages, long and short.
 *
 * It decides on a candle's close and is filled at the next one's open. What it holds is what the database says that it
 * holds; of its own it remembers only prices, its cash and the order that waits.
 */
export class CrossoverBot {
  readonly #db: Database
  readonly #market: Market
  readonly #averages: MovingAverages
  readonly #supervisor: Supervisor
  readonly #analyst: Analyst
  /** Initial equity + realised gross − fees. */
  #cash: Decimal
  #pending: Intent | undefined
  #trend = 0
  #scaledOut = ''
  /** Orders that it wanted to place, and those that it was let. */
  #attempts = 0
  #orders = 0
  #fills = 0
  #marks = 0

  constructor(db: Database, market: Market) {
    this.#db = db
    this.#market = market
    this.#averages = new MovingAverages(market.fast, market.slow)
    this.#supervisor = new Supervisor(db, market.botId)
    this.#analyst = new Analyst(db, market)
    this.#cash = market.initialEquity
  }

  /** Trades the candles from the first to the last, and reports after each. */
  async run(candles: AsyncIterator<Candle>, onProgress: (progress: Progress) => void): Promise<Activity> {
    let position = await this.#find()
    let next = await candles.next()
    let endedAt = new Date(0)
    for (let index = 0; !next.done; index += 1) {
      const candle = next.value
      next = await candles.next()
      const isLast = next.done === true
      const length = lengthMs(candle.timeframe)
      const closedAt = new Date(candle.openTime.getTime() + length - 1)
      const middleAt = new Date(candle.openTime.getTime() + Math.floor(length / 2))
      if (this.#pending) position = await this.#fillPending(this.#pending, position, candle)
      if (position) position = await this.#checkStop(position, candle, middleAt)
      if (position) position = await this.#mark(position, candle.close, closedAt)
      const equity = this.#cash.plus(position?.unrealisedPnl ?? 0)
      await this.#tellFleet(index, isLast, equity, closedAt)
      await this.#supervisor.look(index, isLast, closedAt)
      // There is no open after the last candle to be filled at.
      // A candle is known once it has closed, which is when the next one opens.
      await this.#decide(candle, isLast, equity, position, new Date(closedAt.getTime() + 1))
      onProgress({ done: index + 1, at: candle.openTime, equity })
      endedAt = closedAt
    }
    return { orders: this.#orders, fills: this.#fills, marks: this.#marks, endedAt }
  }

  async #find(): Promise<Position | undefined> {
    return await findOpenPosition(this.#db, this.#market)
  }

  async #mark({ id }: Position, price: Decimal, markedAt: Date): Promise<Position> {
    this.#marks += 1
    return await markPosition(this.#db, { botId: this.#market.botId, positionId: id, price, markedAt })
  }

  async #tellFleet(index: number, isLast: boolean, equity: Decimal, takenAt: Date): Promise<void> {
    const { botId, exchange, currency } = this.#market
    const currentEquity = equity.toDecimalPlaces(BALANCE_DECIMALS)
    const total = this.#cash.toDecimalPlaces(BALANCE_DECIMALS)
    if (isLast || index % HEARTBEAT_EVERY === 0) await recordHeartbeat(this.#db, { botId, currentEquity })
    if (isLast || index % BALANCE_EVERY === 0) {
      const kind = index === 0 ? 'initial' : 'periodic'
      await recordBalance(this.#db, {
        botId,
        exchange,
        currency,
        kind,
        total,
        equity: currentEquity,
        takenAt,
      })
    }
  }

  async #decide(
    candle: Candle,
    isLast: boolean,
    equity: Decimal,
    position: Position | undefined,
    at: Date,
  ): Promise<void> {
    const trend = this.#averages.add(candle.close)
    const isCrossing = trend !== 0 && this.#trend !== 0 && trend !== this.#trend
    if (trend !== 0) this.#trend = trend
    if (isLast) return
    if (isCrossing) return await this.#turn(trend > 0 ? 'buy' : 'sell', candle, equity, position, at)
    const target = position?.cost.times(TARGET_FRACTION)
    if (!position?.unrealisedPnl || !target || position.unrealisedPnl.lt(target)) return
    const half = this.#toLots(position.quantity.div(2))
    if (this.#scaledOut === position.id || half.isZero()) return
    this.#scaledOut = position.id
    const side = position.direction === 'long' ? 'sell' : 'buy'
    const decisionId = await this.#analyst.takeHalf(candle, at, position, half, target)
    this.#pending = await this.#exit(side, half, 'scale_out', 'target', at, { decisionId })
  }

  /** Closes what is held against the new trend and opens as much as the equity buys, in one order; if that may not be, closes only. */
  async #turn(
    side: Side,
    candle: Candle,
    equity: Decimal,
    position: Position | undefined,
    at: Date,
  ): Promise<void> {
    const { lotSize } = this.#market
    const isWithTrend = position?.direction === (side === 'buy' ? 'long' : 'short')
    if (isWithTrend) return
    const held = position?.quantity ?? new Decimal(0)
    const lots = equity.times(INVESTED_FRACTION).divToInt(candle.close.times(lotSize))
    const fresh = lots.gt(0) ? lots.times(lotSize) : new Decimal(0)
    const { crossing } = this.#averages
    const stopLoss = stopOf(candle.close, side, decimalsOf(candle.close))
    const decisionId = await this.#analyst.turn(candle, at, crossing, fresh, stopLoss, held.gt(0))
    if (fresh.gt(0)) {
      // A limit on the drawdown asks what the bot is worth now, on the day that has just ended.
      await this.#supervisor.evaluate(new Date(at.getTime() - 1))
      this.#pending = await this.#place(side, held.plus(fresh), 'entry', 'crossover', at, { decisionId })
    }
    if (!this.#pending && held.gt(0)) {
      this.#pending = await this.#exit(side, held, 'exit', 'crossover', at, { decisionId })
    }
  }

  /** An order that only reduces what is held passes, whatever stops entries. */
  async #exit(
    side: Side,
    quantity: Decimal,
    purpose: OrderPurpose,
    reason: string,
    at: Date,
    more: OrderDetails,
  ): Promise<Intent> {
    const intent = await this.#place(side, quantity, purpose, reason, at, more)
    if (intent) return intent
    throw new Error(`a ${purpose} of ${quantity} was refused at ${at.toISOString()}`)
  }

  /**
   * Has the order let through and written down before it is sent, and writes it down once more when the exchange has it.
   * Returns undefined if it was refused: then the database has noted why.
   */
  async #place(
    side: Side,
    quantity: Decimal,
    purpose: OrderPurpose,
    reason: string,
    at: Date,
    { decisionId, stopPrice }: OrderDetails,
  ): Promise<Intent | undefined> {
    const { botId, exchange, symbol } = this.#market
    this.#attempts += 1
    const placement = await placeOrder(this.#db, {
      botId,
      exchange,
      symbol,
      side,
      type: stopPrice ? 'stop_market' : 'market',
      stopPrice,
      decisionId,
      quantity,
      purpose,
      reduceOnly: purpose !== 'entry',
      clientOrderId: `order-${this.#attempts}`,
      now: at,
    })
    if (!placement.placed) return undefined
    this.#orders += 1
    const orderId = placement.order.id
    const exchangeOrderId = `paper-${this.#orders}`
    await markOrderSubmitted(this.#db, { botId, orderId, exchangeOrderId, submittedAt: at })
    return { orderId, side, quantity, purpose, reason }
  }

  /** Plays the exchange at the open, and returns what is held then. */
  async #fillPending(
    intent: Intent,
    before: Position | undefined,
    candle: Candle,
  ): Promise<Position | undefined> {
    this.#pending = undefined
    const { quantity, side } = intent
    const first = intent.purpose === 'entry' ? this.#toLots(quantity.times(FIRST_PART)) : new Decimal(0)
    if (first.gt(0)) await this.#fill(intent, first, candle.open, candle.openTime)
    const decimals = decimalsOf(candle.open)
    const slip = candle.open.times(SLIPPAGE_FRACTION).times(side === 'buy' ? 1 : -1)
    const price = first.gt(0) ? candle.open.plus(slip).toDecimalPlaces(decimals) : candle.open
    await this.#fill(intent, quantity.minus(first), price, candle.openTime)
    const after = await this.#find()
    if (before && before.id !== after?.id) await this.#explain(before, intent.reason)
    if (!after || after.id === before?.id) return after
    return await this.#protect(after, price, decimals)
  }

  async #fill(intent: Intent, quantity: Decimal, price: Decimal, executedAt: Date): Promise<Fill> {
    const { botId, exchange, symbol, currency } = this.#market
    this.#fills += 1
    const fill = await recordFill(this.#db, {
      botId,
      exchange,
      symbol,
      orderId: intent.orderId,
      side: intent.side,
      price,
      quantity,
      fee: price.times(quantity).times(FEE_FRACTION).toDecimalPlaces(FEE_DECIMALS),
      feeCurrency: currency,
      liquidity: 'taker',
      executedAt,
      exchangeTradeId: String(this.#fills),
      sequence: BigInt(this.#fills),
    })
    this.#cash = this.#cash.plus(fill.realisedGross).minus(fill.fee)
    return fill
  }

  async #protect(position: Position, entry: Decimal, decimals: number): Promise<Position> {
    const stopLoss = stopOf(entry, position.direction === 'long' ? 'buy' : 'sell', decimals)
    return await setPositionStops(this.#db, { botId: this.#market.botId, positionId: position.id, stopLoss })
  }

  /** Plays the exchange that holds the stop: it fills where the price crossed it, or at the open beyond it. Returns what is left. */
  async #checkStop(position: Position, candle: Candle, at: Date): Promise<Position | undefined> {
    const stop = position.stopLoss
    const isLong = position.direction === 'long'
    if (!stop || (isLong ? candle.low.gt(stop) : candle.high.lt(stop))) return position
    const side = isLong ? 'sell' : 'buy'
    const intent = await this.#exit(side, position.quantity, 'stop_loss', 'stop', candle.openTime, {
      stopPrice: stop,
    })
    const price = isLong ? Decimal.min(candle.open, stop) : Decimal.max(candle.open, stop)
    await this.#fill(intent, position.quantity, price, at)
    await this.#explain(position, intent.reason)
    return undefined
  }

  async #explain(position: Position, exitReason: string): Promise<void> {
    await setPositionDetails(this.#db, { botId: this.#market.botId, positionId: position.id, exitReason })
  }

  #toLots(quantity: Decimal): Decimal {
    return quantity.divToInt(this.#market.lotSize).times(this.#market.lotSize)
  }
}

/** How far from a price a position of that side is given up. */
function stopOf(price: Decimal, side: Side, decimals: number): Decimal {
  return price.plus(price.times(STOP_FRACTION).times(side === 'buy' ? -1 : 1)).toDecimalPlaces(decimals)
}

const MOST_DECIMALS = 30

/** Decimals fine enough for a price near this one, by a ten-thousandth of it. */
function decimalsOf(price: Decimal): number {
  return Math.min(Math.max(price.decimalPlaces(), 4 - price.e, 2), MOST_DECIMALS)
}
