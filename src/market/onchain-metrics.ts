import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { found } from '../db/rows.ts'
import { replacingWriter, toArray, toKey, type ValuesRecorded } from './record-values.ts'
import { onchainMetrics } from './schema/sentiment.ts'
import { type TimePageInput, valueReads } from './value-reads.ts'

export type OnchainMetric = typeof onchainMetrics.$inferSelect

/** The value of one on-chain metric at a moment, as one source gives it. */
export interface OnchainMetricInput {
  /** A currency, as BTC. */
  readonly asset: string
  /** What was measured, as the source names it: `active_addresses`, say. */
  readonly metric: string
  readonly source: string
  readonly measuredAt: Date
  /** In the unit of the metric. */
  readonly value: Amount
}

/** What names one series of values. */
export type OnchainMetricSeries = Pick<OnchainMetric, 'asset' | 'metric' | 'source'>

export interface ListOnchainMetricsInput
  extends OnchainMetricSeries,
    TimePageInput<Pick<OnchainMetric, 'measuredAt'>> {}

/**
 * Stores values of on-chain metrics and returns how many were new, replaced and unchanged.
 *
 * A value replaces the one of the same asset, metric, source and moment: sources revise them. Safe to repeat. More than a thousand are
 * stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the value and its field, as `values[3].value`; nothing is stored then.
 */
export async function recordOnchainMetrics(
  db: Database,
  input: { readonly values: readonly OnchainMetricInput[] },
): Promise<ValuesRecorded> {
  return write(
    db,
    toArray(input.values, 'values').map((value, i) => checkValue(value, `values[${i}]`)),
  )
}

const write = replacingWriter('recordOnchainMetrics', onchainMetrics, [
  onchainMetrics.asset,
  onchainMetrics.metric,
  onchainMetrics.source,
  onchainMetrics.measuredAt,
])

function checkValue(value: OnchainMetricInput, at: string) {
  return {
    asset: toKey(value.asset, `${at}.asset`),
    metric: toKey(value.metric, `${at}.metric`),
    source: toKey(value.source, `${at}.source`),
    measuredAt: toInstant(value.measuredAt, `${at}.measuredAt`),
    value: toDecimal(value.value, `${at}.value`),
  }
}

const reads = valueReads(
  onchainMetrics,
  { asset: onchainMetrics.asset, metric: onchainMetrics.metric, source: onchainMetrics.source },
  onchainMetrics.measuredAt,
  {
    latest: 'getLatestOnchainMetric',
    list: 'listOnchainMetrics',
  },
)

/** Returns the newest value of a metric. @throws `not_found` naming metric, asset and source if there is none. */
export async function getLatestOnchainMetric(
  db: Database,
  input: OnchainMetricSeries,
): Promise<OnchainMetric> {
  const series = readSeries(input)
  return found(
    `metric '${input.metric}' of '${input.asset}' by '${input.source}'`,
    await reads.latest(db, series),
  )
}

function readSeries(input: OnchainMetricSeries): OnchainMetricSeries {
  return {
    asset: toKey(input.asset, 'asset'),
    metric: toKey(input.metric, 'metric'),
    source: toKey(input.source, 'source'),
  }
}

/** Returns the values of a metric, newest first. */
export async function listOnchainMetrics(
  db: Database,
  input: ListOnchainMetricsInput,
): Promise<OnchainMetric[]> {
  const after = input.after && toInstant(input.after.measuredAt, 'after.measuredAt')
  return reads.list(db, readSeries(input), input, after)
}
