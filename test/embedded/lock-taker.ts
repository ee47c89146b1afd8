// Takes the directory's lock, on request at a moment that its input names, and holds it until the input ends.
import { once } from 'node:events'
import { isDataError } from '../../src/db/errors.ts'
import { lockDirectory } from '../../src/embedded/directory-lock.ts'

const [directory = '', wait] = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  if (wait) {
    say('ready')
    const [start] = await once(process.stdin, 'data')
    while (Date.now() < Number(start)) await new Promise((resolve) => setImmediate(resolve))
  }
  const lock = await lockDirectory(directory)
  say('taken')
  await once(process.stdin.resume(), 'end')
  await lock.release()
  say('released')
} catch (error) {
  say(isDataError(error) ? `${error.code}: ${error.message}` : `failed: ${error}`)
}
process.stdin.destroy()
