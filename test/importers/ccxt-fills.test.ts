import { describe, expect, test } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { fillsFromCcxt } from '../../src/importers/index.ts'
import { checkFillInput } from '../../src/trading/fill-input.ts'
import { refusalOf } from './refusal.ts'

const owner = { botId: 'grid-7', exchange: 'binance' }
const AT = 1_700_000_000_123

function makeTrade(overrides: object = {}) {
  return {
    id: '1001',
    order: '77',
    timestamp: AT,
    datetime: '2023-11-14T22:13:20.123Z',
    symbol: 'BTC/USDT:USDT',
    side: 'buy',
    takerOrMaker: 'taker',
    price: 42_000.1,
    amount: 0.5,
    cost: 21_000.05,
    fee: { cost: 8.4, currency: 'USDT' },
    info: {},
    ...overrides,
  }
}

function fillOf(overrides: object = {}, options: object = {}) {
  const [fill] = fillsFromCcxt([makeTrade(overrides)], { ...owner, ...options })
  return fill
}

const refusedFill = (overrides: object, options: object = {}) => refusalOf(() => fillOf(overrides, options))

describe('fillsFromCcxt', () => {
  test('converts a unified trade', () => {
    expect(fillOf()).toEqual({
      botId: 'grid-7',
      exchange: 'binance',
      symbol: 'BTC/USDT:USDT',
      side: 'buy',
      price: '42000.1',
      quantity: '0.5',
      executedAt: new Date(AT),
      exchangeTradeId: '1001',
      exchangeOrderId: '77',
      kind: 'trade',
      liquidity: 'taker',
      fee: '8.4',
      feeCurrency: 'USDT',
    })
  })

  test('is empty for no trades', () => {
    expect(fillsFromCcxt([], owner)).toEqual([])
  })

  test.each([
    [1e-7, '0.0000001'],
    [1.5e-10, '0.00000000015'],
    [1e21, '1000000000000000000000'],
    [0.1, '0.1'],
    [0.1 + 0.2, '0.30000000000000004'],
    ['1.10', '1.10'],
    ['2e-3', '0.002'],
  ])('writes %s as its shortest decimal text', (price, text) => {
    expect(fillOf({ price })?.price).toBe(text)
  })

  test('prefers the text of info, at any depth and under any name, when it is the same number', () => {
    const info = { data: [{ fillPx: '0.123456789012345678', qty: '1.2345678901234567890', side: '1' }] }
    const fill = fillOf({
      price: Number('0.123456789012345678'),
      amount: Number('1.234567890123456789'),
      info,
    })
    expect(fill).toMatchObject({ price: '0.123456789012345678', quantity: '1.2345678901234567890' })
  })

  test('takes no text of info that is another number, however near', () => {
    const info = { px: '42000.10000000001', note: '0x3', id: '42000.1x' }
    expect(fillOf({ info })?.price).toBe('42000.1')
  })

  test('takes the shortest text when info has several numbers that a float cannot tell apart', () => {
    const info = { price: '1.234567890123456789', average: '1.234567890123456788' }
    expect(fillOf({ price: Number('1.234567890123456789'), info })?.price).toBe('1.2345678901234567')
  })

  test('keeps the sign of ccxt where the exchange writes a fee negative', () => {
    const fee = { cost: Number('0.000123456789012345678'), currency: 'BTC' }
    expect(fillOf({ fee, info: { fee: '-0.000123456789012345678' } })?.fee).toBe('0.000123456789012345678')
    const rebate = { cost: -0.25, currency: 'USDT' }
    expect(fillOf({ fee: rebate, info: { fee: '0.250' } })?.fee).toBe('-0.250')
  })

  test('reads null as not said, and takes the time from datetime', () => {
    const fill = fillOf({ id: null, order: null, timestamp: null, takerOrMaker: null, fee: null, fees: null })
    expect(fill?.executedAt).toEqual(new Date(AT))
    expect(fill).not.toHaveProperty('exchangeTradeId')
    expect(fill).not.toHaveProperty('exchangeOrderId')
    expect(fill).not.toHaveProperty('liquidity')
    expect(fill).not.toHaveProperty('fee')
  })

  test('sums fees of one currency exactly', () => {
    const fees = [
      { cost: 0.1, currency: 'USDT' },
      { cost: 0.2, currency: 'USDT' },
      { cost: 0, currency: 'BNB' },
    ]
    expect(fillOf({ fee: undefined, fees })).toMatchObject({ fee: '0.3', feeCurrency: 'USDT' })
  })

  test('counts a single fee that is in fee and in fees once', () => {
    const fee = { cost: 0.1, currency: 'USDT' }
    expect(fillOf({ fee, fees: [fee] })?.fee).toBe('0.1')
    expect(fillOf({ fee: undefined, fees: [fee] })?.fee).toBe('0.1')
  })

  test('refuses fees of several currencies', () => {
    const fees = [
      { cost: 0.1, currency: 'USDT' },
      { cost: 0.2, currency: 'BNB' },
    ]
    expect(refusedFill({ fee: undefined, fees })[0]).toMatch(
      /^trades\[0\]\.fees: are in several currencies \(USDT, BNB\)/,
    )
  })

  test('guesses no currency of a fee', () => {
    const fee = { cost: 0.1, currency: undefined }
    expect(refusedFill({ fee })).toEqual([
      'trades[0].fee.currency: is missing for a fee of 0.1; say it with the option feeCurrency',
    ])
    expect(fillOf({ fee }, { feeCurrency: 'USDC' })).toMatchObject({ fee: '0.1', feeCurrency: 'USDC' })
    const zero = fillOf({ fee: { cost: 0 } })
    expect(zero?.fee).toBe('0')
    expect(zero).not.toHaveProperty('feeCurrency')
  })

  test('numbers trades without an id within one symbol and millisecond, in the order given', () => {
    const trades = [
      makeTrade({ id: undefined, price: 3 }),
      makeTrade({ id: undefined, price: 1, symbol: 'ETH/USDT' }),
      makeTrade({ id: undefined, price: 2 }),
      makeTrade({ id: undefined, price: 1, timestamp: AT + 1 }),
    ]
    expect(fillsFromCcxt(trades, owner).map(({ sequence }) => sequence)).toEqual([0n, 0n, 1n, 0n])
  })

  test('leaves trades with an id to be ordered by it, as ccxt sorts ids as text', () => {
    const trades = [makeTrade({ id: '10' }), makeTrade({ id: '9' })]
    expect(fillsFromCcxt(trades, owner).map(({ sequence }) => sequence)).toEqual([undefined, undefined])
  })

  test.each([
    [{ positionSide: 'LONG' }, 'long'],
    [{ positionSide: 'SHORT' }, 'short'],
    [{ positionSide: 'BOTH' }, 'net'],
    [{ posSide: 'net' }, 'net'],
    [{ positionIdx: 0 }, 'net'],
    [{ positionIdx: '1' }, 'long'],
    [{ positionIdx: 2 }, 'short'],
    [{}, 'short'],
  ])('reads the position side of %j', (info, side) => {
    expect(fillOf({ info }, { positionSide: 'short' })?.positionSide).toBe(side)
  })

  test.each([
    [{ dir: 'Liquidated Cross Long' }, 'liquidation'],
    [{ dir: 'Auto-Deleveraging' }, 'adl'],
    [{ dir: 'Spot Dust Conversion' }, 'dust'],
    [{ dir: 'Close Long', liquidation: { liquidatedUser: '0x1' } }, 'trade'],
    [{ execType: 'BustTrade' }, 'liquidation'],
    [{ execType: 'AdlTrade' }, 'adl'],
    [{ fillType: 'liquidation' }, 'liquidation'],
    [{ c: 'autoclose-17' }, 'liquidation'],
  ])('reads the kind of %j', (info, kind) => {
    expect(fillOf({ info })?.kind).toBe(kind)
  })

  test('keeps what the exchange says it realised', () => {
    const info = { closedPnl: '-0.25686', startPosition: '-4623.5' }
    expect(fillOf({ info })).toMatchObject({ exchangePnl: '-0.25686', exchangeStartPosition: '-4623.5' })
    expect(fillOf({ info: { realizedPnl: '' } })).not.toHaveProperty('exchangePnl')
  })

  test.each([
    [{ price: undefined }, 'trades[0].price: is missing'],
    [{ price: NaN }, 'trades[0].price: is NaN, not a finite number'],
    [{ price: Infinity }, 'trades[0].price: is Infinity, not a finite number'],
    [{ price: '0x10' }, "trades[0].price: is '0x10', not a finite number"],
    [{ price: '' }, "trades[0].price: is '', not a finite number"],
    [{ price: '1e999999999' }, "trades[0].price: is '1e999999999', not a finite number"],
    [{ price: '1e400' }, /^trades\[0\]\.price: '10{59}…' has more than 30 digits before the decimal point$/],
    [{ price: 0 }, 'trades[0].price: is 0, and must be greater than zero'],
    [{ amount: -1 }, 'trades[0].amount: is -1, and must be greater than zero'],
    [{ amount: 1e-31 }, /^trades\[0\]\.amount: '0\.0{30}1' has more than 30 decimals$/],
    [{ side: 'long' }, "trades[0].side: is 'long', not one of buy, sell"],
    [{ symbol: ' ' }, 'trades[0].symbol: is empty'],
    [{ id: 7 }, 'trades[0].id: is 7, not text'],
    [{ timestamp: '1700000000123' }, /^trades\[0\]\.timestamp: is '1700000000123', not a whole number/],
    [{ timestamp: null, datetime: null }, 'trades[0].timestamp: is missing'],
    [
      { timestamp: null, datetime: '2023-11-14 22:13' },
      /^trades\[0\]\.datetime: .* not an ISO time with its zone$/,
    ],
    [{ timestamp: 1e15 }, /^trades\[0\]\.timestamp: .*outside the years 1 to 9999$/],
    [{ takerOrMaker: 'both' }, "trades[0].takerOrMaker: is 'both', not one of taker, maker"],
    [{ fees: [{ cost: 'much' }] }, "trades[0].fees[0].cost: is 'much', not a finite number"],
    [{ info: { execType: 'Funding' } }, /^trades\[0\]\.info\.execType: is 'Funding'/],
  ])('refuses %j', (overrides, expected) => {
    const [line, ...others] = refusedFill(overrides)
    expect(others).toEqual([])
    if (typeof expected === 'string') expect(line).toBe(expected)
    else expect(line).toMatch(expected)
  })

  test('tells every problem of the call, at most 20', () => {
    const trades = [makeTrade(), makeTrade({ price: 0, amount: 0, fee: { cost: 1 } }), null, 'trade']
    expect(refusalOf(() => fillsFromCcxt(trades, owner))).toEqual([
      'trades[1].price: is 0, and must be greater than zero',
      'trades[1].amount: is 0, and must be greater than zero',
      'trades[1].fee.currency: is missing for a fee of 1; say it with the option feeCurrency',
      'trades[2]: is missing',
      "trades[3]: is 'trade', not an object",
    ])
    const many = refusalOf(() => fillsFromCcxt(Array(30).fill(makeTrade({ price: 0 })), owner))
    expect(many).toHaveLength(21)
    expect(many.at(-1)).toBe('and 10 more')
    expect(refusalOf(() => fillsFromCcxt({} as never, owner))).toEqual(['trades is not an array'])
  })

  test('passes unknown keys, and makes what recordFill takes', () => {
    const [fill] = fillsFromCcxt([makeTrade({ leverage: '3x', type: 5, info: null })], owner)
    expect(fill && checkFillInput(fill).price).toEqual(new Decimal('42000.1'))
  })
})
