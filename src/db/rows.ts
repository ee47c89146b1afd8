import { DataError } from './errors.ts'
import { translateError } from './sqlstate.ts'

/** A Drizzle query, not yet sent. */
export interface Sendable<Row> {
  prepare(name: string): { execute(): Promise<Row[]> }
}

/** Sends the query under the name of its verb and returns all its rows. */
export async function many<Row>(verb: string, query: Sendable<Row>): Promise<Row[]> {
  try {
    return await query.prepare(verb).execute()
  } catch (thrown) {
    throw translateError(thrown, verb)
  }
}

/** Sends the query and returns its only row, or undefined. */
export async function maybeOne<Row>(verb: string, query: Sendable<Row>): Promise<Row | undefined> {
  return only(verb, await many(verb, query))
}

/** Sends the query and returns its only row. @throws `not_found` naming `what` if there is none. */
export async function one<Row>(verb: string, what: string, query: Sendable<Row>): Promise<Row> {
  return found(what, await maybeOne(verb, query))
}

/** The only row of a result, or undefined. */
export function only<Row>(verb: string, rows: readonly Row[]): Row | undefined {
  if (rows.length > 1) {
    throw new DataError('unexpected', `${verb}: ${rows.length} rows where there can be one`)
  }
  return rows[0]
}

/** The row, if there is one. @throws `not_found` naming `what`. */
export function found<Row>(what: string, row: Row | undefined): Row {
  if (row === undefined) throw new DataError('not_found', `${what} not found`)
  return row
}
