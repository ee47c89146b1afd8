import { beforeAll, expect, it } from 'vitest'
import { compareBacktestToLive } from '../../src/analytics/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { returnStatistics, tradeStatistics } from '../../src/statistics/index.ts'
import { recordBacktest } from '../../src/strategy/backtests.ts'
import { createStrategy } from '../../src/strategy/strategies.ts'
import { describeEngines } from '../database.ts'
import { maxDrawdownOf, returnsOf } from './compare-by-hand.ts'
import { asText, makeTrader, recordRoundTrip, storeDay, type Trader } from './performance-fixture.ts'

const NOBODY = '01890000-0000-7000-8000-000000000000'
const day = (n: number, hour = 12) => new Date(Date.UTC(2024, 0, n, hour))

describeEngines('compareBacktestToLive', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  async function backtest(nets: readonly string[], equity: readonly [Date, string][], over: object = {}) {
    const strategy = await createStrategy(db, { name: crypto.randomUUID(), kind: 'trend', changedBy: 'test' })
    return recordBacktest(db, {
      ...{ strategyId: strategy.id, periodStartAt: day(1, 0), periodEndAt: day(31), initialEquity: '1000' },
      ...{ finalEquity: '1100', currency: 'USD' },
      equity: equity.map(([at, value]) => ({ at, equity: value })),
      trades: nets.map((netPnl, i) => ({
        ...{ symbol: 'COIN', direction: 'long' as const, quantity: '1', entryPrice: '10', exitPrice: '11' },
        ...{ openedAt: day(i + 1, 1), closedAt: day(i + 1, 2), netPnl },
      })),
      ...over,
    })
  }
  const traded = async (trader: Trader, exits: readonly string[]) => {
    for (const [i, exit] of exits.entries()) {
      const [openedAt, closedAt] = [day(i + 1, 1).toISOString(), day(i + 1, 2).toISOString()]
      await recordRoundTrip(db, trader, { exit, openedAt, closedAt })
    }
  }

  it('sets trades and days side by side, by the formulas of all others', async () => {
    const nets = ['30', '-10', '20', '0']
    const curve: [Date, string][] = [
      [day(1, 5), '1500'],
      [day(1), '1030'],
      [day(2), '1020'],
      [day(4), '1040'],
    ]
    const { id } = await backtest(nets, curve)
    const trader = await makeTrader(db)
    await traded(trader, ['11', '9', '9.5'])
    await storeDay(db, trader.botId, { day: '2024-01-01', start: '1000', end: '1010' })
    await storeDay(db, trader.botId, { day: '2024-01-02', start: '1010', end: '1000' })
    await storeDay(db, trader.botId, { day: '2024-01-03', start: '1000', end: '995' })
    const found = await compareBacktestToLive(db, { backtestId: id, botId: trader.botId })

    const past = tradeStatistics(nets.map((netPnl) => ({ netPnl })))
    const live = tradeStatistics(['10', '-10', '-5'].map((netPnl) => ({ netPnl })))
    // The third day had no point: its equity was that of the second.
    const [pastReturns, liveReturns] = [
      returnsOf([1000, 1030, 1020, 1020, 1040]),
      returnsOf([1000, 1010, 1000, 995]),
    ]
    expect(found).toMatchObject({
      botId: trader.botId,
      baseCurrency: 'USD',
      isSameCurrency: true,
      from: null,
      to: null,
    })
    expect(found.backtest).toMatchObject({ id, currency: 'USD' })
    expect(found.tradeCount).toEqual({ backtest: 4, live: 3, difference: -1, degradation: null })
    expect(found.winRate).toMatchObject({ backtest: past.winRate, live: live.winRate })
    expect(found.winRate.degradation).toBeCloseTo((0.5 - 1 / 3) / 0.5, 12)
    expect(found.profitFactor).toMatchObject({ backtest: past.profitFactor, live: live.profitFactor })
    expect(asText(found.expectancy)).toMatchObject({
      backtest: '10',
      difference: expect.stringMatching(/^-11\.66/),
    })
    expect(found.expectancy.degradation).toBeCloseTo(1 + 1 / 6, 12)
    expect(found.expectancyFraction.backtest).toBeCloseTo(0.01, 12)
    expect(found.expectancyFraction.live).toBeCloseTo(-5 / 3 / 1000, 12)
    expect(found.meanReturn.backtest).toBeCloseTo(returnStatistics(pastReturns).mean ?? 0, 12)
    expect(found.meanReturn.live).toBeCloseTo(returnStatistics(liveReturns).mean ?? 0, 12)
    expect(found.sharpe.backtest).toBeCloseTo(returnStatistics(pastReturns).sharpe ?? 0, 10)
    expect(found.sharpe.live).toBeCloseTo(returnStatistics(liveReturns).sharpe ?? 0, 10)
    expect(found.maxDrawdownFraction.backtest).toBeCloseTo(maxDrawdownOf([1000, 1030, 1020, 1020, 1040]), 12)
    expect(found.maxDrawdownFraction.live).toBeCloseTo(maxDrawdownOf([1000, 1010, 1000, 995]), 12)
    const { backtest: deep = 0, live: deeper = 0, degradation } = found.maxDrawdownFraction
    expect(degradation).toBeCloseTo(((deeper ?? 0) - (deep ?? 0)) / (deep ?? 1), 12)
    expect(degradation).toBeGreaterThan(0)
    expect(found.smallSample).toEqual({
      ...{ backtestTrades: true, liveTrades: true, backtestReturns: true, liveReturns: true },
    })
  })

  it('looks at the period of the bot that is asked for', async () => {
    const { id } = await backtest(['10'], [[day(1), '1010']])
    const trader = await makeTrader(db)
    await traded(trader, ['11', '12', '13'])
    const { tradeCount, expectancy, from, to } = await compareBacktestToLive(db, {
      ...{ backtestId: id, botId: trader.botId, from: day(2, 0), to: day(3, 0) },
    })
    expect({ tradeCount, from, to }).toMatchObject({
      tradeCount: { backtest: 1, live: 1 },
      from: day(2, 0),
      to: day(3, 0),
    })
    expect(asText(expectancy)).toEqual({ backtest: '10', live: '20', difference: '10', degradation: -1 })
  })

  it('compares no money of different currencies, and nothing that is not there', async () => {
    const { id } = await backtest(['10'], [], { currency: 'EUR' })
    const trader = await makeTrader(db)
    await traded(trader, ['11'])
    const found = await compareBacktestToLive(db, { backtestId: id, botId: trader.botId })
    expect(found.isSameCurrency).toBe(false)
    expect(asText(found.expectancy)).toEqual({
      backtest: '10',
      live: '10',
      difference: null,
      degradation: null,
    })
    const nothing = { backtest: null, live: null, difference: null, degradation: null }
    expect(found.sharpe).toEqual(nothing)
    expect(found.meanReturn).toEqual(nothing)
    expect(found.profitFactor).toEqual(nothing)
    expect(found.winRate).toEqual({ backtest: 1, live: 1, difference: 0, degradation: 0 })
  })

  it('knows when a sample is large enough', async () => {
    const nets = Array.from({ length: 30 }, (_, i) => (i % 2 ? '1' : '-1'))
    const { id } = await backtest(
      nets,
      nets.map((_, i) => [day(i + 1), String(1000 + (i % 3))] as [Date, string]),
    )
    const { botId } = await makeTrader(db)
    expect((await compareBacktestToLive(db, { backtestId: id, botId })).smallSample).toEqual({
      ...{ backtestTrades: false, liveTrades: true, backtestReturns: false, liveReturns: true },
    })
  })

  it('refuses unknown backtests and bots', async () => {
    const { id } = await backtest([], [])
    const { botId } = await makeTrader(db)
    await expect(compareBacktestToLive(db, { backtestId: NOBODY, botId })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(compareBacktestToLive(db, { backtestId: id, botId: 'nobody' })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(compareBacktestToLive(db, { backtestId: 'x', botId })).rejects.toMatchObject({
      field: 'backtestId',
    })
  })
})
