import { doublePrecision } from 'drizzle-orm/pg-core'
import { counter, instant, json, label, quotient } from '../../db/columns.ts'
import { BOT_MODES, BOT_STATUSES } from '../../fleet/schema.ts'
import { orderChecksSchema } from '../../trading/schema/orders.ts'
import { KILL_SWITCH_STATUSES } from './gates.ts'
import { symbolListSchema, VALUE_AT_RISK_METHODS } from './measures.ts'
import { risk, TRADING_STATES } from './values.ts'

export const SWITCH_STATUSES = ['off', ...KILL_SWITCH_STATUSES] as const

/** The risk of every bot as of now. Amounts are in the bot's base currency. */
export const riskSummary = risk
  .view('summary', {
    botId: label('bot_id').notNull(),
    botName: label('bot_name').notNull(),
    exchange: label('exchange').notNull(),
    mode: label('mode', BOT_MODES).notNull(),
    baseCurrency: label('base_currency').notNull(),
    botStatus: label('bot_status', BOT_STATUSES).notNull(),
    state: label('state', TRADING_STATES).notNull(),
    /** What makes it so: each check that failed. Empty while active. */
    blocks: json('blocks', orderChecksSchema).notNull(),
    checkedAt: instant('checked_at').notNull(),
    killSwitchStatus: label('kill_switch_status', SWITCH_STATUSES).notNull(),
    /** Those that are not over, of the bot and of the fleet, whatever symbol or side they close. */
    activeBreakers: counter('active_breakers').notNull(),
    activeLocks: counter('active_locks').notNull(),
    openPositions: counter('open_positions').notNull(),
    pendingOrders: counter('pending_orders').notNull(),
    /** Symbols held that cannot be valued, and are in none of the amounts. */
    unpriced: json('unpriced', symbolListSchema).notNull(),
    /** Long and short together. */
    exposure: quotient('exposure').notNull(),
    /** Long less short. */
    netExposure: quotient('net_exposure').notNull(),
    /** Null if not known, or seen too long ago. */
    equity: quotient('equity'),
    /** Exposure / equity. Null while either is not known. */
    leverage: doublePrecision('leverage'),
    /** Sum of the squared shares of exposure: 1 for a single symbol. Null of nothing. */
    concentration: doublePrecision('concentration'),
    /** Mean size of the correlations of what is held, by the newest matrix of a week that has all of it. 0 for one symbol. */
    correlation: doublePrecision('correlation'),
    /** Mean score of what is held, 0 to 1. Null of nothing, and where one was not measured in the last day. */
    liquidity: doublePrecision('liquidity'),
    /** As observed last, however long ago: see `drawdownObservedAt`. */
    drawdownFraction: doublePrecision('drawdown_fraction'),
    maxDrawdownFraction: doublePrecision('max_drawdown_fraction'),
    drawdownObservedAt: instant('drawdown_observed_at'),
    /** Realised on the bot's day, after fees and funding. Null while something of it cannot be valued. */
    dayNetPnl: quotient('day_net_pnl'),
    /** What closed entries last, the switch or a circuit breaker, be it over or not. Null if nothing ever did. */
    lastHaltReason: label('last_halt_reason'),
    lastHaltAt: instant('last_halt_at'),
    /** The last calculation; null before the first. */
    valueAtRiskMethod: label('value_at_risk_method', VALUE_AT_RISK_METHODS),
    valueAtRiskConfidence: doublePrecision('value_at_risk_confidence'),
    valueAtRiskHorizonDays: doublePrecision('value_at_risk_horizon_days'),
    valueAtRisk: quotient('value_at_risk'),
    valueAtRiskFraction: doublePrecision('value_at_risk_fraction'),
    valueAtRiskUnpriced: json('value_at_risk_unpriced', symbolListSchema),
    valueAtRiskCalculatedAt: instant('value_at_risk_calculated_at'),
    /** Of the bot, not resolved. */
    openAlerts: counter('open_alerts').notNull(),
  })
  .existing()
