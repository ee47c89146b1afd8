import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { copyMigratedDirectory } from './migrated-directory.ts'
import { buildPackage, type Outcome, ROOT, runProgram } from './package-build.ts'

/** The demo beside a package that was just built. */
export interface Demo {
  readonly directory: string
  run(...args: string[]): Promise<Outcome>
  /** Makes a database that has its tables, and returns the options that name it: the demo starts sooner on it. */
  migrated(directory: string): Promise<string[]>
  /** Calls a function of the demo on each argument, and returns what each call threw. */
  probe(name: string, module: string, args: readonly unknown[]): Promise<string[]>
  /** Writes a file of prices, and returns its path for the command line. */
  writeCsv(name: string, text: string): string
  [Symbol.dispose](): void
}

export async function buildDemo(): Promise<Demo> {
  const { directory, [Symbol.dispose]: dispose } = await buildPackage()
  cpSync(join(ROOT, 'examples/demo'), join(directory, 'examples/demo'), { recursive: true })
  return {
    directory,
    [Symbol.dispose]: dispose,
    run: (...args) => runProgram('examples/demo/index.ts', { cwd: directory }, args),
    async migrated(name) {
      await copyMigratedDirectory(join(directory, name))
      return ['--directory', name]
    },
    async probe(name, module, args) {
      const program = `
        import { ${name} } from '${module}'
        const outcomeOf = (arg) => { try { return JSON.stringify(${name}(arg)) } catch (error) { return String(error) } }
        process.stdout.write(JSON.stringify(${JSON.stringify(args)}.map(outcomeOf)))`
      const file = `examples/demo/probe-${name}.js`
      writeFileSync(join(directory, file), program)
      const { stdout, stderr } = await runProgram(file, { cwd: directory })
      expect(stderr).toBe('')
      return JSON.parse(stdout)
    },
    writeCsv(name, text) {
      const folder = join(directory, 'prices')
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, name), text)
      return `prices/${name}`
    },
  }
}
