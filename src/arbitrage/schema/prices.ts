import { check, primaryKey } from 'drizzle-orm/pg-core'
import { decimal, instant, isNotNegative, isPositive, label, NOW } from '../../db/columns.ts'
import { arbitrage, isKey } from './values.ts'

/** What a pair was worth at one DEX at a moment. A later report of the same moment replaces it. */
export const dexPrices = arbitrage.table(
  'dex_prices',
  {
    /** Two currencies, as `WETH/USDC`: base and quote. */
    pair: label('pair').notNull(),
    chain: label('chain').notNull(),
    dex: label('dex').notNull(),
    observedAt: instant('observed_at').notNull(),
    /** Quote currency per unit of base currency. */
    price: decimal('price').notNull(),
    /** Traded in the last 24 hours, and in the pools, both in quote currency. Null if not known. */
    volume: decimal('volume'),
    liquidity: decimal('liquidity'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordDexPrices, getLatestDexPrice, listLatestDexPrices and listDexPrices.
    primaryKey({
      name: 'dex_prices_pair_chain_dex_observed_at_pkey',
      columns: [one.pair, one.chain, one.dex, one.observedAt],
    }),
    check('dex_prices_pair_check', isKey(one.pair)),
    check('dex_prices_chain_check', isKey(one.chain)),
    check('dex_prices_dex_check', isKey(one.dex)),
    check('dex_prices_price_check', isPositive(one.price)),
    check('dex_prices_volume_check', isNotNegative(one.volume)),
    check('dex_prices_liquidity_check', isNotNegative(one.liquidity)),
  ],
)

/** What a unit of gas cost on a chain at a moment, in gwei. A later report of the same moment replaces it. */
export const gasPrices = arbitrage.table(
  'gas_prices',
  {
    chain: label('chain').notNull(),
    observedAt: instant('observed_at').notNull(),
    /** For a transaction that may wait. Null, as all but the standard one, if not known. */
    slowGwei: decimal('slow_gwei'),
    standardGwei: decimal('standard_gwei').notNull(),
    fastGwei: decimal('fast_gwei'),
    /** For one that must be in the next block. */
    instantGwei: decimal('instant_gwei'),
    /** What is burnt of each of them. */
    baseFeeGwei: decimal('base_fee_gwei'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    // Serves recordGasPrice, getLatestGasPrice and listGasPrices.
    primaryKey({ name: 'gas_prices_chain_observed_at_pkey', columns: [one.chain, one.observedAt] }),
    check('gas_prices_chain_check', isKey(one.chain)),
    check('gas_prices_slow_gwei_check', isNotNegative(one.slowGwei)),
    check('gas_prices_standard_gwei_check', isNotNegative(one.standardGwei)),
    check('gas_prices_fast_gwei_check', isNotNegative(one.fastGwei)),
    check('gas_prices_instant_gwei_check', isNotNegative(one.instantGwei)),
    check('gas_prices_base_fee_gwei_check', isNotNegative(one.baseFeeGwei)),
  ],
)
