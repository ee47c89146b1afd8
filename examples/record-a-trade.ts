// A bot buys, sells, and reads what that made of its money.
import {
  findOpenPosition,
  listTrades,
  markOrderSubmitted,
  recordFill,
  recordOrder,
  registerBot,
  setInstrument,
} from 'tradeblotter'
import { openDatabase } from './open-database.ts'

await using db = await openDatabase()

const botId = 'example-trade'
const exchange = 'paper'
const symbol = 'BTC/USDT'
const ledger = { botId, exchange, symbol } as const

await registerBot(db, {
  botId,
  kind: 'example',
  strategy: 'buy low, sell high',
  exchange,
  mode: 'paper',
  baseCurrency: 'USDT',
  initialEquity: '10000',
})
// What an instrument is decides what its PnL is, so it is said before the first fill.
await setInstrument(db, { exchange, symbol, kind: 'spot', baseCurrency: 'BTC', quoteCurrency: 'USDT' })

// The intent is written down before anything is sent to the exchange.
const entry = await recordOrder(db, {
  ...ledger,
  clientOrderId: 'entry-1',
  side: 'buy',
  type: 'limit',
  quantity: '0.25',
  limitPrice: '42000.10',
})
console.log(`order ${entry.clientOrderId} is ${entry.status}`)
// … here the bot sends it, and the exchange answers with its own id.
await markOrderSubmitted(db, { botId, orderId: entry.id, exchangeOrderId: 'X-1001' })

await recordFill(db, {
  ...ledger,
  orderId: entry.id,
  exchangeTradeId: 'T-1',
  side: 'buy',
  price: '42000.10',
  quantity: '0.25',
  fee: '10.500025',
  feeCurrency: 'USDT',
  liquidity: 'maker',
  executedAt: new Date('2025-03-01T10:00:00Z'),
})
const position = await findOpenPosition(db, ledger)
if (position) console.log(`holding ${position.quantity} BTC, bought at ${position.averagePrice} on average`)

const exit = await recordOrder(db, {
  ...ledger,
  clientOrderId: 'exit-1',
  side: 'sell',
  type: 'market',
  quantity: '0.25',
})
await markOrderSubmitted(db, { botId, orderId: exit.id, exchangeOrderId: 'X-1002' })
const sale = {
  ...ledger,
  orderId: exit.id,
  exchangeTradeId: 'T-2',
  side: 'sell',
  price: '43100',
  quantity: '0.25',
  fee: '10.775',
  feeCurrency: 'USDT',
  liquidity: 'taker',
  executedAt: new Date('2025-03-01T14:30:00Z'),
} as const
const first = await recordFill(db, sale)
// Exchanges report fills twice, and bots restart. Recording one again changes nothing.
const again = await recordFill(db, sale)
console.log(
  `the sale realised ${first.realisedGross} USDT; reported again it is the same row: ${first.id === again.id}`,
)

for (const trade of await listTrades(db, { botId })) {
  console.log(
    `trade of ${trade.quantity} BTC, ${trade.direction}, held for ${trade.holdingMs / 3_600_000} hours`,
  )
  console.log(`  bought at ${trade.entryPrice}, sold at ${trade.exitPrice}`)
  console.log(`  gross ${trade.gross} − fees ${trade.fees} = net ${trade.netPnl} USDT`)
  console.log(`  return ${trade.returnFraction?.times(100).toFixed(3)} %`)
}
