import { and, desc, eq, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import type { Decimal } from '../db/decimal.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { Fill } from './ledger-rows.ts'
import type { PositionSide } from './position-math.ts'
import { fills } from './schema/fills.ts'

export interface ListFillsInput extends PageInput<Pick<Fill, 'executedAt' | 'id'>> {
  readonly botId: string
}

/** Returns the bot's fills, last executed first. */
export async function listFills(db: Database, input: ListFillsInput): Promise<Fill[]> {
  const { after } = input
  return await many(
    'listFills',
    db
      .select()
      .from(fills)
      .where(
        and(
          eq(fills.botId, toName(input.botId, 'botId')),
          comesAfter(fills.executedAt, fills.id, after && { at: after.executedAt, id: after.id }),
        ),
      )
      .orderBy(desc(fills.executedAt), desc(fills.id))
      .limit(readLimit(input.limit)),
  )
}

/** A place where the exchange's history and ours do not join: fills before it are missing. */
export interface FillGap {
  /** The fill whose report shows it. */
  readonly fillId: string
  readonly exchange: string
  readonly symbol: string
  readonly positionSide: PositionSide
  readonly executedAt: Date
  /** The signed position after the fill before, by the exchange's own figures. */
  readonly expectedPosition: Decimal
  /** The signed position that the exchange reports with this fill. */
  readonly reportedPosition: Decimal
  /** Reported − expected: what the missing fills bought, or sold where negative. */
  readonly missingQuantity: Decimal
}

export interface ListFillGapsInput {
  readonly botId: string
  readonly limit?: number
  /** The last gap of the page before; the list goes on after it. */
  readonly after?: Pick<FillGap, 'executedAt' | 'fillId'> | undefined
}

const gapsStatement: PreparedStatement<FillGap, 'botId' | 'limit' | 'at' | 'id'> = sqlStatement(
  'listFillGaps',
  (slot) => ({
    query: sql`
      with chained as (
        select f.id, f.exchange, f.symbol, f.position_side, f.executed_at, f.exchange_start_position as reported,
          lag(f.exchange_start_position + case f.side when 'buy' then f.quantity else -f.quantity end)
            over (partition by f.exchange, f.symbol, f.position_side
              order by f.executed_at, f.sequence, octet_length(f.exchange_trade_id),
                f.exchange_trade_id collate "C", f.side) as expected
        from trading.fills f where f.bot_id = ${slot('botId')})
      select id, exchange, symbol, position_side, executed_at, expected, reported, reported - expected from chained
      where reported <> expected and (executed_at, id) < (${slot('at')}::timestamptz, ${slot('id')}::uuid)
      order by executed_at desc, id desc limit ${slot('limit')}::integer`,
    fields: {
      fillId: fills.id,
      exchange: fills.exchange,
      symbol: fills.symbol,
      positionSide: fills.positionSide,
      executedAt: fills.executedAt,
      expectedPosition: fills.exchangeStartPosition,
      reportedPosition: fills.exchangeStartPosition,
      missingQuantity: fills.exchangeStartPosition,
    },
  }),
)

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/**
 * Returns where fills are missing, newest first: fills whose reported start position is not where the fill before them left
 * it. Only for exchanges that report one; reads all fills of the bot.
 */
export async function listFillGaps(db: Database, input: ListFillGapsInput): Promise<FillGap[]> {
  const { after } = input
  return await gapsStatement.run(db, {
    botId: toName(input.botId, 'botId'),
    limit: readLimit(input.limit),
    at: after ? toInstant(after.executedAt, 'after.executedAt').toISOString() : 'infinity',
    id: after ? toUuid(after.fillId, 'after.fillId') : LAST_ID,
  })
}
