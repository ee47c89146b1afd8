import { type SQL, sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { found } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import {
  type CheckedFundingRate,
  checkFundingRate,
  type FundingRateInput,
  type RefusedFundingRate,
  toRefusedRate,
} from './funding-rate-input.ts'
import {
  encodeRow,
  ROWS_SENT,
  rowsOf,
  splitByKey,
  toKey,
  upsertStatement,
  type ValuesRecorded,
} from './record-values.ts'
import { fundingRates } from './schema/funding.ts'
import { type TimePageInput, valueReads } from './value-reads.ts'

export type FundingRate = typeof fundingRates.$inferSelect

/** What names the funding rates of one contract. */
export type FundingRateSeries = Pick<FundingRate, 'exchange' | 'symbol'>

export interface RecordFundingRatesInput {
  /** Any number, of any symbols, in any order. */
  readonly rates: Iterable<FundingRateInput> | AsyncIterable<FundingRateInput>
}

export interface FundingRatesRecorded extends ValuesRecorded {
  /** Every rate that was not stored, with the reason, in the order in which they were given. */
  readonly refused: readonly RefusedFundingRate[]
}

export interface ListFundingRatesInput
  extends FundingRateSeries,
    TimePageInput<Pick<FundingRate, 'fundingTime'>> {}

/**
 * Stores funding rates and returns how many were new, updated, unchanged and refused.
 *
 * A rate is known by the full hour nearest to its time. A settled rate is final: one that contradicts it is refused, an
 * estimate changes nothing; it may still get a mark price, index price or predicted rate that was not known. An estimate is
 * replaced by whatever comes later, but nothing known of it is forgotten. Another time of the same hour changes nothing.
 *
 * A rate that cannot be stored is refused with the reason, and no other is lost to it. Safe to repeat, and beside other
 * writers. Rates are stored in parts of a thousand: on an error the parts before stay, and it can be run again.
 *
 * @throws `invalid_input` if `rates` cannot be iterated. An error of the iterable itself comes out unchanged.
 */
export async function recordFundingRates(
  db: Database,
  input: RecordFundingRatesInput,
): Promise<FundingRatesRecorded> {
  const tally: Tally = { inserted: 0, updated: 0, unchanged: 0, refused: [] }
  let part: Report[] = []
  let index = 0
  for await (const rate of toIterable(input.rates)) {
    try {
      part.push({ index, rate, checked: checkFundingRate(rate) })
    } catch (error) {
      tally.refused.push(toRefusedRate(error, index, rate))
    }
    index += 1
    if (part.length < ROWS_SENT) continue
    await recordPart(db, part, tally)
    part = []
  }
  await recordPart(db, part, tally)
  tally.refused.sort((a, b) => a.index - b.index)
  return tally
}

interface Tally {
  inserted: number
  updated: number
  unchanged: number
  readonly refused: RefusedFundingRate[]
}

interface Report {
  readonly index: number
  readonly rate: FundingRateInput
  readonly checked: CheckedFundingRate
}

function toIterable(rates: RecordFundingRatesInput['rates']): RecordFundingRatesInput['rates'] {
  const isObject = typeof rates === 'object' && rates !== null
  if (isObject && (Symbol.iterator in rates || Symbol.asyncIterator in rates)) return rates
  throw new DataError('invalid_input', 'rates is neither an array nor an (async) iterable', {
    field: 'rates',
  })
}

async function recordPart(db: Database, reports: readonly Report[], tally: Tally): Promise<void> {
  const keyOf = ({ checked: { exchange, symbol, fundingTime } }: Report) =>
    JSON.stringify([exchange, symbol, fundingTime.getTime()])
  for (const part of splitByKey(reports, keyOf)) {
    const rows = part.map(({ checked }, n) => ({ n, ...encodeRow(fundingRates, checked) }))
    const written = await write.run(db, { rows: JSON.stringify(rows) })
    const contradictions = written.length === part.length ? [] : await readContradictions(db, part, rows)
    const inserted = written.filter((row) => row.inserted).length
    tally.inserted += inserted
    tally.updated += written.length - inserted
    tally.unchanged += part.length - written.length - contradictions.length
    tally.refused.push(...contradictions)
  }
}

/** Of an estimate everything is replaced by what the report says, of a settled rate only what was not known. */
const replaced = (column: string): SQL =>
  sql.raw(`case when stored.is_estimated then excluded.${column} else stored.${column} end`)
const completed = (column: string): SQL =>
  sql.raw(
    `case when stored.is_estimated then coalesce(excluded.${column}, stored.${column}) else coalesce(stored.${column}, excluded.${column}) end`,
  )
const completions = sql`${completed('mark_price')}, ${completed('index_price')}, ${completed('predicted_rate')}`

const write = upsertStatement('recordFundingRates', {
  table: fundingRates,
  key: [fundingRates.exchange, fundingRates.symbol, fundingRates.fundingTime],
  set: sql`
    published_at = ${replaced('published_at')}, interval_hours = ${replaced('interval_hours')}, rate = ${replaced('rate')},
    is_estimated = ${replaced('is_estimated')}, source = ${replaced('source')},
    mark_price = ${completed('mark_price')}, index_price = ${completed('index_price')},
    predicted_rate = ${completed('predicted_rate')}`,
  where: sql`
    (stored.is_estimated or (not excluded.is_estimated and stored.rate = excluded.rate
      and stored.interval_hours = excluded.interval_hours))
    and (stored.rate, stored.interval_hours, stored.is_estimated, stored.mark_price, stored.index_price, stored.predicted_rate)
      is distinct from (excluded.rate, excluded.interval_hours, excluded.is_estimated, ${completions})`,
})

type Contradiction = Pick<FundingRate, 'rate' | 'intervalHours'> & { readonly n: number }

const contradicted: PreparedStatement<Contradiction, 'rows'> = sqlStatement(
  'recordFundingRates: contradicted',
  (slot) => ({
    query: sql`
      select x.n, stored.rate, stored.interval_hours
      from ${rowsOf(slot('rows'), fundingRates)}
      join market.funding_rates stored using (exchange, symbol, funding_time)
      where not x.is_estimated and (stored.rate, stored.interval_hours) <> (x.rate, x.interval_hours)
      order by x.n`,
    fields: { n: sql<number>`n`, rate: fundingRates.rate, intervalHours: fundingRates.intervalHours },
  }),
)

/**
 * The reports of settled rates that another rate stood against. A settled rate does not change, so what is read now is what
 * the statement before was up against.
 */
async function readContradictions(
  db: Database,
  reports: readonly Report[],
  rows: readonly unknown[],
): Promise<RefusedFundingRate[]> {
  const found = await contradicted.run(db, { rows: JSON.stringify(rows) })
  return found.flatMap(({ n, ...stored }) => {
    const report = reports[n]
    return report ? [refusalOf(report, stored)] : []
  })
}

function refusalOf({ index, rate, checked }: Report, stored: Omit<Contradiction, 'n'>): RefusedFundingRate {
  const differs = stored.rate.eq(checked.rate) ? 'intervalHours' : 'rate'
  const told = (one: Omit<Contradiction, 'n'>) => `${one.rate} per ${one.intervalHours} h`
  const settled = `the rate of ${checked.fundingTime.toISOString()} is settled at ${told(stored)}`
  return { index, rate, field: differs, reason: `${settled}, and is not changed to ${told(checked)}` }
}

const reads = valueReads(
  fundingRates,
  { exchange: fundingRates.exchange, symbol: fundingRates.symbol },
  fundingRates.fundingTime,
  {
    latest: 'getLatestFundingRate',
    list: 'listFundingRates',
  },
)

/**
 * Returns the newest funding rate of a symbol: of what is to be paid next, if an estimate of it was recorded, else the last
 * settled one. `isEstimated` says which.
 *
 * @throws `not_found` naming exchange and symbol if there is none.
 */
export async function getLatestFundingRate(db: Database, input: FundingRateSeries): Promise<FundingRate> {
  return found(whatOf(input), await reads.latest(db, readSeries(input)))
}

/** Returns funding rates of a symbol, settled and estimated, newest first. `from` and `until` are of `fundingTime`. */
export async function listFundingRates(db: Database, input: ListFundingRatesInput): Promise<FundingRate[]> {
  const after = input.after && toInstant(input.after.fundingTime, 'after.fundingTime')
  return reads.list(db, readSeries(input), input, after)
}

/** @throws `invalid_input` naming `exchange` or `symbol`. */
export function readSeries(input: FundingRateSeries): FundingRateSeries {
  return { exchange: toKey(input.exchange, 'exchange'), symbol: toKey(input.symbol, 'symbol') }
}

export function whatOf({ exchange, symbol }: FundingRateSeries): string {
  return `funding rate of '${symbol}' of exchange '${exchange}'`
}
