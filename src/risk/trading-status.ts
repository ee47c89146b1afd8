import { type SQL, sql } from 'drizzle-orm'
import { readInstant, readNow, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { getBot, toBotId } from '../fleet/bots.ts'
import { POSITION_SIDES, type PositionSide, SIDES, type Side } from '../trading/position-math.ts'
import { type Block, blocksOf, readChecks } from './checks.ts'
import { TRADING_STATES, type TradingState } from './schema/values.ts'

/** What a bot may do, and why. */
export interface TradingStatus {
  /**
   * `active`: entries and exits. `reducing`: only orders that reduce a position. `halted`: the same, and it stays so until
   * a human or a missing setting changes that.
   */
  readonly state: TradingState
  /** Every reason; empty when active. */
  readonly blocks: readonly Block[]
  /** The moment that was asked about. */
  readonly checkedAt: Date
}

export interface TradingStatusInput {
  readonly botId: string
  /** What is to be traded. Without it, what closes single symbols is not asked. */
  readonly symbol?: string | undefined
  /** The side of the entry: `buy` opens or adds to a long. Without it, a block of either side counts. */
  readonly side?: Side | undefined
  /** The bot's own unless given. */
  readonly exchange?: string | undefined
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
  /** The moment to ask about. The database's clock unless given. */
  readonly now?: Date | undefined
}

type Slot = keyof TradingStatusInput

const question = (slot: (value: Slot) => SQL) =>
  sql`${slot('botId')}, ${slot('symbol')}, ${slot('side')}, ${slot('exchange')}, ${slot('positionSide')}, ${slot('now')}`

const statusStatement: PreparedStatement<TradingStatus, Slot> = sqlStatement('getTradingStatus', (slot) => ({
  query: sql`select state, blocks, checked_at from risk.trading_status(${question(slot)})`,
  fields: ([state, blocks, checkedAt]) => ({
    // Whatever is not known to be active is not.
    state: toOneOf(state as TradingState, TRADING_STATES, 'state'),
    blocks: blocksOf(readChecks(blocks as string)),
    checkedAt: readInstant(checkedAt as string),
  }),
}))

/**
 * Returns what a bot may do now, and every reason why it may not do more.
 *
 * A snapshot for deciding whether to bother: only `placeOrder` cannot be overtaken. A bot that has never sent a heartbeat is not
 * judged by it.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function getTradingStatus(db: Database, input: TradingStatusInput): Promise<TradingStatus> {
  const rows = await statusStatement.run(db, readQuestion(input))
  const status = only('getTradingStatus', rows)
  if (status === undefined) throw new DataError('unexpected', 'getTradingStatus: no answer')
  if (status.blocks.some((block) => block.code === 'bot_registered')) await getBot(db, input)
  return status
}

const allowedStatement: PreparedStatement<boolean, Slot> = sqlStatement('isTradingAllowed', (slot) => ({
  query: sql`select risk.is_trading_allowed(${question(slot)})`,
  fields: ([allowed]) => allowed === true,
}))

/**
 * True if the bot may place an entry now: its status is `active`. False on any doubt; a read that fails throws.
 *
 * A snapshot for deciding whether to bother: only `placeOrder` cannot be overtaken. The reasons come from `getTradingStatus`.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function isTradingAllowed(db: Database, input: TradingStatusInput): Promise<boolean> {
  const [allowed] = await allowedStatement.run(db, readQuestion(input))
  if (allowed === true) return true
  await getBot(db, input)
  return false
}

function readQuestion({ botId, symbol, side, exchange, positionSide, now }: TradingStatusInput) {
  return {
    botId: toBotId(botId),
    symbol: symbol === undefined ? null : toName(symbol, 'symbol'),
    side: side === undefined ? null : toOneOf(side, SIDES, 'side'),
    exchange: exchange === undefined ? null : toName(exchange, 'exchange'),
    positionSide: positionSide === undefined ? null : toOneOf(positionSide, POSITION_SIDES, 'positionSide'),
    now: readNow(now),
  }
}
