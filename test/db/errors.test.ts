import { inspect } from 'node:util'
import { sql } from 'drizzle-orm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection, Database, StatementLog } from '../../src/db/database.ts'
import { DataError, ERROR_CODES, isDataError } from '../../src/db/errors.ts'
import { one } from '../../src/db/rows.ts'
import { isConnectionLoss, sqlStateOf, translateError } from '../../src/db/sqlstate.ts'
import { transaction } from '../../src/db/transaction.ts'
import { bots } from '../../src/fleet/schema.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { orders } from '../../src/trading/schema/orders.ts'
import { describeEngines, testServer } from '../database.ts'
import { fillAt, prepareBot, randomFrom } from '../server/ledger-feed.ts'

async function failureOf(work: Promise<unknown>): Promise<DataError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isDataError(error)) throw new Error(`no DataError but ${String(error)}`)
  return error
}

const SECRET = 'hunter2-in-a-parameter'

/** A failure of each sort that a server reports, made for real. */
const FAILURES: readonly (readonly [
  state: string,
  code: string,
  make: (db: Database) => Promise<unknown>,
])[] = [
  ['23505', 'conflict', (db) => db.execute(sql`insert into checks (id, amount) values (1, 1), (1, 2)`)],
  [
    '23P01',
    'conflict',
    (db) => db.execute(sql`insert into spans (span) values (int4range(1, 5)), (int4range(2, 9))`),
  ],
  ['23503', 'missing_reference', (db) => db.execute(sql`insert into checks (id, parent) values (3, 99)`)],
  [
    '23514',
    'invalid_input',
    (db) => db.execute(sql`insert into checks (id, amount, note) values (4, -1, ${SECRET})`),
  ],
  ['23502', 'invalid_input', (db) => db.execute(sql`insert into checks (id, note) values (null, ${SECRET})`)],
  ['22P02', 'invalid_input', (db) => db.execute(sql`select ${'abc'}::integer, ${SECRET}::text`)],
  ['22012', 'invalid_input', (db) => db.execute(sql`select 1 / 0, ${SECRET}::text`)],
  ['22003', 'invalid_input', (db) => db.execute(sql`select 99999999999::bigint::integer, ${SECRET}::text`)],
  [
    '22P02',
    'invalid_input',
    (db) =>
      db.execute(
        sql`select * from json_to_recordset(${`[{"a": "x", "b": "${SECRET}"}]`}::json) as x(a integer)`,
      ),
  ],
  ['42P01', 'schema_mismatch', (db) => db.execute(sql`select ${SECRET}::text from nowhere`)],
  ['42703', 'schema_mismatch', (db) => db.execute(sql`select nothing, ${SECRET}::text from checks`)],
  ['3F000', 'schema_mismatch', (db) => db.execute(sql`create table nowhere.x (a integer)`)],
  ['42883', 'schema_mismatch', (db) => db.execute(sql`select no_such_function(${SECRET}::text)`)],
  ['57014', 'transient', (db) => raise(db, '57014')],
  ['55P03', 'transient', (db) => raise(db, '55P03')],
  ['40001', 'transient', (db) => raise(db, '40001')],
  ['40P01', 'transient', (db) => raise(db, '40P01')],
  ['53300', 'transient', (db) => raise(db, '53300')],
  ['53100', 'transient', (db) => raise(db, '53100')],
  ['57P01', 'connection', (db) => raise(db, '57P01')],
  ['08006', 'connection', (db) => raise(db, '08006')],
  ['28000', 'config', (db) => raise(db, '28000')],
  ['TB001', 'invalid_transition', (db) => raise(db, 'TB001')],
  ['TB002', 'invalid_input', (db) => raise(db, 'TB002')],
  ['42601', 'unexpected', (db) => db.execute(sql`selekt ${SECRET}::text`)],
  ['P0001', 'unexpected', (db) => raise(db, 'P0001')],
]

// What a test cannot bring about on each engine, the server is asked to report.
function raise(db: Database, state: string): Promise<unknown> {
  return db
    .execute(sql.raw(`do $$ begin raise exception 'as told' using errcode = '${state}'; end $$`))
    .then()
}

describeEngines('errors', (open) => {
  async function prepared(): Promise<Connection> {
    const db = await open()
    await db.execute(sql`create table if not exists checks (
      id integer constraint checks_pkey primary key, amount numeric constraint checks_amount_check check (amount > 0),
      parent integer constraint checks_parent_fkey references checks, note text)`)
    await db.execute(sql`create table if not exists spans (span int4range,
      constraint spans_span_excl exclude using gist (span with &&))`)
    return db
  }

  test.each(FAILURES)('%s is %s, and shows nothing of what was sent', async (state, code, make) => {
    const error = await failureOf(make(await prepared()))
    expect(error.code).toBe(code)
    expect(ERROR_CODES).toContain(error.code)
    expect(error.retryable).toBe(code === 'transient')
    expect(sqlStateOf(error)).toBe(state)
    expect(error.cause).toBeInstanceOf(Error)
    for (const shown of [
      error.message,
      String(error),
      JSON.stringify(error),
      JSON.stringify(error.cause),
      inspect(error, { depth: 10 }),
      inspect(error, { depth: 10, showHidden: true }),
    ]) {
      expect(shown).not.toContain(SECRET)
    }
  })

  test('name the constraint, and what was there already', async () => {
    const error = await failureOf(
      (await prepared()).execute(sql`insert into checks (id) values (7), (7)`).then(),
    )
    expect(error).toMatchObject({ constraint: 'checks_pkey' })
    expect(error.message).toContain('(id)=(7)')
  })

  test('name the field of a rule that the schema has', async () => {
    const db = await open()
    await prepareBot(db, 'ruled', ['BTC-USDT'])
    const values = {
      botId: 'ruled',
      id: '01a1fcc1-0fb0-751c-9843-42d9ec311547',
      clientOrderId: 'c',
      exchange: 'paper',
      symbol: 'BTC-USDT',
      side: 'buy',
      type: 'market',
      quantity: '-1',
    }
    const columns = sql.raw('bot_id, id, client_order_id, exchange, symbol, side, type, quantity')
    const error = await failureOf(
      db
        .execute(
          sql`insert into ${orders} (${columns}) values (${sql.join(
            Object.values(values).map((value) => sql`${value}`),
            sql`, `,
          )})`,
        )
        .then(),
    )
    expect(error).toMatchObject({ code: 'invalid_input', field: 'quantity' })
  })

  test('of a row that must be there name it', async () => {
    const db = await open()
    const error = await failureOf(one('getBot', "bot 'nobody'", db.select().from(bots).limit(0)))
    expect(error).toMatchObject({ code: 'not_found', message: "bot 'nobody' not found" })
  })

  test('of a parameter that is undefined say so', async () => {
    const db = await open()
    const error = await failureOf(db.execute(sql`select ${sql.param(undefined)}::text`).then())
    expect(error.code).toBe('invalid_input')
  })

  test('reach the logger as a name, a duration and an outcome, and nothing else', async () => {
    const lines: { fields: object; message: string }[] = []
    const note = (fields: object, message: string) => void lines.push({ fields, message })
    const db = await open.fresh({ logger: { debug: note, warn: note } })
    await prepareBot(db, 'logged', ['BTC-USDT'])
    await recordFill(db, {
      ...fillAt({ botId: 'logged', symbols: ['BTC-USDT'] }, 1, randomFrom(1)),
      exchangeTradeId: SECRET,
    })
    await failureOf(db.execute(sql`select ${SECRET}::integer`).then())
    await failureOf(transaction(db, (tx) => tx.execute(sql`select 1 / 0`)))
    const statements = lines.filter(({ message }) => message.startsWith('statement'))
    expect(statements.length).toBeGreaterThan(6)
    for (const { fields } of statements) {
      expect(Object.keys(fields).sort()).toEqual(['durationMs', 'outcome', 'statement'])
      expect((fields as StatementLog).durationMs).toBeGreaterThan(0)
    }
    const outcomes = new Map(statements.map(({ fields }) => [(fields as StatementLog).statement, fields]))
    expect(outcomes.get('registerBot')).toMatchObject({ outcome: 'ok' })
    expect(outcomes.get('recordFill.read')).toMatchObject({ outcome: 'ok' })
    expect(outcomes.get('query')).toMatchObject({ outcome: 'invalid_input' })
    expect(JSON.stringify(lines)).not.toContain(SECRET)
    expect(lines.some(({ message }) => message === 'statement failed')).toBe(true)
  })
})

describe.each(['postgres', 'pg'] as const)('errors of connecting (%s)', (driver) => {
  test('tell what is wrong and never the password', async () => {
    const url = new URL(testServer().directUrl)
    url.password = SECRET
    const wrong = [url.toString()]
    url.username = 'nobody-of-this-name'
    wrong.push(url.toString())
    url.port = '1'
    wrong.push(url.toString())
    for (const text of wrong) {
      // A server that trusts everybody lets a wrong password in, and then it is the schema that is missing.
      const error = await failureOf(connect({ url: text, driver }))
      expect(['config', 'connection', 'schema_mismatch']).toContain(error.code)
      for (const shown of [
        error.message,
        JSON.stringify(error),
        inspect(error, { depth: 10, showHidden: true }),
      ]) {
        expect(shown).not.toContain(SECRET)
      }
    }
  })

  test('say config for a database that is not there', async () => {
    const url = new URL(testServer().directUrl)
    url.pathname = '/not_there'
    expect(await failureOf(connect({ url: url.toString(), driver }))).toMatchObject({ code: 'config' })
  })

  test('cannot be had from the handle: it shows no password', async () => {
    const url = new URL(testServer().directUrl)
    const db = await connect({ url: url.toString(), driver, skipSchemaCheck: true })
    onTestFinished(() => db.close())
    await db.execute(sql`select 1`)
    const shown = inspect(db, { depth: 20, showHidden: true, getters: true })
    // A server that trusts everybody has none.
    if (url.password !== '') expect(shown).not.toContain(url.password)
    expect(shown).not.toContain(url.host)
  })
})

describe('what no server says', () => {
  test.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'CONNECT_TIMEOUT',
    'CONNECTION_CLOSED',
  ])('%s of a driver is a lost connection', (code) => {
    const thrown = Object.assign(new Error('as told'), { code })
    expect(translateError(thrown, 'verb')).toMatchObject({ code: 'connection' })
    expect(isConnectionLoss(thrown)).toBe(true)
  })

  test.each(['Connection terminated unexpectedly', 'timeout expired'])('%s is one too', (message) => {
    expect(translateError(new Error(message), 'verb')).toMatchObject({ code: 'connection' })
  })

  test('leaves the errors of others as they are', () => {
    const foreign = new TypeError('mine')
    expect(translateError(foreign, 'verb')).toBe(foreign)
    expect(translateError('text', 'verb')).toBe('text')
  })

  test('recognises an error of another copy of this library', () => {
    const copy = Object.assign(new Error('x'), { name: 'DataError', code: 'conflict' })
    expect(isDataError(copy)).toBe(true)
    expect(isConnectionLoss(new Error('what the driver says when it is confused'))).toBe(true)
    expect(isDataError(Object.assign(new Error('x'), { name: 'DataError', code: 'other' }))).toBe(false)
    expect(new DataError('transient', 'x').retryable).toBe(true)
  })
})
