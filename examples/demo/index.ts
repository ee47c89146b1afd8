import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Connection,
  connect,
  Decimal,
  isDataError,
  migrate,
  registerBot,
  setBotStatus,
  setInstrument,
  verifyAuditTrail,
} from 'tradeblotter'
import { connectEmbedded } from 'tradeblotter/embedded'
import { agrees, isBalanced, readBooks } from './books.ts'
import {
  CrossoverBot,
  FEE_FRACTION,
  INVESTED_FRACTION,
  type Market,
  type Progress,
  STOP_FRACTION,
  TARGET_FRACTION,
} from './bot.ts'
import { CandleError, type FileCandle, readCandles } from './candles.ts'
import { findHistory, type History, nameOf, readHistory, storeCandles } from './history.ts'
import { type DemoOptions, readOptions, USAGE, UsageError } from './options.ts'
import { measureDays, SheetError, writeTearSheet } from './performance.ts'
import {
  printAudit,
  printPerformance,
  printPosition,
  printProof,
  printResult,
  printRisk,
  printTrades,
} from './report.ts'
import { DRAWDOWN_FRACTION, REVIEW_CANDLES, readRisk, SettingsError, setLimits } from './risk.ts'
import { tellStories } from './story.ts'
import { bold, count, countOf, day, isLive, minute, money, overwrite, print } from './terminal.ts'

const EXCHANGE = 'paper'

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') return print(USAGE)
  const market = describeMarket(options)
  // A file that is wrong is found out before anything is opened or stored.
  const candles = options.stored ? [] : readFile(options)
  print(bold('A moving-average bot trades past prices; tradeblotter keeps its books.'))
  print()

  await using db = await open(options)
  const history = options.stored
    ? await findHistory(db, options.stored)
    : await storeCandles(db, market, candles)
  refuseTooFew(history.candleCount, nameOf(history), options)
  introduce(options, history, market)
  await enrol(db, options, market)
  const startedMs = performance.now()
  const { orders, fills, marks, endedAt } = await new CrossoverBot(db, market).run(
    readHistory(db, history),
    progressPrinter(history.candleCount),
  )
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  overwrite('')
  print(
    `  recorded ${count(fills)} fills of ${count(orders)} orders and ${count(marks)} marks in ${seconds} s`,
  )
  const risk = await readRisk(db, market.botId, endedAt)
  await setBotStatus(db, { botId: market.botId, status: 'stopped', reason: 'the demo is over' })

  const books = await readBooks(db, market)
  const measured = await measureDays(db, market, history, endedAt)
  printTrades(books.trades)
  printPosition(books.position, market)
  printResult(books, market)
  printPerformance(measured)
  printRisk(risk)
  printProof(books, measured, market)
  const audit = await verifyAuditTrail(db, { botId: market.botId })
  printAudit(audit)
  if (!isBalanced(books) || !agrees(books, measured, market) || books.differences > 0 || !audit.isIntact) {
    throw new Error('the books are wrong: please report this with the lines above')
  }
  await tellStories(db, market, books.trades)
  const sheetBytes = await writeTearSheet(db, market, options.tearSheet, endedAt)
  sayGoodbye(options, market, sheetBytes)
}

function readFile(options: DemoOptions): FileCandle[] {
  const file = options.candles ?? sampleFile()
  const candles = readCandles(file)
  refuseTooFew(candles.length, file, options)
  return candles
}

function refuseTooFew(candleCount: number, what: string, { slow }: DemoOptions): void {
  // One close more than the slow average has, so that it can be crossed, and an open after that.
  const fewest = slow + 2
  if (candleCount >= fewest) return
  throw new CandleError(
    `${what} has ${countOf(candleCount, 'candle')}, too few: the slow average of ${slow} needs ${fewest}; try --slow`,
  )
}

/** The package exports its code only, which the data lies beside. */
function sampleFile(): string {
  return fileURLToPath(new URL('../data/sp500-2000.csv', import.meta.resolve('vega-datasets')))
}

function describeMarket({ candles, stored, fast, slow }: DemoOptions): Market {
  return {
    botId: `demo-${new Date().toISOString().replace(/[-:.]/g, '')}`,
    // What is recorded of the make-believe exchange is not mixed with what is stored of a real one.
    exchange: stored === undefined ? EXCHANGE : `${EXCHANGE}-${stored.exchange}`,
    symbol:
      stored?.symbol ?? (candles === undefined ? 'SPX' : basename(candles, extname(candles)).toUpperCase()),
    currency: 'USD',
    lotSize: new Decimal('0.01'),
    initialEquity: new Decimal('100000'),
    fast,
    slow,
  }
}

function introduce(
  { candles: file, stored, method, ...options }: DemoOptions,
  { candleCount, firstOpenTime, lastOpenTime, refused }: History,
  market: Market,
): void {
  const { fast, slow, initialEquity, currency, botId } = market
  const source = stored ? `${nameOf(stored)}, stored` : (file ?? 'S&P 500 (npm package vega-datasets)')
  print(`  Prices    ${source}`)
  print(`            ${count(candleCount)} candles, ${day(firstOpenTime)} to ${day(lastOpenTime)}`)
  for (const { candle, reason } of refused.slice(0, SHOWN)) {
    print(`            without ${minute(candle.openTime)}: ${reason}`)
  }
  if (refused.length > SHOWN) print(`            and without ${count(refused.length - SHOWN)} more`)
  print(`  Bot       ${botId}`)
  print(`            crossing averages of ${fast} and ${slow} closes, long and short,`)
  print(
    `            given up at a loss of ${percent(STOP_FRACTION)}, half taken out at a gain of ${percent(TARGET_FRACTION)},`,
  )
  print(
    `            no entries from a drawdown of ${percent(DRAWDOWN_FRACTION)} on, until a human has looked`,
  )
  print(`            into it, which takes ${REVIEW_CANDLES} candles`)
  print(
    `  Account   ${money(initialEquity, 0)} ${currency} on paper, ${percent(INVESTED_FRACTION)} of it in a position`,
  )
  print(`            fee ${percent(FEE_FRACTION)}, cost basis ${method}`)
  print(`  Database  ${placeOf(options)}`)
  print()
}

/** Refused candles that are named. */
const SHOWN = 3

function percent(fraction: Decimal): string {
  return `${fraction.times(100).toFixed()} %`
}

function placeOf({ databaseUrl, directory }: Pick<DemoOptions, 'databaseUrl' | 'directory'>): string {
  if (databaseUrl !== undefined) return `Postgres server ${withoutSecrets(databaseUrl)}`
  return `Postgres inside this process, ${directory === undefined ? 'in memory' : `in ${directory}`}`
}

function withoutSecrets(text: string): string {
  if (!URL.canParse(text)) return ''
  const { host, pathname } = new URL(text)
  return `${host}${pathname}`
}

async function open({ databaseUrl: url, directory }: DemoOptions): Promise<Connection> {
  if (url === undefined) {
    return await connectEmbedded({ migrate: true, ...(directory === undefined ? {} : { directory }) })
  }
  // Given too, so that no other server from the environment is migrated in its place.
  const target = /[?&]pgbouncer=true/.test(url) ? { url } : { url, directUrl: url }
  try {
    await migrate(target)
    return await connect({ ...target, applicationName: 'tradeblotter-demo' })
  } catch (error) {
    if (!isDataError(error) || error.code !== 'connection') throw error
    const cause = error.cause instanceof Error ? error.cause.message : error.message
    throw new ServerError(`the server ${withoutSecrets(url)} cannot be used: ${cause}`)
  }
}

/** A server that was named and cannot be used. */
class ServerError extends Error {}

/** What needs no stack to be understood. */
const EXPECTED = [CandleError, ServerError, SettingsError, SheetError]

/** Tells the database who trades and what. Both calls can be repeated, so a bot makes them whenever it starts. */
async function enrol(db: Connection, { method }: DemoOptions, market: Market): Promise<void> {
  const { botId, exchange, symbol, currency, lotSize, initialEquity, fast, slow } = market
  await setInstrument(db, {
    exchange,
    symbol,
    kind: 'linear',
    baseCurrency: symbol,
    quoteCurrency: currency,
    lotSize,
  })
  await registerBot(db, {
    botId,
    kind: 'trend',
    strategy: `moving averages ${fast}/${slow}`,
    exchange,
    mode: 'backtest',
    baseCurrency: currency,
    initialEquity,
    costBasisMethod: method,
  })
  await setLimits(db, botId)
}

const LIVE_EVERY_MS = 100
const PLAIN_LINES = 5
const BAR_WIDTH = 20

/** One line that is written over and over on a terminal, a few lines elsewhere. */
function progressPrinter(candleCount: number): (progress: Progress) => void {
  let lastMs = 0
  let printed = 0
  return ({ done, at, equity }) => {
    const share = done / candleCount
    const state = `${day(at)}  ${String(Math.floor(share * 100)).padStart(3)} %  equity ${money(equity)}`
    if (isLive) {
      if (performance.now() - lastMs < LIVE_EVERY_MS) return
      lastMs = performance.now()
      const full = Math.round(share * BAR_WIDTH)
      overwrite(`  trading  [${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}]  ${state}`)
    } else if (share * PLAIN_LINES >= printed + 1) {
      printed = Math.floor(share * PLAIN_LINES)
      print(`  trading  ${state}`)
    }
  }
}

function sayGoodbye(
  { databaseUrl, directory, tearSheet }: DemoOptions,
  { botId }: Market,
  sheetBytes: number,
): void {
  print()
  print(bold('Where it is, and what next'))
  print(
    `  The tear sheet is ${tearSheet} (${count(Math.ceil(sheetBytes / 1_000))} KB): open it in a browser.`,
  )
  if (databaseUrl !== undefined) {
    print(`  The books are on the server. With psql:`)
    print('    select * from trading.trades')
    print(`    where bot_id = '${botId}' order by closed_at;`)
  } else if (directory !== undefined) {
    print(`  The books are in ${directory}. From a program:`)
    print(`    const db = await connect({ url: 'pglite://${directory}' })`)
    print(`    await listTrades(db, { botId: '${botId}' })`)
  } else {
    print('  The books were in memory and are gone. To keep them:')
    print('    npm run demo -- --directory ./demo-data')
    print('    npm run demo -- --database-url postgres://user@localhost:5432/name')
  }
  print('  With other prices, or lots in place of an average cost:')
  print('    npm run demo -- --candles FILE.csv')
  print('    npm run demo -- --stored EXCHANGE:SYMBOL:TIMEFRAME --directory DIR')
  print('    npm run demo -- --method fifo')
  print('  The bot itself is examples/demo/bot.ts; smaller programs are in examples.')
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read the output, such as head, has seen enough.
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await main()
} catch (error) {
  overwrite('')
  if (error instanceof UsageError) {
    process.stderr.write(`demo: ${error.message}\n\n${USAGE}\n`)
    process.exitCode = 2
  } else {
    const isExpected = isDataError(error) || EXPECTED.some((kind) => error instanceof kind)
    const text = error instanceof Error ? (isExpected ? error.message : error.stack) : String(error)
    process.stderr.write(`demo: ${text}\n`)
    process.exitCode = 1
  }
}
