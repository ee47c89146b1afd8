import {
  type Candle,
  captureSnapshot,
  type Database,
  Decimal,
  type DecisionCheckInput,
  type IntendedAction,
  type Position,
  recordDecision,
  recordTechnicalSignal,
} from 'tradeblotter'
import type { Crossing } from './averages.ts'
import type { Market } from './bot.ts'
import { DAY_MS } from './terminal.ts'

/** Older than any balance of the demo is. */
const BALANCE_HOURS = 744

/** Writes down why the bot does what it does: what it knew, what it saw in that, what it checked, and what it made of it. */
export class Analyst {
  readonly #db: Database
  readonly #market: Market

  constructor(db: Database, market: Market) {
    this.#db = db
    this.#market = market
  }

  /** The averages have crossed: the bot turns round with all that its equity buys, or closes what it holds if that is not one lot. */
  async turn(
    candle: Candle,
    at: Date,
    crossing: Crossing,
    fresh: Decimal,
    stopLoss: Decimal,
    holds: boolean,
  ): Promise<string> {
    const isUp = crossing.fast.gt(crossing.slow)
    const outlook = isUp ? 'bullish' : 'bearish'
    const { agreement } = crossing
    const signal = await recordTechnicalSignal(this.#db, {
      ...this.#subject(candle),
      timeframe: candle.timeframe,
      signal: outlook,
      confidence: agreement,
      bullishCount: isUp ? 1 : 0,
      bearishCount: isUp ? 0 : 1,
      indicators: {
        averages: { signal: outlook, fast: crossing.fast.toFixed(), slow: crossing.slow.toFixed() },
      },
      analysedAt: at,
    })
    const entry = fresh.gt(0)
    return await this.#decide(candle, at, entry ? (isUp ? 'long' : 'short') : holds ? 'close' : 'hold', {
      confidence: agreement,
      ...(entry ? { quantity: fresh, entryPrice: candle.close, stopLoss } : {}),
      reasons: [{ source: 'technical', signal: outlook, weight: 1 }],
      evidence: [{ source: 'technical', id: signal.id, says: outlook, weight: 1 }],
      checks: [
        check('averages_crossed', true, crossing.slow, crossing.fast, this.#market.currency),
        check('buys_a_lot', entry, this.#market.lotSize, fresh, candle.symbol),
      ],
    })
  }

  /** The position has earned what the bot hoped for: half of it is taken out. */
  async takeHalf(
    candle: Candle,
    at: Date,
    position: Position,
    half: Decimal,
    target: Decimal,
  ): Promise<string> {
    const earned = position.unrealisedPnl ?? new Decimal(0)
    return await this.#decide(candle, at, 'close', {
      confidence: 1,
      quantity: half,
      reasons: [{ source: 'rule', signal: 'target' }],
      checks: [check('target_reached', true, target, earned, this.#market.currency)],
    })
  }

  #subject({ symbol }: Candle) {
    const { botId, exchange } = this.#market
    return { botId, exchange, symbol }
  }

  async #decide(
    candle: Candle,
    decidedAt: Date,
    intendedAction: IntendedAction,
    why: Omit<Parameters<typeof recordDecision>[1], 'botId' | 'exchange' | 'symbol' | 'intendedAction'>,
  ): Promise<string> {
    const { bundle } = await captureSnapshot(this.#db, {
      botId: this.#market.botId,
      exchange: candle.exchange,
      symbols: [candle.symbol],
      timeframes: [candle.timeframe],
      reason: 'decision',
      maxBalanceHours: BALANCE_HOURS,
      now: decidedAt,
      // The past is played, so that all of it was recorded just now.
      recordedUntil: new Date(Date.now() + DAY_MS),
    })
    const { id } = await recordDecision(this.#db, {
      ...this.#subject(candle),
      snapshotId: bundle.id,
      intendedAction,
      decidedAt,
      ...why,
    })
    return id
  }
}

function check(
  code: string,
  passed: boolean,
  threshold: Decimal,
  actual: Decimal,
  unit: string,
): DecisionCheckInput {
  return { code, passed, threshold, actual, unit }
}
