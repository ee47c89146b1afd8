import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/schema.ts',
  out: './drizzle',
  schemaFilter: [
    'audit',
    'access',
    'fleet',
    'market',
    'snapshots',
    'strategy',
    'analysis',
    'trading',
    'risk',
    'ideas',
    'arbitrage',
    'analytics',
  ],
  // For commands that talk to a server; `generate` does not.
  dbCredentials: { url: process.env.DATABASE_DIRECT_URL ?? process.env.DATABASE_URL ?? '' },
})
