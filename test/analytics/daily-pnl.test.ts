import { beforeAll, expect, it } from 'vitest'
import {
  calculateDailyPnl,
  calculateFleetDailyPnl,
  findStaleDailyPnl,
  getDailyPnl,
  listDailyPnl,
} from '../../src/analytics/daily-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { recordCandles, setInstrument } from '../../src/market/index.ts'
import { activateKillSwitch, deactivateKillSwitch, tripCircuitBreaker } from '../../src/risk/index.ts'
import { recordCashFlow, recordFill } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'

const EXCHANGE = 'days'

describeDatabases('the days of a bot', (open) => {
  let db: Connection
  let made = 0

  beforeAll(async () => {
    db = await open()
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol: 'BTC/USDT',
      kind: 'linear',
      baseCurrency: 'BTC',
      quoteCurrency: 'USDT',
    })
  })

  /** A new bot with 1,000, in its own time zone. */
  async function makeBot(timeZone = 'UTC', baseCurrency = 'USDT'): Promise<string> {
    made += 1
    const botId = `day-${made}`
    await registerBot(db, {
      botId,
      kind: 'test',
      strategy: 'none',
      exchange: EXCHANGE,
      mode: 'paper',
      baseCurrency,
      initialEquity: '1000',
      timeZone,
    })
    return botId
  }

  async function fill(
    botId: string,
    side: 'buy' | 'sell',
    price: string,
    at: string,
    fee = '1',
  ): Promise<void> {
    await recordFill(db, {
      botId,
      exchange: EXCHANGE,
      exchangeTradeId: `${side}-${price}-${at}`,
      symbol: 'BTC/USDT',
      side,
      price,
      quantity: '1',
      fee,
      feeCurrency: 'USDT',
      executedAt: new Date(at),
    })
  }

  const now = new Date('2024-01-04T12:00:00Z')

  /** Buys on the 1st at 100 and sells on the 3rd at 110. */
  async function makeTrader(): Promise<string> {
    const botId = await makeBot()
    await fill(botId, 'buy', '100', '2024-01-01T10:00:00Z')
    await fill(botId, 'sell', '110', '2024-01-03T10:00:00Z')
    return botId
  }

  it('stores a row for each day and returns them, oldest first', async () => {
    const botId = await makeTrader()
    const days = await calculateDailyPnl(db, { botId, from: '2024-01-01', to: '2024-01-04', now })
    expect(days.map(({ day, netPnl, isComplete }) => [day, netPnl?.toFixed(), isComplete])).toEqual([
      ['2024-01-01', '-1', true],
      ['2024-01-02', '0', true],
      ['2024-01-03', '9', true],
      ['2024-01-04', '0', false],
    ])
    expect(await listDailyPnl(db, { botId })).toEqual([...days].reverse())
    expect(await getDailyPnl(db, { botId, day: '2024-01-03' })).toEqual(days[2])
  })

  it('gives the days of the middle as they are in the whole', async () => {
    const botId = await makeTrader()
    const whole = await calculateDailyPnl(db, { botId, now })
    const [middle, ...others] = await calculateDailyPnl(db, { botId, day: '2024-01-02', now })
    expect(others).toEqual([])
    expect(middle).toEqual(whole[1])
  })

  it('leaves a day alone that has not changed', async () => {
    const botId = await makeTrader()
    const first = await calculateDailyPnl(db, { botId, now })
    expect(await calculateDailyPnl(db, { botId, now })).toEqual(first)
  })

  it('values what is held at the last fill for four days, and no longer', async () => {
    const botId = await makeBot()
    await fill(botId, 'buy', '100', '2024-01-01T10:00:00Z')
    await fill(botId, 'sell', '110', '2024-01-07T10:00:00Z')
    const days = await calculateDailyPnl(db, {
      botId,
      to: '2024-01-07',
      now: new Date('2024-01-08T00:00:00Z'),
    })
    // The buy is three days and 14 hours old at the end of the 4th, and more than four days at those of the 5th and the 6th.
    expect(days.map(({ equityEnd }) => equityEnd?.toFixed() ?? null)).toEqual([
      '999',
      '999',
      '999',
      '999',
      null,
      null,
      '1008',
    ])
    expect(days.map(({ unvalued }) => unvalued)).toEqual([[], [], [], [], ['BTC/USDT'], ['BTC/USDT'], []])
    // The gain of the gap is the return of the day on which equity is known again: 1008 / 999 − 1.
    expect(days.map(({ returnFraction }) => returnFraction)).toEqual([-0.001, 0, 0, 0, null, null, 9 / 999])
  })

  it('values what is held at the newer of the last close and the own last fill', async () => {
    const symbol = `C${made}/USDT`
    const terms = {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency: 'C',
      quoteCurrency: 'USDT',
    } as const
    await setInstrument(db, terms)
    const candle = (openTime: string, price: string) => ({
      ...{ openTime: new Date(openTime), open: price, high: price, low: price, close: price },
      ...{ exchange: EXCHANGE, symbol, timeframe: '1h' as const, volume: '1' },
    })
    // The first closes before the buy, the second at the end of the 2nd.
    await recordCandles(db, {
      candles: [candle('2024-01-01T08:00:00Z', '90'), candle('2024-01-02T23:00:00Z', '130')],
    })
    const botId = await makeBot()
    await recordFill(db, {
      ...{
        botId,
        exchange: EXCHANGE,
        exchangeTradeId: '1',
        symbol,
        side: 'buy',
        price: '100',
        quantity: '1',
      },
      ...{ fee: '0', feeCurrency: 'USDT', executedAt: new Date('2024-01-01T10:00:00Z') },
    })
    const days = await calculateDailyPnl(db, { botId, to: '2024-01-02', now })
    expect(days.map(({ unrealisedPnl }) => unrealisedPnl?.toFixed())).toEqual(['0', '30'])
  })

  it('has no Calmar ratio where it is larger than a double can be', async () => {
    const botId = await makeBot()
    // Down by three millionths, then up forty-fourfold: of a year, that is more than 1e308.
    for (const [side, price, at] of [
      ['buy', '100', '2024-01-01T10:00:00Z'],
      ['sell', '99.999999', '2024-01-01T11:00:00Z'],
      ['buy', '100', '2024-01-02T10:00:00Z'],
      ['sell', '43800', '2024-01-02T11:00:00Z'],
    ] as const) {
      await fill(botId, side, price, at, '0')
    }
    const days = await calculateDailyPnl(db, { botId, to: '2024-01-02', now })
    expect(days.at(-1)).toMatchObject({ calmar: null, returnCount: 2 })
    expect(days.at(-1)?.growth).toBeGreaterThan(40)
  })

  it('says which days no longer match, and why', async () => {
    const botId = await makeTrader()
    expect((await findStaleDailyPnl(db, { botId, now })).map(({ day, why }) => [day, why])).toEqual([
      ['2024-01-01', 'missing'],
      ['2024-01-02', 'missing'],
      ['2024-01-03', 'missing'],
    ])
    await calculateDailyPnl(db, { botId, now })
    expect(await findStaleDailyPnl(db, { botId, now })).toEqual([])

    await recordCashFlow(db, {
      botId,
      exchange: EXCHANGE,
      kind: 'interest',
      currency: 'USDT',
      amount: '5',
      occurredAt: new Date('2024-01-02T05:00:00Z'),
    })
    const stale = await findStaleDailyPnl(db, { botId, now })
    expect(stale.map(({ day, why }) => [day, why])).toEqual([
      ['2024-01-02', 'changed'],
      ['2024-01-03', 'changed'],
    ])
    expect(stale[0]?.fields).toEqual(expect.arrayContaining(['interest', 'net_pnl', 'balance_end']))
    expect(stale[0]?.fields).not.toContain('fees')
    expect(await findStaleDailyPnl(db, { botId, now, limit: 1, after: { day: '2024-01-02' } })).toEqual(
      stale.slice(1),
    )
    const [first] = await listDailyPnl(db, { botId, to: '2024-01-01' })
    await calculateDailyPnl(db, { botId, from: '2024-01-02', now })
    expect(await findStaleDailyPnl(db, { botId, now })).toEqual([])
    expect((await getDailyPnl(db, { botId, day: '2024-01-02' })).netPnl?.toFixed()).toBe('5')
    expect(await getDailyPnl(db, { botId, day: '2024-01-01' })).toEqual(first)
  })

  it('finds a day stale that was calculated while it lasted', async () => {
    const botId = await makeTrader()
    await calculateDailyPnl(db, { botId, now: new Date('2024-01-03T09:00:00Z') })
    expect((await getDailyPnl(db, { botId, day: '2024-01-03' })).fillCount).toBe(0)
    const [stale, ...others] = await findStaleDailyPnl(db, { botId, now })
    expect(others).toEqual([])
    expect(stale).toMatchObject({ day: '2024-01-03', why: 'changed' })
    expect(stale?.fields).toEqual(expect.arrayContaining(['fill_count', 'is_complete']))
  })

  it('keeps to the bot that was asked for', async () => {
    const [botId, other] = [await makeTrader(), await makeTrader()]
    await calculateDailyPnl(db, { botId, now })
    expect(await listDailyPnl(db, { botId: other })).toEqual([])
  })

  it('calculates all bots of a fleet in one go as each by itself', async () => {
    const currency = `C${made}`
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol: `X/${currency}`,
      kind: 'linear',
      baseCurrency: 'X',
      quoteCurrency: currency,
    })
    const bots = [await makeBot('UTC', currency), await makeBot('Asia/Tokyo', currency)]
    for (const botId of bots) {
      await recordFill(db, {
        botId,
        exchange: EXCHANGE,
        exchangeTradeId: '1',
        symbol: `X/${currency}`,
        side: 'buy',
        price: '10',
        quantity: '1',
        fee: '1',
        feeCurrency: currency,
        executedAt: new Date('2024-01-03T16:00:00Z'),
      })
    }
    const fleet = { mode: 'paper', baseCurrency: currency } as const
    // The second one's day began at 15:00: it has the 4th alone, the first one the 3rd and the 4th.
    expect(await calculateFleetDailyPnl(db, { fleet, now })).toEqual({
      botCount: 2,
      dayCount: 3,
      changedCount: 3,
    })
    expect(await calculateFleetDailyPnl(db, { fleet, now })).toEqual({
      botCount: 2,
      dayCount: 3,
      changedCount: 0,
    })
    for (const botId of bots) {
      const stored = await listDailyPnl(db, { botId })
      expect(await calculateDailyPnl(db, { botId, now })).toEqual([...stored].reverse())
    }
  })

  it('has no days before the first and after today', async () => {
    const botId = await makeTrader()
    expect(await calculateDailyPnl(db, { botId, to: '2023-12-31', now })).toEqual([])
    expect(await calculateDailyPnl(db, { botId, day: '2024-01-05', now })).toEqual([])
  })

  it('refuses what is no bot, no day and no range', async () => {
    const botId = await makeBot()
    await expect(calculateDailyPnl(db, { botId: 'nobody', day: '2024-01-01' })).rejects.toMatchObject({
      code: 'not_found',
      message: "bot 'nobody' not found",
    })
    await expect(findStaleDailyPnl(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(getDailyPnl(db, { botId, day: '2024-01-01' })).rejects.toMatchObject({
      code: 'not_found',
      message: `calculated day 2024-01-01 of bot '${botId}' not found`,
    })
    for (const [input, field] of [
      [{ botId, day: '2024-02-30' }, 'day'],
      [{ botId, day: '1.2.2024' }, 'day'],
      [{ botId, from: '2024-01-02', to: '2024-01-01' }, 'to'],
      [{ botId, day: '2024-01-02', to: '2024-01-03' } as never, 'day'],
      [{ botId, now: new Date(Number.NaN) }, 'now'],
    ] as const) {
      await expect(calculateDailyPnl(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    await expect(listDailyPnl(db, { botId, limit: 0 })).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(
      calculateFleetDailyPnl(db, { fleet: { mode: 'paper', baseCurrency: 'NONE' } }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })

  it('counts trips of circuit breakers and of the kill switch on their day', async () => {
    const botId = await makeTrader()
    const trip = { trigger: 'manual', reason: 'tests', trippedBy: 'tests', cooldownMs: null } as const
    const at = (time: string) => new Date(time)
    await tripCircuitBreaker(db, { ...trip, botId, now: at('2024-01-02T23:59:59.999Z') })
    await tripCircuitBreaker(db, { ...trip, botId, now: at('2024-01-03T00:00:00Z') })
    // Of the fleet: one that closes the exchange of the bot, one of all, and one of another exchange.
    await tripCircuitBreaker(db, { ...trip, rule: 'a', exchange: EXCHANGE, now: at('2024-01-03T01:00:00Z') })
    await tripCircuitBreaker(db, { ...trip, rule: 'b', now: at('2024-01-03T02:00:00Z') })
    await tripCircuitBreaker(db, {
      ...trip,
      rule: 'c',
      exchange: 'elsewhere',
      now: at('2024-01-03T03:00:00Z'),
    })
    const days = await calculateDailyPnl(db, { botId, now })
    expect(days.map(({ breakerCount }) => breakerCount)).toEqual([0, 1, 3, 0])
    expect(days.map(({ killSwitchCount }) => killSwitchCount)).toEqual([0, 0, 0, 0])

    const confirmationCode = 'tests-only'
    const { event } = await activateKillSwitch(db, {
      activatedBy: 'tests',
      reason: 'tests',
      confirmationCode,
    })
    await deactivateKillSwitch(db, {
      eventId: event.id,
      deactivatedBy: 'tests',
      reason: 'tests',
      confirmationCode,
    })
    const last = (await calculateDailyPnl(db, { botId })).at(-1)
    expect(last?.killSwitchCount).toBe(1)
  })
})
