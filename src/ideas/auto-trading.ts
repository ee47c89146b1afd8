import { type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { refusedUser } from './refusals.ts'
import { autoTrading } from './schema/auto-trading.ts'

/** Whether ideas of a bot may be executed without a human. */
export interface AutoTrading {
  readonly botId: string
  /** False also where nobody ever switched it on. */
  readonly enabled: boolean
  /** Why it was flipped last; `max_drawdown` or `daily_target_reached` where the rules did it. Null if it never was. */
  readonly reason: string | null
  /** Who flipped it last: the id of the user who resumed, who halted, or the bot. Null if it never was. */
  readonly changedBy: string | null
  readonly changedAt: Date | null
  /** How often it was flipped. */
  readonly version: number
}

export interface HaltAutoTradingInput {
  readonly botId: string
  /** Who halts: a person, a program or the bot. */
  readonly by: string
  readonly reason: string
}

export interface ResumeAutoTradingInput {
  readonly botId: string
  /** An active user who is approver or admin. */
  readonly userId: string
  readonly reason: string
}

interface Row {
  readonly outcome: 'flipped' | 'unchanged' | 'unknown_bot' | 'unknown_user' | 'not_allowed' | null
  readonly enabled: boolean | null
  readonly reason: string | null
  readonly changedBy: string | null
  readonly changedAt: Date | null
  readonly version: number | null
}

const { enabled, reason, changedBy, changedAt, version } = autoTrading
const stateFields = { enabled, reason, changedBy, changedAt, version }
const stateOf = (from: string): SQL =>
  sql.raw(
    Object.values(stateFields)
      .map(({ name }) => `${from}.${name}`)
      .join(', '),
  )

type Slot = 'botId' | 'enabled' | 'by' | 'userId' | 'reason'

const switchStatement: PreparedStatement<Row, Slot> = sqlStatement('switchAutoTrading', (slot) => ({
  query: sql`
    select s.outcome, ${stateOf('(s.state)')}
    from ideas.switch_auto_trading(${slot('botId')}, ${slot('enabled')}::boolean, ${slot('by')}, ${slot('userId')}::uuid,
      ${slot('reason')}) s`,
  fields: { outcome: sql<Row['outcome']>`outcome`, ...stateFields },
}))

/**
 * Switches automatic trading of a bot off and returns the switch: from then on, no idea is executed without a human. Once it has returned,
 * no proposal that began before is executed either.
 *
 * What is off stays as it is, with the reason of before.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function haltAutoTrading(db: Database, input: HaltAutoTradingInput): Promise<AutoTrading> {
  const [botId, by] = [toBotId(input.botId), toName(input.by, 'by')]
  return await flip(db, { botId, enabled: false, by, userId: null, reason: toName(input.reason, 'reason') })
}

/**
 * Switches automatic trading of a bot on and returns the switch. What is on stays as it is.
 *
 * @throws `not_found` if the bot is not registered, or there is no such user.
 * @throws `invalid_input` naming `userId` if the user is not active, or neither approver nor admin.
 */
export async function resumeAutoTrading(db: Database, input: ResumeAutoTradingInput): Promise<AutoTrading> {
  const [botId, userId] = [toBotId(input.botId), toUuid(input.userId, 'userId')]
  return await flip(db, { botId, enabled: true, by: userId, userId, reason: toName(input.reason, 'reason') })
}

async function flip(
  db: Database,
  values: Record<Slot, string | boolean | null> & { readonly botId: string },
): Promise<AutoTrading> {
  const row = only('switchAutoTrading', await switchStatement.run(db, values))
  switch (row?.outcome) {
    case 'flipped':
    case 'unchanged':
      return toState(values.botId, row)
    case 'unknown_bot':
      throw new DataError('not_found', `bot '${values.botId}' not found`)
    case 'unknown_user':
    case 'not_allowed':
      throw refusedUser(row.outcome, String(values.userId))
    default:
      throw new DataError('unexpected', 'switchAutoTrading: no answer')
  }
}

const readStatement: PreparedStatement<Omit<Row, 'outcome'>, 'botId'> = sqlStatement(
  'getAutoTrading',
  (slot) => ({
    query: sql`
      select ${stateOf('a')} from fleet.bots b left join ideas.auto_trading a on a.bot_id = b.bot_id
      where b.bot_id = ${slot('botId')}`,
    fields: stateFields,
  }),
)

/** Returns the switch of automatic trading of a bot. @throws `not_found` if the bot is not registered. */
export async function getAutoTrading(db: Database, input: { readonly botId: string }): Promise<AutoTrading> {
  const botId = toBotId(input.botId)
  return toState(
    botId,
    found(`bot '${botId}'`, only('getAutoTrading', await readStatement.run(db, { botId }))),
  )
}

function toState(botId: string, row: Omit<Row, 'outcome'>): AutoTrading {
  const { reason, changedBy, changedAt } = row
  return { botId, enabled: row.enabled ?? false, reason, changedBy, changedAt, version: row.version ?? 0 }
}
