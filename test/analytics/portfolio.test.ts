import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { getPortfolio } from '../../src/analytics/portfolio.ts'
import type { Connection } from '../../src/db/database.ts'
import type { Decimal } from '../../src/db/decimal.ts'
import { recordHeartbeat, setBotStatus } from '../../src/fleet/index.ts'
import { recordDrawdown } from '../../src/risk/drawdowns.ts'
import { getExposure } from '../../src/risk/exposure.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { markPosition } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { fresh, listSymbol, makeMember, minutesBefore, NOW, trade } from './portfolio-fixture.ts'

const text = (amount: Decimal | null) => (amount === null ? null : amount.toFixed())

describeDatabases('getPortfolio', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const look = (baseCurrency: string, now: Date = NOW) => getPortfolio(db, { fleet: { baseCurrency }, now })

  /** What a symbol was traded at, five minutes before. */
  const setPrice = (symbol: string, price: string, minutes = 5) =>
    query(
      db,
      sql`insert into market.series (exchange, symbol, timeframe, last_close, last_price_at)
        values ('x', ${symbol}, '1m', ${price}::numeric, ${minutesBefore(minutes).toISOString()}::timestamptz)`,
    )

  const beat = (botId: string, currentEquity: string, minutes = 5) =>
    recordHeartbeat(db, { botId, currentEquity, at: minutesBefore(minutes) })

  it('adds up the bots of one currency and mode, each and together', async () => {
    const currency = fresh('USD')
    const [s, t] = [fresh('S'), fresh('T')]
    for (const symbol of [s, t]) await listSymbol(db, symbol, currency)
    const a = await makeMember(db, currency, { name: 'First' })
    const b = await makeMember(db, currency)
    await setBotStatus(db, { botId: b, status: 'stopped' })
    const others = [
      await makeMember(db, currency, { mode: 'paper' }),
      await makeMember(db, currency, { mode: 'backtest' }),
      await makeMember(db, fresh('EUR')),
    ]
    for (const botId of others) await trade(db, botId, s, 'buy 1000 @ 1')
    await trade(db, a, s, 'buy 2 @ 90')
    await trade(db, b, s, 'sell 0.5 @ 110')
    await trade(db, b, t, 'buy 3 @ 12')
    await setPrice(s, '100')
    await setPrice(t, '10')
    await beat(a, '1000')
    await beat(b, '500')
    const found = await look(currency)
    expect(found).toMatchObject({
      mode: 'live',
      baseCurrency: currency,
      at: NOW,
      unknownEquity: [],
      unpriced: [],
    })
    const amounts = [found.equity, found.long, found.short, found.gross, found.net, found.unrealisedPnl]
    // Long 2·100 and 3·10, short 0.5·100; gained 2·10 + 0.5·10 − 3·2.
    expect(amounts.map(text)).toEqual(['1500', '230', '50', '280', '180', '19'])
    expect(found).toMatchObject({ openPositions: 3, leverage: 280 / 1500 })
    // 250 of 280 are of S, long and short, and 30 of T.
    expect(found.concentration).toBeCloseTo((250 / 280) ** 2 + (30 / 280) ** 2, 12)
    const symbols = found.symbols.map((one) => [
      one.symbol,
      ...[one.long, one.short, one.gross, one.net].map(text),
    ])
    expect(symbols).toEqual([
      [s, '200', '50', '250', '150'],
      [t, '30', '0', '30', '30'],
    ])
    const bots = found.bots.map((bot) => [
      ...[bot.botId, bot.status, bot.openPositions, bot.leverage],
      ...[bot.equity, bot.long, bot.short, bot.gross, bot.net, bot.unrealisedPnl].map(text),
    ])
    expect(bots).toEqual([
      [a, 'active', 1, 0.2, '1000', '200', '0', '200', '200', '20'],
      [b, 'stopped', 2, 0.16, '500', '30', '50', '80', '-20', '-1'],
    ])
    expect(found.bots[0]).toMatchObject({ botName: 'First', exchange: 'x', concentration: 1 })
  })

  it('gives each bot the figures of its own exposure, and each position its value', async () => {
    const currency = fresh('USD')
    const [linear, inverse, foreign, none] = [fresh('L'), fresh('I'), fresh('F'), fresh('N')]
    await listSymbol(db, linear, currency)
    await listSymbol(db, inverse, currency, { kind: 'inverse', contractSize: '100' })
    await listSymbol(db, foreign, 'EUR')
    await listSymbol(db, none, currency)
    await listSymbol(db, `EUR/${currency}`, currency, { kind: 'spot', baseCurrency: 'EUR' })
    await setPrice(linear, '123.45')
    await setPrice(inverse, '2000', 30)
    await setPrice(foreign, '7.7', 50)
    await setPrice(`EUR/${currency}`, '1.1', 40)
    const bots = [
      await makeMember(db, currency),
      await makeMember(db, currency),
      await makeMember(db, currency),
    ]
    const [marked = '', careful = '', hedged = ''] = bots
    const idle = await makeMember(db, currency, { initialEquity: '77' })
    for (const botId of [marked, careful]) {
      await trade(db, botId, linear, 'buy 2 @ 100')
      await trade(db, botId, inverse, 'sell 3 @ 1900')
      await trade(db, botId, foreign, 'buy 5 @ 8')
    }
    await trade(db, careful, none, 'buy 1 @ 1')
    await markPosition(db, {
      ...(await trade(db, marked, linear, 'buy 1 @ 1')),
      price: '120',
      markedAt: minutesBefore(1),
    })
    await trade(db, hedged, linear, 'buy 3 @ 100', { positionSide: 'long' })
    await trade(db, hedged, linear, 'sell 1 @ 100', { positionSide: 'short' })
    await beat(marked, '900', 2)
    await recordDrawdown(db, { botId: hedged, equity: '50', at: minutesBefore(10) })
    // Only prices of the last 35 minutes, so that one rate is too old for this bot alone; equity for two hours.
    await setRiskSettings(db, {
      botId: careful,
      maxPriceAgeMs: 35 * 60_000,
      maxEquityAgeMs: 120 * 60_000,
      changedBy: 'tester',
      reason: 'test',
    })
    await beat(careful, '40', 90)
    const found = await look(currency)
    expect(found.bots.map(({ botId }) => botId)).toEqual([...bots, idle].sort())
    for (const bot of found.bots) {
      const own = await getExposure(db, { botId: bot.botId, now: NOW })
      const { baseCurrency: _, at: __, ...figures } = own
      expect(bot).toMatchObject(figures)
    }
    const shown = found.bots.map((bot) => [bot.botId, text(bot.equity), text(bot.gross), bot.unpriced.length])
    // 3·120 + 300 + 5·7.7·1.1; 2·123.45 + 300; 4·123.45.
    expect(Object.fromEntries(shown.map(([botId, ...rest]) => [botId, rest]))).toEqual({
      [marked]: ['900', '702.35', 0],
      [careful]: ['40', '546.9', 2],
      [hedged]: ['50', '493.8', 0],
      [idle]: ['77', '0', 0],
    })
    const [check] = await query(
      db,
      sql`with values as (
          select h.bot_id, h.long_value + h.short_value as ours, (
            select case when count(*) = count(v.value) then sum(v.value) end
            from trading.positions p
            join market.instruments i on i.exchange = p.exchange and i.symbol = p.symbol
            join fleet.bots b on b.bot_id = p.bot_id
            cross join lateral risk.ages_of(p.bot_id) a
            cross join lateral (select risk.value_of(p.instrument_kind, p.contract_size, i.quote_currency, p.settle_currency, b.base_currency,
              p.exchange, p.quantity, coalesce(case when p.marked_at >= at - a.price_age then p.mark_price end,
                risk.price_of(p.exchange, p.symbol, at, a.price_age)), at, a.price_age) as value) v
            where p.bot_id = h.bot_id and p.symbol = h.symbol and p.status = 'open') as by_gate
          from (select ${NOW.toISOString()}::timestamptz as at) moment
          cross join risk.holdings_of(array(select bot_id from fleet.bots where base_currency = ${currency}), at) h)
        select count(*)::int as n, count(*) filter (where ours is not distinct from by_gate)::int as same, count(ours)::int as known from values`,
    )
    expect(check).toEqual({ n: 8, same: 8, known: 6 })
  })

  it('does not know its PnL where only the price is missing, nor its equity where a bot has not told it either', async () => {
    const currency = fresh('USD')
    const symbol = fresh('I')
    await listSymbol(db, symbol, currency, { kind: 'inverse', contractSize: '100' })
    const [silent, told] = [await makeMember(db, currency), await makeMember(db, currency)]
    await trade(db, silent, symbol, 'buy 3 @ 1900')
    await beat(told, '500')
    const found = await look(currency)
    // Three contracts of 100, whatever the price.
    expect([found.gross, found.equity, found.unrealisedPnl].map(text)).toEqual(['300', null, null])
    expect(found).toMatchObject({ unpriced: [], unknownEquity: [silent], leverage: null, concentration: 1 })
    expect(found.bots.map(({ unrealisedPnl }) => text(unrealisedPnl))).toEqual([null, '0'])
    await setPrice(symbol, '2000')
    await beat(silent, '-100')
    const later = await look(currency)
    // No price of what it settles in is known but its own, which says what one is worth: 0.1578… cost less 0.15, times 2000.
    expect(later.unrealisedPnl?.toNumber()).toBeCloseTo(2000 * (300 / 1900 - 0.15), 10)
    expect(later).toMatchObject({ leverage: 0.75, unknownEquity: [] })
    expect(later.bots[0]).toMatchObject({ leverage: null })
  })

  it('knows by the ledger what a bot is worth that has told nothing', async () => {
    const currency = fresh('USD')
    const symbol = fresh('S')
    await listSymbol(db, symbol, currency)
    await setPrice(symbol, '100')
    const [flat, holding] = [await makeMember(db, currency), await makeMember(db, currency)]
    // Both gained 2·10 and stopped talking; one still holds three that have gained 5 each.
    for (const botId of [flat, holding]) {
      await trade(db, botId, symbol, 'buy 2 @ 90')
      await trade(db, botId, symbol, 'sell 2 @ 100', { executedAt: minutesBefore(9_000) })
    }
    await trade(db, holding, symbol, 'buy 3 @ 95', { executedAt: minutesBefore(8_000) })
    const found = await look(currency)
    expect(found.unknownEquity).toEqual([])
    expect(found.bots.map(({ equity }) => text(equity))).toEqual(['1020', '1035'])
    expect([text(found.equity), found.leverage]).toEqual(['2055', 300 / 2055])
  })

  it('leaves what it cannot value out of the amounts, and says of what', async () => {
    const currency = fresh('USD')
    const [priced, unpriced] = [fresh('P'), fresh('U')]
    for (const symbol of [priced, unpriced]) await listSymbol(db, symbol, currency)
    await setPrice(priced, '10')
    const [a, b] = [await makeMember(db, currency), await makeMember(db, currency)]
    for (const botId of [a, b]) await beat(botId, '100')
    await trade(db, a, priced, 'buy 1 @ 9')
    await trade(db, a, unpriced, 'buy 1 @ 9')
    // The other bot knows a price of it.
    await markPosition(db, { ...(await trade(db, b, unpriced, 'buy 1 @ 9')), price: '20', markedAt: NOW })
    const found = await look(currency)
    expect(found).toMatchObject({
      leverage: null,
      concentration: null,
      unrealisedPnl: null,
      openPositions: 3,
    })
    expect(found.unpriced).toEqual([{ exchange: 'x', symbol: unpriced }])
    expect(found.symbols.map(({ symbol, gross }) => [symbol, text(gross)])).toEqual([
      [priced, '10'],
      [unpriced, '20'],
    ])
    expect(found.bots.map((bot) => [text(bot.gross), bot.leverage, text(bot.unrealisedPnl)])).toEqual([
      ['10', null, null],
      ['20', 0.2, '11'],
    ])
  })

  it('is of the moment that is asked for', async () => {
    const currency = fresh('USD')
    const symbol = fresh('S')
    await listSymbol(db, symbol, currency)
    await setPrice(symbol, '10', 0)
    const botId = await makeMember(db, currency)
    await trade(db, botId, symbol, 'buy 1 @ 9')
    await beat(botId, '100', 0)
    const at = (minutes: number) => look(currency, minutesBefore(-minutes))
    expect(await at(60)).toMatchObject({ unpriced: [], unknownEquity: [] })
    expect(await at(61)).toMatchObject({
      unpriced: [{ exchange: 'x', symbol }],
      unknownEquity: [botId],
      equity: null,
    })
    const now = await getPortfolio(db, { fleet: { baseCurrency: currency } })
    expect(Math.abs(now.at.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('is empty where nothing is held', async () => {
    const currency = fresh('USD')
    await makeMember(db, currency, { initialEquity: '5' })
    const found = await look(currency)
    expect([found.equity, found.gross, found.unrealisedPnl].map(text)).toEqual(['5', '0', '0'])
    expect(found).toMatchObject({
      leverage: 0,
      concentration: null,
      symbols: [],
      unpriced: [],
      openPositions: 0,
    })
  })

  it('needs no currency where all bots of the mode count in one, and refuses to add up two', async () => {
    const alone = await open.fresh()
    await expect(getPortfolio(alone)).rejects.toMatchObject({
      code: 'not_found',
      message: 'no live bot is registered',
    })
    await makeMember(alone, 'USD')
    await makeMember(alone, 'EUR', { mode: 'paper' })
    expect(await getPortfolio(alone)).toMatchObject({ baseCurrency: 'USD', mode: 'live' })
    expect(await getPortfolio(alone, { fleet: { mode: 'paper' } })).toMatchObject({ baseCurrency: 'EUR' })
    await makeMember(alone, 'EUR')
    await expect(getPortfolio(alone)).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'fleet.baseCurrency',
      message: expect.stringContaining('EUR, USD'),
    })
    expect(await getPortfolio(alone, { fleet: { baseCurrency: 'EUR' } })).toMatchObject({
      baseCurrency: 'EUR',
    })
    const asked = (fleet: object) => getPortfolio(alone, { fleet })
    await expect(asked({ baseCurrency: 'GBP' })).rejects.toMatchObject({
      code: 'not_found',
      message: "no live bot counts in 'GBP'",
    })
    await expect(asked({ mode: 'real' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'fleet.mode',
    })
    await expect(asked({ baseCurrency: '' })).rejects.toMatchObject({ field: 'fleet.baseCurrency' })
    const now = new Date(Number.NaN)
    await expect(getPortfolio(alone, { now })).rejects.toMatchObject({ code: 'invalid_input', field: 'now' })
  })
})
