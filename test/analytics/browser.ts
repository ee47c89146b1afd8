import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Where Debian has it, unless the environment says otherwise. */
const path = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** False where there is no browser; the tests that need one are then skipped, and say so. */
export const hasBrowser = existsSync(path)

export const NO_BROWSER = `no browser at ${path}: install chromium or set CHROMIUM_PATH`

export interface PageOptions {
  readonly width?: number
  readonly height?: number
  readonly isDark?: boolean
  readonly isWithoutScripts?: boolean
}

export interface Shown {
  readonly page: Page
  /** All that the page did which a sheet must not: said to the console, thrown, or asked for from anywhere. */
  readonly complaints: readonly string[]
}

/** One browser, without any network, that shows pages from files. */
export class Viewer {
  readonly browser: Browser
  readonly #folder = mkdtempSync(join(tmpdir(), 'tradeblotter-sheet-'))
  #count = 0

  constructor(browser: Browser) {
    this.browser = browser
  }

  static async open(): Promise<Viewer> {
    // As root, as in a container, chromium starts only without its sandbox. It is shown our own pages alone.
    return new Viewer(await chromium.launch({ executablePath: path, args: ['--no-sandbox'] }))
  }

  async show(html: string, options: PageOptions = {}): Promise<Shown> {
    const { width = 1180, height = 900, isDark = false, isWithoutScripts = false } = options
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: isDark ? 'dark' : 'light',
      javaScriptEnabled: !isWithoutScripts,
      hasTouch: width < 600,
      offline: true,
    })
    const page = await context.newPage()
    this.#count += 1
    const file = join(this.#folder, `${this.#count}.html`)
    writeFileSync(file, html)
    const { href } = pathToFileURL(file)
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(`console ${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      const url = request.url()
      if (url !== href && url !== 'data:,') complaints.push(`request: ${url.slice(0, 200)}`)
    })
    await page.goto(href)
    return { page, complaints }
  }

  async close(): Promise<void> {
    await this.browser.close()
    rmSync(this.#folder, { recursive: true })
  }
}

/** Where point `i` of a chart is drawn, in its own canvas. */
export async function placeOf(page: Page, id: string, i: number): Promise<{ x: number; y: number }> {
  return await page.evaluate<{ x: number; y: number }>(`(() => {
    const chart = Chart.getChart('${id}')
    const { x, y } = chart.getDatasetMeta(0).data[${i}]
    return { x, y: Math.min(y + 1, chart.chartArea.bottom - 1) }
  })()`)
}

export interface Tooltip {
  /** 1 while it is shown. */
  readonly opacity: number
  readonly index: number
  readonly title: readonly string[]
  readonly lines: readonly string[]
}

export async function tooltipOf(page: Page, id: string): Promise<Tooltip> {
  return await page.evaluate<Tooltip>(`(() => {
    const { opacity, title, body, dataPoints } = Chart.getChart('${id}').tooltip
    return {
      opacity,
      index: dataPoints?.[0]?.dataIndex ?? -1,
      title: title ?? [],
      lines: (body ?? []).flatMap((one) => one.lines),
    }
  })()`)
}

/** The colour that most of what a chart draws has, and how many pixels it draws. Half-transparent ones are not counted. */
export async function inkOf(page: Page, id: string): Promise<{ drawn: number; colour: string }> {
  return await page.evaluate<{ drawn: number; colour: string }>(`(() => {
    const { width, height } = document.getElementById('${id}')
    const copy = Object.assign(document.createElement('canvas'), { width, height })
    const context = copy.getContext('2d', { willReadFrequently: true })
    context.drawImage(document.getElementById('${id}'), 0, 0)
    const { data } = context.getImageData(0, 0, width, height)
    const colours = new Map()
    let drawn = 0
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] !== 255) continue
      drawn += 1
      const colour = data.slice(i, i + 3).join(',')
      colours.set(colour, (colours.get(colour) ?? 0) + 1)
    }
    const [most] = [...colours].sort((a, b) => b[1] - a[1])
    return { drawn, colour: most ? most[0] : '' }
  })()`)
}

/** The text of each cell of the rows that a selector finds: its name or value, without what stands below it in small print. */
export async function cellsOf(page: Page, selector: string): Promise<string[][]> {
  return await page.evaluate<string[][]>(`
    [...document.querySelectorAll('${selector} tr')].map((row) => [...row.cells].map((cell) => {
      const copy = cell.cloneNode(true)
      for (const small of copy.querySelectorAll('small')) small.remove()
      return copy.textContent.trim()
    }))`)
}

/** Returns what a reader with a screen reader, a keyboard or weak eyes would stumble over. All details must be open. */
export async function audit(page: Page): Promise<string[]> {
  return await page.evaluate<string[]>(AUDIT)
}

const AUDIT = `(() => {
  const found = []
  const all = (selector) => [...document.querySelectorAll(selector)]
  if (!document.documentElement.lang) found.push('no language')
  if (all('h1').length !== 1) found.push(all('h1').length + ' h1')
  if (all('main').length !== 1) found.push(all('main').length + ' main')
  let level = 0
  for (const heading of all('h1,h2,h3,h4,h5,h6')) {
    const next = Number(heading.tagName[1])
    if (next > level + 1) found.push('h' + next + ' after h' + level)
    level = next
  }
  const ids = all('[id]').map((one) => one.id)
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) found.push('id ' + id + ' twice')
  for (const one of all('[aria-labelledby]')) {
    const name = document.getElementById(one.getAttribute('aria-labelledby'))
    if (!name || !name.textContent.trim()) found.push('no name for ' + one.id)
  }
  for (const canvas of all('canvas')) {
    if (canvas.getAttribute('role') !== 'img') found.push('canvas ' + canvas.id + ' has no role')
    if (!canvas.getAttribute('aria-label')) found.push('canvas ' + canvas.id + ' has no label')
    if (canvas.tabIndex !== 0) found.push('canvas ' + canvas.id + ' is out of reach')
    if (!canvas.closest('figure').querySelector('details table')) found.push('canvas ' + canvas.id + ' has no table')
  }
  for (const table of all('table')) {
    if (!table.caption || !table.caption.textContent.trim()) found.push('a table without caption')
    if ([...table.tHead.rows[0].cells].some((cell) => cell.scope !== 'col')) found.push('a column without scope')
    if ([...table.tBodies[0].rows].some((row) => row.cells[0].scope !== 'row')) found.push('a row without scope')
  }
  for (const box of all('*')) {
    const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth
    if (scrolls && (box.tabIndex !== 0 || !box.getAttribute('aria-label'))) found.push('a box that scrolls is out of reach')
  }
  const read = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number)
    return { rgb: [r, g, b], a }
  }
  const light = ({ rgb }) => {
    const [r, g, b] = rgb.map((one) => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = read(getComputedStyle(one).backgroundColor)
      if (colour.a === 1) return colour
    }
    return { rgb: [255, 255, 255] }
  }
  const seen = new Set()
  for (const element of all('body *')) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    if (!words || /SCRIPT|STYLE|NOSCRIPT/.test(element.tagName)) continue
    const [front, back] = [read(getComputedStyle(element).color), behind(element)].map(light)
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05)
    if (contrast < 4.5) seen.add('contrast ' + contrast.toFixed(2) + ' of ' + element.tagName + '.' + element.className)
  }
  return [...found, ...seen]
})()`
