import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import type { RecordBacktestInput } from '../../src/strategy/backtest-input.ts'
import {
  getBacktest,
  listBacktestEquity,
  listBacktests,
  listBacktestTrades,
  recordBacktest,
} from '../../src/strategy/backtests.ts'
import { describeEngines } from '../database.ts'
import { minute, query } from '../trading/ledger-fixture.ts'
import { makeStrategy, NOBODY } from './strategy-fixture.ts'

describeEngines('backtests', (open) => {
  let db: Connection
  let strategyId: string
  beforeAll(async () => {
    db = await open()
    strategyId = (await makeStrategy(db)).id
  })

  const CURVE = [
    { at: minute(2), equity: '1010.5' },
    { at: minute(1), equity: '1000' },
  ]
  const TRADES = [
    {
      symbol: 'BTC',
      direction: 'long' as const,
      quantity: '0.1',
      entryPrice: '100',
      exitPrice: '210',
      openedAt: minute(1),
      closedAt: minute(2),
      fees: '0.5',
      netPnl: '10.5',
    },
    {
      symbol: 'ETH',
      direction: 'short' as const,
      quantity: '1',
      entryPrice: '10',
      exitPrice: '11',
      openedAt: minute(1),
      closedAt: minute(2),
      netPnl: '-1',
    },
  ]
  const base = (over: Partial<RecordBacktestInput> = {}): RecordBacktestInput => ({
    strategyId,
    periodStartAt: minute(0),
    periodEndAt: minute(10),
    initialEquity: '1000',
    finalEquity: '1010.5',
    metrics: { sharpe: 1.4, profit: '10.5' },
    parameters: { period: 14 },
    symbols: ['BTC', 'ETH'],
    equity: CURVE,
    trades: TRADES,
    ...over,
  })

  it('are kept with their curve in the order of time and their trades in that of the list', async () => {
    const made = await recordBacktest(
      db,
      base({ externalId: 'run-1', timeframe: '1h', currency: 'USDT', exchange: 'x' }),
    )
    expect(made).toMatchObject({
      externalId: 'run-1',
      initialEquity: new Decimal(1000),
      metrics: { sharpe: 1.4, profit: '10.5' },
      symbols: ['BTC', 'ETH'],
    })
    expect(await getBacktest(db, made)).toEqual(made)
    const curve = await listBacktestEquity(db, { backtestId: made.id })
    expect(curve.map(({ at, equity }) => [at, equity.toFixed()])).toEqual([
      [minute(1), '1000'],
      [minute(2), '1010.5'],
    ])
    expect(await listBacktestEquity(db, { backtestId: made.id, after: curve[0] })).toEqual([curve[1]])
    const trades = await listBacktestTrades(db, { backtestId: made.id })
    expect(trades).toMatchObject([
      {
        ordinal: 1,
        symbol: 'BTC',
        direction: 'long',
        netPnl: new Decimal('10.5'),
        fees: new Decimal('0.5'),
        openedAt: minute(1),
      },
      { ordinal: 2, symbol: 'ETH', direction: 'short', netPnl: new Decimal(-1), fees: new Decimal(0) },
    ])
    expect(await listBacktestTrades(db, { backtestId: made.id, after: trades[0] })).toEqual([trades[1]])
    await expect(getBacktest(db, { id: NOBODY })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are recorded once for an id, or for the id of the program that ran them', async () => {
    const input = base({ externalId: randomUUID() })
    const made = await recordBacktest(db, input)
    const again = { ...input, finalEquity: '1010.50', equity: [...CURVE].reverse() }
    expect(await recordBacktest(db, again)).toEqual(made)
    const { externalId: _, ...byId } = input
    expect(await recordBacktest(db, { ...byId, id: made.id })).toEqual(made)
    const conflicts: readonly [string, Partial<RecordBacktestInput>][] = [
      ['finalEquity', { finalEquity: '1' }],
      ['id', { id: randomUUID() }],
      ['equity', { equity: [...CURVE, { at: minute(3), equity: '1' }] }],
      ['equity', { equity: CURVE.slice(1) }],
      ['trades', { trades: [...TRADES].reverse() }],
      ['trades', { trades: [] }],
    ]
    for (const [field, part] of conflicts) {
      await expect(recordBacktest(db, { ...input, ...part }), field).rejects.toMatchObject({
        code: 'conflict',
        field,
      })
    }
    expect(await listBacktestEquity(db, { backtestId: made.id })).toHaveLength(2)
  })

  it('are stored whole or not at all', async () => {
    const count = async () =>
      (await query(db, sql`select count(*)::int as count from strategy.backtests`))[0]?.count
    const before = await count()
    const [trade] = TRADES
    const bad: readonly [object, object][] = [
      [{ field: 'equity[2].at' }, { equity: [...CURVE, { at: minute(1), equity: '1' }] }],
      [{ field: 'equity[0].equity' }, { equity: [{ at: minute(1), equity: 'x' }] }],
      [{ field: 'trades[0].quantity' }, { trades: [{ ...trade, quantity: '0' }] }],
      [{ constraint: 'backtest_trades_closed_at_check' }, { trades: [{ ...trade, closedAt: minute(0) }] }],
      [{ constraint: 'backtests_period_end_at_check' }, { periodEndAt: minute(0) }],
      [{ code: 'missing_reference' }, { strategyId: NOBODY }],
    ]
    for (const [error, part] of bad) await expect(recordBacktest(db, base(part))).rejects.toMatchObject(error)
    expect(await count()).toBe(before)
  })

  it('take thousands of points, and are listed page by page', async () => {
    const own = (await makeStrategy(db)).id
    const equity = Array.from({ length: 5_000 }, (_, n) => ({
      at: minute(n),
      equity: `${1000 + n}.123456789012345678`,
    }))
    const input = base({ strategyId: own, equity, trades: [], periodEndAt: minute(5_000), ranAt: minute(2) })
    const { id } = await recordBacktest(db, input)
    const first = await listBacktestEquity(db, { backtestId: id, limit: 1000 })
    const second = await listBacktestEquity(db, { backtestId: id, limit: 1000, after: first.at(-1) })
    expect(second[0]).toMatchObject({ at: minute(1000), equity: new Decimal('2000.123456789012345678') })
    const later = await recordBacktest(db, base({ strategyId: own, ranAt: minute(3), timeframe: '1d' }))
    const list = await listBacktests(db, { strategyId: own, limit: 1 })
    expect(list).toEqual([later])
    expect((await listBacktests(db, { strategyId: own, after: list[0] })).map((one) => one.id)).toEqual([id])
    expect(await listBacktests(db, { strategyId: own, timeframe: '1d' })).toEqual([later])
  })

  it('do not change', async () => {
    for (const table of ['backtests', 'backtest_equity', 'backtest_trades']) {
      await recordBacktest(db, base())
      const column = table === 'backtests' ? 'id' : 'backtest_id'
      await expect(
        db.execute(sql.raw(`update strategy.${table} set ${column} = ${column}`)),
      ).rejects.toThrow()
    }
  })
})
