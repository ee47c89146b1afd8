import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  listCashFlowConflicts,
  listCashFlows,
  type RecordCashFlowInput,
  recordCashFlow,
  recordCashFlows,
  recordFill,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, text } from './ledger-fixture.ts'
import { expectReplay } from './ledger-model-check.ts'

describeEngines('cash flows', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
    for (const symbol of ['S', 'T']) await makeInstrument(db, symbol)
  })

  async function newBot(): Promise<string> {
    bots += 1
    await makeBot(db, `payer-${bots}`)
    return `payer-${bots}`
  }

  const flowOf = (botId: string, over: Partial<RecordCashFlowInput> = {}): RecordCashFlowInput => ({
    botId,
    exchange: EXCHANGE,
    kind: 'deposit',
    currency: 'USD',
    amount: '100',
    occurredAt: minute(1),
    ...over,
  })
  const fundingOf = (botId: string, over: Partial<RecordCashFlowInput> = {}) =>
    flowOf(botId, { kind: 'funding', symbol: 'S', amount: '-0.5', ...over })

  it('without an id are known by time and amount', async () => {
    const botId = await newBot()
    const stored = await recordCashFlow(db, flowOf(botId, { note: 'first' }))
    expect(stored).toMatchObject({ symbol: '', positionSide: 'net', positionId: null, note: 'first' })
    expect(stored.exchangeFlowId).toMatch(/^content:/)
    expect(await recordCashFlow(db, flowOf(botId, { amount: '100.0' }))).toEqual(stored)
    for (const over of [
      { amount: '99' },
      { occurredAt: minute(2) },
      { currency: 'EUR' },
      { kind: 'rebate' },
    ] as const) {
      expect((await recordCashFlow(db, flowOf(botId, over))).id).not.toBe(stored.id)
    }
    expect(await listCashFlows(db, { botId })).toHaveLength(5)
    expect((await listCashFlows(db, { botId, kind: 'rebate' })).map(({ kind }) => kind)).toEqual(['rebate'])
  })

  it('of funding without an id are known by their minute, and by symbol and side', async () => {
    const botId = await newBot()
    const seconds = (count: number) => new Date(minute(10).getTime() + count * 1_000)
    const stored = await recordCashFlow(db, fundingOf(botId, { occurredAt: seconds(0.003) }))
    expect(await recordCashFlow(db, fundingOf(botId, { occurredAt: seconds(-29) }))).toEqual(stored)
    expect(
      await recordCashFlows(db, [
        fundingOf(botId, { occurredAt: seconds(29) }),
        fundingOf(botId, { occurredAt: seconds(31) }),
        fundingOf(botId, { occurredAt: seconds(1), symbol: 'T' }),
        fundingOf(botId, { occurredAt: seconds(2), positionSide: 'long' }),
        fundingOf(botId, { occurredAt: seconds(3), symbol: 'T' }),
      ]),
    ).toEqual({ inserted: 3, duplicates: 2, conflicts: [] })
    await expect(
      recordCashFlow(db, fundingOf(botId, { occurredAt: seconds(0), amount: '-0.6' })),
    ).rejects.toMatchObject({ code: 'conflict', field: 'amount' })
  })

  it('that contradict are kept beside the one that stands, and the rest of the batch is stored', async () => {
    const botId = await newBot()
    const id = { exchangeFlowId: 'f1' }
    const stored = await recordCashFlow(db, fundingOf(botId, id))
    const later = fundingOf(botId, { ...id, occurredAt: minute(2) })
    const deposit = flowOf(botId, id)
    const result = await recordCashFlows(db, [deposit, later, later, fundingOf(botId, id)])
    expect(result).toMatchObject({ inserted: 1, duplicates: 1, conflicts: [{ differs: 'occurredAt' }, {}] })
    const kept = await listCashFlowConflicts(db, { botId })
    expect(kept).toEqual(result.conflicts.slice(0, 1))
    expect(kept[0]).toMatchObject({ cashFlowId: stored.id, report: { amount: '-0.5' } })
    expect(await listCashFlows(db, { botId, kind: 'funding' })).toEqual([stored])
  })

  it('of funding are counted in the position, and those of a later one are not', async () => {
    const botId = await newBot()
    await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 10', 1))
    await recordCashFlows(db, [
      fundingOf(botId, { occurredAt: minute(3), amount: '-0.25', exchangeFlowId: 'b' }),
      fundingOf(botId, { occurredAt: minute(2), amount: '1', exchangeFlowId: 'a' }),
      flowOf(botId, { occurredAt: minute(2), symbol: 'S' }),
    ])
    await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 10', 4))
    await recordCashFlow(db, fundingOf(botId, { occurredAt: minute(5) }))
    const flows = await listCashFlows(db, { botId })
    expect(flows.map(({ positionId, amount }) => [positionId !== null, text(amount)])).toEqual([
      [false, '-0.5'],
      [true, '-0.25'],
      [false, '100'],
      [true, '1'],
    ])
    const [first, second] = flows
    expect(await listCashFlows(db, { botId, limit: 1, after: first })).toEqual([second])
    await expectReplay(db, botId)
  })
})
