import { sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { decimal, instant } from '../../src/db/columns.ts'
import { connect } from '../../src/db/connect.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { many, maybeOne } from '../../src/db/rows.ts'
import { createDatabase, describeEngines, testServer } from '../database.ts'

const things = pgTable('things', {
  id: integer('id').primaryKey(),
  name: text('name'),
  amount: decimal('amount').notNull(),
  at: instant('at').notNull(),
})

const MAKE = sql`create table if not exists things (
  id integer primary key, name text, amount numeric not null, at timestamptz(3) not null)`

describeEngines('a session', (open) => {
  test('gives the same values on every engine: booleans, small integers and doubles as such, the rest as text', async () => {
    const db = await open()
    const rows = (await db.execute(sql`select true as yes, 7::smallint as small, 8::integer as whole,
      9007199254740993::bigint as big, 1.5::double precision as double, 'NaN'::double precision as nan,
      12345678901234567890.123456789::numeric as exact, '2026-11-21 06:00:00.123+00'::timestamptz as at,
      '{"a": 0.10}'::jsonb as document, array[1, 2] as list, null::integer as nothing, 'x'::text as label`)) as unknown
    expect(rows).toEqual([
      {
        yes: true,
        small: 7,
        whole: 8,
        big: '9007199254740993',
        double: 1.5,
        nan: Number.NaN,
        exact: '12345678901234567890.123456789',
        at: '2026-11-21 06:00:00.123+00',
        document: '{"a": 0.10}',
        list: '{1,2}',
        nothing: null,
        label: 'x',
      },
    ])
  })

  test('takes parameters as text: what was sent is what is stored', async () => {
    const db = await open()
    const at = new Date('1887-06-05T04:03:02.001Z')
    const rows = (await db.execute(sql`select ${at}::timestamptz = '1887-06-05 04:03:02.001+00' as at,
      ${true}::boolean as yes, ${10n ** 18n}::numeric::text as big, ${null}::text is null as nothing,
      ${'{"a": 0.10}'}::jsonb ->> 'a' as document, ${"it''s; drop table x --"}::text as label`)) as unknown
    expect(rows).toEqual([
      {
        at: true,
        yes: true,
        big: '1000000000000000000',
        nothing: true,
        document: '0.10',
        label: "it''s; drop table x --",
      },
    ])
  })

  test('runs queries of Drizzle: joins, counts, prepared ones again and again', async () => {
    const db = await open()
    await db.execute(MAKE)
    await db.execute(sql`delete from things`)
    const amount = new Decimal('0.000000000000000000000000000001')
    const at = new Date('2026-11-21T06:00:00.123Z')
    for (let id = 1; id <= 3; id++) {
      const [row] = await many('add', db.insert(things).values({ id, name: null, amount, at }).returning())
      expect(row?.amount.eq(amount)).toBe(true)
      expect(row?.at).toEqual(at)
    }
    expect(await db.$count(things)).toBe(3)
    const found = await maybeOne('find', db.select().from(things).where(sql`${things.id} = 2`))
    expect(found).toMatchObject({ id: 2, name: null })
    expect(await maybeOne('find', db.select().from(things).where(sql`${things.id} = 9`))).toBeUndefined()
    await expect(maybeOne('find', db.select().from(things))).rejects.toMatchObject({ code: 'unexpected' })
  })

  test('begins transactions as they are asked for, and no others', async () => {
    const db = await open()
    const level = await db.transaction(
      async (tx) =>
        await tx.execute(sql`select current_setting('transaction_isolation') as level,
        current_setting('transaction_read_only') as read_only`),
      { isolationLevel: 'repeatable read', accessMode: 'read only' },
    )
    expect(level).toEqual([{ level: 'repeatable read', read_only: 'on' }])
    const wrong = { isolationLevel: 'x; drop table things' } as unknown as { isolationLevel: 'serializable' }
    await expect(db.transaction(async () => 1, wrong)).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'isolationLevel',
    })
    expect(db.pool).toMatchObject({ waiting: 0 })
    expect(db.pool.idle).toBe(db.pool.open)
  })
})

describe.each(['postgres', 'pg'] as const)('a session on a server (%s)', (driver) => {
  test('reads times right whatever the database prefers', async () => {
    await using own = await createDatabase({ driver })
    const name = new URL(own.directUrl).pathname.slice(1)
    for (const setting of [
      "datestyle = 'SQL, DMY'",
      "timezone = 'Asia/Kolkata'",
      "intervalstyle = 'iso_8601'",
    ]) {
      await own.db.execute(sql.raw(`alter database ${name} set ${setting}`))
    }
    const at = new Date('1850-02-03T04:05:06.789Z')
    const db = await connect({ url: own.directUrl, driver, pooled: false, skipSchemaCheck: true })
    onTestFinished(() => db.close())
    await db.execute(MAKE)
    await many(
      'add',
      db
        .insert(things)
        .values({ id: 1, amount: new Decimal(1), at })
        .returning(),
    )
    expect(await maybeOne('find', db.select().from(things))).toMatchObject({ at })

    // This driver can send a pooled session no settings; then it must not read the third of February as the second of March.
    const pooled = await connect({ url: own.directUrl, driver, pooled: true, skipSchemaCheck: true })
    onTestFinished(() => pooled.close())
    const read = maybeOne('find', pooled.select().from(things))
    if (driver === 'postgres') expect(await read).toMatchObject({ at })
    else
      await expect(read).rejects.toMatchObject({
        code: 'config',
        message: expect.stringContaining('DateStyle'),
      })
  })

  test('prepares a named statement once for a connection, and none behind a pooler', async () => {
    const url = testServer().directUrl
    for (const [pooled, expected] of [
      [false, 1],
      [true, 0],
    ] as const) {
      const db = await connect({ url, driver, pooled, poolSize: 1, skipSchemaCheck: true })
      onTestFinished(() => db.close())
      const query = db.select({ n: sql<number>`${1}::integer` }).from(sql`(select 1) as "once-only"`)
      for (let n = 0; n < 3; n++) await many('once', query)
      const rows = await db.execute(
        sql`select 1 from pg_prepared_statements where statement like '%once-only%' and statement not like '%prepared%'`,
      )
      expect(rows).toHaveLength(expected)
    }
  })
})
