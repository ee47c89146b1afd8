// Waits for the moment it is given, then takes the directory's lock and holds it until its input ends.
import { isDataError } from '../../src/db/errors.ts'
import { lockDirectory } from '../../src/embedded/directory-lock.ts'

const [directory = '', start = '0'] = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

say('ready')
while (Date.now() < Number(start)) await new Promise((resolve) => setImmediate(resolve))
try {
  const lock = await lockDirectory(directory)
  say('taken')
  await new Promise((resolve) => process.stdin.on('end', resolve).resume())
  await lock.release()
  say('released')
} catch (error) {
  say(isDataError(error) ? `${error.code}: ${error.message}` : `failed: ${error}`)
}
process.stdin.destroy()
