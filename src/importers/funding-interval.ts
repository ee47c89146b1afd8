import { nearestHour } from '../market/funding-rate-input.ts'
import { FUNDING_INTERVAL_HOURS_MAX } from '../market/schema/funding.ts'

const HOUR_MS = 3_600_000

/** The full hour that a rate is known by, in hours since 1970. */
export function fundingHour(publishedAt: Date): number {
  return nearestHour(publishedAt).getTime() / HOUR_MS
}

/**
 * Tells from the hours of one symbol's rates, in any order, how many hours each rate is for: undefined if there is only one
 * hour, or a week and more between two.
 *
 * A rate is for the period that ended at its hour, so it has the distance to the rate before; the first has that of the next.
 * A distance unlike the one before and the one after, and longer than the latter, is a hole: rates are missing there, and its
 * rate has the distance that follows. At either end, where only one distance is next to it, it is one if it is twice that one.
 */
export function inferIntervals(hours: readonly number[]): (number | undefined)[] {
  const ascending = [...new Set(hours)].sort((a, b) => a - b)
  const gaps = ascending.slice(1).map((hour, i) => hour - (ascending[i] ?? hour))
  const intervals = gaps.map((gap, i) => withoutHole(gap, gaps[i - 1], gaps[i + 1]))
  const byHour = new Map(ascending.map((hour, i) => [hour, i === 0 ? intervals[0] : intervals[i - 1]]))
  return hours.map((hour) => {
    const interval = byHour.get(hour)
    return interval === undefined || interval > FUNDING_INTERVAL_HOURS_MAX ? undefined : interval
  })
}

function withoutHole(gap: number, before: number | undefined, after: number | undefined): number {
  if (gap === before || gap === after) return gap
  if (before !== undefined && after !== undefined) return Math.min(gap, after)
  const only = before ?? after
  return only !== undefined && gap === 2 * only ? only : gap
}

/** A rate on its way, and the hours that it is for. */
export type WithInterval<Rate> = readonly [rate: Rate, intervalHours: number]

interface Group<Rate> {
  readonly hour: number
  readonly rates: Rate[]
}

/** Distances are compared with the one before and the one after. */
const HOURS_AHEAD = 2

/**
 * Tells the interval of each rate as `inferIntervals` does, while they come in: it holds those of five hours.
 *
 * @throws what `refuse` returns for a rate whose interval cannot be told, and for rates that are not in order of time, oldest
 * or newest first.
 */
export async function* addIntervals<Rate extends { readonly publishedAt: Date }>(
  rates: AsyncIterable<Rate>,
  refuse: (rate: Rate, why: string) => Error,
): AsyncGenerator<WithInterval<Rate>> {
  const groups: Group<Rate>[] = []
  let next = 0
  let direction = 0
  for await (const rate of rates) {
    const hour = fundingHour(rate.publishedAt)
    const last = groups.at(-1)
    if (last?.hour === hour) {
      last.rates.push(rate)
      continue
    }
    if (last !== undefined) {
      const step = Math.sign(hour - last.hour)
      if (direction !== 0 && step !== direction) throw refuse(rate, UNORDERED)
      direction = step
    }
    groups.push({ hour, rates: [rate] })
    if (groups.length - next <= HOURS_AHEAD) continue
    yield* resolve(groups, next, refuse)
    if (next < HOURS_AHEAD) next += 1
    else groups.shift()
  }
  for (; next < groups.length; next += 1) yield* resolve(groups, next, refuse)
}

const UNORDERED = 'is not in the order of time that the rates before it are in, so its interval'
const UNTOLD = 'has no rate near it in time, so its interval'

function* resolve<Rate>(
  groups: readonly Group<Rate>[],
  place: number,
  refuse: (rate: Rate, why: string) => Error,
): Generator<WithInterval<Rate>> {
  const interval = inferIntervals(groups.map(({ hour }) => hour))[place]
  for (const rate of groups[place]?.rates ?? []) {
    if (interval === undefined) throw refuse(rate, UNTOLD)
    yield [rate, interval]
  }
}
