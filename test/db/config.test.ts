import { describe, expect, test } from 'vitest'
import { type ConnectOptions, readSettings } from '../../src/db/config.ts'
import { connect } from '../../src/db/connect.ts'
import { DataError } from '../../src/db/errors.ts'

const URL_TEXT = 'postgres://bot:secret-word@db.example:6543/ledger'

function problemsOf(options: ConnectOptions, environment: Record<string, string> = {}): string[] {
  try {
    readSettings(options, environment)
  } catch (error) {
    if (!(error instanceof DataError) || error.code !== 'config') throw error
    return error.message.split('\n').filter((line) => line.startsWith('- '))
  }
  return []
}

describe('settings', () => {
  test('have defaults for all but the database', () => {
    expect(readSettings({ url: URL_TEXT }, {})).toEqual({
      url: URL_TEXT,
      directUrl: URL_TEXT,
      driver: 'postgres',
      pooled: false,
      applicationName: 'tradeblotter',
      poolSize: 5,
      poolWaitMs: 5_000,
      connectTimeoutMs: 10_000,
      statementTimeoutMs: 30_000,
      lockTimeoutMs: 5_000,
      idleInTransactionTimeoutMs: 30_000,
    })
  })

  test('come from the options, then from the environment; an empty variable is none', () => {
    const environment = {
      DATABASE_URL: 'postgres://other/x',
      DATABASE_DIRECT_URL: '',
      TRADEBLOTTER_POOL_SIZE: '7',
      TRADEBLOTTER_POOLED: 'true',
      TRADEBLOTTER_DRIVER: '',
      TRADEBLOTTER_STATEMENT_TIMEOUT_MS: '',
    }
    expect(readSettings({ poolSize: 3 }, environment)).toMatchObject({
      url: 'postgres://other/x',
      directUrl: 'postgres://other/x',
      poolSize: 3,
      pooled: true,
      driver: 'postgres',
      statementTimeoutMs: 30_000,
    })
    expect(readSettings({ url: URL_TEXT }, environment)).toMatchObject({ url: URL_TEXT, poolSize: 7 })
  })

  test('say what may be given when no database is named', () => {
    for (const environment of [{}, { DATABASE_URL: '' }]) {
      const [problem, ...others] = problemsOf({}, environment)
      expect(problem).toMatch(/DATABASE_URL.*connect\(\{ url \}\).*connectEmbedded/)
      expect(others).toEqual([])
    }
  })

  test('tell every problem at once, each with its option and its variable', () => {
    const problems = problemsOf(
      { url: 'mysql://u:secret-word@h/d', poolSize: 0, statementTimeoutMs: 1.5 },
      {
        DATABASE_DIRECT_URL: 'no url with secret-word',
        TRADEBLOTTER_DRIVER: 'oracle',
        TRADEBLOTTER_POOLED: 'perhaps',
        TRADEBLOTTER_APPLICATION_NAME: 'x'.repeat(64),
        TRADEBLOTTER_POOL_WAIT_MS: 'soon',
        TRADEBLOTTER_CONNECT_TIMEOUT_MS: '-1',
        TRADEBLOTTER_LOCK_TIMEOUT_MS: '86400001',
        TRADEBLOTTER_IDLE_IN_TRANSACTION_TIMEOUT_MS: 'Infinity',
      },
    )
    expect(problems.map((problem) => problem.slice(2, problem.indexOf(' (')))).toEqual([
      'url',
      'directUrl',
      'driver',
      'pooled',
      'applicationName',
      'poolSize',
      'poolWaitMs',
      'connectTimeoutMs',
      'statementTimeoutMs',
      'lockTimeoutMs',
      'idleInTransactionTimeoutMs',
    ])
    expect(problems.join()).toContain('TRADEBLOTTER_POOL_WAIT_MS')
    expect(problems.join()).not.toContain('secret-word')
  })

  test.each([
    'not a url',
    'postgres:',
    'postgres:///ledger',
    'http://u:secret-word@h/d',
    '//u:secret-word@h',
    'pglite://./secret-word',
  ])('refuse %s as a database, without repeating it', (url) => {
    const problems = problemsOf({ url })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('postgres://user:password@host:port/database')
    expect(problems[0]).not.toContain('secret-word')
  })

  // What a caller without types may give.
  test.each([
    ['poolSize', true],
    ['poolSize', [5]],
    ['poolSize', {}],
    ['poolSize', ''],
    ['poolSize', '0x10'],
    ['poolSize', ' 5'],
    ['poolSize', '1e2'],
    ['poolSize', Number.NaN],
    ['lockTimeoutMs', new Date()],
    ['pooled', 'yes'],
    ['pooled', 1],
    ['driver', 'PG'],
    ['applicationName', 7],
    ['url', 7],
    ['url', null],
    ['directUrl', {}],
  ])('refuse %s = %j', (key, value) => {
    const problems = problemsOf({ url: URL_TEXT, [key]: value } as ConnectOptions)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(key)
  })

  test('take the word of the url that a pooler is there, and do not pass it on', () => {
    const settings = readSettings({ url: `${URL_TEXT}?sslmode=disable&pgbouncer=true` }, {})
    expect(settings).toMatchObject({ pooled: true, url: `${URL_TEXT}?sslmode=disable` })
    expect(readSettings({ url: `${URL_TEXT}?pgbouncer=false` }, {})).toMatchObject({ pooled: false })
    expect(readSettings({ url: `${URL_TEXT}?pgbouncer=true`, pooled: false }, {})).toMatchObject({
      pooled: false,
    })
    const direct = readSettings({ url: `${URL_TEXT}?pgbouncer=true`, directUrl: 'postgres://direct/x' }, {})
    expect(direct).toMatchObject({ directUrl: 'postgres://direct/x' })
  })

  test('are refused by connect as well, before anything is sent', async () => {
    await expect(connect({ url: 'nowhere' })).rejects.toMatchObject({ code: 'config' })
  })
})
