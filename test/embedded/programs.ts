import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { ENGINE_COMPILED_ONCE } from '../package-build.ts'

/** Runs a program of this folder in a process of its own, which is killed at the end of the test. */
export function run(program: string, args: readonly string[], nodeArgs: readonly string[] = []): Program {
  const file = fileURLToPath(new URL(program, import.meta.url))
  const all = [ENGINE_COMPILED_ONCE, ...nodeArgs, '--import', 'tsx', file, ...args]
  const child = spawn(process.execPath, all, { stdio: ['pipe', 'pipe', 'pipe'] })
  const running = new Program(child)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await running.ended
  })
  return running
}

export class Program {
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #errors = ''

  constructor(child: ChildProcess) {
    this.#child = child
    let rest = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors += chunk
    })
    this.ended = new Promise((resolve) => child.once('close', () => resolve()))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Whole lines written so far. */
  get lines(): readonly string[] {
    return this.#lines
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Ends its input, which asks the programs here to finish. */
  finish(): void {
    this.#child.stdin?.end()
  }

  /** Waits for a line that begins so. */
  async line(beginning: string): Promise<string> {
    let isOver = false
    void this.ended.then(() => {
      isOver = true
    })
    for (;;) {
      const found = this.#lines.find((line) => line.startsWith(beginning))
      if (found !== undefined) return found
      if (isOver) throw new Error(`no line '${beginning}' in:\n${this.#lines.join('\n')}\n${this.#errors}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** A folder for one test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tradeblotter-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
