import { toName } from '../db/columns.ts'
import type { FundingRateInput } from '../market/funding-rate-input.ts'
import { FUNDING_INTERVAL_HOURS_MAX } from '../market/schema/funding.ts'
import {
  type Column,
  type ColumnPlace,
  CsvTable,
  columnMap,
  columnPlace,
  needsHeader,
  readColumnMap,
} from './csv-columns.ts'
import { type CsvRow, mapCsvRows } from './csv-rows.ts'
import { PLAIN_FORMS, readTime, type TimeForm, type TimeFormat } from './csv-times.ts'
import { addIntervals } from './funding-interval.ts'
import { isInterval, readIntervalOption, readSource } from './market-options.ts'
import { openText, type TextSource } from './text-source.ts'

/** Where a table has what a funding rate needs: the name of a column as the header writes it, or its place from 0. */
export interface FundingRateColumns {
  readonly publishedAt: ColumnPlace
  /** A fraction per interval. */
  readonly rate: ColumnPlace
  /** An empty cell of this and the two below means that it is not known. */
  readonly intervalHours?: ColumnPlace | undefined
  readonly markPrice?: ColumnPlace | undefined
  readonly indexPrice?: ColumnPlace | undefined
  /** Without it, what tells itself apart: Unix time of 10, 13 or 16 digits, a date, an ISO time with its zone. */
  readonly timeFormat?: TimeFormat | undefined
  /** A comma unless said otherwise. */
  readonly delimiter?: string | undefined
  /** Whether the first row is a header. True if any column is given by name, else false. */
  readonly header?: boolean | undefined
}

export interface ReadFundingRateCsvOptions {
  /** The exchange's name as the bot uses it everywhere. */
  readonly exchange: string
  readonly symbol: string
  /** Hours that every rate is for. Without it, what the row says, or else the distance of the rates in time. */
  readonly intervalHours?: number | undefined
  /** Needed for files other than Binance's public ones and those of time and rate without a header. */
  readonly columns?: FundingRateColumns | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
  /** What errors call the file, if the source is no path. */
  readonly file?: string | undefined
}

/**
 * Reads the settled funding rates of a CSV file as they are asked for, to go straight into `recordFundingRates`: the public
 * files of data.binance.vision, files of two columns without a header (time in UTC as `20221213 08:00:00`, rate), and any
 * other by a map of columns. Files and cells are read as `readCandleCsv` reads them.
 *
 * Where neither option nor file tells the interval, the times do, as `inferIntervals` says; they must then be in order, oldest
 * or newest first, and more than one.
 *
 * @throws `invalid_input` for options that do not fit, at once. Reading throws it as `readCandleCsv` does.
 */
export function readFundingRateCsv(
  source: TextSource,
  options: ReadFundingRateCsvOptions,
): AsyncGenerator<FundingRateInput> {
  const series = {
    exchange: toName(options.exchange, 'exchange'),
    symbol: toName(options.symbol, 'symbol'),
  }
  const fixed = readIntervalOption(options.intervalHours)
  const origin = readSource(options.source)
  const text = openText(source, options.file)
  const { delimiter, find } = options.columns === undefined ? KNOWN : readColumns(options.columns)
  const table = new CsvTable(text.name)
  let layout: FundingLayout | undefined
  const drafts = mapCsvRows(text, delimiter, (row) => {
    if (layout === undefined) {
      table.begin(row)
      layout = find(table, row)
      if (layout.hasHeader) return undefined
    }
    table.checkWidth(row)
    return toDraft(table, row, layout)
  })
  return complete(drafts, table, fixed, (draft, intervalHours) => {
    const { markPrice, indexPrice } = draft
    return {
      ...series,
      publishedAt: draft.publishedAt,
      intervalHours,
      rate: draft.rate,
      ...(markPrice === undefined ? {} : { markPrice }),
      ...(indexPrice === undefined ? {} : { indexPrice }),
      isEstimated: false,
      ...origin,
    }
  })
}

interface Draft {
  readonly row: CsvRow
  readonly time: Column
  readonly publishedAt: Date
  readonly rate: string
  readonly intervalHours: number | undefined
  readonly markPrice: string | undefined
  readonly indexPrice: string | undefined
}

interface FundingLayout {
  readonly hasHeader: boolean
  readonly timeForms: readonly TimeForm[]
  readonly publishedAt: Column
  readonly rate: Column
  readonly intervalHours?: Column | undefined
  readonly markPrice?: Column | undefined
  readonly indexPrice?: Column | undefined
}

function toDraft(table: CsvTable, row: CsvRow, layout: FundingLayout): Draft {
  const { intervalHours: column } = layout
  const intervalHours = table.countIfAny(row, column)
  if (column && intervalHours !== undefined && !isInterval(intervalHours)) {
    throw table.wrong(row, column, `'${intervalHours}' is not hours from 1 to ${FUNDING_INTERVAL_HOURS_MAX}`)
  }
  return {
    row,
    time: layout.publishedAt,
    publishedAt: new Date(table.time(row, layout.publishedAt, layout.timeForms)),
    rate: table.amount(row, layout.rate),
    intervalHours,
    markPrice: table.amountIfAny(row, layout.markPrice),
    indexPrice: table.amountIfAny(row, layout.indexPrice),
  }
}

/** Gives each rate its interval: that of the option, its own, or what the times tell. The first row says which of the two. */
async function* complete(
  drafts: AsyncGenerator<Draft>,
  table: CsvTable,
  fixed: number | undefined,
  make: (draft: Draft, intervalHours: number) => FundingRateInput,
): AsyncGenerator<FundingRateInput> {
  if (fixed !== undefined) {
    for await (const draft of drafts) yield make(draft, fixed)
    return
  }
  const first = await drafts.next()
  if (first.done) return
  const all = resumed(first.value, drafts)
  if (first.value.intervalHours === undefined) {
    const timed = addIntervals(all, ({ row, time }, why) =>
      table.wrong(row, time, `${why} cannot be told; say it with the option intervalHours`),
    )
    for await (const [draft, hours] of timed) yield make(draft, draft.intervalHours ?? hours)
    return
  }
  for await (const draft of all) {
    const { row, time, intervalHours } = draft
    if (intervalHours === undefined) throw table.wrong(row, time, 'has no interval, unlike the first row')
    yield make(draft, intervalHours)
  }
}

async function* resumed(first: Draft, rest: AsyncGenerator<Draft>): AsyncGenerator<Draft> {
  yield first
  yield* rest
}

type FindFundingColumns = (table: CsvTable, first: CsvRow) => FundingLayout

const COMMA = ','
const BINANCE_TIME = 'calc_time'

const KNOWN: { readonly delimiter: string; readonly find: FindFundingColumns } = {
  delimiter: COMMA,
  find: (table, first) => {
    const publishedAt = table.named(first, [BINANCE_TIME])
    const rate = table.named(first, ['last_funding_rate'])
    if (publishedAt && rate) {
      const intervalHours = table.named(first, ['funding_interval_hours'])
      return { hasHeader: true, timeForms: ['unix'], publishedAt, rate, intervalHours }
    }
    if (first.cells.length === 2 && readTime(first.cells[0]?.trim() ?? '', ['utc']) !== undefined) {
      return {
        hasHeader: false,
        timeForms: ['utc'],
        publishedAt: { name: 'time', index: 0 },
        rate: { name: 'rate', index: 1 },
      }
    }
    throw table.fault(
      first.line,
      `is not known: expected is a header of ${BINANCE_TIME}, funding_interval_hours, last_funding_rate, or no header and time and rate as 20221213 08:00:00,0.0001; for any other file, say where its columns are with the option columns`,
    )
  },
}

const columnsSchema = columnMap(
  {
    publishedAt: columnPlace,
    rate: columnPlace,
    intervalHours: columnPlace.optional(),
    markPrice: columnPlace.optional(),
    indexPrice: columnPlace.optional(),
  },
  'a map of columns',
)

function readColumns(columns: FundingRateColumns): { delimiter: string; find: FindFundingColumns } {
  const { timeFormat, delimiter, header, ...places } = readColumnMap('columns', columns, columnsSchema)
  const hasHeader = needsHeader('columns', Object.values(places), header)
  const timeForms = timeFormat ? [timeFormat] : PLAIN_FORMS
  const find: FindFundingColumns = (table, first) => {
    const at = (field: string, place: ColumnPlace) => table.placed(first, hasHeader, place, field)
    const ifAny = (field: string, place: ColumnPlace | undefined) =>
      place === undefined ? undefined : at(field, place)
    return {
      hasHeader,
      timeForms,
      publishedAt: at('publishedAt', places.publishedAt),
      rate: at('rate', places.rate),
      intervalHours: ifAny('intervalHours', places.intervalHours),
      markPrice: ifAny('markPrice', places.markPrice),
      indexPrice: ifAny('indexPrice', places.indexPrice),
    }
  }
  return { delimiter: delimiter ?? COMMA, find }
}
