import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { getLatestFearGreed, listFearGreed, recordFearGreed } from '../../src/market/fear-greed.ts'
import {
  getLatestOnchainMetric,
  listOnchainMetrics,
  recordOnchainMetrics,
} from '../../src/market/onchain-metrics.ts'
import {
  getLatestOpenInterest,
  listOpenInterest,
  recordOpenInterest,
} from '../../src/market/open-interest.ts'
import type { ValuesRecorded } from '../../src/market/record-values.ts'
import { getLatestSentiment, listSentiment, recordSentiment } from '../../src/market/sentiment.ts'
import { describeEngines } from '../database.ts'

/** One value of the series `name` at a moment. The number is the amount, the score, or whatever the table is about. */
interface Value {
  readonly name: string
  readonly measuredAt: Date
  readonly number: number
}

interface Subject {
  /** What the list of values is called in the input. */
  readonly list: string
  readonly record: (db: Database, values: readonly Value[], override?: object) => Promise<ValuesRecorded>
  readonly latest: (
    db: Database,
    name: string,
  ) => Promise<{ readonly measuredAt: Date; readonly recordedAt: Date; readonly updatedAt: Date }>
  readonly all: (
    db: Database,
    name: string,
    page?: { limit?: number; from?: Date; until?: Date; after?: { measuredAt: Date } },
  ) => Promise<{ readonly measuredAt: Date }[]>
  readonly numberOf: (row: object) => string
  readonly missing: string
  /** What is refused, by field. */
  readonly bad: readonly (readonly [string, unknown])[]
}

const key = (field: string) =>
  [
    [field, ''],
    [field, 'x'.repeat(201)],
    [field, null],
    [field, 'a\0'],
  ] as const
const TIMES = [
  ['measuredAt', new Date(Number.NaN)],
  ['measuredAt', '2026-01-01'],
] as const

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'fear & greed': {
    list: 'readings',
    record: (db, values, override) =>
      recordFearGreed(db, {
        readings: values.map(({ name, measuredAt, number }) => ({
          source: name,
          measuredAt,
          value: number,
          ...override,
        })),
      }),
    latest: (db, name) => getLatestFearGreed(db, { source: name }),
    all: (db, name, page) => listFearGreed(db, { source: name, ...page }),
    numberOf: (row) => String((row as { value: number }).value),
    missing: "fear & greed of 'nobody' not found",
    bad: [...key('source').filter(([, value]) => value !== null), ...TIMES, ['value', 101]],
  },
  'open interest': {
    list: 'values',
    record: (db, values, override) =>
      recordOpenInterest(db, {
        values: values.map(({ name, measuredAt, number }) => {
          return { exchange: 'e', symbol: name, measuredAt, quantity: String(number), ...override }
        }),
      }),
    latest: (db, name) => getLatestOpenInterest(db, { exchange: 'e', symbol: name }),
    all: (db, name, page) => listOpenInterest(db, { exchange: 'e', symbol: name, ...page }),
    numberOf: (row) => String((row as { quantity: object }).quantity),
    missing: "open interest of 'nobody' of exchange 'e' not found",
    bad: [
      ...key('exchange'),
      ...key('symbol'),
      ...TIMES,
      ['quantity', '-1'],
      ['quantity', 1],
      ['notional', '-0.1'],
      ['notional', 'many'],
      ['source', 'a\0'],
    ],
  },
  sentiment: {
    list: 'values',
    record: (db, values, override) =>
      recordSentiment(db, {
        values: values.map(({ name, measuredAt, number }) => {
          return { asset: name, source: 's', measuredAt, score: number / 100, ...override }
        }),
      }),
    latest: (db, name) => getLatestSentiment(db, { asset: name, source: 's' }),
    all: (db, name, page) => listSentiment(db, { asset: name, source: 's', ...page }),
    numberOf: (row) => String(Math.round((row as { score: number }).score * 100)),
    missing: "sentiment of 's' about 'nobody' not found",
    bad: [
      ...key('asset'),
      ...key('source'),
      ...TIMES,
      ['score', 1.01],
      ['score', -1.01],
      ['score', Number.NaN],
      ['score', '0.5'],
      ['mentionCount', -1],
      ['mentionCount', 1.5],
    ],
  },
  'on-chain metrics': {
    list: 'values',
    record: (db, values, override) =>
      recordOnchainMetrics(db, {
        values: values.map(({ name, measuredAt, number }) => {
          return { asset: name, metric: 'm', source: 's', measuredAt, value: String(number), ...override }
        }),
      }),
    latest: (db, name) => getLatestOnchainMetric(db, { asset: name, metric: 'm', source: 's' }),
    all: (db, name, page) => listOnchainMetrics(db, { asset: name, metric: 'm', source: 's', ...page }),
    numberOf: (row) => String((row as { value: object }).value),
    missing: "metric 'm' of 'nobody' by 's' not found",
    bad: [...key('asset'), ...key('metric'), ...key('source'), ...TIMES, ['value', 'NaN'], ['value', 5]],
  },
}

let named = 0
const at = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 60_000)

describeEngines('values that are recorded', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  describe.each(Object.entries(SUBJECTS))('of %s', (_, subject) => {
    const newName = () => `N${++named}`
    const value = (name: string, minute: number, number: number): Value => ({
      name,
      measuredAt: at(minute),
      number,
    })
    const numbers = async (name: string) => (await subject.all(db, name)).map(subject.numberOf)

    it('are inserted, replaced, or left as they are', async () => {
      const name = newName()
      expect(await subject.record(db, [value(name, 1, 10), value(name, 2, 20)])).toEqual({
        inserted: 2,
        updated: 0,
        unchanged: 0,
      })
      const before = await subject.latest(db, name)
      await sleep(5)
      expect(await subject.record(db, [value(name, 1, 11), value(name, 2, 20), value(name, 3, 30)])).toEqual({
        inserted: 1,
        updated: 1,
        unchanged: 1,
      })
      expect(await numbers(name)).toEqual(['30', '20', '11'])
      const [, second, first] = await subject.all(db, name)
      expect(second).toEqual(before)
      const { recordedAt, updatedAt } = first as unknown as typeof before
      expect(recordedAt).toEqual(before.recordedAt)
      expect(updatedAt.getTime()).toBeGreaterThan(recordedAt.getTime())
    })

    it('of one moment in one call count as if they came one after the other', async () => {
      const name = newName()
      const values = [10, 10, 11, 10, 10, 12].map((number) => value(name, 1, number))
      expect(await subject.record(db, values)).toEqual({ inserted: 1, updated: 3, unchanged: 2 })
      expect(await numbers(name)).toEqual(['12'])
      expect(await subject.record(db, values)).toEqual({ inserted: 0, updated: 4, unchanged: 2 })
    })

    it('may be more than one statement takes', async () => {
      const name = newName()
      const values = Array.from({ length: 2_300 }, (_, i) => value(name, i, i % 90))
      expect(await subject.record(db, values)).toEqual({ inserted: 2_300, updated: 0, unchanged: 0 })
      const changed = values.map((one, i) => (i % 2 ? one : { ...one, number: 95 }))
      expect(await subject.record(db, changed)).toEqual({ inserted: 0, updated: 1_150, unchanged: 1_150 })
      expect(await subject.record(db, [])).toEqual({ inserted: 0, updated: 0, unchanged: 0 })
    })

    it('are counted rightly in a transaction of the caller', async () => {
      const name = newName()
      await transaction(db, async (db) => {
        expect(await subject.record(db, [value(name, 1, 1)])).toMatchObject({ inserted: 1, updated: 0 })
        expect(await subject.record(db, [value(name, 1, 2)])).toMatchObject({ inserted: 0, updated: 1 })
        expect(await subject.record(db, [value(name, 1, 2)])).toMatchObject({ updated: 0, unchanged: 1 })
      })
    })

    it('have a newest one in each series', async () => {
      const [name, other] = [newName(), newName()]
      await subject.record(db, [
        value(name, 5, 50),
        value(name, 9, 90),
        value(name, 7, 70),
        value(other, 99, 1),
      ])
      expect(subject.numberOf(await subject.latest(db, name))).toBe('90')
      await expect(subject.latest(db, 'nobody')).rejects.toMatchObject({
        code: 'not_found',
        message: subject.missing,
      })
      await expect(subject.latest(db, ' ')).rejects.toMatchObject({ code: 'invalid_input' })
    })

    it('are listed page by page, newest first', async () => {
      const name = newName()
      await subject.record(
        db,
        [3, 1, 5, 2, 4].map((n) => value(name, n, n)),
      )
      const span = { from: at(2), until: at(5), limit: 2 }
      const first = await subject.all(db, name, span)
      const second = await subject.all(db, name, { ...span, ...(first[1] && { after: first[1] }) })
      expect([first, second].map((rows) => rows.map(subject.numberOf))).toEqual([['4', '3'], ['2']])
      await expect(subject.all(db, name, { limit: 1001 })).rejects.toMatchObject({ field: 'limit' })
      await expect(subject.all(db, name, { from: new Date(Number.NaN) })).rejects.toMatchObject({
        field: 'from',
      })
    })

    it.each(subject.bad)('are refused with a bad %s, %j, and then nothing is stored', async (field, bad) => {
      const name = newName()
      await expect(subject.record(db, [value(name, 1, 1)], { [field]: bad })).rejects.toMatchObject({
        code: 'invalid_input',
        field: `${subject.list}[0].${field}`,
      })
    })

    it('are all refused when one of them cannot be stored', async () => {
      const name = newName()
      const values = Array.from({ length: 1_500 }, (_, i) => value(name, i, 1))
      await expect(
        subject.record(db, [...values, { ...value(name, 0, 1), measuredAt: new Date(Number.NaN) }]),
      ).rejects.toMatchObject({
        code: 'invalid_input',
        field: `${subject.list}[1500].measuredAt`,
        message: `${subject.list}[1500].measuredAt is an invalid Date`,
      })
      expect(await subject.all(db, name)).toEqual([])
    })
  })

  it('are refused when they are no array', async () => {
    const given = { values: new Set() as never }
    for (const record of [recordOpenInterest, recordSentiment, recordOnchainMetrics]) {
      await expect(record(db, given)).rejects.toMatchObject({ code: 'invalid_input', field: 'values' })
    }
    await expect(recordFearGreed(db, given as never)).rejects.toMatchObject({ field: 'readings' })
  })

  it('keep every digit of an amount', async () => {
    const amount = `${'9'.repeat(30)}.${'1'.repeat(30)}`
    const measuredAt = at(0)
    await recordOpenInterest(db, {
      values: [{ exchange: 'd', symbol: 'd', measuredAt, quantity: amount, notional: amount }],
    })
    const interest = await getLatestOpenInterest(db, { exchange: 'd', symbol: 'd' })
    expect([interest.quantity.toFixed(), interest.notional?.toFixed()]).toEqual([amount, amount])
    await recordOnchainMetrics(db, {
      values: [{ asset: 'd', metric: 'd', source: 'd', measuredAt, value: `-${amount}` }],
    })
    const metric = await getLatestOnchainMetric(db, { asset: 'd', metric: 'd', source: 'd' })
    expect(metric.value.toFixed()).toBe(`-${amount}`)
  })

  it('of open interest are replaced where only the notional or the source changes', async () => {
    const series = { exchange: 'd', symbol: 'n' }
    const full = { ...series, measuredAt: at(0), quantity: '1', notional: '2', source: 'a' }
    await recordOpenInterest(db, { values: [full] })
    for (const change of [{ notional: '3' }, { source: 'b' }, { notional: null }, { source: undefined }]) {
      expect(await recordOpenInterest(db, { values: [{ ...full, ...change }] })).toMatchObject({ updated: 1 })
      const { notional, source } = await getLatestOpenInterest(db, series)
      const expected = { notional: '2', source: 'a', ...change }
      expect([notional?.toFixed() ?? null, source]).toEqual([expected.notional, expected.source ?? null])
      await recordOpenInterest(db, { values: [full] })
    }
  })

  it('keep a score as the double that it is, and a count beyond 32 bits', async () => {
    const series = { asset: 'd', source: 'd' }
    for (const score of [-1, 1, 0.1 + 0.2, 5e-324, -1 / 3]) {
      await recordSentiment(db, { values: [{ ...series, measuredAt: at(0), score, mentionCount: 2 ** 40 }] })
      expect(await getLatestSentiment(db, series)).toMatchObject({ score, mentionCount: 2 ** 40 })
    }
    expect(await recordSentiment(db, { values: [{ ...series, measuredAt: at(0), score: 1 }] })).toMatchObject(
      { updated: 1 },
    )
    expect(await getLatestSentiment(db, series)).toMatchObject({ score: 1, mentionCount: null })
  })
})

describeEngines(
  'races of values',
  (open) => {
    it('neither deadlock nor count a value twice', async () => {
      const db = await open()
      for (let round = 0; round < 10; round++) {
        const writers = Array.from({ length: 6 }, (_, writer) => {
          const values = Array.from({ length: 50 }, (_, i) => ({
            asset: `R${round}`,
            metric: 'm',
            source: 's',
            measuredAt: at(i),
            value: String(writer),
          }))
          return writer % 2 ? values : values.reverse()
        })
        const results = await Promise.all(writers.map((values) => recordOnchainMetrics(db, { values })))
        const sum = (field: keyof ValuesRecorded) =>
          results.reduce((total, result) => total + result[field], 0)
        expect([sum('inserted'), sum('updated'), sum('unchanged')]).toEqual([50, 250, 0])
      }
    })
  },
  ['postgres', 'pg'],
)
