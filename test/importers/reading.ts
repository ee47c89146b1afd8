import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { isDataError } from '../../src/db/errors.ts'

export async function all<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const read: Row[] = []
  for await (const row of rows) read.push(row)
  return read
}

/** Returns the message of a refused reading; fails if it is not refused. */
export async function refusalOfReading(rows: AsyncIterable<unknown>): Promise<string> {
  try {
    await all(rows)
  } catch (error) {
    if (!isDataError(error)) throw error
    expect(error.code).toBe('invalid_input')
    expect(error.field).toBeTruthy()
    return error.message
  }
  throw new Error('nothing was refused')
}

/** A folder of its own for files, removed with the test. */
export function makeFolder(): { path: (name: string) => string; [Symbol.dispose]: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'tradeblotter-import-'))
  return {
    path: (name) => join(folder, name),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The open files of this process, by their paths; undefined where the system does not tell. */
export function openFiles(): string[] | undefined {
  if (process.platform !== 'linux') return undefined
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // Closed since it was listed.
      return []
    }
  })
}
