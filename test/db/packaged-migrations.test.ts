import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findDrift, generate } from '../../scripts/drift.ts'
import { findJournalProblems } from '../../scripts/journal.ts'
import { dumpSchema } from '../../scripts/schema-catalog.ts'
import { connect } from '../../src/db/connect.ts'
import { checkHealth } from '../../src/db/health.ts'
import { migrate } from '../../src/db/migrate.ts'
import { PACKAGED_MIGRATIONS, readMigrations } from '../../src/db/migrations.ts'
import { testServer } from '../database.ts'
import { aMigration, createEmptyDatabase, dropDatabase, writeMigrations } from './migration-fixtures.ts'

const SERVER = testServer().directUrl
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let url = ''
beforeAll(async () => {
  url = await createEmptyDatabase(SERVER)
})
afterAll(async () => {
  await dropDatabase(SERVER, url)
})

describe('the migrations of this package', () => {
  test('are dated in their order, and the journal lists every file', () => {
    expect(findJournalProblems(PACKAGED_MIGRATIONS)).toEqual([])
  })

  test('are what the schema says', () => {
    expect(findDrift({ schema: join(ROOT, 'src/schema.ts'), migrations: PACKAGED_MIGRATIONS })).toEqual([])
  })

  test('bring an empty database to the state that connect wants and docs/schema.sql describes', async () => {
    await expect(connect({ url })).rejects.toMatchObject({ code: 'schema_mismatch' })
    const applied = (await readMigrations()).map((migration) => migration.name)
    const version = applied.at(-1)
    // Through pg, which also refuses two statements without a breakpoint between them.
    expect(await migrate({ url, driver: 'pg' })).toEqual({ applied, late: [], alreadyApplied: 0, version })
    await using db = await connect({ url })
    expect(await checkHealth(db)).toMatchObject({ ok: true, schemaVersion: version, pendingMigrations: 0 })
    expect(await dumpSchema(db)).toBe(readFileSync(join(ROOT, 'docs/schema.sql'), 'utf8'))
  })
})

describe('the drift check', () => {
  const TABLE = `import { integer, pgSchema } from 'drizzle-orm/pg-core'
    export const app = pgSchema('app')
    export const a = app.table('a', { first: integer('first'), second: integer('second') })`

  // Beside the project's own node_modules, where the schema finds drizzle-orm.
  let home = ''
  let schema = ''
  beforeAll(() => {
    home = mkdtempSync(join(ROOT, 'node_modules', '.drift-'))
    schema = join(home, 'schema.ts')
  })
  afterAll(() => rmSync(home, { recursive: true }))

  test('passes what is generated, and finds a new table', () => {
    const migrations = join(home, 'drizzle')
    writeMigrations([], migrations)
    writeFileSync(schema, TABLE)
    const missing = findDrift({ schema, migrations }).join()
    expect(missing).toContain('drizzle/0000_drift.sql would be new')
    expect(missing).toContain('CREATE TABLE "app"."a"')
    generate(schema, migrations, 'first')
    expect(findDrift({ schema, migrations })).toEqual([])
  })

  test('finds a question that nobody answers, and a schema that does not load', () => {
    const migrations = join(home, 'drizzle')
    writeFileSync(schema, TABLE.replace("second: integer('second')", "third: integer('third')"))
    expect(findDrift({ schema, migrations }).join()).toContain('Interactive prompts require a TTY')
    writeFileSync(schema, 'nonsense()')
    expect(findDrift({ schema, migrations }).join()).toContain('nonsense is not defined')
  })
})

describe('the journal check', () => {
  test('finds files that are dated wrongly, numbered wrongly, not listed or not there', () => {
    const folder = writeMigrations([
      aMigration('0000_first', 2000, 'select 1'),
      aMigration('0001_second', 2000, 'select 1'),
      aMigration('0003_third', 3000, 'select 1'),
    ])
    rmSync(join(folder, '0003_third.sql'))
    writeFileSync(join(folder, '0009_stray.sql'), 'select 1')
    expect(findJournalProblems(folder)).toEqual([
      '0001_second is not dated after 0000_first: drizzle-kit would skip it; generate it anew',
      '0003_third in place 2 should begin with 0002',
      '0009_stray.sql is not in the journal: it never runs',
      '0003_third.sql is in the journal and does not exist',
    ])
  })
})
