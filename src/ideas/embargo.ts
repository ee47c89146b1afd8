import type { Database } from '../db/database.ts'
import { isDataError } from '../db/errors.ts'
import { findBot } from '../fleet/bots.ts'
import { getStrategySession, type SessionReason, type StrategySession } from '../strategy/sessions.ts'

interface EmbargoSubject {
  readonly botId: string
  readonly strategyId: string | null
  /** Null for the bot's own. */
  readonly exchange: string | null
  readonly symbol: string
  readonly now?: Date | undefined
}

/** What only the calendar and the rules about news tell. The rest of a session is asked where the idea is decided. */
const OF_NEWS: readonly SessionReason[] = [
  'blocked_symbol',
  'unreadable_rules',
  'unknown_instrument',
  'embargo',
]

/**
 * Whether the news let the strategy of an idea trade its symbol, as JSON, and why not; null for an idea of no strategy.
 *
 * Read before the idea is decided, and so a moment old: an event that was recorded since is not seen.
 */
export async function readEmbargo(
  db: Database,
  { botId, strategyId, exchange, symbol, now }: EmbargoSubject,
): Promise<string | null> {
  if (strategyId === null) return null
  const where = exchange ?? (await findBot(db, { botId }))?.exchange
  // An unknown bot or strategy is told of by the statement that decides.
  if (where === undefined) return null
  try {
    const session = await getStrategySession(db, { strategyId, exchange: where, symbol, now })
    const against = session.reasons.filter((reason) => OF_NEWS.includes(reason))
    return JSON.stringify({ passed: against.length === 0, reason: explain(against, session) })
  } catch (error) {
    if (isDataError(error) && error.code === 'not_found') return null
    throw error
  }
}

function explain(against: readonly SessionReason[], { event }: StrategySession): string | undefined {
  if (against.length === 0) return undefined
  const what = event && `${event.title} (${event.currency}) at ${event.eventTime.toISOString()}`
  return [...against, ...(what ? [what] : [])].join(', ')
}
