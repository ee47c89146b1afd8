import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sql } from 'drizzle-orm'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect } from '../../src/connect.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { getMigrationStatus } from '../../src/db/migrate.ts'
import { type ConnectEmbeddedOptions, connectEmbedded } from '../../src/embedded/index.ts'
import { copyMigratedDirectory } from '../migrated-directory.ts'
import { run, temporaryFolder } from './programs.ts'

async function open(options: ConnectEmbeddedOptions): Promise<Connection> {
  const db = await connectEmbedded(options)
  onTestFinished(() => db.close())
  return db
}

/** A directory with a migrated database. */
async function existingDirectory(): Promise<string> {
  const directory = join(await temporaryFolder(), 'data')
  await copyMigratedDirectory(directory)
  return directory
}

async function numbersOf(db: Database): Promise<number[]> {
  const rows = (await db.execute(sql`select n from numbers order by n`)) as { n: number }[]
  return rows.map(({ n }) => n)
}

describe('connectEmbedded', () => {
  it('keeps a directory, made with its parents, from one connection to the next', async () => {
    const directory = join(await temporaryFolder(), 'deep', 'data')
    const first = await open({ directory, migrate: true })
    expect(first.engine).toBe('pglite')
    await first.execute(sql`create table numbers as select 1 as n`)
    await first.close()

    const second = await open({ directory })
    expect(await numbersOf(second)).toEqual([1])
    expect((await getMigrationStatus(second)).pending).toEqual([])
    await second.close()
    expect(await readdir(join(directory, '..'))).toEqual(['data'])
  })

  it('uses an empty directory that is there', async () => {
    const directory = await temporaryFolder()
    const db = await open({ directory, skipSchemaCheck: true })
    expect(await readdir(directory)).toContain('PG_VERSION')
    await db.close()
  })

  it('refuses an unmigrated database without `migrate`, and lets go of its directory', async () => {
    const directory = join(await temporaryFolder(), 'data')
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(connectEmbedded({ directory })).rejects.toMatchObject({
        code: 'schema_mismatch',
        message: expect.stringContaining('migrate'),
      })
    }
    await expect(connectEmbedded()).rejects.toMatchObject({ code: 'schema_mismatch' })
  })

  it('refuses the same directory twice in one process, by whatever path', async () => {
    const folder = dirname(await existingDirectory())
    await open({ directory: join(folder, 'data') })
    await symlink(join(folder, 'data'), join(folder, 'alias'))
    for (const directory of [
      join(folder, 'data'),
      join(folder, 'x', '..', 'data', '/'),
      join(folder, 'alias'),
    ]) {
      await expect(connectEmbedded({ directory, skipSchemaCheck: true })).rejects.toMatchObject({
        code: 'config',
        message: expect.stringMatching(/data' is already open in this process/),
      })
    }
  })

  it('refuses a directory that another process has open, and opens it when that one is done', async () => {
    const directory = await existingDirectory()
    const holder = run('./writer.ts', [directory, '3'])
    await holder.line('acknowledged 3')
    await expect(connectEmbedded({ directory, skipSchemaCheck: true })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`'${directory}' is in use by process ${holder.pid} `),
    })
    holder.finish()
    await holder.line('closed')
    expect(await numbersOf(await open({ directory, skipSchemaCheck: true }))).toEqual([1, 2, 3])
  })

  it('has every acknowledged row after its process was killed while writing', async () => {
    const directory = await existingDirectory()
    const writer = run('./writer.ts', [directory])
    await writer.line('acknowledged 200')
    writer.kill('SIGKILL')
    await writer.ended
    const acknowledged = writer.lines.filter((line) => line.startsWith('acknowledged ')).length
    const stored = await numbersOf(await open({ directory, skipSchemaCheck: true }))
    expect(stored.slice(0, acknowledged)).toEqual(Array.from({ length: acknowledged }, (_, i) => i + 1))
    // The one in flight may have been stored without being reported.
    expect(stored.length - acknowledged).toBeLessThanOrEqual(1)
  })

  it('makes a new database after its process was killed while making it', async () => {
    const folder = await temporaryFolder()
    const directory = join(folder, 'data')
    const maker = run('./writer.ts', [directory])
    const draft = join(folder, '.data.tradeblotter-draft')
    await vi.waitFor(async () => expect((await readdir(draft)).length).toBeGreaterThan(3), {
      timeout: 30_000,
      interval: 2,
    })
    maker.kill('SIGKILL')
    await maker.ended
    expect(await readdir(folder)).not.toContain('data')
    const db = await open({ directory, skipSchemaCheck: true })
    expect(await db.execute(sql`select 1 as n`)).toEqual([{ n: 1 }])
    await db.close()
    expect(await readdir(folder)).toEqual(['data'])
  })

  it('refuses a directory of another major version, says which, and leaves it usable', async () => {
    const older = await existingDirectory()
    const db = await open({ directory: older })
    await db.execute(sql`create table numbers as select 1 as n`)
    await db.close()
    await writeFile(join(older, 'PG_VERSION'), '17\n')

    const refused = connectEmbedded({ directory: older, skipSchemaCheck: true })
    await expect(refused).rejects.toMatchObject({
      code: 'schema_mismatch',
      message: expect.stringMatching(
        /data' holds a database of PostgreSQL 17, .* PostgreSQL 18: dump it .* restore/,
      ),
    })
    await writeFile(join(older, 'PG_VERSION'), '18\n')
    expect(await numbersOf(await open({ directory: older, skipSchemaCheck: true }))).toEqual([1])
  })

  it('refuses a file, a path through a file, a place it cannot write to, and a directory of other files', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'file')
    await writeFile(file, '')
    const places: [string, RegExp][] = [
      [file, /there is a file/],
      [join(file, 'data'), /there is a file/],
      [folder, /holds other files \(file\)/],
    ]
    if (process.platform === 'linux') places.push(['/proc/data', /cannot be used/])
    for (const [directory, message] of places) {
      await expect(connectEmbedded({ directory })).rejects.toMatchObject({
        code: 'config',
        message: expect.stringMatching(message),
      })
    }
    expect(await readdir(folder)).toEqual(['file'])
  })

  it.skipIf(process.getuid?.() === 0)('refuses a directory that belongs to somebody else', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'closed'), { mode: 0o500 })
    await expect(connectEmbedded({ directory: join(folder, 'closed', 'data') })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('may not write'),
    })
  })

  it('lists every wrong option', async () => {
    await expect(connectEmbedded({ directory: ' ', poolWaitMs: 0 })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/directory[\s\S]*poolWaitMs/),
    })
  })

  it('says what to install where PGlite is missing', async () => {
    const hooks = `export async function resolve(name, context, next) {
      if (name.startsWith('@electric-sql')) throw Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(name, context)
    }`
    const encoded = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
    const register = `import { register } from 'node:module'; register(${JSON.stringify(encoded(hooks))})`
    const program = run(
      './writer.ts',
      [join(await temporaryFolder(), 'data')],
      ['--import', encoded(register)],
    )
    expect(await program.line('config:')).toContain('npm install @electric-sql/pglite')
  })

  it('logs statements by name and outcome, without parameters', async () => {
    const entries: object[] = []
    const logger = {
      debug: (fields: object) => entries.push(fields),
      warn: (fields: object) => entries.push(fields),
    }
    const db = await open({ skipSchemaCheck: true, logger })
    await db.execute(sql`select ${'secret'}::text`)
    expect(entries).toContainEqual({ statement: 'query', durationMs: expect.any(Number), outcome: 'ok' })
    expect(JSON.stringify(entries)).not.toContain('secret')
  })
})

describe('connect to pglite://', () => {
  it('opens the directory of a migrated database, and never migrates one itself', async () => {
    const empty = join(await temporaryFolder(), 'my data')
    const directory = join(dirname(empty), 'my other data')
    await copyMigratedDirectory(directory)
    const urlOf = (path: string) => `pglite://${path.replaceAll(' ', '%20')}`
    await expect(connect({ url: urlOf(empty) })).rejects.toMatchObject({ code: 'schema_mismatch' })
    const url = urlOf(directory)
    await using db = await connect({ url, poolSize: 10, applicationName: 'bot' })
    expect(db.engine).toBe('pglite')
    expect(db.pool.size).toBe(1)
  })

  it('reads DATABASE_URL', async () => {
    vi.stubEnv('DATABASE_URL', 'pglite:///proc/data')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(connect()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining("'/proc/data'"),
    })
  })

  it.each(['pglite://', 'pglite://./data?x=1', 'pglite://./100%'])('refuses %s', async (url) => {
    await expect(connect({ url })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(url),
    })
  })

  it('refuses a wrong setting of a server too', async () => {
    await expect(connect({ url: 'pglite://./data', poolWaitMs: -1 })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('poolWaitMs'),
    })
  })
})
