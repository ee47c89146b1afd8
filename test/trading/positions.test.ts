import { v7 as uuidv7 } from 'uuid'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import {
  calculateAveragePrice,
  calculatePositionPnl,
  calculateUnrealisedPnl,
  findOpenPosition,
  getOpenPosition,
  getPosition,
  listOpenPositions,
  listPositions,
  listRecentTrades,
  listTrades,
  markPosition,
  recordCashFlow,
  recordFill,
  recordFills,
  setPositionDetails,
  setPositionStops,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, text } from './ledger-fixture.ts'

describeEngines('positions', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'LINEAR')
    await makeInstrument(db, 'SPOT', { kind: 'spot' })
    await makeInstrument(db, 'INVERSE', { kind: 'inverse', contractSize: '100' })
  })

  /** A new bot that has recorded one fill, and its position's key. */
  async function makePosition(order: string, symbol = 'LINEAR') {
    bots += 1
    const botId = `holder-${bots}`
    await makeBot(db, botId)
    const fill = await recordFill(db, fillOf(botId, symbol, order, 1))
    return { botId, positionId: fill.positionId ?? '' }
  }

  it('are found while they are open, and kept when they are closed', async () => {
    const key = await makePosition('buy 2 @ 10')
    const { botId, positionId } = key
    const place = { botId, exchange: EXCHANGE, symbol: 'LINEAR' }
    const position = await getOpenPosition(db, place)
    expect(position).toMatchObject({
      id: positionId,
      direction: 'long',
      markPrice: null,
      unrealisedPnl: null,
    })
    expect(await findOpenPosition(db, { ...place, positionSide: 'long' })).toBeUndefined()
    expect(await findOpenPosition(db, { ...place, exchange: 'y' })).toBeUndefined()
    expect(await findOpenPosition(db, { ...place, botId: 'another' })).toBeUndefined()
    await recordFill(db, fillOf(botId, 'LINEAR', 'sell 2 @ 11', 2))
    expect(await findOpenPosition(db, place)).toBeUndefined()
    await expect(getOpenPosition(db, place)).rejects.toMatchObject({ code: 'not_found' })
    expect(await getPosition(db, key)).toMatchObject({ status: 'closed', averagePrice: null })
    await expect(getPosition(db, { botId: 'another', positionId })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('are listed by exchange and symbol, and all of them newest first in pages', async () => {
    bots += 1
    const botId = `holder-${bots}`
    await makeBot(db, botId)
    await recordFills(db, [
      fillOf(botId, 'SPOT', 'buy 1 @ 1', 1),
      fillOf(botId, 'LINEAR', 'buy 1 @ 1', 2, { positionSide: 'short' }),
      fillOf(botId, 'LINEAR', 'buy 1 @ 1', 2, { positionSide: 'long' }),
      fillOf(botId, 'LINEAR', 'buy 1 @ 1', 3),
      fillOf(botId, 'LINEAR', 'sell 1 @ 1', 4),
      fillOf(botId, 'LINEAR', 'sell 1 @ 1', 4, { positionSide: 'short' }),
    ])
    expect((await listOpenPositions(db, { botId })).map((p) => `${p.symbol} ${p.positionSide}`)).toEqual([
      'LINEAR long',
      'LINEAR short',
      'SPOT net',
    ])
    const all = await listPositions(db, { botId })
    expect(all.map(({ openedAt }) => openedAt)).toEqual([4, 3, 2, 1].map(minute))
    const [first, second] = all
    expect(await listPositions(db, { botId, limit: 2, after: first })).toEqual(all.slice(1, 3))
    expect(await listPositions(db, { botId, after: second })).toEqual(all.slice(2))
  })

  it.each([
    ['LINEAR', 'buy 3 @ 7', '10.000000000000000001'],
    ['LINEAR', 'sell 3 @ 7', '9'],
    ['SPOT', 'buy 0.7 @ 3', '2.9'],
    ['SPOT', 'sell 0.7 @ 3', '0.000000000000000000000000000007'],
    ['INVERSE', 'buy 3 @ 7', '9.3'],
    ['INVERSE', 'sell 3 @ 7', '11'],
    ['INVERSE', 'sell 3 @ 7', '0.000000000000000000000000000007'],
  ])(
    'the PnL of %s after %s at %s is what the arithmetic says, to the last digit',
    async (symbol, order, mark) => {
      const key = await makePosition(order, symbol)
      const { botId } = key
      // A third goes: cost / 3 has no end, and what is left keeps the difference.
      const [side, quantity] = order.split(' ')
      const part = new Decimal(quantity ?? '').div(3).toDecimalPlaces(20).toFixed()
      await recordFill(db, fillOf(botId, symbol, `${side === 'buy' ? 'sell' : 'buy'} ${part} @ 11`, 2))
      const flow = {
        exchange: EXCHANGE,
        kind: 'funding',
        symbol,
        occurredAt: minute(3),
        amount: '0.5',
      } as const
      await recordCashFlow(db, { ...flow, botId, currency: symbol === 'INVERSE' ? 'BTC' : 'USD' })
      const position = await markPosition(db, { ...key, price: mark, markedAt: minute(4) })
      const terms = { kind: position.instrumentKind, contractSize: position.contractSize }
      const expected = calculateUnrealisedPnl(position, new Decimal(mark), terms)
      expect(text(position.unrealisedPnl)).toBe(expected.toFixed())
      expect(text(position.maxAdverseExcursion)).toBe(expected.toFixed())
      expect(text(position.maxFavourableExcursion)).toBe(expected.toFixed())
      expect(text(position.averagePrice)).toBe(text(calculateAveragePrice(position, terms)))
      const pnl = await calculatePositionPnl(db, { ...key, price: mark })
      expect(text(pnl.unrealisedPnl)).toBe(expected.toFixed())
      expect(text(pnl.totalPnl)).toBe(expected.plus(position.realisedGross).plus('0.5').toFixed())
    },
  )

  it('the worst and the best PnL of all marks are kept, and an older mark changes nothing', async () => {
    const key = await makePosition('sell 2 @ 10')
    const mark = (price: string, at: number) => markPosition(db, { ...key, price, markedAt: minute(at) })
    const seen = async (price: string, at: number) => {
      const { markPrice, unrealisedPnl, maxAdverseExcursion, maxFavourableExcursion } = await mark(price, at)
      return [markPrice, unrealisedPnl, maxAdverseExcursion, maxFavourableExcursion].map(text)
    }
    // A short of 2 at 10: up is worse.
    expect(await seen('12', 2)).toEqual(['12', '-4', '-4', '-4'])
    expect(await seen('9', 4)).toEqual(['9', '2', '-4', '2'])
    expect(await seen('99', 3)).toEqual(['9', '2', '-4', '2'])
    const before = await getPosition(db, key)
    expect(await mark('1', 1)).toEqual(before)
    expect(await seen('11', 4)).toEqual(['11', '-2', '-4', '2'])
    // More of it is worth more at the same mark.
    await recordFill(db, fillOf(key.botId, 'LINEAR', 'sell 1 @ 10', 5))
    expect(text((await getPosition(db, key)).unrealisedPnl)).toBe('-3')
    await recordFill(db, fillOf(key.botId, 'LINEAR', 'buy 3 @ 10', 6))
    await expect(mark('10', 7)).rejects.toMatchObject({ code: 'not_found' })
    await expect(markPosition(db, { ...key, positionId: uuidv7(), price: '1' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it.each([
    // Long from 10, 2 away: follows 10, 13, stays at 12 and 9, follows 14. Nearer moves it, further does not.
    ['buy 1 @ 10', ['8', '11', '11', '11', '12', '13', '13']],
    // Short from 10: mirrored at 10.
    ['sell 1 @ 10', ['12', '9', '9', '9', '8', '7', '7']],
  ])('the trailing stop of %s follows the best price and never loosens', async (order, stops) => {
    const key = await makePosition(order)
    const mirrored = (price: number) => String(order.startsWith('buy') ? price : 20 - price)
    const seen: (string | null)[] = []
    const set = await setPositionStops(db, { ...key, trailingDistance: '2' })
    seen.push(text(set.trailingStop))
    expect(text(set.trailingBestPrice)).toBe('10')
    for (const [at, price] of [13, 12, 9, 14].entries()) {
      const marked = await markPosition(db, { ...key, price: mirrored(price), markedAt: minute(at + 2) })
      seen.push(text(marked.trailingStop))
    }
    seen.push(text((await setPositionStops(db, { ...key, trailingDistance: '1' })).trailingStop))
    seen.push(text((await setPositionStops(db, { ...key, trailingDistance: '5' })).trailingStop))
    expect(seen).toEqual(stops)

    const ended = await setPositionStops(db, { ...key, trailingDistance: null })
    expect(ended).toMatchObject({ trailingDistance: null, trailingBestPrice: null, trailingStop: null })
    // Trailing again starts from the last mark.
    const again = await setPositionStops(db, { ...key, trailingDistance: '3' })
    expect(text(again.trailingStop)).toBe(mirrored(11))
  })

  it('stops are set one by one, of the version that was read', async () => {
    const key = await makePosition('buy 1 @ 10')
    const set = await setPositionStops(db, { ...key, stopLoss: '9', takeProfit: '12.5' })
    expect([set.stopLoss, set.takeProfit, set.trailingStop].map(text)).toEqual(['9', '12.5', null])
    const moved = await setPositionStops(db, { ...key, stopLoss: '9.5', expectedVersion: set.version })
    expect([moved.stopLoss, moved.takeProfit].map(text)).toEqual(['9.5', '12.5'])
    expect(moved.version).toBe(set.version + 1)
    await expect(
      setPositionStops(db, { ...key, stopLoss: '1', expectedVersion: set.version }),
    ).rejects.toMatchObject({ code: 'conflict', field: 'expectedVersion' })
    expect(text((await setPositionStops(db, { ...key, takeProfit: null })).takeProfit)).toBeNull()
    expect(text((await getPosition(db, key)).stopLoss)).toBe('9.5')
    await recordFill(db, fillOf(key.botId, 'LINEAR', 'sell 1 @ 10', 6))
    await expect(setPositionStops(db, { ...key, stopLoss: '1' })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('take notes open and closed, and lose those that are removed', async () => {
    const key = await makePosition('buy 1 @ 10')
    const noted = await setPositionDetails(db, {
      ...key,
      leverage: '5',
      liquidationPrice: '8.1',
      llmScore: 0.25,
      strategyParameters: { fast: 5 },
    })
    expect(noted).toMatchObject({ llmScore: 0.25, strategyParameters: { fast: 5 }, margin: null })
    await recordFill(db, fillOf(key.botId, 'LINEAR', 'sell 1 @ 10', 6))
    const closed = await setPositionDetails(db, { ...key, exitReason: 'signal', llmScore: null })
    expect(closed).toMatchObject({ exitReason: 'signal', llmScore: null, strategyParameters: { fast: 5 } })
    expect(text(closed.leverage)).toBe('5')
    await expect(setPositionDetails(db, { ...key, positionId: uuidv7() })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('keep what the bot called its reason to enter, also as trades', async () => {
    const key = await makePosition('buy 1 @ 10')
    expect((await getPosition(db, key)).entryTag).toBeNull()
    expect(await setPositionDetails(db, { ...key, entryTag: 'breakout' })).toMatchObject({
      entryTag: 'breakout',
    })
    // Whatever else is noted leaves it.
    await setPositionDetails(db, { ...key, exitReason: 'target' })
    await recordFill(db, fillOf(key.botId, 'LINEAR', 'sell 1 @ 10', 6))
    const [trade] = await listTrades(db, { botId: key.botId })
    expect(trade).toMatchObject({ entryTag: 'breakout', exitReason: 'target' })
    const [recent] = await listRecentTrades(db, { limit: 1000 })
    expect(recent).toHaveProperty('entryTag')
    expect((await setPositionDetails(db, { ...key, entryTag: null })).entryTag).toBeNull()
    await expect(setPositionDetails(db, { ...key, entryTag: 'a\0b' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'entryTag',
    })
  })
})
