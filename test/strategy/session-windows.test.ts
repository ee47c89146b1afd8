import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { WEEKDAYS } from '../../src/market/weekdays.ts'
import { type SessionWindow, sessionWindowsSchema } from '../../src/strategy/schema/rules.ts'
import { isInWindow } from '../../src/strategy/session-windows.ts'
import { describeDatabases } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'

const at = (text: string) => new Date(text)
const holds = (window: SessionWindow, text: string) => isInWindow([window], at(text))

describe('a session window', () => {
  test('begins with its first minute and ends before its last', () => {
    const window = { start: '07:00', end: '11:00' }
    // 2024-01-31 is a Wednesday.
    expect(holds(window, '2024-01-31T06:59:59.999Z')).toBe(false)
    expect(holds(window, '2024-01-31T07:00:00.000Z')).toBe(true)
    expect(holds(window, '2024-01-31T10:59:59.999Z')).toBe(true)
    expect(holds(window, '2024-01-31T11:00:00.000Z')).toBe(false)
    expect(holds({ start: '00:00', end: '24:00', days: ['wednesday'] }, '2024-01-31T23:59:59.999Z')).toBe(
      true,
    )
    expect(holds({ start: '00:00', end: '24:00', days: ['wednesday'] }, '2024-02-01T00:00:00Z')).toBe(false)
  })

  test('is one of several, and none is always', () => {
    const windows = [
      { start: '07:00', end: '08:00' },
      { start: '09:00', end: '10:00' },
    ]
    expect(isInWindow(windows, at('2024-01-31T09:30:00Z'))).toBe(true)
    expect(isInWindow(windows, at('2024-01-31T08:30:00Z'))).toBe(false)
    expect(isInWindow([], at('2024-01-31T08:30:00Z'))).toBe(true)
  })

  test('over midnight belongs to the day on which it begins', () => {
    const window: SessionWindow = { start: '22:00', end: '02:00', days: ['friday'] }
    expect(holds(window, '2024-02-02T21:59:00Z')).toBe(false)
    expect(holds(window, '2024-02-02T22:00:00Z')).toBe(true)
    expect(holds(window, '2024-02-03T01:59:00Z')).toBe(true)
    expect(holds(window, '2024-02-03T02:00:00Z')).toBe(false)
    expect(holds(window, '2024-02-02T01:00:00Z')).toBe(false)
    expect(holds({ ...window, days: ['saturday'] }, '2024-02-04T01:00:00Z')).toBe(true)
    expect(holds({ ...window, days: ['sunday'] }, '2024-02-05T01:00:00Z')).toBe(true)
  })

  test('follows the clock of its zone through summer and winter', () => {
    const window: SessionWindow = { start: '07:00', end: '11:00', timeZone: 'Europe/Berlin' }
    expect(holds(window, '2024-01-31T06:30:00Z')).toBe(true)
    expect(holds(window, '2024-07-31T06:30:00Z')).toBe(true)
    expect(holds(window, '2024-07-31T05:30:00Z')).toBe(true)
    expect(holds(window, '2024-01-31T05:30:00Z')).toBe(false)
    expect(holds(window, '2024-07-31T09:30:00Z')).toBe(false)
  })

  test('does not happen in an hour that the clock skips, and lasts through one that it repeats', () => {
    const window: SessionWindow = { start: '02:15', end: '02:45', timeZone: 'Europe/Berlin' }
    // On 31 March 2024 the clock goes from 02:00 to 03:00, at 01:00 of UTC.
    for (let minute = 0; minute < 120; minute++) {
      expect(isInWindow([window], new Date(Date.UTC(2024, 2, 31, 0, 30 + minute)))).toBe(false)
    }
    // On 27 October it goes from 03:00 back to 02:00, at 01:00 of UTC.
    expect(holds(window, '2024-10-27T00:30:00Z')).toBe(true)
    expect(holds(window, '2024-10-27T01:00:00Z')).toBe(false)
    expect(holds(window, '2024-10-27T01:30:00Z')).toBe(true)
    // One that begins in the skipped hour begins with the next that there is.
    const across: SessionWindow = { start: '02:30', end: '04:00', timeZone: 'Europe/Berlin' }
    expect(holds(across, '2024-03-31T00:59:59Z')).toBe(false)
    expect(holds(across, '2024-03-31T01:00:00Z')).toBe(true)
  })

  test('goes by the days of its zone, not of UTC', () => {
    const window: SessionWindow = { start: '09:00', end: '12:00', days: ['monday'], timeZone: 'Asia/Tokyo' }
    // 2024-02-04 is a Sunday in UTC.
    expect(holds(window, '2024-02-05T00:30:00Z')).toBe(true)
    expect(holds({ ...window, start: '06:00', end: '09:00' }, '2024-02-04T22:00:00Z')).toBe(true)
    expect(holds({ ...window, start: '06:00', end: '09:00', days: ['sunday'] }, '2024-02-04T22:00:00Z')).toBe(
      false,
    )
  })
})

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Asia/Tokyo',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/Sao_Paulo',
  'Etc/GMT+5',
]

const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 15, 30, 59))
  .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`)
const window: fc.Arbitrary<SessionWindow> = fc
  .record(
    {
      start: clock,
      end: fc.oneof(clock, fc.constant('24:00')),
      days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
      timeZone: fc.constantFrom(...ZONES),
    },
    { requiredKeys: ['start', 'end'] },
  )
  .filter(({ start, end }) => start !== end)
  .map((one) => ({ ...one }) as SessionWindow)

/** Moments of thirty years, most of them near where clocks change. */
const moment = fc.oneof(
  fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2030, 0) }),
  fc
    .tuple(
      fc.constantFrom(
        Date.UTC(2024, 2, 31, 1),
        Date.UTC(2024, 9, 27, 1),
        Date.UTC(2024, 10, 3, 6),
        Date.UTC(2024, 3, 6, 15),
        Date.UTC(2011, 11, 30, 10),
      ),
      fc.integer({ min: -90_000_000, max: 90_000_000 }),
    )
    .map(([change, ms]) => change + ms),
)

describeDatabases('session windows in SQL', (open) => {
  it('answer as those in TypeScript', async () => {
    const db = await open()
    const cases = fc.sample(fc.tuple(fc.array(window, { maxLength: 3 }), moment), {
      numRuns: 3_000,
      seed: 20_240_131,
    })
    for (const [windows] of cases) sessionWindowsSchema.parse(windows)
    const list = JSON.stringify(cases.map(([windows, ms]) => ({ windows, at: new Date(ms).toISOString() })))
    const rows = await query(
      db,
      sql`select strategy.is_in_window(windows, at)::text as held from rows from (jsonb_to_recordset(${list}::jsonb) as (windows jsonb, at timestamptz))
        with ordinality as x(windows, at, place) order by place`,
    )
    const expected = cases.map(([windows, ms]) => String(isInWindow(windows, new Date(ms))))
    const differing = cases.flatMap((one, i) =>
      rows[i]?.held === expected[i] ? [] : [{ windows: one[0], at: new Date(one[1]), sql: rows[i]?.held }],
    )
    expect(differing).toEqual([])
    expect(expected.filter((held) => held === 'true').length).toBeGreaterThan(500)
    expect(expected.filter((held) => held === 'false').length).toBeGreaterThan(500)
  })

  it('say never where nothing is given, and refuse what they cannot read', async () => {
    const db = await open()
    const ask = (windows: string | null) =>
      query(db, sql`select strategy.is_in_window(${windows}::jsonb, now())::text as held`)
    expect(await ask(null)).toEqual([{ held: 'false' }])
    expect(await ask('{}')).toEqual([{ held: 'false' }])
    expect(await ask('[]')).toEqual([{ held: 'true' }])
    await expect(ask('[{"start": "00:00", "end": "24:00"}, {}]')).rejects.toThrow()
  })
})
