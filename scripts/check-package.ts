import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Packs the package as npm would, examines the tarball, installs it in an empty project and uses it there:
//   npm run check:package

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const bin = (path: string) => join(ROOT, 'node_modules', path)
const TSC = bin('typescript/bin/tsc')
const TSX = bin('tsx/dist/cli.mjs')

/** What a program of a user sees: no database is named in its environment. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/DATABASE|TRADEBLOTTER|^npm_/.test(name)),
)

function main(): void {
  const folder = mkdtempSync(join(tmpdir(), 'tradeblotter-consumer-'))
  try {
    const tarball = step('pack', () => pack(folder))
    step('publint', () => node([bin('publint/src/cli.js'), tarball, '--strict'], ROOT))
    // ESM only: whoever requires it from CommonJS is told so by Node. Old resolution finds the main entry alone.
    step('attw', () =>
      node([bin('@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only'], ROOT),
    )
    const project = join(folder, 'project')
    step('install in an empty project', () => install(project, [tarball]))
    step('use without optional packages', () => useBare(project))
    const optional = [asInstalled('@electric-sql/pglite'), asInstalled('@types/node')]
    step('install the embedded engine', () => install(project, optional))
    step('types in a strict project', () => checkDeclarations(project))
    step('run the examples', () => runExamples(project))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function step<T>(name: string, work: () => T): T {
  const startedAt = performance.now()
  try {
    return work()
  } finally {
    process.stdout.write(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
  }
}

function run(command: string, args: readonly string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: ENVIRONMENT })
  if (result.status === 0) return result.stdout
  throw new Error(
    `${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}${result.error ?? ''}`,
  )
}

function node(args: readonly string[], cwd: string): string {
  return run(process.execPath, args, cwd)
}

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

/** What a release holds besides what is generated. */
const EXPECTED = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs/errors.md', 'docs/units.md']

function pack(folder: string): string {
  const output = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT)
  const [packed] = JSON.parse(output) as Packed[]
  if (!packed) throw new Error('npm pack made nothing')
  const paths = packed.files.map((file) => file.path)
  const migrations = readdirSync(join(ROOT, 'drizzle')).filter((file) => file.endsWith('.sql'))
  const expected = [
    ...EXPECTED,
    'dist/index.js',
    'dist/index.d.ts',
    // The declaration maps lead there.
    'src/index.ts',
    'drizzle/meta/_journal.json',
    ...migrations.map((file) => `drizzle/${file}`),
  ]
  const missing = expected.filter((path) => !paths.includes(path))
  const foreign = paths.filter((path) => !/^(?:dist|src|drizzle|docs)\/|^[\w.]+$/.test(path))
  if (missing.length > 0) throw new Error(`the tarball lacks ${missing.join(', ')}`)
  const stale = paths.filter((path) => {
    const source = path.replace(/^dist\/(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/, 'src/$1.ts')
    return path.startsWith('dist/') && !existsSync(join(ROOT, source))
  })
  if (stale.length > 0) throw new Error(`dist holds what src no longer has, delete it: ${stale.join(', ')}`)
  if (foreign.length > 0) throw new Error(`the tarball holds ${foreign.join(', ')}`)
  return join(folder, packed.filename)
}

function install(project: string, packages: readonly string[]): void {
  if (!existsSync(project)) {
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  }
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  run('npm', ['install', ...quiet, ...packages], project)
}

/** A package at the version that is installed here. */
function asInstalled(name: string): string {
  const { version } = JSON.parse(readFileSync(bin(`${name}/package.json`), 'utf8'))
  return `${name}@${version}`
}

function findInstalled(name: string, project: string): string | undefined {
  const places = createRequire(join(project, 'package.json')).resolve.paths(name) ?? []
  return places.map((place) => join(place, name, 'package.json')).find((file) => existsSync(file))
}

/** Every entry loads, and what needs a package that is not there says which. */
const BARE = `
  import { readFileSync } from 'node:fs'
  const { exports } = JSON.parse(readFileSync('node_modules/tradeblotter/package.json', 'utf8'))
  for (const entry of Object.keys(exports)) {
    if (!entry.endsWith('.json')) await import('tradeblotter' + entry.slice(1))
  }
  const { connect } = await import('tradeblotter')
  const { connectEmbedded } = await import('tradeblotter/embedded')
  const url = 'postgres://nobody@127.0.0.1:1/none'
  const failures = [
    ['npm install pg', () => connect({ url, driver: 'pg' })],
    ['npm install @electric-sql/pglite', () => connectEmbedded()],
    ['DATABASE_URL', () => connect()],
  ]
  for (const [advice, attempt] of failures) {
    const error = await attempt().then(() => undefined, (thrown) => thrown)
    if (error?.code !== 'config' || !error.message.includes(advice)) throw error ?? new Error('no ' + advice)
  }
`

function useBare(project: string): void {
  for (const name of ['pg', '@electric-sql/pglite', 'vitest']) {
    // Also where Node finds it in a folder above: then nothing would be shown by what follows.
    const found = findInstalled(name, project)
    if (found) throw new Error(`the empty project has ${name}, from ${found}`)
  }
  writeFileSync(join(project, 'bare.js'), BARE)
  node(['bare.js'], project)
}

const CONSUMER = `
  import { type Connection, connect, type Fill, recordFill } from 'tradeblotter'
  import * as db from 'tradeblotter/db'
  import { connectEmbedded } from 'tradeblotter/embedded'
  import * as fleet from 'tradeblotter/fleet'
  import { fillsFromCcxt } from 'tradeblotter/importers'
  import * as market from 'tradeblotter/market'
  import * as schema from 'tradeblotter/schema'
  import { createTestDatabase } from 'tradeblotter/testing'
  import * as trading from 'tradeblotter/trading'
  export const all = [connect, recordFill, db, connectEmbedded, fleet, fillsFromCcxt, market, createTestDatabase, trading]
  export const row = (fill: typeof schema.fills.$inferSelect): Fill => fill
  // @ts-expect-error An amount is no number.
  export const record = (handle: Connection) => recordFill(handle, { price: 1.5 })
`

/** Our own declarations must hold in a project that checks those of its packages too. */
function checkDeclarations(project: string): void {
  writeFileSync(join(project, 'consumer.ts'), CONSUMER)
  const options = [
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2023,esnext.disposable',
    '--strict',
    '--noEmit',
    '--types',
    'node',
  ]
  const result = spawnSync(process.execPath, [TSC, ...options, '--pretty', 'false', 'consumer.ts'], {
    cwd: project,
    encoding: 'utf8',
  })
  const ours = result.stdout
    .split('\n')
    .filter((line) => /^(?:node_modules\/tradeblotter\/|consumer)/.test(line))
  if (ours.length > 0) throw new Error(`declarations do not hold:\n${ours.join('\n')}`)
}

/** The examples that the tests do not run. */
const EXAMPLES = [
  'record-a-trade.ts',
  'bot-loop.ts',
  'import-ccxt.ts',
  'trade-ideas.ts',
  'own-tables/own-tables.ts',
]

function runExamples(project: string): void {
  cpSync(join(ROOT, 'examples'), join(project, 'examples'), { recursive: true })
  for (const example of EXAMPLES) {
    const output = node([TSX, `examples/${example}`], project)
    if (output.trim() === '') throw new Error(`${example} printed nothing`)
  }
}

main()
