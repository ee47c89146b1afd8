import { and, eq, gt, sql } from 'drizzle-orm'
import { toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import type { Amount, Decimal } from '../db/decimal.ts'
import { toDecimal, toPositive } from '../db/decimal.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { INSTRUMENT_KINDS, type InstrumentKind } from './instrument-kinds.ts'
import { INSTRUMENT_STATUSES, type InstrumentStatus, instruments } from './schema/index.ts'

export type Instrument = typeof instruments.$inferSelect

export interface SetInstrumentInput {
  readonly exchange: string
  readonly symbol: string
  readonly kind: InstrumentKind
  readonly baseCurrency: string
  readonly quoteCurrency: string
  /** The currency of cost and PnL. The base currency for `inverse`, else the quote currency; nothing else is accepted. */
  readonly settleCurrency?: string | undefined
  /** Base currency per contract (`inverse`: quote currency per contract). Positive; 1 unless said otherwise and for spot. */
  readonly contractSize?: Amount | undefined
  /** Prices are multiples of it, in quote currency. Positive. */
  readonly tickSize?: Amount | null | undefined
  /** Quantities are multiples of it, in contracts or, for spot, base currency. Positive. */
  readonly lotSize?: Amount | null | undefined
  /** The smallest order, in contracts or, for spot, base currency. Not negative. */
  readonly minimumQuantity?: Amount | null | undefined
  /** The smallest value of an order, in quote currency. Not negative. */
  readonly minimumNotional?: Amount | null | undefined
  /** `active` unless said otherwise. */
  readonly status?: InstrumentStatus | undefined
}

export interface ListInstrumentsInput extends PageInput<Pick<Instrument, 'symbol'>> {
  readonly exchange: string
}

/**
 * Stores what an exchange says of one symbol, in place of what was stored before, and returns it.
 *
 * What is left out is forgotten, not kept: a size becomes unknown, the status `active`. Safe to repeat: the same again
 * changes nothing. The kind, the contract size and the currencies decide what PnL is: after changing one of them for an
 * instrument that was traded, run `rebuildPositions`.
 *
 * @throws `invalid_input` naming the field, also if the settlement currency does not fit the kind.
 */
export async function setInstrument(db: Database, input: SetInstrumentInput): Promise<Instrument> {
  const values = readInstrument(input)
  const written = await maybeOne(
    'setInstrument',
    db
      .insert(instruments)
      .values(values)
      .onConflictDoUpdate({
        target: [instruments.exchange, instruments.symbol],
        set: Object.fromEntries(REPLACED.map((key) => [key, excluded(key)])),
        setWhere: sql`(${list(REPLACED.map((key) => instruments[key]))}) is distinct from (${list(REPLACED.map(excluded))})`,
      })
      .returning(),
  )
  return written ?? getInstrument(db, input)
}

const REPLACED = [
  'kind',
  'baseCurrency',
  'quoteCurrency',
  'settleCurrency',
  'contractSize',
  'tickSize',
  'lotSize',
  'minimumQuantity',
  'minimumNotional',
  'status',
] as const

function excluded(key: (typeof REPLACED)[number]) {
  return sql`excluded.${sql.identifier(instruments[key].name)}`
}

function list(items: Parameters<typeof sql.join>[0]) {
  return sql.join(items, sql`, `)
}

function readInstrument(input: SetInstrumentInput) {
  const kind = toOneOf(input.kind, INSTRUMENT_KINDS, 'kind')
  const { exchange, symbol, baseCurrency, quoteCurrency } = input
  return {
    exchange,
    symbol,
    kind,
    baseCurrency,
    quoteCurrency,
    settleCurrency: input.settleCurrency ?? (kind === 'inverse' ? baseCurrency : quoteCurrency),
    contractSize: toPositive(input.contractSize ?? '1', 'contractSize'),
    tickSize: known(input.tickSize, 'tickSize', toPositive),
    lotSize: known(input.lotSize, 'lotSize', toPositive),
    minimumQuantity: known(input.minimumQuantity, 'minimumQuantity', toDecimal),
    minimumNotional: known(input.minimumNotional, 'minimumNotional', toDecimal),
    status: toOneOf(input.status ?? 'active', INSTRUMENT_STATUSES, 'status'),
  }
}

function known(
  amount: Amount | null | undefined,
  field: string,
  read: (amount: Amount, field: string) => Decimal,
): Decimal | null {
  return amount === null || amount === undefined ? null : read(amount, field)
}

/** Returns the instrument. @throws `not_found` naming exchange and symbol if it was never set. */
export async function getInstrument(
  db: Database,
  input: Pick<Instrument, 'exchange' | 'symbol'>,
): Promise<Instrument> {
  return one(
    'getInstrument',
    `instrument '${input.symbol}' of exchange '${input.exchange}'`,
    db.select().from(instruments).where(isInstrument(input)),
  )
}

/** Returns the instrument, or undefined if it was never set. */
export async function findInstrument(
  db: Database,
  input: Pick<Instrument, 'exchange' | 'symbol'>,
): Promise<Instrument | undefined> {
  return maybeOne('findInstrument', db.select().from(instruments).where(isInstrument(input)))
}

/** Returns the instruments of one exchange, whatever their status, in the order of their symbols. */
export async function listInstruments(db: Database, input: ListInstrumentsInput): Promise<Instrument[]> {
  const rest = input.after && gt(instruments.symbol, toLabel(input.after.symbol, 'after'))
  return many(
    'listInstruments',
    db
      .select()
      .from(instruments)
      .where(and(eq(instruments.exchange, toName(input.exchange, 'exchange')), rest))
      .orderBy(instruments.symbol)
      .limit(readLimit(input.limit)),
  )
}

function isInstrument(input: Pick<Instrument, 'exchange' | 'symbol'>) {
  return and(
    eq(instruments.exchange, toName(input.exchange, 'exchange')),
    eq(instruments.symbol, toName(input.symbol, 'symbol')),
  )
}
