import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  type FearGreedInput,
  getLatestFearGreed,
  listFearGreed,
  recordFearGreed,
} from '../../src/market/fear-greed.ts'
import { describeEngines } from '../database.ts'

const day = (n: number) => new Date(Date.UTC(2026, 0, n))
let sources = 0
const newSource = () => `index ${++sources}`

const CLASSES = [
  [0, 'extreme_fear'],
  [25, 'extreme_fear'],
  [26, 'fear'],
  [45, 'fear'],
  [46, 'neutral'],
  [55, 'neutral'],
  [56, 'greed'],
  [75, 'greed'],
  [76, 'extreme_greed'],
  [100, 'extreme_greed'],
] as const

const SCORES = {
  valueYesterday: 0,
  valueLastWeek: 100,
  valueLastMonth: 50,
  volatilityScore: 1,
  momentumScore: 2,
  socialScore: 3,
  surveysScore: 4,
  dominanceScore: 5,
  trendsScore: 6,
}

describeEngines('fear & greed', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const record = (...readings: FearGreedInput[]) => recordFearGreed(db, { readings })

  describe('the class', () => {
    it.each(CLASSES)('of %i is %s', async (value, expected) => {
      const source = newSource()
      await record({ source, measuredAt: day(1), value })
      expect(await getLatestFearGreed(db, { source })).toMatchObject({ value, class: expected })
    })

    it.each(CLASSES)('of %i is %s for whoever writes SQL', async (value, expected) => {
      const source = newSource()
      const rows = await db.execute(sql`
        insert into market.fear_greed (source, measured_at, value) values (${source}, now(), ${value}) returning class`)
      expect(rows).toEqual([{ class: expected }])
    })

    it('cannot be given, and there is none beyond the ends', async () => {
      const insert = (columns: string, values: string) =>
        db.execute(
          sql.raw(
            `insert into market.fear_greed (source, measured_at, ${columns}) values ('x', now(), ${values})`,
          ),
        )
      await expect(insert('value, class', "50, 'greed'")).rejects.toThrow(/class/)
      for (const value of ['-1', '101']) {
        await expect(insert('value', value)).rejects.toMatchObject({
          code: 'invalid_input',
          constraint: 'fear_greed_value_check',
        })
      }
    })

    it('follows the value when that is replaced', async () => {
      const source = newSource()
      await record({ source, measuredAt: day(1), value: 10 })
      expect(await record({ source, measuredAt: day(1), value: 90 })).toMatchObject({ updated: 1 })
      expect(await getLatestFearGreed(db, { source })).toMatchObject({ value: 90, class: 'extreme_greed' })
    })
  })

  it('keeps all that a reading says, and knows nothing of what it leaves out', async () => {
    const source = newSource()
    await record({ source, measuredAt: day(1), value: 50, ...SCORES })
    expect(await getLatestFearGreed(db, { source })).toMatchObject({
      source,
      measuredAt: day(1),
      value: 50,
      ...SCORES,
    })
    await record({ source, measuredAt: day(1), value: 50 })
    const unknown = Object.fromEntries(Object.keys(SCORES).map((score) => [score, null]))
    expect(await getLatestFearGreed(db, { source })).toMatchObject({ value: 50, ...unknown })
  })

  it.each(Object.keys(SCORES))('stores a change of nothing but %s', async (score) => {
    const source = newSource()
    const reading = { source, measuredAt: day(1), value: 50, ...SCORES }
    await record(reading)
    expect(await record({ ...reading, [score]: 77 })).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
    expect(await getLatestFearGreed(db, { source })).toMatchObject({ [score]: 77 })
  })

  it.each([-1, 101, 25.5, Number.NaN, Number.POSITIVE_INFINITY, '50', null])(
    'refuses the value %s, wherever it is, and stores nothing',
    async (value) => {
      const source = newSource()
      const good = { source, measuredAt: day(1), value: 1 }
      const fields = value === null ? ['value'] : ['value', ...Object.keys(SCORES)]
      for (const field of fields) {
        const bad = { ...good, measuredAt: day(2), [field]: value } as FearGreedInput
        await expect(record(good, bad), field).rejects.toMatchObject({
          code: 'invalid_input',
          field: `readings[1].${field}`,
          message: `readings[1].${field} ${value} is not a whole number from 0 to 100`,
        })
      }
      expect(await listFearGreed(db, { source })).toEqual([])
    },
  )

  it('is that of alternative.me unless said otherwise', async () => {
    await expect(getLatestFearGreed(db)).rejects.toMatchObject({
      code: 'not_found',
      message: "fear & greed of 'alternative.me' not found",
    })
    await record({ measuredAt: day(1), value: 20 }, { source: newSource(), measuredAt: day(2), value: 30 })
    expect(await getLatestFearGreed(db)).toMatchObject({ source: 'alternative.me', value: 20 })
    expect(await listFearGreed(db)).toHaveLength(1)
    expect(await listFearGreed(db, { source: 'alternative.me' })).toHaveLength(1)
  })

  it('goes through a span page by page, newest first', async () => {
    const source = newSource()
    await record(...[3, 1, 5, 2, 4].map((n) => ({ source, measuredAt: day(n), value: n })))
    const span = { source, from: day(2), until: day(5), limit: 2 }
    const first = await listFearGreed(db, span)
    const second = await listFearGreed(db, { ...span, after: first[1] })
    expect([first, second].map((rows) => rows.map(({ value }) => value))).toEqual([[4, 3], [2]])
  })
})
