import { beforeAll, expect, it } from 'vitest'
import {
  getLatestDexPrice,
  listDexPrices,
  listLatestDexPrices,
  recordDexPrices,
} from '../../src/arbitrage/dex-prices.ts'
import { getLatestGasPrice, listGasPrices, recordGasPrice } from '../../src/arbitrage/gas-prices.ts'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { minute } from '../trading/ledger-fixture.ts'

const priceOf = (over: object = {}) => ({
  pair: 'WETH/USDC',
  chain: 'ethereum',
  dex: 'uniswap',
  observedAt: minute(0),
  price: '3000.000000000000000001',
  ...over,
})

describeEngines('prices of DEXes', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('are stored in batches, and a later report of the same moment replaces an earlier one', async () => {
    const prices = [
      priceOf(),
      priceOf({ dex: 'sushiswap' }),
      priceOf({ observedAt: minute(1), price: '3001' }),
    ]
    expect(await recordDexPrices(db, { prices })).toEqual({ inserted: 3, updated: 0, unchanged: 0 })
    expect(await recordDexPrices(db, { prices })).toEqual({ inserted: 0, updated: 0, unchanged: 3 })
    const later = [
      priceOf({ volume: '5', liquidity: '0.000000000000000001' }),
      priceOf({ price: '7' }),
      priceOf(),
    ]
    expect(await recordDexPrices(db, { prices: later })).toMatchObject({ inserted: 0, unchanged: 0 })
    const [newest, oldest] = await listDexPrices(db, priceOf())
    expect([String(newest?.price), String(oldest?.price)]).toEqual(['3001', '3000.000000000000000001'])
    expect(oldest).toMatchObject({ volume: null, liquidity: null, observedAt: minute(0) })
    expect(await listDexPrices(db, { ...priceOf(), after: newest })).toEqual([oldest])
    expect(await listDexPrices(db, { ...priceOf(), until: minute(1) })).toEqual([oldest])
    expect(await recordDexPrices(db, { prices: [] })).toEqual({ inserted: 0, updated: 0, unchanged: 0 })
  })

  it('are found newest, at one DEX and at each', async () => {
    const pair = 'WBTC/USDC'
    const prices = [
      ['ethereum', 'uniswap', 0, '100'],
      ['ethereum', 'uniswap', 5, '104'],
      ['base', 'uniswap', 2, '102'],
      ['base', 'aerodrome', 1, '101'],
      ['ethereum', 'curve', 4, '103'],
    ] as const
    await recordDexPrices(db, {
      prices: prices.map(([chain, dex, at, price]) =>
        priceOf({ pair, chain, dex, price, observedAt: minute(at) }),
      ),
    })
    const latest = await getLatestDexPrice(db, { pair, chain: 'ethereum', dex: 'uniswap' })
    expect(latest).toMatchObject({ observedAt: minute(5) })
    expect(String(latest.price)).toBe('104')
    const places = async (input: object = {}) =>
      (await listLatestDexPrices(db, { pair, ...input })).map((one) => `${one.chain} ${one.dex} ${one.price}`)
    expect(await places()).toEqual([
      'base aerodrome 101',
      'base uniswap 102',
      'ethereum curve 103',
      'ethereum uniswap 104',
    ])
    expect(await places({ limit: 1 })).toEqual(['base aerodrome 101'])
    expect(await places({ observedSince: minute(4) })).toEqual(['ethereum curve 103', 'ethereum uniswap 104'])
    expect(await places({ pair: 'none' })).toEqual([])
    await expect(getLatestDexPrice(db, { pair, chain: 'base', dex: 'curve' })).rejects.toMatchObject({
      code: 'not_found',
      message: "price of 'WBTC/USDC' at curve on base not found",
    })
  })

  it.each([
    ['prices', undefined],
    ['prices[0].pair', { pair: '' }],
    ['prices[0].dex', { dex: 1 }],
    ['prices[0].price', { price: '0' }],
    ['prices[0].price', { price: 1.5 }],
    ['prices[0].volume', { volume: 'x' }],
    ['prices[0].observedAt', { observedAt: null }],
    ['volume', { volume: '-1' }],
  ])('refuse what cannot be stored, naming %s (%#)', async (field, over) => {
    const prices = over === undefined ? (over as never) : [priceOf({ pair: 'bad', ...over })]
    await expect(recordDexPrices(db, { prices })).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await listLatestDexPrices(db, { pair: 'bad' })).toEqual([])
  })
})

describeEngines('prices of gas', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('are stored by chain and moment, replaced by a later report, and found newest', async () => {
    const gas = {
      chain: 'ethereum',
      observedAt: minute(1),
      slowGwei: '9.000000001',
      standardGwei: '10',
      fastGwei: '12',
      instantGwei: '15.5',
      baseFeeGwei: '8.123456789012345678',
    }
    expect(await recordGasPrice(db, gas)).toEqual({ inserted: 1, updated: 0, unchanged: 0 })
    expect(await recordGasPrice(db, { ...gas, standardGwei: '10.0' })).toMatchObject({ unchanged: 1 })
    await recordGasPrice(db, { chain: 'ethereum', observedAt: minute(0), standardGwei: '0' })
    await recordGasPrice(db, { chain: 'base', observedAt: minute(9), standardGwei: '0.01' })
    const latest = await getLatestGasPrice(db, { chain: 'ethereum' })
    expect(latest.observedAt).toEqual(minute(1))
    expect(String(latest.baseFeeGwei)).toBe(gas.baseFeeGwei)
    expect(String(latest.instantGwei)).toBe('15.5')
    expect(await recordGasPrice(db, { ...gas, fastGwei: null })).toMatchObject({ updated: 1 })
    const list = await listGasPrices(db, { chain: 'ethereum' })
    expect(list.map((one) => [String(one.standardGwei), one.fastGwei])).toEqual([
      ['10', null],
      ['0', null],
    ])
    expect(await listGasPrices(db, { chain: 'ethereum', after: list[0] })).toEqual(list.slice(1))
    expect(await listGasPrices(db, { chain: 'ethereum', from: minute(1) })).toEqual(list.slice(0, 1))
    await expect(getLatestGasPrice(db, { chain: 'moon' })).rejects.toMatchObject({
      code: 'not_found',
      message: "gas price of 'moon' not found",
    })
  })

  it.each([
    { chain: '' },
    { standardGwei: '-1' },
    { standardGwei: undefined },
    { slowGwei: 'NaN' },
    { instantGwei: '-0.1' },
    { observedAt: 'now' },
  ])('refuse what cannot be stored (%#)', async (over) => {
    const gas = { chain: 'bad', observedAt: minute(0), standardGwei: '1', ...over } as never
    await expect(recordGasPrice(db, gas)).rejects.toMatchObject({ code: 'invalid_input' })
    expect(await listGasPrices(db, { chain: 'bad' })).toEqual([])
  })
})
