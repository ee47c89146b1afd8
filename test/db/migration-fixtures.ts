import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { onTestFinished } from 'vitest'
import { connectDirect } from '../../src/db/connect.ts'
import type { Database } from '../../src/db/database.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A migration as a test writes it: its moment, and its file. */
export interface TestMigration {
  readonly name: string
  readonly when: number
  readonly sql: string
}

export function aMigration(name: string, when: number, ...statements: string[]): TestMigration {
  return { name, when, sql: statements.join('\n--> statement-breakpoint\n') }
}

/** Writes a migrations folder as drizzle-kit does, over the one that is there. */
export function writeMigrations(migrations: readonly TestMigration[], folder = newFolder()): string {
  mkdirSync(join(folder, 'meta'), { recursive: true })
  const entries = migrations.map(({ name: tag, when }, idx) => ({
    idx,
    version: '7',
    when,
    tag,
    breakpoints: true,
  }))
  const journal = { version: '7', dialect: 'postgresql', entries }
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify(journal))
  for (const migration of migrations) writeFileSync(join(folder, `${migration.name}.sql`), migration.sql)
  return folder
}

/** A migrations folder for one test, alone in a folder for temporary files. */
function newFolder(): string {
  const home = mkdtempSync(join(tmpdir(), 'tradeblotter-migrations-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  return join(home, 'drizzle')
}

/** Runs a statement on a connection of its own and returns its rows. */
export async function runSql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const db = await connectDirect({ url, applicationName: 'test' })
  try {
    return await rowsOf(db, text)
  } finally {
    await db.close()
  }
}

export async function rowsOf(db: Database, text: string): Promise<Record<string, unknown>[]> {
  return (await db.execute(sql.raw(text))) as Record<string, unknown>[]
}

/** Makes an empty database on the server of `url` and returns its own URL. */
export async function createEmptyDatabase(url: string): Promise<string> {
  const name = `migrate_${randomUUID().replaceAll('-', '')}`
  await runSql(url, `create database ${name}`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.toString()
}

export async function dropDatabase(server: string, url: string): Promise<void> {
  await runSql(server, `drop database ${new URL(url).pathname.slice(1)} with (force)`)
}

export interface Outcome {
  readonly code: number | null
  readonly output: string
}

/** Waits for a process to end and returns all it wrote. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let output = ''
  child.stdout?.on('data', (data) => {
    output += data
  })
  child.stderr?.on('data', (data) => {
    output += data
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })))
}

/** Starts a process that migrates and prints its report. */
export function startMigrating(folder: string, options: object): ChildProcess {
  const migrate = new URL('../../src/db/migrate.ts', import.meta.url)
  const program = `
    import { migrateFrom } from ${JSON.stringify(migrate)}
    const report = await migrateFrom(${JSON.stringify(folder)}, ${JSON.stringify(options)})
    process.stdout.write(JSON.stringify(report))`
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs `drizzle-kit migrate` itself. */
export async function kitMigrate(folder: string, url: string): Promise<Outcome> {
  const home = dirname(folder)
  const config = { dialect: 'postgresql', out: './drizzle', dbCredentials: { url } }
  writeFileSync(join(home, 'drizzle.config.json'), JSON.stringify(config))
  const kit = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs')
  return await outcomeOf(
    spawn(process.execPath, [kit, 'migrate', '--config=drizzle.config.json'], {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}
