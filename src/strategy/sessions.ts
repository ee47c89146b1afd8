import { getTableColumns, sql } from 'drizzle-orm'
import { readNow, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { isDataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { CalendarEvent } from '../market/calendar-events.ts'
import { findNewsEmbargo } from '../market/news-embargo.ts'
import { type ForbiddenConditions, forbiddenConditionsSchema, sessionWindowsSchema } from './schema/rules.ts'
import { strategies } from './schema/strategies.ts'
import { isInWindow } from './session-windows.ts'
import type { Strategy } from './strategies.ts'

/** Why a strategy does not trade a symbol now, in the order in which it is asked. */
export const SESSION_REASONS = [
  'not_active',
  'symbol_not_allowed',
  'blocked_symbol',
  'outside_window',
  'unreadable_rules',
  'unknown_instrument',
  'embargo',
] as const
export type SessionReason = (typeof SESSION_REASONS)[number]

export interface StrategySessionInput {
  readonly strategyId: string
  readonly exchange: string
  readonly symbol: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

export interface StrategySession {
  readonly isInSession: boolean
  /** `in_session`, or the first of the reasons. */
  readonly reason: SessionReason | 'in_session'
  /** All that speaks against it; empty in session. */
  readonly reasons: readonly SessionReason[]
  readonly strategy: Strategy
  /** The event of the embargo; null where there is none. */
  readonly event: CalendarEvent | null
  /** The moment that it was judged at. */
  readonly checkedAt: Date
}

const columns = getTableColumns(strategies)

type StrategyAt = Strategy & { readonly checkedAt: Date }

const strategyAt: PreparedStatement<StrategyAt, 'id' | 'now'> = sqlStatement(
  'getStrategySession',
  (slot) => ({
    query: sql`
    select ${sql.raw(
      Object.values(columns)
        .map(({ name }) => `s."${name}"`)
        .join(', '),
    )}, coalesce(${slot('now')}::timestamptz(3), date_trunc('milliseconds', statement_timestamp()))
    from ${strategies} s where s.id = ${slot('id')}::uuid`,
    fields: { ...columns, checkedAt: sql`checked_at`.mapWith(strategies.createdAt) },
  }),
)

/**
 * Returns whether a strategy may trade a symbol now, and all that speaks against it: its status, its symbols, its windows and the news.
 *
 * In doubt it may not: rules that cannot be read, or an instrument that is not known while its currencies decide on an embargo. Symbols are compared as
 * they are written. A snapshot: nothing is locked. Two round trips where the strategy has an embargo, else one.
 *
 * @throws `not_found` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function getStrategySession(
  db: Database,
  input: StrategySessionInput,
): Promise<StrategySession> {
  const id = toUuid(input.strategyId, 'strategyId')
  const exchange = toName(input.exchange, 'exchange')
  const symbol = toName(input.symbol, 'symbol')
  const rows = await strategyAt.run(db, { id, now: readNow(input.now) })
  const { checkedAt, ...strategy } = found(`strategy '${id}'`, only('getStrategySession', rows))
  const windows = sessionWindowsSchema.safeParse(strategy.sessionWindows)
  const forbidden = forbiddenConditionsSchema.safeParse(strategy.forbiddenConditions)
  const reasons: SessionReason[] = []
  if (strategy.status !== 'active') reasons.push('not_active')
  if (strategy.allowedSymbols && !strategy.allowedSymbols.includes(symbol)) reasons.push('symbol_not_allowed')
  if (forbidden.data?.blockedSymbols?.includes(symbol)) reasons.push('blocked_symbol')
  if (windows.success && !isInWindow(windows.data, checkedAt)) reasons.push('outside_window')
  if (!windows.success || !forbidden.success) reasons.push('unreadable_rules')
  const embargo = forbidden.success
    ? await findEmbargo(db, forbidden.data, { exchange, symbol, now: checkedAt })
    : null
  if (embargo === 'unknown_instrument') reasons.push(embargo)
  const event = embargo === 'unknown_instrument' ? null : embargo
  if (event) reasons.push('embargo')
  return {
    isInSession: reasons.length === 0,
    reason: reasons[0] ?? 'in_session',
    reasons,
    strategy,
    event,
    checkedAt,
  }
}

async function findEmbargo(
  db: Database,
  forbidden: ForbiddenConditions,
  at: { readonly exchange: string; readonly symbol: string; readonly now: Date },
): Promise<CalendarEvent | 'unknown_instrument' | null> {
  const { highImpactNewsMinutesBefore: before, highImpactNewsMinutesAfter: after } = forbidden
  if (before === undefined && after === undefined) return null
  const { blockedSymbolsDuringNews: only, impact, currencies } = forbidden
  if (only && !only.includes(at.symbol)) return null
  try {
    const found = await findNewsEmbargo(db, {
      ...at,
      minutesBefore: before ?? 0,
      minutesAfter: after ?? 0,
      impact,
      currencies,
    })
    return found ?? null
  } catch (thrown) {
    // Nobody knows whose events count.
    if (isDataError(thrown) && thrown.code === 'not_found') return 'unknown_instrument'
    throw thrown
  }
}

/**
 * True if a strategy may trade a symbol now: what `getStrategySession` says, and why. False in doubt.
 *
 * @throws `not_found` if there is no such strategy.
 * @throws `invalid_input` naming the field.
 */
export async function isStrategyInSession(db: Database, input: StrategySessionInput): Promise<boolean> {
  return (await getStrategySession(db, input)).isInSession
}
