// Imports what ccxt returns for an account: markets, orders, trades and funding. Run it again on what is already there, and
// nothing changes; let the exchange contradict itself, and both reports are kept.
import { readFileSync } from 'node:fs'
import {
  listFillConflicts,
  listOpenPositions,
  listTrades,
  recordCashFlows,
  recordFills,
  recordOrder,
  registerBot,
  setInstrument,
} from 'tradeblotter'
import { cashFlowsFromCcxt, fillsFromCcxt, instrumentsFromCcxt, ordersFromCcxt } from 'tradeblotter/importers'
import { openDatabase } from './open-database.ts'

const owner = { botId: 'example-import', exchange: 'binance' } as const

// In a bot: await exchange.fetchMarkets(), fetchOrders(symbol), fetchMyTrades(symbol), fetchFundingHistory(symbol).
const markets = sample('ccxt-markets')
const orders = sample('ccxt-orders')
const trades = sample('ccxt-trades')
const payments = sample('ccxt-funding')

await using db = await openDatabase()
await registerBot(db, {
  ...owner,
  kind: 'example',
  strategy: 'whatever the account did',
  mode: 'live',
  baseCurrency: 'USDT',
  initialEquity: '5000',
})

for (const pass of ['first import', 'second import']) {
  for (const instrument of instrumentsFromCcxt(markets, owner)) await setInstrument(db, instrument)
  for (const order of ordersFromCcxt(orders, owner)) await recordOrder(db, order)
  const fills = await recordFills(db, fillsFromCcxt(trades, owner))
  const flows = await recordCashFlows(db, cashFlowsFromCcxt(payments, owner))
  console.log(`${pass}:`)
  report('fills', fills)
  report('payments', flows)
}

// The exchange corrects a price afterwards. The fill that was recorded stands; the other report is kept beside it.
const corrected = trades.map((trade, index) => (index === 0 ? { ...trade, price: 60_999, info: {} } : trade))
console.log('an import that contradicts the first:')
report('fills', await recordFills(db, fillsFromCcxt(corrected, owner)))
for (const conflict of await listFillConflicts(db, owner)) {
  console.log(`  kept: price ${conflict.report.price}, which differs in ${conflict.differs}`)
}

for (const trade of await listTrades(db, owner)) {
  const { symbol, direction, quantity, gross, fees, funding, netPnl, settleCurrency } = trade
  console.log(`trade: ${symbol} ${direction} ${quantity} contracts`)
  console.log(`  gross ${gross} − fees ${fees} + funding ${funding} = net ${netPnl} ${settleCurrency}`)
}
for (const { symbol, direction, quantity, averagePrice } of await listOpenPositions(db, owner)) {
  console.log(`open: ${symbol} ${direction} ${quantity} contracts at ${averagePrice} on average`)
}

// Objects that cannot be right are refused before anything is stored, and every problem is named.
try {
  fillsFromCcxt(
    [
      { ...trades[0], price: Number.NaN },
      { ...trades[1], fees: [{ cost: 0.3 }] },
    ],
    owner,
  )
} catch (error) {
  console.log(`refused:\n  ${String(error).replaceAll('\n', '\n  ')}`)
}

function report(what: string, result: { inserted: number; duplicates: number; conflicts: unknown[] }): void {
  const { inserted, duplicates, conflicts } = result
  console.log(`  ${what}: inserted ${inserted}, duplicates ${duplicates}, conflicts ${conflicts.length}`)
}

function sample(name: string): object[] {
  return JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8')) as object[]
}
