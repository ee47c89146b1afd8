import { type Connection, connect, migrate } from 'tradeblotter'
import { connectEmbedded } from 'tradeblotter/embedded'

const EMBEDDED = 'pglite://'

/**
 * Connects to the database that DATABASE_URL names; without one, to an embedded Postgres in memory, gone at the end.
 *
 * The examples migrate it themselves. A real bot leaves that to its deployment.
 */
export async function openDatabase(): Promise<Connection> {
  const url = process.env.DATABASE_URL
  if (!url) return await connectEmbedded({ migrate: true })
  if (url.startsWith(EMBEDDED)) {
    return await connectEmbedded({ directory: url.slice(EMBEDDED.length), migrate: true })
  }
  await migrate()
  return await connect()
}
