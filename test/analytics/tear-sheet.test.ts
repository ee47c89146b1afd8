import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { calendarOf, sharpeWindow } from '../../src/analytics/tear-sheet/days.ts'
import {
  amountOf,
  decimalsFor,
  durationOf,
  percentOf,
  plural,
  ratioOf,
} from '../../src/analytics/tear-sheet/format.ts'
import { escapeJson, escapeProgram, html } from '../../src/analytics/tear-sheet/html.ts'
import { heatOf, monthlyReturns } from '../../src/analytics/tear-sheet/months.ts'
import { renderPage } from '../../src/analytics/tear-sheet/page.ts'
import { tradeBins } from '../../src/analytics/tear-sheet/trade-bins.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { chance, curveOf, daysFrom, noise, sheetOf } from './tear-sheet-data.ts'

/** As a reader sees it: narrow spaces as spaces, the true minus as the one of a keyboard. */
function plain(text: string): string {
  return text.replaceAll('\u202f', ' ').replaceAll('\u2212', '-')
}

const amountText = (amount: string, decimals = 2, isSigned = false) =>
  plain(amountOf(new Decimal(amount), decimals, { isSigned }).text)

describe('an amount on a sheet', () => {
  it('has its groups of three, two decimals and a sign where asked for', () => {
    expect(amountText('1234567.891')).toBe('1 234 567.89')
    expect(amountText('-999.995')).toBe('-1 000.00')
    expect(amountText('12', 2, true)).toBe('+12.00')
    expect(amountText('0', 2, true)).toBe('0.00')
    expect(amountText('-0.5', 0)).toBe('-1')
  })

  it('keeps every digit beside it where it was rounded, and only there', () => {
    const digits = '-0.1234567890123456789012345678901234567891'
    expect(amountOf(new Decimal(digits), 2)).toEqual({ text: '\u22120.12', exact: digits })
    expect(amountOf(new Decimal('1.20'), 2)).toEqual({ text: '1.20' })
    expect(amountOf(null, 2)).toEqual({ text: 'n/a' })
  })

  it('is never shown as zero while it is not', () => {
    expect(amountText('0.00000123456')).toBe('0.0000012')
    expect(amountText('-0.004')).toBe('-0.004')
    expect(amountText('0.005')).toBe('0.01')
  })

  it('has more decimals in an account of few units', () => {
    const decimals = (...amounts: string[]) => decimalsFor(amounts.map((amount) => new Decimal(amount)))
    expect(decimals('10000', '-3')).toBe(2)
    expect(decimals('-1.5')).toBe(5)
    expect(decimals('0.0123')).toBe(7)
    expect(decimals('0.0000000001')).toBe(8)
    expect(decimals('0')).toBe(2)
    expect(decimalsFor([null])).toBe(2)
  })

  it('has an exponent where nobody would count the zeros', () => {
    expect(amountText('123456789012345')).toBe('123 456 789 012 345.00')
    expect(amountText('-1234567890123456')).toBe('-1.23 × 10^15')
  })
})

describe('other figures of a sheet', () => {
  it('are per cent of fractions, in exact decimals', () => {
    const text = (fraction: number | null, isSigned = false) => plain(percentOf(fraction, { isSigned }).text)
    expect(text(0.05)).toBe('5.00 %')
    // 100 times 0.07 is 7.000000000000001 as a double.
    expect(percentOf(0.07)).toEqual({ text: '7.00\u202f%' })
    expect(text(0.123456, true)).toBe('+12.35 %')
    expect(text(-0.00001)).toBe('-0.001 %')
    expect(text(25)).toBe('2 500.00 %')
    expect(text(1e30)).toBe('1.00 × 10^32 %')
    expect(text(null)).toBe('n/a')
    expect(percentOf(0.123456).exact).toBe('0.123456')
  })

  it('are ratios, durations and counts', () => {
    expect([ratioOf(1.005), ratioOf(-1.23456), ratioOf(null)].map(({ text }) => plain(text))).toEqual([
      '1.01',
      '-1.23',
      'n/a',
    ])
    const duration = (ms: number | null) => plain(durationOf(ms).text)
    expect([0, 0.4, 999, 61_000, 3_600_000, 90_061_001].map(duration)).toEqual([
      '0 s',
      '0 s',
      '999 ms',
      '1 min 1 s',
      '1 h',
      '1 d 1 h',
    ])
    expect(durationOf(90_061_001).exact).toBe('90061001 ms')
    expect(durationOf(null).text).toBe('n/a')
    expect([plural(1, 'day'), plural(0, 'day'), plain(plural(1200, 'loss', 'losses'))]).toEqual([
      '1 day',
      '0 days',
      '1 200 losses',
    ])
  })
})

describe('what a stranger wrote', () => {
  it('stays text in a template, in an attribute, in JSON and in a program', () => {
    const name = `<img src=x onerror="alert('&')">`
    const escaped = '&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;'
    expect(html`<b title="${name}">${name}</b>`.text).toBe(`<b title="${escaped}">${escaped}</b>`)
    expect(html`${[html`<i>`, '<i>', 0, false, undefined]}`.text).toBe('<i>&lt;i&gt;0')
    const json = JSON.stringify({ name: '</script><!--' })
    expect(escapeJson(json)).not.toContain('<')
    expect(JSON.parse(escapeJson(json))).toEqual({ name: '</script><!--' })
    expect(escapeProgram('"</script>" + "</SCRIPT" + "<!--"')).toBe('"<\\/script>" + "<\\/SCRIPT" + "<\\!--"')
  })
})

describe('monthly returns', () => {
  it('compound the days of each month and year', () => {
    // December: 1.1 · 0.9 = 0.99. January: 1.02 · 1.05 = 1.071. February: one day.
    const days = [
      ...daysFrom('2023-12-30', [0.1, -0.1, 0.02]),
      ...daysFrom('2024-01-31', [0.05]),
      ...daysFrom('2024-02-29', [-0.5]),
    ]
    const [first, second, ...more] = monthlyReturns(curveOf(days))
    expect(more).toEqual([])
    expect(first?.year).toBe('2023')
    expect(first?.months.slice(0, 11)).toEqual(new Array(11).fill(undefined))
    expect(first?.months[11]?.returnFraction).toBeCloseTo(-0.01, 12)
    expect(first?.total).toEqual(first?.months[11])
    expect(second?.months[0]?.returnFraction).toBeCloseTo(0.071, 12)
    expect(second?.months[1]?.returnFraction).toBeCloseTo(-0.5, 12)
    // 1.071 · 0.5 − 1.
    expect(second?.total.returnFraction).toBeCloseTo(-0.4645, 12)
    expect(second?.total.dayCount).toBe(3)
  })

  it('say where equity was unknown, and have no return where no day has one', () => {
    const days = daysFrom('2024-01-30', [null, null, null, 0.1])
    const [year] = monthlyReturns(curveOf(days))
    expect(year?.months[0]).toEqual({ returnFraction: null, dayCount: 0, unknownDays: 2 })
    expect(year?.months[1]).toMatchObject({ dayCount: 1, unknownDays: 1 })
    expect(monthlyReturns([])).toEqual([])
  })

  it('are of a colour that grows with them', () => {
    const fractions = [-2, -0.1, -0.0999, -0.03, -0.01, -0.0001, 0, 0.0001, 0.01, 0.03, 0.06, 0.1, 9]
    expect(fractions.map(heatOf)).toEqual([-5, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 5])
  })
})

describe('the distribution of trades', () => {
  it('has bins of a round width with an edge at zero', () => {
    // Nine values, so 2 · √9 = 6 bins of (9 − (−5)) / 6 = 2.33… at least: 5 wide.
    const bins = tradeBins([-5, -4.99, -0.01, 0, 0.01, 4.99, 5, 9, 9])
    expect(bins).toEqual([
      { from: -5, to: 0, count: 3 },
      { from: 0, to: 5, count: 3 },
      { from: 5, to: 10, count: 3 },
    ])
  })

  it('puts each value where its decimals say', () => {
    // 0.3 / 0.1 is 2.9999999999999996 as doubles. Of 0 to 0.7 in 6 bins: 0.2 wide.
    const values = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    const bins = tradeBins(values)
    expect(bins.map(({ from }) => from)).toEqual([0, 0.2, 0.4, 0.6])
    expect(bins.map(({ count }) => count)).toEqual([2, 2, 2, 2])
  })

  it('counts what lies far out in bins without an end, and loses none', () => {
    const values = [...Array.from({ length: 500 }, (_, i) => i / 100 - 2.5), -1e6, 1e6, 2e6]
    const bins = tradeBins(values)
    expect(bins[0]).toMatchObject({ from: null, count: 1 })
    expect(bins.at(-1)).toMatchObject({ to: null, count: 2 })
    expect(bins.length).toBeLessThan(40)
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(503)
    for (const [i, { from }] of bins.entries()) if (i > 0) expect(from).toBe(bins[i - 1]?.to)
    expect(bins.some(({ from }) => from === 0)).toBe(true)
  })

  it('is one bin where all are the same, none of none, and ends for any doubles', () => {
    expect(tradeBins([])).toEqual([])
    expect(tradeBins([0, 0])).toEqual([{ from: 0, to: 1, count: 2 }])
    expect(tradeBins([-7, -7]).filter(({ count }) => count > 0)).toEqual([{ from: -8, to: -6, count: 2 }])
    for (const values of [
      [1e15, 1e15 + 1],
      [-1e-300, 1e-300],
      [1e300, -1e300],
      [1e9, 1e-9, 2e-9, 3e-9],
    ]) {
      expect(tradeBins(values).reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
    }
  })
})

describe('the days of a sheet', () => {
  it('are those of the calendar, so that one that is missing is seen', () => {
    const points = curveOf([...daysFrom('2024-02-28', [0.1]), ...daysFrom('2024-03-02', [0.1])])
    expect(calendarOf(points).map(({ day, point }) => [day, point !== undefined])).toEqual([
      ['2024-02-28', true],
      ['2024-02-29', false],
      ['2024-03-01', false],
      ['2024-03-02', true],
    ])
    expect(calendarOf([])).toEqual([])
  })

  it('give a window of a quarter, or half of what there is', () => {
    expect([0, 19, 20, 41, 125, 126, 5000].map(sharpeWindow)).toEqual([
      undefined,
      undefined,
      10,
      20,
      62,
      63,
      63,
    ])
  })
})

describe('the page of a sheet', () => {
  const small = () => renderPage(sheetOf({ days: daysFrom('2024-01-01', [0.1, -0.1]), trades: ['1', '-2'] }))

  it('lets the browser load nothing, and run what is in it and nothing else', () => {
    const page = small()
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? ''
    const programs = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1] ?? '')
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
    const hash = (text: string) => `&#39;sha256-${createHash('sha256').update(text).digest('base64')}&#39;`
    expect(programs).toHaveLength(2)
    expect(policy).toContain('default-src &#39;none&#39;;')
    expect(policy).toContain(`script-src ${programs.map(hash).join(' ')};`)
    expect(policy).toContain(`style-src ${hash(style)};`)
    expect(policy).not.toContain('unsafe')
    const outside = page.replaceAll(/<script>[\s\S]*?<\/script>/g, '')
    expect(outside).not.toMatch(/https?:|\ssrc=|@import|url\(/)
    expect(page).not.toContain('sourceMappingURL')
  })

  it('keeps the licence of the library in it', () => {
    expect(small()).toMatch(/\/\*!\s+\* Chart\.js v4[\s\S]{0,200}Released under the MIT License/)
  })

  it('says plainly what is missing, and has no program where nothing is drawn', () => {
    const page = renderPage(sheetOf({}))
    expect(page).toContain('No days are stored for this period: calculate the daily PnL first.')
    expect(page).toContain('No trade was closed in this period.')
    expect(page).not.toMatch(/<canvas|<script/)
    expect(page).toContain('script-src &#39;none&#39;;')
  })

  it('says of which days and trades nothing is known', () => {
    const days = [...daysFrom('2024-01-01', [0.1, null, 0.1]), ...daysFrom('2024-01-06', [0.1])]
    const page = renderPage(sheetOf({ days, trades: ['1', null] }))
    expect(page).toContain('The equity of 1 day is unknown, since a price or a rate is missing (2024-01-02).')
    expect(page).toContain('2 days in between were never calculated (2024-01-04, 2024-01-05).')
    expect(page).toContain('The net of 1 trade is unknown, since a rate is missing.')
    expect(page).toContain('<th scope=row>2024-01-04<td>not calculated')
    expect(page).toContain('Small sample: 3 daily returns.')
  })

  it('draws a missing day as a gap, at its own place', () => {
    const days = [...daysFrom('2024-01-01', [0.1]), ...daysFrom('2024-01-03', [0.1])]
    const page = renderPage(sheetOf({ days }))
    const plot = JSON.parse(/data-chart="return">(.*)<\/script>/.exec(page)?.[1] ?? '')
    expect(plot.firstDay).toBe('2024-01-01')
    // The start, 10 %, nothing, and 1.1 · 1.1 − 1.
    expect(plot.y).toEqual([0, 0.1, null, 0.21])
  })

  it('has five years of days, each of them drawn, in less than a megabyte', () => {
    const next = chance(7)
    const returns = Array.from({ length: 1826 }, () => 0.0004 + 0.016 * noise(next))
    const page = renderPage(sheetOf({ days: daysFrom('2019-01-01', returns), trades: ['1', '-1'] }))
    expect(Buffer.byteLength(page)).toBeLessThan(1_000_000)
    const plots = [...page.matchAll(/data-chart="\w+">(.*)<\/script>/g)].map((match) =>
      JSON.parse(match[1] ?? ''),
    )
    const daily = plots.filter(({ kind }) => kind === 'daily')
    expect(daily.map(({ y }) => y.length)).toEqual([1827, 1827, 1827, 1827])
    expect(page.match(/<th scope=row>/g)).toHaveLength(
      4 * 1827 + plots.find(({ kind }) => kind === 'bars').counts.length,
    )
  })
})
