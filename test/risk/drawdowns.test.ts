import { beforeAll, expect, it } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { resolveCircuitBreaker } from '../../src/risk/circuit-breakers.ts'
import { getDrawdown, listDrawdowns, recordDrawdown } from '../../src/risk/drawdowns.ts'
import { getOpenPosition, markPosition } from '../../src/trading/positions.ts'
import { recordCashFlow } from '../../src/trading/record-cash-flows.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { createDatabase, describeEngines } from '../database.ts'
import {
  EXCHANGE,
  evaluateAt,
  fillOf,
  makeInstrument,
  minute,
  newBot,
  setPrice,
  setRules,
  trade,
  untilSomebodyWaits,
} from './breaker-fixture.ts'

const DAY = 24 * 60
const HOUR_MS = 3_600_000

describeEngines('recordDrawdown', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'S')
    await makeInstrument(db, 'U')
    await makeInstrument(db, 'I', { kind: 'inverse' })
  })

  const seen = async (botId: string, equity: string | undefined, at: number) => {
    const row = await recordDrawdown(db, { botId, equity, at: minute(at) })
    return [row.drawdownFraction, row.maxDrawdownFraction].map((one) => one.toFixed()).join(' ')
  }
  const move = (botId: string, kind: 'deposit' | 'withdrawal', amount: string, at: number) =>
    recordCashFlow(db, { botId, exchange: EXCHANGE, kind, amount, currency: 'USD', occurredAt: minute(at) })

  it('counts a loss of the very first day, from what the bot began with', async () => {
    const botId = await newBot(db)
    expect(await seen(botId, '800', 1)).toBe('0.2 0.2')
    expect(await seen(botId, '900', 2)).toBe('0.1 0.2')
    expect(await seen(botId, '1100', 3)).toBe('0 0.2')
    expect(await seen(botId, '990', 4)).toBe('0.1 0.2')
    const row = await getDrawdown(db, { botId })
    expect(row).toMatchObject({
      day: '2024-01-15',
      observedAt: minute(4),
      peakAt: minute(3),
      maxDrawdownAt: minute(1),
    })
    expect([row.growth, row.peakGrowth, row.dayMaxDrawdownFraction].map(String)).toEqual([
      '0.99',
      '1.1',
      '0.2',
    ])
  })

  it('carries the peak over days and to a handle of its own, so that a restart forgets nothing', async () => {
    await using own = open.engine === 'pglite' ? undefined : await createDatabase({ driver: open.engine })
    const first = own?.db ?? db
    const botId = await newBot(first, { initialEquity: '100' })
    await setRules(first, botId, { rules: [{ trigger: 'max_drawdown', fraction: 0.1, cooldownMs: HOUR_MS }] })
    expect((await evaluateAt(first, botId, 1, { equity: '100' })).tripped).toEqual([])
    await using again =
      own &&
      (await connect({
        url: own.url,
        directUrl: own.directUrl,
        driver: open.engine === 'pg' ? 'pg' : 'postgres',
      }))
    const second = again ?? first
    expect((await evaluateAt(second, botId, DAY, { equity: '90.01' })).tripped).toEqual([])
    // At 90, and not at 72, which is a tenth below what a restart at 80 would begin with.
    expect((await evaluateAt(second, botId, DAY + 1, { equity: '90' })).tripped).toEqual([
      'max_drawdown 0.1/0.1',
    ])
    await recordDrawdown(second, { botId, equity: '80', at: minute(3 * DAY) })
    const days = await listDrawdowns(second, { botId })
    expect(days.map(({ day, drawdownFraction }) => `${day} ${drawdownFraction}`)).toEqual([
      '2024-01-18 0.2',
      '2024-01-16 0.1',
      '2024-01-15 0',
    ])
    const page = await listDrawdowns(second, { botId, limit: 1, after: days[0] })
    expect(page).toEqual([days[1]])
  })

  it('takes no deposit for a gain and no withdrawal for a loss, also when told late', async () => {
    const botId = await newBot(db)
    expect(await seen(botId, '900', 1)).toBe('0.1 0.1')
    await move(botId, 'deposit', '1000', 2)
    expect(await seen(botId, '1900', 3)).toBe('0.1 0.1')
    await move(botId, 'withdrawal', '-1800', 4)
    expect(await seen(botId, '100', 5)).toBe('0.1 0.1')
    // By the ledger, a deposit that happened before the last look and is recorded after it.
    const other = await newBot(db)
    await trade(db, other, 'S', -100, 1)
    expect(await seen(other, undefined, 2)).toBe('0.1 0.1')
    await move(other, 'deposit', '5000', 1)
    expect(await seen(other, undefined, 3)).toBe('0.1 0.1')
    await move(other, 'withdrawal', '-5000', 2 * DAY)
    expect(await seen(other, undefined, 2 * DAY)).toBe('0.1 0.1')
    expect((await getDrawdown(db, { botId: other })).equity.toFixed()).toBe('900')
  })

  it('by the ledger counts fees, interest and open positions at their marks or the newest price', async () => {
    const botId = await newBot(db)
    await recordFill(db, fillOf(botId, 'U', 'buy 2 @ 100', 1, { fee: '10', feeCurrency: 'USD' }))
    await recordCashFlow(db, {
      botId,
      exchange: EXCHANGE,
      kind: 'interest',
      amount: '-40',
      currency: 'USD',
      occurredAt: minute(1),
    })
    await expect(recordDrawdown(db, { botId, at: minute(2) })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'equity',
    })
    const { id: positionId } = await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'U' })
    await markPosition(db, { botId, positionId, price: '75', markedAt: minute(2) })
    expect(await seen(botId, undefined, 3)).toBe('0.1 0.1')
    await setPrice(db, 'U', '50', minute(63))
    expect(await seen(botId, undefined, 64)).toBe('0.15 0.15')
    // A short, and an inverse one, in coins that are worth what the price says.
    const coins = await newBot(db, { baseCurrency: 'BTC', initialEquity: '1' })
    await recordFill(db, fillOf(coins, 'I', 'sell 50 @ 50', 60))
    await setPrice(db, 'I', '62.5', minute(63))
    expect(await seen(coins, undefined, 64)).toBe('0.2 0.2')
  })

  it('changes nothing for an older look, and answers with the last', async () => {
    const botId = await newBot(db)
    const last = await recordDrawdown(db, { botId, equity: '900', at: minute(5) })
    expect(await recordDrawdown(db, { botId, equity: '2000', at: minute(4) })).toEqual(last)
    expect(await getDrawdown(db, { botId })).toEqual(last)
  })

  it('stays at its deepest in debt, and can be measured again after a deposit', async () => {
    const botId = await newBot(db)
    await setRules(db, botId, { rules: [{ trigger: 'max_drawdown', fraction: 1, cooldownMs: null }] })
    const { trips } = await evaluateAt(db, botId, 1, { equity: '-50' })
    expect(trips.map(({ actual }) => actual?.toFixed())).toEqual(['1'])
    expect(await seen(botId, '-40', 2)).toBe('1 1')
    await move(botId, 'deposit', '1040', 3)
    expect(await seen(botId, '1000', 3)).toBe('1 1')
    for (const { id } of trips)
      await resolveCircuitBreaker(db, { botId, id, resolvedBy: 'mia', reason: 'paid in', now: minute(4) })
    await recordDrawdown(db, { botId, equity: '750', at: minute(5) })
    expect((await getDrawdown(db, { botId })).watchedDrawdownFraction.toFixed(6)).toBe('0.250000')
  })

  it('does not call a loss on a large deposit a ruin', async () => {
    const botId = await newBot(db, { initialEquity: '100' })
    await move(botId, 'deposit', '900', 1)
    // 100 of 1,000 is a tenth; of the first 100 it would be all.
    expect(await seen(botId, '900', 2)).toBe('0.1 0.1')
  })

  it('begins to watch anew at what there is when a human ends a drawdown, and keeps the real peak', async () => {
    const botId = await newBot(db)
    await setRules(db, botId, { rules: [{ trigger: 'max_drawdown', fraction: 0.1, cooldownMs: null }] })
    const { trips } = await evaluateAt(db, botId, 1, { equity: '800' })
    for (const { id } of trips)
      await resolveCircuitBreaker(db, { botId, id, resolvedBy: 'mia', reason: 'seen', now: minute(2) })
    const row = await getDrawdown(db, { botId })
    expect(row).toMatchObject({ watchedSince: minute(2) })
    expect([row.drawdownFraction, row.watchedDrawdownFraction, row.maxDrawdownFraction].map(String)).toEqual([
      '0.2',
      '0',
      '0.2',
    ])
    expect((await evaluateAt(db, botId, 3, { equity: '721' })).tripped).toEqual([])
    expect((await evaluateAt(db, botId, 4, { equity: '720' })).tripped).toEqual(['max_drawdown 0.1/0.1'])
    expect((await getDrawdown(db, { botId })).drawdownFraction.toFixed()).toBe('0.28')
  })

  it('refuses a bot that is not registered', async () => {
    await expect(recordDrawdown(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(getDrawdown(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(recordDrawdown(db, { botId: 'nobody', equity: 'NaN' })).rejects.toMatchObject({
      field: 'equity',
    })
  })
})

describeEngines(
  'observers at the same time',
  (open) => {
    it('wait for each other: the one that comes after sees the peak of the one before', async () => {
      const db = await open.fresh()
      const botId = await newBot(db)
      const second = await transaction(db, async (tx) => {
        await recordDrawdown(tx, { botId, equity: '1100', at: minute(1) })
        const waiting = recordDrawdown(db, { botId, equity: '990', at: minute(2) })
        await untilSomebodyWaits(db)
        return { waiting }
      })
      const { drawdownFraction, peakGrowth } = await second.waiting
      expect([drawdownFraction.toFixed(), peakGrowth.toFixed()]).toEqual(['0.1', '1.1'])
    })

    it('lose no peak and count no deposit twice', async () => {
      const db = await open.fresh({ poolSize: 8 })
      const botId = await newBot(db)
      for (let round = 0; round < 20; round++) {
        await recordCashFlow(db, {
          botId,
          exchange: EXCHANGE,
          kind: 'deposit',
          amount: '7',
          currency: 'USD',
          occurredAt: minute(round),
        })
        // In any order, the highest is seen or was too late.
        const equities = [900, 1000, 1100, 1050].map((one) => one + 7 * (round + 1))
        await Promise.all(
          equities.map((equity, place) =>
            recordDrawdown(db, {
              botId,
              equity: String(equity),
              at: new Date(minute(round).getTime() + (equity === 1107 + 7 * round ? 9 : place)),
            }),
          ),
        )
        const row = await getDrawdown(db, { botId })
        expect(row.flows.toFixed()).toBe(String(7 * (round + 1)))
        expect(row.peakAt.getTime() % 60_000).toBe(9)
      }
    })
  },
  ['postgres', 'pg'],
)
