import {
  type CircuitBreaker,
  type Database,
  Decimal,
  evaluateCircuitBreakers,
  getRiskSettings,
  getTradingStatus,
  listBots,
  listCircuitBreakers,
  listOrders,
  listRiskEvents,
  type RiskEvent,
  resolveCircuitBreaker,
  setRiskSettings,
  type TradingStatus,
} from 'tradeblotter'
import { readAll } from './books.ts'

/** So far below its peak, the equity stops entries until a human lets them go on. */
export const DRAWDOWN_FRACTION = new Decimal('0.15')
/** How many candles the human of the demo takes to look into it. */
export const REVIEW_CANDLES = 40
const EVALUATE_EVERY = 20
const DEMO = 'demo'

/** A database on which the demo would have to allow others to trade. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/**
 * Sets what the bot may lose. Of the fleet only that it may trade, where nobody has said anything yet.
 *
 * @throws SettingsError if there are live bots, which these first settings would let loose.
 */
export async function setLimits(db: Database, botId: string): Promise<void> {
  const { global } = await getRiskSettings(db)
  if (!global) {
    const bots = await readAll<Bot>((after, limit) => listBots(db, { after, limit }))
    const live = bots.find(({ mode }) => mode === 'live')
    if (live) {
      throw new SettingsError(
        `the fleet has no risk settings, so nobody trades; the demo makes none beside the live bot ${live.botId}`,
      )
    }
    await setRiskSettings(db, {
      tradingEnabled: true,
      changedBy: DEMO,
      reason: 'the first settings of this fleet',
      expectedVersion: 0,
    })
  }
  await setRiskSettings(db, {
    botId,
    maxDrawdownFraction: DRAWDOWN_FRACTION,
    haltOnDrawdown: true,
    changedBy: DEMO,
    reason: 'to show a circuit breaker',
  })
}

/** Asks the circuit breakers of a bot now and then, and is the human who lets it trade again. */
export class Supervisor {
  readonly #db: Database
  readonly #botId: string
  #index = 0
  /** Trips that wait for the human, with the candle at which that one is there. */
  #waiting: { readonly id: string; readonly due: number }[] = []

  constructor(db: Database, botId: string) {
    this.#db = db
    this.#botId = botId
  }

  /** Looks at the bot after a candle. Called for each, it evaluates every few. */
  async look(index: number, isLast: boolean, now: Date): Promise<void> {
    this.#index = index
    const due = this.#waiting.filter((trip) => trip.due <= index)
    if (isLast || due.length > 0 || index % EVALUATE_EVERY === 0) await this.evaluate(now)
    for (const { id } of due) {
      await resolveCircuitBreaker(this.#db, {
        botId: this.#botId,
        id,
        resolvedBy: DEMO,
        reason: 'the losses were looked into',
        now,
      })
    }
    this.#waiting = this.#waiting.filter((trip) => trip.due > index)
  }

  /** Notes what the bot is worth by its books, and trips what that reaches. Without it, a limit on the drawdown refuses. */
  async evaluate(now: Date): Promise<void> {
    const { tripped } = await evaluateCircuitBreakers(this.#db, { botId: this.#botId, now })
    const forHuman = tripped.filter(({ cooldownMs }) => cooldownMs === null)
    this.#waiting.push(...forHuman.map(({ id }) => ({ id, due: this.#index + REVIEW_CANDLES })))
  }
}

/** A trip, and what became of orders until it was resolved. */
export interface Halt {
  readonly trip: CircuitBreaker
  readonly ms: number
  readonly refused: number
  readonly exits: number
}

/** What the library has written down about a bot's risk. */
export interface Risk {
  /** First tripped first. */
  readonly halts: readonly Halt[]
  readonly refused: number
  /** Every code that refused an order. */
  readonly codes: readonly string[]
  readonly status: TradingStatus
}

/** Reads what stopped a bot, and what was stopped, as of a moment. */
export async function readRisk(db: Database, botId: string, now: Date): Promise<Risk> {
  const trips = await readAll<CircuitBreaker>((after, limit) =>
    listCircuitBreakers(db, { botId, after, limit }),
  )
  const denials = await readAll<RiskEvent>((after, limit) =>
    listRiskEvents(db, { botId, kind: 'order_denied', after, limit }),
  )
  const orders = await readAll<Order>((after, limit) => listOrders(db, { botId, after, limit }))
  const exits = orders.filter(({ checks }) => checks?.some(({ code }) => code === 'reduces'))
  const halts = trips.reverse().map((trip) => {
    const until = trip.resolvedAt ?? trip.expiresAt ?? now
    const isWithin = (at: Date) => at >= trip.trippedAt && (at < until || trip.status === 'active')
    return {
      trip,
      ms: until.getTime() - trip.trippedAt.getTime(),
      refused: denials.filter(({ occurredAt }) => isWithin(occurredAt)).length,
      exits: exits.filter(({ createdAt }) => isWithin(createdAt)).length,
    }
  })
  return {
    halts,
    refused: denials.length,
    codes: [...new Set(denials.flatMap(({ reason }) => reason?.split(', ') ?? []))].sort(),
    status: await getTradingStatus(db, { botId, now }),
  }
}

type Bot = Awaited<ReturnType<typeof listBots>>[number]
type Order = Awaited<ReturnType<typeof listOrders>>[number]
