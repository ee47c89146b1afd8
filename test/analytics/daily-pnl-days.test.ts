import { type SQL, sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { describeDatabases } from '../database.ts'
import { addDays, dayOf, dayStart } from '../model/daily-days.ts'

/** Days around which a clock was turned, most of them at or about midnight. */
const TURNS = [
  ['UTC', '2024-03-31'],
  ['Asia/Kathmandu', '2024-03-31'],
  ['Europe/Berlin', '2024-03-31'],
  ['Europe/Berlin', '2024-10-27'],
  ['America/New_York', '2024-03-10'],
  ['America/New_York', '2024-11-03'],
  ['Australia/Lord_Howe', '2024-04-07'],
  ['Australia/Lord_Howe', '2024-10-06'],
  // Midnight is left out.
  ['America/Havana', '2024-03-10'],
  ['Africa/Cairo', '2023-04-28'],
  ['Asia/Beirut', '2022-03-27'],
  ['America/Asuncion', '2023-10-01'],
  ['America/Sao_Paulo', '2018-11-04'],
  // The last hour before midnight comes twice.
  ['Africa/Cairo', '2023-10-27'],
  ['Asia/Beirut', '2022-10-30'],
  ['America/Asuncion', '2023-03-26'],
  ['America/Sao_Paulo', '2019-02-17'],
  // The first hour of the day comes twice, midnight with it.
  ['America/Havana', '2024-11-03'],
  ['Atlantic/Azores', '2024-10-27'],
  // Turned back at a minute past midnight: midnight comes twice, an hour apart, and two dates are mixed in between.
  ['America/St_Johns', '2010-03-14'],
  ['America/St_Johns', '2010-11-07'],
  // By two hours.
  ['America/St_Johns', '1988-10-30'],
  // By three.
  ['Antarctica/Casey', '2010-03-05'],
  ['Antarctica/Casey', '2023-03-09'],
  // The 30th of December was left out.
  ['Pacific/Apia', '2011-12-30'],
  ['Pacific/Kwajalein', '1993-08-21'],
] as const

const HOUR_MS = 3_600_000

describeDatabases('the days of a zone', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const ask = async (query: SQL) =>
    ((await db.execute(query)) as unknown as readonly { readonly found: unknown }[]).map(({ found }) => found)

  it.each(TURNS)('of %s begin about %s when its clock first shows the date', async (zone, turn) => {
    const days = [-3, -2, -1, 0, 1, 2].map((count) => addDays(turn, count))
    const found = await ask(sql`
      select extract(epoch from analytics.day_start(day, ${zone})) * 1000 as found
      from unnest(${list(days)}::text[]::date[]) with ordinality as given(day, place) order by place`)
    const begins = days.map((day) => new Date(dayStart(day, zone)).toISOString())
    expect(found.map((at) => new Date(Number(at)).toISOString())).toEqual(begins)
  })

  it.each(TURNS)('of %s contain about %s every moment from one beginning to the next', async (zone, turn) => {
    const begins = dayStart(turn, zone)
    const edges = [begins, dayStart(addDays(turn, 1), zone)].flatMap((at) => [
      at - 1,
      at,
      at + 1,
      at + 60_000,
    ])
    const moments = Array.from({ length: 120 }, (_, i) => begins + (i - 40) * (HOUR_MS / 2) + 1_000)
    const all = [...edges, ...moments].map((at) => new Date(at).toISOString())
    const found = await ask(sql`
      select analytics.day_of(at, ${zone})::text as found
      from unnest(${list(all)}::text[]::timestamptz[]) with ordinality as given(at, place) order by place`)
    expect(found.map((day, i) => [all[i], day])).toEqual(all.map((at) => [at, dayOf(Date.parse(at), zone)]))
  })
})

function list(values: readonly string[]): string {
  return `{${values.map((value) => `"${value}"`).join(',')}}`
}
