import { beforeAll, expect, it } from 'vitest'
import { type RecordLlmAnalysisInput, recordLlmAnalysis } from '../../src/analysis/index.ts'
import { getLlmCosts } from '../../src/analytics/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { decide, evidence, trade } from './decision-fixture.ts'
import { asText, makeTrader, type Trader } from './performance-fixture.ts'

const AT = new Date('2024-05-01T22:30:00Z')
const later = (hours: number) => new Date(AT.getTime() + hours * 3_600_000)

describeEngines('getLlmCosts', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  const call = (trader: Trader, over: Partial<RecordLlmAnalysisInput>) =>
    recordLlmAnalysis(db, { botId: trader.botId, kind: 'sentiment', model: 'm-1', analysedAt: AT, ...over })

  it('adds up calls, tokens and cost by model and day, exactly and by currency', async () => {
    const trader = await makeTrader(db)
    const tokens = { promptTokens: 100, completionTokens: 20 }
    await call(trader, { ...tokens, cost: '0.000000000000000001', latencyMs: 100 })
    await call(trader, { ...tokens, cost: '0.1', latencyMs: 300 })
    await call(trader, { cost: '0.5', costCurrency: 'EUR', latencyMs: 200 })
    await call(trader, { status: 'cached', cost: '0', latencyMs: 1 })
    await call(trader, { status: 'error', errorMessage: 'too many', latencyMs: 900 })
    await call(trader, { status: 'timeout' })
    await call(trader, { cost: '0.2', analysedAt: later(24) })
    await call(trader, { model: 'a-2' })
    const { days, models, baseCurrency, timeZone } = await getLlmCosts(db, { botId: trader.botId })
    expect({ baseCurrency, timeZone }).toEqual({ baseCurrency: 'USD', timeZone: 'UTC' })
    expect(days.map(({ day, model }) => [day, model])).toEqual([
      ['2024-05-01', 'a-2'],
      ['2024-05-01', 'm-1'],
      ['2024-05-02', 'm-1'],
    ])
    expect(asText(days[1])).toEqual({
      ...{ model: 'm-1', day: '2024-05-01', callCount: 6, cachedCount: 1, errorCount: 2, promptTokens: 200 },
      ...{
        completionTokens: 40,
        totalTokens: 240,
        unpricedCount: 2,
        latencyP50Ms: 250,
        latencyP95Ms: expect.closeTo(810, 6),
      },
      ...{ decisionCount: 0, outcomeCount: 0, netPnl: '0' },
      costs: [
        { currency: 'EUR', cost: '0.5', costPerDecision: null },
        { currency: 'USD', cost: '0.100000000000000001', costPerDecision: null },
      ],
    })
    expect(asText(days[0])).toMatchObject({
      ...{ callCount: 1, promptTokens: null, completionTokens: null, totalTokens: null, costs: [] },
      ...{ unpricedCount: 1, latencyP50Ms: null, latencyP95Ms: null },
    })
    expect(asText(models)).toMatchObject([
      { model: 'a-2', day: null, callCount: 1 },
      {
        ...{ model: 'm-1', day: null, callCount: 7 },
        costs: [
          { currency: 'EUR', cost: '0.5' },
          { currency: 'USD', cost: '0.300000000000000001' },
        ],
      },
    ])
  })

  it('puts calls into the days of the time zone, and into the period', async () => {
    const trader = await makeTrader(db)
    await call(trader, { cost: '1' })
    await call(trader, { cost: '2', analysedAt: later(1) })
    const { botId } = trader
    const daysOf = async (over: object) =>
      (await getLlmCosts(db, { botId, ...over })).days.map(({ day, callCount }) => [day, callCount])
    expect(await daysOf({})).toEqual([['2024-05-01', 2]])
    expect(await daysOf({ timeZone: 'Asia/Tokyo' })).toEqual([['2024-05-02', 2]])
    expect(await daysOf({ timeZone: 'Europe/Berlin' })).toEqual([['2024-05-02', 2]])
    expect(await daysOf({ from: AT, to: later(1) })).toEqual([['2024-05-01', 1]])
    await expect(daysOf({ timeZone: 'Mars/Base' })).rejects.toMatchObject({ code: 'invalid_input' })
  })

  it('sets the cost against what came of the decisions that used the model, each once per model', async () => {
    const trader = await makeTrader(db)
    const [one, two, other] = [
      await call(trader, { cost: '0.3' }),
      await call(trader, { cost: '0.3', analysedAt: later(24) }),
      await call(trader, { model: 'a-2', cost: '0.4' }),
    ]
    const both = await decide(db, trader, {
      evidence: [
        evidence('llm', one.id, 'bullish'),
        evidence('llm', two.id, 'bullish'),
        evidence('llm', other.id, 'bearish'),
      ],
    })
    await trade(db, trader, { decisionId: both.id, exit: '11.5', openedAt: later(1) })
    await decide(db, trader, { evidence: [evidence('llm', one.id, 'bullish')] })
    const { days, models } = await getLlmCosts(db, { botId: trader.botId })
    expect(asText(models)).toMatchObject([
      {
        model: 'a-2',
        decisionCount: 1,
        outcomeCount: 1,
        netPnl: '15',
        costs: [{ cost: '0.4', costPerDecision: '0.4' }],
      },
      {
        model: 'm-1',
        decisionCount: 2,
        outcomeCount: 1,
        netPnl: '15',
        costs: [{ cost: '0.6', costPerDecision: '0.3' }],
      },
    ])
    expect(asText(days)).toMatchObject([
      { day: '2024-05-01', model: 'a-2', decisionCount: 1, netPnl: '15' },
      { day: '2024-05-01', model: 'm-1', decisionCount: 2, netPnl: '15' },
      { day: '2024-05-02', model: 'm-1', decisionCount: 1, netPnl: '15' },
    ])
  })

  it('belongs to one bot, and adds up a fleet', async () => {
    const [mine, other] = [await makeTrader(db, { mode: 'paper' }), await makeTrader(db, { mode: 'paper' })]
    for (const one of [mine, other]) await call(one, { cost: '1' })
    expect(asText((await getLlmCosts(db, { botId: mine.botId })).models)).toMatchObject([
      { costs: [{ cost: '1' }] },
    ])
    expect(asText((await getLlmCosts(db, { fleet: { mode: 'paper' } })).models)).toMatchObject([
      { costs: [{ cost: '2' }] },
    ])
    await expect(getLlmCosts(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
  })
})
