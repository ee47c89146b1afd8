// What a bot did day by day and by symbol, and its trades for a spreadsheet. A fill that comes late changes days of the past.
import {
  calculateDailyPnl,
  exportTrades,
  findStaleDailyPnl,
  getPerformance,
  recordCandles,
  recordCashFlow,
  recordFill,
  recordFills,
  registerBot,
  type Side,
  setInstrument,
} from 'tradeblotter'
import { openDatabase } from './open-database.ts'

await using db = await openDatabase()

const botId = 'example-report'
const exchange = 'example'
// Days are those of the bot's time zone.
const place = { exchange, mode: 'paper', timeZone: 'UTC' } as const
const account = { baseCurrency: 'USDT', initialEquity: '10000' } as const
await registerBot(db, { botId, kind: 'example', strategy: 'buy and sell', ...place, ...account })
for (const baseCurrency of ['BTC', 'ETH']) {
  const symbol = `${baseCurrency}/USDT`
  await setInstrument(db, { exchange, symbol, kind: 'spot', baseCurrency, quoteCurrency: 'USDT' })
}

// What is held at the end of a day is valued at the last close.
const closes = [
  ['BTC/USDT', '2025-03-03', '91000'],
  ['BTC/USDT', '2025-03-04', '88000'],
  ['ETH/USDT', '2025-03-04', '2150'],
] as const
const candles = closes.map(([symbol, on, close]) => {
  const prices = { open: close, high: close, low: close, close, volume: '1' }
  return { exchange, symbol, timeframe: '1d', openTime: new Date(on), ...prices } as const
})
await recordCandles(db, { candles })

await recordFills(db, [
  fill('2025-03-03T09:00Z', 'BTC/USDT', 'buy', '0.1', '90000', '9'),
  fill('2025-03-04T12:00Z', 'BTC/USDT', 'sell', '0.05', '92000', '4.6'),
  fill('2025-03-04T13:00Z', 'ETH/USDT', 'buy', '2', '2200', '4.4'),
  fill('2025-03-05T20:00Z', 'BTC/USDT', 'sell', '0.05', '93000', '4.65'),
])
// A deposit is no profit: it moves the equity, and neither PnL nor return.
await recordCashFlow(db, {
  ...{ botId, exchange, exchangeFlowId: 'D-1', kind: 'deposit', currency: 'USDT', amount: '5000' },
  occurredAt: new Date('2025-03-04T08:00Z'),
})

const days = { botId, from: '2025-03-03', to: '2025-03-05' }
await calculateDailyPnl(db, days)
await recordFill(db, fill('2025-03-05T10:00Z', 'ETH/USDT', 'sell', '2', '2100', '4.2'))
for (const { day, why } of await findStaleDailyPnl(db, days))
  console.log(`${day} has ${why}: calculated again`)

for (const one of await calculateDailyPnl(db, days)) {
  const { day, netPnl, totalPnl, externalFlows, equityEnd } = one
  const change = `net ${netPnl}, with open positions ${totalPnl}, deposits ${externalFlows}`
  console.log(`${day}: ${change}, equity ${equityEnd} USDT, return ${percent(one.returnFraction)}`)
}

const { returns, groups } = await getPerformance(db, { botId, by: 'symbol' })
console.log(`in all ${percent(returns.totalReturn)}, drawdown ${percent(returns.maxDrawdownFraction)}`)
for (const { group, tradeCount, netPnl } of groups)
  console.log(`${group}: net ${netPnl}, trades ${tradeCount}`)

// Text comes piece by piece, however much it is: await writeFile('trades.csv', exportTrades(…)) keeps little in memory.
for await (const text of exportTrades(db, { botId, format: 'csv' })) process.stdout.write(text)

function fill(at: string, symbol: string, side: Side, quantity: string, price: string, fee: string) {
  const cost = { fee, feeCurrency: 'USDT' } as const
  const trade = { side, quantity, price, ...cost, executedAt: new Date(at), exchangeTradeId: `T-${at}` }
  return { botId, exchange, symbol, ...trade }
}

function percent(fraction: number | null): string {
  return fraction === null ? 'unknown' : `${(fraction * 100).toFixed(2)} %`
}
