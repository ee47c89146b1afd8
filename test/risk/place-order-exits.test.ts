import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { type PlaceOrderInput, placeOrder } from '../../src/risk/place-order.ts'
import { cancelOrder, markOrderSubmitted, recordOrder } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { makeTypicalTrader, NOW, plus, WAYS } from './closures.ts'
import {
  codesOf,
  EXCHANGE,
  fresh,
  limit,
  makeTrader,
  openMarket,
  rolledBack,
  storeLock,
  storePrice,
  trade,
} from './gate-fixture.ts'

const TINY = '0.000000000000000000000000000001'

type Terms = Partial<PlaceOrderInput>

/** `placed`, or what refused it. */
async function outcome(db: Database, input: PlaceOrderInput): Promise<string> {
  const placement = await placeOrder(db, input)
  return placement.placed ? 'placed' : codesOf(placement).join(' ')
}

describeEngines('placeOrder of an exit', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'LTC')
  })

  /** A bot that has traded BTC, and what comes of its orders, each written as `sell 1`. */
  async function holder(held: string, terms: Terms = {}) {
    const botId = await makeTrader(db, { mode: 'backtest' })
    const positionSide = terms.positionSide ?? 'net'
    await trade(db, botId, 'BTC', `${held} @ 100`, plus(-10_000), { positionSide })
    const order = (text: string, more: Terms = {}): PlaceOrderInput => {
      const [side, quantity = ''] = text.split(' ')
      return {
        ...{
          botId,
          symbol: 'BTC',
          side: side === 'buy' ? 'buy' : 'sell',
          type: 'limit',
          quantity,
          limitPrice: '100',
        },
        ...{ clientOrderId: fresh('order'), now: NOW, positionSide },
        ...more,
      }
    }
    const place = async (text: string, more: Terms = {}) => await outcome(db, order(text, more))
    const parent = async () =>
      (await recordOrder(db, { ...order(held), exchange: EXCHANGE, status: 'filled' })).id
    return { botId, order, place, parent }
  }

  // A short is the mirror of a long.
  describe.each([
    ['a long', 'buy', 'sell'],
    ['a short', 'sell', 'buy'],
  ])('of %s', (_, opening, closing) => {
    const declared: [string, Terms][] = [
      ['reduceOnly', { reduceOnly: true }],
      ['purpose exit', { purpose: 'exit' }],
      ['purpose stop_loss', { purpose: 'stop_loss' }],
      ['purpose take_profit', { purpose: 'take_profit' }],
      ['purpose scale_out', { purpose: 'scale_out' }],
    ]
    it.each(declared)('with %s fits, or is refused, whatever the state', async (_, terms) => {
      const { botId, place, order } = await holder(`${opening} 5`)
      expect(await place(`${closing} 5.${TINY.slice(2)}`, terms)).toBe('reduces')
      expect(await place(`${opening} 1`, terms)).toBe('reduces')
      expect(await place(`${closing} 1`, { ...terms, symbol: 'ETH' })).toBe('reduces')
      expect(await place(`${closing} 1`, { ...terms, exchange: 'y' })).toBe('reduces')
      await storeLock(db, { botId, at: NOW, until: null })
      expect(await place(`${closing} 5.${TINY.slice(2)}`, terms)).toBe('reduces')
      const placement = await placeOrder(db, order(`${closing} 5`, terms))
      expect(placement).toMatchObject({
        placed: true,
        order: { checks: [{ code: 'reduces', passed: true, source: 'ledger', threshold: '5', actual: '5' }] },
      })
    })

    it('that says nothing passes while it fits, and is an entry beyond', async () => {
      const { botId, place } = await holder(`${opening} 5`)
      const id = await storeLock(db, { botId, at: NOW, until: null })
      expect(await place(`${closing} 5.1`)).toBe('lock')
      expect(await place(`${closing} 2`)).toBe('placed')
      expect(await place(`${closing} 3.1`)).toBe('lock')
      expect(await place(`${closing} 3`)).toBe('placed')
      expect(await place(`${closing} ${TINY}`)).toBe('lock')
      await query(db, sql`update risk.locks set expires_at = locked_at where id = ${id}::uuid`)
      expect(await place(`${closing} 6`)).toBe('placed')
    })

    it.each([
      ['reduceOnly', { reduceOnly: true }],
      ['not reduceOnly', { purpose: 'exit' }],
    ] as [string, Terms][])('%s counts the exits on their way', async (_, terms) => {
      const { botId, place, order } = await holder(`${opening} 5`)
      const first = await placeOrder(db, order(`${closing} 3`, terms))
      if (!first.placed) throw new Error('it was refused')
      expect(await place(`${closing} 2.1`, terms)).toBe('reduces')
      expect(await place(`${closing} 2`, terms)).toBe('placed')
      expect(await place(`${closing} ${TINY}`, terms)).toBe('reduces')
      // What was filled is neither held nor on its way any more.
      const exchangeOrderId = fresh('exchange')
      await markOrderSubmitted(db, { botId, orderId: first.order.id, exchangeOrderId })
      await trade(db, botId, 'BTC', `${closing} 1 @ 100`, plus(-1), { exchangeOrderId, positionSide: 'net' })
      expect(await place(`${closing} ${TINY}`, terms)).toBe('reduces')
      // What was cancelled is free again.
      await cancelOrder(db, { botId, orderId: first.order.id })
      expect(await place(`${closing} 2.1`, terms)).toBe('reduces')
      expect(await place(`${closing} 2`, terms)).toBe('placed')
    })

    it('of one parent counts once where all are reduceOnly, and in full otherwise', async () => {
      const { place, parent } = await holder(`${opening} 5`)
      const [parentId, otherId] = [await parent(), await parent()]
      const alternative = { parentId, reduceOnly: true }
      expect(await place(`${closing} 4`, { ...alternative, purpose: 'stop_loss' })).toBe('placed')
      expect(await place(`${closing} 3`, { ...alternative, purpose: 'take_profit' })).toBe('placed')
      expect(await place(`${closing} 5`, { ...alternative, parentId: otherId })).toBe('reduces')
      expect(await place(`${closing} 5`, { reduceOnly: true })).toBe('reduces')
      expect(await place(`${closing} 2`, { parentId, purpose: 'exit' })).toBe('reduces')
      expect(await place(`${closing} 1`, { parentId, purpose: 'exit' })).toBe('placed')
      expect(await place(`${closing} 5`, alternative)).toBe('reduces')
      expect(await place(`${closing} 4`, alternative)).toBe('placed')
      expect(await place(`${closing} ${TINY}`, { reduceOnly: true, parentId: otherId })).toBe('reduces')
    })

    it('counts the largest of the alternatives, also where the new one is smaller', async () => {
      const { botId, place, parent } = await holder(`${opening} 5`)
      const alternative = { parentId: await parent(), reduceOnly: true }
      expect(await place(`${closing} 4`, alternative)).toBe('placed')
      await trade(db, botId, 'BTC', `${closing} 2 @ 100`, plus(-1))
      expect(await place(`${closing} 1`, alternative)).toBe('reduces')
    })

    it('of which only the rest is an entry adds that rest, and all of it after the first', async () => {
      const { botId, place } = await holder(`${opening} 1`)
      await storePrice(db, 'BTC', '100', plus(-1))
      await limit(db, botId, { maxExposure: '250' })
      const placed: string[] = []
      for (let count = 0; count < 6; count += 1) placed.push(await place(`${closing} 1`))
      // 1 is closed by the first. Of the rest at most 2 may come, or 3 if what is held were not counted beside.
      expect(placed.filter((one) => one === 'placed').length).toBeLessThanOrEqual(4)
      expect(placed.at(-1)).toBe('exposure')
    })
  })

  describe('of a hedged side', () => {
    it.each([
      ['long', 'buy', 'sell'],
      ['short', 'sell', 'buy'],
    ] as const)('%s closes it and never opens the other', async (positionSide, opening, closing) => {
      const { botId, place } = await holder(`${opening} 2`, { positionSide })
      const other = positionSide === 'long' ? 'short' : 'long'
      expect(await place(`${closing} 2.1`)).toBe('reduces')
      expect(await place(`${closing} 1`, { positionSide: 'net' })).toBe('placed')
      expect(await place(`${opening} 1`, { positionSide: other })).toBe('reduces')
      await storeLock(db, { botId, at: NOW, until: null })
      expect(await place(`${closing} 1`, { positionSide: 'net' })).toBe('lock')
      expect(await place(`${opening} 1`)).toBe('lock')
      expect(await place(`${closing} 2`)).toBe('placed')
      expect(await place(`${closing} 1`)).toBe('reduces')
    })

    it('counts as a place of its own', async () => {
      const { botId, place } = await holder('buy 2', { positionSide: 'long' })
      await limit(db, botId, { maxOpenPositions: 1 })
      expect(await place('buy 1')).toBe('placed')
      expect(await place('sell 1', { positionSide: 'short' })).toBe('open_positions')
    })
  })

  it('is refused where nothing is held, also after all of it was closed', async () => {
    const { botId, place } = await holder('buy 5')
    await trade(db, botId, 'BTC', 'sell 5 @ 100', plus(-1))
    expect(await place('sell 1', { reduceOnly: true })).toBe('reduces')
    expect(await place('sell 1')).toBe('placed')
  })

  it.each(WAYS.filter(({ code }) => code !== 'heartbeat'))(
    'passes under $name, which refuses entries',
    async (way) => {
      await rolledBack(db, async (tx) => {
        const botId = await makeTypicalTrader(tx, { mode: 'backtest' })
        await way.close(tx, botId)
        const order = { botId, type: 'limit', quantity: '1', limitPrice: '1', now: NOW } as const
        expect(await outcome(tx, { ...order, symbol: 'BTC', side: 'buy' })).toBe(way.code)
        expect(await outcome(tx, { ...order, symbol: 'ETH', side: 'sell', reduceOnly: true })).toBe('placed')
      })
    },
  )

  it('passes without settings of the fleet, of a symbol that is suspended, and without a price', async () => {
    await rolledBack(db, async (tx) => {
      const botId = await makeTypicalTrader(tx, { mode: 'backtest' })
      await query(tx, sql`alter table risk.global_settings disable trigger user`)
      await query(tx, sql`delete from risk.global_settings`)
      await query(tx, sql`update market.instruments set status = 'suspended' where symbol = 'ETH'`)
      const order = { botId, symbol: 'ETH', type: 'market', quantity: '1', now: NOW } as const
      expect(await outcome(tx, { ...order, side: 'buy' })).toContain('settings')
      expect(await outcome(tx, { ...order, side: 'sell', purpose: 'stop_loss' })).toBe('placed')
    })
  })
})
