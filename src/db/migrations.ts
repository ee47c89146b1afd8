import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { DataError } from './errors.ts'

/** One file of the migrations folder. */
export interface Migration {
  /** The file's name without `.sql`. */
  readonly name: string
  /** When it was generated, in milliseconds since 1970: its identity in the database's own record. */
  readonly generatedMs: number
  /** SHA-256 of the file's bytes, as drizzle-kit computes it. */
  readonly hash: string
  /** One statement each: some drivers refuse two without a breakpoint between them. */
  readonly statements: readonly string[]
  /**
   * False for a file that begins with the line `-- no-transaction`. Its statements run one by one and are recorded when
   * the last has succeeded, so each of them must be repeatable (`if not exists`, `concurrently` after a drop, …).
   */
  readonly transactional: boolean
}

/** The folder that comes with this package; beside `src` and beside `dist`. */
export const PACKAGED_MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))

const NO_TRANSACTION = /^--[ \t]*no-transaction[ \t]*(?:\r?\n|$)/

const journalSchema = z.object({
  dialect: z.literal('postgresql'),
  entries: z.array(z.object({ tag: z.string().min(1), when: z.number().int().nonnegative() })),
})

/**
 * Reads a migrations folder in the order of its journal.
 *
 * @throws `config` when a file is missing or the journal is malformed: the installation is incomplete.
 */
export async function readMigrations(folder: string = PACKAGED_MIGRATIONS): Promise<Migration[]> {
  const journal = parseJournal(folder, await readText(folder, join('meta', '_journal.json')))
  return await Promise.all(
    journal.entries.map(async ({ tag, when }) => {
      const text = await readText(folder, `${tag}.sql`)
      return {
        name: tag,
        generatedMs: when,
        hash: createHash('sha256').update(text).digest('hex'),
        statements: text.split('--> statement-breakpoint').filter((statement) => statement.trim() !== ''),
        transactional: !NO_TRANSACTION.test(text),
      }
    }),
  )
}

function parseJournal(folder: string, text: string): z.output<typeof journalSchema> {
  try {
    return journalSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new DataError('config', `the journal of the migrations in ${folder} is malformed`, { cause })
  }
}

async function readText(folder: string, file: string): Promise<string> {
  try {
    return await readFile(join(folder, file), 'utf8')
  } catch (cause) {
    const advice = 'install the package anew; a bundler must leave it out of the bundle'
    throw new DataError('config', `the migration file ${join(folder, file)} cannot be read: ${advice}`, {
      cause,
    })
  }
}
