import {
  calculateSignedCost,
  type Database,
  Decimal,
  type Fill,
  findOpenPosition,
  getInstrument,
  listFills,
  listOrders,
  listTrades,
  type Performance,
  type Position,
  rebuildPositions,
  type Trade,
} from 'tradeblotter'
import type { Market } from './bot.ts'

/** All that the library holds of a bot, and whether it is in itself right. Amounts are in quote currency. */
export interface Books {
  /** First closed first. */
  readonly trades: readonly Trade[]
  readonly position: Position | undefined
  readonly fillCount: number
  readonly orderCount: number
  /** Orders that took a part of a position out, and fills that closed a position and opened the next. */
  readonly partialExits: number
  readonly flips: number
  /** Of all fills, those of the open position among them. */
  readonly realisedGross: Decimal
  readonly fees: Decimal
  /** Received for what was sold less paid for what was bought. */
  readonly cashFlow: Decimal
  /** Cost of what is still open, negative for a short. */
  readonly openCost: Decimal
  readonly ledgers: number
  /** Rows that a replay of the fills would change. */
  readonly differences: number
}

/** Reads a bot's books back from the database and adds them up. */
export async function readBooks(db: Database, market: Market): Promise<Books> {
  const { botId } = market
  const instrument = await getInstrument(db, market)
  const fills = await readAll<Fill>((after, limit) => listFills(db, { botId, after, limit }))
  const orders = await readAll<Order>((after, limit) => listOrders(db, { botId, after, limit }))
  const trades = await readAll<Trade>((after, limit) => listTrades(db, { botId, after, limit }))
  const position = await findOpenPosition(db, market)
  const rebuild = await rebuildPositions(db, { botId, dryRun: true })
  return {
    trades: trades.reverse(),
    position,
    fillCount: fills.length,
    orderCount: orders.length,
    partialExits: orders.filter(({ purpose }) => purpose === 'scale_out').length,
    flips: fills.filter(({ openedPositionId }) => openedPositionId !== null).length,
    realisedGross: sum(fills.map((fill) => fill.realisedGross)),
    fees: sum(fills.map((fill) => fill.fee)),
    cashFlow: sum(
      fills.map(({ side, price, quantity }) => {
        const value = price.times(quantity).times(instrument.contractSize)
        return side === 'sell' ? value : value.neg()
      }),
    ),
    openCost: calculateSignedCost(position, instrument),
    ledgers: rebuild.ledgers,
    differences: sum(
      rebuild.differences.flatMap(({ positions, lots, fills, cashFlows, orders }) =>
        [positions, lots, fills, cashFlows, orders].map((rows) => new Decimal(rows)),
      ),
    ).toNumber(),
  }
}

/** True when the gross realised is the cash that came in and the cost that is still out, to the last digit. */
export function isBalanced({ realisedGross, cashFlow, openCost }: Books): boolean {
  return realisedGross.eq(cashFlow.plus(openCost))
}

/** What the bot is worth by its trades and its open position. */
export function equityOf({ realisedGross, fees, position }: Books, { initialEquity }: Market): Decimal {
  return initialEquity
    .plus(realisedGross)
    .minus(fees)
    .plus(position?.unrealisedPnl ?? 0)
}

/** True when the last of the bot's days ends with that equity, to the last digit. A bot that never traded has no days. */
export function agrees(books: Books, { returns }: Performance, market: Market): boolean {
  if (returns.lastDay === null) return books.fillCount === 0
  return returns.endEquity?.eq(equityOf(books, market)) ?? false
}

export function sum(amounts: readonly Decimal[]): Decimal {
  return amounts.reduce((total, amount) => total.plus(amount), new Decimal(0))
}

type Order = Awaited<ReturnType<typeof listOrders>>[number]

const PAGE = 1_000

/** Reads a list page by page. */
export async function readAll<Row>(
  readPage: (after: Row | undefined, limit: number) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const page = await readPage(rows.at(-1), PAGE)
    rows.push(...page)
    if (page.length < PAGE) return rows
  }
}
