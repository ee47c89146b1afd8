import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConnectOptions } from '../../src/db/config.ts'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { DataError } from '../../src/db/errors.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeEngines, testServer } from '../database.ts'

const uncaught: unknown[] = []
const note = (error: unknown) => {
  uncaught.push(error)
}
beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
})
afterEach(async () => {
  await sleep(20)
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
  expect(uncaught).toEqual([])
})

/** A table that is there as long as the database: tests name their rows. */
async function prepare(db: Database): Promise<void> {
  await db.execute(
    sql`create table if not exists steps (name text primary key, place integer not null default 0)`,
  )
  await db.execute(sql`delete from steps`)
}

const add = (db: Database, name: string) => db.execute(sql`insert into steps (name) values (${name})`)

async function names(db: Database): Promise<string[]> {
  const rows = (await db.execute(sql`select name from steps order by name`)) as unknown as { name: string }[]
  return rows.map((row) => row.name)
}

async function pidOf(db: Database): Promise<number> {
  const [row] = (await db.execute(sql`select pg_backend_pid() as pid`)) as unknown as { pid: number }[]
  return row?.pid ?? 0
}

describeEngines('a transaction', (open) => {
  test('is stored as a whole when its work succeeds, and returns what that returned', async () => {
    const db = await open()
    await prepare(db)
    const result = await transaction(db, async (tx) => {
      await add(tx, 'a')
      await add(tx, 'b')
      return 7
    })
    expect(result).toBe(7)
    expect(await names(db)).toEqual(['a', 'b'])
  })

  test('leaves nothing when its work throws, and the error comes out unchanged', async () => {
    const db = await open()
    await prepare(db)
    class Foreign extends TypeError {
      readonly code = 'ECONNRESET'
    }
    const serialization = Object.assign(new Error('of another database'), { code: '40001' })
    for (const thrown of [new Foreign('mine'), serialization, 'text', undefined]) {
      let tries = 0
      const outcome = await transaction(db, async (tx) => {
        tries += 1
        await add(tx, 'a')
        throw thrown
      }).then(
        () => 'no error',
        (error: unknown) => error,
      )
      expect(outcome).toBe(thrown)
      expect(tries).toBe(1)
    }
    expect(await names(db)).toEqual([])
  })

  test('does not report success when the error of a statement was swallowed', async () => {
    const db = await open()
    await prepare(db)
    const outcome = transaction(db, async (tx) => {
      await add(tx, 'a')
      await add(tx, 'a').catch(() => undefined)
    })
    await expect(outcome).rejects.toMatchObject({
      code: 'unexpected',
      message: expect.stringContaining('rolled back'),
    })
    expect(await names(db)).toEqual([])
  })

  test('that goes on after a swallowed error is told at once, and is not tried again', async () => {
    const db = await open()
    await prepare(db)
    let tries = 0
    const outcome = transaction(db, async (tx) => {
      tries += 1
      await add(tx, 'a')
      await add(tx, 'a').catch(() => undefined)
      await add(tx, 'b')
    })
    await expect(outcome).rejects.toMatchObject({ code: 'unexpected' })
    expect(tries).toBe(1)
  })

  test('inside another is a savepoint: its failure undoes its own steps alone', async () => {
    const db = await open()
    await prepare(db)
    await transaction(db, async (tx) => {
      await add(tx, 'outer')
      const inner = transaction(tx, async (deep) => {
        await add(deep, 'inner')
        await transaction(deep, (deeper) => add(deeper, 'innermost'))
        throw new Error('no')
      })
      await expect(inner).rejects.toThrow('no')
      const failing = transaction(tx, (deep) => add(deep, 'outer'))
      await expect(failing).rejects.toMatchObject({ code: 'conflict' })
      await transaction(tx, (deep) => add(deep, 'second'))
    })
    expect(await names(db)).toEqual(['outer', 'second'])
  })

  test('tries transient failures again, only on the outermost level, and only so often', async () => {
    const db = await open()
    const fails = (code: 'transient' | 'connection' | 'conflict') => new DataError(code, 'as told')
    let inner = 0
    let outer = 0
    const outcome = transaction(db, async (tx) => {
      outer += 1
      await transaction(tx, async () => {
        inner += 1
        throw fails('transient')
      })
    })
    await expect(outcome).rejects.toMatchObject({ code: 'transient' })
    expect({ outer, inner }).toEqual({ outer: 3, inner: 3 })

    let tries = 0
    const succeeds = await transaction(db, async () => {
      tries += 1
      if (tries < 2) throw fails('transient')
      return 'done'
    })
    expect(succeeds).toBe('done')

    for (const code of ['connection', 'conflict'] as const) {
      tries = 0
      const never = transaction(db, async () => {
        tries += 1
        throw fails(code)
      })
      await expect(never).rejects.toMatchObject({ code })
      expect(tries).toBe(1)
    }
  })

  test('refuses statements that come after it has ended', async () => {
    const db = await open()
    await prepare(db)
    let escaped: Database | undefined
    await transaction(db, async (tx) => {
      escaped = tx
      await add(tx, 'a')
    })
    if (!escaped) throw new Error('the work did not run')
    await expect(add(escaped, 'late')).rejects.toMatchObject({ code: 'unexpected' })
    await expect(transaction(escaped, async () => 1)).rejects.toMatchObject({ code: 'unexpected' })
    expect(await names(db)).toEqual(['a'])
  })

  test('refuses what would fall into an open savepoint: it would be undone with that, and nobody told', async () => {
    const db = await open()
    await prepare(db)
    const outcomes = await transaction(db, async (tx) =>
      Promise.allSettled([
        transaction(tx, async (deep) => {
          await add(deep, 'first')
          await sleep(10)
          await add(deep, 'again')
          throw new Error('no')
        }),
        transaction(tx, (deep) => add(deep, 'second')),
        add(tx, 'beside'),
      ]),
    )
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await names(db)).toEqual([])
  })
})

describe.each(['postgres', 'pg'] as const)('a transaction on a server (%s)', (driver) => {
  async function connections(options: ConnectOptions = {}): Promise<{ db: Connection; other: Connection }> {
    const { url } = testServer()
    const db = await connect({ url, driver, skipSchemaCheck: true, poolWaitMs: 3_000, ...options })
    const other = await connect({ url: testServer().directUrl, pooled: false, skipSchemaCheck: true })
    return { db, other }
  }

  async function withConnections(
    work: (db: Connection, other: Connection) => Promise<void>,
    options: ConnectOptions = {},
  ): Promise<void> {
    const { db, other } = await connections(options)
    const table = sql.identifier(`steps_${driver}`)
    await other.execute(sql`create table if not exists ${table} (name text primary key)`)
    await other.execute(sql`delete from ${table}`)
    try {
      await work(db, other)
    } finally {
      await db.close()
      await other.execute(sql`drop table ${table}`)
      await other.close()
    }
  }

  const table = sql.identifier(`steps_${driver}`)
  const insert = (db: Database, name: string) => db.execute(sql`insert into ${table} (name) values (${name})`)
  const stored = async (db: Database) =>
    ((await db.execute(sql`select name from ${table} order by name`)) as unknown as { name: string }[]).map(
      (row) => row.name,
    )
  const kill = (db: Database, pid: number) => db.execute(sql`select pg_terminate_backend(${pid}::integer)`)

  test('whose backend is killed in the middle of a statement fails with connection, and leaves nothing', () =>
    withConnections(async (db, other) => {
      let tries = 0
      for (let round = 0; round < 10; round++) {
        const outcome = transaction(db, async (tx) => {
          tries += 1
          await insert(tx, `a${round}`)
          const pid = await pidOf(tx)
          const slow = tx.execute(sql`select pg_sleep(5)`)
          await sleep(5)
          await kill(other, pid)
          await slow
        })
        await expect(outcome).rejects.toMatchObject({ code: 'connection' })
      }
      expect(tries).toBe(10)
      expect(await stored(other)).toEqual([])
      await transaction(db, (tx) => insert(tx, 'after'))
      expect(await stored(other)).toEqual(['after'])
    }))

  test('whose backend is killed between two statements fails with connection, and leaves nothing', () =>
    withConnections(async (db, other) => {
      for (let round = 0; round < 10; round++) {
        const outcome = transaction(db, async (tx) => {
          await insert(tx, `a${round}`)
          await kill(other, await pidOf(tx))
          // Now and then the next statement is sent before the news of the death has come.
          if (round % 2 === 0) await sleep(20)
          await insert(tx, `b${round}`)
        })
        await expect(outcome).rejects.toMatchObject({ code: 'connection' })
      }
      expect(await stored(other)).toEqual([])
      await transaction(db, (tx) => insert(tx, 'after'))
    }))

  test('whose backend is killed as it commits fails with connection', () =>
    withConnections(async (db, other) => {
      for (let round = 0; round < 10; round++) {
        const outcome = transaction(db, async (tx) => {
          await insert(tx, `a${round}`)
          await kill(other, await pidOf(tx))
          if (round % 2 === 0) await sleep(20)
        })
        await expect(outcome).rejects.toMatchObject({ code: 'connection' })
      }
      expect(await stored(other)).toEqual([])
    }))

  test('that idles for too long is ended, and none of it runs in the transaction that waited for its connection', () =>
    withConnections(
      async (db, other) => {
        const first = transaction(db, async (tx) => {
          await insert(tx, 'a1')
          await sleep(400)
          await insert(tx, 'a2')
        })
        await sleep(20)
        const second = transaction(db, async (tx) => {
          await insert(tx, 'b1')
          await sleep(80)
          throw new Error('roll back')
        })
        const [a, b] = await Promise.allSettled([first, second])
        expect(a).toMatchObject({ status: 'rejected', reason: { code: 'connection' } })
        expect(b).toMatchObject({ status: 'rejected', reason: { message: 'roll back' } })
        expect(await stored(other)).toEqual([])
        await insert(db, 'after')
        expect(await stored(other)).toEqual(['after'])
      },
      { poolSize: 1, idleInTransactionTimeoutMs: 150 },
    ))

  test('does not let a straggling statement into the transaction that has its connection next', () =>
    withConnections(
      async (db, other) => {
        let straggler: Promise<unknown> | undefined
        await transaction(db, async (tx) => {
          await insert(tx, 'a')
          straggler = sleep(30).then(() => insert(tx, 'straggler'))
          straggler.catch(() => undefined)
        })
        await transaction(db, async (tx) => {
          await insert(tx, 'b')
          await sleep(60)
        })
        await expect(straggler).rejects.toMatchObject({ code: 'unexpected' })
        expect(await stored(other)).toEqual(['a', 'b'])
      },
      { poolSize: 1 },
    ))

  test('is tried again after a serialization failure', () =>
    withConnections(async (db, other) => {
      await insert(db, 'counter')
      let tries = 0
      await transaction(
        db,
        async (tx) => {
          tries += 1
          await tx.execute(sql`select * from ${table}`)
          if (tries === 1) await other.execute(sql`update ${table} set name = 'moved'`)
          await tx.execute(sql`update ${table} set name = name || '!'`)
        },
        { isolationLevel: 'repeatable read' },
      )
      expect(tries).toBe(2)
      expect(await stored(other)).toEqual(['moved!'])
    }))

  test('is tried again after a deadlock', () =>
    withConnections(async (db, other) => {
      await insert(db, 'x')
      await insert(db, 'y')
      let tries = 0
      const lock = (tx: Database, name: string) =>
        tx.execute(sql`select * from ${table} where name = ${name} for update`)
      const inOrder = (a: string, b: string) =>
        transaction(db, async (tx) => {
          tries += 1
          await lock(tx, a)
          await sleep(100)
          await lock(tx, b)
        })
      await Promise.all([inOrder('x', 'y'), inOrder('y', 'x')])
      expect(tries).toBe(3)
      expect(await stored(other)).toEqual(['x', 'y'])
    }))

  test('whose work uses the outer handle gets an error instead of waiting for itself, and no second try', () =>
    withConnections(
      async (db) => {
        const startedAt = performance.now()
        let tries = 0
        const outcome = transaction(db, async () => {
          tries += 1
          await insert(db, 'outer')
        })
        await expect(outcome).rejects.toMatchObject({
          code: 'transient',
          message: expect.stringContaining('use the handle that its callback receives'),
        })
        expect(tries).toBe(1)
        expect(performance.now() - startedAt).toBeLessThan(1_500)
      },
      { poolSize: 1, poolWaitMs: 300 },
    ))
})
