import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const ID_BYTES = 16

/**
 * Makes ids of rows: UUIDs that begin with the time, so that new rows lie together in an index.
 *
 * Randomness is fetched for many ids at once: asking the system for each costs more than the rest of an id.
 */
function idMaker(idsAtOnce: number): () => string {
  const pool = new Uint8Array(ID_BYTES * idsAtOnce)
  let next = pool.length
  return () => {
    if (next === pool.length) {
      randomFillSync(pool)
      next = 0
    }
    const random = pool.subarray(next, next + ID_BYTES)
    next += ID_BYTES
    return v7({ random })
  }
}

export const newId = idMaker(256)
