import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface BuiltPackage {
  /** The root of a copy whose `dist` was just made. A program in it imports `tradeblotter` as a user does. */
  readonly directory: string
  [Symbol.dispose](): void
}

/** Compiles the package as for publishing into a folder of its own, so that `dist` in the tree is left alone. */
export async function buildPackage(): Promise<BuiltPackage> {
  const directory = mkdtempSync(join(tmpdir(), 'tradeblotter-package-'))
  for (const part of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs', 'drizzle', 'src']) {
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(directory, part), { recursive: true })
  }
  // The package's name leads to itself; everything else to what is installed here.
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'), 'junction')
  const built = await tsc(
    ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(directory, 'dist')],
    directory,
  )
  const remove = () => rmSync(directory, { recursive: true, force: true })
  if (built.status === 0) return { directory, [Symbol.dispose]: remove }
  remove()
  throw new Error(`the package does not compile:\n${built.stdout}${built.stderr}`)
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

/** Runs a TypeScript program. */
export function runProgram(file: string, options: RunOptions): Promise<Outcome> {
  return runNode([join(ROOT, 'node_modules/tsx/dist/cli.mjs'), file], options)
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
