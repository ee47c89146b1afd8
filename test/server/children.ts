import { type ChildProcess, fork } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { compiledProgram } from '../package-build.ts'

/** What a program of this folder says of exceptions that nobody could catch. */
export interface Uncaught {
  readonly uncaught: readonly string[]
}

/** A program of this folder in a process of its own, which is killed at the end of the test, or when `atEnd` says. */
export class Child<Job, Message> {
  readonly #process: Promise<ChildProcess>
  readonly #messages: Message[] = []
  readonly #ended: Promise<number | null>
  #errors = ''
  #wake: (() => void) | undefined
  #over = false

  constructor(program: string, job: Job, atEnd: (end: () => Promise<void>) => void = onTestFinished) {
    this.#process = this.#start(program)
    this.#ended = this.#process
      .then(endOf, (error) => {
        this.#errors += error
        return null
      })
      .finally(() => {
        this.#over = true
        this.#wake?.()
      })
    this.send(job)
    atEnd(async () => {
      const process = await this.#process
      process.kill('SIGKILL')
      await this.#ended
    })
  }

  async #start(program: string): Promise<ChildProcess> {
    const process = fork(await compiledProgram(`test/server/${program}`), [], {
      execArgv: ['--enable-source-maps'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    process.on('message', (message) => {
      this.#messages.push(message as Message)
      this.#wake?.()
    })
    return process
  }

  get ended(): Promise<number | null> {
    return this.#ended
  }

  send(message: unknown): void {
    void this.#process.then(
      // One that has ended hears nothing more; `next` tells why.
      (process) => process.connected && process.send(message as object),
      () => undefined,
    )
  }

  /** The next message. @throws with what the program wrote to its error output if it ends without one. */
  async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      if (this.#over) throw new Error(`the program ended:\n${this.#errors}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function endOf(process: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => process.once('close', resolve))
}
