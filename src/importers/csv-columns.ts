import { z } from 'zod'
import { toAmountText } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { plainText } from './ccxt-entry.ts'
import { complaint, NUMBER_PATTERN } from './ccxt-schema.ts'
import type { CsvRow } from './csv-rows.ts'
import { describeForms, readTime, TIME_FORMATS, type TimeForm, wholeNumber } from './csv-times.ts'

/** The name of a column in the header, or its place from 0. */
export type ColumnPlace = string | number

/** One column of a table. */
export interface Column {
  /** As the header writes it, or what it holds where there is no header. */
  readonly name: string
  readonly index: number
}

export const columnPlace = z.custom<ColumnPlace>(
  (place) =>
    typeof place === 'number'
      ? Number.isInteger(place) && place >= 0
      : typeof place === 'string' && place !== '',
  { error: complaint('the name of a column, or its place from 0') },
)

/** What every map of columns may say of the file as a whole. */
const FILE_KEYS = {
  timeFormat: z.enum(TIME_FORMATS, { error: complaint(`one of ${TIME_FORMATS.join(', ')}`) }).optional(),
  delimiter: z
    .string({ error: complaint('one character') })
    .refine((text) => text.length === 1 && !/["\r\n]/.test(text), { error: complaint('one character') })
    .optional(),
  header: z.boolean({ error: complaint('true or false') }).optional(),
}

/** The schema of a caller's map of columns, which has these places and no other. */
export function columnMap<Shape extends z.ZodRawShape>(places: Shape, wanted: string) {
  const shape = { ...places, ...FILE_KEYS }
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has no key ${issue.keys.join(', ')}; its keys are ${Object.keys(shape).join(', ')}`
        : complaint(wanted)(issue),
  })
}

/**
 * Reads a caller's map of columns.
 *
 * @throws `invalid_input` naming option and key of every problem, as `format.high: is missing`.
 */
export function readColumnMap<Schema extends z.ZodType>(
  option: string,
  map: unknown,
  schema: Schema,
): z.output<Schema> {
  const read = schema.safeParse(map)
  if (read.success) return read.data
  const lines = read.error.issues.map(({ path, message }) => `${[option, ...path].join('.')}: ${message}`)
  throw new DataError('invalid_input', lines.join('\n'), { field: option })
}

/** True if the file must have a header: what was said, or else whether any column is given by name. */
export function needsHeader(
  option: string,
  places: readonly (ColumnPlace | undefined)[],
  header: boolean | undefined,
): boolean {
  const named = places.find((place) => typeof place === 'string')
  if (header === false && named !== undefined) {
    const why = `column '${named}' cannot be found by name in a file without a header`
    throw new DataError('invalid_input', `${option}.header: ${why}`, { field: option })
  }
  return header ?? named !== undefined
}

/** The rows of one table: finds its columns and reads its cells, and says where something is wrong. */
export class CsvTable {
  readonly #file: string
  #width = 0

  constructor(file: string) {
    this.#file = file
  }

  /** Takes the first row, which says how many columns all have. */
  begin(first: CsvRow): void {
    this.#width = first.cells.length
  }

  /** Refuses a row of more or fewer cells than the first: those behind the odd one would be read as something else. */
  checkWidth({ line, cells }: CsvRow): void {
    if (cells.length === this.#width) return
    throw this.fault(line, `has ${counted(cells.length)}, and the first row ${this.#width}`)
  }

  /** Finds the one column that has any of these names, whatever their case. */
  named(header: CsvRow, names: readonly string[]): Column | undefined {
    const found = header.cells.flatMap((cell, index) =>
      names.some((name) => name.toLowerCase() === cell.trim().toLowerCase())
        ? [{ name: cell.trim(), index }]
        : [],
    )
    if (found.length < 2) return found[0]
    const shown = found.map(({ name }) => name).join(', ')
    throw this.fault(
      header.line,
      `has several columns for the same (${shown}); say which with a map of columns`,
    )
  }

  /** Finds a column of a caller's map. */
  placed(first: CsvRow, hasHeader: boolean, place: ColumnPlace, field: string): Column {
    if (typeof place === 'number') {
      const cell = first.cells[place]
      if (cell !== undefined) return { name: (hasHeader && cell.trim()) || field, index: place }
      throw this.fault(first.line, `has ${counted(first.cells.length)}, so none at place ${place} (${field})`)
    }
    const names = first.cells.map((cell) => cell.trim())
    const index = names.indexOf(place)
    if (index === -1) {
      throw this.fault(first.line, `has no column '${place}' (${field}); its columns are ${names.join(', ')}`)
    }
    if (names.indexOf(place, index + 1) !== -1) {
      throw this.fault(first.line, `has column '${place}' twice; give its place from 0 instead`)
    }
    return { name: place, index }
  }

  /** Reads an exact amount. An exponent is written out. */
  amount(row: CsvRow, column: Column): string {
    const text = this.#text(row, column)
    try {
      const hasExponent = EXPONENT.test(text) && NUMBER_PATTERN.test(text)
      return toAmountText(hasExponent ? plainText(text) : text, column.name)
    } catch (error) {
      if (!isDataError(error)) throw error
      throw this.wrong(row, column, error.message.slice(column.name.length + 1))
    }
  }

  /** Reads an amount that may be missing: undefined for an empty cell, and without a column. */
  amountIfAny(row: CsvRow, column: Column | undefined): string | undefined {
    return column && !isEmpty(row, column) ? this.amount(row, column) : undefined
  }

  /** Reads a whole number of zero or more. */
  count(row: CsvRow, column: Column): number {
    const text = this.#text(row, column)
    const count = wholeNumber(text)
    if (count !== undefined) return count
    throw this.wrong(row, column, `${shown(text)} is not a whole number`)
  }

  countIfAny(row: CsvRow, column: Column | undefined): number | undefined {
    return column && !isEmpty(row, column) ? this.count(row, column) : undefined
  }

  /** Reads a time in Unix milliseconds. */
  time(row: CsvRow, column: Column, forms: readonly TimeForm[]): number {
    const text = this.#text(row, column)
    const ms = readTime(text, forms)
    if (ms !== undefined) return ms
    throw this.wrong(row, column, `${shown(text)} is not ${describeForms(forms)}`)
  }

  /** An error of one cell. */
  wrong({ line }: CsvRow, { name }: Column, why: string): DataError {
    return new DataError('invalid_input', `${this.#file}:${line}: column '${name}': ${why}`, { field: name })
  }

  /** An error of one line. */
  fault(line: number, why: string): DataError {
    return new DataError('invalid_input', `${this.#file}:${line}: ${why}`, { field: 'source' })
  }

  #text(row: CsvRow, column: Column): string {
    const text = row.cells[column.index]?.trim() ?? ''
    if (text === '') throw this.wrong(row, column, 'is empty')
    return text
  }
}

const EXPONENT = /e/i

function isEmpty(row: CsvRow, column: Column): boolean {
  return (row.cells[column.index] ?? '').trim() === ''
}

const SHOWN_CHARACTERS = 60

function shown(text: string): string {
  return `'${text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text}'`
}

function counted(columns: number): string {
  return columns === 1 ? '1 column' : `${columns} columns`
}
