import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { recordHeartbeat } from '../../src/fleet/index.ts'
import { getExposure } from '../../src/risk/exposure.ts'
import { drawdowns } from '../../src/risk/schema/measures.ts'
import { markPosition, recordFill } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { before, hold, makeHolder, makeSymbol, NOW, storeCloses } from './holdings.ts'

const MINUTE_MS = 60_000

describeDatabases('getExposure', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const look = (botId: string, now: Date = NOW) => getExposure(db, { botId, now })

  it('adds up long and short at their marks, and compares them with equity', async () => {
    const bot = await makeHolder(db)
    for (const symbol of ['A', 'B']) await makeSymbol(db, bot.exchange, symbol)
    const long = await hold(db, bot, 'buy', '2', 'A')
    const short = await hold(db, bot, 'sell', '0.5', 'B')
    await markPosition(db, { ...long, price: '20.1', markedAt: before(MINUTE_MS) })
    await markPosition(db, { ...short, price: '119.6', markedAt: before(MINUTE_MS) })
    await recordHeartbeat(db, { botId: bot.botId, currentEquity: '50', at: before(MINUTE_MS) })
    const found = await look(bot.botId)
    // 2 · 20.1 = 40.2 and 0.5 · 119.6 = 59.8: 100 together.
    const amounts = [found.long, found.short, found.gross, found.net, found.equity].map(String)
    expect(amounts).toEqual(['40.2', '59.8', '100', '-19.6', '50'])
    expect(found).toMatchObject({ botId: bot.botId, baseCurrency: 'USD', at: NOW, leverage: 2, unpriced: [] })
    expect(found.concentration).toBeCloseTo(0.402 ** 2 + 0.598 ** 2, 12)
    const shown = found.symbols.map(({ gross, net, long: up, short: down, ...name }) => ({
      ...name,
      figures: [up, down, gross, net].map(String),
    }))
    expect(shown).toEqual([
      { exchange: bot.exchange, symbol: 'A', figures: ['40.2', '0', '40.2', '40.2'] },
      { exchange: bot.exchange, symbol: 'B', figures: ['0', '59.8', '59.8', '-59.8'] },
    ])
  })

  it('counts both sides of a hedged symbol', async () => {
    const bot = await makeHolder(db)
    await makeSymbol(db, bot.exchange, 'A')
    for (const [side, positionSide, quantity] of [
      ['buy', 'long', '3'],
      ['sell', 'short', '1'],
    ] as const) {
      await recordFill(db, {
        ...bot,
        symbol: 'A',
        side,
        positionSide,
        quantity,
        price: '10',
        executedAt: before(MINUTE_MS),
        exchangeTradeId: `hedge-${positionSide}`,
      })
    }
    await storeCloses(db, bot.exchange, 'A', ['10'])
    const found = await look(bot.botId)
    expect([found.gross, found.net].map(String)).toEqual(['40', '20'])
    expect(found.symbols).toHaveLength(1)
    expect(found.concentration).toBe(1)
  })

  it('counts an inverse contract by its size where the bot counts in what it is quoted in', async () => {
    const bot = await makeHolder(db)
    const terms = { kind: 'inverse', contractSize: '100' } as const
    await makeSymbol(db, bot.exchange, 'BTC', terms)
    await hold(db, bot, 'buy', '5', 'BTC')
    // Five contracts of 100 USD, whatever the price.
    expect(String((await look(bot.botId)).long)).toBe('500')
  })

  it('values an inverse contract at its price where the bot counts in what it settles in', async () => {
    const bot = await makeHolder(db, '1', { baseCurrency: 'BTC' })
    await makeSymbol(db, bot.exchange, 'BTC', { kind: 'inverse', contractSize: '100' })
    await hold(db, bot, 'sell', '5', 'BTC')
    await storeCloses(db, bot.exchange, 'BTC', ['2000'])
    // 500 USD at 2000 USD for one BTC.
    expect(String((await look(bot.botId)).short)).toBe('0.25')
  })

  it('converts what is quoted in another currency by the newest price of the two', async () => {
    const bot = await makeHolder(db)
    await makeSymbol(db, bot.exchange, 'A', { quoteCurrency: 'EUR' })
    await makeSymbol(db, bot.exchange, 'EUR/USD', { kind: 'spot', baseCurrency: 'EUR' })
    await hold(db, bot, 'buy', '2', 'A')
    await storeCloses(db, bot.exchange, 'A', ['30'])
    expect((await look(bot.botId)).unpriced).toEqual([{ exchange: bot.exchange, symbol: 'A' }])
    await storeCloses(db, bot.exchange, 'EUR/USD', ['1.25'])
    expect(String((await look(bot.botId)).gross)).toBe('75')
  })

  it('takes the mark before the last price, and neither when it is too old', async () => {
    const bot = await makeHolder(db)
    await makeSymbol(db, bot.exchange, 'A')
    const position = await hold(db, bot, 'buy', '1', 'A')
    const unpriced = [{ exchange: bot.exchange, symbol: 'A' }]
    expect(await look(bot.botId)).toMatchObject({
      unpriced,
      symbols: [],
      leverage: null,
      concentration: null,
    })
    await storeCloses(db, bot.exchange, 'A', ['12'])
    expect(String((await look(bot.botId)).gross)).toBe('12')
    await markPosition(db, { ...position, price: '11', markedAt: before(30 * MINUTE_MS) })
    expect(String((await look(bot.botId)).gross)).toBe('11')
    // An hour is as old as a price may be, unless the settings say otherwise: then the mark is too old, and the price is not.
    const at = (minutes: number) => look(bot.botId, new Date(NOW.getTime() + minutes * MINUTE_MS))
    expect(String((await at(30)).gross)).toBe('11')
    expect(String((await at(31)).gross)).toBe('12')
    expect(String((await at(60)).gross)).toBe('12')
    expect(await at(61)).toMatchObject({ unpriced, symbols: [] })
  })

  it('leaves what it cannot value out of the amounts, and says nothing of the whole', async () => {
    const bot = await makeHolder(db)
    for (const symbol of ['A', 'B']) await makeSymbol(db, bot.exchange, symbol)
    await hold(db, bot, 'buy', '1', 'A')
    await hold(db, bot, 'buy', '1', 'B')
    await storeCloses(db, bot.exchange, 'B', ['40'])
    await recordHeartbeat(db, { botId: bot.botId, currentEquity: '50', at: NOW })
    const found = await look(bot.botId)
    expect(String(found.gross)).toBe('40')
    expect(found).toMatchObject({ leverage: null, concentration: null })
    expect(found.unpriced).toEqual([{ exchange: bot.exchange, symbol: 'A' }])
  })

  it('knows equity as it was observed last, else as reported, else as it was before anything was held', async () => {
    const bot = await makeHolder(db, '700')
    const idle = await look(bot.botId)
    expect(idle).toMatchObject({ leverage: 0, concentration: null, symbols: [], unpriced: [] })
    expect([idle.equity, idle.gross].map(String)).toEqual(['700', '0'])
    await makeSymbol(db, bot.exchange, 'A')
    await hold(db, bot, 'buy', '1', 'A')
    await storeCloses(db, bot.exchange, 'A', ['10'])
    expect(await look(bot.botId)).toMatchObject({ equity: null, leverage: null })
    await recordHeartbeat(db, { botId: bot.botId, currentEquity: '20', at: before(MINUTE_MS) })
    expect(await look(bot.botId)).toMatchObject({ leverage: 0.5 })
    const [one, nothing] = [new Decimal(1), new Decimal(0)]
    await db.insert(drawdowns).values({
      botId: bot.botId,
      day: '2024-02-29',
      observedAt: before(2 * MINUTE_MS),
      equity: new Decimal(40),
      flows: nothing,
      growth: one,
      peakGrowth: one,
      peakAt: NOW,
      drawdownFraction: nothing,
      dayMaxDrawdownFraction: nothing,
      maxDrawdownFraction: nothing,
      maxDrawdownAt: NOW,
      watchedPeakGrowth: one,
      watchedSince: NOW,
      watchedDrawdownFraction: nothing,
    })
    expect(await look(bot.botId)).toMatchObject({ leverage: 0.25 })
    // The observation is an hour old 58 minutes later, the heartbeat a minute after that.
    const later = (minutes: number) => look(bot.botId, new Date(NOW.getTime() + minutes * MINUTE_MS))
    expect(await later(58)).toMatchObject({ leverage: 0.25 })
    expect(await later(59)).toMatchObject({ leverage: 0.5 })
    expect(await later(60)).toMatchObject({ equity: null, leverage: null })
  })

  it('has no leverage on an account in debt', async () => {
    const bot = await makeHolder(db)
    await makeSymbol(db, bot.exchange, 'A')
    await hold(db, bot, 'buy', '1', 'A')
    await storeCloses(db, bot.exchange, 'A', ['10'])
    await recordHeartbeat(db, { botId: bot.botId, currentEquity: '-5', at: NOW })
    expect(await look(bot.botId)).toMatchObject({ leverage: null, concentration: 1 })
  })

  it('refuses a bot that is not there, and a moment that is none', async () => {
    await expect(look('nobody')).rejects.toMatchObject({ code: 'not_found' })
    const { botId } = await makeHolder(db)
    await expect(look(botId, new Date(Number.NaN))).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'now',
    })
  })

  it('looks at the present unless told otherwise', async () => {
    const { botId } = await makeHolder(db)
    const { at } = await getExposure(db, { botId })
    expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000)
  })
})
