import {
  type DecisionEvidenceInput,
  type DecisionInFull,
  type RecordDecisionInput,
  recordDecision,
} from '../../src/analysis/index.ts'
import type { Database } from '../../src/db/database.ts'
import { type Order, recordFill, recordOrder } from '../../src/trading/index.ts'
import type { Trader } from './performance-fixture.ts'

let made = 0

/** A decision to go long in COIN, unless said otherwise. */
export async function decide(
  db: Database,
  { botId, exchange }: Trader,
  over: Partial<RecordDecisionInput> = {},
): Promise<DecisionInFull> {
  return recordDecision(db, {
    ...{ botId, exchange, symbol: 'COIN', intendedAction: 'long', confidence: 0.8, reasons: [] },
    ...over,
  })
}

export interface Traded {
  readonly decisionId: string
  readonly direction?: 'long' | 'short'
  /** Of ten coins, entered at 10: a point of it is ten dollars. Left out, the position stays open. */
  readonly exit?: string
  readonly openedAt: Date
  readonly closedAt?: Date
  readonly symbol?: string
}

/** Orders ten coins for a decision, fills that in two halves, and closes the position by an order of nobody's decision. */
export async function trade(db: Database, { botId, exchange }: Trader, given: Traded): Promise<Order> {
  const { decisionId, direction = 'long', exit, openedAt, symbol = 'COIN' } = given
  made += 1
  const [entry, out] = direction === 'long' ? (['buy', 'sell'] as const) : (['sell', 'buy'] as const)
  const order = await recordOrder(db, {
    ...{ botId, exchange, symbol, side: entry, type: 'market', quantity: '10', decisionId },
    ...{ clientOrderId: `order-${made}`, status: 'submitted', createdAt: openedAt },
  })
  const fill = { botId, exchange, symbol }
  for (const half of [1, 2]) {
    await recordFill(db, {
      ...{ ...fill, side: entry, quantity: '5', price: '10', orderId: order.id },
      ...{ executedAt: new Date(openedAt.getTime() + half), exchangeTradeId: `in:${made}:${half}` },
    })
  }
  if (exit !== undefined) {
    await recordFill(db, {
      ...{ ...fill, side: out, quantity: '10', price: exit, exchangeTradeId: `out-${made}` },
      executedAt: given.closedAt ?? new Date(openedAt.getTime() + 60_000),
    })
  }
  return order
}

export function evidence(
  source: DecisionEvidenceInput['source'],
  id: string,
  says: DecisionEvidenceInput['says'],
): DecisionEvidenceInput {
  return { source, id, says }
}
