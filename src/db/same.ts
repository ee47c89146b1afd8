import { isDeepStrictEqual } from 'node:util'
import { Decimal } from './decimal.ts'

/** True if two values say the same: amounts by value, times by moment, documents by content whatever the order of their keys. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Decimal.isDecimal(a) && Decimal.isDecimal(b)) return a.eq(b)
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime()
  if (isDocument(a) && isDocument(b)) return isDeepStrictEqual(asJson(a), asJson(b))
  return (a ?? null) === (b ?? null)
}

function isDocument(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** As it is after it was stored: without what is undefined. */
function asJson(value: object): unknown {
  return JSON.parse(JSON.stringify(value))
}
