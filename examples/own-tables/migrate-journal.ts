import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { type Database, transaction } from 'tradeblotter'

const migrationsFolder = fileURLToPath(new URL('migrations', import.meta.url))

/**
 * Applies what is new in `migrations`, on the embedded engine as on a server, and returns how many there were.
 *
 * It keeps the table that drizzle-kit keeps, so on a server `drizzle-kit migrate` does the same.
 */
export async function migrateJournal(db: Database): Promise<number> {
  return await transaction(db, async (tx) => {
    await tx.execute(sql`create schema if not exists drizzle`)
    await tx.execute(sql`create table if not exists drizzle.journal_migrations (
      id serial primary key, hash text not null, created_at bigint)`)
    // Two processes that start at once take turns.
    await tx.execute(sql`lock table drizzle.journal_migrations in exclusive mode`)
    const rows = (await tx.execute(sql`select hash from drizzle.journal_migrations`)) as { hash: string }[]
    const applied = new Set(rows.map(({ hash }) => hash))
    const pending = readMigrationFiles({ migrationsFolder }).filter(({ hash }) => !applied.has(hash))
    for (const { sql: statements, hash, folderMillis } of pending) {
      for (const statement of statements) await tx.execute(sql.raw(statement))
      await tx.execute(
        sql`insert into drizzle.journal_migrations (hash, created_at) values (${hash}, ${folderMillis})`,
      )
    }
    return pending.length
  })
}
