import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import { migrate } from '../../src/db/migrate.ts'
import { lockSymbol } from '../../src/risk/locks.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { watchTradingStatus } from '../../src/risk/watch-trading-status.ts'
import { makeBot } from '../trading/ledger-fixture.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'

const POLL_MS = 200
const MAX_AGE_MS = 1_000
/** How long after a restart it must be pushed again: the longest pause, and a little. */
const BACK_WITHIN_MS = 6_000

let server: OwnServer
beforeAll(async () => {
  server = await startOwnServer()
  const options = { url: server.url, directUrl: server.url }
  await migrate(options)
  await using db = await connect(options)
  await setRiskSettings(db, { tradingEnabled: true, changedBy: 'test', reason: 'a test' })
  for (const driver of ['postgres', 'pg']) await makeBot(db, driver)
})
afterAll(() => server.stop())

test.each(['postgres', 'pg'] as const)(
  'a bot whose server is killed is not allowed to trade until it is back (%s)',
  async (driver) => {
    const uncaught: unknown[] = []
    const note = (error: unknown) => void uncaught.push(error)
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, note)
      onTestFinished(() => void process.off(event, note))
    }
    const options = { url: server.url, directUrl: server.url, driver }
    await using db = await connect(options)
    const input = { botId: driver, pollMs: POLL_MS, maxAgeMs: MAX_AGE_MS }
    await using watch = await watchTradingStatus(db, input)
    const until = async (holds: () => boolean, withinMs: number) => {
      const startedAt = performance.now()
      while (!holds() && performance.now() - startedAt < withinMs) await sleep(5)
      expect(holds()).toBe(true)
    }
    await until(() => watch.isPushed && watch.isAllowed, 1_000)
    const states: string[] = []
    const over = (async () => {
      for await (const { state, blocks } of watch) states.push(blocks[0]?.code ?? state)
    })()

    const knownAt = watch.current.checkedAt.getTime()
    await server.kill()
    // What was known just before is believed for a while, and no longer.
    await until(() => !watch.isAllowed, MAX_AGE_MS + 100)
    expect(Date.now() - knownAt).toBeGreaterThan(MAX_AGE_MS - 50)
    expect(watch.current.blocks[0]?.code).toBe('status_unknown')
    expect(watch.lastError).toMatchObject({ code: 'connection' })
    await server.start()
    await until(() => watch.isAllowed, 2_000)
    await until(() => watch.isPushed, BACK_WITHIN_MS)
    await lockSymbol(db, { botId: driver, until: null, lockedBy: 'test', reason: 'a test' })
    await until(() => !watch.isAllowed, POLL_MS)
    await watch.close()
    await over
    // Why it is not known may change from one attempt to the next.
    expect(states.filter((state, i) => state !== states[i - 1])).toEqual([
      ...['active', 'status_unknown', 'active'],
      'lock',
    ])
    expect(uncaught).toEqual([])
  },
)
