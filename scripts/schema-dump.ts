import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connect } from '../src/db/connect.ts'
import { connectEmbedded } from '../src/embedded/index.ts'
import { dumpSchema } from './schema-catalog.ts'

// Writes docs/schema.sql from a freshly migrated embedded database, or from a migrated server:
//   npx tsx scripts/schema-dump.ts [--check] [--database-url postgres://…]

const FILE = fileURLToPath(new URL('../docs/schema.sql', import.meta.url))

/** The line of the first difference, or undefined if the texts are the same. */
function findDifference(expected: string, actual: string): string | undefined {
  if (expected === actual) return undefined
  const before = expected.split('\n')
  const after = actual.split('\n')
  const line = after.findIndex((text, index) => text !== before[index])
  const at = line === -1 ? after.length : line
  return `line ${at + 1} is '${before[at] ?? ''}', the migrations make '${after[at] ?? ''}'`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { check: { type: 'boolean', default: false }, 'database-url': { type: 'string' } },
  })
  const url = values['database-url']
  await using db = url === undefined ? await connectEmbedded({ migrate: true }) : await connect({ url })
  const dump = await dumpSchema(db)
  if (!values.check) {
    await mkdir(dirname(FILE), { recursive: true })
    await writeFile(FILE, dump)
    return
  }
  const difference = findDifference(await readFile(FILE, 'utf8').catch(() => ''), dump)
  if (difference === undefined) return
  process.stderr.write(`docs/schema.sql is out of date: ${difference}; run npx tsx scripts/schema-dump.ts\n`)
  process.exitCode = 1
}

await main()
