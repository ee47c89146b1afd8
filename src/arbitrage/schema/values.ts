import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { pgSchema } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { SIDES } from '../../trading/schema/values.ts'

export const arbitrage = pgSchema('arbitrage')

/** Where the two prices are: an exchange and a DEX, one chain, two chains, or around three currencies. */
export const OPPORTUNITY_KINDS = ['cex_dex', 'intra_chain', 'cross_chain', 'triangular'] as const
export type OpportunityKind = (typeof OPPORTUNITY_KINDS)[number]

export const OPPORTUNITY_STATUSES = ['open', 'executing', 'executed', 'failed', 'expired'] as const
export type OpportunityStatus = (typeof OPPORTUNITY_STATUSES)[number]

export const EXECUTION_STATUSES = ['pending', 'success', 'failed', 'partial'] as const
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number]

const AMOUNT = /^-?\d{1,30}(?:\.\d{1,30})?$/
const amount = z.string().regex(AMOUNT, 'is not a decimal amount such as -0.000000000000000001')
const positive = amount.refine(
  (text) => !text.startsWith('-') && /[1-9]/.test(text),
  'must be greater than zero',
)
const name = z.string().refine((text) => text.trim() !== '', 'is empty')

/** One trade of several that make up an arbitrage, in the order in which they are made. Amounts are decimal text. */
export const arbitrageLeg = z.strictObject({
  /** An exchange or a DEX. */
  exchange: name,
  /** Left out at an exchange that is on no chain. */
  chain: name.optional(),
  pair: name,
  side: z.enum(SIDES),
  /** Quote currency per unit of base currency. */
  price: positive,
  /** In base currency. Left out where a route is the same for every quantity. */
  quantity: positive.optional(),
  /** In `feeCurrency`; negative for a rebate. */
  fee: amount.optional(),
  feeCurrency: name.optional(),
  /** The address of the pool that is traded with, or the order's id. */
  reference: name.optional(),
})
export type ArbitrageLeg = z.output<typeof arbitrageLeg>

export const arbitrageLegs = z.array(arbitrageLeg).max(100)

/** Whatever else the finder of it knew, with amounts as decimal text. */
export const arbitrageDetails = z.record(z.string(), z.json())
export type ArbitrageDetails = z.output<typeof arbitrageDetails>

/** The rule of a text in a key: one of more than 2,700 bytes does not fit into an index. */
export function isKey(column: SQLWrapper): SQL {
  return sql`btrim(${column}) <> '' and char_length(${column}) <= 200`
}

export function isList(column: SQLWrapper): SQL {
  return sql`jsonb_typeof(${column}) = 'array'`
}
