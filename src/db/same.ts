import { isDeepStrictEqual } from 'node:util'
import { Decimal } from './decimal.ts'
import { DataError } from './errors.ts'

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

/** The fields of a report that the stored row has otherwise. What is undefined in the report was left to the database, and contradicts nothing. */
export function differences(report: object, stored: object): string[] {
  const was: Readonly<Record<string, unknown>> = { ...stored }
  return Object.entries(report)
    .filter(([field, value]) => value !== undefined && !isSame(was[field], value))
    .map(([field]) => field)
}

/** @throws `conflict` naming the fields, if there are any. */
export function refuseOther(what: string, fields: readonly string[]): void {
  if (fields.length === 0) return
  throw new DataError('conflict', `${what} was already recorded with other content: ${fields.join(', ')}`, {
    field: fields[0],
  })
}
