import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Account, freePort, unprivilegedAccount, usableBinaries } from './npm-binaries.ts'

/** A server that a test may kill. Nobody else uses it. */
export interface OwnServer {
  /** Of the database `postgres` on it, as superuser. */
  readonly url: string
  readonly version: string
  /** Kills the server and all its processes at once, as a power cut would, and returns when they are gone. */
  kill(): Promise<void>
  /** Starts it again on its data; returns when it takes connections. */
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

const START_MS = 30_000
/** Debian's; a stable release of another major than the one that comes from npm. */
const SYSTEM_BINARIES = '/usr/lib/postgresql/15'

// The server must be a direct child of what waits for it: a killed one would linger as a zombie otherwise, and its lock file
// would keep the next from starting. It dies with its input, so also if this process is killed.
const SUPERVISOR = `
"$@" &
server=$!
cat >/dev/null
kill -KILL "$server" 2>/dev/null
wait "$server"
`

/** Starts a server of its own, which writes to disk as in production. */
export async function startOwnServer(settings: readonly string[] = []): Promise<OwnServer> {
  const account = unprivilegedAccount()
  const folder = await mkdtemp(join(tmpdir(), 'tradeblotter-own-'))
  if (account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, folder])
  const native = existsSync(join(SYSTEM_BINARIES, 'bin', 'initdb'))
    ? SYSTEM_BINARIES
    : await usableBinaries(folder, account)
  const password = await initialise(native, folder, account)
  const port = await freePort()
  const command = [
    ...[join(native, 'bin', 'postgres'), '-D', join(folder, 'data'), '-p', String(port)],
    ...['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=on', ...settings].flatMap((s) => [
      '-c',
      s,
    ]),
  ]
  let running: ChildProcess | undefined
  const server: OwnServer = {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    version: execFileSync(join(native, 'bin', 'postgres'), ['--version'], { encoding: 'utf8' }).trim(),
    async start() {
      await rm(join(folder, 'log'), { force: true })
      running = spawn(
        'sh',
        ['-c', `${SUPERVISOR.replace('"$@"', '"$@" >"$0" 2>&1')}`, join(folder, 'log'), ...command],
        {
          cwd: folder,
          stdio: ['pipe', 'ignore', 'ignore'],
          detached: true,
          ...account,
        },
      )
      await waitUntilReady(join(folder, 'log'))
    },
    async kill() {
      const supervisor = running
      if (!supervisor) return
      running = undefined
      const postmaster = Number(
        (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0],
      )
      const children = childrenOf(postmaster)
      const ended = new Promise((resolve) => supervisor.once('exit', resolve))
      for (const pid of [postmaster, ...children]) killIfThere(pid)
      supervisor.stdin?.end()
      await ended
      while (children.some(isThere)) await sleep(5)
    },
    async stop() {
      await server.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

async function initialise(native: string, folder: string, account: Account | undefined): Promise<string> {
  const password = randomUUID()
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password)
  await promisify(execFile)(
    join(native, 'bin', 'initdb'),
    [
      ...['--pgdata', join(folder, 'data'), '--username', 'postgres', '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
    ],
    { cwd: folder, ...account },
  )
  return password
}

async function waitUntilReady(log: string): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    const text = await readFile(log, 'utf8').catch(() => '')
    // While it recovers it refuses, and says FATAL to whoever tries.
    if (text.includes('ready to accept connections')) return
    if (performance.now() > deadline) throw new Error(`the server did not start:\n${text}`)
    await sleep(10)
  }
}

function childrenOf(parent: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([, ppid]) => ppid === parent)
    .map(([pid]) => Number(pid))
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
