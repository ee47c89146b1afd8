import { and, desc, eq, getTableColumns, ne, type SQL, sql } from 'drizzle-orm'
import { FLEET } from '../audit/schema.ts'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { getBot, toBotId } from '../fleet/bots.ts'
import { ALERT_KINDS, type AlertKind, type AlertStatus, alerts } from './schema/alerts.ts'
import { type Context, SEVERITIES, type Severity } from './schema/values.ts'

/** A breach that somebody should know of; `botId` is `*` where it concerns the whole fleet. */
export type Alert = typeof alerts.$inferSelect

export interface RecordAlertInput {
  /** The bot that it concerns. The whole fleet if left out. */
  readonly botId?: string | undefined
  readonly kind: AlertKind
  readonly severity: Severity
  readonly symbol?: string | undefined
  readonly title: string
  readonly message: string
  /** What to do. */
  readonly recommendation?: string | undefined
  /** What was allowed and what was found, in the unit of its kind. */
  readonly threshold?: Amount | undefined
  readonly actual?: Amount | undefined
  /** The figures behind it, with amounts as decimal text. */
  readonly context?: Context | undefined
  /** What it is about. The same key is the same alert until it is resolved; one without a key is alone. */
  readonly dedupeKey?: string | undefined
  /** Who noticed: a program or a person. */
  readonly raisedBy: string
  /** The database's clock if left out. */
  readonly raisedAt?: Date | undefined
}

const alertColumns = getTableColumns(alerts)
const alertNames = (alias: string): SQL =>
  sql.raw(
    Object.values(alertColumns)
      .map((column) => `${alias}.${column.name}`)
      .join(', '),
  )
/** Higher for what is worse. */
const rank = (severity: SQL) =>
  sql`array_position(array[${sql.raw(SEVERITIES.map((one) => `'${one}'`).join(', '))}]::text[], ${severity})`

/** What a report brings that is worse than what was known. */
const NEWS = [
  'severity',
  'symbol',
  'title',
  'message',
  'recommendation',
  'threshold',
  'actual',
  'context',
] as const
const GIVEN = ['id', 'kind', ...NEWS, 'dedupeKey', 'raisedBy'] as const
type RecordSlot = 'botId' | 'raisedAt' | (typeof GIVEN)[number]

const recordStatement: PreparedStatement<Alert, RecordSlot> = sqlStatement('recordAlert', (slot) => ({
  query: sql`
    insert into risk.alerts as stored (bot_id, ${sql.raw(GIVEN.map((key) => alerts[key].name).join(', '))}, raised_at)
    select ${slot('botId')}, ${sql.join(
      GIVEN.map((key) => sql`${slot(key)}::${sql.raw(alerts[key].getSQLType())}`),
      sql`, `,
    )}, coalesce(${slot('raisedAt')}::timestamptz(3), date_trunc('milliseconds', clock_timestamp()))
    where ${slot('botId')} = ${sql.raw(`'${FLEET}'`)} or exists (select from fleet.bots b where b.bot_id = ${slot('botId')})
    on conflict (bot_id, dedupe_key) where status <> 'resolved' and dedupe_key is not null
    do update set ${sql.raw(NEWS.map((key) => `${alerts[key].name} = excluded.${alerts[key].name}`).join(', '))}
    where ${rank(sql`excluded.severity`)} > ${rank(sql`stored.severity`)}
    returning ${alertNames('stored')}`,
  fields: alertColumns,
}))

// How often the alert of a key may be resolved between a look and the next.
const ATTEMPTS = 5

/**
 * Notes a breach and returns the alert.
 *
 * With a `dedupeKey` that a bot's alert has already, which is not resolved, that one is returned: it stays as it is, or, if
 * this report is more severe, it takes its severity, title, message and figures. Safe to repeat only with a key.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function recordAlert(db: Database, input: RecordAlertInput): Promise<Alert> {
  const { symbol, recommendation, threshold, actual, dedupeKey, raisedAt } = input
  const name = (value: string | undefined, field: string) =>
    value === undefined ? null : toName(value, field)
  const amount = (value: Amount | undefined, field: string) =>
    value === undefined ? null : toDecimal(value, field).toFixed()
  const botId = toSubject(input.botId)
  const values = {
    botId,
    kind: toOneOf(input.kind, ALERT_KINDS, 'kind'),
    severity: toOneOf(input.severity, SEVERITIES, 'severity'),
    symbol: name(symbol, 'symbol'),
    title: toName(input.title, 'title'),
    message: toName(input.message, 'message'),
    recommendation: name(recommendation, 'recommendation'),
    threshold: amount(threshold, 'threshold'),
    actual: amount(actual, 'actual'),
    context: alerts.context.mapToDriverValue(input.context ?? {}),
    dedupeKey: name(dedupeKey, 'dedupeKey'),
    raisedBy: toName(input.raisedBy, 'raisedBy'),
    raisedAt: raisedAt === undefined ? null : toInstant(raisedAt, 'raisedAt').toISOString(),
  }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const written = await recordStatement.run(db, { ...values, id: newId() })
    const alert = only('recordAlert', written) ?? (await findByKey(db, botId, values.dedupeKey))
    if (alert) return alert
    if (botId !== FLEET) await getBot(db, { botId })
  }
  throw new DataError('conflict', `alert '${dedupeKey}' was resolved ${ATTEMPTS} times meanwhile`)
}

/** The alert of a key that is not resolved, if there is one. */
async function findByKey(db: Database, botId: string, dedupeKey: string | null): Promise<Alert | undefined> {
  if (dedupeKey === null) return undefined
  return await maybeOne(
    'recordAlert: stored',
    db
      .select()
      .from(alerts)
      .where(
        and(
          eq(alerts.botId, botId),
          eq(alerts.dedupeKey, dedupeKey),
          // Not a parameter: so the planner may use the index of what is not resolved.
          sql`${alerts.status} <> 'resolved'`,
        ),
      ),
  )
}

function toSubject(botId: string | undefined): string {
  return botId === undefined ? FLEET : toBotId(botId)
}

export interface AlertKey {
  /** The bot of the alert; left out for one of the whole fleet. */
  readonly botId?: string | undefined
  readonly id: string
}

export interface AcknowledgeAlertInput extends AlertKey {
  readonly acknowledgedBy: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

export interface ResolveAlertInput extends AlertKey {
  readonly resolvedBy: string
  readonly reason: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

/**
 * Notes that somebody has seen an open alert, and returns it.
 *
 * @throws `invalid_transition` if it is acknowledged or resolved already.
 * @throws `not_found` if the bot, or the fleet, has no such alert.
 */
export async function acknowledgeAlert(db: Database, input: AcknowledgeAlertInput): Promise<Alert> {
  const by = toName(input.acknowledgedBy, 'acknowledgedBy')
  return await takeStep(db, input, 'acknowledged', sql`${alerts.status} = 'open'`, {
    acknowledgedBy: by,
    acknowledgedAt: clock(input.now),
  })
}

/**
 * Ends an alert, acknowledged or not, and returns it. The next report with its key is another alert.
 *
 * @throws `invalid_transition` if it is resolved already.
 * @throws `not_found` if the bot, or the fleet, has no such alert.
 */
export async function resolveAlert(db: Database, input: ResolveAlertInput): Promise<Alert> {
  const by = toName(input.resolvedBy, 'resolvedBy')
  const resolutionReason = toName(input.reason, 'reason')
  return await takeStep(db, input, 'resolved', sql`${alerts.status} in ('open', 'acknowledged')`, {
    resolvedBy: by,
    resolvedAt: clock(input.now),
    resolutionReason,
  })
}

function clock(now: Date | undefined): SQL {
  if (now === undefined) return sql`date_trunc('milliseconds', clock_timestamp())`
  return sql`${toInstant(now, 'now').toISOString()}::timestamptz`
}

async function takeStep(
  db: Database,
  key: AlertKey,
  status: AlertStatus,
  from: SQL,
  values: Record<string, string | SQL>,
): Promise<Alert> {
  const isAlert = and(eq(alerts.botId, toSubject(key.botId)), eq(alerts.id, toUuid(key.id, 'id')))
  const verb = status === 'resolved' ? 'resolveAlert' : 'acknowledgeAlert'
  const changed = await maybeOne(
    verb,
    db
      .update(alerts)
      .set({ ...values, status })
      .where(and(isAlert, from))
      .returning(),
  )
  if (changed) return changed
  const what = `alert '${key.id}' of ${key.botId === undefined ? 'the fleet' : `bot '${key.botId}'`}`
  const stored = await one(verb, what, db.select().from(alerts).where(isAlert))
  throw new DataError('invalid_transition', `${what} is ${stored.status}, and cannot become ${status}`, {
    field: 'status',
  })
}

export interface ListAlertsInput extends PageInput<Pick<Alert, 'raisedAt' | 'id'>> {
  /** Those of the whole fleet if left out. */
  readonly botId?: string | undefined
}

/** Returns the alerts of a bot, or of the fleet, that are not resolved, newest first. */
export async function listOpenAlerts(db: Database, input: ListAlertsInput = {}): Promise<Alert[]> {
  return await listed(db, 'listOpenAlerts', input, ne(alerts.status, sql`'resolved'`))
}

/** Returns the alerts of a bot, or of the fleet, resolved or not, newest first. */
export async function listAlerts(db: Database, input: ListAlertsInput = {}): Promise<Alert[]> {
  return await listed(db, 'listAlerts', input, undefined)
}

async function listed(
  db: Database,
  verb: string,
  { botId, after, limit }: ListAlertsInput,
  choice: SQL | undefined,
): Promise<Alert[]> {
  return await many(
    verb,
    db
      .select()
      .from(alerts)
      .where(
        and(
          eq(alerts.botId, toSubject(botId)),
          choice,
          comesAfter(alerts.raisedAt, alerts.id, after && { at: after.raisedAt, id: after.id }),
        ),
      )
      .orderBy(desc(alerts.raisedAt), desc(alerts.id))
      .limit(readLimit(limit)),
  )
}
