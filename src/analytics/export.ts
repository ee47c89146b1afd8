import {
  and,
  asc,
  type Column,
  eq,
  getTableColumns,
  getViewSelectedFields,
  gt,
  gte,
  lt,
  lte,
  type SQL,
  sql,
} from 'drizzle-orm'
import { toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { many } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { getBot } from '../fleet/index.ts'
import { fills } from '../trading/schema/fills.ts'
import { trades } from '../trading/schema/views.ts'
import { EXPORT_FORMATS, type ExportFormat, writeRows } from './export-text.ts'
import { type DayRange, readDayRange, readTimeRange, type TimeRange } from './ranges.ts'
import { dailyPnl } from './schema/daily-pnl.ts'
import { readTaxLots, type TaxLot } from './tax-lots.ts'

interface ExportOf {
  readonly botId: string
  /** `csv`, in UTF-8 with a header; or `json`, one array with an object per line. */
  readonly format: ExportFormat
}

/** Which rows are exported, and how. */
export interface ExportInput extends ExportOf, TimeRange {}
export interface ExportDailyPnlInput extends ExportOf, DayRange {}

type Trade = typeof trades.$inferSelect
type Fill = typeof fills.$inferSelect
type DailyPnl = typeof dailyPnl.$inferSelect

/** Rows of one statement, and of one piece of text. */
const PAGE = 1_000

/**
 * Writes the bot's closed round trips, first closed first: those closed from `from` on and before `to`.
 *
 * Text comes in pieces of at most 1,000 rows, each read when it is asked for, so memory stays flat; nothing is held open in
 * between. What is returned can be iterated more than once, and each time reads anew.
 *
 * Each row is as it was when its piece was read. A trade closed meanwhile is written where its time comes after what is
 * written already, and left out where it comes before; it makes no other row come twice or not at all. But a late fill
 * that lets a trade end later, once it is written, lets it come again. For all rows as at one moment, give the handle of a
 * `repeatable read` transaction.
 *
 * The columns are those of the database and have their names. Amounts, and counts of 64 bits, are decimal text in JSON too;
 * times are ISO 8601 in UTC. Null is an empty cell in CSV, and empty text a quoted one; before text that a spreadsheet would run as a
 * formula stands an apostrophe.
 *
 * @throws `invalid_input` naming the field, when called: before anything is read or written.
 * @throws `not_found`, when iterated, if the bot is not registered.
 */
export function exportTrades(db: Database, input: ExportInput): AsyncIterable<string> {
  const { botId, format, from, to } = readInput(input)
  const read = (last: Trade | undefined) =>
    many(
      'exportTrades',
      db
        .select()
        .from(trades)
        .where(
          and(
            eq(trades.botId, botId),
            from && gte(trades.closedAt, from),
            to && lt(trades.closedAt, to),
            last && follows(trades.closedAt, last.closedAt, trades.positionId, last.positionId),
          ),
        )
        .orderBy(asc(trades.closedAt), asc(trades.positionId))
        .limit(PAGE),
    )
  return textOf(format, Object.keys(getViewSelectedFields(trades)), () => pagesOf(db, botId, read))
}

/**
 * Writes the bot's fills, first executed first: those executed from `from` on and before `to`. In all else it is like
 * `exportTrades`; only that a fill never moves, so none comes twice.
 *
 * @throws `invalid_input` and `not_found` as `exportTrades` does.
 */
export function exportFills(db: Database, input: ExportInput): AsyncIterable<string> {
  const { botId, format, from, to } = readInput(input)
  const read = (last: Fill | undefined) =>
    many(
      'exportFills',
      db
        .select()
        .from(fills)
        .where(
          and(
            eq(fills.botId, botId),
            from && gte(fills.executedAt, from),
            to && lt(fills.executedAt, to),
            last && follows(fills.executedAt, last.executedAt, fills.id, last.id),
          ),
        )
        .orderBy(asc(fills.executedAt), asc(fills.id))
        .limit(PAGE),
    )
  return textOf(format, Object.keys(getTableColumns(fills)), () => pagesOf(db, botId, read))
}

/**
 * Writes the bot's daily PnL as it was calculated last, oldest day first: from the day `from` to the day `to`, both in it.
 * In all else it is like `exportTrades`. A day that was never calculated is not there.
 *
 * @throws `invalid_input` and `not_found` as `exportTrades` does.
 */
export function exportDailyPnl(db: Database, input: ExportDailyPnlInput): AsyncIterable<string> {
  const botId = toBotId(input.botId)
  const format = toOneOf(input.format, EXPORT_FORMATS, 'format')
  const { from, to } = readDayRange(input)
  const read = (last: DailyPnl | undefined) =>
    many(
      'exportDailyPnl',
      db
        .select()
        .from(dailyPnl)
        .where(
          and(
            eq(dailyPnl.botId, botId),
            from === undefined ? undefined : gte(dailyPnl.day, from),
            to === undefined ? undefined : lte(dailyPnl.day, to),
            last && gt(dailyPnl.day, last.day),
          ),
        )
        .orderBy(asc(dailyPnl.day))
        .limit(PAGE),
    )
  return textOf(format, Object.keys(getTableColumns(dailyPnl)), () => pagesOf(db, botId, read))
}

const TAX_LOT_KEYS = [
  'botId',
  'exchange',
  'symbol',
  'positionSide',
  'ordinal',
  'direction',
  'method',
  'quantity',
  'openedAt',
  'closedAt',
  'holdingMs',
  'holdingDays',
  'currency',
  'cost',
  'proceeds',
  'fees',
  'gain',
] as const satisfies readonly (keyof TaxLot)[]

/**
 * Writes the lots that the bot closed from `from` on and before `to`, in the order of `listTaxLots`, which says what they are.
 *
 * In all else it is like `exportTrades`, but that a piece has the lots that some thousand fills closed. The fills of each
 * symbol are read from the first one on; one recorded behind what is read already is not seen.
 *
 * @throws `invalid_input` and `not_found` as `exportTrades` does.
 */
export function exportTaxLots(db: Database, input: ExportInput): AsyncIterable<string> {
  const { format, ...span } = readInput(input)
  return textOf(format, TAX_LOT_KEYS, () => readTaxLots(db, span))
}

function readInput(input: ExportInput): ExportInput {
  const { botId, format } = input
  return {
    botId: toBotId(botId),
    format: toOneOf(format, EXPORT_FORMATS, 'format'),
    ...readTimeRange(input),
  }
}

/** The rows of an ascending list by `time` and then `id` that come after one. */
function follows(time: Column, at: Date, id: Column, idOfLast: string): SQL {
  // As one comparison, it is where the index is entered; taken apart, the pages before would be read again.
  return sql`(${time}, ${id}) > (${sql.param(at, time)}, ${sql.param(idOfLast, id)})`
}

async function* pagesOf<Row>(
  db: Database,
  botId: string,
  read: (last: Row | undefined) => Promise<Row[]>,
): AsyncGenerator<Row[]> {
  await getBot(db, { botId })
  for (let last: Row | undefined; ; ) {
    const page = await read(last)
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    last = page.at(-1)
  }
}

/** Text that is made as it is asked for. A generator itself would be spent after the first time, and then export nothing. */
function textOf(
  format: ExportFormat,
  keys: readonly string[],
  pages: () => AsyncIterable<readonly object[]>,
): AsyncIterable<string> {
  return { [Symbol.asyncIterator]: () => writeRows(format, keys, pages()) }
}
