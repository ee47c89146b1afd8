// What the demo's books must come to, kept apart in integers, and its output read for comparison.

export const CANDLE_HEAD = 'date,open,high,low,close,volume'

/** Amounts of the books below, as integers of 10⁻⁴⁰: the places that a quotient is rounded to. */
const SCALE = 40

export function units(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const size = BigInt(whole + fraction.padEnd(SCALE, '0'))
  return text.startsWith('-') ? -size : size
}

/** Keeps books by average cost, in integers. No division here leaves a rest that matters. */
export function keepBooks(fills: readonly (readonly [side: string, quantity: string, price: string])[]) {
  const hundredths = (text: string) => units(text) / 10n ** BigInt(SCALE - 2)
  const books = { cash: 0n, fees: 0n, gross: 0n, openCost: 0n }
  let held = 0n
  for (const [side, quantityText, priceText] of fills) {
    const price = units(priceText)
    const quantity = hundredths(quantityText) * (side === 'buy' ? 1n : -1n)
    const value = (price * quantity) / 100n
    books.cash -= value
    books.fees += roundedHalfUp((value < 0n ? -value : value) / 2_000n, 10n ** BigInt(SCALE - 8))
    const opposes = held !== 0n && held > 0n !== quantity > 0n
    if (!opposes) {
      held += quantity
      books.openCost += value
      continue
    }
    const isWhole = magnitude(quantity) >= magnitude(held)
    const closing = isWhole ? -held : quantity
    const removed = isWhole ? books.openCost : roundedQuotient(books.openCost * -closing, held)
    books.gross += -(price * closing) / 100n - removed
    books.openCost -= removed
    held += closing
    const rest = quantity - closing
    held += rest
    books.openCost += (price * rest) / 100n
  }
  return books
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

function roundedHalfUp(value: bigint, unit: bigint): bigint {
  return ((value + unit / 2n) / unit) * unit
}

function roundedQuotient(a: bigint, b: bigint): bigint {
  const isNegative = a < 0n !== b < 0n
  const size = (magnitude(a) * 2n + magnitude(b)) / (magnitude(b) * 2n)
  return isNegative ? -size : size
}

/** The four exact figures of the identity. */
export function exactLines(output: string): bigint[] {
  const labels = ['Realised gross', 'Net cash flow', '\\+ cost still open', '= sum']
  return labels.map((label) => {
    const [, amount = 'missing'] = new RegExp(`^  ${label} +(-?[\\d.]+)$`, 'm').exec(output) ?? []
    return units(amount)
  })
}

/** What the demo prints of its days: first and last day, return, return of a year, Sharpe, drawdown, equity at the end. */
export function performanceLines(output: string): string[] {
  const patterns = [
    /^ {2}(\S+) to (\S+?)(?:, \d+ days? unknown)?: return (\S+ %), (\S+ %) a year$/m,
    /^ {2}Sharpe ([^,]+),/m,
    /^ {2}Deepest drawdown (\S+ %)/m,
    /^ {2}Equity at the end +(\S+)$/m,
  ]
  return patterns.flatMap((pattern) => pattern.exec(output)?.slice(1) ?? ['missing'])
}

/** The same of a tear sheet, in the signs of a terminal. */
export function sheetLines(page: string): string[] {
  const plain = page.replaceAll('\u202f%', ' %').replaceAll('\u202f', ',').replaceAll('\u2212', '-')
  const [, first = 'missing', last = 'missing'] = /(\d{4}-\d\d-\d\d) to (\S+) · in USD/.exec(plain) ?? []
  const tile = (name: string) =>
    new RegExp(`<dt>${name}</dt><dd[^>]*>(?:<span[^>]*>)?([^<]+)<`).exec(plain)?.[1]?.replace('+', '') ??
    'missing'
  const drawdown = tile('Deepest drawdown').replace('-', '')
  return [
    first,
    last,
    tile('Total return'),
    tile('CAGR'),
    tile('Sharpe'),
    drawdown,
    tile('Equity at the end'),
  ]
}

/** The output without what differs from run to run: names of bot and place, and how long it took. */
export function figures(output: string): string {
  const body = output.slice(output.indexOf('\n  trading'), output.indexOf('Where it is'))
  return body.replace(/ in [\d.]+ s$/m, '')
}

/** Daily prices that go up and down for no reason, the same each time. */
export function randomWalk(days: number): string {
  let state = 12_345
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  let cents = 10_000
  const price = (value: number) => (value / 100).toFixed(2)
  const rows = Array.from({ length: days }, (_, day) => {
    const open = cents
    cents = Math.max(1_000, Math.round(cents * (1 + (random() - 0.5) * 0.06)))
    const high = Math.max(open, cents) + Math.round(random() * 80)
    const low = Math.min(open, cents) - Math.round(random() * 80)
    const date = new Date(Date.UTC(2023, 0, 1 + day)).toISOString().slice(0, 10)
    return [date, price(open), price(high), price(low), price(cents), 1_000].join(',')
  })
  return `${CANDLE_HEAD}\n${rows.join('\n')}\n`
}
