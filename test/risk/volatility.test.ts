import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { getSymbolVolatility, setSymbolVolatility } from '../../src/risk/volatility.ts'
import { describeDatabases } from '../database.ts'
import { before, NOW } from './holdings.ts'

const KEY = { exchange: 'x', windowDays: 30 }
const HOUR_MS = 3_600_000

describeDatabases('the volatility of a symbol', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const set = (symbol: string, volatility: number, more = {}) =>
    setSymbolVolatility(db, { ...KEY, symbol, volatility, sampleSize: 29, calculatedAt: NOW, ...more })
  const get = (symbol: string, more = {}) =>
    getSymbolVolatility(db, { ...KEY, symbol, maxAgeMs: HOUR_MS, now: NOW, ...more })

  it('is given with its age', async () => {
    const stored = await set('A', 0.03, { calculatedAt: before(90_000) })
    expect(stored).toMatchObject({ volatility: 0.03, sampleSize: 29, windowDays: 30 })
    expect(await get('A')).toEqual({ ...stored, ageMs: 90_000 })
  })

  it('is absent where nobody set it: no default stands in for it', async () => {
    expect(await get('unknown')).toBeUndefined()
    await set('B', 0.03)
    expect(await get('B', { windowDays: 7 })).toBeUndefined()
    expect(await get('B', { exchange: 'y' })).toBeUndefined()
    expect(await get('B')).toBeDefined()
  })

  it('is absent from the first millisecond that it is too old', async () => {
    await set('C', 0.03, { calculatedAt: before(HOUR_MS) })
    expect(await get('C')).toMatchObject({ ageMs: HOUR_MS })
    expect(await get('C', { maxAgeMs: HOUR_MS - 1 })).toBeUndefined()
    expect(await get('C', { now: new Date(NOW.getTime() + 1) })).toBeUndefined()
    // By the clock of the database it is years old.
    expect(await get('C', { now: undefined })).toBeUndefined()
  })

  it('may be zero, and so may the age', async () => {
    await set('D', 0)
    expect(await get('D', { maxAgeMs: 0 })).toMatchObject({ volatility: 0, ageMs: 0 })
  })

  it('is replaced by a newer figure, and not by an older one', async () => {
    await set('E', 0.03)
    await set('E', 0.04, { calculatedAt: new Date(NOW.getTime() + 5), sampleSize: 12 })
    const kept = await set('E', 0.09, { calculatedAt: before(5) })
    expect(kept).toMatchObject({ volatility: 0.04, sampleSize: 12 })
    expect(await get('E', { now: new Date(NOW.getTime() + 5) })).toMatchObject({ volatility: 0.04 })
    expect(await set('E', 0.05, { calculatedAt: new Date(NOW.getTime() + 5) })).toMatchObject({
      volatility: 0.05,
    })
  })

  it('is new when nobody says of when it is', async () => {
    await set('F', 0.03, { calculatedAt: undefined })
    expect(await get('F', { now: undefined, maxAgeMs: 60_000 })).toMatchObject({ volatility: 0.03 })
  })

  it('is refused where it is none', async () => {
    const wrong: [object, string][] = [
      [{ volatility: -0.01 }, 'volatility'],
      [{ volatility: Number.NaN }, 'volatility'],
      [{ sampleSize: 0 }, 'sampleSize'],
      [{ windowDays: 1.5 }, 'windowDays'],
      [{ symbol: '' }, 'symbol'],
      [{ calculatedAt: new Date(Number.NaN) }, 'calculatedAt'],
    ]
    for (const [input, field] of wrong) {
      await expect(set('G', 0.03, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    for (const maxAgeMs of [-1, 0.5, Number.NaN, Infinity]) {
      await expect(get('G', { maxAgeMs })).rejects.toMatchObject({ code: 'invalid_input', field: 'maxAgeMs' })
    }
    expect(await get('G')).toBeUndefined()
  })
})
