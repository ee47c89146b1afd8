import { setTimeout as sleep } from 'node:timers/promises'
import { type SQL, sql } from 'drizzle-orm'
import { type ConnectOptions, readSettings } from './config.ts'
import { connectDirect } from './connect.ts'
import type { Connection, Database } from './database.ts'
import { DataError, isDataError } from './errors.ts'
import {
  compareMigrations,
  compareRecords,
  listRecords,
  type MigrationComparison,
  refuseMismatch,
} from './migration-status.ts'
import { type Migration, PACKAGED_MIGRATIONS, readMigrations } from './migrations.ts'
import { sqlStateOf } from './sqlstate.ts'
import { transaction } from './transaction.ts'

export { assertSchemaFits, getMigrationStatus } from './migration-status.ts'

export interface MigrateOptions extends ConnectOptions {
  /** How long to wait for another process that is migrating this database. 60,000 ms. */
  readonly lockWaitMs?: number
}

export interface MigrationReport {
  /** Names of the migrations that this call applied, in order. */
  readonly applied: readonly string[]
  /** Those of `applied` that are older than one the database already had: files that were merged late. */
  readonly late: readonly string[]
  /** How many of this release's migrations others had applied before. */
  readonly alreadyApplied: number
  /** The name of this release's newest migration, which the database now has. Empty if there is none. */
  readonly version: string
}

const LOCK_WAIT_MS = 60_000
const FIRST_POLL_MS = 25
const LONGEST_POLL_MS = 500

// The two halves of the advisory lock: "tblt" in ASCII, and the first lock of that family.
const LOCK = sql.raw('1952607348, 1')

/**
 * Brings the database to the schema of this release, and reports what it did.
 *
 * Any number of processes may call it at once: one migrates, the others wait. Each migration commits together with its
 * record in drizzle-kit's own table, so one that was killed has left nothing, and the next call goes on there. An
 * up-to-date database is only read. It connects with `directUrl` where that is given.
 *
 * @throws `schema_mismatch` when the database was migrated by a newer release, or an applied file was edited.
 * @throws `transient` naming the holder when another process is still migrating after `lockWaitMs`.
 * @throws `config` when the role may not change the schema, or there is only a pooled URL.
 */
export async function migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
  return await migrateFrom(PACKAGED_MIGRATIONS, options)
}

/** Does what `migrate` does, on an open handle that has a single connection. */
export async function migrateConnection(db: Connection): Promise<MigrationReport> {
  return await applyMigrations(db, PACKAGED_MIGRATIONS)
}

/** Does what `migrate` does, with the migrations of another folder. */
export async function migrateFrom(folder: string, options: MigrateOptions = {}): Promise<MigrationReport> {
  const { lockWaitMs = LOCK_WAIT_MS, ...connectOptions } = options
  const { pooled, url, directUrl } = readSettings(connectOptions)
  if (pooled && directUrl === url) {
    throw new DataError(
      'config',
      'migrations need a session of their own, which a pooler does not give: ' +
        'set DATABASE_DIRECT_URL (directUrl) to the server behind it',
    )
  }
  const db = await connectDirect(connectOptions)
  try {
    return await applyMigrations(db, folder, lockWaitMs)
  } finally {
    await db.close()
  }
}

/** Does what `migrate` does, on an open handle of one connection and with the migrations of a folder. */
export async function applyMigrations(
  db: Connection,
  folder: string,
  lockWaitMs: number = LOCK_WAIT_MS,
): Promise<MigrationReport> {
  if (db.pool.size !== 1) {
    throw new DataError('unexpected', `migrations need a handle of one connection, this has ${db.pool.size}`)
  }
  const migrations = await readMigrations(folder)
  const found = await compareMigrations(db, migrations)
  refuseMismatch(found)
  if (found.pending.length === 0) return reportOf(migrations, found, [])

  await acquireLock(db, lockWaitMs)
  try {
    const records = await listRecords(db)
    if (records === undefined) await createTable(db)
    const comparison = compareRecords(records ?? [], migrations)
    refuseMismatch(comparison)
    const applied: Migration[] = []
    for (const migration of comparison.pending) {
      const apply = migration.transactional ? applyAtOnce : applyStepwise
      if (await apply(db, migration)) applied.push(migration)
    }
    return reportOf(migrations, comparison, applied)
  } finally {
    // A lost connection has released it.
    await holds(db, sql`pg_advisory_unlock(${LOCK})`).catch(() => undefined)
  }
}

function reportOf(
  migrations: readonly Migration[],
  before: MigrationComparison,
  applied: readonly Migration[],
): MigrationReport {
  const newestBefore = Math.max(...before.applied.map((migration) => migration.generatedMs))
  return {
    applied: applied.map(({ name }) => name),
    late: applied.filter(({ generatedMs }) => generatedMs < newestBefore).map(({ name }) => name),
    alreadyApplied: migrations.length - applied.length,
    version: migrations.at(-1)?.name ?? '',
  }
}

/** Exactly the table of drizzle-kit, so that each of us sees what the other did. */
async function createTable(db: Database): Promise<void> {
  try {
    await transaction(db, async (tx) => {
      // Postgres wants the right to create schemas even where `if not exists` finds one.
      if (!(await holds(tx, sql`to_regnamespace('drizzle') is not null`))) {
        await tx.execute(sql`create schema if not exists drizzle`)
      }
      await tx.execute(
        sql`create table if not exists drizzle.__drizzle_migrations (
          id serial primary key, hash text not null, created_at bigint)`,
      )
    })
  } catch (error) {
    throw explain(error, 'the record of migrations cannot be created')
  }
}

/** Applies one migration as a whole or not at all. False if another process has done so meanwhile. */
async function applyAtOnce(db: Database, migration: Migration): Promise<boolean> {
  return await transaction(
    db,
    async (tx) => {
      await confirmLock(tx, sql`pg_try_advisory_xact_lock(${LOCK})`)
      if (!(await record(tx, migration))) return false
      await runStatements(tx, migration, 'and nothing of it was kept')
      return true
    },
    { isolationLevel: 'read committed', accessMode: 'read write' },
  )
}

/** Applies one migration statement by statement and records it last: after a failure all of them run again. */
async function applyStepwise(db: Database, migration: Migration): Promise<boolean> {
  await confirmLock(db, sql`pg_try_advisory_lock(${LOCK})`)
  try {
    const { hash, generatedMs } = migration
    const records = await listRecords(db)
    if (records?.some((other) => other.hash === hash && other.generatedMs === generatedMs)) return false
    await runStatements(db, migration, 'and what came before it in the file was kept')
    return await record(db, migration)
  } finally {
    await holds(db, sql`pg_advisory_unlock(${LOCK})`).catch(() => undefined)
  }
}

/** Writes the record of a migration. False if there is one already. */
async function record(db: Database, { name, hash, generatedMs }: Migration): Promise<boolean> {
  try {
    const rows = await rowsOf(
      db,
      sql`insert into drizzle.__drizzle_migrations (hash, created_at)
        select ${hash}, ${generatedMs}::bigint
        where not exists (
          select from drizzle.__drizzle_migrations where hash = ${hash} and created_at = ${generatedMs}::bigint)
        returning id`,
    )
    return rows.length === 1
  } catch (error) {
    throw explain(error, `migration '${name}' cannot be recorded`)
  }
}

async function runStatements(db: Database, migration: Migration, consequence: string): Promise<void> {
  const { name, statements } = migration
  for (const [index, statement] of statements.entries()) {
    try {
      await db.execute(sql.raw(statement))
    } catch (error) {
      const place = statements.length === 1 ? '' : ` at statement ${index + 1} of ${statements.length}`
      throw explain(error, `migration '${name}' failed${place}, ${consequence}`)
    }
  }
}

/** Tells what failed in the server's own words: advice for a verb's caller would mislead the author of a migration. */
function explain(error: unknown, what: string): DataError {
  if (!isDataError(error)) return new DataError('unexpected', `${what}: ${error}`, { cause: error })
  const state = sqlStateOf(error)
  if (state === undefined || error.code === 'connection') {
    return new DataError(error.code, `${what}: ${error.message}`, { cause: error })
  }
  const { cause, constraint } = error
  const message = `${what}: ${cause instanceof Error ? cause.message : error.message} (${state})`
  if (state === '42501') {
    return new DataError('config', `${message}; migrate with a role that owns the schema`, { cause })
  }
  const code = error.code === 'schema_mismatch' ? 'unexpected' : error.code
  return new DataError(code, message, { cause, constraint })
}

/** Waits by asking again and again, so that no `lock_timeout` of the role or database cuts the wait short. */
async function acquireLock(db: Database, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, LONGEST_POLL_MS)) {
    if (await holds(db, sql`pg_try_advisory_lock(${LOCK})`)) return
    const leftMs = deadline - performance.now()
    if (leftMs <= 0) break
    await sleep(Math.min(leftMs, pollMs * (0.5 + Math.random() / 2)))
  }
  const holder = await describeHolder(db)
  throw new DataError(
    'transient',
    `another process is migrating this database${holder} and was not done within ${waitMs} ms`,
  )
}

/** The lock is the session's, so this succeeds at once, unless the session was replaced by a new connection. */
async function confirmLock(db: Database, attempt: SQL): Promise<void> {
  if (await holds(db, attempt)) return
  throw new DataError('transient', `the migration lock was lost${await describeHolder(db)}`)
}

async function describeHolder(db: Database): Promise<string> {
  const [holder] = await rowsOf(
    db,
    sql`select activity.pid::text as pid, activity.application_name as name,
        date_trunc('second', now() - activity.backend_start)::text as age
      from pg_locks as held join pg_stat_activity as activity using (pid)
      where held.locktype = 'advisory' and held.granted and held.objsubid = 2
        and (held.classid, held.objid) in (select ${LOCK})
        and held.database = (select oid from pg_database where datname = current_database())`,
  )
  if (!holder) return ''
  return ` (server process ${holder.pid}, application '${holder.name}', connected for ${holder.age})`
}

async function holds(db: Database, condition: SQL): Promise<boolean> {
  const [row] = await rowsOf(db, sql`select ${condition} as holds`)
  return row?.holds === true
}

type Row = Readonly<Record<string, unknown>>

async function rowsOf(db: Database, query: SQL): Promise<readonly Row[]> {
  return (await db.execute(query)) as readonly Row[]
}
