import { sql } from 'drizzle-orm'
import {
  type Amount,
  type Connection,
  calculatePositionPnl,
  type Database,
  Decimal,
  type Fill,
  getBot,
  getCandles,
  listFills,
  markPosition,
  type RecordFillInput,
  recordBalance,
  recordCandles,
  recordCashFlow,
  recordFill,
  recordFundingRates,
  recordHeartbeat,
  recordOrder,
  registerBot,
  setInstrument,
  setPositionStops,
  type Trade,
  transaction,
} from '../src/index.ts'

// What must not compile. The compiler complains of each line below that does: `npm run check`. Nothing here runs.

declare const db: Connection
const fill: RecordFillInput = {
  botId: 'grid-7',
  exchange: 'binance',
  symbol: 'BTC/USDT',
  side: 'buy',
  price: '1.5',
  quantity: new Decimal('1'),
  executedAt: new Date(0),
}
const order = { ...fill, type: 'limit' as const }
const position = { botId: 'grid-7', positionId: '' }
const bot = {
  botId: 'grid-7',
  kind: 'grid',
  strategy: 's',
  exchange: 'e',
  mode: 'live' as const,
  baseCurrency: 'USD',
}
const instrument = {
  exchange: 'e',
  symbol: 's',
  kind: 'spot' as const,
  baseCurrency: 'BTC',
  quoteCurrency: 'USD',
}
const flow = { botId: 'b', exchange: 'e', currency: 'USD', kind: 'deposit' as const, occurredAt: new Date(0) }
const balance = { botId: 'b', exchange: 'e', currency: 'USD', takenAt: new Date(0) }

export async function amountsAreNoNumbers(): Promise<void> {
  // @ts-expect-error
  await recordFill(db, { ...fill, price: 1.5 })
  // @ts-expect-error
  await recordFill(db, { ...fill, quantity: 1 })
  // @ts-expect-error
  await recordFill(db, { ...fill, fee: 0.1, feeCurrency: 'USDT' })
  // @ts-expect-error
  await recordOrder(db, { ...order, quantity: 1 })
  // @ts-expect-error
  await recordOrder(db, { ...order, limitPrice: 1.5 })
  // @ts-expect-error
  await recordCashFlow(db, { ...flow, amount: 10 })
  // @ts-expect-error
  await recordBalance(db, { ...balance, total: 10 })
  // @ts-expect-error
  await recordHeartbeat(db, { botId: 'grid-7', currentEquity: 10 })
  // @ts-expect-error
  await registerBot(db, { ...bot, initialEquity: 10 })
  // @ts-expect-error
  await setInstrument(db, { ...instrument, contractSize: 1 })
  // @ts-expect-error
  await markPosition(db, { ...position, price: 1.5 })
  // @ts-expect-error
  await setPositionStops(db, { ...position, stopLoss: 1.5 })
  // @ts-expect-error
  await calculatePositionPnl(db, { ...position, price: 1.5 })
  // @ts-expect-error
  const amount: Amount = 1n
  return void amount
}

export function amountsComeOutAsDecimals(stored: Fill, trade: Trade): void {
  // @ts-expect-error
  const price: number = stored.price
  // @ts-expect-error
  const text: string = stored.quantity
  // @ts-expect-error
  const net: Decimal = trade.netPnl
  return void [price, text, net]
}

export async function rowsOfOnesOwnSqlAreUnknown(): Promise<void> {
  const rows = await db.execute(sql`select 1.5 as price`)
  // @ts-expect-error
  return void rows[0]
}

export async function rowsOfOnesOwnSqlHaveNoFields(): Promise<void> {
  const result = await db.execute(sql`select 1.5 as price`)
  // @ts-expect-error
  for (const row of result) void row.price
}

export async function aBotIsAlwaysNamed(): Promise<void> {
  // @ts-expect-error
  await listFills(db, {})
  // @ts-expect-error
  await getBot(db, 'grid-7')
  // @ts-expect-error
  await listFills(db)
}

export async function wordsAreOfTheirLists(): Promise<void> {
  // @ts-expect-error
  await recordFill(db, { ...fill, side: 'long' })
  // @ts-expect-error
  await recordOrder(db, { ...order, type: 'LIMIT' })
  // @ts-expect-error
  await recordFill(db, { ...fill, executedAt: 1_700_000_000_000 })
  // @ts-expect-error
  await recordFill(db, { ...fill, qty: '1' })
}

export async function aTransactionOwnsNoConnections(): Promise<void> {
  await transaction(db, async (tx: Database) => {
    // @ts-expect-error
    await tx.close()
  })
  // @ts-expect-error
  await transaction(db, async () => undefined, { isolationLevel: 'chaos' })
}

export async function noPriceOfACandleIsANumber(): Promise<void> {
  const candle = {
    exchange: 'binance',
    symbol: 'BTC/USDT',
    timeframe: '1m',
    openTime: new Date(),
    open: '1',
    high: '1',
    low: '1',
    close: '1',
    volume: '1',
  } as const
  await recordCandles(db, { candles: [candle] })
  // @ts-expect-error
  await recordCandles(db, { candles: [{ ...candle, close: 1.5 }] })
  // @ts-expect-error
  await recordCandles(db, { candles: [{ ...candle, timeframe: '7m' }] })
  // @ts-expect-error
  await recordCandles(db, { candles: [{ ...candle, openTime: 0 }] })
  const rate = { exchange: 'x', symbol: 'y', publishedAt: new Date(), intervalHours: 8, rate: '0.0001' }
  await recordFundingRates(db, { rates: [rate] })
  // @ts-expect-error
  await recordFundingRates(db, { rates: [{ ...rate, rate: 0.0001 }] })
  // @ts-expect-error
  await getCandles(db, { exchange: 'binance', symbol: 'BTC/USDT', last: 5 })
}
