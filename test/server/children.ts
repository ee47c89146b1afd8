import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** What a program of this folder says of exceptions that nobody could catch. */
export interface Uncaught {
  readonly uncaught: readonly string[]
}

/** A program of this folder in a process of its own, which is killed at the end of the test, or when `atEnd` says. */
export class Child<Job, Message> {
  readonly #process: ChildProcess
  readonly #messages: Message[] = []
  readonly #ended: Promise<number | null>
  #errors = ''
  #wake: (() => void) | undefined
  #over = false

  constructor(program: string, job: Job, atEnd: (end: () => Promise<void>) => void = onTestFinished) {
    this.#process = fork(fileURLToPath(new URL(program, import.meta.url)), [], {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    this.#process.on('message', (message) => {
      this.#messages.push(message as Message)
      this.#wake?.()
    })
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        this.#over = true
        this.#wake?.()
        resolve(code)
      })
    })
    this.send(job)
    atEnd(async () => {
      this.#process.kill('SIGKILL')
      await this.#ended
    })
  }

  get ended(): Promise<number | null> {
    return this.#ended
  }

  send(message: unknown): void {
    this.#process.send(message as object)
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
