import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { found } from '../db/rows.ts'
import { known, replacingWriter, toArray, toKey, toWhole, type ValuesRecorded } from './record-values.ts'
import { fearGreed } from './schema/sentiment.ts'
import { type TimePageInput, valueReads } from './value-reads.ts'

export type FearGreed = typeof fearGreed.$inferSelect

/** One reading as its source gives it. Values and scores are whole numbers from 0, extreme fear, to 100, extreme greed. */
export interface FearGreedInput {
  /** Who publishes the index. `alternative.me` unless said otherwise. */
  readonly source?: string | undefined
  readonly measuredAt: Date
  readonly value: number
  /** What the source says the value was. Leave it out if not known, as all below. */
  readonly valueYesterday?: number | null | undefined
  readonly valueLastWeek?: number | null | undefined
  readonly valueLastMonth?: number | null | undefined
  /** The parts that the value is made of. */
  readonly volatilityScore?: number | null | undefined
  readonly momentumScore?: number | null | undefined
  readonly socialScore?: number | null | undefined
  readonly surveysScore?: number | null | undefined
  readonly dominanceScore?: number | null | undefined
  readonly trendsScore?: number | null | undefined
}

export interface FearGreedSource {
  /** `alternative.me` unless said otherwise. */
  readonly source?: string | undefined
}

export interface ListFearGreedInput extends FearGreedSource, TimePageInput<Pick<FearGreed, 'measuredAt'>> {}

const SOURCE = 'alternative.me'

/**
 * Stores readings of Fear & Greed indices and returns how many were new, replaced and unchanged.
 *
 * The database derives the class. A reading replaces the one of the same source and moment whole: what it leaves out becomes
 * unknown. Safe to repeat. More than a thousand are stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the reading and its field, as `readings[3].value`; nothing is stored then.
 */
export async function recordFearGreed(
  db: Database,
  input: { readonly readings: readonly FearGreedInput[] },
): Promise<ValuesRecorded> {
  return write(
    db,
    toArray(input.readings, 'readings').map((reading, i) => checkReading(reading, `readings[${i}]`)),
  )
}

const write = replacingWriter('recordFearGreed', fearGreed, [fearGreed.source, fearGreed.measuredAt])

const SCORES = [
  'valueYesterday',
  'valueLastWeek',
  'valueLastMonth',
  'volatilityScore',
  'momentumScore',
  'socialScore',
  'surveysScore',
  'dominanceScore',
  'trendsScore',
] as const

function checkReading(reading: FearGreedInput, at: string) {
  const scores = SCORES.map((score) => [score, known(reading[score], `${at}.${score}`, toScore)] as const)
  return {
    source: toKey(reading.source ?? SOURCE, `${at}.source`),
    measuredAt: toInstant(reading.measuredAt, `${at}.measuredAt`),
    value: toScore(reading.value, `${at}.value`),
    ...(Object.fromEntries(scores) as Record<(typeof SCORES)[number], number | null>),
  }
}

function toScore(value: number, field: string): number {
  return toWhole(value, field, 0, 100)
}

const reads = valueReads(fearGreed, { source: fearGreed.source }, fearGreed.measuredAt, {
  latest: 'getLatestFearGreed',
  list: 'listFearGreed',
})

/** Returns the newest reading of a source. @throws `not_found` naming the source if it has none. */
export async function getLatestFearGreed(db: Database, input: FearGreedSource = {}): Promise<FearGreed> {
  const source = toKey(input.source ?? SOURCE, 'source')
  return found(`fear & greed of '${source}'`, await reads.latest(db, { source }))
}

/** Returns readings of a source, newest first. */
export async function listFearGreed(db: Database, input: ListFearGreedInput = {}): Promise<FearGreed[]> {
  const after = input.after && toInstant(input.after.measuredAt, 'after.measuredAt')
  return reads.list(db, { source: toKey(input.source ?? SOURCE, 'source') }, input, after)
}
