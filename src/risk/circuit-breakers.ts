import { and, desc, eq, getTableColumns, lt, type SQL, sql } from 'drizzle-orm'
import { readNow, toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { SIDES, type Side } from '../trading/position-state.ts'
import { MAX_COOLDOWN_MS } from './breaker-rules.ts'
import { type CircuitBreaker, columnNames, type GlobalTrip, ofFleet, writeTrips } from './breaker-write.ts'
import { movedGate, told, WAS_TOLD } from './gate-moves.ts'
import { BREAKER_TRIGGERS, type BreakerTrigger } from './schema/breaker-rules.ts'
import { circuitBreakers, globalCircuitBreakers } from './schema/circuit-breakers.ts'
import { type Context, contextSchema, SEVERITIES, type Severity } from './schema/values.ts'

export type { CircuitBreaker } from './breaker-write.ts'

export interface TripCircuitBreakerInput {
  /** Left out, it stops the whole fleet. */
  readonly botId?: string | undefined
  readonly trigger: BreakerTrigger
  readonly reason: string
  /** A person, a program, or the bot itself. */
  readonly trippedBy: string
  /** What is closed for entries: every exchange, every symbol and both sides unless given. */
  readonly exchange?: string | undefined
  readonly symbol?: string | undefined
  /** Of the entry: `buy` opens longs. */
  readonly side?: Side | undefined
  /** `critical` unless said otherwise. `emergency` makes the state of the bot `halted`. */
  readonly severity?: Severity | undefined
  /** How long it holds. Null: until somebody resolves or overrides it. */
  readonly cooldownMs: number | null
  /** What was allowed and what was found, in the unit of the trigger. */
  readonly threshold?: Amount | undefined
  readonly actual?: Amount | undefined
  /** Anything behind the trip, with amounts as decimal text. */
  readonly context?: Context | undefined
  /** Under a name of its own a rule trips once while a trip of it holds at the same place. Left out, each call is a trip. */
  readonly rule?: string | undefined
  /** The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

/**
 * Stops entries of a bot or of the whole fleet, all of them or of one exchange, symbol or side, and returns the trip. Exits pass.
 *
 * Without `rule`, trips add up: a longer one is never lost in a shorter. With it, a repeat returns the trip that holds.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function tripCircuitBreaker(
  db: Database,
  input: TripCircuitBreakerInput,
): Promise<CircuitBreaker> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const place = {
    exchange: optional(input.exchange, 'exchange'),
    symbol: optional(input.symbol, 'symbol'),
    side: input.side === undefined ? null : toOneOf(input.side, SIDES, 'side'),
  }
  const trip = {
    ...place,
    rule: input.rule === undefined ? '' : toName(input.rule, 'rule'),
    trigger: toOneOf(input.trigger, BREAKER_TRIGGERS, 'trigger'),
    severity: toOneOf(input.severity ?? 'critical', SEVERITIES, 'severity'),
    reason: toName(input.reason, 'reason'),
    cooldownMs: toCooldown(input.cooldownMs),
    threshold: input.threshold === undefined ? null : toDecimal(input.threshold, 'threshold'),
    actual: input.actual === undefined ? null : toDecimal(input.actual, 'actual'),
    context: toContext(input.context),
  }
  const trippedBy = toName(input.trippedBy, 'trippedBy')
  const now = input.now === undefined ? null : toInstant(input.now, 'now')
  const made = only('tripCircuitBreaker', await writeTrips(db, botId, [trip], trippedBy, now))
  return made ?? (await getHolding(db, botId, trip))
}

async function getHolding(
  db: Database,
  botId: string | null,
  { rule, exchange, symbol, side }: Pick<CircuitBreaker, 'rule' | 'exchange' | 'symbol' | 'side'>,
): Promise<CircuitBreaker> {
  const isSame = (table: BreakerTable) =>
    and(
      eq(table.rule, rule),
      sql`coalesce(${table.exchange}, '') = coalesce(${exchange}, '')`,
      sql`coalesce(${table.symbol}, '') = coalesce(${symbol}, '')`,
      sql`coalesce(${table.side}, '') = coalesce(${side}, '')`,
      eq(table.status, 'active'),
    )
  const trip = await maybeTrip(db, 'tripCircuitBreaker: holding', botId, isSame)
  // Nothing written, and nothing there that it gave way to.
  return found(botId === null ? `trip of rule '${rule}'` : `bot '${botId}'`, trip)
}

export interface EndCircuitBreakerInput {
  /** Left out for a trip of the whole fleet. */
  readonly botId?: string | undefined
  readonly id: string
  readonly resolvedBy: string
  readonly reason: string
  /** The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

/**
 * Ends a trip whose cause is gone, and returns it. Its rule does not count again what happened until now, and after a
 * drawdown the peak that is watched begins anew at what the bot was last seen to be worth.
 *
 * @throws `invalid_transition` if it is ended already, or another has replaced it.
 * @throws `not_found` if there is no such trip.
 */
export async function resolveCircuitBreaker(
  db: Database,
  input: EndCircuitBreakerInput,
): Promise<CircuitBreaker> {
  return await endCircuitBreaker(db, input, 'resolved')
}

/** As `resolveCircuitBreaker`, where the cause stands and a human lets trading go on. */
export async function overrideCircuitBreaker(
  db: Database,
  input: EndCircuitBreakerInput,
): Promise<CircuitBreaker> {
  return await endCircuitBreaker(db, input, 'overridden')
}

const endOfBot: PreparedStatement<CircuitBreaker, 'botId' | 'id' | 'status' | 'by' | 'reason' | 'now'> =
  sqlStatement('endCircuitBreaker', (slot) => ({
    query: sql`select ${columnNames('b', circuitBreakers)} from risk.end_circuit_breaker(${slot('botId')}, ${slot('id')}::uuid,
      ${slot('status')}, ${slot('by')}, ${slot('reason')}, ${slot('now')}::timestamptz(3)) b`,
    fields: getTableColumns(circuitBreakers),
  }))

const endOfFleet: PreparedStatement<GlobalTrip, 'id' | 'status' | 'by' | 'reason' | 'now'> = sqlStatement(
  'endCircuitBreaker: global',
  (slot) => ({
    query: sql`
      with ended as (
        update risk.global_circuit_breakers b
        set status = ${slot('status')}, resolved_at = risk.clock(${slot('now')}::timestamptz(3)), resolved_by = ${slot('by')},
          resolution_reason = ${slot('reason')}
        where b.id = ${slot('id')}::uuid and b.status = 'active' returning b.*),
      ${told(sql`'*'`, sql`ended`)}
      select ${columnNames('ended', globalCircuitBreakers)} from ended where ${WAS_TOLD}`,
    fields: getTableColumns(globalCircuitBreakers),
  }),
)

async function endCircuitBreaker(
  db: Database,
  input: EndCircuitBreakerInput,
  status: 'resolved' | 'overridden',
): Promise<CircuitBreaker> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const id = toUuid(input.id, 'id')
  const values = {
    id,
    status,
    by: toName(input.resolvedBy, 'resolvedBy'),
    reason: toName(input.reason, 'reason'),
    now: readNow(input.now),
  }
  const rows =
    botId === null
      ? (await endOfFleet.run(db, values)).map(ofFleet)
      : await endOfBot.run(db, { ...values, botId })
  return only('endCircuitBreaker', rows) ?? (await refuse(db, botId, id, status))
}

/** Says why a trip that was not active could not be changed. */
async function refuse(db: Database, botId: string | null, id: string, wanted: string): Promise<never> {
  const trip = found(
    `circuit breaker ${id} of ${botId === null ? 'the fleet' : `bot '${botId}'`}`,
    await maybeTrip(db, 'getCircuitBreaker', botId, (table) => eq(table.id, id)),
  )
  throw new DataError(
    'invalid_transition',
    `circuit breaker ${id} is ${trip.status}, and cannot be ${wanted}`,
  )
}

export interface SetCircuitBreakerCooldownInput {
  /** Left out for a trip of the whole fleet. */
  readonly botId?: string | undefined
  readonly id: string
  /** From the trip on, not from now. Null: until somebody resolves it. */
  readonly cooldownMs: number | null
  readonly changedBy: string
  readonly reason: string
}

type CooldownSlots = 'botId' | 'id' | 'cooldownMs' | 'by' | 'reason'

const setOfBot: PreparedStatement<CircuitBreaker, CooldownSlots> = sqlStatement(
  'setCircuitBreakerCooldown',
  (slot) => ({
    query: sql`
      with ${movedGate(slot('botId'))},
      changed as (
        update risk.circuit_breakers b
        set cooldown_ms = ${slot('cooldownMs')}::bigint, changed_by = ${slot('by')}, change_reason = ${slot('reason')}
        from gate where b.bot_id = gate.bot_id and b.id = ${slot('id')}::uuid and b.status = 'active' returning b.*),
      ${told(slot('botId'), sql`changed`)}
      select ${columnNames('changed', circuitBreakers)} from changed where ${WAS_TOLD}`,
    fields: getTableColumns(circuitBreakers),
  }),
)

const setOfFleet: PreparedStatement<GlobalTrip, Exclude<CooldownSlots, 'botId'>> = sqlStatement(
  'setCircuitBreakerCooldown: global',
  (slot) => ({
    query: sql`
      with changed as (
        update risk.global_circuit_breakers b
        set cooldown_ms = ${slot('cooldownMs')}::bigint, changed_by = ${slot('by')}, change_reason = ${slot('reason')}
        where b.id = ${slot('id')}::uuid and b.status = 'active' returning b.*),
      ${told(sql`'*'`, sql`changed`)}
      select ${columnNames('changed', globalCircuitBreakers)} from changed where ${WAS_TOLD}`,
    fields: getTableColumns(globalCircuitBreakers),
  }),
)

/**
 * Gives an active trip another cooldown, counted from when it tripped, and returns it: `expiresAt` follows.
 *
 * @throws `invalid_transition` if somebody has ended it, or another has replaced it.
 * @throws `not_found` if there is no such trip.
 */
export async function setCircuitBreakerCooldown(
  db: Database,
  input: SetCircuitBreakerCooldownInput,
): Promise<CircuitBreaker> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const id = toUuid(input.id, 'id')
  const values = {
    id,
    cooldownMs: toCooldown(input.cooldownMs),
    by: toName(input.changedBy, 'changedBy'),
    reason: toName(input.reason, 'reason'),
  }
  const rows =
    botId === null
      ? (await setOfFleet.run(db, values)).map(ofFleet)
      : await setOfBot.run(db, { ...values, botId })
  return only('setCircuitBreakerCooldown', rows) ?? (await refuse(db, botId, id, 'given another cooldown'))
}

export interface ListActiveCircuitBreakersInput {
  /** Left out, only what stops the whole fleet. */
  readonly botId?: string | undefined
  /** The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

const holding: PreparedStatement<CircuitBreaker, 'botId' | 'now'> = sqlStatement(
  'listActiveCircuitBreakers',
  (slot) => {
    const holds = sql`b.status = 'active' and coalesce(b.expires_at, 'infinity'::timestamptz) > clock.now`
    return {
      query: sql`
        with clock as materialized (select risk.clock(${slot('now')}::timestamptz(3)) as now)
        select null::text as bot_id, ${columnNames('b', globalCircuitBreakers)}
        from clock join risk.global_circuit_breakers b on ${holds}
        union all
        select ${columnNames('b', circuitBreakers)}
        from clock join risk.circuit_breakers b on ${holds} and b.bot_id = ${slot('botId')}
        order by tripped_at desc, id desc`,
      fields: getTableColumns(circuitBreakers),
    }
  },
)

/**
 * Returns every trip that holds now, of the fleet and of the bot, last tripped first. One whose time is over does not
 * hold, whatever its stored status.
 */
export async function listActiveCircuitBreakers(
  db: Database,
  input: ListActiveCircuitBreakersInput = {},
): Promise<CircuitBreaker[]> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  return await holding.run(db, { botId, now: readNow(input.now) })
}

export interface ListCircuitBreakersInput extends PageInput<Pick<CircuitBreaker, 'id'>> {
  /** Left out, those of the whole fleet. */
  readonly botId?: string | undefined
}

/** Returns all trips of a bot, or those of the whole fleet, whatever became of them, last written first. */
export async function listCircuitBreakers(
  db: Database,
  input: ListCircuitBreakersInput = {},
): Promise<CircuitBreaker[]> {
  const limit = readLimit(input.limit)
  const comesAfter = (table: BreakerTable) => input.after && lt(table.id, toUuid(input.after.id, 'after'))
  if (input.botId === undefined) {
    const rows = await many(
      'listCircuitBreakers: global',
      db
        .select()
        .from(globalCircuitBreakers)
        .where(comesAfter(globalCircuitBreakers))
        .orderBy(desc(globalCircuitBreakers.id))
        .limit(limit),
    )
    return rows.map(ofFleet)
  }
  return await many(
    'listCircuitBreakers',
    db
      .select()
      .from(circuitBreakers)
      .where(and(eq(circuitBreakers.botId, toBotId(input.botId)), comesAfter(circuitBreakers)))
      .orderBy(desc(circuitBreakers.id))
      .limit(limit),
  )
}

type BreakerTable = typeof circuitBreakers | typeof globalCircuitBreakers

async function maybeTrip(
  db: Database,
  verb: string,
  botId: string | null,
  condition: (table: BreakerTable) => SQL | undefined,
): Promise<CircuitBreaker | undefined> {
  if (botId === null) {
    const query = db.select().from(globalCircuitBreakers).where(condition(globalCircuitBreakers))
    const trip = await maybeOne(`${verb}: global`, query)
    return trip && ofFleet(trip)
  }
  const isOfBot = eq(circuitBreakers.botId, botId)
  return await maybeOne(
    verb,
    db
      .select()
      .from(circuitBreakers)
      .where(and(isOfBot, condition(circuitBreakers))),
  )
}

function optional(value: string | undefined, field: string): string | null {
  return value === undefined ? null : toName(value, field)
}

function toCooldown(value: number | null): number | null {
  if (value === null || (Number.isInteger(value) && value >= 0 && value <= MAX_COOLDOWN_MS)) return value
  const range = `a whole number from 0 to ${MAX_COOLDOWN_MS}, or null`
  throw new DataError('invalid_input', `cooldownMs ${String(value)} is not ${range}`, { field: 'cooldownMs' })
}

function toContext(context: Context | undefined): Context {
  const checked = contextSchema.safeParse(context ?? {})
  if (checked.success) return checked.data
  throw new DataError('invalid_input', 'context is no JSON object', { field: 'context' })
}
