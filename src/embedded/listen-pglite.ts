import type { PGlite } from '@electric-sql/pglite'
import type { ListeningEvents, ListeningLink } from '../db/engine.ts'
import type { Pool } from '../db/pool.ts'

/**
 * Listens on the one session of an engine. It is borrowed to say so, since what is said inside somebody's transaction would
 * be undone with that.
 */
export function openPgliteListener(
  onNotification: PGlite['onNotification'],
  pool: Pick<Pool, 'acquire' | 'release'>,
  events: ListeningEvents,
): ListeningLink {
  let broken = false
  const stop = onNotification((channel, payload) => events.notified(channel, payload))

  async function runScript(text: string): Promise<string> {
    const link = await pool.acquire()
    try {
      return await link.runScript(text)
    } finally {
      pool.release(link)
    }
  }

  return {
    get broken() {
      return broken
    },
    runScript,
    async close() {
      stop()
      await runScript('unlisten *')
    },
    abandon() {
      broken = true
      stop()
    },
  }
}
