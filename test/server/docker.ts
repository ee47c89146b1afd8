import { existsSync } from 'node:fs'
import { get } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { RunningServer } from './server.ts'

const IMAGE = 'postgres:17-alpine'
const PING_MS = 1_000
// Pulling the image is part of it.
const START_MS = 180_000

/** True if a Docker engine answers; says so within a second. */
export async function isDockerThere(): Promise<boolean> {
  const answers = await Promise.all(addresses().map(answersPing))
  return answers.includes(true)
}

/** Starts a Postgres container. It is removed on `stop`, or by the reaper if this process dies. */
export async function startContainer(): Promise<RunningServer> {
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
  const starting = new PostgreSqlContainer(IMAGE)
    .withTmpFs({ '/var/lib/postgresql/data': 'rw' })
    .withCommand(['postgres', '-c', 'fsync=off', '-c', 'max_connections=200'])
    .start()
  const container = await within(START_MS, starting)
  return {
    name: `Testcontainers (${IMAGE})`,
    url: container.getConnectionUri(),
    async stop() {
      await container.stop()
    },
  }
}

type Address = { readonly socketPath: string } | { readonly host: string; readonly port: string }

function addresses(): Address[] {
  const named = process.env.DOCKER_HOST
  if (named?.startsWith('unix://')) return [{ socketPath: named.slice('unix://'.length) }]
  if (named?.startsWith('tcp://')) {
    const { hostname, port } = new URL(named)
    return [{ host: hostname, port: port || '2375' }]
  }
  if (named) return []
  if (process.platform === 'win32') return [{ socketPath: '//./pipe/docker_engine' }]
  const sockets = [
    '/var/run/docker.sock',
    join(process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.()}`, 'docker.sock'),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
  ]
  return sockets.filter((path) => existsSync(path)).map((socketPath) => ({ socketPath }))
}

function answersPing(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ ...address, path: '/_ping', signal: AbortSignal.timeout(PING_MS) }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
  })
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not there after ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
