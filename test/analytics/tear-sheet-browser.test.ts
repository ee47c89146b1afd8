import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getDrawdowns, getEquityCurve } from '../../src/analytics/equity-curve.ts'
import { getPerformance, type Performance } from '../../src/analytics/performance.ts'
import { renderPage } from '../../src/analytics/tear-sheet/page.ts'
import { renderTearSheet } from '../../src/analytics/tear-sheet.ts'
import { createDatabase, type ServerDatabase } from '../database.ts'
import {
  audit,
  cellsOf,
  hasBrowser,
  inkOf,
  NO_BROWSER,
  placeOf,
  type Shown,
  tooltipOf,
  Viewer,
} from './browser.ts'
import { daysFrom, sheetOf } from './tear-sheet-data.ts'
import { CAPITAL, makeBot, type SeededDay, storeDays, storeTrades } from './tear-sheet-ledger.ts'

const now = new Date('2024-06-01T12:00:00Z')
const HOSTILE = `<img src=x onerror="alert('name')">`
const HOSTILE_SYMBOL = `</script><script>alert('symbol')</script>`
const CHARTS = ['return', 'drawdown', 'equity', 'sharpe', 'trades'] as const

/** Narrow spaces as spaces, the true minus as the one of a keyboard. */
function plain(text: string): string {
  return text.replaceAll('\u202f', ' ').replaceAll('\u2212', '-')
}

/** Rounds apart from the code under test: half up, with groups of three. */
function rounded(value: { toFixed(decimals: number): string } | null, sign = ''): string {
  if (value === null) return 'n/a'
  const text = value.toFixed(2)
  const plus = sign && !text.startsWith('-') && text !== '0.00' ? sign : ''
  return plus + text.replace(/\B(?=(\d{3})+\.)/g, ' ')
}

const percent = (fraction: number | null, sign = '') =>
  fraction === null ? 'n/a' : `${rounded(fraction * 100, sign)} %`

describe.skipIf(!hasBrowser)(`a tear sheet in a browser${hasBrowser ? '' : ` (${NO_BROWSER})`}`, () => {
  let server: ServerDatabase
  let viewer: Viewer
  let sheet: string
  let seeded: SeededDay[]
  let performance: Performance
  let desk: Shown

  beforeAll(async () => {
    ;[server, viewer] = await Promise.all([createDatabase(), Viewer.open()])
    const { db } = server
    await makeBot(db, 'grid', { name: HOSTILE })
    seeded = await storeDays(db, 'grid', '2023-11-20', 170, { '2024-01-15': '5000', '2024-03-10': '-2500' })
    const nets = Array.from({ length: 40 }, (_, i) => String(((i * 7919) % 211) - 97 + (i % 4) / 8))
    await storeTrades(db, 'grid', 'BTC', '2023-12-01', nets)
    await storeTrades(db, 'grid', HOSTILE_SYMBOL, '2024-01-01', ['1234.5', '-2', '0'])
    sheet = await renderTearSheet(db, { botId: 'grid', now })
    performance = await getPerformance(db, { botId: 'grid', by: 'symbol', now })
    desk = await viewer.show(sheet)
  })
  afterAll(async () => {
    await viewer?.close()
    await server?.close()
  })

  const figures = async ({ page }: Shown) =>
    new Map((await cellsOf(page, '.figures tbody')).map(([name = '', value = '']) => [name, plain(value)]))
  const isVisible = (selector: string) => desk.page.locator(selector).isVisible()
  const openAll = async ({ page }: Shown) =>
    await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true')

  it('draws every chart, and complains of nothing', async () => {
    for (const id of CHARTS) expect((await inkOf(desk.page, id)).drawn, id).toBeGreaterThan(500)
    expect(desk.complaints).toEqual([])
  })

  it('shows what strangers wrote as text', async () => {
    const { page } = desk
    expect(await page.title()).toBe(`${HOSTILE} – tear sheet`)
    expect(await page.textContent('h1')).toBe(HOSTILE)
    const symbols = (await cellsOf(desk.page, '#symbols-section tbody')).map(([symbol]) => symbol)
    expect(symbols).toEqual([HOSTILE_SYMBOL, 'BTC'])
    expect(await page.locator('img, iframe, object, link[rel=stylesheet]').count()).toBe(0)
    expect(await page.locator('script:not([type])').count()).toBe(2)
  })

  it('shows the figures that the verbs return', async () => {
    const { returns } = performance
    expect(returns.returnCount).toBe(170)
    const tiles = await desk.page.$$eval('.tiles > div', (all) =>
      all.map((one) => [...one.children].slice(0, 2).map(({ textContent }) => textContent)),
    )
    expect(tiles.map(([name = '', value = '']) => `${name}: ${plain(value ?? '')}`)).toEqual([
      `Total return: ${percent(returns.totalReturn, '+')}`,
      `CAGR: ${percent(returns.cagr, '+')}`,
      `Sharpe: ${rounded(returns.sharpe)}`,
      `Deepest drawdown: ${percent(-(returns.maxDrawdownFraction ?? 0))}`,
      `Net PnL of trades: ${rounded(performance.netPnl, '+')}`,
      `Profit factor: ${rounded(performance.profitFactor)}`,
      `Win rate: ${percent(performance.winRate)}`,
      `Equity at the end: ${rounded(returns.endEquity)}`,
    ])
    const shown = await figures(desk)
    const expected = {
      Sortino: rounded(returns.sortino),
      Calmar: rounded(returns.calmar),
      Volatility: percent(returns.volatility),
      'Deepest drawdown (USD)': rounded(returns.maxDrawdownAmount),
      'Equity at the start (USD)': '10 000.00',
      'Deposits less withdrawals (USD)': '+2 500.00',
      'Gross profit (USD)': rounded(performance.grossProfit, '+'),
      'Gross loss (USD)': rounded(performance.grossLoss),
      'Expectancy (USD)': rounded(performance.expectancy, '+'),
      'Average win (USD)': rounded(performance.averageWin, '+'),
      'Average loss (USD)': rounded(performance.averageLoss),
      'Best trade (USD)': '+1 234.50',
      Payoff: rounded(performance.payoff),
      SQN: rounded(performance.sqn),
      Trades: '43',
      Draws: '1',
      'Current run': String(performance.currentStreak),
      'Average holding time': '1 h',
    }
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, shown.get(name)]))).toEqual(expected)
    // A row for each figure of `Performance`, but for what the head of the page says and what is a note.
    const {
      groups: _,
      from: _f,
      to: _t,
      baseCurrency: _b,
      smallSample: _s,
      returns: _r,
      ...ofTrades
    } = performance
    const { smallSample: _small, ...ofReturns } = returns
    expect(shown.size).toBe(Object.keys(ofTrades).length + Object.keys(ofReturns).length)
  })

  it('keeps every digit of a rounded figure at hand', async () => {
    const exact = new Map((await cellsOf(desk.page, '#exact tbody')).map(([name, value]) => [name, value]))
    expect(exact.get('Expectancy (USD)')).toBe(performance.expectancy?.toFixed())
    expect(exact.get('Sharpe')).toBe(String(performance.returns.sharpe))
    expect(exact.has('Equity at the end (USD)')).toBe(false)
    const title = await desk.page.getAttribute('.figures tr:has-text("Expectancy") td span', 'title')
    expect(title).toBe(performance.expectancy?.toFixed())
  })

  it('has the compounded return of each month and year in its map', async () => {
    const equityOn = (day: string) => seeded.find((one) => one.day === day)
    const end = (day: string) => equityOn(day)?.equity ?? CAPITAL
    const before = (day: string) => equityOn(day)?.before ?? CAPITAL
    // Equity at the end / equity at the start, and over a deposit in two parts: up to it and from it on.
    const growth = {
      nov: end('2023-11-30').div(CAPITAL),
      dec: end('2023-12-31').div(end('2023-11-30')),
      jan: before('2024-01-15')
        .div(end('2023-12-31'))
        .times(end('2024-01-31').div(end('2024-01-15'))),
      feb: end('2024-02-29').div(end('2024-01-31')),
      mar: before('2024-03-10')
        .div(end('2024-02-29'))
        .times(end('2024-03-31').div(end('2024-03-10'))),
      apr: end('2024-04-30').div(end('2024-03-31')),
      may: end('2024-05-07').div(end('2024-04-30')),
    }
    const { nov, dec, jan, feb, mar, apr, may } = growth
    const cell = (one: typeof nov) => rounded(one.minus(1).times(100), '+')
    const none = (count: number) => new Array<string>(count).fill('–')
    const rows = (await cellsOf(desk.page, '#months tbody')).map((cells) => cells.map(plain))
    expect(rows).toEqual([
      ['2023', ...none(10), cell(nov), cell(dec), cell(nov.times(dec))],
      [
        '2024',
        ...[jan, feb, mar, apr, may].map(cell),
        ...none(7),
        cell(jan.times(feb).times(mar).times(apr).times(may)),
      ],
    ])
    const colours = await desk.page.$$eval('#months td', (cells) =>
      cells.map((one) => [one.textContent, one.className]),
    )
    for (const [text, name] of colours) {
      if (text === '–') continue
      expect(name, text).toMatch(text.startsWith('+') ? /^g[1-5]/ : /^l[1-5]/)
    }
  })

  it('lists the worst drawdowns and the trades by symbol', async () => {
    const { db } = server
    const drawdowns = await getDrawdowns(db, { botId: 'grid', limit: 10 })
    const rows = await cellsOf(desk.page, '#drawdowns-section tbody')
    expect(rows.map((cells) => cells.slice(0, 5).map(plain))).toEqual(
      drawdowns.map((one) => [
        one.peakOn < '2023-11-20' ? 'start of 2023-11-20' : one.peakOn,
        one.troughOn,
        one.recoveredOn ?? 'not yet',
        percent(-one.fraction),
        rounded(one.amount),
      ]),
    )
    const symbols = await cellsOf(desk.page, '#symbols-section tbody')
    expect(symbols.map((cells) => cells.slice(0, 5).map(plain))).toEqual(
      performance.groups.map((one) => [
        one.group,
        rounded(one.netPnl, '+'),
        String(one.tradeCount),
        percent(one.winRate),
        rounded(one.profitFactor),
      ]),
    )
  })

  it('has the table of its points behind each chart', async () => {
    const points = await getEquityCurve(server.db, { botId: 'grid' })
    const rows = (await cellsOf(desk.page, '#equity-table tbody')).map((cells) => cells.map(plain))
    expect(rows).toHaveLength(171)
    expect(rows.slice(1)).toEqual(
      points.map(({ day, equity, totalPnl, externalFlows }) => [
        day,
        ...[rounded(equity), rounded(totalPnl, '+'), rounded(externalFlows, '+')],
      ]),
    )
    for (const id of CHARTS) {
      expect(await desk.page.locator(`#${id}-table tbody tr`).count(), id).toBeGreaterThan(5)
    }
    const counts = (await cellsOf(desk.page, '#trades-table tbody')).map(([, count]) => Number(count))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(43)
  })

  it('shows the values of a point when one points at it', async () => {
    for (const id of CHARTS) {
      const canvas = desk.page.locator(`#${id}`)
      await canvas.scrollIntoViewIfNeeded()
      const place = id === 'trades' ? 5 : 100
      const at = await placeOf(desk.page, id, place)
      await canvas.hover({ position: { x: at.x, y: at.y } })
      // Drawn with the next frame.
      await expect.poll(async () => (await tooltipOf(desk.page, id)).opacity, { message: id }).toBe(1)
      const { title, lines } = await tooltipOf(desk.page, id)
      const [head, ...cells] = (await cellsOf(desk.page, `#${id}-table tbody`))[place] ?? []
      expect(title).toEqual([head])
      expect(
        lines.map((line: string) => line.slice(line.lastIndexOf(': ') + 2)),
        id,
      ).toEqual(cells)
    }
    await desk.page.mouse.move(0, 0)
  })

  it('can be read by the keyboard alone', async () => {
    const { page } = desk
    await page.focus('#equity')
    await page.keyboard.press('End')
    const last = seeded.at(-1)
    const voice = async () => plain((await page.textContent('#equity-voice')) ?? '')
    expect(await voice()).toContain(
      `${last?.day}, Equity (USD): ${rounded(last?.equity ?? null)}, PnL of the day: `,
    )
    await page.keyboard.press('ArrowLeft')
    expect(await voice()).toContain(`${seeded.at(-2)?.day}, `)
    expect((await tooltipOf(page, 'equity')).title).toEqual([seeded.at(-2)?.day])
    await page.keyboard.press('Home')
    expect(await voice()).toContain('start, Equity (USD): 10 000.00')
    await page.keyboard.press('Escape')
    expect(await voice()).toBe('')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Equity as a table (171 rows)')
    expect(await isVisible('#equity-table table')).toBe(false)
    await page.keyboard.press('Enter')
    expect(await isVisible('#equity-table table')).toBe(true)
    await page.keyboard.press('Enter')
    await page.evaluate('document.activeElement.blur()')
    const reached: string[] = []
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab')
      reached.push(
        await page.evaluate('document.activeElement.id || document.activeElement.parentElement.id'),
      )
    }
    for (const id of CHARTS) expect(reached).toEqual(expect.arrayContaining([id, `${id}-table`]))
  })

  it.each([360, 320])(
    'fits a phone of %i pixels, where a wide table scrolls in its own box',
    async (width) => {
      const phone = await viewer.show(sheet, { width, height: 740 })
      const { page } = phone
      await openAll(phone)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
      const [box] = await page.$$eval('.heat.scroll', (all) =>
        all.map((one) => [one.scrollWidth, one.clientWidth]),
      )
      expect(box?.[0]).toBeGreaterThan(box?.[1] ?? 0)
      await page.locator('#return').scrollIntoViewIfNeeded()
      const at = await placeOf(page, 'return', 60)
      await page.locator('#return').tap({ position: { x: at.x, y: at.y } })
      await expect.poll(() => tooltipOf(page, 'return')).toMatchObject({ opacity: 1, index: 60 })
      expect(phone.complaints).toEqual([])
      await page.context().close()
    },
  )

  it('is dark where the reader wants it, also the charts, and light on paper', async () => {
    const dark = await viewer.show(sheet, { isDark: true })
    const { page } = dark
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(await background()).toBe('rgb(11, 17, 23)')
    // The bars of losses, of gains, and the line, of which most is drawn in their own colour.
    const ink = async (shown: Shown) => (await inkOf(shown.page, 'equity')).colour
    const [light, inDark] = [await ink(desk), await ink(dark)]
    expect(inDark).not.toBe(light)
    await page.emulateMedia({ colorScheme: 'light' })
    expect(await background()).toBe('rgb(244, 246, 248)')
    await expect.poll(() => ink(dark)).toBe(light)
    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(() => ink(dark)).toBe(inDark)
    await page.emulateMedia({ media: 'print' })
    expect(await background()).toBe('rgb(255, 255, 255)')
    await expect.poll(() => ink(dark)).toBe(light)
    expect((await page.pdf({ format: 'A4' })).subarray(0, 5).toString()).toBe('%PDF-')
    expect(dark.complaints).toEqual([])
    await page.context().close()
  })

  it.each([false, true])('is accessible (dark: %s)', async (isDark) => {
    const shown = await viewer.show(sheet, { isDark })
    const { page } = shown
    await openAll(shown)
    expect(await audit(page)).toEqual([])
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
    // The audit finds what is wrong.
    await page.evaluate(`
      document.querySelector('.soft').style.color = getComputedStyle(document.querySelector('section')).backgroundColor
      document.querySelector('canvas').removeAttribute('aria-label')
      document.querySelector('h2').outerHTML = '<h4>Skipped</h4>'`)
    const found = (await audit(page)).join('\n')
    expect(found).toContain('h4 after h1')
    expect(found).toContain('canvas return has no label')
    expect(found).toContain('contrast 1.00')
    await page.context().close()
  })

  it('shows its tables where programs are not allowed to run', async () => {
    const still = await viewer.show(sheet, { isWithoutScripts: true })
    expect(await still.page.textContent('noscript')).toContain('The charts need JavaScript.')
    expect(await still.page.locator('#equity-table tbody tr').count()).toBe(171)
    await still.page.context().close()
  })

  it('complains of nothing where there is little or nothing to show', async () => {
    const sheets = {
      nothing: sheetOf({}),
      'one day': sheetOf({ days: daysFrom('2024-01-01', [0]), trades: ['0'] }),
      'gaps only': sheetOf({ days: daysFrom('2024-01-01', [null, null]), trades: [null] }),
      'a ruin': sheetOf({
        days: daysFrom('2024-01-01', [-1, ...new Array<null>(3).fill(null)]),
        trades: ['-10000'],
      }),
    }
    for (const [name, data] of Object.entries(sheets)) {
      const shown = await viewer.show(renderPage(data), { width: 360 })
      expect(shown.complaints, name).toEqual([])
      expect(await shown.page.evaluate('document.documentElement.scrollWidth'), name).toBe(360)
      await shown.page.context().close()
    }
  })

  it('would be found to ask for something', async () => {
    const asking = sheet.replace('<main>', '<main><img src="https://example.org/a.png"><p style="color:red">')
    const shown = await viewer.show(asking)
    expect(shown.complaints.join('\n')).toMatch(/Content Security Policy/)
    const open = asking.replace(/<meta http-equiv[^>]+>/, '')
    const allowed = await viewer.show(open)
    expect(allowed.complaints.join('\n')).toContain('request: https://example.org/a.png')
    await shown.page.context().close()
    await allowed.page.context().close()
  })
})
