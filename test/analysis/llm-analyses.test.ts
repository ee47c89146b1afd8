import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import {
  getLatestLlmAnalysis,
  getLlmAnalysis,
  listLlmAnalyses,
  recordLlmAnalysis,
} from '../../src/analysis/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute } from '../trading/ledger-fixture.ts'
import { AT, analysisOf, NOBODY } from './analysis-fixture.ts'

describeEngines('LLM analyses', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c']) await makeBot(db, botId)
  })

  const content = {
    prompt: 'What of BTC? \\x41 🚀',
    response: 'Up.',
    responseJson: { sentiment: 'bullish', levels: [1.5, '42000.10'] },
  }
  const whole = {
    exchange: 'x',
    promptTemplate: 'news-v2',
    provider: 'acme',
    confidence: 0.8,
    summary: 'inflows go on',
    keyFactors: [{ factor: 'ETF inflows', impact: 'positive', weight: 0.8 }],
    promptTokens: 1_200,
    completionTokens: 300,
    cost: '0.004512345678901234',
    latencyMs: 830,
    temperature: 0.2,
    analysedAt: AT,
    ...content,
  }

  it('are stored with their tokens, cost and texts, which only getLlmAnalysis tells', async () => {
    const analysis = await recordLlmAnalysis(db, analysisOf('a', whole))
    expect(analysis).toMatchObject({ totalTokens: 1_500, costCurrency: 'USD', cached: false, keyId: null })
    expect(analysis.cost?.toFixed()).toBe(whole.cost)
    for (const field of Object.keys(content)) expect(analysis).not.toHaveProperty(field)
    expect(await getLatestLlmAnalysis(db, { botId: 'a', symbol: 'BTC' })).toEqual(analysis)
    expect(await listLlmAnalyses(db, { botId: 'a' })).toEqual([analysis])
    expect(await getLlmAnalysis(db, { botId: 'a', llmAnalysisId: analysis.id })).toEqual({
      ...analysis,
      ...content,
    })
  })

  it('count the tokens that are known', async () => {
    const total = async (given: object) => (await recordLlmAnalysis(db, analysisOf('b', given))).totalTokens
    expect(await total({})).toBeNull()
    expect(await total({ promptTokens: 7 })).toBe(7)
    expect(await total({ completionTokens: 0 })).toBe(0)
    expect(await total({ promptTokens: 1_000_000_000, completionTokens: 1_000_000_000 })).toBe(2_000_000_000)
  })

  it('may have failed, and need no symbol', async () => {
    const failed = await recordLlmAnalysis(
      db,
      analysisOf('b', {
        symbol: undefined,
        sentiment: undefined,
        status: 'timeout',
        errorMessage: 'no answer',
      }),
    )
    expect(failed).toMatchObject({
      symbol: null,
      sentiment: null,
      status: 'timeout',
      errorMessage: 'no answer',
    })
    const cached = await recordLlmAnalysis(db, analysisOf('b', { status: 'cached', cost: '0' }))
    expect(cached.cached).toBe(true)
  })

  it('are returned as stored when the same id is recorded again', async () => {
    const input = analysisOf('a', { ...whole, id: newId(), cost: '0.10' })
    const stored = await recordLlmAnalysis(db, input)
    expect(await recordLlmAnalysis(db, { ...input, cost: '0.1', prompt: undefined })).toEqual(stored)
  })

  it.each([
    ['cost', { cost: '0.11' }],
    ['prompt', { prompt: 'What of ETH?' }],
    ['response', { response: 'Down.' }],
    ['responseJson', { responseJson: {} }],
    ['keyFactors', { keyFactors: [] }],
    ['status', { status: 'error' as const }],
  ])('refuse the same id with another %s', async (field, other) => {
    const input = analysisOf('a', { ...whole, id: newId() })
    await recordLlmAnalysis(db, input)
    await expect(recordLlmAnalysis(db, { ...input, ...other })).rejects.toMatchObject({
      code: 'conflict',
      field,
    })
  })

  it.each<[string, object]>([
    ['kind', { kind: '' }],
    ['model', { model: ' ' }],
    ['sentiment', { sentiment: 'up' }],
    ['status', { status: 'done' }],
    ['confidence', { confidence: Number.NaN }],
    ['promptTokens', { promptTokens: 1_000_000_001 }],
    ['cost', { cost: 'Infinity' }],
    ['temperature', { temperature: 11 }],
    ['cached', { cached: 'yes' }],
    ['prompt', { prompt: 'a\0' }],
    ['response', { response: '\ud83d' }],
    ['responseJson', { responseJson: 'text' }],
    ['keyFactors', { keyFactors: [{ impact: 'none' }] }],
  ])('refuse a bad %s (%#)', async (field, bad) => {
    await expect(recordLlmAnalysis(db, analysisOf('a', bad))).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    })
  })

  it('refuse a negative cost', async () => {
    await expect(recordLlmAnalysis(db, analysisOf('a', { cost: '-0.01' }))).rejects.toMatchObject({
      code: 'invalid_input',
      constraint: 'llm_analyses_cost_check',
    })
  })

  it('are of a bot that is registered, and of no other', async () => {
    await expect(recordLlmAnalysis(db, analysisOf('nobody'))).rejects.toMatchObject({
      code: 'missing_reference',
    })
    const { id } = await recordLlmAnalysis(db, analysisOf('a'))
    for (const key of [
      { botId: 'b', llmAnalysisId: id },
      { botId: 'a', llmAnalysisId: NOBODY },
    ]) {
      await expect(getLlmAnalysis(db, key)).rejects.toMatchObject({ code: 'not_found' })
    }
  })

  it('are listed newest first, and the latest is the newest that was answered', async () => {
    const kinds = ['sentiment', 'review', 'sentiment', 'sentiment']
    for (const [n, kind] of kinds.entries()) {
      const status = n === 3 ? 'error' : 'success'
      await recordLlmAnalysis(db, analysisOf('c', { kind, status, analysedAt: minute(n), model: `m${n}` }))
    }
    const models = (await listLlmAnalyses(db, { botId: 'c' })).map((one) => one.model)
    expect(models).toEqual(['m3', 'm2', 'm1', 'm0'])
    const latest = (input: object) => getLatestLlmAnalysis(db, { botId: 'c', symbol: 'BTC', ...input })
    expect(await latest({})).toMatchObject({ model: 'm2' })
    expect(await latest({ kind: 'review' })).toMatchObject({ model: 'm1' })
    expect(await latest({ model: 'm0' })).toMatchObject({ model: 'm0' })
    await expect(latest({ model: 'm3' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(latest({ symbol: 'ETH' })).rejects.toThrow(/LLM analysis of 'ETH' of bot 'c' not found/)
  })

  it('stay as they are, also for whoever has a console of the database', async () => {
    const { id } = await recordLlmAnalysis(db, analysisOf('a', whole))
    const changes = [
      `summary = 'other'`,
      `cost = 0`,
      `prompt = 'other'`,
      `prompt = null`,
      `prompt = null, prompt_ciphertext = '\\x01', key_id = 'k1'`,
      `prompt = null, response = null, response_json = null, prompt_ciphertext = '\\x01', response_ciphertext = '\\x01', key_id = 'k1'`,
      `prompt = null, response = null, response_json = null, prompt_ciphertext = '\\x01', response_ciphertext = '\\x01', response_json_ciphertext = '\\x01', key_id = 'k1', model = 'other'`,
    ]
    for (const change of changes) {
      const update = db.execute(sql`update analysis.llm_analyses set ${sql.raw(change)} where id = ${id}`)
      await expect(update, change).rejects.toMatchObject({ code: 'invalid_input' })
    }
    await expect(db.execute(sql`delete from analysis.llm_analyses`)).rejects.toMatchObject({
      code: 'invalid_input',
    })
    await expect(db.execute(sql`truncate analysis.llm_analyses cascade`)).rejects.toMatchObject({
      code: 'invalid_input',
    })
  })

  it.each([
    ['readable and encrypted', `'text', '\\x01'::bytea, 'k1'`],
    ['encrypted under no key', `null, '\\x01'::bytea, null`],
    ['under a key, and not encrypted', `'text', null, 'k1'`],
  ])('are never %s', async (_, values) => {
    const insert = db.execute(sql`
      insert into analysis.llm_analyses (bot_id, id, kind, model, prompt, prompt_ciphertext, key_id)
      select 'a', ${newId()}::uuid, 'k', 'm', ${sql.raw(values)}`)
    await expect(insert).rejects.toMatchObject({
      constraint: expect.stringMatching(/readable_or_encrypted|encrypted_by_key/),
    })
  })
})
