import { type ConnectOptions, readSettings } from './db/config.ts'
import { connect as connectServer } from './db/connect.ts'
import type { Connection } from './db/database.ts'
import { DataError } from './db/errors.ts'

const EMBEDDED = 'pglite://'

/**
 * Connects to the database that `url`, or else `DATABASE_URL`, names: `postgres://…` is a server, `pglite://./data` the
 * embedded engine on that directory (relative to the working directory; `pglite:///var/lib/bot` is absolute).
 *
 * It never migrates, and there is no database to fall back on: a bot without one must not trade. On the embedded engine
 * `poolWaitMs`, `logger` and `skipSchemaCheck` count; the other options are for a server.
 *
 * @throws `config` listing every wrong or missing setting, or if another process has the directory.
 * @throws `schema_mismatch` when migrations are pending, or were made by a newer release.
 * @throws `connection` when the server does not answer.
 */
export async function connect(options: ConnectOptions = {}): Promise<Connection> {
  const url = options.url ?? process.env.DATABASE_URL
  if (!url?.startsWith(EMBEDDED)) return await connectServer(options)
  const directory = directoryOf(url)
  // The other settings are read as for a server, so that a wrong one shows on a laptop too.
  const { poolWaitMs } = readSettings({ ...options, url: 'postgres://embedded' })
  const { logger, skipSchemaCheck = false } = options
  const { connectEmbedded } = await import('./embedded/index.ts')
  return await connectEmbedded({ directory, poolWaitMs, skipSchemaCheck, ...(logger ? { logger } : {}) })
}

function directoryOf(url: string): string {
  const path = url.slice(EMBEDDED.length)
  if (path === '' || /[?#]/.test(path)) {
    throw new DataError('config', `url '${url}' must be ${EMBEDDED} and a directory, nothing after it`)
  }
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new DataError('config', `url '${url}' has a % that begins no encoded character; write %25`, {
      cause,
    })
  }
}
