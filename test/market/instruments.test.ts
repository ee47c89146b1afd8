import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import {
  findInstrument,
  getInstrument,
  type Instrument,
  listInstruments,
  type SetInstrumentInput,
  setInstrument,
} from '../../src/market/index.ts'
import { instruments } from '../../src/market/schema/index.ts'
import { describeEngines } from '../database.ts'

function perpetual(overrides: Partial<SetInstrumentInput> = {}): SetInstrumentInput {
  return {
    exchange: 'hyperliquid',
    symbol: 'BTC/USDC:USDC',
    kind: 'linear',
    baseCurrency: 'BTC',
    quoteCurrency: 'USDC',
    ...overrides,
  }
}

const full = perpetual({
  contractSize: '0.001',
  tickSize: '0.10',
  lotSize: '0.00001',
  minimumQuantity: '0',
  minimumNotional: '10',
  status: 'suspended',
})
const key = { exchange: full.exchange, symbol: full.symbol }

const AMOUNTS = ['contractSize', 'tickSize', 'lotSize', 'minimumQuantity', 'minimumNotional'] as const
const amountsOf = (row: Instrument) => AMOUNTS.map((field) => row[field]?.toFixed() ?? null)

describeEngines('instruments', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${instruments}`)
  })

  describe('setInstrument', () => {
    it('stores what is given', async () => {
      const stored = await setInstrument(db, full)
      expect(stored).toMatchObject({
        ...key,
        kind: 'linear',
        baseCurrency: 'BTC',
        quoteCurrency: 'USDC',
        settleCurrency: 'USDC',
        status: 'suspended',
      })
      expect(amountsOf(stored)).toEqual(['0.001', '0.1', '0.00001', '0', '10'])
      expect(await getInstrument(db, key)).toEqual(stored)
    })

    it('stores what is left out as 1, active and not known', async () => {
      const stored = await setInstrument(db, perpetual())
      expect(amountsOf(stored)).toEqual(['1', null, null, null, null])
      expect(stored.status).toBe('active')
    })

    it.each([
      ['spot', 'USDC'],
      ['linear', 'USDC'],
      ['inverse', 'BTC'],
    ] as const)('settles %s in %s', async (kind, settleCurrency) => {
      expect(await setInstrument(db, perpetual({ kind }))).toMatchObject({ kind, settleCurrency })
      expect(await setInstrument(db, perpetual({ kind, settleCurrency }))).toMatchObject({ settleCurrency })
    })

    it('changes nothing when the same comes again', async () => {
      const first = await setInstrument(db, full)
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await setInstrument(db, { ...full, tickSize: new Decimal('0.1') })).toEqual(first)
      expect(await listInstruments(db, { exchange: full.exchange })).toEqual([first])
    })

    it('replaces everything but the key and the time of creation', async () => {
      const { createdAt } = await setInstrument(db, full)
      const other = { kind: 'inverse', baseCurrency: 'ETH', quoteCurrency: 'USD' } as const
      const replaced = await setInstrument(db, { ...key, ...other, tickSize: '5' })
      expect(replaced).toMatchObject({ ...key, ...other, settleCurrency: 'ETH', status: 'active', createdAt })
      expect(amountsOf(replaced)).toEqual(['1', '5', null, null, null])
    })

    it.each([
      { kind: 'inverse' },
      { baseCurrency: 'WBTC' },
      { quoteCurrency: 'USDT' },
      { contractSize: '2' },
      { tickSize: null },
      { lotSize: '7' },
      { minimumQuantity: '7' },
      { minimumNotional: null },
      { status: 'delisted' },
    ] as const)('stores a change of nothing but %j', async (change) => {
      await setInstrument(db, full)
      const changed = await setInstrument(db, { ...full, ...change })
      expect(JSON.parse(JSON.stringify(changed))).toMatchObject(change)
    })

    it('keeps every digit', async () => {
      const tiny = `0.${'0'.repeat(29)}1`
      const stored = await setInstrument(db, { ...full, tickSize: tiny, minimumNotional: '9'.repeat(30) })
      expect(amountsOf(stored)).toEqual(['0.001', tiny, '0.00001', '0', '9'.repeat(30)])
    })

    it.each<[string, Partial<SetInstrumentInput>]>([
      ['exchange', { exchange: '' }],
      ['exchange', { exchange: 'a\0' }],
      ['exchange', { exchange: 'x'.repeat(201) }],
      ['symbol', { symbol: ' ' }],
      ['symbol', { symbol: '\ud800' }],
      ['kind', { kind: 'option' as 'spot' }],
      ['baseCurrency', { baseCurrency: '' }],
      ['quoteCurrency', { quoteCurrency: '' }],
      ['quoteCurrency', { quoteCurrency: 'BTC' }],
      ['settleCurrency', { settleCurrency: 'BTC' }],
      ['settleCurrency', { settleCurrency: 'USDT' }],
      ['settleCurrency', { kind: 'inverse', settleCurrency: 'USDC' }],
      ['settleCurrency', { kind: 'spot', settleCurrency: 'BTC' }],
      ['contractSize', { contractSize: '0' }],
      ['contractSize', { contractSize: '-1' }],
      ['contractSize', { contractSize: 'NaN' }],
      ['contractSize', { kind: 'spot', contractSize: '10' }],
      ['tickSize', { tickSize: '0' }],
      ['tickSize', { tickSize: '0x10' }],
      ['lotSize', { lotSize: '-0.1' }],
      ['lotSize', { lotSize: '' }],
      ['minimumQuantity', { minimumQuantity: '-1' }],
      ['minimumNotional', { minimumNotional: '-0.5' }],
      ['minimumNotional', { minimumNotional: new Decimal('Infinity') }],
      ['status', { status: 'halted' as 'active' }],
    ])('refuses a bad %s: %j', async (field, bad) => {
      await expect(setInstrument(db, perpetual(bad))).rejects.toMatchObject({ code: 'invalid_input', field })
      expect(await listInstruments(db, { exchange: full.exchange })).toEqual([])
    })

    it('makes one row of what is set many times at once', async () => {
      const rows = await Promise.all(Array.from({ length: 5 }, () => setInstrument(db, full)))
      for (const row of rows) expect(row).toEqual(rows[0])
    })
  })

  describe('getInstrument and findInstrument', () => {
    it('tell apart an instrument that was never set', async () => {
      await setInstrument(db, full)
      for (const other of [
        { ...key, symbol: 'ETH/USDC:USDC' },
        { ...key, exchange: 'binance' },
      ]) {
        expect(await findInstrument(db, other)).toBeUndefined()
        await expect(getInstrument(db, other)).rejects.toMatchObject({
          code: 'not_found',
          message: `instrument '${other.symbol}' of exchange '${other.exchange}' not found`,
        })
      }
      expect(await findInstrument(db, key)).toEqual(await getInstrument(db, key))
    })

    it('refuse bad text', async () => {
      for (const [field, bad] of [
        ['exchange', { ...key, exchange: '' }],
        ['symbol', { ...key, symbol: 'a\0' }],
      ] as const) {
        await expect(getInstrument(db, bad)).rejects.toMatchObject({ code: 'invalid_input', field })
        await expect(findInstrument(db, bad)).rejects.toMatchObject({ code: 'invalid_input', field })
      }
    })
  })

  describe('listInstruments', () => {
    const symbolsOf = (rows: readonly Instrument[]) => rows.map((row) => row.symbol)

    it('goes through one exchange page by page, in the order of the symbols', async () => {
      expect(await listInstruments(db, { exchange: full.exchange })).toEqual([])
      for (const symbol of ['C', 'A', 'B']) await setInstrument(db, perpetual({ symbol }))
      await setInstrument(db, perpetual({ symbol: 'D', exchange: 'binance' }))
      const first = await listInstruments(db, { exchange: full.exchange, limit: 2 })
      const second = await listInstruments(db, { exchange: full.exchange, limit: 2, after: first[1] })
      expect([first, second].map(symbolsOf)).toEqual([['A', 'B'], ['C']])
    })

    it('refuses a bad exchange and a bad limit', async () => {
      const bad = (field: string) => ({ code: 'invalid_input', field })
      await expect(listInstruments(db, { exchange: ' ' })).rejects.toMatchObject(bad('exchange'))
      await expect(listInstruments(db, { exchange: 'x', limit: 0 })).rejects.toMatchObject(bad('limit'))
    })
  })
})
