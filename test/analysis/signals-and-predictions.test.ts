import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import {
  getLatestMlPrediction,
  getLatestTechnicalSignal,
  listMlPredictions,
  listTechnicalSignals,
  recordMlPrediction,
  recordTechnicalSignal,
} from '../../src/analysis/index.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute } from '../trading/ledger-fixture.ts'
import { AT, predictionOf, signalOf } from './analysis-fixture.ts'

describeEngines('technical signals and model predictions', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c']) await makeBot(db, botId)
  })

  const whole = {
    exchange: 'x',
    bullishCount: 3,
    bearishCount: 1,
    neutralCount: 2,
    rsi: '65.123456789012345678',
    rsiSignal: 'bullish',
    macdHistogram: '-0.000000000000000001',
    macdSignal: 'bearish',
    bollingerPosition: '1.2',
    bollingerSignal: 'neutral',
    analysedAt: AT,
  } as const

  it('are stored with every digit and read again', async () => {
    const signal = await recordTechnicalSignal(db, signalOf('a', whole))
    expect(signal).toMatchObject({ signal: 'bullish', confidence: 0.75, bullishCount: 3, analysedAt: AT })
    expect(signal.rsi?.toFixed()).toBe(whole.rsi)
    expect(signal.macdHistogram?.toFixed()).toBe(whole.macdHistogram)
    expect(signal.indicators).toEqual(signalOf('a').indicators)
    expect(await getLatestTechnicalSignal(db, { botId: 'a', symbol: 'BTC' })).toEqual(signal)

    const prediction = await recordMlPrediction(
      db,
      predictionOf('a', {
        probLong: 0.6,
        probShort: 0.1,
        probHold: 0.3,
        featureImportance: { rsi: 0.25, volume: 1e-9 },
        modelType: 'xgboost',
        predictionMs: 12,
        featuresUsed: 40,
        historicalAccuracy: 1,
        predictedAt: AT,
      }),
    )
    expect(prediction).toMatchObject({ action: 'long', probLong: 0.6, historicalAccuracy: 1 })
    expect(prediction.featureImportance).toEqual({ rsi: 0.25, volume: 1e-9 })
    expect(await getLatestMlPrediction(db, { botId: 'a', symbol: 'BTC' })).toEqual(prediction)
  })

  it('are returned as stored when the same id is recorded again', async () => {
    const signal = signalOf('a', { ...whole, id: newId(), rsi: '65.10' })
    const stored = await recordTechnicalSignal(db, signal)
    const indicators = {
      MACD: { histogram: -0.5, signal: 'bearish' as const },
      RSI: signal.indicators.RSI ?? {},
    }
    expect(await recordTechnicalSignal(db, { ...signal, rsi: '65.1', indicators })).toEqual(stored)
    expect(await recordTechnicalSignal(db, { ...signal, analysedAt: undefined })).toEqual(stored)

    const prediction = predictionOf('a', { id: newId() })
    expect(await recordMlPrediction(db, prediction)).toEqual(await recordMlPrediction(db, prediction))
  })

  it.each([
    ['rsi', { rsi: '65.2' }],
    ['indicators', { indicators: { RSI: { signal: 'bearish' as const } } }],
    ['confidence', { confidence: 0.5 }],
    ['analysedAt', { analysedAt: new Date(AT.getTime() + 1) }],
    ['symbol', { symbol: 'ETH' }],
    ['exchange', { exchange: 'y' }],
  ])('refuse the same id with another %s', async (field, other) => {
    const signal = signalOf('a', { ...whole, id: newId() })
    await recordTechnicalSignal(db, signal)
    await expect(recordTechnicalSignal(db, { ...signal, ...other })).rejects.toMatchObject({
      code: 'conflict',
      field,
    })
  })

  it('refuse the same id with another action, and keep the same id of two bots apart', async () => {
    const prediction = predictionOf('a', { id: newId() })
    await recordMlPrediction(db, prediction)
    await expect(recordMlPrediction(db, { ...prediction, action: 'short' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'action',
    })
    expect(await recordMlPrediction(db, { ...prediction, botId: 'b', action: 'short' })).toMatchObject({
      botId: 'b',
      action: 'short',
    })
  })

  it.each<[string, object]>([
    ['confidence', { confidence: Number.NaN }],
    ['confidence', { confidence: 1.0000001 }],
    ['confidence', { confidence: -0.1 }],
    ['confidence', { confidence: '0.5' }],
    ['signal', { signal: 'up' }],
    ['rsi', { rsi: '100.000000001' }],
    ['rsi', { rsi: 'NaN' }],
    ['macdHistogram', { macdHistogram: '1e5' }],
    ['bullishCount', { bullishCount: -1 }],
    ['bullishCount', { bullishCount: 1.5 }],
    ['indicators', { indicators: { RSI: { signal: 'up' } } }],
    ['indicators', { indicators: [] }],
    ['indicators', { indicators: { RSI: { value: 'a\0' } } }],
    ['symbol', { symbol: ' ' }],
    ['timeframe', { timeframe: '' }],
    ['id', { id: '1' }],
    ['analysedAt', { analysedAt: new Date(Number.NaN) }],
  ])('refuse a bad %s (%#)', async (field, bad) => {
    const refused = recordTechnicalSignal(db, signalOf('a', bad))
    await expect(refused).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(refused).rejects.toThrow(new RegExp(`\\b${field}|_${field}_check`))
  })

  it.each<[string, object]>([
    ['probLong', { probLong: 1.1 }],
    ['probHold', { probHold: Number.NaN }],
    ['action', { action: 'vetoed' }],
    ['featureImportance', { featureImportance: { rsi: 'much' } }],
    ['predictionMs', { predictionMs: 0.5 }],
    ['historicalAccuracy', { historicalAccuracy: 2 }],
    ['modelVersion', { modelVersion: '' }],
  ])('refuse a bad %s of a prediction (%#)', async (field, bad) => {
    await expect(recordMlPrediction(db, predictionOf('a', bad))).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    })
  })

  it('are of a bot that is registered', async () => {
    const [signal, prediction] = [signalOf('nobody'), predictionOf('nobody')]
    await expect(recordTechnicalSignal(db, signal)).rejects.toMatchObject({ code: 'missing_reference' })
    await expect(recordMlPrediction(db, prediction)).rejects.toMatchObject({ code: 'missing_reference' })
  })

  it('are listed newest first, page by page, of a symbol and a span of time', async () => {
    for (let n = 0; n < 5; n++) {
      const symbol = n % 2 === 0 ? 'BTC' : 'ETH'
      await recordTechnicalSignal(db, signalOf('c', { symbol, analysedAt: minute(n), timeframe: `${n}m` }))
      await recordMlPrediction(
        db,
        predictionOf('c', { symbol, predictedAt: minute(n), modelVersion: `v${n}` }),
      )
    }
    const frames = async (input: object) =>
      (await listTechnicalSignals(db, { botId: 'c', ...input })).map((one) => one.timeframe)
    expect(await frames({})).toEqual(['4m', '3m', '2m', '1m', '0m'])
    expect(await frames({ symbol: 'ETH' })).toEqual(['3m', '1m'])
    expect(await frames({ from: minute(1), until: minute(3) })).toEqual(['2m', '1m'])
    const [, second] = await listTechnicalSignals(db, { botId: 'c', limit: 2 })
    expect(await frames({ after: second, limit: 2 })).toEqual(['2m', '1m'])
    expect(
      (await listMlPredictions(db, { botId: 'c', symbol: 'BTC' })).map((one) => one.modelVersion),
    ).toEqual(['v4', 'v2', 'v0'])
    expect(await listMlPredictions(db, { botId: 'nobody' })).toEqual([])
    await expect(frames({ limit: 0 })).rejects.toMatchObject({ code: 'invalid_input', field: 'limit' })
  })

  it('tell the newest of a symbol, of a timeframe or a model where one is asked for', async () => {
    const latest = (input: object) => getLatestTechnicalSignal(db, { botId: 'c', symbol: 'BTC', ...input })
    expect(await latest({})).toMatchObject({ timeframe: '4m' })
    expect(await latest({ timeframe: '2m' })).toMatchObject({ timeframe: '2m' })
    await expect(latest({ timeframe: '3m' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(latest({ exchange: 'x' })).rejects.toMatchObject({ code: 'not_found' })
    const ofModel = (modelVersion?: string) =>
      getLatestMlPrediction(db, { botId: 'c', symbol: 'BTC', modelVersion })
    expect(await ofModel()).toMatchObject({ modelVersion: 'v4' })
    expect(await ofModel('v0')).toMatchObject({ modelVersion: 'v0' })
    await expect(ofModel('v1')).rejects.toThrow(/'BTC' by v1/)
  })

  it('stay as they are, also for whoever has a console of the database', async () => {
    const tables = ['analysis.technical_signals', 'analysis.ml_predictions']
    for (const table of tables) {
      for (const change of [
        `update ${table} set symbol = 'X'`,
        `delete from ${table}`,
        `truncate ${table} cascade`,
      ]) {
        await expect(db.execute(sql.raw(change))).rejects.toMatchObject({ code: 'invalid_input' })
      }
    }
  })
})
