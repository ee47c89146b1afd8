import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { DataError } from './errors.ts'
import { type Migration, readMigrations } from './migrations.ts'
import { sqlStateOf } from './sqlstate.ts'
import { sqlStatement } from './statement.ts'

/** How a database stands against the migrations of this release. */
export interface MigrationStatus {
  /** Oldest first. */
  readonly applied: readonly AppliedMigration[]
  /** Names of files not applied yet, in the order in which they will be. */
  readonly pending: readonly string[]
  /** What the database records and this release has no file for: a newer release was here. */
  readonly unknown: readonly UnknownMigration[]
  /** Names of files whose content is no longer what was applied. */
  readonly edited: readonly string[]
}

export interface AppliedMigration {
  readonly name: string
  /** When its file was generated. When it was applied is not recorded. */
  readonly generatedAt: Date
}

export interface UnknownMigration {
  readonly hash: string
  readonly generatedAt: Date
}

/** A row of drizzle-kit's table. */
export interface MigrationRecord {
  readonly hash: string
  readonly generatedMs: number
}

/** Each migration of a release by its state in a database. */
export interface MigrationComparison {
  readonly applied: readonly Migration[]
  readonly pending: readonly Migration[]
  readonly edited: readonly Migration[]
  readonly unknown: readonly MigrationRecord[]
}

const readRecords = sqlStatement<MigrationRecord, never>('getMigrationStatus', () => ({
  query: sql`select hash, coalesce(created_at, 0) from drizzle.__drizzle_migrations order by created_at, id`,
  fields: { hash: sql<string>`hash`, generatedMs: sql`created_at`.mapWith(Number) },
}))

/**
 * Returns which migrations of this release the database has and lacks. One query; needs SELECT on drizzle-kit's table
 * and no more.
 *
 * @throws `config` when the role may not read that table.
 */
export async function getMigrationStatus(db: Database, folder?: string): Promise<MigrationStatus> {
  const { applied, pending, edited, unknown } = await compareMigrations(db, await readMigrations(folder))
  return {
    applied: applied.map(({ name, generatedMs }) => ({ name, generatedAt: new Date(generatedMs) })),
    pending: pending.map(({ name }) => name),
    unknown: unknown.map(({ hash, generatedMs }) => ({ hash, generatedAt: new Date(generatedMs) })),
    edited: edited.map(({ name }) => name),
  }
}

/**
 * Does nothing if the database has exactly the migrations of this release.
 *
 * @throws `schema_mismatch` when some are pending, edited since, or unknown to this release.
 */
export async function assertSchemaFits(db: Database, folder?: string): Promise<void> {
  const comparison = await compareMigrations(db, await readMigrations(folder))
  refuseMismatch(comparison)
  const error = pendingError(comparison)
  if (error) throw error
}

/** Compares the migrations with what the database records. A database without the table has none of them. */
export async function compareMigrations(
  db: Database,
  migrations: readonly Migration[],
): Promise<MigrationComparison> {
  return compareRecords((await listRecords(db)) ?? [], migrations)
}

/** The rows of drizzle-kit's table, or undefined where there is no such table. */
export async function listRecords(db: Database): Promise<MigrationRecord[] | undefined> {
  try {
    return await readRecords.run(db, {})
  } catch (error) {
    if (sqlStateOf(error) === '42P01') return undefined
    if (sqlStateOf(error) !== '42501') throw error
    throw new DataError(
      'config',
      'the database role may not see which migrations were applied; as the owner: ' +
        'grant usage on schema drizzle to …; grant select on drizzle.__drizzle_migrations to …',
      { cause: error },
    )
  }
}

/** A record belongs to the file of the same moment, or else of the same content: a merge may date a file anew. */
export function compareRecords(
  records: readonly MigrationRecord[],
  migrations: readonly Migration[],
): MigrationComparison {
  const byMoment = new Map(records.map((record) => [record.generatedMs, record]))
  const moments = new Set(migrations.map((migration) => migration.generatedMs))
  const rest = records.filter((record) => !moments.has(record.generatedMs))
  const applied: Migration[] = []
  const pending: Migration[] = []
  const edited: Migration[] = []
  for (const migration of migrations) {
    const record = byMoment.get(migration.generatedMs)
    if (record) {
      if (record.hash === migration.hash) applied.push(migration)
      else edited.push(migration)
      continue
    }
    const moved = rest.findIndex((other) => other.hash === migration.hash)
    if (moved === -1) pending.push(migration)
    else {
      rest.splice(moved, 1)
      applied.push(migration)
    }
  }
  return { applied, pending, edited, unknown: rest }
}

/** @throws `schema_mismatch` for what no migration can repair: files edited after they were applied, or unknown here. */
export function refuseMismatch(comparison: MigrationComparison): void {
  const error = editedError(comparison) ?? unknownError(comparison)
  if (error) throw error
}

export function pendingError({ pending }: MigrationComparison): DataError | undefined {
  if (pending.length === 0) return undefined
  return new DataError(
    'schema_mismatch',
    `the database lacks ${count(pending.length, 'migration')} of this release (${list(pending)}): run migrate()`,
  )
}

export function editedError({ edited }: MigrationComparison): DataError | undefined {
  if (edited.length === 0) return undefined
  return new DataError(
    'schema_mismatch',
    `${list(edited)} changed after the database applied it: restore the file as it was released ` +
      '(install the package anew) and put the change into a new migration',
  )
}

function unknownError({ unknown }: MigrationComparison): DataError | undefined {
  const newest = unknown.at(-1)
  if (!newest) return undefined
  return new DataError(
    'schema_mismatch',
    `the database has ${count(unknown.length, 'migration')} that this release does not know (the newest of ` +
      `${new Date(newest.generatedMs).toISOString()}): a newer release migrated it, so deploy that release here too. ` +
      'If it is another project that keeps its migrations in drizzle.__drizzle_migrations, give that project a ' +
      'table of its own (migrations.table in its drizzle.config.ts)',
  )
}

function list(migrations: readonly Migration[]): string {
  const names = migrations.map(({ name }) => `'${name}'`)
  return names.length <= 3 ? names.join(', ') : `${names[0]} to ${names.at(-1)}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
