// Opens the directory and inserts rows until it is killed or its input ends; prints each number that was acknowledged.
import { sql } from 'drizzle-orm'
import { isDataError } from '../../src/db/errors.ts'
import { connectEmbedded } from '../../src/embedded/index.ts'

const [directory = '', count = '1000000'] = process.argv.slice(2)
let isAsked = false
process.stdin.on('end', () => {
  isAsked = true
})
process.stdin.resume()

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  const db = await connectEmbedded({ directory, skipSchemaCheck: true })
  await db.execute(sql`create table if not exists numbers (n integer primary key)`)
  say('open')
  for (let n = 1; n <= Number(count) && !isAsked; n++) {
    await db.execute(sql`insert into numbers values (${n})`)
    say(`acknowledged ${n}`)
  }
  while (!isAsked) await new Promise((resolve) => setTimeout(resolve, 10))
  await db.close()
  say('closed')
} catch (error) {
  say(isDataError(error) ? `${error.code}: ${error.message}` : `failed: ${error}`)
}
process.stdin.destroy()
