import {
  type Course,
  type EquityPoint,
  type Fall,
  follow,
  type GrowthPoint,
  startCourse,
  walkDrawdown,
} from './drawdown.ts'
import { invalid, readMoment, readNumber } from './numbers.ts'

/**
 * Returns every fall of an equity curve from a peak, in order of time. The last one may still go on, with `recoveredAt` null;
 * the deepest, the first of equally deep ones, is the one that `measureDrawdown` gives.
 *
 * The first point is the starting capital and the first peak, so a loss in the first period counts.
 *
 * @throws `invalid_input` naming the place, as `measureDrawdown` does.
 */
export function listFalls(points: readonly EquityPoint[]): Fall[] {
  return fallsOf(walkDrawdown(points))
}

/**
 * Returns every fall of growth from a peak, in order of time, of periods in a row: `flowAdjustedReturns` gives such. Growth was
 * 1 at `startedAt`, the first peak.
 *
 * @throws `invalid_input` naming the place, as `periods[3].growth`: for times that do not go forward, and negative growth.
 */
export function listGrowthFalls(startedAt: Date, periods: readonly GrowthPoint[]): Fall[] {
  return fallsOf(walkGrowth(startedAt, periods))
}

function* walkGrowth(startedAt: Date, periods: readonly GrowthPoint[]): Generator<Course, void> {
  let course = startCourse(readMoment(startedAt, 'startedAt'))
  for (const [i, { at, growth, profit }] of periods.entries()) {
    if (readMoment(at, `periods[${i}].at`) <= course.at) {
      throw invalid(`periods[${i}].at`, 'is not after the one before it')
    }
    readNumber(growth, `periods[${i}].growth`, { least: 0, most: Infinity })
    readNumber(profit, `periods[${i}].profit`, { least: -Infinity, most: Infinity })
    course = follow(course, { at, growth, profit })
    yield course
  }
}

function fallsOf(courses: Iterable<Course>): Fall[] {
  const falls: Fall[] = []
  let open: Fall | null = null
  for (const { at, current } of courses) {
    if (open && !current) falls.push({ ...open, recoveredAt: at })
    open = current
  }
  return open ? [...falls, open] : falls
}
