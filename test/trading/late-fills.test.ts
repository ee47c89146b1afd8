import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  findOpenPosition,
  getOpenPosition,
  getPosition,
  listFills,
  listPositions,
  listTrades,
  markPosition,
  type Position,
  recordCashFlow,
  recordFill,
  recordFills,
  setPositionDetails,
  setPositionStops,
} from '../../src/trading/index.ts'
import { getOrder } from '../../src/trading/order-reads.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, text } from './ledger-fixture.ts'
import { expectReplay } from './ledger-model-check.ts'

describeEngines('late facts', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
    for (const symbol of ['S', 'T']) await makeInstrument(db, symbol)
  })

  async function newBot(method: 'average' | 'fifo' | 'lifo' = 'average'): Promise<string> {
    bots += 1
    await makeBot(db, `late-${bots}`, method)
    return `late-${bots}`
  }

  /** Records fills one by one, as `buy 1 @ 2` and the minute. */
  async function record(botId: string, ...fills: [order: string, at: number][]): Promise<void> {
    for (const [order, at] of fills) await recordFill(db, fillOf(botId, 'S', order, at))
  }

  const held = (botId: string) => getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'S' })
  const figures = (position: Position) => [
    position.direction,
    position.status,
    text(position.quantity),
    text(position.cost),
    text(position.realisedGross),
  ]

  it('a fill before a closed cycle keeps it open, at another cost', async () => {
    const botId = await newBot()
    await record(botId, ['buy 1 @ 10', 10], ['sell 1 @ 12', 20])
    const [before] = await listPositions(db, { botId })
    expect(before && figures(before)).toEqual(['long', 'closed', '0', '0', '2'])

    // 1 at 8 and 1 at 10 are 2 for 18. Selling 1 at 12 realises 12 − 9, and 1 for 9 is left.
    await record(botId, ['buy 1 @ 8', 5])
    const after = await listPositions(db, { botId })
    expect(after.map(figures)).toEqual([['long', 'open', '1', '9', '3']])
    expect(after[0]?.id).toBe(before?.id)
    expect(after[0]?.openedAt).toEqual(minute(5))
    expect(await listTrades(db, { botId })).toEqual([])
    await expectReplay(db, botId)
  })

  it('a fill that was never flat in between merges two cycles into one', async () => {
    const botId = await newBot('fifo')
    await record(botId, ['buy 1 @ 10', 1], ['sell 1 @ 11', 2], ['buy 1 @ 20', 3])
    const [second, first] = await listPositions(db, { botId })
    // 1 at 9 is sold first, at 11: 2. What is left cost 10 and 20.
    await record(botId, ['buy 1 @ 9', 0])
    const after = await listPositions(db, { botId })
    expect(after.map(figures)).toEqual([['long', 'open', '2', '30', '2']])
    expect(after[0]?.id).toBe(first?.id)
    await expect(getPosition(db, { botId, positionId: second?.id ?? '' })).rejects.toMatchObject({
      code: 'not_found',
    })
    expect((await listFills(db, { botId })).map(({ positionId }) => positionId)).toEqual(
      Array(4).fill(first?.id),
    )
    await expectReplay(db, botId)
  })

  it('a fill that closes earlier splits a cycle in two', async () => {
    const botId = await newBot()
    await record(botId, ['buy 2 @ 10', 1], ['sell 1 @ 12', 4])
    const before = await held(botId)
    // 2 for 20 are sold at 11: 2. So the sale of 1 at 12 opens a short.
    await record(botId, ['sell 2 @ 11', 2])
    expect((await listPositions(db, { botId })).map(figures)).toEqual([
      ['short', 'open', '1', '12', '0'],
      ['long', 'closed', '0', '0', '2'],
    ])
    expect(await getPosition(db, { botId, positionId: before.id })).toMatchObject({ status: 'closed' })
    expect((await held(botId)).id).not.toBe(before.id)
    await expectReplay(db, botId)
  })

  it('a funding payment is given to the position held going into its millisecond', async () => {
    const botId = await newBot()
    await record(botId, ['buy 1 @ 10', 1], ['sell 1 @ 12', 5], ['sell 1 @ 13', 7])
    const [short, long] = await listPositions(db, { botId })
    const pay = async (at: number, amount: string) => {
      const flow = { botId, exchange: EXCHANGE, kind: 'funding', symbol: 'S', currency: 'USD' } as const
      return (await recordCashFlow(db, { ...flow, amount, occurredAt: minute(at) })).positionId
    }
    expect(await pay(8, '-0.25')).toBe(short?.id)
    expect(await pay(3, '-0.5')).toBe(long?.id)
    // Charged on what was held before the fills of the minute: nothing at 1, the long at 5.
    expect(await pay(1, '-7')).toBeNull()
    expect(await pay(5, '0.125')).toBe(long?.id)
    expect(await pay(6, '-9')).toBeNull()
    const [trade] = await listTrades(db, { botId })
    // 2 gross, −0.5 + 0.125 funding.
    expect([trade?.funding, trade?.netPnl].map((amount) => text(amount ?? null))).toEqual(['-0.375', '1.625'])
    expect(text((await held(botId)).funding)).toBe('-0.25')

    // A late fill takes the second position's payment with it: the long is not closed at 5 any more.
    await record(botId, ['buy 1 @ 10', 2])
    expect(text((await getPosition(db, { botId, positionId: long?.id ?? '' })).funding)).toBe('-9.375')
    await expectReplay(db, botId)
  })

  it('fills of one millisecond follow their sequence, and then their ids by length', async () => {
    const botId = await newBot()
    const at = { executedAt: minute(1) }
    await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 12', 1, { ...at, sequence: 2n, exchangeTradeId: '1' }))
    expect(figures(await held(botId))).toEqual(['short', 'open', '1', '12', '0'])
    await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 10', 1, { ...at, sequence: 1n, exchangeTradeId: '2' }))
    expect((await listPositions(db, { botId })).map(figures)).toEqual([['long', 'closed', '0', '0', '2']])
    // 10 comes after 9: bought at 5, and then sold.
    await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 6', 2, { exchangeTradeId: '10' }))
    await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 5', 2, { exchangeTradeId: '9' }))
    expect((await listTrades(db, { botId })).map(({ direction, gross }) => [direction, text(gross)])).toEqual(
      [
        ['long', '1'],
        ['long', '2'],
      ],
    )
    await expectReplay(db, botId)
  })

  it('one id may be that of a fill in another symbol, and of both sides of a self-trade', async () => {
    const botId = await newBot()
    const id = { exchangeTradeId: '77' }
    const fills = [
      fillOf(botId, 'S', 'sell 1 @ 10', 1, id),
      fillOf(botId, 'T', 'sell 1 @ 10', 1, id),
      fillOf(botId, 'S', 'buy 1 @ 10', 1, { ...id, fee: '0.25', feeCurrency: 'USD' }),
    ]
    for (const fill of fills) await recordFill(db, fill)
    expect(await recordFills(db, fills)).toMatchObject({ inserted: 0, duplicates: 3, conflicts: [] })
    expect(await listFills(db, { botId })).toHaveLength(3)
    // The buy comes before the sale, so that a long is opened and closed.
    expect(
      (await listTrades(db, { botId })).map(({ direction, netPnl }) => [direction, text(netPnl)]),
    ).toEqual([['long', '-0.25']])
    expect(await findOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'S' })).toBeUndefined()
    await expectReplay(db, botId)
  })

  it('a fill without an id is known by its content', async () => {
    const botId = await newBot()
    const fill = { ...fillOf(botId, 'S', 'buy 1.50 @ 10', 1), exchangeTradeId: undefined }
    const stored = await recordFill(db, fill)
    expect(stored.exchangeTradeId).toMatch(/^content:[0-9a-f]{32}$/)
    expect(await recordFill(db, { ...fill, quantity: '1.5' })).toEqual(stored)
    expect((await recordFill(db, { ...fill, quantity: '1.6' })).id).not.toBe(stored.id)
    expect((await recordFill(db, { ...fill, exchangeOrderId: 'another' })).id).not.toBe(stored.id)
    expect(text((await held(botId)).quantity)).toBe('4.6')
    await expectReplay(db, botId)
  })

  it('come back as they are stored, to the millisecond', async () => {
    const botId = await newBot()
    for (const [at, side] of ['buy', 'sell', 'sell', 'buy', 'buy', 'sell', 'sell', 'buy'].entries()) {
      const stored = await recordFill(db, fillOf(botId, 'S', `${side} 1 @ 10`, at))
      expect(await listFills(db, { botId, limit: 1 })).toEqual([stored])
    }
  })

  it('a position keeps its id and what the bot noted on it', async () => {
    const botId = await newBot()
    await record(botId, ['buy 2 @ 10', 5])
    const { id: positionId } = await held(botId)
    await setPositionStops(db, { botId, positionId, stopLoss: '8', takeProfit: '15', trailingDistance: '1' })
    await setPositionDetails(db, {
      botId,
      positionId,
      leverage: '3',
      signalScore: 0.75,
      strategyParameters: { window: 20 },
      exitReason: 'window closed',
    })
    const noted = await markPosition(db, { botId, positionId, price: '13', markedAt: minute(6) })
    await recordFills(db, [fillOf(botId, 'S', 'sell 1 @ 20', 4), fillOf(botId, 'S', 'buy 1 @ 7', 3)])
    const after = await held(botId)
    // 1 at 7 was sold at 20 before: a cycle of its own. What is held is what it was.
    expect(after).toEqual({ ...noted, version: after.version, updatedAt: after.updatedAt })

    // Bought at 4 and never sold: 2 for 11, of which 1 is sold at 20 for 14.5. So there is one position, of 5.5 + 20.
    await record(botId, ['buy 1 @ 4', 1])
    const joined = await held(botId)
    expect(figures(joined)).toEqual(['long', 'open', '3', '25.5', '14.5'])
    await expectReplay(db, botId)
  })

  it('an order of a position that is no more belongs to none, also when its own fill ends it', async () => {
    const botId = await newBot()
    await record(botId, ['buy 1 @ 10', 1], ['sell 1 @ 11', 2], ['buy 1 @ 20', 4])
    const [second, first] = await listPositions(db, { botId })
    const order = { botId, exchange: EXCHANGE, symbol: 'S', type: 'market', positionId: second?.id } as const
    const bystander = await recordOrder(db, { ...order, side: 'sell', quantity: '1' })
    const own = await recordOrder(db, { ...order, side: 'buy', quantity: '3', submittedAt: minute(0) })
    expect(own.positionId).toBe(second?.id)

    const late = fillOf(botId, 'S', 'buy 1 @ 9', 0, { orderId: own.id, fee: '0.1', feeCurrency: 'USD' })
    await recordFill(db, late)
    expect((await listPositions(db, { botId })).map(({ id }) => id)).toEqual([first?.id])
    expect((await getOrder(db, { botId, orderId: bystander.id })).positionId).toBeNull()
    const filled = await getOrder(db, { botId, orderId: own.id })
    expect(filled).toMatchObject({ positionId: null, status: 'partially_filled' })
    expect([filled.filledQuantity, filled.filledCost, filled.fee].map(text)).toEqual(['1', '9', '0.1'])
    await expectReplay(db, botId)
  })

  it('what the ledger said of an end is taken back with it, what the bot said is not', async () => {
    const botId = await newBot()
    const liquidation = { kind: 'liquidation' } as const
    await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 10', 1))
    await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 8', 3, liquidation))
    expect(await listTrades(db, { botId })).toMatchObject([
      { exitReason: 'liquidation', isLiquidation: true },
    ])
    // There was one more to sell; it went later, and by a stop.
    await record(botId, ['buy 1 @ 10', 2])
    expect(await held(botId)).toMatchObject({ exitReason: null })
    const stop = await recordOrder(db, {
      botId,
      exchange: EXCHANGE,
      symbol: 'S',
      type: 'stop_market',
      stopPrice: '9',
      side: 'sell',
      quantity: '1',
      purpose: 'stop_loss',
    })
    await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 9', 9, { orderId: stop.id }))
    expect(await listTrades(db, { botId })).toMatchObject([{ exitReason: 'stop_loss', isLiquidation: false }])

    const [{ positionId } = { positionId: '' }] = await listTrades(db, { botId })
    await setPositionDetails(db, { botId, positionId, exitReason: 'panic' })
    await record(botId, ['buy 1 @ 10', 4])
    expect(await held(botId)).toMatchObject({ id: positionId, exitReason: 'panic' })
    await record(botId, ['sell 1 @ 10', 10])
    expect(await listTrades(db, { botId })).toMatchObject([{ exitReason: 'panic' }])
    await expect(held(botId)).rejects.toMatchObject({ code: 'not_found' })
  })
})
