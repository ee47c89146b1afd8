import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { migrateConnection } from '../db/migrate.ts'
import { connectToEngine } from '../embedded/connect-embedded.ts'
import { type EmbeddedEngine, startEngine } from '../embedded/pglite-engine.ts'
import { hashOfMigrations, uniqueSuffix } from './server-database.ts'

/**
 * Starts an engine in memory with this release's migrations.
 *
 * Making a database takes seconds, loading a copy half of one. So the first caller keeps what it made: in the folder for
 * temporary files, since a test runner gives each file a process of its own.
 */
export async function startMigratedEngine(): Promise<EmbeddedEngine> {
  const file = await templateFile()
  const kept = file === undefined ? undefined : await readTemplate(file)
  if (kept) return await startEngine({ dump: kept })

  const engine = await startEngine()
  const db = connectToEngine({ ...engine, close: async () => undefined })
  try {
    await migrateConnection(db)
    await db.close()
    // Migrations that were edited meanwhile may not be those of the name.
    if (file !== undefined && file === (await templateFile())) await writeTemplate(file, await engine.dump())
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** Undefined where no folder is safe from other users of the machine. */
async function templateFile(): Promise<string | undefined> {
  const uid = process.getuid?.()
  const folder = join(tmpdir(), uid === undefined ? 'tradeblotter' : `tradeblotter-${uid}`)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const found = await lstat(folder)
    const isOurs =
      found.isDirectory() && (uid === undefined || (found.uid === uid && (found.mode & 0o077) === 0))
    return isOurs ? join(folder, `${await templateName()}.tar.gz`) : undefined
  } catch {
    return undefined
  }
}

async function templateName(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite')
  const manifest = await readFile(join(dirname(entry), '..', 'package.json'))
  const engine = createHash('sha256').update(manifest).digest('hex').slice(0, 12)
  return `template-${engine}-${await hashOfMigrations()}`
}

async function readTemplate(file: string): Promise<Blob | undefined> {
  try {
    return new Blob([await promisify(gunzip)(await readFile(file))])
  } catch {
    // Not there yet, or no whole file: it is made anew.
    return undefined
  }
}

async function writeTemplate(file: string, dump: Blob): Promise<void> {
  const draft = `${file}.${uniqueSuffix()}`
  try {
    await writeFile(draft, await promisify(gzip)(await dump.arrayBuffer(), { level: 1 }))
    await rename(draft, file)
  } catch {
    // A full disk costs the next caller time, nothing else.
    await rm(draft, { force: true })
  }
}
