import { once } from 'node:events'
import { connect as openSocket, type Socket } from 'node:net'
import type { ListeningEvents, ListeningLink } from './engine.ts'
import { DataError } from './errors.ts'
import { type Addresses, openPostgresLink, type PostgresLinkOptions } from './link-postgres.ts'

/**
 * One connection through postgres.js that listens.
 *
 * The driver's own `listen` is not used: it makes connections anew by itself without a bound on what is waited for, and
 * does not find out about a server that has fallen silent. The socket is made here, since the driver never cuts one: it
 * says goodbye and waits for an answer.
 */
export function openPostgresListener(
  options: Omit<PostgresLinkOptions, 'listening'>,
  events: ListeningEvents,
): ListeningLink {
  let socket: Socket | undefined
  let state: 'new' | 'dialling' | 'dialled' | 'abandoned' = 'new'

  async function dial(addresses: Addresses): Promise<Socket> {
    // The driver connects again by itself when it was not let in.
    if (state !== 'new') throw new DataError('connection', 'the connection was lost')
    state = 'dialling'
    try {
      const dialled = await dialFirst(addresses, (attempt) => {
        if (state === 'abandoned') attempt.destroy(new Error('abandoned'))
        socket = attempt
      })
      state = 'dialled'
      return dialled
    } catch (error) {
      events.lost()
      throw error
    }
  }

  const link = openPostgresLink({
    ...options,
    listening: {
      dial,
      onNotification: (channel, payload) => events.notified(channel, payload),
      onClose: () => events.lost(),
    },
  })
  return {
    get broken() {
      return link.broken
    },
    runScript: (text) => link.runScript(text),
    close: () => link.close(),
    abandon() {
      // Whoever waits for it to connect is told by an error; afterwards the end of the socket says enough.
      const wasDialling = state === 'dialling'
      state = 'abandoned'
      socket?.destroy(wasDialling ? new Error('abandoned') : undefined)
      void link.close().catch(() => undefined)
    },
  }
}

/** Returns a socket to the first of the addresses that answers. */
async function dialFirst({ host, port, path }: Addresses, began: (attempt: Socket) => void): Promise<Socket> {
  let failure: unknown
  for (const [i, name] of host.entries()) {
    const attempt = path ? openSocket({ path }) : openSocket({ host: name, port: port[i] ?? 5432 })
    // For the moment between the one who waits here and the driver.
    attempt.on('error', () => undefined)
    try {
      const connected = once(attempt, 'connect')
      began(attempt)
      await connected
      // Where the driver looks for the name on the server's certificate.
      return Object.assign(attempt, { host: name })
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
