import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { listDecisions } from '../src/analysis/index.ts'
import { listDailyPnl } from '../src/analytics/index.ts'
import { listRiskEvents } from '../src/audit/index.ts'
import { connect } from '../src/connect.ts'
import { connectEmbedded } from '../src/embedded/index.ts'
import { getBot, listBots } from '../src/fleet/index.ts'
import { getCandles, listCandleSeries, recordCandles } from '../src/market/index.ts'
import { listCircuitBreakers } from '../src/risk/index.ts'
import { getLatestBalance, listFills, listOrders, listTrades } from '../src/trading/index.ts'
import { testServer } from './database.ts'
import { createEmptyDatabase, dropDatabase } from './db/migration-fixtures.ts'
import {
  exactLines,
  figures,
  CANDLE_HEAD as HEAD,
  keepBooks,
  performanceLines,
  randomWalk,
  sheetLines,
  units,
} from './demo-books.ts'
import { buildDemo, type Demo } from './demo-program.ts'
import { PATIENCE_MS, ROOT, runProgram } from './package-build.ts'

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let demo: Demo
beforeAll(async () => {
  demo = await buildDemo()
  return () => demo[Symbol.dispose]()
})

/** Asks the books of a demo whether trips stopped entries and nothing else, and whether it says so. */
async function expectHalts(stdout: string, directory: string): Promise<void> {
  await using db = await connect({ url: `pglite://${join(demo.directory, directory)}` })
  const [bot] = await listBots(db)
  const botId = bot?.botId ?? ''
  const trips = await listCircuitBreakers(db, { botId })
  const [newest, ...others] = trips
  expect(others.length).toBeGreaterThan(0)
  expect(others).toEqual(
    others.map(() => expect.objectContaining({ status: 'resolved', resolvedBy: 'demo' })),
  )
  const end = newest?.resolvedAt ?? new Date(8.64e15)
  const isHalted = (at: Date) =>
    trips.some(({ trippedAt, resolvedAt }) => at >= trippedAt && at < (resolvedAt ?? end))

  const denials = await listRiskEvents(db, { botId, kind: 'order_denied', limit: 1_000 })
  expect(denials.length).toBeGreaterThan(0)
  expect(denials.filter(({ occurredAt }) => !isHalted(occurredAt))).toEqual([])
  const during = (await listOrders(db, { botId, limit: 1_000 })).filter(({ createdAt }) =>
    isHalted(createdAt),
  )
  // What may not be turned round is closed at least.
  expect(during.map(({ purpose }) => purpose)).toContain('exit')
  expect(during.filter(({ reduceOnly, status }) => !reduceOnly || status !== 'filled')).toEqual([])
  expect(stdout).toContain(`  ${trips.length} trips, halted for `)
  expect(stdout).toContain(`: ${denials.length} entries refused, ${during.length} exits passed`)
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

const ONE_AND_TWO = ['--fast', '1', '--slow', '2']

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
    const { status, stdout, stderr } = await demo.run(
      '--candles',
      demo.writeCsv('turns.csv', TURNS),
      ...ONE_AND_TWO,
      ...['--directory', 'kept', '--tear-sheet', 'turns.html'],
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })

    await using db = await connect({ url: `pglite://${join(demo.directory, 'kept')}` })
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
    expect(stdout).toContain('0 trips, halted for 0min: 0 entries refused, 0 exits passed')
    expect(stdout).toContain('Status at the end: active\n')

    // Short 569.59, which cost what is open, at 79. Fills begin on the 4th. The 6th ends with 109,534.7584: the 108,952.3269 of the
    // day before, less 1 on the 475 closed at 92, with 1 on the other 492.44 and 0.991 on 644.97, less fees of 74.1738. The 7th
    // ends with 103,125.7892, and on the 8th it is higher again: 683.5 earn 6, 455.68 5.991, which is 6,830.9789.
    const equity = units('100000') + gross - fees - openCost - (units('79') * 569_59n) / 100n
    const gain = Number(equity - units('100000')) / Number(units('1000'))
    expect(performanceLines(stdout).slice(0, 2)).toEqual(['2024-01-04', '2024-01-09'])
    expect(performanceLines(stdout)[2]).toBe(`${gain.toFixed(2)} %`)
    expect(stdout).toContain(', of 6 returns only\n  Deepest drawdown 5.85 %, 6,408.97 USD\n')
    expect(stdout).toContain('Equity of the last day: the same as by the trades')
    const sheet = readFileSync(join(demo.directory, 'turns.html'), 'utf8')
    expect(sheetLines(sheet)).toEqual(performanceLines(stdout))
    const days = await listDailyPnl(db, { botId })
    expect(days.map(({ isComplete }) => isComplete)).toEqual([true, true, true, true, true, true])
    const kilobytes = `(${Math.ceil(Buffer.byteLength(sheet) / 1_000)} KB)`
    expect(stdout).toContain(`The tear sheet is turns.html ${kilobytes}: open it in a browser.`)

    // Before the 3rd closed at 100, the closes of it and of the day before were on average 100.5. Half is bought back when 94,996.2 have
    // earned 9,496.2 at 90, of which 5 % are 4,749.81. The short brought 8,546.2; fees were 47.4981, 21.375 and 21.85.
    const stories = stdout.slice(stdout.indexOf('The best trade of 2, and why it was made\n'))
    for (const line of [
      '  2024-01-04  It knew of a close at 100.00.\n              Its account was last worth 100,000.00, on 2024-01-01.\n',
      '              passed averages_crossed: 100.00 against 100.50 USD\n',
      '              So it decided: short 950.00, to be given up at 105.00.\n',
      '              Sold 570.00 at 100.00 and 380.00 at 99.99, fees 47.50 USD.\n',
      '              passed target_reached: 9,496.20 against 4,749.81 USD\n',
      '              net 8,455.48 USD, 8.90 % of its cost.\n',
      'The worst one\n  2024-01-06  It knew of a close at 91.00.\n',
      '  2024-01-07  It ended after 2d, since its stop was hit:\n              long 1,137.41 at 92.01, out at 87.41,\n',
    ]) {
      expect(stories).toContain(line)
    }
    expect(stdout).toContain('verifyAuditTrail over 2 rows in 2 chains: intact\n')
    expect((await listDecisions(db, { botId })).map(({ action }) => action).reverse()).toEqual([
      'short',
      'close',
      'long',
      'short',
      'close',
    ])

    const orders = await listOrders(db, { botId })
    expect(orders.map(({ status, purpose }) => `${status} ${purpose}`).reverse()).toEqual([
      'filled entry',
      'filled scale_out',
      'filled entry',
      'filled stop_loss',
      'filled entry',
      'filled scale_out',
    ])
    // All of them through the gate, which says in the first check whether it took them for exits.
    const firstChecks = orders.map(({ checks }) => checks?.[0]?.code).reverse()
    expect(firstChecks.join(' ')).toBe('kill_switch reduces kill_switch reduces kill_switch reduces')
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
    const loaded = await demo.migrated('loaded')
    {
      await using db = await connectEmbedded({ directory: join(demo.directory, 'loaded') })
      const { refused } = await recordCandles(db, { candles: [...stored, forming] })
      expect(refused).toEqual([])
    }
    const averages = ['--fast', '5', '--slow', '20']
    const ofStored = ['--stored', 'binance:BTC/USDT:USDT:1h', ...loaded]
    const file = demo.writeCsv('hours.csv', `${HEAD}\n${lines.join('\n')}\n`)
    const [fromStore, fromFile] = await Promise.all([
      demo.run(...ofStored, ...averages),
      demo.run('--candles', file, ...averages, ...(await demo.migrated('hours'))),
    ])
    expect([fromStore.status, fromStore.stderr, fromFile.stderr]).toEqual([0, '', ''])
    expect(fromStore.stdout).toContain(
      'binance:BTC/USDT:USDT:1h, stored\n            1,700 candles, 2024-01-01 to',
    )
    // Neither less nor more than all of them: the pages have no gap between them.
    expect(fromStore.stdout).toMatch(/ 80 %.*\n.* 100 %.*\n {2}recorded/)
    expect(figures(fromStore.stdout)).toMatch(/\d{2,} closed trades/)
    expect(performanceLines(fromStore.stdout)[1]).toBe(last.openTime.toISOString().slice(0, 10))
    expect(figures(fromStore.stdout).replaceAll('BTC/USDT:USDT', 'HOURS')).toBe(figures(fromFile.stdout))

    await expectHalts(fromStore.stdout, 'loaded')

    const { status, stderr } = await demo.run('--stored', 'binance:BTC/USDT:1h', ...loaded)
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(
        /^demo: no candles of binance:BTC\/USDT:1h are stored; there are binance:BTC\/USDT:USDT:1h, paper-binance:.*\n$/,
      ),
    })
  })

  test('leaves out a candle that contradicts itself, and says so, as it does where its sheet cannot be', async () => {
    const wrong = TURNS.replace('1,86,88,g,89,85,2024-01-07', '1,86,88,g,87,85,2024-01-07')
    const { status, stdout, stderr } = await demo.run(
      ...['--candles', demo.writeCsv('wrong.csv', wrong), '--tear-sheet', 'no-such-folder/sheet.html'],
      ...ONE_AND_TWO,
      ...(await demo.migrated('wrong')),
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^demo: the tear sheet cannot be written to no-such-folder\/sheet\.html: ENOENT.*\n$/,
    )
    expect(stdout).toContain('Identity: holds exactly')
    expect(stdout).toContain('8 candles, 2024-01-01 to 2024-01-09')
    expect(stdout).toContain('without 2024-01-07 00:00: high 87 is below the open 88')
  })

  test('refuses a file beside which other candles of that name are stored', async () => {
    const place = [...ONE_AND_TWO, ...(await demo.migrated('mixed'))]
    expect(await demo.run('--candles', demo.writeCsv('mix.csv', TURNS), ...place)).toMatchObject({
      status: 0,
    })
    const fewer = TURNS.split('\n').slice(0, -3).join('\n')
    const { status, stderr } = await demo.run('--candles', demo.writeCsv('mix.csv', fewer), ...place)
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^demo: the database has other candles of paper:MIX:1d .* --stored paper:MIX:1d\n$/,
    )
  })

  test('allows nothing to live bots for which nobody has set limits', async () => {
    const program = `
      import { connectEmbedded } from 'tradeblotter/embedded'
      import { getRiskSettings, registerBot } from 'tradeblotter'
      import { setLimits } from './risk.ts'
      await using db = await connectEmbedded({ migrate: true })
      const bot = { kind: 'x', strategy: 'x', exchange: 'x', baseCurrency: 'USD', initialEquity: '1' }
      await registerBot(db, { ...bot, botId: 'real', mode: 'live' })
      await setLimits(db, 'demo').catch((error) => console.log(error.message))
      console.log((await getRiskSettings(db)).global)`
    writeFileSync(join(demo.directory, 'examples/demo/limits.ts'), program)
    expect(await runProgram('examples/demo/limits.ts', { cwd: demo.directory })).toEqual({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^the fleet has no risk settings.* beside the live bot real\nnull\n$/),
    })
  })

  test.each(['fifo', 'lifo'] as const)(
    'gives the same trades with %s, and other parts of them',
    async (method) => {
      const file = demo.writeCsv(`turns-${method}.csv`, TURNS)
      const options = [...ONE_AND_TWO, '--method', method, ...(await demo.migrated(method))]
      const { status, stdout } = await demo.run('--candles', file, ...options)
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
    const { status, stdout, stderr } = await demo.run()
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('5,105 candles, 2000-01-03 to 2020-04-17')
    expect(stdout).toContain('Identity: holds exactly')
    expect(stdout).toContain('1 ledger: 0 differences')
    const [, crossovers, stops, flips, parts] =
      /by (\d+) crossovers and (\d+) stops; (\d+) flips, (\d+) partial/.exec(stdout) ?? []
    expect(Number(crossovers) + Number(stops)).toBeGreaterThan(24)
    expect(Math.min(Number(flips), Number(parts))).toBeGreaterThan(0)
    // A close values four days, so that weekends are known; but from 11 to 16 September 2001 the exchange was closed.
    expect(stdout).toMatch(/^ {2}2000-\S+ to 2020-04-17, 2 days unknown: return /m)
    const sheet = readFileSync(join(demo.directory, 'demo-tear-sheet.html'), 'utf8')
    expect(sheetLines(sheet)).toEqual(performanceLines(stdout))
    // A human takes 40 candles to look into a trip.
    const days = readFileSync(join(ROOT, 'node_modules/vega-datasets/data/sp500-2000.csv'), 'utf8').split(
      '\n',
    )
    const indexOf = (day = '') => days.findIndex((line) => line.startsWith(day))
    const trips = [...stdout.matchAll(/^ (\S+) +max_drawdown +([\d.]+) % +(\S+) +\d+d +(\d) +(\d)$/gm)]
    expect(trips.length).toBeGreaterThan(2)
    for (const [, tripped, percent, resumed] of trips) {
      expect(Number(percent)).toBeGreaterThanOrEqual(15)
      expect(indexOf(resumed) - indexOf(tripped)).toBe(40)
    }
    const total = (column: number) => trips.reduce((sum, trip) => sum + Number(trip[column]), 0)
    expect(Math.min(total(4), total(5))).toBeGreaterThan(0)
    expect(stdout).toContain(`: ${total(4)} entries refused, ${total(5)} exits passed`)
    expect(stdout).toContain('Refused by circuit_breaker, drawdown\n  Status at the end: active')
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
      const prices = ['--candles', demo.writeCsv('walk.csv', randomWalk(400)), '--fast', '5', '--slow', '20']
      const [embedded, server] = await Promise.all([
        demo.run(...prices, '--method', 'average', ...(await demo.migrated('walk'))),
        demo.run(...prices, '--method', 'average', '--database-url', url),
      ])
      expect([server.status, server.stderr, embedded.status]).toEqual([0, '', 0])
      expect(figures(server.stdout)).toEqual(figures(embedded.stdout))
      expect(figures(server.stdout)).toMatch(/\d{2,} closed trades/)
      expect(new URL(url).password === '' || !server.stdout.includes(new URL(url).password)).toBe(true)

      const again = await demo.run(...prices, '--database-url', url)
      expect(figures(again.stdout)).toEqual(figures(server.stdout))
    } finally {
      await dropDatabase(directUrl, url)
    }
  })
})
