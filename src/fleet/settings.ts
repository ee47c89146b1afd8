import { eq, getTableColumns, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { maybeOne, only } from '../db/rows.ts'
import { sqlStatement } from '../db/statement.ts'
import { toDocument, toDocumentText, toExpectedVersion } from './documents.ts'
import { type JsonValue, settings } from './schema.ts'

/** A fleet-wide setting; `Settings` of `connect` are something else. */
export type Setting = typeof settings.$inferSelect

export interface SetSettingInput {
  readonly key: string
  /** Any JSON. Its numbers are JS numbers and lose digits: give amounts as decimal text. */
  readonly value: JsonValue
  /** Who sets it: a person or a program. */
  readonly changedBy: string
  /** The version that the caller has seen; 0 if there was none. Left out, whatever is stored is replaced. */
  readonly expectedVersion?: number | undefined
}

/**
 * Sets a fleet-wide setting and returns it.
 *
 * Safe to repeat: if it has this value already, nothing changes, its version included, whatever version was expected.
 *
 * @throws `conflict` if its version is not the expected one.
 * @throws `invalid_input` naming the field.
 */
export async function setSetting(db: Database, input: SetSettingInput): Promise<Setting> {
  const key = toName(input.key, 'key')
  const expected = toExpectedVersion(input.expectedVersion)
  const written = await writeSetting.run(db, {
    key,
    value: toDocumentText(input.value),
    changedBy: toName(input.changedBy, 'changedBy'),
    expected,
  })
  const setting = only('setSetting', written)
  if (setting) return setting

  const stored = await maybeOne(
    'setSetting: stored',
    db
      .select({
        ...getTableColumns(settings),
        same: sql<boolean>`${settings.value} = ${toDocument(input.value)}`,
      })
      .from(settings)
      .where(eq(settings.key, key)),
  )
  // Without an expected version nothing was written because the value was there already; if it differs now, it was
  // overwritten since.
  if (stored && (stored.same || expected === null)) {
    const { same: _, ...row } = stored
    return row
  }
  throw new DataError(
    'conflict',
    `setting '${key}' has ${stored ? `version ${stored.version}` : 'no version yet'}, not ${expected}`,
    { field: 'expectedVersion' },
  )
}

const writeSetting = sqlStatement<Setting, 'key' | 'value' | 'changedBy' | 'expected'>(
  'setSetting',
  (slot) => {
    const { key, value, version, changedBy, updatedAt } = getTableColumns(settings)
    return {
      query: sql`
        insert into ${settings} as stored (key, value, changed_by)
        select ${slot('key')}, ${slot('value')}::jsonb, ${slot('changedBy')}
        where coalesce(${slot('expected')}::bigint, 0) = 0
          or exists (select from ${settings} where key = ${slot('key')})
        on conflict (key) do update
        set value = excluded.value, changed_by = excluded.changed_by, version = stored.version + 1
        where stored.value is distinct from excluded.value
          and (${slot('expected')}::bigint is null or stored.version = ${slot('expected')}::bigint)
        returning key, value, version, changed_by, updated_at`,
      fields: { key, value, version, changedBy, updatedAt },
    }
  },
)

/** Returns a fleet-wide setting, or undefined if it was never set. */
export async function findSetting(db: Database, input: Pick<Setting, 'key'>): Promise<Setting | undefined> {
  const key = toName(input.key, 'key')
  return maybeOne('findSetting', db.select().from(settings).where(eq(settings.key, key)))
}
