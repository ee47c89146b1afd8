import { sql } from 'drizzle-orm'
import {
  check,
  foreignKey,
  index,
  type PgTableExtraConfigValue,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import {
  decimal,
  instant,
  isFiniteAmount,
  isNotBlank,
  isNotNegative,
  isObject,
  isOneOf,
  isPositive,
  json,
  label,
  NOTHING,
  NOW,
  quotient,
  quotientOf,
} from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import {
  arbitrage,
  arbitrageDetails,
  arbitrageLegs,
  EXECUTION_STATUSES,
  type ExecutionStatus,
  isKey,
  isList,
  OPPORTUNITY_KINDS,
  OPPORTUNITY_STATUSES,
  type OpportunityKind,
  type OpportunityStatus,
} from './values.ts'

/**
 * Two prices of one pair that differ enough to earn something. What was seen never changes; the status does, and with it the execution.
 *
 * The database moves the status when an execution starts or ends: open → executing → executed or failed; open → expired.
 */
export const opportunities = arbitrage.table(
  'opportunities',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    kind: label<OpportunityKind>('kind').notNull(),
    /** Two currencies, as `WETH/USDC`: base and quote. */
    pair: label('pair').notNull(),
    /** The exchange or DEX to buy at, and its chain; no chain at a central exchange. */
    buyExchange: label('buy_exchange').notNull(),
    buyChain: label('buy_chain'),
    /** The exchange or DEX to sell at, and its chain; no chain at a central exchange. */
    sellExchange: label('sell_exchange').notNull(),
    sellChain: label('sell_chain'),
    /** Quote currency per unit of base currency. */
    buyPrice: decimal('buy_price').notNull(),
    /** Quote currency per unit of base currency. Below `buyPrice` where it is no opportunity at all. */
    sellPrice: decimal('sell_price').notNull(),
    /** In base currency. */
    quantity: decimal('quantity').notNull(),
    /** What fees, gas and profits are counted in, and both prices. */
    currency: label('currency').notNull(),
    /** All fees of all legs, in `currency`; negative if rebates outweigh them. */
    fees: decimal('fees').notNull().default(NOTHING),
    /** In `currency`. */
    gasCost: decimal('gas_cost').notNull().default(NOTHING),
    /** In `currency`, before fees and gas; negative for a loss. */
    grossProfit: quotient('gross_profit')
      .notNull()
      .generatedAlwaysAs(sql`(sell_price - buy_price) * quantity`),
    /** In `currency`, after fees and gas; negative for a loss. */
    netProfit: quotient('net_profit')
      .notNull()
      .generatedAlwaysAs(sql`(sell_price - buy_price) * quantity - fees - gas_cost`),
    /** `(sell − buy) / buy`: before fees and gas, 0.01 is one per cent. */
    profitFraction: quotient('profit_fraction')
      .notNull()
      .generatedAlwaysAs(sql.raw(quotientOf('sell_price - buy_price', 'buy_price'))),
    legs: json('legs', arbitrageLegs).notNull().default([]),
    details: json('details', arbitrageDetails).notNull().default({}),
    status: label<OpportunityStatus>('status').notNull().default('open'),
    /** The one execution that it was given; null until that starts. */
    executionId: uuid('execution_id'),
    detectedAt: instant('detected_at').notNull(),
    /** From then on it is not executed. Null if nobody knows when. */
    expiresAt: instant('expires_at'),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  // The two tables name each other, so the compiler is told what comes.
  (one): PgTableExtraConfigValue[] => [
    primaryKey({ name: 'opportunities_bot_id_id_pkey', columns: [one.botId, one.id] }),
    foreignKey({ name: 'opportunities_bot_id_fkey', columns: [one.botId], foreignColumns: [bots.botId] }),
    foreignKey({
      name: 'opportunities_execution_id_fkey',
      columns: [one.botId, one.executionId],
      foreignColumns: [executions.botId, executions.id],
    }),
    // Serves listOpportunities and getArbitrageStatistics.
    index('opportunities_detected_at_idx').on(
      one.botId,
      one.detectedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    // Serves listBestOpportunities: what earns most first.
    index('opportunities_net_profit_idx')
      .on(one.botId, one.currency, one.netProfit.desc().nullsFirst(), one.id.desc().nullsFirst())
      .where(sql`status = 'open'`),
    // Serves expireOpportunities.
    index('opportunities_expires_at_idx').on(one.botId, one.expiresAt).where(sql`status = 'open'`),
    check('opportunities_kind_check', isOneOf(one.kind, OPPORTUNITY_KINDS)),
    check('opportunities_pair_check', isKey(one.pair)),
    check('opportunities_buy_exchange_check', isKey(one.buyExchange)),
    check('opportunities_buy_chain_check', isKey(one.buyChain)),
    check('opportunities_sell_exchange_check', isKey(one.sellExchange)),
    check('opportunities_sell_chain_check', isKey(one.sellChain)),
    check(
      'opportunities_kind_buy_chain_sell_chain_check',
      sql`case ${one.kind}
        when 'cex_dex' then (${one.buyChain} is null) <> (${one.sellChain} is null)
        when 'intra_chain' then coalesce(${one.buyChain} = ${one.sellChain}, false)
        when 'cross_chain' then coalesce(${one.buyChain} <> ${one.sellChain}, false)
        else ${one.buyChain} is not distinct from ${one.sellChain} end`,
    ),
    check('opportunities_buy_price_check', isPositive(one.buyPrice)),
    check('opportunities_sell_price_check', isPositive(one.sellPrice)),
    check('opportunities_quantity_check', isPositive(one.quantity)),
    check('opportunities_currency_check', isKey(one.currency)),
    check('opportunities_fees_check', isFiniteAmount(one.fees)),
    check('opportunities_gas_cost_check', isNotNegative(one.gasCost)),
    check('opportunities_legs_check', isList(one.legs)),
    check('opportunities_details_check', isObject(one.details)),
    check('opportunities_status_check', isOneOf(one.status, OPPORTUNITY_STATUSES)),
    check(
      'opportunities_execution_id_status_check',
      sql`(${one.executionId} is not null) = (${one.status} in ('executing', 'executed', 'failed'))`,
    ),
    check(
      'opportunities_expires_at_status_check',
      sql`${one.expiresAt} is not null or ${one.status} <> 'expired'`,
    ),
    check('opportunities_expires_at_check', sql`${one.expiresAt} > ${one.detectedAt}`),
  ],
)

/**
 * One attempt to take an opportunity: the only one that it gets. Starts as pending and ends once, as success, failed or partial; then it never
 * changes again.
 */
export const executions = arbitrage.table(
  'executions',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    opportunityId: uuid('opportunity_id').notNull(),
    status: label<ExecutionStatus>('status').notNull().default('pending'),
    /** What was traded, as far as it is known. */
    legs: json('legs', arbitrageLegs).notNull().default([]),
    /** Of the chains, as they write them: letters, digits and `_:./+=-`. Empty where none was sent. */
    transactionHashes: text('transaction_hashes').array().notNull().default([]),
    /** In units of gas. Null if unknown. */
    gasUsed: decimal('gas_used'),
    /** After fees and gas, in the currency of the opportunity; negative for a loss. Null while pending, or if nobody knows what a failure cost. */
    profit: decimal('profit'),
    /** Why it failed, or is partial. */
    error: label('error'),
    startedAt: instant('started_at').notNull(),
    finishedAt: instant('finished_at'),
  },
  (one) => [
    primaryKey({ name: 'executions_bot_id_id_pkey', columns: [one.botId, one.id] }),
    foreignKey({
      name: 'executions_opportunity_id_fkey',
      columns: [one.botId, one.opportunityId],
      foreignColumns: [opportunities.botId, opportunities.id],
    }),
    // Serves startExecution: one for each opportunity.
    uniqueIndex('executions_bot_id_opportunity_id_key').on(one.botId, one.opportunityId),
    // Serves listExecutions.
    index('executions_started_at_idx').on(
      one.botId,
      one.startedAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('executions_status_check', isOneOf(one.status, EXECUTION_STATUSES)),
    check('executions_legs_check', isList(one.legs)),
    check(
      'executions_transaction_hashes_check',
      sql`array_position(${one.transactionHashes}, null) is null and array_to_string(${one.transactionHashes}, '') ~ '^[A-Za-z0-9_:./+=-]*$'`,
    ),
    check('executions_gas_used_check', isNotNegative(one.gasUsed)),
    check(
      'executions_profit_status_check',
      sql`case ${one.status} when 'pending' then ${one.profit} is null when 'failed' then true else ${one.profit} is not null end`,
    ),
    check('executions_profit_check', isFiniteAmount(one.profit)),
    check('executions_error_check', isNotBlank(one.error)),
    check(
      'executions_finished_at_status_check',
      sql`(${one.finishedAt} is null) = (${one.status} = 'pending')`,
    ),
    check('executions_finished_at_check', sql`${one.finishedAt} >= ${one.startedAt}`),
  ],
)
