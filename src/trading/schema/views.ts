import { boolean, doublePrecision, uuid } from 'drizzle-orm/pg-core'
import { counter, decimal, instant, json, label, quotient } from '../../db/columns.ts'
import { strategyParametersSchema, unvaluedFeesSchema } from './positions.ts'
import { DIRECTIONS, POSITION_SIDES, trading } from './values.ts'

// Their SQL is in the migrations: drizzle-kit compares only what it can parse.

const tradeColumns = () => ({
  botId: label('bot_id').notNull(),
  /** The cycle that the trade is. */
  positionId: uuid('position_id').notNull(),
  tradeId: label('trade_id').notNull(),
  exchange: label('exchange').notNull(),
  symbol: label('symbol').notNull(),
  positionSide: label('position_side', POSITION_SIDES).notNull(),
  direction: label('direction', DIRECTIONS).notNull(),
  /** All that was opened and closed, in base currency or contracts. */
  quantity: quotient('quantity').notNull(),
  settleCurrency: label('settle_currency').notNull(),
  /** In settlement currency. */
  entryCost: quotient('entry_cost').notNull(),
  /** Average, in quote currency per unit. */
  entryPrice: quotient('entry_price').notNull(),
  exitPrice: quotient('exit_price').notNull(),
  /** In settlement currency, before fees and funding. A loss is negative. */
  gross: quotient('gross').notNull(),
  fees: quotient('fees').notNull(),
  unvaluedFees: json('unvalued_fees', unvaluedFeesSchema).notNull(),
  funding: quotient('funding').notNull(),
  /** Gross − fees + funding. Null while the value of a fee is unknown. */
  netPnl: quotient('net_pnl'),
  /** Net / entry cost: 0.05 is five per cent. Null while net is. */
  returnFraction: quotient('return_fraction'),
  maxAdverseExcursion: quotient('max_adverse_excursion'),
  maxFavourableExcursion: quotient('max_favourable_excursion'),
  exitReason: label('exit_reason'),
  isLiquidation: boolean('is_liquidation').notNull(),
  signalScore: doublePrecision('signal_score'),
  technicalScore: doublePrecision('technical_score'),
  llmScore: doublePrecision('llm_score'),
  modelScore: doublePrecision('model_score'),
  strategyParameters: json('strategy_parameters', strategyParametersSchema),
  openedAt: instant('opened_at').notNull(),
  closedAt: instant('closed_at').notNull(),
  holdingMs: counter('holding_ms').notNull(),
  /** What the bot called the reason for which it entered. */
  entryTag: label('entry_tag'),
})

/**
 * One closed round trip: a cycle of a position from flat to flat.
 *
 * A view of the closed positions, so that a trade cannot differ from the fills it was made of.
 */
export const trades = trading.view('trades', tradeColumns()).existing()

/** The last 100 trades of the fleet that were closed, newest first. */
export const recentTrades = trading.view('recent_trades', tradeColumns()).existing()

/** Every open position with its bot's name, its scores and how long it has been held. */
export const activePositions = trading
  .view('active_positions', {
    botId: label('bot_id').notNull(),
    botName: label('bot_name').notNull(),
    positionId: uuid('position_id').notNull(),
    tradeId: label('trade_id').notNull(),
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    positionSide: label('position_side', POSITION_SIDES).notNull(),
    direction: label('direction', DIRECTIONS).notNull(),
    quantity: quotient('quantity').notNull(),
    settleCurrency: label('settle_currency').notNull(),
    cost: quotient('cost').notNull(),
    averagePrice: quotient('average_price'),
    markPrice: decimal('mark_price'),
    unrealisedPnl: quotient('unrealised_pnl'),
    realisedGross: quotient('realised_gross').notNull(),
    fees: quotient('fees').notNull(),
    funding: quotient('funding').notNull(),
    leverage: decimal('leverage'),
    liquidationPrice: decimal('liquidation_price'),
    stopLoss: decimal('stop_loss'),
    takeProfit: decimal('take_profit'),
    trailingStop: decimal('trailing_stop'),
    signalScore: doublePrecision('signal_score'),
    technicalScore: doublePrecision('technical_score'),
    llmScore: doublePrecision('llm_score'),
    modelScore: doublePrecision('model_score'),
    openedAt: instant('opened_at').notNull(),
    minutesHeld: counter('minutes_held').notNull(),
  })
  .existing()
