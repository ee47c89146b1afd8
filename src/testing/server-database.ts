import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SQL, sql } from 'drizzle-orm'
import { connectDirect } from '../db/connect.ts'
import { isDataError } from '../db/errors.ts'
import { migrate } from '../db/migrate.ts'
import { readMigrations } from '../db/migrations.ts'

/** A Postgres server to make databases on, by the URL of one that exists, with a role that may create more. */
export interface TestServer {
  readonly url: string
  /** The same past a pooler. Given always, so that no other from the environment comes in its place. */
  readonly directUrl: string
}

const COPY_ATTEMPTS = 5
const COPY_PAUSE_MS = 200

/**
 * Returns the name of a database that has this release's migrations and takes no connections: what others are copied
 * from. It is made on the first call and left on the server, under a name that tells the migrations.
 */
export async function ensureTemplate(server: TestServer): Promise<string> {
  const name = `tradeblotter_template_${await hashOfMigrations()}`
  const [found] = await administer(server, sql`select 1 as found from pg_database where datname = ${name}`)
  if (found) return name
  const draft = `${name}_${uniqueSuffix()}`
  await createTemplate(server, draft)
  try {
    await administer(server, sql`alter database ${sql.identifier(draft)} rename to ${sql.identifier(name)}`)
  } catch (error) {
    await dropDatabase(server, draft)
    if (!TAKEN_NAME.includes(stateOf(error))) throw error
  }
  return name
}

// The second when two rename at the same moment.
const TAKEN_NAME: readonly unknown[] = ['42P04', '23505']
const OBJECT_IN_USE = '55006'

/** Makes a migrated database of that name which takes no connections. */
export async function createTemplate(server: TestServer, name: string): Promise<void> {
  await administer(server, sql`create database ${sql.identifier(name)}`)
  try {
    const { directUrl } = databaseOn(server, name)
    await migrate({ url: directUrl, directUrl })
    await administer(server, sql`alter database ${sql.identifier(name)} allow_connections false`)
  } catch (error) {
    await dropDatabase(server, name)
    throw error
  }
}

/** Makes a copy of the template under a name of its own, and returns that. */
export async function copyTemplate(server: TestServer, template: string): Promise<string> {
  const name = `tradeblotter_test_${uniqueSuffix()}`
  const statement = sql`create database ${sql.identifier(name)} template ${sql.identifier(template)}`
  for (let attempt = 1; ; attempt++) {
    try {
      await administer(server, statement)
      return name
    } catch (error) {
      // Autovacuum may be in the template.
      if (attempt === COPY_ATTEMPTS || stateOf(error) !== OBJECT_IN_USE) throw error
      await sleep(COPY_PAUSE_MS * attempt)
    }
  }
}

/** Drops the database, also from under open connections. */
export async function dropDatabase(server: TestServer, name: string): Promise<void> {
  await administer(server, sql`drop database if exists ${sql.identifier(name)} with (force)`)
}

/** The URLs of a database on the server. */
export function databaseOn(server: TestServer, name: string): TestServer {
  return { url: withDatabase(server.url, name), directUrl: withDatabase(server.directUrl, name) }
}

/** SHA-256 of this release's migrations, shortened. */
export async function hashOfMigrations(): Promise<string> {
  const hash = createHash('sha256')
  for (const migration of await readMigrations()) hash.update(`${migration.name} ${migration.hash}\n`)
  return hash.digest('hex').slice(0, 12)
}

export function uniqueSuffix(): string {
  return randomUUID().replaceAll('-', '').slice(0, 16)
}

async function administer(server: TestServer, statement: SQL): Promise<readonly object[]> {
  const db = await connectDirect({ url: server.directUrl, directUrl: server.directUrl })
  try {
    return (await db.execute(statement)) as readonly object[]
  } finally {
    await db.close()
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.toString()
}

function stateOf(error: unknown): unknown {
  const cause = isDataError(error) ? error.cause : error
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
