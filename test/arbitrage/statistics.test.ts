import { beforeAll, expect, it } from 'vitest'
import { finishExecution, startExecution } from '../../src/arbitrage/executions.ts'
import { expireOpportunities, recordOpportunity } from '../../src/arbitrage/opportunities.ts'
import { type ArbitrageFigures, getArbitrageStatistics } from '../../src/arbitrage/statistics.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute } from '../trading/ledger-fixture.ts'
import { opportunityOf } from './arbitrage-fixture.ts'

const BOT = 'a'
const PERIOD = { botId: BOT, from: minute(0), until: minute(10) }

/** With amounts as text. */
function shown({
  profits,
  successRate,
  meanProfitFraction,
  bestProfitFraction,
  ...counts
}: ArbitrageFigures) {
  const text = (amount: unknown) => (amount === null ? null : String(amount))
  return {
    ...counts,
    successRate: text(successRate),
    meanProfitFraction: text(meanProfitFraction),
    bestProfitFraction: text(bestProfitFraction),
    profits: profits.map((one) => [
      one.currency,
      ...[one.expected, one.expectedOfRealised, one.realised].map(String),
      one.unknown,
    ]),
  }
}

describeEngines('getArbitrageStatistics', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, BOT)
    await makeBot(db, 'other')
  })

  it('says nothing of nothing', async () => {
    const { byKind, ...all } = await getArbitrageStatistics(db, { ...PERIOD, botId: 'other' })
    expect(byKind).toEqual([])
    expect(shown(all)).toEqual({
      detected: 0,
      open: 0,
      executing: 0,
      executed: 0,
      failed: 0,
      expired: 0,
      successes: 0,
      partials: 0,
      failures: 0,
      successRate: null,
      meanProfitFraction: null,
      bestProfitFraction: null,
      profits: [],
    })
    await expect(getArbitrageStatistics(db, { ...PERIOD, until: minute(0) })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'until',
    })
  })

  it('counts what was detected in the period by what became of it, with exact sums by currency', async () => {
    const make = async (over: Parameters<typeof opportunityOf>[1] = {}) =>
      (
        await recordOpportunity(
          db,
          opportunityOf(BOT, { detectedAt: minute(1), expiresAt: minute(5), ...over }),
        )
      ).id
    const start = async (opportunityId: string) =>
      (await startExecution(db, { botId: BOT, opportunityId, startedAt: minute(2) })).id
    const finish = (executionId: string, outcome: object) =>
      finishExecution(db, { botId: BOT, executionId, ...outcome } as never)
    // Each of these promises 4.5 USDC, 2 %.
    await finish(await start(await make()), { status: 'success', profit: '4.000000000000000001' })
    await finish(await start(await make()), { status: 'partial', profit: '-1.5' })
    await finish(await start(await make()), { status: 'failed', profit: '-0.5' })
    await finish(await start(await make()), { status: 'failed' })
    await start(await make())
    await make({ expiresAt: minute(3) })
    await expireOpportunities(db, { botId: BOT, now: minute(4) })
    await make({ detectedAt: minute(0) })
    // One of another kind and currency, of a wei, and what lies outside the period.
    const wei = await make({
      kind: 'cross_chain',
      sellChain: 'base',
      currency: 'WETH',
      buyPrice: '1',
      sellPrice: '1.000000000000000001',
      quantity: '1',
      fees: '0',
      gasCost: '0',
    })
    await finish(await start(wei), { status: 'success', profit: '0.000000000000000001' })
    await make({ detectedAt: minute(10), expiresAt: minute(11) })
    await make({ detectedAt: new Date(minute(0).getTime() - 1) })

    const { byKind, ...all } = await getArbitrageStatistics(db, PERIOD)
    const intra = {
      detected: 7,
      open: 1,
      executing: 1,
      executed: 2,
      failed: 2,
      expired: 1,
      successes: 1,
      partials: 1,
      failures: 2,
      successRate: '0.25',
      meanProfitFraction: '0.02',
      bestProfitFraction: '0.02',
      profits: [['USDC', '31.5', '13.5', '2.000000000000000001', 1]],
    }
    expect(byKind.map(({ kind, ...figures }) => [kind, shown(figures)])).toEqual([
      ['intra_chain', intra],
      [
        'cross_chain',
        {
          ...{ detected: 1, open: 0, executing: 0, executed: 1, failed: 0, expired: 0 },
          ...{ successes: 1, partials: 0, failures: 0, successRate: '1' },
          meanProfitFraction: '0.000000000000000001',
          bestProfitFraction: '0.000000000000000001',
          profits: [['WETH', '0.000000000000000001', '0.000000000000000001', '0.000000000000000001', 0]],
        },
      ],
    ])
    expect(shown(all)).toEqual({
      ...intra,
      detected: 8,
      executed: 3,
      successes: 2,
      successRate: '0.4',
      meanProfitFraction: '0.017500000000000000125',
      profits: [
        ['USDC', '31.5', '13.5', '2.000000000000000001', 1],
        ['WETH', '0.000000000000000001', '0.000000000000000001', '0.000000000000000001', 0],
      ],
    })
  })
})
