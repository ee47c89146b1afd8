import { beforeAll, describe, expect, test, vi } from 'vitest'
import { CANDLE_HEAD as HEAD } from './demo-books.ts'
import { buildDemo, type Demo } from './demo-program.ts'
import { PATIENCE_MS } from './package-build.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let demo: Demo
beforeAll(async () => {
  demo = await buildDemo()
  return () => demo[Symbol.dispose]()
})

const GOOD = '2024-01-01,10,12,9,11,5'

function fileOf(what: string): string {
  return `${what.replaceAll(' ', '-')}.csv`
}

describe('a file of candles that is wrong', () => {
  const CASES = [
    ['has no such column', `date,open,high,low,volume\n`, 'line 1: there is no column close'],
    ['has a column twice', `${HEAD},open\n${GOOD},1\n`, 'line 1: column open is there twice'],
    ['is empty', '', 'is empty'],
    ['has a header alone', `${HEAD}\n`, 'a header and no candles'],
    ['has a word for a price', `${HEAD}\n${GOOD}\n2024-01-02,10,12,9,abc,5`, "line 3, column close: 'abc'"],
    ['has a float', `${HEAD}\r\n${GOOD}\r\n2024-01-02,1e1,12,9,11,5`, "line 3, column open: '1e1' is not a"],
    ['has a hole', `${HEAD}\n\n${GOOD}\n2024-01-02,10,,9,11,5`, 'line 4, column high: is empty'],
    ['has a short line', `${HEAD}\n${GOOD}\n2024-01-02,10,12`, 'line 3, column low: is empty'],
    ['has a price of zero', `${HEAD}\n2024-01-01,10,12,0,11,5`, "line 2, column low: '0' must be greater"],
    ['has a negative price', `${HEAD}\n2024-01-01,10,12,-9,11,5`, "line 2, column low: '-9' is not a"],
    ['has no number for a volume', `${HEAD}\n2024-01-01,10,12,9,11,x`, "line 2, column volume: 'x' is not a"],
    ['has a high below the low', `${HEAD}\n2024-01-01,10,8,9,11,5`, "line 2, column high: '8' is lower than"],
    ['has a day twice', `${HEAD}\n${GOOD}\n${GOOD}`, "line 3, column date: '2024-01-01' is there twice"],
    ['goes back in time', `${HEAD}\n${GOOD}\n2023-12-31,10,12,9,11,5`, 'line 3, column date: '],
    ['has no such day', `${HEAD}\n2023-02-29,10,12,9,11,5`, "column date: '2023-02-29' is no day"],
    ['has another date', `${HEAD}\n01/02/2023,10,12,9,11,5`, "column date: '01/02/2023' is neither"],
    ['is not CSV', `${HEAD}\n"2024-01-01,10`, 'is not CSV'],
  ] as const

  // In one process, since each takes a second to start.
  let messages: string[] = []
  beforeAll(async () => {
    const files = CASES.map(([what, text]) => demo.writeCsv(fileOf(what), text))
    messages = await demo.probe('readCandles', './candles.ts', files)
  })

  test.each(CASES.map(([what, , message], index) => [what, message, index] as const))(
    '%s: the message says where',
    (what, message, index) => {
      expect(messages[index]).toContain(`CandleError: prices/${fileOf(what)}`)
      expect(messages[index]).toContain(message)
      expect(messages[index]).not.toContain('\n')
    },
  )

  test('ends the demo before it opens a database', async () => {
    const file = demo.writeCsv('bad.csv', `${HEAD}\n${GOOD}\n2024-01-02,10,12,9,abc,5`)
    expect(await demo.run('--candles', file)).toEqual({
      status: 1,
      stdout: '',
      stderr: `demo: ${file}, line 3, column close: 'abc' is not a plain number such as 1455.22\n`,
    })
  })

  test('is too short for the averages', async () => {
    const file = demo.writeCsv('short.csv', `${HEAD}\n${GOOD}`)
    const { status, stderr } = await demo.run('--candles', file)
    expect(status).toBe(1)
    expect(stderr).toContain(`${file} has 1 candle, too few`)
  })

  test('is not there', async () => {
    const { status, stderr } = await demo.run('--candles', 'prices/none.csv')
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'demo: prices/none.csv is not there\n' })
  })

  test('may have epoch milliseconds, a byte order mark and quotes', async () => {
    const rows = [100, 101, 100, 92, 91].map(
      (close, day) => `"${Date.UTC(2024, 0, day + 1)}",100,110,90,"${close}",1`,
    )
    const file = demo.writeCsv('epoch.csv', `\uFEFF${HEAD.toUpperCase()}\r\n${rows.join('\r\n')}\r\n`)
    const { status, stdout } = await demo.run('--candles', file, '--fast', '1', '--slow', '2')
    expect(status).toBe(0)
    expect(stdout).toContain('5 candles, 2024-01-01 to 2024-01-05')
  })
})

describe('the command line', () => {
  const CASES = [
    [['--method', 'hifo'], "--method 'hifo' is none of average, fifo, lifo"],
    [['--slow', '20'], '--fast 20 must be smaller than --slow 20'],
    [['--fast', '0'], "--fast '0' is not a whole number"],
    [['--database-url', 'mysql://x'], '--database-url must begin with postgres://'],
    [['--database-url', 'postgres://x/y', '--directory', 'z'], '--database-url and --directory are'],
    [['--candles', ''], '--candles is empty'],
    [['--tear-sheet', ' '], '--tear-sheet is empty'],
    [['--stored', 'a:b:1d'], '--stored needs the database that has them'],
    [['--stored', 'a:b:1d', '--candles', 'x.csv'], '--candles and --stored are two sources'],
    [['--stored', 'a:1d', '--directory', 'z'], "--stored 'a:1d' is not EXCHANGE:SYMBOL:TIMEFRAME"],
    [['--stored', 'a:b:2d', '--directory', 'z'], "--stored 'a:b:2d': the timeframe '2d' is none of 1s, 1m"],
    [['--candles'], "Option '--candles <value>' argument missing"],
    [['prices.csv'], "Unexpected argument 'prices.csv'"],
  ] as const

  test('refuses what makes no sense, and says what', async () => {
    const messages = await demo.probe(
      'readOptions',
      './options.ts',
      CASES.map(([args]) => args),
    )
    for (const [index, [, message]] of CASES.entries()) {
      expect(messages[index]).toContain(`UsageError: ${message}`)
    }
  })

  test('refuses an unknown option with one line and the usage', async () => {
    const { status, stdout, stderr } = await demo.run('--bogus')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^demo: Unknown option '--bogus'\n\nUsage: npm run demo -- \[options\]\n/)
  })

  test('explains itself with --help', async () => {
    const { status, stdout } = await demo.run('--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Usage: .*--candles.*--database-url.*--method/s)
  })

  test('says that a server does not answer, without its password', async () => {
    const url = 'postgres://someone:sesame@127.0.0.1:1/none'
    const { status, stdout, stderr } = await demo.run('--database-url', url)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^demo: .*127\.0\.0\.1/)
    expect(stdout + stderr).not.toContain('sesame')
  })
})
