import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { calculateDailyPnl, type DailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import type { EngineKind } from '../../src/db/engine.ts'
import { listCashFlows, listFills, listOpenPositions, listTrades } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { arbitraryDaily } from '../model/daily-arbitrary.ts'
import { addDays, dayOf } from '../model/daily-days.ts'
import { type DailyFacts, type ModelDay, modelDays } from '../model/daily-model.ts'
import { recordDaily } from '../model/daily-record.ts'
import { Rational } from '../model/rational.ts'

const RUNS: Partial<Record<EngineKind, number>> = { postgres: 60, pglite: 10 }

// Also for making a failure small.
const LIMIT_MS = 9_000

describeDatabases('daily PnL', (open) => {
  let db: Connection
  let runs = 0
  beforeAll(async () => {
    db = await open()
  })

  const options = {
    numRuns: RUNS[open.engine] ?? 10,
    interruptAfterTimeLimit: LIMIT_MS,
    markInterruptAsFailure: false,
  }

  const record = async (facts: DailyFacts): Promise<string> => {
    runs += 1
    const botId = `daily-${runs}`
    await recordDaily(db, botId, facts)
    return botId
  }

  const calculate = async (botId: string, facts: DailyFacts) => {
    const days = rangeOf(facts)
    return await calculateDailyPnl(db, { botId, ...days, now: new Date(facts.now) })
  }

  it('is what the model makes of the same facts, in every column of every day', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryDaily(), async (facts) => {
        const botId = await record(facts)
        const expected = modelDays(facts)
        const found = await calculate(botId, facts)
        expect(found.map(({ day }) => day)).toEqual(expected.map(({ day }) => day))
        for (const [i, row] of found.entries()) expectDay(row, expected[i] as ModelDay)
      }),
      options,
    )
  })

  it('adds up to what trades, open positions and cash flows brought, to the last digit', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryDaily({ isPlain: true }), async (facts) => {
        const botId = await record(facts)
        const days = await calculate(botId, facts)
        const trades = await listTrades(db, { botId, limit: 1_000 })
        const held = await listOpenPositions(db, { botId })
        const flows = await listCashFlows(db, { botId, limit: 1_000 })
        const fills = await listFills(db, { botId, limit: 1_000 })
        const external = new Set(['deposit', 'withdrawal', 'transfer'])
        const loose = flows.filter(({ kind, positionId }) => !external.has(kind) && positionId === null)
        // What closes a hedged side that holds nothing is nobody's trade, and is charged for all the same.
        const idle = fills.filter(({ positionId }) => positionId === null)
        const parts = [
          ...trades.map(({ netPnl }) => netPnl),
          ...held.map(({ netPnl }) => netPnl),
          ...loose.map(({ amount }) => amount),
          ...idle.map(({ feeInSettlement }) => feeInSettlement?.negated() ?? null),
        ]
        expect(sumOf(days.map(({ netPnl }) => netPnl)).toFixed()).toBe(sumOf(parts).toFixed())
      }),
      options,
    )
  })
})

function sumOf(amounts: readonly (Decimal | null)[]): Decimal {
  let sum = new Decimal(0)
  for (const amount of amounts) {
    if (amount === null) throw new Error('an amount is not known')
    sum = sum.plus(amount)
  }
  return sum
}

/** From a week before anything happened to the day in progress. */
function rangeOf({ ledgers, flows, zone, now, registeredAt }: DailyFacts): { from: string; to: string } {
  const moments = [
    ...ledgers.flatMap(({ facts }) => facts.fills.map(({ executedAt }) => executedAt)),
    ...ledgers.flatMap(({ facts }) => facts.funding.map(({ at }) => at)),
    ...flows.map(({ at }) => at),
    registeredAt ?? now,
    now,
  ]
  return { from: addDays(dayOf(Math.min(...moments), zone), -7), to: dayOf(now, zone) }
}

const OTHER_COLUMNS = ['botId', 'baseCurrency', 'breakerCount', 'killSwitchCount', 'calculatedAt']

const RATIOS = [
  ...['winRate', 'profitFactor', 'averageHoldingMs', 'returnFraction', 'growth', 'drawdownFraction'],
  ...['maxDrawdownFraction', 'sharpe', 'sortino', 'calmar'],
]

function expectDay(found: DailyPnl, expected: ModelDay): void {
  const isCompared = (column: string) => !OTHER_COLUMNS.includes(column)
  const columns = Object.keys(found).filter(isCompared).sort()
  expect(columns).toEqual(Object.keys(expected).filter(isCompared).sort())
  const shown = (value: unknown) => {
    if (Decimal.isDecimal(value)) return value.toFixed()
    return value instanceof Date ? value.getTime() : value
  }
  const wanted = (column: string, value: unknown) => {
    if (value instanceof Rational) return value.toText()
    if (typeof value !== 'number' || !RATIOS.includes(column)) return value
    const seen = found[column as keyof DailyPnl]
    return isNear(seen, value, 1e-9 + digitsLost(column, expected)) ? seen : value
  }
  expect(
    Object.fromEntries(columns.map((column) => [column, shown(found[column as keyof DailyPnl])])),
  ).toEqual(
    Object.fromEntries(columns.map((column) => [column, wanted(column, expected[column as keyof ModelDay])])),
  )
}

/**
 * How much of a double is noise where it was made of the difference of two nearly alike: of a small drawdown, of what is left after a
 * large one, and of an annual rate of nearly nothing. An annual rate has it as many times as its power.
 */
function digitsLost(column: string, { maxDrawdownFraction: deepest, calmar }: ModelDay): number {
  if (column === 'growth') return 1e-14 / (1 - deepest)
  if (column !== 'calmar' || calmar === null) return 0
  return 1e-14 * (1 / deepest + 365 / (1 - deepest)) + (1e-15 * 365) / Math.abs(calmar * deepest)
}

function isNear(found: unknown, expected: number, tolerance: number): boolean {
  const size = Math.max(Math.abs(Number(found)), Math.abs(expected))
  return typeof found === 'number' && Math.abs(found - expected) <= 1e-12 + tolerance * size
}
