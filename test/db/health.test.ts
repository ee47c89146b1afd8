import { createServer, connect as openSocket, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { checkHealth } from '../../src/db/health.ts'
import { migrateFrom } from '../../src/db/migrate.ts'
import { testServer } from '../database.ts'
import {
  aMigration,
  createEmptyDatabase,
  dropDatabase,
  rowsOf,
  runSql,
  writeMigrations,
} from './migration-fixtures.ts'

const SERVER = testServer().directUrl

const FIRST = aMigration('0000_first', 1000, 'create schema app')
const SECOND = aMigration('0001_second', 2000, 'create table app.b (n int)')

let url = ''
beforeAll(async () => {
  url = await createEmptyDatabase(SERVER)
})
afterAll(async () => {
  await dropDatabase(SERVER, url)
})

const open: Connection[] = []
afterEach(async () => {
  for (const db of open.splice(0)) await db.close()
})

async function openDatabase(target: string, driver: 'postgres' | 'pg' = 'postgres'): Promise<Connection> {
  const db = await connect({ url: target, driver, skipSchemaCheck: true, connectTimeoutMs: 2000 })
  open.push(db)
  return db
}

test('a database without migrations is not healthy, and says what to do', async () => {
  const health = await checkHealth(await openDatabase(url), {}, writeMigrations([FIRST, SECOND]))
  expect(health).toMatchObject({ ok: false, schemaVersion: null, pendingMigrations: 2, isInRecovery: false })
  expect(health.error).toEqual({
    code: 'schema_mismatch',
    message: `the database lacks 2 migrations of this release ('0000_first', '0001_second'): run migrate()`,
  })
})

test.each(['postgres', 'pg'] as const)(
  'tells engine, versions, latency and pool through %s',
  async (driver) => {
    const folder = writeMigrations([FIRST, SECOND])
    await migrateFrom(folder, { url })
    const db = await openDatabase(url, driver)
    const health = await checkHealth(db, {}, folder)
    const [server] = await rowsOf(db, 'show server_version')
    expect(health).toEqual({
      ok: true,
      latencyMs: expect.any(Number),
      engine: driver,
      serverVersion: String(server?.server_version).split(' ')[0],
      serverMajor: Number.parseInt(String(server?.server_version), 10),
      schemaVersion: '0001_second',
      pendingMigrations: 0,
      isInRecovery: false,
      pool: { open: 1, idle: 1, waiting: 0, size: 5 },
      checkedAt: expect.any(Date),
    })
    expect(health.latencyMs).toBeGreaterThan(0)
    expect(health.latencyMs).toBeLessThan(1000)
  },
)

test('the latency is that of the network, not of the first connection', async () => {
  const delayMs = 60
  await using proxy = await delayingProxy(url, delayMs)
  const health = await checkHealth(await openDatabase(proxy.url), {}, writeMigrations([FIRST, SECOND]))
  expect(health.ok).toBe(true)
  expect(health.latencyMs).toBeGreaterThanOrEqual(delayMs)
  expect(health.latencyMs).toBeLessThan(2 * delayMs)
})

test('migrations of a newer release leave it healthy, an edited file does not', async () => {
  const db = await openDatabase(url)
  expect(await checkHealth(db, {}, writeMigrations([FIRST]))).toMatchObject({
    ok: true,
    schemaVersion: '0000_first',
    pendingMigrations: 0,
  })
  const edited = await checkHealth(db, {}, writeMigrations([FIRST, { ...SECOND, sql: 'select 1' }]))
  expect(edited).toMatchObject({ ok: false, error: { code: 'schema_mismatch' } })
  expect(edited.error?.message).toContain(`'0001_second' changed`)
})

test('a server that refuses, a wrong password and a closed handle are reported, not thrown', async () => {
  const refused = await checkHealth(await openDatabase('postgres://u:hidden@127.0.0.1:1/x'))
  expect(refused).toMatchObject({ ok: false, latencyMs: null, serverVersion: null, pendingMigrations: null })
  expect(refused.error?.code).toBe('connection')
  expect(JSON.stringify(refused)).not.toContain('hidden')

  const missing = new URL(url)
  missing.pathname = '/no_such_database'
  expect((await checkHealth(await openDatabase(missing.toString()))).error?.code).toBe('config')

  const db = await openDatabase(url)
  await db.close()
  expect((await checkHealth(db)).error).toEqual({
    code: 'connection',
    message: 'the database handle is closed',
  })
})

test('a server that never answers is given up in time', async () => {
  await using silent = await listen(() => undefined)
  const startedAt = performance.now()
  const health = await checkHealth(await openDatabase(`postgres://u@127.0.0.1:${silent.port}/x`), {
    timeoutMs: 200,
  })
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(health.error).toEqual({ code: 'connection', message: 'the database did not answer within 200 ms' })
})

test('a pool whose connections are all taken is reported with its figures', async () => {
  const db = await connect({ url, poolSize: 1, poolWaitMs: 50, skipSchemaCheck: true })
  open.push(db)
  await db.transaction(async () => {
    const health = await checkHealth(db)
    expect(health).toMatchObject({ ok: false, pool: { open: 1, idle: 0, size: 1 } })
    expect(health.error?.code).toBe('transient')
  })
})

test('a role that may not see the migrations is told so, and what was learned before is kept', async () => {
  const own = new URL(url)
  own.username = `blind_${own.pathname.slice(1)}`
  await runSql(url, `create role ${own.username} login password '${own.password}'`)
  try {
    const health = await checkHealth(await openDatabase(own.toString()), {}, writeMigrations([FIRST]))
    expect(health).toMatchObject({ ok: false, pendingMigrations: null, error: { code: 'config' } })
    expect(health.serverMajor).toBeGreaterThanOrEqual(14)
  } finally {
    await runSql(url, `drop role ${own.username}`)
  }
})

interface Listener extends AsyncDisposable {
  readonly port: number
}

async function listen(onConnection: (socket: Socket) => void): Promise<Listener> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Passes everything on to the server of `target`, what the client says so much later. */
async function delayingProxy(target: string, delayMs: number): Promise<AsyncDisposable & { url: string }> {
  const server = new URL(target)
  const listener = await listen((socket) => {
    const upstream = openSocket(Number(server.port || 5432), server.hostname)
    upstream.on('error', () => socket.destroy())
    upstream.on('data', (data) => socket.write(data))
    upstream.on('close', () => socket.destroy())
    socket.on('data', (data) => setTimeout(() => upstream.writable && upstream.write(data), delayMs))
    socket.on('close', () => upstream.destroy())
  })
  const own = new URL(target)
  own.hostname = '127.0.0.1'
  own.port = String(listener.port)
  return { url: own.toString(), [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() }
}
