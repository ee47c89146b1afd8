import { eq } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { recordLlmAnalysis, recordMlPrediction, recordTechnicalSignal } from '../../src/analysis/index.ts'
import { decisionAnalysis, decisionPerformance } from '../../src/analytics/schema/decision-views.ts'
import type { Connection } from '../../src/db/database.ts'
import { many, one } from '../../src/db/rows.ts'
import { recordFill } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { decide, evidence, trade } from './decision-fixture.ts'
import { asText, makeTrader, type Trader } from './performance-fixture.ts'

const AT = new Date('2024-05-01T10:00:00Z')
const later = (minutes: number) => new Date(AT.getTime() + minutes * 60_000)

describeEngines('analysis.decision_analysis', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const row = (id: string) =>
    one('row', 'row', db.select().from(decisionAnalysis).where(eq(decisionAnalysis.decisionId, id)))

  it('sets the first piece of evidence of each source beside its decision, and counts its checks', async () => {
    const trader = await makeTrader(db)
    const { botId } = trader
    const technical = async (signal: 'bullish' | 'bearish', confidence: number) =>
      recordTechnicalSignal(db, {
        ...{ botId, symbol: 'COIN', timeframe: '1h', signal, confidence, indicators: {} },
        ...{ bullishCount: 3, bearishCount: 2, neutralCount: 1 },
      })
    const [second, first] = [await technical('bearish', 0.9), await technical('bullish', 0.7)]
    const llm = await recordLlmAnalysis(db, {
      ...{
        botId,
        kind: 'sentiment',
        model: 'm-1',
        sentiment: 'uncertain',
        confidence: 0.5,
        summary: 'who knows',
      },
      ...{ status: 'cached' },
    })
    const model = await recordMlPrediction(db, {
      ...{ botId, symbol: 'COIN', action: 'long', confidence: 0.8, modelVersion: 'v1' },
      ...{ probLong: 0.8, probShort: 0.15, probHold: 0.05 },
    })
    const { id } = await decide(db, trader, {
      ...{ quantity: '1.000000000000000001', veto: { reason: 'too late', source: 'risk' }, decidedAt: AT },
      evidence: [
        evidence('llm', llm.id, 'neutral'),
        evidence('technical', first.id, 'bullish'),
        evidence('technical', second.id, 'bearish'),
        evidence('model', model.id, 'bullish'),
      ],
      checks: [
        { code: 'a', passed: true },
        { code: 'b', passed: false },
        { code: 'c', passed: true },
      ],
    })
    expect(asText(await row(id))).toMatchObject({
      ...{
        botId,
        decidedAt: AT,
        symbol: 'COIN',
        intendedAction: 'long',
        action: 'vetoed',
        vetoSource: 'risk',
      },
      ...{ vetoReason: 'too late', quantity: '1.000000000000000001', confidence: 0.8 },
      ...{ technicalSignalId: first.id, technicalSignal: 'bullish', technicalConfidence: 0.7 },
      ...{ bullishCount: 3, bearishCount: 2, neutralCount: 1 },
      ...{ llmAnalysisId: llm.id, llmModel: 'm-1', llmSentiment: 'uncertain', llmConfidence: 0.5 },
      ...{
        llmSummary: 'who knows',
        llmCached: true,
        modelVersion: 'v1',
        modelAction: 'long',
        modelConfidence: 0.8,
      },
      ...{ probLong: 0.8, probShort: 0.15, probHold: 0.05, signalId: null, passedCount: 2, failedCount: 1 },
    })
  })

  it('has a row of a decision without any evidence', async () => {
    const { id } = await decide(db, await makeTrader(db))
    expect(await row(id)).toMatchObject({
      ...{ technicalSignalId: null, llmAnalysisId: null, mlPredictionId: null, signalId: null },
      ...{ passedCount: 0, failedCount: 0, vetoedAt: null },
    })
  })
})

describeEngines('analysis.performance', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const rows = async ({ botId }: Trader) =>
    asText(
      await many(
        'rows',
        db
          .select()
          .from(decisionPerformance)
          .where(eq(decisionPerformance.botId, botId))
          .orderBy(decisionPerformance.openedAt),
      ),
    )

  it('tells what the trades earned that a decision opened, and whether that was a profit', async () => {
    const trader = await makeTrader(db)
    const ids: string[] = []
    for (const [i, exit] of ['12', '9', '10', undefined].entries()) {
      const { id } = await decide(db, trader)
      ids.push(id)
      const order = await trade(db, trader, { decisionId: id, exit, openedAt: later(i * 10) } as never)
      expect(order.decisionId).toBe(id)
    }
    expect(await rows(trader)).toMatchObject([
      { decisionId: ids[0], direction: 'long', netPnl: '20', gross: '20', fees: '0', wasProfitable: true },
      { decisionId: ids[1], netPnl: '-10', wasProfitable: false },
      { decisionId: ids[2], netPnl: '0', wasProfitable: null },
      { decisionId: ids[3], netPnl: null, gross: null, wasProfitable: null, status: 'open', closedAt: null },
    ])
  })

  it('knows the fill that opened a trade by its name, whatever signs that has', async () => {
    const trader = await makeTrader(db, { exchange: `odd:%25 ${crypto.randomUUID()}` })
    const { botId, exchange } = trader
    const { id } = await decide(db, trader)
    await trade(db, { botId, exchange }, { decisionId: id, exit: '11', openedAt: AT })
    expect(await rows(trader)).toMatchObject([{ decisionId: id, netPnl: '10' }])
  })

  it('leaves a trade to the decision that opened it, not to one that added to it', async () => {
    const trader = await makeTrader(db)
    const { botId, exchange } = trader
    const [first, second] = [await decide(db, trader), await decide(db, trader)]
    await trade(db, trader, { decisionId: first.id, openedAt: AT })
    await trade(db, trader, { decisionId: second.id, openedAt: later(1) })
    await recordFill(db, {
      ...{ botId, exchange, symbol: 'COIN', side: 'sell', quantity: '20', price: '11', executedAt: later(2) },
      exchangeTradeId: 'all',
    })
    expect(await rows(trader)).toMatchObject([{ decisionId: first.id, netPnl: '20' }])
  })
})
