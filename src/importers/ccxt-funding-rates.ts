import { toName } from '../db/columns.ts'
import type { FundingRateInput } from '../market/funding-rate-input.ts'
import { convertEntries, type Entry, type Problem, refuseAll } from './ccxt-entry.ts'
import { defined } from './ccxt-fills.ts'
import { type CcxtFundingRate, fundingRateSchema } from './ccxt-schema.ts'
import { wholeNumber } from './csv-times.ts'
import { fundingHour, inferIntervals } from './funding-interval.ts'
import { isInterval, readIntervalOption, readSource } from './market-options.ts'

export interface FundingRatesFromCcxtOptions {
  /** The exchange's name as the bot uses it everywhere. */
  readonly exchange: string
  /** Hours that every rate is for. Without it, the row's own `interval`, or else the distance of the rates in time. */
  readonly intervalHours?: number | undefined
  /** The symbol of rows that have none. Without it, they are refused. */
  readonly symbol?: string | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
}

/**
 * Converts ccxt's funding rates, as `fetchFundingRateHistory`, `fetchFundingRate` and `fetchFundingRates` return them, to what
 * `recordFundingRates` takes. Numbers keep all their digits, as in `fillsFromCcxt`.
 *
 * A row of the history is a settled rate, published at its `timestamp`. A row of the present says when its rate will be
 * settled, in `fundingTimestamp`, while its `timestamp` is that of the answer: such a rate is estimated, and its
 * `nextFundingRate` is the predicted one. Where an exchange has only `nextFundingRate` and `nextFundingTimestamp`, those are
 * the rate. Exchanges of which ccxt does not know when the rate will be settled are refused.
 *
 * Without an interval in option or row, it is told from the other rates of the symbol, as `inferIntervals` does.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `rows[3].fundingRate: is missing`.
 */
export function fundingRatesFromCcxt(
  rows: readonly unknown[],
  options: FundingRatesFromCcxtOptions,
): FundingRateInput[] {
  const exchange = toName(options.exchange, 'exchange')
  const fallback = options.symbol === undefined ? undefined : toName(options.symbol, 'symbol')
  const fixed = readIntervalOption(options.intervalHours)
  const origin = readSource(options.source)
  const drafts = convertEntries('rows', rows, fundingRateSchema, (row, entry) =>
    toDraft(row, entry, fallback, fixed),
  )
  const intervals = fixed === undefined ? intervalsOf(drafts) : drafts.map(() => fixed)
  return drafts.map(({ intervalHours: _, ...rate }, i) => ({
    exchange,
    ...rate,
    intervalHours: intervals[i] ?? 0,
    ...origin,
  }))
}

type Draft = Omit<FundingRateInput, 'exchange' | 'intervalHours' | 'source'> & {
  readonly intervalHours: number | undefined
}

function toDraft(
  row: CcxtFundingRate,
  entry: Entry,
  fallback: string | undefined,
  fixed: number | undefined,
): Draft | undefined {
  const symbol = row.symbol || fallback
  if (!symbol) entry.refuse('symbol', 'is missing; say it with the option symbol')
  const { rate, predictedRate, publishedAt, isEstimated } = readRate(row, entry)
  const markPrice = entry.amount('markPrice', row.markPrice)
  const indexPrice = entry.amount('indexPrice', row.indexPrice)
  const intervalHours = fixed ?? readInterval(row, entry)
  if (!symbol || rate === undefined || !publishedAt) return undefined
  const known = defined({ markPrice, indexPrice, predictedRate })
  return { symbol, publishedAt, intervalHours, rate, isEstimated, ...known }
}

/** What only the answers on the present rate have. Those of ccxt for JavaScript have all of them, if undefined. */
const PRESENT_KEYS = [
  'fundingTimestamp',
  'fundingDatetime',
  'nextFundingRate',
  'nextFundingTimestamp',
  'nextFundingDatetime',
  'previousFundingRate',
  'previousFundingTimestamp',
  'previousFundingDatetime',
  'estimatedSettlePrice',
  'interestRate',
] as const

interface Rate {
  readonly rate: string | undefined
  readonly predictedRate?: string | undefined
  readonly publishedAt: Date | undefined
  readonly isEstimated: boolean
}

function readRate(row: CcxtFundingRate, entry: Entry): Rate {
  const rate = entry.amount('fundingRate', row.fundingRate)
  const nextRate = entry.amount('nextFundingRate', row.nextFundingRate)
  if (!PRESENT_KEYS.some((key) => key in row)) {
    if (isAbsent(row.fundingRate)) entry.refuse('fundingRate', 'is missing')
    return { rate, publishedAt: entry.moment(row), isEstimated: false }
  }
  if (isAbsent(row.fundingRate)) {
    if (isAbsent(row.nextFundingRate)) entry.refuse('fundingRate', 'is missing')
    else if (isAbsent(row.nextFundingTimestamp)) entry.refuse('nextFundingTimestamp', 'is missing')
    const publishedAt = entry.instant('nextFundingTimestamp', row.nextFundingTimestamp)
    return { rate: nextRate, publishedAt, isEstimated: true }
  }
  if (isAbsent(row.fundingTimestamp)) entry.refuse('fundingTimestamp', UNTIMED)
  const publishedAt = entry.instant('fundingTimestamp', row.fundingTimestamp)
  // Some exchanges' history is in the same shape: there, the rate was settled at the time of the row.
  const isEstimated = row.timestamp !== row.fundingTimestamp
  return { rate, predictedRate: nextRate, publishedAt, isEstimated }
}

const UNTIMED = 'is missing: ccxt does not know when this rate is settled; set it to the time that you know'

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null
}

const UNIT_MINUTES: ReadonlyMap<string | undefined, number> = new Map([
  ['m', 1],
  ['h', 60],
  ['d', 24 * 60],
])

/** Reads `8h`, `480m` or `1d`. Undefined where there is none. */
function readInterval({ interval }: CcxtFundingRate, entry: Entry): number | undefined {
  if (!interval) return undefined
  const [, count = '', unit] = /^(\d{1,5})([mhd])$/.exec(interval) ?? []
  const hours = ((wholeNumber(count) ?? 0) * (UNIT_MINUTES.get(unit) ?? 0)) / 60
  return isInterval(hours) ? hours : entry.refuse('interval', `is '${interval}', not whole hours such as 8h`)
}

/** The interval of each row: its own, or what the rates of its symbol tell. */
function intervalsOf(drafts: readonly Draft[]): number[] {
  const places = new Map<string, number[]>()
  drafts.forEach(({ symbol }, i) => {
    const known = places.get(symbol)
    if (known) known.push(i)
    else places.set(symbol, [i])
  })
  const intervals = drafts.map(({ intervalHours }) => intervalHours)
  const problems: Problem[] = []
  for (const indexes of places.values()) {
    const inferred = inferIntervals(indexes.map((i) => hourAt(drafts, i)))
    indexes.forEach((index, i) => {
      intervals[index] ??= inferred[i]
      if (intervals[index] === undefined) problems.push({ field: `rows[${index}].interval`, why: UNTOLD })
    })
  }
  refuseAll(problems)
  return intervals.map((hours) => hours ?? 0)
}

const UNTOLD = 'is missing, and no other rate of the symbol tells it; say it with the option intervalHours'

function hourAt(drafts: readonly Draft[], index: number): number {
  const draft = drafts[index]
  return draft ? fundingHour(draft.publishedAt) : 0
}
