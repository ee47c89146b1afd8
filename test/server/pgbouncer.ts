import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, unprivilegedAccount } from './npm-binaries.ts'

const PLACES = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/sbin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
]
const binary = PLACES.map((place) => join(place, 'pgbouncer')).find((path) => existsSync(path))

/** False where PgBouncer is not installed; the tests that need it are then skipped, and say so. */
export const hasPgBouncer = binary !== undefined

export const NO_PGBOUNCER = 'pgbouncer is not installed (Debian: apt-get install pgbouncer)'

export interface PgBouncer {
  /** The same database through the pooler. */
  through(url: string): string
  readonly version: string
  stop(): Promise<void>
}

const START_MS = 10_000

/** Starts a pooler in transaction mode in front of a server, with few connections to it. */
export async function startPgBouncer(serverUrl: string, poolSize = 4): Promise<PgBouncer> {
  if (!binary) throw new Error(NO_PGBOUNCER)
  const server = new URL(serverUrl)
  const account = unprivilegedAccount()
  const folder = await mkdtemp(join(tmpdir(), 'tradeblotter-pgbouncer-'))
  const port = await freePort()
  const login = [
    ['host', server.hostname],
    ['port', server.port || '5432'],
    ['user', decodeURIComponent(server.username)],
    ['password', decodeURIComponent(server.password)],
  ]
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    pool_mode: 'transaction',
    // Whoever comes is logged in as above: this is a test.
    auth_type: 'any',
    default_pool_size: poolSize,
    max_client_conn: 1000,
    server_reset_query: '',
    logfile: join(folder, 'log'),
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  // A server that trusts everybody has no password, and an empty one is refused.
  const given = login.filter(([, value]) => value !== '')
  const databases = `* = ${given.map(([name, value]) => `${name}=${value}`).join(' ')}`
  await writeFile(join(folder, 'ini'), ['[databases]', databases, '[pgbouncer]', ...lines, ''].join('\n'))
  if (account) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, folder])
  // It dies with its input, so also if this process is killed.
  const supervise = '"$@" & pooler=$!; cat >/dev/null; kill -TERM "$pooler"; wait "$pooler"'
  const child = spawn('sh', ['-c', supervise, 'sh', binary, join(folder, 'ini')], {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    ...account,
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    child.stdin?.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const deadline = performance.now() + START_MS
  while (!(await answers(port))) {
    if (performance.now() > deadline) {
      const log = await readFile(join(folder, 'log'), 'utf8').catch(() => 'it wrote no log')
      await stop()
      throw new Error(`pgbouncer did not start:\n${log}`)
    }
    await sleep(20)
  }
  return {
    version: execFileSync(binary, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '',
    through(url) {
      const pooled = new URL(url)
      pooled.hostname = '127.0.0.1'
      pooled.port = String(port)
      return pooled.toString()
    },
    stop,
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
