import type { Database } from './database.ts'
import { isDataError } from './errors.ts'
import { PoolExhausted } from './pool.ts'

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export interface TransactionOptions {
  /** `read committed` unless said otherwise. */
  readonly isolationLevel?: IsolationLevel
  readonly accessMode?: 'read write' | 'read only'
  /** How often the work is tried in all when it fails with `transient`. 3 unless said otherwise. */
  readonly attempts?: number
}

const ATTEMPTS = 3
const FIRST_PAUSE_MS = 20

/**
 * Runs `work` in one transaction and returns its result once that is committed.
 *
 * Use only the handle that `work` receives. Inside another transaction it is a savepoint: when `work` fails there, only
 * what it did is undone. A `transient` failure (deadlock, serialization, timeout: rolled back for certain) is tried
 * again, outermost only, so `work` must not do what cannot be repeated. An error that `work` throws comes out unchanged.
 *
 * @throws `connection` when the connection was lost: whether the transaction committed is then unknown.
 */
export async function transaction<Result>(
  db: Database,
  work: (db: Database) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  const { attempts = ATTEMPTS, ...characteristics } = options
  const nested = isTransaction(db)
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction(work, characteristics)
    } catch (error) {
      // The session has translated its own errors. Whatever else `work` threw is not looked into: it may well have a code.
      if (nested || attempt >= attempts || !isWorthAnother(error)) throw error
      await pause(attempt)
    }
  }
}

/** Who found no free connection has waited for one already; inside `work`, it may be this transaction that holds it. */
function isWorthAnother(error: unknown): boolean {
  return isDataError(error) && error.retryable && !(error.cause instanceof PoolExhausted)
}

/** True for the handle of a transaction, where a failed statement undoes all that the caller did in it. */
export function isTransaction(db: Database): boolean {
  return 'nestedIndex' in db
}

/** Waits before another attempt: longer each time, and never two callers the same. */
export function pause(attempt: number): Promise<void> {
  const longest = FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 6)
  return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)))
}
