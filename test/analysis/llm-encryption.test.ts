import { inspect } from 'node:util'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import {
  createKeyRing,
  getLlmAnalysis,
  type KeyRing,
  listLlmAnalyses,
  recordLlmAnalysis,
  rotateLlmKeys,
} from '../../src/analysis/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeEngines } from '../database.ts'
import { makeBot, query } from '../trading/ledger-fixture.ts'
import { analysisOf, everythingStored, keyOf, ringOf } from './analysis-fixture.ts'

const SECRETS = ['our edge is the funding gap', 'yes, sell the funding gap', 'gap-of-funding']
const secret = { prompt: SECRETS[0], response: SECRETS[1], responseJson: { why: SECRETS[2] ?? '' } }

/** All that a program could print of an error. */
function allOf(error: unknown): string {
  const own = error instanceof Error ? JSON.stringify({ ...error, cause: error.cause }) : ''
  return `${inspect(error, { depth: 9, showHidden: true })}\n${JSON.stringify(error)}\n${own}\n${String(error)}`
}

describeEngines('encrypted prompts and responses', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, 'a')
  })

  it('are in no table, and come back with the key ring', async () => {
    const keyRing = ringOf(1)
    const { id, ...rest } = await recordLlmAnalysis(db, analysisOf('a', { ...secret, keyRing }))
    expect(rest.keyId).toBe('k1')
    expect(await getLlmAnalysis(db, { botId: 'a', llmAnalysisId: id, keyRing })).toMatchObject(secret)
    const stored = await everythingStored(db)
    expect(stored).toContain(id)
    for (const text of SECRETS) expect(stored).not.toContain(text)
    // Were it not encrypted, it would be found.
    const fresh = await open.fresh()
    await makeBot(fresh, 'a')
    await recordLlmAnalysis(fresh, analysisOf('a', secret))
    const readable = await everythingStored(fresh)
    for (const text of SECRETS) expect(readable).toContain(text)
  })

  it('need the key ring, the key and the right one: else a config error names the key', async () => {
    const { id } = await recordLlmAnalysis(db, analysisOf('a', { ...secret, keyRing: ringOf(1) }))
    const wrong = createKeyRing({ current: 'k1', keys: { k1: keyOf(8) } })
    for (const keyRing of [undefined, ringOf(2), wrong]) {
      const read = getLlmAnalysis(db, { botId: 'a', llmAnalysisId: id, keyRing })
      await expect(read).rejects.toMatchObject({ code: 'config', message: expect.stringContaining("'k1'") })
    }
    expect(await listLlmAnalyses(db, { botId: 'a', limit: 1 })).toMatchObject([{ id, keyId: 'k1' }])
  })

  it('do not open in another row', async () => {
    const keyRing = ringOf(1)
    const [from, to] = [newId(), newId()]
    await recordLlmAnalysis(db, analysisOf('a', { id: from, prompt: 'one', keyRing }))
    await recordLlmAnalysis(db, analysisOf('a', { id: to, prompt: 'two', keyRing }))
    await db.execute(sql`
      update analysis.llm_analyses set prompt_ciphertext =
        (select prompt_ciphertext from analysis.llm_analyses where id = ${from}::uuid) where id = ${to}::uuid`)
    await expect(getLlmAnalysis(db, { botId: 'a', llmAnalysisId: to, keyRing })).rejects.toMatchObject({
      code: 'config',
    })
  })

  it('are not misread where the server writes bytes in another way', async () => {
    const keyRing = ringOf(1)
    const { id } = await recordLlmAnalysis(db, analysisOf('a', { ...secret, keyRing }))
    const read = transaction(db, async (tx) => {
      await tx.execute(sql`set local bytea_output = 'escape'`)
      return await getLlmAnalysis(tx, { botId: 'a', llmAnalysisId: id, keyRing })
    })
    await expect(read).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('bytea_output'),
    })
  })

  it('may be empty, and an analysis without them has no key', async () => {
    const keyRing = ringOf(1)
    const none = await recordLlmAnalysis(db, analysisOf('a', { keyRing }))
    expect(none.keyId).toBeNull()
    const empty = await recordLlmAnalysis(db, analysisOf('a', { prompt: '', keyRing }))
    expect(await getLlmAnalysis(db, { botId: 'a', llmAnalysisId: empty.id, keyRing })).toMatchObject({
      prompt: '',
      response: null,
      responseJson: null,
    })
  })

  it('are compared when the same id is recorded again, also after the key was changed', async () => {
    const input = analysisOf('a', { ...secret, id: newId() })
    const stored = await recordLlmAnalysis(db, { ...input, keyRing: ringOf(1) })
    expect(await recordLlmAnalysis(db, { ...input, keyRing: ringOf(2, 1) })).toEqual(stored)
    const other = recordLlmAnalysis(db, { ...input, prompt: `${SECRETS[0]}!`, keyRing: ringOf(1) })
    await expect(other).rejects.toMatchObject({ code: 'conflict', field: 'prompt' })
    await expect(recordLlmAnalysis(db, input)).rejects.toMatchObject({ code: 'config' })
  })

  it('are in no error, nor in its cause, whatever goes wrong', async () => {
    const good = { ...secret, id: newId(), keyRing: ringOf(1) }
    await recordLlmAnalysis(db, analysisOf('a', good))
    const attempts: (() => Promise<unknown>)[] = [
      () => recordLlmAnalysis(db, analysisOf('nobody', { ...secret, keyRing: ringOf(1) })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, id: newId(), cost: '-1' })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, summary: 'other' })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, response: `${SECRETS[1]}.` })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, keyRing: ringOf(2) })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, prompt: `${SECRETS[0]}\0` })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, response: `${SECRETS[1]}\ud83d` })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, responseJson: SECRETS[2] as never })),
      () => recordLlmAnalysis(db, analysisOf('a', { ...good, responseJson: { a: [`${SECRETS[2]}\0`] } })),
      () => getLlmAnalysis(db, { botId: 'a', llmAnalysisId: good.id, keyRing: ringOf(2) }),
      () => rotateLlmKeys(db, { keyRing: ringOf(3) }),
    ]
    for (const [i, attempt] of attempts.entries()) {
      const error = await attempt().then(
        () => expect.fail(`attempt ${i} went well`),
        (thrown: unknown) => thrown,
      )
      const shown = allOf(error)
      for (const text of [...SECRETS, ...SECRETS.map((one) => Buffer.from(one).toString('hex'))]) {
        expect(shown, `attempt ${i}`).not.toContain(text)
      }
      expect(shown).not.toContain(keyOf(1))
    }
  })

  it('are in no error of the database on that very statement', async () => {
    const fresh = await open.fresh()
    await makeBot(fresh, 'a')
    await fresh.execute(sql`alter table analysis.llm_analyses rename column summary to synopsis`)
    const error = await recordLlmAnalysis(fresh, analysisOf('a', { ...secret, keyRing: ringOf(1) })).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'schema_mismatch' })
    for (const text of SECRETS) expect(allOf(error)).not.toContain(text)
  })
})

describeEngines('rotateLlmKeys', (open) => {
  const make = async (...rows: readonly { botId: string; keyRing?: KeyRing; prompt?: string }[]) => {
    const db = await open.fresh()
    for (const botId of ['a', 'b']) await makeBot(db, botId)
    const ids: string[] = []
    for (const { botId, keyRing, prompt } of rows) {
      const { id } = await recordLlmAnalysis(
        db,
        analysisOf(botId, { ...secret, ...(prompt === undefined ? {} : { prompt }), keyRing }),
      )
      ids.push(id)
    }
    return { db, ids }
  }
  const keysOf = async (db: Connection) =>
    (await query(db, sql`select key_id from analysis.llm_analyses order by id`)).map((row) => row.key_id)

  it('encrypts what is readable and what is under another key, bit by bit, until nothing is left', async () => {
    const { db, ids } = await make(
      { botId: 'a', prompt: 'p0' },
      { botId: 'a', keyRing: ringOf(1), prompt: 'p1' },
      { botId: 'b', keyRing: ringOf(2), prompt: 'p2' },
      { botId: 'b', keyRing: ringOf(3), prompt: 'p3' },
    )
    await recordLlmAnalysis(db, analysisOf('a'))
    const keyRing = ringOf(2, 1, 3)
    expect(await rotateLlmKeys(db, { keyRing, limit: 2 })).toEqual({ rotated: 2, remaining: 1 })
    expect(await rotateLlmKeys(db, { keyRing })).toEqual({ rotated: 1, remaining: 0 })
    expect(await rotateLlmKeys(db, { keyRing })).toEqual({ rotated: 0, remaining: 0 })
    expect(await keysOf(db)).toEqual(['k2', 'k2', 'k2', 'k2', null])
    for (const [n, llmAnalysisId] of ids.entries()) {
      const botId = n < 2 ? 'a' : 'b'
      expect(await getLlmAnalysis(db, { botId, llmAnalysisId, keyRing: ringOf(2) })).toMatchObject({
        ...secret,
        prompt: `p${n}`,
      })
    }
    expect(await everythingStored(db)).not.toContain(SECRETS[1])
  })

  it('leaves the other bots alone where one is named', async () => {
    const { db } = await make({ botId: 'a' }, { botId: 'b' })
    expect(await rotateLlmKeys(db, { botId: 'b', keyRing: ringOf(1) })).toEqual({ rotated: 1, remaining: 0 })
    expect(await keysOf(db)).toEqual([null, 'k1'])
  })

  it('changes nothing where a key is missing or another, and names it', async () => {
    const { db } = await make({ botId: 'a' }, { botId: 'a', keyRing: ringOf(1) })
    const wrong = createKeyRing({ current: 'k2', keys: { k2: keyOf(2), k1: keyOf(8) } })
    for (const keyRing of [ringOf(2), wrong]) {
      await expect(rotateLlmKeys(db, { keyRing })).rejects.toMatchObject({
        code: 'config',
        message: expect.stringContaining("'k1'"),
      })
    }
    expect(await keysOf(db)).toEqual([null, 'k1'])
  })

  it('encrypts each analysis once when several do it at a time', async () => {
    const { db } = await make(...Array.from({ length: 30 }, () => ({ botId: 'a', keyRing: ringOf(1) })))
    const keyRing = ringOf(2, 1)
    const done = await Promise.all(Array.from({ length: 4 }, () => rotateLlmKeys(db, { keyRing })))
    expect(done.reduce((sum, one) => sum + one.rotated, 0)).toBe(30)
    expect(new Set(await keysOf(db))).toEqual(new Set(['k2']))
    for (const { id } of await listLlmAnalyses(db, { botId: 'a' })) {
      expect(await getLlmAnalysis(db, { botId: 'a', llmAnalysisId: id, keyRing })).toMatchObject(secret)
    }
  })
})
