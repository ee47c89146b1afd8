import { beforeAll, expect, it } from 'vitest'
import { type GetPerformanceInput, getPerformance } from '../../src/analytics/performance.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { makeSymbol } from '../risk/holdings.ts'
import { asText, makeTrader, recordRoundTrip, type Trader } from './performance-fixture.ts'

/** Monday. */
const DAY = '2024-03-04'

describeEngines('performance', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  /**
   * Ten coins from 10, so ten dollars a point:
   *   1  long  to 12, closed 10:00, held 1 h:   gross  20, fee 1, net  19
   *   2  long  to  9, closed 11:00, held 2 h:   gross −10, no fee, net −10
   *   3  short to 11, closed 12:00, held 4 h:   gross −10, fee 2, net −12, liquidated
   *   4  long  to 10, closed 13:00, held 30 min: a draw
   *   5  short to  9, closed 23:30, held 90 min: gross 10, rebate 0.5, net 10.5
   */
  async function makeBook(): Promise<Trader> {
    const bot = await makeTrader(db)
    await makeSymbol(db, bot.exchange, 'TOKEN')
    const trips = [
      { exit: '12', openedAt: '09:00', closedAt: '10:00', fee: '1', entryTag: 'dip', exitReason: 'target' },
      { exit: '9', openedAt: '09:00', closedAt: '11:00', symbol: 'TOKEN', exitReason: 'stop' },
      ...[
        {
          exit: '11',
          openedAt: '08:00',
          closedAt: '12:00',
          symbol: 'THIRD',
          direction: 'short',
          fee: '2',
        } as const,
      ].map((trip) => ({ ...trip, isLiquidation: true, entryTag: 'dip' })),
      { exit: '10', openedAt: '12:30', closedAt: '13:00', exitReason: 'target' },
      {
        exit: '9',
        openedAt: '22:00',
        closedAt: '23:30',
        direction: 'short',
        fee: '-0.5',
        entryTag: 'breakout',
      } as const,
    ]
    await makeSymbol(db, bot.exchange, 'THIRD')
    for (const trip of trips) {
      const [openedAt, closedAt] = [`${DAY}T${trip.openedAt}:00Z`, `${DAY}T${trip.closedAt}:00Z`]
      await recordRoundTrip(db, bot, { ...trip, openedAt, closedAt })
    }
    return bot
  }

  it('is made of the trades, as worked out on paper', async () => {
    const { botId } = await makeBook()
    const performance = await getPerformance(db, { botId })
    expect(asText(performance)).toMatchObject({
      ...{ baseCurrency: 'USD', from: null, to: null, groups: [] },
      ...{ tradeCount: 5, winCount: 2, lossCount: 2, drawCount: 1, unvaluedTradeCount: 0, smallSample: true },
      ...{ longCount: 3, shortCount: 2, liquidationCount: 1, winRate: 0.4, winRateExDraws: 0.5 },
      // 19 + 10.5; −10 − 12; 20 − 10 − 10 + 0 + 10; 1 + 2 − 0.5.
      ...{ grossProfit: '29.5', grossLoss: '-22', netPnl: '7.5', gross: '10', fees: '2.5', funding: '0' },
      // 29.5 / 22; 7.5 / 5; 14.75 / 11.
      ...{
        profitFactor: 29.5 / 22,
        expectancy: '1.5',
        averageWin: '14.75',
        averageLoss: '-11',
        payoff: 14.75 / 11,
      },
      ...{ best: '19', worst: '-12', longestWinStreak: 1, longestLossStreak: 2, currentStreak: 1 },
      // 1 h, 2 h, 4 h, 30 min, 90 min: 9 h in five.
      ...{ averageHoldingMs: 6_480_000, medianHoldingMs: 5_400_000 },
      ...{ shortestHoldingMs: 1_800_000, longestHoldingMs: 14_400_000 },
    })
    // Squares 361 + 100 + 144 + 0 + 110.25 = 715.25; variance (715.25 − 7.5² / 5) / 4 = 176; SQN = √5 · 1.5 / √176.
    expect(performance.sqn).toBeCloseTo((Math.sqrt(5) * 1.5) / Math.sqrt(176), 14)
  })

  it.each([
    ['symbol', { COIN: ['29.5', 3], TOKEN: ['-10', 1], THIRD: ['-12', 1] }],
    ['direction', { long: ['9', 3], short: ['-1.5', 2] }],
    ['strategy', { grid: ['7.5', 5] }],
    // The ledger says of a liquidation that it was one.
    ['exit_reason', { target: ['19', 2], null: ['10.5', 1], stop: ['-10', 1], liquidation: ['-12', 1] }],
    ['entry_tag', { breakout: ['10.5', 1], dip: ['7', 2], null: ['-10', 2] }],
    ['weekday', { 1: ['7.5', 5] }],
    // In the order of the clock.
    ['hour', { 10: ['19', 1], 11: ['-10', 1], 12: ['-12', 1], 13: ['0', 1], 23: ['10.5', 1] }],
  ] as const)('by %s is the best first', async (by, expected) => {
    const { botId } = await makeBook()
    const { groups, ...whole } = await getPerformance(db, { botId, by })
    const found = groups.map(({ group, netPnl, tradeCount }) => [
      String(group),
      [netPnl.toFixed(), tradeCount],
    ])
    expect(found).toEqual(Object.entries(expected))
    expect(groups.some(({ group }) => group === 'null')).toBe(false)
    expect({ ...whole, groups: [] }).toEqual(await getPerformance(db, { botId }))
  })

  it('by what nobody said comes last of those that are as good', async () => {
    const bot = await makeTrader(db)
    for (const [i, entryTag] of [undefined, 'b', 'a'].entries()) {
      const [openedAt, closedAt] = [`${DAY}T1${i}:00:00Z`, `${DAY}T1${i}:30:00Z`]
      await recordRoundTrip(db, bot, { exit: '11', openedAt, closedAt, ...(entryTag && { entryTag }) })
    }
    const { groups } = await getPerformance(db, { botId: bot.botId, by: 'entry_tag' })
    expect(groups.map(({ group }) => group)).toEqual(['a', 'b', null])
  })

  it('of a group has its own streaks and times', async () => {
    const { botId } = await makeBook()
    const { groups } = await getPerformance(db, { botId, by: 'symbol' })
    // Win, draw, win of COIN; the losses between them are of others.
    expect(groups[0]).toMatchObject({ longestWinStreak: 1, longestLossStreak: 0, currentStreak: 1 })
    // 1 h, 30 min, 90 min.
    expect(groups[0]).toMatchObject({
      medianHoldingMs: 3_600_000,
      longestHoldingMs: 5_400_000,
      profitFactor: null,
    })
    expect(groups[1]).toMatchObject({
      currentStreak: -1,
      averageHoldingMs: 7_200_000,
      winRate: 0,
      payoff: null,
    })
  })

  it('by weekday and hour goes by the clock of the bot', async () => {
    // 23:30 on Monday in UTC is 00:30 on Tuesday in Berlin.
    const bot = await makeTrader(db, { timeZone: 'Europe/Berlin' })
    const trip = { exit: '11', openedAt: `${DAY}T20:00:00Z` }
    await recordRoundTrip(db, bot, { ...trip, closedAt: `${DAY}T23:30:00Z` })
    await recordRoundTrip(db, bot, {
      exit: '12',
      openedAt: '2024-03-05T07:00:00Z',
      closedAt: '2024-03-05T08:15:00Z',
    })
    // A second sooner would be Monday.
    await recordRoundTrip(db, bot, {
      exit: '13',
      openedAt: '2024-03-10T07:00:00Z',
      closedAt: '2024-03-10T22:59:59.999Z',
    })
    const of = async (by: 'weekday' | 'hour') =>
      (await getPerformance(db, { botId: bot.botId, by })).groups.map(({ group, netPnl }) => [
        group,
        netPnl.toFixed(),
      ])
    expect(await of('weekday')).toEqual([
      ['2', '30'],
      ['7', '30'],
    ])
    expect(await of('hour')).toEqual([
      ['0', '10'],
      ['9', '20'],
      ['23', '30'],
    ])
  })

  it('of a period has the trades that were closed in it, its beginning included and its end not', async () => {
    const { botId } = await makeBook()
    const from = new Date(`${DAY}T11:00:00Z`)
    const to = new Date(`${DAY}T13:00:00Z`)
    const { netPnl, tradeCount, ...rest } = await getPerformance(db, { botId, from, to })
    expect([netPnl.toFixed(), tradeCount]).toEqual(['-22', 2])
    expect(rest).toMatchObject({ from, to, currentStreak: -2, longestWinStreak: 0 })
    expect((await getPerformance(db, { botId, from })).tradeCount).toBe(4)
    expect((await getPerformance(db, { botId, to })).tradeCount).toBe(3)
  })

  it('of no trades has no ratio and no money', async () => {
    const { botId } = await makeTrader(db)
    await recordRoundTrip(
      db,
      { botId, exchange: `performance-${botId.split('-')[1]}` },
      {
        ...{ exit: '11', openedAt: `${DAY}T09:00:00Z`, closedAt: `${DAY}T10:00:00Z` },
      },
    )
    const performance = await getPerformance(db, { botId, to: new Date(`${DAY}T10:00:00Z`), by: 'symbol' })
    const nothing = {
      winRate: null,
      winRateExDraws: null,
      profitFactor: null,
      expectancy: null,
      payoff: null,
    }
    expect(asText(performance)).toMatchObject({
      ...{
        tradeCount: 0,
        winCount: 0,
        drawCount: 0,
        longCount: 0,
        shortCount: 0,
        netPnl: '0',
        gross: '0',
        fees: '0',
      },
      ...{ ...nothing, averageWin: null, averageLoss: null, sqn: null, best: null, worst: null },
      ...{ currentStreak: 0, longestWinStreak: 0, longestLossStreak: 0, averageHoldingMs: null },
      ...{
        medianHoldingMs: null,
        shortestHoldingMs: null,
        longestHoldingMs: null,
        smallSample: true,
        groups: [],
      },
      returns: {
        returnCount: 0,
        firstDay: null,
        totalReturn: null,
        sharpe: null,
        externalFlows: null,
        unknownDays: 0,
      },
    })
  })

  it('of a fleet is that of all its bots in order of closing, also by bot', async () => {
    const fleet = { baseCurrency: 'USDX', mode: 'paper' } as const
    const bots = [await makeTrader(db, fleet), await makeTrader(db, { ...fleet, strategy: 'momentum' })]
    await makeTrader(db, { ...fleet, mode: 'backtest' })
    const [a, b] = bots as [Trader, Trader]
    for (const { exchange } of bots) {
      await makeSymbol(db, exchange, 'X', { quoteCurrency: 'USDX' })
    }
    const trip = { symbol: 'X', openedAt: `${DAY}T08:00:00Z` }
    await recordRoundTrip(db, a, { ...trip, exit: '11', closedAt: `${DAY}T09:00:00Z` })
    await recordRoundTrip(db, b, { ...trip, exit: '12', closedAt: `${DAY}T10:00:00Z` })
    await recordRoundTrip(db, a, {
      ...trip,
      exit: '13',
      openedAt: `${DAY}T09:30:00Z`,
      closedAt: `${DAY}T11:00:00Z`,
    })
    await recordRoundTrip(db, b, {
      ...trip,
      exit: '9',
      openedAt: `${DAY}T10:30:00Z`,
      closedAt: `${DAY}T12:00:00Z`,
    })
    const performance = await getPerformance(db, { fleet, by: 'bot' })
    expect(performance).toMatchObject({
      baseCurrency: 'USDX',
      tradeCount: 4,
      longestWinStreak: 3,
      currentStreak: -1,
    })
    expect(performance.groups.map(({ group, netPnl }) => [group, netPnl.toFixed()])).toEqual([
      [a.botId, '40'],
      [b.botId, '10'],
    ])
    const { groups } = await getPerformance(db, { fleet, by: 'strategy' })
    expect(groups.map(({ group }) => group)).toEqual(['grid', 'momentum'])
  })

  it('refuses whom it does not know and what it cannot read, naming it', async () => {
    const { botId } = await makeTrader(db, { baseCurrency: 'EURX', mode: 'backtest' })
    await makeTrader(db, { baseCurrency: 'USDY', mode: 'backtest' })
    const wrong: [GetPerformanceInput, string, string][] = [
      [{ botId: 'nobody' }, 'not_found', "bot 'nobody'"],
      [{ fleet: { baseCurrency: 'USTD' } }, 'not_found', "'USTD'"],
      [{ fleet: { mode: 'backtest' } }, 'invalid_input', 'EURX'],
      [{ botId: 'a bot' }, 'invalid_input', "'a bot'"],
      [{ botId, by: 'colour' as 'bot' }, 'invalid_input', "'colour'"],
      [{ botId, from: new Date(Number.NaN) }, 'invalid_input', 'from'],
      [{ botId, from: new Date(1), to: new Date(1) }, 'invalid_input', 'to'],
      [{ botId, now: '2024' as unknown as Date }, 'invalid_input', 'now'],
      [{ botId, periodsPerYear: 0 }, 'invalid_input', 'periodsPerYear'],
      [{ botId, riskFreeRate: Number.NaN }, 'invalid_input', 'riskFreeRate'],
      [{ botId, minimumAcceptableReturn: Infinity }, 'invalid_input', 'minimumAcceptableReturn'],
    ]
    for (const [input, code, said] of wrong) {
      await expect(getPerformance(db, input), said).rejects.toMatchObject({
        code,
        message: expect.stringContaining(said),
      })
    }
  })
})
