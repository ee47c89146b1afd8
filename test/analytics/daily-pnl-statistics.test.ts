import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { calculateDailyPnl, type DailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import {
  cagr,
  calmar,
  flowAdjustedReturns,
  measureDrawdown,
  type PeriodEquity,
  sharpe,
  sortino,
  tradeStatistics,
} from '../../src/statistics/index.ts'
import { listTrades, recordCashFlows, recordFills } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'

const DAY_MS = 86_400_000
const START = Date.UTC(2024, 0, 1)
const EXCHANGE = 'alike'

/** What happens on one day: an amount gained or lost in cents, a deposit, and a round trip at two prices in cents. */
interface PlannedDay {
  readonly gain: number
  readonly deposit: number
  readonly trip: readonly [number, number] | undefined
}

const cents = (amount: number) => (amount / 100).toFixed(2)

const plannedDay: fc.Arbitrary<PlannedDay> = fc.record({
  gain: fc.integer({ min: -3_000, max: 3_000 }),
  deposit: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -20_000, max: 50_000 }) },
  ),
  trip: fc.option(fc.tuple(fc.integer({ min: 900, max: 1_100 }), fc.integer({ min: 900, max: 1_100 })), {
    nil: undefined,
  }),
})

describeDatabases('ratios to date', (open) => {
  let db: Connection
  let made = 0

  beforeAll(async () => {
    db = await open()
    const usd = { kind: 'linear', baseCurrency: 'A', quoteCurrency: 'USD' } as const
    await setInstrument(db, { exchange: EXCHANGE, symbol: 'A', ...usd })
  })

  /** A bot with 1,000 that lives through these days; all of it is over at the end of each. */
  async function live(plan: readonly PlannedDay[]): Promise<string> {
    made += 1
    const botId = `alike-${made}`
    await registerBot(db, {
      botId,
      kind: 'test',
      strategy: 'none',
      exchange: EXCHANGE,
      mode: 'backtest',
      baseCurrency: 'USD',
      initialEquity: '1000',
    })
    const at = (day: number, hour: number) => new Date(START + day * DAY_MS + hour * 3_600_000)
    const flow = { botId, exchange: EXCHANGE, currency: 'USD' }
    // Half of the deposits come before the round trip of the day, half after it.
    await recordCashFlows(
      db,
      plan.flatMap(({ gain, deposit }, day) => [
        { ...flow, kind: 'interest' as const, amount: cents(gain), occurredAt: at(day, 12) },
        ...(deposit === 0
          ? []
          : [
              {
                ...flow,
                kind: 'transfer' as const,
                amount: cents(deposit),
                occurredAt: at(day, day % 2 === 0 ? 1 : 20),
              },
            ]),
      ]),
    )
    const fill = { botId, exchange: EXCHANGE, symbol: 'A', quantity: '1', fee: '0', feeCurrency: 'USD' }
    await recordFills(
      db,
      plan.flatMap(({ trip }, day) =>
        trip === undefined
          ? []
          : [
              {
                ...fill,
                side: 'buy' as const,
                price: cents(trip[0]),
                executedAt: at(day, 8),
                exchangeTradeId: `b${day}`,
              },
              {
                ...fill,
                side: 'sell' as const,
                price: cents(trip[1]),
                executedAt: at(day, 9),
                exchangeTradeId: `s${day}`,
              },
            ],
      ),
    )
    return botId
  }

  it('are those of the pure functions, day by day', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(plannedDay, { minLength: 3, maxLength: 45 }), async (plan) => {
        const botId = await live(plan)
        const now = new Date(START + plan.length * DAY_MS)
        const days = await calculateDailyPnl(db, {
          botId,
          from: '2024-01-01',
          to: dayAt(plan.length - 1),
          now,
        })
        expect(days).toHaveLength(plan.length)
        expectSame(days)
        const trades = (await listTrades(db, { botId })).reverse()
        const whole = tradeStatistics(trades.map(({ netPnl }) => ({ netPnl })))
        expect(days.at(-1)).toMatchObject({
          currentStreak: whole.currentStreak,
          longestWinStreak: whole.longestWinStreak,
          longestLossStreak: whole.longestLossStreak,
        })
      }),
      { numRuns: 12 },
    )
  })
})

const dayAt = (day: number) => new Date(START + day * DAY_MS).toISOString().slice(0, 10)

/** Compares each day with what the pure functions make of the equity and flows of all days up to it. */
function expectSame(days: readonly DailyPnl[]): void {
  const points: PeriodEquity[] = [{ at: new Date(START), equity: 1000 }]
  for (const [i, day] of days.entries()) {
    const [flows, start] = [day.externalFlows?.toNumber() ?? 0, day.flowsAtStart?.toNumber() ?? 0]
    points.push({
      at: day.endsAt,
      equity: day.equityEnd?.toNumber() ?? null,
      flowsAtStart: start,
      flowsAtEnd: flows - start,
    })
    const periods = flowAdjustedReturns(points)
    const last = periods.at(-1)
    const returns = periods.flatMap(({ returnFraction }) => (returnFraction === null ? [] : [returnFraction]))
    same(day.returnFraction, last?.returnFraction ?? null)
    same(day.growth, last?.growth ?? 1)
    expect(day.returnCount).toBe(returns.length)
    same(day.sharpe, sharpe(returns))
    same(day.sortino, sortino(returns))
    // A curve of growth alone has the drawdowns of the account.
    const growths = periods.map(({ at, growth }) => ({ at, equity: growth }))
    const drawdown = measureDrawdown([{ at: new Date(START), equity: 1 }, ...growths])
    same(day.drawdownFraction, drawdown.currentFraction)
    const deepest = drawdown.deepest?.fraction ?? 0
    same(day.maxDrawdownFraction, deepest)
    const growth = last?.growth ?? 1
    same(day.calmar, calmar({ growth, days: i + 1, maxDrawdownFraction: deepest }))
    expect(cagr({ growth, days: i + 1 })).not.toBeNaN()
  }
}

/** Both null, or the same but for the rounding of doubles that were added up in another way. */
function same(one: number | null, other: number | null): void {
  if (one === null || other === null) expect(one).toBe(other)
  else expect(Math.abs(one - other)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(other)))
}
