import { toDay, toInstant } from '../db/columns.ts'
import { DataError } from '../db/errors.ts'

/** A span of time. What happened at `from` is in it, what happened at `to` is not. */
export interface TimeRange {
  /** The beginning of all, unless given. */
  readonly from?: Date | undefined
  /** Without end, unless given. */
  readonly to?: Date | undefined
}

/** A span of days such as `2024-01-31`, both in it. */
export interface DayRange {
  /** The first day there is, unless given. */
  readonly from?: string | undefined
  /** The last day there is, unless given. */
  readonly to?: string | undefined
}

/** @throws `invalid_input` naming the field, also if `from` is not before `to`. */
export function readTimeRange({ from, to }: TimeRange): TimeRange {
  if (from !== undefined) toInstant(from, 'from')
  if (to !== undefined) toInstant(to, 'to')
  if (from !== undefined && to !== undefined && from >= to) {
    throw invalid('to', `to ${to.toISOString()} is not after from ${from.toISOString()}`)
  }
  return { from, to }
}

/** @throws `invalid_input` naming the field, also if `to` is before `from`. */
export function readDayRange({ from, to }: DayRange): DayRange {
  if (from !== undefined) toDay(from, 'from')
  if (to !== undefined) toDay(to, 'to')
  if (from !== undefined && to !== undefined && to < from) {
    throw invalid('to', `to ${to} is before from ${from}`)
  }
  return { from, to }
}

function invalid(field: string, message: string): DataError {
  return new DataError('invalid_input', message, { field })
}
