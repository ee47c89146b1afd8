import { type Decimal, readStored } from '../db/decimal.ts'
import type { OrderChecks } from '../trading/schema/orders.ts'

/** What may close entries. */
export const BLOCK_CODES = [
  'bot_registered',
  'kill_switch',
  'settings',
  'trading_enabled',
  'bot_status',
  'heartbeat',
  'circuit_breaker',
  'lock',
  'symbol',
  'instrument',
  'confidence',
  'quantity',
  'order_notional',
  'open_positions',
  'exposure',
  'leverage',
  'order_rate',
  'daily_loss',
  'daily_target',
  'drawdown',
  'reduces',
  'status_unknown',
] as const
export type BlockCode = (typeof BLOCK_CODES)[number]

export type BlockEffect = 'reduce' | 'halt'
export type BlockScope = 'global' | 'bot' | 'symbol' | 'side' | 'order'

/** One reason why a bot may place no entry. */
export interface Block {
  readonly code: BlockCode
  /** `halt` where only a human ends it, or somebody must make what is missing; `reduce` for what passes or is a limit. */
  readonly effect: BlockEffect
  /** What is closed: the fleet, the bot, one of its symbols or sides, or this order alone. */
  readonly scope: BlockScope
  /** What decided: `settings`, `kill_switch`, `circuit_breaker`, `lock`, `bot`, `instrument` or `ledger`. */
  readonly source: string
  /** The row that decided, such as the lock or the trip; null where it is no row of its own. */
  readonly sourceId: string | null
  readonly reason: string | null
  /** Since when; null where nobody knows. */
  readonly since: Date | null
  /** The first moment that it no longer holds; null where nobody knows, or somebody must end it. */
  readonly until: Date | null
  /** What is allowed and what was found, in the unit of the limit. Null where it is no figure, or not known. */
  readonly threshold: Decimal | null
  readonly actual: Decimal | null
}

/** Reads the document in which the database answers, as the column that stores it does. */
export function readChecks(text: string): OrderChecks {
  return JSON.parse(text) as OrderChecks
}

/** The checks that failed, as reasons. */
export function blocksOf(checks: OrderChecks): Block[] {
  return checks.filter((check) => !check.passed).map(toBlock)
}

function toBlock(check: OrderChecks[number]): Block {
  const { code, effect, scope, source, sourceId, reason, since, until, threshold, actual } = check
  return {
    code: code as BlockCode,
    effect: effect as BlockEffect,
    scope: scope as BlockScope,
    source,
    sourceId: sourceId ?? null,
    reason: reason ?? null,
    since: since === undefined ? null : new Date(since),
    until: until === undefined ? null : new Date(until),
    threshold: threshold === undefined ? null : readStored(threshold),
    actual: actual === undefined ? null : readStored(actual),
  }
}
