import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, expect, it } from 'vitest'
import { getPerformance } from '../../src/analytics/performance.ts'
import type { TradeFigures } from '../../src/analytics/performance-figures.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { tradeStatistics } from '../../src/statistics/trade-statistics.ts'
import { describeDatabases } from '../database.ts'
import { asText, type DrawnTrade, makeTrader, storeClosed, type Trader } from './performance-fixture.ts'

/** Amounts of which many are equal, so that there are draws, and some have 18 decimals. */
const amount = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }).map(String) },
  {
    weight: 1,
    arbitrary: fc
      .bigInt({ min: -(10n ** 22n), max: 10n ** 22n })
      .map((units) => new Decimal(units.toString()).div(new Decimal('1e18')).toFixed()),
  },
)

const START = Date.UTC(2024, 0, 1)
const drawnTrade: fc.Arbitrary<DrawnTrade> = fc.record({
  id: fc.constant(null).map(() => uuidv7()),
  symbol: fc.constantFrom('A', 'B', 'C'),
  direction: fc.constantFrom('long', 'short'),
  gross: amount,
  fees: fc.constantFrom('0', '1', '0.25', '-0.1'),
  funding: fc.constantFrom('0', '0', '1.5', '-2'),
  isUnvalued: fc.nat(9).map((drawn) => drawn === 9),
  // Few moments, so that many trades are closed at one.
  openedAt: fc.nat(20).map((hours) => new Date(START + hours * 3_600_000)),
  heldMs: fc.oneof(fc.constantFrom(0, 1, 1_001, 3_600_000, 7_200_000), fc.nat(10 ** 11)),
})

const closing = ({ openedAt, heldMs }: DrawnTrade) => openedAt.getTime() + heldMs

/** The figures by `tradeStatistics`, and what it does not have by plain sums. */
function expected(trades: readonly (DrawnTrade & { readonly owner: string })[]): TradeFigures {
  const inOrder = trades.toSorted(
    (a, b) =>
      closing(a) - closing(b) ||
      a.openedAt.getTime() - b.openedAt.getTime() ||
      (a.id < b.id ? -1 : a.id > b.id ? 1 : a.owner < b.owner ? -1 : 1),
  )
  const known = inOrder.filter(({ isUnvalued }) => !isUnvalued)
  const sum = (texts: string[]) => texts.reduce((total, text) => total.plus(text), new Decimal(0))
  const held = inOrder.map(({ heldMs }) => heldMs).toSorted((a, b) => a - b)
  const [lower, upper] = [held[Math.ceil(held.length / 2) - 1] ?? 0, held[Math.floor(held.length / 2)] ?? 0]
  return {
    ...tradeStatistics(
      inOrder.map(({ isUnvalued, gross, fees, funding, direction, heldMs }) => ({
        netPnl: isUnvalued ? null : new Decimal(gross).minus(fees).plus(funding),
        direction,
        holdingMs: heldMs,
      })),
    ),
    gross: sum(known.map(({ gross }) => gross)),
    fees: sum(known.map(({ fees }) => fees)),
    funding: sum(known.map(({ funding }) => funding)),
    liquidationCount: 0,
    medianHoldingMs: held.length === 0 ? null : (lower + upper) / 2,
  }
}

/** Money to the last digit; ratios, which are doubles, within 1e-12 of their size. */
function expectSame(actual: TradeFigures, wanted: TradeFigures): void {
  for (const [name, value] of Object.entries(wanted)) {
    const found = actual[name as keyof TradeFigures]
    if (typeof value === 'number' && typeof found === 'number') {
      expect(Math.abs(found - value), name).toBeLessThanOrEqual(Math.abs(value) * 1e-12)
    } else {
      expect(asText(found), name).toBe(asText(value))
    }
  }
}

function pick(figures: TradeFigures & { readonly group?: unknown }, names: readonly string[]): TradeFigures {
  return Object.fromEntries(
    names.map((name) => [name, figures[name as keyof TradeFigures]]),
  ) as unknown as TradeFigures
}

describeDatabases('performance', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const NAMES = Object.keys(expected([]))
  const trades = fc.array(drawnTrade, { maxLength: 40, size: 'max' })

  it('of one bot is what the statistics make of the same trades, as a whole and by symbol', async () => {
    await fc.assert(
      fc.asyncProperty(trades, async (drawn) => {
        const bot = await makeTrader(db)
        await storeClosed(db, bot, drawn)
        const performance = await getPerformance(db, { botId: bot.botId, by: 'symbol' })
        const owned = drawn.map((trade) => ({ ...trade, owner: bot.botId }))
        expectSame(pick(performance, NAMES), expected(owned))
        for (const group of performance.groups) {
          expectSame(pick(group, NAMES), expected(owned.filter(({ symbol }) => symbol === group.group)))
        }
        expect(performance.groups).toHaveLength(new Set(drawn.map(({ symbol }) => symbol)).size)
      }),
      { numRuns: 60 },
    )
  })

  let fleets = 0
  it('of a fleet is what the statistics make of the trades of all', async () => {
    await fc.assert(
      fc.asyncProperty(trades, trades, async (first, second) => {
        fleets += 1
        // Settled in dollars: a fleet of another currency would need rates, so each has bots of a mode and name of its own.
        const at = new Date(START + fleets * 10 ** 12)
        const bots: Trader[] = [
          await makeTrader(db, { mode: 'backtest' }),
          await makeTrader(db, { mode: 'backtest' }),
        ]
        const moved = [first, second].map((some) =>
          some.map((trade) => ({
            ...trade,
            openedAt: new Date(trade.openedAt.getTime() + at.getTime() - START),
          })),
        )
        for (const [i, bot] of bots.entries()) await storeClosed(db, bot, moved[i] ?? [])
        const performance = await getPerformance(db, {
          fleet: { mode: 'backtest' },
          from: at,
          to: new Date(at.getTime() + 10 ** 12),
        })
        const owned = moved.flatMap((some, i) =>
          some.map((trade) => ({ ...trade, owner: bots[i]?.botId ?? '' })),
        )
        expectSame(pick(performance, NAMES), expected(owned))
      }),
      { numRuns: 15 },
    )
  })
})
