import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { getSymbolLiquidity, setSymbolLiquidity } from '../../src/risk/liquidity.ts'
import { describeDatabases } from '../database.ts'
import { before, NOW } from './holdings.ts'

const HOUR_MS = 3_600_000

describeDatabases('the liquidity of a symbol', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const set = (symbol: string, score: number, more = {}) =>
    setSymbolLiquidity(db, { exchange: 'x', symbol, score, measuredAt: NOW, ...more })
  const get = (symbol: string, more = {}) =>
    getSymbolLiquidity(db, { exchange: 'x', symbol, maxAgeMs: HOUR_MS, now: NOW, ...more })

  it('is given with its age', async () => {
    const figures = { dailyVolume: '123456789.000000000000000001', spreadFraction: 0.0005 }
    const stored = await set('A', 0.8, { ...figures, measuredAt: before(1_500) })
    expect(String(stored.dailyVolume)).toBe(figures.dailyVolume)
    const found = await get('A')
    expect(found).toEqual({ ...stored, ageMs: 1_500 })
    expect(found).toMatchObject({ score: 0.8, spreadFraction: 0.0005 })
  })

  it('is absent where nobody measured it or it is too old: such a symbol is not liquid', async () => {
    expect(await get('unknown')).toBeUndefined()
    await set('B', 1, { measuredAt: before(HOUR_MS) })
    expect(await get('B')).toMatchObject({ score: 1, dailyVolume: null, spreadFraction: null })
    expect(await get('B', { maxAgeMs: HOUR_MS - 1 })).toBeUndefined()
    expect(await get('B', { exchange: 'y' })).toBeUndefined()
  })

  it('is replaced as a whole by a newer figure, and not by an older one', async () => {
    await set('C', 0.2, { dailyVolume: '5', spreadFraction: 0.1 })
    const newer = await set('C', 0.3, { measuredAt: new Date(NOW.getTime() + 1) })
    expect(newer).toMatchObject({ score: 0.3, dailyVolume: null, spreadFraction: null })
    expect(await set('C', 0.9)).toEqual(newer)
  })

  it('is refused where it is none', async () => {
    const wrong: [object, string][] = [
      [{ score: 10 }, 'score'],
      [{ score: Number.NaN }, 'score'],
      [{ dailyVolume: '-1' }, 'dailyVolume'],
      [{ spreadFraction: -0.1 }, 'spreadFraction'],
      [{ spreadFraction: Infinity }, 'spreadFraction'],
      [{ exchange: ' ' }, 'exchange'],
    ]
    for (const [input, field] of wrong) {
      await expect(set('D', 0.5, input)).rejects.toMatchObject({ code: 'invalid_input', field })
    }
    await expect(get('D', { maxAgeMs: -1 })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'maxAgeMs',
    })
    expect(await get('D')).toBeUndefined()
  })
})
