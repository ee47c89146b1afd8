import type { ZodType, z } from 'zod'
import { toInstant } from '../db/columns.ts'
import { Decimal, toDecimal } from '../db/decimal.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { POSITION_SIDES, type PositionSide } from '../trading/position-math.ts'
import { type CcxtNumber, NUMBER_PATTERN } from './ccxt-schema.ts'

export interface Problem {
  readonly field: string
  readonly why: string
}

/** Problems that one error names; the rest are counted. */
const SHOWN_PROBLEMS = 20

/**
 * Reads each object of a call by its schema and converts it. What the conversion makes undefined is left out. An object of
 * wrong types is not looked at further.
 *
 * @throws `invalid_input` with every problem of every object, at most 20, each as `trades[3].price is missing`.
 */
export function convertEntries<Schema extends ZodType, Converted>(
  root: string,
  items: readonly unknown[],
  schema: Schema,
  convert: (item: z.output<Schema>, entry: Entry) => Converted | undefined,
): Converted[] {
  if (!Array.isArray(items)) {
    throw new DataError('invalid_input', `${root} is not an array`, { field: root })
  }
  const problems: Problem[] = []
  const converted: Converted[] = []
  items.forEach((item: unknown, index) => {
    const path = `${root}[${index}]`
    const read = schema.safeParse(item)
    if (read.success) {
      const result = convert(read.data, new Entry(path, item, problems))
      if (result !== undefined) converted.push(result)
    } else {
      for (const { path: keys, message } of read.error.issues) {
        problems.push({ field: path + keys.map(step).join(''), why: message })
      }
    }
  })
  refuseAll(problems)
  return converted
}

function step(key: PropertyKey): string {
  return typeof key === 'number' ? `[${key}]` : `.${String(key)}`
}

/** @throws `invalid_input` with every problem, at most 20; does nothing if there is none. */
export function refuseAll(problems: readonly Problem[]): void {
  const [first] = problems
  if (first === undefined) return
  const lines = problems.slice(0, SHOWN_PROBLEMS).map(({ field, why }) => `${field}: ${why}`)
  const rest = problems.length - lines.length
  if (rest > 0) lines.push(`and ${rest} more`)
  throw new DataError('invalid_input', lines.join('\n'), { field: first.field })
}

/** One object of a call: reads its amounts and times, and collects what is wrong with it. */
export class Entry {
  readonly #path: string
  readonly #info: unknown
  readonly #problems: Problem[]
  readonly #refused = new Set<string>()
  #texts: readonly string[] | undefined

  constructor(path: string, item: unknown, problems: Problem[]) {
    this.#path = path
    this.#info = isRecord(item) ? item.info : undefined
    this.#problems = problems
  }

  /** Notes a problem with one field, once. */
  refuse(key: string, why: string): undefined {
    const field = `${this.#path}.${key}`
    if (!this.#refused.has(field)) this.#problems.push({ field, why })
    this.#refused.add(field)
  }

  /** Returns the exact text of a number, or undefined where there is none. */
  amount(key: string, value: CcxtNumber | null | undefined): string | undefined {
    if (value === undefined || value === null) return undefined
    const exact = typeof value === 'number' ? this.#exactText(value) : plainText(value)
    try {
      toDecimal(exact, key)
      return exact
    } catch (error) {
      if (!isDataError(error)) throw error
      return this.refuse(key, error.message.slice(key.length + 1))
    }
  }

  /** Returns the exact text of a number greater than zero. */
  positive(key: string, value: CcxtNumber | null | undefined): string | undefined {
    if (value === undefined || value === null) return this.refuse(key, 'is missing')
    const exact = this.amount(key, value)
    if (exact === undefined || new Decimal(exact).gt(0)) return exact
    return this.refuse(key, `is ${exact}, and must be greater than zero`)
  }

  /** Returns the moment of a unified object, which must have one. */
  moment(item: { timestamp?: number | null | undefined; datetime?: string | null | undefined }) {
    if (item.timestamp !== undefined && item.timestamp !== null) {
      return this.instant('timestamp', item.timestamp)
    }
    if (!item.datetime) return this.refuse('timestamp', 'is missing')
    if (ZONED_TIME.test(item.datetime)) return this.instant('datetime', Date.parse(item.datetime))
    return this.refuse('datetime', `is '${item.datetime}', not an ISO time with its zone`)
  }

  /** Returns the moment of a Unix time in milliseconds, or undefined where there is none. */
  instant(key: string, ms: number | null | undefined): Date | undefined {
    if (ms === undefined || ms === null) return undefined
    try {
      return toInstant(new Date(ms), key)
    } catch (error) {
      if (!isDataError(error)) throw error
      return this.refuse(key, error.message.slice(key.length + 1))
    }
  }

  /** Returns what the exchange's own object has under a key, if that is text or a number. */
  infoText(key: string): string | undefined {
    const value = isRecord(this.#info) ? this.#info[key] : undefined
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
  }

  /** Returns the number that the exchange's own object has under the first of these keys that has one. */
  infoAmount(keys: readonly string[]): string | undefined {
    for (const key of keys) {
      const text = this.infoText(key)
      if (text !== undefined && NUMBER_PATTERN.test(text)) return this.amount(`info.${key}`, text)
    }
    return undefined
  }

  /** Returns the position side that the exchange's own object names, or undefined if it names none. */
  positionSide(): PositionSide | undefined {
    const named = ['positionSide', 'posSide', 'ps'].map((key) => this.infoText(key)?.toLowerCase())
    const side = named.find((value) => value !== undefined && value !== '')
    if (side === 'both') return 'net'
    const known = POSITION_SIDES.find((value) => value === side)
    // Bybit's index: 0 is one-way, 1 the long and 2 the short side of a hedged account.
    return known ?? POSITION_SIDES.find((_, index) => String(index) === this.infoText('positionIdx'))
  }

  // The float is the nearest to what the exchange said; the exchange's own text, if it is there, has all digits.
  #exactText(value: number): string {
    const shortest = plainText(String(value))
    if (value === 0) return '0'
    this.#texts ??= numberTexts(this.#info)
    // Sizes alone are compared: exchanges differ in the sign of fees and payments, which ccxt makes one.
    const size = Math.abs(value)
    const same = this.#texts.filter((text) => Number(text) === size)
    const [first] = same
    if (first === undefined || same.some((text) => !new Decimal(text).eq(first))) return shortest
    return value < 0 ? `-${first}` : first
  }
}

const ZONED_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$/
const MAX_DEPTH = 5
const MAX_DIGITS = 30

/** The sizes of all numbers that are written as text anywhere in an object, with all their digits. */
function numberTexts(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') {
    if (!NUMBER_PATTERN.test(value)) return []
    const text = plainText(value).replace('-', '')
    return text.split('.').every((digits) => digits.length <= MAX_DIGITS) ? [text] : []
  }
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return []
  return Object.values(value).flatMap((child) => numberTexts(child, depth + 1))
}

/** Writes out an exponent; leaves plain decimal text as it is. */
export function plainText(text: string): string {
  return /[e+]|^-?\.|\.$/i.test(text) ? new Decimal(text).toFixed() : text
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
