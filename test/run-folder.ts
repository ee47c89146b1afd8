import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'

const POLL_MS = 50

/**
 * Returns a path in the folder of this run, where `make` has put something that several test files take copies of. It is
 * made by whoever asks first, while others wait, and removed at the end of the run.
 */
export async function madeOnce(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = join(inject('folder'), name)
  const [lock, sign] = [`${path}.making`, `${path}.made`]
  while (!existsSync(sign)) {
    if (!isMine(lock)) {
      await sleep(POLL_MS)
      continue
    }
    try {
      if (existsSync(sign)) break
      // What a failed attempt has left.
      rmSync(path, { recursive: true, force: true })
      await make(path)
      writeFileSync(sign, '')
    } finally {
      rmdirSync(lock)
    }
  }
  return path
}

function isMine(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
