import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findJournalProblems } from './journal.ts'

// Fails when src/schema.ts says something that drizzle/ does not: npx tsx scripts/drift.ts

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface DriftInput {
  /** The schema file. */
  readonly schema: string
  /** The migrations folder; it is copied, never written to. */
  readonly migrations: string
}

/** Generates into a copy of the migrations and says what would change. */
export function findDrift({ schema, migrations }: DriftInput): string[] {
  const problems = findJournalProblems(migrations)
  const directory = mkdtempSync(join(tmpdir(), 'drift-'))
  try {
    const copy = join(directory, 'drizzle')
    cpSync(migrations, copy, { recursive: true })
    const output = generate(schema, copy, 'drift')
    const changed = compareFolders(migrations, copy)
    problems.push(...changed)
    // drizzle-kit 0.31 also exits with 0 after a schema that does not load, and after a question that nobody answers.
    if (changed.length === 0 && !output.includes('No schema changes')) {
      problems.push(`drizzle-kit did not come to an end:\n${output.trim()}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
  return problems
}

/** Runs `drizzle-kit generate` and returns what it said. */
export function generate(schema: string, out: string, name: string): string {
  const kit = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs')
  // It puts ./ before whatever path it is given, so only a relative one works.
  const options = [
    '--dialect=postgresql',
    `--schema=${relative(ROOT, schema)}`,
    `--out=${relative(ROOT, out)}`,
  ]
  const result = spawnSync(process.execPath, [kit, 'generate', `--name=${name}`, ...options], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return `${result.stdout}${result.stderr}`
}

function compareFolders(before: string, after: string): string[] {
  const problems: string[] = []
  for (const file of readdirSync(after, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(?:sql|json)$/.test(file)) continue
    const now = readFileSync(join(after, file), 'utf8')
    const then = readIfThere(join(before, file))
    if (then === now) continue
    const what = then === undefined ? 'would be new' : 'would change'
    problems.push(`drizzle/${file} ${what}${file.endsWith('.sql') ? `:\n${now}` : ''}`)
  }
  return problems
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = findDrift({ schema: join(ROOT, 'src/schema.ts'), migrations: join(ROOT, 'drizzle') })
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (problems.length > 0) {
    process.stderr.write('The schema and drizzle/ differ: npx drizzle-kit generate --name <what-changes>\n')
    process.exitCode = 1
  }
}
