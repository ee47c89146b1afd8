import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getLatestBalance,
  listBalances,
  type RecordBalanceInput,
  recordBalance,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, makeBot, minute, text } from './ledger-fixture.ts'

describeEngines('balances', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b']) await makeBot(db, botId)
  })

  const balanceOf = (over: Partial<RecordBalanceInput>): RecordBalanceInput => ({
    botId: 'a',
    exchange: EXCHANGE,
    currency: 'USD',
    total: '100.50',
    takenAt: minute(1),
    ...over,
  })

  it('are stored once, whatever the digits they are written with', async () => {
    const input = balanceOf({ available: '-1', equity: '0.000000000000000001' })
    const stored = await recordBalance(db, input)
    expect(stored).toMatchObject({
      kind: 'periodic',
      marginUsed: null,
      unrealisedPnl: null,
      marginLevel: null,
    })
    expect([stored.total, stored.available, stored.equity].map(text)).toEqual([
      '100.5',
      '-1',
      '0.000000000000000001',
    ])
    expect(await recordBalance(db, { ...input, total: '100.5' })).toEqual(stored)
    expect(await listBalances(db, { botId: 'a' })).toEqual([stored])
  })

  it.each([
    ['total', { total: '100.51' }],
    ['available', { available: '2' }],
    ['available', { available: undefined }],
    ['marginLevel', { marginLevel: '2' }],
  ] as [string, Partial<RecordBalanceInput>][])(
    'with another %s are a conflict (%#)',
    async (field, over) => {
      const input = balanceOf({ available: '1', currency: `C-${field}` })
      const stored = await recordBalance(db, input)
      const other: RecordBalanceInput = Object.fromEntries(
        Object.entries({ ...input, ...over }).filter(([, value]) => value !== undefined),
      ) as unknown as RecordBalanceInput
      await expect(recordBalance(db, other)).rejects.toMatchObject({ code: 'conflict', field })
      expect(await getLatestBalance(db, input)).toEqual(stored)
    },
  )

  it('of one moment may be of several kinds, and the last of a currency is found', async () => {
    const key = { botId: 'b', exchange: EXCHANGE, currency: 'USD' }
    await expect(getLatestBalance(db, key)).rejects.toMatchObject({ code: 'not_found' })
    const at = (minutes: number, total: string, over: Partial<RecordBalanceInput> = {}) =>
      recordBalance(db, balanceOf({ botId: 'b', takenAt: minute(minutes), total, ...over }))
    await at(5, '5')
    const opened = await at(9, '9', { kind: 'trade_open' })
    const last = await at(9, '9')
    await at(3, '3')
    const euros = await at(12, '1', { currency: 'EUR' })
    await at(12, '2', { exchange: 'y' })
    expect(await getLatestBalance(db, key)).toEqual(last)
    const all = await listBalances(db, { botId: 'b' })
    expect(all.map(({ total }) => text(total))).toEqual(['2', '1', '9', '9', '5', '3'])
    expect(await listBalances(db, { botId: 'b', limit: 2, after: euros })).toEqual([last, opened])
  })
})
