import { is } from 'drizzle-orm'
import type { Database } from './database.ts'
import { DataError } from './errors.ts'
import { BlotterSession, type StagedRows } from './session.ts'
import { isTransaction, transaction } from './transaction.ts'

/** True if `withStagedRows` works on this handle: on a server through postgres.js, outside a transaction. */
export function canStage(db: Database): boolean {
  const { session } = db._
  return is(session, BlotterSession) && session.canCopy && !isTransaction(db)
}

/** True if another transaction can begin at once. */
export function hasSpareConnection(db: Database): boolean {
  const { session } = db._
  return is(session, BlotterSession) && session.hasSpareConnection
}

/**
 * Sends rows into a temporary table by COPY, the fastest way into Postgres, and runs `work` on it, in one transaction.
 */
export async function withStagedRows<Result>(
  db: Database,
  verb: string,
  rows: StagedRows,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  return transaction(db, async (tx) => {
    const { session } = tx._
    if (!is(session, BlotterSession)) throw new DataError('unexpected', `${verb}: COPY on a foreign handle`)
    await session.copyIn(verb, rows)
    return await work(tx)
  })
}

const SPECIAL = /[\\\t\n\r]/g
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** A text as COPY reads it. */
export function toCopyText(text: string): string {
  return text.replace(SPECIAL, (character) => ESCAPES[character] ?? character)
}
