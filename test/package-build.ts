import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { madeOnce } from './run-folder.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface BuiltPackage {
  /** The root of a copy whose `dist` was just made. A program in it imports `tradeblotter` as a user does. */
  readonly directory: string
  [Symbol.dispose](): void
}

const PARTS = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs', 'drizzle', 'src']

/** Makes a copy of the package, compiled as for publishing, so that `dist` in the tree is left alone. */
export async function buildPackage(): Promise<BuiltPackage> {
  const compiled = await madeOnce(`package-${stateOf(PARTS)}`, compile)
  const directory = mkdtempSync(join(tmpdir(), 'tradeblotter-package-'))
  cpSync(compiled, directory, { recursive: true })
  // The package's name leads to itself; everything else to what is installed here.
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'), 'junction')
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}

async function compile(directory: string): Promise<void> {
  mkdirSync(directory)
  for (const part of PARTS) cpSync(join(ROOT, part), join(directory, part), { recursive: true })
  const built = await tsc(
    ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(directory, 'dist')],
    directory,
  )
  if (built.status !== 0) throw new Error(`the package does not compile:\n${built.stdout}${built.stderr}`)
}

/** Text that is another once somebody has edited these files or folders, also while the tests run. */
function stateOf(parts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) {
    const inside = statSync(join(ROOT, part)).isDirectory()
      ? readdirSync(join(ROOT, part), { recursive: true, encoding: 'utf8' }).map((file) => join(part, file))
      : []
    for (const file of [part, ...inside]) {
      const { size, mtimeMs } = statSync(join(ROOT, file))
      hash.update(`${file} ${size} ${mtimeMs}\n`)
    }
  }
  return hash.digest('hex').slice(0, 12)
}

/** The path of a program of the tests as JavaScript, which starts in a third of the time that TypeScript takes. */
export async function compiledProgram(file: string): Promise<string> {
  const state = stateOf(['src', 'test', 'drizzle', 'tsconfig.json'])
  const directory = await madeOnce(`programs-${state}`, compilePrograms)
  return join(directory, file.replace(/ts$/, 'js'))
}

async function compilePrograms(directory: string): Promise<void> {
  mkdirSync(directory)
  for (const part of ['drizzle', 'node_modules']) {
    symlinkSync(join(ROOT, part), join(directory, part), 'junction')
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { noEmit: false, noCheck: true, rootDir: ROOT, outDir: directory, sourceMap: true },
    include: [join(ROOT, 'test/server')],
  }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
  const { status, stdout, stderr } = await tsc(['-p', directory], directory)
  if (status !== 0) throw new Error(`the programs of the tests do not compile:\n${stdout}${stderr}`)
}

/** Type checks files of a directory as a user's own strict project. Returns what the compiler said; empty if nothing. */
export async function checkTypes(directory: string, files: readonly string[]): Promise<string> {
  const config = {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
    },
    files,
  }
  writeFileSync(join(directory, 'tsconfig.check.json'), JSON.stringify(config))
  return (await tsc(['-p', join(directory, 'tsconfig.check.json')], directory)).stdout
}

function tsc(args: readonly string[], cwd: string): Promise<Outcome> {
  return runNode([join(ROOT, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', ...args], { cwd })
}

/** Has the embedded engine compiled once, and not again into faster code: a program that ends after seconds never earns that. */
export const ENGINE_COMPILED_ONCE = '--liftoff-only'

/** Runs a TypeScript program. */
export function runProgram(
  file: string,
  options: RunOptions,
  args: readonly string[] = [],
): Promise<Outcome> {
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
  return runNode([tsx, ENGINE_COMPILED_ONCE, file, ...args], options)
}

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

// Several minutes of a machine with better things to do.
export const PATIENCE_MS = 180_000

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs node on its own: what names a database in this environment does not reach the program. */
export function runNode(args: readonly string[], { cwd, env = {} }: RunOptions): Promise<Outcome> {
  const kept = Object.entries(process.env).filter(([name]) => !/DATABASE|TRADEBLOTTER|VITEST/.test(name))
  const options = { cwd, timeout: PATIENCE_MS, env: { ...Object.fromEntries(kept), ...env } }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ status: error ? (child.exitCode ?? -1) : 0, stdout, stderr })
    })
  })
}
