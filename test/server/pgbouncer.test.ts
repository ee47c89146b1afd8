import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ConnectOptions } from '../../src/db/config.ts'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { transaction } from '../../src/db/transaction.ts'
import { copyTemplate, databaseOn, dropDatabase } from '../../src/testing/server-database.ts'
import { rebuildPositions } from '../../src/trading/rebuild.ts'
import { recordFills } from '../../src/trading/record-fills.ts'
import { testServer } from '../database.ts'
import { Child } from './children.ts'
import { fillFeed, ledgerOf, prepareBot } from './ledger-feed.ts'
import { hasPgBouncer, NO_PGBOUNCER, type PgBouncer, startPgBouncer } from './pgbouncer.ts'
import type { RaceJob, RaceReport } from './race-writer.ts'

if (!hasPgBouncer) process.stdout.write(`the tests of PgBouncer are skipped: ${NO_PGBOUNCER}\n`)

const SYMBOLS = ['BTC-USDT', 'ETH-USDT']
const SERVER_CONNECTIONS = 4

describe.skipIf(!hasPgBouncer).each(['postgres', 'pg'] as const)('behind PgBouncer (%s)', (driver) => {
  let pooler: PgBouncer
  let url: string
  let directUrl: string
  let name: string
  let direct: Connection

  beforeAll(async () => {
    // Past whatever the suite itself runs through.
    const server = { url: testServer().directUrl, directUrl: testServer().directUrl }
    pooler = await startPgBouncer(server.directUrl, SERVER_CONNECTIONS)
    name = await copyTemplate(server, testServer().template)
    directUrl = databaseOn(server, name).directUrl
    url = pooler.through(directUrl)
    direct = await connect({ url: directUrl, driver })
  })
  afterAll(async () => {
    await direct.close()
    await pooler.stop()
    const server = { url: testServer().directUrl, directUrl: testServer().directUrl }
    await dropDatabase(server, name)
  })

  async function open(options: ConnectOptions = {}): Promise<Connection> {
    const db = await connect({ url, driver, pooled: true, ...options })
    onTestFinished(() => db.close())
    return db
  }

  const count = async (db: Database, table: string) => {
    const rows = (await db.execute(
      sql`select count(*)::integer as n from ${sql.identifier(table)}`,
    )) as unknown
    return (rows as { n: number }[])[0]?.n
  }

  test.each(['pooled: true', '?pgbouncer=true'])(
    'all of 480 transactions that were reported committed are there, said by %s',
    async (said) => {
      const table = said.startsWith('?') ? 'by_url' : 'by_option'
      await direct.execute(sql`create table ${sql.identifier(table)} (n integer primary key, place integer)`)
      const options: ConnectOptions = said.startsWith('?')
        ? { url: `${url}?pgbouncer=true`, driver, poolWaitMs: 30_000 }
        : { url, driver, pooled: true, poolWaitMs: 30_000 }
      const handles = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const db = await connect({ ...options, poolSize: 8 })
          onTestFinished(() => db.close())
          return db
        }),
      )
      let committed = 0
      await Promise.all(
        Array.from({ length: 480 }, async (_, n) => {
          const db = handles[n % handles.length]
          if (!db) return
          await transaction(db, async (tx) => {
            await tx.execute(sql`insert into ${sql.identifier(table)} values (${n}::integer, 0)`)
            await tx.execute(
              sql`update ${sql.identifier(table)} set place = place + 1 where n = ${n}::integer`,
            )
          })
          committed += 1
        }),
      )
      expect(committed).toBe(480)
      expect(await count(direct, table)).toBe(480)
    },
  )

  test('many writers of fills end equal to one, without an error', async () => {
    const feed = { botId: `pooled-${driver}`, symbols: SYMBOLS, fills: 160, payments: 20, seed: 11 }
    await prepareBot(direct, feed.botId, SYMBOLS)
    const children = [1, 2].map(
      (seed) =>
        new Child<RaceJob, RaceReport>('race-writer.ts', {
          url,
          driver,
          pooled: true,
          feed,
          roles: ['batches', 'batches', 'batches', 'singles', 'singles', 'funding', 'marks'],
          seed,
        }),
    )
    const reports = await Promise.all(children.map((child) => child.next()))
    expect(reports.flatMap((report) => [...report.errors, ...report.uncaught])).toEqual([])
    const db = await open()
    const rest = await recordFills(db, fillFeed(feed))
    const singles = new Set(reports.flatMap((report) => report.idsOfSingles.map(([key]) => key)))
    const inserted = reports.reduce((sum, report) => sum + report.fillsInserted, 0)
    expect(inserted + singles.size + rest.inserted).toBe(feed.fills)
    expect((await rebuildPositions(db, { botId: feed.botId, dryRun: true })).differences).toEqual([])
    expect((await ledgerOf(db, feed.botId)).fills).toHaveLength(feed.fills)
  })

  test('a statement that takes too long is stopped on the server too, and the rest goes on', async () => {
    const db = await open({ statementTimeoutMs: 200, poolSize: 2 })
    const startedAt = performance.now()
    await expect(db.execute(sql`select pg_sleep(20), 'alone'`)).rejects.toMatchObject({ code: 'transient' })
    const inside = transaction(db, (tx) => tx.execute(sql`select pg_sleep(20), 'inside'`), { attempts: 1 })
    await expect(inside).rejects.toMatchObject({ code: 'transient' })
    expect(performance.now() - startedAt).toBeLessThan(4_000)
    await db.execute(sql`select 1`)
    const running = (await direct.execute(
      sql`select query from pg_stat_activity where query like '%pg_sleep(20)%' and state = 'active'
        and pid <> pg_backend_pid()`,
    )) as unknown as unknown[]
    expect(running).toEqual([])
  })

  test('a statement that waits for the pooler longer than it may run does no harm', async () => {
    const holders = await open({ poolSize: SERVER_CONNECTIONS, statementTimeoutMs: 10_000 })
    const held = Array.from({ length: SERVER_CONNECTIONS }, () =>
      transaction(holders, (tx) => tx.execute(sql`select pg_sleep(1.2)`)),
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    const db = await open({ statementTimeoutMs: 200, skipSchemaCheck: true })
    // The pooler does not stop what it has not begun; whether it begins is a matter of time.
    const [outcome] = await Promise.allSettled([db.execute(sql`select 1`)])
    if (outcome.status === 'rejected') expect(outcome.reason.code).toMatch(/transient|connection/)
    await Promise.all(held)
    await db.execute(sql`select 1`)
  })

  test('time limits hold inside a transaction, and none is left on the sessions that others share', async () => {
    const db = await open({
      statementTimeoutMs: 7_000,
      lockTimeoutMs: 6_000,
      idleInTransactionTimeoutMs: 5_000,
    })
    const read = async (handle: Database) =>
      (await handle.execute(sql`select current_setting('statement_timeout') as statement,
        current_setting('lock_timeout') as lock, current_setting('idle_in_transaction_session_timeout') as idle`)) as unknown
    expect(await transaction(db, read)).toEqual([{ statement: '7s', lock: '6s', idle: '5s' }])
    for (let n = 0; n < 20; n++) expect(await read(db)).toEqual([{ statement: '0', lock: '0', idle: '0' }])
  })

  test('migrations go past it, and are refused where there is no way past', async () => {
    await expect(migrate({ url, directUrl, driver, pooled: true })).resolves.toMatchObject({ applied: [] })
    await expect(migrate({ url, directUrl: url, driver, pooled: true })).rejects.toMatchObject({
      code: 'config',
    })
  })

  test('whoever forgets to say so is told what to do', async () => {
    await expect(connect({ url, driver })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('connect with pooled: true'),
    })
  })
})
