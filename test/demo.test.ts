import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../src/connect.ts'
import { connectEmbedded } from '../src/embedded/index.ts'
import { getBot, listBots } from '../src/fleet/index.ts'
import { getCandles, listCandleSeries, recordCandles } from '../src/market/index.ts'
import { getLatestBalance, listFills, listOrders, listTrades } from '../src/trading/index.ts'
import { testServer } from './database.ts'
import { createEmptyDatabase, dropDatabase } from './db/migration-fixtures.ts'
import { type BuiltPackage, buildPackage, type Outcome, PATIENCE_MS, ROOT, runNode } from './package-build.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let built: BuiltPackage
beforeAll(async () => {
  built = await buildPackage()
  cpSync(join(ROOT, 'examples/demo'), join(built.directory, 'examples/demo'), { recursive: true })
  return () => built[Symbol.dispose]()
})

function runDemo(...args: string[]): Promise<Outcome> {
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
  return runNode([tsx, 'examples/demo/index.ts', ...args], { cwd: built.directory })
}

/** Calls a function of the demo on each argument, and returns what each call threw. */
async function probe(name: string, module: string, args: readonly unknown[]): Promise<string[]> {
  const program = `
    import { ${name} } from '${module}'
    const outcomeOf = (arg) => { try { return JSON.stringify(${name}(arg)) } catch (error) { return String(error) } }
    process.stdout.write(JSON.stringify(${JSON.stringify(args)}.map(outcomeOf)))`
  const file = `examples/demo/probe-${name}.js`
  writeFileSync(join(built.directory, file), program)
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
  const { stdout, stderr } = await runNode([tsx, file], { cwd: built.directory })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

function fileOf(what: string): string {
  return `${what.replaceAll(' ', '-')}.csv`
}

function writeCsv(name: string, text: string): string {
  const folder = join(built.directory, 'prices')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), text)
  return `prices/${name}`
}

// With averages of one close and of two, they cross whenever the price turns. The columns are out of order and one is
// not the demo's, which must not matter.
const TURNS = `volume,close,open,name,high,low,date
1,100,100,a,101,99,2024-01-01
1,101,100,b,102,99,2024-01-02
1,100,101,c,102,99,2024-01-03
1,90,100,d,101,89,2024-01-04
1,91,90,e,93,89,2024-01-05
1,93,92,f,94,91,2024-01-06
1,86,88,g,89,85,2024-01-07
1,80,86,h,87,79,2024-01-08
1,79,78,i,82,78,2024-01-09
`

/**
 * What must come of it, worked out by hand: side, quantity and price.
 *
 * 3 January turns down: 95,000 of 100,000 buys 950 at 100; at the next open 60 % of it is sold at 100, the rest 0.01 %
 * lower. The 4th earns more than 5 %: half is bought back at 90. The 5th turns up with an equity of 108,952.3269 at 91,
 * which is 1,137.41, and 475 more to close the short. The 6th sets the stop 5 % below 92.009, at 87.409, and the 7th
 * falls through it. It turns down, with a cash of 103,125.78916228 at 86: 1,139.18. On the 8th that earns 5 % too.
 */
const FILLS = [
  ['sell', '570', '100'],
  ['sell', '380', '99.99'],
  ['buy', '475', '90'],
  ['buy', '967.44', '92'],
  ['buy', '644.97', '92.009'],
  ['sell', '1137.41', '87.409'],
  ['sell', '683.5', '86'],
  ['sell', '455.68', '85.991'],
  ['buy', '569.59', '78'],
] as const

describe('the demo', () => {
  test('trades prices of your own by its rules, to the last digit', async () => {
    const { status, stdout, stderr } = await runDemo(
      ...['--candles', writeCsv('turns.csv', TURNS), '--fast', '1', '--slow', '2', '--directory', 'kept'],
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })

    await using db = await connect({ url: `pglite://${join(built.directory, 'kept')}` })
    const [bot] = await listBots(db)
    const botId = bot?.botId ?? ''
    const fills = (await listFills(db, { botId })).reverse()
    fills.sort((a, b) => Number(a.sequence - b.sequence))
    expect(fills.map((f) => [f.side, f.quantity.toFixed(), f.price.toFixed()])).toEqual(FILLS)

    const { cash, fees, gross, openCost } = keepBooks(FILLS)
    expect(gross).toBe(cash + openCost)
    expect(exactLines(stdout)).toEqual([gross, cash, openCost, cash + openCost])
    expect(stdout).toContain('Identity: holds exactly')
    expect(stdout).toContain('1 ledger: 0 differences')
    expect(stdout).toContain('2 closed trades: 1 won, 1 lost, 0 even (net)')
    expect(stdout).toContain('1 crossover and 1 stop; 1 flip, 2 partial exits')
    expect(stdout).toContain('short 569.59 TURNS since 2024-01-08')

    const orders = await listOrders(db, { botId })
    expect(orders.map(({ status, purpose }) => `${status} ${purpose}`).reverse()).toEqual([
      'filled entry',
      'filled scale_out',
      'filled entry',
      'filled stop_loss',
      'filled entry',
      'filled scale_out',
    ])
    const trades = await listTrades(db, { botId })
    expect(trades.map(({ exitReason }) => exitReason)).toEqual(['stop', 'crossover'])
    const balance = await getLatestBalance(db, { botId, exchange: 'paper', currency: 'USD' })
    expect(units(balance.total.toFixed())).toBe(units('100000') + gross - fees)
    expect(await getBot(db, { botId })).toMatchObject({ status: 'stopped', mode: 'backtest' })

    const series = { exchange: 'paper', symbol: 'TURNS', timeframe: '1d' } as const
    expect(await listCandleSeries(db)).toMatchObject([{ ...series, candleCount: 9 }])
    const [first] = await getCandles(db, { ...series, from: new Date('2024-01-01') })
    expect([first?.open, first?.high, first?.low, first?.close, first?.volume].map(String)).toEqual(
      ['100', '101', '99', '100', '1'], // As in the columns of the file, which are out of order.
    )
  })

  test('trades candles that are stored already as it trades those of a file', async () => {
    // More than two pages, hours, and one in the middle of the file's days missing.
    const rows = randomWalk(2_300).split('\n').slice(1, -1)
    const hour = (index: number) => new Date(Date.UTC(2024, 0, 1, index)).toISOString()
    const lines = rows.map((row, index) => row.replace(/^[^,]*/, hour(index)))
    lines.splice(1_100, 600)
    const series = { exchange: 'binance', symbol: 'BTC/USDT:USDT', timeframe: '1h' } as const
    const stored = lines.map((line) => {
      const [time = '', open = '', high = '', low = '', close = '', volume = ''] = line.split(',')
      return { ...series, openTime: new Date(time), open, high, low, close, volume }
    })
    const last = stored.at(-1)
    if (!last) throw new Error('there are no candles')
    // What is still forming is not traded.
    const forming = { ...last, openTime: new Date(last.openTime.getTime() + 3_600_000), complete: false }
    {
      await using db = await connectEmbedded({ directory: join(built.directory, 'loaded'), migrate: true })
      const { refused } = await recordCandles(db, { candles: [...stored, forming] })
      expect(refused).toEqual([])
    }
    const averages = ['--fast', '5', '--slow', '20']
    const ofStored = ['--stored', 'binance:BTC/USDT:USDT:1h', '--directory', 'loaded']
    const file = writeCsv('hours.csv', `${HEAD}\n${lines.join('\n')}\n`)
    const [fromStore, fromFile] = await Promise.all([
      runDemo(...ofStored, ...averages),
      runDemo('--candles', file, ...averages),
    ])
    expect([fromStore.status, fromStore.stderr, fromFile.stderr]).toEqual([0, '', ''])
    expect(fromStore.stdout).toContain(
      'binance:BTC/USDT:USDT:1h, stored\n            1,700 candles, 2024-01-01 to',
    )
    // Neither less nor more than all of them: the pages have no gap between them.
    expect(fromStore.stdout).toMatch(/ 80 %.*\n.* 100 %.*\n {2}recorded/)
    expect(figures(fromStore.stdout)).toMatch(/\d{2,} closed trades/)
    expect(figures(fromStore.stdout).replaceAll('BTC/USDT:USDT', 'HOURS')).toBe(figures(fromFile.stdout))

    const { status, stderr } = await runDemo('--stored', 'binance:BTC/USDT:1h', '--directory', 'loaded')
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'demo: no candles of binance:BTC/USDT:1h are stored; there are binance:BTC/USDT:USDT:1h\n',
    })
  })

  test('leaves out a candle that contradicts itself, and says so', async () => {
    const wrong = TURNS.replace('1,86,88,g,89,85,2024-01-07', '1,86,88,g,87,85,2024-01-07')
    const { status, stdout } = await runDemo(
      ...['--candles', writeCsv('wrong.csv', wrong), '--fast', '1', '--slow', '2'],
    )
    expect(status).toBe(0)
    expect(stdout).toContain('8 candles, 2024-01-01 to 2024-01-09')
    expect(stdout).toContain('without 2024-01-07 00:00: high 87 is below the open 88')
  })

  test('refuses a file beside which other candles of that name are stored', async () => {
    const place = ['--fast', '1', '--slow', '2', '--directory', 'mixed']
    expect(await runDemo('--candles', writeCsv('mix.csv', TURNS), ...place)).toMatchObject({ status: 0 })
    const fewer = TURNS.split('\n').slice(0, -3).join('\n')
    const { status, stderr } = await runDemo('--candles', writeCsv('mix.csv', fewer), ...place)
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^demo: the database has other candles of paper:MIX:1d .* --stored paper:MIX:1d\n$/,
    )
  })

  test.each(['fifo', 'lifo'] as const)(
    'gives the same trades with %s, and other parts of them',
    async (method) => {
      const file = writeCsv(`turns-${method}.csv`, TURNS)
      const { status, stdout } = await runDemo(
        ...['--candles', file, '--fast', '1', '--slow', '2', '--method', method],
      )
      expect(status).toBe(0)
      const { cash, gross } = keepBooks(FILLS)
      // Of the last position, sold at 86 and 85.991, half is bought back: 569.59 of 1,139.18.
      const average = (units('86') * 683_50n + units('85.991') * 455_68n) / 2n
      const lots = {
        fifo: units('86') * 569_59n,
        lifo: units('85.991') * 455_68n + units('86') * 113_91n,
      }[method]
      const [realised, cashFlow] = exactLines(stdout)
      expect(cashFlow).toBe(cash)
      expect(realised).toBe(gross + (lots - average) / 100n)
      expect(stdout).toContain('Identity: holds exactly')
    },
  )

  test('needs no option: it brings real prices along, and says what became of them', async () => {
    const { status, stdout, stderr } = await runDemo()
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('5,105 candles, 2000-01-03 to 2020-04-17')
    expect(stdout).toContain('Identity: holds exactly')
    expect(stdout).toContain('1 ledger: 0 differences')
    const [, crossovers, stops, flips, parts] =
      /by (\d+) crossovers and (\d+) stops; (\d+) flips, (\d+) partial/.exec(stdout) ?? []
    expect(Number(crossovers) + Number(stops)).toBeGreaterThan(24)
    expect(Math.min(Number(flips), Number(parts))).toBeGreaterThan(0)
    // No colours and nothing written over where nobody is at a terminal; no line too wide for one.
    expect(stdout).not.toContain('\u001B')
    expect(stdout).not.toContain('\r')
    const widest = stdout.split('\n').map((line) => line.length)
    expect(Math.max(...widest)).toBeLessThanOrEqual(80)
  })

  test('gives the same figures on a server that has no tables yet', async () => {
    const { directUrl } = testServer()
    const url = await createEmptyDatabase(directUrl)
    try {
      const prices = ['--candles', writeCsv('walk.csv', randomWalk(400)), '--fast', '5', '--slow', '20']
      const [embedded, server] = await Promise.all([
        runDemo(...prices, '--method', 'average'),
        runDemo(...prices, '--method', 'average', '--database-url', url),
      ])
      expect([server.status, server.stderr, embedded.status]).toEqual([0, '', 0])
      expect(figures(server.stdout)).toEqual(figures(embedded.stdout))
      expect(figures(server.stdout)).toMatch(/\d{2,} closed trades/)
      expect(new URL(url).password === '' || !server.stdout.includes(new URL(url).password)).toBe(true)

      const again = await runDemo(...prices, '--database-url', url)
      expect(figures(again.stdout)).toEqual(figures(server.stdout))
    } finally {
      await dropDatabase(directUrl, url)
    }
  })
})

const HEAD = 'date,open,high,low,close,volume'
const GOOD = '2024-01-01,10,12,9,11,5'

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
    const files = CASES.map(([what, text]) => writeCsv(fileOf(what), text))
    messages = await probe('readCandles', './candles.ts', files)
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
    const file = writeCsv('bad.csv', `${HEAD}\n${GOOD}\n2024-01-02,10,12,9,abc,5`)
    expect(await runDemo('--candles', file)).toEqual({
      status: 1,
      stdout: '',
      stderr: `demo: ${file}, line 3, column close: 'abc' is not a plain number such as 1455.22\n`,
    })
  })

  test('is too short for the averages', async () => {
    const file = writeCsv('short.csv', `${HEAD}\n${GOOD}`)
    const { status, stderr } = await runDemo('--candles', file)
    expect(status).toBe(1)
    expect(stderr).toContain(`${file} has 1 candle, too few`)
  })

  test('is not there', async () => {
    const { status, stderr } = await runDemo('--candles', 'prices/none.csv')
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'demo: prices/none.csv is not there\n' })
  })

  test('may have epoch milliseconds, a byte order mark and quotes', async () => {
    const rows = [100, 101, 100, 92, 91].map(
      (close, day) => `"${Date.UTC(2024, 0, day + 1)}",100,110,90,"${close}",1`,
    )
    const file = writeCsv('epoch.csv', `\uFEFF${HEAD.toUpperCase()}\r\n${rows.join('\r\n')}\r\n`)
    const { status, stdout } = await runDemo('--candles', file, '--fast', '1', '--slow', '2')
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
    [['--stored', 'a:b:1d'], '--stored needs the database that has them'],
    [['--stored', 'a:b:1d', '--candles', 'x.csv'], '--candles and --stored are two sources'],
    [['--stored', 'a:1d', '--directory', 'z'], "--stored 'a:1d' is not EXCHANGE:SYMBOL:TIMEFRAME"],
    [['--stored', 'a:b:2d', '--directory', 'z'], "--stored 'a:b:2d': the timeframe '2d' is none of 1s, 1m"],
    [['--candles'], "Option '--candles <value>' argument missing"],
    [['prices.csv'], "Unexpected argument 'prices.csv'"],
  ] as const

  test('refuses what makes no sense, and says what', async () => {
    const messages = await probe(
      'readOptions',
      './options.ts',
      CASES.map(([args]) => args),
    )
    for (const [index, [, message]] of CASES.entries()) {
      expect(messages[index]).toContain(`UsageError: ${message}`)
    }
  })

  test('refuses an unknown option with one line and the usage', async () => {
    const { status, stdout, stderr } = await runDemo('--bogus')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^demo: Unknown option '--bogus'\n\nUsage: npm run demo -- \[options\]\n/)
  })

  test('explains itself with --help', async () => {
    const { status, stdout } = await runDemo('--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Usage: .*--candles.*--database-url.*--method/s)
  })

  test('says that a server does not answer, without its password', async () => {
    const url = 'postgres://someone:sesame@127.0.0.1:1/none'
    const { status, stdout, stderr } = await runDemo('--database-url', url)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^demo: .*127\.0\.0\.1/)
    expect(stdout + stderr).not.toContain('sesame')
  })
})

/** Amounts of the books below, as integers of 10⁻⁴⁰: the places that a quotient is rounded to. */
const SCALE = 40

function units(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const size = BigInt(whole + fraction.padEnd(SCALE, '0'))
  return text.startsWith('-') ? -size : size
}

/** Keeps books by average cost, in integers. No division here leaves a rest that matters. */
function keepBooks(fills: readonly (readonly [side: string, quantity: string, price: string])[]) {
  const hundredths = (text: string) => units(text) / 10n ** BigInt(SCALE - 2)
  const books = { cash: 0n, fees: 0n, gross: 0n, openCost: 0n }
  let held = 0n
  for (const [side, quantityText, priceText] of fills) {
    const price = units(priceText)
    const quantity = hundredths(quantityText) * (side === 'buy' ? 1n : -1n)
    const value = (price * quantity) / 100n
    books.cash -= value
    books.fees += roundedHalfUp((value < 0n ? -value : value) / 2_000n, 10n ** BigInt(SCALE - 8))
    const opposes = held !== 0n && held > 0n !== quantity > 0n
    if (!opposes) {
      held += quantity
      books.openCost += value
      continue
    }
    const isWhole = magnitude(quantity) >= magnitude(held)
    const closing = isWhole ? -held : quantity
    const removed = isWhole ? books.openCost : roundedQuotient(books.openCost * -closing, held)
    books.gross += -(price * closing) / 100n - removed
    books.openCost -= removed
    held += closing
    const rest = quantity - closing
    held += rest
    books.openCost += (price * rest) / 100n
  }
  return books
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

function roundedHalfUp(value: bigint, unit: bigint): bigint {
  return ((value + unit / 2n) / unit) * unit
}

function roundedQuotient(a: bigint, b: bigint): bigint {
  const isNegative = a < 0n !== b < 0n
  const size = (magnitude(a) * 2n + magnitude(b)) / (magnitude(b) * 2n)
  return isNegative ? -size : size
}

/** The four exact figures of the identity. */
function exactLines(output: string): bigint[] {
  const labels = ['Realised gross', 'Net cash flow', '\\+ cost still open', '= sum']
  return labels.map((label) => {
    const [, amount = 'missing'] = new RegExp(`^  ${label} +(-?[\\d.]+)$`, 'm').exec(output) ?? []
    return units(amount)
  })
}

/** The output without what differs from run to run: names of bot and place, and how long it took. */
function figures(output: string): string {
  const body = output.slice(output.indexOf('\n  trading'), output.indexOf('Where it is'))
  return body.replace(/ in [\d.]+ s$/m, '')
}

/** Daily prices that go up and down for no reason, the same each time. */
function randomWalk(days: number): string {
  let state = 12_345
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  let cents = 10_000
  const price = (value: number) => (value / 100).toFixed(2)
  const rows = Array.from({ length: days }, (_, day) => {
    const open = cents
    cents = Math.max(1_000, Math.round(cents * (1 + (random() - 0.5) * 0.06)))
    const high = Math.max(open, cents) + Math.round(random() * 80)
    const low = Math.min(open, cents) - Math.round(random() * 80)
    const date = new Date(Date.UTC(2023, 0, 1 + day)).toISOString().slice(0, 10)
    return [date, price(open), price(high), price(low), price(cents), 1_000].join(',')
  })
  return `${HEAD}\n${rows.join('\n')}\n`
}
