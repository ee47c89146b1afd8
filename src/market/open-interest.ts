import { toInstant, toLabel } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, type Decimal, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { found } from '../db/rows.ts'
import { known, replacingWriter, toArray, toKey, type ValuesRecorded } from './record-values.ts'
import { openInterest } from './schema/funding.ts'
import { type TimePageInput, valueReads } from './value-reads.ts'

export type OpenInterest = typeof openInterest.$inferSelect

/** How many contracts of a symbol were open at a moment, as an exchange gives it. */
export interface OpenInterestInput {
  readonly exchange: string
  readonly symbol: string
  readonly measuredAt: Date
  /** In base currency, or contracts where the exchange counts those. Not negative. */
  readonly quantity: Amount
  /** In quote currency. Not negative. Leave it out if not known. */
  readonly notional?: Amount | null | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
}

/** What names one series of values. */
export type OpenInterestSeries = Pick<OpenInterest, 'exchange' | 'symbol'>

export interface ListOpenInterestInput
  extends OpenInterestSeries,
    TimePageInput<Pick<OpenInterest, 'measuredAt'>> {}

/**
 * Stores values of open interest and returns how many were new, replaced and unchanged.
 *
 * A value replaces the one of the same symbol and moment whole: what it leaves out becomes unknown. Safe to repeat. More than a thousand are
 * stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the value and its field, as `values[3].quantity`; nothing is stored then.
 */
export async function recordOpenInterest(
  db: Database,
  input: { readonly values: readonly OpenInterestInput[] },
): Promise<ValuesRecorded> {
  return write(
    db,
    toArray(input.values, 'values').map((value, i) => checkValue(value, `values[${i}]`)),
  )
}

const write = replacingWriter('recordOpenInterest', openInterest, [
  openInterest.exchange,
  openInterest.symbol,
  openInterest.measuredAt,
])

function checkValue(value: OpenInterestInput, at: string) {
  return {
    exchange: toKey(value.exchange, `${at}.exchange`),
    symbol: toKey(value.symbol, `${at}.symbol`),
    measuredAt: toInstant(value.measuredAt, `${at}.measuredAt`),
    quantity: toNotNegative(value.quantity, `${at}.quantity`),
    notional: known(value.notional, `${at}.notional`, toNotNegative),
    source: known(value.source, `${at}.source`, toLabel),
  }
}

function toNotNegative(value: Amount, field: string): Decimal {
  const amount = toDecimal(value, field)
  if (amount.gte(0)) return amount
  throw new DataError('invalid_input', `${field} '${amount}' must not be negative`, { field })
}

const reads = valueReads(
  openInterest,
  { exchange: openInterest.exchange, symbol: openInterest.symbol },
  openInterest.measuredAt,
  {
    latest: 'getLatestOpenInterest',
    list: 'listOpenInterest',
  },
)

/** Returns the newest open interest of a symbol. @throws `not_found` naming exchange and symbol if there is none. */
export async function getLatestOpenInterest(db: Database, input: OpenInterestSeries): Promise<OpenInterest> {
  const series = readSeries(input)
  return found(
    `open interest of '${input.symbol}' of exchange '${input.exchange}'`,
    await reads.latest(db, series),
  )
}

function readSeries(input: OpenInterestSeries): OpenInterestSeries {
  return { exchange: toKey(input.exchange, 'exchange'), symbol: toKey(input.symbol, 'symbol') }
}

/** Returns the open interest of a symbol, newest first. */
export async function listOpenInterest(db: Database, input: ListOpenInterestInput): Promise<OpenInterest[]> {
  const after = input.after && toInstant(input.after.measuredAt, 'after.measuredAt')
  return reads.list(db, readSeries(input), input, after)
}
