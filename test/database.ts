import { afterAll, describe, inject, onTestFinished } from 'vitest'
import type { ConnectOptions } from '../src/db/config.ts'
import { connect } from '../src/db/connect.ts'
import type { Connection } from '../src/db/database.ts'
import type { EngineKind } from '../src/db/engine.ts'
import { createEmbeddedTestDatabase, type TestDatabase } from '../src/testing/database.ts'
import { copyTemplate, databaseOn, dropDatabase, type TestServer } from '../src/testing/server-database.ts'

/** The server of this run: its own database, for what concerns no schema, and the migrated template's name. */
export function testServer(): TestServer & { readonly template: string } {
  return inject('server')
}

/** True if the tests run through a pooler. */
export function isPooled(): boolean {
  const { url, directUrl } = testServer()
  return url !== directUrl
}

export interface ServerDatabase extends TestServer {
  readonly db: Connection
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes a migrated database of its own on the server. It is dropped when closed. */
export async function createDatabase(options: ConnectOptions = {}): Promise<ServerDatabase> {
  const server = testServer()
  const name = await copyTemplate(server, server.template)
  const urls = databaseOn(server, name)
  const db = await connect({ ...urls, ...options })
  const close = async () => {
    await db.close()
    await dropDatabase(server, name)
  }
  return { ...urls, db, close, [Symbol.asyncDispose]: close }
}

export interface Open {
  /** The handle of this suite's database: the same on each call. Closed at the end of the suite. */
  (): Promise<Connection>
  readonly engine: EngineKind
  /** A handle on a new database, for a test of commits or races. Closed at the end of the test. */
  fresh(options?: ConnectOptions): Promise<Connection>
}

export const ENGINES = ['postgres', 'pg', 'pglite'] as const satisfies readonly EngineKind[]

/** Runs a suite of behaviour on each engine, with a migrated database for each. */
export function describeEngines(
  name: string,
  body: (open: Open) => void,
  engines: readonly EngineKind[] = ENGINES,
): void {
  describe.each(engines)(`${name} (%s)`, (engine) => {
    let shared: Promise<Handle> | undefined
    const open = Object.assign(
      async () => {
        shared ??= make(engine, {})
        return (await shared).db
      },
      {
        engine,
        async fresh(options: ConnectOptions = {}) {
          const made = await make(engine, options)
          onTestFinished(() => made.close())
          return made.db
        },
      },
    )
    afterAll(async () => {
      await (await shared)?.close()
    })
    body(open)
  })
}

/** For what lies in the database, and what a driver only carries there: on a server and on the embedded engine. */
export function describeDatabases(name: string, body: (open: Open) => void): void {
  describeEngines(name, body, ['postgres', 'pglite'])
}

type Handle = Pick<TestDatabase, 'db' | 'close'>

async function make(engine: EngineKind, options: ConnectOptions): Promise<Handle> {
  if (engine !== 'pglite') return await createDatabase({ ...options, driver: engine })
  return await createEmbeddedTestDatabase(options)
}
