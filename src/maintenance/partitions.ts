import { sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { sqlStatement } from '../db/statement.ts'
import { nextOpenTimeMs } from '../market/gap-math.ts'
import { candles, series } from '../market/schema/index.ts'
import { closeTimeMs, countCandles, openTimeMs } from '../market/timeframes.ts'

export interface EnsurePartitionsInput {
  /** The first month; the present one unless given. */
  readonly from?: Date | undefined
  /** Months up to then, at most 1,200; three months from now unless given. */
  readonly until?: Date | undefined
}

/** A partition that was made: the candles of one month. */
export interface CandlePartition {
  readonly name: string
  readonly from: Date
  readonly until: Date
  /** Candles that the default partition held until then. */
  readonly movedCount: number
}

const MONTHS_AHEAD = 3
const MONTHS_MAX = 1_200

const makePartition = sqlStatement<CandlePartition, 'month'>('ensurePartitions', (slot) => ({
  query: sql`select partition_name, from_time, until_time, moved from market.make_candle_partition(${slot('month')})`,
  fields: {
    name: candles.source,
    from: candles.openTime,
    until: candles.openTime,
    movedCount: series.candleCount,
  },
}))

/**
 * Makes the partitions of `market.candles`, one for each month of the span, that do not exist yet, and returns them.
 *
 * Candles of a month without one are kept in the default partition, and are moved when theirs is made; nothing needs
 * partitions but speed and the removal of old months. Safe to repeat and to run by several at once. Each month is a statement
 * of its own; while it is made, whoever reads or writes candles waits: for moments, unless there is much to move. To move many
 * millions, connect with a longer `statementTimeoutMs`.
 *
 * @throws `invalid_input` if `until` is before `from`, or the span is longer than 1,200 months.
 */
export async function ensurePartitions(
  db: Database,
  input: EnsurePartitionsInput = {},
): Promise<CandlePartition[]> {
  const from = input.from === undefined ? new Date() : toInstant(input.from, 'from')
  const until = input.until === undefined ? monthsAfter(from, MONTHS_AHEAD) : toInstant(input.until, 'until')
  const first = openTimeMs('1M', from.getTime())
  const end = until.getTime()
  if (end < from.getTime()) {
    throw invalid(`until ${until.toISOString()} is before from ${from.toISOString()}`)
  }
  if (countCandles('1M', first, nextOpenTimeMs('1M', end)) > MONTHS_MAX) {
    throw invalid(`until ${until.toISOString()} is more than ${MONTHS_MAX} months after from`)
  }
  const made: CandlePartition[] = []
  for (let month = first; month === first || month < end; month = closeTimeMs('1M', month)) {
    made.push(...(await makePartition.run(db, { month: new Date(month) })))
  }
  return made
}

function monthsAfter(from: Date, count: number): Date {
  let ms = openTimeMs('1M', from.getTime())
  for (let i = 0; i <= count; i++) ms = closeTimeMs('1M', ms)
  return new Date(ms)
}

function invalid(why: string): DataError {
  return new DataError('invalid_input', why, { field: 'until' })
}
