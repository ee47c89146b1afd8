import type { Logger } from './database.ts'
import type { ListeningEvents, ListeningLink } from './engine.ts'
import { DataError } from './errors.ts'
import { translateDriverError } from './sqlstate.ts'

/** What a subscription tells. */
export interface Listener {
  /** A notification came, with its payload: '' if it has none. */
  notified(payload: string): void
  /** It listens from now on: when it begins, and again after each loss. Read anew what may have changed meanwhile. */
  ready(): void
  /** The connection is gone, and notifications with it, until `ready` is called again. */
  lost(): void
}

/** Ends when it or its handle is closed. */
export interface Subscription extends AsyncDisposable {
  /** Nothing is told any more from now on. Safe to repeat. */
  close(): Promise<void>
}

export interface ListeningOptions {
  readonly open: (events: ListeningEvents) => ListeningLink
  /** How often the connection is asked whether it still lives; 0 for never, where it cannot fall silent. */
  readonly heartbeatMs: number
  /** How long an answer is waited for. */
  readonly answerMs: number
  /** The same for the first, which includes connecting. */
  readonly connectMs: number
  readonly logger: Logger | undefined
}

interface Subscriber {
  readonly on: Listener
  isOpen: boolean
  isReady: boolean
  /** Whether it listens or not: the first attempt is over. */
  readonly attempted: () => void
}

interface Channel {
  readonly name: string
  readonly subscribers: Set<Subscriber>
  /** True once the server has confirmed that the connection of now listens on it. */
  isHeard: boolean
}

/** The connection of now. */
interface Held {
  readonly link: ListeningLink
  /** Ends it, for a reason if it is not wanted any more. */
  readonly end: (failure?: unknown) => void
  readonly closed: Promise<void>
}

const CHANNEL = /^[a-z_][a-z0-9_]{0,62}$/
const FAREWELL_MS = 1_000
/** A connection that lived longer than this is made anew at once; one that did not is an attempt that failed. */
const STABLE_MS = 5_000
/** A timer that comes later than this says that the process was busy. */
const BUSY_MS = 50
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/**
 * All subscriptions of one handle, and the one connection that they share while there are any.
 *
 * It is made anew whenever it is lost: at once, then after pauses that grow. Nothing here throws on its own.
 */
export class Listening {
  readonly #options: ListeningOptions
  readonly #channels = new Map<string, Channel>()
  #held: Held | undefined
  #isRunning = false
  #isClosed = false
  #endPause: () => void = () => undefined

  constructor(options: ListeningOptions) {
    this.#options = options
  }

  async subscribe(name: string, on: Listener): Promise<Subscription> {
    if (!CHANNEL.test(name)) {
      throw new DataError(
        'invalid_input',
        `channel '${name}' must be lower-case letters, digits and underscores, at most 63, and not begin with a digit`,
        { field: 'channel' },
      )
    }
    if (this.#isClosed) throw new DataError('connection', 'the database handle is closed')
    let attempted: () => void = () => undefined
    const attempt = new Promise<void>((resolve) => {
      attempted = resolve
    })
    const subscriber: Subscriber = { on, isOpen: true, isReady: false, attempted }
    const channel = this.#add(name, subscriber)
    await attempt
    const close = () => this.#remove(channel, subscriber)
    return { close, [Symbol.asyncDispose]: close }
  }

  /** Ends all subscriptions. Safe to repeat. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { subscribers } of this.#channels.values()) {
      for (const subscriber of subscribers) dismiss(subscriber)
    }
    this.#channels.clear()
    await this.#endConnection()
  }

  #add(name: string, subscriber: Subscriber): Channel {
    const known = this.#channels.get(name)
    const channel = known ?? { name, subscribers: new Set(), isHeard: false }
    channel.subscribers.add(subscriber)
    if (channel.isHeard) welcome(subscriber)
    if (known === undefined) {
      this.#channels.set(name, channel)
      if (this.#held) void this.#hear(this.#held, [channel])
    }
    if (!this.#isRunning) void this.#run()
    return channel
  }

  async #remove(channel: Channel, subscriber: Subscriber): Promise<void> {
    dismiss(subscriber)
    channel.subscribers.delete(subscriber)
    if (channel.subscribers.size > 0 || this.#channels.get(channel.name) !== channel) return
    this.#channels.delete(channel.name)
    if (this.#channels.size === 0) await this.#endConnection()
    else void this.#send(this.#held, `unlisten "${channel.name}"`)
  }

  async #endConnection(): Promise<void> {
    const held = this.#held
    // Whoever comes now gets another.
    this.#held = undefined
    this.#endPause()
    held?.end()
    await held?.closed
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    let failures = 0
    while (this.#channels.size > 0) {
      const startedAt = performance.now()
      const hasFailed = await this.#hold()
      failures = hasFailed && performance.now() - startedAt < STABLE_MS ? failures + 1 : 1
      if (this.#channels.size > 0) await this.#pause(failures)
    }
    this.#isRunning = false
  }

  /** Listens on one connection for as long as it lives and is wanted. Returns true if it was wanted longer than it lived. */
  async #hold(): Promise<boolean> {
    const { open, heartbeatMs } = this.#options
    let end: Held['end'] = () => undefined
    const ended = new Promise<unknown>((resolve) => {
      end = resolve
    })
    let closed: () => void = () => undefined
    const whenClosed = new Promise<void>((resolve) => {
      closed = resolve
    })
    const lost = () => end(new DataError('connection', 'the connection was lost'))
    let held: Held | undefined
    let heart: NodeJS.Timeout | undefined
    try {
      const link = open({ notified: (name, payload) => this.#tell(held, name, payload), lost })
      held = { link, end, closed: whenClosed }
      this.#held = held
      void this.#hear(held, [...this.#channels.values()])
      if (heartbeatMs > 0) heart = setInterval(() => void this.#send(held, 'select 1'), heartbeatMs)
    } catch (error) {
      end(error)
    }
    const failure = await ended
    clearInterval(heart)
    const hasFailed = failure !== undefined
    if (hasFailed) this.#mourn(failure)
    if (held) await farewell(held.link, !hasFailed)
    closed()
    return hasFailed
  }

  #mourn(failure: unknown): void {
    this.#held = undefined
    for (const channel of this.#channels.values()) {
      channel.isHeard = false
      for (const subscriber of channel.subscribers) bereave(subscriber)
    }
    const { code, message } = translateDriverError(failure, 'listen')
    this.#options.logger?.warn({ statement: 'listen', outcome: code, message }, 'listening failed')
  }

  /** Listens on the channels too, and says so to their subscribers. */
  async #hear(held: Held, channels: readonly Channel[]): Promise<void> {
    const text = channels.map(({ name }) => `listen "${name}"`).join('; ')
    const { connectMs } = this.#options
    if (!(await this.#send(held, text, connectMs)) || held !== this.#held) return
    for (const channel of channels) {
      channel.isHeard = true
      for (const subscriber of channel.subscribers) welcome(subscriber)
    }
  }

  /** Sends and returns whether it was done. A connection on which something fails is ended. */
  async #send(held: Held | undefined, text: string, withinMs = this.#options.answerMs): Promise<boolean> {
    if (!held) return false
    const late = () =>
      held.end(new DataError('connection', `the server did not answer within ${withinMs} ms`))
    const stop = startDeadline(withinMs, late)
    try {
      await held.link.runScript(text)
      return true
    } catch (error) {
      held.end(error)
      return false
    } finally {
      stop()
    }
  }

  #tell(held: Held | undefined, name: string, payload: string): void {
    if (held !== this.#held) return
    for (const subscriber of this.#channels.get(name)?.subscribers ?? []) {
      later(subscriber, () => subscriber.on.notified(payload))
    }
  }

  async #pause(failures: number): Promise<void> {
    if (failures === 1) return
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 2, 10))
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2))
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#endPause = () => undefined
  }
}

function welcome(subscriber: Subscriber): void {
  if (subscriber.isReady) return
  subscriber.isReady = true
  later(subscriber, () => subscriber.on.ready())
  later(subscriber, subscriber.attempted)
}

function bereave(subscriber: Subscriber): void {
  subscriber.attempted()
  if (!subscriber.isReady) return
  subscriber.isReady = false
  later(subscriber, () => subscriber.on.lost())
}

function dismiss(subscriber: Subscriber): void {
  subscriber.isOpen = false
  subscriber.attempted()
}

/** Calls what is the caller's apart from what called here: an error of theirs must not end up in a driver. */
function later(subscriber: Subscriber, call: () => void): void {
  queueMicrotask(() => {
    if (subscriber.isOpen) call()
  })
}

/** Calls `late` when the time is up. If this process was too busy to have read an answer, the time begins anew. */
function startDeadline(withinMs: number, late: () => void): () => void {
  let timer: NodeJS.Timeout
  const begin = () => {
    const dueAt = performance.now() + withinMs
    timer = setTimeout(() => (performance.now() - dueAt > BUSY_MS ? begin() : late()), withinMs)
    // What keeps the process alive is the connection.
    timer.unref()
  }
  begin()
  return () => clearTimeout(timer)
}

/** A connection that is lost, or silent, is not said goodbye to. */
async function farewell(link: ListeningLink, isWell: boolean): Promise<void> {
  if (isWell && !link.broken) {
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS)
    })
    await Promise.race([link.close().catch(() => undefined), enough])
    clearTimeout(timer)
  }
  link.abandon()
}
