import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { found } from '../db/rows.ts'
import { known, replacingWriter, toKey, type ValuesRecorded } from '../market/record-values.ts'
import { type TimePageInput, valueReads } from '../market/value-reads.ts'
import { gasPrices } from './schema/prices.ts'

export type GasPrice = typeof gasPrices.$inferSelect

/** What a unit of gas costs, in gwei. None is negative. */
export interface RecordGasPriceInput {
  readonly chain: string
  readonly observedAt: Date
  /** For a transaction that may wait. */
  readonly slowGwei?: Amount | null | undefined
  readonly standardGwei: Amount
  readonly fastGwei?: Amount | null | undefined
  /** For one that must be in the next block. */
  readonly instantGwei?: Amount | null | undefined
  /** What is burnt of each of them. */
  readonly baseFeeGwei?: Amount | null | undefined
}

const { chain, observedAt } = gasPrices
const write = replacingWriter('recordGasPrice', gasPrices, [chain, observedAt])
const reads = valueReads(gasPrices, { chain }, observedAt, {
  latest: 'getLatestGasPrice',
  list: 'listGasPrices',
})

/**
 * Stores what gas costs on a chain and returns whether that was new, replaced another value or was there already. Safe to repeat: a later
 * report of the same moment replaces what is stored.
 *
 * @throws `invalid_input` naming the field.
 */
export async function recordGasPrice(db: Database, input: RecordGasPriceInput): Promise<ValuesRecorded> {
  return await write(db, [
    {
      chain: toKey(input.chain, 'chain'),
      observedAt: toInstant(input.observedAt, 'observedAt'),
      slowGwei: known(input.slowGwei, 'slowGwei', toDecimal),
      standardGwei: toDecimal(input.standardGwei, 'standardGwei'),
      fastGwei: known(input.fastGwei, 'fastGwei', toDecimal),
      instantGwei: known(input.instantGwei, 'instantGwei', toDecimal),
      baseFeeGwei: known(input.baseFeeGwei, 'baseFeeGwei', toDecimal),
    },
  ])
}

/** Returns what gas cost last on a chain. @throws `not_found` if nothing is known of it. */
export async function getLatestGasPrice(db: Database, input: { readonly chain: string }): Promise<GasPrice> {
  const key = { chain: toKey(input.chain, 'chain') }
  return found(`gas price of '${key.chain}'`, await reads.latest(db, key))
}

export interface ListGasPricesInput extends TimePageInput<Pick<GasPrice, 'observedAt'>> {
  readonly chain: string
}

/** Returns what gas cost on a chain, newest first. @throws `invalid_input` naming the field. */
export async function listGasPrices(db: Database, input: ListGasPricesInput): Promise<GasPrice[]> {
  const { after } = input
  const key = { chain: toKey(input.chain, 'chain') }
  return await reads.list(db, key, input, after && toInstant(after.observedAt, 'after.observedAt'))
}
