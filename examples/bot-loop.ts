// A bot that trades in a loop, dies at the worst moment, and goes on where it was when it is started again.
import { randomUUID } from 'node:crypto'
import {
  cancelOrder,
  type Database,
  findNote,
  findOpenPosition,
  getRiskSettings,
  listOpenOrders,
  listOpenPositions,
  listTrades,
  markOrderSubmitted,
  placeOrder,
  type RecordFillInput,
  recordFills,
  recordHeartbeat,
  registerBot,
  setBotStatus,
  setInstrument,
  setNote,
  setRiskSettings,
} from 'tradeblotter'
import { openDatabase } from './open-database.ts'
import { PaperExchange, type PaperFill } from './paper-exchange.ts'

// A fresh name for each run, so that the example can be run twice on one server.
const botId = `example-loop-${randomUUID().slice(0, 8)}`
const ledger = { botId, exchange: 'paper', symbol: 'SOL/USDT' } as const
const STEPS = 16

class PowerCut extends Error {}

await using db = await openDatabase()
const exchange = new PaperExchange()

console.log(`${botId}: first start`)
await run(db, exchange, { dieAtStep: 9 }).catch((error: unknown) => {
  if (!(error instanceof PowerCut)) throw error
  console.log('  power cut: the order was sent and filled, and nobody wrote that down')
})
console.log(`${botId}: second start`)
await run(db, exchange, {})

for (const trade of await listTrades(db, { botId })) {
  console.log(
    `trade: ${trade.quantity} SOL from ${trade.entryPrice} to ${trade.exitPrice}, net ${trade.netPnl} USDT`,
  )
}
console.log(`still open: ${(await listOpenPositions(db, { botId })).length} positions`)

async function run(
  db: Database,
  exchange: PaperExchange,
  { dieAtStep }: { dieAtStep?: number },
): Promise<void> {
  // All of this is safe to repeat, so a start is a start, the first or the hundredth.
  await registerBot(db, {
    botId,
    kind: 'example',
    strategy: 'swing',
    exchange: ledger.exchange,
    mode: 'paper',
    baseCurrency: 'USDT',
    initialEquity: '1000',
    heartbeatToleranceMs: 30_000,
  })
  await setInstrument(db, { ...ledger, kind: 'spot', baseCurrency: 'SOL', quoteCurrency: 'USDT' })
  await allowTrading(db)
  let step = await recover(db, exchange)
  await setBotStatus(db, { botId, status: 'active' })

  for (; step < STEPS; step++) {
    await recordHeartbeat(db, { botId })
    await decide(db, exchange, step, step === dieAtStep)
    exchange.tick()
    // What must survive a restart and is no order, fill or position goes into a note.
    await setNote(db, { botId, key: 'loop', value: { nextStep: step + 1 } })
  }
  await setBotStatus(db, { botId, status: 'stopped', reason: 'the example is over' })
}

/** Without settings of the fleet nobody trades. Those that are there are left as they are; the bot has limits of its own. */
async function allowTrading(db: Database): Promise<void> {
  const words = { changedBy: botId, reason: 'an example' }
  if ((await getRiskSettings(db)).global === null)
    await setRiskSettings(db, { tradingEnabled: true, ...words })
  await setRiskSettings(db, {
    botId,
    tradingEnabled: true,
    maxOrderNotional: '500',
    maxOpenPositions: 1,
    ...words,
  })
}

/** Brings what we know up to what the exchange knows. Returns the step to go on with. */
async function recover(db: Database, exchange: PaperExchange): Promise<number> {
  // First the fills: all that the exchange still lists. Those that we have are counted as duplicates and change nothing.
  const fills = exchange.fills()
  const { inserted, duplicates } = await recordFills(db, fills.map(toFill))
  // Then orders that we wrote down and never heard of: did they reach the exchange?
  for (const order of await listOpenOrders(db, { botId })) {
    const sent = fills.find(({ clientOrderId }) => clientOrderId === order.clientOrderId)
    if (sent) await markOrderSubmitted(db, { botId, orderId: order.id, exchangeOrderId: sent.orderId })
    else await cancelOrder(db, { botId, orderId: order.id, reason: 'it never reached the exchange' })
    console.log(
      `  order ${order.clientOrderId} was ${order.status}; the exchange ${sent ? 'has it' : 'does not know it'}`,
    )
  }
  const position = await findOpenPosition(db, ledger)
  const note = await findNote(db, { botId, key: 'loop' })
  const step = readStep(note?.value)
  console.log(
    `  fills: ${inserted} new, ${duplicates} known; position: ${position?.quantity ?? 'none'}; step ${step}`,
  )
  return step
}

function readStep(note: unknown): number {
  const isLoop = typeof note === 'object' && note !== null && 'nextStep' in note
  return isLoop && typeof note.nextStep === 'number' ? note.nextStep : 0
}

async function decide(db: Database, exchange: PaperExchange, step: number, dies: boolean): Promise<void> {
  const position = await findOpenPosition(db, ledger)
  const price = exchange.price()
  const side = position ? 'sell' : 'buy'
  // Amounts are decimals, so they are compared as decimals.
  const isTime = position ? position.averagePrice?.plus('1').lt(price) : price.startsWith('98')
  if (!isTime) return

  const clientOrderId = `step-${step}`
  const hundredths = position ? position.quantity.times(100).toNumber() : 250
  const quantity = position?.quantity ?? '2.5'
  const order = { ...ledger, clientOrderId, side, type: 'market', quantity, referencePrice: price } as const
  // Asked and written down before it is sent: after a crash we know what may be on its way.
  const placement = await placeOrder(db, order)
  if (!placement.placed) {
    console.log(
      `  step ${step}: refused, ${placement.blocks.map(({ code, reason }) => reason ?? code).join('; ')}`,
    )
    return
  }
  const exchangeOrderId = exchange.send({ clientOrderId, side, hundredths })
  if (dies) throw new PowerCut()
  await markOrderSubmitted(db, { botId, orderId: placement.order.id, exchangeOrderId })
  const fills = exchange.fills().filter(({ orderId }) => orderId === exchangeOrderId)
  await recordFills(db, fills.map(toFill))
  console.log(`  step ${step}: ${side} ${quantity} at ${price}`)
}

function toFill(fill: PaperFill): RecordFillInput {
  return {
    ...ledger,
    exchangeTradeId: fill.id,
    exchangeOrderId: fill.orderId,
    side: fill.side,
    price: fill.price,
    quantity: fill.quantity,
    fee: fill.fee,
    feeCurrency: 'USDT',
    executedAt: fill.at,
  }
}
