/** Where a fill stands in its ledger. All of it is in the fact itself, so that the order of arrival never matters. */
export interface LedgerKey {
  readonly executedAt: Date
  /** The fill's place in the exchange's own feed; 0 where the exchange tells none. */
  readonly sequence: bigint
  readonly exchangeTradeId: string
  readonly side: 'buy' | 'sell'
}

/**
 * Returns a negative number when `a` comes before `b`, a positive one when it comes after, 0 when they have the same key.
 *
 * Trade ids are ordered by length, then by content, both in bytes of UTF-8, so that 9 comes before 10 and Postgres
 * finds the same order with `octet_length(id), id collate "C"`. A buy comes before the sale of a self-trade.
 */
export function compareLedgerOrder(a: LedgerKey, b: LedgerKey): number {
  const time = a.executedAt.getTime() - b.executedAt.getTime()
  if (time !== 0) return time
  if (a.sequence !== b.sequence) return a.sequence < b.sequence ? -1 : 1
  const id = compareTradeIds(a.exchangeTradeId, b.exchangeTradeId)
  if (id !== 0) return id
  if (a.side === b.side) return 0
  return a.side === 'buy' ? -1 : 1
}

function compareTradeIds(a: string, b: string): number {
  if (a === b) return 0
  const length = countUtf8Bytes(a)
  const difference = length - countUtf8Bytes(b)
  if (difference !== 0) return difference
  // With as many bytes as UTF-16 units both are ASCII, and JavaScript's own comparison is the order of their bytes.
  if (length === a.length && length === b.length) return a < b ? -1 : 1
  return compareCodePoints(a, b)
}

/** Returns the length in UTF-8. An unpaired surrogate counts as the three bytes of its replacement character. */
function countUtf8Bytes(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    bytes += unit < 0x800 ? 1 : 2
    // The second half of a pair is counted with the first: two units, four bytes.
    if (unit >= 0xd800 && unit <= 0xdbff && isLowSurrogate(text.charCodeAt(index + 1))) index++
  }
  return bytes
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** Compares by code point, which is the order of UTF-8 bytes; UTF-16 units would put U+FF5E after an emoji. */
function compareCodePoints(a: string, b: string): number {
  for (let index = 0; index < a.length && index < b.length; index++) {
    const left = a.codePointAt(index) ?? 0
    const right = b.codePointAt(index) ?? 0
    if (left !== right) return left - right
    if (left > 0xffff) index++
  }
  return a.length - b.length
}
