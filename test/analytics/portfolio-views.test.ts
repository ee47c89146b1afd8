import { beforeAll, expect, it } from 'vitest'
import { getEquityCurve } from '../../src/analytics/equity-curve.ts'
import { listBotPerformance, listDailyPortfolio } from '../../src/analytics/portfolio-views.ts'
import { refreshAnalytics } from '../../src/analytics/refresh.ts'
import type { Connection } from '../../src/db/database.ts'
import type { Decimal } from '../../src/db/decimal.ts'
import { setPositionDetails } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { fresh, listSymbol, makeMember, storeDay, trade } from './portfolio-fixture.ts'

const text = (amount: Decimal | null) => (amount === null ? null : amount.toFixed())

describeDatabases('listDailyPortfolio', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  async function daysOf(baseCurrency: string, over: Parameters<typeof listDailyPortfolio>[1] = {}) {
    await refreshAnalytics(db)
    const days = await listDailyPortfolio(db, { fleet: { baseCurrency }, ...over })
    return days.reverse()
  }

  const moneyOf = (one: Awaited<ReturnType<typeof listDailyPortfolio>>[number]) =>
    [one.equityStart, one.flowsAtStart, one.externalFlows, one.totalPnl, one.equity].map(text)

  /**
   * Two live bots that began on different days, another that counts in another currency, and one on paper.
   *
   * ```
   *      a                            b                        together
   * d1   1000 + 100 = 1100                                     0 + 1000 joins; 1100/1000 − 1 = 0.1
   * d2   1100 + 150 − 50 = 1200       500 + 50 = 550           1100 + 150 + 500 joins = 1750; 1750/1750 − 1 = 0
   * d3   1200 − 120 − 80 out = 1000   550 − 55 = 495           (1495 + 80)/1750 − 1 = −0.1; growth 1.1·0.9 = 0.99
   * d4   1000 + 10 = 1010             not stored               not known
   * d5   1010 − 10 = 1000             490 + 160 = 650          1650/1500 − 1 = 0.1; growth 1.089
   * d6   1000, then not known         650                      not known, from 1650
   * d7   20 in, 1177                  650 + 10 = 660           of d6 and d7: 1837/(1650 + 20) − 1 = 0.1; growth 1.1979
   * ```
   */
  async function makeFleet(): Promise<string> {
    const currency = fresh('USD')
    const other = fresh('EUR')
    const [a, b] = [await makeMember(db, currency), await makeMember(db, currency)]
    const elsewhere = await makeMember(db, other)
    const paper = await makeMember(db, currency, { mode: 'paper' })
    const ofA = [
      { start: 1000, end: 1100, total: 100 },
      { start: 1100, end: 1200, total: -50, flows: 150 },
      { start: 1200, end: 1000, total: -120, flows: -80, flowsAtStart: 0 },
      { start: 1000, end: 1010, total: 10 },
      { start: 1010, end: 1000, total: -10 },
      { start: 1000, end: null, total: null },
      { start: null, end: 1177, total: null, flows: 20 },
    ]
    const ofB = [
      null,
      { start: 500, end: 550, total: 50 },
      { start: 550, end: 495, total: -55 },
      null,
      { start: 490, end: 650, total: 160 },
      { start: 650, end: 650 },
      { start: 650, end: 660, total: 10 },
    ]
    for (const [i, one] of ofA.entries()) {
      const day = `2024-01-0${i + 1}`
      await storeDay(db, a, currency, { day, ...one })
      const two = ofB[i]
      if (two) await storeDay(db, b, currency, { day, ...two })
      await storeDay(db, elsewhere, other, { day, start: 7, end: 7 })
      await storeDay(db, paper, currency, { day, start: 1_000_000, end: 1_000_000 })
    }
    return currency
  }

  it('adds up the days of the bots that had begun, and none of another currency or mode', async () => {
    const days = await daysOf(await makeFleet())
    expect(days.map((one) => [one.day.slice(-1), one.botCount, one.storedCount, one.isComplete])).toEqual([
      ['1', 1, 1, true],
      ['2', 2, 2, true],
      ['3', 2, 2, true],
      ['4', 2, 1, false],
      ['5', 2, 2, true],
      ['6', 2, 2, true],
      ['7', 2, 2, true],
    ])
    // Equity at the start, flows at the start, all flows, total, equity at the end.
    expect(days.map(moneyOf)).toEqual([
      ['0', '1000', '1000', '100', '1100'],
      ['1100', '650', '650', '0', '1750'],
      ['1750', '0', '-80', '-175', '1495'],
      [null, null, null, null, null],
      ['1500', '0', '0', '150', '1650'],
      ['1650', '0', '0', null, null],
      [null, '20', '20', null, '1837'],
    ])
    expect(days.map(({ netPnl }) => text(netPnl))).toEqual(['100', '0', '-175', null, '150', null, null])
  })

  it('counts what a bot brings with it as no gain, and a gap as one return', async () => {
    const days = await daysOf(await makeFleet())
    const expected = [
      { return: 0.1, growth: 1.1, drawdown: 0, deepest: 0, amount: '0' },
      { return: 0, growth: 1.1, drawdown: 0, deepest: 0, amount: '0' },
      { return: -0.1, growth: 0.99, drawdown: 0.1, deepest: 0.1, amount: '175' },
      { return: null, growth: 0.99, drawdown: 0.1, deepest: 0.1, amount: '175' },
      // The fleet had gained 100 at its peak. Since then it lost 175 and gained 150: what the fourth day brought, nobody knows.
      { return: 0.1, growth: 1.089, drawdown: 0.01, deepest: 0.1, amount: '25' },
      { return: null, growth: 1.089, drawdown: 0.01, deepest: 0.1, amount: '25' },
      { return: 0.1, growth: 1.1979, drawdown: 0, deepest: 0.1, amount: '0' },
    ]
    for (const [i, day] of days.entries()) {
      const wanted = expected[i]
      if (wanted?.return === null) expect(day.returnFraction).toBeNull()
      else expect(day.returnFraction).toBeCloseTo(wanted?.return ?? Number.NaN, 12)
      expect(day.growth).toBeCloseTo(wanted?.growth ?? Number.NaN, 12)
      expect(day.drawdownFraction).toBeCloseTo(wanted?.drawdown ?? Number.NaN, 12)
      expect(day.maxDrawdownFraction).toBeCloseTo(wanted?.deepest ?? Number.NaN, 12)
      expect(text(day.drawdownAmount)).toBe(wanted?.amount)
    }
    expect(days).toHaveLength(expected.length)
  })

  it('has the figures of the equity curve', async () => {
    const currency = await makeFleet()
    const days = await daysOf(currency)
    const curve = await getEquityCurve(db, { fleet: { baseCurrency: currency } })
    expect(curve).toHaveLength(7)
    for (const [i, point] of curve.entries()) {
      const day = days[i]
      expect([day?.day, day && text(day.equity)]).toEqual([point.day, text(point.equity)])
      expect(day?.returnFraction ?? null).toBe(point.returnFraction)
      expect(day?.growth).toBeCloseTo(point.growth, 12)
      expect(day?.drawdownFraction).toBeCloseTo(point.drawdownFraction, 12)
      expect(day && text(day.drawdownAmount)).toBe(text(point.drawdownAmount))
    }
  })

  it('says nothing of a return where nobody knows what was paid in meanwhile', async () => {
    const currency = fresh('USD')
    const bot = await makeMember(db, currency)
    await storeDay(db, bot, currency, { day: '2024-01-01', start: 100, end: 110, total: 10 })
    // The second day is not stored, and the third does not know what it began with.
    await storeDay(db, bot, currency, { day: '2024-01-03', start: null, end: 330, total: null })
    await storeDay(db, bot, currency, { day: '2024-01-04', start: 330, end: 363, total: 33 })
    // Here the flows of a day of unknown equity are not known either.
    await storeDay(db, bot, currency, { day: '2024-01-05', start: 363, end: null, total: null, flows: null })
    await storeDay(db, bot, currency, { day: '2024-01-06', start: null, end: 800, total: null })
    const days = await daysOf(currency)
    expect(days.map(({ returnFraction }) => returnFraction)).toEqual([0.1, null, 0.1, null, null])
    expect(days.at(-1)?.growth).toBeCloseTo(1.21, 12)
  })

  it('has lost all that was lost since the start when the first day loses', async () => {
    const currency = fresh('USD')
    const bot = await makeMember(db, currency)
    await storeDay(db, bot, currency, { day: '2024-01-01', start: 200, end: 150, total: -50 })
    // In debt, there is nothing to gain with: what was gone stays gone.
    await storeDay(db, bot, currency, { day: '2024-01-02', start: 150, end: -10, total: -160 })
    await storeDay(db, bot, currency, { day: '2024-01-03', start: -10, end: 40, total: 50 })
    const days = await daysOf(currency)
    const shown = days.map((one) => [
      one.returnFraction,
      one.growth,
      one.drawdownFraction,
      text(one.drawdownAmount),
    ])
    // −160 of 150 is more than all.
    expect(shown).toEqual([
      [-0.25, 0.75, 0.25, '50'],
      [-160 / 150, 0, 1, '210'],
      [null, 0, 1, '160'],
    ])
  })

  it('is listed newest first, by pages and between days', async () => {
    const currency = await makeFleet()
    await refreshAnalytics(db)
    const fleet = { baseCurrency: currency }
    const page = await listDailyPortfolio(db, { fleet, limit: 3 })
    expect(page.map(({ day }) => day)).toEqual(['2024-01-07', '2024-01-06', '2024-01-05'])
    const next = await listDailyPortfolio(db, { fleet, limit: 2, after: page.at(-1) })
    expect(next.map(({ day }) => day)).toEqual(['2024-01-04', '2024-01-03'])
    const range = await listDailyPortfolio(db, { fleet, from: '2024-01-02', to: '2024-01-03' })
    expect(range.map(({ day }) => day)).toEqual(['2024-01-03', '2024-01-02'])
    const paper = await listDailyPortfolio(db, { fleet: { ...fleet, mode: 'paper' } })
    expect(paper.map(({ equity }) => text(equity))).toEqual(Array(7).fill('1000000'))
  })

  it('shows what was stored since the last refresh after the next, and says of when it is', async () => {
    const currency = fresh('USD')
    const bot = await makeMember(db, currency)
    await storeDay(db, bot, currency, { day: '2024-01-01', start: 1, end: 1 })
    const before = await daysOf(currency)
    await storeDay(db, bot, currency, { day: '2024-01-02', start: 1, end: 1 })
    const still = await listDailyPortfolio(db, { fleet: { baseCurrency: currency } })
    expect(still).toEqual(before)
    const after = await daysOf(currency)
    expect(after).toHaveLength(2)
    expect(after[0]?.refreshedAt.getTime()).toBeGreaterThanOrEqual(
      before[0]?.refreshedAt.getTime() ?? Number.NaN,
    )
  })

  it('refuses a fleet that nobody is in, and days that are none', async () => {
    await expect(listDailyPortfolio(db, { fleet: { baseCurrency: 'NONE' } })).rejects.toMatchObject({
      code: 'not_found',
      message: "no live bot counts in 'NONE'",
    })
    const fleet = { baseCurrency: fresh('USD') }
    await makeMember(db, fleet.baseCurrency)
    await expect(listDailyPortfolio(db, { fleet, from: '2024-02-30' })).rejects.toMatchObject({
      field: 'from',
    })
    await expect(listDailyPortfolio(db, { fleet, limit: 0 })).rejects.toMatchObject({ field: 'limit' })
    expect(await listDailyPortfolio(db, { fleet })).toEqual([])
  })
})

describeDatabases('listBotPerformance', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('tells what each bot did, from its trades and its newest day', async () => {
    const currency = fresh('USD')
    await listSymbol(db, 'A', currency)
    const busy = await makeMember(db, currency, { strategy: 'grid', name: 'Busy' })
    const idle = await makeMember(db, currency)
    // 20 − 2 = 18, then −10 − 1 = −11, then 4 − 4 = 0, then a short that gains 6.
    const orders = [
      ['buy 1 @ 100', 'sell 1 @ 120', '1'],
      ['buy 1 @ 100', 'sell 1 @ 90', '0.5'],
      ['buy 1 @ 100', 'sell 1 @ 104', '2'],
      ['sell 1 @ 100', 'buy 1 @ 94', '0'],
    ] as const
    for (const [i, [first, last, fee]] of orders.entries()) {
      const at = (second: number) => ({
        executedAt: new Date(Date.UTC(2024, 0, i + 1, 0, 0, second)),
        fee,
        feeCurrency: currency,
      })
      await trade(db, busy, 'A', first, at(0))
      await trade(db, busy, 'A', last, at(1))
    }
    // Still open: no trade.
    await setPositionDetails(db, { ...(await trade(db, busy, 'A', 'buy 1 @ 1')), entryTag: 'dip' })
    const figures = { growth: 1.5, sharpe: 2, sortino: 3, calmar: 4, returnCount: 9, drawdownFraction: 0.1 }
    const day = { start: 1, end: 1000, figures: { ...figures, maxDrawdownFraction: 0.25 } }
    await storeDay(db, busy, currency, { day: '2024-01-02', start: 5, end: 5, isComplete: true })
    await storeDay(db, busy, currency, { day: '2024-01-03', isComplete: false, ...day })
    await refreshAnalytics(db)
    const [first, second] = await listBotPerformance(db, { fleet: { baseCurrency: currency } })
    expect(first).toMatchObject({
      botId: busy,
      botName: 'Busy',
      mode: 'live',
      baseCurrency: currency,
      exchange: 'x',
      strategy: 'grid',
      ...{ tradeCount: 4, winCount: 2, lossCount: 1, drawCount: 1, unvaluedTradeCount: 0 },
      ...{ longCount: 3, shortCount: 1, liquidationCount: 0, winRate: 0.5 },
      profitFactor: 24 / 11,
      firstTradeAt: new Date('2024-01-01T00:00:01Z'),
      lastTradeAt: new Date('2024-01-04T00:00:01Z'),
      ...{ lastDay: '2024-01-03', lastDayIsComplete: false, ...day.figures },
    })
    const money = first && [first.netPnl, first.grossProfit, first.grossLoss, first.fees, first.funding]
    expect(money?.map(text)).toEqual(['13', '24', '-11', '7', '0'])
    const each = first && [
      first.expectancy,
      first.averageWin,
      first.averageLoss,
      first.bestTrade,
      first.worstTrade,
    ]
    expect(each?.map(text)).toEqual(['3.25', '12', '-11', '18', '-11'])
    expect(first && text(first.equity)).toBe('1000')
    expect(second).toMatchObject({
      botId: idle,
      ...{ tradeCount: 0, winCount: 0, lossCount: 0, winRate: null, profitFactor: null, expectancy: null },
      ...{ bestTrade: null, firstTradeAt: null, lastDay: null, growth: null, sharpe: null, equity: null },
    })
    expect(second && [second.netPnl, second.grossProfit, second.fees].map(text)).toEqual(['0', '0', '0'])
  })

  it('leaves a trade without a known net out of the money', async () => {
    const currency = fresh('USD')
    const bot = await makeMember(db, currency)
    const symbol = fresh('B')
    // Settles in a currency that nothing converts.
    await listSymbol(db, symbol, fresh('ZZZ'))
    await trade(db, bot, symbol, 'buy 1 @ 100', { executedAt: new Date('2024-01-01T00:00:00Z') })
    await trade(db, bot, symbol, 'sell 1 @ 110', { executedAt: new Date('2024-01-01T00:00:01Z') })
    await refreshAnalytics(db)
    const [row] = await listBotPerformance(db, { fleet: { baseCurrency: currency } })
    expect(row).toMatchObject({
      ...{ tradeCount: 1, unvaluedTradeCount: 1, winCount: 0, winRate: null, expectancy: null, fees: null },
    })
    expect(row && text(row.netPnl)).toBe('0')
  })

  it('lists by id, in pages, of one mode or all', async () => {
    const currency = fresh('USD')
    const live = [await makeMember(db, currency), await makeMember(db, currency)].sort()
    const paper = await makeMember(db, currency, { mode: 'paper' })
    expect(await listBotPerformance(db, { fleet: { baseCurrency: currency } })).toEqual([])
    await refreshAnalytics(db)
    const ids = async (input: Parameters<typeof listBotPerformance>[1]) =>
      (await listBotPerformance(db, input)).map(({ botId }) => botId)
    expect(await ids({ fleet: { baseCurrency: currency } })).toEqual(live)
    expect(await ids({ fleet: { baseCurrency: currency, mode: 'paper' } })).toEqual([paper])
    expect(await ids({})).toEqual(expect.arrayContaining([...live, paper]))
    const [first = ''] = live
    expect(await ids({ fleet: { baseCurrency: currency }, limit: 1, after: { botId: first } })).toEqual(
      live.slice(1),
    )
    await expect(listBotPerformance(db, { limit: 1_001 })).rejects.toMatchObject({ field: 'limit' })
    const wrong = { fleet: { mode: 'real' as never } }
    await expect(listBotPerformance(db, wrong)).rejects.toMatchObject({ field: 'fleet.mode' })
  })
})
