const QUARTER_MS = 15 * 60_000
const DAY_MS = 86_400_000

const formats = new Map<string, Intl.DateTimeFormat>()
const starts = new Map<string, number>()

/** Returns the date that a clock of the zone shows at a moment, as `2024-01-31`. */
export function dateShown(at: number, zone: string): string {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    })
    formats.set(zone, format)
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`
}

/** Returns the date that is so many days of the calendar later. */
export function addDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10)
}

/** Returns by how many days of the calendar the second date is later. */
export function daysBetween(from: string, to: string): number {
  return (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS
}

/**
 * Returns the first moment at which a clock of the zone shows this date or a later one. Found by looking at the clock every quarter
 * of an hour, which no clock has been turned by less than since 1970, and then by halving.
 */
export function dayStart(day: string, zone: string): number {
  const key = `${zone} ${day}`
  const known = starts.get(key)
  if (known !== undefined) return known
  let after = Date.parse(`${day}T00:00:00Z`) - 15 * 4 * QUARTER_MS
  if (dateShown(after, zone) >= day)
    throw new RangeError(`${key}: begins more than 15 hours before that of UTC`)
  while (dateShown(after + QUARTER_MS, zone) < day) after += QUARTER_MS
  let [before, found] = [after, after + QUARTER_MS]
  while (found - before > 1) {
    const middle = Math.floor((before + found) / 2)
    if (dateShown(middle, zone) < day) before = middle
    else found = middle
  }
  starts.set(key, found)
  return found
}

/** Returns the last day that has begun at a moment. A date that the zone left out begins and ends at once, and has no moment. */
export function dayOf(at: number, zone: string): string {
  let day = dateShown(at, zone)
  while (dayStart(addDays(day, 1), zone) <= at) day = addDays(day, 1)
  return day
}
