import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { sqlStateOf } from '../db/sqlstate.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { isTransaction, pause, transaction } from '../db/transaction.ts'
import type { LedgerId } from './ledger.ts'
import type { LedgerChange } from './ledger-change.ts'
import { keyOf } from './ledger-columns.ts'
import { storeChanges } from './ledger-write.ts'
import { ledgerHeads } from './schema/positions.ts'

/** Tries before a ledger that others keep changing is given up. */
export const ATTEMPTS = 50

const UNIQUE_VIOLATION = '23505'
// By the second try whatever was there first is seen, so a violation that comes again has another reason.
const VIOLATIONS_EXPECTED = 2

const LOCK_TIMEOUT = '55P03'
// Another writer may hold a ledger for as long as it takes to derive it anew.
const LOCK_TIMEOUTS_BORNE = 2

/**
 * Stores the changes; none of them when another writer was in the way of one, which the caller's next attempt sorts out.
 *
 * A statement that took too long is not tried again, nor one that waits for the same lock for ever: the next would as well.
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
  if (state === UNIQUE_VIOLATION) return attempt <= VIOLATIONS_EXPECTED
  if (state === LOCK_TIMEOUT) return attempt <= LOCK_TIMEOUTS_BORNE
  return state?.startsWith('40') ?? false
}

/**
 * Tries of this sort that may be lost. Whoever derives a long history anew loses to whoever appends, each time: after these
 * tries it locks its ledgers before it reads them, and the others wait.
 */
const PATIENCE = 5

/** Makes one attempt at changing ledgers: in free competition at first, with the ledgers locked when that was lost too often. */
export async function attemptInTurn<Result>(
  db: Database,
  ids: readonly LedgerId[],
  attempt: number,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  if (attempt <= PATIENCE || ids.length === 0) return await work(db)
  const lockedWork = async (tx: Database) => {
    await lockStatement.run(tx, { keys: JSON.stringify(ids.map(keyOf)) })
    return await work(tx)
  }
  return isTransaction(db) ? await lockedWork(db) : await transaction(db, lockedWork)
}

// In the order in which the ledgers are written, so that nobody waits for one who waits for him.
const lockStatement: PreparedStatement<{ version: number }, 'keys'> = sqlStatement('ledger.lock', (slot) => ({
  query: sql`
    select h.version
    from json_to_recordset(${slot('keys')}::json)
      as k(bot_id text, exchange text, symbol text, position_side text)
    join trading.ledger_heads h on h.bot_id = k.bot_id and h.exchange = k.exchange and h.symbol = k.symbol
      and h.position_side = k.position_side
    order by h.bot_id, h.exchange, h.symbol, h.position_side
    for update of h`,
  fields: { version: ledgerHeads.version },
}))

/** Waits before the next attempt. */
export function letOthersPass(attempt: number): Promise<void> {
  return pause(Math.min(attempt, 4))
}
