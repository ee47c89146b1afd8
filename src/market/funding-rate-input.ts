import { toInstant, toLabel } from '../db/columns.ts'
import { type Amount, type Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { known, toKey } from './record-values.ts'
import { FUNDING_INTERVAL_HOURS_MAX, type fundingRates } from './schema/funding.ts'

/** One funding rate as an exchange or a file gives it. Longs pay shorts if it is positive. */
export interface FundingRateInput {
  readonly exchange: string
  readonly symbol: string
  /**
   * When the exchange settled the rate, or will. It is known by the nearest full hour, since exchanges are some minutes off
   * it, and not twice alike.
   */
  readonly publishedAt: Date
  /** Hours that the rate is for. 1 to 168. */
  readonly intervalHours: number
  /** A fraction per interval: 0.0001 is one basis point. Between −1 and 1. */
  readonly rate: Amount
  /** In quote currency. Positive. Leave it out if not known, as the two below. */
  readonly markPrice?: Amount | null | undefined
  readonly indexPrice?: Amount | null | undefined
  /** What the exchange expects of the next interval: a fraction. */
  readonly predictedRate?: Amount | null | undefined
  /** True until the exchange has settled it. False unless said otherwise. */
  readonly isEstimated?: boolean | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
}

/** A funding rate that was not stored, and why. */
export interface RefusedFundingRate {
  /** Its place among those given, from 0. */
  readonly index: number
  readonly rate: FundingRateInput
  readonly field: string
  readonly reason: string
}

export type CheckedFundingRate = Omit<typeof fundingRates.$inferInsert, 'recordedAt' | 'updatedAt'>

/** @throws `invalid_input` naming the field that cannot be stored. */
export function checkFundingRate(input: FundingRateInput): CheckedFundingRate {
  const { isEstimated = false } = input
  if (typeof isEstimated !== 'boolean') {
    throw refusal('isEstimated', `isEstimated is ${typeof isEstimated}, not a boolean`)
  }
  const publishedAt = toInstant(input.publishedAt, 'publishedAt')
  return {
    exchange: toKey(input.exchange, 'exchange'),
    symbol: toKey(input.symbol, 'symbol'),
    publishedAt,
    fundingTime: toInstant(nearestHour(publishedAt), 'publishedAt'),
    intervalHours: toIntervalHours(input.intervalHours),
    rate: toRate(input.rate),
    markPrice: known(input.markPrice, 'markPrice', toPositive),
    indexPrice: known(input.indexPrice, 'indexPrice', toPositive),
    predictedRate: known(input.predictedRate, 'predictedRate', toDecimal),
    isEstimated,
    source: known(input.source, 'source', toLabel),
  }
}

/** Says why a rate is refused. Anything but `invalid_input` is no fault of the rate, and is thrown. */
export function toRefusedRate(thrown: unknown, index: number, rate: FundingRateInput): RefusedFundingRate {
  if (!isDataError(thrown) || thrown.code !== 'invalid_input' || thrown.field === undefined) throw thrown
  return { index, rate, field: thrown.field, reason: thrown.message }
}

const HOUR_MS = 3_600_000

/** The full hour in UTC that a moment is nearest to; half an hour counts as the next. */
export function nearestHour(at: Date): Date {
  return new Date(Math.floor(at.getTime() / HOUR_MS + 0.5) * HOUR_MS)
}

function toIntervalHours(hours: number): number {
  if (Number.isInteger(hours) && hours >= 1 && hours <= FUNDING_INTERVAL_HOURS_MAX) return hours
  throw refusal(
    'intervalHours',
    `intervalHours ${hours} is not a whole number of hours from 1 to ${FUNDING_INTERVAL_HOURS_MAX}`,
  )
}

function toRate(value: Amount): Decimal {
  const rate = toDecimal(value, 'rate')
  if (rate.abs().lt(1)) return rate
  throw refusal('rate', `rate ${rate} is not between -1 and 1: given in per cent or basis points?`)
}

function refusal(field: string, why: string): DataError {
  return new DataError('invalid_input', why, { field })
}
