import { cp } from 'node:fs/promises'
import { connectEmbedded } from '../src/embedded/index.ts'
import { hashOfMigrations } from '../src/testing/server-database.ts'
import { madeOnce } from './run-folder.ts'

/** Puts an embedded database with all migrations there, a copy of one that is made once: making one takes seconds. */
export async function copyMigratedDirectory(directory: string): Promise<void> {
  const made = await madeOnce(`migrated-${await hashOfMigrations()}`, make)
  await cp(made, directory, { recursive: true })
}

async function make(directory: string): Promise<void> {
  await (await connectEmbedded({ directory, migrate: true })).close()
}
