import type { Database } from '../db/database.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { sqlStateOf } from '../db/sqlstate.ts'
import { isTransaction, pause } from '../db/transaction.ts'
import type { LedgerChange } from './ledger-change.ts'
import { storeChanges } from './ledger-write.ts'

/** Tries before a ledger that others keep changing is given up. */
export const ATTEMPTS = 50

const UNIQUE_VIOLATION = '23505'
// By the second try whatever was there first is seen, so a violation that comes again has another reason.
const VIOLATIONS_EXPECTED = 2

/**
 * Stores the changes; none of them when another writer was in the way of one, which the caller's next attempt sorts out.
 *
 * A statement that took too long, or waited too long for a lock, is not tried again: the next would take as long.
 */
export async function storeUnlessOvertaken(
  db: Database,
  changes: readonly LedgerChange[],
  attempt: number,
): Promise<Map<LedgerChange, Date>> {
  if (changes.length === 0) return new Map()
  try {
    return await storeChanges(db, changes)
  } catch (error) {
    if (!wasOvertaken(error, attempt)) throw error
    // Rolled back for certain; inside a transaction of the caller's that is all of it, so there it must be told.
    if (!isTransaction(db)) return new Map()
    if (isDataError(error) && error.retryable) throw error
    throw new DataError('transient', 'another writer stored the same fact at the same moment', {
      cause: error,
    })
  }
}

/**
 * True for a deadlock and a failed serialization; and for a key that somebody else took since it was looked for, as when
 * two reports of one fill name different position sides, so that they are of different ledgers.
 */
export function wasOvertaken(error: unknown, attempt = 1): boolean {
  const state = sqlStateOf(error)
  return state?.startsWith('40') || (state === UNIQUE_VIOLATION && attempt <= VIOLATIONS_EXPECTED) || false
}

/** Waits before the next attempt. */
export function letOthersPass(attempt: number): Promise<void> {
  return pause(Math.min(attempt, 4))
}
