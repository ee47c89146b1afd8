import { createServer, connect as openSocket, type Socket } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ConnectOptions } from '../../src/db/config.ts'
import { connect } from '../../src/db/connect.ts'
import { canStage, toCopyText, withStagedRows } from '../../src/db/copy.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { recordCandles } from '../../src/market/record-candles.ts'
import { createDatabase, type ServerDatabase } from '../database.ts'
import { newMarket } from '../market/candle-fixture.ts'
import { hasPgBouncer, startPgBouncer } from '../server/pgbouncer.ts'

// Nothing that goes wrong with a COPY may end up where nobody can catch it.
const uncaught: unknown[] = []
const note = (error: unknown) => uncaught.push(error)
beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
})
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
  expect(uncaught).toEqual([])
})

let own: ServerDatabase
beforeAll(async () => {
  own = await createDatabase({ driver: 'postgres', poolSize: 3 })
})
afterAll(() => own.close())

const numbers = (count: number) =>
  Buffer.from(Array.from({ length: count }, (_, i) => `${i}\tvalue ${i}\n`).join(''))
const staged = (...data: Buffer[]) => ({ table: 'staged', columns: 'n integer, word text', data })

async function readStaged(db: Database) {
  return (await db.execute(sql`select * from pg_temp.staged order by n`)) as unknown as object[]
}

test('a text goes through COPY unchanged', async () => {
  const words = ['plain', '', 'a\tb', 'a\nb', 'a\r\nb', '\\', '\\.', '\\N', '\\t', '\'"', '\u{1F600}é', ' x ']
  const lines = words.map((word, n) => `${n}\t${toCopyText(word)}\n`)
  const rows = await withStagedRows(own.db, 'copy', staged(Buffer.from(lines.join(''))), readStaged)
  expect(rows).toEqual(words.map((word, n) => ({ n, word })))
})

test('rows are staged with postgres.js only, and outside transactions', async () => {
  await using pg = await connect({ url: own.url, driver: 'pg', skipSchemaCheck: true })
  expect(canStage(pg)).toBe(false)
  expect(canStage(own.db)).toBe(true)
  await transaction(own.db, async (tx) => expect(canStage(tx)).toBe(false))
})

test('staging several at once on one handle, nobody sees the rows of another', async () => {
  const counts = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7].map((count) =>
      withStagedRows(own.db, 'copy', staged(numbers(count)), async (tx) => (await readStaged(tx)).length),
    ),
  )
  expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7])
})

test('an empty part is staged as well', async () => {
  expect(await withStagedRows(own.db, 'copy', staged(), readStaged)).toEqual([])
})

test('what the server refuses is told at once, and the connection stays', async () => {
  const refuse = async (...data: Buffer[]) => {
    await using db = await connect({ url: own.directUrl, poolSize: 1 })
    const startedAt = performance.now()
    await expect(withStagedRows(db, 'copy', staged(...data), readStaged)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('copy: invalid input syntax for type integer'),
    })
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(db.pool).toMatchObject({ open: 1, idle: 1 })
    expect(await withStagedRows(db, 'copy', staged(numbers(3)), readStaged)).toHaveLength(3)
    expect(db.pool).toMatchObject({ open: 1, idle: 1 })
  }
  // The last line, so that all was sent before the server knew; and the first of many, with more still to be sent.
  await refuse(Buffer.from('1\ta\nx\tb\n'))
  await refuse(Buffer.from('x\tb\n'), ...Array.from({ length: 40 }, () => numbers(10_000)))
})

test('a COPY that takes longer than a statement may is transient, and nothing of it stays', async () => {
  const slow = transaction(
    own.db,
    async (tx) => {
      await tx.execute(sql`set local statement_timeout = 20`)
      const many = Array.from({ length: 40 }, () => numbers(10_000))
      return await withStagedRows(tx, 'copy', staged(...many), readStaged)
    },
    { attempts: 1 },
  )
  await expect(slow).rejects.toMatchObject({ code: 'transient', cause: { code: '57014' } })
  expect(own.db.pool).toMatchObject({ waiting: 0 })
  expect(await withStagedRows(own.db, 'copy', staged(numbers(3)), readStaged)).toHaveLength(3)
})

describe('recordCandles by COPY', () => {
  const ROWS = 4_000

  async function open(options: ConnectOptions): Promise<Connection> {
    const db = await connect({ driver: 'postgres', poolSize: 1, ...options })
    onTestFinished(() => db.close())
    return db
  }

  /** Ends the connections of a handle from the server's side, once they are at what is told. */
  async function terminate(applicationName: string, condition = sql`true`): Promise<void> {
    for (;;) {
      const ended = (await own.db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = ${applicationName} and ${condition}`)) as unknown as unknown[]
      if (ended.length > 0) return
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  test('writes beside others of one handle, and in a transaction with others', async () => {
    const { minutes } = newMarket()
    const parts = [minutes(ROWS), minutes(ROWS, 2_000), minutes(ROWS, 4_000), minutes(10)]
    const outcomes = await Promise.all(parts.map((candles) => recordCandles(own.db, { candles })))
    expect(outcomes.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(8_000)
    const inside = await transaction(own.db, async (tx) => [
      await recordCandles(tx, { candles: minutes(ROWS, 6_000) }),
      await recordCandles(tx, { candles: minutes(ROWS, 8_000) }),
    ])
    expect(inside).toMatchObject([
      { inserted: 2_000, unchanged: 2_000 },
      { inserted: 2_000, unchanged: 2_000 },
    ])
  })

  test.each(['copy', 'upsert'] as const)('knows when its connection is ended during the %s', async (when) => {
    const { candleAt, minutes } = newMarket()
    await recordCandles(own.db, { candles: [candleAt(0)] })
    const proxy = await startProxy(own.directUrl)
    const applicationName = `victim of ${when}`
    const db = await open({ url: proxy.url, applicationName, skipSchemaCheck: true })
    let release: () => void = () => undefined
    const holding =
      when === 'upsert' &&
      transaction(own.db, async (tx) => {
        await recordCandles(tx, { candles: [candleAt(0, { volume: '2' })] })
        await new Promise<void>((resolve) => {
          release = resolve
        })
      })
    if (when === 'copy') proxy.holdAt('end')
    const recording = expect(recordCandles(db, { candles: minutes(ROWS) })).rejects.toMatchObject({
      code: 'connection',
    })
    if (when === 'copy') await proxy.held
    const startedAt = performance.now()
    await terminate(applicationName, when === 'upsert' ? sql`wait_event_type = 'Lock'` : sql`true`)
    await recording
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    release()
    await holding
    expect(db.pool).toMatchObject({ open: 0, waiting: 0 })
    expect(await recordCandles(db, { candles: minutes(ROWS) })).toMatchObject({ inserted: ROWS - 1 })
  })

  test('gives up a server that falls silent in the middle or at the end of the COPY', async () => {
    async function fallSilent(place: 'middle' | 'end', rows: number) {
      const { minutes } = newMarket()
      const proxy = await startProxy(own.directUrl)
      const db = await open({ url: proxy.url, statementTimeoutMs: 1_000, skipSchemaCheck: true })
      await db.execute(sql`select 1`)
      proxy.holdAt(place)
      const startedAt = performance.now()
      await expect(recordCandles(db, { candles: minutes(rows) })).rejects.toMatchObject({
        code: 'connection',
      })
      const tookMs = performance.now() - startedAt
      expect(tookMs).toBeGreaterThan(1_000)
      // The time of a statement, and five seconds that its answer may be late.
      expect(tookMs).toBeLessThan(8_500)
      expect(db.pool).toMatchObject({ open: 0, waiting: 0 })
      expect(await recordCandles(own.db, { candles: minutes(rows) })).toMatchObject({ inserted: rows })
      expect(await recordCandles(db, { candles: minutes(10) })).toMatchObject({ unchanged: 10 })
    }
    await Promise.all([fallSilent('middle', 30_000), fallSilent('end', ROWS)])
  })

  test('is transient when the upsert takes longer than a statement may', async () => {
    const { candleAt, minutes } = newMarket()
    await recordCandles(own.db, { candles: [candleAt(0)] })
    const db = await open({ url: own.directUrl, statementTimeoutMs: 300, lockTimeoutMs: 60_000 })
    await transaction(own.db, async (tx) => {
      await recordCandles(tx, { candles: [candleAt(0, { volume: '2' })] })
      await expect(recordCandles(db, { candles: minutes(2_500) })).rejects.toMatchObject({
        code: 'transient',
        cause: { code: '57014' },
      })
    })
    expect(db.pool).toMatchObject({ open: 1, idle: 1 })
    const patient = await open({ url: own.directUrl })
    expect(await recordCandles(patient, { candles: minutes(2_500) })).toMatchObject({ inserted: 2_499 })
  })

  test.skipIf(!hasPgBouncer)('works behind PgBouncer, beside others on few connections', async () => {
    const pooler = await startPgBouncer(own.directUrl, 2)
    onTestFinished(() => pooler.stop())
    const { minutes } = newMarket()
    const db = await open({ url: pooler.through(own.directUrl), pooled: true, poolSize: 4 })
    expect(canStage(db)).toBe(true)
    const outcomes = await Promise.all(
      [0, 2_000, 4_000, 6_000].map((from) => recordCandles(db, { candles: minutes(ROWS, from) })),
    )
    expect(outcomes.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(10_000)
    const left = (await own.db.execute(
      sql`select relname from pg_class where relname = 'staged_candles'`,
    )) as unknown as unknown[]
    expect(left).toEqual([])
    await expect(withStagedRows(db, 'copy', staged(Buffer.from('x\ty\n')), readStaged)).rejects.toMatchObject(
      { code: 'invalid_input' },
    )
    expect(await withStagedRows(db, 'copy', staged(numbers(3)), readStaged)).toHaveLength(3)
  })

  test.skipIf(!hasPgBouncer)('needs one connection at a time of those that a pooler has', async () => {
    const pooler = await startPgBouncer(own.directUrl, 1)
    onTestFinished(() => pooler.stop())
    const { minutes } = newMarket()
    // Two parts of a new series: while one is written, nothing may hold the only connection.
    const db = await open({
      url: pooler.through(own.directUrl),
      pooled: true,
      poolSize: 4,
      statementTimeoutMs: 5_000,
    })
    expect(await recordCandles(db, { candles: minutes(54_000) })).toMatchObject({ inserted: 54_000 })
  })
})

/** The last message of a COPY. */
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4])

interface Proxy {
  readonly url: string
  /** From now on, the next COPY does not get further than that: nothing more arrives at the server. */
  holdAt(place: 'middle' | 'end'): void
  /** When it has got there. */
  readonly held: Promise<void>
}

/** Stands between client and server, and can fall silent in the way of a cable that was pulled. */
async function startProxy(serverUrl: string): Promise<Proxy> {
  const { hostname, port } = new URL(serverUrl)
  const sockets: Socket[] = []
  let place: 'middle' | 'end' | undefined
  let tellHeld: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    tellHeld = resolve
  })
  const listener = createServer((client) => {
    const server = openSocket({ host: hostname, port: Number(port) })
    sockets.push(client, server)
    let isHeld = false
    let received = 0
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy())
    client.on('data', (data) => {
      received += data.length
      const reached = place === 'end' ? data.subarray(-5).equals(COPY_DONE) : received > 200_000
      if (place !== undefined && reached && !isHeld) {
        isHeld = true
        if (place === 'middle') client.pause()
        place = undefined
        tellHeld()
      }
      if (!isHeld) server.write(data)
    })
    server.on('data', (data) => client.write(data))
    server.on('close', () => client.destroy())
    client.on('close', () => isHeld || server.destroy())
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  const url = new URL(serverUrl)
  const address = listener.address()
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' && address ? address.port : 0)
  return {
    url: url.toString(),
    holdAt(where) {
      place = where
    },
    held,
  }
}
