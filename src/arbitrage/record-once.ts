import { toInstant } from '../db/columns.ts'
import { toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { optional } from '../db/input.ts'
import { found } from '../db/rows.ts'
import { differences, refuseOther } from '../db/same.ts'
import { toKey } from '../market/record-values.ts'
import { opportunities } from './schema/opportunities.ts'
import type { ArbitrageDetails, ArbitrageLeg } from './schema/values.ts'

/** How a row with an id of the caller's is written: `insert` returns nothing where the id is there already. */
export interface Recording<Row> {
  /** What it is, as messages call it. */
  readonly what: string
  insert(): Promise<Row | undefined>
  find(): Promise<Row | undefined>
  /** True if the row may be there and what is left to the database would not fit it any more, so that it is looked for first. */
  readonly isLate?: boolean | undefined
  /** What the row must hold. What is undefined is left to the database, and so is not compared. */
  readonly content: { readonly [Key in keyof Row]?: Row[Key] | undefined }
}

/** Stores a row, or returns the one that has its id and its content. @throws `conflict` naming the fields that differ. */
export async function recordOnce<Row extends object>(recording: Recording<Row>): Promise<Row> {
  const former = recording.isLate ? await recording.find() : undefined
  const inserted = former ? undefined : await recording.insert()
  if (inserted) return inserted
  const stored = former ?? found(recording.what, await recording.find())
  refuseOther(recording.what, differences(recording.content, stored))
  return stored
}

/** A column that holds legs. */
type LegColumn = { mapToDriverValue(value: ArbitrageLeg[]): unknown }

/**
 * Reads legs as the column will hold them, with amounts written in one way.
 *
 * @throws `invalid_input` naming the column, or `field` if it is no array.
 */
export function toLegs(legs: readonly ArbitrageLeg[], field: string, column: LegColumn): ArbitrageLeg[] {
  const stored = JSON.parse(String(column.mapToDriverValue([...toList(legs, field)]))) as ArbitrageLeg[]
  return stored.map((leg) => ({
    ...leg,
    price: plain(leg.price),
    ...(leg.quantity === undefined ? {} : { quantity: plain(leg.quantity) }),
    ...(leg.fee === undefined ? {} : { fee: plain(leg.fee) }),
  }))
}

function toList<Value>(values: readonly Value[], field: string): readonly Value[] {
  if (Array.isArray(values)) return values
  throw new DataError('invalid_input', `${field} is not an array`, { field })
}

function plain(amount: string): string {
  return toDecimal(amount, 'amount').toFixed()
}

/** Reads a document as it will be stored. @throws `invalid_input` naming `details`. */
export function toDetails(details: ArbitrageDetails | undefined): ArbitrageDetails {
  return JSON.parse(String(opportunities.details.mapToDriverValue(details ?? {}))) as ArbitrageDetails
}

const HASH_PATTERN = /^[A-Za-z0-9_:./+=-]+$/

/** Reads the hashes of transactions. @throws `invalid_input` naming the one that cannot be stored. */
export function toHashes(hashes: readonly string[] | undefined): string[] {
  return toList(hashes ?? [], 'transactionHashes').map((hash, i) => {
    const field = `transactionHashes[${i}]`
    if (HASH_PATTERN.test(toKey(hash, field))) return hash
    throw new DataError('invalid_input', `${field} '${hash.slice(0, 60)}' is not the hash of a transaction`, {
      field,
    })
  })
}

/** Reads when something was seen and when it ends. @throws `invalid_input` naming the field, also if the end is not after the beginning. */
export function toLifetime(
  detectedAt: Date | undefined,
  expiresAt: Date | null | undefined,
): { detectedAt: Date | undefined; expiresAt: Date | null } {
  const seen = detectedAt === undefined ? undefined : toInstant(detectedAt, 'detectedAt')
  const end = optional(expiresAt, 'expiresAt', toInstant)
  if (seen && end && end <= seen) {
    throw new DataError(
      'invalid_input',
      `expiresAt ${end.toISOString()} is not after ${seen.toISOString()}, when it was detected`,
      { field: 'expiresAt' },
    )
  }
  return { detectedAt: seen, expiresAt: end }
}
