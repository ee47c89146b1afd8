import { Decimal } from '../db/decimal.ts'

/** `csv`: for spreadsheets. `json`: one array, an object per line. */
export const EXPORT_FORMATS = ['csv', 'json'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/**
 * Writes rows as text, a piece per page; without rows, the header or an empty array alone.
 *
 * `keys` are the columns, in their order; they are named as the database names them. Amounts, and counts of 64 bits, are
 * decimal text in both formats; times are ISO 8601 in UTC.
 */
export async function* writeRows(
  format: ExportFormat,
  keys: readonly string[],
  pages: AsyncIterable<readonly object[]>,
): AsyncGenerator<string> {
  const { start, between, end, line } = FORMATS[format]
  const names = keys.map(toColumnName)
  let before = start(names)
  let count = 0
  // Nothing is written before the first page is there: who asked for the impossible gets an error and no text.
  for await (const page of pages) {
    yield before + page.map((row) => line(names, valuesOf(row, keys))).join(between)
    before = between
    count += page.length
  }
  const rest = (count === 0 ? before : '') + end(count)
  if (rest !== '') yield rest
}

interface Format {
  start(names: readonly string[]): string
  readonly between: string
  end(count: number): string
  line(names: readonly string[], values: readonly unknown[]): string
}

const FORMATS: Readonly<Record<ExportFormat, Format>> = {
  csv: {
    start: csvLine,
    between: '',
    end: () => '',
    line: (_, values) => csvLine(values),
  },
  json: {
    start: () => '[\n',
    between: ',\n',
    // Only here is the array closed, so that nobody takes an export that broke off for a whole one.
    end: (count) => (count === 0 ? ']\n' : '\n]\n'),
    line: (names, values) =>
      JSON.stringify(Object.fromEntries(names.map((name, i) => [name, plain(values[i])]))),
  },
}

function valuesOf(row: object, keys: readonly string[]): unknown[] {
  return keys.map((key) => (row as Record<string, unknown>)[key])
}

function toColumnName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** A value as JSON has it. A JSON number would lose digits of an amount in most readers. */
function plain(value: unknown): unknown {
  if (Decimal.isDecimal(value)) return value.toFixed()
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'bigint' ? String(value) : value
}

/** One line as RFC 4180 has it. */
function csvLine(values: readonly unknown[]): string {
  return `${values.map(csvCell).join(',')}\r\n`
}

function csvCell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return quoted(withoutFormula(value))
  const simple = plain(value)
  return quoted(typeof simple === 'object' ? JSON.stringify(simple) : String(simple))
}

/** Quotes empty text too, since nothing at all is null. */
function quoted(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

// The wide forms are what spreadsheets of East Asia take for the narrow ones.
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/
const NUMBER = /^[+-]?\d+(?:\.\d+)?$/

/**
 * Puts an apostrophe before text that a spreadsheet would run as a formula: a tag or an id may come from anywhere. A number
 * is none, be it negative.
 */
function withoutFormula(text: string): string {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
}
