import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import type { Database } from '../../src/db/database.ts'
import type { ProposeTradeIdeaInput } from '../../src/ideas/index.ts'
import { activateKillSwitch } from '../../src/risk/kill-switch.ts'
import { recordOrder } from '../../src/trading/index.ts'
import { ideaOf, makeDecision, makeSnapshot, makeStrategy, resume } from '../ideas/idea-fixture.ts'
import { NOW, observeEquity, plus } from '../risk/closures.ts'
import { fresh, limit, makeTrader, storeLock, trade } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import type { Situation } from './idea-model.ts'

/** Mostly true, so that not everything is against every idea. */
const mostly = fc.integer({ min: 0, max: 9 }).map((n) => n > 0)
const rarely = mostly.map((is) => !is)
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null, freq: 2 })

const strategies = fc.record({
  isActive: mostly,
  allowsSymbol: mostly,
  isInWindow: mostly,
  isEmbargo: rarely,
  maxQuantity: orNull(fc.constantFrom(1, 2, 3)),
  maxOpenPositions: orNull(fc.constantFrom(1, 2, 3)),
  openPositions: fc.constantFrom(0, 0, 1, 2),
})

/** Situations with their figures at the limits as often as beside them. */
export const situations: fc.Arbitrary<Situation> = fc
  .record({
    isAutoTradingOn: mostly,
    confidence: fc.constantFrom(0.5, 0.7, 0.9, 0.9, 0.95, 1),
    minConfidence: orNull(fc.constantFrom(0.5, 0.7, 0.95)),
    strategy: fc.option(strategies, { nil: null, freq: 8 }),
    quantity: fc.constantFrom(1, 1, 1, 2),
    maxQuantity: orNull(fc.constantFrom(1, 2)),
    others: fc.constantFrom(0, 0, 1, 2),
    maxOpenPositions: orNull(fc.constantFrom(2, 3, 4)),
    drawdown: fc.constantFrom(0, 0.1, 0.1, 0.2, 0.3, null),
    maxDrawdown: orNull(fc.constantFrom(0.2, 0.25)),
    haltOnDrawdown: fc.boolean(),
    dayProfit: fc.constantFrom(-10, 0, 10, 50, 60),
    dailyTarget: orNull(fc.constantFrom(50, 100)),
    stopAtDailyTarget: fc.boolean(),
    isKillSwitchOn: rarely,
    isSymbolLocked: rarely,
    isOnWatchlist: mostly,
    offWatchlistAllowed: fc.boolean(),
    isExpired: rarely,
    isDecisionVetoed: rarely,
  })
  .map(({ others, ...rest }) => ({ ...rest, openPositions: others + (rest.strategy?.openPositions ?? 0) }))

/** Makes a situation real, and returns the idea that is proposed in it. */
export async function arrange(db: Database, s: Situation): Promise<ProposeTradeIdeaInput & { id: string }> {
  const botId = await makeTrader(db, { mode: 'backtest' })
  const snapshotId = await makeSnapshot(db, botId)
  if (s.isAutoTradingOn) await resume(db, botId)
  await limit(db, null, { haltOnDrawdown: false, stopAtDailyTarget: false })
  await limit(db, botId, {
    minConfidence: s.minConfidence,
    maxQuantity: s.maxQuantity === null ? null : String(s.maxQuantity),
    maxOpenPositions: s.maxOpenPositions,
    maxDrawdownFraction: s.maxDrawdown === null ? null : String(s.maxDrawdown),
    haltOnDrawdown: s.haltOnDrawdown,
    dailyTarget: s.dailyTarget === null ? null : String(s.dailyTarget),
    stopAtDailyTarget: s.stopAtDailyTarget,
    allowedSymbols: [s.isOnWatchlist ? 'BTC' : 'ETH'],
    offWatchlistAllowed: s.offWatchlistAllowed,
  })
  const strategyId = s.strategy === null ? undefined : await arrangeStrategy(db, botId, s.strategy)
  const others = s.openPositions - (s.strategy?.openPositions ?? 0)
  for (const symbol of ['O1', 'O2'].slice(0, others)) await trade(db, botId, symbol, 'buy 1 @ 100', plus(-1))
  await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-2_000))
  await trade(db, botId, 'ETH', `sell 1 @ ${100 + s.dayProfit}`, plus(-1_000))
  await observeEquity(
    db,
    botId,
    '100',
    String(s.drawdown ?? 0),
    s.drawdown === null ? plus(-7_200_000) : plus(-1),
  )
  if (s.isSymbolLocked) await storeLock(db, { botId, symbol: 'BTC', at: NOW, until: null })
  const decisionId = await makeDecision(db, botId)
  if (s.isDecisionVetoed) {
    const veto = sql`vetoed_at = now(), veto_reason = 'no', veto_source = 'test'`
    await query(db, sql`update analysis.decisions set ${veto} where id = ${decisionId}::uuid`)
  }
  if (s.isKillSwitchOn) {
    await activateKillSwitch(db, { activatedBy: 'test', reason: 'test', confirmationCode: 'the-same-code' })
  }
  const terms = { strategyId, decisionId, confidence: s.confidence, quantity: String(s.quantity), now: NOW }
  const idea = ideaOf(botId, snapshotId, { ...terms, expiresAt: s.isExpired ? NOW : plus(1) })
  return { ...idea, id: String(idea.id) }
}

async function arrangeStrategy(db: Database, botId: string, s: NonNullable<Situation['strategy']>) {
  const strategyId = await makeStrategy(db, {
    status: s.isActive ? 'active' : 'paused',
    allowedSymbols: s.allowsSymbol ? ['ETH', 'BTC'] : ['ETH'],
    windows: s.isInWindow ? [] : [{ start: '13:00', end: '14:00' }],
    caps: {
      ...(s.maxQuantity === null ? {} : { maxQuantity: String(s.maxQuantity) }),
      ...(s.maxOpenPositions === null ? {} : { maxOpenPositions: s.maxOpenPositions }),
    },
    forbidden: s.isEmbargo ? { blockedSymbols: ['BTC'] } : {},
  })
  const decisionId = await makeDecision(db, botId, strategyId)
  for (const symbol of ['S1', 'S2'].slice(0, s.openPositions)) {
    const order = { botId, exchange: 'x', symbol, side: 'buy', type: 'market', quantity: '1' } as const
    await recordOrder(db, { ...order, decisionId, clientOrderId: fresh('order'), createdAt: NOW })
  }
  return strategyId
}
