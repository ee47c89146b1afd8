import { type SQL, sql } from 'drizzle-orm'
import { type Decimal, readStored, ZERO } from '../db/decimal.ts'
import { tradeRatios } from '../statistics/trade-statistics.ts'

/**
 * What closed trades say, as `tradeStatistics` of `tradeblotter/statistics` has it. Amounts are in base currency and exact, but for
 * the means, which are rounded to 40 decimals.
 */
export interface TradeFigures {
  readonly tradeCount: number
  readonly winCount: number
  readonly lossCount: number
  /** Trades of exactly zero net: neither win nor loss. */
  readonly drawCount: number
  /** Trades of unknown net. They are in no amount, no rate and no average of money. */
  readonly unvaluedTradeCount: number
  readonly longCount: number
  readonly shortCount: number
  readonly liquidationCount: number
  /** Wins / trades of known net, draws among them. Null of none. */
  readonly winRate: number | null
  /** Wins / (wins + losses). Null of none. */
  readonly winRateExDraws: number | null
  /** Σ net of the wins. Zero of none. */
  readonly grossProfit: Decimal
  /** Σ net of the losses: not positive. */
  readonly grossLoss: Decimal
  /** Gross − fees + funding: the four are of the trades of known net, so they add up. */
  readonly netPnl: Decimal
  /** Before fees and funding. */
  readonly gross: Decimal
  /** Paid, less rebates. */
  readonly fees: Decimal
  /** Received less paid. */
  readonly funding: Decimal
  /** Σ wins / |Σ losses|. Null where there is no loss. */
  readonly profitFactor: number | null
  /** Mean net. Null of none. */
  readonly expectancy: Decimal | null
  /** Null where there is no win. */
  readonly averageWin: Decimal | null
  /** Negative. Null where there is no loss. */
  readonly averageLoss: Decimal | null
  /** Mean win / |mean loss|. Null where there is no win or no loss. */
  readonly payoff: number | null
  /** System quality number: √n · mean / std(n − 1) of net. Null under two trades, and where all are the same. */
  readonly sqn: number | null
  readonly best: Decimal | null
  readonly worst: Decimal | null
  readonly longestWinStreak: number
  readonly longestLossStreak: number
  /** Wins in a row at the end; losses as a negative number. Zero after a draw and after a trade of unknown net. */
  readonly currentStreak: number
  /** From the first fill to the last, of all trades. Null of none, as are the three below. */
  readonly averageHoldingMs: number | null
  readonly medianHoldingMs: number | null
  readonly shortestHoldingMs: number | null
  readonly longestHoldingMs: number | null
  /** True below thirty trades of known net. */
  readonly smallSample: boolean
}

/** The columns of one row of `figuresOf`, in their order, as the session returns them. */
export type FigureValues = readonly [
  tradeCount: number,
  knownCount: number,
  winCount: number,
  lossCount: number,
  longCount: number,
  liquidationCount: number,
  grossProfit: string | null,
  grossLoss: string | null,
  squares: string | null,
  gross: string | null,
  fees: string | null,
  best: string | null,
  worst: string | null,
  longestWinStreak: number | null,
  longestLossStreak: number | null,
  lastWithoutWin: number,
  lastWithoutLoss: number,
  heldMs: number | null,
  medianHoldingMs: number | null,
  shortestHoldingMs: number | null,
  longestHoldingMs: number | null,
]

/**
 * A select with one row per group: the group's name, and what figures are made of. Without a group there is one row, of a null name,
 * also of no trades.
 *
 * `trades` is what is read: a table expression with the columns of `analytics.trades_of`. `order` is that of closing. It must begin with what
 * an index gives where there is no group: then only what is closed in one instant is sorted.
 */
export function figuresOf(trades: SQL, order: SQL, group: SQL | undefined): SQL {
  const [named, placed, inGroup] = group
    ? [sql`${group} as name, `, sql`partition by ${group} `, sql`partition by name `]
    : [sql``, sql``, sql``]
  // A run of wins that ends with a trade is as long as the places since the last trade that was none.
  return sql`
    select ${group ? sql`name` : sql`null::text as name`}, count(*)::int, count(net)::int, (count(*) filter (where net > 0))::int,
      (count(*) filter (where net < 0))::int, (count(*) filter (where direction = 'long'))::int, (count(*) filter (where is_liquidation))::int,
      sum(net) filter (where net > 0), sum(net) filter (where net < 0), sum(net * net),
      sum(gross) filter (where net is not null), sum(fees) filter (where net is not null), max(net), min(net),
      max(place - coalesce(without_win, 0))::int, max(place - coalesce(without_loss, 0))::int,
      coalesce(max(without_win), 0)::int, coalesce(max(without_loss), 0)::int,
      sum(held_ms), percentile_cont(0.5) within group (order by held_ms), min(held_ms), max(held_ms)
    from (
      select *, max(place) filter (where net is null or net <= 0) over closing as without_win,
        max(place) filter (where net is null or net >= 0) over closing as without_loss
      from (
        select ${named}bot_id, closed_at, opened_at, trade_id, direction, is_liquidation, net, gross, fees,
          round(date_part('epoch', closed_at - opened_at) * 1000) as held_ms, row_number() over (${placed}order by ${order}) as place
        from ${trades}) placed
      window closing as (${inGroup}order by ${order} rows unbounded preceding)) run
    ${group ? sql`group by name` : sql``}`
}

/** Makes the figures of one row of `figuresOf`. */
export function toFigures(values: FigureValues): TradeFigures {
  const [tradeCount, knownCount, winCount, lossCount, longCount, liquidationCount] = values
  const grossProfit = amountOf(values[6])
  const grossLoss = amountOf(values[7])
  const netPnl = grossProfit.plus(grossLoss)
  const gross = amountOf(values[9])
  const fees = amountOf(values[10])
  const heldMs = values[17]
  return {
    tradeCount,
    unvaluedTradeCount: tradeCount - knownCount,
    longCount,
    shortCount: tradeCount - longCount,
    liquidationCount,
    ...tradeRatios({ knownCount, winCount, lossCount, grossProfit, grossLoss, squares: amountOf(values[8]) }),
    netPnl,
    gross,
    fees,
    funding: netPnl.minus(gross).plus(fees),
    best: values[11] === null ? null : readStored(values[11]),
    worst: values[12] === null ? null : readStored(values[12]),
    longestWinStreak: values[13] ?? 0,
    longestLossStreak: values[14] ?? 0,
    // One of the two is zero: the last trade was no win, or no loss.
    currentStreak: values[16] - values[15],
    averageHoldingMs: heldMs === null ? null : heldMs / tradeCount,
    medianHoldingMs: values[18],
    shortestHoldingMs: values[19],
    longestHoldingMs: values[20],
  }
}

function amountOf(sum: string | null): Decimal {
  return sum === null ? ZERO : readStored(sum)
}
