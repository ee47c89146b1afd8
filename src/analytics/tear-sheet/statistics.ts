import type { Decimal } from '../../db/decimal.ts'
import { SMALL_SAMPLE_RETURNS } from '../../statistics/returns.ts'
import type { TearSheetData } from './data.ts'
import { amountOf, countOf, durationOf, percentOf, plural, ratioOf, type Shown } from './format.ts'

/** A figure, and what it is or why it has no value. */
export interface Figure {
  readonly name: string
  readonly value: Shown
  readonly note: string
}

export interface FigureGroup {
  readonly heading: string
  readonly figures: readonly Figure[]
}

const SIGNED = { isSigned: true }

/** Returns every figure of a performance in groups, as a sheet shows them. */
export function statisticsOf(data: TearSheetData): FigureGroup[] {
  return [
    { heading: 'Returns', figures: returnFigures(data) },
    { heading: 'Result of trades', figures: resultFigures(data) },
    { heading: 'Trades', figures: tradeFigures(data) },
    { heading: 'Streaks and holding times', figures: timeFigures(data) },
  ]
}

function returnFigures({ performance: { returns }, baseCurrency, decimals }: TearSheetData): Figure[] {
  const money = (amount: Decimal | null, options = {}) => amountOf(amount, decimals, options)
  const few = returns.smallSample ? `small sample: fewer than ${SMALL_SAMPLE_RETURNS} returns` : ''
  const why = (value: number | null, note: string, ifNull: string) =>
    value === null ? ifNull : [note, few].filter(Boolean).join('; ')
  const NO_RETURN = 'no day has a return'
  return [
    of(
      'Total return',
      percentOf(returns.totalReturn, SIGNED),
      why(returns.totalReturn, 'time-weighted', NO_RETURN),
    ),
    of('CAGR', percentOf(returns.cagr, SIGNED), why(returns.cagr, 'growth per 365 days', 'not defined')),
    of(
      'Volatility',
      percentOf(returns.volatility),
      why(returns.volatility, 'of a year', 'fewer than two returns'),
    ),
    of(
      'Sharpe',
      ratioOf(returns.sharpe),
      why(returns.sharpe, 'of a year', 'fewer than two returns, or all the same'),
    ),
    of(
      'Sortino',
      ratioOf(returns.sortino),
      why(returns.sortino, 'of a year', 'no return below the least acceptable one'),
    ),
    of('Calmar', ratioOf(returns.calmar), why(returns.calmar, 'CAGR / deepest drawdown', 'no drawdown')),
    of(
      'Deepest drawdown',
      percentOf(returns.maxDrawdownFraction === null ? null : -returns.maxDrawdownFraction || 0),
      returns.maxDrawdownFraction === null ? NO_RETURN : 'below the highest point so far, the start included',
    ),
    of(
      `Deepest drawdown (${baseCurrency})`,
      money(returns.maxDrawdownAmount),
      'lost since the peak, without withdrawals',
    ),
    of(
      `Equity at the start (${baseCurrency})`,
      money(returns.startEquity),
      returns.startEquity ? '' : 'unknown',
    ),
    of(`Equity at the end (${baseCurrency})`, money(returns.endEquity), returns.endEquity ? '' : 'unknown'),
    of(
      `Deposits less withdrawals (${baseCurrency})`,
      money(returns.externalFlows, SIGNED),
      returns.externalFlows ? 'no part of any return' : 'unknown',
    ),
    of('Days with a return', countOf(returns.returnCount), few),
    of(
      'Days of unknown equity',
      countOf(returns.unknownDays),
      returns.unknownDays > 0 ? 'a price or rate is missing' : '',
    ),
    of('First day', textOr(returns.firstDay), returns.firstDay ? '' : 'no day is stored'),
    of('Last day', textOr(returns.lastDay), returns.lastDay ? '' : 'no day is stored'),
  ]
}

function resultFigures({ performance, baseCurrency, decimals }: TearSheetData): Figure[] {
  const { smallSample } = performance
  const few = smallSample ? `small sample: fewer than ${SMALL_SAMPLE_RETURNS} trades` : ''
  const money = (name: string, amount: Decimal | null, note: string, ifNull = 'a rate is missing') =>
    of(`${name} (${baseCurrency})`, amountOf(amount, decimals, SIGNED), amount === null ? ifNull : note)
  const cost = (name: string, amount: Decimal | null, note: string) =>
    of(`${name} (${baseCurrency})`, amountOf(amount, decimals), amount === null ? 'a rate is missing' : note)
  const ratio = (name: string, value: number | null, note: string, ifNull: string) =>
    of(name, ratioOf(value), value === null ? ifNull : [note, few].filter(Boolean).join('; '))
  return [
    money('Net PnL of trades', performance.netPnl, 'gross − fees + funding'),
    money('Gross PnL', performance.gross, 'before fees and funding'),
    cost('Fees', performance.fees, 'positive when paid'),
    money('Funding', performance.funding, 'positive when received'),
    money('Gross profit', performance.grossProfit, 'net of all wins'),
    money('Gross loss', performance.grossLoss, 'net of all losses'),
    ratio('Profit factor', performance.profitFactor, 'gross profit / −gross loss', 'no losing trade'),
    money(
      'Expectancy',
      performance.expectancy,
      ['mean net per trade', few].filter(Boolean).join('; '),
      'no trade of known net',
    ),
    money('Average win', performance.averageWin, '', 'no winning trade'),
    money('Average loss', performance.averageLoss, '', 'no losing trade'),
    ratio('Payoff', performance.payoff, 'average win / −average loss', 'no win or no loss'),
    ratio(
      'SQN',
      performance.sqn,
      '√trades · mean / deviation of net',
      'fewer than two trades, or all the same',
    ),
    money('Best trade', performance.best, '', 'no trade of known net'),
    money('Worst trade', performance.worst, '', 'no trade of known net'),
  ]
}

function tradeFigures({ performance }: TearSheetData): Figure[] {
  const { winRate, winRateExDraws, unvaluedTradeCount } = performance
  return [
    of(
      'Trades',
      countOf(performance.tradeCount),
      performance.smallSample ? `small sample: fewer than ${SMALL_SAMPLE_RETURNS} of known net` : '',
    ),
    of('Wins', countOf(performance.winCount), ''),
    of('Losses', countOf(performance.lossCount), ''),
    of('Draws', countOf(performance.drawCount), 'net exactly zero'),
    of(
      'Trades of unknown net',
      countOf(unvaluedTradeCount),
      unvaluedTradeCount > 0 ? 'in none of the amounts' : '',
    ),
    of(
      'Win rate',
      percentOf(winRate),
      winRate === null ? 'no trade of known net' : 'wins / trades, draws among them',
    ),
    of(
      'Win rate without draws',
      percentOf(winRateExDraws),
      winRateExDraws === null ? 'no win and no loss' : 'wins / (wins + losses)',
    ),
    of('Long', countOf(performance.longCount), ''),
    of('Short', countOf(performance.shortCount), ''),
    of('Liquidations', countOf(performance.liquidationCount), ''),
  ]
}

function timeFigures({ performance }: TearSheetData): Figure[] {
  const { currentStreak } = performance
  const held = (name: string, ms: number | null) => of(name, durationOf(ms), ms === null ? 'no trade' : '')
  return [
    of('Longest run of wins', countOf(performance.longestWinStreak), ''),
    of('Longest run of losses', countOf(performance.longestLossStreak), ''),
    of('Current run', countOf(currentStreak), streakText(currentStreak)),
    held('Average holding time', performance.averageHoldingMs),
    held('Median holding time', performance.medianHoldingMs),
    held('Shortest holding time', performance.shortestHoldingMs),
    held('Longest holding time', performance.longestHoldingMs),
  ]
}

function of(name: string, value: Shown, note: string): Figure {
  return { name, value, note }
}

function textOr(text: string | null): Shown {
  return text === null ? { text: 'none' } : { text }
}

function streakText(streak: number): string {
  if (streak === 0) return 'neither wins nor losses'
  return streak > 0
    ? plural(streak, 'win in a row', 'wins in a row')
    : plural(-streak, 'loss in a row', 'losses in a row')
}

/** The figures at the top of a sheet. */
export function headlineOf({ performance, baseCurrency, decimals }: TearSheetData): Figure[] {
  const { returns } = performance
  const few = (isFew: boolean, text: string) => (isFew ? `${text} · small sample` : text)
  const days = few(returns.smallSample, plural(returns.returnCount, 'daily return'))
  return [
    of('Total return', percentOf(returns.totalReturn, SIGNED), 'time-weighted'),
    of('CAGR', percentOf(returns.cagr, SIGNED), days),
    of('Sharpe', ratioOf(returns.sharpe), days),
    of(
      'Deepest drawdown',
      percentOf(returns.maxDrawdownFraction === null ? null : -returns.maxDrawdownFraction || 0),
      returns.maxDrawdownAmount === null
        ? ''
        : `${amountOf(returns.maxDrawdownAmount, decimals).text} ${baseCurrency}`,
    ),
    of('Net PnL of trades', amountOf(performance.netPnl, decimals, SIGNED), baseCurrency),
    of(
      'Profit factor',
      ratioOf(performance.profitFactor),
      performance.profitFactor === null ? 'no losing trade' : 'wins / losses',
    ),
    of(
      'Win rate',
      percentOf(performance.winRate),
      few(performance.smallSample, plural(performance.tradeCount, 'trade')),
    ),
    of('Equity at the end', amountOf(returns.endEquity, decimals), baseCurrency),
  ]
}
