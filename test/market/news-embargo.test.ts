import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { type CalendarEventInput, recordCalendarEvents } from '../../src/market/calendar-events.ts'
import { type SetInstrumentInput, setInstrument } from '../../src/market/index.ts'
import { findNewsEmbargo, isNewsEmbargo, type NewsEmbargoInput } from '../../src/market/news-embargo.ts'
import { calendarEvents, instruments } from '../../src/market/schema/index.ts'
import { describeEngines } from '../database.ts'
import { planOf } from './plan.ts'

const now = new Date('2026-03-29T01:00:00.000Z')
const MINUTE_MS = 60_000
const inMinutes = (minutes: number, ms = 0) => new Date(now.getTime() + minutes * MINUTE_MS + ms)

const spot: SetInstrumentInput = {
  exchange: 'binance',
  symbol: 'BTC/USDT',
  kind: 'spot',
  baseCurrency: 'BTC',
  quoteCurrency: 'USDT',
}
const ask: NewsEmbargoInput = {
  exchange: spot.exchange,
  symbol: spot.symbol,
  minutesBefore: 30,
  minutesAfter: 15,
  now,
}

function event(overrides: Partial<CalendarEventInput> = {}): CalendarEventInput {
  return { source: 'ff', eventTime: now, currency: 'USD', impact: 'high', title: 'CPI m/m', ...overrides }
}

describeEngines('news embargo', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${calendarEvents}`)
    await db.execute(sql`delete from ${instruments}`)
    await setInstrument(db, spot)
  })

  const record = (...events: CalendarEventInput[]) => recordCalendarEvents(db, { events })
  const isEmbargo = (overrides: Partial<NewsEmbargoInput> = {}) => isNewsEmbargo(db, { ...ask, ...overrides })
  const find = (overrides: Partial<NewsEmbargoInput> = {}) => findNewsEmbargo(db, { ...ask, ...overrides })

  it('is on while an event is near, and names it', async () => {
    expect(await isEmbargo()).toBe(false)
    expect(await find()).toBeUndefined()
    await record(event({ eventTime: inMinutes(10), forecast: '0.3%' }))
    expect(await isEmbargo()).toBe(true)
    expect(await find()).toEqual({
      ...event({ eventTime: inMinutes(10) }),
      id: expect.any(String),
      externalId: '2026-03-29 USD CPI m/m',
      previous: null,
      forecast: '0.3%',
      actual: null,
      recordedAt: expect.any(Date),
      updatedAt: expect.any(Date),
    })
  })

  it.each<[string, Date, boolean]>([
    ['minutesBefore ahead', inMinutes(30), true],
    ['a millisecond more ahead', inMinutes(30, 1), false],
    ['now', now, true],
    ['minutesAfter ago', inMinutes(-15), true],
    ['a millisecond longer ago', inMinutes(-15, -1), false],
    ['between minutesAfter and minutesBefore ago', inMinutes(-20), false],
  ])('counts both ends: an event %s', async (_, eventTime, expected) => {
    await record(event({ eventTime }))
    expect(await isEmbargo()).toBe(expected)
  })

  it('takes fractions of minutes, nothing, and a week', async () => {
    await record(event({ eventTime: inMinutes(0, 6_000) }))
    expect(await isEmbargo({ minutesBefore: 0.1 })).toBe(true)
    expect(await isEmbargo({ minutesBefore: 0.0999 })).toBe(false)
    expect(await isEmbargo({ minutesBefore: 0, minutesAfter: 0 })).toBe(false)
    expect(await isEmbargo({ minutesBefore: 0, minutesAfter: 0, now: inMinutes(0, 6_000) })).toBe(true)
    const week = 7 * 24 * 60
    expect(await isEmbargo({ minutesAfter: week, now: inMinutes(week, 6_000) })).toBe(true)
    expect(await isEmbargo({ minutesAfter: week, now: inMinutes(week, 6_001) })).toBe(false)
  })

  it('takes the clock of the database where no time is given', async () => {
    expect(await isEmbargo({ now: undefined })).toBe(false)
    await record(event({ eventTime: new Date(Date.now() + 20 * MINUTE_MS) }))
    expect(await isEmbargo({ now: undefined })).toBe(true)
    expect(await isEmbargo({ now: undefined, minutesBefore: 10 })).toBe(false)
  })

  it('goes by the clock, not by the beginning of the transaction that it is asked in', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(sql`select pg_sleep(0.3)`)
      await tx.execute(sql`
        insert into ${calendarEvents} (id, source, external_id, event_time, currency, impact, title)
        values (gen_random_uuid(), 's', 'x', now(), 'USD', 'high', 't')`)
      const at = { ...ask, now: undefined, minutesBefore: 1 }
      expect(await isNewsEmbargo(tx, { ...at, minutesAfter: 0.001 })).toBe(false)
      expect(await isNewsEmbargo(tx, { ...at, minutesAfter: 1 })).toBe(true)
    })
  })

  it.each<[NonNullable<NewsEmbargoInput['impact']> | undefined, boolean[]]>([
    [undefined, [false, false, true]],
    ['high', [false, false, true]],
    ['medium', [false, true, true]],
    ['low', [true, true, true]],
  ])('counts events of at least the impact: %s', async (impact, expected) => {
    const found: boolean[] = []
    for (const given of ['low', 'medium', 'high'] as const) {
      await record(event({ impact: given }))
      found.push(await isEmbargo({ impact }))
    }
    expect(found).toEqual(expected)
  })

  const symbols: [string, Partial<SetInstrumentInput>, string, boolean][] = [
    ['what the quote currency is pegged to', {}, 'USD', true],
    ['another currency', {}, 'EUR', false],
    ['the base currency', { baseCurrency: 'EUR', quoteCurrency: 'JPY' }, 'EUR', true],
    ['the quote currency', { baseCurrency: 'EUR', quoteCurrency: 'JPY' }, 'JPY', true],
    ['what the base currency is pegged to', { baseCurrency: 'EURC', quoteCurrency: 'BTC' }, 'EUR', true],
    ['the settlement currency', { kind: 'inverse', baseCurrency: 'BTC', quoteCurrency: 'USD' }, 'BTC', true],
    ['a peg written small', { quoteCurrency: 'usdc' }, 'USD', true],
    ['a currency written small', { baseCurrency: 'eur' }, 'EUR', true],
    ['what concerns everybody', { baseCurrency: 'ETH', quoteCurrency: 'BTC' }, 'ALL', true],
    ['nothing that it has', { baseCurrency: 'ETH', quoteCurrency: 'BTC' }, 'USD', false],
  ]
  it.each(symbols)('goes by the currencies of the instrument: %s', async (_, terms, currency, expected) => {
    await setInstrument(db, { ...spot, ...terms })
    await record(event({ currency }))
    expect(await isEmbargo()).toBe(expected)
  })

  it('goes by given currencies in place of those of the instrument', async () => {
    await record(event())
    expect(await isEmbargo({ currencies: ['EUR', 'JPY'] })).toBe(false)
    expect(await isEmbargo({ currencies: ['EUR', 'usdc'] })).toBe(true)
    expect(await isEmbargo({ symbol: 'NEVER/SET', currencies: ['USD'] })).toBe(true)
    expect(await isEmbargo({ symbol: 'NEVER/SET', currencies: ['EUR'] })).toBe(false)
  })

  it('finds an event whose currency somebody else stored in small letters', async () => {
    await record(event())
    await db.execute(sql`update ${calendarEvents} set currency = 'usd'`)
    expect(await isEmbargo()).toBe(true)
  })

  it('throws for an instrument that was never set, and says what to do', async () => {
    await record(event())
    for (const other of [{ symbol: 'ETH/USDT' }, { exchange: 'kraken' }]) {
      const refusal = {
        code: 'not_found',
        message: expect.stringMatching(/not found: .*setInstrument.* currencies/),
      }
      await expect(isEmbargo(other)).rejects.toMatchObject(refusal)
      await expect(find(other)).rejects.toMatchObject(refusal)
    }
  })

  it.each<[string, Partial<NewsEmbargoInput>]>([
    ['exchange', { exchange: '' }],
    ['symbol', { symbol: 'a\0' }],
    ['minutesBefore', { minutesBefore: -1 }],
    ['minutesBefore', { minutesBefore: Number.NaN }],
    ['minutesBefore', { minutesBefore: 10_080.1 }],
    ['minutesBefore', { minutesBefore: undefined as unknown as number }],
    ['minutesAfter', { minutesAfter: -0.001 }],
    ['minutesAfter', { minutesAfter: Number.POSITIVE_INFINITY }],
    ['minutesAfter', { minutesAfter: '15' as unknown as number }],
    ['impact', { impact: 'HIGH' as 'high' }],
    ['impact', { impact: null as unknown as 'high' }],
    ['now', { now: new Date(Number.NaN) }],
    ['now', { now: null as unknown as Date }],
    ['currencies', { currencies: [] }],
    ['currencies[0]', { currencies: [''] }],
    ['currencies', { currencies: 'USD' as unknown as string[] }],
  ])('refuses a bad %s: %j', async (field, bad) => {
    await expect(isEmbargo(bad)).rejects.toMatchObject({ code: 'invalid_input', field })
  })

  it('throws where it cannot read', async () => {
    const broken = await open.fresh()
    await broken.execute(sql`drop table ${calendarEvents}`)
    await expect(isNewsEmbargo(broken, { ...ask, currencies: ['USD'] })).rejects.toMatchObject({
      code: 'schema_mismatch',
    })
  })

  it('names the nearest event, then the one to come, then that of the highest impact', async () => {
    const named = (title: string, minutes: number, impact: CalendarEventInput['impact'] = 'high') =>
      event({ title, eventTime: inMinutes(minutes), impact })
    const title = async (impact?: CalendarEventInput['impact']) => (await find({ impact }))?.title
    await record(named('far', 12), named('farther', 20))
    expect(await title()).toBe('far')
    await record(named('past', -5))
    expect(await title()).toBe('past')
    await record(named('to come', 5, 'low'))
    expect(await title()).toBe('past')
    expect(await title('low')).toBe('to come')
    await record(named('graver', 5, 'medium'))
    expect(await title('low')).toBe('graver')
    expect(await title('medium')).toBe('graver')
    expect(await title('high')).toBe('past')
  })

  it('reads no more of the calendar than the window', async () => {
    await db.execute(sql`
      insert into ${calendarEvents} (id, source, external_id, event_time, currency, impact, title)
      select gen_random_uuid(), 's', n::text, timestamptz '2026-01-01' + n * interval '1 hour', 'USD', 'high', 't'
      from generate_series(1, 5000) n`)
    await db.execute(sql`analyze ${calendarEvents}`)
    await db.execute(sql`analyze ${instruments}`)
    const plan = await planOf(db, (db) => isNewsEmbargo(db, ask))
    expect(plan).toMatch(/(?:Index|Bitmap Index) Scan (?:using|on) calendar_events_event_time_id_idx/)
    expect(plan).toMatch(/Index Cond: \(\(event_time >= .*\) AND \(event_time <= /)
    expect(plan).not.toContain('Seq Scan on calendar_events')
  })
})
