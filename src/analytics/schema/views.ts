import { boolean, date, doublePrecision, integer } from 'drizzle-orm/pg-core'
import { instant, label, quotient } from '../../db/columns.ts'
import { BOT_MODES } from '../../fleet/schema.ts'
import { analytics } from './values.ts'

// Their SQL is in the migrations: drizzle-kit compares only what it can parse.

const portfolioDayColumns = () => ({
  mode: label('mode', BOT_MODES).notNull(),
  baseCurrency: label('base_currency').notNull(),
  /** Of each bot in its own zone. */
  day: date('day', { mode: 'string' }).notNull(),
  /** When the day began for the first of the bots, and when it ended for the last. */
  startsAt: instant('starts_at').notNull(),
  endsAt: instant('ends_at').notNull(),
  /** True where the day of every bot had ended when it was calculated. */
  isComplete: boolean('is_complete').notNull(),
  /** Bots that had joined, this day or before. */
  botCount: integer('bot_count').notNull(),
  /** Of them, those of which the day is stored. Amounts are null where that is not all of them. */
  storedCount: integer('stored_count').notNull(),
  netPnl: quotient('net_pnl'),
  totalPnl: quotient('total_pnl'),
  /** Deposits and transfers less withdrawals, and what bots had that joined; and of them what came before the first fill of the bot's day. */
  externalFlows: quotient('external_flows'),
  flowsAtStart: quotient('flows_at_start'),
  /** Of the bots that had joined before. Zero on the first day. */
  equityStart: quotient('equity_start'),
  /** At the end of the day, of all. */
  equity: quotient('equity'),
  /** Of the days that are stored. */
  tradeCount: integer('trade_count').notNull(),
  winCount: integer('win_count').notNull(),
  lossCount: integer('loss_count').notNull(),
})

/**
 * The days of all bots of one mode and base currency together. A bot joins on its first stored day.
 *
 * An amount is null where that of one bot is, and where the day of a bot that has joined is not stored.
 */
export const portfolioDays = analytics
  .view('portfolio_days', {
    ...portfolioDayColumns(),
    /** Bots that joined this day. */
    joinedCount: integer('joined_count').notNull(),
  })
  .existing()

/** The days of `portfolio_days` with what came of them, as they were at the last refresh. */
export const dailyPortfolio = analytics
  .materializedView('daily_portfolio', {
    ...portfolioDayColumns(),
    /**
     * Flow-adjusted: 0.05 is five per cent. Where equity at the start is not known, of all days since it was. Null where equity or
     * flows are not known, and where there was none to gain with.
     */
    returnFraction: doublePrecision('return_fraction'),
    /** What one unit of currency became since the first day. A day without a return leaves it as it is. */
    growth: doublePrecision('growth').notNull(),
    /** Below the peak of growth, which includes the start. */
    drawdownFraction: doublePrecision('drawdown_fraction').notNull(),
    maxDrawdownFraction: doublePrecision('max_drawdown_fraction').notNull(),
    /** What was lost since the latest day at the peak, without flows. Carried over days of unknown equity, as the two above are. */
    drawdownAmount: quotient('drawdown_amount').notNull(),
  })
  .existing()

/** What each bot did, as it was at the last refresh. Money is in the bot's base currency. */
export const botPerformance = analytics
  .materializedView('bot_performance', {
    botId: label('bot_id').notNull(),
    botName: label('bot_name').notNull(),
    mode: label('mode', BOT_MODES).notNull(),
    baseCurrency: label('base_currency').notNull(),
    exchange: label('exchange').notNull(),
    strategy: label('strategy').notNull(),
    /** Round trips. A win has a net greater than zero, a loss one below, a draw exactly zero. */
    tradeCount: integer('trade_count').notNull(),
    winCount: integer('win_count').notNull(),
    lossCount: integer('loss_count').notNull(),
    drawCount: integer('draw_count').notNull(),
    /** Trades whose net is not known; in `tradeCount`, by direction, and in none of the other figures. */
    unvaluedTradeCount: integer('unvalued_trade_count').notNull(),
    longCount: integer('long_count').notNull(),
    shortCount: integer('short_count').notNull(),
    liquidationCount: integer('liquidation_count').notNull(),
    /** Wins / trades of known net. Null of none. */
    winRate: doublePrecision('win_rate'),
    /** Net of all wins; net of all losses, which is negative. Zero of none. */
    grossProfit: quotient('gross_profit').notNull(),
    grossLoss: quotient('gross_loss').notNull(),
    /** Of the trades: what open positions have realised is not in it. */
    netPnl: quotient('net_pnl').notNull(),
    /** Of the trades; null where one is not known. */
    fees: quotient('fees'),
    funding: quotient('funding'),
    /** Gross profit / −gross loss. Null without a loss. */
    profitFactor: doublePrecision('profit_factor'),
    /** Mean net of the trades. Null of none, as are the four below. */
    expectancy: quotient('expectancy'),
    averageWin: quotient('average_win'),
    averageLoss: quotient('average_loss'),
    bestTrade: quotient('best_trade'),
    worstTrade: quotient('worst_trade'),
    /** When the first and the last of them were closed. */
    firstTradeAt: instant('first_trade_at'),
    lastTradeAt: instant('last_trade_at'),
    /** The newest stored day of the bot, from which all below is; all null before the first. */
    lastDay: date('last_day', { mode: 'string' }),
    lastDayIsComplete: boolean('last_day_is_complete'),
    equity: quotient('equity'),
    growth: doublePrecision('growth'),
    drawdownFraction: doublePrecision('drawdown_fraction'),
    maxDrawdownFraction: doublePrecision('max_drawdown_fraction'),
    /** How many returns there are; the ratios of fewer than 30 say little. */
    returnCount: integer('return_count'),
    sharpe: doublePrecision('sharpe'),
    sortino: doublePrecision('sortino'),
    calmar: doublePrecision('calmar'),
    calculatedAt: instant('calculated_at'),
  })
  .existing()
