import { sql } from 'drizzle-orm'
import { boolean, check, date, doublePrecision, foreignKey, integer, primaryKey } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { counter, instant, json, label, quotient } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { analytics } from './values.ts'

/** Currencies without a known rate, and symbols without a known price, by name. */
export const unvaluedSchema = z.array(z.string())

/**
 * What one bot did on one day in its own time zone. Derived from the ledger, and replaced whenever the day is calculated again.
 *
 * Money is in the bot's base currency, at the rates of the end of the day. An amount is null where a part of it has no known
 * value: `unvalued` says of what. A ratio is null where it is not defined.
 */
export const dailyPnl = analytics.table(
  'daily_pnl',
  {
    botId: label('bot_id').notNull(),
    day: date('day', { mode: 'string' }).notNull(),
    /** The first moment of the day, and of the next one: 23 or 25 hours apart where clocks change. */
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    /** False while the day had not ended when it was calculated. */
    isComplete: boolean('is_complete').notNull(),
    baseCurrency: label('base_currency').notNull(),

    /** Realised by the fills of the day, before fees; a loss is negative. */
    realisedGross: quotient('realised_gross'),
    /** Paid, less rebates: of fills, and fees and rebates that came without one. */
    fees: quotient('fees'),
    /** Received less paid, as are the two below. */
    funding: quotient('funding'),
    interest: quotient('interest'),
    adjustments: quotient('adjustments'),
    /** Realised gross − fees + funding + interest + adjustments. */
    netPnl: quotient('net_pnl'),
    /** Unrealised PnL at the end less at the start. */
    unrealisedChange: quotient('unrealised_change'),
    /** What money held in other currencies gained by their rates. Zero where there is none. */
    revaluation: quotient('revaluation'),
    /** Net + unrealised change + revaluation: what the bot gained. External flows are no part of it. */
    totalPnl: quotient('total_pnl'),
    /** Deposits and transfers less withdrawals; and of them what came before the first fill of the day. */
    externalFlows: quotient('external_flows'),
    flowsAtStart: quotient('flows_at_start'),

    /** Initial equity, external flows and all that was realised: equity without open positions. */
    balanceStart: quotient('balance_start'),
    balanceEnd: quotient('balance_end'),
    /** The highest and the lowest balance of the day, which it starts with and each fact changes. */
    balancePeak: quotient('balance_peak'),
    balanceTrough: quotient('balance_trough'),
    /** Gross, of what was open at the end. Null where a price is missing. */
    unrealisedPnl: quotient('unrealised_pnl'),
    /** Balance and unrealised PnL. */
    equityStart: quotient('equity_start'),
    equityEnd: quotient('equity_end'),
    unvalued: json('unvalued', unvaluedSchema).notNull(),

    fillCount: integer('fill_count').notNull(),
    /** Of all fills. */
    volume: quotient('volume'),
    /** Trades closed on the day. A win has a net greater than zero, a loss one below, a draw exactly zero. */
    tradeCount: integer('trade_count').notNull(),
    winCount: integer('win_count').notNull(),
    lossCount: integer('loss_count').notNull(),
    drawCount: integer('draw_count').notNull(),
    /** Trades whose net is not known; in `tradeCount`, and in none of the other figures. */
    unvaluedTradeCount: integer('unvalued_trade_count').notNull(),
    longCount: integer('long_count').notNull(),
    shortCount: integer('short_count').notNull(),
    liquidationCount: integer('liquidation_count').notNull(),
    /** Wins / trades of known net. */
    winRate: doublePrecision('win_rate'),
    /** Net of all wins; net of all losses, which is negative. Zero of none. */
    grossProfit: quotient('gross_profit').notNull(),
    grossLoss: quotient('gross_loss').notNull(),
    /** Null of none, as are the four below. */
    averageWin: quotient('average_win'),
    averageLoss: quotient('average_loss'),
    /** Gross profit / −gross loss. */
    profitFactor: doublePrecision('profit_factor'),
    bestTrade: quotient('best_trade'),
    worstTrade: quotient('worst_trade'),
    /** How long the trades closed on the day were held. */
    averageHoldingMs: doublePrecision('average_holding_ms'),
    shortestHoldingMs: counter('shortest_holding_ms'),
    longestHoldingMs: counter('longest_holding_ms'),
    /** Since the bot began, as at the end of the day: wins in a row, or as a negative number losses in a row. */
    currentStreak: integer('current_streak').notNull(),
    longestWinStreak: integer('longest_win_streak').notNull(),
    longestLossStreak: integer('longest_loss_streak').notNull(),
    /** Circuit breakers that were tripped: the bot's own, and those of the fleet that closed its exchange. */
    breakerCount: integer('breaker_count').notNull(),
    killSwitchCount: integer('kill_switch_count').notNull(),

    /** Flow-adjusted: 0.05 is five per cent. Null where equity is not known, and where there was none to gain with. */
    returnFraction: doublePrecision('return_fraction'),
    /** From here on: since the bot began, as at the end of the day. What one unit of currency became. */
    growth: doublePrecision('growth').notNull(),
    /** Below the peak of growth, which includes the start. */
    drawdownFraction: doublePrecision('drawdown_fraction').notNull(),
    maxDrawdownFraction: doublePrecision('max_drawdown_fraction').notNull(),
    /** What was lost since the latest day at the peak, without flows. Carried over days of unknown equity, as the two above are. */
    drawdownAmount: quotient('drawdown_amount').notNull(),
    /** How many returns there are so far; the ratios of fewer than 30 say little. */
    returnCount: integer('return_count').notNull(),
    sharpe: doublePrecision('sharpe'),
    sortino: doublePrecision('sortino'),
    calmar: doublePrecision('calmar'),
    calculatedAt: instant('calculated_at').notNull(),
  },
  (day) => [
    // Serves calculateDailyPnl, getDailyPnl, listDailyPnl, getEquityCurve and getPerformance.
    primaryKey({ name: 'daily_pnl_pkey', columns: [day.botId, day.day] }),
    foreignKey({ name: 'daily_pnl_bot_id_fkey', columns: [day.botId], foreignColumns: [bots.botId] }),
    check('daily_pnl_ends_at_check', sql`${day.endsAt} > ${day.startsAt}`),
    check(
      'daily_pnl_trade_count_check',
      sql`${day.tradeCount} = ${day.winCount} + ${day.lossCount} + ${day.drawCount} + ${day.unvaluedTradeCount}`,
    ),
    check('daily_pnl_gross_loss_check', sql`${day.grossLoss} <= 0 and ${day.grossProfit} >= 0`),
    check('daily_pnl_unvalued_check', sql`jsonb_typeof(${day.unvalued}) = 'array'`),
  ],
)
