import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'
import { watch } from './deadline.ts'
import type { Link, RawResult, Statement } from './engine.ts'
import { DataError } from './errors.ts'
import { isConnectionLoss } from './sqlstate.ts'

const toNumber = (value: string) => Number(value)

/** Types that arrive as JS values; everything else stays the text that Postgres sent. */
const PARSERS: Readonly<Record<number, (value: string) => unknown>> = {
  16: (value) => value === 't',
  21: toNumber,
  23: toNumber,
  26: toNumber,
  700: toNumber,
  701: toNumber,
}

const FAREWELL_SECONDS = 1

export interface PostgresLinkOptions {
  readonly url: string
  readonly pooled: boolean
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
  /** Settings of the session, sent when connecting. A pooler refuses all but a few. */
  readonly session: Readonly<Record<string, string>>
  readonly onNotice: (message: string) => void
  /** Only for a connection that listens. */
  readonly listening?: ListeningOptions
}

interface ListeningOptions {
  readonly onNotification: (channel: string, payload: string) => void
  readonly onClose: () => void
  /** Makes the socket, so that whoever has it can cut it. */
  readonly dial: (addresses: Addresses) => Promise<Socket>
}

/** Where a URL leads to: hosts and ports in pairs, or a socket of the file system. */
export interface Addresses {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path: string | false
}

/**
 * One connection through postgres.js.
 *
 * The client has room for one connection and is thrown away once that is lost: postgres.js would reconnect and send
 * what was queued, also the rest of a transaction, on the new one.
 */
export function openPostgresLink(options: PostgresLinkOptions): Link {
  let broken = false
  let busy = false
  let connected = false
  const { listening } = options
  // Left out of the published types.
  const unpublished = listening ? { onnotify: listening.onNotification, socket: listening.dial } : {}
  const client = postgres(options.url, {
    max: 1,
    prepare: !options.pooled,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: Math.ceil(options.connectTimeoutMs / 1000),
    connection: options.session,
    onnotice: (notice) => options.onNotice(notice.message ?? ''),
    onclose: () => {
      broken = true
      listening?.onClose()
    },
    // The server tells its settings once it has let us in.
    onparameter: () => {
      connected = true
    },
    ...unpublished,
  })
  // In place: the connection has taken a reference already. Parameters are text before they come here.
  replaceAll(client.options.parsers, PARSERS)
  replaceAll(client.options.serializers, {})

  // One at a time: with a second statement queued behind one that loses the connection, postgres.js would run the
  // second on a new connection.
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work)
    last = turn.catch((error) => {
      if (isConnectionLoss(error)) broken = true
    })
    return turn
  }

  async function inTime<T>(query: { cancel(): unknown }, result: PromiseLike<T>): Promise<T> {
    // What is typed as returning nothing returns a promise, which fails if the server cannot be reached.
    const cancel = () => void Promise.resolve(query.cancel()).catch(() => undefined)
    const { statementTimeoutMs } = options
    // The driver's own limit begins anew whenever a server closes the connection before it has let us in.
    const connectTimer = connected
      ? undefined
      : setTimeout(() => connected || lose(), options.connectTimeoutMs)
    const stop = watch({ statementTimeoutMs, cancel: options.pooled ? cancel : undefined, lose })
    busy = true
    try {
      return await result
    } finally {
      busy = false
      stop()
      clearTimeout(connectTimer)
    }
  }

  function lose(): void {
    broken = true
    void client.end({ timeout: 0 }).catch(() => undefined)
  }

  function refuseIfBroken(): void {
    if (broken) throw new DataError('connection', 'the connection was lost before the statement was sent')
  }

  return {
    get broken() {
      return broken
    },
    run(statement: Statement): Promise<RawResult> {
      return inTurn(async () => {
        refuseIfBroken()
        const query = client.unsafe(statement.text, [...statement.params], { prepare: statement.prepare })
        const rows = await inTime(query, query.values())
        // A statement that returns no rows describes none.
        return { columns: () => rows.columns?.map((column) => column.name) ?? [], rows }
      })
    },
    runScript(text: string): Promise<string> {
      return inTurn(async () => {
        refuseIfBroken()
        const query = client.unsafe(text).simple()
        const result: unknown = await inTime(query, query)
        // Several statements answer with a list of results, one with its result alone.
        return commandOf(Array.isArray(result) && Array.isArray(result[0]) ? result.at(-1) : result)
      })
    },
    copyIn(text: string, data: readonly Buffer[]): Promise<void> {
      return inTurn(async () => {
        refuseIfBroken()
        const query = client.unsafe(text)
        await inTime(query, writeAll(query, data))
      })
    },
    async close() {
      broken = true
      // Who closes under a running statement has waited for it already.
      await client.end({ timeout: busy ? 0 : FAREWELL_SECONDS })
    },
  }
}

/**
 * Ends when the server has taken everything, has refused it, or the connection is gone.
 *
 * The query is settled once its stream is there. What goes wrong after the last byte was written, postgres.js tells that query
 * only, and the stream waits forever: so the query passes it on.
 */
async function writeAll(query: ReturnType<postgres.Sql['unsafe']>, data: readonly Buffer[]): Promise<void> {
  const stream = await query.writable()
  // Left out of the published types.
  Object.assign(query, { reject: (error: Error) => stream.destroy(error) })
  await pipeline(Readable.from(data, { objectMode: true }), stream)
}

function replaceAll(target: Record<number, unknown>, entries: Readonly<Record<number, unknown>>): void {
  for (const key of Object.keys(target)) delete target[Number(key)]
  Object.assign(target, entries)
}

function commandOf(result: unknown): string {
  return typeof result === 'object' && result !== null && 'command' in result ? String(result.command) : ''
}
