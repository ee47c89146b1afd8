/**
 * The program of the page: draws the charts from the JSON beside them, with the words of their tables.
 *
 * It is text, since it runs in a browser and not here. What it draws is redrawn in other colours when the browser goes dark, and
 * in those of paper when it prints.
 */
export const SCRIPT = `
(() => {
'use strict'
const DAY_MS = 86400000
const SPACE = '\\u202f'
const colours = {}
const charts = []

function readColours() {
  const style = getComputedStyle(document.documentElement)
  for (const name of ['text', 'soft', 'line', 'grid', 'card', 'accent', 'gain', 'loss', 'base', 'mark']) {
    colours[name] = style.getPropertyValue('--' + name).trim()
  }
}

function grouped(value, decimals) {
  const [whole, part] = Math.abs(value).toFixed(decimals).split('.')
  const sign = value < 0 && Number(Math.abs(value).toFixed(decimals)) !== 0 ? '\\u2212' : ''
  return sign + whole.replace(/\\B(?=(?:\\d{3})+$)/g, SPACE) + (part ? '.' + part : '')
}

function decimalsOf(step) {
  return step > 0 ? Math.min(10, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) : 0
}

// Shorter than in the tables: 1.5 M in place of 1 500 000.
function tickText(unit, value, ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : Math.abs(value) || 1
  if (unit === 'percent') return grouped(value * 100, decimalsOf(step * 100)) + SPACE + '%'
  const largest = Math.max(...ticks.map((tick) => Math.abs(tick.value)))
  for (const [size, letter] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M']]) {
    if (unit === 'amount' && largest >= size) return grouped(value / size, decimalsOf(step / size)) + SPACE + letter
  }
  return grouped(value, decimalsOf(step))
}

// Place 0 is the start of the first day, place i the end of day i.
function dayTicks(firstDay, places, width) {
  const first = Date.parse(firstDay)
  const days = places - 1
  const fits = (count, characters) => count <= Math.max(2, Math.floor(width / (12 + 7.5 * characters)))
  const label = (at, length) => new Date(at).toISOString().slice(0, length)
  for (const step of [1, 2, 3, 4, 7, 14]) {
    if (!fits(days / step, 10)) continue
    const ticks = []
    for (let place = 0; place < days; place += step) {
      ticks.push({ value: place, label: label(first + place * DAY_MS, 10) })
    }
    return ticks
  }
  const from = new Date(first)
  for (const months of [1, 2, 3, 6, 12, 24, 60, 120, 240, 600]) {
    if (!fits(days / 30.44 / months, months % 12 ? 7 : 4)) continue
    const ticks = []
    const start = from.getUTCFullYear() * 12 + from.getUTCMonth()
    for (let month = Math.ceil(start / months) * months; ; month += months) {
      const at = Date.UTC(Math.floor(month / 12), month % 12, 1)
      const place = Math.round((at - first) / DAY_MS)
      if (place > days) break
      if (place >= 0) ticks.push({ value: place, label: label(at, months % 12 ? 7 : 4) })
    }
    return ticks
  }
  return []
}

// What is drawn, and a little room; a return and a fall are measured from zero.
function valueRange({ y, style }) {
  const values = y.filter((one) => one !== null)
  if (style !== 'line') values.push(0)
  const min = values.reduce((least, one) => Math.min(least, one), Infinity)
  const max = values.reduce((most, one) => Math.max(most, one), -Infinity)
  const room = (max - min) * 0.05 || Math.abs(max) * 0.05 || 0.01
  const isFall = style === 'fall'
  return { min: min - room, max: isFall ? 0 : max + room }
}

// Round numbers inside of the range.
function valueTicks(min, max, height) {
  const least = (max - min) / Math.max(2, Math.floor(height / 42))
  const power = 10 ** Math.floor(Math.log10(least))
  const step = power * [1, 2, 5, 10].find((one) => one * power >= least * (1 - 1e-9))
  const ticks = []
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) ticks.push({ value: Number((i * step).toPrecision(12)) })
  return ticks
}

function tableOf(id) {
  const table = document.querySelector('#' + id + '-table table')
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent)
  const rows = table.tBodies[0].rows
  const cells = (i) => [...rows[i].cells].map((cell) => cell.textContent.trim())
  return {
    title: (i) => cells(i)[0],
    lines: (i) => cells(i).slice(1).map((text, k) => heads[k + 1] + ': ' + text),
  }
}

function commonOptions(id, words) {
  const font = getComputedStyle(document.body).fontFamily
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    interaction: { mode: 'index', intersect: false },
    font: { family: font, size: 12 },
    layout: { padding: { top: 4, right: 6 } },
    plugins: {
      legend: { display: false },
      tooltip: {
        animation: false,
        displayColors: false,
        padding: 10,
        backgroundColor: () => colours.text,
        titleColor: () => colours.card,
        bodyColor: () => colours.card,
        titleFont: { family: font, size: 13 },
        bodyFont: { family: font, size: 13 },
        filter: (item) => item.datasetIndex === 0,
        callbacks: {
          title: (items) => (items.length ? words.title(items[0].dataIndex) : ''),
          label: (item) => words.lines(item.dataIndex),
        },
      },
    },
  }
}

function scaleColours() {
  return {
    ticks: { color: () => colours.soft },
    border: { color: () => colours.line },
  }
}

function daily(id, plot, words) {
  const options = commonOptions(id, words)
  const points = plot.y.map((y, x) => ({ x, y }))
  const isAlone = (i) => {
    const has = (k) => plot.y[k] !== undefined && plot.y[k] !== null
    return has(i) && !has(i - 1) && !has(i + 1)
  }
  const faded = (name) => colours[name] + '30'
  const fills = {
    line: false,
    gain: { target: 'origin', above: () => faded('gain'), below: () => faded('loss') },
    fall: { target: 'origin', above: () => faded('loss'), below: () => faded('loss') },
  }
  const fillOf = () => {
    const fill = fills[plot.style]
    return fill && { target: fill.target, above: fill.above(), below: fill.below() }
  }
  const colourOf = () => colours[plot.style === 'fall' ? 'loss' : 'accent']
  const marks = new Map(plot.marks.map((place) => [Math.abs(place), place]))
  const scales = scaleColours()
  options.scales = {
    x: {
      type: 'linear', min: 0, max: Math.max(1, points.length - 1),
      afterBuildTicks: (axis) => { axis.ticks = dayTicks(plot.firstDay, points.length, axis.width || axis.chart.width) },
      ticks: { ...scales.ticks, maxRotation: 0, autoSkip: false, callback: (value, i, ticks) => ticks[i].label },
      grid: { drawOnChartArea: false, tickLength: 5, color: () => colours.base }, border: scales.border,
    },
    y: {
      ticks: { ...scales.ticks, autoSkip: false, callback: (value, i, ticks) => tickText(plot.unit, value, ticks) },
      grid: { color: (context) => (context.tick && context.tick.value === 0 ? colours.base : colours.grid) },
      border: { display: false },
      ...valueRange(plot),
      afterBuildTicks: (axis) => { axis.ticks = valueTicks(axis.min, axis.max, axis.height || axis.chart.height) },
    },
  }
  const line = {
    data: points,
    parsing: false,
    borderWidth: 1.75,
    pointHitRadius: 0,
    pointRadius: points.map((_, i) => (isAlone(i) ? 3 : 0)),
    pointHoverRadius: 4,
    tension: 0,
    spanGaps: false,
  }
  const flows = {
    data: points.map((point, i) => ({ x: i, y: marks.has(i) ? point.y : null })),
    parsing: false,
    showLine: false,
    pointStyle: 'triangle',
    pointRadius: 6,
    pointHoverRadius: 6,
    pointRotation: points.map((_, i) => ((marks.get(i) || 0) < 0 ? 180 : 0)),
  }
  const paint = () => {
    line.borderColor = line.pointBackgroundColor = line.pointBorderColor = colourOf()
    line.fill = fillOf()
    flows.borderColor = colours.card
    flows.backgroundColor = colours.mark
  }
  return { type: 'line', data: { datasets: marks.size ? [line, flows] : [line] }, options, paint, count: points.length }
}

function bars(id, plot, words) {
  const options = commonOptions(id, words)
  const scales = scaleColours()
  const count = plot.counts.length
  options.scales = {
    x: {
      type: 'linear', min: 0, max: count, offset: false, grid: { display: false }, border: scales.border,
      afterBuildTicks: (axis) => {
        const most = Math.max(2, Math.floor((axis.width || axis.chart.width) / 75))
        const step = Math.ceil(count / most)
        // Counted from zero, so that zero is always named.
        const zero = plot.losses
        axis.ticks = plot.edges.flatMap((label, value) => ((value - zero) % step === 0 && label ? [{ value, label }] : []))
      },
      ticks: { ...scales.ticks, maxRotation: 0, autoSkip: false, callback: (value, i, ticks) => ticks[i].label },
    },
    y: {
      beginAtZero: true, border: { display: false }, grid: { color: () => colours.grid },
      ticks: { ...scales.ticks, precision: 0, maxTicksLimit: 7, callback: (value) => grouped(value, 0) },
    },
  }
  options.interaction = { mode: 'index', intersect: false, axis: 'x' }
  const set = {
    data: plot.counts.map((y, i) => ({ x: i + 0.5, y })),
    parsing: false,
    barPercentage: 1,
    categoryPercentage: 0.94,
    borderWidth: 0,
    minBarLength: 0,
  }
  const paint = () => {
    set.backgroundColor = plot.counts.map((_, i) => (i < plot.losses ? colours.loss : colours.gain))
  }
  return { type: 'bar', data: { datasets: [set] }, options, paint, count }
}

function show(chart, i, voice, words) {
  const element = chart.getDatasetMeta(0).data[i]
  if (!element) return
  const active = [{ datasetIndex: 0, index: i }]
  chart.setActiveElements(active)
  const y = Number.isFinite(element.y) ? element.y : (chart.chartArea.top + chart.chartArea.bottom) / 2
  chart.tooltip.setActiveElements(active, { x: element.x, y })
  chart.update('none')
  voice.textContent = [words.title(i), ...words.lines(i)].join(', ')
}

function addKeys(chart, canvas, count, words) {
  const voice = document.getElementById(canvas.id + '-voice')
  let place = -1
  canvas.addEventListener('keydown', (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 30, PageUp: -30 }
    if (event.key in steps) place = place < 0 ? count - 1 : place + steps[event.key]
    else if (event.key === 'Home') place = 0
    else if (event.key === 'End') place = count - 1
    else if (event.key === 'Escape') place = -1
    else return
    event.preventDefault()
    if (place < 0 && event.key === 'Escape') hide(chart, voice)
    else show(chart, (place = Math.min(count - 1, Math.max(0, place))), voice, words)
  })
  canvas.addEventListener('blur', () => { place = -1; hide(chart, voice) })
}

function hide(chart, voice) {
  chart.setActiveElements([])
  chart.tooltip.setActiveElements([], { x: 0, y: 0 })
  chart.update('none')
  voice.textContent = ''
}

function repaint() {
  readColours()
  for (const { chart, paint } of charts) {
    paint()
    chart.resize()
    chart.update('none')
  }
}

readColours()
for (const source of document.querySelectorAll('script[type="application/json"]')) {
  const id = source.dataset.chart
  const plot = JSON.parse(source.textContent)
  const canvas = document.getElementById(id)
  const words = tableOf(id)
  const { type, data, options, paint, count } = (plot.kind === 'bars' ? bars : daily)(id, plot, words)
  paint()
  const chart = new Chart(canvas, { type, data, options })
  charts.push({ chart, paint })
  addKeys(chart, canvas, count, words)
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint)
matchMedia('print').addEventListener('change', repaint)
})()
`
