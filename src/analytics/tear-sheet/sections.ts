import type { Decimal } from '../../db/decimal.ts'
import { type Chart, isChart, type NoChart } from './charts.ts'
import type { TearSheetData } from './data.ts'
import { amountOf, countOf, durationOf, percentOf, plural, ratioOf, type Shown } from './format.ts'
import { escapeJson, Html, html, type Part } from './html.ts'
import { HEAT_STEPS, heatOf, monthlyReturns, type PeriodCell } from './months.ts'
import { type FigureGroup, statisticsOf } from './statistics.ts'
import { longTable, shown, table } from './tables.ts'

const SIGNED = { isSigned: true }
/** In a table that is in per cent, which its heading says. */
const PLAIN = { isSigned: true, isPlain: true }

export function section(id: string, heading: string, ...body: readonly Part[]): Html {
  return html`<section id="${id}-section" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${heading}</h2>
${body}
</section>
`
}

export function empty(why: string): Html {
  return html`<p class="empty">${why}</p>`
}

/** A chart, a line for what a screen reader says of the point that the keyboard is at, and the table behind it. */
export function chartSection(chart: Chart | NoChart): Html {
  const { id, heading } = chart
  if (!isChart(chart)) return section(id, heading, empty(chart.missing))
  const { notes, description, columns, rows, plot } = chart
  return section(
    id,
    heading,
    notes.map((note) => html`<p class="soft">${note}</p>`),
    html`<figure><div class="plot${id === 'drawdown' ? ' low' : ''}"><canvas id="${id}" role="img" tabindex="0" aria-label="${description} Arrow keys read out the points."></canvas></div>
<output id="${id}-voice" class="hidden" aria-live="polite"></output>
<details id="${id}-table"><summary>${heading} as a table (${plural(rows.length, 'row')})</summary>${longTable(heading, columns, rows)}</details></figure>
<script type="application/json" data-chart="${id}">${new Html(escapeJson(plot))}</script>`,
  )
}

const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export function monthsSection({ points }: TearSheetData): Html {
  const heading = 'Monthly returns'
  if (points.length === 0) return section('months', heading, empty('No days are stored for this period.'))
  const years = monthlyReturns(points)
  const rows = years.map(({ year, months, total }) => {
    const cells = months.map((cell) => heatCell(cell, ''))
    return html`<tr><th scope="row">${year}</th>${cells}${heatCell(total, ' total')}</tr>\n`
  })
  const hasUnknown = years.some(({ total }) => total.unknownDays > 0)
  return section(
    'months',
    heading,
    html`<p class="soft">In per cent: time-weighted returns of the days stored, compounded. The first and the last month may be parts of one.${hasUnknown && ' An asterisk: the equity of some days is unknown; their return is in that of the next known day.'}</p>
<div class="scroll heat" tabindex="0" role="region" aria-label="${heading}"><table id="months"><caption class="hidden">${heading} by year, in per cent</caption>
<thead><tr><th scope="col">Year</th>${MONTH_NAMES.map((month) => html`<th scope="col">${month}</th>`)}<th scope="col">Year total</th></tr></thead>
<tbody>
${rows}</tbody></table></div>
${heatKey()}`,
  )
}

function heatCell(cell: PeriodCell | undefined, kind: string): Html {
  if (!cell) return html`<td class="none${kind}">–</td>`
  const mark = cell.unknownDays > 0 && '*'
  if (cell.returnFraction === null) return html`<td class="none${kind}">unknown${mark}</td>`
  return html`<td class="${heatClass(heatOf(cell.returnFraction))}${kind}">${shown(percentOf(cell.returnFraction, PLAIN))}${mark}</td>`
}

function heatClass(heat: number): string {
  return heat < 0 ? `l${-heat}` : `g${heat}`
}

function heatKey(): Html {
  const bounds = HEAT_STEPS.map((step) => `${Math.round(step * 100)}`)
  const losses = [...bounds.keys()]
    .reverse()
    .map((i) => ({ heat: -(i + 2), text: `−${bounds[i]} % or less` }))
  const gains = [...bounds.keys()].map((i) => ({ heat: i + 2, text: `+${bounds[i]} % or more` }))
  const middle = [
    { heat: -1, text: 'below 0' },
    { heat: 1, text: 'above 0' },
  ]
  const items = [...losses, ...middle, ...gains].map(
    ({ heat, text }) => html`<li class="${heatClass(heat)}">${text}</li>`,
  )
  return html`<ul class="key heat" aria-label="Colours of the months">${items}</ul>`
}

export function statisticsSection(data: TearSheetData): Html {
  const groups = statisticsOf(data)
  return section(
    'statistics',
    'Statistics',
    html`<div class="pair">${groups.map(
      (group) => html`<div><h3>${group.heading}</h3><div class="figures">${figuresTable(group)}</div></div>`,
    )}</div>`,
    exactFigures(groups),
  )
}

function figuresTable({ heading, figures }: FigureGroup): Html {
  return table({
    caption: heading,
    columns: ['Figure', 'Value'],
    rows: figures.map(({ name, value, note }) => [
      html`${name}${note !== '' && html` <small>${note}</small>`}`,
      shown(value),
    ]),
  })
}

/** Every digit of what is rounded above: a title is out of reach without a mouse. */
function exactFigures(groups: readonly FigureGroup[]): Html {
  const rounded = groups.flatMap(({ figures }) =>
    figures.flatMap(({ name, value: { exact } }) => (exact === undefined ? [] : [[name, exact]])),
  )
  if (rounded.length === 0) return html``
  const caption = 'Unrounded figures'
  return html`<details id="exact"><summary>${caption}</summary><p>Fractions, not per cent: 0.05 is five per cent.</p>${table({ caption, columns: ['Figure', 'Value'], rows: rounded })}</details>`
}

export function drawdownsSection({ drawdowns, points, decimals, baseCurrency }: TearSheetData): Html {
  const heading = 'Worst drawdowns'
  if (points.length === 0) return section('drawdowns', heading, empty('No days are stored for this period.'))
  if (drawdowns.length === 0) {
    return section('drawdowns', heading, empty('There was no drawdown: no day ended below an earlier one.'))
  }
  const firstDay = points[0]?.day ?? ''
  const rows = drawdowns.map((one) => [
    // The peak is the start itself, and so the end of the day before.
    one.peakOn < firstDay ? `start of ${firstDay}` : one.peakOn,
    one.troughOn,
    one.recoveredOn ?? 'not yet',
    shown(percentOf(-one.fraction)),
    shown(amountOf(one.amount, decimals)),
    shown(daysOf(one.lengthDays)),
    one.recoveryDays === null ? 'not yet' : shown(daysOf(one.recoveryDays)),
  ])
  return section(
    'drawdowns',
    heading,
    html`<p class="soft">Deepest first. Days are from the peak until it was reached again, or to the last day.</p>`,
    table({
      caption: heading,
      columns: [
        'Peak',
        'Trough',
        'Recovered',
        'Depth',
        `Lost (${baseCurrency})`,
        'Length',
        'Trough to recovery',
      ],
      rows,
      textColumns: 2,
    }),
  )
}

export function symbolsSection({ performance, decimals, baseCurrency }: TearSheetData): Html {
  const heading = 'Trades by symbol'
  if (performance.groups.length === 0) {
    return section('symbols', heading, empty('No trade was closed in this period.'))
  }
  const money = (amount: Decimal | null) => coloured(amount, decimals)
  const plain = (amount: Decimal | null) => shown(amountOf(amount, decimals))
  const rows = performance.groups.map((one) => [
    html`<bdi class="name">${one.group ?? 'not said'}</bdi>`,
    money(one.netPnl),
    shown(countOf(one.tradeCount)),
    shown(percentOf(one.winRate)),
    shown(ratioOf(one.profitFactor)),
    money(one.expectancy),
    money(one.best),
    money(one.worst),
    plain(one.fees),
    money(one.funding),
    shown(durationOf(one.averageHoldingMs)),
  ])
  return section(
    'symbols',
    heading,
    html`<p class="soft">Amounts in ${baseCurrency}, best net first.</p>${table({
      caption: heading,
      columns: [
        'Symbol',
        'Net PnL',
        'Trades',
        'Win rate',
        'Profit factor',
        'Expectancy',
        'Best',
        'Worst',
        'Fees',
        'Funding',
        'Average holding',
      ],
      rows,
    })}`,
  )
}

function coloured(amount: Decimal | null, decimals: number): Html {
  const figure = shown(amountOf(amount, decimals, SIGNED))
  if (amount === null || amount.isZero()) return figure
  return html`<span class="${amount.isNegative() ? 'loss' : 'gain'}">${figure}</span>`
}

function daysOf(count: number): Shown {
  return { text: plural(count, 'day') }
}
