import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { expect, test, vi } from 'vitest'
import { copyMigratedDirectory } from './migrated-directory.ts'
import { buildPackage, PATIENCE_MS, ROOT, runProgram } from './package-build.ts'

vi.setConfig({ testTimeout: PATIENCE_MS })

/**
 * The 3rd: 0.1 at 90,000 has earned 100 at 91,000, less a fee of 9; 91 of 10,000 is 0.91 %.
 * The 4th: 0.05 brings 2,000 each, 100, less 9 of fees: 91. What is open was worth 100 more than it cost; now 0.05 is 2,000 each
 * below its price, and 2 are 50 below theirs, together −200: 91 − 300 is −209. The 5,000 came first: −209 / 15,091 is −1.385 %.
 * The 5th: 2 sold 100 lower, 0.05 sold 3,000 higher: −50, less fees of 8.85. Nothing is open: 200 more. 141.15 / 14,882 is 0.948 %.
 * In all 1.0091 · 14,882 / 15,091 · 15,023.15 / 14,882 is 1.00456. Of the fees, 9 + 4.6 + 4.65 are of BTC, 4.4 + 4.2 of ETH.
 */
const EXPECTED = [
  '2025-03-05 has changed: calculated again',
  '2025-03-03: net -9, with open positions 91, deposits 0, equity 10091 USDT, return 0.91 %',
  '2025-03-04: net 91, with open positions -209, deposits 5000, equity 14882 USDT, return -1.38 %',
  '2025-03-05: net -58.85, with open positions 141.15, deposits 0, equity 15023.15 USDT, return 0.95 %',
  'in all 0.46 %, drawdown 1.38 %',
  'BTC/USDT: net 231.75, trades 1',
  'ETH/USDT: net -208.6, trades 1',
]

test('the example of a daily report gives the figures worked out by hand', async () => {
  using built = await buildPackage()
  for (const file of ['daily-report.ts', 'open-database.ts']) {
    cpSync(join(ROOT, 'examples', file), join(built.directory, file))
  }
  await copyMigratedDirectory(join(built.directory, 'data'))
  const env = { DATABASE_URL: 'pglite://./data' }
  const { status, stdout, stderr } = await runProgram('daily-report.ts', { cwd: built.directory, env })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const lines = stdout.split('\n')
  expect(lines.slice(0, EXPECTED.length)).toEqual(EXPECTED)
  expect(parse(lines.slice(EXPECTED.length).join('\n'), { columns: true })).toMatchObject([
    { symbol: 'ETH/USDT', gross: '-200', fees: '8.6', net_pnl: '-208.6' },
    { symbol: 'BTC/USDT', gross: '250', fees: '18.25', net_pnl: '231.75' },
  ])
})
