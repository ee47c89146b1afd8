import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  findOrder,
  findOrderByClientId,
  findOrderByExchangeId,
  getOrder,
  listOpenOrders,
  listOrderEvents,
  listOrderFills,
  listOrders,
} from '../../src/trading/order-reads.ts'
import { recordOrder } from '../../src/trading/orders.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, orderIn, orderOf, prepare, rowsOf, SYMBOL, unique, unknownId } from './orders-fixtures.ts'

describeEngines('reading orders', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await prepare(db, 'a', 'b', 'many')
  })

  it('finds an order of its own bot only', async () => {
    const order = await recordOrder(db, orderOf('a', { exchangeOrderId: unique('exchange') }))
    const { id: orderId, clientOrderId } = order
    const exchangeOrderId = order.exchangeOrderId ?? ''
    expect(await findOrder(db, { botId: 'a', orderId })).toEqual(order)
    expect(await findOrder(db, { botId: 'a', orderId: orderId.toUpperCase() })).toEqual(order)
    expect(await findOrderByClientId(db, { botId: 'a', clientOrderId })).toEqual(order)
    expect(
      await findOrderByExchangeId(db, {
        botId: 'a',
        exchange: EXCHANGE,
        symbol: order.symbol,
        exchangeOrderId,
      }),
    ).toEqual(order)
    expect(await findOrder(db, { botId: 'b', orderId })).toBeUndefined()
    expect(await findOrderByClientId(db, { botId: 'b', clientOrderId })).toBeUndefined()
    expect(
      await findOrderByExchangeId(db, {
        botId: 'b',
        exchange: EXCHANGE,
        symbol: order.symbol,
        exchangeOrderId,
      }),
    ).toBeUndefined()
    await expect(getOrder(db, { botId: 'b', orderId })).rejects.toMatchObject({ code: 'not_found' })
    await expect(getOrder(db, { botId: 'a', orderId: unknownId() })).rejects.toThrow(/order '.*' of bot 'a'/)
  })

  it('goes through the orders page by page, newest first', async () => {
    const made: string[] = []
    for (let n = 0; n < 7; n++) {
      // Pairs of the same millisecond.
      const createdAt = new Date(Date.UTC(2026, 0, 1) + Math.floor(n / 2))
      const status = n % 3 === 2 ? 'filled' : 'submitted'
      const symbol = n === 6 ? 'ETH' : SYMBOL
      made.unshift((await recordOrder(db, orderOf('many', { createdAt, status, symbol }))).id)
    }
    const open = made.filter((_, place) => (made.length - 1 - place) % 3 !== 2)
    for (const [list, expected] of [
      [listOrders, made],
      [listOpenOrders, open],
    ] as const) {
      const seen: string[] = []
      for (let page = await list(db, { botId: 'many', limit: 2 }); page.length > 0; ) {
        seen.push(...page.map((order) => order.id))
        page = await list(db, { botId: 'many', limit: 2, after: page.at(-1) })
      }
      expect(seen).toEqual(expected)
    }
    const ofSymbol = await listOpenOrders(db, { botId: 'many', symbol: 'ETH' })
    expect(ofSymbol.map((order) => order.id)).toEqual([made[0]])
    expect(await listOrders(db, { botId: 'nobody' })).toEqual([])
    expect(await listOpenOrders(db, { botId: 'nobody' })).toEqual([])
  })

  it('goes through the events of an order page by page', async () => {
    const { id: orderId } = await orderIn(db, 'a', 'pending')
    for (const status of ['submitted', 'partially_filled', 'filled']) {
      await db.execute(sql`update trading.orders set status = ${status} where id = ${orderId}`)
    }
    const first = await listOrderEvents(db, { botId: 'a', orderId, limit: 3 })
    const rest = await listOrderEvents(db, { botId: 'a', orderId, after: first.at(-1) })
    expect([...first, ...rest].map((event) => [event.fromStatus, event.toStatus])).toEqual([
      ['partially_filled', 'filled'],
      ['submitted', 'partially_filled'],
      ['pending', 'submitted'],
      [null, 'pending'],
    ])
    expect(await listOrderEvents(db, { botId: 'b', orderId })).toEqual([])
  })

  const id = unknownId()
  it.each<[string, (db: Connection) => Promise<unknown>]>([
    ['botId', (on) => findOrder(on, { botId: 'a\0', orderId: id })],
    ['orderId', (on) => getOrder(on, { botId: 'a', orderId: '17' })],
    ['orderId', (on) => findOrder(on, { botId: 'a', orderId: `${id}\0` })],
    ['botId', (on) => findOrderByClientId(on, { botId: '\0', clientOrderId: 'c' })],
    ['clientOrderId', (on) => findOrderByClientId(on, { botId: 'a', clientOrderId: 'c\0' })],
    [
      'exchange',
      (on) => findOrderByExchangeId(on, { botId: 'a', exchange: '\0', symbol: 's', exchangeOrderId: '1' }),
    ],
    [
      'exchangeOrderId',
      (on) => findOrderByExchangeId(on, { botId: 'a', exchange: 'x', symbol: 's', exchangeOrderId: '\0' }),
    ],
    ['botId', (on) => listOrders(on, { botId: 'a\0' })],
    ['limit', (on) => listOrders(on, { botId: 'a', limit: 0 })],
    ['after', (on) => listOrders(on, { botId: 'a', after: { createdAt: new Date(Number.NaN), id } })],
    ['after', (on) => listOrders(on, { botId: 'a', after: { createdAt: new Date(), id: '\0' } })],
    ['botId', (on) => listOpenOrders(on, { botId: 'a\0' })],
    ['symbol', (on) => listOpenOrders(on, { botId: 'a', symbol: '\0' })],
    ['limit', (on) => listOpenOrders(on, { botId: 'a', limit: 1001 })],
    ['after', (on) => listOpenOrders(on, { botId: 'a', after: { createdAt: new Date(), id: '1' } })],
    ['botId', (on) => listOrderEvents(on, { botId: 'a\0', orderId: id })],
    ['orderId', (on) => listOrderEvents(on, { botId: 'a', orderId: 'x' })],
    ['after', (on) => listOrderEvents(on, { botId: 'a', orderId: id, after: { id: 2n ** 63n } })],
    ['botId', (on) => listOrderFills(on, { botId: 'a\0', orderId: id })],
    ['orderId', (on) => listOrderFills(on, { botId: 'a', orderId: 'x' })],
  ])('refuses a bad %s (%#)', async (field, read) => {
    await expect(read(db)).rejects.toMatchObject({ code: 'invalid_input', field })
  })

  describe('listOpenOrders', () => {
    it('reads the open orders of a bot from their index', async () => {
      await db.execute(sql`
        insert into trading.orders (bot_id, id, client_order_id, exchange, symbol, side, type, quantity, status, created_at)
        select case when n % 10 = 0 then 'b' else 'many' end, gen_random_uuid(), 'seed' || n, 'x', 'S', 'buy', 'market', 1,
          case when n % 50 = 0 then 'submitted' else 'filled' end, timestamptz '2025-01-01' + n * interval '1 minute'
        from generate_series(1, 5000) n`)
      await db.execute(sql`analyze trading.orders`)
      const texts: string[] = []
      const session = Object.create(db._.session, {
        prepareQuery: {
          value: (...given: Parameters<typeof db._.session.prepareQuery>) => {
            texts.push(given[0].sql)
            return db._.session.prepareQuery(...given)
          },
        },
      })
      const spy = Object.create(db, { _: { value: { ...db._, session } } }) as Connection
      expect(await listOpenOrders(spy, { botId: 'b', limit: 10 })).toHaveLength(10)
      const plan = await db.transaction(async (tx) => {
        await tx.execute(sql`set local plan_cache_mode = force_generic_plan`)
        await tx.execute(sql.raw(`prepare listed as ${texts[0]}`))
        const explained = await rowsOf(
          tx,
          sql.raw(
            `explain execute listed ('b', null, null, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 10)`,
          ),
        )
        await tx.execute(sql.raw('deallocate listed'))
        return explained.map((row) => String(row['QUERY PLAN'])).join('\n')
      })
      expect(plan).toContain('Index Scan using orders_open_idx')
      expect(plan).not.toContain('Sort')
      expect(plan).toMatch(/Index Cond: .*created_at.*infinity|Index Cond: .*ROW\(created_at, id\)/)
    })
  })
})
