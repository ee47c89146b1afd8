import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import {
  createStrategy,
  findStrategy,
  getStrategy,
  listStrategies,
  updateStrategy,
} from '../../src/strategy/strategies.ts'
import { archiveStrategy } from '../../src/strategy/strategy-status.ts'
import { listStrategySymbols, setStrategySymbols } from '../../src/strategy/strategy-symbols.ts'
import { describeEngines } from '../database.ts'
import { BY, eventsOf, makeStrategy, makeStrategyAt, NOBODY } from './strategy-fixture.ts'

describeEngines('strategies', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const RULES = {
    kind: 'momentum',
    description: 'buys strength',
    parameters: { period: 14, levels: ['1.5', '2'] },
    allowedSymbols: ['BTC/USDT', 'ETH"{,}'],
    sessionWindows: [
      {
        start: '07:00',
        end: '11:00',
        days: ['monday' as const, 'tuesday' as const],
        timeZone: 'Europe/Berlin',
      },
    ],
    entryConditions: { rsiBelow: 30 },
    exitRules: { timeLimitMinutes: 90 },
    forbiddenConditions: { highImpactNewsMinutesBefore: 30, blockedSymbols: ['LUNA/USDT'] },
    riskCaps: { maxQuantity: '0.5', maxOpenPositions: 3 },
    rewardToRisk: '2.50',
    maxRiskFraction: '0.01',
    allocation: '0.25',
  }

  it('are drafts with the rules that they were created with', async () => {
    const name = randomUUID()
    const made = await createStrategy(db, { name, ...RULES, ...BY, reason: 'first' })
    expect(made).toMatchObject({
      name,
      ...RULES,
      rewardToRisk: new Decimal('2.5'),
      maxRiskFraction: new Decimal('0.01'),
      allocation: new Decimal('0.25'),
    })
    expect(made).toMatchObject({
      status: 'draft',
      version: 1,
      replacesId: null,
      activatedAt: null,
      ...BY,
      reason: 'first',
    })
    expect(await getStrategy(db, { id: made.id })).toEqual(made)
    expect(await findStrategy(db, { name })).toEqual(made)
    const bare = await makeStrategy(db)
    expect(bare).toMatchObject({
      allowedSymbols: null,
      sessionWindows: [],
      allocation: new Decimal(0),
      parameters: {},
    })
  })

  it('are created once for an id, and refused for a name that is taken', async () => {
    const [id, name] = [randomUUID(), randomUUID()]
    const made = await createStrategy(db, { id, name, ...RULES, ...BY })
    expect(await createStrategy(db, { id, name, ...RULES, rewardToRisk: '2.5', ...BY })).toEqual(made)
    await expect(
      createStrategy(db, { id, name, ...RULES, rewardToRisk: '3', riskCaps: {}, ...BY }),
    ).rejects.toMatchObject({
      code: 'conflict',
      field: 'riskCaps',
      message: expect.stringContaining('riskCaps, rewardToRisk'),
    })
    await expect(createStrategy(db, { name, ...RULES, ...BY })).rejects.toMatchObject({
      code: 'conflict',
      constraint: 'strategies_name_key',
    })
    expect(await eventsOf(db, id)).toHaveLength(1)
  })

  it('refuse what cannot be read, naming the field', async () => {
    const bad: readonly [string, object][] = [
      ['name', { name: ' ' }],
      ['allocation', { allocation: '1e5x' }],
      ['sessionWindows', { sessionWindows: [{ start: '7:00', end: '11:00' }] }],
      ['sessionWindows', { sessionWindows: [{ start: '07:00', end: '07:00' }] }],
      ['sessionWindows', { sessionWindows: [{ start: '07:00', end: '11:00', days: [] }] }],
      ['sessionWindows', { sessionWindows: [{ start: '07:00', end: '11:00', timeZone: 'Nowhere/Land' }] }],
      ['sessionWindows', { sessionWindows: [{ start: '07:00', end: '11:00', timeZone: '+03:00' }] }],
      ['forbiddenConditions', { forbiddenConditions: { highImpactNewsMinutesBefor: 3 } }],
      ['riskCaps', { riskCaps: { maxQuantity: 0.5 } }],
      ['allowedSymbols', { allowedSymbols: 'BTC' }],
    ]
    for (const [field, part] of bad) {
      const refused = createStrategy(db, { name: randomUUID(), kind: 'grid', ...BY, ...part })
      await expect(refused, JSON.stringify(part)).rejects.toMatchObject({
        code: 'invalid_input',
        field: expect.stringContaining(field),
      })
    }
    for (const part of [
      { allocation: '1.01' },
      { allocation: '-0.1' },
      { rewardToRisk: '0' },
      { maxRiskFraction: '1.5' },
    ]) {
      await expect(makeStrategy(db, part)).rejects.toMatchObject({
        code: 'invalid_input',
        constraint: expect.stringMatching(/^strategies_\w+_check$/),
      })
    }
    await expect(getStrategy(db, { id: NOBODY })).rejects.toMatchObject({ code: 'not_found' })
    expect(await findStrategy(db, { name: randomUUID() })).toBeUndefined()
  })

  it('change where the version is the expected one, and are written down with what was before', async () => {
    const { id } = await makeStrategy(db, { riskCaps: { maxOpenPositions: 1 }, allowedSymbols: ['BTC'] })
    const change = {
      id,
      expectedVersion: 1,
      riskCaps: { maxOpenPositions: 2 },
      rewardToRisk: '1.5',
      allowedSymbols: null,
      ...BY,
      reason: 'wider',
    }
    const changed = await updateStrategy(db, change)
    expect(changed).toMatchObject({
      version: 2,
      riskCaps: { maxOpenPositions: 2 },
      allowedSymbols: null,
      reason: 'wider',
    })
    expect(await updateStrategy(db, change)).toEqual(changed)
    await expect(updateStrategy(db, { ...change, rewardToRisk: '3' })).rejects.toMatchObject({
      code: 'conflict',
      field: 'expectedVersion',
    })
    await expect(updateStrategy(db, { ...change, id: NOBODY })).rejects.toMatchObject({ code: 'not_found' })
    const [, event, ...more] = await eventsOf(db, id)
    expect(more).toEqual([])
    expect(event?.actor).toBe('ann')
    expect(event?.details).toMatchObject({
      reason: 'wider',
      before: { reward_to_risk: null, allowed_symbols: ['BTC'], version: '1' },
      after: { reward_to_risk: '1.5', allowed_symbols: null, version: '2' },
    })
    expect(event?.details.after).not.toHaveProperty('name')
  })

  it('are listed by name, page by page', async () => {
    const own = await open.fresh()
    for (const name of ['c', 'a', 'b']) await makeStrategy(own, { name })
    const { id } = await makeStrategyAt(own, 'backtested', { name: 'd' })
    const first = await listStrategies(own, { limit: 2 })
    expect(first.map(({ name }) => name)).toEqual(['a', 'b'])
    expect((await listStrategies(own, { after: first[1] })).map(({ name }) => name)).toEqual(['c', 'd'])
    expect((await listStrategies(own, { status: 'backtested' })).map((one) => one.id)).toEqual([id])
  })

  it('have the symbols that were set, and no others', async () => {
    const { id } = await makeStrategy(db)
    const set = (symbols: { symbol: string; weight?: string }[]) =>
      setStrategySymbols(db, { strategyId: id, symbols, ...BY, reason: 'pick' })
    await set([{ symbol: 'BTC' }, { symbol: 'ETH', weight: '0.50' }])
    const now = await set([
      { symbol: 'SOL' },
      { symbol: 'ETH', weight: '0.5' },
      { symbol: 'BTC', weight: '3' },
    ])
    expect(now.map(({ symbol, weight }) => [symbol, weight.toFixed()])).toEqual([
      ['BTC', '3'],
      ['ETH', '0.5'],
      ['SOL', '1'],
    ])
    expect(await listStrategySymbols(db, { strategyId: id })).toEqual(now)
    expect((await getStrategy(db, { id })).version).toBe(3)
    await set([{ symbol: 'SOL' }, { symbol: 'ETH', weight: '0.5' }, { symbol: 'BTC', weight: '3' }])
    expect((await getStrategy(db, { id })).version).toBe(3)
    expect(await set([])).toEqual([])
    const messages = (await eventsOf(db, id)).map(({ message }) => message.replace(/'.*'/, '…'))
    expect(messages).toEqual([
      'strategy … was created as draft',
      'symbols of strategy … were added',
      'strategy … was changed',
      'symbols of strategy … were changed',
      'symbols of strategy … were added',
      'strategy … was changed',
      'symbols of strategy … were removed',
      'strategy … was changed',
    ])
    await expect(set([{ symbol: 'A' }, { symbol: 'A' }])).rejects.toMatchObject({
      field: 'symbols[1].symbol',
    })
    await expect(set([{ symbol: 'A', weight: '-1' }])).rejects.toMatchObject({
      constraint: 'strategy_symbols_weight_check',
    })
    await expect(setStrategySymbols(db, { strategyId: NOBODY, symbols: [], ...BY })).rejects.toMatchObject({
      code: 'not_found',
    })
    await set([{ symbol: 'A' }])
    await archiveStrategy(db, { id, ...BY })
    await expect(set([])).rejects.toMatchObject({ code: 'invalid_transition' })
    expect(await listStrategySymbols(db, { strategyId: id })).toHaveLength(1)
  })

  it('keep the database from holding what the verbs refuse', async () => {
    const { id } = await makeStrategy(db)
    const refused = async (work: ReturnType<typeof sql>, state: string) => {
      const thrown = await db.execute(work).then(
        () => undefined,
        (error: { cause?: { code?: string } }) => error.cause?.code,
      )
      expect(thrown, state).toBe(state)
    }
    const windows = (text: string) =>
      sql`update strategy.strategies set session_windows = ${text}::jsonb where id = ${id}::uuid`
    await refused(windows('[{"start": "07:00"}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "07:00"}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "25:00"}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "09:00", "days": ["mon"]}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "09:00", "days": null}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "09:00", "timeZone": "UTC+3"}]'), 'TB002')
    await refused(windows('[{"start": "07:00", "end": "09:00", "timeZone": "No/Where"}]'), '22023')
    await refused(windows('{}'), '23514')
    await refused(sql`delete from strategy.strategies where id = ${id}::uuid`, 'TB002')
    await refused(sql`truncate strategy.strategies cascade`, 'TB002')
    await refused(
      sql`update strategy.strategies set id = ${randomUUID()}::uuid where id = ${id}::uuid`,
      'TB002',
    )
    await refused(sql`update strategy.allocations set allocated = 0.5`, 'TB002')
    await refused(sql`delete from strategy.allocations`, 'TB002')
    await refused(sql`insert into strategy.allocations default values`, 'TB002')
  })
})
