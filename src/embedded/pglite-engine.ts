import type { PGlite } from '@electric-sql/pglite'
import type { Link } from '../db/engine.ts'
import { DataError } from '../db/errors.ts'
import { createDatabaseDirectory, readMajor } from './directory.ts'
import { pgliteLinks } from './link-pglite.ts'

/** One running engine. */
export interface EmbeddedEngine {
  /** Opens a connection; the engine has one session, so there can be one at a time. */
  readonly openLink: () => Link
  /** Calls `handle` for whatever is sent on a channel that its session listens on; returns what ends that. */
  readonly onNotification: PGlite['onNotification']
  /** All its data, from which another engine can be started. */
  dump(): Promise<Blob>
  close(): Promise<void>
}

export interface EngineOptions {
  /** In memory unless given. Whoever gives it holds its lock. */
  readonly directory?: string | undefined
  /** What `dump` made; only in memory. */
  readonly dump?: Blob | undefined
  readonly onNotice?: ((message: string) => void) | undefined
}

/**
 * Starts the engine.
 *
 * @throws `config` if PGlite is not installed.
 * @throws `schema_mismatch` if another major version of Postgres made the directory.
 */
export async function startEngine(options: EngineOptions = {}): Promise<EmbeddedEngine> {
  const { directory, dump, onNotice = () => undefined } = options
  const { PGlite, protocol } = await loadPglite()
  const pglite = directory
    ? await openDirectory(PGlite, directory)
    : await PGlite.create(dump ? { loadDataDir: dump } : {})
  await pglite.exec("set timezone to 'UTC'")
  return {
    openLink: pgliteLinks({ pglite, serialize: protocol.serialize, onNotice }),
    onNotification: (handle) => pglite.onNotification(handle),
    dump: () => pglite.dumpDataDir('none'),
    close: () => pglite.close(),
  }
}

type Pglite = typeof import('@electric-sql/pglite')

async function loadPglite(): Promise<Pick<Pglite, 'PGlite' | 'protocol'>> {
  try {
    return await import('@electric-sql/pglite')
  } catch (cause) {
    throw new DataError(
      'config',
      'the embedded engine needs the package @electric-sql/pglite: npm install @electric-sql/pglite',
      { cause },
    )
  }
}

async function openDirectory(Engine: Pglite['PGlite'], directory: string): Promise<PGlite> {
  if ((await readMajor(directory)) === undefined) {
    await createDatabaseDirectory(directory, async (path) => {
      const created = await Engine.create({ dataDir: path })
      await created.close()
    })
  }
  try {
    return await Engine.create({ dataDir: directory })
  } catch (cause) {
    throw await explainFailedStart(Engine, directory, cause)
  }
}

/** The engine refuses a directory without a reason that could be read, so its version is asked for. */
async function explainFailedStart(
  Engine: Pglite['PGlite'],
  directory: string,
  cause: unknown,
): Promise<DataError> {
  const [found, own] = [await readMajor(directory), await majorOf(Engine)]
  if (found === own) {
    return new DataError('unexpected', `the embedded engine cannot open directory '${directory}'`, { cause })
  }
  return new DataError(
    'schema_mismatch',
    `directory '${directory}' holds a database of PostgreSQL ${found}, and this release of @electric-sql/pglite is ` +
      `PostgreSQL ${own}: dump it with the release that made it (pgDump of @electric-sql/pglite-tools) and restore ` +
      'that into a new directory',
    { cause },
  )
}

async function majorOf(Engine: Pglite['PGlite']): Promise<string> {
  const pglite = await Engine.create()
  try {
    const { rows } = await pglite.query<{ version: string }>(
      "select current_setting('server_version') as version",
    )
    return rows[0]?.version.split('.')[0] ?? 'unknown'
  } finally {
    await pglite.close()
  }
}
