import type { Database } from '../../src/db/database.ts'
import { Decimal, ZERO } from '../../src/db/decimal.ts'
import { type RegisterBotInput, registerBot } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import { type RecordFillInput, recordFills } from '../../src/trading/index.ts'
import { emptyDay, storeRows } from './empty-day.ts'
import { chance, DAY_MS, noise } from './tear-sheet-data.ts'

// A bot with trades and days, for sheets made of a database.

export interface SeededDay {
  readonly day: string
  /** Before the deposits of the day, and after them. */
  readonly before: Decimal
  readonly equity: Decimal
}

export const CAPITAL = new Decimal(10_000)

export async function makeBot(
  db: Database,
  botId: string,
  over: Partial<RegisterBotInput> = {},
): Promise<void> {
  await registerBot(db, {
    botId,
    kind: 'test',
    strategy: 'grid',
    exchange: 'x',
    mode: 'live',
    baseCurrency: 'USD',
    initialEquity: CAPITAL,
    ...over,
  })
}

/** Stores days of equity by chance, of which `deposits` come when the day is over. */
export async function storeDays(
  db: Database,
  botId: string,
  first: string,
  count: number,
  deposits: Readonly<Record<string, string>> = {},
): Promise<SeededDay[]> {
  const next = chance(11)
  const start = Date.parse(first)
  let equity = CAPITAL
  const days = Array.from({ length: count }, (_, i) => {
    const day = new Date(start + i * DAY_MS).toISOString().slice(0, 10)
    const equityStart = equity
    const before = new Decimal(equity.times(new Decimal(1.002 + 0.02 * noise(next))).toFixed(2))
    const externalFlows = new Decimal(deposits[day] ?? '0')
    equity = before.plus(externalFlows)
    const totalPnl = before.minus(equityStart)
    return { day, before, equity, equityStart, externalFlows, totalPnl }
  })
  await storeRows(
    db,
    days.map(({ day, before: _, equity: equityEnd, ...one }) =>
      emptyDay(botId, day, { ...one, equityEnd, netPnl: one.totalPnl, flowsAtStart: ZERO }),
    ),
  )
  return days
}

/** Opens a long of one unit at 100 and closes it an hour later for the net result given; on each day one. */
export async function storeTrades(
  db: Database,
  botId: string,
  symbol: string,
  first: string,
  nets: readonly string[],
): Promise<void> {
  await setInstrument(db, {
    exchange: 'x',
    symbol,
    kind: 'linear',
    baseCurrency: 'BTC',
    quoteCurrency: 'USD',
  })
  const start = Date.parse(first)
  const fills = nets.flatMap((net, i): RecordFillInput[] => {
    const at = start + i * DAY_MS + 3_600_000
    const fill = { botId, exchange: 'x', symbol, quantity: '1' } as const
    const price = new Decimal(100).plus(net).toFixed()
    return [
      { ...fill, side: 'buy', price: '100', executedAt: new Date(at), exchangeTradeId: `${symbol}-${i}-in` },
      {
        ...fill,
        side: 'sell',
        price,
        executedAt: new Date(at + 3_600_000),
        exchangeTradeId: `${symbol}-${i}-out`,
      },
    ]
  })
  await recordFills(db, fills)
}
