import { WEEKDAYS, type Weekday } from '../market/weekdays.ts'
import type { SessionWindow } from './schema/rules.ts'

/** What the clock on the wall of a zone says. */
interface WallClock {
  readonly weekday: Weekday
  /** Since midnight. */
  readonly minutes: number
}

/**
 * True if the moment lies in one of the windows, and always where there are none. The start belongs to a window, the end does not.
 *
 * A window is told by the clock on the wall of its zone: one from 02:15 to 02:45 does not happen on the day that the clock skips this hour, and twice on the
 * day that it goes back. One that ends before it starts goes over midnight, and its day is the one on which it begins.
 */
export function isInWindow(windows: readonly SessionWindow[], at: Date): boolean {
  return (
    windows.length === 0 || windows.some((window) => holds(window, wallClock(at, window.timeZone ?? 'UTC')))
  )
}

function holds({ start, end, days }: SessionWindow, { weekday, minutes }: WallClock): boolean {
  const isOn = (day: Weekday) => days === undefined || days.includes(day)
  const [from, until] = [minutesOf(start), minutesOf(end)]
  if (from < until) return minutes >= from && minutes < until && isOn(weekday)
  return (minutes >= from && isOn(weekday)) || (minutes < until && isOn(dayBefore(weekday)))
}

function dayBefore(day: Weekday): Weekday {
  return WEEKDAYS.at(WEEKDAYS.indexOf(day) - 1) ?? day
}

function minutesOf(time: string): number {
  return digit(time, 0) * 600 + digit(time, 1) * 60 + digit(time, 3) * 10 + digit(time, 4)
}

const ZERO_CODE = 48

function digit(text: string, index: number): number {
  return text.charCodeAt(index) - ZERO_CODE
}

function wallClock(at: Date, timeZone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]))
  const name = parts.get('weekday')?.toLowerCase()
  const weekday = WEEKDAYS.find((day) => day === name)
  const minutes = minutesOf(`${parts.get('hour')}:${parts.get('minute')}`)
  if (weekday === undefined || Number.isNaN(minutes)) {
    throw new RangeError(`the clock of ${timeZone} cannot be read`)
  }
  return { weekday, minutes }
}
