import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { listFlashLoans, recordFlashLoan } from '../../src/arbitrage/flash-loans.ts'
import { listTriangles, recordTriangle } from '../../src/arbitrage/triangles.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { withRollback } from '../../src/testing/index.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import { legOf } from './arbitrage-fixture.ts'

type LoanInput = Parameters<typeof recordFlashLoan>[1]
type TriangleInput = Parameters<typeof recordTriangle>[1]

const loanOf = (over: Partial<LoanInput> = {}): LoanInput => ({
  botId: 'a',
  protocol: 'aave',
  chain: 'ethereum',
  token: 'DAI',
  amount: '1000000',
  feeFraction: '0.0009',
  path: [legOf(), legOf({ side: 'sell', price: '101' })],
  estimatedProfit: '812.5',
  capitalRequired: '20',
  detectedAt: minute(0),
  ...over,
})

const ROUTE = [
  legOf({ pair: 'BTC/USDT' }),
  legOf({ pair: 'ETH/BTC', price: '0.06' }),
  legOf({ pair: 'ETH/USDT', side: 'sell' }),
]
const triangleOf = (over: Partial<TriangleInput> = {}): TriangleInput => ({
  botId: 'a',
  exchange: 'binance',
  route: ROUTE,
  profitFraction: '0.0021',
  detectedAt: minute(0),
  ...over,
})

describeEngines('flash loans', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'list']) await makeBot(db, botId)
  })

  it('are stored with their fee, to the last digit', async () => {
    const made = await recordFlashLoan(
      db,
      loanOf({
        amount: '999999999999.000000000000000001',
        feeFraction: '0.000000000000000009',
        gasEstimate: '0.000000000000000001',
        probability: 0.25,
        expiresAt: minute(2),
        details: { pool: '0x1' },
      }),
    )
    expect(made).toMatchObject({
      protocol: 'aave',
      chain: 'ethereum',
      token: 'DAI',
      path: [legOf(), legOf({ side: 'sell', price: '101' })],
      probability: 0.25,
      details: { pool: '0x1' },
      detectedAt: minute(0),
      expiresAt: minute(2),
    })
    expect(String(made.fee)).toBe('0.000008999999999991000000000000000009')
    expect(String(made.gasEstimate)).toBe('0.000000000000000001')
    const least = await recordFlashLoan(db, loanOf())
    expect(least).toMatchObject({ gasEstimate: null, probability: null, expiresAt: null, details: {} })
    expect(String(least.fee)).toBe('900')
  })

  it('are stored once by an id of the caller, also when their end has come meanwhile', async () => {
    const id = newId()
    const { detectedAt: _, ...timeless } = loanOf({ id, expiresAt: minute(1) })
    const made = await recordFlashLoan(db, { ...timeless, detectedAt: minute(0) })
    expect(await recordFlashLoan(db, { ...timeless, amount: '1000000.0' })).toEqual(made)
    await expect(recordFlashLoan(db, { ...timeless, amount: '1' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'amount',
    })
    await expect(recordFlashLoan(db, { ...timeless, id: newId() })).rejects.toMatchObject({
      code: 'invalid_input',
    })
  })

  it.each([
    ['protocol', { protocol: '' }],
    ['chain', { chain: ' ' }],
    ['token', { token: 'x'.repeat(201) }],
    ['amount', { amount: '0' }],
    ['feeFraction', { feeFraction: '1.01' }],
    ['feeFraction', { feeFraction: '-0.1' }],
    ['path', { path: [legOf({ pair: '' })] }],
    ['estimatedProfit', { estimatedProfit: 'NaN' }],
    ['capitalRequired', { capitalRequired: '-1' }],
    ['gasEstimate', { gasEstimate: '-1' }],
    ['probability', { probability: 1.1 }],
    ['probability', { probability: Number.NaN }],
    ['expiresAt', { expiresAt: minute(0) }],
  ] as const)('refuse what cannot be stored, naming %s (%#)', async (field, over) => {
    await expect(recordFlashLoan(db, loanOf(over as object))).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    })
  })

  it('are listed newest first, in pages, by protocol and time, and never change', async () => {
    const ids: string[] = []
    for (const [at, protocol] of [
      [0, 'aave'],
      [1, 'dydx'],
      [1, 'aave'],
    ] as const) {
      ids.unshift((await recordFlashLoan(db, loanOf({ botId: 'list', protocol, detectedAt: minute(at) }))).id)
    }
    const list = async (input: Partial<Parameters<typeof listFlashLoans>[1]> = {}) =>
      (await listFlashLoans(db, { botId: 'list', ...input })).map(({ id }) => id)
    expect(await list()).toEqual(ids)
    const [first] = await listFlashLoans(db, { botId: 'list', limit: 1 })
    expect(await list({ after: first })).toEqual(ids.slice(1))
    expect(await list({ protocol: 'aave' })).toEqual([ids[0], ids[2]])
    expect(await list({ from: minute(1) })).toEqual(ids.slice(0, 2))
    expect(await list({ until: minute(1) })).toEqual(ids.slice(2))
    for (const statement of [
      sql`update arbitrage.flash_loans set amount = 1`,
      sql`delete from arbitrage.flash_loans`,
      sql`truncate arbitrage.flash_loans`,
    ]) {
      await expect(query(db, statement)).rejects.toMatchObject({ code: 'invalid_input' })
    }
    await expect(recordFlashLoan(db, loanOf({ botId: 'nobody' }))).rejects.toMatchObject({
      code: 'missing_reference',
    })
  })
})

describeEngines('triangles', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'list']) await makeBot(db, botId)
  })

  it('are stored with their route', async () => {
    const made = await recordTriangle(
      db,
      triangleOf({ chain: 'base', profitFraction: '0.000000000000000001', details: { hops: 3 } }),
    )
    expect(made).toMatchObject({
      exchange: 'binance',
      chain: 'base',
      route: ROUTE,
      executed: false,
      details: { hops: 3 },
    })
    expect(String(made.profitFraction)).toBe('0.000000000000000001')
    expect((await recordTriangle(db, triangleOf({ detectedAt: undefined }))).chain).toBeNull()
  })

  it('are executed from the first report that says so, and never back', async () => {
    const id = newId()
    const made = await recordTriangle(db, triangleOf({ id }))
    expect(await recordTriangle(db, triangleOf({ id, profitFraction: '0.00210' }))).toEqual(made)
    const executed = await recordTriangle(db, triangleOf({ id, executed: true }))
    expect(executed).toMatchObject({ id, executed: true })
    expect(await recordTriangle(db, triangleOf({ id, executed: true }))).toEqual(executed)
    expect(await recordTriangle(db, triangleOf({ id }))).toEqual(executed)
    await expect(recordTriangle(db, triangleOf({ id, route: [...ROUTE, legOf()] }))).rejects.toMatchObject({
      code: 'conflict',
      field: 'route',
    })
    const from = { false: newId(), true: newId() }
    await recordTriangle(db, triangleOf({ id: from.false }))
    await recordTriangle(db, triangleOf({ id: from.true, executed: true }))
    for (const [was, becomes, isAllowed] of [
      ['false', false, true],
      ['false', true, true],
      ['true', true, true],
      ['true', false, false],
    ] as const) {
      const change = withRollback(db, (tx) =>
        query(tx, sql`update arbitrage.triangles set executed = ${becomes} where id = ${from[was]}`),
      )
      if (isAllowed) await change
      else await expect(change).rejects.toMatchObject({ code: 'invalid_transition' })
    }
    for (const statement of [
      sql`update arbitrage.triangles set profit_fraction = 1`,
      sql`delete from arbitrage.triangles`,
      sql`truncate arbitrage.triangles`,
    ]) {
      await expect(query(db, statement)).rejects.toMatchObject({ code: 'invalid_input' })
    }
  })

  it.each([
    ['exchange', { exchange: '' }],
    ['chain', { chain: ' ' }],
    ['route', { route: ROUTE.slice(1) }],
    ['profitFraction', { profitFraction: '-1.1' }],
    ['executed', { executed: 'yes' }],
    ['detectedAt', { detectedAt: 'now' }],
  ])('refuse what cannot be stored, naming %s (%#)', async (field, over) => {
    await expect(recordTriangle(db, triangleOf(over as object))).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    })
  })

  it('are listed newest first, in pages, by exchange and whether they were executed', async () => {
    const ids: string[] = []
    for (const [at, exchange] of [
      [0, 'x'],
      [1, 'y'],
      [1, 'x'],
    ] as const) {
      const over = { botId: 'list', exchange, detectedAt: minute(at), executed: exchange === 'y' }
      ids.unshift((await recordTriangle(db, triangleOf(over))).id)
    }
    const list = async (input: Partial<Parameters<typeof listTriangles>[1]> = {}) =>
      (await listTriangles(db, { botId: 'list', ...input })).map(({ id }) => id)
    expect(await list()).toEqual(ids)
    const [first] = await listTriangles(db, { botId: 'list', limit: 1 })
    expect(await list({ after: first })).toEqual(ids.slice(1))
    expect(await list({ exchange: 'x' })).toEqual([ids[0], ids[2]])
    expect(await list({ executed: true })).toEqual([ids[1]])
    expect(await list({ executed: false, from: minute(1) })).toEqual([ids[0]])
    expect(await list({ until: minute(1) })).toEqual([ids[2]])
  })
})
