import { parse } from 'csv-parse/sync'
import { expect, test } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { getCandles } from '../../src/market/candles.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { resampleCandles } from '../../src/market/resample.ts'
import type { Timeframe } from '../../src/market/timeframes.ts'
import { describeEngines } from '../database.ts'
import { hasSharedData, readShared, SKIP_REASON } from '../shared-data.ts'
import { at, newMarket } from './candle-fixture.ts'

const day = (text: string) => new Date(`${text}T00:00:00Z`)
const d = (text: string) => new Decimal(text)

describeEngines('resampleCandles', (open) => {
  test('takes first open, highest high, lowest low, last close and the sums', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const extra = { quoteVolume: '10', takerBuyVolume: '1', takerBuyQuoteVolume: '5', tradeCount: 2 }
    await recordCandles(db, {
      candles: [
        candleAt(0, { open: '10', high: '12', low: '9', close: '11', volume: '1.1', ...extra }),
        candleAt(1, { open: '11', high: '15', low: '10.5', close: '14', volume: '0.2', ...extra }),
        candleAt(2, { open: '14', high: '14', low: '8', close: '8.5', volume: '3', ...extra }),
        candleAt(3, { open: '8', high: '9', low: '7.25', close: '9', volume: '1', ...extra }),
        candleAt(5, { open: '7', high: '9', low: '7', close: '8', volume: '1' }),
      ],
    })
    const made = await resampleCandles(db, { ...BTC, into: '3m', from: at(0) })
    expect(made).toEqual([
      {
        ...BTC,
        timeframe: '3m',
        openTime: at(0),
        open: d('10'),
        high: d('15'),
        low: d('8'),
        close: d('8.5'),
        volume: d('4.3'),
        quoteVolume: d('30'),
        takerBuyVolume: d('3'),
        takerBuyQuoteVolume: d('15'),
        tradeCount: 6,
        complete: true,
        revised: false,
        source: null,
      },
      {
        ...BTC,
        timeframe: '3m',
        openTime: at(3),
        open: d('8'),
        high: d('9'),
        low: d('7'),
        close: d('8'),
        volume: d('2'),
        quoteVolume: null,
        takerBuyVolume: null,
        takerBuyQuoteVolume: null,
        tradeCount: null,
        complete: false,
        revised: false,
        source: null,
      },
    ])
    expect(await recordCandles(db, { candles: made })).toMatchObject({ inserted: 2 })
    expect(await getCandles(db, { ...BTC, timeframe: '3m', last: 5 })).toEqual(made)
  })

  test('is complete only if every part is there and complete', async () => {
    const db = await open()
    const { BTC, candleAt, minutes } = newMarket()
    await recordCandles(db, { candles: [...minutes(9), candleAt(9, { complete: false }), ...minutes(4, 10)] })
    const made = await resampleCandles(db, { ...BTC, into: '5m', from: at(0) })
    expect(made.map(({ complete }) => complete)).toEqual([true, false, false])
  })

  test('makes only candles that open in the span, of all their parts', async () => {
    const db = await open()
    const { BTC, minutes } = newMarket()
    await recordCandles(db, { candles: minutes(20) })
    const spans = [
      { from: at(1), until: at(11) },
      { from: at(5), until: at(10) },
      { from: at(5), until: at(5) },
      { from: at(19) },
    ]
    const opened = []
    for (const span of spans) {
      const made = await resampleCandles(db, { ...BTC, into: '5m', ...span })
      opened.push(made.map(({ openTime }) => openTime))
      expect(made.every(({ complete }) => complete)).toBe(true)
    }
    expect(opened).toEqual([[at(5), at(10)], [at(5)], [], []])
  })

  test('begins weeks on Monday, and knows how many days a month has', async () => {
    const db = await open()
    const { BTC, candleAt } = newMarket()
    const first = day('2024-01-01').getTime()
    await recordCandles(db, {
      candles: Array.from({ length: 91 }, (_, i) =>
        candleAt(i, { timeframe: '1d', openTime: new Date(first + i * 86_400_000) }),
      ),
    })
    const made = async (into: Timeframe) =>
      (await resampleCandles(db, { ...BTC, timeframe: '1d', into, from: day('2024-01-01') })).map(
        ({ openTime, volume, complete }) => `${openTime.toISOString().slice(0, 10)} ${volume} ${complete}`,
      )
    expect(await made('1M')).toEqual(['2024-01-01 46.5 true', '2024-02-01 43.5 true', '2024-03-01 46.5 true'])
    const weeks = await made('1w')
    expect(weeks).toHaveLength(13)
    expect(weeks.slice(0, 2)).toEqual(['2024-01-01 10.5 true', '2024-01-08 10.5 true'])
    // 1 January 2024 is day 19,723, which is 3 × 6,574 + 1.
    expect((await made('3d')).slice(0, 2)).toEqual(['2024-01-03 4.5 true', '2024-01-06 4.5 true'])
  })

  test('names what is wrong with the question', async () => {
    const db = await open()
    const { BTC, minutes } = newMarket()
    await recordCandles(db, { candles: minutes(1) })
    const pairs: [Timeframe, Timeframe][] = [
      ['1m', '1m'],
      ['5m', '3m'],
      ['1h', '15m'],
      ['3d', '1w'],
      ['1w', '1M'],
      ['1M', '1w'],
    ]
    for (const [timeframe, into] of pairs) {
      await expect(resampleCandles(db, { ...BTC, timeframe, into, from: at(0) })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'into',
        message: `into ${into} does not consist of whole candles of ${timeframe}`,
      })
    }
    await expect(resampleCandles(db, { ...BTC, symbol: 'x', into: '1h', from: at(0) })).rejects.toMatchObject(
      {
        code: 'not_found',
      },
    )
    const unknown = { ...BTC, into: '7m' as Timeframe, from: at(0) }
    await expect(resampleCandles(db, unknown)).rejects.toMatchObject({ field: 'into' })
  })

  test.skipIf(!hasSharedData)(`makes the hours of a real half day (${SKIP_REASON} otherwise)`, async () => {
    const db = await open()
    const { exchange } = newMarket()
    const start = Date.UTC(2022, 11, 13)
    const rows: Record<string, string>[] = parse(readShared('candles/bybit-btcusdt-perp-1m-2022-12-13.csv'), {
      columns: true,
    })
    const name = { exchange, symbol: 'BTCUSDT', timeframe: '1m' } as const
    const candles = rows.map(
      ({ ms_of_day = '', open = '', high = '', low = '', close = '', volume = '' }) => ({
        ...name,
        openTime: new Date(start + Number(ms_of_day)),
        open,
        high,
        low,
        close,
        volume,
      }),
    )
    expect(await recordCandles(db, { candles })).toMatchObject({ inserted: 721, refusedCount: 0 })
    const made = await resampleCandles(db, { ...name, into: '1h', from: new Date(start) })

    // By hand, in whole hundredths of a price and thousandths of a volume, which is what the file has.
    const units = (text: string, scale: number) => BigInt(Math.round(Number(text) * scale))
    const hours = new Map<number, typeof candles>()
    for (const candle of candles) {
      const hour = Math.floor((candle.openTime.getTime() - start) / 3_600_000)
      hours.set(hour, [...(hours.get(hour) ?? []), candle])
    }
    expect(made).toHaveLength(13)
    for (const [hour, parts] of hours) {
      const one = made[hour]
      const prices = (key: 'high' | 'low') => parts.map((part) => Number(part[key]))
      expect(one?.openTime).toEqual(new Date(start + hour * 3_600_000))
      expect(one?.open.toFixed()).toBe(d(parts[0]?.open ?? '').toFixed())
      expect(one?.close.toFixed()).toBe(d(parts.at(-1)?.close ?? '').toFixed())
      expect(one?.high.toNumber()).toBe(Math.max(...prices('high')))
      expect(one?.low.toNumber()).toBe(Math.min(...prices('low')))
      const volume = parts.reduce((sum, part) => sum + units(part.volume, 1_000), 0n)
      expect(one?.volume.times(1_000).toFixed()).toBe(String(volume))
      expect(one?.complete).toBe(parts.length === 60)
    }
    expect(made.map(({ complete }) => complete)).toEqual([...Array(12).fill(true), false])
    // The first hour, read off the file.
    expect(made[0]).toMatchObject({ open: d('17194'), high: d('17225') })
  })
})
