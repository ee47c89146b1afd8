import { describe, expect, test } from 'vitest'
import { instrumentFromCcxtSymbol, instrumentsFromCcxt } from '../../src/importers/index.ts'
import { refusalOf } from './refusal.ts'

function makeMarket(overrides: object = {}) {
  return {
    symbol: 'BTC/USDT:USDT',
    base: 'BTC',
    quote: 'USDT',
    settle: 'USDT',
    type: 'swap',
    contract: true,
    contractSize: 0.001,
    active: true,
    precision: { price: 0.1, amount: 1 },
    limits: { amount: { min: 1, max: 1000 }, cost: { min: undefined } },
    info: {},
    ...overrides,
  }
}

const marketOf = (overrides: object = {}, options: object = {}) =>
  instrumentsFromCcxt([makeMarket(overrides)], { exchange: 'binance', ...options })[0]

describe('instrumentsFromCcxt', () => {
  test('converts a market', () => {
    expect(marketOf()).toEqual({
      exchange: 'binance',
      symbol: 'BTC/USDT:USDT',
      kind: 'linear',
      baseCurrency: 'BTC',
      quoteCurrency: 'USDT',
      contractSize: '0.001',
      tickSize: '0.1',
      lotSize: '1',
      minimumQuantity: '1',
      status: 'active',
    })
  })

  test('reads spot and inverse', () => {
    const spot = {
      symbol: 'BTC/USDT',
      settle: undefined,
      contract: false,
      type: 'spot',
      contractSize: undefined,
    }
    expect(marketOf({ ...spot, active: false })).toMatchObject({
      kind: 'spot',
      contractSize: '1',
      status: 'suspended',
    })
    expect(marketOf({ quote: 'USD', settle: 'BTC', contractSize: 100 })).toMatchObject({
      kind: 'inverse',
      contractSize: '100',
    })
  })

  test('leaves out options and contracts settled in a third currency', () => {
    expect(marketOf({ type: 'option', option: true })).toBeUndefined()
    expect(marketOf({ settle: 'XBT' })).toBeUndefined()
    expect(marketOf({ settle: undefined })).toBeUndefined()
  })

  test('reads precision by its mode', () => {
    const precision = { price: 2, amount: 8 }
    expect(marketOf({ precision }, { precisionMode: 2 })).toMatchObject({
      tickSize: '0.01',
      lotSize: '0.00000001',
    })
    expect(marketOf({ precision: { price: -1 } }, { precisionMode: 2 })).toMatchObject({ tickSize: '10' })
    expect(marketOf({ precision }, { precisionMode: 3 })).not.toHaveProperty('tickSize')
    expect(refusalOf(() => marketOf({ precision: { price: 0.5 } }, { precisionMode: 2 }))).toEqual([
      'markets[0].precision.price: is 0.5, no number of decimals',
    ])
  })

  test('takes the dictionary of an exchange object, and refuses a contract of unknown size', () => {
    expect(instrumentsFromCcxt({ a: makeMarket(), b: makeMarket() }, { exchange: 'x' })).toHaveLength(2)
    expect(refusalOf(() => marketOf({ contractSize: undefined }))).toEqual([
      'markets[0].contractSize: is missing',
    ])
  })
})

describe('instrumentFromCcxtSymbol', () => {
  test.each([
    ['BTC/USDT', 'spot', 'BTC', 'USDT'],
    ['BTC/USDT:USDT', 'linear', 'BTC', 'USDT'],
    ['BTC/USD:BTC', 'inverse', 'BTC', 'USD'],
    ['ETH/USDT:USDT-250627', 'linear', 'ETH', 'USDT'],
    ['1000PEPE/USDC:USDC', 'linear', '1000PEPE', 'USDC'],
  ])('reads %s', (symbol, kind, baseCurrency, quoteCurrency) => {
    const read = instrumentFromCcxtSymbol(symbol, { exchange: 'okx' })
    expect(read).toEqual({ exchange: 'okx', symbol, kind, baseCurrency, quoteCurrency, contractSize: '1' })
  })

  test('takes a contract size, but none for spot', () => {
    const options = { exchange: 'okx', contractSize: '0.010' }
    expect(instrumentFromCcxtSymbol('BTC/USDT:USDT', options).contractSize).toBe('0.01')
    expect(refusalOf(() => instrumentFromCcxtSymbol('BTC/USDT', options))).toHaveLength(1)
  })

  test.each(['BTCUSDT', '', 'BTC/', 'BTC/USD:BTC-250627-50000-C', 'ETH/USD:BTC', 'BTC/USDT:'])(
    'refuses %j',
    (symbol) => {
      expect(refusalOf(() => instrumentFromCcxtSymbol(symbol, { exchange: 'okx' }))).toHaveLength(1)
    },
  )
})
