import { dailyPnl } from '../../src/analytics/schema/daily-pnl.ts'
import type { Database } from '../../src/db/database.ts'
import { ZERO } from '../../src/db/decimal.ts'
import { many } from '../../src/db/rows.ts'

export type NewDay = typeof dailyPnl.$inferInsert

const DAY_MS = 86_400_000

/** A row of a day in UTC that is over and on which a bot that counts in USD has done nothing: no amount is known but zeros. */
export function emptyDay(botId: string, day: string, over: Partial<NewDay> = {}): NewDay {
  const startsAt = new Date(`${day}T00:00:00Z`)
  return {
    botId,
    day,
    startsAt,
    endsAt: new Date(startsAt.getTime() + DAY_MS),
    isComplete: true,
    baseCurrency: 'USD',
    unvalued: [],
    fillCount: 0,
    tradeCount: 0,
    winCount: 0,
    lossCount: 0,
    drawCount: 0,
    unvaluedTradeCount: 0,
    longCount: 0,
    shortCount: 0,
    liquidationCount: 0,
    grossProfit: ZERO,
    grossLoss: ZERO,
    currentStreak: 0,
    longestWinStreak: 0,
    longestLossStreak: 0,
    breakerCount: 0,
    killSwitchCount: 0,
    growth: 1,
    drawdownFraction: 0,
    maxDrawdownFraction: 0,
    drawdownAmount: ZERO,
    returnCount: 0,
    calculatedAt: new Date('2024-06-01T00:00:00Z'),
    ...over,
  }
}

/** Stores days as if they had been calculated. */
export async function storeRows(db: Database, rows: NewDay[]): Promise<void> {
  await many('storeRows', db.insert(dailyPnl).values(rows).returning({ botId: dailyPnl.botId }))
}
