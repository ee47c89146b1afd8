import { type SQL, sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { setInstrument } from '../../src/market/index.ts'
import {
  type LedgerDifference,
  listTrades,
  rebuildPositions,
  recordCashFlow,
  recordFills,
} from '../../src/trading/index.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, query, readBot, text } from './ledger-fixture.ts'
import { expectReplay } from './ledger-model-check.ts'

const NONE = { positions: 0, lots: 0, fills: 0, cashFlows: 0, orders: 0 }
const LEDGER = { exchange: EXCHANGE, symbol: 'S', positionSide: 'net' } as const

describeEngines('rebuildPositions', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
  })

  /** A bot with a closed cycle of two fills, an open one of two lots, an order, and a funding payment of each cycle. */
  async function makeHistory(): Promise<string> {
    bots += 1
    const botId = `rebuilt-${bots}`
    await makeBot(db, botId, 'fifo')
    for (const symbol of ['S', 'T']) await makeInstrument(db, symbol)
    const { id: orderId } = await recordOrder(db, {
      botId,
      exchange: EXCHANGE,
      symbol: 'S',
      side: 'buy',
      type: 'market',
      quantity: '5',
    })
    await recordFills(db, [
      fillOf(botId, 'S', 'buy 1 @ 10', 1),
      fillOf(botId, 'S', 'sell 1 @ 12', 3),
      fillOf(botId, 'S', 'buy 2 @ 20', 5, { orderId, fee: '0.5', feeCurrency: 'USD' }),
      fillOf(botId, 'S', 'buy 3 @ 30', 7, { orderId }),
      fillOf(botId, 'T', 'sell 4 @ 40', 7),
    ])
    for (const [at, amount] of [[2, '-0.25'] as const, [6, '0.75'] as const]) {
      const flow = { botId, exchange: EXCHANGE, kind: 'funding', symbol: 'S', currency: 'USD' } as const
      await recordCashFlow(db, { ...flow, amount, occurredAt: minute(at) })
    }
    await expectReplay(db, botId)
    return botId
  }

  const stateOf = async (botId: string) => {
    const { positions, lots, trades, fills } = await readBot(db, botId)
    const own = await query(
      db,
      sql`select o.id, o.filled_quantity::text, o.filled_cost::text, o.fee::text, o.status, o.closed_at, c.position_id
        from trading.orders o left join trading.cash_flows c on c.bot_id = o.bot_id
        where o.bot_id = ${botId} order by c.occurred_at`,
    )
    const plain = positions.map((position) => ({ ...position, version: 0, updatedAt: 0 }))
    return { positions: plain, lots, trades, fills, own }
  }

  const OPEN = sql`symbol = 'S' and status = 'open'`
  const breaks: [what: string, found: Partial<LedgerDifference>, damage: (botId: string) => SQL[]][] = [
    [
      'another cost of an open position',
      { positions: 1 },
      (bot) => [sql`update trading.positions set cost = cost + 0.01 where bot_id = ${bot} and ${OPEN}`],
    ],
    [
      'another PnL of a closed one',
      { positions: 1 },
      (bot) => [
        sql`update trading.positions set realised_gross = 3 where bot_id = ${bot} and closed_at is not null`,
      ],
    ],
    [
      'a lot that is gone',
      { lots: 1 },
      (bot) => [sql`delete from trading.position_lots where bot_id = ${bot} and ordinal = 2`],
    ],
    [
      'a lot too many, and one that costs less',
      { lots: 2 },
      (bot) => [
        sql`update trading.position_lots set cost = 39 where bot_id = ${bot} and ordinal = 1
          and original_quantity = 2`,
        sql`insert into trading.position_lots select bot_id, position_id, 9, price, original_quantity, original_cost,
            quantity, cost, opened_at from trading.position_lots where bot_id = ${bot} and ordinal = 2`,
      ],
    ],
    [
      'a fill without its position',
      { fills: 1 },
      (bot) => [sql`update trading.fills set position_id = null where bot_id = ${bot} and price = 12`],
    ],
    [
      'a fill that realised something else',
      { fills: 1 },
      (bot) => [sql`update trading.fills set realised_gross = 2.01 where bot_id = ${bot} and price = 12`],
    ],
    [
      'a fee of another value',
      { fills: 1 },
      (bot) => [sql`update trading.fills set fee_in_settlement = 5 where bot_id = ${bot} and price = 12`],
    ],
    [
      'a payment without its position',
      { cashFlows: 1 },
      (bot) => [sql`update trading.cash_flows set position_id = null where bot_id = ${bot} and amount < 0`],
    ],
    [
      'an order that was filled with less',
      { orders: 1 },
      (bot) => [sql`update trading.orders set filled_quantity = 4 where bot_id = ${bot}`],
    ],
    [
      'a position that no fill opened',
      { positions: 1 },
      (bot) => [
        sql`insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status,
            instrument_kind, contract_size, settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost,
            exit_quantity, exit_value, realised_gross, fees, unvalued_fees, funding, fill_count, lot_count, opened_at,
            closed_at, version)
          select bot_id, gen_random_uuid(), exchange, symbol, position_side, 'nobody', direction, status, instrument_kind,
            contract_size, settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity,
            exit_value, realised_gross, fees, unvalued_fees, funding, fill_count, lot_count, opened_at, closed_at, 1
          from trading.positions where bot_id = ${bot} and closed_at is not null`,
      ],
    ],
  ]

  it.each(breaks)('finds and repairs %s', async (_, found, damage) => {
    const botId = await makeHistory()
    const before = await stateOf(botId)
    for (const statement of damage(botId)) await query(db, statement)
    const damaged = await stateOf(botId)
    expect(damaged).not.toEqual(before)

    const report = { ledgers: 2, differences: [{ ...NONE, ...LEDGER, ...found }] }
    expect(await rebuildPositions(db, { botId, dryRun: true })).toEqual(report)
    expect(await stateOf(botId)).toEqual(damaged)
    expect(await rebuildPositions(db, { botId })).toEqual(report)
    expect(await stateOf(botId)).toEqual(before)
    await expectReplay(db, botId)
  })

  it('makes all of it anew when only the facts are left', async () => {
    const botId = await makeHistory()
    const before = await stateOf(botId)
    for (const statement of [
      sql`update trading.fills set position_id = null, realised_gross = 0, fee_in_settlement = null where bot_id = ${botId}`,
      sql`update trading.cash_flows set position_id = null where bot_id = ${botId}`,
      sql`update trading.orders set filled_quantity = 0, filled_cost = 0, fee = 0 where bot_id = ${botId}`,
      sql`delete from trading.positions where bot_id = ${botId}`,
    ]) {
      await query(db, statement)
    }
    const { differences } = await rebuildPositions(db, { botId })
    expect(differences).toEqual([
      { ...LEDGER, positions: 2, lots: 2, fills: 4, cashFlows: 2, orders: 1 },
      { ...LEDGER, symbol: 'T', positions: 1, lots: 1, fills: 1, cashFlows: 0, orders: 0 },
    ])
    await expectReplay(db, botId)
    const { own } = await stateOf(botId)
    const plain = (rows: typeof own) => rows.map((row) => ({ ...row, position_id: row.position_id !== null }))
    expect(plain(own)).toEqual(plain(before.own))
  })

  it('takes in other terms of an instrument', async () => {
    const botId = await makeHistory()
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol: 'T',
      kind: 'linear',
      baseCurrency: 'BTC',
      quoteCurrency: 'USD',
      contractSize: '0.1',
    })
    const { differences } = await rebuildPositions(db, { botId })
    expect(differences).toMatchObject([{ symbol: 'T', positions: 1, lots: 1 }])
    const [short] = (await readBot(db, botId)).positions.filter(({ symbol }) => symbol === 'T')
    expect([short?.cost, short?.contractSize].map((amount) => text(amount ?? null))).toEqual(['16', '0.1'])
    await expectReplay(db, botId)
  })

  it('finds nothing of a bot that never traded, and refuses a bot without a name', async () => {
    await makeBot(db, 'idle')
    expect(await rebuildPositions(db, { botId: 'idle' })).toEqual({ ledgers: 0, differences: [] })
    expect(await listTrades(db, { botId: 'idle' })).toEqual([])
    await expect(rebuildPositions(db, { botId: ' ' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'botId',
    })
  })
})
