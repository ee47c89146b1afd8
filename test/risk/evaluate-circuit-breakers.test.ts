import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { recordHeartbeat, setBotStatus } from '../../src/fleet/bots.ts'
import { evaluateCircuitBreakers } from '../../src/risk/evaluate-circuit-breakers.ts'
import { listPositions, setPositionDetails } from '../../src/trading/positions.ts'
import { recordCashFlow } from '../../src/trading/record-cash-flows.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { describeDatabases } from '../database.ts'
import {
  EXCHANGE,
  evaluateAt,
  fillOf,
  makeInstrument,
  makeOrder,
  minute,
  newBot,
  query,
  setPrice,
  setRules,
  trade,
  tradeShort,
} from './breaker-fixture.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

describeDatabases('evaluateCircuitBreakers', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const symbol of ['S', 'T']) await makeInstrument(db, symbol)
    await makeInstrument(db, 'BNB', { baseCurrency: 'BNB', kind: 'spot' })
  })

  describe('of a loss', () => {
    it('of the day trips at its limit and not a cent below, after fees and with funding', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, { rules: [{ trigger: 'max_daily_loss', limit: '100', cooldownMs: HOUR_MS }] })
      await trade(db, botId, 'S', -95, 1, { fee: '2', feeCurrency: 'USD' })
      await recordCashFlow(db, flow(botId, { kind: 'interest', amount: '-0.99' }))
      const { tripped, checks } = await evaluateAt(db, botId, 5)
      expect(tripped).toEqual([])
      expect(checks).toMatchObject([{ rule: 'max_daily_loss', scope: 'bot', tripped: false, unknown: false }])
      expect(checks[0]?.actual?.toFixed()).toBe('99.99')
      await recordCashFlow(db, flow(botId, { kind: 'adjustment', amount: '-0.01' }))
      expect((await evaluateAt(db, botId, 6)).tripped).toEqual(['max_daily_loss 100/100'])
    })

    it('counts a liquidation and no deposit, and knows a fee in a third currency by its price', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, { rules: [{ trigger: 'max_daily_loss', limit: '100', cooldownMs: HOUR_MS }] })
      await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 1000', 1))
      await recordFill(
        db,
        fillOf(botId, 'S', 'sell 1 @ 910', 2, { kind: 'liquidation', fee: '0.02', feeCurrency: 'BNB' }),
      )
      await recordCashFlow(db, flow(botId, { kind: 'deposit', amount: '500' }))
      const before = await evaluateAt(db, botId, 5)
      expect(before.tripped).toEqual([])
      expect(before.checks).toMatchObject([{ unknown: true, tripped: false, actual: null }])
      await setPrice(db, 'BNB', '499', minute(3))
      const low = await evaluateAt(db, botId, 5)
      expect(low.checks[0]?.actual?.toFixed()).toBe('99.98')
      expect(low.tripped).toEqual([])
      await setPrice(db, 'BNB', '500', minute(4), '5m')
      // A price of more than an hour ago is none.
      expect((await evaluateAt(db, botId, 65)).checks).toMatchObject([{ unknown: true }])
      expect((await evaluateAt(db, botId, 64)).tripped).toEqual(['max_daily_loss 100/100'])
    })

    it('as a fraction is of what there was before it', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [{ trigger: 'max_daily_loss', fraction: 0.1, cooldownMs: HOUR_MS }],
      })
      // 1,000 + 200 of the day before + 100 deposited then, so 130 is the limit.
      await trade(db, botId, 'S', 200, -24 * 60)
      await recordCashFlow(db, flow(botId, { kind: 'deposit', amount: '100', occurredAt: minute(-24 * 60) }))
      await recordCashFlow(db, flow(botId, { kind: 'deposit', amount: '9000', occurredAt: minute(0) }))
      await trade(db, botId, 'S', -129, 1)
      expect((await evaluateAt(db, botId, 5)).tripped).toEqual([])
      await trade(db, botId, 'S', -1, 2)
      expect((await evaluateAt(db, botId, 5)).tripped).toEqual(['max_daily_loss 0.1/0.1'])
    })

    it('of the week begins on Monday, of the window leaves out what is exactly as old', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [
          { trigger: 'max_weekly_loss', limit: '100', cooldownMs: HOUR_MS },
          { trigger: 'rapid_loss', limit: '50', windowMs: 10 * MINUTE_MS, cooldownMs: MINUTE_MS },
        ],
      })
      // 2024-01-15 is a Monday: a minute before its midnight is last week.
      await trade(db, botId, 'S', -60, -12 * 60 - 1)
      await trade(db, botId, 'S', -50, -12 * 60)
      await trade(db, botId, 'S', -49, 0)
      expect((await evaluateAt(db, botId, 1)).tripped).toEqual([])
      await trade(db, botId, 'S', -1, 2)
      expect((await evaluateAt(db, botId, 10)).tripped).toEqual(['max_weekly_loss 100/100'])
      expect((await evaluateAt(db, botId, new Date(minute(10).getTime() - 1))).tripped).toEqual([
        'rapid_loss 50/50',
      ])
    })

    it('of a day in a zone lasts 23 or 25 hours where clocks are put on or back', async () => {
      const limit = { rules: [{ trigger: 'max_daily_loss', limit: '100', cooldownMs: 1 } as const] }
      for (const [timeZone, first, last, next] of [
        // Put on: 23 hours.
        ['Europe/Berlin', '2024-03-30T23:00:00Z', '2024-03-31T21:59:59.999Z', '2024-03-31T22:00:00Z'],
        // Put back: 25 hours.
        ['Europe/Berlin', '2024-10-26T22:00:00Z', '2024-10-27T22:59:59.999Z', '2024-10-27T23:00:00Z'],
        // Put back at one in the morning, so that midnight comes twice.
        ['America/Havana', '2024-11-03T04:00:00Z', '2024-11-04T04:59:59.999Z', '2024-11-04T05:00:00Z'],
        // Put on at midnight, which does not come.
        ['America/Havana', '2024-03-10T05:00:00Z', '2024-03-11T03:59:59.999Z', '2024-03-11T04:00:00Z'],
      ] as const) {
        const botId = await newBot(db, { timeZone })
        await setRules(db, botId, limit)
        const at = { executedAt: new Date(first) }
        await trade(db, botId, 'S', -60, 0, at)
        await trade(db, botId, 'S', -60, 0, { executedAt: new Date(at.executedAt.getTime() - 1) })
        await trade(db, botId, 'S', -39, 0, { executedAt: new Date(last) })
        const evening = await evaluateAt(db, botId, new Date(last))
        expect(evening.checks[0]?.actual?.toFixed(), `${timeZone} ${first}`).toBe('99')
        const morning = await evaluateAt(db, botId, new Date(next))
        expect(morning.checks[0]?.actual?.toFixed(), `${timeZone} ${next}`).toBe('0')
        expect(evening.tripped).toEqual([])
      }
    })
  })

  describe('of trades', () => {
    it('finds a losing streak past dust, ended by a draw, per bot, symbol or side', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [
          { trigger: 'consecutive_losses', count: 3, cooldownMs: HOUR_MS, dust: '0.5' },
          { name: 'symbols', trigger: 'consecutive_losses', count: 3, cooldownMs: HOUR_MS, scope: 'symbol' },
          { name: 'sides', trigger: 'consecutive_losses', count: 2, cooldownMs: HOUR_MS, scope: 'side' },
        ],
      })
      await trade(db, botId, 'S', 5, 1)
      await trade(db, botId, 'S', -5, 2)
      await trade(db, botId, 'S', 0.5, 3)
      await trade(db, botId, 'T', -5, 4)
      expect((await evaluateAt(db, botId, 5)).tripped).toEqual([])
      await tradeShort(db, botId, 'T', -1, 6)
      // S: loss, dust, then T: loss of a long, loss of a short.
      expect((await evaluateAt(db, botId, 7)).tripped).toEqual(['consecutive_losses 3/3'])
      await tradeShort(db, botId, 'T', -1, 8)
      expect((await evaluateAt(db, botId, 9)).tripped).toEqual(['symbols T 3/3', 'sides T sell 2/2'])
      await trade(db, botId, 'S', -5, 10)
      await trade(db, botId, 'S', 0, 11)
      await trade(db, botId, 'S', -5, 12)
      expect((await evaluateAt(db, botId, 13)).tripped).toEqual([])
    })

    it('does not trip on a trade that cannot be valued, and says so', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [{ trigger: 'consecutive_losses', count: 2, cooldownMs: HOUR_MS }],
      })
      await trade(db, botId, 'S', -5, 1, { fee: '1', feeCurrency: 'XYZ' })
      await trade(db, botId, 'S', -5, 2)
      const { tripped, checks } = await evaluateAt(db, botId, 3)
      expect(tripped).toEqual([])
      expect(checks).toMatchObject([{ unknown: true, tripped: false }])
      await trade(db, botId, 'S', -5, 4)
      expect((await evaluateAt(db, botId, 5)).tripped).toEqual(['consecutive_losses 2/2'])
    })

    it('finds stops in a row, and symbols that bring too little', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [
          { trigger: 'stop_loss_cluster', count: 2, windowMs: 10 * MINUTE_MS, cooldownMs: HOUR_MS },
          {
            trigger: 'low_profit',
            minTrades: 3,
            windowMs: HOUR_MS,
            cooldownMs: HOUR_MS,
            requiredProfit: '1',
          },
        ],
      })
      await trade(db, botId, 'S', -1, 0)
      await trade(db, botId, 'S', -5, 1)
      await trade(db, botId, 'S', 7, 2)
      for (const { id } of (await listPositions(db, { botId })).slice(0, 3))
        await setPositionDetails(db, { botId, positionId: id, exitReason: 'stop_loss' })
      // At minute 10 the first is exactly ten minutes old, and a stop that won is no loss.
      const { tripped, checks } = await evaluateAt(db, botId, 10)
      expect(tripped).toEqual([])
      expect(checks.map(({ actual }) => actual?.toFixed())).toEqual(['1', '1'])
      await recordFill(db, fillOf(botId, 'S', 'buy 1 @ 10', 10))
      await recordFill(db, fillOf(botId, 'S', 'sell 1 @ 9.99', 10.5, { kind: 'liquidation' }))
      expect((await evaluateAt(db, botId, 10.5)).tripped).toEqual([
        'stop_loss_cluster 2/2',
        'low_profit S 0.99/1',
      ])
    })

    it('lets a symbol rest from its close on', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, { rules: [{ trigger: 'cooldown', cooldownMs: 10 * MINUTE_MS }] })
      await trade(db, botId, 'S', 5, 1)
      expect((await evaluateAt(db, botId, 11)).tripped).toEqual([])
      const { trips } = await evaluateAt(db, botId, new Date(minute(11).getTime() - 1))
      expect(trips).toMatchObject([
        { exchange: EXCHANGE, symbol: 'S', side: null, trippedAt: minute(1), expiresAt: minute(11) },
      ])
      expect((await evaluateAt(db, botId, 11)).tripped).toEqual([])
      await trade(db, botId, 'S', 5, 12)
      expect((await evaluateAt(db, botId, 13)).trips).toMatchObject([{ trippedAt: minute(12) }])
    })
  })

  describe('of everything else', () => {
    it('counts the share of rejected orders', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [
          {
            trigger: 'order_errors',
            fraction: 0.5,
            minOrders: 4,
            windowMs: 10 * MINUTE_MS,
            cooldownMs: HOUR_MS,
          },
        ],
      })
      await makeOrder(db, botId, 'rejected', 0)
      for (const at of [1, 2]) await makeOrder(db, botId, 'rejected', at)
      await makeOrder(db, botId, 'filled', 3)
      expect((await evaluateAt(db, botId, 10)).tripped).toEqual([])
      await makeOrder(db, botId, 'pending', 4)
      expect((await evaluateAt(db, botId, 10)).tripped).toEqual(['order_errors 0.5/0.5'])
    })

    it('notices a bot that fell silent, and none that is paused', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, {
        rules: [{ trigger: 'stale_heartbeat', maxAgeMs: MINUTE_MS, cooldownMs: 1000 }],
      })
      await recordHeartbeat(db, { botId, at: minute(0) })
      expect((await evaluateAt(db, botId, new Date(minute(1).getTime() - 1))).tripped).toEqual([])
      await setBotStatus(db, { botId, status: 'paused' })
      expect((await evaluateAt(db, botId, 1)).checks).toMatchObject([{ tripped: false, actual: null }])
      await setBotStatus(db, { botId, status: 'active' })
      expect((await evaluateAt(db, botId, 1)).tripped).toEqual(['stale_heartbeat 60000/60000'])
    })

    it('notices prices that are old, or were never there, each by its symbol', async () => {
      const botId = await newBot(db)
      const symbols = ['OLD', 'NEW', 'NONE']
      await setRules(db, botId, {
        rules: [{ trigger: 'stale_market_data', symbols, maxAgeMs: MINUTE_MS, cooldownMs: HOUR_MS }],
      })
      await setPrice(db, 'OLD', '1', minute(0))
      await setPrice(db, 'NEW', '1', new Date(minute(0).getTime() + 1))
      const { tripped, trips } = await evaluateAt(db, botId, 1)
      expect(tripped).toEqual(['stale_market_data OLD 60000/60000', 'stale_market_data NONE none/60000'])
      expect(trips.every((trip) => trip.exchange === EXCHANGE)).toBe(true)
    })

    it('halts on a drawdown by the settings until a human ends it', async () => {
      const botId = await newBot(db)
      await setRules(db, botId, { maxDrawdownFraction: '0.1', haltOnDrawdown: true })
      expect((await evaluateAt(db, botId, 1, { equity: '900.01' })).tripped).toEqual([])
      const { trips } = await evaluateAt(db, botId, 2, { equity: '900' })
      expect(trips).toMatchObject([
        { rule: 'settings:max_drawdown', trigger: 'max_drawdown', severity: 'emergency', cooldownMs: null },
      ])
    })

    it('watches the fleet’s rules as well as its own, and a rule in both twice', async () => {
      const own = await open.fresh()
      for (const symbol of ['S']) await makeInstrument(own, symbol)
      const botId = await newBot(own)
      const rules = [{ trigger: 'max_daily_loss', limit: '10', cooldownMs: HOUR_MS }] as const
      await setRules(own, null, { rules })
      await setRules(own, botId, { rules })
      await trade(own, botId, 'S', -10, 1)
      expect((await evaluateAt(own, botId, 2)).tripped).toEqual([
        'fleet:max_daily_loss 10/10',
        'max_daily_loss 10/10',
      ])
    })

    it('refuses a bot that is not registered, and stored rules that are none', async () => {
      await expect(evaluateCircuitBreakers(db, { botId: 'nobody' })).rejects.toMatchObject({
        code: 'not_found',
      })
      const botId = await newBot(db)
      await setRules(db, botId, {})
      await query(
        db,
        sql`insert into risk.settings select (jsonb_populate_record(s, '{"version": 2, "breaker_rules": [{"trigger": "gut"}]}')).*
          from risk.settings s where bot_id = ${botId}`,
      )
      await expect(evaluateCircuitBreakers(db, { botId })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'breakerRules',
      })
    })
  })

  function flow(botId: string, over: Partial<Parameters<typeof recordCashFlow>[1]>) {
    return {
      botId,
      exchange: EXCHANGE,
      kind: 'deposit',
      currency: 'USD',
      amount: '100',
      occurredAt: minute(2),
      ...over,
    } as const
  }
})
