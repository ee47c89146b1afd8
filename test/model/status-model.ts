import { larger, Rational, ZERO } from './rational.ts'

/** What is set, for the fleet or for a bot, as far as the model goes. */
export interface ModelLimits {
  readonly tradingEnabled: boolean
  readonly maxOpenPositions: number | null
  readonly maxExposure: string | null
  readonly maxOrdersPerMinute: number | null
  readonly maxDailyLoss: string | null
  readonly dailyTarget: string | null
  readonly stopAtDailyTarget: boolean
  readonly allowedSymbols: readonly string[] | null
  readonly offWatchlistAllowed: boolean
}

export const NO_LIMITS: ModelLimits = {
  tradingEnabled: true,
  maxOpenPositions: null,
  maxExposure: null,
  maxOrdersPerMinute: null,
  maxDailyLoss: null,
  dailyTarget: null,
  stopAtDailyTarget: true,
  allowedSymbols: null,
  offWatchlistAllowed: false,
}

/** What is closed: null closes all of them. */
interface Closed {
  readonly id: string
  /** Null of the fleet. */
  readonly botId: string | null
  readonly exchange: string | null
  readonly symbol: string | null
  readonly side: 'buy' | 'sell' | null
}

export interface ModelTrip extends Closed {
  readonly severity: 'info' | 'warning' | 'critical' | 'emergency'
  readonly trippedAt: number
  cooldownMs: number | null
  status: 'active' | 'resolved' | 'overridden' | 'expired'
}

export interface ModelLock extends Closed {
  readonly until: number | null
  isUnlocked: boolean
}

/** A buy at a limit, or an exit. */
export interface ModelOrder {
  readonly id: string
  readonly symbol: string
  readonly quantity: string
  readonly price: string
  readonly isEntry: boolean
  readonly createdAt: number
  isOpen: boolean
}

/** Bought at a price and marked at another, or not marked. */
export interface ModelHolding {
  readonly symbol: string
  readonly quantity: string
  readonly entryPrice: string
  mark: { readonly price: string; readonly at: number } | null
}

export interface ModelBot {
  readonly botId: string
  readonly exchange: string
  readonly isBacktest: boolean
  readonly toleranceMs: number
  /** The first moment of the bot's day that a moment is in, and of the next one. */
  readonly dayOf: (now: number) => readonly [start: number, end: number]
  status: 'active' | 'paused' | 'stopped' | 'error'
  heartbeatAt: number | null
  settings: ModelLimits | null
  readonly orders: ModelOrder[]
  readonly holdings: ModelHolding[]
  /** What was earned, and when. */
  readonly earnings: { readonly at: number; readonly amount: string }[]
}

export interface ModelFleet {
  settings: ModelLimits | null
  kill: { readonly eventId: string; readonly isRecovering: boolean } | null
  readonly trips: ModelTrip[]
  readonly locks: ModelLock[]
  readonly bots: Map<string, ModelBot>
  /** Those of the exchange, and whether they are active. */
  readonly instruments: ReadonlyMap<string, boolean>
}

export interface ModelQuestion {
  readonly botId: string
  readonly symbol: string | null
  readonly side: 'buy' | 'sell' | null
  readonly exchange: string | null
  readonly now: number
}

export interface ModelBlock {
  readonly code: string
  readonly effect: 'reduce' | 'halt'
  readonly scope: string
  readonly sourceId: string | null
  readonly until: number | null
}

export interface ModelStatus {
  readonly state: 'active' | 'reducing' | 'halted'
  /** Sorted by code, source and effect. */
  readonly blocks: readonly ModelBlock[]
}

const MINUTE_MS = 60_000

/** What a bot may do, worked out from what docs/risk.md says and nothing else. */
export function statusOf(fleet: ModelFleet, question: ModelQuestion): ModelStatus {
  const bot = fleet.bots.get(question.botId)
  if (!bot) throw new RangeError(`no bot ${question.botId}`)
  const blocks = [
    ...ofSwitch(fleet),
    ...ofSettings(fleet, bot),
    ...ofBot(bot, question.now),
    ...ofTrips(fleet, bot, question),
    ...ofLocks(fleet, bot, question),
    ...ofSymbol(fleet, bot, question),
    ...ofLedger(fleet, bot, question),
  ]
  const isHalted = blocks.some(({ effect }) => effect === 'halt')
  return { state: isHalted ? 'halted' : blocks.length > 0 ? 'reducing' : 'active', blocks: inOrder(blocks) }
}

export function inOrder<Block extends Pick<ModelBlock, 'code' | 'sourceId' | 'effect'>>(
  blocks: readonly Block[],
): Block[] {
  const key = ({ code, sourceId, effect }: Block) => `${code} ${sourceId} ${effect}`
  return blocks.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

function block(
  code: string,
  effect: 'reduce' | 'halt',
  scope: string,
  rest: Partial<ModelBlock> = {},
): ModelBlock {
  return { code, effect, scope, sourceId: null, until: null, ...rest }
}

function ofSwitch({ kill }: ModelFleet): ModelBlock[] {
  if (kill === null) return []
  return [block('kill_switch', kill.isRecovering ? 'reduce' : 'halt', 'global', { sourceId: kill.eventId })]
}

function ofSettings(fleet: ModelFleet, bot: ModelBot): ModelBlock[] {
  if (fleet.settings === null) return [block('settings', 'halt', 'global')]
  if (!fleet.settings.tradingEnabled) return [block('trading_enabled', 'halt', 'global')]
  return bot.settings?.tradingEnabled === false ? [block('trading_enabled', 'halt', 'bot')] : []
}

function ofBot(bot: ModelBot, now: number): ModelBlock[] {
  const blocks: ModelBlock[] = []
  if (bot.status !== 'active') {
    blocks.push(block('bot_status', bot.status === 'paused' ? 'reduce' : 'halt', 'bot'))
  }
  const isStale = bot.heartbeatAt !== null && now - bot.heartbeatAt > bot.toleranceMs
  if (isStale && !bot.isBacktest) blocks.push(block('heartbeat', 'reduce', 'bot'))
  return blocks
}

function concerns(closed: Closed, bot: ModelBot, { symbol, side, exchange }: ModelQuestion): boolean {
  return (
    (closed.botId === null || closed.botId === bot.botId) &&
    (closed.exchange === null || closed.exchange === (exchange ?? bot.exchange)) &&
    (closed.symbol === null || closed.symbol === symbol) &&
    (closed.side === null || side === null || closed.side === side)
  )
}

function scopeOf({ botId, symbol, side }: Closed): string {
  if (side !== null) return 'side'
  if (symbol !== null) return 'symbol'
  return botId === null ? 'global' : 'bot'
}

function ofTrips(fleet: ModelFleet, bot: ModelBot, question: ModelQuestion): ModelBlock[] {
  return fleet.trips.flatMap((trip) => {
    if (trip.status !== 'active' || !concerns(trip, bot, question)) return []
    const until = trip.cooldownMs === null ? null : trip.trippedAt + trip.cooldownMs
    if (until !== null && until <= question.now) return []
    const effect = trip.severity === 'emergency' ? 'halt' : 'reduce'
    return [block('circuit_breaker', effect, scopeOf(trip), { sourceId: trip.id, until })]
  })
}

function ofLocks(fleet: ModelFleet, bot: ModelBot, question: ModelQuestion): ModelBlock[] {
  return fleet.locks.flatMap((lock) => {
    if (lock.isUnlocked || !concerns(lock, bot, question)) return []
    if (lock.until !== null && lock.until <= question.now) return []
    return [block('lock', 'reduce', scopeOf(lock), { sourceId: lock.id, until: lock.until })]
  })
}

function sidesOf(fleet: ModelFleet, bot: ModelBot): ModelLimits[] {
  return [fleet.settings, bot.settings].filter((limits) => limits !== null)
}

function ofSymbol(fleet: ModelFleet, bot: ModelBot, question: ModelQuestion): ModelBlock[] {
  const { symbol, exchange } = question
  if (symbol === null) return []
  const blocks: ModelBlock[] = []
  const isLeftOut = sidesOf(fleet, bot).some(
    ({ allowedSymbols, offWatchlistAllowed }) =>
      allowedSymbols !== null && !offWatchlistAllowed && !allowedSymbols.includes(symbol),
  )
  if (isLeftOut) blocks.push(block('symbol', 'reduce', 'symbol'))
  const isThere = (exchange ?? bot.exchange) === bot.exchange && fleet.instruments.get(symbol) === true
  if (!isThere) blocks.push(block('instrument', 'reduce', 'symbol'))
  return blocks
}

type LimitKey = 'maxOpenPositions' | 'maxExposure' | 'maxOrdersPerMinute' | 'maxDailyLoss' | 'dailyTarget'

interface Limit {
  readonly value: Rational
  /** Of whom it is. */
  readonly scope: 'global' | 'bot'
}

/** The stricter of both sides' limit: the lower one, where both set one, and the bot's own of two that are the same. */
function strictest(fleet: ModelFleet, bot: ModelBot, key: LimitKey): Limit | null {
  const read = (limits: ModelLimits | null, scope: Limit['scope']): Limit | null => {
    const value = limits?.[key] ?? null
    return value === null ? null : { value: Rational.parse(String(value)), scope }
  }
  const own = read(bot.settings, 'bot')
  const common = read(fleet.settings, 'global')
  if (own === null || common === null) return own ?? common
  return common.value.compare(own.value) < 0 ? common : own
}

function ofLedger(fleet: ModelFleet, bot: ModelBot, question: ModelQuestion): ModelBlock[] {
  return [
    ...ofOpenPositions(fleet, bot, question),
    ...ofExposure(fleet, bot, question.now),
    ...ofOrderRate(fleet, bot, question.now),
    ...ofDay(fleet, bot, question.now),
  ]
}

const pendingEntries = (bot: ModelBot) => bot.orders.filter(({ isOpen, isEntry }) => isOpen && isEntry)

function ofOpenPositions(
  fleet: ModelFleet,
  bot: ModelBot,
  { symbol, exchange }: ModelQuestion,
): ModelBlock[] {
  const max = strictest(fleet, bot, 'maxOpenPositions')
  const held = new Set([...bot.holdings, ...pendingEntries(bot)].map((one) => one.symbol))
  if (max === null || Rational.of(BigInt(held.size)).compare(max.value) < 0) return []
  const isHeld = symbol !== null && (exchange ?? bot.exchange) === bot.exchange && held.has(symbol)
  return isHeld ? [] : [block('open_positions', 'reduce', max.scope)]
}

const worth = (quantity: string, price: string) => Rational.parse(quantity).mul(Rational.parse(price))

/** An older mark is not recent. */
const PRICE_AGE_MS = 3_600_000

/** All that is held, at its mark or else at what it cost, and the buys that may come. Every instrument here is linear, of one unit. */
export function exposureOf(bot: ModelBot, now: number): Rational {
  const priceOf = ({ mark, entryPrice }: ModelHolding) => {
    const cost = Rational.parse(entryPrice)
    const marked = mark === null ? cost : Rational.parse(mark.price)
    // What nobody saw lately is worth the most that it ever was known to be.
    return mark !== null && now - mark.at <= PRICE_AGE_MS ? marked : larger(marked, cost)
  }
  return Rational.sum([
    ...bot.holdings.map((holding) => Rational.parse(holding.quantity).mul(priceOf(holding))),
    ...pendingEntries(bot).map(({ quantity, price }) => worth(quantity, price)),
  ])
}

function ofExposure(fleet: ModelFleet, bot: ModelBot, now: number): ModelBlock[] {
  const max = strictest(fleet, bot, 'maxExposure')
  return max !== null && exposureOf(bot, now).compare(max.value) >= 0
    ? [block('exposure', 'reduce', max.scope)]
    : []
}

function ofOrderRate(fleet: ModelFleet, bot: ModelBot, now: number): ModelBlock[] {
  const max = strictest(fleet, bot, 'maxOrdersPerMinute')
  const recent = bot.orders.map((order) => order.createdAt).filter((at) => now - at < MINUTE_MS)
  if (max === null || Rational.of(BigInt(recent.length)).compare(max.value) < 0) return []
  // It is over once fewer than `max` are left: after that many have left from the old end.
  const leaving = recent.sort((a, b) => a - b)[recent.length - Number(max.value.toText())]
  return [
    block('order_rate', 'reduce', max.scope, { until: leaving === undefined ? null : leaving + MINUTE_MS }),
  ]
}

function ofDay(fleet: ModelFleet, bot: ModelBot, now: number): ModelBlock[] {
  const [start, end] = bot.dayOf(now)
  const earned = Rational.sum(
    bot.earnings.flatMap(({ at, amount }) => (at >= start && at < end ? [Rational.parse(amount)] : [])),
  )
  const blocks: ModelBlock[] = []
  const maxLoss = strictest(fleet, bot, 'maxDailyLoss')
  if (maxLoss !== null && ZERO.sub(earned).compare(maxLoss.value) >= 0) {
    blocks.push(block('daily_loss', 'reduce', maxLoss.scope, { until: end }))
  }
  const target = strictest(fleet, bot, 'dailyTarget')
  const stops = sidesOf(fleet, bot).some(({ stopAtDailyTarget }) => stopAtDailyTarget)
  if (target !== null && stops && earned.compare(target.value) >= 0) {
    blocks.push(block('daily_target', 'reduce', target.scope, { until: end }))
  }
  return blocks
}
