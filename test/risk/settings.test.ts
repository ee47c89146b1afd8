import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  getRiskSettings,
  listRiskSettings,
  type RiskSettings,
  type SetRiskSettingsInput,
  setRiskSettings,
} from '../../src/risk/settings.ts'
import { describeDatabases } from '../database.ts'
import { makeBot, query } from '../trading/ledger-fixture.ts'

const who = { changedBy: 'ann', reason: 'trial' }

describeDatabases('risk settings', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (const botId of ['a', 'b', 'c', 'racer', 'other']) await makeBot(db, botId)
  })

  const set = (input: Partial<SetRiskSettingsInput>) => setRiskSettings(db, { ...who, ...input })
  const gateOf = async (botId: string) => {
    const [row] = await query(db, sql`select version::text from risk.gates where bot_id = ${botId}`)
    return Number(row?.version)
  }
  const eventsOf = (botId: string) =>
    query(
      db,
      sql`select actor, reason, details -> 'after' ->> 'version' as version from audit.risk_events
        where bot_id = ${botId} and kind = 'settings_changed' order by id`,
    )
  const plain = ({ changedAt: _, ...rest }: RiskSettings) => JSON.parse(JSON.stringify(rest)) as object

  const FIRST = {
    version: 1,
    minConfidence: null,
    maxOrderNotional: null,
    maxQuantity: null,
    maxOpenPositions: null,
    maxExposure: null,
    maxLeverage: null,
    maxDailyLoss: null,
    maxDrawdownFraction: null,
    haltOnDrawdown: true,
    dailyTarget: null,
    stopAtDailyTarget: true,
    allowedSymbols: null,
    offWatchlistAllowed: false,
    maxOrdersPerMinute: null,
    maxPriceAgeMs: null,
    maxEquityAgeMs: null,
    breakerRules: [],
    ...who,
  }
  const ALL = {
    tradingEnabled: false,
    minConfidence: 0.725,
    maxOrderNotional: '1000.5',
    maxQuantity: '0.000000000000000001',
    maxOpenPositions: 3,
    maxExposure: '5000',
    maxLeverage: '2.5',
    maxDailyLoss: '250',
    maxDrawdownFraction: '0.2',
    haltOnDrawdown: false,
    dailyTarget: '100',
    stopAtDailyTarget: false,
    allowedSymbols: ['BTC/USDT', 'ETH/USDT'],
    offWatchlistAllowed: true,
    maxOrdersPerMinute: 12,
    maxPriceAgeMs: 60_000,
    maxEquityAgeMs: 120_000,
  }

  // These two come first: the database is shared, and the fleet's settings never go away again.
  it('hold for nobody before the fleet has any', async () => {
    expect(await getRiskSettings(db)).toEqual({ global: null, bot: null, effective: null })
    const own = await set({ botId: 'a' })
    expect(plain(own)).toEqual({ botId: 'a', tradingEnabled: true, ...FIRST })
    expect(await getRiskSettings(db, { botId: 'a' })).toEqual({ global: null, bot: own, effective: null })
    expect(await listRiskSettings(db)).toEqual([])
  })

  it('of the fleet must first say whether it trades', async () => {
    await expect(set({ maxLeverage: '2' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'tradingEnabled',
    })
    await expect(set({ tradingEnabled: true, expectedVersion: 1 })).rejects.toMatchObject({
      code: 'conflict',
      field: 'expectedVersion',
    })
    const first = await set({ tradingEnabled: true, expectedVersion: 0 })
    expect(plain(first)).toEqual({ botId: null, tradingEnabled: true, ...FIRST })
    expect(await getRiskSettings(db)).toMatchObject({ global: first, bot: null })
    expect(await listRiskSettings(db)).toEqual([first])
  })

  it('keep what is not given, and remove a limit for null', async () => {
    const botId = 'b'
    const first = await set({ botId, ...ALL })
    expect(plain(first)).toEqual({ botId, version: 1, ...ALL, breakerRules: [], ...who })
    const second = await set({
      botId,
      maxLeverage: null,
      minConfidence: 0.8,
      changedBy: 'bob',
      reason: 'why not',
    })
    expect(plain(second)).toEqual({
      ...plain(first),
      version: 2,
      maxLeverage: null,
      minConfidence: 0.8,
      changedBy: 'bob',
      reason: 'why not',
    })
    const removed = Object.fromEntries(
      Object.keys(ALL)
        .filter(
          (key) =>
            !['tradingEnabled', 'haltOnDrawdown', 'stopAtDailyTarget', 'offWatchlistAllowed'].includes(key),
        )
        .map((key) => [key, null]),
    )
    const third = await set({ botId, ...removed })
    expect(plain(third)).toMatchObject({ ...removed, tradingEnabled: false, version: 3 })
    expect((await listRiskSettings(db, { botId })).map(({ version }) => version)).toEqual([3, 2, 1])
    expect(await listRiskSettings(db, { botId, limit: 1, after: third })).toEqual([second])
    expect((await getRiskSettings(db, { botId })).bot).toEqual(third)
    expect(await eventsOf(botId)).toEqual([
      { actor: 'ann', reason: 'trial', version: '1' },
      { actor: 'bob', reason: 'why not', version: '2' },
      { actor: 'ann', reason: 'trial', version: '3' },
    ])
  })

  it('that would not change are returned, and nothing is written', async () => {
    const botId = 'c'
    const first = await set({ botId, maxExposure: '10', allowedSymbols: ['A'], minConfidence: 0.1 })
    const gate = await gateOf(botId)
    expect(await set({ botId, changedBy: 'bob' })).toEqual(first)
    const same = { botId, maxExposure: '10.00', allowedSymbols: ['A', 'A'], expectedVersion: 77 }
    expect(await set(same)).toEqual(first)
    expect(await gateOf(botId)).toBe(gate)
    expect(await listRiskSettings(db, { botId })).toHaveLength(1)
    expect(await eventsOf(botId)).toHaveLength(1)
    await set({ botId, maxExposure: '11' })
    expect(await gateOf(botId)).toBe(gate + 1)
  })

  it('are refused to who has seen another version, and to a bot that is not there', async () => {
    const { version } = await set({ botId: 'other', maxLeverage: '3' })
    await expect(
      set({ botId: 'other', maxLeverage: '4', expectedVersion: version + 1 }),
    ).rejects.toMatchObject({
      code: 'conflict',
      field: 'expectedVersion',
      message: "risk settings of bot 'other' have version 1, not 2",
    })
    expect(await set({ botId: 'other', maxLeverage: '4', expectedVersion: version })).toMatchObject({
      version: 2,
    })
    await expect(set({ botId: 'nobody', maxLeverage: '4' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(getRiskSettings(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('of the fleet and of a bot hold together, the stricter of each', async () => {
    const botId = 'other'
    await set({
      maxLeverage: '2',
      maxExposure: '100',
      allowedSymbols: ['A', 'B'],
      breakerRules: [{ trigger: 'max_drawdown', cooldownMs: null, fraction: 0.2 }],
    })
    await set({
      botId,
      maxLeverage: '5',
      allowedSymbols: ['B', 'C'],
      breakerRules: [{ trigger: 'max_drawdown', cooldownMs: 1_000, fraction: 0.1 }],
    })
    const { effective } = await getRiskSettings(db, { botId })
    expect(effective).toMatchObject({ tradingEnabled: true, allowedSymbols: ['B'], maxOpenPositions: null })
    expect(effective?.maxLeverage?.toFixed()).toBe('2')
    expect(effective?.maxExposure?.toFixed()).toBe('100')
    expect(effective?.breakerRules.map(({ name, cooldownMs }) => [name, cooldownMs])).toEqual([
      ['fleet:max_drawdown', null],
      [undefined, 1_000],
    ])
  })

  describe('are refused, naming the field,', () => {
    it.each<[string, Partial<Record<keyof SetRiskSettingsInput, unknown>>]>([
      ['minConfidence 1.5 is not', { minConfidence: 1.5 }],
      ['minConfidence -0.1 is not', { minConfidence: -0.1 }],
      ['minConfidence NaN is not', { minConfidence: Number.NaN }],
      ['minConfidence', { minConfidence: '0.5' }],
      ['maxOrderNotional -1 is negative', { maxOrderNotional: '-1' }],
      ['maxQuantity', { maxQuantity: 'NaN' }],
      ['maxExposure', { maxExposure: 5 }],
      ['maxLeverage -0.5', { maxLeverage: '-0.5' }],
      ["maxDailyLoss '0'", { maxDailyLoss: '0' }],
      ['maxDrawdownFraction 1.01', { maxDrawdownFraction: '1.01' }],
      ["maxDrawdownFraction '0'", { maxDrawdownFraction: '0' }],
      ["dailyTarget '-3'", { dailyTarget: '-3' }],
      ['maxOpenPositions 1.5', { maxOpenPositions: 1.5 }],
      ['maxOpenPositions -1', { maxOpenPositions: -1 }],
      ['maxOrdersPerMinute 2147483648', { maxOrdersPerMinute: 2 ** 31 }],
      ['maxPriceAgeMs 0', { maxPriceAgeMs: 0 }],
      ['maxEquityAgeMs Infinity', { maxEquityAgeMs: Number.POSITIVE_INFINITY }],
      ['tradingEnabled null cannot be removed', { tradingEnabled: null }],
      ["haltOnDrawdown 'yes'", { haltOnDrawdown: 'yes' }],
      ["allowedSymbols 'BTC'", { allowedSymbols: 'BTC' }],
      ['allowedSymbols[1] is empty', { allowedSymbols: ['BTC', ' '] }],
      ['breakerRules', { breakerRules: null }],
      [
        'breakerRules at 0.fraction',
        { breakerRules: [{ trigger: 'max_drawdown', cooldownMs: null, fraction: 2 }] },
      ],
      ['breakerRules', { breakerRules: [{ trigger: 'max_daily_loss', cooldownMs: null }] }],
      [
        "breakerRules 'fleet:x' begins",
        { breakerRules: [{ trigger: 'cooldown', name: 'fleet:x', cooldownMs: 1 }] },
      ],
      ['changedBy is empty', { changedBy: '' }],
      ['reason is empty', { reason: ' ' }],
      ['expectedVersion -1', { expectedVersion: -1 }],
      ["botId '' is not", { botId: '' }],
    ])('%s', async (message, input) => {
      const field = /^\w+(\[\d\])?/.exec(message)?.[0]
      await expect(set({ maxQuantity: '1', ...input } as SetRiskSettingsInput)).rejects.toMatchObject({
        code: 'invalid_input',
        field,
        message: expect.stringContaining(message),
      })
    })

    it('two rules of one name', async () => {
      const rule = { trigger: 'cooldown', cooldownMs: 1_000 } as const
      await expect(set({ breakerRules: [rule, rule] })).rejects.toMatchObject({
        field: 'breakerRules',
        message: expect.stringContaining('two rules of one name'),
      })
      const named = await set({ botId: 'other', breakerRules: [rule, { ...rule, name: 'longer' }] })
      expect(named.breakerRules).toHaveLength(2)
    })
  })

  it('set by several at once are all set, one version after the other', async () => {
    const botId = 'racer'
    const gate = await gateOf(botId)
    const changes: Partial<SetRiskSettingsInput>[] = [
      { maxLeverage: '2' },
      { maxExposure: '3' },
      { maxQuantity: '4' },
      { minConfidence: 0.5 },
      { maxOpenPositions: 6 },
    ]
    const made = await Promise.all(changes.map((change) => set({ botId, ...change })))
    expect(made.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5])
    const { bot } = await getRiskSettings(db, { botId })
    expect(bot && plain(bot)).toMatchObject(Object.assign({ version: 5 }, ...changes))
    expect(await gateOf(botId)).toBeGreaterThanOrEqual(gate + 5)
  })

  it.each([undefined, 'racer'])(
    'set by several who saw the same version are set by one (%s)',
    async (botId) => {
      const [{ version } = { version: 0 }] = await listRiskSettings(db, {
        ...(botId ? { botId } : {}),
        limit: 1,
      })
      const outcomes = await Promise.allSettled(
        [11, 12, 13, 14, 15].map((maxOrdersPerMinute) =>
          set({ botId, maxOrdersPerMinute, expectedVersion: version }),
        ),
      )
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'conflict' })
      }
      expect((await listRiskSettings(db, { ...(botId ? { botId } : {}), limit: 1 }))[0]?.version).toBe(
        version + 1,
      )
    },
  )

  it('roll back with the transaction that set them', async () => {
    const before = await listRiskSettings(db, { botId: 'a' })
    await expect(
      db.transaction(async (tx) => {
        await setRiskSettings(tx, { ...who, botId: 'a', maxLeverage: '9' })
        throw new Error('not so')
      }),
    ).rejects.toThrow('not so')
    expect(await listRiskSettings(db, { botId: 'a' })).toEqual(before)
  })
})
