import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { followStop } from '../../src/risk/stop-math.ts'
import {
  getStopOrder,
  listActiveStopOrders,
  listStopOrders,
  type StopOrder,
} from '../../src/risk/stop-order-reads.ts'
import { adjustStopOrder, cancelStopOrder, createStopOrder } from '../../src/risk/stop-orders.ts'
import { triggerStopOrders } from '../../src/risk/trigger-stop-orders.ts'
import { getOpenPosition, recordFill } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, query } from '../trading/ledger-fixture.ts'
import { freshSymbol, makeStop } from './stop-fixture.ts'

const NOBODY = '01890000-0000-7000-8000-000000000000'
const by = { changedBy: 'ann', reason: 'news' }

describeDatabases('stop orders', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, 'a')
  })

  const create = (input: Readonly<Record<string, unknown>> = {}) => makeStop(db, input)
  const trigger = (symbol: string, price: string, at = minute(1)) =>
    triggerStopOrders(db, { botId: 'a', exchange: EXCHANGE, symbol, price, at })
  const read = ({ id }: StopOrder) => getStopOrder(db, { botId: 'a', stopOrderId: id })
  const key = ({ id }: StopOrder) => ({ botId: 'a', stopOrderId: id })
  const levels = ({ stopPrice, bestPrice }: StopOrder) => [stopPrice.toFixed(), bestPrice.toFixed()]

  it('keep where they begin and what that was calculated from', async () => {
    const stop = await create({
      kind: 'trailing',
      fraction: '0.030',
      activationFraction: '0.1',
      direction: 'short',
      positionSide: 'short',
      quantity: '0.5',
      expiresAt: minute(60),
      reason: 'plan',
    })
    const { symbol, entryPrice, initialStopPrice, stopPrice, bestPrice, quantity, ...rest } = stop
    expect([entryPrice, initialStopPrice, stopPrice, bestPrice, quantity].map(String)).toEqual([
      '100',
      '103',
      '103',
      '100',
      '0.5',
    ])
    expect(rest).toMatchObject({
      botId: 'a',
      positionId: null,
      exchange: EXCHANGE,
      positionSide: 'short',
      direction: 'short',
      kind: 'trailing',
      status: 'active',
      parameters: { fraction: '0.030', activationFraction: '0.1' },
      expiresAt: minute(60),
      triggerPrice: null,
      triggeredAt: null,
      changedBy: 'a',
      reason: 'plan',
      version: 1,
      createdAt: minute(0),
    })
    expect([stop.trailingDistance, stop.activationPrice, stop.breakevenPrice].map(String)).toEqual([
      '3',
      '90',
      'null',
    ])
    expect(await read(stop)).toEqual(stop)
    expect(await listActiveStopOrders(db, { botId: 'a', symbol, now: minute(1) })).toEqual([stop])
  })

  it.each([
    ['long', '95.01', '95'],
    ['short', '104.99', '105'],
  ] as const)('of a %s fire at their level and not before', async (direction, before, at) => {
    const stop = await create({ direction })
    expect(await trigger(stop.symbol, before)).toEqual([])
    const fired = await trigger(stop.symbol, at, minute(2))
    expect(fired).toEqual([
      {
        ...stop,
        status: 'triggered',
        triggerPrice: new Decimal(at),
        triggeredAt: minute(2),
        changedBy: 'a',
        reason: 'the price reached it',
        version: 2,
        updatedAt: expect.any(Date),
      },
    ])
    expect(await read(stop)).toEqual(fired[0])
    expect(await trigger(stop.symbol, at)).toEqual([])
    expect(await listActiveStopOrders(db, { botId: 'a', symbol: stop.symbol, now: minute(1) })).toEqual([])
  })

  it('are fired only by prices of their bot, exchange and symbol', async () => {
    const stop = await create()
    await makeBot(db, 'b')
    const price = { exchange: EXCHANGE, symbol: stop.symbol, price: '1', at: minute(1) }
    expect(await triggerStopOrders(db, { ...price, botId: 'b' })).toEqual([])
    expect(await triggerStopOrders(db, { ...price, botId: 'a', exchange: 'y' })).toEqual([])
    expect(await trigger(`${stop.symbol}x`, '1')).toEqual([])
    expect(await triggerStopOrders(db, { ...price, botId: 'a', at: undefined })).toHaveLength(1)
  })

  it('follow the price, and are judged by where they were before it', async () => {
    const stop = await create({ kind: 'trailing', distance: '5' })
    const after = async (price: string) => {
      const fired = await trigger(stop.symbol, price)
      return [...levels(await read(stop)), fired.length]
    }
    expect(await after('104')).toEqual(['99', '104', 0])
    expect(await after('100')).toEqual(['99', '104', 0])
    expect(await after('300')).toEqual(['295', '300', 0])
    // A level that follows the price is no change by anybody.
    expect(await read(stop)).toMatchObject({ version: 1, changedBy: 'a' })
    expect(await after('295')).toEqual(['295', '300', 1])
    const events = await query(
      db,
      sql`select actor, reason, details -> 'after' ->> 'status' as status from audit.risk_events
        where subject_id = ${stop.id} order by id`,
    )
    expect(events).toEqual([
      { actor: 'a', reason: null, status: 'active' },
      { actor: 'a', reason: 'the price reached it', status: 'triggered' },
    ])
  })

  it('whose time is over end without firing', async () => {
    const stop = await create({ expiresAt: minute(5) })
    expect(await listActiveStopOrders(db, { botId: 'a', symbol: stop.symbol, now: minute(5) })).toEqual([])
    expect(await trigger(stop.symbol, '96', minute(4))).toEqual([])
    expect(await trigger(stop.symbol, '1', minute(5))).toEqual([])
    expect(await read(stop)).toMatchObject({
      status: 'expired',
      reason: 'its time was over',
      triggerPrice: null,
    })
    const before = await create({ expiresAt: minute(5) })
    expect(await trigger(before.symbol, '1', new Date(minute(5).getTime() - 1))).toHaveLength(1)
    await expect(create({ expiresAt: minute(0) })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'expiresAt',
    })
  })

  describe('of a position', () => {
    const buy = async (botId = 'a') => {
      const symbol = freshSymbol()
      await makeInstrument(db, symbol)
      await recordFill(db, fillOf(botId, symbol, 'buy 2 @ 100', 1))
      await recordFill(db, fillOf(botId, symbol, 'buy 1 @ 101', 2))
      return await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol })
    }
    const protect = (positionId: string, over = {}) =>
      createStopOrder(db, { botId: 'a', positionId, kind: 'fixed', fraction: '0.1', createdBy: 'a', ...over })

    it('take what they need from it', async () => {
      const { id, symbol } = await buy()
      const stop = await protect(id)
      expect(stop).toMatchObject({
        positionId: id,
        symbol,
        exchange: EXCHANGE,
        positionSide: 'net',
        direction: 'long',
      })
      // 301/3 with as many decimals as an amount may have; the level rounded up.
      expect(stop.entryPrice.toFixed()).toBe(`100.${'3'.repeat(30)}`)
      expect(stop.stopPrice.toFixed()).toBe(`90.3${'0'.repeat(29)}`.replace(/0+$/, ''))
      expect(await trigger(symbol, '90')).toMatchObject([{ id: stop.id }])
    })

    it('that is closed are cancelled when the price reaches them', async () => {
      const { id, symbol } = await buy()
      const stop = await protect(id)
      await recordFill(db, fillOf('a', symbol, 'sell 3 @ 105', 3))
      expect(await trigger(symbol, '104')).toEqual([])
      expect(await read(stop)).toMatchObject({ status: 'active' })
      expect(await trigger(symbol, '80')).toEqual([])
      expect(await read(stop)).toMatchObject({
        status: 'cancelled',
        reason: 'the price reached it, and its position is closed',
        triggeredAt: null,
      })
      await expect(protect(id)).rejects.toMatchObject({ code: 'not_found', field: 'positionId' })
    })

    it('that a late fill undoes stay, and the fill is recorded', async () => {
      const symbol = freshSymbol()
      await makeInstrument(db, symbol)
      for (const [order, at] of [
        ['buy 1 @ 100', 1],
        ['sell 1 @ 101', 5],
        ['buy 1 @ 102', 10],
      ] as const)
        await recordFill(db, fillOf('a', symbol, order, at))
      const { id } = await getOpenPosition(db, { botId: 'a', exchange: EXCHANGE, symbol })
      const stop = await protect(id)
      // What was sold is not all that was held, so the second buy added to the first position.
      await recordFill(db, fillOf('a', symbol, 'buy 1 @ 99', 3))
      const held = await getOpenPosition(db, { botId: 'a', exchange: EXCHANGE, symbol })
      expect(held.id).not.toBe(id)
      expect(await read(stop)).toEqual({ ...stop, positionId: null, updatedAt: expect.any(Date) })
      expect(await trigger(symbol, '50')).toHaveLength(1)
    })

    it('are refused where there is none', async () => {
      await expect(protect(NOBODY)).rejects.toMatchObject({ code: 'not_found' })
      await makeBot(db, 'owner')
      const { id } = await buy('owner')
      await expect(protect(id)).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  describe('adjusted by hand', () => {
    it.each([
      ['long', '97', '96', '100'],
      ['short', '103', '104', '100'],
    ] as const)('come nearer and never loosen (%s)', async (direction, nearer, looser, best) => {
      const stop = await create({ direction })
      const adjusted = await adjustStopOrder(db, {
        ...key(stop),
        ...by,
        stopPrice: nearer,
        expectedVersion: 1,
      })
      expect(adjusted).toMatchObject({ ...by, version: 2 })
      expect(levels(adjusted)).toEqual([nearer, '100'])
      expect(await adjustStopOrder(db, { ...key(stop), ...by, stopPrice: nearer, changedBy: 'x' })).toEqual(
        adjusted,
      )
      await expect(adjustStopOrder(db, { ...key(stop), ...by, stopPrice: looser })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'stopPrice',
        message: expect.stringContaining('never loosens'),
      })
      await expect(adjustStopOrder(db, { ...key(stop), ...by, stopPrice: best })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'stopPrice',
        message: expect.stringContaining('fire at once'),
      })
      await expect(
        adjustStopOrder(db, {
          ...key(stop),
          ...by,
          stopPrice: direction === 'long' ? '98' : '102',
          expectedVersion: 1,
        }),
      ).rejects.toMatchObject({ code: 'conflict', field: 'expectedVersion' })
      expect(await read(stop)).toEqual(adjusted)
      const events = await query(
        db,
        sql`select actor, reason from audit.risk_events where subject_id = ${stop.id} order by id`,
      )
      expect(events.slice(1)).toEqual([{ actor: 'ann', reason: 'news' }])
    })

    it('may keep a gain where the market is said to be better', async () => {
      const stop = await create()
      const change = { ...key(stop), ...by, stopPrice: '110' }
      await expect(adjustStopOrder(db, { ...change, marketPrice: '110' })).rejects.toMatchObject({
        field: 'stopPrice',
      })
      expect(levels(await adjustStopOrder(db, { ...change, marketPrice: '110.01' }))).toEqual(['110', '100'])
      expect(await trigger(stop.symbol, '110')).toHaveLength(1)
    })

    it('or cancelled are so only while they are active', async () => {
      const stop = await create()
      const cancelled = await cancelStopOrder(db, { ...key(stop), ...by })
      expect(cancelled).toMatchObject({ status: 'cancelled', ...by, version: 2 })
      expect(await trigger(stop.symbol, '1')).toEqual([])
      await expect(cancelStopOrder(db, { ...key(stop), ...by })).rejects.toMatchObject({
        code: 'invalid_transition',
      })
      await expect(adjustStopOrder(db, { ...key(stop), ...by, stopPrice: '97' })).rejects.toMatchObject({
        code: 'invalid_transition',
      })
      const other = { botId: 'a', stopOrderId: NOBODY, ...by }
      await expect(cancelStopOrder(db, other)).rejects.toMatchObject({ code: 'not_found' })
      await expect(adjustStopOrder(db, { ...other, stopPrice: '1' })).rejects.toMatchObject({
        code: 'not_found',
      })
    })
  })

  it('never loosen, keep what they are and come back from no end, whoever writes', async () => {
    const update = (stop: StopOrder, change: ReturnType<typeof sql>) =>
      db.execute(sql`update risk.stop_orders set ${change} where bot_id = 'a' and id = ${stop.id}`)
    for (const [direction, looser, worse] of [
      ['long', '94.9', '99'],
      ['short', '105.1', '101'],
    ]) {
      const stop = await create({ direction })
      const refused = (field: string) => expect.objectContaining({ code: 'invalid_input', field })
      await expect(update(stop, sql`stop_price = ${looser}::numeric`)).rejects.toEqual(refused('stopPrice'))
      await expect(update(stop, sql`best_price = ${worse}::numeric`)).rejects.toEqual(refused('bestPrice'))
      for (const change of [
        sql`entry_price = 1`,
        sql`symbol = 'X'`,
        sql`expires_at = now()`,
        sql`position_id = ${NOBODY}`,
      ]) {
        await expect(update(stop, change)).rejects.toMatchObject({ code: 'invalid_input' })
      }
      await cancelStopOrder(db, { ...key(stop), ...by })
      await expect(update(stop, sql`status = 'active'`)).rejects.toMatchObject({ code: 'invalid_transition' })
      await expect(update(stop, sql`reason = 'x'`)).rejects.toMatchObject({ code: 'invalid_transition' })
      await expect(
        db.execute(sql`delete from risk.stop_orders where bot_id = 'a' and id = ${stop.id}`),
      ).rejects.toMatchObject({ code: 'invalid_input' })
      expect(await read(stop)).toMatchObject({ status: 'cancelled', ...by })
    }
  })

  it('are listed newest first, page by page', async () => {
    await makeBot(db, 'pages')
    const made: StopOrder[] = []
    for (const at of [1, 2, 2]) made.push(await create({ botId: 'pages', symbol: 'P', now: minute(at) }))
    const [first, second, third] = made
    const botId = 'pages'
    expect(await listStopOrders(db, { botId })).toEqual([third, second, first])
    expect(await listStopOrders(db, { botId, limit: 1, after: third })).toEqual([second])
    await cancelStopOrder(db, { botId, stopOrderId: second?.id ?? '', ...by })
    expect(await listActiveStopOrders(db, { botId, exchange: EXCHANGE })).toEqual([third, first])
    expect(await listActiveStopOrders(db, { botId, exchange: 'y' })).toEqual([])
  })

  it.each<[string, Record<string, unknown>]>([
    ['botId', { botId: '' }],
    ['symbol', { symbol: '' }],
    ['exchange', { exchange: ' ' }],
    ['direction', { direction: 'up' }],
    ['positionSide', { positionSide: 'short' }],
    ['entryPrice', { entryPrice: '0' }],
    ['quantity', { quantity: '0' }],
    ['stopPrice', { stopPrice: '100' }],
    ['fraction', { kind: 'fixed', fraction: '2' }],
    ['createdBy', { createdBy: '' }],
    ['positionId', { positionId: 'x' }],
  ])('are refused for their %s (%j)', async (field, input) => {
    await expect(create(input)).rejects.toMatchObject({ code: 'invalid_input', field })
  })

  it('of a bot that is not registered are refused', async () => {
    await expect(create({ botId: 'nobody' })).rejects.toMatchObject({ code: 'missing_reference' })
  })

  it('do with every price what the arithmetic says', async () => {
    // On a coarse grid, levels are often met exactly.
    const price = fc.oneof(
      fc.integer({ min: 1, max: 1_999 }).map((n) => new Decimal(n).div(10)),
      { arbitrary: fc.integer({ min: 14, max: 26 }).map((n) => new Decimal(n).times(5)), weight: 4 },
    )
    const terms = fc.constantFrom(
      { kind: 'fixed', fraction: '0.3' },
      { kind: 'trailing', distance: '7.5' },
      { kind: 'trailing', fraction: '0.1', activationFraction: '0.05' },
      { kind: 'breakeven', activationFraction: '0.2', offsetFraction: '0.01', stopPrice: undefined },
    )
    await fc.assert(
      fc.asyncProperty(
        terms,
        fc.constantFrom('long' as const, 'short' as const),
        fc.array(price, { minLength: 1, maxLength: 12 }),
        async (given, direction, prices) => {
          const own = given.kind === 'breakeven' ? { stopPrice: direction === 'long' ? '60' : '140' } : {}
          let stop = await create({ ...given, ...own, direction })
          for (const one of prices) {
            const model = followStop(direction, stop, one)
            const fired = await trigger(stop.symbol, one.toFixed())
            stop = await read(stop)
            expect(fired).toEqual(model.isReached ? [stop] : [])
            expect(levels(stop)).toEqual([model.stopPrice.toFixed(), model.bestPrice.toFixed()])
            if (model.isReached) return
            expect(stop).toMatchObject({ status: 'active', version: 1 })
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})
