import { dirname, join, normalize } from 'node:path/posix'

// What docs/architecture.md says of the source, as functions that list where it is not so.

/** The order of folders: each imports itself and those above it. Not all of them are there yet. */
export const FOLDERS = [
  'db',
  'statistics',
  'audit',
  'access',
  'fleet',
  'market',
  'snapshots',
  'strategy',
  'analysis',
  'trading',
  'risk',
  'ideas',
  'arbitrage',
  'analytics',
  'maintenance',
  'importers',
  'embedded',
  'testing',
  'cli',
] as const

/** Source files by their path from `src`, with forward slashes. */
export type Sources = ReadonlyMap<string, string>

interface Import {
  readonly file: string
  readonly line: number
  /** As written. */
  readonly specifier: string
  /** The path from `src` of a file of ours. */
  readonly target: string | undefined
  readonly isDynamic: boolean
}

const STATIC_IMPORT = /^(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'/gm
const DYNAMIC_IMPORT = /\bimport\(\s*'([^']+)'\s*\)/g

export function importsOf(file: string, text: string): Import[] {
  const code = withoutComments(text)
  const found = [
    ...[...code.matchAll(STATIC_IMPORT)].map((match) => ({ match, isDynamic: false })),
    ...[...code.matchAll(DYNAMIC_IMPORT)].map((match) => ({ match, isDynamic: true })),
  ]
  return found.map(({ match, isDynamic }) => {
    const specifier = match[1] ?? match[2] ?? ''
    const isOurs = specifier.startsWith('.')
    return {
      file,
      line: lineOf(code, match.index),
      specifier,
      target: isOurs ? normalize(join(dirname(file), specifier)) : undefined,
      isDynamic,
    }
  })
}

/** The same number of lines, with comments blank. The formatter puts each at the start of a line or after a space. */
export function withoutComments(text: string): string {
  return text
    .replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/(^|\s)\/\/(?: .*)?$/gm, '$1')
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** `connect.ts` puts the engines together; the two others are lists of what there is. */
const ROOT_FILES = ['connect.ts', 'index.ts', 'schema.ts']
const ENTRIES = ['index.ts', 'schema.ts']

function folderOf(file: string): string | undefined {
  const [first, rest] = file.split('/')
  return rest === undefined ? undefined : first
}

function rankOf(folder: string): number {
  return (FOLDERS as readonly string[]).indexOf(folder)
}

export function findUnknownPlaces(sources: Sources): string[] {
  return [...sources.keys()].flatMap((file) => {
    const folder = folderOf(file)
    if (folder === undefined) return ROOT_FILES.includes(file) ? [] : [`${file} is in no folder`]
    return rankOf(folder) === -1 ? [`${file} is in a folder that has no place in the order`] : []
  })
}

export function findImportsAgainstOrder(sources: Sources): string[] {
  return everyImport(sources).flatMap((one) => {
    const { file, line, target } = one
    if (target === undefined) return []
    const at = `${file}:${line} imports ${target}`
    if (!sources.has(target)) return [`${at}, which does not exist`]
    if (ENTRIES.includes(target)) return [`${at}, which is for users of the package`]
    const [from, to] = [folderOf(file), folderOf(target)]
    if (from === undefined) return rootMayImport(one, to) ? [] : [`${at}: only index.ts and schema.ts may`]
    if (to === undefined) return [`${at}, which stands above all folders`]
    return rankOf(to) > rankOf(from) ? [`${at}: ${to} comes after ${from}`] : []
  })
}

function rootMayImport({ file, isDynamic }: Import, to: string | undefined): boolean {
  if (ENTRIES.includes(file)) return true
  return to === 'db' || (to === 'embedded' && isDynamic)
}

function everyImport(sources: Sources): Import[] {
  return [...sources].flatMap(([file, text]) => importsOf(file, text))
}

export function isSchemaFile(file: string): boolean {
  return /^[^/]+\/schema(?:\.ts$|\/)/.test(file)
}

/** A schema file stands on `db/`, on schema files, and on lists of values; on no verb, not even of its own folder. */
export function findSchemaImports(sources: Sources): string[] {
  return everyImport(sources).flatMap(({ file, line, target }) => {
    if (!isSchemaFile(file) || target === undefined) return []
    if (folderOf(target) === 'db' || isSchemaFile(target)) return []
    const isPure =
      folderOf(target) === folderOf(file)
        ? !reach(sources, target).has('db/database.ts')
        : importsOf(target, sources.get(target) ?? '').length === 0
    return isPure ? [] : [`${file}:${line} imports ${target}, which is more than values`]
  })
}

/** All files and packages that a file leads to by static imports. */
export function reach(sources: Sources, start: string): Set<string> {
  const reached = new Set<string>()
  const ahead = [start]
  for (let file = ahead.pop(); file !== undefined; file = ahead.pop()) {
    for (const { target, specifier, isDynamic } of importsOf(file, sources.get(file) ?? '')) {
      const next = target ?? specifier
      if (isDynamic || reached.has(next)) continue
      reached.add(next)
      if (target !== undefined) ahead.push(target)
    }
  }
  return reached
}

/** Which folders may know a package; one that is not listed here is for all. */
const KNOWN_TO: Readonly<Record<string, readonly string[]>> = {
  '@electric-sql/pglite': ['embedded', 'testing'],
  pg: ['db'],
  postgres: ['db'],
  'decimal.js': ['db'],
}

export function findForeignPackages(sources: Sources, declared: readonly string[]): string[] {
  return everyImport(sources).flatMap(({ file, line, specifier, target }) => {
    if (target !== undefined || specifier.startsWith('node:')) return []
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
    const at = `${file}:${line} imports ${specifier}`
    if (!declared.includes(name)) return [`${at}, which package.json does not declare`]
    const folders = KNOWN_TO[name]
    return folders && !folders.includes(folderOf(file) ?? '') ? [`${at}: only ${folders.join(', ')} may`] : []
  })
}

/** Where what is forbidden may be all the same: how often, and why. */
export type Exceptions = Readonly<Record<string, { readonly times: number; readonly because: string }>>

/** Lists where the pattern is, beyond the exceptions, and the exceptions that there are no longer. */
export function findForbidden(
  sources: Sources,
  pattern: RegExp,
  { except = {}, outside = [] }: { readonly except?: Exceptions; readonly outside?: readonly string[] } = {},
): string[] {
  const problems: string[] = []
  for (const [file, text] of sources) {
    if (outside.some((place) => file === place || file.startsWith(`${place}/`))) continue
    const code = withoutComments(text)
    const found = [...code.matchAll(pattern)]
    const allowed = except[file]?.times ?? 0
    if (found.length === allowed) continue
    const places = found.map((match) => `${file}:${lineOf(code, match.index)} has '${match[0].trim()}'`)
    problems.push(
      ...(found.length > allowed
        ? places
        : [`${file} is excepted ${allowed} times and needs ${found.length}`]),
    )
  }
  const gone = Object.keys(except).filter((file) => !sources.has(file))
  return [...problems, ...gone.map((file) => `${file} is excepted and does not exist`)]
}

const LINES_MAX = 400

export function findLongFiles(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    const lines = text.trimEnd().split('\n').length
    return lines > LINES_MAX ? [`${file} has ${lines} lines`] : []
  })
}

/** Names that say nothing of what is inside. */
const EMPTY_NAMES = [
  'utils',
  'util',
  'helpers',
  'common',
  'misc',
  'types',
  'models',
  'services',
  'lib',
  'shared',
]

export function findEmptyNames(paths: Iterable<string>): string[] {
  return [...paths].filter((path) => {
    const parts = path.split('/').map((part) => part.replace(/(?:\.test)?\.ts$/, ''))
    return parts.some((part) => EMPTY_NAMES.includes(part))
  })
}

interface IndexDefinition {
  readonly file: string
  readonly name: string
  /** The comment right above it. */
  readonly comment: string
}

const INDEX = /((?:^[ \t]*\/\/ .*\n)*)^[ \t]*(?:index|uniqueIndex)\('([^']+)'\)/gm

export function indexesOf(sources: Sources): IndexDefinition[] {
  return [...sources].flatMap(([file, text]) =>
    isSchemaFile(file)
      ? [...text.matchAll(INDEX)].map((match) => ({ file, name: match[2] ?? '', comment: match[1] ?? '' }))
      : [],
  )
}

/** Each index says in the comment above it which verb or view it serves. */
export function findUnexplainedIndexes(sources: Sources, verbs: readonly string[]): string[] {
  return indexesOf(sources).flatMap(({ file, name, comment }) => {
    const words: string[] = comment.match(/\w+/g) ?? []
    const serves = words.includes('Serves') || words.includes('serves')
    return serves && words.some((word) => verbs.includes(word)) ? [] : [`${file}: ${name} names no verb`]
  })
}

/** The names of the views that schema files define. */
export function viewsOf(sources: Sources): string[] {
  return [...sources.values()].flatMap((text) =>
    [...text.matchAll(/\.view\(\s*'(\w+)'/g)].map((match) => match[1] ?? ''),
  )
}
