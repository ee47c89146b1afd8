import type { Database } from './database.ts'

/** Placeholder until the migrator is written. */
export async function assertSchemaFits(_db: Database): Promise<void> {}
