import { toInstant, toName, toOneOf } from '../db/columns.ts'
import { type Amount, type Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { newId } from '../db/id.ts'
import { invalid, optional, toShare, toUuid } from '../db/input.ts'
import { toBotId } from '../fleet/bots.ts'
import { DIRECTIONS, type Direction, type PositionSide } from '../trading/schema/values.ts'
import { IDEA_ORDER_TYPES, type IdeaOrderType } from './schema/trade-ideas.ts'

/** A trade that somebody, or something, proposes. */
export interface ProposeTradeIdeaInput {
  readonly botId: string
  /** Made by the caller, it makes the proposal safe to repeat. */
  readonly id?: string | undefined
  /** The strategy that it follows. An idea of none is executed only if a human approves it. */
  readonly strategyId?: string | undefined
  /** What was known: a snapshot of the same bot. */
  readonly snapshotId: string
  /** The decision that led to it, of the same bot. */
  readonly decisionId?: string | undefined
  /** The bot's own unless given. */
  readonly exchange?: string | undefined
  readonly symbol: string
  readonly direction: Direction
  /** `net`, or the direction where the account is hedged. `net` unless said otherwise. */
  readonly positionSide?: PositionSide | undefined
  readonly orderType: IdeaOrderType
  /** In base currency, or in contracts. Positive. */
  readonly quantity: Amount
  /** Quote currency per unit, as are all prices here. A limit order needs it, or a range. */
  readonly entryPrice?: Amount | undefined
  /** The range to enter in: both or neither. A limit order without `entryPrice` takes the high of a long, the low of a short. */
  readonly entryLow?: Amount | undefined
  readonly entryHigh?: Amount | undefined
  /** On the losing side of the entry and of its range. */
  readonly stopLoss: Amount
  /** One or more, all on the winning side of the entry and of its range. */
  readonly targets: readonly Amount[]
  /** In words, such as `scalp_30m`. */
  readonly expectedHold?: string | undefined
  readonly rationale: string
  /** 0 to 1. */
  readonly confidence: number
  /** The first moment that it is not executed any more. It does not expire if left out. */
  readonly expiresAt?: Date | undefined
  /** For a bot in mode `backtest`: the moment that it believes in. The database's clock decides for all others. */
  readonly now?: Date | undefined
}

/** An idea whose input was checked, as the database is told it. */
export interface CheckedIdea {
  readonly botId: string
  readonly id: string
  readonly strategyId: string | null
  readonly snapshotId: string
  readonly decisionId: string | null
  /** Null for the bot's own. */
  readonly exchange: string | null
  readonly symbol: string
  readonly direction: Direction
  readonly positionSide: PositionSide
  readonly orderType: IdeaOrderType
  readonly quantity: string
  readonly entryPrice: string | null
  readonly entryLow: string | null
  readonly entryHigh: string | null
  readonly stopLoss: string
  readonly targets: string
  readonly expectedHold: string | null
  readonly rationale: string
  readonly confidence: number
  readonly expiresAt: string | null
}

/** @throws `invalid_input` naming the field that cannot be stored, or that lies on the wrong side. */
export function checkIdeaInput(input: ProposeTradeIdeaInput): CheckedIdea {
  const direction = toOneOf(input.direction, DIRECTIONS, 'direction')
  const sides: readonly PositionSide[] = ['net', direction]
  const prices = readPrices(input, direction)
  return {
    botId: toBotId(input.botId),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    strategyId: optional(input.strategyId, 'strategyId', toUuid),
    snapshotId: toUuid(input.snapshotId, 'snapshotId'),
    decisionId: optional(input.decisionId, 'decisionId', toUuid),
    exchange: optional(input.exchange, 'exchange', toName),
    symbol: toName(input.symbol, 'symbol'),
    direction,
    positionSide: toOneOf(input.positionSide ?? 'net', sides, 'positionSide'),
    orderType: toOneOf(input.orderType, IDEA_ORDER_TYPES, 'orderType'),
    quantity: toPositive(input.quantity, 'quantity').toFixed(),
    ...prices,
    expectedHold: optional(input.expectedHold, 'expectedHold', toName),
    rationale: toName(input.rationale, 'rationale'),
    confidence: toShare(input.confidence, 'confidence'),
    expiresAt: optional(input.expiresAt, 'expiresAt', toInstant)?.toISOString() ?? null,
  }
}

function readPrices(input: ProposeTradeIdeaInput, direction: Direction) {
  const entryPrice = optional(input.entryPrice, 'entryPrice', toDecimal)
  const entryLow = optional(input.entryLow, 'entryLow', toDecimal)
  const entryHigh = optional(input.entryHigh, 'entryHigh', toDecimal)
  const stopLoss = toDecimal(input.stopLoss, 'stopLoss')
  if (!Array.isArray(input.targets) || input.targets.length === 0) {
    throw invalid('targets', 'is no list of one or more prices')
  }
  const targets = (input.targets as readonly Amount[]).map((target, i) => toDecimal(target, `targets[${i}]`))
  if (input.orderType === 'limit' && entryPrice === null && entryLow === null) {
    throw invalid('entryPrice', 'is missing, which a limit order without a range needs')
  }
  checkRange(entryPrice, entryLow, entryHigh)
  const entries = [entryPrice, entryLow, entryHigh].filter((price) => price !== null)
  for (const entry of entries.length > 0 ? entries : targets) {
    if (!isWorse(stopLoss, entry, direction)) {
      const what = entries.length > 0 ? 'the entry' : 'the target'
      throw invalid(
        'stopLoss',
        `${text(stopLoss)} of a ${direction} is not on the losing side of ${what} ${text(entry)}`,
      )
    }
  }
  for (const [i, target] of targets.entries()) {
    const reached = entries.find((entry) => !isWorse(entry, target, direction))
    if (reached) {
      const why = `${text(target)} of a ${direction} is not on the winning side of the entry ${text(reached)}`
      throw invalid(`targets[${i}]`, why)
    }
  }
  return {
    entryPrice: text(entryPrice),
    entryLow: text(entryLow),
    entryHigh: text(entryHigh),
    stopLoss: stopLoss.toFixed(),
    targets: `{${targets.map((target) => target.toFixed()).join(',')}}`,
  }
}

function checkRange(entry: Decimal | null, low: Decimal | null, high: Decimal | null): void {
  if (low === null && high === null) return
  if (low === null) throw invalid('entryLow', 'is missing beside entryHigh')
  if (high === null) throw invalid('entryHigh', 'is missing beside entryLow')
  if (low.gt(high)) throw invalid('entryLow', `${text(low)} is above entryHigh ${text(high)}`)
  if (entry && (entry.lt(low) || entry.gt(high))) {
    throw invalid('entryPrice', `${text(entry)} is outside the range from ${text(low)} to ${text(high)}`)
  }
}

/** True if `a` loses against `b` for who holds the direction. */
function isWorse(a: Decimal, b: Decimal, direction: Direction): boolean {
  return direction === 'long' ? a.lt(b) : a.gt(b)
}

function text(amount: Decimal): string
function text(amount: Decimal | null): string | null
function text(amount: Decimal | null): string | null {
  return amount === null ? null : amount.toFixed()
}
