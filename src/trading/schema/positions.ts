import { eq, isNotNull, sql } from 'drizzle-orm'
import {
  bigint,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  primaryKey,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import {
  counter,
  decimal,
  instant,
  isFiniteAmount,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOW,
  quotient,
  quotientOf,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { INSTRUMENT_KINDS } from '../../market/instrument-kinds.ts'
import { DIRECTIONS, POSITION_SIDES, SIDES, trading } from './values.ts'

export const POSITION_STATUSES = ['open', 'closed', 'liquidated'] as const
export type PositionStatus = (typeof POSITION_STATUSES)[number]

/** Amounts of fees that have no known value in settlement currency yet, as decimal text per currency. */
export const unvaluedFeesSchema = z.record(z.string(), z.string())
export type UnvaluedFees = z.output<typeof unvaluedFeesSchema>

/** The parameters with which a strategy opened a position. Amounts belong in it as text. */
export const strategyParametersSchema = z.record(z.string(), z.json())
export type StrategyParameters = z.output<typeof strategyParametersSchema>

/**
 * The head of one ledger: of one bot, exchange, symbol and position side. Changes with every fact recorded in it.
 *
 * Whoever records a fact must move `version` on by one from what was read; so facts of one ledger never race.
 */
export const ledgerHeads = trading.table(
  'ledger_heads',
  {
    botId: label('bot_id').notNull(),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    version: counter('version').notNull(),
    /** The last fill in ledger order; all four are null before the first. */
    lastExecutedAt: instant('last_executed_at'),
    lastSequence: bigint('last_sequence', { mode: 'bigint' }),
    lastExchangeTradeId: label('last_exchange_trade_id'),
    lastSide: label('last_side', SIDES),
    /** When the last funding payment was made. */
    lastFundingAt: instant('last_funding_at'),
  },
  (head) => [
    // Serves recordFill and recordFills.
    primaryKey({
      name: 'ledger_heads_pkey',
      columns: [head.botId, head.exchange, head.symbol, head.positionSide],
    }),
    foreignKey({ name: 'ledger_heads_bot_id_fkey', columns: [head.botId], foreignColumns: [bots.botId] }),
    check('ledger_heads_position_side_check', isOneOf(head.positionSide, POSITION_SIDES)),
  ],
)

/** The gross PnL of what a position holds, at a price: an expression over the columns of `positions`. */
export function unrealisedPnlAt(price: string): string {
  const sign = "(case direction when 'long' then 1 else -1 end)"
  const inverse = `cost - ${quotientOf('quantity * contract_size', price)}`
  return `${sign} * case instrument_kind when 'inverse' then ${inverse} else ${price} * quantity * contract_size - cost end`
}

/**
 * One cycle of a position, from flat to flat. Derived from the fills and funding payments of its ledger, and kept as
 * they are recorded; marks, stops and notes about it are added by the bot.
 *
 * All money is in the instrument's settlement currency. A ledger has at most one open position. A closed row is a
 * round trip, and is read as one through the view `trading.trades`.
 */
export const positions = trading.table(
  'positions',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    /** What the round trip is called: made of the fill that opened it, so a rebuild gives it the same name. */
    tradeId: label('trade_id').notNull(),
    direction: label('direction', DIRECTIONS).notNull(),
    status: label('status', POSITION_STATUSES).notNull(),
    /** The instrument's terms when the position was opened. */
    instrumentKind: label('instrument_kind', INSTRUMENT_KINDS).notNull(),
    contractSize: decimal('contract_size').notNull(),
    settleCurrency: label('settle_currency').notNull(),
    /** Held now, in base currency or contracts; zero once closed. */
    quantity: quotient('quantity').notNull(),
    /** Cost of what is still held; zero once closed. */
    cost: quotient('cost').notNull(),
    peakQuantity: quotient('peak_quantity').notNull(),
    /** All that was opened in this cycle, and what it cost. */
    entryQuantity: quotient('entry_quantity').notNull(),
    entryCost: quotient('entry_cost').notNull(),
    /** All that was closed in this cycle, and what that brought. */
    exitQuantity: quotient('exit_quantity').notNull(),
    exitValue: quotient('exit_value').notNull(),
    /** Realised so far, before fees and funding. A loss is negative. */
    realisedGross: quotient('realised_gross').notNull(),
    /** Fees whose value is known; a rebate is negative. */
    fees: quotient('fees').notNull(),
    /** Fees in currencies of unknown value, as text per currency. Empty when every fee is in `fees`. */
    unvaluedFees: json('unvalued_fees', unvaluedFeesSchema).notNull(),
    /** Funding received less paid. */
    funding: quotient('funding').notNull(),
    /** Realised gross − fees + funding. Null while the value of a fee is unknown. */
    netPnl: quotient('net_pnl').generatedAlwaysAs(
      sql.raw("case when unvalued_fees = '{}'::jsonb then realised_gross - fees + funding end"),
    ),
    fillCount: integer('fill_count').notNull(),
    /** Lots opened so far, open or not; zero for the average method. */
    lotCount: integer('lot_count').notNull(),
    /** What was paid on average for what is still held, in quote currency per unit. Null once closed. */
    averagePrice: quotient('average_price').generatedAlwaysAs(
      sql.raw(
        `case when quantity > 0 then case instrument_kind when 'inverse' then ${quotientOf('quantity * contract_size', 'cost')} else ${quotientOf('cost', 'quantity * contract_size')} end end`,
      ),
    ),
    /** The last price given to markPosition, in quote currency per unit. Null before the first. */
    markPrice: decimal('mark_price'),
    markedAt: instant('marked_at'),
    /** Gross, of what is held, at `markPrice`. Null without a mark. */
    unrealisedPnl: quotient('unrealised_pnl').generatedAlwaysAs(
      sql.raw(`case when mark_price > 0 then ${unrealisedPnlAt('mark_price')} end`),
    ),
    /** The worst and the best unrealised PnL among the marks seen. Null without a mark. */
    maxAdverseExcursion: quotient('max_adverse_excursion'),
    maxFavourableExcursion: quotient('max_favourable_excursion'),
    leverage: decimal('leverage'),
    /** What the exchange holds for it, in settlement currency. */
    margin: decimal('margin'),
    liquidationPrice: decimal('liquidation_price'),
    stopLoss: decimal('stop_loss'),
    takeProfit: decimal('take_profit'),
    /** How far the trailing stop follows the best price, in quote currency. */
    trailingDistance: decimal('trailing_distance'),
    /** The best price seen since trailing began: highest for a long, lowest for a short. */
    trailingBestPrice: decimal('trailing_best_price'),
    /** Where the trailing stop is. It never loosens. */
    trailingStop: decimal('trailing_stop'),
    signalScore: doublePrecision('signal_score'),
    technicalScore: doublePrecision('technical_score'),
    llmScore: doublePrecision('llm_score'),
    modelScore: doublePrecision('model_score'),
    strategyParameters: json('strategy_parameters', strategyParametersSchema),
    /** What the bot calls the reason for which it entered. Null when nobody said. */
    entryTag: label('entry_tag'),
    /** Why it was closed, in the bot's words. Null when nobody said. */
    exitReason: label('exit_reason'),
    openedAt: instant('opened_at').notNull(),
    closedAt: instant('closed_at'),
    version: counter('version').notNull(),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (position) => [
    primaryKey({ name: 'positions_pkey', columns: [position.botId, position.id] }),
    foreignKey({ name: 'positions_bot_id_fkey', columns: [position.botId], foreignColumns: [bots.botId] }),
    unique('positions_trade_id_key').on(position.botId, position.tradeId),
    // Serves getOpenPosition, listOpenPositions and every recorded fill.
    uniqueIndex('positions_open_key')
      .on(position.botId, position.exchange, position.symbol, position.positionSide)
      .where(eq(position.status, sql`'open'`)),
    // Serves recordFill when a fill comes late: the cycles of one ledger by the time they were opened.
    index('positions_ledger_idx').on(
      position.botId,
      position.exchange,
      position.symbol,
      position.positionSide,
      position.openedAt,
    ),
    // Serves listPositions: newest first for one bot.
    index('positions_opened_at_idx').on(
      position.botId,
      position.openedAt.desc().nullsFirst(),
      position.id.desc().nullsFirst(),
    ),
    // Serves listTrades and listRecentTrades: last closed first for one bot.
    index('positions_closed_at_idx')
      .on(position.botId, position.closedAt.desc().nullsFirst(), position.id.desc().nullsFirst())
      .where(isNotNull(position.closedAt)),
    // Serves the view recent_trades: last closed first of the whole fleet.
    index('positions_recent_idx')
      .on(position.closedAt.desc().nullsFirst())
      .where(isNotNull(position.closedAt)),
    check('positions_position_side_check', isOneOf(position.positionSide, POSITION_SIDES)),
    check('positions_direction_check', isOneOf(position.direction, DIRECTIONS)),
    check('positions_status_check', isOneOf(position.status, POSITION_STATUSES)),
    check('positions_instrument_kind_check', isOneOf(position.instrumentKind, INSTRUMENT_KINDS)),
    check('positions_contract_size_check', isPositive(position.contractSize)),
    check('positions_quantity_check', isNotNegative(position.quantity)),
    check('positions_cost_check', isFiniteAmount(position.cost)),
    check('positions_peak_quantity_check', isPositive(position.peakQuantity)),
    check('positions_realised_gross_check', isFiniteAmount(position.realisedGross)),
    check('positions_fees_check', isFiniteAmount(position.fees)),
    check('positions_funding_check', isFiniteAmount(position.funding)),
    check('positions_unvalued_fees_check', isObject(position.unvaluedFees)),
    check('positions_strategy_parameters_check', isObject(position.strategyParameters)),
    check('positions_mark_price_check', isPositive(position.markPrice)),
    check('positions_leverage_check', isPositive(position.leverage)),
    check('positions_margin_check', isNotNegative(position.margin)),
    check('positions_liquidation_price_check', isNotNegative(position.liquidationPrice)),
    check('positions_stop_loss_check', isPositive(position.stopLoss)),
    check('positions_take_profit_check', isPositive(position.takeProfit)),
    check('positions_trailing_distance_check', isPositive(position.trailingDistance)),
    // An open position holds something and has not ended; an ended one holds nothing.
    check(
      'positions_closed_at_check',
      sql`(${position.status} = 'open') = (${position.closedAt} is null) and (${position.status} = 'open') = (${position.quantity} > 0)`,
    ),
  ],
)

/** What is left of one opening fill of an open position, for fifo and lifo. Gone once it is used up. */
export const positionLots = trading.table(
  'position_lots',
  {
    botId: label('bot_id').notNull(),
    positionId: uuid('position_id').notNull(),
    /** 1, 2, 3… in the order in which the position was built. */
    ordinal: integer('ordinal').notNull(),
    /** Of the fill that opened it, in quote currency per unit. */
    price: decimal('price').notNull(),
    originalQuantity: quotient('original_quantity').notNull(),
    originalCost: quotient('original_cost').notNull(),
    /** Still open, and what that cost. */
    quantity: quotient('quantity').notNull(),
    cost: quotient('cost').notNull(),
    openedAt: instant('opened_at').notNull(),
  },
  (lot) => [
    primaryKey({ name: 'position_lots_pkey', columns: [lot.botId, lot.positionId, lot.ordinal] }),
    foreignKey({
      name: 'position_lots_position_id_fkey',
      columns: [lot.botId, lot.positionId],
      foreignColumns: [positions.botId, positions.id],
    }).onDelete('cascade'),
    check(
      'position_lots_quantity_check',
      sql`${lot.quantity} > 0 and ${lot.quantity} <= ${lot.originalQuantity}`,
    ),
    check('position_lots_cost_check', isFiniteAmount(lot.cost)),
  ],
)
