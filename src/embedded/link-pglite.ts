import type { messages, PGlite, protocol } from '@electric-sql/pglite'
import type { Link, RawResult, Statement } from '../db/engine.ts'
import { DataError } from '../db/errors.ts'

type BackendMessage = Awaited<ReturnType<PGlite['execProtocol']>>['messages'][number]

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

export interface PgliteLinkOptions {
  readonly pglite: Pick<PGlite, 'execProtocol'>
  readonly serialize: typeof protocol.serialize
  readonly onNotice: (message: string) => void
}

/** What the engine answered to one batch of messages. */
interface Answer extends RawResult {
  /** The command tag of the last statement. */
  readonly command: string
}

/**
 * Returns what opens connections to one PGlite instance.
 *
 * There is one session, so all of them are that session, and the pool holds one at a time. Closing a connection does not
 * close the engine. Messages of the wire protocol are used rather than PGlite's own queries: those parse and plan every
 * statement anew, which takes four times as long, and turn values into JS ones.
 */
export function pgliteLinks(options: PgliteLinkOptions): () => Link {
  const { pglite, serialize, onNotice } = options
  const prepared = new Map<string, string>()
  let inTransaction = false
  let failed = false
  // The engine answers one batch at a time.
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work)
    last = turn.catch(() => undefined)
    return turn
  }

  async function send(...parts: readonly Uint8Array[]): Promise<readonly BackendMessage[]> {
    try {
      const { messages } = await pglite.execProtocol(joined(parts), {
        throwOnError: false,
        onNotice: (notice) => onNotice(notice.message ?? ''),
      })
      const ready = messages.findLast((message) => message.name === 'readyForQuery')
      if (!ready) throw new Error('the engine did not finish its answer')
      inTransaction = (ready as messages.ReadyForQueryMessage).status !== 'I'
      return messages
    } catch (cause) {
      failed = true
      throw new DataError(
        'connection',
        'the embedded engine failed, so the outcome is unknown; close the handle and connect again',
        { cause },
      )
    }
  }

  async function execute({ text, params, prepare }: Statement): Promise<Answer> {
    const name = prepare ? (prepared.get(text) ?? `tradeblotter_${prepared.size}`) : ''
    const parse = prepared.has(text) ? [] : [serialize.parse({ name, text })]
    const answer = await send(
      ...parse,
      serialize.bind({ statement: name, values: [...params] }),
      serialize.describe({ type: 'P' }),
      serialize.execute(),
      serialize.sync(),
    )
    if (prepare && answer.some((message) => message.name === 'parseComplete')) prepared.set(text, name)
    return read(answer)
  }

  return () => {
    let closed = false
    function refuseIfBroken(): void {
      if (closed || failed)
        throw new DataError('connection', 'the connection was lost before the statement was sent')
    }
    return {
      get broken() {
        return closed || failed
      },
      run: (statement) =>
        inTurn(async () => {
          refuseIfBroken()
          return await execute(statement)
        }),
      runScript: (text) =>
        inTurn(async () => {
          refuseIfBroken()
          return read(await send(serialize.query(text))).command
        }),
      close() {
        closed = true
        // The session lives on, and whoever uses it next must not find itself in a transaction.
        return inTurn(async () => {
          if (inTransaction && !failed) await send(serialize.query('rollback'))
        })
      },
    }
  }
}

/** @throws the engine's error, if there is one among the messages. */
function read(answer: readonly BackendMessage[]): Answer {
  let fields: messages.RowDescriptionMessage['fields'] = []
  let rows: unknown[][] = []
  let command = ''
  for (const message of answer) {
    switch (message.name) {
      case 'rowDescription':
        fields = (message as messages.RowDescriptionMessage).fields
        rows = []
        break
      case 'dataRow':
        rows.push((message as messages.DataRowMessage).fields.map((text, i) => parse(text, fields[i])))
        break
      case 'commandComplete':
        command = (message as messages.CommandCompleteMessage).text
        break
      case 'error':
        throw message
    }
  }
  return { columns: () => fields.map((field) => field.name), rows, command }
}

function parse(text: string | null, field: { readonly dataTypeID: number } | undefined): unknown {
  if (text === null || field === undefined) return text
  const parser = PARSERS[field.dataTypeID]
  return parser ? parser(text) : text
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
