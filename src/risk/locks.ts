import { type SQL, sql } from 'drizzle-orm'
import { readNow, toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { SIDES, type Side } from '../trading/schema/values.ts'
import { clockOf, movedGate, told, WAS_TOLD } from './gate-moves.ts'
import { locks } from './schema/locks.ts'

/** A lock of a bot, or of the whole fleet where `botId` is null. Null of exchange, symbol or side closes all of them. */
export type Lock = Omit<typeof locks.$inferSelect, 'botId'> & { readonly botId: string | null }

/** When a lock ends: at a time, after a while, or with `until: null` not before it is unlocked. */
export type LockEnd =
  | { readonly until: Date | null; readonly durationMs?: undefined }
  | {
      readonly until?: undefined
      /** 1 to 3,155,760,000,000 ms, which are a hundred years. */
      readonly durationMs: number
    }

export type LockSymbolInput = LockEnd & {
  /** Whose entries. Those of every bot if left out. */
  readonly botId?: string | undefined
  /** Every exchange if left out. */
  readonly exchange?: string | undefined
  /** Every symbol if left out. */
  readonly symbol?: string | undefined
  /** `buy` closes entries that open a long, `sell` those that open a short. Both if left out. */
  readonly side?: Side | undefined
  readonly reason: string
  /** Who locks: a person, a program or the bot. */
  readonly lockedBy: string
  /** When it begins. The database's clock if left out. */
  readonly now?: Date | undefined
}

const DURATION_MAX_MS = 3_155_760_000_000

const lockFields = {
  botId: locks.botId,
  id: locks.id,
  exchange: locks.exchange,
  symbol: locks.symbol,
  side: locks.side,
  reason: locks.reason,
  lockedBy: locks.lockedBy,
  lockedAt: locks.lockedAt,
  expiresAt: locks.expiresAt,
  unlockedAt: locks.unlockedAt,
  unlockedBy: locks.unlockedBy,
  unlockReason: locks.unlockReason,
}
const { botId: _, ...ownFields } = lockFields
const lockNames = (alias: string, ofBot: boolean): SQL =>
  sql.raw(
    [
      ofBot ? `${alias}.bot_id` : 'null::text',
      ...Object.values(ownFields).map((column) => `${alias}.${column.name}`),
    ].join(', '),
  )
const tableOf = (ofBot: boolean) => sql.raw(ofBot ? 'risk.locks' : 'risk.global_locks')
/** The bot as the gate has it, or nobody: the fleet has no gate. */
const gateOf = (ofBot: boolean, botId: SQL) =>
  ofBot ? movedGate(botId) : sql`gate as (select '*'::text as bot_id)`

type LockSlot =
  | 'botId'
  | 'id'
  | 'exchange'
  | 'symbol'
  | 'side'
  | 'reason'
  | 'lockedBy'
  | 'until'
  | 'durationMs'
  | 'now'
interface LockRow extends Lock {
  readonly isRegistered: boolean
}

const lockStatement = (ofBot: boolean): PreparedStatement<LockRow, LockSlot> =>
  sqlStatement(ofBot ? 'lockSymbol' : 'lockSymbol: fleet', (slot) => ({
    query: sql`
      with ${clockOf(slot('now'))},
      ending as materialized (
        select c.now, coalesce(${slot('until')}::timestamptz(3),
          c.now + ${slot('durationMs')}::bigint * interval '1 millisecond') as at from clock c),
      ${gateOf(ofBot, slot('botId'))},
      added as (
        insert into ${tableOf(ofBot)} (
          ${ofBot ? sql`bot_id, ` : sql``}id, exchange, symbol, side, reason, locked_by, locked_at, expires_at)
        select ${ofBot ? sql`gate.bot_id, ` : sql``}${slot('id')}::uuid, ${slot('exchange')}, ${slot('symbol')}, ${slot('side')},
          ${slot('reason')}, ${slot('lockedBy')}, e.now, e.at
        from gate cross join ending e where e.at is null or e.at > e.now
        returning *),
      ${told(sql`gate.bot_id`, sql`gate cross join added`)}
      select exists (select from gate), ${lockNames('a', ofBot)}
      from (select) as once left join added a on ${WAS_TOLD}`,
    fields: { isRegistered: sql<boolean>`is_registered`, ...lockFields },
  }))

const lockOfBot = lockStatement(true)
const lockOfFleet = lockStatement(false)

/**
 * Closes a symbol, a side, an exchange or all of them for entries, of a bot or of the whole fleet, and returns the lock. Exits
 * pass.
 *
 * Locks stand beside each other: each ends by itself, so a shorter one never ends a longer one. Each call makes a lock.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field, also if `until` is not to come.
 */
export async function lockSymbol(db: Database, input: LockSymbolInput): Promise<Lock> {
  const { exchange, symbol, side, now } = input
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const statement = botId === null ? lockOfFleet : lockOfBot
  const rows = await statement.run(db, {
    botId,
    id: newId(),
    exchange: exchange === undefined ? null : toName(exchange, 'exchange'),
    symbol: symbol === undefined ? null : toName(symbol, 'symbol'),
    side: side === undefined ? null : toOneOf(side, SIDES, 'side'),
    reason: toName(input.reason, 'reason'),
    lockedBy: toName(input.lockedBy, 'lockedBy'),
    now: readNow(now),
    ...readEnd(input),
  })
  const { isRegistered, ...lock } = found('lock', only(statement.name, rows))
  if (!isRegistered) throw new DataError('not_found', `bot '${botId}' not found`, { field: 'botId' })
  // Null where nothing was stored: all but the end was checked.
  if (lock.id === null) {
    throw new DataError('invalid_input', `until ${input.until?.toISOString()} is not to come`, {
      field: 'until',
    })
  }
  return lock
}

function readEnd({ until, durationMs }: LockEnd): { until: string | null; durationMs: number | null } {
  if (durationMs === undefined) {
    if (until === undefined) throw refusedEnd('until', 'is missing: give a time, or null for no end')
    return { until: until === null ? null : toInstant(until, 'until').toISOString(), durationMs: null }
  }
  if (until !== undefined) throw refusedEnd('durationMs', 'is given beside until: give one of them')
  if (Number.isSafeInteger(durationMs) && durationMs >= 1 && durationMs <= DURATION_MAX_MS) {
    return { until: null, durationMs }
  }
  throw refusedEnd(
    'durationMs',
    `${durationMs} is not a whole number of milliseconds from 1 to ${DURATION_MAX_MS}`,
  )
}

function refusedEnd(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

export interface UnlockSymbolInput {
  /** The bot of the lock; left out for a lock of the whole fleet. */
  readonly botId?: string | undefined
  readonly id: string
  readonly unlockedBy: string
  readonly reason: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

type UnlockSlot = 'botId' | 'id' | 'unlockedBy' | 'reason' | 'now'

const unlockStatement = (ofBot: boolean): PreparedStatement<Lock, UnlockSlot> =>
  sqlStatement(ofBot ? 'unlockSymbol' : 'unlockSymbol: fleet', (slot) => ({
    query: sql`
      with ${clockOf(slot('now'))},
      ${gateOf(ofBot, slot('botId'))},
      ended as (
        update ${tableOf(ofBot)} l
        set unlocked_at = c.now, unlocked_by = ${slot('unlockedBy')}, unlock_reason = ${slot('reason')}
        from gate cross join clock c
        where ${ofBot ? sql`l.bot_id = gate.bot_id and ` : sql``}l.id = ${slot('id')}::uuid
          and l.unlocked_at is null and (l.expires_at is null or l.expires_at > c.now)
        returning l.*, gate.bot_id as subject),
      ${told(sql`subject`, sql`ended`)}
      select ${lockNames('l', ofBot)} from ended l where ${WAS_TOLD}`,
    fields: lockFields,
  }))

const unlockOfBot = unlockStatement(true)
const unlockOfFleet = unlockStatement(false)

const readStatement = (ofBot: boolean): PreparedStatement<Lock, 'botId' | 'id'> =>
  sqlStatement(ofBot ? 'getLock' : 'getLock: fleet', (slot) => ({
    query: sql`
      select ${lockNames('l', ofBot)} from ${tableOf(ofBot)} l
      where ${ofBot ? sql`l.bot_id = ${slot('botId')} and ` : sql``}l.id = ${slot('id')}::uuid`,
    fields: lockFields,
  }))

const readOfBot = readStatement(true)
const readOfFleet = readStatement(false)

/**
 * Ends a lock before its time and returns it. Other locks of the same symbol stand.
 *
 * @throws `invalid_transition` if it was unlocked already, or has ended by itself.
 * @throws `not_found` if the bot, or the fleet, has no such lock.
 * @throws `invalid_input` naming the field.
 */
export async function unlockSymbol(db: Database, input: UnlockSymbolInput): Promise<Lock> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const key = { botId, id: toUuid(input.id, 'id') }
  const statement = botId === null ? unlockOfFleet : unlockOfBot
  const ended = await statement.run(db, {
    ...key,
    unlockedBy: toName(input.unlockedBy, 'unlockedBy'),
    reason: toName(input.reason, 'reason'),
    now: readNow(input.now),
  })
  const lock = only(statement.name, ended)
  if (lock) return lock
  const what = `lock '${key.id}' of ${botId === null ? 'the fleet' : `bot '${botId}'`}`
  const stored = found(what, only('getLock', await (botId === null ? readOfFleet : readOfBot).run(db, key)))
  const end = stored.unlockedAt
    ? `was unlocked by ${stored.unlockedBy} at ${stored.unlockedAt.toISOString()}`
    : `has ended at ${stored.expiresAt?.toISOString()}`
  throw new DataError('invalid_transition', `${what} ${end}`)
}

export interface ListLocksInput extends PageInput<Pick<Lock, 'lockedAt' | 'id'>> {
  /** Its locks and those of the fleet, which hold for it too. The fleet's alone if left out. */
  readonly botId?: string | undefined
  /** The moment to judge at. The database's clock if left out. */
  readonly now?: Date | undefined
}

type ListSlot = 'botId' | 'now' | 'afterAt' | 'afterId' | 'limit'

const listStatement: PreparedStatement<Lock, ListSlot> = sqlStatement('listLocks', (slot) => {
  // Written as the index has it.
  const holds = (alias: string) => sql`${sql.raw(alias)}.unlocked_at is null
    and coalesce(${sql.raw(alias)}.expires_at, 'infinity'::timestamptz) > (select now from clock)
    and (${slot('afterAt')}::timestamptz is null
      or (${sql.raw(alias)}.locked_at, ${sql.raw(alias)}.id) < (${slot('afterAt')}::timestamptz, ${slot('afterId')}::uuid))`
  return {
    query: sql`
      with ${clockOf(slot('now'))}
      select ${lockNames('g', false)} from risk.global_locks g where ${holds('g')}
      union all
      select ${lockNames('l', true)} from risk.locks l where l.bot_id = ${slot('botId')} and ${holds('l')}
      order by locked_at desc, id desc limit ${slot('limit')}::integer`,
    fields: lockFields,
  }
})

/**
 * Returns the locks that hold now, last locked first. At exactly its end a lock holds no longer. Empty also for a bot that is
 * not registered, if the fleet has none.
 */
export async function listLocks(db: Database, input: ListLocksInput = {}): Promise<Lock[]> {
  const { after, now } = input
  return await listStatement.run(db, {
    botId: input.botId === undefined ? null : toBotId(input.botId),
    now: readNow(now),
    afterAt: after === undefined ? null : toInstant(after.lockedAt, 'after.lockedAt').toISOString(),
    afterId: after === undefined ? null : toUuid(after.id, 'after.id'),
    limit: readLimit(input.limit),
  })
}
