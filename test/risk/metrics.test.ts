import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { listRiskMetrics, type RecordRiskMetricsInput, recordRiskMetrics } from '../../src/risk/metrics.ts'
import { describeDatabases } from '../database.ts'
import { makeHolder } from './holdings.ts'

const NOTHING = {
  winRate: null,
  profitFactor: null,
  maxDrawdownFraction: null,
  sharpe: null,
  sortino: null,
  exposure: null,
  leverage: null,
  concentration: null,
  valueAtRiskFraction: null,
  riskScore: null,
  riskLevel: null,
}

describeDatabases('risk metrics', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('are kept for a day as given, with the level that follows from the score', async () => {
    const { botId } = await makeHolder(db)
    const figures = {
      winRate: 0.5,
      profitFactor: 1.25,
      maxDrawdownFraction: 0.1,
      sharpe: -0.75,
      sortino: 2,
      leverage: 3,
      concentration: 1,
      valueAtRiskFraction: -0.01,
      riskScore: 60,
    }
    const stored = await recordRiskMetrics(db, {
      botId,
      day: '2024-02-29',
      exposure: '0.1234567890123456789',
      ...figures,
    })
    expect(stored).toMatchObject({ botId, day: '2024-02-29', ...figures, riskLevel: 'high' })
    expect(String(stored.exposure)).toBe('0.1234567890123456789')
    expect(await listRiskMetrics(db, { botId })).toEqual([stored])
  })

  it('are replaced as a whole when the day is recorded again', async () => {
    const { botId } = await makeHolder(db)
    await recordRiskMetrics(db, { botId, day: '2024-02-29', winRate: 0.5, riskScore: 90 })
    const later = await recordRiskMetrics(db, { botId, day: '2024-02-29', sharpe: 1 })
    expect(later).toMatchObject({ ...NOTHING, sharpe: 1 })
    expect(await listRiskMetrics(db, { botId })).toEqual([later])
  })

  it('are null where nothing is known', async () => {
    const { botId } = await makeHolder(db)
    expect(await recordRiskMetrics(db, { botId, day: '2024-03-01', winRate: null })).toMatchObject(NOTHING)
  })

  it('are listed newest first in pages', async () => {
    const { botId } = await makeHolder(db)
    const days = ['2024-02-28', '2024-03-01', '2024-02-29']
    for (const day of days) await recordRiskMetrics(db, { botId, day })
    const all = await listRiskMetrics(db, { botId })
    expect(all.map(({ day }) => day)).toEqual(['2024-03-01', '2024-02-29', '2024-02-28'])
    expect(await listRiskMetrics(db, { botId, limit: 1, after: all[0] })).toEqual([all[1]])
    expect(await listRiskMetrics(db, { botId: 'another' })).toEqual([])
  })

  it('refuse what is no figure, no day and no bot', async () => {
    const { botId } = await makeHolder(db)
    const wrong: [Partial<RecordRiskMetricsInput>, string][] = [
      [{ day: '2024-02-30' }, 'day'],
      [{ day: '01.03.2024' }, 'day'],
      [{ winRate: 55 }, 'winRate'],
      [{ winRate: Number.NaN }, 'winRate'],
      [{ maxDrawdownFraction: -0.1 }, 'maxDrawdownFraction'],
      [{ profitFactor: Infinity }, 'profitFactor'],
      [{ concentration: 1.1 }, 'concentration'],
      [{ exposure: '-1' }, 'exposure'],
      [{ exposure: 'much' }, 'exposure'],
      [{ riskScore: 101 }, 'riskScore'],
    ]
    for (const [input, field] of wrong) {
      await expect(recordRiskMetrics(db, { botId, day: '2024-03-01', ...input })).rejects.toMatchObject({
        code: 'invalid_input',
        field,
      })
    }
    await expect(recordRiskMetrics(db, { botId: 'nobody', day: '2024-03-01' })).rejects.toMatchObject({
      code: 'missing_reference',
    })
    expect(await listRiskMetrics(db, { botId })).toEqual([])
  })
})
