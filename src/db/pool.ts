import type { Link } from './engine.ts'
import { DataError } from './errors.ts'

export interface PoolFigures {
  /** Open connections, idle or in use. */
  readonly open: number
  readonly idle: number
  /** Callers waiting for a connection. */
  readonly waiting: number
  readonly size: number
}

export interface PoolOptions {
  readonly size: number
  /** How long a caller waits for a connection before it gets a `transient` error. */
  readonly waitMs: number
  /** How long an unused connection is kept. */
  readonly idleMs: number
  /** How long any connection is kept; it is replaced between two uses. */
  readonly lifetimeMs: number
  readonly open: () => Link
}

interface Slot {
  readonly link: Link
  readonly openedAt: number
  idleTimer: NodeJS.Timeout | undefined
}

interface Waiter {
  readonly resolve: (link: Link) => void
  readonly reject: (error: DataError) => void
  readonly timer: NodeJS.Timeout
}

/** The cause of a `transient` error that waiting longer would not have helped against. */
export class PoolExhausted extends Error {
  override readonly name = 'PoolExhausted'
}

const FAREWELL_MS = 2_000

/**
 * Lends connections, one borrower each, with a deadline for waiting.
 *
 * The drivers' own pools are not used: postgres.js pipelines a borrower's statements behind another's and lets a
 * transaction continue on a reconnected socket; neither can happen when a connection has one borrower and dies once.
 */
export class Pool {
  readonly #options: PoolOptions
  readonly #slots = new Map<Link, Slot>()
  readonly #idle: Slot[] = []
  readonly #waiters: Waiter[] = []
  #closing: Promise<void> | undefined
  #drained: (() => void) | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  get figures(): PoolFigures {
    return {
      open: this.#slots.size,
      idle: this.#idle.length,
      waiting: this.#waiters.length,
      size: this.#options.size,
    }
  }

  /** Lends a connection. @throws `transient` when none was free in time, `connection` when the pool is closed. */
  acquire(): Promise<Link> {
    if (this.#closing) return Promise.reject(new DataError('connection', 'the database handle is closed'))
    const free = this.#takeIdle() ?? (this.#slots.size < this.#options.size ? this.#open() : undefined)
    if (free) return Promise.resolve(free.link)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve,
        reject,
        timer: setTimeout(() => this.#giveUp(waiter), this.#options.waitMs),
      }
      this.#waiters.push(waiter)
    })
  }

  release(link: Link): void {
    const slot = this.#slots.get(link)
    if (!slot) return
    if (link.broken || this.#closing || Date.now() - slot.openedAt > this.#options.lifetimeMs)
      this.#discard(slot)
    else this.#keep(slot)
    this.#serveNext()
    if (this.#slots.size === this.#idle.length) this.#drained?.()
  }

  /** Waits for borrowed connections to come back, at most `timeoutMs`, then closes all. Safe to repeat. */
  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(timeoutMs)
    return this.#closing
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer)
      waiter.reject(new DataError('connection', 'the database handle was closed'))
    }
    if (this.#slots.size > this.#idle.length) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#drained = resolve
        timer = setTimeout(resolve, timeoutMs)
      })
      clearTimeout(timer)
    }
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    this.#idle.length = 0
    for (const slot of slots) clearTimeout(slot.idleTimer)
    await Promise.race([
      // A server that is gone says no goodbye.
      new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref()),
      Promise.allSettled(slots.map((slot) => slot.link.close())),
    ])
  }

  #open(): Slot {
    const slot: Slot = { link: this.#options.open(), openedAt: Date.now(), idleTimer: undefined }
    this.#slots.set(slot.link, slot)
    return slot
  }

  // The most recently used first, so that a few connections stay warm and the rest go idle and close.
  #takeIdle(): Slot | undefined {
    for (let slot = this.#idle.pop(); slot; slot = this.#idle.pop()) {
      clearTimeout(slot.idleTimer)
      if (!slot.link.broken) return slot
      this.#discard(slot)
    }
    return undefined
  }

  #keep(slot: Slot): void {
    const waiter = this.#waiters.shift()
    if (waiter) {
      clearTimeout(waiter.timer)
      waiter.resolve(slot.link)
      return
    }
    slot.idleTimer = setTimeout(() => {
      this.#idle.splice(this.#idle.indexOf(slot), 1)
      this.#discard(slot)
    }, this.#options.idleMs)
    slot.idleTimer.unref()
    this.#idle.push(slot)
  }

  #discard(slot: Slot): void {
    this.#slots.delete(slot.link)
    // A connection that is given up may fail to say goodbye; nobody is waiting for that.
    slot.link.close().catch(() => undefined)
  }

  #serveNext(): void {
    while (this.#waiters.length > 0 && this.#slots.size < this.#options.size) {
      const waiter = this.#waiters.shift()
      if (!waiter) return
      clearTimeout(waiter.timer)
      waiter.resolve(this.#open().link)
    }
  }

  #giveUp(waiter: Waiter): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
    const { size, waitMs } = this.#options
    waiter.reject(
      new DataError(
        'transient',
        `no connection was free within ${waitMs} ms: all ${size} are in use. ` +
          'Inside transaction(), use the handle that its callback receives; otherwise raise poolSize',
        { cause: new PoolExhausted() },
      ),
    )
  }
}
