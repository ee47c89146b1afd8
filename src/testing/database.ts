import type { ConnectOptions } from '../db/config.ts'
import { connect } from '../db/connect.ts'
import type { Connection, Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { transaction } from '../db/transaction.ts'
import { connectToEngine } from '../embedded/connect-embedded.ts'
import { startMigratedEngine } from './embedded-database.ts'
import { copyTemplate, databaseOn, dropDatabase, ensureTemplate, type TestServer } from './server-database.ts'

export interface TestDatabaseOptions extends Omit<ConnectOptions, 'skipSchemaCheck'> {
  /**
   * A database on the server to use, with a role that may create others: `postgres://…`. From `TEST_DATABASE_URL`
   * otherwise, and without either the embedded engine.
   */
  readonly url?: string
  /** The same past a pooler. From `TEST_DATABASE_DIRECT_URL` otherwise. */
  readonly directUrl?: string
}

/** A database that nobody else uses. */
export interface TestDatabase {
  readonly db: Connection
  /** For connections of your own. Undefined on the embedded engine, which has one. */
  readonly url: string | undefined
  /** Closes the handle and drops the database. Safe to repeat. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes an empty database with all migrations, for a test.
 *
 * On the embedded engine unless a server is named: in memory, half a second each, and one connection, so it shows nothing
 * about concurrency. On a server the first call leaves a database `tradeblotter_template_…` behind that the rest are
 * copied from. `DATABASE_URL` is never read.
 *
 * @throws `config` if the role may not create databases.
 */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const url = options.url ?? (process.env.TEST_DATABASE_URL || undefined)
  if (url === undefined) return await createEmbeddedTestDatabase(options)
  const directUrl = options.directUrl ?? (process.env.TEST_DATABASE_DIRECT_URL || url)
  return await createOnServer({ url, directUrl }, options)
}

/** Does what `createTestDatabase` does, on the embedded engine whatever the environment says. */
export async function createEmbeddedTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { poolWaitMs, logger } = options
  const db = connectToEngine(await startMigratedEngine(), { poolWaitMs, logger })
  return { db, url: undefined, close: () => db.close(), [Symbol.asyncDispose]: () => db.close() }
}

async function createOnServer(server: TestServer, options: TestDatabaseOptions): Promise<TestDatabase> {
  const name = await copyAsPermitted(server)
  const own = databaseOn(server, name)
  try {
    const db = await connect({ ...options, ...own })
    const close = async () => {
      await db.close()
      await dropDatabase(server, name)
    }
    return { db, url: own.url, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await dropDatabase(server, name)
    throw error
  }
}

async function copyAsPermitted(server: TestServer): Promise<string> {
  try {
    return await copyTemplate(server, await ensureTemplate(server))
  } catch (error) {
    if (!(error instanceof DataError && error.message.includes('(42501)'))) throw error
    throw new DataError(
      'config',
      'a test database needs a role that may create databases: alter role … createdb',
      {
        cause: error,
      },
    )
  }
}

/**
 * Runs `work` in a transaction that is rolled back whatever happens, and returns its result.
 *
 * Inside another transaction it is a savepoint. Use only the handle that `work` receives.
 */
export async function withRollback<Result>(
  db: Database,
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const rollback = new Error('rolled back as meant')
  let result: { readonly value: Result } | undefined
  try {
    await transaction(
      db,
      async (tx) => {
        result = { value: await work(tx) }
        throw rollback
      },
      { attempts: 1 },
    )
  } catch (error) {
    if (error === rollback && result) return result.value
    throw error
  }
  throw new DataError('unexpected', 'the transaction of a test was committed')
}
