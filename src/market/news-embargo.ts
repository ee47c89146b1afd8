import { getTableColumns, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type CalendarEvent, concerns, impactsFrom, readCurrencies } from './calendar-events.ts'
import { listOf } from './reports.ts'
import { calendarEvents, type Impact, instruments } from './schema/index.ts'
import { CURRENCY_PEGS, EVERY_CURRENCY } from './symbol-currencies.ts'

export interface NewsEmbargoInput {
  readonly exchange: string
  readonly symbol: string
  /** How long before an event the embargo begins. 0 to 10,080, a week; fractions count. */
  readonly minutesBefore: number
  /** How long after an event it ends. 0 to 10,080, a week; fractions count. */
  readonly minutesAfter: number
  /** Events of at least this impact. `high` unless said otherwise. */
  readonly impact?: Impact | undefined
  /** The database's clock if left out. */
  readonly now?: Date | undefined
  /**
   * Whose events count, in place of the instrument's currencies. Needed where those say nothing: no calendar has events of
   * ETH or BTC.
   */
  readonly currencies?: readonly string[] | undefined
}

const MINUTE_MS = 60_000
const MINUTES_MAX = 7 * 24 * 60

type Slot = 'exchange' | 'symbol' | 'beforeMs' | 'afterMs' | 'impacts' | 'now' | 'currencies'
type Found = { readonly [Field in keyof CalendarEvent]: CalendarEvent[Field] | null }

const columns = getTableColumns(calendarEvents)
const pegs = sql.raw(`'${JSON.stringify(CURRENCY_PEGS)}'::jsonb`)
const everyCurrency = sql.raw(`'${EVERY_CURRENCY}'`)

// No row where nobody knows whose events count; a row of nulls where they are known and there is none.
const nearest: PreparedStatement<Found, Slot> = sqlStatement('findNewsEmbargo', (slot) => {
  const now = sql`coalesce(${slot('now')}::timestamptz, statement_timestamp())`
  const { eventTime, impact, id } = calendarEvents
  return {
    query: sql`
      select ${listOf(Object.values(columns).map(({ name }) => sql.raw(`event."${name}"`)))}
      from (select coalesce(${slot('currencies')}::text[], (
        select array_agg(currency)
        from ${instruments},
          unnest(array[${instruments.baseCurrency}, ${instruments.quoteCurrency}, ${instruments.settleCurrency}]) code,
          unnest(array[upper(code), ${pegs} ->> upper(code), ${everyCurrency}]) currency
        where ${instruments.exchange} = ${slot('exchange')} and ${instruments.symbol} = ${slot('symbol')}
      )) as currencies) concerned
      left join lateral (
        select * from ${calendarEvents}
        where ${eventTime} >= ${now} - ${slot('afterMs')}::float8 * interval '1 millisecond'
          and ${eventTime} <= ${now} + ${slot('beforeMs')}::float8 * interval '1 millisecond'
          and ${impact} = any(${slot('impacts')}::text[])
          and ${concerns(sql`concerned.currencies`)}
        order by abs(extract(epoch from ${eventTime} - ${now})), ${eventTime} desc,
          array_position(${slot('impacts')}::text[], ${impact}) desc, ${id}
        limit 1
      ) event on true
      where concerned.currencies is not null`,
    fields: columns,
  }
})

/**
 * Returns the event for which a symbol should not be traded now, or undefined: one of its currencies, from `minutesAfter`
 * before now to `minutesBefore` after now, both ends included. Of several, the one nearest to now; of two as near, the one to
 * come; of one moment, that of the highest impact.
 *
 * The currencies are those of the instrument, and those that they are pegged to: USDT counts as USD. Only recorded events are
 * known: whether the calendar is up to date is for the caller to see to.
 *
 * @throws `not_found` if the instrument was never set and no currencies are given: then nobody knows.
 * @throws `invalid_input` naming the field.
 */
export async function findNewsEmbargo(
  db: Database,
  input: NewsEmbargoInput,
): Promise<CalendarEvent | undefined> {
  const { exchange, symbol, impact = 'high', now, currencies } = input
  const rows = await nearest.run(db, {
    exchange: toName(exchange, 'exchange'),
    symbol: toName(symbol, 'symbol'),
    beforeMs: toMs(input.minutesBefore, 'minutesBefore'),
    afterMs: toMs(input.minutesAfter, 'minutesAfter'),
    impacts: impactsFrom(impact),
    now: now === undefined ? null : toInstant(now, 'now'),
    currencies: currencies === undefined ? null : readCurrencies(currencies),
  })
  const event = only('findNewsEmbargo', rows)
  if (event === undefined) {
    throw new DataError(
      'not_found',
      `instrument '${symbol}' of exchange '${exchange}' not found: store it with setInstrument, or give currencies`,
    )
  }
  return isEvent(event) ? event : undefined
}

/**
 * True if there is an event for which a symbol should not be traded now: what `findNewsEmbargo` returns, and why.
 *
 * @throws `not_found` if the instrument was never set and no currencies are given. It never answers false in doubt.
 * @throws `invalid_input` naming the field.
 */
export async function isNewsEmbargo(db: Database, input: NewsEmbargoInput): Promise<boolean> {
  return (await findNewsEmbargo(db, input)) !== undefined
}

function isEvent(row: Found): row is CalendarEvent {
  return row.id !== null
}

function toMs(minutes: number, field: string): number {
  if (typeof minutes === 'number' && minutes >= 0 && minutes <= MINUTES_MAX) {
    return Math.round(minutes * MINUTE_MS)
  }
  throw new DataError('invalid_input', `${field} ${String(minutes)} is no number from 0 to ${MINUTES_MAX}`, {
    field,
  })
}
