import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getOpenPosition,
  listFills,
  listPositions,
  rebuildPositions,
  recordFill,
  recordOrder,
  setPositionStops,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument } from './ledger-fixture.ts'

describeEngines('the edges of the ledger', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const bot of ['early', 'colon', 'trail', 'place']) await makeBot(db, bot)
    for (const symbol of ['S', 'S:buy', 'T']) await makeInstrument(db, symbol)
  })

  it('keeps the first years as they are', async () => {
    const times = ['0001-01-01T00:00:00.000Z', '0050-06-01T12:30:15.123Z', '9999-12-31T23:59:59.999Z']
    const botId = 'early'
    for (const [n, time] of times.entries()) {
      const side = n === 1 ? 'sell 1 @ 2' : 'buy 1 @ 1'
      await recordFill(db, { ...fillOf(botId, 'S', side, n), executedAt: new Date(time) })
    }
    const stored = await listFills(db, { botId })
    expect(stored.map((fill) => fill.executedAt.toISOString()).toReversed()).toEqual(times)
    expect(await rebuildPositions(db, { botId, dryRun: true })).toEqual({ ledgers: 1, differences: [] })
  })

  it('gives two round trips two names, though their parts read alike when joined', async () => {
    const botId = 'colon'
    await recordFill(db, { ...fillOf(botId, 'S', 'buy 1 @ 1', 0), exchangeTradeId: 'buy:1' })
    await recordFill(db, { ...fillOf(botId, 'S:buy', 'buy 1 @ 1', 0), exchangeTradeId: '1' })
    const names = (await listPositions(db, { botId })).map((position) => position.tradeId)
    expect(names.toSorted()).toEqual([`${EXCHANGE}:S%3Abuy:buy:1`, `${EXCHANGE}:S:buy:buy:1`])
  })

  it('starts a trailing stop from an average price at a level that an order can carry', async () => {
    const botId = 'trail'
    await recordFill(db, fillOf(botId, 'T', 'buy 1 @ 10', 0))
    await recordFill(db, fillOf(botId, 'T', 'buy 2 @ 11', 1))
    const { id: positionId, averagePrice } = await getOpenPosition(db, {
      botId,
      exchange: EXCHANGE,
      symbol: 'T',
    })
    // (10 + 22) / 3
    expect(averagePrice?.toFixed()).toBe('10.6666666666666666666666666666666666666667')
    const { trailingStop } = await setPositionStops(db, { botId, positionId, trailingDistance: '0.5' })
    expect(trailingStop?.toFixed()).toBe('10.166666666666666667')
    const order = await recordOrder(db, {
      botId,
      exchange: EXCHANGE,
      symbol: 'T',
      side: 'sell',
      type: 'stop_market',
      quantity: '3',
      stopPrice: trailingStop ?? '',
    })
    expect(order.stopPrice?.toFixed()).toBe('10.166666666666666667')
  })

  it('counts another place in the feed as a contradiction, and no place as none', async () => {
    const botId = 'place'
    const fill = { ...fillOf(botId, 'S', 'buy 1 @ 1', 0), exchangeTradeId: '7', sequence: 3n }
    await recordFill(db, fill)
    const { sequence: _, ...withoutPlace } = fill
    expect((await recordFill(db, withoutPlace)).sequence).toBe(3n)
    await expect(recordFill(db, { ...fill, sequence: 4n })).rejects.toMatchObject({
      code: 'conflict',
      field: 'sequence',
    })
  })
})
