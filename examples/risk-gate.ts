// A bot loses too much and is stopped until a human lets it go on; then somebody stops the whole fleet.
// Always on a database in memory, whatever DATABASE_URL says: the kill switch stops every bot of a database.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  activateKillSwitch,
  type Block,
  deactivateKillSwitch,
  evaluateCircuitBreakers,
  findOpenPosition,
  isDataError,
  isTradingAllowed,
  markOrderSubmitted,
  markPosition,
  placeOrder,
  recordFill,
  registerBot,
  resolveCircuitBreaker,
  type Side,
  setInstrument,
  setRiskSettings,
  watchTradingStatus,
} from 'tradeblotter'
import { connectEmbedded } from 'tradeblotter/embedded'

await using db = await connectEmbedded({ migrate: true })

const ledger = { botId: 'example-gate', exchange: 'paper', symbol: 'BTC/USDT' } as const
const { botId, exchange } = ledger
const account = { exchange, mode: 'paper', baseCurrency: 'USDT', initialEquity: '10000' } as const
await setInstrument(db, { ...ledger, kind: 'spot', baseCurrency: 'BTC', quoteCurrency: 'USDT' })
await registerBot(db, { ...account, botId, kind: 'example', strategy: 'buy and hope' })
// As long as nobody has said that the fleet may trade, nobody does.
const said = { changedBy: 'ada', reason: 'first day' }
await setRiskSettings(db, { tradingEnabled: true, ...said })
await setRiskSettings(db, { botId, maxDrawdownFraction: '0.1', haltOnDrawdown: true, ...said })

// Changes are pushed. Good for not bothering to decide; whether an order may go out is decided by placeOrder alone.
await using watch = await watchTradingStatus(db, { botId })
void (async () => {
  for await (const { state, blocks } of watch) console.log(`    watched: ${state}${list(blocks)}`)
})()

await trade('entry-1', 'buy', '0.2', '50000')
await trade('exit-1', 'sell', '0.1', '44000')
const held = await findOpenPosition(db, ledger)
if (held) await markPosition(db, { botId, positionId: held.id, price: '44000', markedAt: new Date() })
const { tripped } = await evaluateCircuitBreakers(db, { botId })
for (const trip of tripped) console.log(`tripped: ${trip.trigger}, ${trip.actual} of ${trip.threshold}`)
await until('halted')

console.log(`allowed to trade: ${await isTradingAllowed(db, { ...ledger, side: 'buy' })}`)
await trade('entry-2', 'buy', '0.1', '44000')
await trade('exit-2', 'sell', '0.3', '44000')
await trade('exit-3', 'sell', '0.1', '44000')
for (const { id } of tripped) {
  await resolveCircuitBreaker(db, {
    botId,
    id,
    resolvedBy: 'ada',
    reason: 'the feed was wrong, and is right',
  })
}
await until('active')
await trade('entry-3', 'buy', '0.1', '44000')

const { event, confirmationCode } = await activateKillSwitch(db, { activatedBy: 'bob', reason: 'news' })
await until('halted')
await trade('entry-4', 'buy', '0.1', '44000')
await trade('exit-4', 'sell', '0.1', '44100')
// Whoever threw the switch was given a code, so that nobody takes it back by accident.
for (const code of ['GUESSED', confirmationCode ?? '']) {
  const end = { eventId: event.id, deactivatedBy: 'bob', reason: 'false alarm', confirmationCode: code }
  await deactivateKillSwitch(db, end).catch((error: unknown) => {
    if (!isDataError(error)) throw error
    console.log(`kill switch stays on: ${error.message}`)
  })
}
await until('active')
await trade('entry-5', 'buy', '0.1', '44000')

/** Places an order and, if it may go out, plays the exchange that fills it. */
async function trade(clientOrderId: string, side: Side, quantity: string, price: string): Promise<void> {
  const order = { ...ledger, clientOrderId, side, type: 'market', quantity } as const
  const placement = await placeOrder(db, { ...order, reduceOnly: clientOrderId.startsWith('exit') })
  if (!placement.placed) return console.log(`${clientOrderId} is refused${list(placement.blocks)}`)

  const orderId = placement.order.id
  await markOrderSubmitted(db, { botId, orderId, exchangeOrderId: `X-${clientOrderId}` })
  const trade = { side, price, quantity, exchangeTradeId: `T-${clientOrderId}`, executedAt: new Date() }
  const { realisedGross } = await recordFill(db, { ...ledger, ...trade, orderId })
  console.log(`${clientOrderId} passes: ${side} ${quantity} at ${price} realises ${realisedGross} USDT`)
}

/** Blocks below one another, with what is behind them. */
function list(blocks: readonly Block[]): string {
  const behind = ({ reason, actual, threshold }: Block) => reason ?? `${actual} of ${threshold}`
  return blocks.map((block) => `\n      ${block.code} (${block.effect}): ${behind(block)}`).join('')
}

/** Waits for the news, so that this is printed in its order. `current` costs no round trip. */
async function until(state: string): Promise<void> {
  while (watch.current.state !== state) await sleep(5)
}
