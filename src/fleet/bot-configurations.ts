import { and, desc, eq, getTableColumns, gt, isNull, lt, lte, or, sql } from 'drizzle-orm'
import { toInstant, toLabel, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import { toBotId } from './bots.ts'
import { toDocument, toDocumentText, toExpectedVersion } from './documents.ts'
import { botConfigurations, type JsonValue } from './schema.ts'

export type BotConfiguration = typeof botConfigurations.$inferSelect

export interface SetBotConfigurationInput {
  readonly botId: string
  readonly key: string
  /** Any JSON. Its numbers are JS numbers and lose digits: give amounts as decimal text. */
  readonly value: JsonValue
  /** Who sets it: a person, a program, or the bot itself. */
  readonly changedBy: string
  /** The active version that the caller has seen; 0 if there was none. Left out, whatever is active is replaced. */
  readonly expectedVersion?: number | undefined
}

export interface GetBotConfigurationInput {
  readonly botId: string
  readonly key: string
  /** A past instant: the version in effect then. Now unless said otherwise. */
  readonly at?: Date | undefined
}

export interface ListBotConfigurationsInput extends PageInput<Pick<BotConfiguration, 'key' | 'version'>> {
  readonly botId: string
  /** All versions of this key, instead of the active version of every key. */
  readonly key?: string | undefined
}

// How often another caller may be faster before this one gives up.
const ATTEMPTS = 5

/**
 * Gives a bot a new version of a setting, ends the version before it at the same moment, and returns the new one.
 *
 * Safe to repeat: if the active version has this value already, it is returned and nothing changes, whatever version was
 * expected. Of callers at the same time each makes a version of its own, one after the other, and one is active.
 *
 * @throws `conflict` if the active version is not the expected one, or other callers kept being faster.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function setBotConfiguration(
  db: Database,
  input: SetBotConfigurationInput,
): Promise<BotConfiguration> {
  const expected = toExpectedVersion(input.expectedVersion)
  const values = {
    id: newId(),
    botId: toBotId(input.botId),
    key: toName(input.key, 'key'),
    value: toDocumentText(input.value),
    changedBy: toName(input.changedBy, 'changedBy'),
    expected,
  }
  const what = `configuration '${values.key}' of bot '${values.botId}'`
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const inserted = only('setBotConfiguration', await insertVersion.run(db, values))
    if (inserted) return inserted
    const active = await findActive(db, input)
    if (active?.same) return withoutSame(active)
    if (expected !== null && expected !== (active?.version ?? 0)) {
      throw new DataError(
        'conflict',
        `${what} has ${active ? `version ${active.version}` : 'no version yet'}, not ${expected}`,
        { field: 'expectedVersion' },
      )
    }
  }
  throw new DataError('conflict', `${what} was changed by others ${ATTEMPTS} times meanwhile; read it again`)
}

/**
 * Ends the active version and inserts the next, or does neither.
 *
 * Of two callers the second waits for the first to commit, then finds the version it meant to end ended already, or the
 * first version there already, and inserts nothing. A version starts no earlier than the one before it, even if the
 * transaction that sets it began earlier or the clock was set back.
 */
const insertVersion = sqlStatement<
  BotConfiguration,
  'botId' | 'id' | 'key' | 'value' | 'changedBy' | 'expected'
>('setBotConfiguration', (slot) => {
  const { botId, id, key, version, value, changedBy, active, effectiveFrom, effectiveTo } =
    getTableColumns(botConfigurations)
  return {
    query: sql`
      with ended as (
        update ${botConfigurations}
        set active = false, effective_to = greatest(effective_from, statement_timestamp())
        where bot_id = ${slot('botId')} and key = ${slot('key')} and active
          and value is distinct from ${slot('value')}::jsonb
          and (${slot('expected')}::bigint is null or version = ${slot('expected')}::bigint)
        returning version, effective_to
      )
      insert into ${botConfigurations} (bot_id, id, key, version, value, changed_by, effective_from)
      select ${slot('botId')}, ${slot('id')}::uuid, ${slot('key')}, coalesce(ended.version, 0) + 1,
        ${slot('value')}::jsonb, ${slot('changedBy')}, coalesce(ended.effective_to, statement_timestamp())
      from (select) as once left join ended on true
      where ended.version is not null
        or (
          coalesce(${slot('expected')}::bigint, 0) = 0
          and not exists (
            select from ${botConfigurations} where bot_id = ${slot('botId')} and key = ${slot('key')}
          )
        )
      on conflict do nothing
      returning bot_id, id, key, version, value, changed_by, active, effective_from, effective_to`,
    fields: { botId, id, key, version, value, changedBy, active, effectiveFrom, effectiveTo },
  }
})

async function findActive(db: Database, input: SetBotConfigurationInput) {
  const same = sql<boolean>`${botConfigurations.value} = ${toDocument(input.value)}`
  return maybeOne(
    'setBotConfiguration: active version',
    db
      .select({ ...getTableColumns(botConfigurations), same })
      .from(botConfigurations)
      .where(
        and(
          eq(botConfigurations.botId, input.botId),
          eq(botConfigurations.key, input.key),
          botConfigurations.active,
        ),
      ),
  )
}

function withoutSame({ same: _, ...row }: BotConfiguration & { same: boolean }): BotConfiguration {
  return row
}

/**
 * Returns the version of a setting in effect now, or at a past instant.
 *
 * @throws `not_found` if the key had no version then, or the bot has no such key.
 */
export async function getBotConfiguration(
  db: Database,
  input: GetBotConfigurationInput,
): Promise<BotConfiguration> {
  const botId = toBotId(input.botId)
  const key = toName(input.key, 'key')
  const at = input.at && toInstant(input.at, 'at')
  const { effectiveFrom, effectiveTo } = botConfigurations
  const inEffect = at
    ? and(lte(effectiveFrom, at), or(isNull(effectiveTo), gt(effectiveTo, at)))
    : botConfigurations.active
  const what = `configuration '${key}' of bot '${botId}'${at ? ` at ${at.toISOString()}` : ''}`
  const row = await maybeOne(
    'getBotConfiguration',
    db
      .select()
      .from(botConfigurations)
      .where(and(eq(botConfigurations.botId, botId), eq(botConfigurations.key, key), inEffect)),
  )
  return found(what, row)
}

/**
 * Returns the active version of each of a bot's settings in the order of their keys; with `key` all versions of that
 * one, newest first. Empty for a bot that has none.
 */
export async function listBotConfigurations(
  db: Database,
  input: ListBotConfigurationsInput,
): Promise<BotConfiguration[]> {
  const { botId, key, version, active } = botConfigurations
  const { after } = input
  const ofBot = eq(botId, toBotId(input.botId))
  const limit = readLimit(input.limit)
  const rows = db.select().from(botConfigurations)
  if (input.key === undefined) {
    const rest = after && gt(key, toLabel(after.key, 'after'))
    return many(
      'listBotConfigurations',
      rows
        .where(and(ofBot, active, rest))
        .orderBy(key)
        .limit(limit),
    )
  }
  const rest = after && lt(version, after.version)
  return many(
    'listBotConfigurations: versions',
    rows
      .where(and(ofBot, eq(key, toName(input.key, 'key')), rest))
      .orderBy(desc(version))
      .limit(limit),
  )
}
