import { defineConfig } from 'drizzle-kit'

// Paths are from the folder where drizzle-kit is run: the root of the repository.
// biome-ignore lint/style/noDefaultExport: drizzle-kit reads the default export.
export default defineConfig({
  dialect: 'postgresql',
  schema: './examples/own-tables/schema.ts',
  out: './examples/own-tables/migrations',
  // Only these are looked at and changed; the rest of the database belongs to others.
  schemaFilter: ['journal'],
  // A table of its own for what was applied: tradeblotter keeps its own in drizzle.__drizzle_migrations.
  migrations: { schema: 'drizzle', table: 'journal_migrations' },
  dbCredentials: { url: process.env.DATABASE_URL ?? '' },
})
