import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { pause } from '../db/transaction.ts'
import { toBotId } from '../fleet/bots.ts'
import { toExpectedVersion } from '../fleet/documents.ts'
import { mergeRiskLimits, type RiskLimits } from './effective-settings.ts'
import { told, WAS_TOLD } from './gate-moves.ts'
import type { BreakerRule } from './schema/breaker-rules.ts'
import { globalRiskSettings, riskSettings } from './schema/settings.ts'
import { firstLimits, LIMIT_KEYS, type RiskLimitsInput, readLimits } from './settings-input.ts'

/** One version of the risk settings of a bot, or of the whole fleet where `botId` is null. */
export type RiskSettings = Omit<typeof riskSettings.$inferSelect, 'botId'> & { readonly botId: string | null }

/** What holds for a bot, of the fleet's settings and its own. */
export type EffectiveRiskSettings = RiskLimits<BreakerRule>

export interface SetRiskSettingsInput extends RiskLimitsInput {
  /** Whose settings. The fleet's, which hold for every bot, if left out. */
  readonly botId?: string | undefined
  /** Who sets them: a person or a program. */
  readonly changedBy: string
  readonly reason: string
  /** The version that the caller has seen; 0 if there was none. Left out, whatever is stored is changed. */
  readonly expectedVersion?: number | undefined
}

// How often another caller may be faster before this one gives up.
const ATTEMPTS = 10

/**
 * Makes a new version of the risk settings of a bot or of the fleet, which is the current one with the given fields replaced,
 * and returns it.
 *
 * What is left out stays, and null removes a limit. The fleet's first version must say whether trading is enabled; a bot's
 * first one enables it unless said otherwise. Beside that, a first version halts on drawdown, stops at the daily target,
 * allows no symbol beside the watchlist, and watches no rules. Safe to repeat: if nothing would change, the current version is
 * returned and nothing is written, whatever version was expected. Of a bot's settings and the fleet's the stricter holds.
 *
 * @throws `conflict` if the current version is not the expected one, or other callers kept being faster.
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function setRiskSettings(db: Database, input: SetRiskSettingsInput): Promise<RiskSettings> {
  const expected = toExpectedVersion(input.expectedVersion)
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const values = {
    botId,
    patch: JSON.stringify(readLimits(input)),
    first: JSON.stringify(firstLimits(botId !== null)),
    changedBy: toName(input.changedBy, 'changedBy'),
    reason: toName(input.reason, 'reason'),
    expected,
  }
  const statement = botId === null ? setFleetSettings : setBotSettings
  const what = botId === null ? 'risk settings of the fleet' : `risk settings of bot '${botId}'`
  for (let attempt = 1; ; attempt++) {
    const { outcome, ...settings } = found(what, only(statement.name, await statement.run(db, values)))
    switch (outcome) {
      case 'written':
      case 'same':
        return settings
      case 'unknown':
        throw new DataError('not_found', `bot '${botId}' not found`, { field: 'botId' })
      case 'incomplete':
        throw new DataError('invalid_input', `tradingEnabled must be given with the first ${what}`, {
          field: 'tradingEnabled',
        })
      case 'stale':
        throw new DataError('conflict', `${what} have version ${settings.version ?? 0}, not ${expected}`, {
          field: 'expectedVersion',
        })
      default:
        if (expected !== null) {
          throw new DataError('conflict', `${what} were changed by another meanwhile; read them again`, {
            field: 'expectedVersion',
          })
        }
        if (attempt === ATTEMPTS) {
          throw new DataError('conflict', `${what} were changed by others ${ATTEMPTS} times meanwhile`)
        }
        await pause(attempt)
    }
  }
}

/** `raced`: another caller made the version that this one was about to make. */
type Outcome = 'written' | 'same' | 'unknown' | 'incomplete' | 'stale' | 'raced'

const limitColumns = LIMIT_KEYS.map((key) => riskSettings[key])
const eachLimit = (express: (name: string, type: string) => string) =>
  sql.raw(limitColumns.map((column) => express(column.name, column.getSQLType())).join(', '))
const limitNames = (alias: string) => eachLimit((name) => `${alias}.${name}`)

const settingFields = {
  botId: riskSettings.botId,
  version: riskSettings.version,
  ...Object.fromEntries(LIMIT_KEYS.map((key) => [key, riskSettings[key]])),
  changedBy: riskSettings.changedBy,
  reason: riskSettings.reason,
  changedAt: riskSettings.changedAt,
}
const settingNames = (alias: string, botId: SQL) =>
  sql`${botId}, ${sql.raw(`${alias}.version`)}, ${limitNames(alias)},
    ${sql.raw(`${alias}.changed_by, ${alias}.reason, ${alias}.changed_at`)}`

type SetSlot = 'botId' | 'patch' | 'first' | 'changedBy' | 'reason' | 'expected'
type SetRow = RiskSettings & { readonly outcome: Outcome }

// The gate of a bot is taken before the version is inserted. Of two callers at once the second waits for the first to commit,
// finds the version it meant to make there already, and inserts nothing.
const setStatement = (ofBot: boolean): PreparedStatement<SetRow, SetSlot> =>
  sqlStatement(ofBot ? 'setRiskSettings' : 'setRiskSettings: fleet', (slot) => {
    const table = sql.raw(ofBot ? 'risk.settings' : 'risk.global_settings')
    const isOfBot = (alias: string) =>
      ofBot ? sql`where ${sql.raw(alias)}.bot_id = ${slot('botId')}` : sql``
    const botId = (alias: string) => (ofBot ? sql.raw(`${alias}.bot_id`) : sql`null::text`)
    const gate = ofBot
      ? sql`gate as (
          update risk.gates g set version = g.version + 1 from changed
          where g.bot_id = ${slot('botId')} returning g.bot_id),`
      : sql``
    return {
      query: sql`
        with current as materialized (select c.* from ${table} c ${isOfBot('c')} order by c.version desc limit 1),
        given as materialized (
          select case when exists (select from current) then ${slot('patch')}::jsonb
            else ${slot('first')}::jsonb || ${slot('patch')}::jsonb end as patch),
        merged as materialized (
          select coalesce(c.version, 0) as former,
            ${eachLimit((name, type) => `case when x.patch ? '${name}' then (x.patch ->> '${name}')::${type} else c.${name} end as ${name}`)}
          from given x left join current c on true),
        next as materialized (
          select m.*, c.version is not null and (${limitNames('m')}) is not distinct from (${limitNames('c')}) as is_same
          from merged m left join current c on true),
        changed as materialized (
          select n.* from next n
          where not n.is_same and n.trading_enabled is not null
            and coalesce(${slot('expected')}::bigint, n.former) = n.former),
        ${gate}
        added as (
          insert into ${table} (${ofBot ? sql`bot_id, ` : sql``}version, ${eachLimit((name) => name)}, changed_by, reason)
          select ${ofBot ? sql`gate.bot_id, ` : sql``}n.former + 1, ${limitNames('n')}, ${slot('changedBy')}, ${slot('reason')}
          from changed n ${ofBot ? sql`cross join gate` : sql``}
          on conflict do nothing
          returning *),
        ${told(ofBot ? sql`bot_id` : sql`'*'`, sql`added`)},
        stored as (
          select a.* from added a where ${WAS_TOLD}
          union all select c.* from current c where not exists (select from added))
        select case
            when exists (select from added) then 'written'
            ${ofBot ? sql`when not exists (select from fleet.bots b where b.bot_id = ${slot('botId')}) then 'unknown'` : sql``}
            when n.is_same then 'same'
            when coalesce(${slot('expected')}::bigint, n.former) <> n.former then 'stale'
            when n.trading_enabled is null then 'incomplete'
            else 'raced' end,
          ${settingNames('s', botId('s'))}
        from next n left join stored s on true`,
      fields: { outcome: sql<Outcome>`outcome`, ...settingFields },
    }
  })

const setBotSettings = setStatement(true)
const setFleetSettings = setStatement(false)

/** What is set, and what holds of it. */
export interface CurrentRiskSettings {
  /** The fleet's current version; null before the first. */
  readonly global: RiskSettings | null
  /** The bot's current version; null before the first, and where no bot was asked for. */
  readonly bot: RiskSettings | null
  /** The stricter of both. Null without settings of the fleet: then nobody trades. */
  readonly effective: EffectiveRiskSettings | null
}

export interface GetRiskSettingsInput {
  /** The fleet's alone if left out. */
  readonly botId?: string | undefined
}

/** One row of the bot, or of nobody, with what it is: of settings that there are not, all else is null. */
type CurrentRow = RiskSettings & { readonly isOfBot: boolean }

const currentStatement: PreparedStatement<CurrentRow, 'botId'> = sqlStatement('getRiskSettings', (slot) => ({
  query: sql`
    select false, ${settingNames('g', sql`null::text`)}
    from (select) as once
    left join (select * from risk.global_settings order by version desc limit 1) g on true
    union all
    select true, ${settingNames('s', sql`b.bot_id`)}
    from fleet.bots b
    left join lateral (
      select * from risk.settings o where o.bot_id = b.bot_id order by o.version desc limit 1) s on true
    where b.bot_id = ${slot('botId')}`,
  fields: { isOfBot: sql<boolean>`is_of_bot`, ...settingFields },
}))

/**
 * Returns the current risk settings of the fleet and of a bot, and what holds of both.
 *
 * @throws `not_found` if the bot is not registered.
 */
export async function getRiskSettings(
  db: Database,
  input: GetRiskSettingsInput = {},
): Promise<CurrentRiskSettings> {
  const botId = input.botId === undefined ? null : toBotId(input.botId)
  const rows = await currentStatement.run(db, { botId })
  const global = settingsOf(rows.find((row) => !row.isOfBot))
  const own = rows.find((row) => row.isOfBot)
  if (botId !== null) found(`bot '${botId}'`, own)
  const bot = settingsOf(own)
  return { global, bot, effective: global && mergeRiskLimits(global, bot) }
}

function settingsOf(row: CurrentRow | undefined): RiskSettings | null {
  if (row === undefined || row.version === null) return null
  const { isOfBot: _, ...settings } = row
  return settings
}

export interface ListRiskSettingsInput extends PageInput<Pick<RiskSettings, 'version'>> {
  /** The fleet's versions if left out. */
  readonly botId?: string | undefined
}

/** Returns the versions of the risk settings of a bot or of the fleet, newest first. */
export async function listRiskSettings(
  db: Database,
  input: ListRiskSettingsInput = {},
): Promise<RiskSettings[]> {
  const limit = readLimit(input.limit)
  const { after } = input
  if (input.botId === undefined) {
    const { version } = globalRiskSettings
    const rows = await many(
      'listRiskSettings: fleet',
      db
        .select()
        .from(globalRiskSettings)
        .where(after && lt(version, after.version))
        .orderBy(desc(version))
        .limit(limit),
    )
    return rows.map((row) => ({ botId: null, ...row }))
  }
  const { botId, version } = riskSettings
  return await many(
    'listRiskSettings',
    db
      .select()
      .from(riskSettings)
      .where(and(eq(botId, toBotId(input.botId)), after && lt(version, after.version)))
      .orderBy(desc(version))
      .limit(limit),
  )
}
