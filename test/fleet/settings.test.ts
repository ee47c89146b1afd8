import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { findSetting, type JsonValue, type SetSettingInput, setSetting } from '../../src/fleet/index.ts'
import { settings } from '../../src/fleet/schema.ts'
import { describeEngines } from '../database.ts'

function setting(value: JsonValue, overrides: Partial<SetSettingInput> = {}): SetSettingInput {
  return { key: 'theme', value, changedBy: 'ann', ...overrides }
}

describeEngines('fleet-wide settings', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${settings}`)
  })

  it('are found once set, and undefined before', async () => {
    expect(await findSetting(db, { key: 'theme' })).toBeUndefined()
    const stored = await setSetting(db, setting({ dark: true }))
    expect(stored).toMatchObject({ key: 'theme', value: { dark: true }, version: 1, changedBy: 'ann' })
    expect(stored.updatedAt).toBeInstanceOf(Date)
    expect(await findSetting(db, { key: 'theme' })).toEqual(stored)
    expect(await findSetting(db, { key: 'Theme' })).toBeUndefined()
  })

  it('count a version for each change and none for a repeat', async () => {
    const first = await setSetting(db, setting(['a']))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await setSetting(db, setting(['b'], { changedBy: 'bob' }))
    expect(second.updatedAt.getTime()).toBeGreaterThan(first.updatedAt.getTime())
    expect(second).toMatchObject({ value: ['b'], version: 2, changedBy: 'bob' })
    expect(await setSetting(db, setting(['b']))).toEqual(second)
    expect(await setSetting(db, setting(['b'], { expectedVersion: 1 }))).toEqual(second)
  })

  it('may be null, which is not the same as not set', async () => {
    expect(await setSetting(db, setting(null))).toMatchObject({ value: null, version: 1 })
    expect(await setSetting(db, setting(null))).toMatchObject({ value: null, version: 1 })
    expect(await findSetting(db, { key: 'theme' })).toMatchObject({ value: null })
  })

  it('take the expected version and refuse any other', async () => {
    const conflict = { code: 'conflict', field: 'expectedVersion' }
    await expect(setSetting(db, setting(1, { expectedVersion: 1 }))).rejects.toMatchObject({
      ...conflict,
      message: "setting 'theme' has no version yet, not 1",
    })
    expect(await findSetting(db, { key: 'theme' })).toBeUndefined()
    expect(await setSetting(db, setting(1, { expectedVersion: 0 }))).toMatchObject({ version: 1 })
    expect(await setSetting(db, setting(2, { expectedVersion: 1 }))).toMatchObject({ version: 2 })
    for (const expectedVersion of [0, 1, 3]) {
      await expect(setSetting(db, setting(3, { expectedVersion }))).rejects.toMatchObject({
        ...conflict,
        message: `setting 'theme' has version 2, not ${expectedVersion}`,
      })
    }
    expect(await findSetting(db, { key: 'theme' })).toMatchObject({ value: 2, version: 2 })
  })

  it.each<[string, Partial<SetSettingInput>]>([
    ['key', { key: '' }],
    ['key', { key: 'a\0' }],
    ['key', { key: 'x'.repeat(201) }],
    ['changedBy', { changedBy: '' }],
    ['value', { value: Number.POSITIVE_INFINITY }],
    ['value', { value: ['\udfff'] }],
    ['expectedVersion', { expectedVersion: Number.NaN }],
  ])('refuse a bad %s (%#)', async (field, bad) => {
    await expect(setSetting(db, setting(1, bad))).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await findSetting(db, { key: 'theme' })).toBeUndefined()
  })

  it('refuse to look for a key that cannot be', async () => {
    const bad = { code: 'invalid_input', field: 'key' }
    await expect(findSetting(db, { key: '\ud800' })).rejects.toMatchObject(bad)
  })

  it('let one of several through that expect the same version', async () => {
    for (const expectedVersion of [0, 1]) {
      const outcomes = await Promise.all(
        [0, 1, 2, 3].map((n) =>
          setSetting(db, setting(expectedVersion * 10 + n, { expectedVersion })).then(
            () => 'set',
            (error: unknown) => (isDataError(error) ? error.code : error),
          ),
        ),
      )
      expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'conflict', 'set'])
    }
  })
})
