import { DataError, isDataError } from '../db/errors.ts'
import { isSame } from '../db/same.ts'

type Row = Readonly<Record<string, unknown>>

/**
 * Appends one row, or returns the one that is stored under the key that the caller gave.
 *
 * @throws `conflict` naming what differs from the stored row.
 */
export async function appendOnce<Stored extends Row, Meant extends Row & { readonly eventId: string | null }>(
  what: string,
  meant: Meant,
  find: (eventId: string) => Promise<Stored | undefined>,
  append: () => Promise<Stored>,
): Promise<Stored> {
  const { eventId } = meant
  if (eventId === null) return await append()
  const stored = await find(eventId)
  if (stored) return theSame(what, stored, meant)
  try {
    return await append()
  } catch (thrown) {
    if (!isDataError(thrown) || thrown.code !== 'conflict') throw thrown
    // Another caller was faster. Inside a transaction the error has ended it, and nothing can be read any more.
    const winner = await find(eventId).catch(() => undefined)
    if (winner === undefined) throw thrown
    return theSame(what, winner, meant)
  }
}

/** What was not given, as a time that the database filled in, is not compared. */
function theSame<Stored extends Row>(what: string, stored: Stored, meant: Row): Stored {
  const differs = Object.entries(meant)
    .filter(([key, value]) => value !== undefined && !isSame(stored[key], value))
    .map(([key]) => key)
  if (differs.length === 0) return stored
  throw new DataError('conflict', `${what} was already recorded with other content: ${differs.join(', ')}`, {
    field: differs[0],
  })
}
