import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { isDataError } from '../../src/db/errors.ts'
import {
  calculateEntryPrice,
  calculateExitPrice,
  calculateNetPnl,
  calculateReturnFraction,
  getPosition,
  getTrade,
  type InstrumentTerms,
  listRecentTrades,
  listTrades,
  recordBalance,
  recordCashFlow,
  recordCashFlows,
  recordFill,
  recordFills,
} from '../../src/trading/index.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import {
  countRows,
  EXCHANGE,
  fillOf,
  makeBot,
  makeInstrument,
  minute,
  query,
  text,
} from './ledger-fixture.ts'

describeEngines('trades', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'LINEAR', { contractSize: '0.001' })
    await makeInstrument(db, 'SPOT', { kind: 'spot' })
    await makeInstrument(db, 'INVERSE', { kind: 'inverse', contractSize: '100' })
  })

  it.each(['LINEAR', 'SPOT', 'INVERSE'])(
    'of %s have the figures of the arithmetic, to the last digit',
    async (symbol) => {
      const botId = `trader-${symbol}`
      await makeBot(db, botId, 'fifo')
      const settle = symbol === 'INVERSE' ? 'BTC' : 'USD'
      await recordFills(db, [
        fillOf(botId, symbol, 'buy 3 @ 7', 1, { fee: '0.01', feeCurrency: settle }),
        fillOf(botId, symbol, 'buy 4 @ 11', 2),
        fillOf(botId, symbol, 'sell 2 @ 13', 3),
        fillOf(botId, symbol, 'sell 6 @ 17', 5, { fee: '0.003', feeCurrency: settle }),
        fillOf(botId, symbol, 'buy 1 @ 19', 6, { fee: '1', feeCurrency: 'BNB' }),
      ])
      const flow = { botId, exchange: EXCHANGE, kind: 'funding', symbol, currency: settle } as const
      await recordCashFlow(db, { ...flow, amount: '-0.007', occurredAt: minute(4) })
      const trades = await listTrades(db, { botId })
      expect(trades.map(({ direction }) => direction)).toEqual(['short', 'long'])
      for (const trade of trades) {
        const position = await getPosition(db, { botId, positionId: trade.positionId })
        const terms: Pick<InstrumentTerms, 'kind' | 'contractSize'> = {
          kind: position.instrumentKind,
          contractSize: position.contractSize,
        }
        const unvaluedFees = Object.fromEntries(
          Object.entries(position.unvaluedFees).map(([currency, fee]) => [currency, new Decimal(fee)]),
        )
        const net = calculateNetPnl({ ...position, unvaluedFees })
        expect(
          [
            trade.entryPrice,
            trade.exitPrice,
            trade.netPnl,
            trade.returnFraction,
            trade.gross,
            trade.quantity,
          ].map(text),
        ).toEqual(
          [
            calculateEntryPrice(position, terms),
            calculateExitPrice(position, terms),
            net,
            calculateReturnFraction(net, position.entryCost),
            position.realisedGross,
            position.entryQuantity,
          ].map(text),
        )
        expect(await getTrade(db, { botId, tradeId: trade.tradeId })).toEqual(trade)
      }
      // The fee in BNB has no value here, so that net is not known.
      const [short, long] = trades
      expect(short).toMatchObject({
        netPnl: null,
        returnFraction: null,
        unvaluedFees: { BNB: '1' },
        holdingMs: 60_000,
      })
      expect(long).toMatchObject({ holdingMs: 240_000, unvaluedFees: {}, isLiquidation: false })
      expect(text(long?.funding ?? null)).toBe('-0.007')
    },
  )

  it('are listed last closed first, in pages, and the recent ones of the whole fleet', async () => {
    for (const botId of ['pages-1', 'pages-2']) {
      await makeBot(db, botId)
      for (const at of [1, 5, 3]) {
        await recordFills(db, [
          fillOf(botId, 'LINEAR', 'buy 1 @ 1', 1_000 + at * 10),
          fillOf(botId, 'LINEAR', 'sell 1 @ 1', 1_001 + at * 10),
        ])
      }
    }
    const all = await listTrades(db, { botId: 'pages-1' })
    expect(all.map(({ closedAt }) => closedAt)).toEqual([1_051, 1_031, 1_011].map(minute))
    expect(await listTrades(db, { botId: 'pages-1', limit: 1, after: all[0] })).toEqual(all.slice(1, 2))
    const recent = await listRecentTrades(db, { limit: 4 })
    expect(recent.map(({ closedAt }) => closedAt)).toEqual([1_051, 1_051, 1_031, 1_031].map(minute))
    await expect(getTrade(db, { botId: 'pages-1', tradeId: 'none' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  describe('and all facts are guarded against plain SQL', () => {
    beforeAll(async () => {
      await makeBot(db, 'guarded')
      const key = { botId: 'guarded', exchange: EXCHANGE }
      const fill = fillOf('guarded', 'LINEAR', 'buy 1 @ 1', 1)
      await recordFill(db, fill)
      await recordFills(db, [{ ...fill, price: '2' }])
      const flow = {
        ...key,
        kind: 'deposit',
        currency: 'USD',
        exchangeFlowId: 'd',
        occurredAt: minute(1),
      } as const
      await recordCashFlow(db, { ...flow, amount: '1' })
      await recordCashFlows(db, [{ ...flow, amount: '2' }])
      await recordBalance(db, { ...key, currency: 'USD', total: '1', takenAt: minute(1) })
      await recordOrder(db, { ...key, symbol: 'LINEAR', side: 'buy', type: 'market', quantity: '1' })
    })

    const tables: [table: string, change: string][] = [
      ['fills', 'price = 2'],
      ['fills', 'quantity = quantity * 2'],
      ['fills', 'executed_at = now()'],
      ['fills', 'fee = 1'],
      ['fills', "side = 'sell'"],
      ['fills', "exchange_trade_id = 'other'"],
      ['fills', "recorded_at = now() + interval '1 hour'"],
      ['cash_flows', 'amount = 2'],
      ['cash_flows', 'occurred_at = now()'],
      ['cash_flows', "note = 'none'"],
      ['fill_conflicts', "differs = 'nothing'"],
      ['cash_flow_conflicts', "differs = 'nothing'"],
      ['balances', 'total = 2'],
      ['order_events', "to_status = 'filled'"],
    ]
    const states = [
      ...tables.map(([table, change]) => `update trading.${table} set ${change} where bot_id = 'guarded'`),
      ...[...new Set(tables.map(([table]) => table))].flatMap((table) => [
        `delete from trading.${table} where bot_id = 'guarded'`,
        `truncate trading.${table} cascade`,
      ]),
    ]

    it.each(states)('%s', async (statement) => {
      const before = await countRows(db)
      expect(tables.filter(([table]) => before[table] === '0')).toEqual([])
      const thrown = await query(db, sql.raw(statement)).catch((error: unknown) => error)
      expect(stateOf(thrown), String(thrown)).toBe('TB002')
      expect(await countRows(db)).toEqual(before)
    })

    it('but what the ledger derived may change', async () => {
      await query(db, sql`update trading.fills set realised_gross = 0 where bot_id = 'guarded'`)
      await query(db, sql`update trading.cash_flows set position_id = null where bot_id = 'guarded'`)
      expect(await listTrades(db, { botId: 'guarded' })).toEqual([])
    })
  })
})

/** The SQLSTATE of the driver's error, wherever it is. */
function stateOf(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return undefined
  if ('code' in thrown && !isDataError(thrown)) return thrown.code
  return stateOf(thrown.cause)
}
