import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ConnectOptions } from '../../src/db/config.ts'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import type { Link } from '../../src/db/engine.ts'
import { DataError } from '../../src/db/errors.ts'
import { Pool, type PoolOptions } from '../../src/db/pool.ts'
import { transaction } from '../../src/db/transaction.ts'
import { testServer } from '../database.ts'

/** A connection to nothing, which can break. */
class FakeLink implements Link {
  broken = false
  closed = false
  async run() {
    return { columns: () => [], rows: [] }
  }
  async runScript() {
    return ''
  }
  async close() {
    this.broken = true
    this.closed = true
  }
}

function makePool(options: Partial<PoolOptions> = {}): { pool: Pool; links: FakeLink[] } {
  const links: FakeLink[] = []
  const open = () => {
    const link = new FakeLink()
    links.push(link)
    return link
  }
  return {
    pool: new Pool({ size: 2, waitMs: 50, idleMs: 60_000, lifetimeMs: 60_000, open, ...options }),
    links,
  }
}

describe('a pool', () => {
  test('lends a connection to one borrower at a time, and the last used again first', async () => {
    const { pool } = makePool()
    const [a, b] = [await pool.acquire(), await pool.acquire()]
    expect(a).not.toBe(b)
    pool.release(a)
    pool.release(b)
    expect(await pool.acquire()).toBe(b)
    expect(await pool.acquire()).toBe(a)
    expect(pool.figures).toEqual({ open: 2, idle: 0, waiting: 0, size: 2 })
  })

  test('serves who waits in the order of their coming, and tells those too late', async () => {
    const { pool } = makePool({ size: 1 })
    const link = await pool.acquire()
    const order: number[] = []
    const waiting = [1, 2].map(async (n) => {
      const lent = await pool.acquire()
      order.push(n)
      pool.release(lent)
    })
    expect(pool.figures.waiting).toBe(2)
    pool.release(link)
    await Promise.all(waiting)
    expect(order).toEqual([1, 2])

    const held = await pool.acquire()
    const startedAt = performance.now()
    await expect(pool.acquire()).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('no connection was free within 50 ms: all 1 are in use'),
    })
    expect(performance.now() - startedAt).toBeGreaterThan(45)
    expect(pool.figures.waiting).toBe(0)
    pool.release(held)
    expect(pool.figures).toMatchObject({ open: 1, idle: 1 })
  })

  test('replaces a connection that broke, whether lent or idle, and serves who waits with the new one', async () => {
    const { pool, links } = makePool({ size: 1 })
    const first = await pool.acquire()
    const waiting = pool.acquire()
    if (first instanceof FakeLink) first.broken = true
    pool.release(first)
    const second = await waiting
    expect(second).not.toBe(first)
    pool.release(second)
    if (second instanceof FakeLink) second.broken = true
    expect(await pool.acquire()).not.toBe(second)
    expect(links.map((link) => link.closed)).toEqual([true, true, false])
    expect(pool.figures.open).toBe(1)
  })

  test('closes a connection that idled too long, and replaces one that grew too old', async () => {
    const { pool, links } = makePool({ idleMs: 20, lifetimeMs: 100 })
    pool.release(await pool.acquire())
    await sleep(40)
    expect(pool.figures.open).toBe(0)
    const old = await pool.acquire()
    await sleep(120)
    pool.release(old)
    expect(await pool.acquire()).not.toBe(old)
    expect(links.map((link) => link.closed)).toEqual([true, true, false])
  })

  test('waits for its borrowers when it closes, refuses new ones, and gives up on who keeps a connection', async () => {
    const { pool, links } = makePool({ size: 1, waitMs: 5_000 })
    const lent = await pool.acquire()
    const waiting = pool.acquire()
    let closed = false
    const closing = pool.close(2_000).then(() => {
      closed = true
    })
    await expect(waiting).rejects.toMatchObject({ code: 'connection' })
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'connection' })
    await sleep(20)
    expect(closed).toBe(false)
    pool.release(lent)
    await closing
    expect(links.every((link) => link.closed)).toBe(true)
    await pool.close(1)

    const other = makePool()
    await other.pool.acquire()
    await other.pool.close(20)
    expect(other.links.every((link) => link.closed)).toBe(true)
  })
})

describe.each(['postgres', 'pg'] as const)('connections to a server (%s)', (driver) => {
  async function open(options: ConnectOptions = {}): Promise<Connection> {
    const db = await connect({ url: testServer().url, driver, skipSchemaCheck: true, ...options })
    onTestFinished(() => db.close())
    return db
  }

  const nap = (db: Database, seconds: number) => db.execute(sql`select pg_sleep(${seconds}::float8)`)

  async function backends(name: string): Promise<number> {
    await using db = await connect({ url: testServer().directUrl, pooled: false, skipSchemaCheck: true })
    const [row] = (await db.execute(
      sql`select count(*)::integer as count from pg_stat_activity where application_name = ${name}`,
    )) as unknown as { count: number }[]
    return row?.count ?? -1
  }

  test('let no statement wait behind a slow one while another connection is free', async () => {
    const db = await open({ poolSize: 3 })
    await Promise.all([nap(db, 0.05), nap(db, 0.05), nap(db, 0.05)])
    let isSlowDone = false
    const slow = nap(db, 1.5).then(() => {
      isSlowDone = true
    })
    await Promise.all(Array.from({ length: 30 }, () => db.execute(sql`select 1`)))
    expect(isSlowDone).toBe(false)
    await slow
  })

  test('finish what runs before they close; what comes later gets connection', async () => {
    const db = await open({ poolSize: 2 })
    // A query is sent once somebody asks for its result.
    const running = nap(db, 0.3).then((rows) => rows)
    await sleep(50)
    const closing = db.close()
    await expect(db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
    await expect(running).resolves.toHaveLength(1)
    await closing
    await expect(transaction(db, async () => 1)).rejects.toMatchObject({ code: 'connection' })
    expect(db.pool).toMatchObject({ open: 0, idle: 0 })
  })

  test('do not leak when a thousand statements and transactions fail', async () => {
    const name = `leak-${driver}`
    const db = await open({ poolSize: 4, applicationName: name })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 1_000 }, (_, n) => {
        if (n % 4 === 0) return db.execute(sql`select 1 / 0`)
        if (n % 4 === 1) return db.execute(sql`select * from nowhere`)
        if (n % 4 === 2) return transaction(db, (tx) => tx.execute(sql`select 'x'::integer`))
        return transaction(db, async () => {
          throw new Error('no')
        })
      }),
    )
    expect(outcomes.every((outcome) => outcome.status === 'rejected')).toBe(true)
    expect(db.pool).toMatchObject({ open: 4, idle: 4, waiting: 0 })
    if (testServer().url === testServer().directUrl) expect(await backends(name)).toBe(4)
    await db.close()
    await sleep(50)
    if (testServer().url === testServer().directUrl) expect(await backends(name)).toBe(0)
  })

  test('carry their time limits from the start', async () => {
    const db = await connect({
      url: testServer().directUrl,
      driver,
      skipSchemaCheck: true,
      applicationName: 'limits',
      statementTimeoutMs: 12_345,
      lockTimeoutMs: 2_345,
      idleInTransactionTimeoutMs: 3_456,
    })
    onTestFinished(() => db.close())
    const shown: Record<string, unknown> = {}
    for (const name of [
      ...['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'application_name'],
      ...['TimeZone', 'DateStyle'],
    ]) {
      const [row] = (await db.execute(sql`select current_setting(${name}) as value`)) as unknown as {
        value: string
      }[]
      shown[name] = row?.value
    }
    expect(shown).toEqual({
      statement_timeout: '12345ms',
      lock_timeout: '2345ms',
      idle_in_transaction_session_timeout: '3456ms',
      application_name: 'limits',
      TimeZone: 'UTC',
      DateStyle: expect.stringMatching(/^ISO/),
    })
  })

  test('that take too long over a statement or a lock say transient', async () => {
    const db = await open({ statementTimeoutMs: 150, lockTimeoutMs: 60 })
    await expect(nap(db, 5)).rejects.toMatchObject({ code: 'transient' })
    await transaction(db, async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(77001)`)
      if (testServer().url !== testServer().directUrl) return
      await expect(
        transaction(db, (other) => other.execute(sql`select pg_advisory_xact_lock(77001)`), { attempts: 1 }),
      ).rejects.toMatchObject({ code: 'transient', message: expect.stringContaining('55P03') })
    })
    await db.execute(sql`select 1`)
  })

  test('that find nobody say connection, at once and each time', async () => {
    const port = await listen((socket) => socket.destroy(), true)
    const db = await open({ url: `postgres://x:y@127.0.0.1:${port}/z`, poolSize: 2, connectTimeoutMs: 2_000 })
    const startedAt = performance.now()
    for (let n = 0; n < 5; n++) {
      await expect(db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
    }
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    expect(db.pool.open).toBe(0)
  })

  test('that are closed before they are let in, or never answered, say connection in time', async () => {
    for (const receive of [(socket: Socket) => socket.end(), () => undefined]) {
      const port = await listen(receive)
      const db = await open({ url: `postgres://x:y@127.0.0.1:${port}/z`, connectTimeoutMs: 1_000 })
      const startedAt = performance.now()
      await expect(db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
      expect(performance.now() - startedAt).toBeLessThan(2_500)
      expect(db.pool.open).toBe(0)
    }
  })

  test('that fall silent in the middle of a statement are given up some seconds after its time', async () => {
    const target = new URL(testServer().directUrl)
    let isSilent = false
    const port = await listen((socket) => {
      const upstream = connectTo(target)
      socket.on('data', (data) => isSilent || upstream.write(data))
      upstream.on('data', (data) => isSilent || socket.write(data))
      socket.on('close', () => upstream.destroy())
      for (const end of [socket, upstream]) end.on('error', () => undefined)
    })
    const url = new URL(testServer().directUrl)
    url.hostname = '127.0.0.1'
    url.port = String(port)
    const db = await open({ url: url.toString(), statementTimeoutMs: 500, poolSize: 2 })
    await db.execute(sql`select 1`)
    isSilent = true
    const startedAt = performance.now()
    await expect(db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
    expect(performance.now() - startedAt).toBeLessThan(7_000)
    isSilent = false
    await db.execute(sql`select 1`)
    isSilent = true
    const closedAt = performance.now()
    await db.close()
    expect(performance.now() - closedAt).toBeLessThan(3_000)
  })
})

function connectTo(url: URL): Socket {
  const socket = createConnection(Number(url.port || 5432), url.hostname)
  return socket
}

async function listen(receive: (socket: Socket) => void, thenStop = false): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    receive(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  if (thenStop) await stop()
  else onTestFinished(stop)
  if (typeof address !== 'object' || !address) throw new DataError('unexpected', 'the port is not known')
  return address.port
}
