// Something proposes trades. What it is sure of, and the rules allow, goes out by itself; the rest waits for a human, whose approval places
// the order only if no limit is against it. Every step is written down, and nobody can rewrite it.
// Always on a database in memory, whatever DATABASE_URL says: users and strategies are those of the whole fleet.
import {
  activateStrategy,
  approveTradeIdea,
  authenticateUser,
  captureSnapshot,
  createStrategy,
  createUser,
  haltAutoTrading,
  type IdeaOutcome,
  isDataError,
  listDecisionHistory,
  listTradeIdeas,
  proposeTradeIdea,
  registerBot,
  rejectTradeIdea,
  resumeAutoTrading,
  setInstrument,
  setRiskSettings,
  setStrategyStatus,
  verifyAuditTrail,
} from 'tradeblotter'
import { connectEmbedded } from 'tradeblotter/embedded'

await using db = await connectEmbedded({ migrate: true })

const [botId, exchange, symbol] = ['example-ideas', 'paper', 'BTC/USDT']
const account = { exchange, mode: 'paper', baseCurrency: 'USDT', initialEquity: '10000' } as const
await setInstrument(db, { exchange, symbol, kind: 'linear', baseCurrency: 'BTC', quoteCurrency: 'USDT' })
await registerBot(db, { ...account, botId, kind: 'example', strategy: 'breakout' })
const said = { changedBy: 'ada', reason: 'first day' }
await setRiskSettings(db, { tradingEnabled: true, ...said })
await setRiskSettings(db, { botId, minConfidence: 0.8, maxOrderNotional: '5000', ...said })

// A strategy goes one step at a time, so that nothing trades that was not tried.
const { id: strategyId } = await createStrategy(db, {
  name: 'breakout',
  kind: 'trend',
  allowedSymbols: [symbol],
  allocation: '0.5',
  ...said,
})
for (const status of ['backtested', 'paper'] as const) {
  await setStrategyStatus(db, { id: strategyId, status, ...said })
}
await activateStrategy(db, { id: strategyId, ...said })

const password = 'correct horse battery'
await createUser(db, { email: 'ada@example.com', password, role: 'approver', changedBy: 'setup' })
const ada = await authenticateUser(db, { email: 'ADA@example.com', password })
if (!ada) throw new Error('ada cannot log in')
await resumeAutoTrading(db, { botId, userId: ada.id, reason: 'the limits are set' })

async function propose(confidence: number, quantity: string): Promise<IdeaOutcome> {
  const { bundle } = await captureSnapshot(db, {
    botId,
    symbols: [symbol],
    timeframes: ['1h'],
    reason: 'trade_idea',
  })
  const outcome = await proposeTradeIdea(db, {
    ...{ botId, strategyId, snapshotId: bundle.id, symbol, confidence, quantity },
    ...{ direction: 'long', orderType: 'limit', entryPrice: '42000', stopLoss: '41000', targets: ['44000'] },
    rationale: 'it broke out of its range',
  })
  const why = outcome.executed ? `send ${outcome.order.clientOrderId.slice(0, 5)}…` : list(outcome.blocks)
  console.log(`${quantity} at a confidence of ${confidence}: ${outcome.idea.status} (${why})`)
  return outcome
}

function list(blocks: readonly { readonly code: string }[]): string {
  return blocks.map(({ code }) => code).join(', ')
}

await propose(0.9, '0.1')
await propose(0.6, '0.1')
await propose(0.9, '1')
const tooLarge = await propose(0.6, '0.11')
await haltAutoTrading(db, { botId, by: 'ada', reason: 'lunch' })
const atLunch = await propose(0.95, '0.1')

for (const { id: ideaId, quantity } of await listTradeIdeas(db, { botId, status: 'needs_approval' })) {
  if (ideaId === atLunch.idea.id) {
    await rejectTradeIdea(db, { botId, ideaId, userId: ada.id, reason: 'too late' })
    console.log(`${quantity}: rejected by ada`)
    continue
  }
  // What changed since it was proposed counts.
  if (ideaId === tooLarge.idea.id) await setRiskSettings(db, { botId, maxOrderNotional: '4500', ...said })
  const approved = await approveTradeIdea(db, { botId, ideaId, userId: ada.id })
  console.log(
    `${quantity}: approved by ada, ${approved.idea.status}${approved.executed ? '' : ` (${list(approved.blocks)})`}`,
  )
}
try {
  await approveTradeIdea(db, { botId, ideaId: tooLarge.idea.id, userId: ada.id })
} catch (error) {
  if (!isDataError(error) || error.code !== 'invalid_transition') throw error
  console.log(`once more: ${error.code}`)
}

const history = await listDecisionHistory(db, { botId })
console.log(
  history
    .reverse()
    .map(({ action, riskCheckResult }) => `${action}${riskCheckResult ? ` ${riskCheckResult}` : ''}`)
    .join('\n'),
)
console.log(`intact: ${(await verifyAuditTrail(db)).isIntact}`)
