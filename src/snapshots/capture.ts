import { sql } from 'drizzle-orm'
import { readNow, toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { CURRENCY_PEGS } from '../market/symbol-currencies.ts'
import { TIMEFRAMES, type Timeframe } from '../market/timeframes.ts'
import { readDocument, type Snapshot, type SnapshotDocument } from './reads.ts'
import { SNAPSHOT_HOURS_MAX, SNAPSHOT_REASONS, type SnapshotReason } from './schema/bundles.ts'

export interface CaptureSnapshotInput {
  readonly botId: string
  /** Whose market. The bot's own if left out; what the bot holds is of every exchange. */
  readonly exchange?: string | undefined
  /** 1 to 100. */
  readonly symbols: readonly string[]
  /** The series whose last candle and indicators are kept. */
  readonly timeframes: readonly Timeframe[]
  /** Why it is taken. */
  readonly reason: SnapshotReason
  readonly note?: string | undefined
  /** How far ahead events of the calendar are kept, in hours. 0 to 744; 24 unless said otherwise. */
  readonly calendarHours?: number | undefined
  /** Of how many hours headlines are kept, and events of the calendar that have happened. 0 to 744; 24 unless said otherwise. */
  readonly newsHours?: number | undefined
  /** How old the last candle and its indicators may be, in lengths of a candle since it closed. 0 to 1,000; 2 unless said otherwise. */
  readonly maxAgeCandles?: number | undefined
  /** How old a balance may be, in hours. 0 to 744; 24 unless said otherwise. */
  readonly maxBalanceHours?: number | undefined
  /** Chosen by the caller, it makes the call safe to repeat. */
  readonly id?: string | undefined
  /** The moment that the snapshot is of. The database's clock if left out. */
  readonly now?: Date | undefined
  /**
   * Nothing that was recorded later is in it: `now` unless said otherwise. Give the present to take a snapshot of a past moment from history that was
   * recorded since, as for a backtest.
   */
  readonly recordedUntil?: Date | undefined
}

export interface CapturedSnapshot extends Snapshot {
  /** False if a snapshot of this id was stored before, which is returned as it is. */
  readonly isNew: boolean
}

const HOURS = 24
const MAX_AGE_CANDLES = 2
const MAX_AGE_CANDLES_MAX = 1_000
const SYMBOLS_MAX = 100
/** Of events and of headlines, each: what no bot reads, it need not keep. */
const ROWS_MAX = 100

type Slot =
  | 'botId'
  | 'id'
  | 'reason'
  | 'note'
  | 'exchange'
  | 'symbols'
  | 'timeframes'
  | 'calendarHours'
  | 'newsHours'
  | 'maxAgeCandles'
  | 'maxBalanceHours'
  | 'now'
  | 'recordedUntil'

interface Captured {
  readonly isNew: boolean
  readonly snapshot: SnapshotDocument
}

const pegs = sql.raw(`'${JSON.stringify(CURRENCY_PEGS)}'::jsonb`)

const capture: PreparedStatement<{ readonly captured: Captured }, Slot> = sqlStatement(
  'captureSnapshot',
  (slot) => ({
    query: sql`
      select snapshots.capture(${slot('botId')}, ${slot('id')}::uuid, ${slot('reason')}, ${slot('note')}, ${slot('exchange')},
        ${slot('symbols')}::text[], ${slot('timeframes')}::text[], ${slot('calendarHours')}::float8, ${slot('newsHours')}::float8,
        ${slot('maxAgeCandles')}::float8, ${slot('maxBalanceHours')}::float8, ${sql.raw(String(ROWS_MAX))}, ${pegs},
        ${slot('now')}::timestamptz, ${slot('recordedUntil')}::timestamptz)`,
    fields: ([captured]) => ({ captured: JSON.parse(String(captured)) as Captured }),
  }),
)

/**
 * Keeps what a bot knows at this moment and returns it: the last candle, indicators, price and funding rate of each symbol, the events of the calendar that
 * concern their currencies, the headlines about them, and the account. One round trip.
 *
 * Everything is copied, so that later corrections change nothing in it. What is stale, unknown or was changed since is left out and named in `missing`; nothing has
 * a default. Events and headlines are at most 100 each, the nearest ones. Candles bear no time of recording: of a `now` in the past, one that was recorded or
 * revised since is in it.
 *
 * Safe to repeat with an `id`: the snapshot taken first is returned as it is.
 *
 * @throws `conflict` naming the fields if a snapshot of this id was taken of something else.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function captureSnapshot(db: Database, input: CaptureSnapshotInput): Promise<CapturedSnapshot> {
  const asked = readInput(input)
  const { captured } = found('snapshot', only('captureSnapshot', await capture.run(db, asked)))
  const snapshot = readDocument(captured.snapshot)
  if (!captured.isNew) refuseOther(snapshot, asked)
  return { ...snapshot, isNew: captured.isNew }
}

function readInput(input: CaptureSnapshotInput) {
  const { exchange, note, now, recordedUntil } = input
  const symbols = readList(input.symbols, 'symbols', toName)
  if (symbols.length > SYMBOLS_MAX) throw invalid('symbols', `has more than ${SYMBOLS_MAX}`)
  return {
    botId: toBotId(input.botId),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    reason: toOneOf(input.reason, SNAPSHOT_REASONS, 'reason'),
    note: note === undefined ? null : toLabel(note, 'note'),
    exchange: exchange === undefined ? null : toName(exchange, 'exchange'),
    symbols,
    timeframes: readList(input.timeframes, 'timeframes', (one, field) => toOneOf(one, TIMEFRAMES, field)),
    calendarHours: readAge(input.calendarHours ?? HOURS, 'calendarHours', SNAPSHOT_HOURS_MAX),
    newsHours: readAge(input.newsHours ?? HOURS, 'newsHours', SNAPSHOT_HOURS_MAX),
    maxAgeCandles: readAge(input.maxAgeCandles ?? MAX_AGE_CANDLES, 'maxAgeCandles', MAX_AGE_CANDLES_MAX),
    maxBalanceHours: readAge(input.maxBalanceHours ?? HOURS, 'maxBalanceHours', SNAPSHOT_HOURS_MAX),
    now: readNow(now),
    recordedUntil:
      recordedUntil === undefined ? null : toInstant(recordedUntil, 'recordedUntil').toISOString(),
  }
}

function readList<Value extends string>(
  values: readonly Value[],
  field: string,
  read: (value: Value, field: string) => Value,
): Value[] {
  if (!Array.isArray(values) || values.length === 0) throw invalid(field, 'is no list of one or more')
  const list = values.map((value, i) => read(value, `${field}[${i}]`))
  return [...new Set(list)]
}

function readAge(value: number, field: string, most: number): number {
  if (typeof value === 'number' && value >= 0 && value <= most) return value
  throw invalid(field, `${String(value)} is no number from 0 to ${most}`)
}

/** What a repeated call must say as the first one did; what it leaves out is not compared. */
function refuseOther({ bundle }: Snapshot, asked: ReturnType<typeof readInput>): void {
  const pairs: Record<string, readonly [stored: unknown, asked: unknown]> = {
    reason: [bundle.reason, asked.reason],
    note: [bundle.note, asked.note],
    exchange: [bundle.exchange, asked.exchange ?? bundle.exchange],
    symbols: [bundle.symbols.join('\0'), asked.symbols.join('\0')],
    timeframes: [bundle.timeframes.join('\0'), asked.timeframes.join('\0')],
    calendarHours: [bundle.calendarHours, asked.calendarHours],
    newsHours: [bundle.newsHours, asked.newsHours],
    now: [bundle.capturedAt.toISOString(), asked.now ?? bundle.capturedAt.toISOString()],
  }
  const others = Object.keys(pairs).filter((name) => pairs[name]?.[0] !== pairs[name]?.[1])
  if (others.length === 0) return
  throw new DataError(
    'conflict',
    `snapshot '${bundle.id}' of bot '${bundle.botId}' was taken with another ${others.join(', ')}`,
    { field: others[0] },
  )
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}
