import { Decimal, ZERO } from '../../db/decimal.ts'
import { PERIODS_PER_YEAR, rollingSharpe } from '../../statistics/ratios.ts'
import { isSmallSample, SMALL_SAMPLE_RETURNS } from '../../statistics/returns.ts'
import type { TearSheetData } from './data.ts'
import { type CalendarDay, calendarOf, sharpeWindow } from './days.ts'
import { amountOf, countOf, NO_VALUE, percentOf, plural, ratioOf, type Shown } from './format.ts'
import { type TradeBin, tradeBins } from './trade-bins.ts'

/** A chart with the table behind it. Row i of the table is point i of the chart, and its tooltip shows the cells of the row. */
export interface Chart {
  readonly id: string
  readonly heading: string
  /** What one sees, for those who do not: in place of the picture. */
  readonly description: string
  /** What must be known to read it. */
  readonly notes: readonly string[]
  /** Of the table; the first is what each row is called. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Shown[])[]
  /** What is drawn: JSON, read by the script of the page. Amounts in it are cut to what a screen can show. */
  readonly plot: string
}

/** In place of a chart that has nothing to show: why. */
export interface NoChart {
  readonly id: string
  readonly heading: string
  readonly missing: string
}

export function isChart(one: Chart | NoChart): one is Chart {
  return 'plot' in one
}

const NO_DAYS =
  'No days are stored for this period, so there is nothing to draw. Calculate the daily PnL first.'
const START = 'start'
const MISSING: Shown = { text: 'not calculated' }
const UNKNOWN: Shown = { text: 'unknown' }

/** Returns the charts of a sheet in their order on the page. */
export function chartsOf(data: TearSheetData): (Chart | NoChart)[] {
  const calendar = calendarOf(data.points)
  return [
    returnChart(data, calendar),
    drawdownChart(data, calendar),
    equityChart(data, calendar),
    sharpeChart(calendar),
    tradesChart(data),
  ]
}

interface DailyChart {
  readonly id: string
  readonly heading: string
  readonly unit: 'percent' | 'amount' | 'ratio'
  readonly style: 'line' | 'gain' | 'fall'
  readonly columns: readonly string[]
  readonly description: string
  readonly notes?: readonly string[]
  /** What stood before the first day: drawn at its start. */
  readonly start: { readonly cells: readonly Shown[]; readonly y: string }
  cells(point: Point): readonly Shown[]
  /** A JSON number, or `null`. */
  y(point: Point): string
  /** Which way a mark on the line of this day points: up above zero, down below, none at zero. */
  mark?(point: Point): number
}

type Point = TearSheetData['points'][number]

function dailyChart(calendar: readonly CalendarDay[], chart: DailyChart): Chart {
  const { id, heading, unit, style, columns, description, notes = [], start } = chart
  const width = columns.length
  const rows = calendar.map(({ day, point }) => [
    { text: day },
    ...(point ? chart.cells(point) : new Array<Shown>(width).fill(MISSING)),
  ])
  const ys = calendar.map(({ point }) => (point ? chart.y(point) : 'null'))
  // The places of the marks, those that point down as negative numbers. Place 0 is the start.
  const marks = calendar.flatMap(({ point }, i) => {
    const direction = (point && chart.mark?.(point)) ?? 0
    return direction === 0 ? [] : [Math.sign(direction) * (i + 1)]
  })
  const firstDay = JSON.stringify(calendar[0]?.day ?? '')
  return {
    id,
    heading,
    description,
    notes,
    columns: ['Day', ...columns],
    rows: [[{ text: START }, ...start.cells], ...rows],
    plot: `{"kind":"daily","unit":"${unit}","style":"${style}","firstDay":${firstDay},"marks":[${marks}],"y":[${[start.y, ...ys]}]}`,
  }
}

function returnChart({ performance: { returns } }: TearSheetData, calendar: readonly CalendarDay[]) {
  const id = 'return'
  const heading = 'Cumulative return'
  if (calendar.length === 0) return { id, heading, missing: NO_DAYS }
  return dailyChart(calendar, {
    id,
    heading,
    unit: 'percent',
    style: 'gain',
    columns: ['Return of the day', 'Cumulative return'],
    description: `Line of the cumulative return by day, ${spanOf(calendar)}: ${percentOf(returns.totalReturn, SIGNED).text} in all.`,
    notes: ['Time-weighted: deposits and withdrawals are neither gain nor loss.'],
    start: { cells: [NONE, percentOf(0)], y: '0' },
    cells: (point) => [
      point.returnFraction === null ? NONE : brief(percentOf(point.returnFraction, SIGNED)),
      point.equity === null ? UNKNOWN : brief(percentOf(point.growth - 1, SIGNED)),
    ],
    y: (point) => (point.equity === null ? 'null' : plotted(point.growth - 1)),
  })
}

function drawdownChart({ performance: { returns } }: TearSheetData, calendar: readonly CalendarDay[]) {
  const id = 'drawdown'
  const heading = 'Drawdown'
  if (calendar.length === 0) return { id, heading, missing: NO_DAYS }
  return dailyChart(calendar, {
    id,
    heading,
    unit: 'percent',
    style: 'fall',
    columns: ['Below the peak'],
    description: `Area of how far each day ended below the highest point so far, ${spanOf(calendar)}. At its deepest ${percentOf(negative(returns.maxDrawdownFraction)).text}.`,
    notes: ['Below the highest cumulative return so far, the start included.'],
    start: { cells: [percentOf(0)], y: '0' },
    cells: (point) => [point.equity === null ? UNKNOWN : brief(percentOf(negative(point.drawdownFraction)))],
    y: (point) => (point.equity === null ? 'null' : plotted(-point.drawdownFraction)),
  })
}

function equityChart(data: TearSheetData, calendar: readonly CalendarDay[]): Chart | NoChart {
  const { baseCurrency, decimals, performance } = data
  const { startEquity, endEquity } = performance.returns
  const id = 'equity'
  const heading = 'Equity'
  if (calendar.length === 0) return { id, heading, missing: NO_DAYS }
  if (calendar.every(({ point }) => !point || point.equity === null)) {
    return { id, heading, missing: 'The equity of every day is unknown: prices or rates are missing.' }
  }
  const money = (amount: Decimal | null) => amountOf(amount, decimals)
  const flowOf = ({ externalFlows }: Point) => externalFlows?.cmp(ZERO) ?? 0
  return dailyChart(calendar, {
    id,
    heading,
    unit: 'amount',
    style: 'line',
    columns: [`Equity (${baseCurrency})`, 'PnL of the day', 'Deposits less withdrawals'],
    description: `Line of the equity at the end of each day in ${baseCurrency}, ${spanOf(calendar)}: from ${money(startEquity).text} to ${money(endEquity).text}.`,
    notes: calendar.some(({ point }) => point && flowOf(point) !== 0)
      ? ['A triangle marks a day with deposits (upwards) or withdrawals (downwards).']
      : [],
    start: {
      cells: [startEquity === null ? UNKNOWN : money(startEquity), NONE, NONE],
      y: plottedAmount(startEquity),
    },
    cells: ({ equity, totalPnl, externalFlows }) => [
      equity === null ? UNKNOWN : money(equity),
      totalPnl === null ? UNKNOWN : amountOf(totalPnl, decimals, SIGNED),
      externalFlows === null ? UNKNOWN : amountOf(externalFlows, decimals, SIGNED),
    ],
    y: ({ equity }) => plottedAmount(equity),
    mark: flowOf,
  })
}

function sharpeChart(calendar: readonly CalendarDay[]): Chart | NoChart {
  const id = 'sharpe'
  const heading = 'Rolling Sharpe ratio'
  if (calendar.length === 0) return { id, heading, missing: NO_DAYS }
  const days = calendar.flatMap(({ point }) =>
    point && point.returnFraction !== null ? [{ day: point.day, value: point.returnFraction }] : [],
  )
  const window = sharpeWindow(days.length)
  if (window === undefined) {
    const missing = `Too few days for a rolling ratio: ${days.length} have a known return.`
    return { id, heading, missing }
  }
  const ratios = rollingSharpe(
    days.map(({ value }) => value),
    window,
  )
  const byDay = new Map(days.map(({ day }, i) => [day, ratios[i] ?? null]))
  const ratioAt = ({ day }: Point) => byDay.get(day) ?? null
  const small = isSmallSample(window)
    ? [`Small sample: a window of fewer than ${SMALL_SAMPLE_RETURNS} returns says little.`]
    : []
  return dailyChart(calendar, {
    id,
    heading,
    unit: 'ratio',
    style: 'gain',
    columns: [`Sharpe of ${window} returns`],
    description: `Line of the Sharpe ratio of the last ${window} daily returns, ${spanOf(calendar)}.`,
    notes: [
      `Window: ${window} daily returns, annualised with √${PERIODS_PER_YEAR}, risk-free rate 0.`,
      ...small,
    ],
    start: { cells: [NONE], y: 'null' },
    cells: (point) => [ratioAt(point) === null ? NONE : brief(ratioOf(ratioAt(point)))],
    y: (point) => plotted(ratioAt(point)),
  })
}

function tradesChart({ nets, performance, baseCurrency, decimals }: TearSheetData): Chart | NoChart {
  const id = 'trades'
  const heading = 'Distribution of trades'
  const { tradeCount, winCount, lossCount, drawCount, unvaluedTradeCount } = performance
  if (tradeCount === 0) return { id, heading, missing: 'No trade was closed in this period.' }
  if (nets.length === 0) return { id, heading, missing: 'The net of no trade is known: rates are missing.' }
  const bins = tradeBins(nets)
  const isOpen = bins.some(({ from, to }) => from === null || to === null)
  return {
    id,
    heading,
    description: `Bars of how many trades ended with which net result: ${plural(winCount, 'win')}, ${plural(lossCount, 'loss', 'losses')}, ${plural(drawCount, 'draw')}.`,
    notes: [
      `Net per trade in ${baseCurrency}, after fees and funding. Losses are left of zero; a draw counts right of it.`,
      ...(isOpen ? ['The outermost bar without an end takes all trades that lie further out.'] : []),
      ...(unvaluedTradeCount > 0
        ? [`${plural(unvaluedTradeCount, 'trade')} of unknown net: in none of the bars.`]
        : []),
    ],
    columns: [`Net (${baseCurrency})`, 'Trades', 'Share'],
    rows: bins.map((bin) => [
      { text: binText(bin, decimals) },
      countOf(bin.count),
      percentOf(bin.count / nets.length),
    ]),
    plot: JSON.stringify({
      kind: 'bars',
      counts: bins.map(({ count }) => count),
      // What stands at each edge, of which there is one more than there are bars.
      edges: [...bins.map(({ from }) => from), bins.at(-1)?.to ?? null].map((edge) =>
        edge === null ? '' : edgeText(edge, decimals),
      ),
      losses: bins.filter(({ to }) => to !== null && to <= 0).length,
    }),
  }
}

const SIGNED = { isSigned: true }

/** Rounded and no more: with every digit of two doubles a day, five years would take a third more room. */
function brief(shown: Shown): Shown {
  return { text: shown.text }
}

const NONE: Shown = { text: '–' }

function negative(fraction: number | null): number | null {
  return fraction === null ? null : fraction === 0 ? 0 : -fraction
}

function spanOf(calendar: readonly CalendarDay[]): string {
  return `${calendar[0]?.day ?? NO_VALUE} to ${calendar.at(-1)?.day ?? NO_VALUE}`
}

const PLOT_DIGITS = 9

function plotted(value: number | null): string {
  return value === null ? 'null' : String(Number.isFinite(value) ? +value.toPrecision(PLOT_DIGITS) : null)
}

/** Written as it is: JSON has no limit to the digits of a number. */
function plottedAmount(amount: Decimal | null): string {
  return amount === null ? 'null' : amount.toSignificantDigits(PLOT_DIGITS).toFixed()
}

/** An edge is a round number; on a page of two decimals, one of 0.5 is 0.50. */
function edgeText(edge: number, decimals: number): string {
  const amount = new Decimal(String(edge))
  return amountOf(amount, amount.isInteger() ? 0 : decimals).text
}

function binText({ from, to }: TradeBin, decimals: number): string {
  if (from === null) return to === null ? 'all' : `below ${edgeText(to, decimals)}`
  if (to === null) return `${edgeText(from, decimals)} and above`
  return `${edgeText(from, decimals)} to below ${edgeText(to, decimals)}`
}
