import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder beside the project, for those who have it. */
const shared = fileURLToPath(new URL('../../shared/', import.meta.url))

/** The real recordings in it. */
const root = `${shared}data/`

/** False where the recordings are not there; the tests that read them are then skipped, and say so. */
export const hasSharedData = existsSync(root)

export const SKIP_REASON = 'no recordings in ../shared/data'

export function readShared(path: string): Buffer {
  return readFileSync(root + path)
}

export function readSharedJson<T>(path: string): T {
  return JSON.parse(readShared(path).toString('utf8')) as T
}

/** Returns the text of a page in that folder, or undefined where it is not there. */
export function findSharedPage(path: string): string | undefined {
  return existsSync(shared + path) ? readFileSync(shared + path, 'utf8') : undefined
}
