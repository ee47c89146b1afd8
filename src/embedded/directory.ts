import { access, constants, mkdir, readdir, readFile, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DataError } from '../db/errors.ts'

/**
 * Returns the directory's one true path, so that one directory has one lock. Its parents are made if missing.
 *
 * @throws `config` if it is a file, or cannot be written to.
 */
export async function prepareDirectory(given: string): Promise<string> {
  const path = resolve(given)
  return await explainingFileErrors(path, async () => {
    await mkdir(dirname(path), { recursive: true })
    const parent = await realpath(dirname(path))
    const directory = await realpath(path).catch(() => join(parent, basename(path)))
    // Locks and new databases are made beside it.
    await access(dirname(directory), constants.W_OK | constants.X_OK)
    await readMajor(directory)
    return directory
  })
}

/** The major version of the Postgres that made the database in the directory; undefined if there is none yet. */
export async function readMajor(directory: string): Promise<string | undefined> {
  return await explainingFileErrors(directory, async () => {
    const entries = await entriesOf(directory)
    if (entries.length === 0) return undefined
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    if (entries.includes('PG_VERSION')) return (await readFile(join(directory, 'PG_VERSION'), 'utf8')).trim()
    throw new DataError(
      'config',
      `directory '${directory}' holds other files (${entries.slice(0, 3).join(', ')}), not a database: give one of its own`,
    )
  })
}

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * Fills the directory through `create`, which gets a path beside it: a process killed meanwhile leaves no half of a
 * database where the next would open it. Only for whoever holds the directory's lock.
 */
export async function createDatabaseDirectory(
  directory: string,
  create: (path: string) => Promise<void>,
): Promise<void> {
  const draft = join(dirname(directory), `.${basename(directory)}.tradeblotter-draft`)
  await rm(draft, { recursive: true, force: true })
  try {
    await create(draft)
    await explainingFileErrors(directory, async () => {
      await rmdir(directory).catch((error) => {
        if (codeOf(error) !== 'ENOENT') throw error
      })
      await rename(draft, directory)
    })
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}

/** Runs `work`, whose errors of the file system come out as `config` naming the directory. */
export async function explainingFileErrors<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new DataError(
      'config',
      `directory '${directory}' cannot be used: ${explain(codeOf(error), error)}`,
      {
        cause: error,
      },
    )
  }
}

function explain(code: string, error: Error): string {
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return 'there is a file of that name, or on the way to it'
    case 'EACCES':
    case 'EPERM':
      return 'this process may not write there'
    case 'EROFS':
      return 'the file system is read-only'
    default:
      return error.message
  }
}

/** The code of a file system's error, as in ENOENT; empty for any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
