import { sql } from 'drizzle-orm'
import { dailyPnl } from '../../src/analytics/schema/index.ts'
import type { Database } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { many, one } from '../../src/db/rows.ts'
import { type RegisterBotInput, registerBot } from '../../src/fleet/index.ts'
import { recordFill, setPositionDetails } from '../../src/trading/index.ts'
import { positions } from '../../src/trading/schema/positions.ts'
import { makeSymbol } from '../risk/holdings.ts'

let made = 0

export interface Trader {
  readonly botId: string
  readonly exchange: string
}

/** A new live bot on an exchange of its own, on which COIN is traded for dollars. */
export async function makeTrader(db: Database, over: Partial<RegisterBotInput> = {}): Promise<Trader> {
  made += 1
  const exchange = `performance-${made}`
  const botId = `performer-${made}`
  await registerBot(db, {
    ...{ botId, kind: 'test', strategy: 'grid', exchange, mode: 'live', baseCurrency: 'USD' },
    ...{ initialEquity: '1000', ...over },
  })
  await makeSymbol(db, exchange, 'COIN')
  return { botId, exchange }
}

export interface RoundTrip {
  /** Of ten coins, entered at 10: a point of the exit price is ten dollars. */
  readonly exit: string
  readonly openedAt: string
  readonly closedAt: string
  readonly symbol?: string
  readonly direction?: 'long' | 'short'
  /** Of the closing fill. */
  readonly fee?: string
  readonly feeCurrency?: string
  readonly entryFee?: string
  readonly entryFeeCurrency?: string
  readonly isLiquidation?: boolean
  readonly entryTag?: string
  readonly exitReason?: string
}

/** Records a position of ten coins from 10 to `exit`. */
export async function recordRoundTrip(
  db: Database,
  { botId, exchange }: Trader,
  trip: RoundTrip,
): Promise<void> {
  const { exit, openedAt, closedAt, symbol = 'COIN', direction = 'long', entryTag, exitReason } = trip
  made += 1
  const fill = { botId, exchange, symbol, quantity: '10' }
  const opened = await recordFill(db, {
    ...{ ...fill, side: direction === 'long' ? 'buy' : 'sell', price: '10' },
    ...{ executedAt: new Date(openedAt), exchangeTradeId: `in-${made}` },
    ...(trip.entryFee !== undefined && { fee: trip.entryFee, feeCurrency: trip.entryFeeCurrency ?? 'USD' }),
  })
  await recordFill(db, {
    ...{ ...fill, side: direction === 'long' ? 'sell' : 'buy', price: exit },
    ...{ executedAt: new Date(closedAt), exchangeTradeId: `out-${made}` },
    ...(trip.fee !== undefined && { fee: trip.fee, feeCurrency: trip.feeCurrency ?? 'USD' }),
    ...(trip.isLiquidation && { kind: 'liquidation' as const }),
  })
  if (entryTag === undefined && exitReason === undefined) return
  const details = {
    ...(entryTag !== undefined && { entryTag }),
    ...(exitReason !== undefined && { exitReason }),
  }
  await setPositionDetails(db, { botId, positionId: opened.positionId ?? '', ...details })
}

/** A closed position as the table has it, of nothing but what trades are judged by. */
export interface DrawnTrade {
  readonly id: string
  readonly symbol: string
  readonly direction: 'long' | 'short'
  readonly gross: string
  readonly fees: string
  readonly funding: string
  /** A fee that nobody knows the value of. */
  readonly isUnvalued: boolean
  readonly openedAt: Date
  readonly heldMs: number
}

/** Stores positions by themselves, without the fills that they would be made of. */
export async function storeClosed(db: Database, { botId, exchange }: Trader, trades: readonly DrawnTrade[]) {
  if (trades.length === 0) return
  const one = new Decimal(1)
  await many(
    'storeClosed',
    db
      .insert(positions)
      .values(
        trades.map((trade) => ({
          ...{
            botId,
            exchange,
            id: trade.id,
            symbol: trade.symbol,
            positionSide: 'net' as const,
            tradeId: trade.id,
          },
          ...{ direction: trade.direction, status: 'closed' as const, instrumentKind: 'linear' as const },
          ...{ contractSize: one, settleCurrency: 'USD', quantity: new Decimal(0), cost: new Decimal(0) },
          ...{ peakQuantity: one, entryQuantity: one, entryCost: one, exitQuantity: one, exitValue: one },
          ...{ realisedGross: new Decimal(trade.gross), fees: new Decimal(trade.fees) },
          ...{ funding: new Decimal(trade.funding), unvaluedFees: trade.isUnvalued ? { XYZ: '1' } : {} },
          ...{ fillCount: 2, lotCount: 0, version: 1, openedAt: trade.openedAt },
          ...{ closedAt: new Date(trade.openedAt.getTime() + trade.heldMs) },
        })),
      )
      .returning({ id: positions.id }),
  )
}

const NOTHING = new Decimal(0)

type Money = string | null
export interface GivenDay {
  readonly day: string
  readonly start: Money
  readonly end: Money
  readonly flows?: Money
  readonly flowsAtStart?: Money
  readonly total?: Money
  readonly net?: Money
  readonly returnFraction?: number | null
}

const amount = (text: Money): Decimal | null => (text === null ? null : new Decimal(text))

/** Stores a day of a bot as it is given, with nothing in what is not; in UTC. Whatever else a day has is given by column. */
export async function storeDay(
  db: Database,
  botId: string,
  given: GivenDay,
  columns: Partial<typeof dailyPnl.$inferInsert> = {},
): Promise<void> {
  const { day, start, end, flows = '0', flowsAtStart = flows, total = '0', net = total } = given
  const startsAt = new Date(`${day}T00:00:00Z`)
  const zeros = Object.fromEntries(
    [
      'realisedGross',
      'fees',
      'funding',
      'interest',
      'adjustments',
      'unrealisedChange',
      'revaluation',
      'volume',
    ].map((name) => [name, NOTHING]),
  )
  const counts = Object.fromEntries(
    [
      ...['fillCount', 'tradeCount', 'winCount', 'lossCount', 'drawCount', 'unvaluedTradeCount', 'longCount'],
      ...[
        'shortCount',
        'liquidationCount',
        'currentStreak',
        'longestWinStreak',
        'longestLossStreak',
        'breakerCount',
      ],
      ...['killSwitchCount', 'returnCount', 'drawdownFraction', 'maxDrawdownFraction'],
    ].map((name) => [name, 0]),
  )
  await one(
    'storeDay',
    'day',
    db
      .insert(dailyPnl)
      .values({
        ...zeros,
        ...counts,
        ...{ botId, day, startsAt, endsAt: new Date(startsAt.getTime() + 86_400_000), isComplete: true },
        ...{
          baseCurrency: 'USD',
          netPnl: amount(net),
          totalPnl: amount(total),
          externalFlows: amount(flows),
        },
        ...{
          flowsAtStart: amount(flowsAtStart),
          equityStart: amount(start),
          equityEnd: amount(end),
          unvalued: [],
        },
        ...{
          grossProfit: NOTHING,
          grossLoss: NOTHING,
          growth: 1,
          drawdownAmount: NOTHING,
          returnFraction: given.returnFraction ?? null,
        },
        ...{ calculatedAt: sql`now()` },
        ...columns,
      } as typeof dailyPnl.$inferInsert)
      .returning({ day: dailyPnl.day }),
  )
}

/** Text of amounts anywhere in a result, for comparing. */
export function asText(value: unknown): unknown {
  if (Decimal.isDecimal(value)) return value.toFixed()
  if (Array.isArray(value)) return value.map(asText)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, asText(one)]))
}
