import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { startExecution } from '../../src/arbitrage/executions.ts'
import {
  expireOpportunities,
  getOpportunity,
  listBestOpportunities,
  listOpportunities,
  recordOpportunity,
} from '../../src/arbitrage/opportunities.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import { legOf, NOBODY, opportunityOf } from './arbitrage-fixture.ts'

describeEngines('opportunities', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'best', 'list', 'late']) await makeBot(db, botId)
  })

  it('know their profit, to the last digit', async () => {
    const legs = [legOf({ quantity: '3.0' }), legOf({ exchange: 'sushiswap', side: 'sell', price: '102.50' })]
    const made = await recordOpportunity(db, opportunityOf('a', { legs, details: { pools: ['0xab'] } }))
    expect(made).toEqual({
      botId: 'a',
      id: expect.any(String),
      kind: 'intra_chain',
      pair: 'WETH/USDC',
      buyExchange: 'uniswap',
      buyChain: 'ethereum',
      sellExchange: 'sushiswap',
      sellChain: 'ethereum',
      buyPrice: made.buyPrice,
      sellPrice: made.sellPrice,
      quantity: made.quantity,
      currency: 'USDC',
      fees: made.fees,
      gasCost: made.gasCost,
      grossProfit: made.grossProfit,
      netProfit: made.netProfit,
      profitFraction: made.profitFraction,
      legs: [
        { ...legs[0], quantity: '3' },
        { ...legs[1], price: '102.5' },
      ],
      details: { pools: ['0xab'] },
      status: 'open',
      executionId: null,
      detectedAt: minute(0),
      expiresAt: minute(2),
      updatedAt: expect.any(Date),
    })
    expect([made.grossProfit, made.netProfit, made.profitFraction].map(String)).toEqual(['6', '4.5', '0.02'])
    expect(await getOpportunity(db, { botId: 'a', opportunityId: made.id })).toEqual(made)
  })

  it.each([
    [
      'a wei',
      '0.000000000000000001',
      '0.000000000000000003',
      '0.000000000000000001',
      '0.000000000000000000000000000000000002',
      '2',
    ],
    [
      '30 digits on either side of the point',
      '123456789012345678901234567890.123456789012345678901234567891',
      '999999999999999999999999999999.999999999999999999999999999999',
      '888888888888888888888888888888.888888888888888888888888888887',
      undefined,
      undefined,
    ],
    ['a loss', '3', '1', '0.1', '-0.2', '-0.6666666666666666666666666666666666666667'],
  ])('keep every digit of %s', async (_, buyPrice, sellPrice, quantity, gross, fraction) => {
    const made = await recordOpportunity(
      db,
      opportunityOf('a', {
        buyPrice,
        sellPrice,
        quantity,
        fees: '-0.000000000000000000000000000001',
        gasCost: '0.7',
      }),
    )
    expect([made.buyPrice, made.sellPrice, made.quantity].map(String)).toEqual([
      buyPrice,
      sellPrice,
      quantity,
    ])
    const exact = made.sellPrice.minus(made.buyPrice).times(made.quantity)
    expect(String(made.grossProfit)).toBe(exact.toFixed())
    expect(String(made.netProfit)).toBe(exact.minus(made.fees).minus('0.7').toFixed())
    if (gross !== undefined) expect(String(made.grossProfit)).toBe(gross)
    if (fraction !== undefined) expect(String(made.profitFraction)).toBe(fraction)
  })

  it('are stored once by an id of the caller, with amounts compared by value', async () => {
    const id = newId()
    const input = opportunityOf('a', { id, legs: [legOf({ quantity: '1.50' })], details: { a: 1, b: [2] } })
    const made = await recordOpportunity(db, input)
    const again = {
      ...input,
      quantity: '3.000',
      legs: [legOf({ quantity: '1.5', price: '0100' })],
      details: { b: [2], a: 1 },
    }
    expect(await recordOpportunity(db, again)).toEqual(made)
    // Without a time, that of the first report holds, also when the end has come meanwhile.
    const { detectedAt: _, ...timeless } = again
    expect(await recordOpportunity(db, timeless)).toEqual(made)
    await startExecution(db, { botId: 'a', opportunityId: id, startedAt: minute(1) })
    expect(await recordOpportunity(db, again)).toMatchObject({ id, status: 'executing' })
    const changes = [
      [{ quantity: '3.0000000000000000001' }, 'quantity'],
      [{ gasCost: '0.4', fees: '2' }, 'fees, gasCost'],
      [{ legs: [] }, 'legs'],
      [{ details: {} }, 'details'],
      [{ expiresAt: minute(3) }, 'expiresAt'],
      [{ expiresAt: undefined }, 'expiresAt'],
      [{ detectedAt: minute(-1) }, 'detectedAt'],
      [{ pair: 'WBTC/USDC' }, 'pair'],
    ] as const
    for (const [change, fields] of changes) {
      await expect(recordOpportunity(db, { ...input, ...change })).rejects.toMatchObject({
        code: 'conflict',
        field: fields.split(',')[0],
        message: `opportunity '${id}' was already recorded with other content: ${fields}`,
      })
    }
    // Another bot may have the same id.
    expect(await recordOpportunity(db, { ...input, botId: 'list' })).toMatchObject({ botId: 'list', id })
  })

  it.each([
    ['botId', { botId: '' }],
    ['id', { id: 'x' }],
    ['kind', { kind: 'guess' as never }],
    ['pair', { pair: ' ' }],
    ['buyExchange', { buyExchange: 'x'.repeat(201) }],
    ['buyPrice', { buyPrice: '0' }],
    ['sellPrice', { sellPrice: '-1' }],
    ['quantity', { quantity: 'NaN' }],
    ['quantity', { quantity: '1e5' }],
    ['fees', { fees: 'Infinity' }],
    ['gasCost', { gasCost: '-0.1' }],
    ['currency', { currency: '' }],
    ['legs', { legs: [legOf({ price: '0.0' })] }],
    ['legs', { legs: [legOf({ price: 1 as never })] }],
    ['legs', { legs: [{ ...legOf(), more: 1 } as never] }],
    ['legs', { legs: {} as never }],
    ['details', { details: [] as never }],
    ['expiresAt', { expiresAt: minute(0) }],
    ['detectedAt', { detectedAt: new Date('x') }],
    ['buyChain', { sellChain: 'base' }],
    ['buyChain', { buyChain: undefined, sellChain: undefined }],
    ['buyChain', { kind: 'cross_chain' }],
    ['buyChain', { kind: 'cross_chain', sellChain: undefined }],
    ['buyChain', { kind: 'cex_dex' }],
    ['buyChain', { kind: 'cex_dex', buyChain: undefined, sellChain: undefined }],
    ['buyChain', { kind: 'triangular', sellChain: undefined }],
  ] as const)('refuse what cannot be stored, naming %s (%#)', async (field, over) => {
    await expect(recordOpportunity(db, opportunityOf('a', over as object))).rejects.toMatchObject({
      code: 'invalid_input',
      field,
    })
  })

  it('take the chains that fit their kind', async () => {
    const fitting = [
      { kind: 'cex_dex', buyExchange: 'binance', buyChain: undefined },
      { kind: 'cex_dex', sellExchange: 'binance', sellChain: undefined },
      { kind: 'cross_chain', sellChain: 'base' },
      { kind: 'triangular' },
      { kind: 'triangular', buyChain: undefined, sellChain: undefined },
    ] as const
    for (const over of fitting) {
      expect(await recordOpportunity(db, opportunityOf('a', over as object))).toMatchObject({
        kind: over.kind,
      })
    }
    await expect(
      query(db, sql`update arbitrage.opportunities set sell_chain = 'base' where bot_id = 'a'`),
    ).rejects.toMatchObject({ code: 'invalid_input' })
  })

  it('need their bot, and are found by theirs alone', async () => {
    await expect(recordOpportunity(db, opportunityOf('nobody'))).rejects.toMatchObject({
      code: 'missing_reference',
    })
    const { id } = await recordOpportunity(db, opportunityOf('a'))
    for (const key of [
      { botId: 'list', opportunityId: id },
      { botId: 'a', opportunityId: NOBODY },
    ]) {
      await expect(getOpportunity(db, key)).rejects.toMatchObject({ code: 'not_found' })
    }
    await expect(getOpportunity(db, { botId: 'a', opportunityId: '1' })).rejects.toMatchObject({
      field: 'opportunityId',
    })
  })

  it('are listed newest first, in pages, by status, kind and time', async () => {
    const botId = 'late'
    const ids: string[] = []
    for (const at of [0, 1, 1, 3]) {
      const kind = at === 3 ? ({ kind: 'cross_chain', sellChain: 'base' } as const) : {}
      const over = { detectedAt: minute(at), expiresAt: minute(at + 10), ...kind }
      ids.unshift((await recordOpportunity(db, opportunityOf(botId, over))).id)
    }
    const list = async (input: Partial<Parameters<typeof listOpportunities>[1]> = {}) =>
      (await listOpportunities(db, { botId, ...input })).map(({ id }) => id)
    expect(await list()).toEqual(ids)
    const [first] = await listOpportunities(db, { botId, limit: 1 })
    const second = (await listOpportunities(db, { botId, limit: 1, after: first }))[0]
    expect(second?.id).toBe(ids[1])
    expect(await list({ after: second })).toEqual(ids.slice(2))
    expect(await list({ kind: 'cross_chain' })).toEqual(ids.slice(0, 1))
    expect(await list({ from: minute(1), until: minute(3) })).toEqual(ids.slice(1, 3))
    await startExecution(db, { botId, opportunityId: ids[1] ?? '', startedAt: minute(2) })
    expect(await list({ status: 'executing' })).toEqual(ids.slice(1, 2))
    expect(await list({ status: 'open' })).toEqual([ids[0], ids[2], ids[3]])
    await expect(list({ status: 'taken' as never })).rejects.toMatchObject({ field: 'status' })
    await expect(list({ limit: 1001 })).rejects.toMatchObject({ field: 'limit' })

    expect(await expireOpportunities(db, { botId, now: minute(9) })).toEqual([])
    const [gone, ...none] = await expireOpportunities(db, { botId, now: minute(11), limit: 1 })
    expect(none).toEqual([])
    expect(gone).toMatchObject({ id: ids[3], status: 'expired', executionId: null })
    expect(gone).toEqual(await getOpportunity(db, { botId, opportunityId: ids[3] ?? '' }))
    expect((await expireOpportunities(db, { botId, now: minute(60) })).map(({ id }) => id).sort()).toEqual(
      [ids[0], ids[2]].sort(),
    )
    expect(await list({ status: 'executing' })).toEqual(ids.slice(1, 2))
  })

  it('are listed by what they earn, as long as they can be taken', async () => {
    const botId = 'best'
    const make = async (sellPrice: string, over: Parameters<typeof opportunityOf>[1] = {}) =>
      (await recordOpportunity(db, opportunityOf(botId, { sellPrice, ...over }))).id
    const [low, high, alike] = [await make('101'), await make('110'), await make('101')]
    const forever = await make('105', { expiresAt: undefined })
    const gone = await make('120', { expiresAt: minute(1) })
    await make('130', { currency: 'DAI' })
    const taken = await make('140')
    await startExecution(db, { botId, opportunityId: taken, startedAt: minute(1) })
    const best = async (input: Partial<Parameters<typeof listBestOpportunities>[1]> = {}) =>
      (await listBestOpportunities(db, { botId, currency: 'USDC', now: minute(1), ...input })).map(
        ({ id }) => id,
      )
    expect(await best()).toEqual([high, forever, alike, low])
    expect(await best({ now: new Date(minute(1).getTime() - 1) })).toEqual([gone, high, forever, alike, low])
    expect(await best({ now: minute(2) })).toEqual([forever])
    expect(await best({ now: undefined })).toEqual([forever])
    expect(await best({ minimumNetProfit: '13.5' })).toEqual([high, forever])
    expect(await best({ currency: 'DAI' })).toHaveLength(1)
    const page = await listBestOpportunities(db, { botId, currency: 'USDC', now: minute(1), limit: 3 })
    expect(await best({ after: page[2] })).toEqual([low])
    await expect(best({ after: { netProfit: '1' as never, id: low } })).rejects.toMatchObject({
      field: 'after.netProfit',
    })
  })
})
