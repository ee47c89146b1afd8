import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DataError } from '../src/db/errors.ts'
import { translateError } from '../src/db/sqlstate.ts'
import * as api from '../src/index.ts'
import {
  type Exceptions,
  FOLDERS,
  findEmptyNames,
  findForbidden,
  findForeignPackages,
  findImportsAgainstOrder,
  findLongFiles,
  findSchemaImports,
  findUnexplainedIndexes,
  findUnknownPlaces,
  indexesOf,
  reach,
  type Sources,
  viewsOf,
} from './architecture-rules.ts'
import { createDatabase, type ServerDatabase } from './database.ts'
import { type BuiltPackage, buildPackage, PATIENCE_MS, ROOT, runNode } from './package-build.ts'
import { findMisnamed, findRepeatedIndexes, findUnscoped, readCatalog } from './schema-rules.ts'

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replaceAll('\\', '/'))
}

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

const sources: Sources = new Map(
  filesIn('src').map((file) => [file, readFileSync(join(ROOT, 'src', file), 'utf8')]),
)

/** The source with one more file in it, to see that a rule notices. */
function plus(file: string, text: string): Sources {
  return new Map([...sources, [file, text]])
}

const AMOUNT_ESCAPES = /\bNumber\b(?!\.is)|\bparse(?:Float|Int)\b|\.toNumber\(/g
const WIRE = 'reads integers and doubles from the wire; numeric stays text'
const RATIO = 'ratios, each one exact quotient'
const NUMBER_USES: Exceptions = {
  'analytics/performance-days.ts': { times: 3, because: 'returns and profit of statistics, and a count' },
  'analytics/compare-backtest.ts': { times: 1, because: RATIO },
  'analytics/performance-returns.ts': { times: 1, because: 'profit, as statistics take it to find falls' },
  'analytics/period-pnl.ts': { times: 1, because: RATIO },
  'analytics/tear-sheet/script.ts': { times: 2, because: 'where points are drawn' },
  'audit/chain-heads.ts': { times: 2, because: 'places in a chain' },
  'db/columns.ts': { times: 3, because: 'a 64-bit count, and no number in place of digits of a time' },
  'db/link-pg.ts': { times: 1, because: WIRE },
  'db/link-postgres.ts': { times: 2, because: `${WIRE}, and the keys of a table of type numbers` },
  'db/migration-status.ts': { times: 1, because: 'milliseconds since 1970' },
  'db/session.ts': { times: 1, because: 'a count of rows' },
  'embedded/link-pglite.ts': { times: 1, because: WIRE },
  'importers/ccxt-entry.ts': { times: 1, because: 'finds the text that a float was read from' },
  'importers/csv-times.ts': { times: 1, because: 'times and counts' },
  'market/candle-check.ts': { times: 7, because: 'compares, and exactly where doubles are equal' },
  'market/candles.ts': { times: 2, because: 'a count of trades, and columns of doubles, named inexact' },
  'statistics/trade-statistics.ts': { times: 1, because: RATIO },
  'trading/record-fills.ts': { times: 2, because: 'compares times' },
}

const BARE_QUERY = /\b(?:await|return)\s+(?:db|tx)\s*\.(?!close\(|transaction\()/g
const BARE_QUERIES: Exceptions = {
  'testing/server-database.ts': { times: 1, because: 'makes and drops databases, which is no verb' },
}

const ENVIRONMENT = /\bprocess\s*\.\s*env\b/g
const ENVIRONMENT_READERS = ['db/config.ts', 'connect.ts', 'testing']

describe('the source', () => {
  test('has a place in the order for every file', () => {
    expect(findUnknownPlaces(sources)).toEqual([])
    expect(findUnknownPlaces(plus('stray/a.ts', ''))).toHaveLength(1)
    expect(findUnknownPlaces(plus('stray.ts', ''))).toHaveLength(1)
  })

  test('imports only its own folder and those above', () => {
    expect(findImportsAgainstOrder(sources)).toEqual([])
    const bad = [
      ['db/a.ts', "import { bots } from '../fleet/schema.ts'"],
      ['db/b.ts', "export {\n  bots,\n} from '../fleet/schema.ts'"],
      ['fleet/a.ts', "import type { Fill } from '../trading/index.ts'"],
      ['trading/a.ts', "import { connect } from '../index.ts'"],
      ['trading/b.ts', "import * as schema from '../schema.ts'"],
      ['trading/c.ts', "const { connect } = await import('../connect.ts')"],
      ['trading/d.ts', "import './gone.ts'"],
      ['connect.ts', "import { connectEmbedded } from './embedded/index.ts'"],
    ] as const
    for (const [file, text] of bad) expect(findImportsAgainstOrder(plus(file, text)), text).toHaveLength(1)
  })

  test('keeps schema files free of verbs', () => {
    expect(findSchemaImports(sources)).toEqual([])
    const bad = [
      ['trading/schema/a.ts', "import { getBot } from '../../fleet/bots.ts'"],
      ['trading/schema/b.ts', "import { listTrades } from '../trades.ts'"],
    ] as const
    for (const [file, text] of bad) expect(findSchemaImports(plus(file, text)), text).toHaveLength(1)
  })

  test('uses packages that are declared, each where it belongs', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    expect(findForeignPackages(sources, declared)).toEqual([])
    const bad = [
      ['trading/a.ts', "import { PGlite } from '@electric-sql/pglite'"],
      ['trading/b.ts', "const pg = await import('pg')"],
      ['trading/c.ts', "import { Decimal } from 'decimal.js'"],
      ['db/d.ts', "import fc from 'fast-check'"],
    ] as const
    for (const [file, text] of bad)
      expect(findForeignPackages(plus(file, text), declared), text).toHaveLength(1)
    const used = new Set([...sources.keys()].flatMap((file) => [...reach(sources, file)]))
    // What is put into a page is not imported; its file is looked up.
    const isLookedUp = (name: string) =>
      [...sources.values()].some((text) => text.includes(`resolve('${name}')`))
    const isUsed = (name: string) =>
      isLookedUp(name) ||
      [...used].some((specifier) => specifier === name || specifier.startsWith(`${name}/`))
    expect(Object.keys(manifest.dependencies).filter((name) => !isUsed(name))).toEqual([])
  })

  test('keeps the arithmetic of positions free of any database', () => {
    for (const file of ['trading/position-math.ts', 'trading/round-trips.ts', 'trading/ledger-order.ts']) {
      expect(sources.has(file)).toBe(true)
      const packages = [...reach(sources, file)].filter((name) => !sources.has(name))
      expect(packages.filter((name) => name !== 'decimal.js')).toEqual([])
    }
    const broken = plus('trading/position-values.ts', "import { sql } from 'drizzle-orm'")
    expect(reach(broken, 'trading/position-math.ts')).toContain('drizzle-orm')
  })

  test('sends each query under the name of its verb', () => {
    expect(findForbidden(sources, BARE_QUERY, { except: BARE_QUERIES, outside: ['db'] })).toEqual([])
    const bad = ['await db.select()', 'const rows = await db\n  .select()', 'return tx.insert(fills)']
    for (const text of bad) expect(findForbidden(plus('fleet/a.ts', text), BARE_QUERY)).not.toEqual([])
    expect(findForbidden(new Map([['fleet/a.ts', '// await db.select()']]), BARE_QUERY)).toEqual([])
  })

  test('reads the environment in one place', () => {
    expect(findForbidden(sources, ENVIRONMENT, { outside: ENVIRONMENT_READERS })).toEqual([])
    const bad = plus('fleet/a.ts', 'const url = process.env.URL')
    expect(findForbidden(bad, ENVIRONMENT, { outside: ENVIRONMENT_READERS })).toHaveLength(1)
  })

  test('never turns an amount into a JS number', () => {
    expect(findForbidden(sources, AMOUNT_ESCAPES, { except: NUMBER_USES })).toEqual([])
    for (const text of ['Number(price)', 'parseFloat(text)', 'cost.toNumber()', 'texts.map(Number)']) {
      const found = findForbidden(plus('fleet/a.ts', text), AMOUNT_ESCAPES, { except: NUMBER_USES })
      expect(found, text).toHaveLength(1)
    }
    const oneTooMany = { ...NUMBER_USES, 'db/session.ts': { times: 9, because: '' } }
    expect(findForbidden(sources, AMOUNT_ESCAPES, { except: oneTooMany })).toHaveLength(1)
  })

  test('prints nothing and ends no process', () => {
    const pattern = /\bprocess\s*\.\s*(?:exit|stdout|stderr)\b|\bconsole\s*\./g
    expect(findForbidden(sources, pattern)).toEqual([])
    expect(findForbidden(plus('fleet/a.ts', 'process.exit(1)'), pattern)).toHaveLength(1)
  })

  test('has no file over 400 lines', () => {
    expect(findLongFiles(sources)).toEqual([])
    expect(findLongFiles(plus('fleet/a.ts', '1\n'.repeat(401)))).toEqual(['fleet/a.ts has 401 lines'])
  })

  test('has no names that say nothing', () => {
    const paths = ['src', 'test', 'scripts'].flatMap((folder) =>
      filesIn(folder).map((file) => `${folder}/${file}`),
    )
    expect(findEmptyNames(paths)).toEqual([])
    expect(findEmptyNames(['src/utils/a.ts', 'src/fleet/helpers.ts', 'test/types.test.ts'])).toHaveLength(3)
  })

  test('orders its folders as the architecture page does', () => {
    const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
    const listed = [...page.matchAll(/^\| `(\w+)\/` \|/gm)].map((match) => match[1])
    const present = FOLDERS.filter((folder) =>
      [...sources.keys()].some((file) => file.startsWith(`${folder}/`)),
    )
    expect(listed).toEqual(present)
  })
})

describe('importing the package', () => {
  let built: BuiltPackage
  beforeAll(async () => {
    built = await buildPackage()
    return () => built[Symbol.dispose]()
  })

  const PROBE = `
    import { readFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    const read = []
    process.env = new Proxy(process.env, {
      get(target, name) {
        if (/[\\/]dist[\\/]/.test(new Error().stack ?? '')) read.push(String(name))
        return Reflect.get(target, name)
      },
    })
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
    const globals = new Set(Reflect.ownKeys(globalThis))
    for (const entry of Object.keys(exports)) {
      if (!entry.endsWith('.json')) await import('tradeblotter' + entry.slice(1))
    }
    // What the module loader opened is closed by then.
    await sleep(50)
    const opened = process.getActiveResourcesInfo()
    const added = Reflect.ownKeys(globalThis).filter((key) => !globals.has(key)).map(String)
    process.stdout.write(JSON.stringify({ read, opened, added }))
  `

  async function probe() {
    const result = await runNode(['--input-type=module', '--eval', PROBE], { cwd: built.directory })
    expect(result.stderr).toBe('')
    expect(result.status).toBe(0)
    const found = JSON.parse(result.stdout) as Record<'read' | 'opened' | 'added', string[]>
    // Zod's own: its registry and settings, for several copies of it in one process.
    return { ...found, added: found.added.filter((key) => !key.startsWith('__zod_')) }
  }

  test('opens nothing, reads no environment, sets no global, and lets the process end', async () => {
    expect(await probe()).toEqual({ read: [], opened: [], added: [] })
  })

  test('would be found to do so', async () => {
    const leak = '\nprocess.env.HOME; globalThis.leaked = 1; setTimeout(() => undefined, 3_000)\n'
    appendFileSync(join(built.directory, 'dist/fleet/index.js'), leak)
    expect(await probe()).toEqual({ read: ['HOME'], opened: ['Timeout'], added: ['leaked'] })
  })
})

describe('every table', () => {
  let database: ServerDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database.close())

  test('of a bot has bot_id first in every key and in every reference to another', async () => {
    expect(findUnscoped(await readCatalog(database.db))).toEqual([])
  })

  test('has constraints and indexes whose names say table and columns', async () => {
    expect(findMisnamed(await readCatalog(database.db))).toEqual([])
  })

  test('has each index once, defined in a schema file under a comment that names its verb', async () => {
    const { indexes } = await readCatalog(database.db)
    expect(findRepeatedIndexes({ tables: [], constraints: [], indexes })).toEqual([])
    const live = indexes.filter((one) => !one.isConstraint).map((one) => one.name)
    expect(
      indexesOf(sources)
        .map((one) => one.name)
        .sort(),
    ).toEqual(live.sort())
    const verbs = [...Object.keys(api), ...viewsOf(sources)]
    expect(findUnexplainedIndexes(sources, verbs)).toEqual([])
    const silent = plus('fleet/schema.ts', "\n    // For speed.\n    index('bots_kind_idx').on(bot.kind),\n")
    expect(findUnexplainedIndexes(silent, verbs)).toHaveLength(1)
  })

  test('lends its column to the error of a broken rule', async () => {
    const { tables } = await readCatalog(database.db)
    for (const { table } of tables) {
      const constraint = `${table.split('.')[1]}_some_column_check`
      const thrown = Object.assign(new Error('broken'), { code: '23514', constraint })
      const error = translateError(thrown, 'verb')
      expect(error instanceof DataError && error.field, table).toBe('someColumn')
    }
  })

  test('would be found if it broke these rules', async () => {
    const bad = await createDatabase()
    try {
      await bad.db.execute(sql`create table trading.strays (
        id uuid constraint strays_id_key unique, bot_id text, order_id uuid, size numeric,
        constraint strays_pk primary key (id, bot_id), constraint size_positive check (size > 0),
        constraint strays_order_id_fkey foreign key (order_id, bot_id) references trading.orders (id, bot_id))`)
      await bad.db.execute(sql`create table trading.nobodys (id uuid)`)
      await bad.db.execute(sql`create index strays_by_size on trading.strays (size)`)
      await bad.db.execute(sql`create index strays_size_idx on trading.strays (size)`)
      const catalog = await readCatalog(bad.db)
      expect(findUnscoped(catalog)).toEqual([
        'trading.nobodys has no bot_id',
        'trading.nobodys has no primary key',
        'strays_id_key does not begin with bot_id',
        'strays_pk does not begin with bot_id',
        'strays_order_id_fkey may point into another bot',
      ])
      expect(findMisnamed(catalog)).toEqual([
        'trading.strays: size_positive should end in check',
        'trading.strays: size_positive should be strays_size_check',
        'trading.strays: strays_pk should end in pkey',
        'trading.strays: strays_by_size should end in idx',
      ])
      expect(findRepeatedIndexes(catalog)).toEqual(['strays_size_idx repeats strays_by_size'])
    } finally {
      await bad.close()
    }
  })
})
