import { beforeAll, expect, it } from 'vitest'
import {
  type DecisionEvidenceInput,
  recordLlmAnalysis,
  recordMlPrediction,
  recordTechnicalSignal,
} from '../../src/analysis/index.ts'
import { type AnalysisGroup, getAnalysisPerformance } from '../../src/analytics/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { calibrate, tallyForecasts } from '../../src/statistics/index.ts'
import { recordSignal } from '../../src/strategy/signals.ts'
import { describeEngines } from '../database.ts'
import { decide, evidence, trade } from './decision-fixture.ts'
import { asText, makeTrader, type Trader } from './performance-fixture.ts'

const AT = new Date('2024-05-01T10:00:00Z')
const later = (hours: number) => new Date(AT.getTime() + hours * 3_600_000)

describeEngines('getAnalysisPerformance', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  let hours = 0
  type Says = DecisionEvidenceInput['says']

  const technicalOf = async ({ botId }: Trader, says: Says, confidence: number) => {
    const { id } = await recordTechnicalSignal(db, {
      ...{ botId, symbol: 'COIN', timeframe: '1h', signal: says, confidence, indicators: {} },
    })
    return evidence('technical', id, says)
  }
  const llmOf = async ({ botId }: Trader, says: Says, model: string, confidence?: number) => {
    const { id } = await recordLlmAnalysis(db, { botId, kind: 'sentiment', model, confidence })
    return evidence('llm', id, says)
  }
  /** A decision on this evidence, and a trade of it that won or lost so many times ten dollars. */
  async function decided(
    trader: Trader,
    pieces: DecisionEvidenceInput[],
    exit?: string,
    direction: 'long' | 'short' = 'long',
  ) {
    hours += 1
    const made = await decide(db, trader, {
      evidence: pieces,
      decidedAt: later(hours),
      intendedAction: direction,
    })
    if (exit !== undefined) {
      await trade(db, trader, { decisionId: made.id, openedAt: later(hours), exit, direction })
    }
    return made
  }
  const by = async ({ botId }: Trader, group: AnalysisGroup, over: { from?: Date; to?: Date } = {}) =>
    getAnalysisPerformance(db, { botId, by: group, ...over })

  it('takes evidence for right that pointed the way in which the trade would have won', async () => {
    const trader = await makeTrader(db)
    const cases: [Says, 'long' | 'short', string, 'right' | 'wrong' | 'neither'][] = [
      ['bullish', 'long', '11', 'right'],
      ['bullish', 'long', '9', 'wrong'],
      ['bullish', 'short', '9', 'wrong'],
      ['bullish', 'short', '11', 'right'],
      ['bearish', 'long', '11', 'wrong'],
      ['bearish', 'long', '9', 'right'],
      ['bearish', 'short', '9', 'right'],
      ['bearish', 'short', '11', 'wrong'],
      ['neutral', 'long', '11', 'neither'],
      ['neutral', 'short', '11', 'neither'],
      ['bullish', 'long', '10', 'neither'],
    ]
    for (const [says, direction, exit, expected] of cases) {
      const one = await makeTrader(db)
      await decided(one, [await technicalOf(one, says, 0.5)], exit, direction)
      const [found] = await by(one, 'source')
      const [right, wrong] = [found?.rightCount, found?.wrongCount]
      expect([right, wrong], `${says} of a ${direction} to ${exit}`).toEqual([
        expected === 'right' ? 1 : 0,
        expected === 'wrong' ? 1 : 0,
      ])
      expect(found?.accuracy).toBe(expected === 'neither' ? null : expected === 'right' ? 1 : 0)
    }
    expect(await by(trader, 'source')).toEqual([])
  })

  it('counts decisions and what they earned once for each source, however many pieces there are', async () => {
    const trader = await makeTrader(db)
    const { botId, exchange } = trader
    const signal = await recordSignal(db, {
      botId,
      exchange,
      symbol: 'COIN',
      kind: 'long',
      price: '10',
      confidence: 0.4,
    })
    await decided(
      trader,
      [
        await technicalOf(trader, 'bullish', 0.9),
        await technicalOf(trader, 'bearish', 0.3),
        await llmOf(trader, 'bullish', 'm-1', 0.7),
        evidence('signal', signal.id, 'neutral'),
      ],
      '12.1',
    )
    await decided(trader, [await technicalOf(trader, 'bullish', 0.6)], '9')
    await decided(trader, [await technicalOf(trader, 'bullish', 0.6)])
    const found = asText(await by(trader, 'source'))
    expect(found).toMatchObject([
      {
        ...{
          group: 'technical',
          source: 'technical',
          decisionCount: 3,
          outcomeCount: 2,
          winCount: 1,
          lossCount: 1,
        },
        ...{ drawCount: 0, netPnl: '11', evidenceCount: 4, rightCount: 1, wrongCount: 2, neutralCount: 0 },
        ...{ accuracy: 1 / 3, smallSample: true },
      },
      { group: 'llm', decisionCount: 1, netPnl: '21', rightCount: 1, accuracy: 1, meanConfidence: 0.7 },
      {
        group: 'signal',
        decisionCount: 1,
        netPnl: '21',
        neutralCount: 1,
        accuracy: null,
        meanConfidence: 0.4,
      },
    ])
    const [technical] = await by(trader, 'source')
    expect(technical?.meanConfidence).toBeCloseTo((0.9 + 0.3 + 0.6 + 0.6) / 4, 12)
    const pure = calibrate(
      tallyForecasts([
        { confidence: 0.9, isRight: true },
        { confidence: 0.3, isRight: false },
        { confidence: 0.6, isRight: false },
      ]),
    )
    expect(technical?.calibration.count).toBe(3)
    expect(technical?.calibration.brierScore).toBeCloseTo(pure.brierScore ?? -1, 12)
    expect(technical?.calibration.calibrationError).toBeCloseTo(pure.calibrationError ?? -1, 12)
    expect(technical?.calibration.bands.map(({ from, count }) => [from, count])).toEqual(
      pure.bands.map(({ from, count }) => [from, count]),
    )
  })

  it('tells models and versions apart, and bands of confidence', async () => {
    const trader = await makeTrader(db)
    const { botId } = trader
    const model = await recordMlPrediction(db, {
      botId,
      symbol: 'COIN',
      action: 'long',
      confidence: 1,
      modelVersion: 'v7',
    })
    await decided(
      trader,
      [await llmOf(trader, 'bullish', 'm-1', 0.75), evidence('model', model.id, 'bullish')],
      '11',
    )
    await decided(
      trader,
      [await llmOf(trader, 'bearish', 'm-2'), await llmOf(trader, 'bearish', 'm-1', 0.05)],
      '11',
    )
    expect(
      (await by(trader, 'model')).map((one) => [one.source, one.group, one.rightCount, one.wrongCount]),
    ).toEqual([
      ['llm', 'm-1', 1, 1],
      ['llm', 'm-2', 0, 1],
      ['model', 'v7', 1, 0],
    ])
    expect(
      (await by(trader, 'confidence_band')).map((one) => [one.source, one.group, one.evidenceCount]),
    ).toEqual([
      [null, '0.0 to 0.1', 1],
      [null, '0.7 to 0.8', 1],
      [null, '0.9 to 1.0', 1],
      [null, null, 1],
    ])
    expect(asText(await by(trader, 'symbol'))).toMatchObject([
      { group: 'COIN', decisionCount: 2, netPnl: '20', evidenceCount: 4 },
    ])
  })

  it('counts what was decided in the period, whenever its trade was closed', async () => {
    const trader = await makeTrader(db)
    await decided(trader, [await technicalOf(trader, 'bullish', 0.5)], '11')
    const from = later(hours)
    await decided(trader, [await technicalOf(trader, 'bullish', 0.5)], '12')
    const to = later(hours)
    expect(asText(await by(trader, 'source', { from, to }))).toMatchObject([
      { decisionCount: 1, netPnl: '10' },
    ])
    expect(asText(await by(trader, 'source', { from: to }))).toMatchObject([
      { decisionCount: 1, netPnl: '20' },
    ])
    expect(await by(trader, 'source', { to: from })).toEqual([])
  })

  it('has no outcome while one of the positions is open, and none of what another decision closed', async () => {
    const trader = await makeTrader(db)
    const made = await decided(trader, [await technicalOf(trader, 'bullish', 0.5)], '11')
    await trade(db, trader, { decisionId: made.id, openedAt: later(hours + 0.5) })
    expect(asText(await by(trader, 'source'))).toMatchObject([
      { decisionCount: 1, outcomeCount: 0, netPnl: '0', rightCount: 0, wrongCount: 0, accuracy: null },
    ])
  })

  it('adds up a fleet, and belongs to one bot', async () => {
    const [mine, other] = [
      await makeTrader(db, { mode: 'backtest' }),
      await makeTrader(db, { mode: 'backtest' }),
    ]
    for (const one of [mine, other]) await decided(one, [await technicalOf(one, 'bullish', 0.5)], '11')
    expect(asText(await by(mine, 'source'))).toMatchObject([{ decisionCount: 1, netPnl: '10' }])
    const fleet = await getAnalysisPerformance(db, { fleet: { mode: 'backtest' }, by: 'source' })
    expect(asText(fleet)).toMatchObject([{ decisionCount: 2, netPnl: '20', rightCount: 2 }])
  })

  it('refuses what it cannot group by, and unknown bots', async () => {
    await expect(by({ botId: 'nobody', exchange: 'x' }, 'source')).rejects.toMatchObject({
      code: 'not_found',
    })
    const trader = await makeTrader(db)
    await expect(by(trader, 'mood' as never)).rejects.toMatchObject({ code: 'invalid_input', field: 'by' })
    await expect(by(trader, 'source', { from: later(2), to: later(1) })).rejects.toMatchObject({
      field: 'to',
    })
  })
})
