import { type SQL, sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeEngines, isPooled } from '../database.ts'

async function rowsOf(db: Database, query: SQL): Promise<Record<string, unknown>[]> {
  return (await db.execute(query)) as Record<string, unknown>[]
}

// The same for all engines: what one of them returned would prove nothing about the others.
const VALUES: readonly [sqlText: string, expected: unknown][] = [
  ['1234567890123456789012345678.901234567890::numeric(40, 12)', '1234567890123456789012345678.901234567890'],
  ["'0.0000000000000000000000000000000000000001'::numeric", '0.0000000000000000000000000000000000000001'],
  ["'NaN'::numeric", 'NaN'],
  ['1.50::numeric', '1.50'],
  ['9223372036854775807::int8', '9223372036854775807'],
  ['2147483647::int4', 2147483647],
  ['(-32768)::int2', -32768],
  ['4294967295::oid', 4294967295],
  ['0.1::float8', 0.1],
  ["'-Infinity'::float8", Number.NEGATIVE_INFINITY],
  ['1.5::float4', 1.5],
  ['true', true],
  ['false', false],
  ['null::numeric', null],
  ['\'"10.5"\'::jsonb', '"10.5"'],
  ["'10.50'::jsonb", '10.50'],
  ["'true'::jsonb", 'true'],
  ["'null'::jsonb", 'null'],
  [`'{"a": [1, 2.10]}'::jsonb`, '{"a": [1, 2.10]}'],
  [`'{"b":1, "a":2}'::json`, '{"b":1, "a":2}'],
  ["timestamptz '2026-03-29 02:30:00.123+02'", '2026-03-29 00:30:00.123+00'],
  ["timestamp '2026-03-29 02:30:00'", '2026-03-29 02:30:00'],
  ["'infinity'::timestamptz", 'infinity'],
  ["date '2026-02-28'", '2026-02-28'],
  ["interval '1 day 2 hours'", '1 day 02:00:00'],
  ['array[1.10, null, 2]::numeric[]', '{1.10,NULL,2}'],
  ["array['a b', 'c,d', null]::text[]", '{"a b","c,d",NULL}'],
  ['array[true, false]', '{t,f}'],
  ['array[[1, 2], [3, 4]]', '{{1,2},{3,4}}'],
  ["'\\x00ff'::bytea", '\\x00ff'],
  ["'0190163d-8694-739b-aea5-966c26f8ad91'::uuid", '0190163d-8694-739b-aea5-966c26f8ad91'],
  ["''::text", ''],
  ["'ключ 🔑'::text", 'ключ 🔑'],
  ["row(1, 'a')", '(1,a)'],
]

describeEngines('an engine', (open) => {
  describe('returns values as Postgres text, and only truth, small integers and doubles as JS values', () => {
    it.each(VALUES)('%s', async (text, expected) => {
      const db = await open()
      expect(await rowsOf(db, sql`select ${sql.raw(text)} as value`)).toEqual([{ value: expected }])
    })

    it('by a prepared statement too', async () => {
      const db = await open()
      const columns = VALUES.map(([text], i) => `${text} as v${i}`).join(', ')
      const expected = Object.fromEntries(VALUES.map(([, value], i) => [`v${i}`, value]))
      for (let round = 0; round < 2; round++) {
        const query = db._.session.prepareQuery(
          { sql: `select ${columns}`, params: [] },
          undefined,
          'values',
          false,
        )
        expect(await query.execute()).toEqual([expected])
      }
    })
  })

  it('takes every parameter as text, of whatever type Postgres sees in it', async () => {
    const db = await open()
    const [row] = await rowsOf(
      db,
      sql`select ${'1.10'}::numeric as n, ${9007199254740993n}::int8 as i, ${true}::boolean as b, ${false}::boolean as f,
        ${new Date(5)}::timestamptz as t, ${'{"a": "1.0"}'}::jsonb as j, ${'{1,2}'}::int4[] as l, ${null}::text as z,
        ${'"quoted"'}::jsonb as q, ${'t'}::text as x`,
    )
    expect(row).toEqual({
      n: '1.10',
      i: '9007199254740993',
      b: true,
      f: false,
      t: '1970-01-01 00:00:00.005+00',
      j: '{"a": "1.0"}',
      l: '{1,2}',
      z: null,
      q: '"quoted"',
      x: 't',
    })
  })

  // Behind a pooler the session is not ours, and its zone that of the server.
  it.skipIf(open.engine !== 'pglite' && isPooled())('is in UTC', async () => {
    const [row] = await rowsOf(await open(), sql`select current_setting('TimeZone') as zone`)
    expect(row).toEqual({ zone: 'UTC' })
  })

  it('tells the constraint and the field of a refused row', async () => {
    const db = await open()
    await db.execute(sql`create table refusals (amount numeric,
      constraint refusals_amount_key unique (amount), constraint refusals_amount_check check (amount > 0))`)
    await db.execute(sql`insert into refusals values (1)`)
    await expect(db.execute(sql`insert into refusals values (1)`)).rejects.toMatchObject({
      code: 'conflict',
      constraint: 'refusals_amount_key',
    })
    await expect(db.execute(sql`insert into refusals values (0)`)).rejects.toMatchObject({
      code: 'invalid_input',
      constraint: 'refusals_amount_check',
    })
  })

  it('goes on after a prepared statement failed', async () => {
    const db = await open()
    const send = (value: string) =>
      db._.session
        .prepareQuery({ sql: 'select 1 / $1::int4 as n', params: [value] }, undefined, 'divide', false)
        .execute()
    await expect(send('0')).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(send('x')).rejects.toMatchObject({ code: 'invalid_input' })
    expect(await send('1')).toEqual([{ n: 1 }])
  })

  it('answers statements sent at once inside a transaction, each with its own rows', async () => {
    const db = await open()
    const numbers = Array.from({ length: 20 }, (_, n) => n)
    const rows = await transaction(db, (tx) =>
      Promise.all(numbers.map((n) => rowsOf(tx, sql`select ${n}::int4 as n`))),
    )
    expect(rows).toEqual(numbers.map((n) => [{ n }]))
  })

  it('commits what transaction() reports, and nothing of a failed one', async () => {
    const db = await open.fresh()
    await db.execute(sql`create table entries (n integer primary key)`)
    await transaction(db, (tx) => tx.execute(sql`insert into entries values (1)`))
    const failure = new Error('of the caller')
    await expect(
      transaction(db, async (tx) => {
        await tx.execute(sql`insert into entries values (2)`)
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(await rowsOf(db, sql`select n from entries`)).toEqual([{ n: 1 }])
  })

  it('does not report success when an error inside the transaction was swallowed', async () => {
    const db = await open.fresh()
    await db.execute(sql`create table entries (n integer primary key)`)
    const swallowing = transaction(db, async (tx) => {
      await tx.execute(sql`insert into entries values (1)`)
      await tx.execute(sql`insert into entries values (1)`).catch(() => undefined)
    })
    await expect(swallowing).rejects.toThrow(/rolled back/)
    expect(await rowsOf(db, sql`select n from entries`)).toEqual([])
  })

  it('undoes a savepoint alone', async () => {
    const db = await open.fresh()
    await db.execute(sql`create table entries (n integer primary key)`)
    await transaction(db, async (tx) => {
      await tx.execute(sql`insert into entries values (1)`)
      await transaction(tx, async (inner) => {
        await inner.execute(sql`insert into entries values (2)`)
        throw new Error('undo')
      }).catch(() => undefined)
    })
    expect(await rowsOf(db, sql`select n from entries`)).toEqual([{ n: 1 }])
  })

  it('gives an error, not a deadlock, to the outer handle inside a transaction', async () => {
    const db = await open.fresh({ poolSize: 1, poolWaitMs: 150 })
    const startedAt = performance.now()
    const waiting = transaction(db, () => db.execute(sql`select 1`), { attempts: 1 })
    await expect(waiting).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('150 ms'),
    })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(await rowsOf(db, sql`select 1 as n`)).toEqual([{ n: 1 }])
  })

  it('refuses work once it is closed', async () => {
    const db = await open.fresh()
    await db.close()
    await db.close()
    await expect(db.execute(sql`select 1`)).rejects.toMatchObject({ code: 'connection' })
  })
})
