import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of real recordings beside the project, for those who have it. */
const root = fileURLToPath(new URL('../../shared/data/', import.meta.url))

/** False where the recordings are not there; the tests that read them are then skipped, and say so. */
export const hasSharedData = existsSync(root)

export const SKIP_REASON = 'no recordings in ../shared/data'

export function readShared(path: string): Buffer {
  return readFileSync(root + path)
}

export function readSharedJson<T>(path: string): T {
  return JSON.parse(readShared(path).toString('utf8')) as T
}
