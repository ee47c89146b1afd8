import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { DataError } from '../db/errors.ts'
import { codeOf } from './directory.ts'
import { type Fate, fateOf, type Holder, holderSchema, identify } from './process-identity.ts'

const PATIENCE_MS = 2_000
const PAUSE_MS = 20
const NO_HARD_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

export interface DirectoryLock {
  /** Gives the directory free. Safe to repeat. */
  release(): Promise<void>
}

/**
 * Takes the directory for this process: the file `<directory>.lock` beside it names the holder.
 *
 * The engine itself takes no lock, and a second process would lose what it was told was written. The lock of a process
 * that is gone is taken over; that of a running one never.
 *
 * @throws `config` naming the directory and the process that has it.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const file = `${directory}.lock`
  const self = identify()
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    if (await createWhole(file, self)) return lockOf(file, self)
    const holder = await readHolder(file)
    if (holder === 'absent') continue
    // Half written, on a file system without hard links.
    const fate = holder === 'illegible' ? 'gone' : fateOf(holder, self)
    if (holder !== 'illegible' && fate === 'gone' && (await takeOver(file, holder, self)))
      return lockOf(file, self)
    if (fate !== 'gone' || performance.now() > deadline) throw refusal(directory, file, holder, self, fate)
    // Another process is taking over: next time its name is in the file.
    await sleep(PAUSE_MS)
  }
}

function lockOf(file: string, self: Holder): DirectoryLock {
  return {
    async release() {
      const holder = await readHolder(file)
      if (typeof holder === 'object' && holder.token === self.token) await rm(file, { force: true })
    },
  }
}

/**
 * Replaces the lock of a holder that is gone. False if another process came first.
 *
 * Removing the old lock and making a new one would let two processes win: the second removes what the first has made. So
 * the right to replace a lock is itself a lock, a file named after the token of the dead holder, which one process can
 * create. If that process dies too, the right to replace *its* claim is won in the same way.
 */
async function takeOver(file: string, dead: Holder, self: Holder): Promise<boolean> {
  const claims: string[] = []
  let predecessor = dead
  for (;;) {
    const claim = `${file}.${predecessor.token}`
    claims.push(claim)
    if (await createWhole(claim, self)) break
    const claimant = await readHolder(claim)
    if (typeof claimant === 'string' || fateOf(claimant, self) !== 'gone') return false
    predecessor = claimant
  }
  // Between our reading of the lock and our claim another claim may have been won, used and removed.
  const current = await readHolder(file)
  if (typeof current === 'string' || current.token !== dead.token) {
    await rm(claims.at(-1) ?? file, { force: true })
    return false
  }
  const next = `${file}.${randomUUID()}.tmp`
  await writeFile(next, contentOf(self), { flag: 'wx' })
  await rename(next, file)
  // Last the claim on the lock itself, which holds everyone back until the lock is replaced.
  for (const claim of claims.reverse()) await rm(claim, { force: true })
  return true
}

/** Creates a file that nobody can see half written. False if there is one. */
async function createWhole(file: string, holder: Holder): Promise<boolean> {
  const draft = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(draft, contentOf(holder), { flag: 'wx' })
    await link(draft, file)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!NO_HARD_LINKS.includes(codeOf(error))) throw error
    return await createExclusive(file, holder)
  } finally {
    await rm(draft, { force: true })
  }
}

async function createExclusive(file: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(file, contentOf(holder), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function contentOf(holder: Holder): string {
  return `${JSON.stringify(holder)}\n`
}

async function readHolder(file: string): Promise<Holder | 'absent' | 'illegible'> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'absent'
    if (codeOf(error) !== '') throw error
    return 'illegible'
  }
}

function refusal(
  directory: string,
  file: string,
  holder: Holder | 'illegible',
  self: Holder,
  fate: Fate,
): DataError {
  if (holder === 'illegible' || fate !== 'alive') {
    const who =
      holder === 'illegible' ? 'a process' : `process ${holder.pid} on ${holder.host} since ${holder.since}`
    return new DataError(
      'config',
      `directory '${directory}' is locked by ${who}, which cannot be seen from here; ` +
        `if it runs no more, delete '${file}'`,
    )
  }
  const { pid, since } = holder
  if (pid === self.pid) {
    return new DataError(
      'config',
      `directory '${directory}' is already open in this process (${pid}): use that handle, or close it first`,
    )
  }
  return new DataError(
    'config',
    `directory '${directory}' is in use by process ${pid} since ${since}: the embedded engine serves one process; ` +
      'several need a Postgres server',
  )
}
