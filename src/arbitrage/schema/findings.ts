import { sql } from 'drizzle-orm'
import { boolean, check, doublePrecision, foreignKey, index, primaryKey, uuid } from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotNegative,
  isObject,
  isPositive,
  json,
  label,
  NOW,
  quotient,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { arbitrage, arbitrageDetails, arbitrageLegs, isKey, isList } from './values.ts'

/** A loan that is taken and paid back in one transaction, and what it would earn on its way. Never changes. */
export const flashLoans = arbitrage.table(
  'flash_loans',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** Who lends: `aave`, `dydx`, `balancer`, … */
    protocol: label('protocol').notNull(),
    chain: label('chain').notNull(),
    /** What is borrowed, and what every amount of the row is counted in. */
    token: label('token').notNull(),
    /** What is borrowed. */
    amount: decimal('amount').notNull(),
    /** Of `amount`: 0.0009 is nine hundredths of a per cent. */
    feeFraction: decimal('fee_fraction').notNull(),
    /** `amount` · `feeFraction`. */
    fee: quotient('fee').notNull().generatedAlwaysAs(sql`amount * fee_fraction`),
    path: json('path', arbitrageLegs).notNull(),
    /** What the gas is thought to cost. Null if nobody knows. */
    gasEstimate: decimal('gas_estimate'),
    /** After the fee and the gas; negative for a loss. */
    estimatedProfit: decimal('estimated_profit').notNull(),
    /** What must be there beside the loan: for the gas, for the fee. */
    capitalRequired: decimal('capital_required').notNull(),
    /** How likely it is to go through, 0 to 1. Null if nobody said. */
    probability: doublePrecision('probability'),
    details: json('details', arbitrageDetails).notNull().default({}),
    detectedAt: instant('detected_at').notNull(),
    expiresAt: instant('expires_at'),
  },
  (one) => [
    primaryKey({ name: 'flash_loans_bot_id_id_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'flash_loans_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves listFlashLoans.
    index('flash_loans_detected_at_idx').on(
      one.botId,
      one.detectedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('flash_loans_protocol_check', isKey(one.protocol)),
    check('flash_loans_chain_check', isKey(one.chain)),
    check('flash_loans_token_check', isKey(one.token)),
    check('flash_loans_amount_check', isPositive(one.amount)),
    check('flash_loans_fee_fraction_check', sql`${one.feeFraction} >= 0 and ${one.feeFraction} <= 1`),
    check('flash_loans_path_check', isList(one.path)),
    check('flash_loans_gas_estimate_check', isNotNegative(one.gasEstimate)),
    check('flash_loans_estimated_profit_check', isFiniteAmount(one.estimatedProfit)),
    check('flash_loans_capital_required_check', isNotNegative(one.capitalRequired)),
    check('flash_loans_probability_check', sql`${one.probability} between 0 and 1`),
    check('flash_loans_details_check', isObject(one.details)),
    check('flash_loans_expires_at_check', sql`${one.expiresAt} > ${one.detectedAt}`),
  ],
)

/** A way around three or more currencies of one exchange that ends with more than it began. Only `executed` changes, from false to true. */
export const triangles = arbitrage.table(
  'triangles',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    /** An exchange or a DEX. */
    exchange: label('exchange').notNull(),
    /** Null at an exchange that is on no chain. */
    chain: label('chain'),
    /** The trades, in their order: three at least. */
    route: json('route', arbitrageLegs).notNull(),
    /** What is left over, as a fraction of what it began with, after fees: 0.002 is a fifth of a per cent. Not below −1. */
    profitFraction: decimal('profit_fraction').notNull(),
    executed: boolean('executed').notNull().default(false),
    details: json('details', arbitrageDetails).notNull().default({}),
    detectedAt: instant('detected_at').notNull(),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'triangles_bot_id_id_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'triangles_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    // Serves listTriangles.
    index('triangles_detected_at_idx').on(
      one.botId,
      one.detectedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('triangles_exchange_check', isKey(one.exchange)),
    check('triangles_chain_check', isKey(one.chain)),
    check(
      'triangles_route_check',
      sql`case when ${isList(one.route)} then jsonb_array_length(${one.route}) >= 3 else false end`,
    ),
    check(
      'triangles_profit_fraction_check',
      sql`${one.profitFraction} >= -1 and ${one.profitFraction} < 'Infinity'::numeric`,
    ),
    check('triangles_details_check', isObject(one.details)),
  ],
)
