import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { isDataError } from '../src/db/errors.ts'
import { translateError } from '../src/db/sqlstate.ts'
import { connectEmbedded } from '../src/embedded/index.ts'
import * as importers from '../src/importers/index.ts'
import * as api from '../src/index.ts'
import * as statistics from '../src/statistics/index.ts'
import { copyMigratedDirectory } from './migrated-directory.ts'
import {
  type BuiltPackage,
  buildPackage,
  checkTypes,
  PATIENCE_MS,
  ROOT,
  runNode,
  runProgram,
} from './package-build.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const manifest = JSON.parse(read('package.json'))

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
]

interface Block {
  readonly page: string
  readonly language: string
  /** What is said after the language: `file=first.ts`, `check`, … */
  readonly mark: string
  readonly text: string
}

const blocks: readonly Block[] = PAGES.flatMap((page) =>
  [...read(page).matchAll(/^```(\w*) ?(.*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', mark = '', text = '']) => ({
      page,
      language,
      mark,
      text,
    }),
  ),
)

function marked(kind: string): { readonly name: string; readonly text: string }[] {
  return blocks
    .filter(({ mark }) => mark.startsWith(`${kind}=`))
    .map(({ mark, text }) => ({ name: mark.slice(kind.length + 1), text }))
}

/** The rows of the table under a heading line, without the code marks. */
function tableRows(page: string, heading: string): string[][] {
  const lines = read(page).split('\n')
  const start = lines.indexOf(heading)
  if (start === -1) throw new Error(`${page} has no table '${heading}'`)
  const rows = lines.slice(start + 2)
  const end = rows.findIndex((line) => !line.startsWith('|'))
  return rows.slice(0, end === -1 ? undefined : end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

function codesIn(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
}

describe('the programs in the pages', () => {
  let built: BuiltPackage
  beforeAll(async () => {
    built = await buildPackage()
    for (const { name, text } of [...marked('file'), ...marked('test')]) {
      writeFileSync(join(built.directory, name), text)
    }
    return () => built[Symbol.dispose]()
  })

  test('say each what is done with them here', () => {
    const programs = blocks.filter(({ language }) => language === 'ts')
    expect(programs.length).toBeGreaterThan(3)
    const unmarked = programs.filter(({ mark }) => !/^(?:check|(?:file|test)=[\w.-]+\.ts)$/.test(mark))
    expect(unmarked.map(({ page, text }) => `${page}: ${text}`)).toEqual([])
  })

  test('compile in a strict project of a user', async () => {
    const files = [...marked('file'), ...marked('test')].map(({ name }) => name)
    const checked = blocks.filter(({ language, mark }) => language === 'ts' && mark === 'check')
    for (const [index, { text }] of checked.entries()) {
      files.push(`block-${index}.ts`)
      writeFileSync(join(built.directory, `block-${index}.ts`), text)
    }
    expect(await checkTypes(built.directory, files)).toBe('')
    writeFileSync(
      join(built.directory, 'wrong.ts'),
      "import { noSuchVerb } from 'tradeblotter'\nnoSuchVerb()\n",
    )
    expect(await checkTypes(built.directory, ['wrong.ts'])).toContain("no exported member 'noSuchVerb'")
  })

  test.each(marked('file'))('run: $name prints what the page says', async ({ name }) => {
    const result = await runProgram(name, { cwd: built.directory })
    const expected = marked('output').find((output) => output.name === name)
    expect(result.stderr).toBe('')
    expect(result.status).toBe(0)
    // CSV has the line ends of its standard, which a page cannot show.
    expect(result.stdout.replaceAll('\r\n', '\n')).toBe(expected?.text)
  })

  test('ask the tables what they have, where they are SQL', async () => {
    const asked = blocks.filter(({ language, mark }) => language === 'sql' && mark === 'check')
    expect(asked.length).toBeGreaterThan(1)
    await copyMigratedDirectory(join(built.directory, 'sql'))
    await using db = await connectEmbedded({ directory: join(built.directory, 'sql') })
    for (const statement of asked.flatMap(({ text }) => text.split(/;\s*/)).filter(Boolean)) {
      // As Grafana does.
      const filtered = statement.replaceAll(
        /\$__timeFilter\((.+?)\)/g,
        "$1 between '2024-01-01' and '2025-01-01'",
      )
      await db.execute(sql.raw(filtered))
    }
    await expect(db.execute(sql`select no_such from analytics.daily_pnl`)).rejects.toThrow('no_such')
  })

  test.each(marked('test'))('pass: $name is a suite of a user', async ({ name }) => {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const result = await runNode([vitest, 'run', '--root', '.', name], { cwd: built.directory })
    expect(result.stdout + result.stderr).toMatch(/Tests\s+.*1 passed/)
    expect(result.status).toBe(0)
  })
})

describe('the pages', () => {
  test('link to what exists', () => {
    const broken = PAGES.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)/g)].flatMap(
        ([, path = '', anchor]) => {
          const target = path === '' ? page : join(dirname(page), path)
          if (!existsSync(join(ROOT, target))) return [`${page}: ${path}`]
          return anchor === undefined || anchorsOf(target).includes(anchor)
            ? []
            : [`${page}: ${path}#${anchor}`]
        },
      ),
    )
    expect(broken).toEqual([])
  })

  test('name scripts that package.json has', () => {
    const named = PAGES.flatMap((page) => [...read(page).matchAll(/\bnpm (?:run (\w[\w:]*)|(test))\b/g)])
    const scripts = named.map((match) => match[1] ?? match[2])
    expect(scripts).toContain('demo')
    expect(scripts.filter((script) => !(script ?? '' in manifest.scripts))).toEqual([])
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(scripts))
  })

  test('speak of the project alone', () => {
    const foreign = PAGES.filter((page) =>
      /\/(?:work|tmp|root|home)\/|shared\/(?:design|facts)/.test(read(page)),
    )
    expect(foreign).toEqual([])
  })
})

function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

describe('README.md', () => {
  test('lists every verb once, and nothing else', () => {
    const listed = tableRows('docs/verbs.md', '| About | Verbs |').flatMap((row) => codesIn(row[1]))
    const verbs = Object.entries(api)
      .filter(([name, value]) => typeof value === 'function' && !/^[A-Z]/.test(name))
      .map(([name]) => name)
    expect(listed.toSorted()).toEqual(verbs.toSorted())
  })

  test('lists every setting and its variable', () => {
    const listed = tableRows('README.md', '| Setting | Variable | Unless given |').flatMap((row) =>
      codesIn(row[1]),
    )
    const variables = read('src/db/config.ts').matchAll(/^ {2}(\w+): '((?:DATABASE|TRADEBLOTTER)_\w+)',$/gm)
    const known = [...variables].map((match) => match[2])
    expect(known.length).toBeGreaterThan(5)
    expect(listed).toEqual(known)
  })

  test('names every entry of the package', () => {
    const entries = Object.keys(manifest.exports).filter((entry) => entry !== '.' && !entry.endsWith('.json'))
    const page = read('README.md')
    expect(entries.filter((entry) => !page.includes(`\`tradeblotter/${entry.slice(2)}\``))).toEqual([])
  })
})

describe('docs/errors.md', () => {
  test('has every code, in the order of the source', () => {
    const listed = tableRows('docs/errors.md', '| Code | Means | A bot should |').map(
      (row) => codesIn(row[0])[0],
    )
    expect(listed).toEqual([...api.ERROR_CODES])
  })

  test('has the SQLSTATEs of the source, with the codes that they get', () => {
    const rows = tableRows('docs/errors.md', '| SQLSTATE | Code | Is |')
    const listed = rows.map((row) => [codesIn(row[0])[0]?.replace('…', ''), codesIn(row[1])[0]] as const)
    for (const [state, code] of listed) {
      const thrown = Object.assign(new Error('refused'), { code: state?.padEnd(5, 'Z') })
      const error = translateError(thrown, 'verb')
      expect(isDataError(error) && error.code, state).toBe(code)
    }
    const source = read('src/db/sqlstate.ts').matchAll(/^ {2}'?([0-9A-Z]{2}|[0-9A-Z]{5})'?: '(\w+)',$/gm)
    const known = [...source].map((match) => [match[1], match[2]])
    expect(known.length).toBeGreaterThan(10)
    expect(listed.map(String).toSorted()).toEqual(known.map(String).toSorted())
  })
})

describe('docs/units.md', () => {
  test('has every closed list with its values', () => {
    const listed = tableRows('docs/units.md', '| List | Values |').map((row) => [
      codesIn(row[0])[0],
      codesIn(row[1]),
    ])
    const lists = Object.entries({ ...api, ...statistics, ...importers }).filter(
      ([name, value]) => Array.isArray(value) && name !== 'ERROR_CODES',
    )
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(lists))
  })

  test('says of each first word of a verb what it means', () => {
    const told = tableRows('docs/units.md', '| Word | Means | Returns |').flatMap((row) => codesIn(row[0]))
    const verbs = Object.entries(api).filter(
      ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name),
    )
    const words = new Set(verbs.map(([name]) => /^[a-z]+/.exec(name)?.[0]))
    expect([...words].filter((word) => !told.includes(word ?? ''))).toEqual([])
    expect(told.filter((word) => !words.has(word))).toEqual([])
  })

  test('speaks of fields that the schema or the inputs have', () => {
    const named = tableRows('docs/units.md', '| Amount | Unit | Sign |').flatMap((row) => codesIn(row[0]))
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => read(`src/${file}`))
      .join('\n')
    expect(named.filter((name) => !new RegExp(`^\\s+(?:readonly )?${name}\\??:`, 'm').test(sources))).toEqual(
      [],
    )
  })
})

describe('docs/architecture.md', () => {
  test('gives a reason for every dependency, and for no other', () => {
    const listed = tableRows('docs/architecture.md', '| Package | Why |').flatMap((row) => codesIn(row[0]))
    const { dependencies, devDependencies, peerDependencies } = manifest
    const used = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })
    expect(listed.toSorted()).toEqual(used.toSorted())
  })
})

describe('CHANGELOG.md', () => {
  test('has an entry for this version, with its migrations', () => {
    const entry = read('CHANGELOG.md').split(/^## /m)[1] ?? ''
    expect(entry.startsWith(manifest.version)).toBe(true)
    const migrations = readdirSync(join(ROOT, 'drizzle')).filter((file) => file.endsWith('.sql'))
    const named = codesIn(read('CHANGELOG.md'))
    expect(
      migrations.map((file) => file.replace('.sql', '')).filter((name) => !named.includes(name)),
    ).toEqual([])
  })
})
