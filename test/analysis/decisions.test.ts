import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  getDecision,
  listDecisions,
  listDecisionsByReason,
  type RecordDecisionInput,
  recordDecision,
  recordLlmAnalysis,
  recordMlPrediction,
  recordTechnicalSignal,
} from '../../src/analysis/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import { AT, analysisOf, decisionOf, NOBODY, predictionOf, signalOf } from './analysis-fixture.ts'

describeEngines('decisions', (open) => {
  let db: Connection
  let evidence: NonNullable<RecordDecisionInput['evidence']>
  let foreign: string
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c']) await makeBot(db, botId)
    const technical = await recordTechnicalSignal(db, signalOf('a'))
    const llm = await recordLlmAnalysis(db, analysisOf('a'))
    const model = await recordMlPrediction(db, predictionOf('a'))
    foreign = (await recordTechnicalSignal(db, signalOf('b'))).id
    evidence = [
      { source: 'technical', id: technical.id, says: 'bullish', weight: 0.4, score: 0.75 },
      { source: 'llm', id: llm.id, says: 'bearish', weight: 0.25, score: -1 },
      { source: 'model', id: model.id, says: 'neutral' },
    ]
  })

  const checks = [
    { code: 'kill_switch', passed: true },
    {
      code: 'max_daily_loss',
      passed: false,
      threshold: '0.08',
      actual: '0.081000000000000000000000000001',
      unit: 'fraction',
      message: 'too much was lost today',
      details: { lost: '810.50', since: '00:00' },
    },
  ]
  const whole = () => ({
    exchange: 'x',
    quantity: '0.000000000000000001',
    positionFraction: '0.05',
    leverage: '3',
    stopLoss: '41000.5',
    takeProfit: '45000',
    entryPrice: '42000.10',
    marketRegime: 'trending',
    latencyMs: 230,
    decidedAt: AT,
    evidence,
    checks,
  })

  it('are stored with their evidence and every risk check, in order and with every digit', async () => {
    const decision = await recordDecision(db, decisionOf('a', whole()))
    expect(decision).toMatchObject({ action: 'long', intendedAction: 'long', decidedAt: AT, vetoedAt: null })
    expect(decision.quantity?.toFixed()).toBe('0.000000000000000001')
    expect(decision.evidence).toEqual([
      evidence[0],
      evidence[1],
      { ...evidence[2], weight: null, score: null },
    ])
    expect(decision.checks[0]).toEqual({
      code: 'kill_switch',
      passed: true,
      threshold: null,
      actual: null,
      unit: null,
      message: null,
      details: {},
    })
    expect(decision.checks[1]?.actual?.toFixed()).toBe('0.081000000000000000000000000001')
    expect(await getDecision(db, { botId: 'a', decisionId: decision.id })).toEqual(decision)
  })

  it('need no evidence and no checks', async () => {
    const decision = await recordDecision(db, decisionOf('a', { intendedAction: 'hold', reasons: [] }))
    expect(decision).toMatchObject({ action: 'hold', evidence: [], checks: [], quantity: null })
    expect(await getDecision(db, { botId: 'a', decisionId: decision.id })).toEqual(decision)
  })

  it('may be vetoed as they are made', async () => {
    const veto = { reason: 'sentiment below -0.5', source: 'sentiment' }
    const input = decisionOf('a', { id: newId(), veto, decidedAt: AT })
    const decision = await recordDecision(db, input)
    expect(decision).toMatchObject({
      action: 'vetoed',
      intendedAction: 'long',
      vetoReason: veto.reason,
      vetoSource: veto.source,
      vetoedAt: expect.any(Date),
    })
    expect(await recordDecision(db, input)).toEqual(decision)
    expect(await recordDecision(db, { ...input, veto: undefined })).toEqual(decision)
    const other = recordDecision(db, { ...input, veto: { ...veto, source: 'somebody else' } })
    await expect(other).rejects.toMatchObject({ code: 'conflict', field: 'veto' })
  })

  it('are returned as stored when the same id is recorded again, with no part twice', async () => {
    const input = decisionOf('a', { ...whole(), id: newId() })
    const decision = await recordDecision(db, input)
    expect(await recordDecision(db, { ...input, entryPrice: '42000.1000', checks: undefined })).toEqual(
      decision,
    )
    expect(await recordDecision(db, input)).toEqual(decision)
    const [counted] = await query(
      db,
      sql`select (select count(*)::integer from analysis.decision_evidence where decision_id = ${decision.id}::uuid) as evidence,
        (select count(*)::integer from analysis.decision_checks where decision_id = ${decision.id}::uuid) as checks`,
    )
    expect(counted).toEqual({ evidence: 3, checks: 2 })
  })

  it('are returned as stored within a transaction too, which lives on', async () => {
    const input = decisionOf('a', { ...whole(), id: newId() })
    const decision = await recordDecision(db, input)
    const again = await transaction(db, async (tx) => {
      await recordDecision(tx, input)
      return await recordDecision(tx, input)
    })
    expect(again).toEqual(decision)
  })

  it.each<[string, (input: RecordDecisionInput) => Partial<RecordDecisionInput>]>([
    ['intendedAction', () => ({ intendedAction: 'short' })],
    ['confidence', () => ({ confidence: 0.71 })],
    ['entryPrice', () => ({ entryPrice: '42000.11' })],
    ['quantity', () => ({ quantity: '0' })],
    ['reasons', () => ({ reasons: [] })],
    ['decidedAt', () => ({ decidedAt: minute(0) })],
    ['marketRegime', () => ({ marketRegime: 'flat' })],
    ['evidence', (input) => ({ evidence: input.evidence?.slice(1) })],
    ['evidence', (input) => ({ evidence: input.evidence?.toReversed() })],
    ['checks', (input) => ({ checks: input.checks?.map((check) => ({ ...check, passed: true })) })],
    ['checks', (input) => ({ checks: input.checks?.map((check) => ({ ...check, threshold: '0.09' })) })],
    ['checks', (input) => ({ checks: input.checks?.map((check) => ({ ...check, details: {} })) })],
    ['veto', () => ({ veto: { reason: 'r', source: 's' } })],
  ])('refuse the same id with another %s (%#)', async (field, other) => {
    const input = decisionOf('a', { ...whole(), id: newId() })
    const decision = await recordDecision(db, input)
    await expect(recordDecision(db, { ...input, ...other(input) })).rejects.toMatchObject({
      code: 'conflict',
      field,
    })
    expect(await getDecision(db, { botId: 'a', decisionId: decision.id })).toEqual(decision)
  })

  it('compare amounts of checks by value', async () => {
    const input = decisionOf('a', { id: newId(), checks: [{ code: 'c', passed: true, threshold: '1.50' }] })
    const decision = await recordDecision(db, input)
    const again = [{ code: 'c', passed: true, threshold: '1.5' }]
    expect(await recordDecision(db, { ...input, checks: again })).toEqual(decision)
  })

  describe('refuse', () => {
    it.each<[string, object]>([
      ['symbol', { symbol: '' }],
      ['intendedAction', { intendedAction: 'vetoed' }],
      ['confidence', { confidence: 2 }],
      ['quantity', { quantity: '-0.1' }],
      ['quantity', { quantity: 'NaN' }],
      ['stopLoss', { stopLoss: '0' }],
      ['leverage', { leverage: '-1' }],
      ['reasons', { reasons: undefined }],
      ['reasons', { reasons: [{ signal: 'bullish' }] }],
      ['latencyMs', { latencyMs: -1 }],
      ['veto.reason', { veto: { reason: '', source: 's' } }],
      ['evidence', { evidence: 'technical' }],
      ['evidence[1].weight', { evidence: [{}, { weight: 1.5 }] }],
      ['evidence[1].score', { evidence: [{}, { score: -1.5 }] }],
      ['evidence[0].says', { evidence: [{ says: 'up' }] }],
      ['evidence[0].source', { evidence: [{ source: 'rumour' }] }],
      ['evidence[0].id', { evidence: [{ id: 'x' }] }],
      ['checks[0].code', { checks: [{ code: '' }] }],
      ['checks[0].passed', { checks: [{ passed: 'yes' }] }],
      ['checks[0].threshold', { checks: [{ threshold: '1e3' }] }],
      ['checks[1].details', { checks: [{}, { details: { a: 'b\0' } }] }],
    ])('a bad %s (%#)', async (field, given) => {
      const bad: { evidence?: object[]; checks?: object[] } = given
      const parts = {
        ...(Array.isArray(bad.evidence) && {
          evidence: bad.evidence.map((one) => ({ ...evidence[0], ...one })),
        }),
        ...(Array.isArray(bad.checks) && {
          checks: bad.checks.map((one) => ({ code: 'c', passed: true, ...one })),
        }),
      }
      const input = { ...decisionOf('a', { id: newId() }), ...bad, ...parts } as RecordDecisionInput
      await expect(recordDecision(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
      await expect(getDecision(db, { botId: 'a', decisionId: input.id ?? '' })).rejects.toMatchObject({
        code: 'not_found',
      })
    })

    it.each<[string, (own: string) => Partial<RecordDecisionInput>]>([
      ['decisions_bot_id_fkey', () => ({ botId: 'nobody', evidence: [] })],
      ['decisions_snapshot_id_fkey', () => ({ snapshotId: NOBODY })],
      ['decisions_strategy_id_fkey', () => ({ strategyId: NOBODY })],
      [
        'decision_evidence_technical_signal_id_fkey',
        () => ({ evidence: [{ source: 'technical', id: foreign, says: 'bullish' }] }),
      ],
      [
        'decision_evidence_llm_analysis_id_fkey',
        (own) => ({ evidence: [{ source: 'llm', id: own, says: 'bullish' }] }),
      ],
      [
        'decision_evidence_ml_prediction_id_fkey',
        (own) => ({ evidence: [{ source: 'model', id: own, says: 'bullish' }] }),
      ],
      [
        'decision_evidence_signal_id_fkey',
        (own) => ({ evidence: [{ source: 'signal', id: own, says: 'bullish' }] }),
      ],
    ])('what is not of the bot, or not there (%s)', async (constraint, given) => {
      const input = decisionOf('a', { ...whole(), id: newId(), ...given(evidence[0]?.id ?? '') })
      await expect(recordDecision(db, input)).rejects.toMatchObject({ code: 'missing_reference', constraint })
      const stored = getDecision(db, { botId: 'a', decisionId: input.id ?? '' })
      await expect(stored).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  it('are of one bot', async () => {
    const { id } = await recordDecision(db, decisionOf('a'))
    await expect(getDecision(db, { botId: 'b', decisionId: id })).rejects.toMatchObject({ code: 'not_found' })
    expect(await recordDecision(db, decisionOf('b', { id, symbol: 'ETH' }))).toMatchObject({ symbol: 'ETH' })
  })

  it('are listed newest first, of a symbol, a span of time or a reason', async () => {
    for (let n = 0; n < 6; n++) {
      const reasons = [
        { source: 'technical', signal: n < 3 ? 'bullish' : 'bearish' },
        ...(n % 2 === 0 ? [{ source: 'llm', signal: 'bullish', weight: 0.1 }] : []),
      ]
      const symbol = n === 5 ? 'ETH' : 'BTC'
      await recordDecision(db, decisionOf('c', { reasons, symbol, decidedAt: minute(n), latencyMs: n }))
    }
    const seen = (rows: { latencyMs: number | null }[]) => rows.map((row) => row.latencyMs)
    const list = async (input: object) => seen(await listDecisions(db, { botId: 'c', ...input }))
    const because = async (source: string, input: object = {}) =>
      seen(await listDecisionsByReason(db, { botId: 'c', source, ...input }))
    expect(await list({})).toEqual([5, 4, 3, 2, 1, 0])
    expect(await list({ symbol: 'ETH' })).toEqual([5])
    expect(await list({ from: minute(1), until: minute(4) })).toEqual([3, 2, 1])
    const [, second] = await listDecisions(db, { botId: 'c', limit: 2 })
    expect(await list({ after: second, limit: 2 })).toEqual([3, 2])
    expect(await because('llm')).toEqual([4, 2, 0])
    expect(await because('llm', { signal: 'bearish' })).toEqual([])
    expect(await because('technical', { signal: 'bearish', symbol: 'BTC' })).toEqual([4, 3])
    expect(await because('technical', { limit: 1, after: second })).toEqual([3])
    await expect(because('')).rejects.toMatchObject({ code: 'invalid_input', field: 'source' })
    expect(await listDecisions(db, { botId: 'nobody' })).toEqual([])
  })

  it('stay as they are, with their parts, also for whoever has a console of the database', async () => {
    await recordDecision(db, decisionOf('a', whole()))
    const changes = [
      `update analysis.decisions set confidence = 1`,
      `update analysis.decisions set intended_action = 'short'`,
      `update analysis.decisions set confidence = 1, veto_reason = 'r', veto_source = 's', vetoed_at = now()`,
      `delete from analysis.decisions`,
      `truncate analysis.decisions cascade`,
      `update analysis.decision_evidence set says = 'neutral'`,
      `delete from analysis.decision_evidence`,
      `truncate analysis.decision_evidence`,
      `update analysis.decision_checks set passed = true`,
      `delete from analysis.decision_checks`,
      `truncate analysis.decision_checks`,
    ]
    for (const change of changes) {
      await expect(db.execute(sql.raw(change)), change).rejects.toMatchObject({ code: 'invalid_input' })
    }
  })

  it.each([
    ['technical', 'llm_analysis_id'],
    ['llm', 'technical_signal_id'],
    ['signal', 'technical_signal_id'],
    ['technical', null],
  ])('have evidence of %s that is not under %s', async (source, column) => {
    const { id } = await recordDecision(db, decisionOf('a'))
    const insert = db.execute(sql`
      insert into analysis.decision_evidence (bot_id, decision_id, ordinal, source, says ${sql.raw(column ? `, ${column}` : '')})
      select 'a', ${id}::uuid, 1, ${source}, 'neutral' ${column ? sql`, ${evidence[0]?.id}::uuid` : sql``}`)
    await expect(insert).rejects.toMatchObject({ constraint: 'decision_evidence_source_id_check' })
  })
})
