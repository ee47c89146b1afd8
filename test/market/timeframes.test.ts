import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import {
  closeTimeMs,
  countCandles,
  isMadeOf,
  nominalMs,
  openTimeMs,
  TIMEFRAMES,
  type Timeframe,
} from '../../src/market/timeframes.ts'
import { describeEngines } from '../database.ts'

const open = (timeframe: Timeframe, at: string) =>
  new Date(openTimeMs(timeframe, Date.parse(at))).toISOString()
const close = (timeframe: Timeframe, at: string) =>
  new Date(closeTimeMs(timeframe, Date.parse(at))).toISOString()

describe('a candle', () => {
  test.each([
    ['1s', '2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59.000Z', '2024-03-01T00:00:00.000Z'],
    ['1m', '2024-02-29T23:59:59.999Z', '2024-02-29T23:59:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['3m', '2024-01-01T00:04:00Z', '2024-01-01T00:03:00.000Z', '2024-01-01T00:06:00.000Z'],
    ['4h', '2024-01-01T05:00:00Z', '2024-01-01T04:00:00.000Z', '2024-01-01T08:00:00.000Z'],
    ['8h', '2024-01-01T23:59:00Z', '2024-01-01T16:00:00.000Z', '2024-01-02T00:00:00.000Z'],
    ['1d', '2024-03-31T01:30:00Z', '2024-03-31T00:00:00.000Z', '2024-04-01T00:00:00.000Z'],
    ['3d', '1970-01-04T00:00:00Z', '1970-01-04T00:00:00.000Z', '1970-01-07T00:00:00.000Z'],
    ['3d', '1969-12-31T23:59:59Z', '1969-12-29T00:00:00.000Z', '1970-01-01T00:00:00.000Z'],
    // 1 January 2024 was a Monday.
    ['1w', '2024-01-07T23:59:59Z', '2024-01-01T00:00:00.000Z', '2024-01-08T00:00:00.000Z'],
    ['1w', '1969-12-30T00:00:00Z', '1969-12-29T00:00:00.000Z', '1970-01-05T00:00:00.000Z'],
    ['1M', '2024-02-29T23:59:59Z', '2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['1M', '2023-12-31T23:59:59Z', '2023-12-01T00:00:00.000Z', '2024-01-01T00:00:00.000Z'],
    ['1M', '0050-03-04T00:00:00Z', '0050-03-01T00:00:00.000Z', '0050-04-01T00:00:00.000Z'],
  ] as const)('of %s at %s opens at %s and closes at %s', (timeframe, at, opened, closed) => {
    expect(open(timeframe, at)).toBe(opened)
    expect(close(timeframe, opened)).toBe(closed)
    expect(open(timeframe, opened)).toBe(opened)
  })

  test('is counted once in a span', () => {
    const count = (timeframe: Timeframe, from: string, until: string) =>
      countCandles(timeframe, Date.parse(from), Date.parse(until))
    expect(count('1M', '2023-11-01', '2024-03-01')).toBe(4)
    expect(count('1d', '2024-02-01', '2024-03-01')).toBe(29)
    expect(count('1w', '2024-01-01', '2024-01-29')).toBe(4)
    expect(count('1m', '2024-01-02', '2024-01-01')).toBe(0)
  })

  test('is made of whole shorter ones, or it is not', () => {
    const made = TIMEFRAMES.flatMap((coarse) =>
      TIMEFRAMES.filter((fine) => isMadeOf(coarse, fine)).map((fine) => `${fine}>${coarse}`),
    )
    // Every pair where the length of one divides the other, without 3d in weeks and months, and weeks in anything.
    const divides = TIMEFRAMES.flatMap((coarse) =>
      TIMEFRAMES.filter((fine) => {
        if (fine === '1M' || fine === '1w' || coarse === fine) return false
        if (coarse === '1M' || coarse === '1w') return fine !== '3d'
        return nominalMs(coarse) % nominalMs(fine) === 0
      }).map((fine) => `${fine}>${coarse}`),
    )
    expect(made).toEqual(divides)
  })
})

describeEngines('the database', (connect) => {
  test('has the same grid', async () => {
    const db = await connect()
    let seed = 12_345
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return seed / 2_147_483_648
    }
    for (const timeframe of TIMEFRAMES) {
      const moments = Array.from({ length: 50 }, () => Math.floor((random() * 200 - 100) * 366 * 86_400_000))
      const rows = (await db.execute(sql`
        select extract(epoch from at)::float8 * 1000 as at,
          extract(epoch from market.open_time_of(${timeframe}, at))::float8 * 1000 as opened,
          extract(epoch from market.close_time_of(${timeframe}, market.open_time_of(${timeframe}, at)))::float8 * 1000 as closed
        from unnest(${sql.param(moments.map((ms) => new Date(ms).toISOString()))}::timestamptz[]) as at`)) as unknown as {
        at: number
        opened: number
        closed: number
      }[]
      expect(rows).toHaveLength(50)
      for (const { at, opened, closed } of rows) {
        const ms = Math.round(at)
        expect(Math.round(opened), `${timeframe} at ${new Date(ms).toISOString()}`).toBe(
          openTimeMs(timeframe, ms),
        )
        expect(Math.round(closed)).toBe(closeTimeMs(timeframe, Math.round(opened)))
      }
    }
  })
})
