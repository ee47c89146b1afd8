import { type Amount, Decimal, divide, toDecimal, ZERO } from '../db/decimal.ts'
import { readNumber } from './numbers.ts'
import { isSmallSample } from './returns.ts'

/** A closed trade, as far as its result is concerned. */
export interface TradeResult {
  /** What it earned after all costs, in one currency throughout; negative for a loss. Null where that is not known. */
  readonly netPnl: Amount | null
  readonly direction?: 'long' | 'short' | undefined
  /** From its first fill to its last. */
  readonly holdingMs?: number | undefined
}

/**
 * What a list of trades says. Amounts are net of all costs and exact, but for the means, which `divide` rounds; losses are
 * negative.
 */
export interface TradeStatistics {
  readonly tradeCount: number
  readonly winCount: number
  readonly lossCount: number
  /** Trades of exactly zero net: neither win nor loss. */
  readonly drawCount: number
  /** Trades of unknown net. They are counted here, in `tradeCount` and by direction and holding time, and nowhere else. */
  readonly unvaluedTradeCount: number
  readonly longCount: number
  readonly shortCount: number
  /** True below thirty trades of known net. */
  readonly smallSample: boolean
  /** Wins / trades of known net, draws among them. Null of none. */
  readonly winRate: number | null
  /** Wins / (wins + losses). Null of none. */
  readonly winRateExDraws: number | null
  /** Σ of the wins. */
  readonly grossProfit: Decimal
  /** Σ of the losses: not positive. */
  readonly grossLoss: Decimal
  readonly netPnl: Decimal
  /** Σ wins / |Σ losses|. Null where there is no loss. */
  readonly profitFactor: number | null
  /** The mean of all trades of known net. Null of none. */
  readonly expectancy: Decimal | null
  /** Null where there is no win. */
  readonly averageWin: Decimal | null
  /** Negative. Null where there is no loss. */
  readonly averageLoss: Decimal | null
  /** Mean win / |mean loss|. Null where there is no win or no loss. */
  readonly payoff: number | null
  /** System quality number, by van Tharp: √n · mean / std(n − 1). Null under two trades, and where all are the same. */
  readonly sqn: number | null
  readonly best: Decimal | null
  readonly worst: Decimal | null
  /** Wins in a row at the end; losses as a negative number. Zero after a draw and after a trade of unknown net. */
  readonly currentStreak: number
  readonly longestWinStreak: number
  readonly longestLossStreak: number
  /** The next three are of the trades that tell how long they were held; null where none does. */
  readonly averageHoldingMs: number | null
  readonly shortestHoldingMs: number | null
  readonly longestHoldingMs: number | null
}

/**
 * Returns what closed trades say, given in the order in which they were closed.
 *
 * Each ratio is one quotient of exact amounts, and a double only then.
 *
 * @throws `invalid_input` naming the place, as `trades[3].netPnl`.
 */
export function tradeStatistics(trades: readonly TradeResult[]): TradeStatistics {
  const nets = trades.map(({ netPnl }, i) =>
    netPnl === null ? null : readNet(netPnl, `trades[${i}].netPnl`),
  )
  const known = nets.filter((net) => net !== null)
  const wins = known.filter((net) => net.gt(0))
  const losses = known.filter((net) => net.lt(0))
  const grossProfit = sum(wins)
  const grossLoss = sum(losses)
  return {
    tradeCount: trades.length,
    unvaluedTradeCount: trades.length - known.length,
    longCount: trades.filter(({ direction }) => direction === 'long').length,
    shortCount: trades.filter(({ direction }) => direction === 'short').length,
    netPnl: grossProfit.plus(grossLoss),
    ...tradeRatios({
      knownCount: known.length,
      winCount: wins.length,
      lossCount: losses.length,
      grossProfit,
      grossLoss,
      squares: sum(known.map((net) => net.times(net))),
    }),
    best: pick(known, (net, best) => net.gt(best)),
    worst: pick(known, (net, worst) => net.lt(worst)),
    ...streaksOf(nets),
    ...holdingTimes(trades),
  }
}

/** What trades of known net add up to. */
export interface TradeSums {
  readonly knownCount: number
  readonly winCount: number
  readonly lossCount: number
  /** Σ of the wins. */
  readonly grossProfit: Decimal
  /** Σ of the losses: not positive. */
  readonly grossLoss: Decimal
  /** Σ of the squares of all nets. */
  readonly squares: Decimal
}

export type TradeRatios = Pick<
  TradeStatistics,
  | 'winCount'
  | 'lossCount'
  | 'drawCount'
  | 'smallSample'
  | 'winRate'
  | 'winRateExDraws'
  | 'grossProfit'
  | 'grossLoss'
  | 'profitFactor'
  | 'expectancy'
  | 'averageWin'
  | 'averageLoss'
  | 'payoff'
  | 'sqn'
>

/** Returns what follows from sums alone, wherever they were made. */
export function tradeRatios(sums: TradeSums): TradeRatios {
  const { knownCount, winCount, lossCount, grossProfit, grossLoss, squares } = sums
  const netPnl = grossProfit.plus(grossLoss)
  const lossSize = grossLoss.negated()
  return {
    winCount,
    lossCount,
    drawCount: knownCount - winCount - lossCount,
    smallSample: isSmallSample(knownCount),
    winRate: share(winCount, knownCount),
    winRateExDraws: share(winCount, winCount + lossCount),
    grossProfit,
    grossLoss,
    profitFactor: quotient(grossProfit, lossSize),
    expectancy: meanOf(netPnl, knownCount),
    averageWin: meanOf(grossProfit, winCount),
    averageLoss: meanOf(grossLoss, lossCount),
    payoff: quotient(grossProfit.times(lossCount), lossSize.times(winCount)),
    sqn: systemQuality(knownCount, netPnl, squares),
  }
}

/** With more digits than this on either side of the point, squares and their sums would no longer be exact. */
const NET_DIGITS = 100
const NET_PATTERN = new RegExp(`^[+-]?\\d{1,${NET_DIGITS}}(?:\\.\\d{1,${NET_DIGITS}})?$`)

/** A net result is made of products and quotients, so it has more digits than the amounts that `toDecimal` lets in. */
function readNet(value: Amount, field: string): Decimal {
  // Of what is a Decimal already no text need be made, and most are.
  if (Decimal.isDecimal(value) && value.constructor === Decimal) {
    if (value.e < NET_DIGITS && value.decimalPlaces() <= NET_DIGITS) return value.isZero() ? ZERO : value
  }
  const text = Decimal.isDecimal(value) ? value.toFixed() : value
  // A pattern would take a number for its text.
  const net = typeof text === 'string' && NET_PATTERN.test(text) ? new Decimal(text) : toDecimal(value, field)
  return net.isZero() ? ZERO : net
}

function sum(amounts: readonly Decimal[]): Decimal {
  return amounts.reduce((total, amount) => total.plus(amount), ZERO)
}

function pick(nets: readonly Decimal[], isBetter: (net: Decimal, than: Decimal) => boolean): Decimal | null {
  let found = nets[0] ?? null
  for (const net of nets) if (found && isBetter(net, found)) found = net
  return found
}

function meanOf(total: Decimal, count: number): Decimal | null {
  return count === 0 ? null : divide(total, new Decimal(count))
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}

function quotient(a: Decimal, b: Decimal): number | null {
  return b.isZero() ? null : divide(a, b).toNumber()
}

/** √n · mean / std(n − 1), with S = Σx and Q = Σx², is the root of S²(n − 1) / (nQ − S²), with the sign of S. */
function systemQuality(count: number, total: Decimal, squares: Decimal): number | null {
  const square = total.times(total)
  const ofSquare = quotient(square.times(count - 1), squares.times(count).minus(square))
  if (ofSquare === null) return null
  return total.isNegative() ? -Math.sqrt(ofSquare) : Math.sqrt(ofSquare)
}

type Streaks = Pick<TradeStatistics, 'currentStreak' | 'longestWinStreak' | 'longestLossStreak'>

function streaksOf(nets: readonly (Decimal | null)[]): Streaks {
  let currentStreak = 0
  let longestWinStreak = 0
  let longestLossStreak = 0
  for (const net of nets) {
    if (net === null || net.isZero()) currentStreak = 0
    else if (net.gt(0)) currentStreak = Math.max(currentStreak, 0) + 1
    else currentStreak = Math.min(currentStreak, 0) - 1
    longestWinStreak = Math.max(longestWinStreak, currentStreak)
    longestLossStreak = Math.max(longestLossStreak, -currentStreak)
  }
  return { currentStreak, longestWinStreak, longestLossStreak }
}

type HoldingTimes = Pick<TradeStatistics, 'averageHoldingMs' | 'shortestHoldingMs' | 'longestHoldingMs'>

function holdingTimes(trades: readonly TradeResult[]): HoldingTimes {
  let count = 0
  let total = 0
  let shortest = Infinity
  let longest = 0
  for (const [i, { holdingMs }] of trades.entries()) {
    if (holdingMs === undefined) continue
    readNumber(holdingMs, `trades[${i}].holdingMs`, { least: 0 })
    count += 1
    total += holdingMs
    shortest = Math.min(shortest, holdingMs)
    longest = Math.max(longest, holdingMs)
  }
  if (count === 0) return { averageHoldingMs: null, shortestHoldingMs: null, longestHoldingMs: null }
  return { averageHoldingMs: total / count, shortestHoldingMs: shortest, longestHoldingMs: longest }
}
