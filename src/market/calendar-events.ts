import { and, asc, gte, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toArray, toKey, type ValuesRecorded } from './record-values.ts'
import { given, idOf, type ReportRow, reportStore, toChange, toChoice } from './reports.ts'
import { calendarEvents, IMPACTS, type Impact } from './schema/events.ts'
import { listConcernedCurrencies, normaliseCurrency } from './symbol-currencies.ts'

/** One event of the economic calendar. */
export type CalendarEvent = typeof calendarEvents.$inferSelect

export interface CalendarEventInput {
  /** Whose calendar it is. */
  readonly source: string
  /**
   * The source's own id. Leave it out if there is none: the event is then known by currency, title and UTC day, and one that
   * moves to another day counts as another. Events of one day that are alike in all of these are told apart by their order,
   * so give the whole day in one call.
   */
  readonly externalId?: string | undefined
  readonly eventTime: Date
  /** Whose economy it is about, as `USD`; `ALL` if it concerns everybody. Stored in capitals. */
  readonly currency: string
  readonly impact: Impact
  readonly title: string
  /**
   * Figures as published, with their unit: `3.2%`. Not empty: what a report leaves out stays as it is stored, and null erases
   * it.
   */
  readonly previous?: string | null | undefined
  readonly forecast?: string | null | undefined
  readonly actual?: string | null | undefined
}

export interface RecordCalendarEventsInput {
  readonly events: readonly CalendarEventInput[]
}

const store = reportStore(
  'recordCalendarEvents',
  calendarEvents,
  [calendarEvents.eventTime, calendarEvents.currency, calendarEvents.impact, calendarEvents.title],
  [calendarEvents.previous, calendarEvents.forecast, calendarEvents.actual],
)

/**
 * Stores events and returns how many were new, changed and unchanged. Safe to repeat: source and external id are the key, and
 * a later report changes what is stored: times move, figures come in.
 *
 * More than a thousand are stored in parts: on a lost connection, run it again.
 *
 * @throws `invalid_input` naming the event and its field, as `events[3].title`; nothing is stored then.
 */
export async function recordCalendarEvents(
  db: Database,
  input: RecordCalendarEventsInput,
): Promise<ValuesRecorded> {
  const rows = toArray(input.events, 'events').map((event, i) => readEvent(event, `events[${i}]`))
  return store(db, withIds(rows))
}

interface EventRow extends ReportRow {
  readonly source: string
  readonly external_id: string | undefined
  readonly event_time: string
  readonly currency: string
  readonly title: string
}

function readEvent(input: CalendarEventInput, at: string): EventRow {
  const { externalId } = input
  return {
    source: toKey(input.source, `${at}.source`),
    external_id: externalId === undefined ? undefined : toKey(externalId, `${at}.externalId`),
    event_time: toInstant(input.eventTime, `${at}.eventTime`).toISOString(),
    currency: normaliseCurrency(toKey(input.currency, `${at}.currency`)),
    impact: toOneOf(input.impact, IMPACTS, `${at}.impact`),
    title: toName(input.title, `${at}.title`),
    // Empty text is refused: of a calendar that writes nothing for what it does not know, it would erase what is known.
    previous: toChange(input.previous, `${at}.previous`, toName),
    forecast: toChange(input.forecast, `${at}.forecast`, toName),
    actual: toChange(input.actual, `${at}.actual`, toName),
  }
}

const DAY_LENGTH = 'yyyy-mm-dd'.length

/**
 * Gives an id to events that have none. A bank's governor may speak twice in a day: the second speech must not pass for a new
 * time of the first, whose embargo would then be lost.
 */
function withIds(rows: readonly EventRow[]): ReportRow[] {
  const timesOf = new Map<string, string[]>()
  const nameOf = (row: EventRow) =>
    `${row.event_time.slice(0, DAY_LENGTH)} ${row.currency} ${row.title.trim()}`
  const timesLike = (row: EventRow) => timesOf.get(`${row.source}\0${nameOf(row)}`) ?? []
  for (const row of rows) {
    if (row.external_id !== undefined) continue
    const times = [...new Set([...timesLike(row), row.event_time])].sort()
    timesOf.set(`${row.source}\0${nameOf(row)}`, times)
  }
  return rows.map((row) => {
    if (row.external_id !== undefined) return given(row)
    const place = timesLike(row).indexOf(row.event_time)
    return given({ ...row, external_id: idOf(place === 0 ? nameOf(row) : `${nameOf(row)} #${place + 1}`) })
  })
}

export interface ListUpcomingEventsInput extends PageInput<Pick<CalendarEvent, 'eventTime' | 'id'>> {
  /**
   * Events of any of them, of a currency that one of them is pegged to, and events that concern everybody. All events if left
   * out.
   */
  readonly currencies?: readonly string[] | undefined
  /** Events of at least this impact. */
  readonly impact?: Impact | undefined
  /** Events at it or later. The database's clock if left out. */
  readonly now?: Date | undefined
  /** Events before it. */
  readonly until?: Date | undefined
}

/**
 * Returns the events to come, the next one first.
 *
 * @throws `invalid_input` naming the field, also if `currencies` is empty.
 */
export async function listUpcomingEvents(
  db: Database,
  input: ListUpcomingEventsInput = {},
): Promise<CalendarEvent[]> {
  const { eventTime, id } = calendarEvents
  const { currencies, impact, now, until, after } = input
  return many(
    'listUpcomingEvents',
    db
      .select()
      .from(calendarEvents)
      .where(
        and(
          now ? gte(eventTime, toInstant(now, 'now')) : sql`${eventTime} >= statement_timestamp()`,
          until && lt(eventTime, toInstant(until, 'until')),
          impact && inArray(calendarEvents.impact, impactsFrom(impact)),
          currencies && concerns(sql`${sql.param(readCurrencies(currencies))}`),
          after &&
            sql`(${eventTime}, ${id}) > (${toInstant(after.eventTime, 'after.eventTime')}, ${toLabel(after.id, 'after.id')}::uuid)`,
        ),
      )
      .orderBy(asc(eventTime), asc(id))
      .limit(readLimit(input.limit)),
  )
}

/** The impacts that are at least as high. @throws `invalid_input` naming `impact` if there is no such impact. */
export function impactsFrom(impact: Impact): Impact[] {
  return IMPACTS.slice(IMPACTS.indexOf(toOneOf(impact, IMPACTS, 'impact')))
}

/** Reads a choice of currencies and adds what else concerns them. @throws `invalid_input` naming `currencies`. */
export function readCurrencies(currencies: readonly string[]): string[] {
  return listConcernedCurrencies(toChoice(currencies, 'currencies'))
}

/** True for events of one of these currencies, an array of text. Who else writes this table may not write capitals. */
export function concerns(currencies: SQL): SQL {
  return sql`upper(${calendarEvents.currency}) = any(${currencies}::text[])`
}
