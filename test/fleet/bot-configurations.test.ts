import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { isDataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'
import {
  getBotConfiguration,
  type JsonValue,
  listBotConfigurations,
  registerBot,
  type SetBotConfigurationInput,
  setBotConfiguration,
} from '../../src/fleet/index.ts'
import { botConfigurations, bots } from '../../src/fleet/schema.ts'
import { describeEngines } from '../database.ts'

async function register(db: Database, botId: string): Promise<void> {
  await registerBot(db, {
    botId,
    kind: 'grid',
    strategy: 'grid',
    exchange: 'hyperliquid',
    mode: 'paper',
    baseCurrency: 'USDC',
    initialEquity: '1',
  })
}

function setting(value: JsonValue, overrides: Partial<SetBotConfigurationInput> = {}) {
  return { botId: 'a', key: 'grid', value, changedBy: 'ann', ...overrides }
}

const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const grid = { botId: 'a', key: 'grid' }

describeEngines('bot configurations', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${botConfigurations}`)
    await db.execute(sql`delete from ${bots}`)
    await register(db, 'a')
    await register(db, 'b')
  })

  describe('setBotConfiguration', () => {
    it('makes version 1 active', async () => {
      const first = await setBotConfiguration(db, setting({ levels: 5, step: '0.10' }))
      expect(first).toMatchObject({
        botId: 'a',
        key: 'grid',
        version: 1,
        value: { levels: 5, step: '0.10' },
        changedBy: 'ann',
        active: true,
        effectiveTo: null,
      })
      expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
      expect(Math.abs(first.effectiveFrom.getTime() - Date.now())).toBeLessThan(60_000)
    })

    it('ends a version at the moment the next begins', async () => {
      const first = await setBotConfiguration(db, setting(1))
      await pauseMs(5)
      const second = await setBotConfiguration(db, setting(2, { changedBy: 'bob' }))
      expect(second).toMatchObject({ version: 2, value: 2, changedBy: 'bob', active: true })
      expect(second.effectiveFrom.getTime()).toBeGreaterThan(first.effectiveFrom.getTime())
      expect(await listBotConfigurations(db, grid)).toEqual([
        second,
        { ...first, active: false, effectiveTo: second.effectiveFrom },
      ])
    })

    it('changes nothing when the active value is set again', async () => {
      const first = await setBotConfiguration(db, setting({ a: 1, b: [2] }))
      const again = setting({ b: [2], a: 1 }, { changedBy: 'bob', expectedVersion: 0 })
      expect(await setBotConfiguration(db, again)).toEqual(first)
      expect(await listBotConfigurations(db, grid)).toHaveLength(1)
    })

    it('makes a version of a value that an earlier version had', async () => {
      for (const value of ['x', 'y', 'x']) await setBotConfiguration(db, setting(value))
      const versions = await listBotConfigurations(db, grid)
      expect(versions.map((row) => [row.version, row.value, row.active])).toEqual([
        [3, 'x', true],
        [2, 'y', false],
        [1, 'x', false],
      ])
    })

    it('keeps keys and bots apart', async () => {
      const rows = [
        await setBotConfiguration(db, setting(1)),
        await setBotConfiguration(db, setting(2, { key: 'risk' })),
        await setBotConfiguration(db, setting(3, { botId: 'b' })),
      ]
      expect(rows.map((row) => row.version)).toEqual([1, 1, 1])
    })

    it.each([
      [null],
      [false],
      [''],
      [[]],
      ['\u00e4 "quoted" \u{1f600}'],
      [{ nested: [{ nothing: null }] }],
    ] as JsonValue[][])('keeps the document %j as it is, and knows it again', async (value) => {
      const stored = await setBotConfiguration(db, setting(value as JsonValue))
      expect(stored.value).toEqual(value)
      expect(await setBotConfiguration(db, setting(value as JsonValue))).toEqual(stored)
    })

    it('takes the expected version and refuses any other', async () => {
      const conflict = { code: 'conflict', field: 'expectedVersion' }
      await expect(setBotConfiguration(db, setting(1, { expectedVersion: 1 }))).rejects.toMatchObject({
        ...conflict,
        message: "configuration 'grid' of bot 'a' has no version yet, not 1",
      })
      expect(await setBotConfiguration(db, setting(1, { expectedVersion: 0 }))).toMatchObject({ version: 1 })
      expect(await setBotConfiguration(db, setting(2, { expectedVersion: 1 }))).toMatchObject({ version: 2 })
      for (const expectedVersion of [0, 1, 3]) {
        await expect(setBotConfiguration(db, setting(3, { expectedVersion }))).rejects.toMatchObject({
          ...conflict,
          message: `configuration 'grid' of bot 'a' has version 2, not ${expectedVersion}`,
        })
      }
      expect(await getBotConfiguration(db, grid)).toMatchObject({ version: 2, value: 2 })
    })

    it('starts no version before the one it follows', async () => {
      await db.execute(sql`
        insert into ${botConfigurations} (bot_id, id, key, version, value, changed_by, effective_from)
        values ('a', gen_random_uuid(), 'grid', 1, '1', 'clock', '2999-01-01T00:00:00Z')`)
      const second = await setBotConfiguration(db, setting(2))
      expect(second.effectiveFrom).toEqual(new Date('2999-01-01T00:00:00Z'))
    })

    it('undoes both steps when its transaction fails', async () => {
      const first = await setBotConfiguration(db, setting(1))
      const failed = transaction(db, async (tx) => {
        await setBotConfiguration(tx, setting(2))
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      expect(await listBotConfigurations(db, grid)).toEqual([first])
    })

    it('refuses a bot that is not registered', async () => {
      await expect(setBotConfiguration(db, setting(1, { botId: 'nobody' }))).rejects.toMatchObject({
        code: 'missing_reference',
      })
    })

    const circular: Record<string, JsonValue> = {}
    circular.self = circular
    it.each<[string, Partial<SetBotConfigurationInput>]>([
      ['botId', { botId: 'a b' }],
      ['key', { key: '' }],
      ['key', { key: 'a\0' }],
      ['key', { key: 'x'.repeat(201) }],
      ['changedBy', { changedBy: ' ' }],
      ['changedBy', { changedBy: '\udc00' }],
      ['value', { value: undefined as unknown as JsonValue }],
      ['value', { value: { at: new Date() } as unknown as JsonValue }],
      ['value', { value: [Number.NaN] }],
      ['value', { value: 'a\0b' }],
      ['value', { value: { '\ud800': 1 } }],
      ['value', { value: circular }],
      ['expectedVersion', { expectedVersion: -1 }],
      ['expectedVersion', { expectedVersion: 1.5 }],
    ])('refuses a bad %s (%#)', async (field, bad) => {
      await expect(setBotConfiguration(db, setting(1, bad))).rejects.toMatchObject({
        code: 'invalid_input',
        field,
      })
      expect(await listBotConfigurations(db, { botId: 'a' })).toEqual([])
    })
  })

  describe('getBotConfiguration', () => {
    it('returns the active version, and the one in effect at any instant before', async () => {
      const first = await setBotConfiguration(db, setting('one'))
      await pauseMs(5)
      const second = await setBotConfiguration(db, setting('two'))
      expect(await getBotConfiguration(db, grid)).toEqual(second)
      const valueAt = async (at: Date) => (await getBotConfiguration(db, { ...grid, at })).value
      const change = second.effectiveFrom.getTime()
      expect(await valueAt(first.effectiveFrom)).toBe('one')
      expect(await valueAt(new Date(change - 1))).toBe('one')
      expect(await valueAt(new Date(change))).toBe('two')
      expect(await valueAt(new Date(change + 86_400_000))).toBe('two')
    })

    it('returns one version for the instant at which there were several', async () => {
      const at = new Date('2999-01-01T00:00:00Z')
      await db.execute(sql`
        insert into ${botConfigurations} (bot_id, id, key, version, value, changed_by, effective_from)
        values ('a', gen_random_uuid(), 'grid', 1, '1', 'clock', ${at})`)
      for (const value of [2, 3]) await setBotConfiguration(db, setting(value))
      expect(await getBotConfiguration(db, { ...grid, at })).toMatchObject({ version: 3 })
    })

    it('finds nothing before the first version, for another key, or for another bot', async () => {
      const { effectiveFrom } = await setBotConfiguration(db, setting(1))
      const at = new Date(effectiveFrom.getTime() - 1)
      await expect(getBotConfiguration(db, { ...grid, at })).rejects.toMatchObject({
        code: 'not_found',
        message: `configuration 'grid' of bot 'a' at ${at.toISOString()} not found`,
      })
      const missing = { code: 'not_found' }
      await expect(getBotConfiguration(db, { ...grid, key: 'x' })).rejects.toMatchObject(missing)
      await expect(getBotConfiguration(db, { ...grid, botId: 'b' })).rejects.toMatchObject(missing)
    })

    it('refuses bad input', async () => {
      for (const [field, bad] of [
        ['botId', { botId: '' }],
        ['key', { key: 'a\0' }],
        ['at', { at: new Date(Number.NaN) }],
      ] as const) {
        await expect(getBotConfiguration(db, { ...grid, ...bad })).rejects.toMatchObject({
          code: 'invalid_input',
          field,
        })
      }
    })
  })

  describe('listBotConfigurations', () => {
    it('pages through the active version of each key', async () => {
      expect(await listBotConfigurations(db, { botId: 'a' })).toEqual([])
      for (const key of ['c', 'a', 'b', 'a']) await setBotConfiguration(db, setting(Math.random(), { key }))
      await setBotConfiguration(db, setting(1, { botId: 'b' }))
      const first = await listBotConfigurations(db, { botId: 'a', limit: 2 })
      const second = await listBotConfigurations(db, { botId: 'a', limit: 2, after: first[1] })
      expect([first, second].map((page) => page.map((row) => [row.key, row.version]))).toEqual([
        [
          ['a', 2],
          ['b', 1],
        ],
        [['c', 1]],
      ])
    })

    it('pages through all versions of one key, newest first', async () => {
      for (const value of [1, 2, 3]) await setBotConfiguration(db, setting(value))
      const first = await listBotConfigurations(db, { ...grid, limit: 2 })
      const second = await listBotConfigurations(db, { ...grid, limit: 2, after: first[1] })
      expect([first, second].map((page) => page.map((row) => row.version))).toEqual([[3, 2], [1]])
      expect(await listBotConfigurations(db, { ...grid, key: 'other' })).toEqual([])
    })

    it('refuses a bad key and a bad limit', async () => {
      const bad = (field: string) => ({ code: 'invalid_input', field })
      await expect(listBotConfigurations(db, { ...grid, key: '' })).rejects.toMatchObject(bad('key'))
      await expect(listBotConfigurations(db, { ...grid, limit: 0 })).rejects.toMatchObject(bad('limit'))
    })
  })
})

describeEngines('bot configurations set at the same time', (open) => {
  it.each(['a first version', 'a later version'])(
    'each make %s of their own, and one is active',
    async (which) => {
      const db = await open.fresh({ poolSize: 4 })
      await register(db, 'a')
      for (let round = 0; round < 10; round++) {
        const key = `key-${round}`
        const before = which === 'a later version' ? 1 : 0
        if (before) await setBotConfiguration(db, setting(-1, { key }))
        const outcomes = await Promise.allSettled(
          [0, 1, 2, 3].map((value) => setBotConfiguration(db, setting(value, { key }))),
        )
        const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'conflict' })
        }
        const versions = await listBotConfigurations(db, { botId: 'a', key })
        expect(versions).toHaveLength(made.length + before)
        expect(versions.filter((row) => row.active)).toHaveLength(1)
        expect(versions.map((row) => row.version)).toEqual(versions.map((_, i) => versions.length - i))
        expect(new Set(made.map((row) => row.version)).size).toBe(made.length)
        expect(made.length).toBe(4)
        versions.slice(1).forEach((row, i) => {
          expect(row.effectiveTo).toEqual(versions[i]?.effectiveFrom)
        })
      }
    },
  )

  it('let one of several through that expect the same version', async () => {
    const db = await open.fresh({ poolSize: 4 })
    await register(db, 'a')
    for (const expectedVersion of [0, 1, 2]) {
      const outcomes = await Promise.all(
        [0, 1, 2, 3].map((n) =>
          setBotConfiguration(db, setting(expectedVersion * 10 + n, { expectedVersion })).then(
            () => 'set',
            (error: unknown) => (isDataError(error) ? error.code : error),
          ),
        ),
      )
      expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'conflict', 'set'])
    }
    expect(await listBotConfigurations(db, grid)).toHaveLength(3)
  })
})

describeEngines('the bot configurations table', (open) => {
  it('refuses a second active version from whoever writes it', async () => {
    const db = await open()
    await register(db, 'a')
    await setBotConfiguration(db, setting(1))
    const second = db.execute(sql`
      insert into ${botConfigurations} (bot_id, id, key, version, value, changed_by)
      values ('a', gen_random_uuid(), 'grid', 2, '2', 'psql')`)
    await expect(second).rejects.toMatchObject({
      code: 'conflict',
      constraint: 'bot_configurations_bot_id_key_active_key',
    })
  })
})
