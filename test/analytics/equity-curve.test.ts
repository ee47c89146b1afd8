import { beforeAll, describe, expect, it, test } from 'vitest'
import { calculateDailyPnl } from '../../src/analytics/daily-pnl.ts'
import { type EquityCurveInput, getDrawdowns, getEquityCurve } from '../../src/analytics/equity-curve.ts'
import { getPerformance } from '../../src/analytics/performance.ts'
import { chainDays, type StoredDay } from '../../src/analytics/performance-days.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { flowAdjustedReturns } from '../../src/statistics/equity-returns.ts'
import { recordCashFlow } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { asText, type GivenDay, makeTrader, recordRoundTrip, storeDay } from './performance-fixture.ts'

/**
 *   day   start  flows at start  at end    end    gain / capital      growth
 *   1st    1000               0       0    900    −100 / 1000 = −0.1  0.9
 *   2nd     900             100       0   1100     100 / 1000 =  0.1  0.99
 *   3rd    1100               0    −110   1100     110 / 1100 =  0.1  1.089
 *   4th    1100               0      50      ?       not known        1.089
 *   5th       ?             100       0   1010    −240 / 1200 = −0.2  0.8712  from the end of the 3rd: 1100 + 100 at the start, 50 at the end
 *   6th    1010               0       0   1111     101 / 1010 =  0.1  0.95832
 */
const ACCOUNT: readonly GivenDay[] = [
  { day: '2024-02-26', start: '1000', end: '900', total: '-100' },
  { day: '2024-02-27', start: '900', end: '1100', flows: '100', total: '100', net: '70' },
  { day: '2024-02-28', start: '1100', end: '1100', flows: '-110', flowsAtStart: '0', total: '110' },
  { day: '2024-02-29', start: '1100', end: null, flows: '50', flowsAtStart: '0', total: null, net: '-10' },
  { day: '2024-03-01', start: null, end: '1010', flows: '100', total: null },
  { day: '2024-03-02', start: '1010', end: '1111', total: '101' },
]

describeDatabases('the equity curve', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  async function makeAccount(days = ACCOUNT): Promise<string> {
    const { botId } = await makeTrader(db)
    for (const day of days) await storeDay(db, botId, day)
    return botId
  }

  it('grows by returns without flows, and over a gap as a whole', async () => {
    const points = await getEquityCurve(db, { botId: await makeAccount() })
    expect(points.map(({ day }) => day)).toEqual(ACCOUNT.map(({ day }) => day))
    const returns = [-0.1, 0.1, 0.1, null, -0.2, 0.1]
    expect(points.map(({ returnFraction }) => returnFraction)).toEqual(returns)
    const growth = [0.9, 0.99, 1.089, 1.089, 0.8712, 0.95832]
    for (const [i, point] of points.entries()) expect(point.growth).toBeCloseTo(growth[i] ?? 0, 14)
    const [first, second, , unknown] = points
    expect(asText(second)).toMatchObject({
      ...{ equity: '1100', externalFlows: '100', flowsAtStart: '100', netPnl: '70', totalPnl: '100' },
      // A hundredth below the start, though as much was gained as lost.
      drawdownAmount: '0',
    })
    expect(second?.drawdownFraction).toBeCloseTo(0.01, 14)
    expect(asText(first)).toMatchObject({ drawdownFraction: 0.09999999999999998, drawdownAmount: '100' })
    expect(asText(unknown)).toMatchObject({
      equity: null,
      totalPnl: null,
      netPnl: '-10',
      drawdownAmount: '0',
    })
    expect(points.map(({ drawdownAmount }) => drawdownAmount?.toFixed())).toEqual([
      ...['100', '0', '0', '0'],
      ...['240', '139'],
    ])
  })

  it('from the first day on says what is stored of each day', async () => {
    const bot = await makeTrader(db)
    // Coins bought at 10 and sold higher and lower, with money paid in and out before and after; the last are still held, at their own price.
    const exits = ['11', '9', '12.5', '10', '8.75', '10.3', '10.6', '7', '13']
    for (const [i, exit] of exits.entries()) {
      const at = (hour: string) => `2024-01-${String(i * 2 + 10)}T${hour}:00:00Z`
      await recordRoundTrip(db, bot, { exit, fee: '0.37', openedAt: at('08'), closedAt: at('16') })
      const flow = {
        botId: bot.botId,
        exchange: bot.exchange,
        kind: i % 3 === 0 ? 'withdrawal' : 'deposit',
        currency: 'USD',
      } as const
      if (i % 4 === 3) continue
      const amount = flow.kind === 'withdrawal' ? '-33.3' : '71'
      await recordCashFlow(db, { ...flow, amount, occurredAt: new Date(at(i % 2 === 0 ? '04' : '20')) })
    }
    const stored = await calculateDailyPnl(db, {
      botId: bot.botId,
      from: '2024-01-01',
      now: new Date('2024-01-29T00:00:00Z'),
    })
    const points = await getEquityCurve(db, { botId: bot.botId })
    expect(points.length).toBeGreaterThan(15)
    expect(points.map(({ day }) => day)).toEqual(stored.map(({ day }) => day))
    for (const [i, point] of points.entries()) {
      const day = stored[i]
      const { equity, netPnl, totalPnl, externalFlows, drawdownAmount, returnFraction } = point
      expect([equity, netPnl, totalPnl, externalFlows, drawdownAmount].map(String)).toEqual(
        [day?.equityEnd, day?.netPnl, day?.totalPnl, day?.externalFlows, day?.drawdownAmount].map(String),
      )
      expect(returnFraction).toBe(day?.returnFraction)
      expect(point.growth).toBeCloseTo(day?.growth ?? 0, 13)
      expect(point.drawdownFraction).toBeCloseTo(day?.drawdownFraction ?? 0, 13)
    }
    const last = stored.at(-1)
    const { returns } = await getPerformance(db, { botId: bot.botId })
    expect(returns.returnCount).toBe(last?.returnCount)
    for (const name of ['sharpe', 'sortino', 'calmar', 'maxDrawdownFraction'] as const) {
      expect(returns[name], name).toBeCloseTo(last?.[name] ?? Number.NaN, 9)
    }
    expect(returns.sharpe).not.toBeNull()
  })

  it('begins anew in another range', async () => {
    const botId = await makeAccount()
    const from = await getEquityCurve(db, { botId, from: '2024-03-01' })
    // What came of the days before is not of this range.
    expect(from.map(({ returnFraction }) => returnFraction)).toEqual([null, 0.1])
    expect(from.map(({ growth }) => growth)).toEqual([1, 1.1])
    const between = await getEquityCurve(db, { botId, from: '2024-02-27', to: '2024-02-28' })
    expect(between.map(({ day }) => day)).toEqual(['2024-02-27', '2024-02-28'])
    expect(between.at(-1)?.growth).toBeCloseTo(1.21, 14)
    // From the start of the 4th, which is known, to the end of the 5th.
    const gap = await getEquityCurve(db, { botId, from: '2024-02-29', to: '2024-03-01' })
    expect(gap.map(({ returnFraction }) => returnFraction)).toEqual([null, -0.2])
  })

  it('has its falls from a peak, deepest first', async () => {
    const botId = await makeAccount()
    const falls = await getDrawdowns(db, { botId })
    expect(asText(falls)).toEqual([
      {
        ...{ peakOn: '2024-02-28', troughOn: '2024-03-01', recoveredOn: null, amount: '240' },
        ...{ fraction: expect.closeTo(0.2, 14), lengthDays: 3, recoveryDays: null },
      },
      {
        // The start is the first peak: the end of the day before.
        ...{ peakOn: '2024-02-25', troughOn: '2024-02-26', recoveredOn: '2024-02-28', amount: '100' },
        ...{ fraction: expect.closeTo(0.1, 14), lengthDays: 3, recoveryDays: 2 },
      },
    ])
    expect(await getDrawdowns(db, { botId, limit: 1 })).toEqual(falls.slice(0, 1))
    expect(await getDrawdowns(db, { botId, from: '2024-02-27', to: '2024-02-28' })).toEqual([])
  })

  it('makes the returns of performance', async () => {
    const botId = await makeAccount()
    const { returns } = await getPerformance(db, {
      botId,
      riskFreeRate: 0.365,
      minimumAcceptableReturn: 0.365,
    })
    expect(asText(returns)).toMatchObject({
      ...{ returnCount: 5, smallSample: true, firstDay: '2024-02-26', lastDay: '2024-03-02', unknownDays: 1 },
      // 100 − 110 + 50 + 100.
      ...{ startEquity: '1000', endEquity: '1111', externalFlows: '140', maxDrawdownAmount: '240' },
    })
    // Returns −0.1, 0.1, 0.1, −0.2, 0.1 have mean 0; squares 0.08. A rate of 0.365 a year is 0.001 a day.
    const near = (value: number | null, wanted: number) => expect(value).toBeCloseTo(wanted, 10)
    near(returns.totalReturn, -0.04168)
    near(returns.volatility, Math.sqrt(0.02 * 365))
    near(returns.sharpe, (-0.001 / Math.sqrt(0.02)) * Math.sqrt(365))
    near(returns.sortino, (-0.001 / Math.sqrt((0.101 ** 2 + 0.201 ** 2) / 5)) * Math.sqrt(365))
    near(returns.cagr, 0.95832 ** (365 / 6) - 1)
    near(returns.calmar, (0.95832 ** (365 / 6) - 1) / 0.2)
    near(returns.maxDrawdownFraction, 0.2)
    const weekly = await getPerformance(db, { botId, periodsPerYear: 52 })
    expect(weekly.returns.volatility).toBeCloseTo(Math.sqrt(0.02 * 52), 10)
  })

  it('gives performance the days that lie wholly in its period', async () => {
    const botId = await makeAccount()
    const daysOf = async (from: string, to: string) => {
      const { returns } = await getPerformance(db, { botId, from: new Date(from), to: new Date(to) })
      return [returns.firstDay, returns.lastDay, returns.returnCount]
    }
    expect(await daysOf('2024-02-27T00:00:00Z', '2024-02-29T00:00:00Z')).toEqual([
      '2024-02-27',
      '2024-02-28',
      2,
    ])
    expect(await daysOf('2024-02-27T00:00:00.001Z', '2024-02-28T23:59:59.999Z')).toEqual([null, null, 0])
  })

  it('leaves out what is not stored, and counts it as not known', async () => {
    const botId = await makeAccount([
      { day: '2024-01-01', start: '100', end: '110', total: '10' },
      // Nobody knows the flows of the 2nd; the 3rd begins with what it says.
      { day: '2024-01-03', start: '200', end: '220', total: '20' },
      { day: '2024-01-05', start: null, end: '300' },
    ])
    const points = await getEquityCurve(db, { botId })
    expect(points.map(({ returnFraction }) => returnFraction)).toEqual([0.1, 0.1, null])
    expect(points.at(-1)?.growth).toBeCloseTo(1.21, 14)
    const { returns } = await getPerformance(db, { botId })
    expect(returns).toMatchObject({ unknownDays: 2, returnCount: 2, maxDrawdownFraction: 0, calmar: null })
    expect(String(returns.maxDrawdownAmount)).toBe('0')
  })

  it('of nothing stored is empty', async () => {
    const { botId } = await makeTrader(db)
    expect(await getEquityCurve(db, { botId })).toEqual([])
    expect(await getDrawdowns(db, { botId })).toEqual([])
  })

  it('refuses whom it does not know and what it cannot read, naming it', async () => {
    const { botId } = await makeTrader(db)
    const wrong: [EquityCurveInput & { limit?: number }, string, string][] = [
      [{ botId: 'nobody' }, 'not_found', "bot 'nobody'"],
      [{ fleet: { baseCurrency: 'NONE' } }, 'not_found', "'NONE'"],
      [{ botId, from: '2024-02-30' }, 'invalid_input', "from '2024-02-30'"],
      [{ botId, from: '2024-02-03', to: '2024-02-02' }, 'invalid_input', 'to 2024-02-02'],
    ]
    for (const [input, code, said] of wrong) {
      const refusal = { code, message: expect.stringContaining(said) }
      await expect(getEquityCurve(db, input), said).rejects.toMatchObject(refusal)
      await expect(getDrawdowns(db, input), said).rejects.toMatchObject(refusal)
    }
    await expect(getDrawdowns(db, { botId, limit: 0 })).rejects.toMatchObject({ field: 'limit' })
  })

  it('of a fleet has what bots begin with as a flow', async () => {
    const fleet = { baseCurrency: 'CURVE' }
    const bots = [await makeTrader(db, fleet), await makeTrader(db, fleet)]
    const paper = await makeTrader(db, { ...fleet, mode: 'paper' })
    const days: readonly (readonly [number, GivenDay])[] = [
      [0, { day: '2024-01-01', start: '1000', end: '1100', total: '100' }],
      [0, { day: '2024-01-02', start: '1100', end: '1100' }],
      [1, { day: '2024-01-02', start: '500', end: '600', total: '100' }],
      [0, { day: '2024-01-03', start: '1100', end: '1320', total: '220' }],
      [1, { day: '2024-01-03', start: '600', end: '540', total: '-60' }],
    ]
    for (const [bot, day] of days) await storeDay(db, bots[bot]?.botId ?? '', day, fleet)
    await storeDay(db, paper.botId, { day: '2024-01-01', start: '9', end: '1', total: '-8' }, fleet)
    const points = await getEquityCurve(db, { fleet })
    expect(points.map(({ equity, externalFlows }) => [equity, externalFlows].map(String))).toEqual([
      ['1100', '1000'],
      ['1700', '500'],
      ['1860', '0'],
    ])
    // 100 / 1000; 100 / (1100 + 500); 160 / 1700.
    expect(points.map(({ returnFraction }) => returnFraction)).toEqual([0.1, 0.0625, 160 / 1700])
    const { returns } = await getPerformance(db, { fleet })
    expect(asText(returns)).toMatchObject({
      startEquity: '0',
      endEquity: '1860',
      externalFlows: '1500',
      returnCount: 3,
    })
  })
})

describe('days in a row', () => {
  const amount = (value: number | null) => (value === null ? null : new Decimal(value))
  const dayOf = (i: number) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10)

  test('have the returns of the statistics, with gaps and without', () => {
    // Every third equity is not known, and flows come at both ends.
    const ends = Array.from({ length: 40 }, (_, i) => (i % 3 === 2 ? null : 1000 + ((i * 7919) % 311)))
    const flows = ends.map((_, i) => ({ flowsAtStart: (i % 5) - 2, flowsAtEnd: (i % 4) - 1 }))
    const stored: StoredDay[] = ends.map((end, i) => ({
      ...{ day: dayOf(i), equity: amount(end), equityStart: amount(i === 0 ? 900 : (ends[i - 1] ?? null)) },
      externalFlows: amount((flows[i]?.flowsAtStart ?? 0) + (flows[i]?.flowsAtEnd ?? 0)),
      ...{ flowsAtStart: amount(flows[i]?.flowsAtStart ?? 0), netPnl: null, totalPnl: null },
    }))
    const start = { at: new Date(Date.UTC(2023, 11, 31)), equity: 900 }
    const wanted = flowAdjustedReturns([
      start,
      ...ends.map((equity, i) => ({ at: new Date(`${dayOf(i)}T00:00:00Z`), equity, ...flows[i] })),
    ])
    const days = chainDays(stored)
    expect(days).toHaveLength(40)
    for (const [i, day] of days.entries()) {
      expect(day.returnFraction === null).toBe(wanted[i]?.returnFraction === null)
      expect(day.returnFraction ?? 0).toBeCloseTo(wanted[i]?.returnFraction ?? 0, 13)
      expect(day.growth).toBeCloseTo(wanted[i]?.growth ?? 0, 12)
      expect(day.profit.toNumber()).toBeCloseTo(wanted[i]?.profit ?? 0, 8)
    }
  })

  const day = (i: number, given: Partial<Record<'start' | 'end' | 'flows', number | null>>): StoredDay => ({
    ...{ day: dayOf(i), equityStart: amount(given.start ?? null), equity: amount(given.end ?? null) },
    ...{ externalFlows: amount(given.flows === undefined ? 0 : given.flows), flowsAtStart: amount(0) },
    ...{ netPnl: null, totalPnl: null },
  })
  const returnsOf = (days: StoredDay[]) => chainDays(days).map(({ returnFraction }) => returnFraction)

  test('have no return where flows are not known, and go on after that', () => {
    const days = [
      day(0, { start: 100, end: 110 }),
      day(1, { start: 110, end: 130, flows: null }),
      day(2, { start: 130, end: 143 }),
    ]
    expect(returnsOf(days)).toEqual([0.1, null, 0.1])
    // A gap with unknown flows in it is never told apart.
    const gap = [day(0, { start: 100, flows: null }), day(1, { end: 110 }), day(2, { start: 110, end: 121 })]
    expect(returnsOf(gap)).toEqual([null, null, 0.1])
  })

  test('have no return from nothing, and no growth once all is lost', () => {
    const days = [
      day(0, { start: 100, end: -20 }),
      day(1, { start: -20, end: 50, flows: 60 }),
      day(2, { start: 50, end: 100 }),
    ]
    const chained = chainDays(days)
    expect(chained.map(({ returnFraction }) => returnFraction)).toEqual([-1.2, null, 1])
    expect(chained.map(({ growth }) => growth)).toEqual([0, 0, 0])
    // 120 lost, 10 gained, 50 gained.
    expect(chained.map(({ profit }) => profit.toFixed())).toEqual(['-120', '-110', '-60'])
    expect(chained.map(({ drawdownFraction }) => drawdownFraction)).toEqual([1, 1, 1])
    expect(chained.map(({ drawdownAmount }) => drawdownAmount?.toFixed())).toEqual(['120', '110', '60'])
  })
})
