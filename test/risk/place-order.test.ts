import { v7 as uuidv7 } from 'uuid'
import { beforeAll, describe, expect, it } from 'vitest'
import { listRiskEvents } from '../../src/audit/index.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { type SetInstrumentInput, setInstrument } from '../../src/market/index.ts'
import { type DeniedOrder, type PlaceOrderInput, placeOrder } from '../../src/risk/place-order.ts'
import type { RiskLimitsInput } from '../../src/risk/settings-input.ts'
import { findOrderByClientId, getOrder, listOrders, markOrderSubmitted } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { NOW, observeEquity, plus } from './closures.ts'
import {
  codesOf,
  endLock,
  fresh,
  limit,
  makeTrader,
  openMarket,
  rolledBack,
  storeLock,
  storePrice,
  storeTrip,
  trade,
} from './gate-fixture.ts'

const TINY = '0.000000000000000000000000000001'
const JUST_BELOW_2 = `1.${'9'.repeat(30)}`

type Terms = Partial<PlaceOrderInput>

function entry(botId: string, terms: Terms = {}): PlaceOrderInput {
  return {
    ...{ botId, symbol: 'BTC', side: 'buy', type: 'limit', quantity: '2', limitPrice: '100', now: NOW },
    clientOrderId: fresh('order'),
    ...terms,
  }
}

/** `placed`, or what refused it. */
async function outcome(db: Database, input: PlaceOrderInput): Promise<string[]> {
  const placement = await placeOrder(db, input)
  return placement.placed ? ['placed'] : codesOf(placement)
}

async function denied(db: Database, input: PlaceOrderInput): Promise<DeniedOrder> {
  const placement = await placeOrder(db, input)
  if (placement.placed) throw new Error('it was placed')
  return placement
}

describeEngines('placeOrder', (open) => {
  let db: Connection
  const makeBacktest = async () => await makeTrader(db, { mode: 'backtest' })
  beforeAll(async () => {
    db = await open()
    await openMarket(db, 'BTC', 'ETH', 'LTC')
  })

  it('stores the order as pending, with what was checked, and returns it as it is stored', async () => {
    const botId = await makeBacktest()
    await limit(db, botId, { maxQuantity: '5', maxOrderNotional: '1000', minConfidence: 0.5 })
    const placement = await placeOrder(
      db,
      entry(botId, { confidence: 0.75, postOnly: true, purpose: 'entry' }),
    )
    if (!placement.placed) throw new Error('it was refused')
    const { order } = placement
    expect(placement.isRepeat).toBe(false)
    expect(order).toMatchObject({
      status: 'pending',
      exchange: 'x',
      createdAt: NOW,
      updatedAt: NOW,
      submittedAt: null,
    })
    expect(await getOrder(db, { botId, orderId: order.id })).toEqual(order)
    const checks = new Map(order.checks?.map((check) => [check.code, check]))
    expect([...checks.values()].every(({ passed }) => passed)).toBe(true)
    expect(checks.get('quantity')).toMatchObject({ threshold: '5', actual: '2', source: 'settings' })
    expect(checks.get('order_notional')).toMatchObject({ threshold: '1000', actual: '200' })
    expect(checks.get('confidence')).toMatchObject({ threshold: '0.5', actual: '0.75' })
    for (const code of ['kill_switch', 'settings', 'trading_enabled', 'bot_status', 'symbol', 'instrument']) {
      expect([...checks.keys()]).toContain(code)
    }
  })

  it('stores no order that is refused, but every reason in the same transaction', async () => {
    const botId = await makeBacktest()
    await limit(db, botId, { maxQuantity: '1', tradingEnabled: false })
    const lockId = await storeLock(db, { botId, at: NOW, until: plus(1) })
    const input = entry(botId, { purpose: 'scale_in' })
    await rolledBack(db, async (tx) => void (await denied(tx, input)))
    expect(await listRiskEvents(db, { botId, kind: 'order_denied' })).toEqual([])

    const { blocks, checks, deniedAt } = await denied(db, input)
    expect(codesOf({ blocks })).toEqual(['lock', 'quantity', 'trading_enabled'])
    expect(blocks.find(({ code }) => code === 'lock')).toMatchObject({ sourceId: lockId, until: plus(1) })
    expect(blocks.find(({ code }) => code === 'quantity')).toMatchObject({ scope: 'order', effect: 'reduce' })
    expect(deniedAt).toEqual(NOW)
    expect(checks.length).toBeGreaterThan(blocks.length)
    expect(await listOrders(db, { botId })).toEqual([])
    expect(await findOrderByClientId(db, { botId, clientOrderId: input.clientOrderId ?? '' })).toBeUndefined()
    const events = await listRiskEvents(db, { botId, kind: 'order_denied' })
    expect(events).toMatchObject([
      {
        occurredAt: NOW,
        details: { clientOrderId: input.clientOrderId, symbol: 'BTC', quantity: '2', checks },
      },
    ])
    for (const { code } of blocks) expect(events[0]?.reason).toContain(code)
  })

  it('returns the stored order when it is placed again, and asks no limit anew', async () => {
    const botId = await makeBacktest()
    const input = entry(botId)
    const first = await placeOrder(db, input)
    await limit(db, botId, {
      maxOrdersPerMinute: 1,
      maxOpenPositions: 1,
      maxExposure: '200',
      maxQuantity: '1',
    })
    expect(await placeOrder(db, input)).toEqual({ ...first, isRepeat: true })
    expect(await placeOrder(db, { ...input, exchange: 'x', limitPrice: '100.00' })).toEqual({
      ...first,
      isRepeat: true,
    })
    for (const [field, terms] of [
      ['quantity', { quantity: '2.1' }],
      ['limitPrice', { limitPrice: '101' }],
      ['side', { side: 'sell' }],
      ['symbol', { symbol: 'ETH' }],
      ['exchange', { exchange: 'y' }],
    ] as [string, Terms][]) {
      await expect(placeOrder(db, { ...input, ...terms })).rejects.toMatchObject({ code: 'conflict', field })
    }
    expect(await listOrders(db, { botId })).toHaveLength(1)
  })

  it('refuses what was not sent before entries were closed, and stores it no second time', async () => {
    const botId = await makeBacktest()
    await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-1_000))
    const pending = entry(botId)
    const exit = entry(botId, { symbol: 'ETH', side: 'sell', quantity: '1' })
    const sent = entry(botId)
    for (const input of [pending, exit, sent]) expect(await outcome(db, input)).toEqual(['placed'])
    const { id } = (await findOrderByClientId(db, { botId, clientOrderId: sent.clientOrderId ?? '' })) ?? {
      id: '',
    }
    await markOrderSubmitted(db, { botId, orderId: id, exchangeOrderId: fresh('exchange') })
    const lockId = await storeLock(db, { botId, at: NOW, until: null })
    expect(await outcome(db, pending)).toEqual(['lock'])
    expect(await placeOrder(db, exit)).toMatchObject({ placed: true, isRepeat: true })
    expect(await placeOrder(db, sent)).toMatchObject({ placed: true, isRepeat: true })
    expect(await listRiskEvents(db, { botId, kind: 'order_denied' })).toHaveLength(1)
    await endLock(db, botId, lockId)
    expect(await placeOrder(db, pending)).toMatchObject({ placed: true, isRepeat: true })
    expect(await listOrders(db, { botId })).toHaveLength(3)
  })

  it('asks a refused order anew', async () => {
    const botId = await makeBacktest()
    const id = await storeLock(db, { botId, at: NOW, until: null })
    const input = entry(botId)
    expect(await outcome(db, input)).toEqual(['lock'])
    expect(await outcome(db, input)).toEqual(['lock'])
    await endLock(db, botId, id)
    expect(await placeOrder(db, input)).toMatchObject({ placed: true, isRepeat: false })
    expect(await listRiskEvents(db, { botId, kind: 'order_denied' })).toHaveLength(2)
  })

  describe('lets an order reach a limit, but not pass it:', () => {
    // A bot that holds 1 ETH bought at 100, with an equity of 100.
    const bounds: [string, RiskLimitsInput, Terms, Terms][] = [
      ['confidence', { minConfidence: 0.5 }, { confidence: 0.5 }, { confidence: 0.4999999999999999 }],
      ['confidence', { minConfidence: 0 }, { confidence: 0 }, {}],
      ['quantity', { maxQuantity: '2' }, { quantity: '2' }, { quantity: `2.${TINY.slice(2)}` }],
      ['order_notional', { maxOrderNotional: '200' }, {}, { limitPrice: `100.${TINY.slice(2)}` }],
      ['order_notional', { maxOrderNotional: '200' }, { quantity: JUST_BELOW_2 }, { quantity: '2.1' }],
      ['exposure', { maxExposure: '300' }, {}, { quantity: `2.${TINY.slice(2)}` }],
      ['leverage', { maxLeverage: '3' }, {}, { quantity: '2.000001' }],
      ['open_positions', { maxOpenPositions: 1 }, { symbol: 'ETH' }, { symbol: 'BTC' }],
    ]
    it.each(bounds)('%s of %j', async (code, limits, reaching, passing) => {
      const botId = await makeBacktest()
      await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-1_000))
      await observeEquity(db, botId, '100', '0')
      await limit(db, botId, limits)
      const refused = await denied(db, entry(botId, passing))
      expect(codesOf(refused)).toEqual([code])
      expect(refused.blocks[0]?.threshold).not.toBeNull()
      expect(await outcome(db, entry(botId, reaching))).toEqual(['placed'])
    })
  })

  it('counts the orders that are on their way, each at what it may cost', async () => {
    const botId = await makeBacktest()
    await limit(db, botId, { maxExposure: '500', maxOpenPositions: 2 })
    expect(await outcome(db, entry(botId))).toEqual(['placed'])
    expect(await outcome(db, entry(botId, { symbol: 'ETH', limitPrice: '150.5' }))).toEqual(['exposure'])
    expect(await outcome(db, entry(botId, { symbol: 'ETH', limitPrice: '125' }))).toEqual(['placed'])
    expect(await outcome(db, entry(botId, { quantity: '0.5', symbol: 'LTC' }))).toEqual(['open_positions'])
    expect(await outcome(db, entry(botId, { quantity: '0.5' }))).toEqual(['placed'])
    expect(await outcome(db, entry(botId, { quantity: TINY }))).toEqual(['exposure'])
  })

  it('lets as many orders through in a minute as allowed', async () => {
    const botId = await makeBacktest()
    await limit(db, botId, { maxOrdersPerMinute: 2 })
    const at = async (ms: number) => await outcome(db, entry(botId, { now: plus(ms) }))
    expect([await at(0), await at(1), await at(59_999), await at(60_000), await at(60_000)]).toEqual([
      ['placed'],
      ['placed'],
      ['order_rate'],
      ['placed'],
      ['order_rate'],
    ])
  })

  it('asks of the side and the exchange of the order', async () => {
    const botId = await makeBacktest()
    await storeLock(db, { botId, side: 'buy', at: NOW, until: null })
    await storeTrip(db, { botId, exchange: 'y', at: NOW, cooldownMs: null })
    expect(await outcome(db, entry(botId))).toEqual(['lock'])
    expect(await outcome(db, entry(botId, { side: 'sell' }))).toEqual(['placed'])
    expect(await outcome(db, entry(botId, { side: 'sell', exchange: 'y' }))).toEqual([
      'circuit_breaker',
      'instrument',
    ])
  })

  describe('values an order at', () => {
    const cases: [string, string | null, Terms, string | null][] = [
      ['the limit of a limit buy', '120', {}, '200'],
      ['the market, for a buy without a limit', '120', { type: 'market', limitPrice: undefined }, '240'],
      [
        'the market, whatever limit a market order carries',
        '120',
        { type: 'market', limitPrice: '1' },
        '240',
      ],
      ['the market, for a sell below it', '120', { side: 'sell' }, '240'],
      ['the limit, for a sell above the market', '90', { side: 'sell' }, '200'],
      [
        'the stop, for a stop above the market',
        '90',
        { type: 'stop_market', stopPrice: '95', limitPrice: undefined },
        '190',
      ],
      [
        'the market, whatever limit a stop at the market carries',
        '120',
        { type: 'stop_market', stopPrice: '110', limitPrice: '1' },
        '240',
      ],
      [
        'the reference, where no price is stored',
        null,
        { type: 'market', limitPrice: undefined, referencePrice: '70' },
        '140',
      ],
      [
        'the stored price, not the reference',
        '120',
        { type: 'market', limitPrice: undefined, referencePrice: '1' },
        '240',
      ],
      ['nothing, where nothing is known', null, { type: 'market', limitPrice: undefined }, null],
    ]
    it.each(cases)('%s', async (_, price, terms, worth) => {
      const botId = await makeBacktest()
      const symbol = fresh('SYM')
      await openMarket(db, symbol)
      if (price !== null) await storePrice(db, symbol, price, plus(-3_599_999))
      await storePrice(db, fresh('OTHER'), '5', NOW)
      await limit(db, botId, { maxOrderNotional: TINY })
      const [block, ...more] = (await denied(db, entry(botId, { symbol, ...terms }))).blocks
      expect(more).toEqual([])
      expect([block?.code, block?.actual?.toFixed() ?? null]).toEqual(['order_notional', worth])
      await limit(db, botId, { maxOrderNotional: worth })
      expect(await outcome(db, entry(botId, { symbol, ...terms }))).toEqual(['placed'])
    })

    it('what it costs at least, or refuses, for a price that is not above zero', async () => {
      const botId = await makeBacktest()
      await limit(db, botId, { maxOrderNotional: '100', maxExposure: '100' })
      await storePrice(db, 'BTC', '100', plus(-1))
      for (const limitPrice of ['-5', '0']) {
        const placed = await outcome(db, entry(botId, { limitPrice })).catch(({ code }) => [code])
        expect([limitPrice, placed]).not.toEqual([limitPrice, ['placed']])
      }
    })
  })

  describe('in the currency of the bot', () => {
    // Hand-worked. Of XBT/USD, inverse: 3 contracts of 100 USD = 300 USD = 0.0075 XBT at 40,000 = 240 EUR at 32,000 per XBT, or at 1.25 USD per EUR.
    // Of BTC/USDT, linear: 7 contracts of 0.01 BTC at 50,000 = 3,500 USDT = 3,498.25 USD at 0.9995; = 2,800 CHF at 1.25 USDT per CHF.
    const inverse = { symbol: 'BTC-INVERSE', quantity: '3', limitPrice: '40000' }
    const linear = { symbol: 'BTC-LINEAR', quantity: '7', limitPrice: '50000' }
    const cases: [string, Terms, string | null][] = [
      ['USD', inverse, '300'],
      ['XBT', inverse, '0.0075'],
      ['EUR', inverse, '240'],
      ['GBP', inverse, null],
      ['USDT', linear, '3500'],
      ['USD', linear, '3498.25'],
      ['CHF', linear, '2800'],
      ['OLD', linear, null],
    ]
    it.each(cases)('%s, %j is worth %s', async (baseCurrency, terms, worth) => {
      const list = async (
        symbol: string,
        base: string,
        quote: string,
        more: Partial<SetInstrumentInput> = {},
      ) =>
        await setInstrument(db, {
          ...{ exchange: 'x', symbol, kind: 'spot', baseCurrency: base, quoteCurrency: quote },
          ...more,
        })
      await list('BTC-INVERSE', 'XBT', 'USD', { kind: 'inverse', contractSize: '100' })
      await list('BTC-LINEAR', 'BTC', 'USDT', { kind: 'linear', contractSize: '0.01' })
      for (const [base, quote, price, ago] of [
        ['XBT', 'EUR', '32000', 1],
        ['EUR', 'USD', '1.25', 1],
        ['USDT', 'USD', '0.9995', 1],
        ['CHF', 'USDT', '1.25', 1],
        ['OLD', 'USDT', '2', 3_600_001],
      ] as const) {
        await list(`${base}/${quote}`, base, quote)
        await storePrice(db, `${base}/${quote}`, price, plus(-ago))
      }
      await storePrice(db, 'BTC-INVERSE', '40000', plus(-1))
      const botId = await makeTrader(db, { mode: 'backtest', baseCurrency })
      await limit(db, botId, { maxOrderNotional: TINY, maxExposure: '1000000' })
      const { blocks } = await denied(db, entry(botId, terms))
      expect(blocks.find(({ code }) => code === 'order_notional')?.actual?.toFixed() ?? null).toBe(worth)
      expect(codesOf({ blocks })).toEqual(
        worth === null ? ['exposure', 'order_notional'] : ['order_notional'],
      )
      await limit(db, botId, { maxOrderNotional: worth, maxExposure: worth })
      expect(await outcome(db, entry(botId, terms))).toEqual(['placed'])
    })
  })

  it('takes the time of a backtest from its bot, and of any other from the database alone', async () => {
    const backtest = await makeBacktest()
    const paper = await makeTrader(db)
    expect((await placeOrder(db, entry(backtest, { now: plus(-9e11) }))).placed).toBe(true)
    await expect(placeOrder(db, entry(paper))).rejects.toMatchObject({ code: 'invalid_input' })
    expect(await listOrders(db, { botId: paper })).toEqual([])
    const before = Date.now()
    const placement = await placeOrder(db, entry(paper, { now: undefined }))
    if (!placement.placed) throw new Error('it was refused')
    expect(Math.abs(placement.order.createdAt.getTime() - before)).toBeLessThan(60_000)
  })

  it('is not_found of a bot that is not registered, and stores nothing', async () => {
    await expect(placeOrder(db, entry('nobody'))).rejects.toMatchObject({ code: 'not_found' })
    expect(await listRiskEvents(db, { botId: 'nobody' })).toEqual([])
  })

  it('names the field that cannot be', async () => {
    const botId = await makeBacktest()
    const cases: [string, Record<string, unknown>][] = [
      ['quantity', { quantity: '0' }],
      ['quantity', { quantity: '1e3' }],
      ['limitPrice', { limitPrice: undefined }],
      ['stopPrice', { type: 'stop_market' }],
      ['side', { side: 'long' }],
      ['positionSide', { positionSide: 'both' }],
      ['type', { type: 'iceberg' }],
      ['purpose', { purpose: 'fun' }],
      ['confidence', { confidence: 1.0000000000000002 }],
      ['confidence', { confidence: Number.NaN }],
      ['referencePrice', { referencePrice: '0' }],
      ['now', { now: new Date(Number.NaN) }],
      ['symbol', { symbol: ' ' }],
      ['parentId', { parentId: 'x' }],
      ['reduceOnly', { reduceOnly: 'false' }],
    ]
    for (const [field, terms] of cases) {
      const input = { ...entry(botId), ...terms } as PlaceOrderInput
      await expect(placeOrder(db, input), field).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    for (const terms of [{ parentId: uuidv7() }, { positionId: uuidv7() }]) {
      await expect(placeOrder(db, entry(botId, terms))).rejects.toMatchObject({ code: 'missing_reference' })
    }
    expect(await listOrders(db, { botId })).toEqual([])
  })
})
