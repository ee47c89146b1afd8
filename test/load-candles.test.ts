import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { copyMigratedDirectory } from './migrated-directory.ts'
import {
  type BuiltPackage,
  buildPackage,
  type Outcome,
  PATIENCE_MS,
  ROOT,
  runProgram,
} from './package-build.ts'
import { hasSharedData, readShared, SKIP_REASON } from './shared-data.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let built: BuiltPackage
beforeAll(async () => {
  built = await buildPackage()
  for (const part of ['load-candles.ts', 'open-database.ts', 'data']) {
    cpSync(join(ROOT, 'examples', part), join(built.directory, 'examples', part), { recursive: true })
  }
  return () => built[Symbol.dispose]()
})

function load(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runProgram('examples/load-candles.ts', { cwd: built.directory, env }, args)
}

/** Says that the database is one that has its tables already, on which the example starts sooner. */
async function migrated(directory: string): Promise<Record<string, string>> {
  await copyMigratedDirectory(join(built.directory, directory))
  return { DATABASE_URL: `pglite://./${directory}` }
}

/** What is printed, without the rate. */
async function linesOf(args: readonly string[], env?: Record<string, string>): Promise<string[]> {
  const { status, stdout, stderr } = await load(args, env)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.replaceAll(/, \d+ a second/g, '').split('\n')
}

describe('the example that loads candles', () => {
  test('needs no file: it shows what the one it brings along lacks', async () => {
    expect(await linesOf([])).toEqual(
      expect.arrayContaining([
        '[##############################] 85 rows',
        '85 new, 0 replaced, 0 unchanged, 1 refused',
        '  2025-03-05 00:00: high 28.95 is below the open 29.35',
        'stored: example ACME-USD 1d, 85 candles, 2025-01-01 00:00 to 2025-03-31 00:00',
        'missing: 5 candles in 3 gaps',
        '  3 from 2025-02-08 00:00 on',
        'last close: 29.54 at 2025-04-01 00:00, 2.11 % in 24 hours',
        '  2025-03-10 00:00  30.87 31.03 26.78 27.8 17279.261',
        '  2025-03-31 00:00  28.93 29.7 28.68 29.54 4692.011 (incomplete)',
      ]),
    )
  })

  test('stores nothing twice, and knows of closed days', async () => {
    // 4 and 5 January 2025 were a Saturday and a Sunday.
    writeFileSync(
      join(built.directory, 'week.csv'),
      'date,open,high,low,close,volume\n2025-01-03,5,6,4,5,1\n2025-01-06,5,6,4,5,1\n',
    )
    const env = { DATABASE_URL: 'pglite://./candles' }
    expect(await linesOf(['week.csv', '--symbol', 'X'], env)).toEqual(
      expect.arrayContaining(['2 new, 0 replaced, 0 unchanged, 0 refused', 'missing: 2 candles in 1 gaps']),
    )
    expect(await linesOf(['week.csv', '--symbol', 'X', '--closed', 'saturday,sunday'], env)).toEqual(
      expect.arrayContaining([
        '0 new, 0 replaced, 2 unchanged, 0 refused',
        'stored: example X 1d, 2 candles, 2025-01-03 00:00 to 2025-01-06 00:00',
        'missing: 0 candles in 0 gaps',
      ]),
    )
  })

  test('says in one line what is wrong with the arguments or the file', async () => {
    writeFileSync(join(built.directory, 'packed.csv'), gzipSync('date'))
    const cases: [string[], string][] = [
      [['none.csv'], 'none.csv is not there'],
      [['--timeframe', '2d'], '--timeframe 2d is none of 1s, 1m'],
      [['--format', 'kraken'], '--format kraken is none of binance'],
      [['--closed', 'sunnday'], '--closed sunnday is none of sunday'],
      [['--bogus'], "Unknown option '--bogus'"],
      [['a.csv', 'b.csv'], 'one file at a time'],
      [['packed.csv'], 'packed.csv: is gzipped'],
      [['--format', 'bybit'], 'data/acme-usd.csv:1: is no header with timestamp'],
    ]
    const outcomes = await Promise.all(cases.map(([args]) => load(args)))
    for (const [index, { status, stdout, stderr }] of outcomes.entries()) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(/^load-candles: [^\n]+\n$/)
      expect(stderr).toContain(cases[index]?.[1])
    }
  })

  test.skipIf(!hasSharedData)(
    `finds what real candles lack${hasSharedData ? '' : ` (${SKIP_REASON})`}`,
    async () => {
      writeFileSync(join(built.directory, 'days.csv'), readShared('candles/coinbase-btc-usd-1d.csv'))
      const days = ['days.csv', '--exchange', 'coinbase', '--symbol', 'BTC-USD', '--timeframe', '1d']
      expect(await linesOf(days, await migrated('days'))).toEqual(
        expect.arrayContaining([
          '1318 new, 0 replaced, 0 unchanged, 0 refused',
          'stored: coinbase BTC-USD 1d, 1318 candles, 2014-12-01 00:00 to 2018-08-13 00:00',
          'missing: 34 candles in 8 gaps',
        ]),
      )
      writeFileSync(
        join(built.directory, 'minutes.csv'),
        readShared('candles/bybit-btcusdt-perp-1m-2022-12-13.csv'),
      )
      const minutes = ['minutes.csv', '--timeframe', '1m', '--format', 'bybit', '--day', '2022-12-13']
      expect(await linesOf(minutes, await migrated('minutes'))).toEqual(
        expect.arrayContaining([
          'missing: 0 candles in 0 gaps',
          'the last made into 1h: open, high, low, close, volume',
        ]),
      )
    },
  )
})
