import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import {
  type Bot,
  findBot,
  getBot,
  listBots,
  listStaleBots,
  type RegisterBotInput,
  recordHeartbeat,
  registerBot,
  setBotStatus,
} from '../../src/fleet/index.ts'
import { bots } from '../../src/fleet/schema.ts'
import { describeEngines } from '../database.ts'

const NOON = new Date('2026-03-01T12:00:00.000Z')
const later = (ms: number) => new Date(NOON.getTime() + ms)

function facts(overrides: Partial<RegisterBotInput> = {}): RegisterBotInput {
  return {
    botId: 'grid-1',
    kind: 'grid',
    strategy: 'mean-reversion',
    exchange: 'hyperliquid',
    mode: 'paper',
    baseCurrency: 'USDC',
    initialEquity: '1000.50',
    ...overrides,
  }
}

const idsOf = (rows: readonly Bot[]) => rows.map((bot) => bot.botId)

describeEngines('bots', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${bots}`)
  })

  describe('registerBot', () => {
    it('stores the facts and fills in what was left out', async () => {
      const bot = await registerBot(db, facts())
      expect(bot).toMatchObject({
        botId: 'grid-1',
        name: 'grid-1',
        kind: 'grid',
        strategy: 'mean-reversion',
        exchange: 'hyperliquid',
        account: 'main',
        mode: 'paper',
        status: 'active',
        statusReason: null,
        baseCurrency: 'USDC',
        currentEquity: null,
        costBasisMethod: 'average',
        timeZone: 'UTC',
        heartbeatToleranceMs: 60_000,
        databaseRole: null,
        lastHeartbeatAt: null,
      })
      expect(bot.initialEquity.toFixed()).toBe('1000.5')
      expect(bot.createdAt).toBeInstanceOf(Date)
      expect(await getBot(db, { botId: 'grid-1' })).toEqual(bot)
    })

    it('stores every fact that is given', async () => {
      const given = {
        name: 'Grid, first',
        account: 'sub-7',
        mode: 'live',
        costBasisMethod: 'fifo',
        timeZone: 'Europe/Berlin',
        heartbeatToleranceMs: 5_000,
        databaseRole: 'tb_grid-1',
      } as const
      expect(await registerBot(db, facts(given))).toMatchObject(given)
    })

    it('changes nothing when the same facts come again, in other words too', async () => {
      const first = await registerBot(db, facts({ timeZone: 'Asia/Tokyo' }))
      expect(await registerBot(db, facts({ timeZone: 'Asia/Tokyo' }))).toEqual(first)
      expect(await registerBot(db, facts({ initialEquity: new Decimal('1000.500') }))).toEqual(first)
      expect(await listBots(db)).toHaveLength(1)
    })

    it('leaves status, equity and heartbeat of a bot that registers again', async () => {
      await registerBot(db, facts())
      await setBotStatus(db, { botId: 'grid-1', status: 'paused', reason: 'holiday' })
      const beaten = await recordHeartbeat(db, { botId: 'grid-1', currentEquity: '7' })
      expect(await registerBot(db, facts())).toEqual(beaten)
      expect(beaten.status).toBe('paused')
    })

    it.each([
      [{ name: 'other' }, 'name', "'grid-1'", "'other'"],
      [{ kind: 'momentum' }, 'kind', "'grid'", "'momentum'"],
      [{ strategy: 'breakout' }, 'strategy', "'mean-reversion'", "'breakout'"],
      [{ exchange: 'binance' }, 'exchange', "'hyperliquid'", "'binance'"],
      [{ account: 'sub' }, 'account', "'main'", "'sub'"],
      [{ mode: 'live' }, 'mode', "'paper'", "'live'"],
      [{ baseCurrency: 'EUR' }, 'baseCurrency', "'USDC'", "'EUR'"],
      [{ initialEquity: '1000.51' }, 'initialEquity', '1000.5', '1000.51'],
      [{ costBasisMethod: 'lifo' }, 'costBasisMethod', "'average'", "'lifo'"],
      [{ timeZone: 'Asia/Tokyo' }, 'timeZone', "'UTC'", "'Asia/Tokyo'"],
      [{ heartbeatToleranceMs: 1 }, 'heartbeatToleranceMs', "'60000'", "'1'"],
      [{ databaseRole: 'r' }, 'databaseRole', 'none', "'r'"],
    ] as const)('refuses %j for a bot registered otherwise', async (other, field, stored, given) => {
      await registerBot(db, facts())
      await expect(registerBot(db, facts(other))).rejects.toMatchObject({
        code: 'conflict',
        field,
        message: `bot 'grid-1' is registered with ${field} ${stored}, not ${given}`,
      })
    })

    it('ignores what is no fact in the object it is given', async () => {
      const row = { ...facts(), status: 'error', currentEquity: new Decimal(5), createdAt: NOON } as const
      const bot = await registerBot(db, row)
      expect(bot).toMatchObject({ status: 'active', currentEquity: null })
      expect(bot.createdAt).not.toEqual(NOON)
    })

    it.each([
      ['botId', { botId: '' }],
      ['botId', { botId: 'a'.repeat(64) }],
      ['botId', { botId: 'grid 1' }],
      ['botId', { botId: "x'; drop table fleet.bots; --" }],
      ['botId', { botId: 'grid-1\n' }],
      ['botId', { botId: 'grid\0' }],
      ['botId', { botId: 'größe' }],
      ['name', { name: ' ' }],
      ['kind', { kind: '' }],
      ['strategy', { strategy: 'a\0b' }],
      ['exchange', { exchange: '\ud800' }],
      ['account', { account: '' }],
      ['mode', { mode: 'LIVE' as 'live' }],
      ['baseCurrency', { baseCurrency: '  ' }],
      ['initialEquity', { initialEquity: '-0.01' }],
      ['initialEquity', { initialEquity: 'NaN' }],
      ['initialEquity', { initialEquity: '1e400' }],
      ['initialEquity', { initialEquity: `0.${'1'.repeat(40)}` }],
      ['costBasisMethod', { costBasisMethod: 'hifo' as 'fifo' }],
      ['timeZone', { timeZone: 'Mars/Olympus' }],
      ['timeZone', { timeZone: '+02:00' }],
      ['timeZone', { timeZone: '' }],
      ['heartbeatToleranceMs', { heartbeatToleranceMs: 0 }],
      ['heartbeatToleranceMs', { heartbeatToleranceMs: 1.5 }],
      ['heartbeatToleranceMs', { heartbeatToleranceMs: Number.NaN }],
      ['heartbeatToleranceMs', { heartbeatToleranceMs: 2 ** 31 }],
      ['databaseRole', { databaseRole: '' }],
    ])('refuses a bad %s: %j', async (field, bad) => {
      await expect(registerBot(db, facts(bad))).rejects.toMatchObject({ code: 'invalid_input', field })
      expect(await listBots(db)).toEqual([])
    })

    it('takes the longest id, the highest tolerance and no equity at all', async () => {
      const botId = 'Az09_.:-'.padEnd(63, 'x')
      const limits = { botId, heartbeatToleranceMs: 2 ** 31 - 1, initialEquity: '0' }
      const bot = await registerBot(db, facts(limits))
      expect(bot).toMatchObject({ botId, heartbeatToleranceMs: 2 ** 31 - 1 })
      expect(bot.initialEquity.isZero()).toBe(true)
    })

    it('keeps SQL in a text as text', async () => {
      const name = "Robert'); drop table fleet.bots; --"
      expect(await registerBot(db, facts({ name }))).toMatchObject({ name })
    })
  })

  describe('getBot and findBot', () => {
    it('tell apart a bot that is not registered', async () => {
      expect(await findBot(db, { botId: 'nobody' })).toBeUndefined()
      await expect(getBot(db, { botId: 'nobody' })).rejects.toMatchObject({
        code: 'not_found',
        message: "bot 'nobody' not found",
      })
      const bot = await registerBot(db, facts())
      expect(await findBot(db, { botId: 'grid-1' })).toEqual(bot)
    })

    it('refuse an id that no bot can have', async () => {
      const bad = { code: 'invalid_input', field: 'botId' }
      await expect(findBot(db, { botId: 'a\0' })).rejects.toMatchObject(bad)
      await expect(getBot(db, { botId: '' })).rejects.toMatchObject(bad)
    })
  })

  describe('listBots', () => {
    it('goes through all bots page by page, in the order of their ids', async () => {
      expect(await listBots(db)).toEqual([])
      for (const botId of ['c', 'a', 'e', 'b', 'd']) await registerBot(db, facts({ botId }))
      expect(idsOf(await listBots(db))).toEqual(['a', 'b', 'c', 'd', 'e'])
      const first = await listBots(db, { limit: 2 })
      const second = await listBots(db, { limit: 2, after: first[1] })
      const third = await listBots(db, { limit: 2, after: second[1] })
      expect([first, second, third].map(idsOf)).toEqual([['a', 'b'], ['c', 'd'], ['e']])
      expect(await listBots(db, { after: third[0] })).toEqual([])
    })

    it.each([0, 1001, 1.5])('refuses a limit of %d', async (limit) => {
      await expect(listBots(db, { limit })).rejects.toMatchObject({ code: 'invalid_input', field: 'limit' })
    })
  })

  describe('setBotStatus', () => {
    it('sets the status with its reason, and a status without one removes it', async () => {
      await registerBot(db, facts())
      const failed = { status: 'error', reason: 'exchange refused the key' } as const
      const first = await setBotStatus(db, { botId: 'grid-1', ...failed })
      expect(first).toMatchObject({ status: 'error', statusReason: 'exchange refused the key' })
      expect(await setBotStatus(db, { botId: 'grid-1', ...failed })).toMatchObject({ status: 'error' })
      expect(await setBotStatus(db, { botId: 'grid-1', status: 'active' })).toMatchObject({
        status: 'active',
        statusReason: null,
      })
    })

    it('moves the time of the last change', async () => {
      const before = await registerBot(db, facts())
      await new Promise((resolve) => setTimeout(resolve, 5))
      const after = await setBotStatus(db, { botId: 'grid-1', status: 'paused' })
      expect(after.updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime())
      expect(after.createdAt).toEqual(before.createdAt)
    })

    it('refuses an unknown bot, an unknown status and an empty reason', async () => {
      await registerBot(db, facts())
      const unknown = { status: 'archived' as 'active' }
      await expect(setBotStatus(db, { botId: 'nobody', status: 'paused' })).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(setBotStatus(db, { botId: 'grid-1', ...unknown })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'status',
      })
      for (const reason of ['', 'a\0']) {
        await expect(setBotStatus(db, { botId: 'grid-1', status: 'paused', reason })).rejects.toMatchObject({
          code: 'invalid_input',
          field: 'reason',
        })
      }
      expect(await getBot(db, { botId: 'grid-1' })).toMatchObject({ status: 'active' })
    })
  })

  describe('recordHeartbeat', () => {
    it('takes the time from the database and leaves the equity that it is not told', async () => {
      const { createdAt } = await registerBot(db, facts())
      const first = await recordHeartbeat(db, { botId: 'grid-1', currentEquity: '-12.5' })
      const age = (first.lastHeartbeatAt?.getTime() ?? 0) - createdAt.getTime()
      expect(age).toBeGreaterThanOrEqual(0)
      expect(age).toBeLessThan(60_000)
      const second = await recordHeartbeat(db, { botId: 'grid-1' })
      expect(second.currentEquity?.toFixed()).toBe('-12.5')
    })

    it('never goes back in time, in neither the heartbeat nor the equity', async () => {
      await registerBot(db, facts())
      const beat = (ms: number, currentEquity?: string) =>
        recordHeartbeat(db, { botId: 'grid-1', at: later(ms), currentEquity })
      await beat(0, '10')
      const late = await beat(-1, '20')
      expect([late.lastHeartbeatAt, late.currentEquity?.toFixed()]).toEqual([NOON, '10'])
      const same = await beat(0, '30')
      expect([same.lastHeartbeatAt, same.currentEquity?.toFixed()]).toEqual([NOON, '30'])
      const next = await beat(1, '40')
      expect([next.lastHeartbeatAt, next.currentEquity?.toFixed()]).toEqual([later(1), '40'])
    })

    it('refuses an unknown bot and bad values', async () => {
      await registerBot(db, facts())
      await expect(recordHeartbeat(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
      await expect(recordHeartbeat(db, { botId: 'grid-1', currentEquity: 'Infinity' })).rejects.toMatchObject(
        { code: 'invalid_input', field: 'currentEquity' },
      )
      await expect(recordHeartbeat(db, { botId: 'grid-1', at: new Date(Number.NaN) })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'at',
      })
      expect(await getBot(db, { botId: 'grid-1' })).toMatchObject({ lastHeartbeatAt: null })
    })
  })

  describe('listStaleBots', () => {
    const stale = async (now?: Date) => idsOf(await listStaleBots(db, { now }))

    it('lists a bot from the millisecond after its tolerance', async () => {
      await registerBot(db, facts({ heartbeatToleranceMs: 1_000 }))
      await recordHeartbeat(db, { botId: 'grid-1', at: NOON })
      expect(await stale(later(1_000))).toEqual([])
      expect(await stale(later(1_001))).toEqual(['grid-1'])
    })

    it('lists an active bot that never sent a heartbeat, and none that is not active', async () => {
      expect(await stale()).toEqual([])
      for (const botId of ['a', 'b', 'c', 'd']) await registerBot(db, facts({ botId }))
      await setBotStatus(db, { botId: 'b', status: 'paused' })
      await setBotStatus(db, { botId: 'c', status: 'stopped' })
      await setBotStatus(db, { botId: 'd', status: 'error' })
      expect(await stale()).toEqual(['a'])
    })

    it('judges by the clock of the database unless told otherwise', async () => {
      for (const botId of ['a', 'b']) await registerBot(db, facts({ botId }))
      await recordHeartbeat(db, { botId: 'a' })
      await recordHeartbeat(db, { botId: 'b', at: new Date(Date.now() - 3_600_000) })
      expect(await stale()).toEqual(['b'])
    })

    it('goes on after the last bot of the page before', async () => {
      for (const botId of ['c', 'a', 'b']) await registerBot(db, facts({ botId }))
      const first = await listStaleBots(db, { limit: 2 })
      expect(idsOf(first)).toEqual(['a', 'b'])
      expect(idsOf(await listStaleBots(db, { limit: 2, after: first[1] }))).toEqual(['c'])
    })
  })
})

describeEngines('the bots table', (open) => {
  it('refuses a bad id from whoever writes it', async () => {
    const db = await open()
    const bad = { ...facts(), name: 'n', botId: 'a b', initialEquity: new Decimal(1) }
    await expect(db.insert(bots).values(bad)).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'botId',
      constraint: 'bots_bot_id_check',
    })
  })

  it('makes one row of a bot that registers many times at once', async () => {
    const db = await open.fresh({ poolSize: 8 })
    const rows = await Promise.all(Array.from({ length: 8 }, () => registerBot(db, facts())))
    for (const row of rows) expect(row).toEqual(rows[0])
    expect(await listBots(db)).toHaveLength(1)
  })
})
