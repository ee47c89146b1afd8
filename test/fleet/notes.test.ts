import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { findNote, type JsonValue, registerBot, type SetNoteInput, setNote } from '../../src/fleet/index.ts'
import { describeEngines } from '../database.ts'

describeEngines('notes', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b']) {
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
  })

  it('are found as they were set, by their own bot only', async () => {
    expect(await findNote(db, { botId: 'a', key: 'cursor' })).toBeUndefined()
    const note = await setNote(db, { botId: 'a', key: 'cursor', value: { page: 7, amount: '0.10' } })
    expect(note).toMatchObject({ botId: 'a', key: 'cursor', value: { page: 7, amount: '0.10' } })
    expect(await findNote(db, { botId: 'a', key: 'cursor' })).toEqual(note)
    expect(await findNote(db, { botId: 'b', key: 'cursor' })).toBeUndefined()
    expect(await findNote(db, { botId: 'a', key: 'other' })).toBeUndefined()
  })

  it.each([['second'], [['third']], [null], [0], [null]] as JsonValue[][])(
    'are replaced by %j',
    async (value) => {
      const key = { botId: 'b', key: 'state' }
      expect((await setNote(db, { ...key, value: value as JsonValue })).value).toEqual(value)
      expect((await findNote(db, key))?.value).toEqual(value)
    },
  )

  it('need a registered bot', async () => {
    await expect(setNote(db, { botId: 'nobody', key: 'k', value: 1 })).rejects.toMatchObject({
      code: 'missing_reference',
      constraint: 'notes_bot_id_fkey',
    })
    expect(await findNote(db, { botId: 'nobody', key: 'k' })).toBeUndefined()
  })

  it.each<[string, Partial<SetNoteInput>]>([
    ['botId', { botId: '' }],
    ['key', { key: ' ' }],
    ['key', { key: 'x'.repeat(201) }],
    ['value', { value: { a: 'b\0' } }],
    ['value', { value: '\ud83d' }],
    ['value', { value: undefined as unknown as JsonValue }],
  ])('refuse a bad %s (%#)', async (field, bad) => {
    const note = { botId: 'a', key: 'bad', value: 1, ...bad }
    await expect(setNote(db, note)).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await findNote(db, { botId: 'a', key: 'bad' })).toBeUndefined()
  })

  it('refuse to look for what cannot be', async () => {
    const bad = { code: 'invalid_input' }
    await expect(findNote(db, { botId: 'a', key: '' })).rejects.toMatchObject({ ...bad, field: 'key' })
    await expect(findNote(db, { botId: 'a b', key: 'k' })).rejects.toMatchObject({ ...bad, field: 'botId' })
  })
})
