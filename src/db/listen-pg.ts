import { Socket } from 'node:net'
import type { Client, ClientConfig } from 'pg'
import type { ListeningEvents, ListeningLink } from './engine.ts'
import { openPgLink } from './link-pg.ts'

/** One connection through node-postgres that listens. The socket is made here, so that it can be cut. */
export function openPgListener(
  openClient: (config: Pick<ClientConfig, 'stream'>) => Client,
  events: ListeningEvents,
): ListeningLink {
  const socket = new Socket()
  const client = openClient({ stream: () => socket })
  const link = openPgLink({ client, pooled: false, names: new Map(), statementTimeoutMs: 0 })
  client.on('notification', ({ channel, payload }) => events.notified(channel, payload ?? ''))
  client.on('error', () => events.lost())
  client.on('end', () => events.lost())
  // One at a time: the driver will not queue for much longer.
  let last: Promise<unknown> = Promise.resolve()
  return {
    get broken() {
      return link.broken
    },
    runScript(text) {
      const turn = last.then(() => link.runScript(text))
      last = turn.catch(() => undefined)
      return turn
    },
    close: () => link.close(),
    abandon: () => void socket.destroy(),
  }
}
