import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { ensurePartitions } from '../../src/maintenance/partitions.ts'
import { getCandles, getLatestCandle } from '../../src/market/candles.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { listCandleSeries } from '../../src/market/series.ts'
import { describeEngines } from '../database.ts'
import { newMarket } from '../market/candle-fixture.ts'
import { planOf } from '../market/plan.ts'

const utc = (text: string) => new Date(`${text}Z`)

/** How many candles each partition of the month of a market holds. */
async function placesOf(db: Database, exchange: string): Promise<Record<string, number>> {
  const rows = (await db.execute(sql`
    select relname as name, count(*)::integer as count
    from market.candles join market.series on series.id = candles.series_id join pg_class on pg_class.oid = candles.tableoid
    where exchange = ${exchange} group by 1`)) as unknown as { name: string; count: number }[]
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
}

describeEngines('ensurePartitions', (open) => {
  const candlesAt = (market: ReturnType<typeof newMarket>, times: readonly string[]) =>
    times.map((time, i) => market.candleAt(i, { openTime: utc(time) }))

  test('makes each month once', async () => {
    const db = await open()
    const span = { from: utc('2011-01-15T00:00'), until: utc('2011-03-02T00:00') }
    expect(await ensurePartitions(db, span)).toEqual([
      {
        name: 'candles_2011_01',
        from: utc('2011-01-01T00:00'),
        until: utc('2011-02-01T00:00'),
        movedCount: 0,
      },
      {
        name: 'candles_2011_02',
        from: utc('2011-02-01T00:00'),
        until: utc('2011-03-01T00:00'),
        movedCount: 0,
      },
      {
        name: 'candles_2011_03',
        from: utc('2011-03-01T00:00'),
        until: utc('2011-04-01T00:00'),
        movedCount: 0,
      },
    ])
    expect(await ensurePartitions(db, span)).toEqual([])
  })

  test('makes the month of from alone for a span without length, and none for an end that is a boundary', async () => {
    const db = await open()
    const names = async (from: string, until: string) =>
      (await ensurePartitions(db, { from: utc(from), until: utc(until) })).map(({ name }) => name)
    expect(await names('2012-02-29T23:59:59.999', '2012-02-29T23:59:59.999')).toEqual(['candles_2012_02'])
    expect(await names('2012-04-01T00:00', '2012-04-01T00:00')).toEqual(['candles_2012_04'])
    expect(await names('2012-05-31T12:00', '2012-07-01T00:00')).toEqual([
      'candles_2012_05',
      'candles_2012_06',
    ])
    expect(await names('2012-05-31T12:00', '2012-07-01T00:00:00.001')).toEqual(['candles_2012_07'])
  })

  test('crosses the end of a year', async () => {
    const db = await open()
    const made = await ensurePartitions(db, {
      from: utc('2013-11-30T23:59'),
      until: utc('2014-02-01T00:00'),
    })
    expect(made.map(({ name }) => name)).toEqual(['candles_2013_11', 'candles_2013_12', 'candles_2014_01'])
    expect(made.at(1)?.until).toEqual(utc('2014-01-01T00:00'))
  })

  test('makes the present month and three more unless told otherwise', async () => {
    const db = await open.fresh()
    const now = new Date()
    const made = await ensurePartitions(db)
    expect(made).toHaveLength(4)
    expect(made[0]?.from).toEqual(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())))
    expect(made.at(-1)?.until).toEqual(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 4)))
  })

  test('moves what the default partition holds of the month, to the boundary and not over it', async () => {
    const db = await open()
    const market = newMarket()
    const times = [
      '2015-01-31T23:59',
      '2015-02-01T00:00',
      '2015-02-14T12:00',
      '2015-02-28T23:59',
      '2015-03-01T00:00',
    ]
    await recordCandles(db, { candles: candlesAt(market, times) })
    const before = await getCandles(db, { ...market.BTC, last: 10 })
    const series = await listCandleSeries(db, { exchange: market.exchange })
    expect(await placesOf(db, market.exchange)).toEqual({ candles_default: 5 })
    const [made] = await ensurePartitions(db, {
      from: utc('2015-02-28T00:00'),
      until: utc('2015-02-28T00:00'),
    })
    expect(made).toMatchObject({ name: 'candles_2015_02', movedCount: 3 })
    expect(await placesOf(db, market.exchange)).toEqual({ candles_default: 2, candles_2015_02: 3 })
    expect(await getCandles(db, { ...market.BTC, last: 10 })).toEqual(before)
    expect(before).toHaveLength(5)
    expect(await listCandleSeries(db, { exchange: market.exchange })).toEqual(series)
    // The same again is known there as well.
    expect(await recordCandles(db, { candles: candlesAt(market, times) })).toMatchObject({ unchanged: 5 })
  })

  test('gives what comes afterwards its partition, and the rest the default one', async () => {
    const db = await open()
    const market = newMarket()
    await ensurePartitions(db, { from: utc('2016-12-01T00:00'), until: utc('2016-12-02T00:00') })
    const times = ['2016-11-30T23:59', '2016-12-01T00:00', '2016-12-31T23:59', '2017-01-01T00:00']
    await recordCandles(db, { candles: candlesAt(market, times) })
    expect(await placesOf(db, market.exchange)).toEqual({ candles_default: 2, candles_2016_12: 2 })
    expect(
      (await getCandles(db, { ...market.BTC, from: utc(times[0] ?? '') })).map((c) => c.openTime),
    ).toEqual(times.map(utc))
  })

  test('can be run by several at once, each month made by one of them', async () => {
    const db = await open.fresh()
    const market = newMarket()
    const times = Array.from({ length: 12 }, (_, i) => `2018-${String(i + 1).padStart(2, '0')}-01T00:00`)
    await recordCandles(db, { candles: candlesAt(market, times) })
    const span = { from: utc('2018-01-01T00:00'), until: utc('2018-12-31T00:00') }
    const made = (await Promise.all([1, 2, 3, 4].map(() => ensurePartitions(db, span)))).flat()
    expect(made.map(({ name }) => name).toSorted()).toEqual(
      times.map((t) => `candles_${t.slice(0, 4)}_${t.slice(5, 7)}`),
    )
    expect(made.map(({ movedCount }) => movedCount)).toEqual(Array(12).fill(1))
    expect(await placesOf(db, market.exchange)).toEqual(Object.fromEntries(made.map(({ name }) => [name, 1])))
  })

  test('is undone with the transaction of its caller', async () => {
    const db = await open()
    const market = newMarket()
    const span = { from: utc('2019-05-01T00:00'), until: utc('2019-05-01T00:00') }
    await recordCandles(db, { candles: candlesAt(market, ['2019-05-05T00:00']) })
    await expect(
      transaction(db, async (tx) => {
        expect(await ensurePartitions(tx, span)).toMatchObject([{ movedCount: 1 }])
        throw new RangeError('undo')
      }),
    ).rejects.toThrow(RangeError)
    expect(await placesOf(db, market.exchange)).toEqual({ candles_default: 1 })
    expect(await ensurePartitions(db, span)).toMatchObject([{ movedCount: 1 }])
  })

  test('takes as many months as it says, and years of any length', async () => {
    const db = await open.fresh()
    const made = await ensurePartitions(db, { from: utc('0099-12-15T00:00'), until: utc('0100-02-01T00:00') })
    expect(made.map(({ name, from }) => [name, from])).toEqual([
      ['candles_0099_12', utc('0099-12-01T00:00')],
      ['candles_0100_01', utc('0100-01-01T00:00')],
    ])
    expect(
      await ensurePartitions(db, { from: utc('9999-11-01T00:00'), until: utc('9999-11-30T00:00') }),
    ).toMatchObject([{ name: 'candles_9999_11' }])
  })

  test.each([
    [
      { from: utc('2020-01-02T00:00'), until: utc('2020-01-01T00:00') },
      'until',
      'until 2020-01-01T00:00:00.000Z is before from 2020-01-02T00:00:00.000Z',
    ],
    [
      { from: utc('1919-12-31T00:00'), until: utc('2020-01-01T00:00') },
      'until',
      'until 2020-01-01T00:00:00.000Z is more than 1200 months after from',
    ],
    [{ until: utc('2020-01-01T00:00') }, 'until', 'until 2020-01-01T00:00:00.000Z is before from'],
    [{ from: new Date('x') }, 'from', 'from is an invalid Date'],
    [{ until: new Date('x') }, 'until', 'until is an invalid Date'],
    [{ from: '2020-01-01' as unknown as Date }, 'from', 'from is string, not a Date'],
    [{ from: new Date(8.64e15) }, 'from', 'is outside the years 1 to 9999'],
  ])('refuses a span that is none (%#)', async (input, field, message) => {
    const db = await open()
    await expect(ensurePartitions(db, input)).rejects.toMatchObject({
      code: 'invalid_input',
      field,
      message: expect.stringContaining(message),
    })
  })

  test('gives a partition the constraints of all candles, and errors the same field', async () => {
    const db = await open()
    const market = newMarket()
    await ensurePartitions(db, { from: utc('2021-01-01T00:00'), until: utc('2021-01-01T00:00') })
    const constraintsOf = async (table: string) =>
      (await db.execute(sql`
        select conname as name, pg_get_constraintdef(oid) as rule, conislocal as "isLocal" from pg_constraint
        where conrelid = ${table}::regclass and contype in ('c', 'p') order by contype, conname`)) as unknown as {
        name: string
        rule: string
      }[]
    const ofAll = await constraintsOf('market.candles')
    const ofPartition = await constraintsOf('market.candles_2021_01')
    expect(ofAll.length).toBeGreaterThan(8)
    expect(ofPartition.map(({ name, rule }) => [name.replace('_2021_01', ''), rule])).toEqual(
      ofAll.map(({ name, rule }) => [name, rule]),
    )
    const indexes = (await db.execute(
      sql`select indexrelid::regclass::text as name, indisvalid as valid from pg_index where indrelid = 'market.candles_2021_01'::regclass`,
    )) as unknown as unknown[]
    expect(indexes).toEqual([{ name: 'market.candles_2021_01_series_id_open_time_pkey', valid: true }])
    // Past the checks of the verb, as another client would.
    await recordCandles(db, { candles: candlesAt(market, ['2021-01-05T00:00', '2031-01-05T00:00']) })
    for (const time of ['2021-01-05T00:00', '2031-01-05T00:00']) {
      await expect(
        db.execute(sql`update market.candles set taker_buy_volume = -1 where open_time = ${utc(time)}`),
      ).rejects.toMatchObject({
        code: 'invalid_input',
        constraint: 'candles_taker_buy_volume_check',
        field: 'takerBuyVolume',
      })
    }
  })

  test('lets a read of one month touch its partition alone', async () => {
    const db = await open.fresh()
    const market = newMarket()
    await ensurePartitions(db, { from: utc('2024-01-01T00:00'), until: utc('2024-12-31T00:00') })
    await recordCandles(db, { candles: market.minutes(100) })
    await recordCandles(db, { candles: candlesAt(market, ['2024-03-31T00:00']) })
    const plan = await planOf(db, (tx) =>
      getCandles(tx, { ...market.BTC, from: utc('2024-01-01T00:00'), until: utc('2024-02-01T00:00') }),
    )
    expect(plan).toContain('candles_2024_01')
    expect(plan).not.toContain('candles_2024_02')
    expect(plan).not.toContain('candles_default')
    const touched = await partitionsRead(db, (tx) => getCandles(tx, { ...market.BTC, last: 1 }))
    expect(touched).toEqual(['candles_2024_03'])
  })
})

/** The partitions that were read while `work` ran. */
async function partitionsRead(db: Database, work: (tx: Database) => Promise<unknown>): Promise<string[]> {
  return transaction(db, async (tx) => {
    const before = await readScans(tx)
    await work(tx)
    const after = await readScans(tx)
    return [...after].filter(([name, count]) => count !== before.get(name)).map(([name]) => name)
  })
}

async function readScans(tx: Database): Promise<Map<string, number>> {
  const rows = (await tx.execute(sql`
    select relname as name, (seq_scan + idx_scan)::integer as count from pg_stat_xact_user_tables
    where schemaname = 'market' and relname like 'candles%' order by relname`)) as unknown
  return new Map((rows as { name: string; count: number }[]).map(({ name, count }) => [name, count]))
}

describeEngines(
  'ensurePartitions beside others',
  (open) => {
    const MONTH = { from: utc('2024-01-01T00:00'), until: utc('2024-01-31T00:00') }

    /** Waits until so many wait for a lock. */
    async function untilWaiting(db: Database, count: number): Promise<void> {
      for (;;) {
        const rows = (await db.execute(sql`
          select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)) as unknown
        if ((rows as unknown[]).length >= count) return
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }

    test('lets those who come while a month is moved see and write all of it', async () => {
      const db = await open.fresh({ poolSize: 8 })
      const { BTC, candleAt, minutes } = newMarket()
      await recordCandles(db, { candles: minutes(50) })
      const waiting = await transaction(db, async (tx) => {
        expect(await ensurePartitions(tx, MONTH)).toMatchObject([{ movedCount: 50 }])
        const others = [
          getCandles(db, { ...BTC, last: 1_000 }).then((candles) => candles.length),
          getLatestCandle(db, BTC).then(({ openTime }) => openTime),
          recordCandles(db, { candles: [candleAt(3, { volume: '9' }), candleAt(60)] }),
          recordCandles(db, { candles: minutes(3_000, 100) }),
        ] as const
        for (const other of others) other.catch(() => undefined)
        await untilWaiting(db, 4)
        return others
      })
      const [read, latest, few, many] = await Promise.all(waiting)
      expect(read).toBeGreaterThanOrEqual(50)
      expect(latest.getTime()).toBeGreaterThanOrEqual(candleAt(49).openTime.getTime())
      expect(few).toMatchObject({ inserted: 1, updated: 1 })
      expect(many).toMatchObject({ inserted: 3_000 })
      expect(await placesOf(db, BTC.exchange)).toEqual({ candles_2024_01: 3_051 })
    })

    test('waits for a transaction that has read candles, and lets it write', async () => {
      const db = await open.fresh({ poolSize: 8 })
      const { BTC, minutes } = newMarket()
      await recordCandles(db, { candles: minutes(50) })
      const making = await transaction(db, async (tx) => {
        expect(await getCandles(tx, { ...BTC, last: 1_000 })).toHaveLength(50)
        const made = ensurePartitions(db, MONTH)
        made.catch(() => undefined)
        await untilWaiting(db, 1)
        expect(await recordCandles(tx, { candles: minutes(60) })).toMatchObject({ inserted: 10 })
        return [made]
      })
      expect((await Promise.all(making)).flat()).toMatchObject([{ movedCount: 60 }])
      expect(await placesOf(db, BTC.exchange)).toEqual({ candles_2024_01: 60 })
    })

    test('makes nobody wait for a month that is there', async () => {
      const db = await open.fresh({ poolSize: 3 })
      const { BTC, minutes } = newMarket()
      await ensurePartitions(db, MONTH)
      await recordCandles(db, { candles: minutes(50) })
      await transaction(db, async (tx) => {
        await getCandles(tx, { ...BTC, last: 1_000 })
        await recordCandles(tx, { candles: minutes(60) })
        expect(await ensurePartitions(db, MONTH)).toEqual([])
      })
    })
  },
  ['postgres', 'pg'],
)
