import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import { type Amount, toAmountText, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { toArray } from '../market/record-values.ts'
import { optional } from './record-once.ts'
import { BACKTEST_DIRECTIONS, type BacktestDirection, type StrategyDocument } from './schema/values.ts'
import { toSymbols } from './strategies.ts'

export interface BacktestEquityInput {
  readonly at: Date
  /** In the backtest's currency; negative when in debt. */
  readonly equity: Amount
}

export interface BacktestTradeInput {
  readonly symbol: string
  readonly direction: BacktestDirection
  /** In base currency, or in contracts. Positive. */
  readonly quantity: Amount
  /** In quote currency. Not negative. */
  readonly entryPrice: Amount
  readonly exitPrice: Amount
  readonly openedAt: Date
  readonly closedAt: Date
  /** In the backtest's currency; negative for a rebate. Zero unless given. */
  readonly fees?: Amount | undefined
  /** In the backtest's currency, after fees; a loss is negative. */
  readonly netPnl: Amount
}

export interface RecordBacktestInput {
  /** A UUID of the caller's, which makes it safe to repeat, as does `externalId`. Made here if left out. */
  readonly id?: string | undefined
  readonly strategyId: string
  /** The id of the program that ran it; unique for the strategy. */
  readonly externalId?: string | null | undefined
  readonly exchange?: string | null | undefined
  readonly symbols?: readonly string[] | undefined
  readonly timeframe?: string | null | undefined
  /** The first moment of the data, and the first after it. */
  readonly periodStartAt: Date
  readonly periodEndAt: Date
  readonly parameters?: StrategyDocument | undefined
  /** Ratios as numbers, amounts as decimal text. */
  readonly metrics?: StrategyDocument | undefined
  /** In `currency`. Positive. */
  readonly initialEquity: Amount
  /** In `currency`. Negative when in debt. */
  readonly finalEquity: Amount
  readonly currency?: string | null | undefined
  readonly notes?: string | null | undefined
  /** The database's clock if left out. */
  readonly ranAt?: Date | undefined
  /** What it was worth, at moments that are each there once. */
  readonly equity?: readonly BacktestEquityInput[] | undefined
  /** Its round trips, in the order that they shall be listed in. */
  readonly trades?: readonly BacktestTradeInput[] | undefined
}

/** The row of a backtest. @throws `invalid_input` naming the field. */
export function readBacktest(input: RecordBacktestInput) {
  return {
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    strategyId: toUuid(input.strategyId, 'strategyId'),
    externalId: optional(input.externalId, 'externalId', toName),
    exchange: optional(input.exchange, 'exchange', toName),
    symbols: optional(input.symbols, 'symbols', toSymbols) ?? undefined,
    timeframe: optional(input.timeframe, 'timeframe', toName),
    periodStartAt: toInstant(input.periodStartAt, 'periodStartAt'),
    periodEndAt: toInstant(input.periodEndAt, 'periodEndAt'),
    parameters: input.parameters,
    metrics: input.metrics,
    initialEquity: toPositive(input.initialEquity, 'initialEquity'),
    finalEquity: toDecimal(input.finalEquity, 'finalEquity'),
    currency: optional(input.currency, 'currency', toName),
    notes: optional(input.notes, 'notes', toLabel),
    ranAt: optional(input.ranAt, 'ranAt', toInstant) ?? undefined,
  }
}

/** The curve as rows of JSON, in the order of time. @throws `invalid_input` naming the point and its field. */
export function readCurve(points: readonly BacktestEquityInput[]) {
  const rows = toArray(points, 'equity').map((point, i) => ({
    at: toInstant(point.at, `equity[${i}].at`).toISOString(),
    equity: toAmountText(point.equity, `equity[${i}].equity`),
  }))
  const seen = new Set<string>()
  for (const [i, { at }] of rows.entries()) {
    if (seen.has(at)) {
      const field = `equity[${i}].at`
      throw new DataError('invalid_input', `${field} '${at}' is there twice`, { field })
    }
    seen.add(at)
  }
  return rows
}

/** The round trips as rows of JSON, numbered from 1. @throws `invalid_input` naming the trade and its field. */
export function readTrades(trades: readonly BacktestTradeInput[]) {
  return toArray(trades, 'trades').map((trade, i) => {
    const at = `trades[${i}]`
    return {
      ordinal: i + 1,
      symbol: toName(trade.symbol, `${at}.symbol`),
      direction: toOneOf(trade.direction, BACKTEST_DIRECTIONS, `${at}.direction`),
      quantity: toPositive(trade.quantity, `${at}.quantity`).toFixed(),
      entry_price: toAmountText(trade.entryPrice, `${at}.entryPrice`),
      exit_price: toAmountText(trade.exitPrice, `${at}.exitPrice`),
      opened_at: toInstant(trade.openedAt, `${at}.openedAt`).toISOString(),
      closed_at: toInstant(trade.closedAt, `${at}.closedAt`).toISOString(),
      fees: toAmountText(trade.fees ?? '0', `${at}.fees`),
      net_pnl: toAmountText(trade.netPnl, `${at}.netPnl`),
    }
  })
}
