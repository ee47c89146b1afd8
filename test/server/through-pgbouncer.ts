// Runs the tests, or those named on the command line, on a server behind PgBouncer in transaction mode.
import { spawn } from 'node:child_process'
import { startNpmBinaries } from './npm-binaries.ts'
import { hasPgBouncer, NO_PGBOUNCER, startPgBouncer } from './pgbouncer.ts'

if (!hasPgBouncer) {
  process.stderr.write(`${NO_PGBOUNCER}\n`)
  process.exit(1)
}
const server = process.env.TEST_DATABASE_URL
  ? { url: process.env.TEST_DATABASE_URL, stop: async () => undefined }
  : await startNpmBinaries({ inMemory: true })
const pooler = await startPgBouncer(server.url, 10)
const pooled = new URL(pooler.through(server.url))
pooled.searchParams.set('pgbouncer', 'true')
process.stdout.write(`through ${pooler.version}\n`)
const tests = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)], {
  env: { ...process.env, TEST_DATABASE_URL: pooled.toString(), TEST_DATABASE_DIRECT_URL: server.url },
  stdio: 'inherit',
})
process.exitCode = await new Promise<number>((resolve) => tests.once('exit', (code) => resolve(code ?? 1)))
await pooler.stop()
await server.stop()
