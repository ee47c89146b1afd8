import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'

/** How long after a restart it must listen again: the longest pause, and a little. */
const BACK_WITHIN_MS = 6_000

let server: OwnServer
beforeAll(async () => {
  server = await startOwnServer()
})
afterAll(() => server.stop())

test.each(['postgres', 'pg'] as const)(
  'subscriptions outlive their server being killed, and hear again (%s)',
  async (driver) => {
    const uncaught: unknown[] = []
    const note = (error: unknown) => void uncaught.push(error)
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, note)
      onTestFinished(() => void process.off(event, note))
    }
    const options = { url: server.url, directUrl: server.url, skipSchemaCheck: true }
    await using db = await connect({ ...options, driver })
    const told: string[] = []
    await using _ = await db.listen('channel', {
      notified: (payload) => told.push(payload),
      ready: () => told.push('(ready)'),
      lost: () => told.push('(lost)'),
    })
    const reaches = async (count: number, withinMs: number) => {
      const deadline = performance.now() + withinMs
      while (told.length < count && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      return told.slice(0, count)
    }
    for (let kill = 1; kill <= 2; kill++) {
      await server.kill()
      expect((await reaches(kill * 3 - 1, 1_000)).at(-1)).toBe('(lost)')
      await new Promise((resolve) => setTimeout(resolve, 400))
      await server.start()
      expect((await reaches(kill * 3, BACK_WITHIN_MS)).at(-1)).toBe('(ready)')
      await using other = await connect(options)
      await other.execute(sql`select pg_notify('channel', ${`after ${kill}`})`)
      expect((await reaches(kill * 3 + 1, 1_000)).at(-1)).toBe(`after ${kill}`)
    }
    expect(told).toEqual([
      ...['(ready)', '(lost)', '(ready)', 'after 1'],
      ...['(lost)', '(ready)', 'after 2'],
    ])
    expect(uncaught).toEqual([])
  },
)
