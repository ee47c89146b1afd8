import { getTableColumns, sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal, toPositive } from '../db/decimal.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { known, replacingWriter, toArray, toKey, type ValuesRecorded } from '../market/record-values.ts'
import { type TimePageInput, valueReads } from '../market/value-reads.ts'
import { dexPrices } from './schema/prices.ts'

export type DexPrice = typeof dexPrices.$inferSelect

/** Which price: of a pair at a DEX of a chain. */
export interface DexPriceKey {
  /** Two currencies, as `WETH/USDC`: base and quote. */
  readonly pair: string
  readonly chain: string
  readonly dex: string
}

export interface DexPriceInput extends DexPriceKey {
  readonly observedAt: Date
  /** Quote currency per unit of base currency. Positive. */
  readonly price: Amount
  /** Traded in the last 24 hours, in quote currency. */
  readonly volume?: Amount | null | undefined
  /** What is in the pools, in quote currency. */
  readonly liquidity?: Amount | null | undefined
}

export interface RecordDexPricesInput {
  readonly prices: readonly DexPriceInput[]
}

const { pair, chain, dex, observedAt } = dexPrices
const write = replacingWriter('recordDexPrices', dexPrices, [pair, chain, dex, observedAt])
const reads = valueReads(dexPrices, { pair, chain, dex }, observedAt, {
  latest: 'getLatestDexPrice',
  list: 'listDexPrices',
})

/**
 * Stores prices of DEXes and returns how many were new, replaced and unchanged. Safe to repeat: a later report of the same moment replaces
 * what is stored.
 *
 * More than a thousand are stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the price and its field, as `prices[3].price`; nothing is stored then.
 */
export async function recordDexPrices(db: Database, input: RecordDexPricesInput): Promise<ValuesRecorded> {
  const rows = toArray(input.prices, 'prices').map((one, i) => {
    const at = `prices[${i}]`
    return {
      ...readKey(one, `${at}.`),
      observedAt: toInstant(one.observedAt, `${at}.observedAt`),
      price: toPositive(one.price, `${at}.price`),
      volume: known(one.volume, `${at}.volume`, toDecimal),
      liquidity: known(one.liquidity, `${at}.liquidity`, toDecimal),
    }
  })
  return await write(db, rows)
}

function readKey(key: DexPriceKey, at = ''): DexPriceKey {
  return {
    pair: toKey(key.pair, `${at}pair`),
    chain: toKey(key.chain, `${at}chain`),
    dex: toKey(key.dex, `${at}dex`),
  }
}

/** Returns the newest price of a pair at one DEX. @throws `not_found` if there is none. */
export async function getLatestDexPrice(db: Database, input: DexPriceKey): Promise<DexPrice> {
  const key = readKey(input)
  return found(`price of '${key.pair}' at ${key.dex} on ${key.chain}`, await reads.latest(db, key))
}

export interface ListDexPricesInput extends DexPriceKey, TimePageInput<Pick<DexPrice, 'observedAt'>> {}

/** Returns the prices of a pair at one DEX, newest first. @throws `invalid_input` naming the field. */
export async function listDexPrices(db: Database, input: ListDexPricesInput): Promise<DexPrice[]> {
  const { after } = input
  return await reads.list(db, readKey(input), input, after && toInstant(after.observedAt, 'after.observedAt'))
}

export interface ListLatestDexPricesInput extends Pick<PageInput<never>, 'limit'> {
  readonly pair: string
  /** Prices before it are left out as too old. However old if left out. */
  readonly observedSince?: Date | undefined
}

const fields = getTableColumns(dexPrices)

// From place to place by the primary key: what is read grows with the places, not with their prices.
const latestStatement: PreparedStatement<DexPrice, 'pair' | 'since' | 'limit'> = sqlStatement(
  'listLatestDexPrices',
  (slot) => ({
    query: sql`
      with recursive place as (
        (select p.chain, p.dex from arbitrage.dex_prices p where p.pair = ${slot('pair')} order by p.chain, p.dex limit 1)
        union all
        select n.chain, n.dex from place l cross join lateral (
          select p.chain, p.dex from arbitrage.dex_prices p
          where p.pair = ${slot('pair')} and (p.chain, p.dex) > (l.chain, l.dex) order by p.chain, p.dex limit 1) n)
      select ${sql.raw(
        Object.values(fields)
          .map((column) => `t.${column.name}`)
          .join(', '),
      )}
      from place l cross join lateral (
        select * from arbitrage.dex_prices p
        where p.pair = ${slot('pair')} and p.chain = l.chain and p.dex = l.dex order by p.observed_at desc limit 1) t
      where t.observed_at >= coalesce(${slot('since')}::timestamptz(3), '-infinity')
      order by t.price, t.chain, t.dex limit ${slot('limit')}`,
    fields,
  }),
)

/** Returns the newest price of a pair at each DEX, cheapest first. @throws `invalid_input` naming the field. */
export async function listLatestDexPrices(
  db: Database,
  input: ListLatestDexPricesInput,
): Promise<DexPrice[]> {
  const { observedSince } = input
  return await latestStatement.run(db, {
    pair: toKey(input.pair, 'pair'),
    since: observedSince === undefined ? null : toInstant(observedSince, 'observedSince').toISOString(),
    limit: readLimit(input.limit),
  })
}
