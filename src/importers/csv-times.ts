/**
 * How a column writes times: Unix seconds, milliseconds or microseconds; `iso`, date and time with a zone, as
 * `2024-01-31T08:00:00Z`; `date`, a day in UTC, as `2024-01-31`; `utc`, date and time without a zone that are UTC, as
 * `2024-01-31 08:00:00`.
 */
export const TIME_FORMATS = ['s', 'ms', 'us', 'iso', 'date', 'utc'] as const
export type TimeFormat = (typeof TIME_FORMATS)[number]

/**
 * Forms that tell themselves apart: `unix` by its 10, 13 or 16 digits, which are seconds, milliseconds and microseconds of the
 * years 2001 to 2286. `mt4` is what Bybit's files for MetaTrader 4 have.
 */
export type TimeForm = TimeFormat | 'unix' | 'mt4'

export const PLAIN_FORMS: readonly TimeForm[] = ['unix', 'date', 'iso']

const DESCRIPTIONS: Readonly<Record<TimeForm, string>> = {
  s: 'Unix seconds',
  ms: 'Unix milliseconds',
  us: 'Unix microseconds of whole milliseconds',
  unix: 'Unix seconds, milliseconds or microseconds of 10, 13 or 16 digits',
  iso: 'an ISO time with its zone',
  date: 'a date as 2024-01-31',
  utc: 'a date and time as 2024-01-31 08:00:00',
  mt4: 'a date and time as 2024.01.31 08:00',
}

/** Says what was expected of a column. */
export function describeForms(forms: readonly TimeForm[]): string {
  const texts = forms.map((form) => DESCRIPTIONS[form])
  const last = texts.pop() ?? ''
  return texts.length === 0 ? last : `${texts.join(', ')} or ${last}`
}

/** Reads a time in Unix milliseconds by the first form that fits, or returns undefined. */
export function readTime(text: string, forms: readonly TimeForm[]): number | undefined {
  for (const form of forms) {
    const ms = READERS[form](text)
    if (ms !== undefined && Math.abs(ms) <= DATE_MS_MAX) return ms
  }
  return undefined
}

/** What a Date can hold. */
const DATE_MS_MAX = 8.64e15
const HOUR_MS = 3_600_000
/** The clock of these files is three hours ahead of UTC all year, which nothing in them says. */
const MT4_AHEAD_MS = 3 * HOUR_MS

const READERS: Readonly<Record<TimeForm, (text: string) => number | undefined>> = {
  s: (text) => scaled(wholeNumber(text), 1_000),
  ms: wholeNumber,
  us: microseconds,
  unix: (text) => {
    const digits = withoutZeros(text)
    if (/^\d{13}$/.test(digits)) return wholeNumber(digits)
    if (/^\d{16}$/.test(digits)) return microseconds(digits)
    return /^\d{10}$/.test(digits) ? scaled(wholeNumber(digits), 1_000) : undefined
  },
  iso: readIso,
  date: (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? readClock(`${text}T00:00:00`) : undefined),
  utc: readUtc,
  mt4: (text) => {
    const [, year, month, day, time] = /^(\d{4})\.(\d\d)\.(\d\d) (\d\d:\d\d)$/.exec(text) ?? []
    const ms = time && readClock(`${year}-${month}-${day}T${time}:00`)
    return typeof ms === 'number' ? ms - MT4_AHEAD_MS : undefined
  },
}

/** Reads digits. */
export function wholeNumber(text: string): number | undefined {
  const digits = withoutZeros(text)
  if (!/^\d{1,16}$/.test(digits)) return undefined
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : undefined
}

/** Zeros behind a point are what a data frame adds when it holds whole numbers as floats. */
function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.0+$/, '') : text
}

function scaled(number: number | undefined, factor: number): number | undefined {
  return number === undefined ? undefined : number * factor
}

function microseconds(text: string): number | undefined {
  const digits = withoutZeros(text)
  return digits.endsWith('000') ? wholeNumber(digits.slice(0, -3)) : undefined
}

const ZONED = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d)?)$/i

function readIso(text: string): number | undefined {
  const [, date, time, utc, sign, hours = '0', minutes = '0'] = ZONED.exec(text) ?? []
  if (date === undefined || time === undefined) return undefined
  const ms = readClock(`${date}T${time}`)
  if (ms === undefined || utc) return ms
  const ahead = (wholeNumber(hours) ?? 0) * HOUR_MS + (wholeNumber(minutes) ?? 0) * 60_000
  return sign === '-' ? ms + ahead : ms - ahead
}

const UNZONED = /^(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)$/

function readUtc(text: string): number | undefined {
  const [, year, month, day, time] = UNZONED.exec(text) ?? []
  return time === undefined ? undefined : readClock(`${year}-${month}-${day}T${time}`)
}

/** Reads what a clock in UTC shows. Days that the month does not have are not the next month's. */
function readClock(text: string): number | undefined {
  const ms = Date.parse(`${text}Z`)
  if (Number.isNaN(ms)) return undefined
  return new Date(ms).toISOString().startsWith(text.slice(0, 16)) ? ms : undefined
}
