import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const ID_BYTES = 16
const IDS_AT_ONCE = 256
const SEQUENCE_LIMIT = 2 ** 32

/**
 * Makes ids of rows: UUIDs that begin with the time, so that new rows lie together in an index, and go up within a
 * process, so that rows of the same moment keep their order.
 *
 * Randomness is fetched for many ids at once: asking the system for each costs more than the rest of an id.
 */
function idMaker(): () => string {
  const pool = Buffer.alloc(ID_BYTES * IDS_AT_ONCE)
  let next = pool.length
  let msecs = 0
  let seq = 0
  return () => {
    if (next === pool.length) {
      randomFillSync(pool)
      next = 0
    }
    const random = pool.subarray(next, next + ID_BYTES)
    next += ID_BYTES
    const now = Date.now()
    seq += 1
    if (now > msecs || seq === SEQUENCE_LIMIT) {
      msecs = Math.max(now, msecs + (now > msecs ? 0 : 1))
      // Below a half, which leaves room to go up.
      seq = random.readUInt32BE(6) >>> 1
    }
    return v7({ random, msecs, seq })
  }
}

export const newId = idMaker()
