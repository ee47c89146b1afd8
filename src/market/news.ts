import { and, arrayOverlaps, desc, gte, lt } from 'drizzle-orm'
import { toInstant, toLabel, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { comesAfter, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toArray, toKey, type ValuesRecorded } from './record-values.ts'
import { given, hashOf, idOf, type ReportRow, reportStore, toChange, toChoice } from './reports.ts'
import { news } from './schema/events.ts'
import type { TimePageInput } from './value-reads.ts'

/** One headline of one source. */
export type News = typeof news.$inferSelect

export interface NewsInput {
  /** Who published it. */
  readonly source: string
  /**
   * The source's own id. Leave it out if there is none: the headline is then known by its `url`, or without one by its text
   * and time, so that a corrected text counts as another headline.
   */
  readonly externalId?: string | undefined
  readonly headline: string
  /** As with all that may be left out below: what a later report leaves out stays as it is, and null erases it. */
  readonly summary?: string | null | undefined
  readonly url?: string | null | undefined
  /** The symbols and currencies that it is about. `listNews` finds them as they are written here. */
  readonly symbols?: readonly string[] | null | undefined
  /** −1, bad for them, to 1, good. */
  readonly sentimentScore?: number | null | undefined
  readonly publishedAt: Date
}

export interface RecordNewsInput {
  readonly news: readonly NewsInput[]
}

const store = reportStore(
  'recordNews',
  news,
  [news.headline, news.publishedAt],
  [news.summary, news.url, news.symbols, news.sentimentScore],
)

/**
 * Stores headlines and returns how many were new, changed and unchanged. Safe to repeat: source and external id are the key,
 * and a later report changes what is stored.
 *
 * More than a thousand are stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the headline and its field, as `news[3].url`; nothing is stored then.
 */
export async function recordNews(db: Database, input: RecordNewsInput): Promise<ValuesRecorded> {
  return store(
    db,
    toArray(input.news, 'news').map((one, i) => readNews(one, `news[${i}]`)),
  )
}

function readNews(input: NewsInput, at: string): ReportRow {
  const headline = toName(input.headline, `${at}.headline`)
  const publishedAt = toInstant(input.publishedAt, `${at}.publishedAt`).toISOString()
  const url = toChange(input.url, `${at}.url`, toName)
  const ownId = url ? idOf(url) : hashOf(`${headline}\n${publishedAt}`)
  return given({
    source: toKey(input.source, `${at}.source`),
    external_id: input.externalId === undefined ? ownId : toKey(input.externalId, `${at}.externalId`),
    headline,
    published_at: publishedAt,
    summary: toChange(input.summary, `${at}.summary`, toLabel),
    url,
    symbols: toChange(input.symbols, `${at}.symbols`, toSymbols),
    sentiment_score: toChange(input.sentimentScore, `${at}.sentimentScore`, toScore),
  })
}

function toSymbols(symbols: readonly string[], field: string): string[] {
  return [...new Set(toArray(symbols, field).map((symbol, i) => toName(symbol, `${field}[${i}]`)))]
}

function toScore(score: number, field: string): number {
  if (typeof score === 'number' && score >= -1 && score <= 1) return score
  throw new DataError('invalid_input', `${field} ${String(score)} is no number from -1 to 1`, { field })
}

/** A span of `publishedAt`. */
export interface ListNewsInput extends TimePageInput<Pick<News, 'publishedAt' | 'id'>> {
  /** About any of them. All headlines if left out. */
  readonly symbols?: readonly string[] | undefined
}

/**
 * Returns headlines, newest first.
 *
 * @throws `invalid_input` naming the field, also if `symbols` is empty.
 */
export async function listNews(db: Database, input: ListNewsInput = {}): Promise<News[]> {
  const { symbols, from, until, after } = input
  const cursor = after && {
    at: toInstant(after.publishedAt, 'after.publishedAt'),
    id: toLabel(after.id, 'after.id'),
  }
  return many(
    'listNews',
    db
      .select()
      .from(news)
      .where(
        and(
          symbols && arrayOverlaps(news.symbols, toChoice(symbols, 'symbols')),
          from && gte(news.publishedAt, toInstant(from, 'from')),
          until && lt(news.publishedAt, toInstant(until, 'until')),
          comesAfter(news.publishedAt, news.id, cursor),
        ),
      )
      .orderBy(desc(news.publishedAt), desc(news.id))
      .limit(readLimit(input.limit)),
  )
}
