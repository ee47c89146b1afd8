import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  type CalendarEvent,
  type CalendarEventInput,
  type ListUpcomingEventsInput,
  listUpcomingEvents,
  recordCalendarEvents,
} from '../../src/market/calendar-events.ts'
import { calendarEvents } from '../../src/market/schema/index.ts'
import { describeEngines } from '../database.ts'
import { planOf } from './plan.ts'

const at = (hour: number, day = 5) => new Date(Date.UTC(2026, 0, day, hour))
const start = at(0)

function release(overrides: Partial<CalendarEventInput> = {}): CalendarEventInput {
  return { source: 'ff', eventTime: at(13), currency: 'USD', impact: 'high', title: 'CPI m/m', ...overrides }
}

const full = release({ externalId: 'ff-1', previous: '0.2%', forecast: '0.3%', actual: '0.4%' })

describeEngines('calendar events', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${calendarEvents}`)
  })

  const record = (...events: CalendarEventInput[]) => recordCalendarEvents(db, { events })
  const list = (input: ListUpcomingEventsInput = {}) => listUpcomingEvents(db, { now: start, ...input })
  const titles = (rows: readonly CalendarEvent[]) => rows.map((row) => row.title)
  const only = async () => {
    const rows = await list()
    expect(rows).toHaveLength(1)
    return rows[0] as CalendarEvent
  }

  describe('recordCalendarEvents', () => {
    it('stores what is given', async () => {
      expect(await record(full)).toEqual({ inserted: 1, updated: 0, unchanged: 0 })
      expect(await only()).toEqual({
        ...full,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        recordedAt: expect.any(Date),
        updatedAt: expect.any(Date),
      })
    })

    it('writes currencies in capitals', async () => {
      await record(release({ currency: ' usd ' }))
      expect(await only()).toMatchObject({ currency: 'USD', previous: null, forecast: null, actual: null })
      expect(await record(release())).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
    })

    it('changes nothing when the same is reported again', async () => {
      await record(full)
      const before = await only()
      expect(await record(full)).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
      expect(await only()).toEqual(before)
    })

    it.each<Partial<CalendarEventInput>>([
      { eventTime: at(14) },
      { currency: 'EUR' },
      { impact: 'low' },
      { title: 'Core CPI m/m' },
      { previous: '0.1%' },
      { forecast: null },
      { actual: '0.5%' },
    ])('stores a change of nothing but %j and keeps the id', async (change) => {
      await record(full)
      const { id } = await only()
      expect(await record({ ...full, ...change })).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      expect(await only()).toMatchObject({ ...full, ...change, id })
    })

    it('takes a figure that comes in later and keeps those that the report leaves out', async () => {
      const announced = release({ previous: '0.2%', forecast: '0.3%' })
      await record(announced)
      expect(await record(release({ actual: '0.4%' }))).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      expect(await only()).toMatchObject({ previous: '0.2%', forecast: '0.3%', actual: '0.4%' })
      expect(await record(announced)).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
      expect(await only()).toMatchObject({ actual: '0.4%' })
      await record(release({ actual: null, forecast: undefined }))
      expect(await only()).toMatchObject({ previous: '0.2%', forecast: '0.3%', actual: null })
    })

    it('keeps a figure that somebody else stores while a report without it is on its way', async () => {
      if (open.engine === 'pglite') return // One connection: nobody else can.
      await record(release({ title: 'NFP' }))
      let late: Promise<unknown> | undefined
      await db.transaction(async (tx) => {
        await recordCalendarEvents(tx, { events: [release({ title: 'NFP', actual: '250K' })] })
        late = record(release({ title: 'NFP', forecast: '200K' }))
        await waitForLock(db)
      })
      expect(await late).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      expect(await only()).toMatchObject({ forecast: '200K', actual: '250K' })
    })

    it('knows an event without id by currency, title and UTC day, so that its time may move', async () => {
      await record(release())
      const { id } = await only()
      expect(await record(release({ eventTime: new Date('2026-01-05T23:59:59.999Z') }))).toMatchObject({
        updated: 1,
      })
      expect(await record(release({ eventTime: at(0), title: ' CPI m/m' }))).toMatchObject({ updated: 1 })
      expect(await only()).toMatchObject({ id, eventTime: at(0), externalId: '2026-01-05 USD CPI m/m' })
      const others = [
        release({ eventTime: at(0, 6) }),
        release({ currency: 'EUR' }),
        release({ title: 'CPI y/y' }),
        release({ source: 'te' }),
      ]
      expect(await record(...others)).toEqual({ inserted: 4, updated: 0, unchanged: 0 })
    })

    it('keeps two events of a day alike in all but their time', async () => {
      const speech = (hour: number, more: Partial<CalendarEventInput> = {}) =>
        release({ title: 'Governor speaks', eventTime: at(hour), ...more })
      expect(await record(speech(17), speech(9), speech(17))).toEqual({
        inserted: 2,
        updated: 0,
        unchanged: 1,
      })
      expect(await record(speech(9), speech(17, { impact: 'low' }))).toMatchObject({
        updated: 1,
        unchanged: 1,
      })
      expect(await list()).toMatchObject([
        { eventTime: at(9), impact: 'high' },
        { eventTime: at(17), impact: 'low' },
      ])
      expect(await record(speech(10), speech(18, { source: 'te' }))).toMatchObject({
        updated: 1,
        inserted: 1,
      })
    })

    it('takes titles that are too long for a key, and tells them apart', async () => {
      const title = (end: string) => `${'x'.repeat(5_000)}${end}`
      expect(await record(release({ title: title('1') }), release({ title: title('2') }))).toMatchObject({
        inserted: 2,
      })
      expect(await record(release({ title: title('1'), eventTime: at(14) }))).toMatchObject({ updated: 1 })
    })

    it('lays reports of one event in a call over each other, and counts each', async () => {
      const counts = await record(
        full,
        release({ externalId: 'ff-1', actual: '1%' }),
        release({ externalId: 'ff-1' }),
      )
      expect(counts).toEqual({ inserted: 1, updated: 1, unchanged: 1 })
      expect(await only()).toMatchObject({ ...full, actual: '1%' })
    })

    it('does nothing with an empty list, and refuses what is none', async () => {
      expect(await record()).toEqual({ inserted: 0, updated: 0, unchanged: 0 })
      const refusal = { code: 'invalid_input', field: 'events' }
      await expect(recordCalendarEvents(db, { events: full as never })).rejects.toMatchObject(refusal)
    })

    it.each<[string, Partial<CalendarEventInput>]>([
      ['source', { source: '' }],
      ['externalId', { externalId: 'x'.repeat(201) }],
      ['eventTime', { eventTime: new Date(Number.NaN) }],
      ['currency', { currency: ' ' }],
      ['currency', { currency: 'x'.repeat(201) }],
      ['impact', { impact: 'High' as 'high' }],
      ['title', { title: '' }],
      ['title', { title: 'a\0' }],
      ['previous', { previous: '' }],
      ['forecast', { forecast: ' ' }],
      ['actual', { actual: '\ud800' }],
      ['actual', { actual: 0.4 as unknown as string }],
    ])('refuses a bad %s: %j, and stores nothing of the call', async (field, bad) => {
      const refusal = { code: 'invalid_input', field: `events[1].${field}` }
      await expect(record(release(), release(bad))).rejects.toMatchObject(refusal)
      expect(await list()).toEqual([])
    })
  })

  describe('listUpcomingEvents', () => {
    const seed = () =>
      record(
        release({ title: 'c', eventTime: at(12), impact: 'low' }),
        release({ title: 'a', eventTime: at(10), impact: 'medium', currency: 'EUR' }),
        release({ title: 'b', eventTime: at(11) }),
        release({ title: 'd', eventTime: at(13), currency: 'ALL' }),
      )

    it('returns the next first, from now on, with both ends as said', async () => {
      expect(await list()).toEqual([])
      await seed()
      expect(titles(await list())).toEqual(['a', 'b', 'c', 'd'])
      expect(titles(await list({ now: at(11), until: at(13) }))).toEqual(['b', 'c'])
      expect(titles(await list({ now: new Date(at(11).getTime() + 1) }))).toEqual(['c', 'd'])
    })

    it('takes the clock of the database where no time is given', async () => {
      const soon = new Date(Date.now() + 3_600_000)
      await record(release({ title: 'past' }), release({ title: 'to come', eventTime: soon }))
      expect(titles(await listUpcomingEvents(db))).toEqual(['to come'])
    })

    it('returns those of at least an impact', async () => {
      await seed()
      expect(titles(await list({ impact: 'low' }))).toEqual(['a', 'b', 'c', 'd'])
      expect(titles(await list({ impact: 'medium' }))).toEqual(['a', 'b', 'd'])
      expect(titles(await list({ impact: 'high' }))).toEqual(['b', 'd'])
    })

    it('returns those of given currencies, of what they are pegged to, and of everybody', async () => {
      await seed()
      expect(titles(await list({ currencies: ['EUR'] }))).toEqual(['a', 'd'])
      expect(titles(await list({ currencies: ['usdt', 'JPY'] }))).toEqual(['b', 'c', 'd'])
      expect(titles(await list({ currencies: ['JPY'] }))).toEqual(['d'])
    })

    it('finds a currency that somebody else stored in small letters', async () => {
      await seed()
      await db.execute(sql`update ${calendarEvents} set currency = lower(currency)`)
      expect(titles(await list({ currencies: ['EUR'] }))).toEqual(['a', 'd'])
    })

    it('goes page by page, also through events of one moment', async () => {
      await record(...['a', 'b', 'c', 'd', 'e'].map((title) => release({ title })))
      const first = await list({ limit: 3 })
      const second = await list({ limit: 3, after: first[2] })
      expect([...titles(first), ...titles(second)].sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(second).toHaveLength(2)
      expect(await list({ after: second[1] })).toEqual([])
    })

    it('refuses bad input, and an empty choice of currencies', async () => {
      const bad: [string, ListUpcomingEventsInput][] = [
        ['currencies', { currencies: [] }],
        ['currencies[1]', { currencies: ['USD', ''] }],
        ['impact', { impact: 'huge' as 'high' }],
        ['now', { now: new Date(Number.NaN) }],
        ['until', { until: 'x' as unknown as Date }],
        ['limit', { limit: 1.5 }],
        ['after.eventTime', { after: { eventTime: new Date(Number.NaN), id: 'x' } }],
      ]
      for (const [field, input] of bad) {
        await expect(list(input)).rejects.toMatchObject({ code: 'invalid_input', field })
      }
    })

    it('reads the index from the first event on', async () => {
      await db.execute(sql`
        insert into ${calendarEvents} (id, source, external_id, event_time, currency, impact, title)
        select gen_random_uuid(), 's', n::text, timestamptz '2026-01-01' + n * interval '1 hour', 'USD', 'high', 't'
        from generate_series(1, 5000) n`)
      await db.execute(sql`analyze ${calendarEvents}`)
      const [cursor] = await list({ limit: 1 })
      const plan = await planOf(db, (db) => listUpcomingEvents(db, { now: start, limit: 20, after: cursor }))
      expect(plan).toContain('Index Scan using calendar_events_event_time_id_idx')
      expect(plan).toMatch(/Index Cond: .*ROW\(event_time, id\)/)
      expect(plan).not.toContain('Sort')
    })
  })
})

async function waitForLock(db: Connection): Promise<void> {
  for (;;) {
    const waiting = await db.execute(
      sql`select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())
        union all select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if ([...(waiting as unknown as Iterable<unknown>)].length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
