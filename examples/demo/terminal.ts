import type { Decimal } from 'tradeblotter'

const { stdout, env } = process
const isDumb = env.TERM === 'dumb'
const hasColour = stdout.isTTY === true && !isDumb && !env.NO_COLOR
/** True where a line can be written over. */
export const isLive = stdout.isTTY === true && !isDumb
const WIDTH = 80

export function print(line = ''): void {
  stdout.write(`${line}\n`)
}

const paint = (code: number) => (text: string) => (hasColour ? `\u001B[${code}m${text}\u001B[0m` : text)
export const bold = paint(1)
export const dim = paint(2)
const red = paint(31)
const green = paint(32)

/** Colours text by the sign of an amount. */
export function paintBySign(text: string, amount: Decimal): string {
  if (amount.isZero()) return text
  return amount.isNegative() ? red(text) : green(text)
}

/** Writes over the line before; nothing where that cannot be done. */
export function overwrite(line: string): void {
  if (isLive) stdout.write(`\r\u001B[K${line.slice(0, (stdout.columns ?? WIDTH) - 1)}`)
}

/** An amount for reading: rounded, with thousands apart. */
export function money(amount: Decimal, decimals = 2): string {
  const text = amount.abs().toFixed(decimals)
  const [whole = '', fraction] = text.split('.')
  const grouped = grouping(whole) + (fraction === undefined ? '' : `.${fraction}`)
  return amount.isNegative() && /[1-9]/.test(text) ? `-${grouped}` : grouped
}

const SMALL_PRICE_DIGITS = 5

/** A price for reading: two decimals, or five digits of a small one. */
export function price(amount: Decimal | null): string {
  if (amount === null) return ''
  return amount.gte(1) ? money(amount) : amount.toSignificantDigits(SMALL_PRICE_DIGITS).toFixed()
}

export function count(number: number): string {
  return grouping(String(number))
}

/** A count with its noun: `1 trade`, `2 trades`. */
export function countOf(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`
}

function grouping(digits: string): string {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, ',')
}

export function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** To the minute, in UTC. */
export function minute(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ')
}

export const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export function duration(ms: number): string {
  if (ms >= DAY_MS) return `${count(Math.round(ms / DAY_MS))}d`
  return ms >= HOUR_MS ? `${Math.round(ms / HOUR_MS)}h` : `${Math.round(ms / MINUTE_MS)}min`
}

export interface TableColumn<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly align?: 'left'
  /** An amount whose sign colours the cell. */
  readonly sign?: (row: Row) => Decimal
  /** True for a column that is left out where the terminal is too narrow. */
  readonly isExtra?: boolean
}

/** Prints rows in aligned columns; `undefined` stands for rows left out and prints as `gap`. */
export function printTable<Row>(
  columns: readonly TableColumn<Row>[],
  rows: readonly (Row | undefined)[],
  gap: string,
): void {
  const measured = columns.map((column) => {
    const widths = rows.map((row) => (row === undefined ? 0 : column.text(row).length))
    return { column, width: Math.max(column.title.length, ...widths) }
  })
  const available = stdout.columns ?? WIDTH
  const needed = () => measured.reduce((sum, { width }) => sum + width + SPACE.length, -1)
  while (needed() > available) {
    const index = measured.findLastIndex(({ column }) => column.isExtra)
    if (index < 0) break
    measured.splice(index, 1)
  }
  const titles = measured.map(({ column, width }) => SPACE + pad(column.title, width, column.align))
  print(dim(titles.join('').slice(1).trimEnd()))
  for (const row of rows) {
    if (row === undefined) print(dim(`${SPACE}${gap}`))
    else {
      const cells = measured.map(({ column, width }) => {
        const text = pad(column.text(row), width, column.align)
        return SPACE + (column.sign ? paintBySign(text, column.sign(row)) : text)
      })
      print(cells.join('').slice(1).trimEnd())
    }
  }
}

const SPACE = '  '

function pad(text: string, width: number, align: 'left' | undefined): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width)
}
