import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { recordHeartbeat } from '../../src/fleet/index.ts'
import type { RiskLimitsInput } from '../../src/risk/settings-input.ts'
import { getTradingStatus, type TradingStatusInput } from '../../src/risk/trading-status.ts'
import { recordOrder, type Side } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { makeTypicalTrader, NOW, observeEquity, plus, WAYS } from './closures.ts'
import {
  ask,
  askInSql,
  changeTrip,
  codesOf,
  EXCHANGE,
  endLock,
  limit,
  makeTrader,
  openMarket,
  rolledBack,
  storeLock,
  storeTrip,
  trade,
} from './gate-fixture.ts'

const ENTRY = { symbol: 'BTC', side: 'buy', now: NOW } as const

describeEngines('the trading status', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'LTC')
  })

  describe('of one reason', () => {
    it.each(WAYS)('tells of $name, and only while it is so', async (way) => {
      const { code, effect, scope, until = null, threshold, actual } = way
      const botId = await makeTypicalTrader(db)
      expect(await ask(db, { botId, ...ENTRY })).toMatchObject({ state: 'active', allowed: true, blocks: [] })
      const reopen = await way.close(db, botId)
      const closed = await ask(db, { botId, ...ENTRY })
      expect(closed.state).toBe(effect === 'halt' ? 'halted' : 'reducing')
      expect(closed.blocks).toMatchObject([{ code, effect, scope, until }])
      expect(closed.blocks.map((block) => [block.threshold?.toFixed(), block.actual?.toFixed()])).toEqual([
        [threshold, actual],
      ])
      await reopen(db)
      expect(await ask(db, { botId, ...ENTRY })).toMatchObject({ state: 'active', allowed: true, blocks: [] })
    })
  })

  it('tells of every two reasons at once, and is in the worse state', async () => {
    const botId = await makeTypicalTrader(db)
    let pairs = 0
    for (const [index, one] of WAYS.entries()) {
      await rolledBack(db, async (tx) => {
        await one.close(tx, botId)
        for (const other of WAYS.slice(index + 1)) {
          if (one.group !== undefined && one.group === other.group) continue
          pairs += 1
          await rolledBack(tx, async (tx) => {
            await other.close(tx, botId)
            const answer = await askInSql(tx, { botId, ...ENTRY })
            const isHalted = [one, other].some(({ effect }) => effect === 'halt')
            expect([one.name, other.name, answer.state, answer.allowed]).toEqual([
              one.name,
              other.name,
              isHalted ? 'halted' : 'reducing',
              false,
            ])
            expect(answer.blocks.map(({ code }) => code).sort()).toEqual([one.code, other.code].sort())
          })
        }
      })
    }
    expect(pairs).toBe((WAYS.length * (WAYS.length - 1)) / 2 - 6)
  })

  it('is halted without settings of the fleet, whatever the bot has set', async () => {
    const botId = await makeTypicalTrader(db)
    await limit(db, botId, { tradingEnabled: true })
    await rolledBack(db, async (tx) => {
      await query(tx, sql`alter table risk.global_settings disable trigger user`)
      await query(tx, sql`delete from risk.global_settings`)
      const status = await ask(tx, { botId, ...ENTRY })
      expect(status.state).toBe('halted')
      expect(status.blocks).toContainEqual(
        expect.objectContaining({ code: 'settings', effect: 'halt', scope: 'global' }),
      )
    })
  })

  it('is not_found of a bot that is not registered, and never allowed in SQL', async () => {
    const input = { botId: 'nobody', ...ENTRY }
    await expect(ask(db, input)).rejects.toMatchObject({ code: 'not_found' })
    expect(await askInSql(db, input)).toMatchObject({ allowed: false, state: 'halted' })
    const [none] = await query(
      db,
      sql`select risk.is_trading_allowed(null) as allowed, s.state from risk.trading_status(null) s`,
    )
    expect(none).toEqual({ allowed: false, state: 'halted' })
  })

  describe('of a limit that both set', () => {
    // A bot that holds ETH alone, and sees what is stricter and what is not, in that order.
    const both: [BothSet, RiskLimitsInput, RiskLimitsInput][] = [
      ['maxOpenPositions', { maxOpenPositions: 1 }, { maxOpenPositions: 2 }],
      ['maxExposure', { maxExposure: '100' }, { maxExposure: '100.000000000000000000000000000001' }],
      ['maxLeverage', { maxLeverage: '1' }, { maxLeverage: '1.000000000000000000000000000001' }],
      ['maxOrdersPerMinute', { maxOrdersPerMinute: 2 }, { maxOrdersPerMinute: 3 }],
      ['maxDailyLoss', { maxDailyLoss: '10' }, { maxDailyLoss: '10.000000000000000000000000000001' }],
      [
        'maxDrawdownFraction',
        { maxDrawdownFraction: '0.2' },
        { maxDrawdownFraction: '0.200000000000000000000000000001' },
      ],
      ['tradingEnabled', { tradingEnabled: false }, { tradingEnabled: true }],
      ['allowedSymbols', { allowedSymbols: ['ETH'] }, { allowedSymbols: ['BTC'] }],
      [
        'offWatchlistAllowed',
        { allowedSymbols: [], offWatchlistAllowed: false },
        { allowedSymbols: [], offWatchlistAllowed: true },
      ],
      [
        'maxEquityAgeMs',
        { maxEquityAgeMs: 59_999, maxLeverage: '9' },
        { maxEquityAgeMs: 60_000, maxLeverage: '9' },
      ],
    ]
    it.each(both)('the stricter %s counts, whosever it is', async (_, strict, loose) => {
      await rolledBack(db, async (tx) => {
        const botId = await makeTypicalTrader(tx)
        const states: string[] = []
        for (const [ofFleet, ofBot] of [
          [loose, loose],
          [strict, loose],
          [loose, strict],
          [strict, strict],
        ] as const) {
          await limit(tx, null, ofFleet)
          await limit(tx, botId, ofBot)
          states.push((await ask(tx, { botId, ...ENTRY })).state)
        }
        const closed = 'tradingEnabled' in strict ? 'halted' : 'reducing'
        expect(states).toEqual(['active', closed, closed, closed])
      })
    })

    it('stops at the lower target where one of them says that it stops', async () => {
      await rolledBack(db, async (tx) => {
        const botId = await makeTrader(tx)
        await trade(tx, botId, 'LTC', 'buy 1 @ 100', plus(-2))
        await trade(tx, botId, 'LTC', 'sell 1 @ 110', plus(-1))
        const states: string[] = []
        for (const [ofFleet, ofBot] of [
          [false, false],
          [true, false],
          [false, true],
        ] as const) {
          await limit(tx, null, { dailyTarget: '10', stopAtDailyTarget: ofFleet })
          await limit(tx, botId, { dailyTarget: '11', stopAtDailyTarget: ofBot })
          states.push((await ask(tx, { botId, ...ENTRY })).state)
        }
        expect(states).toEqual(['active', 'reducing', 'reducing'])
      })
    })
  })

  it('counts a side that is closed for entries of that side, and for any asked without one', async () => {
    for (const store of [storeTripOfSide, storeLockOfSide]) {
      for (const isOfFleet of [false, true]) {
        for (const side of ['buy', 'sell'] as const) {
          const botId = await makeTrader(db)
          const end = await store(db, isOfFleet ? null : botId, side)
          const other: Side = side === 'buy' ? 'sell' : 'buy'
          const states = [side, other, undefined].map(
            async (asked) => (await ask(db, { botId, side: asked, now: NOW })).state,
          )
          expect(await Promise.all(states)).toEqual(['reducing', 'active', 'reducing'])
          await end()
        }
      }
    }
  })

  it("counts an exchange that is closed for what is asked of it, and for the bot's own where none is said", async () => {
    await openMarket(db)
    const here = await makeTrader(db)
    const there = await makeTrader(db, { exchange: 'y' })
    const id = await storeLock(db, { botId: null, exchange: 'y', at: NOW, until: null })
    const tripId = await storeTrip(db, { botId: here, exchange: 'y', at: NOW, cooldownMs: null })
    const codes = async (input: Partial<TradingStatusInput> & { readonly botId: string }) =>
      codesOf(await ask(db, { now: NOW, ...input }))
    expect(await codes({ botId: here })).toEqual([])
    expect(await codes({ botId: here, exchange: EXCHANGE })).toEqual([])
    expect(await codes({ botId: here, exchange: 'y' })).toEqual(['circuit_breaker', 'lock'])
    expect(await codes({ botId: there })).toEqual(['lock'])
    expect(await codes({ botId: there, exchange: EXCHANGE })).toEqual([])
    expect(await codes({ botId: there, symbol: 'BTC', exchange: 'y' })).toEqual(['instrument', 'lock'])
    await changeTrip(db, here, tripId, { status: 'overridden' })
    await endLock(db, null, id)
  })

  it("leaves alone what closes another bot, another symbol or the symbol's name in part", async () => {
    const botId = await makeTrader(db)
    const other = await makeTrader(db)
    await storeTrip(db, { botId: other, at: NOW, cooldownMs: null })
    await storeLock(db, { botId: other, at: NOW, until: null })
    for (const symbol of ['ETH', 'BT', 'BTC/USD', 'btc']) {
      await storeTrip(db, { botId, symbol, at: NOW, cooldownMs: null })
      await storeLock(db, { botId, symbol, at: NOW, until: null })
    }
    expect((await ask(db, { botId, ...ENTRY })).blocks).toEqual([])
    expect((await ask(db, { botId, now: NOW })).blocks).toEqual([])
  })

  it('asks no heartbeat of a bot that never sent one, nor of a backtest', async () => {
    const silent = await makeTrader(db)
    const backtest = await makeTrader(db, { mode: 'backtest' })
    await recordHeartbeat(db, { botId: backtest, at: plus(-600_000) })
    for (const botId of [silent, backtest]) expect((await ask(db, { botId, ...ENTRY })).state).toBe('active')
  })

  it('closes a bot where a limit asks for an equity that was not observed, or too long ago, or is not positive', async () => {
    const states: [string, string[]][] = []
    const cases = [undefined, ['0', 0], ['-5', 0], ['100', -3_600_001], ['100', -3_600_000]] as const
    for (const observed of cases) {
      const botId = await makeTrader(db)
      await trade(db, botId, 'ETH', 'buy 1 @ 1', plus(-1))
      await limit(db, botId, { maxLeverage: '10', maxDrawdownFraction: '0.5' })
      if (observed) await observeEquity(db, botId, observed[0], '0', plus(observed[1]))
      states.push([String(observed), codesOf(await ask(db, { botId, ...ENTRY }))])
    }
    expect(states).toEqual([
      ['undefined', ['drawdown', 'leverage']],
      ['0,0', ['leverage']],
      ['-5,0', ['leverage']],
      ['100,-3600001', ['drawdown', 'leverage']],
      ['100,-3600000', []],
    ])
  })

  it('closes no symbol that is held, or about to be, where all places are taken', async () => {
    const botId = await makeTrader(db)
    await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-1))
    const order = { botId, exchange: EXCHANGE, symbol: 'LTC', side: 'buy', type: 'limit' } as const
    await recordOrder(db, { ...order, quantity: '1', limitPrice: '10', createdAt: plus(-1) })
    await limit(db, botId, { maxOpenPositions: 2 })
    const states = ['ETH', 'LTC', 'BTC', undefined].map(
      async (symbol) => (await getTradingStatus(db, { botId, symbol, now: NOW })).state,
    )
    expect(await Promise.all(states)).toEqual(['active', 'active', 'reducing', 'reducing'])
  })
})

type BothSet = keyof RiskLimitsInput

async function storeTripOfSide(db: Database, botId: string | null, side: 'buy' | 'sell') {
  const id = await storeTrip(db, { botId, side, at: NOW, cooldownMs: 60_000 })
  return async () => await changeTrip(db, botId, id, { status: 'expired' })
}

async function storeLockOfSide(db: Database, botId: string | null, side: 'buy' | 'sell') {
  const id = await storeLock(db, { botId, side, at: NOW, until: null })
  return async () => await endLock(db, botId, id)
}
