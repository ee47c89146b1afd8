import { type SQL, sql } from 'drizzle-orm'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect, connectDirect } from '../src/db/connect.ts'
import type { Database } from '../src/db/database.ts'
import { getMigrationStatus } from '../src/db/migrate.ts'
import { createTestDatabase, type TestDatabaseOptions, withRollback } from '../src/testing/index.ts'
import { describeEngines, testServer } from './database.ts'

async function rowsOf(db: Database, query: SQL): Promise<Record<string, unknown>[]> {
  return (await db.execute(query)) as Record<string, unknown>[]
}

async function databasesNamed(pattern: string): Promise<unknown[]> {
  const db = await connectDirect({ ...testServer() })
  try {
    const rows = await rowsOf(
      db,
      sql`select datname from pg_database where datname like ${pattern} order by 1`,
    )
    return rows.map((row) => row.datname)
  } finally {
    await db.close()
  }
}

function onEngine(engine: 'pglite' | 'server'): TestDatabaseOptions {
  vi.stubEnv('TEST_DATABASE_URL', '')
  vi.stubEnv('TEST_DATABASE_DIRECT_URL', '')
  // Wherever these lead, a test database must not.
  vi.stubEnv('DATABASE_URL', 'postgres://nobody@127.0.0.1:1/production')
  vi.stubEnv('DATABASE_DIRECT_URL', 'postgres://nobody@127.0.0.1:1/production')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { url, directUrl } = testServer()
  return engine === 'server' ? { url, directUrl } : {}
}

describe.each(['pglite', 'server'] as const)('createTestDatabase (%s)', (engine) => {
  it('makes migrated databases that share nothing', async () => {
    const options = onEngine(engine)
    await using first = await createTestDatabase(options)
    await using second = await createTestDatabase(options)
    expect(first.db.engine).toBe(engine === 'server' ? 'postgres' : 'pglite')
    for (const { db } of [first, second]) {
      const status = await getMigrationStatus(db)
      expect(status.pending).toEqual([])
      expect(status.applied.length).toBeGreaterThan(0)
      await db.execute(sql`create table mine (n integer)`)
    }
    await first.db.execute(sql`insert into mine values (1)`)
    expect(await rowsOf(second.db, sql`select n from mine`)).toEqual([])
  })

  it('closes twice without harm, and refuses work then', async () => {
    const database = await createTestDatabase(onEngine(engine))
    await database.close()
    await database.close()
    await expect(database.db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
  })
})

describe('createTestDatabase on a server', () => {
  it('tells a URL for other connections, and drops the database on close', async () => {
    await using database = await createTestDatabase({ ...onEngine('server'), driver: 'pg' })
    expect(database.db.engine).toBe('pg')
    const name = new URL(database.url ?? '').pathname.slice(1)
    await using other = await connect({ url: database.url ?? '', skipSchemaCheck: true })
    expect(await rowsOf(other, sql`select current_database() as name`)).toEqual([{ name }])
    await database.close()
    expect(await databasesNamed(name)).toEqual([])
  })

  it('takes its server from TEST_DATABASE_URL', async () => {
    const { url, directUrl } = testServer()
    onEngine('server')
    vi.stubEnv('TEST_DATABASE_URL', url)
    vi.stubEnv('TEST_DATABASE_DIRECT_URL', directUrl)
    await using database = await createTestDatabase()
    expect(database.db.engine).toBe('postgres')
  })

  it('makes one template when many ask at once', async () => {
    const options = onEngine('server')
    await dropTemplates()
    const databases = await Promise.all(Array.from({ length: 4 }, () => createTestDatabase(options)))
    await Promise.all(databases.map((database) => database.close()))
    expect(await templates()).toHaveLength(1)
  })

  it('says what a role lacks that may not create databases', async () => {
    const admin = await connectDirect({ ...testServer() })
    onTestFinished(() => admin.close())
    await admin.execute(sql`drop role if exists tradeblotter_test_poor`)
    await admin.execute(sql`create role tradeblotter_test_poor login password 'x'`)
    onTestFinished(async () => void (await admin.execute(sql`drop role tradeblotter_test_poor`)))
    const poor = new URL(testServer().directUrl)
    poor.username = 'tradeblotter_test_poor'
    poor.password = 'x'
    await expect(
      createTestDatabase({ url: poor.toString(), directUrl: poor.toString() }),
    ).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('createdb'),
    })
  })
})

/** Of createTestDatabase; that of this run has a longer suffix. */
async function templates(): Promise<unknown[]> {
  return (await databasesNamed('tradeblotter\\_template\\_%')).filter((name) => String(name).length === 34)
}

async function dropTemplates(): Promise<void> {
  const db = await connectDirect({ ...testServer() })
  try {
    for (const name of await templates()) await db.execute(sql`drop database ${sql.identifier(String(name))}`)
  } finally {
    await db.close()
  }
}

// The server may be somebody's own.
afterAll(dropTemplates)

describeEngines('withRollback', (open) => {
  it('returns the result of the work and keeps nothing of it', async () => {
    const db = await open.fresh()
    await db.execute(sql`create table kept (n integer)`)
    const seen = await withRollback(db, async (tx) => {
      await tx.execute(sql`insert into kept values (1)`)
      return await rowsOf(tx, sql`select n from kept`)
    })
    expect(seen).toEqual([{ n: 1 }])
    expect(await rowsOf(db, sql`select n from kept`)).toEqual([])
  })

  it('passes on what the work threw', async () => {
    const failure = new Error('of the test')
    await expect(
      withRollback(await open(), async () => {
        throw failure
      }),
    ).rejects.toBe(failure)
  })

  it('rolls back to where it began inside a transaction', async () => {
    const rows = await withRollback(await open(), async (tx) => {
      await tx.execute(sql`create table kept (n integer)`)
      await withRollback(tx, (inner) => inner.execute(sql`insert into kept values (1)`))
      return await rowsOf(tx, sql`select n from kept`)
    })
    expect(rows).toEqual([])
  })
})
