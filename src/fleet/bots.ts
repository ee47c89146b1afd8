import { and, eq, getTableColumns, gt, isNull, or, type SQL, sql } from 'drizzle-orm'
import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, Decimal, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { COST_BASIS_METHODS, type CostBasisMethod } from './cost-basis.ts'
import { BOT_MODES, BOT_STATUSES, type BotMode, type BotStatus, bots } from './schema.ts'

export type Bot = typeof bots.$inferSelect

export interface RegisterBotInput {
  /** 1 to 63 letters, digits and `_ . : -`. */
  readonly botId: string
  /** What people call it. The `botId` unless said otherwise. */
  readonly name?: string | undefined
  /** What sort of bot it is, in the fleet's own words: `grid`, `momentum`, `market_maker`. */
  readonly kind: string
  readonly strategy: string
  readonly exchange: string
  /** The account or sub-account of the exchange. `main` unless said otherwise. */
  readonly account?: string | undefined
  readonly mode: BotMode
  /** The currency that its equity and PnL are counted in. */
  readonly baseCurrency: string
  /** What it starts with, in `baseCurrency`. Not negative. */
  readonly initialEquity: Amount
  /** `average` unless said otherwise. */
  readonly costBasisMethod?: CostBasisMethod | undefined
  /** The IANA zone whose midnight ends the bot's day. `UTC` unless said otherwise. */
  readonly timeZone?: string | undefined
  /** How old its last heartbeat may grow before the bot counts as stale. 60,000 ms unless said otherwise. */
  readonly heartbeatToleranceMs?: number | undefined
  /** The database role of the bot, if it has one of its own. */
  readonly databaseRole?: string | null | undefined
}

export interface SetBotStatusInput {
  readonly botId: string
  readonly status: BotStatus
  /** Why. Left out, the reason of the status before is removed. */
  readonly reason?: string | undefined
}

export interface RecordHeartbeatInput {
  readonly botId: string
  /** What the bot is worth at this moment, in its base currency; negative when in debt. */
  readonly currentEquity?: Amount | undefined
  /** When the bot was alive. The database's clock unless said otherwise, so that a wrong clock hides no dead bot. */
  readonly at?: Date | undefined
}

export interface ListStaleBotsInput extends PageInput<Pick<Bot, 'botId'>> {
  /** The moment to judge at. The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

/**
 * Registers a bot and returns its row.
 *
 * Safe to repeat, so that a bot can call it at every start: the same facts again change nothing. A fact left out is not
 * compared. Status, current equity and heartbeat are no facts: a paused bot that registers again stays paused.
 *
 * @throws `conflict` naming the field and both values if the bot is registered with another fact.
 * @throws `invalid_input` naming the field.
 */
export async function registerBot(db: Database, input: RegisterBotInput): Promise<Bot> {
  const facts = readFacts(input)
  const registered = await maybeOne(
    'registerBot',
    db
      .insert(bots)
      .values({ ...facts, name: facts.name ?? facts.botId })
      .onConflictDoNothing({ target: bots.botId })
      .returning(),
  )
  if (registered) return registered
  const stored = await getBot(db, facts)
  for (const field of FACTS) {
    const given = facts[field]
    if (given !== undefined && textOf(given) !== textOf(stored[field])) {
      throw new DataError(
        'conflict',
        `bot '${facts.botId}' is registered with ${field} ${textOf(stored[field])}, not ${textOf(given)}`,
        { field },
      )
    }
  }
  return stored
}

const FACTS = [
  'name',
  'kind',
  'strategy',
  'exchange',
  'account',
  'mode',
  'baseCurrency',
  'initialEquity',
  'costBasisMethod',
  'timeZone',
  'heartbeatToleranceMs',
  'databaseRole',
] as const

function readFacts(input: RegisterBotInput) {
  // Field by field, since an object may hold more than its type says: a whole row of another bot, say.
  const { botId, name, kind, strategy, exchange, account, mode, baseCurrency } = input
  const { initialEquity, costBasisMethod, timeZone, heartbeatToleranceMs, databaseRole } = input
  return {
    botId: toBotId(botId),
    name,
    kind,
    strategy,
    exchange,
    account,
    mode: toOneOf(mode, BOT_MODES, 'mode'),
    baseCurrency,
    initialEquity: toDecimal(initialEquity, 'initialEquity'),
    costBasisMethod: costBasisMethod && toOneOf(costBasisMethod, COST_BASIS_METHODS, 'costBasisMethod'),
    timeZone: timeZone === undefined ? undefined : toTimeZone(timeZone),
    heartbeatToleranceMs:
      heartbeatToleranceMs === undefined ? undefined : toToleranceMs(heartbeatToleranceMs),
    databaseRole,
  }
}

function textOf(fact: string | number | Decimal | null): string {
  if (fact === null) return 'none'
  return Decimal.isDecimal(fact) ? fact.toFixed() : `'${fact}'`
}

/** Returns the bot. @throws `not_found` if it is not registered. */
export async function getBot(db: Database, input: Pick<Bot, 'botId'>): Promise<Bot> {
  const botId = toBotId(input.botId)
  return one('getBot', `bot '${botId}'`, db.select().from(bots).where(eq(bots.botId, botId)))
}

/** Returns the bot, or undefined if it is not registered. */
export async function findBot(db: Database, input: Pick<Bot, 'botId'>): Promise<Bot | undefined> {
  return maybeOne(
    'findBot',
    db
      .select()
      .from(bots)
      .where(eq(bots.botId, toBotId(input.botId))),
  )
}

/** Returns the registered bots, whatever their status, in the order of their ids. */
export async function listBots(db: Database, input: PageInput<Pick<Bot, 'botId'>> = {}): Promise<Bot[]> {
  return many(
    'listBots',
    db
      .select()
      .from(bots)
      .where(comesAfterBot(input.after))
      .orderBy(bots.botId)
      .limit(readLimit(input.limit)),
  )
}

/**
 * Sets what a bot is doing, and why, and returns its row. A bot that is not `active` places no entries; who changed it and when is in the
 * audit.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function setBotStatus(db: Database, input: SetBotStatusInput): Promise<Bot> {
  const botId = toBotId(input.botId)
  const status = toOneOf(input.status, BOT_STATUSES, 'status')
  const statusReason = input.reason === undefined ? null : toName(input.reason, 'reason')
  const rows = await statusStatement.run(db, { botId, status, statusReason })
  return found(`bot '${botId}'`, only('setBotStatus', rows))
}

const botColumns = getTableColumns(bots)
const botList = sql.join(
  Object.values(botColumns).map((column) => sql`b.${sql.identifier(column.name)}`),
  sql`, `,
)

// Whoever watches what the bot may do is told in the same statement: a trigger that notifies is refused where tables are spread over servers.
const statusStatement: PreparedStatement<Bot, 'botId' | 'status' | 'statusReason'> = sqlStatement(
  'setBotStatus',
  (slot) => ({
    query: sql`
      with changed as (
        update fleet.bots set status = ${slot('status')}, status_reason = ${slot('statusReason')}
        where bot_id = ${slot('botId')} returning *),
      told as materialized (select pg_notify('tradeblotter_risk', bot_id) from changed)
      select ${botList} from changed b cross join told`,
    fields: botColumns,
  }),
)

/**
 * Notes that the bot is alive, with its equity if that is given, and returns its row.
 *
 * Never goes back in time: a heartbeat older than the last one changes neither its time nor the equity.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function recordHeartbeat(db: Database, input: RecordHeartbeatInput): Promise<Bot> {
  const botId = toBotId(input.botId)
  const at = toClock(input.at, 'at')
  const equity =
    input.currentEquity === undefined ? undefined : toDecimal(input.currentEquity, 'currentEquity').toFixed()
  const isLate = sql`${bots.lastHeartbeatAt} > ${at}`
  return one(
    'recordHeartbeat',
    `bot '${botId}'`,
    db
      .update(bots)
      .set({
        lastHeartbeatAt: sql`greatest(${bots.lastHeartbeatAt}, ${at})`,
        ...(equity !== undefined && {
          currentEquity: sql`case when ${isLate} then ${bots.currentEquity} else ${equity}::numeric end`,
        }),
      })
      .where(eq(bots.botId, botId))
      .returning(),
  )
}

/**
 * Returns the active bots whose last heartbeat is older than they are allowed, or that never sent one, in the order of
 * their ids. Bots that are paused, stopped or in error are not expected to be alive.
 */
export async function listStaleBots(db: Database, input: ListStaleBotsInput = {}): Promise<Bot[]> {
  const now = toClock(input.now, 'now')
  const tolerance = sql`${bots.heartbeatToleranceMs} * interval '1 millisecond'`
  return many(
    'listStaleBots',
    db
      .select()
      .from(bots)
      .where(
        and(
          eq(bots.status, 'active'),
          or(isNull(bots.lastHeartbeatAt), sql`${bots.lastHeartbeatAt} + ${tolerance} < ${now}`),
          comesAfterBot(input.after),
        ),
      )
      .orderBy(bots.botId)
      .limit(readLimit(input.limit)),
  )
}

function comesAfterBot(after: Pick<Bot, 'botId'> | undefined): SQL | undefined {
  return after && gt(bots.botId, toLabel(after.botId, 'after'))
}

/** The time given, or the database's own when the statement began. */
function toClock(time: Date | undefined, field: string): SQL {
  if (time === undefined) return sql`statement_timestamp()`
  return sql`${toInstant(time, field).toISOString()}::timestamptz`
}

const BOT_ID_PATTERN = /^[A-Za-z0-9_.:-]{1,63}$/

/** Reads the id of a bot. @throws `invalid_input` if it is not 1 to 63 letters, digits and `_ . : -`. */
export function toBotId(value: string): string {
  if (BOT_ID_PATTERN.test(toLabel(value, 'botId'))) return value
  throw new DataError(
    'invalid_input',
    `botId '${value.slice(0, 80)}' is not 1 to 63 letters, digits and _ . : -`,
    { field: 'botId' },
  )
}

// Intl also takes offsets such as +02:00; Postgres reads those with the opposite sign.
const TIME_ZONE_PATTERN = /^[A-Za-z][A-Za-z0-9_+/-]*$/

function toTimeZone(value: string): string {
  if (TIME_ZONE_PATTERN.test(toLabel(value, 'timeZone')) && isKnownTimeZone(value)) return value
  throw new DataError(
    'invalid_input',
    `timeZone '${value.slice(0, 60)}' is no IANA time zone such as Europe/Berlin`,
    { field: 'timeZone' },
  )
}

function isKnownTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    // The only way that Intl has of saying no.
    return false
  }
}

// The column is a 32-bit integer: 24 days.
const TOLERANCE_MAX_MS = 2_147_483_647

function toToleranceMs(value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= TOLERANCE_MAX_MS) return value
  throw new DataError(
    'invalid_input',
    `heartbeatToleranceMs ${value} is not a whole number from 1 to ${TOLERANCE_MAX_MS}`,
    { field: 'heartbeatToleranceMs' },
  )
}
