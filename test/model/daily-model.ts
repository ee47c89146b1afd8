import { addDays, dayOf, dayStart, daysBetween } from './daily-days.ts'
import { type LedgerDay, type MoneyFact, replayDaily, type TradeFact, valueOfHeld } from './daily-ledger.ts'
import { type DayReturns, returnsOf, toDouble } from './daily-returns.ts'
import { compareInLedgerOrder, type ModelFacts, type ModelMethod, replayModel } from './ledger-model.ts'
import { larger, quotient, Rational, smaller, ZERO } from './rational.ts'

/**
 * What the days of a bot must be, found the slow way: every day is made anew from all facts before its end, money is kept in the
 * currency it came in and valued when a day ends, and nothing is carried from one day to the next but what the day before told.
 */

export interface DailyLedger {
  readonly symbol: string
  readonly facts: ModelFacts
  /** Set on the position that is open after all facts. */
  readonly mark?: { readonly price: string; readonly at: number } | undefined
}

export interface DailyFlow {
  readonly id: string
  readonly kind: 'interest' | 'deposit' | 'withdrawal' | 'transfer' | 'rebate' | 'fee' | 'adjustment'
  readonly currency: string
  /** In `currency`: positive when received. */
  readonly amount: string
  readonly at: number
}

/** A complete candle. */
export interface DailyClose {
  readonly symbol: string
  readonly close: string
  readonly closesAt: number
}

export interface DailyFacts {
  readonly zone: string
  /** Of all ledgers. */
  readonly method: ModelMethod
  readonly baseCurrency: string
  readonly initialEquity: string
  /** Null for a bot that was registered after all that is asked of it. */
  readonly registeredAt: number | null
  readonly now: number
  readonly ledgers: readonly DailyLedger[]
  readonly flows: readonly DailyFlow[]
  readonly closes: readonly DailyClose[]
  /** What else is traded on the exchange, for its rates. */
  readonly pairs: readonly { readonly symbol: string; readonly base: string; readonly quote: string }[]
}

type Known = Rational | null

/** One day, named as it is stored. Amounts are exact. */
export interface ModelDay extends DayReturns, TradeFigures, Streaks {
  readonly day: string
  readonly startsAt: number
  readonly endsAt: number
  readonly isComplete: boolean
  readonly realisedGross: Known
  readonly fees: Known
  readonly funding: Known
  readonly interest: Known
  readonly adjustments: Known
  readonly netPnl: Known
  readonly unrealisedChange: Known
  readonly revaluation: Known
  readonly totalPnl: Known
  readonly externalFlows: Known
  readonly flowsAtStart: Known
  readonly balanceStart: Known
  readonly balanceEnd: Known
  readonly balancePeak: Known
  readonly balanceTrough: Known
  readonly unrealisedPnl: Known
  readonly equityStart: Known
  readonly equityEnd: Known
  readonly unvalued: readonly string[]
  readonly fillCount: number
  readonly volume: Known
}

type TradeFigures = Readonly<ReturnType<typeof tradeFigures>>
type Streaks = Readonly<ReturnType<typeof streaksOf>>
/** How old a close or a fill may be that says what something is worth, and a mark. */
const PRICE_MS = 4 * 86_400_000
const MARK_MS = 86_400_000
const EXTERNAL = new Set(['deposit', 'withdrawal', 'transfer'])

/** Returns every day from the bot's first one to the one in progress, oldest first. */
export function modelDays(facts: DailyFacts): ModelDay[] {
  const ledgers = facts.ledgers.map(withNames)
  const moments = [...ledgers.flatMap(({ money }) => money), ...facts.flows].map(({ at }) => at)
  if (facts.registeredAt !== null) moments.push(facts.registeredAt)
  if (moments.length === 0) return []
  const first = dayOf(Math.min(...moments), facts.zone)
  const days: Omit<ModelDay, keyof DayReturns>[] = []
  const ordinals: number[] = []
  let before: DayEnd = {
    at: Number.NEGATIVE_INFINITY,
    balance: Rational.parse(facts.initialEquity),
    unrealised: ZERO,
    held: new Map(),
    rates: new Map(),
    nets: [],
  }
  for (let day = first; dayStart(day, facts.zone) <= facts.now; day = addDays(day, 1)) {
    const [startsAt, endsAt] = [dayStart(day, facts.zone), dayStart(addDays(day, 1), facts.zone)]
    if (startsAt === endsAt) continue
    const [row, after] = modelDay(facts, ledgers, { day, startsAt, endsAt }, before)
    days.push(row)
    ordinals.push(daysBetween(first, day) + 1)
    before = after
  }
  const returns = returnsOf(
    Rational.parse(facts.initialEquity),
    days.map(({ equityEnd, flowsAtStart, externalFlows }, i) => ({
      ordinal: ordinals[i] ?? 0,
      equity: equityEnd,
      flowsAtStart,
      flowsAtEnd: minus(externalFlows, flowsAtStart),
    })),
  )
  return days.map((row, i) => ({ ...row, ...(returns[i] as DayReturns) }))
}

type NamedTrade = TradeFact & { readonly name: Buffer }
type NamedLedgerDay = Omit<LedgerDay, 'trades'> & { readonly trades: readonly NamedTrade[] }

/** Names each trade as the fill that opened it: the one after which there is a cycle more than before. */
function withNames({ symbol, facts }: DailyLedger): NamedLedgerDay {
  const fills = [...facts.fills].sort(compareInLedgerOrder)
  const cyclesAfter = (n: number) => replayModel({ ...facts, fills: fills.slice(0, n) }).cycles.length
  const openers = fills.filter((_, i) => cyclesAfter(i + 1) > cyclesAfter(i))
  const names = openers.map((fill) => Buffer.from(`${symbol}:${fill.side}:${fill.exchangeTradeId}`))
  const day = replayDaily(facts)
  return { ...day, trades: day.trades.map((trade, i) => ({ ...trade, name: names[i] as Buffer })) }
}

/** By closing, then by opening, then by name. */
function compareTrades(a: NamedTrade, b: NamedTrade): number {
  return a.at - b.at || a.at - a.holdingMs - (b.at - b.holdingMs) || Buffer.compare(a.name, b.name)
}

/** What a day leaves to the next one. */
interface DayEnd {
  readonly at: number
  readonly balance: Known
  readonly unrealised: Known
  /** Money by currency, without the capital that the bot began with. */
  readonly held: ReadonlyMap<string, Rational>
  readonly rates: ReadonlyMap<string, Known>
  /** Of all trades so far in order, null where it is not known. */
  readonly nets: readonly Known[]
}

function modelDay(
  facts: DailyFacts,
  ledgers: readonly NamedLedgerDay[],
  span: Pick<ModelDay, 'day' | 'startsAt' | 'endsAt'>,
  before: DayEnd,
): [Omit<ModelDay, keyof DayReturns>, DayEnd] {
  const isComplete = span.endsAt <= facts.now
  const end = isComplete ? span.endsAt : facts.now
  const isPast = (at: number) => (isComplete ? at < end : at <= end)
  const isToday = ({ at }: { readonly at: number }) => at >= span.startsAt && isPast(at)
  const capital = Rational.parse(facts.initialEquity)

  const money = [...ledgers.flatMap((ledger) => ledger.money), ...facts.flows.map(moneyOfFlow)]
  const held = new Map<string, Rational>()
  for (const { at, currency, amount } of money) {
    if (isPast(at)) held.set(currency, (held.get(currency) ?? ZERO).add(amount))
  }
  const rates = new Map<string, Known>()
  const unvalued = new Set<string>()
  /** Returns what an amount is worth, also one of zero: who would know that of a position or a trade? */
  const value = (amount: Rational, currency: string): Known => {
    if (!rates.has(currency)) rates.set(currency, rateAt(facts, currency, end))
    const rate = rates.get(currency) ?? null
    if (rate === null) unvalued.add(currency)
    return timesRate(amount, rate)
  }
  // Money that is not there needs no rate.
  const convert = (amount: Rational, currency: string) => (amount.isZero() ? ZERO : value(amount, currency))
  const total = (parts: readonly MoneyFact[]): Known => {
    const sums = new Map<string, Rational>()
    for (const { currency, amount } of parts) sums.set(currency, (sums.get(currency) ?? ZERO).add(amount))
    return plus(...[...sums].map(([currency, amount]) => convert(amount, currency)))
  }

  const today = money.filter(isToday)
  const ofKind = (...kinds: readonly string[]) => today.filter(({ kind }) => kinds.includes(kind))
  const fills = ledgers.flatMap((ledger) => ledger.fills).filter(isToday)
  const firstFillAt = Math.min(...fills.map(({ at }) => at))
  const external = today.filter(({ kind }) => EXTERNAL.has(kind))
  const realisedGross = total(ofKind('gross'))
  const fees = negate(total(ofKind('fillFee', 'fee', 'rebate')))
  const [funding, interest] = [total(ofKind('funding')), total(ofKind('interest'))]
  const adjustments = total(ofKind('adjustment'))
  const netPnl = plus(realisedGross, negate(fees), funding, interest, adjustments)
  const externalFlows = total(external)
  const flowsAtStart = total(external.filter(({ at }) => at < firstFillAt))

  const valued = (amounts: ReadonlyMap<string, Rational>) =>
    plus(capital, ...[...amounts].map(([currency, amount]) => convert(amount, currency)))
  const balanceEnd = valued(held)
  const levels: Known[] = [before.balance]
  const running = new Map<string, Rational>()
  for (const at of [...new Set(today.map((each) => each.at))].sort((a, b) => a - b)) {
    for (const { currency, amount } of today.filter((each) => each.at === at)) {
      running.set(currency, (running.get(currency) ?? ZERO).add(amount))
    }
    levels.push(plus(before.balance, ...[...running].map(([currency, amount]) => convert(amount, currency))))
  }

  const values = facts.ledgers.map((ledger) => {
    const gain = valueOfHeld(ledger.facts, isPast, (isStillHeld) =>
      priceAt(facts, isStillHeld ? ledger : { ...ledger, mark: undefined }, end, isPast, isComplete),
    )
    if (gain === undefined) return ZERO
    if (gain === null) unvalued.add(ledger.symbol)
    return gain === null ? null : value(gain, ledger.facts.instrument.settleCurrency)
  })
  const unrealisedPnl = plus(...values)
  const unrealisedChange = minus(unrealisedPnl, before.unrealised)
  const gained = plus(
    ...[...before.held].map(([currency, amount]) => {
      if (amount.isZero() || currency === facts.baseCurrency) return ZERO
      return minus(convert(amount, currency), timesRate(amount, before.rates.get(currency) ?? null))
    }),
  )
  // Nor is it known what money gained where what there is of it is not.
  const isKnown = [before.balance, balanceEnd, netPnl, externalFlows].every((amount) => amount !== null)
  const revaluation = isKnown ? gained : null
  const trades = ledgers
    .flatMap((ledger) => ledger.trades)
    .filter(isToday)
    .sort(compareTrades)
  const nets = trades.map((trade) => plus(...[...trade.nets].map(([currency, net]) => value(net, currency))))
  // A rate is kept for what is held, so that the next day knows what it was.
  for (const [currency, amount] of held) convert(amount, currency)
  const after: DayEnd = {
    at: end,
    balance: balanceEnd,
    unrealised: unrealisedPnl,
    held,
    rates,
    nets: [...before.nets, ...nets],
  }
  const row = {
    ...span,
    isComplete,
    realisedGross,
    fees,
    funding,
    interest,
    adjustments,
    netPnl,
    unrealisedChange,
    revaluation,
    totalPnl: plus(netPnl, unrealisedChange, revaluation),
    externalFlows,
    flowsAtStart,
    balanceStart: before.balance,
    balanceEnd,
    balancePeak: extremeOf(levels, larger),
    balanceTrough: extremeOf(levels, smaller),
    unrealisedPnl,
    equityStart: plus(before.balance, before.unrealised),
    equityEnd: plus(balanceEnd, unrealisedPnl),
    fillCount: fills.length,
    volume: plus(...fills.map(({ value, currency }) => convert(value, currency))),
    ...tradeFigures(trades, nets),
    ...streaksOf(after.nets),
    unvalued: [] as readonly string[],
  }
  return [{ ...row, unvalued: [...unvalued].sort() }, after]
}

function moneyOfFlow({ kind, currency, amount, at }: DailyFlow): MoneyFact {
  return { kind, currency, amount: Rational.parse(amount), at }
}

/** Returns what one unit of a currency is worth: by the newest close in four days of whatever trades it for the base currency. */
function rateAt(facts: DailyFacts, currency: string, at: number): Known {
  if (currency === facts.baseCurrency) return Rational.of(1n)
  const traded = [
    ...facts.ledgers.map(({ symbol, facts: { instrument } }) => ({
      symbol,
      base: instrument.baseCurrency,
      quote: instrument.quoteCurrency,
      isSpot: instrument.kind === 'spot',
    })),
    ...facts.pairs.map((pair) => ({ ...pair, isSpot: true })),
  ]
  const isPair = (from: string, to: string) => (one: (typeof traded)[number]) =>
    one.base === from && one.quote === to
  const straight = traded.filter(isPair(currency, facts.baseCurrency))
  const reverse = traded.filter(isPair(facts.baseCurrency, currency))
  // Spot before contracts, then by name.
  const inOrder = [...straight, ...reverse].sort(
    (a, b) => Number(b.isSpot) - Number(a.isSpot) || (a.symbol < b.symbol ? -1 : 1),
  )
  for (const { symbol } of inOrder) {
    const newest = newestClose(facts, symbol, at)
    if (newest === null) continue
    const close = Rational.parse(newest.close)
    return straight.some((one) => one.symbol === symbol) ? close : quotient(Rational.of(1n), close)
  }
  return null
}

function newestClose(facts: DailyFacts, symbol: string, at: number): DailyClose | null {
  const closes = facts.closes.filter((one) => one.symbol === symbol && one.closesAt <= at)
  const newest = closes.sort((a, b) => b.closesAt - a.closesAt)[0]
  return newest !== undefined && newest.closesAt >= at - PRICE_MS ? newest : null
}

function priceAt(
  facts: DailyFacts,
  { symbol, facts: ledger, mark }: DailyLedger,
  end: number,
  isPast: (at: number) => boolean,
  isComplete: boolean,
): Known {
  if (!isComplete && mark !== undefined && mark.at <= end && mark.at > end - MARK_MS)
    return Rational.parse(mark.price)
  const close = newestClose(facts, symbol, end)
  const last = ledger.fills
    .filter(({ executedAt }) => isPast(executedAt) && executedAt >= end - PRICE_MS)
    .sort(compareInLedgerOrder)
    .at(-1)
  if (last !== undefined && last.executedAt > (close?.closesAt ?? -Infinity))
    return Rational.parse(last.price)
  return close && Rational.parse(close.close)
}

function tradeFigures(trades: readonly TradeFact[], nets: readonly Known[]) {
  const known = nets.filter((net) => net !== null)
  const wins = known.filter((net) => net.sign() > 0)
  const losses = known.filter((net) => net.sign() < 0)
  const [grossProfit, grossLoss] = [Rational.sum(wins), Rational.sum(losses)]
  const holding = trades.map(({ holdingMs }) => holdingMs)
  const count = (isIt: (trade: TradeFact) => boolean) => trades.filter(isIt).length
  const perTrade = (sum: Rational, of: readonly Rational[]) =>
    of.length === 0 ? null : quotient(sum, Rational.of(BigInt(of.length)))
  return {
    tradeCount: trades.length,
    winCount: wins.length,
    lossCount: losses.length,
    drawCount: known.length - wins.length - losses.length,
    unvaluedTradeCount: trades.length - known.length,
    longCount: count(({ direction }) => direction === 'long'),
    shortCount: count(({ direction }) => direction === 'short'),
    liquidationCount: count(({ isLiquidation }) => isLiquidation),
    winRate: known.length === 0 ? null : wins.length / known.length,
    grossProfit,
    grossLoss,
    averageWin: perTrade(grossProfit, wins),
    averageLoss: perTrade(grossLoss, losses),
    profitFactor: losses.length === 0 ? null : toDouble(grossProfit.div(grossLoss.negate())),
    bestTrade: known.length === 0 ? null : known.reduce(larger),
    worstTrade: known.length === 0 ? null : known.reduce(smaller),
    averageHoldingMs: holding.length === 0 ? null : holding.reduce((a, b) => a + b, 0) / holding.length,
    shortestHoldingMs: holding.length === 0 ? null : Math.min(...holding),
    longestHoldingMs: holding.length === 0 ? null : Math.max(...holding),
  }
}

function streaksOf(nets: readonly Known[]) {
  let [currentStreak, longestWinStreak, longestLossStreak] = [0, 0, 0]
  for (const net of nets) {
    const sign = net?.sign() ?? 0
    currentStreak = sign === 0 ? 0 : currentStreak * sign > 0 ? currentStreak + sign : sign
    longestWinStreak = Math.max(longestWinStreak, currentStreak)
    longestLossStreak = Math.max(longestLossStreak, -currentStreak)
  }
  return { currentStreak, longestWinStreak, longestLossStreak }
}

function plus(...amounts: readonly Known[]): Known {
  const known = amounts.filter((amount) => amount !== null)
  return known.length < amounts.length ? null : Rational.sum(known)
}

function minus(a: Known, b: Known): Known {
  return a === null || b === null ? null : a.sub(b)
}

function timesRate(amount: Rational, rate: Known): Known {
  return rate === null ? null : amount.mul(rate)
}

function negate(amount: Known): Known {
  return amount === null ? null : amount.negate()
}

function extremeOf(levels: readonly Known[], pick: (a: Rational, b: Rational) => Rational): Known {
  const known = levels.filter((level) => level !== null)
  return known.length < levels.length ? null : known.reduce(pick)
}
