import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SMALL_SAMPLE_RETURNS } from '../../statistics/returns.ts'
import { type Chart, chartsOf, isChart, type NoChart } from './charts.ts'
import type { TearSheetData } from './data.ts'
import { calendarOf } from './days.ts'
import { momentText, NO_VALUE, plural, type Shown } from './format.ts'
import { escapeProgram, Html, html } from './html.ts'
import { SCRIPT } from './script.ts'
import {
  chartSection,
  drawdownsSection,
  monthsSection,
  statisticsSection,
  symbolsSection,
} from './sections.ts'
import { headlineOf } from './statistics.ts'
import { STYLE } from './style.ts'
import { shown } from './tables.ts'

/**
 * Returns the page of a sheet: one HTML file that needs nothing else. Its policy lets the browser load nothing, and run only the
 * two programs that are in it: the chart library and ours.
 */
export function renderPage(data: TearSheetData): string {
  const charts = chartsOf(data)
  const sectionOf = (id: string) =>
    charts.filter((chart) => chart.id === id).map((chart: Chart | NoChart) => chartSection(chart))
  // No program where there is nothing to draw.
  const programs = charts.some(isChart) ? [readLibrary(), SCRIPT].map(escapeProgram) : []
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyFor(programs)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${data.title} – tear sheet</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
${headerOf(data)}
<main>
${tilesOf(data)}
${warningsOf(data)}
<noscript><p class="empty">The charts need JavaScript. The tables behind them hold the same figures.</p></noscript>
${sectionOf('return')}${sectionOf('drawdown')}${monthsSection(data)}${sectionOf('equity')}<div class="pair">${sectionOf('sharpe')}${sectionOf('trades')}</div>
${statisticsSection(data)}${drawdownsSection(data)}${symbolsSection(data)}</main>
${footerOf(data)}
${programs.map((program) => html`<script>${new Html(program)}</script>\n`)}</body>
</html>
`
  return page.text
}

function policyFor(programs: readonly string[]): string {
  const scripts = programs.length === 0 ? `'none'` : programs.map(hashOf).join(' ')
  return [
    `default-src 'none'`,
    `script-src ${scripts}`,
    `style-src ${hashOf(STYLE)}`,
    // The empty icon, without which a browser would ask for one.
    'img-src data:',
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ')
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** The library as it was published, with its licence; without the address of its source map, which nothing is loaded from. */
function readLibrary(): string {
  const folder = dirname(createRequire(import.meta.url).resolve('chart.js'))
  const text = readFileSync(join(folder, 'chart.umd.min.js'), 'utf8')
  return text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
}

function headerOf({ title, facts, from, to, performance: { returns }, baseCurrency }: TearSheetData): Html {
  const first = returns.firstDay ?? from
  const last = returns.lastDay ?? to
  const period = first && last ? `${first} to ${last}` : 'No days stored'
  return html`<header><h1><bdi>${title}</bdi></h1>
<p class="period">${period} · in ${baseCurrency}</p>
<dl class="facts">${facts.map(({ name, value }) => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl></header>`
}

function tilesOf(data: TearSheetData): Html {
  const tiles = headlineOf(data).map(
    ({ name, value, note }) =>
      html`<div><dt>${name}</dt><dd class="value ${toneOf(value)}">${shown(value)}</dd><dd class="note">${note}</dd></div>`,
  )
  return html`<dl class="tiles" aria-label="Headline figures">${tiles}</dl>`
}

/** What has a plus before it is a gain, what has a minus a loss. */
function toneOf({ text }: Shown): string {
  if (text === NO_VALUE) return 'none'
  return text.startsWith('+') ? 'gain' : text.startsWith('−') ? 'loss' : ''
}

/** What a reader must know before believing the figures. */
function warningsOf({ performance, points }: TearSheetData): Html {
  const { returns, tradeCount, smallSample, unvaluedTradeCount } = performance
  const missing = calendarOf(points)
    .filter(({ point }) => !point)
    .map(({ day }) => day)
  const unknown = points.filter(({ equity }) => equity === null).map(({ day }) => day)
  const warnings = [
    points.length === 0 && 'No days are stored for this period: calculate the daily PnL first.',
    tradeCount === 0 && 'No trade was closed in this period.',
    points.length > 0 &&
      returns.smallSample &&
      `Small sample: ${plural(returns.returnCount, 'daily return')}. Ratios of fewer than ${SMALL_SAMPLE_RETURNS} say little.`,
    tradeCount > 0 &&
      smallSample &&
      `Small sample: ${plural(tradeCount - unvaluedTradeCount, 'trade')} of known net. Figures of fewer than ${SMALL_SAMPLE_RETURNS} say little.`,
    unknown.length > 0 &&
      `The equity of ${plural(unknown.length, 'day')} is unknown, since a price or a rate is missing (${listed(unknown)}). Lines are broken there.`,
    missing.length > 0 &&
      `${plural(missing.length, 'day')} in between ${missing.length === 1 ? 'was' : 'were'} never calculated (${listed(missing)}).`,
    unvaluedTradeCount > 0 &&
      `The net of ${plural(unvaluedTradeCount, 'trade')} is unknown, since a rate is missing. No amount has them in it.`,
  ].filter((warning) => warning !== false)
  if (warnings.length === 0) return html``
  return html`<div class="warnings" role="note"><strong>Mind when you read this</strong><ul>${warnings.map((one) => html`<li>${one}</li>`)}</ul></div>`
}

const LISTED = 3

function listed(days: readonly string[]): string {
  const more = days.length - LISTED
  return `${days.slice(0, LISTED).join(', ')}${more > 0 ? ` and ${plural(more, 'other')}` : ''}`
}

function footerOf({ madeAt }: TearSheetData): Html {
  return html`<footer><p>Made ${momentText(madeAt)}. Amounts are rounded for display only: point at one for all its digits, or open “Unrounded figures”. n/a: the figure is not defined. Charts: Chart.js, MIT licence.</p></footer>`
}
