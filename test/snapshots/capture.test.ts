import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  recordCalendarEvents,
  recordCandles,
  recordIndicators,
  recordNews,
  setInstrument,
} from '../../src/market/index.ts'
import { captureSnapshot, getSnapshot, listSnapshots } from '../../src/snapshots/index.ts'
import { recordBalance } from '../../src/trading/index.ts'
import { asText } from '../analytics/performance-fixture.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { candleOf, fillWorld, later, makeWorld, NOW, TODAY, type World } from './snapshot-fixture.ts'

const ID = (n: number) => `01890000-0000-7000-8000-${String(n).padStart(12, '0')}`
let ids = 0

describeEngines('captureSnapshot', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const take = (world: World, over: Partial<Parameters<typeof captureSnapshot>[1]> = {}) =>
    captureSnapshot(db, {
      ...{ botId: world.botId, symbols: ['BTC'], timeframes: ['1h'], reason: 'manual' },
      ...{ now: NOW, recordedUntil: TODAY, ...over },
    })
  const filled = async () => {
    const world = await makeWorld(db)
    await fillWorld(db, world)
    return world
  }

  it('keeps what was known of market, indicators, calendar, news and account, exactly', async () => {
    const world = await filled()
    const taken = await take(world, { note: 'why not' })
    expect(asText(taken)).toMatchObject({
      isNew: true,
      bundle: {
        ...{ botId: world.botId, reason: 'manual', note: 'why not', exchange: world.exchange },
        ...{ symbols: ['BTC'], timeframes: ['1h'], calendarHours: 24, newsHours: 24, capturedAt: NOW },
        ...{ recordedUntil: TODAY, missing: [] },
      },
      market: [
        {
          ...{ exchange: world.exchange, symbol: 'BTC', timeframe: '1h', openTime: later(-90), open: '100' },
          ...{ high: '110.5', low: '99.25', close: '106.5', volume: '12.000000000000000001', complete: true },
          ...{
            lastPrice: '106.5',
            lastPriceAt: later(-30),
            fundingRate: '0.00012345',
            fundingTime: later(-270),
          },
          ...{ fundingIntervalHours: 8, fundingIsEstimated: false },
        },
      ],
      indicators: [
        {
          ...{ rsi14: 61.5, sma50: 101.25, sma200: null, macd: 1.5, macdSignal: 1.25, macdHistogram: 0.25 },
          ...{ atr: 3.5, values: { ema_21: 102.75 }, openTime: later(-90), recordedAt: expect.any(Date) },
        },
      ],
      account: [
        {
          ...{
            exchange: world.exchange,
            currency: 'USDT',
            balance: '1000.123456789012345678',
            equity: '1006.5',
          },
          ...{ marginUsed: '100.123456789012345678', marginFree: '900', openPnl: '6.376543210987654322' },
          ...{ openPositions: 1, takenAt: later(-10) },
        },
      ],
    })
    expect(taken.news.map(({ headline, sentimentScore }) => [headline, sentimentScore])).toContainEqual([
      'Coins rise',
      0.5,
    ])
    expect(taken.news.map(({ headline }) => headline)).not.toContain('Of another coin')
    const { isNew: _, ...snapshot } = taken
    expect(asText(await getSnapshot(db, { botId: world.botId, id: taken.bundle.id }))).toEqual(
      asText(snapshot),
    )
  })

  it('knows nothing of what was published later, nor how an event that is to come ends', async () => {
    const world = await filled()
    const { news, calendar } = await take(world)
    const mine = calendar.filter(({ source }) => source === world.exchange)
    expect(mine.map(({ title, actual, forecast }) => [title, actual, forecast])).toEqual([
      ['Claims', '210K', null],
      ['CPI', null, '3.2%'],
    ])
    expect(news.filter(({ source }) => source === world.exchange).map(({ headline }) => headline)).toEqual([
      'Coins rise',
    ])
  })

  it('knows no candle that had not closed, and no indicator of one', async () => {
    const world = await filled()
    const { exchange } = world
    await recordCandles(db, { candles: [candleOf(world, later(-30), { close: '108' })] })
    await recordIndicators(db, {
      indicators: [{ exchange, symbol: 'BTC', timeframe: '1h', openTime: later(-30), rsi14: 99 }],
    })
    const { market, indicators } = await take(world)
    expect(market[0]?.openTime).toEqual(later(-90))
    expect(indicators[0]?.rsi14).toBe(61.5)
    const after = await take(world, { now: later(30) })
    expect(after.market[0]?.close.toFixed()).toBe('108')
    expect(after.indicators[0]?.rsi14).toBe(99)
  })

  it('leaves out what was recorded later than then, unless it is asked for', async () => {
    const world = await filled()
    const { indicators, calendar, news, account, market, bundle } = await take(world, {
      recordedUntil: undefined,
    })
    expect({ indicators, calendar, news, account }).toEqual({
      indicators: [],
      calendar: [],
      news: [],
      account: [],
    })
    expect(market[0]).toMatchObject({ fundingRate: null, fundingTime: null })
    expect(bundle.missing).toEqual([
      { source: 'funding_rate', why: 'none', symbol: 'BTC' },
      { source: 'indicators', why: 'none', symbol: 'BTC', timeframe: '1h' },
      { source: 'calendar', why: 'none' },
      { source: 'news', why: 'none' },
      { source: 'account', why: 'none' },
    ])
  })

  it('names what changed since, because nobody knows what it was before', async () => {
    const world = await filled()
    const { exchange } = world
    await new Promise((resolve) => setTimeout(resolve, 5))
    const [row] = await query(db, sql`select clock_timestamp()::text as at`)
    const then = new Date(String(row?.at))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await recordCalendarEvents(db, {
      events: [
        {
          source: exchange,
          eventTime: later(60),
          currency: 'USD',
          impact: 'high',
          title: 'CPI',
          forecast: '3.3%',
        },
      ],
    })
    await recordNews(db, {
      news: [
        {
          source: exchange,
          headline: 'Coins rise',
          symbols: ['BTC'],
          publishedAt: later(-20),
          sentimentScore: 1,
        },
      ],
    })
    const { calendar, news, bundle } = await take(world, { recordedUntil: then })
    expect(calendar.filter(({ source }) => source === exchange).map(({ title }) => title)).toEqual(['Claims'])
    expect(news.filter(({ source }) => source === exchange)).toEqual([])
    expect(bundle.missing).toEqual([
      { source: 'calendar', why: 'changed_since', count: 1 },
      { source: 'news', why: 'changed_since', count: 1 },
    ])
  })

  it('leaves out what is stale and says since when, and what never was', async () => {
    const world = await filled()
    const now = later(60 * 25)
    const { market, indicators, account, bundle } = await take(world, {
      now,
      symbols: ['BTC', 'XRP'],
      newsHours: 1,
    })
    expect({ market, indicators, account }).toEqual({ market: [], indicators: [], account: [] })
    expect(bundle.missing).toEqual([
      { source: 'instrument', why: 'none', symbol: 'XRP' },
      { source: 'market', why: 'stale', symbol: 'BTC', timeframe: '1h', lastAt: later(-30).toISOString() },
      { source: 'market', why: 'none', symbol: 'XRP', timeframe: '1h' },
      { source: 'funding_rate', why: 'stale', symbol: 'BTC', lastAt: later(-270).toISOString() },
      { source: 'indicators', why: 'stale', symbol: 'BTC', timeframe: '1h', lastAt: expect.any(String) },
      { source: 'indicators', why: 'none', symbol: 'XRP', timeframe: '1h' },
      { source: 'news', why: 'stale', lastAt: expect.any(String) },
      { source: 'account', why: 'stale', lastAt: later(-10).toISOString(), currency: 'USDT' },
    ])
  })

  it('takes a candle for stale more than so many of its lengths after it closed, not before', async () => {
    const world = await filled()
    const at = async (minutes: number, maxAgeCandles?: number) =>
      (await take(world, { now: later(minutes), maxAgeCandles })).market.length
    expect(await at(90)).toBe(1)
    expect(await at(91)).toBe(0)
    expect(await at(91, 3)).toBe(1)
    expect(await at(0, 0.5)).toBe(1)
    expect(await at(1, 0.5)).toBe(0)
  })

  it('finds the last candle however long ago a series ended, and one that is as old as may be asked for', async () => {
    const world = await filled()
    const years = later(60 * 24 * 800)
    const { bundle } = await take(world, { now: years })
    expect(bundle.missing).toContainEqual({
      ...{ source: 'market', why: 'stale', symbol: 'BTC', timeframe: '1h', lastAt: later(-30).toISOString() },
    })
    expect((await take(world, { now: later(60 * 998), maxAgeCandles: 1000 })).market).toHaveLength(1)
  })

  it('keeps a candle that is still forming as it stood, with its price of then', async () => {
    const world = await makeWorld(db)
    const openTime = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
    await recordCandles(db, { candles: [candleOf(world, openTime, { complete: false })] })
    const { market } = await take(world, { now: undefined, recordedUntil: undefined })
    expect(market[0]).toMatchObject({ complete: false, openTime })
    expect(market[0]?.lastPriceAt.getTime()).toBeGreaterThan(openTime.getTime())
    const before = await take(world, { now: new Date(openTime.getTime() - 1) })
    expect(before.market).toEqual([])
  })

  it('asks no funding of a spot symbol', async () => {
    const world = await makeWorld(db)
    const { exchange } = world
    await setInstrument(db, {
      exchange,
      symbol: 'SPOT',
      kind: 'spot',
      baseCurrency: 'BTC',
      quoteCurrency: 'USD',
    })
    const { bundle } = await take(world, { symbols: ['SPOT'] })
    expect(bundle.missing.map(({ source }) => source)).not.toContain('funding_rate')
  })

  it('does not change when what it was made of does', async () => {
    const world = await filled()
    const { botId, exchange } = world
    const { bundle, isNew: _, ...parts } = await take(world)
    await recordCandles(db, { candles: [candleOf(world, later(-90), { close: '100', low: '1' })] })
    await recordIndicators(db, {
      indicators: [{ exchange, symbol: 'BTC', timeframe: '1h', openTime: later(-90), rsi14: 1 }],
    })
    await recordCalendarEvents(db, {
      events: [
        {
          source: exchange,
          eventTime: later(60),
          currency: 'USD',
          impact: 'high',
          title: 'CPI',
          forecast: '0',
        },
      ],
    })
    await recordNews(db, {
      news: [
        {
          source: exchange,
          headline: 'Coins rise',
          symbols: ['BTC'],
          publishedAt: later(-20),
          sentimentScore: -1,
        },
      ],
    })
    await query(db, sql`delete from market.calendar_events where source = ${exchange}`)
    await query(db, sql`delete from market.news where source = ${exchange}`)
    await recordBalance(db, { botId, exchange, currency: 'USDT', total: '1', takenAt: later(-5) })
    expect(asText(await getSnapshot(db, { botId, id: bundle.id }))).toEqual(asText({ bundle, ...parts }))
    expect((await take(world)).market[0]?.close.toFixed()).toBe('100')
  })

  it('has no row for what nobody told, and no zero in its place', async () => {
    const world = await makeWorld(db)
    expect((await take(world)).account).toEqual([])
    const { botId, exchange } = world
    await recordBalance(db, { botId, exchange, currency: 'USDT', total: '5', takenAt: later(-1) })
    expect(asText((await take(world)).account[0])).toMatchObject({
      ...{ balance: '5', equity: null, marginUsed: null, marginFree: null, openPnl: null, openPositions: 0 },
    })
  })

  it('has what the bot holds at every exchange, whose market it may be', async () => {
    const world = await makeWorld(db)
    const { botId, exchange } = world
    const balance = { botId, total: '5', takenAt: later(-1) }
    for (const [where, currency] of [
      ['paper', 'USDT'],
      ['paper', 'BTC'],
      [exchange, 'USDT'],
      ['aaa', 'USDT'],
    ] as const) {
      await recordBalance(db, { ...balance, exchange: where, currency })
    }
    const { account } = await take(world)
    expect(account.map((one) => `${one.exchange} ${one.currency}`)).toEqual(
      ['aaa USDT', `${exchange} USDT`, 'paper BTC', 'paper USDT'].toSorted(),
    )
  })

  it('returns what is stored when the same is asked again, and refuses another under its id', async () => {
    const world = await filled()
    ids += 1
    const id = ID(ids)
    const first = await take(world, { id })
    await recordCandles(db, { candles: [candleOf(world, later(-90), { close: '100' })] })
    expect(asText(await take(world, { id }))).toEqual(asText({ ...first, isNew: false }))
    await expect(take(world, { id, reason: 'decision', symbols: ['ETH'] })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another reason, symbols'),
    })
    await expect(take(world, { id, now: later(1) })).rejects.toMatchObject({ code: 'conflict', field: 'now' })
    expect(await listSnapshots(db, { botId: world.botId })).toHaveLength(1)
  })

  it('belongs to one bot', async () => {
    const [mine, other] = [await filled(), await filled()]
    ids += 1
    const id = ID(ids)
    await take(mine, { id })
    await expect(getSnapshot(db, { botId: other.botId, id })).rejects.toMatchObject({ code: 'not_found' })
    const theirs = await take(other, { id })
    expect(theirs).toMatchObject({ isNew: true, bundle: { botId: other.botId, exchange: other.exchange } })
    expect(theirs.account).toHaveLength(1)
    expect(await listSnapshots(db, { botId: mine.botId })).toHaveLength(1)
  })

  it('refuses what it cannot take', async () => {
    const world = await makeWorld(db)
    const refused = (over: Record<string, unknown>) =>
      take(world, over).then(
        () => 'taken',
        (error) => error.field,
      )
    expect(await refused({ symbols: [] })).toBe('symbols')
    expect(await refused({ symbols: ['BTC', ''] })).toBe('symbols[1]')
    expect(await refused({ timeframes: ['7m'] })).toBe('timeframes[0]')
    expect(await refused({ reason: 'because' })).toBe('reason')
    expect(await refused({ calendarHours: -1 })).toBe('calendarHours')
    expect(await refused({ newsHours: Number.NaN })).toBe('newsHours')
    expect(await refused({ maxAgeCandles: '3' })).toBe('maxAgeCandles')
    expect(await refused({ id: 'x' })).toBe('id')
    expect(await refused({ now: new Date(Number.NaN) })).toBe('now')
    await expect(take({ botId: 'nobody', exchange: 'x' })).rejects.toMatchObject({
      code: 'missing_reference',
    })
  })

  it('is stored for good: nothing of it is changed, removed or emptied', async () => {
    const world = await filled()
    await take(world)
    for (const table of ['bundles', 'market', 'indicators', 'calendar', 'news', 'account']) {
      const name = sql.raw(`snapshots.${table}`)
      for (const statement of [
        sql`update ${name} set bot_id = bot_id`,
        sql`delete from ${name}`,
        sql`truncate ${name} cascade`,
      ]) {
        await expect(query(db, statement), table).rejects.toThrow(/append-only/)
      }
    }
  })
})

describeEngines('listSnapshots', (open) => {
  it('returns the newest first, page by page, and those of one reason', async () => {
    const db = await open()
    const world = await makeWorld(db)
    const { botId } = world
    for (const [n, reason] of (['manual', 'decision', 'manual'] as const).entries()) {
      await captureSnapshot(db, { botId, symbols: ['BTC'], timeframes: ['1h'], reason, now: later(n) })
    }
    const times = (rows: { capturedAt: Date }[]) => rows.map(({ capturedAt }) => capturedAt)
    expect(times(await listSnapshots(db, { botId }))).toEqual([later(2), later(1), later(0)])
    const [first] = await listSnapshots(db, { botId, limit: 1 })
    expect(times(await listSnapshots(db, { botId, after: first }))).toEqual([later(1), later(0)])
    expect(times(await listSnapshots(db, { botId, reason: 'decision' }))).toEqual([later(1)])
    expect(await listSnapshots(db, { botId: 'nobody' })).toEqual([])
  })
})
