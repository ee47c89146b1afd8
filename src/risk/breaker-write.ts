import { type Column, getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { BreakerTrip } from './breaker-rules.ts'
import { circuitBreakers, globalCircuitBreakers } from './schema/circuit-breakers.ts'
import type { Context } from './schema/values.ts'

/** One trip, of a bot or, without `botId`, of the whole fleet. */
export interface CircuitBreaker extends Omit<typeof circuitBreakers.$inferSelect, 'botId'> {
  readonly botId: string | null
}

/** A trip that somebody decided, and not an evaluator: it is not asked what its rule was like before. */
export interface GivenTrip
  extends Omit<
    BreakerTrip,
    'threshold' | 'trippedAt' | 'seenTripId' | 'seenEndedCount' | 'context' | 'tripsInRow'
  > {
  readonly threshold: BreakerTrip['threshold'] | null
  readonly context: Context
}

/** The columns of a table in its own order, as `getTableColumns` names them. */
export function columnNames(alias: string, table: PgTable): SQL {
  const columns: Record<string, Column> = getTableColumns(table)
  return sql.raw(
    Object.values(columns)
      .map(({ name }) => `${alias}."${name}"`)
      .join(', '),
  )
}

/** The statement's row is of the fleet, which has no bot. */
export type GlobalTrip = typeof globalCircuitBreakers.$inferSelect

const tripBot: PreparedStatement<CircuitBreaker, 'botId' | 'trips' | 'now'> = sqlStatement(
  'tripCircuitBreaker',
  (slot) => ({
    query: sql`select ${columnNames('b', circuitBreakers)}
      from risk.trip_circuit_breakers(${slot('botId')}, ${slot('trips')}::jsonb, ${slot('now')}::timestamptz(3)) b`,
    fields: getTableColumns(circuitBreakers),
  }),
)

const tripFleet: PreparedStatement<GlobalTrip, 'trips' | 'now'> = sqlStatement(
  'tripCircuitBreaker: global',
  (slot) => ({
    query: sql`select ${columnNames('b', globalCircuitBreakers)}
      from risk.trip_global_circuit_breakers(${slot('trips')}::jsonb, ${slot('now')}::timestamptz(3)) b`,
    fields: getTableColumns(globalCircuitBreakers),
  }),
)

/**
 * Writes trips as one step and returns those that are new: none where the rule has tripped already, and none of what was
 * decided on facts that somebody has changed since.
 */
export async function writeTrips(
  db: Database,
  botId: string | null,
  trips: readonly (BreakerTrip | GivenTrip)[],
  trippedBy: string,
  now: Date | null,
): Promise<CircuitBreaker[]> {
  if (trips.length === 0) return []
  const documents = JSON.stringify(trips.map((trip) => documentOf(trip, trippedBy)))
  if (botId !== null) return await tripBot.run(db, { botId, trips: documents, now })
  return (await tripFleet.run(db, { trips: documents, now })).map(ofFleet)
}

function documentOf(trip: BreakerTrip | GivenTrip, trippedBy: string) {
  const { trigger, exchange, symbol, side, severity, reason, cooldownMs, context } = trip
  const isGuarded = 'seenEndedCount' in trip
  const id = newId()
  return {
    id,
    rule: trip.rule === '' ? `manual:${id}` : trip.rule,
    trigger,
    exchange,
    symbol,
    side,
    severity,
    reason,
    threshold: trip.threshold?.toFixed() ?? null,
    actual: trip.actual?.toFixed() ?? null,
    tripped_by: trippedBy,
    tripped_at: isGuarded ? trip.trippedAt : null,
    cooldown_ms: cooldownMs,
    trips_in_row: isGuarded ? trip.tripsInRow : 1,
    context,
    guarded: isGuarded,
    seen_trip_id: isGuarded ? trip.seenTripId : null,
    seen_ended_count: isGuarded ? trip.seenEndedCount : null,
  }
}

/** The trip of the fleet, as one that belongs to no bot. */
export function ofFleet(trip: GlobalTrip): CircuitBreaker {
  return { botId: null, ...trip }
}
