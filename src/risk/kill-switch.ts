import { createHash, randomInt } from 'node:crypto'
import { desc, eq, getTableColumns, ne, sql } from 'drizzle-orm'
import { readInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError, isDataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { isTransaction, pause } from '../db/transaction.ts'
import { toBotId } from '../fleet/bots.ts'
import { KILL_SWITCH_SOURCES, type KillSwitchSource, killSwitchEvents } from './schema/gates.ts'
import { SEVERITIES, type Severity } from './schema/values.ts'

const { codeHash: _secret, ...eventColumns } = getTableColumns(killSwitchEvents)

/** One activation of the kill switch, from its beginning to its end. */
export type KillSwitchEvent = Omit<typeof killSwitchEvents.$inferSelect, 'codeHash'>

export interface ActivateKillSwitchInput {
  /** Who throws it: a person or a program. */
  readonly activatedBy: string
  readonly reason: string
  /** `manual` unless said otherwise. */
  readonly source?: KillSwitchSource | undefined
  /** `emergency` unless said otherwise. */
  readonly severity?: Severity | undefined
  /**
   * What deactivation will ask for: 6 to 64 characters. Made up unless given. Whoever gives one can repeat the activation after a lost connection and
   * still knows it.
   */
  readonly confirmationCode?: string | undefined
}

export interface KillSwitchActivation {
  readonly event: KillSwitchEvent
  /** False if the switch was on already: then this changed nothing but its log, and ended a recovery. */
  readonly isNew: boolean
  /** What `deactivateKillSwitch` asks for. It is stored nowhere. Null if the switch was on already, with a code that the caller did not give. */
  readonly confirmationCode: string | null
}

/** How long activation waits for orders in flight. Transactions that idle are ended by the server long before. */
const PATIENCE_MS = 60_000

/**
 * Stops every bot at once: once it has returned, no entry order can commit anywhere, also not of a bot registered
 * meanwhile. Orders that reduce a position still pass.
 *
 * The switch is on, for all new orders, as soon as the first of two statements has committed; the rest is waiting for orders that were checked before. Inside
 * a transaction nothing holds before that commits. Safe to repeat: a switch that is on stays on, and its code stays.
 *
 * @throws `transient` naming the bots whose orders were still in flight after a minute. The switch is on then; call again to wait on.
 */
export async function activateKillSwitch(
  db: Database,
  input: ActivateKillSwitchInput,
): Promise<KillSwitchActivation> {
  const id = newId()
  const code = input.confirmationCode === undefined ? makeCode() : toCode(input.confirmationCode)
  const values = {
    id,
    source: toOneOf(input.source ?? 'manual', KILL_SWITCH_SOURCES, 'source'),
    severity: toOneOf(input.severity ?? 'emergency', SEVERITIES, 'severity'),
    reason: toName(input.reason, 'reason'),
    activatedBy: toName(input.activatedBy, 'activatedBy'),
    codeHash: hashOf(id, code),
  }
  const deadline = Date.now() + PATIENCE_MS
  const [activated] = await insist(db, deadline, () => activateStatement.run(db, values))
  if (!activated) throw new DataError('unexpected', 'activateKillSwitch: no answer')
  // A statement by itself: the stop does not fail because nobody could be told of it.
  const wasTold = await tellStatement.run(db, {}).then(
    () => true,
    () => false,
  )
  await haltGates(db, activated.eventId, deadline)
  if (!wasTold) await tellAgain(db)
  const { codeHash, ...event } = await one(
    'getKillSwitchEvent',
    `kill switch event '${activated.eventId}'`,
    db.select().from(killSwitchEvents).where(eq(killSwitchEvents.id, activated.eventId)),
  )
  const isKnown = codeHash === hashOf(event.id, code)
  return { event, isNew: activated.isNew, confirmationCode: isKnown ? code : null }
}

const tellStatement: PreparedStatement<null, never> = sqlStatement('activateKillSwitch.tell', () => ({
  query: sql`select risk.notify('*')`,
  fields: () => null,
}))

async function tellAgain(db: Database): Promise<void> {
  try {
    await tellStatement.run(db, {})
  } catch (error) {
    throw new DataError(
      isDataError(error) ? error.code : 'unexpected',
      'the kill switch is on and no entry can commit, but those who watch could not be told; they find out by polling',
      { cause: error },
    )
  }
}

type ActivationSlot = 'id' | 'source' | 'severity' | 'reason' | 'activatedBy' | 'codeHash'

const activateStatement: PreparedStatement<{ eventId: string; isNew: boolean }, ActivationSlot> =
  sqlStatement('activateKillSwitch', (slot) => ({
    query: sql`select event_id, is_new from risk.activate_kill_switch(${slot('id')}, ${slot('source')}, ${slot('severity')}, ${slot('reason')},
      ${slot('activatedBy')}, ${slot('codeHash')})`,
    fields: ([eventId, isNew]) => ({ eventId: eventId as string, isNew: isNew === true }),
  }))

const haltStatement: PreparedStatement<string, 'id' | 'inTransaction' | 'wait'> = sqlStatement(
  'activateKillSwitch.halt',
  (slot) => ({
    query: sql`select bot_id from risk.halt_gates(${slot('id')}, ${slot('inTransaction')}, ${slot('wait')}) as bot_id`,
    fields: ([botId]) => botId as string,
  }),
)

const queueStatement: PreparedStatement<null, 'id' | 'botId'> = sqlStatement(
  'activateKillSwitch.queue',
  (slot) => ({
    query: sql`select risk.halt_gate(${slot('id')}, ${slot('botId')})`,
    fields: () => null,
  }),
)

/**
 * Waits until no order that was checked before the switch is in flight any more: first what is free is marked, then each gate that is held is
 * queued for, one at a time.
 */
async function haltGates(db: Database, id: string, deadline: number): Promise<void> {
  const inTransaction = isTransaction(db)
  for (let attempt = 1; ; attempt++) {
    const wait = attempt > 1
    const open = await insist(db, deadline, () => haltStatement.run(db, { id, inTransaction, wait }))
    if (open.length === 0) return
    if (Date.now() > deadline) throw inFlight(open)
    try {
      for (const botId of open.filter((one) => one !== REGISTRATIONS)) {
        await insist(db, deadline, () => queueStatement.run(db, { id, botId }))
      }
    } catch (error) {
      // A gate that was not free in time; anything else is not about waiting.
      throw isDataError(error) && error.retryable ? inFlight(open, error) : error
    }
  }
}

/** What stands for bots that are being registered. */
const REGISTRATIONS = '*'
const NAMED = 20

function inFlight(open: readonly string[], cause?: unknown): DataError {
  const bots = open.map((botId) =>
    botId === REGISTRATIONS ? 'bots that are being registered' : `'${botId}'`,
  )
  const named = bots.slice(0, NAMED).join(', ')
  return new DataError(
    'transient',
    `the kill switch is on and lets no new entry through, but orders may still be in flight of ${named}; activate it again to wait for them`,
    cause === undefined ? {} : { cause },
  )
}

/** Tries again what was rolled back for certain: a stop does not give up because somebody held a lock. */
async function insist<T>(db: Database, deadline: number, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const isWorthAnother = isDataError(error) && error.retryable && !isTransaction(db)
      if (!isWorthAnother || Date.now() > deadline) throw error
      await pause(attempt)
    }
  }
}

export interface KillSwitchInput {
  readonly eventId: string
}

/** Returns the activation that is not deactivated, or undefined while the switch is off. */
export async function findActiveKillSwitch(db: Database): Promise<KillSwitchEvent | undefined> {
  return await maybeOne(
    'findActiveKillSwitch',
    db.select(eventColumns).from(killSwitchEvents).where(ne(killSwitchEvents.status, sql`'deactivated'`)),
  )
}

/** Returns one activation, over or not. @throws `not_found`. */
export async function getKillSwitchEvent(db: Database, input: KillSwitchInput): Promise<KillSwitchEvent> {
  const id = toUuid(input.eventId, 'eventId')
  return await one(
    'getKillSwitchEvent',
    `kill switch event '${id}'`,
    db.select(eventColumns).from(killSwitchEvents).where(eq(killSwitchEvents.id, id)),
  )
}

/** Returns the activations, newest first. */
export async function listKillSwitchEvents(
  db: Database,
  input: PageInput<Pick<KillSwitchEvent, 'activatedAt' | 'id'>> = {},
): Promise<KillSwitchEvent[]> {
  const { after } = input
  return await many(
    'listKillSwitchEvents',
    db
      .select(eventColumns)
      .from(killSwitchEvents)
      .where(
        comesAfter(
          killSwitchEvents.activatedAt,
          killSwitchEvents.id,
          after && { at: after.activatedAt, id: after.id },
        ),
      )
      .orderBy(desc(killSwitchEvents.activatedAt), desc(killSwitchEvents.id))
      .limit(readLimit(input.limit)),
  )
}

export const KILL_SWITCH_ACTIONS = ['position_closed', 'order_cancelled', 'note'] as const

export interface RecordKillSwitchActionInput extends KillSwitchInput {
  readonly by: string
  readonly action: (typeof KILL_SWITCH_ACTIONS)[number]
  readonly botId?: string | undefined
  readonly note?: string | undefined
}

/**
 * Adds something that was done while the switch was on, and counts the positions closed and orders cancelled. Not safe to repeat:
 * each call is one action.
 *
 * @throws `not_found` if there is no such activation.
 */
export async function recordKillSwitchAction(
  db: Database,
  input: RecordKillSwitchActionInput,
): Promise<KillSwitchEvent> {
  await actionStatement.run(db, {
    id: toUuid(input.eventId, 'eventId'),
    by: toName(input.by, 'by'),
    action: toOneOf(input.action, KILL_SWITCH_ACTIONS, 'action'),
    botId: input.botId === undefined ? null : toBotId(input.botId),
    note: input.note === undefined ? null : toName(input.note, 'note'),
  })
  return await getKillSwitchEvent(db, input)
}

const actionStatement: PreparedStatement<boolean, 'id' | 'by' | 'action' | 'botId' | 'note'> = sqlStatement(
  'recordKillSwitchAction',
  (slot) => ({
    query: sql`select risk.log_kill_switch_action(${slot('id')}, ${slot('by')}, ${slot('action')}, ${slot('botId')}, ${slot('note')})`,
    fields: ([found]) => found === true,
  }),
)

export interface BeginKillSwitchRecoveryInput extends KillSwitchInput {
  readonly by: string
  readonly notes: string
}

/**
 * Notes that somebody is putting things right. Entries stay closed; bots may work on what they hold.
 *
 * @throws `not_found` if there is no such activation.
 * @throws `invalid_transition` if it is in recovery already, or over.
 */
export async function beginKillSwitchRecovery(
  db: Database,
  input: BeginKillSwitchRecoveryInput,
): Promise<KillSwitchEvent> {
  const id = toUuid(input.eventId, 'eventId')
  const [before] = await recoveryStatement.run(db, {
    id,
    by: toName(input.by, 'by'),
    notes: toName(input.notes, 'notes'),
  })
  if (before !== undefined && before !== null && before !== 'active') {
    throw new DataError('invalid_transition', `kill switch event '${id}' is ${before}, so no recovery begins`)
  }
  return await getKillSwitchEvent(db, input)
}

const recoveryStatement: PreparedStatement<string | null, 'id' | 'by' | 'notes'> = sqlStatement(
  'beginKillSwitchRecovery',
  (slot) => ({
    query: sql`select risk.begin_kill_switch_recovery(${slot('id')}, ${slot('by')}, ${slot('notes')})`,
    fields: ([before]) => before as string | null,
  }),
)

export interface DeactivateKillSwitchInput extends KillSwitchInput {
  readonly deactivatedBy: string
  readonly reason: string
  /** What the activation returned. */
  readonly confirmationCode: string
}

/**
 * Lets bots place entries again, as far as nothing else stops them, and returns the ended activation.
 *
 * Five wrong codes lock deactivation for fifteen minutes, also for the right one. Not inside a transaction: its end could undo
 * the count of wrong codes.
 *
 * @throws `invalid_input` naming `confirmationCode` if it is wrong, or while deactivation is locked.
 * @throws `invalid_transition` if the activation is over already.
 * @throws `not_found` if there is no such activation.
 */
export async function deactivateKillSwitch(
  db: Database,
  input: DeactivateKillSwitchInput,
): Promise<KillSwitchEvent> {
  if (isTransaction(db)) {
    throw new DataError(
      'unexpected',
      'deactivateKillSwitch was called in a transaction: give it the connection',
    )
  }
  const id = toUuid(input.eventId, 'eventId')
  const values = {
    id,
    deactivatedBy: toName(input.deactivatedBy, 'deactivatedBy'),
    reason: toName(input.reason, 'reason'),
    codeHash: hashOf(id, toName(input.confirmationCode, 'confirmationCode').trim()),
  }
  const [answer] = await deactivateStatement.run(db, values)
  switch (answer?.outcome) {
    case 'deactivated':
      return await getKillSwitchEvent(db, input)
    case 'over':
      throw new DataError('invalid_transition', `kill switch event '${id}' is deactivated already`)
    case 'wrong':
      throw refused(
        answer.lockedUntil === null
          ? `is wrong; ${answer.triesLeft} more tries before deactivation is locked`
          : `is wrong for the fifth time; deactivation is locked until ${answer.lockedUntil.toISOString()}`,
      )
    case 'locked':
      throw refused(`is not looked at: deactivation is locked until ${answer.lockedUntil?.toISOString()}`)
    default:
      throw new DataError('not_found', `kill switch event '${id}' not found`)
  }
}

function refused(why: string): DataError {
  return new DataError('invalid_input', `confirmationCode ${why}`, { field: 'confirmationCode' })
}

interface Deactivation {
  readonly outcome: string
  readonly lockedUntil: Date | null
  readonly triesLeft: number | null
}

type DeactivationSlot = 'id' | 'deactivatedBy' | 'reason' | 'codeHash'

const deactivateStatement: PreparedStatement<Deactivation, DeactivationSlot> = sqlStatement(
  'deactivateKillSwitch',
  (slot) => ({
    query: sql`select outcome, locked_until, tries_left from risk.deactivate_kill_switch(${slot('id')}, ${slot('deactivatedBy')},
      ${slot('reason')}, ${slot('codeHash')})`,
    fields: ([outcome, lockedUntil, triesLeft]) => ({
      outcome: outcome as string,
      lockedUntil: lockedUntil === null ? null : readInstant(lockedUntil as string),
      triesLeft: triesLeft as number | null,
    }),
  }),
)

/** Letters and digits that nobody takes for one another. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTUVWXYZ'
const CODE_LENGTH = 8

function makeCode(): string {
  return Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

function toCode(value: string): string {
  const code = toName(value, 'confirmationCode').trim()
  if (code.length >= 6 && code.length <= 64) return code
  throw new DataError('invalid_input', 'confirmationCode is not 6 to 64 characters long', {
    field: 'confirmationCode',
  })
}

function hashOf(eventId: string, code: string): string {
  return createHash('sha256').update(`${eventId}:${code}`).digest('hex')
}
