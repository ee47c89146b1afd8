import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import type { Decimal } from '../../src/db/decimal.ts'
import { many } from '../../src/db/rows.ts'
import type { CostBasisMethod } from '../../src/fleet/cost-basis.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { type SetInstrumentInput, setInstrument } from '../../src/market/index.ts'
import {
  type Fill,
  listFills,
  listPositions,
  listTrades,
  type Position,
  type PositionLot,
  type RecordFillInput,
  type Trade,
} from '../../src/trading/index.ts'
import { positionLots } from '../../src/trading/schema/positions.ts'

export const EXCHANGE = 'x'
/** Where hand-made fills begin; `minute(3)` is three minutes later. */
const START = Date.UTC(2024, 0, 15, 12)

export function minute(count: number): Date {
  return new Date(START + count * 60_000)
}

/** Registers a bot that does not count on anything but its method. */
export async function makeBot(
  db: Database,
  botId: string,
  costBasisMethod: CostBasisMethod = 'average',
): Promise<void> {
  await registerBot(db, {
    botId,
    kind: 'test',
    strategy: 'none',
    exchange: EXCHANGE,
    mode: 'paper',
    baseCurrency: 'USD',
    initialEquity: '0',
    costBasisMethod,
  })
}

/** Sets an instrument: linear, of one BTC, unless said otherwise. */
export async function makeInstrument(
  db: Database,
  symbol: string,
  over: Partial<SetInstrumentInput> = {},
): Promise<void> {
  await setInstrument(db, {
    exchange: EXCHANGE,
    symbol,
    kind: 'linear',
    baseCurrency: 'BTC',
    quoteCurrency: 'USD',
    ...over,
  })
}

let trades = 0

/** Writes a fill as `buy 1 @ 2`. Its id is one that no other has, its time the minute given. */
export function fillOf(
  botId: string,
  symbol: string,
  order: string,
  at: number,
  over: Partial<RecordFillInput> = {},
): RecordFillInput {
  const [side, quantity = '', , price = ''] = order.split(' ')
  trades += 1
  return {
    botId,
    exchange: EXCHANGE,
    symbol,
    side: side === 'buy' ? 'buy' : 'sell',
    quantity,
    price,
    executedAt: minute(at),
    exchangeTradeId: `t${trades}`,
    ...over,
  }
}

/** Sends plain SQL and returns its rows, as psql would. */
export async function query(db: Database, statement: SQL): Promise<Record<string, unknown>[]> {
  return (await db.execute(statement)) as unknown as Record<string, unknown>[]
}

const PAGE = 1_000

async function all<Row>(page: (after: Row | undefined) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const next = await page(rows.at(-1))
    rows.push(...next)
    if (next.length < PAGE) return rows
  }
}

/** Everything that is stored of a bot's ledgers. */
export interface StoredBot {
  readonly positions: Position[]
  readonly lots: PositionLot[]
  readonly trades: Trade[]
  readonly fills: Fill[]
}

export async function readBot(db: Database, botId: string): Promise<StoredBot> {
  return {
    positions: await all((after) => listPositions(db, { botId, limit: PAGE, after })),
    lots: await many(
      'lots',
      db
        .select()
        .from(positionLots)
        .where(sql`${positionLots.botId} = ${botId}`)
        .orderBy(positionLots.positionId, positionLots.ordinal),
    ),
    trades: await all((after) => listTrades(db, { botId, limit: PAGE, after })),
    fills: await all((after) => listFills(db, { botId, limit: PAGE, after })),
  }
}

/** Decimal text without trailing zeros. */
export function text(amount: Decimal | null): string | null {
  return amount === null ? null : amount.toFixed()
}

const TABLES = [
  'fills',
  'fill_conflicts',
  'cash_flows',
  'cash_flow_conflicts',
  'positions',
  'position_lots',
  'ledger_heads',
  'balances',
  'orders',
  'order_events',
] as const

/** How many rows each table of the ledger has. */
export async function countRows(db: Database): Promise<Record<string, unknown>> {
  const counts = TABLES.map(
    (table) =>
      sql`(select count(*)::text from ${sql.identifier('trading')}.${sql.identifier(table)}) as ${sql.identifier(table)}`,
  )
  const [row] = await query(db, sql`select ${sql.join(counts, sql`, `)}`)
  return row ?? {}
}
