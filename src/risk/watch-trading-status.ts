import type { Connection } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import type { Subscription } from '../db/listen.ts'
import type { Block } from './checks.ts'
import { StatusWatch } from './status-watch.ts'
import { getTradingStatus, type TradingStatus, type TradingStatusInput } from './trading-status.ts'

export interface WatchTradingStatusInput extends Omit<TradingStatusInput, 'now'> {
  /** How long after a read the next one is sent at the latest. 10 to 3,600,000 ms; 1,000 unless given. */
  readonly pollMs?: number | undefined
  /**
   * How old the status may be before it counts as not known, and trading as not allowed: more than `pollMs`, at most
   * 86,400,000 ms; 5,000 unless given.
   */
  readonly maxAgeMs?: number | undefined
}

/** The newest status of a bot. Iterated, it yields the status at once and then whenever it is another: the newest, not each. */
export interface TradingStatusWatch extends AsyncIterable<TradingStatus>, AsyncDisposable {
  /**
   * What is known now; a status that halts, with the block `status_unknown`, as soon as nothing is. No round trip, and never
   * an error. The same frozen object until there is another.
   */
  readonly current: TradingStatus
  /** True if the current status is `active`. */
  readonly isAllowed: boolean
  /** True while changes are pushed; false while they are found by polling alone. */
  readonly isPushed: boolean
  /** Why the newest read failed; undefined if it did not. */
  readonly lastError: unknown
  /** Why changes are not pushed, where they never will be: there is only a pooled URL. Undefined otherwise. */
  readonly pushError: unknown
  /** Ends the iterators; the status counts as not known from then on. Safe to repeat. */
  close(): Promise<void>
}

/** Where changes of risk are told: the id of the bot that they concern, or `*` for all. */
const CHANNEL = 'tradeblotter_risk'
const EVERYBODY = '*'
const POLL_MS = 1_000
const MAX_AGE_MS = 5_000
const POLL_MS_LEAST = 10
const POLL_MS_MOST = 3_600_000
const MAX_AGE_MS_MOST = 86_400_000

/**
 * Keeps what a bot may do at hand, for loops too hot to ask the database each time.
 *
 * For deciding not to bother: a status is as old as the news of it, so that `placeOrder` still decides. It is read anew when a
 * change is pushed, when a block ends, after each reconnect, and every `pollMs` for what no verb changes, such as a heartbeat
 * that stops. One read is under way at a time. When none has come back that was sent within `maxAgeMs`, be the database away,
 * this process busy or the machine asleep, trading is not allowed. On a handle that can only reach a pooler it polls, and says so.
 *
 * Close it before its handle. By its timers it keeps no process alive, but on a server it keeps the connections of the handle
 * in use.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 * @throws whatever the first read fails with.
 */
export async function watchTradingStatus(
  db: Connection,
  input: WatchTradingStatusInput,
): Promise<TradingStatusWatch> {
  const { pollMs = POLL_MS, maxAgeMs = MAX_AGE_MS, botId, symbol, side, exchange, positionSide } = input
  refuseOutside(pollMs, 'pollMs', POLL_MS_LEAST, POLL_MS_MOST)
  refuseOutside(maxAgeMs, 'maxAgeMs', pollMs + 1, MAX_AGE_MS_MOST)
  const watch = await StatusWatch.start<TradingStatus>({
    read: () => getTradingStatus(db, { botId, symbol, side, exchange, positionSide }),
    unknown: unknownStatus,
    pollMs,
    maxAgeMs,
  })
  const pushes = new Pushes(db, botId, () => watch.refresh())
  async function close(): Promise<void> {
    watch.close()
    await pushes.close()
  }
  return {
    get current() {
      return watch.current
    },
    get isAllowed() {
      return watch.current.state === 'active'
    },
    get isPushed() {
      return pushes.isOn
    },
    get lastError() {
      return watch.lastError
    },
    get pushError() {
      return pushes.error
    },
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]: () => watch[Symbol.asyncIterator](),
  }
}

/** What the database tells of changes that concern one bot. */
class Pushes {
  isOn = false
  error: unknown
  #subscription: Subscription | undefined
  #isClosed = false

  constructor(db: Connection, botId: string, changed: () => void) {
    const subscribing = db.listen(CHANNEL, {
      notified: (subject) => {
        if (subject === botId || subject === EVERYBODY) changed()
      },
      ready: () => {
        this.isOn = true
        // Whatever changed while nobody listened.
        changed()
      },
      lost: () => {
        this.isOn = false
      },
    })
    // Not waited for: what cannot be pushed is polled.
    void subscribing.then(
      (subscription) => {
        this.#subscription = subscription
        if (this.#isClosed) void this.close()
      },
      (error: unknown) => {
        this.error = error
      },
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.isOn = false
    await this.#subscription?.close()
  }
}

function unknownStatus(since: Date, reason: string): TradingStatus {
  const block: Block = {
    code: 'status_unknown',
    effect: 'halt',
    scope: 'bot',
    source: 'watch',
    sourceId: null,
    reason,
    since,
    until: null,
    threshold: null,
    actual: null,
  }
  return { state: 'halted', blocks: [block], checkedAt: since }
}

function refuseOutside(value: number, field: string, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new DataError('invalid_input', `${field} ${value} is not a whole number from ${least} to ${most}`, {
    field,
  })
}
