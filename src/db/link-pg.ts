import { connect as openSocket } from 'node:net'
import type { Client } from 'pg'
import { watch } from './deadline.ts'
import type { Link, RawResult, Statement } from './engine.ts'
import { DataError } from './errors.ts'
import { isConnectionLoss } from './sqlstate.ts'

const toNumber = (value: string) => Number(value)
const asIs = (value: string) => value

/** Types that arrive as JS values; everything else stays the text that Postgres sent. */
function parserOf(oid: number): (value: string) => unknown {
  switch (oid) {
    case 16:
      return (value) => value === 't'
    case 21:
    case 23:
    case 26:
    case 700:
    case 701:
      return toNumber
    default:
      return asIs
  }
}

const TYPES = { getTypeParser: (oid: number) => parserOf(oid) }

/** Gives each fixed text the name under which it is prepared; the same on every connection. */
export type StatementNames = Map<string, string>

export interface PgLinkOptions {
  readonly client: Client
  readonly pooled: boolean
  readonly names: StatementNames
  readonly statementTimeoutMs: number
}

/** One connection through node-postgres. It connects with its first statement. */
export function openPgLink(options: PgLinkOptions): Link {
  const { client, names } = options
  let broken = false
  let connecting: Promise<void> | undefined
  const lose = () => {
    broken = true
  }
  client.on('error', lose)
  client.on('end', lose)

  async function ready(): Promise<void> {
    if (broken) throw new DataError('connection', 'the connection was lost before the statement was sent')
    connecting ??= client.connect().then(() => undefined)
    try {
      await connecting
    } catch (error) {
      broken = true
      throw error
    }
  }

  function nameOf(statement: Statement): string | undefined {
    if (options.pooled || !statement.prepare) return undefined
    let name = names.get(statement.text)
    if (name === undefined) {
      name = `tradeblotter_${names.size}`
      names.set(statement.text, name)
    }
    return name
  }

  async function query<T>(result: Promise<T>): Promise<T> {
    const { pooled, statementTimeoutMs } = options
    const stop = watch({
      statementTimeoutMs,
      cancel: pooled ? () => requestCancel(client) : undefined,
      lose: () => {
        broken = true
        // With a statement in flight this closes the socket at once, which fails the statement.
        void client.end().catch(() => undefined)
      },
    })
    try {
      return await result
    } catch (error) {
      if (isConnectionLoss(error)) broken = true
      throw error
    } finally {
      stop()
    }
  }

  return {
    get broken() {
      return broken
    },
    async run(statement: Statement): Promise<RawResult> {
      await ready()
      const name = nameOf(statement)
      const result = await query(
        client.query({
          text: statement.text,
          values: [...statement.params],
          rowMode: 'array',
          types: TYPES,
          ...(name === undefined ? {} : { name }),
        }),
      )
      return { columns: () => result.fields.map((field) => field.name), rows: result.rows }
    },
    async runScript(text: string): Promise<string> {
      await ready()
      const results = await query(client.query(text))
      const last = Array.isArray(results) ? results.at(-1) : results
      return last?.command ?? ''
    },
    async close() {
      broken = true
      if (connecting) await client.end()
    },
  }
}

const CANCEL_REQUEST = 80_877_102
const CANCEL_MS = 5_000

/**
 * Asks the server to stop what runs on this connection, as the protocol has it: on a connection of its own, never encrypted,
 * and without an answer. The driver's own way fails where connections are encrypted.
 */
function requestCancel(client: Client): void {
  const { host, port } = client
  const { processID, secretKey } = client as Client & { processID?: unknown; secretKey?: unknown }
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return
  const message = Buffer.alloc(16)
  for (const [place, value] of [16, CANCEL_REQUEST, processID, secretKey].entries()) {
    message.writeInt32BE(value, place * 4)
  }
  const socket = openSocket(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
  // Whether it arrived shows on the connection itself.
  socket.on('error', () => socket.destroy())
  socket.setTimeout(CANCEL_MS, () => socket.destroy())
  // The other end closes when it has dealt with it: PgBouncer 1.18 dies of a request whose sender has closed already.
  socket.write(message)
}
