import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { found } from '../db/rows.ts'
import { known, replacingWriter, toArray, toKey, toWhole, type ValuesRecorded } from './record-values.ts'
import { sentiment } from './schema/sentiment.ts'
import { type TimePageInput, valueReads } from './value-reads.ts'

export type Sentiment = typeof sentiment.$inferSelect

/** How one source saw the mood about one asset at a moment. */
export interface SentimentInput {
  /** A currency, as BTC. */
  readonly asset: string
  readonly source: string
  readonly measuredAt: Date
  /** −1, all negative, to 1, all positive. */
  readonly score: number
  /** How many posts or articles it was made of. Leave it out if not known. */
  readonly mentionCount?: number | null | undefined
}

/** What names one series of values. */
export type SentimentSeries = Pick<Sentiment, 'asset' | 'source'>

export interface ListSentimentInput extends SentimentSeries, TimePageInput<Pick<Sentiment, 'measuredAt'>> {}

/**
 * Stores values of sentiment and returns how many were new, replaced and unchanged.
 *
 * A value replaces the one of the same asset, source and moment whole. Safe to repeat. More than a thousand are
 * stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the value and its field, as `values[3].score`; nothing is stored then.
 */
export async function recordSentiment(
  db: Database,
  input: { readonly values: readonly SentimentInput[] },
): Promise<ValuesRecorded> {
  return write(
    db,
    toArray(input.values, 'values').map((value, i) => checkValue(value, `values[${i}]`)),
  )
}

const write = replacingWriter('recordSentiment', sentiment, [
  sentiment.asset,
  sentiment.source,
  sentiment.measuredAt,
])

function checkValue(value: SentimentInput, at: string) {
  return {
    asset: toKey(value.asset, `${at}.asset`),
    source: toKey(value.source, `${at}.source`),
    measuredAt: toInstant(value.measuredAt, `${at}.measuredAt`),
    score: toSentimentScore(value.score, `${at}.score`),
    mentionCount: known(value.mentionCount, `${at}.mentionCount`, toCount),
  }
}

function toSentimentScore(value: number, field: string): number {
  if (typeof value === 'number' && value >= -1 && value <= 1) return value
  throw new DataError('invalid_input', `${field} ${value} is not a number from -1 to 1`, { field })
}

function toCount(value: number, field: string): number {
  return toWhole(value, field, 0)
}

const reads = valueReads(
  sentiment,
  { asset: sentiment.asset, source: sentiment.source },
  sentiment.measuredAt,
  {
    latest: 'getLatestSentiment',
    list: 'listSentiment',
  },
)

/** Returns the newest sentiment of a source about an asset. @throws `not_found` naming asset and source if there is none. */
export async function getLatestSentiment(db: Database, input: SentimentSeries): Promise<Sentiment> {
  const series = readSeries(input)
  return found(`sentiment of '${input.source}' about '${input.asset}'`, await reads.latest(db, series))
}

function readSeries(input: SentimentSeries): SentimentSeries {
  return { asset: toKey(input.asset, 'asset'), source: toKey(input.source, 'source') }
}

/** Returns what a source said of an asset, newest first. */
export async function listSentiment(db: Database, input: ListSentimentInput): Promise<Sentiment[]> {
  const after = input.after && toInstant(input.after.measuredAt, 'after.measuredAt')
  return reads.list(db, readSeries(input), input, after)
}
