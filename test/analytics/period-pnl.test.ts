import { beforeAll, expect, it } from 'vitest'
import { type ListPeriodPnlInput, listPeriodPnl } from '../../src/analytics/period-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { describeDatabases } from '../database.ts'
import { asText, makeTrader, storeDay } from './performance-fixture.ts'

const d = (text: string) => new Decimal(text)

describeDatabases('daily PnL by week and month', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  /** The last Sunday of 2023, then a Monday, the Sunday after it and the next Monday; and a month later a day of which little is known. */
  async function makeDays(): Promise<string> {
    const { botId } = await makeTrader(db)
    await storeDay(db, botId, {
      day: '2023-12-31',
      start: '1000',
      end: '1100',
      total: '100',
      returnFraction: 0.1,
    })
    await storeDay(
      db,
      botId,
      { day: '2024-01-01', start: '1100', end: '1210', total: '110', net: '90', returnFraction: 0.1 },
      {
        ...{
          realisedGross: d('95'),
          fees: d('5'),
          unrealisedChange: d('20'),
          volume: d('2000'),
          fillCount: 6,
        },
        ...{ tradeCount: 3, winCount: 2, lossCount: 1, longCount: 2, shortCount: 1, grossProfit: d('120') },
        ...{ grossLoss: d('-30'), bestTrade: d('80'), worstTrade: d('-30'), averageHoldingMs: 1000 },
        ...{ shortestHoldingMs: 500, longestHoldingMs: 2000, breakerCount: 1 },
      },
    )
    await storeDay(
      db,
      botId,
      {
        day: '2024-01-07',
        start: '1210',
        end: '1139',
        flows: '50',
        total: '-121',
        net: '-120',
        returnFraction: -0.1,
      },
      {
        ...{
          realisedGross: d('-118'),
          fees: d('2'),
          funding: d('-1'),
          interest: d('3'),
          adjustments: d('-2'),
        },
        ...{
          revaluation: d('-1'),
          volume: d('500'),
          fillCount: 2,
          tradeCount: 3,
          lossCount: 1,
          drawCount: 1,
        },
        ...{
          unvaluedTradeCount: 1,
          longCount: 3,
          liquidationCount: 1,
          grossLoss: d('-10'),
          bestTrade: d('0'),
        },
        ...{ worstTrade: d('-10'), averageHoldingMs: 3000, shortestHoldingMs: 1000, longestHoldingMs: 9000 },
        ...{ killSwitchCount: 2 },
      },
    )
    await storeDay(db, botId, { day: '2024-01-08', start: '1139', end: '1139' }, { isComplete: false })
    await storeDay(db, botId, {
      day: '2024-02-29',
      start: '1139',
      end: null,
      total: null,
      flows: null,
      net: '7',
    })
    return botId
  }

  it('adds up the days of a week, with ratios of the sums', async () => {
    const botId = await makeDays()
    const weeks = await listPeriodPnl(db, { botId, period: 'week' })
    expect(weeks.map(({ startsOn, endsOn, dayCount }) => [startsOn, endsOn, dayCount])).toEqual([
      ['2024-02-26', '2024-03-03', 1],
      ['2024-01-08', '2024-01-14', 1],
      ['2024-01-01', '2024-01-07', 2],
      ['2023-12-25', '2023-12-31', 1],
    ])
    expect(asText(weeks[2])).toEqual({
      ...{ botId, period: 'week', startsOn: '2024-01-01', endsOn: '2024-01-07', baseCurrency: 'USD' },
      ...{ dayCount: 2, firstDay: '2024-01-01', lastDay: '2024-01-07', completeDayCount: 2 },
      ...{ realisedGross: '-23', fees: '7', funding: '-1', interest: '3', adjustments: '-2', netPnl: '-30' },
      ...{ unrealisedChange: '20', revaluation: '-1', totalPnl: '-11', externalFlows: '50', volume: '2500' },
      ...{ equityStart: '1100', equityEnd: '1139', fillCount: 8, tradeCount: 6, winCount: 2, lossCount: 2 },
      ...{ drawCount: 1, unvaluedTradeCount: 1, longCount: 5, shortCount: 1, liquidationCount: 1 },
      // 2 of 5 of known net; 120 / 40; 120 / 2; −40 / 2.
      ...{
        winRate: 0.4,
        grossProfit: '120',
        grossLoss: '-40',
        profitFactor: 3,
        averageWin: '60',
        averageLoss: '-20',
      },
      // (3 · 1000 + 3 · 3000) / 6.
      ...{ bestTrade: '80', worstTrade: '-30', averageHoldingMs: 2000, shortestHoldingMs: 500 },
      ...{ longestHoldingMs: 9000, breakerCount: 1, killSwitchCount: 2 },
      // 1.1 · 0.9 − 1.
      ...{ returnFraction: expect.closeTo(-0.01, 14), returnCount: 2 },
      ...{ bestDay: '2024-01-01', bestDayPnl: '110', worstDay: '2024-01-07', worstDayPnl: '-121' },
    })
  })

  it('adds up the days of a month, to its last', async () => {
    const botId = await makeDays()
    const months = await listPeriodPnl(db, { botId, period: 'month' })
    expect(
      months.map(({ startsOn, endsOn, dayCount, completeDayCount }) => [
        startsOn,
        endsOn,
        dayCount,
        completeDayCount,
      ]),
    ).toEqual([
      ['2024-02-01', '2024-02-29', 1, 1],
      ['2024-01-01', '2024-01-31', 3, 2],
      ['2023-12-01', '2023-12-31', 1, 1],
    ])
    expect(asText(months[1])).toMatchObject({
      totalPnl: '-11',
      equityStart: '1100',
      equityEnd: '1139',
      bestDay: '2024-01-01',
    })
  })

  it('has no sum and no return where a part is not known, and no ratio of no trades', async () => {
    const botId = await makeDays()
    const [february] = await listPeriodPnl(db, { botId, period: 'month' })
    expect(asText(february)).toMatchObject({
      ...{ totalPnl: null, externalFlows: null, netPnl: '7', equityStart: '1139', equityEnd: null },
      ...{
        returnFraction: null,
        returnCount: 0,
        bestDay: null,
        bestDayPnl: null,
        worstDay: null,
        worstDayPnl: null,
      },
      ...{
        tradeCount: 0,
        winRate: null,
        profitFactor: null,
        averageWin: null,
        averageLoss: null,
        bestTrade: null,
      },
      ...{ averageHoldingMs: null, shortestHoldingMs: null, grossProfit: '0', grossLoss: '0' },
    })
    // One day without makes the sum of the month unknown, whatever is known of the others.
    await storeDay(db, botId, { day: '2024-02-01', start: '1', end: '6', total: '5', returnFraction: 0.5 })
    const [both] = await listPeriodPnl(db, { botId, period: 'month' })
    expect(asText(both)).toMatchObject({
      totalPnl: null,
      netPnl: '12',
      returnFraction: 0.5,
      bestDay: '2024-02-01',
    })
  })

  it('has lost all where a day left debts', async () => {
    const { botId } = await makeTrader(db)
    await storeDay(db, botId, {
      day: '2024-01-01',
      start: '10',
      end: '-2',
      total: '-12',
      returnFraction: -1.2,
    })
    await storeDay(db, botId, { day: '2024-01-02', start: '5', end: '10', total: '5', returnFraction: 1 })
    expect(await listPeriodPnl(db, { botId, period: 'month' })).toMatchObject([{ returnFraction: -1 }])
  })

  it('comes in pages, and of a range has its days alone', async () => {
    const botId = await makeDays()
    const weeks = await listPeriodPnl(db, { botId, period: 'week' })
    const first = await listPeriodPnl(db, { botId, period: 'week', limit: 2 })
    expect(first).toEqual(weeks.slice(0, 2))
    expect(await listPeriodPnl(db, { botId, period: 'week', limit: 2, after: first[1] })).toEqual(
      weeks.slice(2),
    )
    expect(await listPeriodPnl(db, { botId, period: 'week', after: weeks.at(-1) })).toEqual([])
    const cut = await listPeriodPnl(db, { botId, period: 'month', from: '2024-01-02', to: '2024-01-07' })
    expect(asText(cut)).toMatchObject([
      {
        startsOn: '2024-01-01',
        dayCount: 1,
        firstDay: '2024-01-07',
        totalPnl: '-121',
        averageLoss: '-10',
        averageWin: null,
      },
    ])
    expect(await listPeriodPnl(db, { botId: 'nobody', period: 'week' })).toEqual([])
  })

  it('refuses what it cannot read, naming it', async () => {
    const right = { botId: 'bot', period: 'week' } as const
    const wrong: [ListPeriodPnlInput, string][] = [
      [{ ...right, botId: 'a bot' }, 'botId'],
      [{ ...right, period: 'quarter' as 'month' }, 'period'],
      [{ ...right, from: '2024-13-01' }, 'from'],
      [{ ...right, from: '2024-01-02', to: '2024-01-01' }, 'to'],
      [{ ...right, after: { startsOn: 'Monday' } }, 'after.startsOn'],
      [{ ...right, limit: 1001 }, 'limit'],
    ]
    for (const [input, field] of wrong) {
      await expect(listPeriodPnl(db, input), field).rejects.toMatchObject({ code: 'invalid_input', field })
    }
  })
})
