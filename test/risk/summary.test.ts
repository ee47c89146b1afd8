import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { newId } from '../../src/db/id.ts'
import { recordHeartbeat } from '../../src/fleet/index.ts'
import { setSymbolLiquidity } from '../../src/risk/liquidity.ts'
import { alerts } from '../../src/risk/schema/alerts.ts'
import { circuitBreakers, globalCircuitBreakers } from '../../src/risk/schema/circuit-breakers.ts'
import { killSwitchEvents } from '../../src/risk/schema/gates.ts'
import { globalLocks, locks } from '../../src/risk/schema/locks.ts'
import { correlationMatrices, drawdowns, varCalculations } from '../../src/risk/schema/measures.ts'
import { globalRiskSettings } from '../../src/risk/schema/settings.ts'
import { getRiskSummary, type RiskSummary } from '../../src/risk/summary.ts'
import { markPosition, recordFill, recordOrder } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { hold, makeHolder, makeSymbol } from './holdings.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** So long ago. */
const ago = (ms: number) => new Date(Date.now() - ms)

describeDatabases('getRiskSummary', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await allow(db)
  })

  /** Lets everybody trade. */
  async function allow(to: Connection): Promise<void> {
    await to.insert(globalRiskSettings).values({
      version: 1,
      tradingEnabled: true,
      haltOnDrawdown: false,
      stopAtDailyTarget: false,
      offWatchlistAllowed: true,
      breakerRules: [],
      changedBy: 'tests',
      reason: 'tests',
    })
  }

  async function summaryOf(botId: string, of: Connection = db): Promise<RiskSummary> {
    const [found, ...others] = await getRiskSummary(of, { botId })
    if (!found || others.length > 0) throw new Error(`${others.length} others`)
    return found
  }

  /** Holds 2 of A at 20 and is short 1 of B at 60: 40 and 60 of an equity of 200. */
  async function makePair(): Promise<{ botId: string; exchange: string }> {
    const bot = await makeHolder(db)
    for (const symbol of ['A', 'B']) await makeSymbol(db, bot.exchange, symbol)
    await markPosition(db, { ...(await hold(db, bot, 'buy', '2', 'A')), price: '20' })
    await markPosition(db, { ...(await hold(db, bot, 'sell', '1', 'B')), price: '60' })
    await recordHeartbeat(db, { botId: bot.botId, currentEquity: '200' })
    return bot
  }

  async function observe(botId: string, fraction: string): Promise<void> {
    const [zero, one] = [new Decimal(0), new Decimal(1)]
    await db.insert(drawdowns).values({
      botId,
      day: '2024-03-01',
      observedAt: new Date(),
      equity: new Decimal(200),
      flows: zero,
      growth: one.minus(fraction),
      peakGrowth: one,
      peakAt: ago(DAY_MS),
      drawdownFraction: new Decimal(fraction),
      dayMaxDrawdownFraction: new Decimal(fraction),
      maxDrawdownFraction: new Decimal('0.5'),
      maxDrawdownAt: ago(DAY_MS),
      watchedPeakGrowth: one,
      watchedSince: ago(DAY_MS),
      watchedDrawdownFraction: new Decimal(fraction),
    })
  }

  const calculation = (botId: string, more: Partial<typeof varCalculations.$inferInsert> = {}) => ({
    botId,
    id: newId(),
    method: 'historical' as const,
    confidence: 0.95,
    horizonDays: 1,
    sampleSize: 100,
    smallSample: false,
    portfolioValue: new Decimal(100),
    value: new Decimal(5),
    fraction: 0.05,
    unpriced: [],
    ...more,
  })

  const trip = (reason: string, more: Partial<typeof circuitBreakers.$inferInsert> = {}) => ({
    id: newId(),
    rule: newId(),
    trigger: 'rapid_loss' as const,
    severity: 'critical' as const,
    reason,
    trippedBy: 'tests',
    cooldownMs: HOUR_MS,
    ...more,
  })

  it('shows a bot that holds nothing and is let alone', async () => {
    const { botId, exchange } = await makeHolder(db)
    const found = await summaryOf(botId)
    expect(found).toMatchObject({
      botId,
      exchange,
      mode: 'paper',
      baseCurrency: 'USD',
      botStatus: 'active',
      state: 'active',
      blocks: [],
      killSwitchStatus: 'off',
      activeBreakers: 0,
      activeLocks: 0,
      openPositions: 0,
      pendingOrders: 0,
      unpriced: [],
      leverage: 0,
      concentration: null,
      drawdownFraction: null,
      lastHaltReason: null,
      lastHaltAt: null,
      valueAtRisk: null,
      valueAtRiskCalculatedAt: null,
      openAlerts: 0,
    })
    expect([found.exposure, found.netExposure, found.equity, found.dayNetPnl].map(String)).toEqual([
      '0',
      '0',
      '1000',
      '0',
    ])
    // Only the drawdown, which nobody observed, is missing.
    expect(found.risk).toMatchObject({ score: null, missing: ['drawdownFraction'] })
    await observe(botId, '0.1')
    expect((await summaryOf(botId)).risk).toMatchObject({ score: 7.5, level: 'low' })
  })

  it('shows what is held, against equity', async () => {
    const { botId } = await makePair()
    const found = await summaryOf(botId)
    expect(found).toMatchObject({ openPositions: 2, leverage: 0.5, unpriced: [], correlation: null })
    expect([found.exposure, found.netExposure, found.equity].map(String)).toEqual(['100', '-20', '200'])
    expect(found.concentration).toBeCloseTo(0.16 + 0.36, 12)
  })

  it('leaves out what it cannot value, names it, and says nothing of the whole', async () => {
    const bot = await makePair()
    await makeSymbol(db, bot.exchange, 'C')
    await hold(db, bot, 'buy', '1', 'C')
    const found = await summaryOf(bot.botId)
    expect(found).toMatchObject({ openPositions: 3, unpriced: ['C'], leverage: null, concentration: null })
    expect(String(found.exposure)).toBe('100')
    expect(found.risk.missing).toContain('leverage')
  })

  it('makes a score of what is known of all that is held', async () => {
    const bot = await makePair()
    await observe(bot.botId, '0.1')
    expect((await summaryOf(bot.botId)).risk.missing).toEqual([
      'valueAtRiskFraction',
      'correlation',
      'liquidity',
    ])
    await db.insert(varCalculations).values(calculation(bot.botId))
    const pair = { a: 'B', b: 'A', coefficient: -0.5, pairs: 90 }
    const matrix = { exchange: bot.exchange, timeframe: '1d', fromTime: ago(DAY_MS), untilTime: new Date() }
    await db
      .insert(correlationMatrices)
      .values({ ...matrix, id: newId(), symbols: ['B', 'X', 'A'], correlations: [pair] })
    // Newer, and without one that is held.
    await db
      .insert(correlationMatrices)
      .values({ ...matrix, id: newId(), symbols: ['A', 'X'], correlations: [] })
    await setSymbolLiquidity(db, { exchange: bot.exchange, symbol: 'A', score: 1 })
    await setSymbolLiquidity(db, { exchange: bot.exchange, symbol: 'B', score: 0.5 })
    const found = await summaryOf(bot.botId)
    expect(found).toMatchObject({ correlation: 0.5, drawdownFraction: 0.1, maxDrawdownFraction: 0.5 })
    // 0.4 · 1 + 0.6 · 0.5.
    expect(found.liquidity).toBeCloseTo(0.7, 12)
    // 25·0.5 + 20·0.25 + 20 + 15·0.5 + 10·0.5 + 10·0.3, a concentration of 0.52 being more than half.
    expect(found.risk.score).toBeCloseTo(12.5 + 5 + 20 + 7.5 + 5 + 3, 10)
    expect(found.risk).toMatchObject({ level: 'medium', missing: [] })
  })

  it('does not take an old measure for one of today', async () => {
    const bot = await makePair()
    const old = { measuredAt: ago(2 * DAY_MS), score: 1 }
    await setSymbolLiquidity(db, { exchange: bot.exchange, symbol: 'A', ...old })
    await setSymbolLiquidity(db, { exchange: bot.exchange, symbol: 'B', score: 1 })
    await db.insert(varCalculations).values(calculation(bot.botId, { calculatedAt: ago(DAY_MS + HOUR_MS) }))
    await db.insert(correlationMatrices).values({
      id: newId(),
      exchange: bot.exchange,
      timeframe: '1d',
      fromTime: ago(9 * DAY_MS),
      untilTime: ago(8 * DAY_MS),
      calculatedAt: ago(8 * DAY_MS),
      symbols: ['A', 'B'],
      correlations: [{ a: 'A', b: 'B', coefficient: 1, pairs: 90 }],
    })
    const found = await summaryOf(bot.botId)
    expect(found).toMatchObject({ liquidity: null, correlation: null, valueAtRiskFraction: 0.05 })
    expect(found.risk.missing).toEqual([
      'valueAtRiskFraction',
      'drawdownFraction',
      'correlation',
      'liquidity',
    ])
  })

  it('shows the last value at risk, and counts it only if it is of a day and of everything', async () => {
    const { botId } = await makePair()
    const first = calculation(botId, { calculatedAt: ago(3_000), horizonDays: 10 })
    await db.insert(varCalculations).values(first)
    expect((await summaryOf(botId)).risk.parts.valueAtRiskFraction).toBeNull()
    await db.insert(varCalculations).values(calculation(botId, { calculatedAt: ago(2_000), unpriced: ['B'] }))
    expect((await summaryOf(botId)).risk.parts.valueAtRiskFraction).toBeNull()
    const last = calculation(botId, { calculatedAt: ago(1_000), method: 'parametric', confidence: 0.99 })
    await db.insert(varCalculations).values(last)
    const found = await summaryOf(botId)
    expect(found.risk.parts.valueAtRiskFraction).toBe(12.5)
    expect(found).toMatchObject({
      valueAtRiskMethod: 'parametric',
      valueAtRiskConfidence: 0.99,
      valueAtRiskHorizonDays: 1,
      valueAtRiskFraction: 0.05,
      valueAtRiskUnpriced: [],
      valueAtRiskCalculatedAt: last.calculatedAt,
    })
    expect(String(found.valueAtRisk)).toBe('5')
  })

  it('counts breakers, locks, orders and alerts that are not over', async () => {
    const { botId, exchange } = await makePair()
    const own = { botId, exchange }
    await db.insert(circuitBreakers).values([
      { botId, ...trip('over', { trippedAt: ago(2 * HOUR_MS) }) },
      { botId, ...trip('holds') },
      { botId, ...trip('until a human ends it', { cooldownMs: null, symbol: 'B', trippedAt: ago(HOUR_MS) }) },
    ])
    await db
      .insert(globalCircuitBreakers)
      .values([
        trip('of the fleet', { exchange, trippedAt: ago(1_000) }),
        trip('elsewhere', { exchange: 'elsewhere' }),
      ])
    const lock = { id: newId(), reason: 'news', lockedBy: 'tests' }
    await db.insert(locks).values([
      { ...own, ...lock, symbol: 'A' },
      { ...own, ...lock, id: newId(), expiresAt: ago(1) },
      { ...own, ...lock, id: newId(), unlockedAt: ago(1), unlockedBy: 'tests', unlockReason: 'over' },
    ])
    await db.insert(globalLocks).values({ ...lock, id: newId(), exchange, side: 'buy' })
    const order = { ...own, symbol: 'A', side: 'buy', type: 'limit', quantity: '1', limitPrice: '9' } as const
    await recordOrder(db, { ...order, clientOrderId: 'one' })
    await recordOrder(db, { ...order, clientOrderId: 'two' })
    const alert = {
      botId,
      kind: 'other',
      severity: 'info',
      title: 'a',
      message: 'b',
      raisedBy: 'tests',
    } as const
    const end = { status: 'resolved', resolvedBy: 'tests', resolvedAt: new Date() } as const
    await db.insert(alerts).values({ ...alert, id: newId() })
    await db.insert(alerts).values({ ...alert, id: newId(), ...end })
    const found = await summaryOf(botId)
    expect(found).toMatchObject({
      state: 'reducing',
      activeBreakers: 3,
      activeLocks: 2,
      pendingOrders: 2,
      openAlerts: 1,
      lastHaltReason: 'rapid_loss: holds',
    })
    expect(found.blocks.map(({ code }) => code)).toContain('circuit_breaker')
    expect(Date.now() - (found.lastHaltAt?.getTime() ?? 0)).toBeLessThan(60_000)
  })

  it('counts what was realised on the day of the bot', async () => {
    const bot = await makeHolder(db, '1000', { timeZone: 'Pacific/Kiritimati' })
    await makeSymbol(db, bot.exchange, 'A')
    await hold(db, bot, 'buy', '3', 'A')
    const sell = { ...bot, symbol: 'A', side: 'sell', quantity: '1', feeCurrency: 'USD' } as const
    // 7 less a fee of 2; the day before, 5.
    await recordFill(db, { ...sell, price: '15', executedAt: ago(DAY_MS), exchangeTradeId: 'yesterday' })
    await recordFill(db, { ...sell, price: '17', fee: '2', executedAt: new Date(), exchangeTradeId: 'today' })
    expect(String((await summaryOf(bot.botId)).dayNetPnl)).toBe('5')
  })

  it('shows the kill switch, on every bot', async () => {
    const own = await open.fresh()
    const { botId } = await makeHolder(own)
    expect(await summaryOf(botId, own)).toMatchObject({ state: 'halted', killSwitchStatus: 'off' })
    await allow(own)
    expect(await summaryOf(botId, own)).toMatchObject({ state: 'active', killSwitchStatus: 'off' })
    const id = newId()
    await own.insert(killSwitchEvents).values({
      id,
      source: 'manual',
      severity: 'emergency',
      reason: 'flash crash',
      activatedBy: 'ann',
      codeHash: 'none',
      openPositionsBefore: 0,
      openOrdersBefore: 0,
      equityBefore: {},
    })
    await own.execute(sql`update risk.kill_switch set event_id = ${id}`)
    expect(await summaryOf(botId, own)).toMatchObject({
      state: 'halted',
      killSwitchStatus: 'active',
      lastHaltReason: 'kill switch: flash crash',
    })
    await own.execute(sql`update risk.kill_switch_events set status = 'partial_recovery'`)
    expect(await summaryOf(botId, own)).toMatchObject({
      state: 'reducing',
      killSwitchStatus: 'partial_recovery',
    })
  })

  it('lists the fleet by id, in pages', async () => {
    const own = await open.fresh()
    const made = [await makeHolder(own), await makeHolder(own), await makeHolder(own)]
    const ids = made.map(({ botId }) => botId).sort()
    const idsOf = (rows: readonly RiskSummary[]) => rows.map(({ botId }) => botId)
    const all = await getRiskSummary(own)
    expect(idsOf(all)).toEqual(ids)
    expect(idsOf(await getRiskSummary(own, { limit: 2 }))).toEqual(ids.slice(0, 2))
    expect(idsOf(await getRiskSummary(own, { limit: 2, after: all[1] }))).toEqual(ids.slice(2))
    await expect(getRiskSummary(own, { limit: 0 })).rejects.toMatchObject({ field: 'limit' })
  })

  it('refuses a bot that is not there', async () => {
    await expect(getRiskSummary(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
  })
})
