import { sql } from 'drizzle-orm'
import { check, primaryKey } from 'drizzle-orm/pg-core'
import { decimal, instant, isNotBlank, isNotNegative, isOneOf, isPositive, label } from '../../db/columns.ts'
import { INSTRUMENT_KINDS, type InstrumentKind } from '../instrument-kinds.ts'
import { isKey, market } from './values.ts'

export const INSTRUMENT_STATUSES = ['active', 'suspended', 'delisted'] as const
export type InstrumentStatus = (typeof INSTRUMENT_STATUSES)[number]

/**
 * One symbol that an exchange trades. Replaced in place when the exchange changes its rules.
 *
 * PnL is calculated from the kind, the currencies and the contract size.
 */
export const instruments = market.table(
  'instruments',
  {
    exchange: label('exchange').notNull(),
    symbol: label('symbol').notNull(),
    kind: label<InstrumentKind>('kind').notNull(),
    baseCurrency: label('base_currency').notNull(),
    quoteCurrency: label('quote_currency').notNull(),
    /** The currency of cost and PnL: the base currency for `inverse`, else the quote currency. */
    settleCurrency: label('settle_currency').notNull(),
    /** Base currency per contract (`inverse`: quote currency per contract). Positive; 1 for spot. */
    contractSize: decimal('contract_size').notNull().default(sql`1`),
    /** Prices are multiples of it, in quote currency. Positive; null if not known. */
    tickSize: decimal('tick_size'),
    /** Quantities are multiples of it, in contracts or, for spot, base currency. Positive; null if not known. */
    lotSize: decimal('lot_size'),
    /** The smallest order, in contracts or, for spot, base currency. Null if not known. */
    minimumQuantity: decimal('minimum_quantity'),
    /** The smallest value of an order, in quote currency. Null if not known. */
    minimumNotional: decimal('minimum_notional'),
    status: label<InstrumentStatus>('status').notNull().default('active'),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (instrument) => [
    primaryKey({
      name: 'instruments_exchange_symbol_pkey',
      columns: [instrument.exchange, instrument.symbol],
    }),
    check('instruments_exchange_check', isKey(instrument.exchange)),
    check('instruments_symbol_check', isKey(instrument.symbol)),
    check('instruments_kind_check', isOneOf(instrument.kind, INSTRUMENT_KINDS)),
    check('instruments_base_currency_check', isNotBlank(instrument.baseCurrency)),
    check(
      'instruments_quote_currency_check',
      sql`${isNotBlank(instrument.quoteCurrency)} and ${instrument.quoteCurrency} <> ${instrument.baseCurrency}`,
    ),
    check(
      'instruments_settle_currency_check',
      sql`${instrument.settleCurrency} = case when ${instrument.kind} = 'inverse' then ${instrument.baseCurrency} else ${instrument.quoteCurrency} end`,
    ),
    check(
      'instruments_contract_size_check',
      sql`${isPositive(instrument.contractSize)} and (${instrument.kind} <> 'spot' or ${instrument.contractSize} = 1)`,
    ),
    check('instruments_tick_size_check', isPositive(instrument.tickSize)),
    check('instruments_lot_size_check', isPositive(instrument.lotSize)),
    check('instruments_minimum_quantity_check', isNotNegative(instrument.minimumQuantity)),
    check('instruments_minimum_notional_check', isNotNegative(instrument.minimumNotional)),
    check('instruments_status_check', isOneOf(instrument.status, INSTRUMENT_STATUSES)),
  ],
)
