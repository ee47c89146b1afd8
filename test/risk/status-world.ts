import { sql } from 'drizzle-orm'
import type { Connection } from '../../src/db/database.ts'
import { setBotStatus } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import {
  activateKillSwitch,
  beginKillSwitchRecovery,
  deactivateKillSwitch,
} from '../../src/risk/kill-switch.ts'
import { cancelOrder, markPosition, recordOrder } from '../../src/trading/index.ts'
import { Rational } from '../model/rational.ts'
import { type ModelBot, type ModelFleet, NO_LIMITS } from '../model/status-model.ts'
import { query } from '../trading/ledger-fixture.ts'
import {
  changeTrip,
  EXCHANGE,
  endLock,
  limit,
  makeTrader,
  openMarket,
  storeLock,
  storeTrip,
  trade,
} from './gate-fixture.ts'
import type { Change } from './status-changes.ts'

const CONFIRMATION = 'the-same-code'
/** Three hours before the clocks of New York go forward. */
const START = Date.parse('2026-03-08T04:00:00.123Z')
const ZONES = ['America/New_York', 'UTC'] as const
/** The symbols of the exchange, and whether they may be traded. */
const LISTED = new Map([
  ['BTC', true],
  ['ETH', true],
  ['EARN', true],
  ['OLD', false],
])

export async function listSymbols(db: Connection): Promise<void> {
  await openMarket(db)
  for (const [symbol, isActive] of LISTED) {
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency: symbol,
      quoteCurrency: 'USD',
      status: isActive ? 'active' : 'delisted',
    })
  }
}

/** Two bots, in the database and in the model, to which the same is done. */
export class World {
  now = START
  readonly #db: Connection
  readonly fleet: ModelFleet
  readonly #positions = new Map<string, string>()

  private constructor(db: Connection, bots: readonly ModelBot[]) {
    this.#db = db
    const byId = new Map(bots.map((bot) => [bot.botId, bot]))
    this.fleet = { settings: NO_LIMITS, kill: null, trips: [], locks: [], bots: byId, instruments: LISTED }
  }

  static async begin(db: Connection): Promise<World> {
    await limit(db, null, NO_LIMITS)
    const bots: ModelBot[] = []
    for (const timeZone of ZONES) {
      const isBacktest = timeZone === 'UTC'
      const mode = isBacktest ? 'backtest' : 'paper'
      const botId = await makeTrader(db, { timeZone, mode, heartbeatToleranceMs: 30_000 })
      bots.push({
        botId,
        exchange: EXCHANGE,
        isBacktest,
        toleranceMs: 30_000,
        dayOf: dayIn(timeZone),
        status: 'active',
        heartbeatAt: null,
        settings: null,
        orders: [],
        holdings: [],
        earnings: [],
      })
    }
    return new World(db, bots)
  }

  async end(): Promise<void> {
    for (const { id, botId } of this.fleet.trips.filter(({ status }) => status === 'active')) {
      await changeTrip(this.#db, botId, id, { status: 'resolved' })
    }
    for (const { id, botId } of this.fleet.locks.filter(({ isUnlocked }) => !isUnlocked)) {
      await endLock(this.#db, botId, id)
    }
    this.fleet.trips.length = 0
    this.fleet.locks.length = 0
    await this.apply({ op: 'off' })
  }

  bot(which: number): ModelBot {
    const bot = [...this.fleet.bots.values()][which]
    if (!bot) throw new RangeError(`no bot ${which}`)
    return bot
  }

  async apply(op: Change): Promise<void> {
    const db = this.#db
    const { fleet, now } = this
    const at = new Date(now)
    switch (op.op) {
      case 'trip': {
        const { exchange, symbol, side, cooldown: cooldownMs } = op
        const botId = op.whose === null ? null : this.bot(op.whose).botId
        const severity = op.isEmergency ? 'emergency' : 'warning'
        const id = await storeTrip(db, { botId, exchange, symbol, side, severity, at, cooldownMs })
        fleet.trips.push({
          id,
          botId,
          exchange,
          symbol,
          side,
          severity,
          trippedAt: now,
          cooldownMs,
          status: 'active',
        })
        return
      }
      case 'endTrip': {
        const trip = chosen(
          fleet.trips.filter(({ status }) => status === 'active'),
          op.pick,
        )
        if (!trip) return
        await changeTrip(db, trip.botId, trip.id, { status: op.status })
        trip.status = op.status
        return
      }
      case 'editCooldown': {
        const trip = chosen(
          fleet.trips.filter(({ status }) => status === 'active'),
          op.pick,
        )
        if (!trip) return
        await changeTrip(db, trip.botId, trip.id, { cooldownMs: op.cooldown })
        trip.cooldownMs = op.cooldown
        return
      }
      case 'lock': {
        const { exchange, symbol, side } = op
        const botId = op.whose === null ? null : this.bot(op.whose).botId
        const until = op.cooldown === null ? null : now + op.cooldown
        const id = await storeLock(db, {
          botId,
          exchange,
          symbol,
          side,
          at,
          until: until === null ? null : new Date(until),
        })
        fleet.locks.push({ id, botId, exchange, symbol, side, until, isUnlocked: false })
        return
      }
      case 'unlock': {
        const lock = chosen(
          fleet.locks.filter(({ isUnlocked }) => !isUnlocked),
          op.pick,
        )
        if (!lock) return
        await endLock(db, lock.botId, lock.id)
        lock.isUnlocked = true
        return
      }
      case 'on': {
        const { event } = await activateKillSwitch(db, {
          activatedBy: 'operator',
          reason: 'test',
          confirmationCode: CONFIRMATION,
        })
        fleet.kill = { eventId: event.id, isRecovering: false }
        return
      }
      case 'recovery':
        if (fleet.kill === null || fleet.kill.isRecovering) return
        await beginKillSwitchRecovery(db, { eventId: fleet.kill.eventId, by: 'operator', notes: 'test' })
        fleet.kill = { ...fleet.kill, isRecovering: true }
        return
      case 'off':
        if (fleet.kill === null) return
        await deactivateKillSwitch(db, {
          eventId: fleet.kill.eventId,
          deactivatedBy: 'operator',
          reason: 'test',
          confirmationCode: CONFIRMATION,
        })
        fleet.kill = null
        return
      case 'limits': {
        const bot = op.whose === null ? null : this.bot(op.whose)
        await limit(db, bot?.botId ?? null, op.limits)
        if (bot) bot.settings = { ...(bot.settings ?? NO_LIMITS), ...op.limits }
        else fleet.settings = { ...(fleet.settings ?? NO_LIMITS), ...op.limits }
        return
      }
      default:
        await this.#applyToBot(this.bot(op.which), op)
    }
  }

  async #applyToBot(bot: ModelBot, op: Extract<Change, { which: number }>): Promise<void> {
    const db = this.#db
    const { now } = this
    const { botId } = bot
    switch (op.op) {
      case 'status':
        await setBotStatus(db, { botId, status: op.status })
        bot.status = op.status
        return
      case 'beat':
        bot.heartbeatAt = now - op.ago
        await query(
          db,
          sql`update fleet.bots set last_heartbeat_at = ${new Date(bot.heartbeatAt).toISOString()}::timestamptz where bot_id = ${botId}`,
        )
        return
      case 'order': {
        const { symbol, price, isEntry } = op
        const createdAt = now - op.ago
        const { id } = await recordOrder(db, {
          botId,
          exchange: EXCHANGE,
          symbol,
          side: isEntry ? 'buy' : 'sell',
          reduceOnly: !isEntry,
          type: 'limit',
          quantity: '2',
          limitPrice: price,
          createdAt: new Date(createdAt),
        })
        bot.orders.push({ id, symbol, quantity: '2', price, isEntry, createdAt, isOpen: true })
        return
      }
      case 'cancel': {
        const order = chosen(
          bot.orders.filter(({ isOpen }) => isOpen),
          op.pick,
        )
        if (!order) return
        await cancelOrder(db, { botId, orderId: order.id })
        order.isOpen = false
        return
      }
      case 'hold':
        await this.#hold(bot, op)
        return
      case 'earn': {
        await trade(db, botId, 'EARN', 'buy 1 @ 200', new Date(now))
        await trade(db, botId, 'EARN', 'sell 1 @ 1', new Date(now), { price: earnedFrom200(op.by) })
        bot.earnings.push({ at: now, amount: op.by })
        return
      }
    }
  }

  async #hold(bot: ModelBot, { symbol, price, mark }: Extract<Change, { op: 'hold' }>): Promise<void> {
    const held = bot.holdings.find((holding) => holding.symbol === symbol)
    const key = `${bot.botId} ${symbol}`
    if (!held) {
      const fill = await trade(this.#db, bot.botId, symbol, `buy 3 @ ${price}`, new Date(this.now))
      this.#positions.set(key, fill.positionId ?? '')
    }
    const holding = held ?? { symbol, quantity: '3', entryPrice: price, mark: null }
    if (!held) bot.holdings.push(holding)
    if (mark === null) return
    await markPosition(this.#db, {
      botId: bot.botId,
      positionId: this.#positions.get(key) ?? '',
      price: mark,
      markedAt: new Date(this.now),
    })
    holding.mark = { price: mark, at: this.now }
  }
}

function chosen<Item>(items: readonly Item[], pick: number): Item | undefined {
  return items[pick % Math.max(items.length, 1)]
}

/** What 1 bought for 200 is sold for, to earn this much. */
function earnedFrom200(by: string): string {
  return Rational.parse(by).add(Rational.of(200n)).toText()
}

/** The bounds of the day that a moment is in, by the calendar of a zone in which no midnight is skipped. */
export function dayIn(timeZone: string): ModelBot['dayOf'] {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  /** What the clocks on the wall show, as if it were UTC. */
  const wall = (at: number) => {
    const { year, month, day, hour, minute, second } = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, value]),
    )
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  }
  const midnight = (shown: number) => {
    const guess = shown - (wall(shown) - shown)
    return guess - (wall(guess) - shown)
  }
  return (now) => {
    const shown = wall(Math.floor(now / 1_000) * 1_000)
    const today = Math.floor(shown / DAY_MS) * DAY_MS
    return [midnight(today), midnight(today + DAY_MS)]
  }
}

const DAY_MS = 86_400_000
