import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database, Logger } from '../../src/db/database.ts'
import { activateKillSwitch } from '../../src/risk/kill-switch.ts'
import { lockSymbol, unlockSymbol } from '../../src/risk/locks.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import {
  type TradingStatusWatch,
  type WatchTradingStatusInput,
  watchTradingStatus,
} from '../../src/risk/watch-trading-status.ts'
import { createDatabase, describeEngines } from '../database.ts'
import { makeBot, makeInstrument } from '../trading/ledger-fixture.ts'

const BY = { lockedBy: 'test', reason: 'a test' } as const
/** So seldom that whatever is found in time was not found by polling. */
const SELDOM = { pollMs: 600_000, maxAgeMs: 1_200_000 } as const

async function letTrade(db: Database, ...botIds: readonly string[]): Promise<void> {
  await setRiskSettings(db, { tradingEnabled: true, changedBy: 'test', reason: 'a test' })
  for (const botId of botIds) await makeBot(db, botId)
}

async function open(db: Connection, input: WatchTradingStatusInput): Promise<TradingStatusWatch> {
  const watch = await watchTradingStatus(db, input)
  onTestFinished(() => watch.close())
  return watch
}

async function until(holds: () => boolean, withinMs = 2_000): Promise<number> {
  const startedAt = performance.now()
  while (!holds()) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms`)
    await sleep(1)
  }
  return performance.now() - startedAt
}

const codesOf = (watch: TradingStatusWatch) => watch.current.blocks.map((block) => block.code)

describeEngines('a watch of a trading status', (engine) => {
  test('knows the status at once, and is told of each change that concerns its bot', async () => {
    const db = await engine.fresh()
    await letTrade(db, 'a', 'b')
    const watch = await open(db, { botId: 'a', ...SELDOM })
    expect([watch.current.state, watch.isAllowed, watch.lastError, watch.pushError]).toEqual([
      'active',
      true,
      undefined,
      undefined,
    ])
    await until(() => watch.isPushed)
    const states: string[] = []
    const over = (async () => {
      for await (const { state, blocks } of watch) states.push(blocks[0]?.code ?? state)
    })()
    const lock = await lockSymbol(db, { botId: 'a', until: null, ...BY })
    await until(() => !watch.isAllowed)
    await unlockSymbol(db, { botId: 'a', id: lock.id, unlockedBy: 'test', reason: 'a test' })
    await until(() => watch.isAllowed)
    await activateKillSwitch(db, { activatedBy: 'test', reason: 'a test' })
    await until(() => !watch.isAllowed)
    expect(codesOf(watch)).toEqual(['kill_switch'])
    await until(() => states.length === 4)
    await watch.close()
    await over
    expect(states).toEqual(['active', 'lock', 'active', 'kill_switch'])
    expect(watch.current).toMatchObject({ state: 'halted', blocks: [{ code: 'status_unknown' }] })
    expect([watch.isAllowed, watch.isPushed]).toEqual([false, false])
  })

  test('reads nothing for what concerns another bot, and sees only what concerns its symbol and side', async () => {
    const db = await engine.fresh()
    await letTrade(db, 'a', 'b')
    await makeInstrument(db, 'BTC/USD')
    const watch = await open(db, { botId: 'a', symbol: 'BTC/USD', side: 'buy', ...SELDOM })
    await until(() => watch.isPushed)
    await sleep(50)
    const { checkedAt } = watch.current
    await lockSymbol(db, { botId: 'b', until: null, ...BY })
    await sleep(100)
    expect(watch.current.checkedAt).toEqual(checkedAt)
    await lockSymbol(db, { botId: 'a', symbol: 'ETH/USD', until: null, ...BY })
    await lockSymbol(db, { botId: 'a', symbol: 'BTC/USD', side: 'sell', until: null, ...BY })
    await until(() => watch.current.checkedAt > checkedAt)
    await sleep(50)
    expect(codesOf(watch)).toEqual([])
    await lockSymbol(db, { symbol: 'BTC/USD', side: 'buy', until: null, ...BY })
    await until(() => !watch.isAllowed)
  })

  test('is allowed again when the last block has ended, without a poll', async () => {
    const db = await engine.fresh()
    await letTrade(db, 'a')
    const watch = await open(db, { botId: 'a', ...SELDOM })
    await until(() => watch.isPushed)
    const lock = await lockSymbol(db, { botId: 'a', durationMs: 400, ...BY })
    await until(() => !watch.isAllowed)
    await until(() => watch.isAllowed)
    const late = watch.current.checkedAt.getTime() - (lock.expiresAt?.getTime() ?? 0)
    expect(late).toBeGreaterThanOrEqual(0)
    expect(late).toBeLessThan(200)
  })

  test('finds by polling what nobody told', async () => {
    const db = await engine.fresh()
    await letTrade(db, 'a')
    const watch = await open(db, { botId: 'a', pollMs: 50 })
    await db.execute(sql`update fleet.bots set status = 'stopped' where bot_id = 'a'`)
    await until(() => !watch.isAllowed)
    expect(codesOf(watch)).toEqual(['bot_status'])
  })

  test('is not allowed soon after its handle was closed, and offers the error', async () => {
    const db = await engine.fresh()
    await letTrade(db, 'a')
    const watch = await open(db, { botId: 'a', pollMs: 20, maxAgeMs: 150 })
    await db.close()
    const waited = await until(() => !watch.isAllowed)
    expect(waited).toBeLessThan(300)
    expect(watch.lastError).toMatchObject({ code: 'connection' })
    expect(watch.current.blocks[0]?.reason).toMatch(
      /no status could be read since .*the database handle is closed/,
    )
    expect(watch.isPushed).toBe(false)
  })

  test('is refused for a bot that is not registered, and for times that make no sense', async () => {
    const db = await engine()
    await expect(watchTradingStatus(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    for (const [field, input] of [
      ['pollMs', { pollMs: 9 }],
      ['pollMs', { pollMs: Number.NaN }],
      ['maxAgeMs', { pollMs: 1_000, maxAgeMs: 1_000 }],
      ['maxAgeMs', { maxAgeMs: Number.POSITIVE_INFINITY }],
    ] as const) {
      const watching = watchTradingStatus(db, { botId: 'nobody', ...input })
      await expect(watching).rejects.toMatchObject({ code: 'invalid_input', field })
    }
  })
})

describe.each(['postgres', 'pg'] as const)('a watch on a server (%s)', (driver) => {
  test('sees at once what another handle does, also what it missed while its connection was down', async () => {
    await using own = await createDatabase({ driver })
    const other = await connect({ url: own.directUrl, directUrl: own.directUrl, pooled: false })
    onTestFinished(() => other.close())
    await letTrade(other, 'a')
    const watch = await open(own.db, { botId: 'a', ...SELDOM })
    await until(() => watch.isPushed)
    await setRiskSettings(other, { botId: 'a', tradingEnabled: false, changedBy: 'test', reason: 'a test' })
    expect(await until(() => !watch.isAllowed)).toBeLessThan(500)
    await setRiskSettings(other, { botId: 'a', tradingEnabled: true, changedBy: 'test', reason: 'a test' })
    await until(() => watch.isAllowed)
    // Told to nobody.
    await other.execute(sql`update fleet.bots set status = 'stopped' where bot_id = 'a'`)
    await sleep(100)
    expect(watch.isAllowed).toBe(true)
    await other.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query like 'listen%'`)
    await until(() => !watch.isAllowed)
    await until(() => watch.isPushed)
  })

  test('polls where a pooler is all that can be reached, and says so', async () => {
    await using own = await createDatabase({ driver })
    await letTrade(own.db, 'a')
    const { url } = own
    const lines: object[] = []
    const logger: Logger = { debug: (line) => lines.push(line), warn: (line) => lines.push(line) }
    await using db = await connect({ url, directUrl: url, driver, pooled: true, logger })
    const watch = await open(db, { botId: 'a', pollMs: 50 })
    await until(() => watch.pushError !== undefined)
    expect(watch.pushError).toMatchObject({ code: 'config' })
    expect([watch.isPushed, watch.isAllowed]).toEqual([false, true])
    await lockSymbol(own.db, { botId: 'a', until: null, ...BY })
    await until(() => !watch.isAllowed)
    await watch.close()
    await sleep(20)
    const read = lines.length
    await sleep(150)
    expect(lines.length).toBe(read)
  })
})
