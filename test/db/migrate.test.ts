import { readdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectDirect } from '../../src/db/connect.ts'
import type { DataError } from '../../src/db/errors.ts'
import { applyMigrations, migrate, migrateFrom } from '../../src/db/migrate.ts'
import { assertSchemaFits, compareRecords, getMigrationStatus } from '../../src/db/migration-status.ts'
import { readMigrations } from '../../src/db/migrations.ts'
import { testServer } from '../database.ts'
import {
  aMigration,
  createEmptyDatabase,
  dropDatabase,
  kitMigrate,
  outcomeOf,
  rowsOf,
  runSql,
  startMigrating,
  writeMigrations,
} from './migration-fixtures.ts'

const SERVER = testServer().directUrl

const FIRST = aMigration('0000_first', 1000, 'create schema app', 'create table app.a (n int)')
const SECOND = aMigration('0001_second', 2000, 'create table app.b (n int)', 'insert into app.b values (1)')
const THIRD = aMigration('0002_third', 3000, 'create table app.c (n int)')

let url = ''
beforeEach(async () => {
  url = await createEmptyDatabase(SERVER)
})
afterEach(async () => {
  await dropDatabase(SERVER, url)
})

async function failure(work: Promise<unknown>): Promise<DataError> {
  return await work.then(
    () => expect.fail('nothing was thrown'),
    (error: DataError) => error,
  )
}

async function withDirect<T>(
  work: (db: Awaited<ReturnType<typeof connectDirect>>) => Promise<T>,
): Promise<T> {
  const db = await connectDirect({ url })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

async function tableNames(): Promise<unknown[]> {
  const rows = await runSql(url, `select tablename from pg_tables where schemaname = 'app' order by 1`)
  return rows.map((row) => row.tablename)
}

async function recordCount(): Promise<number> {
  const [row] = await runSql(url, 'select count(*)::int as n from drizzle.__drizzle_migrations')
  return Number(row?.n)
}

describe.each(['postgres', 'pg'] as const)('migrating through %s', (driver) => {
  test('brings an empty database to the newest version, and does nothing the second time', async () => {
    const folder = writeMigrations([FIRST, SECOND])
    expect(await migrateFrom(folder, { url, driver })).toEqual({
      applied: ['0000_first', '0001_second'],
      late: [],
      alreadyApplied: 0,
      version: '0001_second',
    })
    expect(await tableNames()).toEqual(['a', 'b'])
    expect(await migrateFrom(folder, { url, driver })).toEqual({
      applied: [],
      late: [],
      alreadyApplied: 2,
      version: '0001_second',
    })
    expect(await recordCount()).toBe(2)
  })

  test('keeps nothing of a migration that fails, and says where it failed', async () => {
    const broken = aMigration('0001_broken', 2000, 'create table app.b (n int)', 'create tabel app.c (n int)')
    const folder = writeMigrations([FIRST, broken])
    const error = await failure(migrateFrom(folder, { url, driver }))
    expect(error.code).toBe('unexpected')
    expect(error.message).toBe(
      `migration '0001_broken' failed at statement 2 of 2, and nothing of it was kept: ` +
        'syntax error at or near "tabel" (42601)',
    )
    expect(await tableNames()).toEqual(['a'])
    expect(await recordCount()).toBe(1)
    writeMigrations([FIRST, { ...SECOND, name: '0001_broken' }], folder)
    expect((await migrateFrom(folder, { url, driver })).applied).toEqual(['0001_broken'])
  })

  test('a file that begins with -- no-transaction may build an index concurrently', async () => {
    const index = aMigration(
      '0001_index',
      2000,
      '-- no-transaction\ncreate table if not exists app.b (n int)',
      'create index concurrently if not exists b_n_idx on app.b (n)',
    )
    const report = await migrateFrom(writeMigrations([FIRST, index]), { url, driver })
    expect(report.applied).toEqual(['0000_first', '0001_index'])
    expect(await recordCount()).toBe(2)
  })
})

test('a failed -- no-transaction file is not recorded, and runs again as a whole', async () => {
  const broken = aMigration(
    '0001_steps',
    2000,
    '-- no-transaction\ncreate table if not exists app.b (n int)',
    'create index concurrently b_n_idx on app.nothing (n)',
  )
  const folder = writeMigrations([FIRST, broken])
  const error = await failure(migrateFrom(folder, { url }))
  expect(error.message).toContain(`'0001_steps' failed at statement 2 of 2, and what came before it`)
  expect(await tableNames()).toEqual(['a', 'b'])
  expect(await recordCount()).toBe(1)
  writeMigrations([FIRST, { ...broken, sql: broken.sql.replace('nothing', 'b') }], folder)
  expect((await migrateFrom(folder, { url })).applied).toEqual(['0001_steps'])
})

test('eight processes at once all succeed, and each migration runs once', async () => {
  const slow = aMigration('0001_slow', 2000, 'create table app.b (n int)', 'select pg_sleep(0.3)')
  const data = aMigration('0002_data', 3000, 'insert into app.b values (1)')
  const folder = writeMigrations([FIRST, slow, data])
  const children = Array.from({ length: 8 }, () => outcomeOf(startMigrating(folder, { url })))
  const outcomes = await Promise.all(children)
  expect(outcomes.filter((outcome) => outcome.code !== 0)).toEqual([])
  const applied = outcomes.flatMap(({ output }) => JSON.parse(output).applied as string[])
  expect(applied).toEqual(['0000_first', '0001_slow', '0002_data'])
  expect(await runSql(url, 'select n from app.b')).toEqual([{ n: 1 }])
  expect(await recordCount()).toBe(3)
})

test('a process killed in the middle of a migration leaves it to be done again', async () => {
  const slow = aMigration('0001_slow', 2000, 'create table app.b (n int)', 'select pg_sleep(2)')
  const folder = writeMigrations([FIRST, slow])
  const child = startMigrating(folder, { url, applicationName: 'doomed' })
  const ended = outcomeOf(child)
  await until(async () => {
    const sleeping = `select 1 from pg_stat_activity where application_name = 'doomed' and query like '%pg_sleep%'`
    return (await runSql(url, sleeping)).length === 1
  })
  child.kill('SIGKILL')
  await ended
  expect(await recordCount()).toBe(1)
  expect(await tableNames()).toEqual(['a'])
  expect((await migrateFrom(folder, { url })).applied).toEqual(['0001_slow'])
  expect(await tableNames()).toEqual(['a', 'b'])
})

test('names the process that holds the lock when it waited too long', async () => {
  const folder = writeMigrations([FIRST, aMigration('0001_slow', 2000, 'select pg_sleep(1.5)')])
  const other = migrateFrom(folder, { url, applicationName: 'the other' })
  await until(async () => (await tableNames()).length === 1)
  const error = await failure(migrateFrom(folder, { url, lockWaitMs: 200 }))
  expect(error.code).toBe('transient')
  expect(error.message).toMatch(/server process \d+, application 'the other', .* within 200 ms$/)
  expect((await other).applied).toEqual(['0000_first', '0001_slow'])
})

test('stops when its connection was replaced by one without the lock, and another process has it', async () => {
  const slow = aMigration('0001_slow', 2000, 'select pg_sleep(0.5)')
  const folder = writeMigrations([FIRST, slow, THIRD])
  const rival = await connectDirect({ url, applicationName: 'rival' })
  const clock = vi.spyOn(Date, 'now')
  try {
    const stopped = failure(migrateFrom(folder, { url }))
    await until(async () => (await tableNames()).length === 1)
    // The pool replaces a connection that is old enough, between two uses.
    clock.mockReturnValue(performance.timeOrigin + performance.now() + 3_600_000)
    await rowsOf(rival, 'select pg_advisory_lock(1952607348, 1)')
    const error = await stopped
    expect(error.code).toBe('transient')
    expect(error.message).toMatch(/^the migration lock was lost .*application 'rival'/)
    expect(await recordCount()).toBe(2)
  } finally {
    clock.mockRestore()
    await rival.close()
  }
})

test('the lock is waited for whatever lock_timeout the database has', async () => {
  const [row] = await runSql(url, 'select current_database() as name')
  await runSql(url, `alter database ${row?.name} set lock_timeout = '10ms'`)
  const folder = writeMigrations([FIRST, aMigration('0001_slow', 2000, 'select pg_sleep(0.5)')])
  const reports = await Promise.all([migrateFrom(folder, { url }), migrateFrom(folder, { url })])
  expect(reports.flatMap((report) => report.applied)).toEqual(['0000_first', '0001_slow'])
})

test('refuses a database whose applied migration was edited, and names the file', async () => {
  const folder = writeMigrations([FIRST, SECOND])
  await migrateFrom(folder, { url })
  writeMigrations([FIRST, { ...SECOND, sql: `${SECOND.sql} ` }, THIRD], folder)
  const error = await failure(migrateFrom(folder, { url }))
  expect(error.code).toBe('schema_mismatch')
  expect(error.message).toMatch(/^'0001_second' changed after the database applied it: restore the file/)
  expect(await tableNames()).toEqual(['a', 'b'])
  await withDirect(async (db) => {
    expect((await getMigrationStatus(db, folder)).edited).toEqual(['0001_second'])
    expect((await failure(assertSchemaFits(db, folder))).message).toBe(error.message)
  })
})

test('refuses a database that a newer release migrated', async () => {
  await migrateFrom(writeMigrations([FIRST, SECOND]), { url })
  const older = writeMigrations([FIRST])
  const error = await failure(migrateFrom(older, { url }))
  expect(error.code).toBe('schema_mismatch')
  expect(error.message).toContain('has 1 migration that this release does not know')
  expect(error.message).toContain('deploy that release here too')
  await withDirect(async (db) => {
    expect((await failure(assertSchemaFits(db, older))).message).toBe(error.message)
  })
})

test('applies a file that was merged late, and reports it', async () => {
  await migrateFrom(writeMigrations([FIRST, THIRD]), { url })
  const merged = writeMigrations([FIRST, SECOND, THIRD])
  const report = await migrateFrom(merged, { url })
  expect(report).toEqual({
    applied: ['0001_second'],
    late: ['0001_second'],
    alreadyApplied: 2,
    version: '0002_third',
  })
  expect(await tableNames()).toEqual(['a', 'b', 'c'])
})

test('a file that a merge dated anew is known by its content', async () => {
  await migrateFrom(writeMigrations([FIRST, SECOND]), { url })
  const redated = writeMigrations([FIRST, THIRD, { ...SECOND, when: 4000 }])
  expect((await migrateFrom(redated, { url })).applied).toEqual(['0002_third'])
})

test('tells applied from pending, and a database without any record has all of them pending', async () => {
  const folder = writeMigrations([FIRST, SECOND])
  await withDirect(async (db) => {
    expect((await getMigrationStatus(db, folder)).pending).toEqual(['0000_first', '0001_second'])
    const error = await failure(assertSchemaFits(db, folder))
    expect(error.code).toBe('schema_mismatch')
    expect(error.message).toBe(
      `the database lacks 2 migrations of this release ('0000_first', '0001_second'): run migrate()`,
    )
    await applyMigrations(db, writeMigrations([FIRST]))
    expect(await getMigrationStatus(db, folder)).toEqual({
      applied: [{ name: '0000_first', generatedAt: new Date(1000) }],
      pending: ['0001_second'],
      unknown: [],
      edited: [],
    })
    await applyMigrations(db, folder)
    await assertSchemaFits(db, folder)
  })
})

test('leaves neither lock nor setting on a handle that stays open', async () => {
  await withDirect(async (db) => {
    const settings = 'select name, setting from pg_settings order by name'
    const before = await rowsOf(db, settings)
    await applyMigrations(
      db,
      writeMigrations([FIRST, { ...SECOND, sql: `-- no-transaction\n${SECOND.sql}` }]),
    )
    await failure(applyMigrations(db, writeMigrations([FIRST, aMigration('0001_x', 5000, 'nonsense')])))
    expect(await rowsOf(db, settings)).toEqual(before)
    const locks = `select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`
    expect(await rowsOf(db, locks)).toEqual([])
  })
})

describe('a role with few rights', () => {
  let roleUrl = ''
  beforeEach(async () => {
    const own = new URL(url)
    const role = `reader${own.pathname.slice(1)}`
    await runSql(url, `create role ${role} login password 'reader'`)
    own.username = role
    own.password = 'reader'
    roleUrl = own.toString()
  })
  afterEach(async () => {
    const role = new URL(roleUrl).username
    await runSql(url, `drop owned by ${role}`)
    await runSql(url, `drop role ${role}`)
  })

  async function mayRead(): Promise<void> {
    const role = new URL(roleUrl).username
    await runSql(url, `grant usage on schema drizzle to ${role}`)
    await runSql(url, `grant select on drizzle.__drizzle_migrations to ${role}`)
  }

  test('finds an up-to-date database up to date, even while another process migrates', async () => {
    const folder = writeMigrations([FIRST])
    await migrateFrom(folder, { url })
    await mayRead()
    const longer = writeMigrations([FIRST, aMigration('0001_slow', 2000, 'select pg_sleep(1)')])
    const other = migrateFrom(longer, { url })
    await until(
      async () => (await runSql(url, "select 1 from pg_locks where locktype = 'advisory'")).length > 0,
    )
    const report = await migrateFrom(folder, { url: roleUrl, lockWaitMs: 0 })
    expect(report).toEqual({ applied: [], late: [], alreadyApplied: 1, version: '0000_first' })
    await other
  })

  test('is told what it lacks when it may not change the schema, or may not look', async () => {
    const empty = await failure(migrateFrom(writeMigrations([FIRST]), { url: roleUrl }))
    expect(empty.code).toBe('config')
    expect(empty.message).toMatch(
      /^the record of migrations cannot be created: permission denied for database/,
    )
    await migrateFrom(writeMigrations([FIRST]), { url })
    const blind = await failure(migrateFrom(writeMigrations([FIRST]), { url: roleUrl }))
    expect(blind.code).toBe('config')
    expect(blind.message).toContain('grant usage on schema drizzle')
    await mayRead()
    const pending = await failure(migrateFrom(writeMigrations([FIRST, SECOND]), { url: roleUrl }))
    expect(pending.code).toBe('config')
    expect(pending.message).toContain('migrate with a role that owns the schema')
  })
})

describe('beside drizzle-kit', () => {
  test('what drizzle-kit migrated is up to date for us', async () => {
    const folder = writeMigrations([FIRST, SECOND])
    expect((await kitMigrate(folder, url)).output).toContain('migrations applied successfully')
    expect((await migrateFrom(folder, { url })).alreadyApplied).toBe(2)
    writeMigrations([FIRST, SECOND, THIRD], folder)
    expect((await migrateFrom(folder, { url })).applied).toEqual(['0002_third'])
  })

  test('what we migrated is up to date for drizzle-kit', async () => {
    const folder = writeMigrations([FIRST, SECOND])
    await migrateFrom(folder, { url })
    expect((await kitMigrate(folder, url)).output).toContain('migrations applied successfully')
    expect(await recordCount()).toBe(2)
    writeMigrations([FIRST, SECOND, THIRD], folder)
    await kitMigrate(folder, url)
    expect(await tableNames()).toEqual(['a', 'b', 'c'])
    expect((await migrateFrom(folder, { url })).alreadyApplied).toBe(3)
  })

  test('the table is the one that drizzle-kit makes', async () => {
    const columns = `select column_name, data_type, column_default, is_nullable
      from information_schema.columns where table_schema = 'drizzle' order by 1`
    await migrateFrom(writeMigrations([FIRST]), { url })
    const ours = await runSql(url, columns)
    await runSql(url, 'drop schema app cascade')
    await runSql(url, 'drop schema drizzle cascade')
    await kitMigrate(writeMigrations([FIRST]), url)
    expect(ours).toEqual(await runSql(url, columns))
    expect(ours).toHaveLength(3)
  })
})

test('a folder that is missing or malformed is an incomplete installation', async () => {
  expect((await failure(readMigrations('/nowhere'))).code).toBe('config')
  const folder = writeMigrations([FIRST])
  for (const file of readdirSync(folder)) if (file.endsWith('.sql')) rmSync(`${folder}/${file}`)
  const error = await failure(migrateFrom(folder, { url }))
  expect(error.code).toBe('config')
  expect(error.message).toContain('0000_first.sql cannot be read')
})

test('a pooler alone cannot be migrated through', async () => {
  const error = await failure(migrate({ url: `${SERVER}?pgbouncer=true` }))
  expect(error.code).toBe('config')
  expect(error.message).toContain('DATABASE_DIRECT_URL')
})

test('a record written twice by rival migrators belongs to its file both times', () => {
  const migration = { name: 'a', generatedMs: 1, hash: 'x', statements: [], transactional: true }
  const records = [
    { hash: 'x', generatedMs: 1 },
    { hash: 'x', generatedMs: 1 },
  ]
  expect(compareRecords(records, [migration])).toMatchObject({ applied: [migration], unknown: [] })
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return
    await sleep(50)
  }
  expect.fail('it did not come to that in ten seconds')
}
