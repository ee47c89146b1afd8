import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { getPerformance } from '../../src/analytics/performance.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeDatabases } from '../database.ts'
import { makeSymbol, storeCloses } from '../risk/holdings.ts'
import { query } from '../trading/ledger-fixture.ts'
import { makeTrader, recordRoundTrip, type Trader } from './performance-fixture.ts'

const NOW = new Date('2024-06-10T12:00:00Z')

describeDatabases('performance in another currency', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  /** A bot that counts in euros and trades for dollars; the euro is worth so many dollars in the hour before each of these moments. */
  async function makeEuropean(timeZone: string, closes: Readonly<Record<string, string>>): Promise<Trader> {
    const bot = await makeTrader(db, { baseCurrency: 'EUR', timeZone })
    await makeSymbol(db, bot.exchange, 'EUR/USD', { kind: 'spot', baseCurrency: 'EUR' })
    for (const symbol of ['ONE', 'TWO', 'THREE']) await makeSymbol(db, bot.exchange, symbol)
    for (const [until, close] of Object.entries(closes)) {
      await storeCloses(db, bot.exchange, 'EUR/USD', [close], { timeframe: '1h', until: new Date(until) })
    }
    return bot
  }

  const netsOf = async ({ botId }: Trader) =>
    (
      await query(
        db,
        sql`select gross, fees, funding, net from analytics.trades_of(array[${botId}], null, null, ${NOW.toISOString()}) order by closed_at`,
      )
    ).map((row) => Object.values(row).map((value) => (value === null ? null : String(Number(value)))))

  it('is converted at the rate of the end of the bot’s day on which a trade was closed', async () => {
    // Berlin's 4th of June ends at 22:00 UTC, at 1.25 dollars the euro; the 5th at 2.
    const bot = await makeEuropean('Europe/Berlin', {
      '2024-06-04T12:00:00Z': '4',
      '2024-06-04T22:00:00Z': '1.25',
      '2024-06-05T00:00:00Z': '5',
      '2024-06-05T22:00:00Z': '2',
    })
    // 20 dollars less 5: 16 − 4 = 12 euros. One millisecond before midnight is of the 4th still.
    const trip = { openedAt: '2024-06-04T08:00:00Z' }
    await recordRoundTrip(db, bot, { ...trip, exit: '12', fee: '5', closedAt: '2024-06-04T21:59:59.999Z' })
    // 20 dollars at midnight: 10 euros.
    await recordRoundTrip(db, bot, { ...trip, symbol: 'ONE', exit: '12', closedAt: '2024-06-04T22:00:00Z' })
    expect(await netsOf(bot)).toEqual([
      ['16', '4', '0', '12'],
      ['10', '0', '0', '10'],
    ])
    const { netPnl, gross, fees, baseCurrency } = await getPerformance(db, { botId: bot.botId, now: NOW })
    expect([netPnl, gross, fees].map(String)).toEqual(['22', '26', '4'])
    expect(baseCurrency).toBe('EUR')
  })

  it('is converted at the rate of now while the day lasts', async () => {
    const bot = await makeEuropean('UTC', { '2024-06-10T12:00:00Z': '1.25', '2024-06-11T00:00:00Z': '2' })
    await recordRoundTrip(db, bot, {
      exit: '12',
      openedAt: '2024-06-10T08:00:00Z',
      closedAt: '2024-06-10T09:00:00Z',
    })
    const net = async (now: string) =>
      (await getPerformance(db, { botId: bot.botId, now: new Date(now) })).netPnl.toFixed()
    expect([await net('2024-06-10T12:00:00Z'), await net('2024-06-11T00:00:00Z')]).toEqual(['16', '10'])
    expect(await net('2024-07-01T00:00:00Z')).toBe('10')
  })

  it('is not known without a rate, and then the trade is in no amount', async () => {
    const bot = await makeEuropean('UTC', { '2024-06-05T00:00:00Z': '2' })
    await recordRoundTrip(db, bot, {
      exit: '12',
      openedAt: '2024-06-04T08:00:00Z',
      closedAt: '2024-06-04T09:00:00Z',
    })
    // Its day ends five days after the last candle closed.
    await recordRoundTrip(db, bot, {
      exit: '12',
      openedAt: '2024-06-05T08:00:00Z',
      closedAt: '2024-06-09T09:00:00Z',
    })
    expect(await netsOf(bot)).toEqual([
      ['10', '0', '0', '10'],
      [null, null, null, null],
    ])
    const figures = await getPerformance(db, { botId: bot.botId, now: NOW })
    expect(figures).toMatchObject({
      tradeCount: 2,
      winCount: 1,
      unvaluedTradeCount: 1,
      winRate: 1,
      currentStreak: 0,
    })
    expect(figures).toMatchObject({ longestWinStreak: 1, longCount: 2 })
    expect([figures.netPnl, figures.expectancy].map(String)).toEqual(['10', '10'])
  })

  it('has fees of unknown value at the rate of their own currency, all of them or none', async () => {
    const bot = await makeEuropean('UTC', { '2024-06-05T00:00:00Z': '2', '2024-06-10T00:00:00Z': '2' })
    await makeSymbol(db, bot.exchange, 'BNB/EUR', { kind: 'spot', baseCurrency: 'BNB', quoteCurrency: 'EUR' })
    await storeCloses(db, bot.exchange, 'BNB/EUR', ['300'], {
      timeframe: '1h',
      until: new Date('2024-06-05T00:00:00Z'),
    })
    const trip = { exit: '12', openedAt: '2024-06-04T08:00:00Z', closedAt: '2024-06-04T09:00:00Z' }
    // 20 dollars are 10 euros; a hundredth of a BNB is 3, and two euros are two.
    await recordRoundTrip(db, bot, { ...trip, fee: '0.01', feeCurrency: 'BNB' })
    await recordRoundTrip(db, bot, {
      ...{ ...trip, symbol: 'ONE', fee: '2', feeCurrency: 'EUR', closedAt: '2024-06-04T10:00:00Z' },
    })
    await recordRoundTrip(db, bot, {
      ...{ exit: '12', openedAt: '2024-06-09T08:00:00Z', closedAt: '2024-06-09T09:00:00Z' },
      ...{ fee: '0.01', feeCurrency: 'BNB' },
    })
    // Two euros are known, and what a hundredth of a BNB came to is not.
    await recordRoundTrip(db, bot, {
      ...{ exit: '12', openedAt: '2024-06-09T10:00:00Z', closedAt: '2024-06-09T11:00:00Z' },
      ...{ fee: '0.01', feeCurrency: 'BNB', entryFee: '2', entryFeeCurrency: 'EUR' },
    })
    expect(await netsOf(bot)).toEqual([
      ['10', '3', '0', '7'],
      ['10', '2', '0', '8'],
      ['10', null, '0', null],
      ['10', null, '0', null],
    ])
    const { netPnl, gross, fees, funding } = await getPerformance(db, { botId: bot.botId, now: NOW })
    expect([netPnl, gross, fees, funding].map(String)).toEqual(['15', '20', '5', '0'])
  })

  it('has the rate of the day that had begun where the clock goes back over midnight', async () => {
    // In St. John's the 7th of November 2010 began at 02:30 UTC. A minute later clocks went back to 23:01 of the 6th; the 7th ended at 03:30 UTC.
    const bot = await makeEuropean('America/St_Johns', {
      '2010-11-07T02:00:00Z': '4',
      '2010-11-08T03:00:00Z': '2',
    })
    const opened = '2010-11-06T08:00:00Z'
    const closings = [
      '2010-11-07T02:29:59.999Z',
      '2010-11-07T02:30:00Z',
      '2010-11-07T02:45:00Z',
      '2010-11-07T03:45:00Z',
    ]
    for (const [i, closedAt] of closings.entries()) {
      const symbol = ['COIN', 'ONE', 'TWO', 'THREE'][i] ?? ''
      await recordRoundTrip(db, bot, { exit: '12', symbol, openedAt: opened, closedAt })
    }
    expect((await netsOf(bot)).map((row) => row.at(-1))).toEqual(['5', '10', '10', '10'])
  })
})
