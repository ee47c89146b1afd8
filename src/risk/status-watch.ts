/** What is asked of a status to watch it. */
export interface WatchedStatus {
  readonly state: string
  readonly blocks: readonly { readonly until: Date | null }[]
  readonly checkedAt: Date
}

export interface StatusWatchOptions<Status extends WatchedStatus> {
  readonly read: () => Promise<Status>
  /** What is shown while the status is not known: since when, and why. */
  readonly unknown: (since: Date, reason: string) => Status
  /** How long after a read the next one is sent at the latest. */
  readonly pollMs: number
  /** How old what was read may be; counted from before the read was sent. */
  readonly maxAgeMs: number
}

/** When a read was sent, by two clocks: one is never set and may stand still while the machine sleeps, the other is and does not. */
interface Moment {
  readonly steady: number
  readonly wall: number
}

interface Read<Status> {
  readonly status: Status
  readonly sentAt: Moment
  /** By the steady clock. */
  readonly receivedAt: number
}

async function readNow<Status extends WatchedStatus>(read: () => Promise<Status>): Promise<Read<Status>> {
  const sentAt = { steady: performance.now(), wall: Date.now() }
  return { status: frozen(await read()), sentAt, receivedAt: performance.now() }
}

/**
 * Keeps the newest status at hand, and doubts it as soon as it is too old. Where it is read from, and who says that it is
 * time to, is up to the caller.
 */
export class StatusWatch<Status extends WatchedStatus> implements AsyncIterable<Status>, AsyncDisposable {
  readonly #options: StatusWatchOptions<Status>
  #newest: Read<Status>
  /** Made when it is first asked for, and again when there is another reason. */
  #unknown: Status | undefined
  #lastError: unknown
  #isReading = false
  #isAskedAgain = false
  #isClosed = false
  #nextRead: NodeJS.Timeout | undefined
  #nextDoubt: NodeJS.Timeout | undefined
  #published = ''
  #version = 0
  #changed: Promise<void>
  #announce: () => void = () => undefined

  /** @throws what the first read throws. */
  static async start<Status extends WatchedStatus>(
    options: StatusWatchOptions<Status>,
  ): Promise<StatusWatch<Status>> {
    return new StatusWatch(options, await readNow(options.read))
  }

  private constructor(options: StatusWatchOptions<Status>, first: Read<Status>) {
    this.#options = options
    this.#newest = first
    this.#changed = this.#nextChange()
    this.#publish()
    this.#planRead()
  }

  get current(): Status {
    return this.#isKnown ? this.#newest.status : this.#doubt()
  }

  /** Why the newest read failed; undefined if it did not. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Reads as soon as the read that may be under way has ended, since that may have missed what this is about. */
  refresh(): void {
    if (this.#isClosed) return
    if (this.#isReading) this.#isAskedAgain = true
    else void this.#read()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unknown = undefined
    clearTimeout(this.#nextRead)
    clearTimeout(this.#nextDoubt)
    this.#announce()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  [Symbol.asyncIterator](): AsyncIterator<Status, undefined> {
    let seen = 0
    let isOver = false
    return {
      next: async () => {
        while (!isOver && !this.#isClosed) {
          this.#publish()
          if (seen !== this.#version) {
            seen = this.#version
            return { value: this.current, done: false }
          }
          await this.#changed
        }
        return { value: undefined, done: true }
      },
      return: async () => {
        isOver = true
        this.#announce()
        return { value: undefined, done: true }
      },
    }
  }

  get #isKnown(): boolean {
    return !this.#isClosed && this.#ageMs <= this.#options.maxAgeMs
  }

  /** Plain arithmetic on two clocks, since timers are late while the process is busy. */
  get #ageMs(): number {
    const { steady, wall } = this.#newest.sentAt
    return Math.max(performance.now() - steady, Date.now() - wall)
  }

  #doubt(): Status {
    this.#unknown ??= frozen(this.#options.unknown(this.#doubtedSince(), this.#reason()))
    return this.#unknown
  }

  #doubtedSince(): Date {
    return new Date(this.#isClosed ? Date.now() : this.#newest.sentAt.wall + this.#options.maxAgeMs)
  }

  #reason(): string {
    if (this.#isClosed) return 'the watch is closed'
    const readAt = new Date(this.#newest.sentAt.wall).toISOString()
    const error = this.#lastError
    if (error === undefined) return `no newer status has come since ${readAt}`
    return `no status could be read since ${readAt}: ${error instanceof Error ? error.message : String(error)}`
  }

  async #read(): Promise<void> {
    clearTimeout(this.#nextRead)
    this.#isReading = true
    do {
      this.#isAskedAgain = false
      try {
        this.#newest = await readNow(this.#options.read)
        this.#lastError = undefined
      } catch (error) {
        this.#lastError = error
      }
      this.#unknown = undefined
      this.#publish()
    } while (this.#isAskedAgain && !this.#isClosed)
    this.#isReading = false
    this.#planRead()
  }

  /** The next read comes when it is time, or when the first of the blocks ends. */
  #planRead(): void {
    if (this.#isClosed) return
    const { status, receivedAt } = this.#newest
    // By the clock of who checked: ours may be another.
    const passed = status.checkedAt.getTime() + performance.now() - receivedAt
    const ends = status.blocks.flatMap(({ until }) => (until ? [until.getTime() - passed] : []))
    const delay = Math.min(this.#options.pollMs, ...ends.filter((ms) => ms > 0))
    this.#nextRead = setTimeout(() => void this.#read(), delay).unref()
  }

  /** Wakes who iterates if what they would see is another than before. */
  #publish(): void {
    if (this.#isClosed) return
    const fingerprint = fingerprintOf(this.current)
    if (fingerprint !== this.#published) {
      this.#published = fingerprint
      this.#version += 1
      this.#announce()
    }
    clearTimeout(this.#nextDoubt)
    // One more, since a timer may be early by a fraction.
    const rest = this.#options.maxAgeMs - this.#ageMs + 1
    if (rest > 0) this.#nextDoubt = setTimeout(() => this.#publish(), rest).unref()
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#announce = () => {
        this.#changed = this.#nextChange()
        resolve()
      }
    })
  }
}

/** It is handed to whoever asks. */
function frozen<Status extends WatchedStatus>(status: Status): Status {
  for (const block of status.blocks) Object.freeze(block)
  Object.freeze(status.blocks)
  return Object.freeze(status)
}

/** The same for what says the same, whenever it was read. */
function fingerprintOf(status: WatchedStatus): string {
  return JSON.stringify(status, (key, value: unknown) => {
    if (key === 'checkedAt') return undefined
    return typeof value === 'bigint' ? `${value}` : value
  })
}
