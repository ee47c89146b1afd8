import {
  type Database,
  Decimal,
  type DecisionReplay,
  listTradeDecisions,
  replayDecision,
  type Trade,
} from 'tradeblotter'
import type { Market } from './bot.ts'
import { bold, countOf, day, duration, money, paintBySign, price, print } from './terminal.ts'

/** Tells of the best and of the worst trade why they were made, from what was written down at the time. */
export async function tellStories(db: Database, market: Market, trades: readonly Trade[]): Promise<void> {
  const ordered = trades.toSorted((a, b) => netOf(b).comparedTo(netOf(a)))
  const [best, worst] = [ordered[0], ordered.at(-1)]
  if (!best || !worst) return
  await tell(db, market, `The best trade of ${trades.length}, and why it was made`, best)
  if (worst !== best) await tell(db, market, 'The worst one', worst)
}

async function tell(db: Database, market: Market, title: string, trade: Trade): Promise<void> {
  const { botId, currency } = market
  const decisions = await listTradeDecisions(db, { botId, positionId: trade.positionId })
  print()
  print(bold(title))
  for (const { id } of decisions)
    tellDecision(await replayDecision(db, { botId, decisionId: id }), trade, currency)
  const net = netOf(trade)
  const share = trade.returnFraction ? `, ${money(trade.returnFraction.times(100))} % of its cost` : ''
  const how = trade.exitReason === 'stop' ? 'its stop was hit' : 'the averages crossed again'
  print(`  ${day(trade.closedAt)}  It ended after ${duration(trade.holdingMs)}, since ${how}:`)
  print(
    `${INDENT}${trade.direction} ${money(trade.quantity)} at ${price(trade.entryPrice)}, out at ${price(trade.exitPrice)},`,
  )
  print(`${INDENT}net ${paintBySign(`${money(net)} ${currency}`, net)}${share}.`)
}

const INDENT = ' '.repeat(14)

function tellDecision(replay: DecisionReplay, trade: Trade, currency: string): void {
  const { decision, snapshot, evidence, checks, orders } = replay
  const says: string[] = []
  const [candle] = snapshot?.market ?? []
  const [account] = snapshot?.account ?? []
  if (candle) says.push(`It knew of a close at ${price(candle.close)}.`)
  if (account?.equity) {
    says.push(`Its account was last worth ${money(account.equity)}, on ${day(account.takenAt)}.`)
  }
  for (const piece of evidence) {
    if (piece.source !== 'technical') continue
    const { signal, confidence } = piece.technicalSignal
    says.push(
      `Its averages were ${signal}, ${money(new Decimal(confidence).times(100), 0)} % of the closes with them.`,
    )
  }
  for (const { code, passed, threshold, actual, unit } of checks) {
    says.push(
      `${passed ? 'passed' : 'FAILED'} ${code}: ${price(actual)} against ${price(threshold)} ${unit ?? ''}`.trimEnd(),
    )
  }
  const stop = decision.stopLoss ? `, to be given up at ${price(decision.stopLoss)}` : ''
  says.push(
    `So it decided: ${decision.action}${decision.quantity ? ` ${money(decision.quantity)}` : ''}${stop}.`,
  )
  for (const { order, fills } of orders) {
    const asked = order.checks ?? []
    const failed = asked.filter(({ passed }) => !passed).length
    const answer = failed === 0 ? 'all passed' : `${failed} failed`
    const purpose = (order.purpose ?? 'order').replace('_', ' ')
    says.push(`Of the ${purpose} the gate asked ${countOf(asked.length, 'question')}: ${answer}.`)
    const parts = fills.map((fill) => `${money(fill.quantity)} at ${price(fill.price)}`).join(' and ')
    says.push(
      `${order.side === 'buy' ? 'Bought' : 'Sold'} ${parts}, fees ${money(sumOf(fills.map(({ fee }) => fee)))} ${currency}.`,
    )
    if (fills.some(({ openedPositionId }) => openedPositionId === trade.positionId)) {
      says.push('That closed what it held, and opened this with the rest.')
    }
  }
  says.forEach((line, index) => {
    print(`${index === 0 ? `  ${day(decision.decidedAt)}  ` : INDENT}${line}`)
  })
}

function sumOf(amounts: readonly Decimal[]): Decimal {
  return amounts.reduce((total, amount) => total.plus(amount), new Decimal(0))
}

/** Every fee of the demo is in settlement currency, so that net is always known. */
function netOf(trade: Trade): Decimal {
  return trade.netPnl ?? new Decimal(0)
}
