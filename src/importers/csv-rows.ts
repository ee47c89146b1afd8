import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { CsvError, type Info, parse } from 'csv-parse'
import { type NamedText, unreadable } from './text-source.ts'

/** The cells of one record, and the line of the file that it begins on, from 1. */
export interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** What is longer than this is no line of a table, and would be held in memory. */
const LINE_CHARACTERS_MAX = 1_000_000

/**
 * Reads a table row by row, and yields what `read` makes of each; undefined is left out. No more of it is held than the piece
 * at hand. Blank lines are skipped. Cells may be quoted, with line breaks in them.
 *
 * @throws `invalid_input` if there is no row at all, for a quote out of place, and for a line of over a million characters.
 */
export async function* mapCsvRows<Read>(
  text: NamedText,
  delimiter: string,
  read: (row: CsvRow) => Read | undefined,
): AsyncGenerator<Read> {
  // Spaces around a cell are no part of it. Rows of another width are refused by whoever knows the columns.
  const parser = parse({
    delimiter,
    info: true,
    max_record_size: LINE_CHARACTERS_MAX,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  })
  const source = Readable.from(text.chunks)
  // An error of either ends the other, and comes out of the loop below.
  pipeline(source, parser).catch(() => undefined)
  let isEmpty = true
  try {
    for await (const one of parser) {
      const row = toRow(one as Parsed)
      if (row.cells.length === 1 && row.cells[0] === '') continue
      isEmpty = false
      const result = read(row)
      if (result !== undefined) yield result
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause
    throw unreadable(`${text.name}:${lineOf(cause)}`, reasonOf(cause), cause)
  } finally {
    parser.destroy()
    // The file is closed once the stream that reads it is.
    if (!source.closed) await finished(source).catch(() => undefined)
  }
  if (isEmpty) throw unreadable(text.name, 'is empty')
}

interface Parsed {
  readonly info: Info
  readonly record: string[]
}

/** The parser counts up to the line that a record ends on. */
function toRow({ info, record }: Parsed): CsvRow {
  const breaks = record.reduce(
    (count, cell) => count + (cell.includes('\n') ? cell.split('\n').length - 1 : 0),
    0,
  )
  return { line: info.lines - breaks, cells: record }
}

function lineOf(error: CsvError): number {
  return typeof error.lines === 'number' ? error.lines : 0
}

function reasonOf({ code }: CsvError): string {
  switch (code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'ends in a quote that is never closed'
    case 'CSV_MAX_RECORD_SIZE':
      return `is longer than ${LINE_CHARACTERS_MAX} characters, so this is no table`
    default:
      return 'a quote stands where none may be'
  }
}
